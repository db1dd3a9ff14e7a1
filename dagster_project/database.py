"""DuckDB files of the data directory: opened in one way, locked with one clear error."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.errors import PerennialError

_LOCK_WORDS = ("Could not set lock", "Conflicting lock", "already open", "being used by another")


class DatabaseLockedError(PerennialError):
    """Another process holds the file."""


class DatabaseUnreadableError(PerennialError):
    """The file can't be opened as a DuckDB database."""


def connect(
    path: Path, *, read_only: bool = False, wait_seconds: float = 5.0
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file with UTC as its session time zone.

    A DuckDB file has one writer or many readers, so a lock held by another process is waited for
    `wait_seconds` and then reported as DatabaseLockedError.
    """
    if read_only and not path.exists():
        raise DatabaseUnreadableError(f"{path} isn't there yet: `perennial run` writes it.")
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection = duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            text = str(error)
            if not any(word in text for word in _LOCK_WORDS):
                raise DatabaseUnreadableError(
                    f"{path} can't be opened ({text.splitlines()[0][:200]}). Check that the folder "
                    "is writable; a damaged warehouse.duckdb can be deleted, a run rebuilds it."
                ) from error
            if time.monotonic() >= deadline:
                raise DatabaseLockedError(
                    f"{path} is held by another process: wait for the other run to end, or stop "
                    "it, then try again."
                ) from error
            time.sleep(0.1)
        else:
            connection.execute("set TimeZone = 'UTC'")
            return connection


def read(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> pa.Table:
    """Return a query's whole result as an Arrow table.

    Not by `execute(query).to_arrow_table()`, which DuckDB streams: in 1.5.6 a stream that ends in a
    window function hangs for ever once in a few hundred times (measured on results of 90,000 rows).
    """
    return connection.sql(query, params=parameters).to_arrow_table()


def put_in_place(finished: Path, final: Path) -> None:
    """Put a file on disk before its name, and its name on disk before anybody is told."""
    _sync(finished, os.O_RDWR)
    finished.replace(final)
    _sync(final.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, *, what: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` while the block lasts; a killed holder leaves it free.

    Raises DatabaseLockedError when another process still holds it after `wait_seconds`; `what` says
    what is under way there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _locked_within(descriptor, wait_seconds):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DatabaseLockedError(
                f"{what} is under way in process {holder}: wait for it to end, or stop it, "
                "then try again."
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked_within(descriptor: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        else:
            return True
