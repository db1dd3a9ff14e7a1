"""Raw made anew from what landed, once a rule or the contract has changed.

Everything is loaded into folders beside the table's own, which are then put in their place. A
process that is killed before leaves raw as it was; killed while the folders change places, it
leaves the rest to the next load.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sources.contract import Table
from sources.loader.contents import Contents, footer, raw_rows
from sources.loader.copying import GROUPS, copy_sql
from sources.loader.quarantine import Stock, stock
from sources.loader.sql import literal, parquet_files
from sources.loader.store import Store, commit, many, remove, sync, temporary

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reprocessed:
    """What became of a table: what lay in raw and in quarantine before, and what lies there now.

    `kept`: contents whose files have left the landing zone; their rows are as they were.
    """

    before: Stock
    after: Stock
    kept: int

    @property
    def by_rule(self) -> dict[str, tuple[int, int]]:
        """Rows in quarantine by rule, before and after, where the two differ."""
        rules = sorted(self.before.by_rule.keys() | self.after.by_rule.keys())
        both = {r: (self.before.by_rule.get(r, 0), self.after.by_rule.get(r, 0)) for r in rules}
        return {rule: counts for rule, counts in both.items() if counts[0] != counts[1]}

    def __str__(self) -> str:
        rules = ", ".join(f"{rule} {old:,} → {new:,}" for rule, (old, new) in self.by_rule.items())
        kept = (
            f"; {self.kept:,} contents that left landing stayed as they were" if self.kept else ""
        )
        return (
            f"raw {self.before.loaded:,} → {self.after.loaded:,} rows, quarantine "
            f"{self.before.quarantined:,} → {self.after.quarantined:,}"
            f"{f' ({rules})' if rules else ''}{kept}"
        )


def begin(store: Store, table: Table) -> None:
    """Finish, or clear away, what a killed process left of making the table anew."""
    if store.anew_marker(table).exists():
        _swap(store, table)
    for folder, anew, old in _folders(store, table):
        for left in (anew, old):
            if left.exists():
                shutil.rmtree(left)
                _log.info("Removed %s, left of making %s anew.", left.name, folder.name)


def finish(
    connection: duckdb.DuckDBPyConnection, store: Store, table: Table, contents: Contents
) -> Reprocessed:
    """Put what was loaded anew in place; `contents` is what that is."""
    anew = store.beside()
    before = Contents(connection, store, table)
    kept = before.known - contents.met - contents.known
    if kept:
        keep(connection, store, anew, table, before, kept)
    counted = stock(connection, table, store), stock(connection, table, anew)
    marker = store.anew_marker(table)
    with temporary(marker) as path:
        path.touch()
        commit(path, marker)
    _swap(store, table)
    return Reprocessed(*counted, len(kept))


def keep(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    target: Store,
    table: Table,
    before: Contents,
    kept: set[str],
) -> None:
    """Take the rows of some contents over into another place for raw, as one file.

    `before` is the index of `store`, where they are now.
    """
    rows = [row for row in before.index.to_pylist() if row["content"] in kept]
    files = sorted({store.raw_folder(table) / row["raw_file"] for row in rows})
    held = [one for one in before.of({path.name for path in files})[0] if one.content in kept]
    name = many(kept)
    contents = ", ".join(map(literal, sorted(kept)))
    raw_file, quarantine_file = target.raw_file(table, name), target.quarantine_file(table, name)
    with temporary(raw_file) as raw, temporary(quarantine_file) as quarantine:
        sql = f"select * from ({raw_rows(table, files)}) where _content in ({contents})"
        connection.execute(copy_sql(sql, raw, f"{GROUPS}, {footer(held)}"))
        refused = [store.quarantine_folder(table) / path.name for path in files]
        refused = [path for path in refused if path.exists()]
        if refused:
            names = ", ".join(literal(one.landed_file) for one in held)
            sql = f"select * from {parquet_files(refused)} where landed_file in ({names})"
            connection.execute(copy_sql(sql, quarantine, GROUPS))
            commit(quarantine, quarantine_file)
        commit(raw, raw_file)


def _swap(store: Store, table: Table) -> None:
    """Put the folders made anew in place, from wherever an earlier try was killed."""
    for folder, anew, old in _folders(store, table):
        if not anew.exists():
            continue
        if folder.exists():
            # Where the old one has gone already, this is one that a reader has made since.
            shutil.rmtree(folder) if old.exists() else folder.rename(old)
        anew.rename(folder)
        sync(folder.parent)
    remove(store.index_file(table))
    remove(store.anew_marker(table))
    for _, _, old in _folders(store, table):
        shutil.rmtree(old, ignore_errors=True)


def _folders(store: Store, table: Table) -> list[tuple[Path, Path, Path]]:
    """Quarantine's folder and raw's: where it belongs, made anew, and on its way out."""
    anew = store.beside()
    return [
        (folder, made, folder.with_name(f".{folder.name}.old"))
        for folder, made in (
            (store.quarantine_folder(table), anew.quarantine_folder(table)),
            (store.raw_folder(table), anew.raw_folder(table)),
        )
    ]
