"""What an ERP has now against what earlier reads of it have landed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from sources.contract import Table
from sources.sql import file_literal, literal, name, parquet

NAME = "%Y-%m-%dT%H-%M-%S.%fZ"
MAPPING = "perennial.mapping"


@dataclass(frozen=True)
class News:
    """Rows that were written, how many of them are gone, and how many were there before."""

    rows: int
    gone: int
    before: int


@dataclass(frozen=True)
class Landed:
    """The files that earlier reads of a table have landed, the newest last."""

    table: Table
    files: tuple[Path, ...]

    @classmethod
    def in_folder(cls, table: Table, folder: Path) -> "Landed":
        """Find the files of a folder that have a read's name."""
        return cls(table, tuple(sorted(path for path in folder.glob("*.parquet") if _when(path))))

    @property
    def read_at(self) -> datetime | None:
        """The state of the ERP that the newest file has."""
        return _when(self.files[-1]) if self.files else None

    @property
    def mapping(self) -> str:
        """The fingerprint of the mapping by which the newest file was read."""
        metadata = pq.read_schema(self.files[-1]).metadata or {}
        return str(metadata.get(MAPPING.encode(), b""), "ascii")

    def write_news(
        self, fetched: Path, present: Path, news: Path, *, read_at: datetime, mapping: str
    ) -> News:
        """Write the rows of `fetched` that aren't what they were, and, marked, those that are gone.

        `present` has the keys of all rows that the ERP has at `read_at`.
        """
        files = "[" + ", ".join(file_literal(path) for path in self.files) + "]"
        keys = ", ".join(map(name, self.table.key))
        with _connection(news) as connection:
            connection.execute(
                f"""create view versions as select *, file_index as version from read_parquet(
                    {files}, hive_partitioning = false, union_by_name = true)"""
            )
            # Keys and a number: whole rows are compared only where they were fetched.
            connection.execute(
                f"""create temp table newest as
                select {keys}, max(version) as version, arg_max(_is_deleted, version) as is_gone
                from versions group by {keys}"""
            )
            connection.execute(
                f"""create temp table gone as select {keys}, version from newest
                anti join {parquet(present)} using ({keys}) where not is_gone"""
            )
            columns, known, marked = self._columns(connection, read_at)
            connection.execute(
                f"""copy (
                    (select {columns}, _is_deleted from {parquet(fetched)}
                    except
                    select {known}, _is_deleted from versions
                    semi join {parquet(fetched)} using ({keys})
                    semi join newest using ({keys}, version))
                    union all
                    select {marked}, true as _is_deleted
                    from versions semi join gone using ({keys}, version)
                ) to {literal(str(news))} (format parquet, compression zstd,
                    kv_metadata {{{literal(MAPPING)}: {literal(mapping)}}})"""
            )
            counted = connection.execute(
                f"""select (select count(*) from {parquet(news)}), (select count(*) from gone),
                    (select count(*) from newest where not is_gone)"""
            ).fetchone()
        return News(*(counted or (0, 0, 0)))

    def _columns(
        self, connection: duckdb.DuckDBPyConnection, read_at: datetime
    ) -> tuple[str, str, str]:
        """SQL for the contract's columns: as fetched, as landed, and of a row that is gone."""
        landed = {str(row[0]) for row in connection.execute("describe versions").fetchall()}
        columns = {column: name(column) for column in self.table.column_names}
        known = {
            column: quoted if column in landed else f"null as {quoted}"
            for column, quoted in columns.items()
        }
        # A row that has left has changed then, wherever the contract says when.
        changed = {"updated_at": f"timestamptz {literal(read_at.isoformat())} as updated_at"}
        marked = known | {key: value for key, value in changed.items() if key in known}
        first, second, third = (", ".join(one.values()) for one in (columns, known, marked))
        return first, second, third


def _when(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.stem, NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


@contextmanager
def _connection(news: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        # DuckDB makes the folder when it needs it, and takes it away again.
        spill = literal(str(news.with_suffix(".spill.tmp")))
        connection.execute(f"set temp_directory = {spill}")
        yield connection
