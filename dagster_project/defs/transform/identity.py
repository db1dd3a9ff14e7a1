"""Identity as assets: who is who, between staging and intermediate."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import duckdb

from dagster_project import identity
from dagster_project import warehouse as builds
from dagster_project.defs.ingest.checks import result
from dagster_project.defs.quality.outcomes import keep
from dagster_project.defs.resources import Warehouse
from dagster_project.defs.transform import measures
from dagster_project.identity import overview
from dagster_project.identity.overrides import told
from dagster_project.publishing import gates, tree
from dagster_project.publishing.picture import draw_person

TABLES = {
    "normalised": "Identifier values as sources wrote them, and as they are compared. "
    "Grain: one row a value as written.",
    "links": "Which identifiers were seen together, by which rule, or belong to registrations that "
    "are alike, with how probable that is. Grain: one row a pair, rule and source.",
    "ties": "Why an identifier belongs to its person: the link that ties it towards the person's "
    "anchor. Grain: one row an identifier that joined.",
    "review": "Registrations that may be one person's, for somebody to decide. Grain: one row a "
    "pair.",
    "cut_links": "Identifiers seen together but not joined, as the people contradict each "
    "other. Grain: one row a pair, rule and source.",
    "redirects": "Where a former profile id leads today. Grain: one row a former id.",
    "demoted": "Identifiers that too many people share: they join nobody. Grain: one row an "
    "identifier.",
    "identifiers": "The identifiers of each person. Grain: one row an identifier and source.",
    "resolved": "The person of each combination of identifiers. Grain: one row a signal.",
    "profiles": "The people. Grain: one row a person.",
    "history": "Every merge and split since the first build. Grain: one row a change.",
    "household_members": "Who lives together; persons stay persons. Grain: one row a person who "
    "shares a household with others.",
    "household_links": "Why two persons are of one household: the address, e-mail or phone that "
    "they share. Grain: one row a pair and shared value.",
    "measures": "What tells when identity went wrong: sizes, shares, changes, and the limits that "
    "close the gate. Grain: one row a measure.",
}


class IdentityConfig(dg.Config):
    """What a person may choose for one build."""

    accept_measures: bool = False
    judge_all: bool = False


# What hangs on how much the matching model finds records to be alike.
_BY_MODEL = ("links", "ties", "review")


@dg.multi_asset(
    name="identity",
    specs=[
        dg.AssetSpec(
            key=["identity", table],
            deps=[["staging", "stg_identity__signals"]],
            group_name="identity",
            kinds={"python", "duckdb"},
            owners=["team:data-engineering"],
            description=description,
        )
        for table, description in TABLES.items()
    ],
    check_specs=measures.specs(),
)
def resolved_identities(
    context: dg.AssetExecutionContext, config: IdentityConfig, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """Join what belongs to one person; ids are those of the build before.

    Only those are judged anew whom new records reach; with `judge_all` everybody.
    """
    settings = warehouse.settings
    with warehouse.connect() as connection:
        gates.invalidate(connection, "identity")
        build = builds.current(connection)
        report = identity.resolve(
            connection,
            as_of=build.as_of,
            default_country=build.default_country,
            salt=settings.identity_salt.get_secret_value(),
            previous=settings.published if settings.published.exists() else None,
            model=settings.matching_model,
            overrides=settings.overrides,
            accept=config.accept_measures,
            full=config.judge_all,
        )
        rows = {
            table: connection.execute(f"select count(*) from identity.{table}").fetchone()
            for table in TABLES
        }
        shown = _shown(connection)
        measured = connection.execute("from identity.measures").fetchall()
    outcomes = measures.outcomes(measured)
    keep(warehouse, outcomes, run_id=context.run.run_id)
    context.log.info("%s", report)
    for table, count in rows.items():
        yield dg.MaterializeResult(
            asset_key=["identity", table],
            metadata={
                "dagster/row_count": count[0] if count else 0,
                **({"matching model": report.model} if table in _BY_MODEL else {}),
                **(_overrides(report) if table == "links" else {}),
                **(_judged(report) if table == "resolved" else {}),
                **shown.get(table, {}),
            },
            check_results=[result(outcome) for outcome in outcomes] if table == "measures" else [],
        )


def _overrides(report: identity.IdentityReport) -> dict[str, str]:
    """The rows of overrides.csv that a steward should look at."""
    found = {
        "overrides that name nobody": report.unknown_overrides,
        "overrides not followed": report.unmet_overrides,
    }
    return {what: told(lines) for what, lines in found.items() if lines}


def _judged(report: identity.IdentityReport) -> dict[str, str]:
    """How many signals were looked at again, and why all of them, if so."""
    if report.why_all:
        return {"judged anew": f"everybody, as {report.why_all}"}
    share = report.judged_signals / max(report.signals, 1)
    return {"judged anew": f"{report.judged_signals:,} signals ({share:.1%}), whom new ones reach"}


def _shown(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, dg.MarkdownMetadataValue]]:
    """What the UI shows beside the counts of some tables; no value of anybody."""
    sizes = [(row["identifiers"], row["persons"]) for row in overview.sizes(connection)]
    kinds = [
        (
            f"{tree.kind(row['from_type'])} – {tree.kind(row['to_type'])}, "
            f"{tree.rule(row['rule'])}",
            row["links"],
        )
        for row in overview.kinds(connection)
    ]
    shown = {
        "profiles": {"identifiers of a person": _bars("identifiers", "persons", sizes)},
        "links": {"what links what": _bars("what", "links", kinds)},
        "measures": {"measures": _measures(connection.sql("from identity.measures").fetchall())},
    }
    if example := overview.example(connection):
        drawn = draw_person(
            example.identifiers, example.links, example.cut_links, example.review
        ).encode()
        image = f"![One person](data:image/svg+xml;base64,{b64encode(drawn).decode()})"
        shown["ties"] = {"one person": dg.MetadataValue.md(image)}
    return shown


def _measures(measures: list[tuple[Any, ...]]) -> dg.MarkdownMetadataValue:
    """The measures of a build beside those of the build before, and what they may be."""
    lines = ["| measure | now | before | at least | at most | |", "|---|---|---|---|---|---|"]
    for measure, *numbers, is_within, is_accepted in measures:
        outcome = "" if is_within else "accepted" if is_accepted else "**beyond**"
        told = " | ".join("" if number is None else f"{number:.6g}" for number in numbers)
        lines.append(f"| {measure.replace('_', ' ')} | {told} | {outcome} |")
    return dg.MetadataValue.md("\n".join(lines))


def _bars(name: str, unit: str, counts: Sequence[tuple[str, int]]) -> dg.MarkdownMetadataValue:
    most = max((count for _, count in counts), default=1)
    lines = [f"| {name} | {unit} | |", "| :--- | ---: | :--- |"]
    lines += [f"| {what} | {n:,} | {'█' * max(1, 24 * n // most)} |" for what, n in counts]
    return dg.MetadataValue.md("\n".join(lines))


@dg.definitions
def defs() -> dg.Definitions:
    """The tables of the identity schema."""
    return dg.Definitions(assets=[resolved_identities])
