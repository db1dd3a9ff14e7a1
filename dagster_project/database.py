"""DuckDB files of the data directory: opened in one way, with one clear error when another process holds them."""

import time
from pathlib import Path

import duckdb

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
            return duckdb.connect(str(path), read_only=read_only, config={"TimeZone": "UTC"})
        except duckdb.Error as error:
            text = str(error)
            if not any(word in text for word in _LOCK_WORDS):
                raise DatabaseUnreadableError(
                    f"{path} can't be opened ({text.splitlines()[0][:200]}). Check that the folder is "
                    "writable; a damaged warehouse.duckdb can be deleted, the next run rebuilds it."
                ) from error
            if time.monotonic() >= deadline:
                raise DatabaseLockedError(
                    f"{path} is held by another process: wait for the other run to end, or stop it, "
                    "then try again."
                ) from error
            time.sleep(0.1)
