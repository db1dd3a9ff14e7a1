"""Raw as it was known at a moment: what came later, or was sent again since, isn't in it."""

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

import duckdb

from sources import tables
from sources.contract import Table
from sources.loader import reprocess
from sources.loader.contents import Contents
from sources.loader.load import connect
from sources.loader.sql import parquet
from sources.loader.store import Store, make_folder


def copy_known_at(
    store: Store, past: Store, at: datetime, *, progress: Callable[[str], None] = lambda _: None
) -> int:
    """Fill raw and quarantine of `past` with what `store` had loaded by then; how many contents.

    Whole files are linked and take no room; of a file made of contents that came before and after,
    the earlier rows are written anew. `past` gets an empty landing zone.
    """
    make_folder(past.landing)
    known = 0
    for table in tables():
        progress(table.full_name)
        with store.lock(table), connect(store, table) as connection:
            store.pull(table)
            reprocess.begin(store, table)
            store.prepare(table)
            past.prepare(table)
            known += _copy(connection, store, past, table, at)
    return known


def _copy(
    connection: duckdb.DuckDBPyConnection, store: Store, past: Store, table: Table, at: datetime
) -> int:
    contents = Contents(connection, store, table)
    known = {content for content, came in contents.came().items() if came <= at}
    mixed = set[str]()
    for path in store.raw_files(table):
        held = {one.content for one in contents.of({path.name})[0]}
        if held <= known:
            _link(path, past.raw_folder(table))
            _link(store.quarantine_folder(table) / path.name, past.quarantine_folder(table))
        else:
            mixed |= held & known
    if mixed:
        reprocess.keep(connection, store, past, table, contents, mixed)
    # What was refused whole has no file in raw.
    raw = {path.name for path in store.raw_files(table)}
    for path in store.quarantine_folder(table).glob("[!_.]*.parquet"):
        if path.name not in raw and _loaded_at(connection, path) <= at:
            _link(path, past.quarantine_folder(table))
    return len(known)


def _loaded_at(connection: duckdb.DuckDBPyConnection, refused: Path) -> datetime:
    found = connection.execute(f"select max(loaded_at) from {parquet(refused)}").fetchall()
    return cast("datetime", found[0][0])


def _link(path: Path, folder: Path) -> None:
    """The same file under a second name: raw's files are replaced, never changed."""
    if not path.exists():
        return
    try:
        os.link(path, folder / path.name)
    except OSError:  # a file system without links
        shutil.copyfile(path, folder / path.name)
