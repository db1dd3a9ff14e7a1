"""What a build knows of itself: `meta.build`, the one row that every model's `as_of` comes from."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import duckdb


@dataclass(frozen=True)
class Build:
    """One build: its logical now and the retailer's frame of reference."""

    run_id: str
    as_of: datetime
    business_timezone: str
    reporting_currency: str
    default_country: str
    started_at: datetime

    @property
    def today(self) -> date:
        """The local date of as_of, as macro `today` has it."""
        return self.as_of.astimezone(ZoneInfo(self.business_timezone)).date()


def begin(connection: duckdb.DuckDBPyConnection, build: Build) -> None:
    """Replace `meta.build` by this build."""
    connection.execute("create schema if not exists meta")
    connection.execute(
        """
        create or replace table meta.build as
        select
            $run_id::varchar as run_id,
            $as_of::timestamptz as as_of,
            $business_timezone::varchar as business_timezone,
            $reporting_currency::varchar as reporting_currency,
            $default_country::varchar as default_country,
            $started_at::timestamptz as started_at
        """,
        vars(build),
    )


def current(connection: duckdb.DuckDBPyConnection) -> Build:
    """Read the build that the warehouse holds."""
    row = connection.execute(
        "select run_id, as_of, business_timezone, reporting_currency, default_country, started_at "
        "from meta.build"
    ).fetchone()
    if row is None:  # pragma: no cover - `begin` always writes one row
        raise LookupError("meta.build is empty")
    return Build(*row)
