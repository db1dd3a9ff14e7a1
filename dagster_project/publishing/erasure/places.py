"""Taking a person out of the files that aren't raw: each is written anew, then swapped.

DuckDB and SQLite leave what was deleted in free pages: no file is kept that ever held the person.
"""

import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from dagster_project import database
from dagster_project.errors import PerennialError
from dagster_project.publishing import ledger as ledger_file
from dagster_project.publishing.erasure.search import (
    Search,
    own_files,
    sqlite_tables,
)
from dagster_project.publishing.erasure.subject import Subject
from sources.loader.mentions import ERASED
from sources.loader.sql import literal, name

_TABLES = {"raw", "quarantine"}


def rows_in_published(published: Path, subject: Subject) -> int:
    """How many rows of the published build are the person's."""
    if not published.exists():
        return 0
    with _reading(published) as connection:
        return sum(
            _count(connection, f"from old.{table} where {theirs}")
            for table, theirs in _tables(connection, subject)
        )


def forget_in_published(published: Path, subject: Subject) -> int:
    """Write the published build anew without the person; readers have the old or the new one.

    Figures that were summed over people stay until the next build.
    """
    gone = rows_in_published(published, subject)
    if not gone:
        return 0
    lock = published.with_name(f".{published.name}.lock")
    # The name is one that publishing clears away after a kill.
    new = published.with_name(f"{published.name}.forget.tmp")
    with database.exclusive(lock, what="Publishing", wait_seconds=60):
        new.unlink(missing_ok=True)
        with database.connect(new) as connection:
            connection.execute(f"attach {literal(str(published))} as old (read_only)")
            connection.execute("begin")
            before = 0
            for table, theirs in _tables(connection, subject):
                schema = table.partition(".")[0]
                connection.execute(f"create schema if not exists {schema}")
                connection.execute(f"create table {table} as from old.{table} where not {theirs}")
                before += _count(connection, f"from old.{table}")
                before -= _count(connection, f"from {table}")
            connection.execute("commit")
            connection.execute("detach old")
        if before != gone:
            raise PerennialError(
                "published.duckdb was changed while it was written anew: run forget again."
            )
        database.put_in_place(new, published)
    return gone


def _tables(connection: duckdb.DuckDBPyConnection, subject: Subject) -> list[tuple[str, str]]:
    """Every table of the attached build with SQL for whether a row is the person's.

    By a profile id in any column of one, or by two columns that are an identifier with its type.
    """
    ids = ", ".join(map(literal, subject.profile_ids))
    pairs = ", ".join(f"({literal(k)}, {literal(v)})" for k, v in subject.own) or "(null, null)"
    tables = connection.execute(
        """
        select schema_name, table_name, list(column_name)
        from duckdb_columns() where database_name = 'old' group by all order by all
        """
    ).fetchall()
    found = []
    for schema, table, columns in tables:
        clauses = [f"{c} in ({ids})" for c in columns if c.endswith("profile_id")]
        clauses += [
            f"({side}_type, {side}_value) in ({pairs})"
            for side in ("from", "to")
            if {f"{side}_type", f"{side}_value"} <= set(columns)
        ]
        theirs = " or ".join(f"coalesce({clause}, false)" for clause in clauses) or "false"
        found.append((f"{name(schema)}.{name(table)}", f"({theirs})"))
    return found


def remove_warehouse(warehouse: Path) -> bool:
    """Delete the warehouse, which the next run builds anew from raw; whether it was there."""
    there = warehouse.exists()
    warehouse.unlink(missing_ok=True)
    return there


def remove_leftovers(data: Path, databases: Sequence[Path]) -> None:
    """Delete what killed processes left beside databases, and objects fetched to be read."""
    for path in databases:
        for left in (path.with_name(f"{path.name}.tmp"), path.with_name(f"{path.name}.wal")):
            # The ledger's own log is part of it: opening it has taken that in.
            if left.is_dir():
                shutil.rmtree(left)
            elif not path.exists():
                left.unlink(missing_ok=True)
    shutil.rmtree(data / ".loader" / "fetched", ignore_errors=True)


def rows_in_ledger(ledger: Path, subject: Subject) -> int:
    """How many rows of the ledger name the person's profile."""
    if not ledger.exists():
        return 0
    with ledger_file.opened(ledger) as connection:
        return sum(
            _count(
                connection, f"from {table} where list_contains(?, profile_id)", subject.profile_ids
            )
            for table in ("records", "membership", "in_doubt", "refusals")
        )


def forget_in_ledger(ledger: Path, subject: Subject) -> None:
    """Leave of the person the tombstones and who was told; of who must still be told, the id."""
    with ledger_file.opened(ledger) as connection, ledger_file.transaction(connection):
        for statement in (
            "delete from refusals where {theirs}",
            "update membership set fingerprint = '' where {theirs}",
            "update records set fingerprint = null, reason = null where {theirs}",
            "delete from records where {theirs} and profile_id not in ("
            "select profile_id from erasure_notices where profile_id is not null)",
        ):
            connection.execute(
                statement.format(theirs="list_contains(?, profile_id)"), [subject.profile_ids]
            )
    ledger_file.rewrite(ledger)


def scrub(data: Path, search: Search, *, overrides: Path) -> int:
    """Take the person's values out of logs and notes, wherever they shouldn't be; how many files.

    A steward's decisions about the person go line by line.
    """
    found = 0
    for path in own_files(data):
        if path.relative_to(data).parts[0] in _TABLES or path.suffix == ".duckdb":
            continue
        if not search.holds(path):
            continue
        found += 1
        if path.suffix == ".db":
            _scrub_sqlite(path, search.pattern)
        else:
            _scrub_text(path, search.pattern, drop_lines=path == overrides)
    return found


def _scrub_text(path: Path, wanted: str, *, drop_lines: bool) -> None:
    compiled = re.compile(wanted.encode(), re.IGNORECASE)
    lines = path.read_bytes().splitlines(keepends=True)
    if drop_lines:
        kept = b"".join(line for line in lines if not compiled.search(line))
    else:
        # Twice: of two that touch, the first one's end is the second one's beginning.
        kept = b"".join(lines)
        for _ in range(2):
            kept = compiled.sub(ERASED.encode(), kept)
    part = path.with_name(f".{path.name}.forget.tmp")
    part.write_bytes(kept)
    shutil.copymode(path, part)
    database.put_in_place(part, path)


def _scrub_sqlite(path: Path, wanted: str) -> None:
    compiled = re.compile(wanted, re.IGNORECASE)

    def erased(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        return compiled.sub(ERASED, compiled.sub(ERASED, cell))

    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.create_function("erased", 1, erased, deterministic=True)
            for table in sqlite_tables(connection):
                columns = [
                    row[1] for row in connection.execute(f"pragma table_info({literal(table)})")
                ]
                changes = ", ".join(f"{name(c)} = erased({name(c)})" for c in columns)
                differ = " or ".join(f"{name(c)} is not erased({name(c)})" for c in columns)
                connection.execute(f"update {name(table)} set {changes} where {differ}")
            connection.commit()
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as error:
        raise PerennialError(
            f"{path.name} of Dagster's storage is in use ({error}): close the UI "
            "(`perennial dev`), then run forget again."
        ) from error


@contextmanager
def _reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that has a database attached as `old`, read-only."""
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(str(path))} as old (read_only)")
        yield connection


def _count(
    connection: duckdb.DuckDBPyConnection, sql: str, ids: Sequence[str] | None = None
) -> int:
    return ledger_file.scalar(connection, f"select count(*) {sql}", [list(ids)] if ids else None)
