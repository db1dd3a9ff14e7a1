"""Hand-made signals, resolved: what the tests of this room say in a line each."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.database import connect
from dagster_project.identity import IdentityReport, Rules, resolve

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)

_COLUMNS = {
    "signal_id": pa.string(),
    "source": pa.string(),
    "source_table": pa.string(),
    "anonymous_id": pa.string(),
    "user_id": pa.string(),
    "previous_id": pa.string(),
    "device_id": pa.string(),
    "email": pa.string(),
    "phone": pa.string(),
    "loyalty_id": pa.string(),
    "erp_customer_id": pa.string(),
    "payment_card": pa.string(),
    "tax_id": pa.string(),
    "country": pa.string(),
    "given_name": pa.string(),
    "family_name": pa.string(),
    "street_address": pa.string(),
    "city": pa.string(),
    "postal_code": pa.string(),
    "birth_date": pa.date32(),
    "first_seen_at": pa.timestamp("us", tz="UTC"),
    "last_seen_at": pa.timestamp("us", tz="UTC"),
    "record_count": pa.int64(),
}

Signal = dict[str, Any]


def signal(name: str, source: str, day: int = 0, **fields: Any) -> Signal:
    """A signal first seen on the given day; `name` is its signal_id."""
    seen = EPOCH + timedelta(days=day)
    return {
        "signal_id": name,
        "source": source,
        "source_table": f"{source}_records",
        "first_seen_at": seen,
        "last_seen_at": seen,
        "record_count": 1,
    } | fields


def customer(name: str, customer_id: str, day: int = 0, **fields: Any) -> Signal:
    """A customer record of the ERP."""
    return signal(
        name, "erp", day, source_table="erp_customers", erp_customer_id=customer_id, **fields
    )


def member(name: str, loyalty_id: str, day: int = 0, **fields: Any) -> Signal:
    """A loyalty member's record of the POS."""
    return signal(name, "pos", day, source_table="pos_members", loyalty_id=loyalty_id, **fields)


def named(given_name: str, family_name: str, born: str | None = None) -> dict[str, Any]:
    """Names and birth date of a record."""
    return {
        "given_name": given_name,
        "family_name": family_name,
        "birth_date": date.fromisoformat(born) if born else None,
    }


@dataclass
class World:
    """A resolved warehouse, and questions to it."""

    connection: duckdb.DuckDBPyConnection
    report: IdentityReport
    people: dict[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        self.people = dict(self.rows("select signal_id, profile_id from identity.resolved"))

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, list(values)).fetchall()

    def same(self, *names: str) -> bool:
        """Whether these signals are one person, and somebody."""
        persons = {self.people[name] for name in names}
        return len(persons) == 1 and None not in persons

    def different(self, *names: str) -> bool:
        """Whether no two of these signals are one person."""
        persons = [self.people[name] for name in names]
        return len(set(persons)) == len(persons)

    def demoted(self) -> dict[tuple[str, str], str]:
        """Reason by identifier type and value."""
        found = self.rows("select identifier_type, identifier_value, reason from identity.demoted")
        return {(kind, value): reason for kind, value, reason in found}

    def normalised(self, identifier_type: str) -> dict[str, str | None]:
        return dict(
            self.rows(
                "select raw_value, identifier_value from identity.normalised "
                "where identifier_type = $1",
                identifier_type,
            )
        )

    def publish(self, path: Path) -> Path:
        """Write the tables of the marts that the next build's history reads."""
        path.unlink(missing_ok=True)
        self.connection.execute(f"attach '{path}' as published")
        self.connection.execute(
            """
            create schema published.marts;
            create table published.marts.customer_identifiers as
                select profile_id, identifier_type, identifier_value, source, first_seen_at,
                    last_seen_at
                from identity.identifiers;
            create table published.marts.identity_history as from identity.history;
            create schema published.meta;
            create table published.meta.identity_measures as from identity.measures;
            create table published.meta.identity_resolution as
                select resolution_id from identity_state.resolution;
            detach published;
            """
        )
        return path


def warehouse(signals: Iterable[Signal], path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A warehouse that holds staging.stg_identity__signals and nothing else."""
    connection = connect(path or Path(":memory:"))
    stage(connection, signals)
    return connection


def stage(connection: duckdb.DuckDBPyConnection, signals: Iterable[Signal]) -> None:
    """Write staging.stg_identity__signals, of these alone."""
    rows = list(signals)
    columns = {
        name: pa.array([row.get(name) for row in rows], type=kind)
        for name, kind in _COLUMNS.items()
    }
    connection.register("signals", pa.table(columns))
    connection.execute("create schema if not exists staging")
    connection.execute(
        "create or replace table staging.stg_identity__signals as select * from signals"
    )
    connection.unregister("signals")


def resolved(
    signals: Sequence[Signal],
    *,
    previous: Path | None = None,
    as_of: datetime = AS_OF,
    country: str = "RO",
    shuffled: int | None = None,
    rules: Rules | None = None,
    model: Path | None = None,
    overrides: Path | None = None,
    salt: str = "a salt",
    accept: bool = False,
) -> World:
    """Resolve the signals in a warehouse of their own; `shuffled` is the seed of another order."""
    rows = list(signals)
    if shuffled is not None:
        random.Random(shuffled).shuffle(rows)
    connection = warehouse(rows)
    report = resolve(
        connection,
        as_of=as_of,
        default_country=country,
        salt=salt,
        previous=previous,
        rules=rules,
        model=model,
        overrides=overrides,
        accept=accept,
    )
    return World(connection, report)
