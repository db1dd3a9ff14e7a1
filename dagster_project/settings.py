"""Settings: environment variables with the prefix PERENNIAL_, also read from `.env`.

The only module that reads the environment. Rooms take what they need as parameters.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import available_timezones

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dagster_project.channels.base import Channel, discover
from dagster_project.errors import PerennialError

PREFIX = "PERENNIAL_"
PROJECT_ROOT = Path(__file__).resolve().parents[1]
# Written for the dbt process by `Settings.export`; nobody sets it by hand.
WAREHOUSE_VARIABLE = f"{PREFIX}WAREHOUSE"
# A data directory with this file was made by publishing/past.py.
PAST_MARKER = "past.json"
CRON_FIELDS = 5

ModelT = TypeVar("ModelT", bound=BaseModel)


class SettingsError(PerennialError):
    """A setting has a value that can't be used."""


class Settings(BaseSettings):
    """What a retailer decides about one installation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    data: Annotated[
        str,
        Field(
            description="The data directory: landing zone, warehouse, published file, ledger. Or "
            "the URL of an object store that holds landing/ and raw/: s3://bucket/prefix, gs://, "
            "az://."
        ),
    ] = "data"
    work: Annotated[
        Path,
        Field(
            description="Where the DuckDB files and a working copy of raw lie when PERENNIAL_DATA "
            "is a URL."
        ),
    ] = Path("data")
    formats: Annotated[
        Path | None,
        Field(
            description="How landed files are written where they aren't as the contract has it "
            "(sources/README.md). Empty: formats.toml in the data directory, if there is one."
        ),
    ] = None
    as_of: Annotated[
        datetime | None,
        Field(description="The logical now, ISO 8601. Empty: the wall clock when a run starts."),
    ] = None
    timezone: Annotated[
        str, Field(description="IANA name of the business time zone; dates are taken in it.")
    ] = "UTC"
    reporting_currency: Annotated[
        str,
        Field(
            pattern=r"^[A-Z]{3}$",
            description="ISO 4217 code that amounts are reported in; has a row in the rates seed.",
        ),
    ] = "EUR"
    default_country: Annotated[
        str,
        Field(
            pattern=r"^[A-Z]{2}$",
            description="ISO 3166 code for phone numbers written without a country.",
        ),
    ] = "PT"
    identity_salt: Annotated[
        SecretStr,
        Field(description="Salt of the profile ids. Changing it changes every id: set it once."),
    ] = SecretStr("")
    holdout_salt: Annotated[
        SecretStr,
        Field(description="Salt of the holdout groups. Changing it draws every holdout again."),
    ] = SecretStr("perennial")
    erp_url: Annotated[
        SecretStr | None,
        Field(
            description="Address of the ERP's PostgreSQL, of a user who may only read: "
            "postgresql://user:password@host/database. Empty: ERP tables land as files."
        ),
    ] = None
    erp_kind: Annotated[
        str, Field(description="Which ERP it is, tryton or odoo: a folder of sources/erp_database.")
    ] = "tryton"
    erp_overlap_minutes: Annotated[
        int,
        Field(ge=1, description="How long a transaction of the ERP may take before it commits."),
    ] = 60
    erp_timeout_seconds: Annotated[
        int, Field(ge=1, description="How long one query of the ERP's database may take.")
    ] = 600
    erp_full_read_hours: Annotated[
        int,
        Field(
            ge=0,
            description="Hours after which a read compares all rows of the ERP; 0: each does.",
        ),
    ] = 24
    erp_maximum_gone_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of an ERP table's rows that may be gone since the last read.",
        ),
    ] = 0.15
    maximum_removal_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of what a channel holds that one delivery may remove unapproved.",
        ),
    ] = 0.15
    maximum_quarantined_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of a raw table's rows in quarantine that closes its gate.",
        ),
    ] = 0.1
    volume_warning_factor: Annotated[
        float,
        Field(
            ge=1,
            description="A new file with so many times the rows of those before it, or so many "
            "times fewer, is a warning.",
        ),
    ] = 5
    volume_critical_factor: Annotated[
        float, Field(ge=1, description="So many times more or fewer rows close the gate.")
    ] = 20
    build_schedule: Annotated[
        str, Field(description="Cron expression of the daily build, in the business time zone.")
    ] = "0 5 * * *"
    failure_webhook_url: Annotated[
        SecretStr | None,
        Field(
            description="Address that is told of failed steps and closed gates (Slack-compatible)."
        ),
    ] = None

    @field_validator("as_of")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"'{value}' is no IANA time zone, such as Europe/Lisbon")
        return value

    @field_validator("build_schedule")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if len(value.split()) != CRON_FIELDS:
            raise ValueError(f"'{value}' is no cron expression of five fields, such as 0 5 * * *")
        return value

    @cached_property
    def data_dir(self) -> Path:
        """The data directory, absolute; of an object store, its working copy."""
        return (self.work if self.objects_url else Path(self.data)).expanduser().resolve()

    @property
    def objects_url(self) -> str | None:
        """The object store that holds landing and raw, where the data isn't a local directory."""
        return self.data.rstrip("/") if "://" in self.data else None

    @cached_property
    def formats_file(self) -> Path | None:
        """The settings file of formats, absolute; None for the one in the data directory."""
        return self.formats.expanduser().resolve() if self.formats else None

    @property
    def warehouse(self) -> Path:
        """Where a run builds."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The last build whose gates all passed."""
        return self.data_dir / "published.duckdb"

    @property
    def report(self) -> Path:
        """The last published build as a page."""
        return self.data_dir / "report.html"

    @property
    def ledger(self) -> Path:
        """What each channel was asked to do and what it answered."""
        return self.data_dir / "ledger.duckdb"

    @property
    def models(self) -> Path:
        """Where trained matching models lie, each under its number."""
        return self.data_dir / "identity"

    @property
    def matching_model(self) -> Path | None:
        """The matching model that was trained last; None for the one that comes with Perennial."""
        return max(self.models.glob("model-[0-9]*.json"), default=None)

    @property
    def overrides(self) -> Path:
        """Which identifiers a steward ties together or keeps apart."""
        return self.models / "overrides.csv"

    @cached_property
    def is_past(self) -> bool:
        """Whether the data directory is a look at the past: it takes nothing in and sends nothing.

        See publishing/past.py.
        """
        return (self.data_dir / PAST_MARKER).exists()

    @property
    def reads_erp(self) -> bool:
        """Whether a build reads the ERP's database."""
        return self.erp_url is not None and not self.is_past

    def require_present(self) -> None:
        """Raise SettingsError in a look at the past."""
        if self.is_past:
            raise SettingsError(
                f"{self.data_dir} is a look at the past: nobody is written to or erased from there."
                f" Point {PREFIX}DATA at the data directory that it was made of."
            )

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its runs, so that the terminal and the UI show the same ones."""
        return self.data_dir / ".dagster"

    def open_channel(self, kind: type[Channel]) -> Channel:
        """Make a channel with its own settings; it connects to nothing yet."""
        folder = self.data_dir / "channels" / kind.name
        return kind(_load_for_channel(kind.name, kind.Settings), folder)

    def export(self) -> None:
        """Hand the absolute paths on to child processes: dbt, the UI, its code server."""
        os.environ[f"{PREFIX}DATA"] = self.objects_url or str(self.data_dir)
        os.environ[f"{PREFIX}WORK"] = str(self.data_dir)
        if self.formats_file:
            os.environ[f"{PREFIX}FORMATS"] = str(self.formats_file)
        os.environ[WAREHOUSE_VARIABLE] = str(self.warehouse)
        os.environ["DAGSTER_HOME"] = str(self.dagster_home)
        os.environ.setdefault("DO_NOT_TRACK", "1")
        os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
        os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


def load(**overrides: object) -> Settings:
    """Read the settings; one clear line a setting that can't be used."""
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_explain(error, PREFIX)) from None


