"""The outcome of every check on the build, kept with the data it speaks of.

A gate that didn't run is a closed gate, and a stage that is built again takes the outcomes of
itself and of every later stage with it, so a stale result never opens anything.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import duckdb
import pyarrow as pa

from dagster_project.errors import PerennialError

STAGES = (
    "raw",
    "staging",
    "identity",
    "intermediate",
    "calendar",
    "prediction",
    "marts",
    "audiences",
)

GATES_TABLE = """
    create table if not exists {schema}.gates (
        stage varchar not null,
        asset varchar not null,
        check_name varchar not null,
        engine varchar not null,
        severity varchar not null,
        passed boolean not null,
        failed_count bigint,
        evaluated_count bigint,
        message varchar,
        run_id varchar not null,
        checked_at timestamptz not null,
        primary key (asset, check_name)
    )
"""


class GateKey(NamedTuple):
    """One check on one asset, such as ('marts/customer_profiles', 'unique_profile_id')."""

    asset: str
    check_name: str

    def __str__(self) -> str:
        return f"{self.asset} · {self.check_name}"


@dataclass(frozen=True)
class GateOutcome:
    """What one check found on the build; the message holds counts, never values."""

    stage: str
    asset: str
    check_name: str
    engine: Literal["great_expectations", "dbt", "loader", "identity", "prediction"]
    severity: Literal["critical", "warning"]
    passed: bool
    failed_count: int | None = None
    evaluated_count: int | None = None
    message: str | None = None


@dataclass(frozen=True)
class ClosedGate:
    """A gate that keeps the build from being published, and why: it failed, or it never ran."""

    key: GateKey
    why: Literal["failed", "missing"]
    message: str | None = None

    def __str__(self) -> str:
        return f"{self.key} ({'failed' if self.why == 'failed' else 'did not run'})"


class GateClosedError(PerennialError):
    """The build isn't published, or what is published isn't sent, because of these gates."""

    def __init__(self, closed: Collection[ClosedGate], consequence: str) -> None:
        self.closed = tuple(closed)
        names = "; ".join(str(gate) for gate in self.closed[:10])
        more = f"; and {len(self.closed) - 10} more" if len(self.closed) > 10 else ""
        super().__init__(
            f"{len(self.closed)} gate(s) closed: {names}{more}. {consequence} Look at the check in "
            "the UI or in `perennial status`, mend the data or the rule, then `perennial run`."
        )


def record(
    connection: duckdb.DuckDBPyConnection,
    outcomes: Collection[GateOutcome],
    run_id: str,
    checked_at: datetime,
) -> None:
    """Write outcomes to meta.gates of the warehouse, over what those checks found before."""
    _ensure(connection)
    rows = [{**vars(outcome), "run_id": run_id, "checked_at": checked_at} for outcome in outcomes]
    for stage in {outcome.stage for outcome in outcomes}:
        _position(stage)
    if rows:
        found = pa.Table.from_pylist(rows)  # noqa: F841 - read by name below
        connection.execute("insert or replace into meta.gates by name from found")


def invalidate(connection: duckdb.DuckDBPyConnection, stage: str) -> None:
    """Forget the outcomes of a stage that is about to be built, and of every later one."""
    later = list(STAGES[_position(stage) :])
    _ensure(connection)
    connection.execute("delete from meta.gates where list_contains(?, stage)", [later])


def closed_gates(
    connection: duckdb.DuckDBPyConnection,
    expected: Collection[GateKey],
    *,
    catalog: str | None = None,
) -> list[ClosedGate]:
    """List the gates that are closed: expected and missing, or critical and not passed."""
    prefix = f"{catalog}." if catalog else ""
    if not has_gates(connection, catalog):
        return [ClosedGate(GateKey(*key), "missing") for key in sorted(expected)]
    found = {
        GateKey(asset, check_name): (severity, passed, message)
        for asset, check_name, severity, passed, message in connection.execute(
            f"select asset, check_name, severity, passed, message from {prefix}meta.gates"
        ).fetchall()
    }
    closed = [ClosedGate(GateKey(*key), "missing") for key in expected if key not in found]
    closed += [
        ClosedGate(key, "failed", message)
        for key, (severity, passed, message) in found.items()
        # A failed critical check closes also when nobody expected it.
        if severity != "warning" and not passed
    ]
    return sorted(closed, key=lambda gate: gate.key)


def _ensure(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create schema if not exists meta")
    connection.execute(GATES_TABLE.format(schema="meta"))


def has_gates(connection: duckdb.DuckDBPyConnection, catalog: str | None = None) -> bool:
    """Whether meta.gates is there, in the connection's own database or in an attached one."""
    found = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'meta' and table_name = 'gates' "
        "and database_name = coalesce(?, current_database())",
        [catalog],
    ).fetchone()
    return found is not None


def _position(stage: str) -> int:
    if stage not in STAGES:
        raise ValueError(f"'{stage}' is no stage; stages are {', '.join(STAGES)}")
    return STAGES.index(stage)
