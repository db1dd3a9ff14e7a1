"""Audience definitions, read from the meta of their dbt models."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from dagster_project.defs.transform import project
from dagster_project.publishing.audience import AudienceSpec


@cache
def audience_specs() -> tuple[AudienceSpec, ...]:
    """Return every audience that a model under `dbt/models/audiences/` defines."""
    return tuple(
        AudienceSpec.from_meta(name, node["description"], _declared(node))
        for name, node in sorted(project.audiences().items())
    )


def _declared(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the declaration in the meta of a model, empty where there is none."""
    meta: Mapping[str, Any] = node["config"]["meta"]
    declared: Mapping[str, Any] = meta.get("perennial", {}).get("audience", {})
    return declared
