"""Landed files to raw Parquet: every row is loaded or quarantined, once, whatever happens.

A landed content is done when `raw/<source>/<table>/<sha256>.parquet` exists. That file is put in
place last and in one step, so a load may be killed at any moment and two may run at once: the worst
is that work is done again.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

import duckdb

from sources import tables
from sources.contract import Table
from sources.files import FileLoad, Outcome
from sources.landing import LandedFile, landed_files
from sources.sql import literal, name, parquet_folder
from sources.store import Store, commit, temporary
from sources.verdict import empty_table

_log = logging.getLogger(__name__)

# Most files under way at once: each takes memory of its own.
_MOST_LANES = 4

# Called after each file with how many are done, how many there are, and the file's name.
Progress = Callable[[int, int, str], None]


@dataclass
class LoadReport:
    """What one load of a table did; counts and names of rules, never a value of a row.

    `files_seen` = new + rejected + known already + changing. A file that is refused whole counts
    one under its rule in `rejected_by_rule` and nothing in `rows_rejected`.
    """

    table: str
    files_seen: int = 0
    files_new: int = 0
    files_rejected: int = 0
    files_changing: int = 0
    rows: int = 0
    rows_rejected: int = 0
    rejected_by_rule: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    newest_event_at: datetime | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one file in."""
        self.files_seen += 1
        self.files_new += outcome.status == "loaded"
        self.files_rejected += outcome.status == "refused"
        self.files_changing += outcome.status == "changing"
        self.rows += outcome.rows
        self.bytes_read += outcome.byte_count
        if outcome.status == "loaded":
            self.rows_rejected += outcome.refused.total()
        self.rejected_by_rule = dict(Counter(self.rejected_by_rule) + outcome.refused)
        times = [at for at in (self.newest_event_at, outcome.newest_event_at) if at]
        self.newest_event_at = max(times, default=None)


def load_table(
    table: Table, data: Path, *, loaded_at: datetime, progress: Progress | None = None
) -> LoadReport:
    """Load what has landed for a table and isn't in raw yet.

    Raises SourceError, one line that says what to do, where there is no landing folder or the data
    directory can't be written. `loaded_at` (with a time zone) marks every row of this load.
    """
    if loaded_at.tzinfo is None:
        raise ValueError("loaded_at needs a time zone")
    store = Store(data)
    landed = landed_files(store, table)
    last_load = store.last_loaded_at(table)
    report = LoadReport(table.full_name)
    free: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()

    def load(files: list[LandedFile]) -> list[Outcome]:
        connection = free.get()
        try:
            return [
                FileLoad(connection, store, table, file, loaded_at, last_load).outcome()
                for file in files
            ]
        finally:
            free.put(connection)

    groups = _by_size(landed)
    cores = os.cpu_count() or 1
    lanes = _lanes(landed, cores)
    with ExitStack() as connections, ThreadPoolExecutor(lanes) as pool:
        for lane in range(lanes):
            connection = _connection(store, table, threads=cores // lanes)
            if lane == 0:
                _prepare(connection, store, table)
            free.put(connections.enter_context(connection))
        for files, outcomes in zip(groups, pool.map(load, groups), strict=True):
            for file, outcome in zip(files, outcomes, strict=True):
                report.add(outcome)
                if progress:
                    progress(report.files_seen, len(landed), file.name)
    _log.info(
        "%s: %d files, %d new, %d refused; %d rows loaded, %d refused.",
        *(report.table, report.files_seen, report.files_new, report.files_rejected),
        *(report.rows, report.rows_rejected),
    )
    return report


def create_views(connection: duckdb.DuckDBPyConnection, data: Path) -> None:
    """Create schema raw with one view a table over its Parquet files, `raw.<source>_<table>`.

    Each table gets its `_schema.parquet` first, so every view can be queried: that of a table that
    was never loaded, and that of one whose contract has a column more than what is loaded.
    """
    store = Store(data)
    connection.execute("create schema if not exists raw")
    for table in tables():
        _prepare(connection, store, table)
        columns = ", ".join(name(column) for column in table.column_names)
        rows = parquet_folder(
            store.raw_folder(table), "union_by_name = true", "file_row_number = true"
        )
        connection.execute(
            f"""create or replace view raw.{name(table.full_name)} as
                select {columns}, _extra,
                    coalesce(_line, _first_line + file_row_number) as _line,
                    _landed_file, _loaded_at, _is_deleted
                from {rows}"""
        )


def _lanes(landed: list[LandedFile], cores: int) -> int:
    """How many files to load at once: a core each, but all for the largest where it is most.

    Measured on 40 files and 2 cores: a quarter faster than one file after the other on both.
    """
    sizes = [file.byte_count for file in landed] or [0]
    return max(1, min(_MOST_LANES, cores, sum(sizes) // max(1, *sizes)))


def _connection(store: Store, table: Table, *, threads: int) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": threads})
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"set temp_directory = {literal(str(store.spill_folder(table)))}")
    # Pushed down, "no rule is broken" would have every value parsed once to judge it and again to
    # write it.
    connection.execute("set disabled_optimizers = 'filter_pushdown'")
    return connection


def _by_size(landed: list[LandedFile]) -> list[list[LandedFile]]:
    """The files, with those together that may be one content: the first by name is to bring it."""
    groups: dict[int, list[LandedFile]] = {}
    for file in landed:
        groups.setdefault(file.byte_count, []).append(file)
    return list(groups.values())


def _prepare(connection: duckdb.DuckDBPyConnection, store: Store, table: Table) -> None:
    store.prepare(table)
    final = store.schema_file(table)
    with temporary(final) as path:
        connection.execute(f"copy ({empty_table(table)}) to {literal(str(path))} (format parquet)")
        if not final.exists() or final.read_bytes() != path.read_bytes():
            commit(path, final)
