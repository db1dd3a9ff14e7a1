"""Landed files to raw Parquet: every row is loaded or quarantined, once, whatever happens.

A landed content is done when `raw/<source>/<table>/<sha256>.parquet` exists. That file is put in
place last and in one step, so a load may be killed at any moment and two may run at once: the worst
is that work is done again.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import duckdb

from sources import tables
from sources.contract import Table
from sources.loader import reprocess
from sources.loader.compaction import compact
from sources.loader.contents import Contents
from sources.loader.drift import History
from sources.loader.erasure import Erased
from sources.loader.files import FileLoad, Outcome
from sources.loader.formats import AS_CONTRACTED, FileFormat, read_formats
from sources.loader.landing import LandedFile, landed_files
from sources.loader.reprocess import Reprocessed
from sources.loader.small_files import FEWEST, Answers, batches, is_small, load_batch
from sources.loader.sql import literal, name, parquet_folder
from sources.loader.store import Store, commit, temporary
from sources.loader.verdict import empty_table

_log = logging.getLogger(__name__)

# Most files under way at once: each takes memory of its own.
_MOST_LANES = 4
# How many of a table's contents a report tells of: months of them, where one comes a day.
_HISTORY = 200

# Called after each file with how many are done, how many there are, and the file's name.
Progress = Callable[[int, int, str], None]


@dataclass
class LoadReport:
    """What one load of a table did; counts and names of rules, never a value of a row.

    `files_seen` = new + rejected + known already + changing. A file that is refused whole counts
    one under its rule in `rejected_by_rule` and nothing in `rows_rejected`; `files_refused` has
    its rule by its name. `formats`: how many of
    the new files are written in which way, where that isn't as the contract has it. `history`: the
    newest contents that raw holds, this load's and earlier ones'.
    """

    table: str
    files_seen: int = 0
    files_new: int = 0
    files_rejected: int = 0
    files_changing: int = 0
    rows: int = 0
    rows_rejected: int = 0
    rows_erased: int = 0
    rejected_by_rule: dict[str, int] = field(default_factory=dict)
    files_refused: dict[str, str] = field(default_factory=dict)
    bytes_read: int = 0
    newest_event_at: datetime | None = None
    reprocessed: Reprocessed | None = None
    history: History = field(default_factory=lambda: History((), (), {}))
    formats: dict[str, int] = field(default_factory=dict)

    def add(self, file: LandedFile, outcome: Outcome) -> None:
        """Count one file in."""
        if outcome.status == "refused":
            self.files_refused[file.name] = next(iter(outcome.refused))
        self.files_seen += 1
        self.files_new += outcome.status == "loaded"
        self.files_rejected += outcome.status == "refused"
        self.files_changing += outcome.status == "changing"
        self.rows += outcome.rows
        self.rows_erased += outcome.erased
        self.bytes_read += outcome.byte_count
        if outcome.status == "loaded":
            self.rows_rejected += outcome.refused.total()
        if outcome.refused:
            self.rejected_by_rule = dict(Counter(self.rejected_by_rule) + outcome.refused)
        if outcome.form:
            self.formats[outcome.form] = self.formats.get(outcome.form, 0) + 1


def declared_formats(data: Path, formats: Path | None = None) -> dict[str, FileFormat]:
    """How files are written, by the table's full name, as `formats` declares it.

    Where that is None it is `formats.toml` in the data directory, which need not exist. Raises
    SourceError, one line, where something in it is wrong.
    """
    found = formats or Store(data).formats_file
    return read_formats(found, tables()) if formats or found.exists() else {}


def load_table(
    table: Table,
    data: Path,
    *,
    loaded_at: datetime,
    url: str | None = None,
    formats: Path | None = None,
    erased: Erased | None = None,
    progress: Progress | None = None,
    anew: bool = False,
) -> LoadReport:
    """Load what has landed for a table and isn't in raw yet; `anew`: everything, by today's rules.

    `url`: the object store that has landing, raw and quarantine, of which `data` is a working copy.
    `erased`: whose rows are left out.

    Raises SourceError, one line that says what to do, where there is no landing folder, the data
    directory can't be written, or `formats` (see `declared_formats`) is wrong. `loaded_at` (with a
    time zone) marks every row of this load, but of contents that are made anew: these came before.
    """
    if loaded_at.tzinfo is None:
        raise ValueError("loaded_at needs a time zone")
    store = Store(data, url)
    declared = declared_formats(data, formats).get(table.full_name, AS_CONTRACTED)
    landed = landed_files(store, table, declared)
    report = LoadReport(table.full_name)
    with store.lock(table), connect(store, table) as connection:
        store.pull(table)
        reprocess.begin(store, table)
        target = store.beside() if anew else store
        for each in {store, target}:
            _prepare(connection, each, table)
        since = Contents(connection, store, table).came() if anew else {}
        contents = Contents(connection, target, table)
        known = {file.name: contents.content_of(file) for file in landed}
        loads = [
            FileLoad(connection, target, table, file, loaded_at, contents, erased, since)
            for file in landed
            if not known[file.name]
        ]
        as_before = ((file, Outcome("known")) for file in landed if known[file.name])
        for file, outcome in chain(as_before, _outcomes(loads)):
            report.add(file, outcome)
            if progress:
                progress(report.files_seen, len(landed), file.name)
        contents.refresh()
        report.newest_event_at = contents.newest_event_at()
        compact(connection, target, table, contents)
        if anew:
            report.reprocessed = reprocess.finish(connection, store, table, contents)
        store.push(table, replaces=anew)
        contents.save(landed)
        present = {content for content in known.values() if content} | contents.met
        report.history = History(
            contents.newest(_HISTORY), present, report.files_refused, declared.accepted
        )
    _log.info(
        "%s: %d files, %d new, %d refused; %d rows loaded, %d refused.",
        *(report.table, report.files_seen, report.files_new, report.files_rejected),
        *(report.rows, report.rows_rejected),
    )
    for form, count in report.formats.items():
        _log.info("%s: %d files are read as %s.", report.table, count, form)
    return report


def _outcomes(loads: list[FileLoad]) -> Iterator[tuple[LandedFile, Outcome]]:
    """Load files, several at once: small ones together where they are many, the others each."""
    if not loads:
        return
    small = [load for load in loads if is_small(load.file)]
    together = small if len(small) >= FEWEST else []
    alone = [load for load in loads if not (together and is_small(load.file))]
    cores = os.cpu_count() or 1
    lanes = _lanes([load.file for load in loads], cores)
    with ExitStack() as opened, ThreadPoolExecutor(lanes) as pool:
        free: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()
        # DuckDB parses one of two files on several threads only where it has more than two.
        threads = 3 if cores // lanes == 2 else cores // lanes
        for _ in range(lanes):
            lane = connect(loads[0].store, loads[0].table, threads=threads)
            free.put(opened.enter_context(lane))

        def on_a_lane(work: Callable[[duckdb.DuckDBPyConnection], Answers]) -> Answers:
            connection = free.get()
            try:
                return work(connection)
            finally:
                free.put(connection)

        under_way = deque(
            pool.submit(on_a_lane, partial(_load_each, loads=group)) for group in _by_size(alone)
        )
        for batch, answers in batches(together):
            yield from answers
            if not batch:
                continue
            # Read no further ahead than there is somebody to load it.
            while len(under_way) > lanes:
                yield from under_way.popleft().result()
            under_way.append(pool.submit(on_a_lane, partial(load_batch, batch=batch)))
        for done in under_way:
            yield from done.result()


def _load_each(connection: duckdb.DuckDBPyConnection, loads: list[FileLoad]) -> Answers:
    return [(load.file, load.on(connection).outcome()) for load in loads]


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


def connect(store: Store, table: Table, *, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory for work on a table's raw files, for whoever holds its lock."""
    connection = duckdb.connect(config={"threads": threads} if threads else {})
    connection.execute("set timezone = 'UTC'")
    connection.execute("set preserve_insertion_order = false")
    connection.execute(f"set temp_directory = {literal(str(store.spill_folder(table)))}")
    # Pushed down, "no rule is broken" would have every value parsed once to judge it and again to
    # write it.
    connection.execute("set disabled_optimizers = 'filter_pushdown'")
    return connection


def _by_size(loads: list[FileLoad]) -> list[list[FileLoad]]:
    """The loads, with those together that may be one content: the first by name is to bring it."""
    groups: dict[int, list[FileLoad]] = {}
    for load in loads:
        groups.setdefault(load.file.byte_count, []).append(load)
    return list(groups.values())


def _prepare(connection: duckdb.DuckDBPyConnection, store: Store, table: Table) -> None:
    store.prepare(table)
    final = store.schema_file(table)
    with temporary(final) as path:
        connection.execute(f"copy ({empty_table(table)}) to {literal(str(path))} (format parquet)")
        if not final.exists() or final.read_bytes() != path.read_bytes():
            commit(path, final)
