"""Erased people's rows: not loaded, whichever file brings them, and taken out of what was loaded.

A row goes where it names the person by anything that is theirs alone. What somebody else's records
carry as well (a family's e-mail) names the person only where a row names nobody else by it, and
stays in the other's rows.
"""

from pathlib import Path
from typing import Protocol

import duckdb

from sources.contract import Table
from sources.loader.contents import footer_of, read_raw
from sources.loader.copying import GROUPS, copy_sql
from sources.loader.sql import literal, name, parquet
from sources.loader.store import commit, temporary

# A row in quarantine couldn't be read as its contract has it, so its pieces are looked at, whatever
# they are. A shorter one may as well be a quantity.
_PIECES = r"""[^,;|:"'{}\[\]\t]{6,255}"""
_SHORTEST_PHONE = 7


class Erased(Protocol):
    """Who was erased; only who keeps that knows how identifiers are compared."""

    def among(self, connection: duckdb.DuckDBPyConnection, mentions: str, into: str) -> None:
        """Of the rows of `mentions` (kind, value, country) make `into` (kind, value, is_shared).

        It has those by which an erased person is named, as they are written.
        """


def sift(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    erased: Erased | None,
    raw: Path,
    quarantine: Path,
) -> tuple[int, int]:
    """Take erased people out of files in the making; how many rows of raw and of quarantine."""
    if not (erased and table.identifiers):
        return 0, 0
    find_mentions(connection, table, erased, parquet(raw))
    gone = count(connection, f"from {parquet(raw)} where {names(connection, table)}")
    if gone:
        rewrite_raw(connection, table, raw)
    if not quarantine.exists():
        return gone, 0
    find_pieces(connection, table, erased, parquet(quarantine))
    refused = count(connection, f"from {parquet(quarantine)} where {NAMED_IN_PIECES}")
    if refused:
        rewrite_quarantine(connection, quarantine, NAMED_IN_PIECES)
    return gone, refused


def find_mentions(
    connection: duckdb.DuckDBPyConnection, table: Table, erased: Erased, rows: str
) -> None:
    """Make _erased (kind, value, is_shared) of the identifiers in rows of raw."""
    country = "country" if "country" in table.column_names else "null::varchar"
    mentions = " union ".join(
        f"select {literal(one.kind)} as kind, {one.sql} as value, {country} as country "
        f"from {rows} where {one.sql} is not null"
        for one in table.identifiers
    )
    connection.execute(f"create or replace temp table _mentions as {mentions}")
    erased.among(connection, "_mentions", "_erased")
    connection.execute("drop table _mentions")


def names(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """SQL, over the columns of raw, for whether a row is an erased person's; needs _erased."""
    kinds: dict[str, list[str]] = {}
    for one in table.identifiers:
        kinds.setdefault(one.sql, []).append(literal(one.kind))

    def is_among(sql: str, more: str) -> str:
        found = f"select value from _erased where kind in ({', '.join(kinds[sql])}) {more}"
        return f"coalesce({sql} in ({found}), false)"

    own = " or ".join(is_among(sql, "and not is_shared") for sql in kinds)
    if not count(connection, "from _erased where is_shared"):
        return f"({own})"
    nobody_else = " and ".join(f"({sql} is null or {is_among(sql, '')})" for sql in kinds)
    return f"({own} or ({nobody_else} and coalesce({', '.join(kinds)}) is not null))"


def find_pieces(
    connection: duckdb.DuckDBPyConnection, table: Table, erased: Erased, rows: str
) -> None:
    """Make _pieces (value) of what in rows of quarantine is theirs alone."""
    kinds = dict.fromkeys(one.kind for one in table.identifiers)
    candidates = " union all ".join(
        f"select {literal(kind)} as kind, value, null::varchar as country from pieces {where}"
        for kind in kinds
        for where in [
            {
                "email": "where contains(value, '@')",
                "phone": f"where regexp_matches(value, '(\\d\\D*){{{_SHORTEST_PHONE}}}')",
            }.get(kind, "")
        ]
    )
    connection.execute(
        f"""create or replace temp table _mentions as
        with pieces as (
            select distinct unnest(regexp_extract_all("row", {literal(_PIECES)})) as value
            from {rows}
        )
        {candidates}"""
    )
    erased.among(connection, "_mentions", "_erased_pieces")
    connection.execute(
        """create or replace temp table _pieces as
        select distinct value from _erased_pieces where not is_shared;
        drop table _mentions; drop table _erased_pieces"""
    )


NAMED_IN_PIECES = f"""coalesce(list_has_any(
    regexp_extract_all("row", {literal(_PIECES)}), (select list(value) from _pieces)), false)"""


def rewrite_raw(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    *,
    replaced: dict[str, str] | None = None,
) -> None:
    """Write a file of raw without the rows that `names` says; it keeps its name and its contents.

    `replaced`: SQL for columns of the rows that stay.
    """
    changed = "".join(f", {sql} as {name(column)}" for column, sql in (replaced or {}).items())
    kept = f"""select * exclude (file_row_number, filename) replace (
            coalesce(_line, _first_line + file_row_number) as _line,
            cast(null as bigint) as _first_line{changed})
        from {read_raw([path], "file_row_number = true")}
        where not {names(connection, table)}"""
    _rewrite(connection, kept, path, f"{GROUPS}, {footer_of(path)}")


def rewrite_quarantine(connection: duckdb.DuckDBPyConnection, path: Path, gone: str) -> None:
    """Write a file of quarantine without the rows that SQL `gone` says."""
    _rewrite(connection, f"select * from {parquet(path)} where not {gone}", path, GROUPS)


def _rewrite(connection: duckdb.DuckDBPyConnection, rows: str, path: Path, options: str) -> None:
    connection.execute("set preserve_insertion_order = false")
    with temporary(path) as rest:
        connection.execute(copy_sql(rows, rest, options))
        commit(rest, path)


def count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """How many rows `sql`, from its from-clause on, has."""
    found = connection.execute(f"select count(*) {sql}").fetchone()
    return int(found[0]) if found else 0
