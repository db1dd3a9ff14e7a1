"""ledger.duckdb: what each channel was asked to do, and what it answered.

It can't be rebuilt, so it is small, versioned, and holds nobody's data but profile ids. It is
opened for moments only; whoever finds it held waits.
"""

import fcntl
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb

from dagster_project import database
from dagster_project.errors import PerennialError
from dagster_project.publishing.gates import GateClosedError
from dagster_project.publishing.published import PublishedBuild

# One entry a version: the statements that lead to it from the one before.
MIGRATIONS: tuple[str, ...] = (
    """
    create sequence attempts;
    -- one row an attempt to build: which gates closed, or that it was published
    create table builds (
        attempt bigint not null,
        run_id varchar not null,
        outcome varchar not null,  -- published | closed
        closed_gates varchar[] not null,
        ended_at timestamptz not null
    );
    -- one row a delivery of one audience to one channel
    create table deliveries (
        attempt bigint not null,
        delivery_id varchar not null,
        run_id varchar not null,
        build_id varchar not null,  -- run_id of the published build
        audience varchar not null,
        channel varchar not null,
        state varchar not null,  -- planned | stopped | sending | done | failed
        reason varchar,
        approved boolean not null,
        member_count bigint not null,
        eligible_count bigint not null,
        planned_count bigint not null,
        sent_count bigint not null,
        acknowledged_count bigint not null,
        refused_count bigint not null,
        started_at timestamptz not null,
        finished_at timestamptz
    );
    -- one row a profile in a delivery
    create table records (
        delivery_id varchar not null,
        batch_id varchar not null,
        profile_id varchar not null,
        operation varchar not null,  -- add | update | remove
        fingerprint varchar,  -- of what is sent; null in a removal
        state varchar not null,  -- planned | sent | acknowledged | refused
        reason varchar,
        changed_at timestamptz not null
    );
    -- one row a profile that a channel has acknowledged for an audience
    create table membership (
        audience varchar not null,
        channel varchar not null,
        profile_id varchar not null,
        fingerprint varchar not null,
        acknowledged_at timestamptz not null
    );
    -- one row a profile that was sent and not answered: the channel may hold it or not
    create table in_doubt (
        audience varchar not null,
        channel varchar not null,
        profile_id varchar not null
    );
    -- one row a profile that a channel refused: not sent again until what is sent changes
    create table refusals (
        audience varchar not null,
        channel varchar not null,
        profile_id varchar not null,
        fingerprint varchar not null,
        reason varchar,
        refused_at timestamptz not null
    );
    -- one row an identifier of an erased person, as a salted hash
    create table erasures (
        subject_type varchar not null,  -- profile_id or an identifier type
        subject_hash varchar not null,
        erased_at timestamptz not null
    );
    create table facts (name varchar not null, value varchar not null);
    """,
    """
    -- one row an erased profile that a channel was ever sent: who must delete it, who has
    create table erasure_notices (
        audience varchar not null,
        channel varchar not null,
        profile_id varchar,  -- null once it is acknowledged
        subject_hash varchar not null,
        told_at timestamptz,
        answer varchar,  -- acknowledged, or why not
        acknowledged_at timestamptz
    );
    """,
)

_BUSY_WORDS = ("different configuration", "already attached", "write-write conflict")


class LedgerError(PerennialError):
    """The ledger can't be used as it is."""


class BuildClosedError(GateClosedError):
    """The newest build didn't pass its gates: nothing is sent until one does."""

    def __init__(self, run_id: str, names: Collection[str]) -> None:
        super().__init__((), "")
        shown = "; ".join(list(names)[:10]) or "not named"
        self.args = (
            f"The newest build ({run_id}) was closed by its gates: {shown}. Nothing was sent. Mend "
            "the data or the rule, then `perennial run`.",
        )


