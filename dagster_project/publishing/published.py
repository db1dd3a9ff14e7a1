"""The published build, opened for reading only, for as long as a question takes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.errors import PerennialError
from dagster_project.publishing.gates import ClosedGate, GateKey, closed_gates

CATALOG = "published"


class NotPublishedError(PerennialError):
    """There is no published build, or the file isn't one."""


@dataclass(frozen=True)
class PublishedBuild:
    """The build that published.duckdb holds."""

    run_id: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """Attach the published file to a connection as the catalog `published`, read-only."""
    if not path.exists():
        raise NotPublishedError(f"{path} isn't there yet: `perennial run` publishes it.")
    location = str(path).replace("'", "''")
    try:
        connection.execute(f"attach '{location}' as {CATALOG} (read_only)")
    except duckdb.Error as error:
        raise NotPublishedError(
            f"{path} can't be read as a published build: run `perennial run` to publish it again."
        ) from error
    try:
        yield
    finally:
        # After an error the connection may refuse; it is closed next and forgets the file then.
        with suppress(duckdb.Error):
            connection.execute(f"detach {CATALOG}")


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published file as it is now.

    Attached to a database in memory: DuckDB gives a second connection of this process the file
    that the first one opened, also after it was swapped for a newer one.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        with attached(connection, path):
            yield connection


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the attached build has the table; one of an older version may not."""
    found = connection.execute(
        "select 1 from duckdb_tables() "
        "where database_name = ? and schema_name = ? and table_name = ?",
        [CATALOG, schema, table],
    ).fetchone()
    return found is not None


def read_build(connection: duckdb.DuckDBPyConnection) -> PublishedBuild:
    """Read which build is attached."""
    try:
        row = connection.execute(
            f"select run_id, as_of, started_at, finished_at from {CATALOG}.meta.run"
        ).fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        raise _incomplete("which build it is")
    return PublishedBuild(*row)


def closed_in_published(connection: duckdb.DuckDBPyConnection) -> list[ClosedGate]:
    """Ask the gates of the attached build once more: all that had to pass, passed on it."""
    try:
        rows = connection.execute(
            f"select asset, check_name from {CATALOG}.meta.expected_gates"
        ).fetchall()
    except duckdb.CatalogException:
        raise _incomplete("which gates it had to pass") from None
    if not rows:
        raise _incomplete("which gates it had to pass")
    return closed_gates(connection, [GateKey(*row) for row in rows], catalog=CATALOG)


def _incomplete(what: str) -> NotPublishedError:
    return NotPublishedError(
        f"The published file doesn't say {what}: `perennial run` publishes it again."
    )
