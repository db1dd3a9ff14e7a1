"""What an audience promises: whom it may reach, where, and who is held back to measure it.

Declared in the `meta` of the audience's model, published with the build, read at delivery.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dagster_project.channels.base import discover
from dagster_project.errors import PerennialError

CONSENT_CHANNELS = ("email", "sms", "push", "whatsapp", "viber", "ads")
ON_EACH_BUILD = "on_each_build"
BY_HAND = "by_hand"

_NAME = r"^[a-z][a-z0-9_]{0,62}$"
_CRON_FIELD = re.compile(r"^[0-9A-Za-z*/,\-?#]+$")


class AudienceError(PerennialError):
    """The declaration of an audience can't be used."""


class UnknownAudienceError(PerennialError):
    """The published build has no audience of that name."""


class AudienceSpec(BaseModel):
    """One audience as its owner declares it.

    `holdout` is the share of its eligible members who receive nothing, so that its effect can be
    measured. `schedule` is 'on_each_build', 'by_hand' or a cron expression.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=_NAME)]
    description: str = ""
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    consent_channel: str
    consent_purpose: Annotated[str, Field(pattern=_NAME)]
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    schedule: str = ON_EACH_BUILD
    owner: str = ""

    @field_validator("channels")
    @classmethod
    def _named_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a channel is named twice")
        return value

    @field_validator("consent_channel")
    @classmethod
    def _known_consent_channel(cls, value: str) -> str:
        if value not in CONSENT_CHANNELS:
            raise ValueError(f"'{value}' is none of {', '.join(CONSENT_CHANNELS)}")
        return value

    @field_validator("schedule")
    @classmethod
    def _known_schedule(cls, value: str) -> str:
        fields = value.split()
        is_cron = len(fields) == 5 and all(_CRON_FIELD.match(field) for field in fields)
        if value not in {ON_EACH_BUILD, BY_HAND} and not is_cron:
            raise ValueError(
                f"'{value}' is none of {ON_EACH_BUILD}, {BY_HAND} or a cron expression of 5 fields"
            )
        return value

    @classmethod
    def from_meta(
        cls,
        name: str,
        description: str,
        meta: Mapping[str, Any],
        *,
        known_channels: Collection[str] | None = None,
    ) -> "AudienceSpec":
        """Read the declaration of an audience; raises AudienceError with one line a mistake.

        `meta` is the mapping `audience` of the model's meta: channels, consent {channel, purpose},
        holdout, schedule, owner. `known_channels` are by default those that are found.
        """
        values = {key: value for key, value in meta.items() if key != "consent"}
        consent = meta.get("consent")
        if not isinstance(consent, Mapping) or not {"channel", "purpose"} <= consent.keys():
            raise AudienceError(
                f"Audience {name}: consent is missing. Say whose permission it needs, such as "
                "consent: {channel: email, purpose: marketing}, in its .yml."
            )
        values |= {"consent_channel": consent["channel"], "consent_purpose": consent["purpose"]}
        try:
            spec = cls(name=name, description=description, **values)
        except ValidationError as error:
            raise AudienceError(f"Audience {name}: {_explain(error)} Correct its .yml.") from None
        known = discover() if known_channels is None else known_channels
        if unknown := [channel for channel in spec.channels if channel not in known]:
            raise AudienceError(
                f"Audience {name}: there is no channel {', '.join(unknown)}; there are "
                f"{', '.join(sorted(known))}. Correct channels in its .yml."
            )
        return spec


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{where}: {problem['msg'].removeprefix('Value error, ')}.")
    return " ".join(lines)


def write_audiences(connection: duckdb.DuckDBPyConnection, specs: Sequence[AudienceSpec]) -> None:
    """Write meta.audiences, one row an audience, into a database that doesn't have it."""
    connection.execute(
        """
        create table meta.audiences (
            name varchar primary key,
            description varchar,
            channels varchar[],
            consent_channel varchar,
            consent_purpose varchar,
            holdout double,
            schedule varchar,
            owner varchar
        )
        """
    )
    for spec in specs:
        values = spec.model_dump() | {"channels": list(spec.channels)}
        connection.execute(
            "insert into meta.audiences values ($name, $description, $channels, $consent_channel, "
            "$consent_purpose, $holdout, $schedule, $owner)",
            values,
        )


def read_audiences(
    connection: duckdb.DuckDBPyConnection, *, catalog: str = "published"
) -> dict[str, AudienceSpec]:
    """Read the audiences of the published build, by name."""
    rows = connection.execute(
        "select name, description, channels, consent_channel, consent_purpose, holdout, schedule, "
        f"owner from {catalog}.meta.audiences order by name"
    ).fetchall()
    specs = (AudienceSpec(**dict(zip(AudienceSpec.model_fields, row, strict=True))) for row in rows)
    return {spec.name: spec for spec in specs}


def require_audience(specs: Mapping[str, AudienceSpec], name: str) -> AudienceSpec:
    """Return the audience of that name, or say which there are."""
    if name not in specs:
        raise UnknownAudienceError(
            f"There is no audience '{name}' in the published build. There are: "
            f"{', '.join(specs) or 'none'}. An audience is a model in dbt/models/audiences/."
        )
    return specs[name]
