"""Many small files loaded together: a statement for each would take longer than all their rows.

A collector may land a file a minute. Each file is read, recognised and refused by itself; the rows
of those that are sound become one file of raw, where every row names its own file and content.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from sources.loader.contents import Content, footer
from sources.loader.copying import GROUPS, copy_sql
from sources.loader.csv_rows import csv_lines
from sources.loader.erasure import sift
from sources.loader.files import FileLoad, Outcome
from sources.loader.headers import Header
from sources.loader.json_rows import json_lines, survey_lines
from sources.loader.landing import (
    DefectiveFileError,
    LandedFile,
    check_bytes,
    content_hash,
    opened,
    vouched,
)
from sources.loader.lines import Rows
from sources.loader.source_file import Source
from sources.loader.sql import parquet
from sources.loader.store import commit, many, temporary
from sources.loader.verdict import Reading, Stamp, good_rows, refused_rows

_log = logging.getLogger(__name__)

SMALL_BYTES, _SMALL_PACKED_BYTES = 1 << 20, 64 << 10
# Fewer are quicker one by one, and then every landed file has its own in raw.
FEWEST = 16
_MOST_BYTES, _MOST_FILES = 64 << 20, 5_000


@dataclass(frozen=True)
class _Small:
    """One file that was read: its content's hash, its rows, of a CSV its header."""

    load: FileLoad
    content: str
    rows: list[pa.RecordBatch]
    header: Header | None
    form: str
    has_escaped_nul: bool

    @property
    def came(self) -> datetime:
        return self.load.came(self.content)

    @property
    def row_count(self) -> int:
        return sum(batch.num_rows for batch in self.rows)


Answers = list[tuple[LandedFile, Outcome]]
Batch = list[_Small]
_Kind = tuple[Header | None, datetime]


def is_small(file: LandedFile) -> bool:
    """Whether a file is better loaded together with others."""
    most = _SMALL_PACKED_BYTES if file.gzipped else SMALL_BYTES
    return file.byte_count <= most and file.format in ("ndjson", "csv")


def batches(loads: list[FileLoad]) -> Iterator[tuple[Batch, Answers]]:
    """Read small files in their order: those to be loaded together, and what became of others."""
    waiting: dict[_Kind, Batch] = {}
    answers: Answers = []
    byte_count = file_count = 0
    for load in loads:
        found = _read(load)
        if isinstance(found, Outcome):
            answers.append((load.file, found))
            continue
        waiting.setdefault((found.header, found.came), []).append(found)
        byte_count += sum(rows.nbytes for rows in found.rows)
        file_count += 1
        if byte_count > _MOST_BYTES or file_count >= _MOST_FILES:
            yield from _each(waiting, answers)
            waiting, answers, byte_count, file_count = {}, [], 0, 0
    yield from _each(waiting, answers)


def _each(waiting: dict[_Kind, Batch], answers: Answers) -> Iterator[tuple[Batch, Answers]]:
    """Files with one header that came together are one batch."""
    yield [], answers
    yield from ((batch, []) for batch in waiting.values())


def _read(load: FileLoad) -> _Small | Outcome:
    """Read a file, or say what became of it; one with a defect is left to a load of its own."""
    try:
        with opened(load.store, load.file) as stream:
            before = os.fstat(stream.fileno())
            content = content_hash(stream)
            load.contents.met.add(content)
            if content in load.contents.known:
                load.contents.remember(load.file, content)
                return Outcome("known")
            whole = vouched(load.file, content)
            check_bytes(stream, load.file, whole=whole)
            source = Source(load.connection, load.table, load.file, stream)
            header = source.header if load.file.format == "csv" else None
            rows = source.rows(whole=whole, columns=len(header.names) if header else None)
            found = list(rows.batches())
            form = source.form
    except DefectiveFileError:
        return load.outcome()
    if load.has_changed(before):
        return Outcome("changing")
    load.contents.known.add(content)
    return _Small(load, content, found, header, form, rows.has_escaped_nul)