def _load_for_channel(channel: str, model: type[ModelT]) -> ModelT:
    """Read the settings that a channel declares, from PERENNIAL_<CHANNEL>_<FIELD>."""
    prefix = f"{PREFIX}{channel.upper()}_"

    class ChannelSettings(model, BaseSettings):  # type: ignore[misc, valid-type]
        model_config = SettingsConfigDict(
            env_prefix=prefix,
            env_file=".env",
            env_file_encoding="utf-8",
            env_ignore_empty=True,
            extra="ignore",
        )

    try:
        return model.model_validate(ChannelSettings().model_dump())
    except ValidationError as error:
        raise SettingsError(_explain(error, prefix)) from None


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables while the block lasts: for the demo, which starts the receiver it sends to."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def unknown_variables() -> list[str]:
    """Names of PERENNIAL_ variables that nothing reads: most often a typing error."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | {WAREHOUSE_VARIABLE}
    for name, kind in discover().items():
        known |= {f"{PREFIX}{name}_{field}".upper() for field in kind.Settings.model_fields}
    return sorted(n for n in os.environ if n.startswith(PREFIX) and n.upper() not in known)


def _explain(error: ValidationError, prefix: str) -> str:
    """Name the variable and the reason, not the value: it may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = prefix + "_".join(str(part) for part in problem["loc"][:1]).upper()
        reason = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {reason}. Set it in the environment or in .env (see .env.example).")
    return " ".join(lines)