@contextmanager
def opened(
    path: Path, *, read_only: bool = False, wait_seconds: float = 30.0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the ledger, made or brought to this version if need be; waits for whoever holds it."""
    with _gate(path, fcntl.LOCK_SH):
        connection = _connect(path, read_only, wait_seconds)
        try:
            if not read_only:
                _migrate(connection)
            yield connection
        finally:
            connection.close()


def rewrite(path: Path) -> None:
    """Write the ledger anew, so that no page of the file holds what was deleted from it."""
    new = path.with_name(f"{path.name}.new")
    with _gate(path, fcntl.LOCK_EX):
        new.unlink(missing_ok=True)
        with database.connect(path) as connection:
            location = str(new).replace("'", "''")
            connection.execute(f"attach '{location}' as anew")
            connection.execute("copy from database ledger to anew")
            if _sizes(connection, "ledger") != _sizes(connection, "anew"):
                raise LedgerError("The ledger couldn't be written anew; it is as it was.")
            connection.execute("detach anew")
        database.put_in_place(new, path)


def _sizes(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, int]:
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = ?", [catalog]
    ).fetchall()
    return {
        name: scalar(connection, f'select count(*) from {catalog}.main."{name}"')
        for (name,) in tables
    }


@contextmanager
def _gate(path: Path, operation: int) -> Iterator[None]:
    """Many have the ledger open at once or in turn, or one puts another file in its place."""
    lock = path.parent / ".locks" / "ledger.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as handle:
        fcntl.flock(handle, operation)
        yield


def _connect(path: Path, read_only: bool, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            return database.connect(path, read_only=read_only, wait_seconds=left)
        except database.DatabaseUnreadableError as error:
            # A reader and a writer in one process: DuckDB says it in other words than "locked".
            if not any(word in str(error.__cause__) for word in _BUSY_WORDS) or left <= 0:
                raise
        time.sleep(0.02)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit all of the block or none of it."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create table if not exists ledger_version (version integer not null)")
    version = scalar(connection, "select coalesce(max(version), 0) from ledger_version")
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"The ledger is of version {version} and this release knows {len(MIGRATIONS)}: use the "
            "newer release."
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        with transaction(connection):
            connection.execute(statements)
            connection.execute("insert into ledger_version values (?)", [number])


def scalar(connection: duckdb.DuckDBPyConnection, query: str, parameters: object = None) -> int:
    """Run a query that gives one whole number."""
    row = connection.execute(query, parameters).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def lock_file(path: Path, audience: str, channel: str) -> Path:
    """Return the file whose lock keeps deliveries of an audience to a channel apart."""
    # The audience may be anything a person typed: never a path.
    name = re.sub(r"[^A-Za-z0-9_]", "_", audience)[:100]
    return path.parent / ".locks" / f"{channel}.{name}.lock"


def record_build(
    path: Path,
    *,
    run_id: str,
    outcome: Literal["published", "closed"],
    at: datetime,
    closed_gates: Collection[str] = (),
) -> None:
    """Note how an attempt to build ended; `at` is the wall clock, as is a build's finished_at."""
    with opened(path) as connection:
        connection.execute(
            "insert into builds values (nextval('attempts'), ?, ?, ?, ?)",
            [run_id, outcome, list(closed_gates), at],
        )


def require_newest_build_open(connection: duckdb.DuckDBPyConnection, build: PublishedBuild) -> None:
    """Raise BuildClosedError when a build that is newer than the published one closed a gate.

    A build that was published and killed before it could be noted here is known by its time.
    """
    row = connection.execute(
        """
        with newest as (
            select * from builds order by attempt desc limit 1
        ),

        published as (
            select max(attempt) as attempt
            from builds
            where outcome = 'published' and run_id = $run_id
        )

        select newest.run_id, newest.closed_gates
        from newest, published
        where
            newest.outcome = 'closed'
            and (published.attempt is not null or newest.ended_at >= $finished_at)
        """,
        {"run_id": build.run_id, "finished_at": build.finished_at},
    ).fetchone()
    if row is not None:
        raise BuildClosedError(*row)