def load_batch(connection: duckdb.DuckDBPyConnection, batch: Batch) -> Answers:
    """Load the rows of many files into one of raw; where that fails, each file on its own."""
    try:
        return _load(connection, batch)
    except duckdb.Error:
        _log.info("%d small files are loaded one by one.", len(batch))
        for small in batch:
            small.load.contents.known.discard(small.content)
        return [(small.load.file, small.load.on(connection).outcome()) for small in batch]


def _load(connection: duckdb.DuckDBPyConnection, batch: Batch) -> Answers:
    first = batch[0].load
    store, table = first.store, first.table
    lines = _Lines(connection, batch)
    reading = _reading(lines, batch)
    # The files have one header; whose keys aren't known is for the rows to tell.
    unknown = reading.unknown if batch[0].header or not reading.unknown else None
    contents = [
        Content(small.content, file.name, file.byte_count, small.came, unknown)
        for small in batch
        for file in [small.load.file]
    ]
    options = f"{GROUPS}, {footer(contents)}"
    stamp = Stamp("_name", batch[0].came, "_digest")
    name = many(small.content for small in batch)
    raw_file, quarantine_file = store.raw_file(table, name), store.quarantine_file(table, name)
    connection.execute("set preserve_insertion_order = false")
    with temporary(raw_file) as raw, temporary(quarantine_file) as quarantine:
        (good,) = lines.ask(copy_sql(good_rows(table, reading, stamp), raw, options))
        refused: dict[str, Counter[str]] = {}
        if good < lines.count:
            lines.ask(copy_sql(refused_rows(table, reading, stamp), quarantine, options))
        gone = any(sift(connection, table, first.erased, raw, quarantine))
        if good < lines.count:
            refused = _by_file(connection, quarantine)
            commit(quarantine, quarantine_file)
        left = _by_content(connection, raw) if gone else {}
        commit(raw, raw_file)
    answers = []
    for small in batch:
        file = small.load.file
        small.load.pardon(small.content)
        counted = refused.get(file.name, Counter())
        small.load.contents.remember(file, small.content)
        kept = small.row_count - counted.total()
        rows = left.get(small.content, 0) if gone else kept
        outcome = Outcome("loaded", rows, counted, file.byte_count, small.form, kept - rows)
        answers.append((file, outcome))
    return answers


class _Lines:
    """The rows of many files as `lines`, each with the name and the content of its file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
        counts = [small.row_count for small in batch]
        places = pa.array(np.repeat(np.arange(len(batch), dtype=np.int32), counts))
        rows = pa.Table.from_batches(
            [rows for small in batch for rows in small.rows], schema=Rows.schema
        ).combine_chunks()
        names = pa.array([small.load.file.name for small in batch])
        contents = pa.array([small.content for small in batch])
        self._connection = connection
        self._rows = rows.append_column(
            "_name", pa.DictionaryArray.from_arrays(places, names)
        ).append_column("_digest", pa.DictionaryArray.from_arrays(places, contents))
        self.count = len(self._rows)

    def ask(self, sql: str) -> tuple[Any, ...]:
        """Run a statement over the rows, and give the one row it answers."""
        # The bare stream, as in Rows.stream.
        stream = pa.RecordBatchReader.from_batches(self._rows.schema, self._rows.to_batches())
        self._connection.register("lines", stream.__arrow_c_stream__())
        try:
            return self._connection.execute(sql).fetchone() or ()
        finally:
            self._connection.unregister("lines")


def _reading(lines: _Lines, batch: Batch) -> Reading:
    table, declared, header = batch[0].load.table, batch[0].load.file.declared, batch[0].header
    if header:
        return csv_lines(table, header, declared)
    escaped_nul = any(small.has_escaped_nul for small in batch)
    return json_lines(table, survey_lines(lines.ask, table, declared, escaped_nul=escaped_nul))


def _by_content(connection: duckdb.DuckDBPyConnection, raw: Path) -> dict[str, int]:
    sql = f"select _content, count(*) from {parquet(raw)} group by all"
    return dict(connection.execute(sql).fetchall())


def _by_file(connection: duckdb.DuckDBPyConnection, quarantine: Path) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    sql = f"select landed_file, rule, count(*) from {parquet(quarantine)} group by all"
    for file, rule, count in connection.execute(sql).fetchall():
        found.setdefault(file, Counter())[rule] = count
    return found
