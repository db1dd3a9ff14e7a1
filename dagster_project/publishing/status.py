"""Where things stand: the published build, its gates, audience sizes, what channels answered."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing import published as published_file
from dagster_project.publishing.audience import read_audiences
from dagster_project.publishing.erasure.subject import Journal
from dagster_project.publishing.published import CATALOG, PublishedBuild, read_build


@dataclass(frozen=True)
class AudienceStatus:
    """One published audience and its size, before anybody is left out."""

    name: str
    size: int
    channels: tuple[str, ...]


@dataclass(frozen=True)
class SyncStatus:
    """The last delivery of an audience to a channel, and how many the channel holds by its word."""

    audience: str
    channel: str
    state: str
    reason: str | None
    run_id: str
    build_id: str
    planned_count: int
    acknowledged_count: int
    refused_count: int
    held_count: int
    in_doubt_count: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class GateStatus:
    """One gate of the published build that didn't pass: a warning, as critical ones close."""

    asset: str
    check_name: str
    severity: str
    failed_count: int | None
    message: str | None


@dataclass(frozen=True)
class BuildAttempt:
    """One attempt to build and what its gates said."""

    run_id: str
    outcome: str
    closed_gates: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class ErasureStatus:
    """Erased people whom a channel hasn't confirmed to have deleted, and what it answered last."""

    audience: str
    channel: str
    people: int
    told_at: datetime | None
    answer: str | None


@dataclass(frozen=True)
class Status:
    """The whole, `build` being None before the first one is published.

    `unfinished_erasures`: those that were broken off in the middle.
    """

    build: PublishedBuild | None
    row_counts: dict[str, int]
    gate_count: int
    warnings: tuple[GateStatus, ...]
    audiences: tuple[AudienceStatus, ...]
    attempts: tuple[BuildAttempt, ...]
    syncs: tuple[SyncStatus, ...]
    erasures: tuple[ErasureStatus, ...]
    unfinished_erasures: int

    def as_json(self) -> dict[str, Any]:
        """Return the status as JSON can hold it."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def status(published: Path, ledger: Path, *, last: int = 5) -> Status:
    """Read the status; `last` is how many attempts to build are listed."""
    build, gate_count = None, 0
    warnings: tuple[GateStatus, ...] = ()
    audiences: tuple[AudienceStatus, ...] = ()
    row_counts: dict[str, int] = {}
    if published.exists():
        with published_file.opened(published) as connection:
            build = read_build(connection)
            gate_count = ledger_file.scalar(
                connection, f"select count(*) from {CATALOG}.meta.gates"
            )
            warnings = tuple(
                GateStatus(*row)
                for row in connection.execute(
                    "select asset, check_name, severity, failed_count, message "
                    f"from {CATALOG}.meta.gates where not passed order by all"
                ).fetchall()
            )
            row_counts = {
                f"{schema}.{name}": ledger_file.scalar(
                    connection, f'select count(*) from {CATALOG}.{schema}."{name}"'
                )
                for schema, name in connection.execute(
                    "select schema_name, table_name from duckdb_tables() where database_name = ? "
                    "and schema_name in ('marts', 'audiences') order by all",
                    [CATALOG],
                ).fetchall()
            }
            audiences = tuple(
                AudienceStatus(name, row_counts.get(f"audiences.{name}", 0), spec.channels)
                for name, spec in read_audiences(connection).items()
            )
    attempts, syncs = _read_ledger(ledger, last)
    return Status(
        build,
        row_counts,
        gate_count,
        warnings,
        audiences,
        attempts,
        syncs,
        _read_erasures(ledger),
        len(Journal.begun(ledger.parent)),
    )


def _read_erasures(ledger: Path) -> tuple[ErasureStatus, ...]:
    if not ledger.exists():
        return ()
    with ledger_file.opened(ledger, read_only=True) as connection:
        # A ledger that an earlier release wrote has no such table until it is written to.
        if not ledger_file.scalar(
            connection,
            "select count(*) from duckdb_tables() where table_name = 'erasure_notices'",
        ):
            return ()
        rows = connection.execute(
            """
            select
                audience, channel, count(distinct profile_id), max(told_at),
                max_by(answer, told_at)
            from erasure_notices
            where profile_id is not null
            group by audience, channel
            order by audience, channel
            """
        ).fetchall()
    return tuple(ErasureStatus(*row) for row in rows)


def _read_ledger(
    ledger: Path, last: int
) -> tuple[tuple[BuildAttempt, ...], tuple[SyncStatus, ...]]:
    if not ledger.exists():
        return (), ()
    with ledger_file.opened(ledger, read_only=True) as connection:
        attempts = connection.execute(
            "select run_id, outcome, closed_gates, ended_at from builds "
            "order by attempt desc limit ?",
            [last],
        ).fetchall()
        syncs = connection.execute(
            """
            with held as (
                select audience, channel, count(*) as held_count from membership group by all
            ),

            doubted as (
                select audience, channel, count(*) as doubt_count from in_doubt group by all
            ),

            latest as (
                select * from deliveries
                qualify row_number() over (
                    partition by audience, channel order by attempt desc
                ) = 1
            )

            select
                audience, channel, state, reason, run_id, build_id, planned_count,
                acknowledged_count, refused_count, coalesce(held_count, 0),
                coalesce(doubt_count, 0), started_at, finished_at
            from latest
            left join held using (audience, channel)
            left join doubted using (audience, channel)
            order by audience, channel
            """
        ).fetchall()
    return (
        tuple(
            BuildAttempt(run, outcome, tuple(names), ended)
            for run, outcome, names, ended in attempts
        ),
        tuple(SyncStatus(*row) for row in syncs),
    )
