"""Many small files of raw made one: a reader opens every file there is, again and again.

What a file is made of goes with its rows: each keeps the file and the content that it landed in, so
that nothing is loaded twice. The new file says which ones it replaces before any of them is
deleted; a process that is killed in between leaves that to the next one.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from sources.contract import SourceError, Table
from sources.loader.contents import Contents, footer, raw_rows
from sources.loader.copying import GROUPS, copy_sql
from sources.loader.sql import parquet_files
from sources.loader.store import Store, commit, many, temporary

_SMALL_BYTES = 8 << 20
_MOST_SMALL = 32
_MOST_AT_ONCE, _MOST_BYTES_AT_ONCE = 2_048, 256 << 20


def compact(
    connection: duckdb.DuckDBPyConnection, store: Store, table: Table, contents: Contents
) -> int:
    """Make one file of the small ones once they are many; how many files were replaced."""
    small = [path for path in store.raw_files(table) if path.stat().st_size < _SMALL_BYTES]
    if len(small) < _MOST_SMALL:
        return 0
    for files in _groups(small):
        _merge(connection, store, table, contents, files)
    contents.refresh()
    return len(small)


def _groups(small: list[Path]) -> Iterator[list[Path]]:
    """Files to be made one at once, two at least."""
    group: list[Path] = []
    byte_count = 0
    for path in small:
        group.append(path)
        byte_count += path.stat().st_size
        if byte_count > _MOST_BYTES_AT_ONCE or len(group) >= _MOST_AT_ONCE:
            yield group
            group, byte_count = [], 0
    if len(group) > 1:
        yield group


def _merge(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    table: Table,
    contents: Contents,
    files: list[Path],
) -> None:
    held, row_count = contents.of({path.name for path in files})
    new = many(content.content for content in held)
    raw_file, quarantine_file = store.raw_file(table, new), store.quarantine_file(table, new)
    refused = [store.quarantine_folder(table) / path.name for path in files]
    refused = [path for path in refused if path.exists()]
    options = f"{GROUPS}, {footer(held, replaces=[path.name for path in files])}"
    with temporary(raw_file) as raw, temporary(quarantine_file) as quarantine:
        if refused:
            rows = f"select * from {parquet_files(refused)}"
            connection.execute(copy_sql(rows, quarantine, GROUPS))
        copied = connection.execute(copy_sql(raw_rows(table, files), raw, options)).fetchone()
        if copied != (row_count,):
            raise SourceError(
                f"{len(files)} small files of raw {table.full_name} hold {row_count} rows, but "
                f"together {copied}: they stay as they are; this is a fault, please report it."
            )
        if refused:
            commit(quarantine, quarantine_file)
        commit(raw, raw_file)
