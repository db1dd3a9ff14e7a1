"""Erased people's rows are not loaded, whichever file they come back in."""

from pathlib import Path
from typing import Protocol

import duckdb

from sources.contract import Table
from sources.loader.contents import footer_of
from sources.loader.copying import GROUPS, copy_sql
from sources.loader.sql import literal, parquet
from sources.loader.store import temporary


class Erased(Protocol):
    """Who was erased; only who keeps that knows how identifiers are compared."""

    def among(self, connection: duckdb.DuckDBPyConnection, mentions: str, into: str) -> None:
        """From the rows of `mentions` (kind, value, country) make temp table `into` (kind, value).

        It has those by which an erased person is named, as they are written.
        """


def sift(
    connection: duckdb.DuckDBPyConnection, table: Table, erased: Erased | None, raw: Path
) -> int:
    """Take the rows of erased people out of a file of raw in the making; how many they were."""
    if not (erased and table.identifiers):
        return 0
    country = "country" if "country" in table.column_names else "null::varchar"
    mentions = " union ".join(
        f"select {literal(one.kind)} as kind, {one.sql} as value, {country} as country "
        f"from {parquet(raw)} where {one.sql} is not null"
        for one in table.identifiers
    )
    connection.execute(f"create or replace temp view _mentions as {mentions}")
    erased.among(connection, "_mentions", "_erased")
    try:
        if not _count(connection, "from _erased"):
            return 0
        names = " or ".join(
            f"coalesce({one.sql} in (select value from _erased where kind = {literal(one.kind)}), "
            "false)"
            for one in table.identifiers
        )
        gone = _count(connection, f"from {parquet(raw)} where {names}")
        kept = f"""select * exclude (file_row_number) replace (
                coalesce(_line, _first_line + file_row_number) as _line,
                cast(null as bigint) as _first_line)
            from {parquet(raw, "file_row_number = true")} where not ({names})"""
        connection.execute("set preserve_insertion_order = false")
        with temporary(raw) as rest:
            connection.execute(copy_sql(kept, rest, f"{GROUPS}, {footer_of(raw)}"))
            rest.replace(raw)
        return gone
    finally:
        connection.execute("drop view _mentions")
        connection.execute("drop table _erased")


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(f"select count(*) {sql}").fetchone()
    return int(found[0]) if found else 0
