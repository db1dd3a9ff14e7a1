"""Identity's own checks: each of its measures within its limits, or accepted for this build."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dagster_project.publishing.gates import GateOutcome

ASSET = "identity/measures"
CHECKS: Mapping[str, tuple[str, str]] = {
    "largest_profile": (
        "no_profile_is_a_crowd",
        "Closes when one person has far more identifiers than a person can have.",
    ),
    "share_joined": (
        "as_many_records_are_joined_as_before",
        "Closes when many more or many fewer records belong to a person of several identifiers.",
    ),
    "several_registrations": (
        "few_people_have_two_registrations_of_one_kind",
        "Closes when many persons have two customer numbers, two cards or two accounts.",
    ),
    "changed": (
        "few_people_were_merged_or_split",
        "Closes when many persons were merged or split since the build before, but for what a "
        "steward decided.",
    ),
    "estimated_precision": (
        "the_estimated_precision_is_high",
        "Closes when too many pairs of registrations in one person contradict each other, or are "
        "joined with too little certainty.",
    ),
}
_NEXT = (
    "Look at what changed, mend it, or accept it for one build with `perennial run "
    "--accept-identity`; the limits are in rules.toml, in its part on gates."
)


def specs() -> list[dg.AssetCheckSpec]:
    """The checks, in the order in which they are shown."""
    return [
        dg.AssetCheckSpec(
            name=name, asset=dg.AssetKey(ASSET.split("/")), blocking=True, description=words
        )
        for name, words in CHECKS.values()
    ]


def outcomes(measures: list[tuple[Any, ...]]) -> list[GateOutcome]:
    """What each check says; a row is one of identity.measures."""
    found = {measure: rest for measure, *rest in measures}
    return [_outcome(measure, name, *found[measure]) for measure, (name, _) in CHECKS.items()]


def _outcome(
    measure: str,
    name: str,
    value: float | None,
    before: float | None,
    lowest: float | None,
    highest: float | None,
    is_within: bool,
    is_accepted: bool,
) -> GateOutcome:
    said = (
        f"{measure.replace('_', ' ')} is {_number(value)} (before {_number(before)}, "
        f"at least {_number(lowest)}, at most {_number(highest)})"
    )
    passed = is_within or is_accepted
    return GateOutcome(
        stage="identity",
        asset=ASSET,
        check_name=name,
        engine="identity",
        severity="critical",
        passed=passed,
        failed_count=int(not passed),
        evaluated_count=1,
        message=f"{said}: accepted" if is_accepted else said if passed else f"{said}. {_NEXT}",
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
