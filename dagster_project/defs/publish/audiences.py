"""Audience definitions, read from the meta of their dbt models."""

from functools import cache

from dagster_project.defs.transform import project
from dagster_project.publishing.audience import AudienceSpec


@cache
def audience_specs() -> tuple[AudienceSpec, ...]:
    """Return every audience that a model under `dbt/models/audiences/` defines."""
    return tuple(
        AudienceSpec.from_meta(name, node["description"], node["config"]["meta"])
        for name, node in sorted(project.audiences().items())
    )
