"""Looking for what is left of a person: by bytes and by decoded value, in every file there is.

Compression hides a value from a search of bytes, and a page that was freed hides it from a query;
so files of tables are searched both ways.
"""

import gzip
import mmap
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from dagster_project import database
from dagster_project.publishing.erasure.subject import FOLDER, Subject
from sources.loader.mentions import pattern
from sources.loader.sql import literal, name, parquet

# What the platform itself writes, besides files whose names begin with a dot.
_OWN = {"raw", "quarantine", "identity", "channels", "logs", "past"}
_OWN_FILES = ("warehouse.duckdb", "published.duckdb", "ledger.duckdb")
# By bytes of compressed or packed tables, a shorter one is met by chance.
_SHORTEST_BYTES = 8


@dataclass(frozen=True)
class Search:
    """What to look for; `values` stand anywhere, `called` only all three in one line of a text."""

    values: tuple[str, ...]
    called: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, subject: Subject) -> "Search":
        """Everything by which the person is known."""
        return cls(subject.values, subject.called)

    @property
    def pattern(self) -> str:
        """The values as a regular expression."""
        return pattern(self.values)

    def everywhere(self, data: Path) -> Counter[str]:
        """How many files have any of it, by place: the first folder, or the file's name."""
        found: Counter[str] = Counter()
        for path in own_files(data):
            if self.holds(path):
                found[path.relative_to(data).parts[0]] += 1
        return found

    def holds(self, path: Path) -> bool:
        """Whether a file has any of it."""
        if not self.values or not path.exists() or not path.stat().st_size:
            return False
        ending = "".join(path.suffixes[-1:])
        if ending in _TABLES:
            return self._in_tables(path, _TABLES[ending])
        with gzip.open(path) if ending == ".gz" else path.open("rb") as lines:
            return self._in_lines(lines)

    def _in_lines(self, lines: Iterable[bytes]) -> bool:
        wanted = re.compile(self.pattern.encode(), re.IGNORECASE)
        called = [[word.encode() for word in words] for words in self.called]
        try:
            return any(
                wanted.search(line) or any(all(w in line for w in words) for words in called)
                for line in lines
            )
        except (EOFError, OSError, zlib.error):  # cut off or no gzip at all: nothing more to read
            return False

    def _in_tables(self, path: Path, engine: str) -> bool:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            in_bytes = [
                value
                for value in self.values
                if len(value) >= _SHORTEST_BYTES and text.find(value.encode()) >= 0
            ]
        rows = _ROWS[engine](path, self.pattern)
        if rows is None:  # no table any more: it is what its bytes are
            return bool(in_bytes)
        if rows:
            return True
        # A value that is part of another's (an address within a longer one) rightly is there.
        return any(not _ROWS[engine](path, re.escape(value)) for value in in_bytes)


def own_files(data: Path) -> Iterator[Path]:
    """Every file of the data directory that the platform writes, but for the notes of erasures."""
    return (path for path in _files(data) if _is_own(path.relative_to(data).parts[0]))


def foreign_files(data: Path) -> Iterator[Path]:
    """Every other file: the landing zone, and whatever else somebody has put there."""
    return (path for path in _files(data) if not _is_own(path.relative_to(data).parts[0]))


def _files(data: Path) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.relative_to(data).parts[0] != FOLDER:
            yield path


def _is_own(top: str) -> bool:
    return top in _OWN or top.startswith((".", *_OWN_FILES))


@cache
def _memory() -> duckdb.DuckDBPyConnection:
    """One database in memory for all files: opening one takes longer than reading most of them."""
    return duckdb.connect()


def _parquet_rows(path: Path, wanted: str) -> int | None:
    try:
        return _matching(_memory(), parquet(path), wanted)
    except duckdb.Error:
        return None


def _duckdb_rows(path: Path, wanted: str) -> int | None:
    with database.connect(path, read_only=True, wait_seconds=30) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
        return sum(
            _matching(connection, f"{name(schema)}.{name(table)}", wanted)
            for schema, table in tables
        )


def _matching(connection: duckdb.DuckDBPyConnection, rows: str, wanted: str) -> int:
    """How many rows have it in any column."""
    found = connection.execute(
        f"select count(*) from {rows} as t where regexp_matches(t::varchar, {literal(wanted)}, 'i')"
    ).fetchone()
    return int(found[0]) if found else 0


def _sqlite_rows(path: Path, wanted: str) -> int | None:
    compiled = re.compile(wanted, re.IGNORECASE)
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            connection.text_factory = lambda text: text.decode(errors="replace")
            return sum(
                any(isinstance(cell, str) and compiled.search(cell) for cell in row)
                for table in sqlite_tables(connection)
                for row in connection.execute(f"select * from {name(table)}")
            )
    except sqlite3.DatabaseError:
        return None


def sqlite_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables of a SQLite file."""
    found = connection.execute("select name from sqlite_master where type = 'table'")
    return [row[0] for row in found.fetchall()]


_TABLES = {".parquet": "parquet", ".duckdb": "duckdb", ".db": "sqlite"}
_ROWS = {"parquet": _parquet_rows, "duckdb": _duckdb_rows, "sqlite": _sqlite_rows}
