"""Erased people taken out of raw and quarantine, file by file.

A file is written anew beside itself and put in its own place in one step, under its own name and
with what it says of its contents: what landed stays known and is never loaded again. Whoever is
killed in between has done some files and left the others; the next one does those.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sources.contract import Table
from sources.loader import reprocess
from sources.loader.contents import Contents, read_raw
from sources.loader.erasure import (
    NAMED_IN_PIECES,
    Erased,
    count,
    find_mentions,
    find_pieces,
    names,
    rewrite_quarantine,
    rewrite_raw,
)
from sources.loader.mentions import ERASED, pattern
from sources.loader.sql import literal, name, parquet, parquet_files
from sources.loader.store import Store, remove

_NAME_COLUMNS = ("given_name", "family_name", "birth_date")


@dataclass
class Traces:
    """What raw and quarantine have of erased people.

    `mentioning`: rows of others that carry a value of theirs somewhere in a text. `written`: the
    identifiers in the rows that are theirs, as (kind, value). `called`: names with a birth date.
    """

    rows: int = 0
    quarantined: int = 0
    mentioning: int = 0
    written: set[tuple[str, str]] = field(default_factory=set)
    called: set[tuple[str, str, str]] = field(default_factory=set)
    files: set[Path] = field(default_factory=set)

    def add(self, other: "Traces") -> None:
        """Count another table's in."""
        self.rows += other.rows
        self.quarantined += other.quarantined
        self.mentioning += other.mentioning
        self.written |= other.written
        self.called |= other.called
        self.files |= other.files


def find(
    data: Path,
    table: Table,
    erased: Erased,
    *,
    values: Collection[str] = (),
    url: str | None = None,
) -> Traces:
    """Look for erased people in raw and quarantine of a table; nothing is changed.

    `values`: what is theirs wherever it stands.
    """
    store = Store(data, url)
    with _held(store, table) as connection:
        return _find(connection, store, table, erased, pattern(values) if values else None)


def forget(
    data: Path,
    table: Table,
    erased: Erased,
    *,
    values: Collection[str] = (),
    url: str | None = None,
) -> Traces:
    """Take erased people out of raw and quarantine of a table; what was there of them.

    In rows that are others', `values` in a text give way to "erased".
    """
    store = Store(data, url)
    with _held(store, table) as connection:
        wanted = pattern(values) if values else None
        found = _find(connection, store, table, erased, wanted)
        if found.files:
            # It tells rows and amounts of each file: made again from what they will be.
            remove(store.index_file(table))
        for path in sorted(found.files):
            if path.is_relative_to(store.raw_folder(table)):
                replaced = _replaced(table, wanted) if wanted else None
                rewrite_raw(connection, table, path, replaced=replaced)
            else:
                rewrite_quarantine(connection, path, _refused(wanted))
        if found.files:
            store.push(table)
            Contents(connection, store, table).save([])
    return found


@contextmanager
def _held(store: Store, table: Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Nobody else loads the table; what killed loads left of anybody's rows is cleared away."""
    with store.lock(table), duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"set temp_directory = {literal(str(store.spill_folder(table)))}")
        store.pull(table)
        reprocess.begin(store, table)
        store.prepare(table)
        store.clear_temporary(table)
        yield connection


def _find(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    table: Table,
    erased: Erased,
    wanted: str | None,
) -> Traces:
    found = Traces()
    raw = store.raw_files(table)
    if raw:
        _find_in_raw(connection, table, erased, raw, wanted, found)
    quarantine = sorted(store.quarantine_folder(table).glob("[!_.]*.parquet"))
    if quarantine:
        if table.identifiers:
            find_pieces(connection, table, erased, parquet_files(quarantine))
        else:
            connection.execute("create or replace temp table _pieces (value varchar)")
        for path in quarantine:
            rows = count(connection, f"from {parquet(path)} where {_refused(wanted)}")
            if rows:
                found.quarantined += rows
                found.files.add(path)
    return found


def _find_in_raw(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    erased: Erased,
    raw: list[Path],
    wanted: str | None,
    found: Traces,
) -> None:
    rows = read_raw(raw)
    if table.identifiers:
        find_mentions(connection, table, erased, rows)
        named = names(connection, table)
    else:
        connection.execute(
            "create or replace temp table _erased (kind varchar, value varchar, is_shared boolean)"
        )
        named = "false"
    mentions = "false"
    if wanted:
        mentions = " or ".join(
            f"coalesce(regexp_matches({name(column)}::varchar, {literal(wanted)}, 'i'), false)"
            for column in _texts(table)
        )
    for path, theirs, others in connection.execute(
        f"""
        with judged as (
            select filename, {named} as is_theirs, {mentions} as mentions from {rows}
        )
        select filename, count_if(is_theirs), count_if(mentions and not is_theirs)
        from judged where is_theirs or mentions group by filename
        """
    ).fetchall():
        found.rows += theirs
        found.mentioning += others
        found.files.add(Path(path))
    found.written |= set(
        connection.execute("select kind, value from _erased where not is_shared").fetchall()
    )
    if set(_NAME_COLUMNS) <= set(table.column_names) and found.rows:
        found.called |= set(
            connection.execute(
                f"""select distinct given_name, family_name, birth_date::varchar from {rows}
                where {named} and given_name is not null and family_name is not null
                    and birth_date is not null"""
            ).fetchall()
        )


def _texts(table: Table) -> list[str]:
    """Columns that may hold anything."""
    return [c.name for c in table.columns if c.type in ("text", "object")] + ["_extra"]


def _replaced(table: Table, wanted: str) -> dict[str, str]:
    """SQL for the columns of rows that stay, without what is `wanted`."""
    kinds = {c.name: "json" if c.type == "object" else "varchar" for c in table.columns}
    found = literal(wanted)
    changed = {}
    for column in _texts(table):
        text = f"{name(column)}::varchar"
        # Twice: of two that touch, the first one's end is the second one's beginning.
        for _ in range(2):
            text = f"regexp_replace({text}, {found}, {literal(ERASED)}, 'gi')"
        changed[column] = f"cast({text} as {kinds.get(column, 'json')})"
    return changed


def _refused(wanted: str | None) -> str:
    if not wanted:
        return NAMED_IN_PIECES
    return f"""({NAMED_IN_PIECES}
        or coalesce(regexp_matches("row", {literal(wanted)}, 'i'), false))"""
