"""Dagster's event log in SQLite, with its databases kept open."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listens_for

# One for the index and one for each run that is written or looked at.
_MAXIMUM_OPEN = 16


class EventLog(SqliteEventLogStorage):
    """The same files as Dagster's own storage, opened once instead of twice for each event.

    A build reports some 900 events. Measured on 300 checks: 4.2 s instead of 13.5 s, most of it
    the engine that Dagster makes, and throws away, for every statement.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EventLog":
        """Open the log where Dagster keeps it below its home, `base_dir`."""
        return cls(str(Path(config_value["base_dir"]) / "history" / "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        """Return the open database of a run or of the index, the least recent giving way."""
        engine = self._engines.pop(shard, None) or self._open(shard)
        self._engines[shard] = engine
        if len(self._engines) > _MAXIMUM_OPEN:
            self._engines.pop(next(iter(self._engines))).dispose()
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    def _open(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )

        @listens_for(engine, "connect")
        def wait_for_no_disk(connection: sqlite3.Connection, _: object) -> None:
            # In WAL mode this is safe against a kill, and a power cut costs the last events only.
            connection.execute("pragma synchronous = normal")

        return engine

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, and touch the file that the live log of the UI watches.

        A commit changes only the WAL file beside it, until the database is closed.
        """
        super().store_event(event)
        os.utime(self.path_for_shard(event.run_id))

    def wipe(self) -> None:
        """Delete every event."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close the databases."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()
