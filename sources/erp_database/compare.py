"""What an ERP has now against what earlier reads of it have landed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sources.contract import SourceError, Table
from sources.loader.sql import file_literal, literal, name, parquet
from sources.loader.values import sql_type

NAME = "%Y-%m-%dT%H-%M-%S.%fZ"
MAPPING, READ_AT = "perennial.mapping", "perennial.read_at"

_UPDATED_AT = "updated_at"


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
        try:
            metadata = pq.read_schema(self.files[-1]).metadata or {}
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"{self.files[-1]} is damaged: delete it, and the ERP is read again from where the "
                "file before it ends."
            ) from error
        return str(metadata.get(MAPPING.encode(), b""), "ascii")

    @contextmanager
    def newest(self, beside: Path) -> "Iterator[Newest]":
        """Open what has landed; what doesn't fit into memory goes to a folder `beside`."""
        keys = ", ".join(map(name, self.table.key))
        files = "[" + ", ".join(file_literal(path) for path in self.files) + "]"
        with _connection(beside) as connection:
            connection.execute(
                f"""create view versions as select *, file_index as version from read_parquet(
                    {files}, hive_partitioning = false, union_by_name = true)"""
            )
            # Keys and a number: whole rows are compared only where they were fetched.
            connection.execute(
                f"""create temp table newest as
                select {keys}, max(version) as version,
                    arg_max(_is_deleted, version) as is_gone
                from versions group by {keys}"""
            )
            yield Newest(connection, self.table)


@dataclass(frozen=True)
class Newest:
    """What has landed, in `connection`: all `versions`, and in `newest` each row's last one."""

    connection: duckdb.DuckDBPyConnection
    table: Table

    def lacks(self, fetched: Path, present: Path) -> bool:
        """Whether the ERP has rows that were neither landed nor fetched.

        Their change is older than they are: a backup was played back, an import brought its dates,
        a row wasn't the mapping's and is now.
        """
        keys = self._keys
        connection = self.connection
        found = connection.execute(
            f"""select count(*) from {parquet(present)}
            anti join (from newest where not is_gone) using ({keys})
            anti join {parquet(fetched)} using ({keys})"""
        ).fetchone()
        return found is not None and found[0] > 0

    def write_news(
        self, fetched: Path, present: Path, news: Path, *, read_at: datetime, mapping: str
    ) -> News:
        """Write the rows of `fetched` that aren't what they were, and, marked, those that are gone.

        `present` has the keys of all rows that the ERP has at `read_at`.
        """
        keys = self._keys
        connection = self.connection
        connection.execute(
            f"""create temp table gone as select {keys}, version from newest
            anti join {parquet(present)} using ({keys}) where not is_gone"""
        )
        connection.execute(
            f"""create temp table known as select {self._known(connection)}, _is_deleted
            from versions semi join {parquet(fetched)} using ({keys})
            semi join newest using ({keys}, version)"""
        )
        content = ", ".join(
            name(column) for column in self.table.column_names if column != _UPDATED_AT
        )
        connection.execute(
            f"""create temp table changed as select {keys} from (
                select {content}, _is_deleted from {parquet(fetched)}
                except select {content}, _is_deleted from known
            )"""
        )
        now = f"timestamptz {literal(read_at.isoformat())}"
        columns = self._dated(f"greatest(fetched.{_UPDATED_AT}, known.{_UPDATED_AT})", "fetched")
        metadata = f"{literal(MAPPING)}: {literal(mapping)}, {literal(READ_AT)}: '{read_at}'"
        connection.execute(
            f"""copy (
                select {columns}, fetched._is_deleted
                from {parquet(fetched)} as fetched semi join changed using ({keys})
                left join known using ({keys})
                union all
                select {self._dated(now, "marked")}, true as _is_deleted from (
                    select {self._known(connection)}
                    from versions semi join gone using ({keys}, version)
                ) as marked
            ) to {literal(str(news))}
            (format parquet, compression zstd, kv_metadata {{{metadata}}})"""
        )
        counted = connection.execute(
            f"""select (select count(*) from {parquet(news)}), (select count(*) from gone),
                (select count(*) from newest where not is_gone)"""
        ).fetchone()
        return News(*(counted or (0, 0, 0)))

    @property
    def _keys(self) -> str:
        return ", ".join(map(name, self.table.key))

    def _known(self, connection: duckdb.DuckDBPyConnection) -> str:
        """SQL for the contract's columns as they have landed; one that came later is null."""
        landed = {str(row[0]) for row in connection.execute("describe versions").fetchall()}
        types = {column.name: sql_type(column) for column in self.table.columns}
        return ", ".join(
            name(column) if column in landed else f"cast(null as {types[column]}) as {name(column)}"
            for column in self.table.column_names
        )

    def _dated(self, updated_at: str, relation: str) -> str:
        """SQL for the contract's columns, with `updated_at` for the one that tells the change.

        It never goes back, so that the version that landed last is the newest by either: a row
        that left has changed then, one that came back later still.
        """
        return ", ".join(
            f"{updated_at} as {column}" if column == _UPDATED_AT else f"{relation}.{name(column)}"
            for column in self.table.column_names
        )


def check_keys(table: Table, rows: Path) -> None:
    """Raise SourceError where a key is missing or stands for two rows: nothing could follow it."""
    keys = ", ".join(map(name, table.key))
    missing = " or ".join(f"{name(key)} is null" for key in table.key)
    with _connection(rows) as connection:
        found = connection.execute(
            f"""select count(*) - count(distinct ({keys})), count(*) filter ({missing})
            from {parquet(rows)}"""
        ).fetchone()
    repeated, without = found or (0, 0)
    if repeated or without:
        raise SourceError(
            f"The ERP gives {repeated} rows of {table.full_name} a key that another row has, and "
            f"{without} none ({', '.join(table.key)}): mend them in the ERP, or the mapping."
        )


def _when(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.stem, NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


@contextmanager
def _connection(beside: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set preserve_insertion_order = false")
        # DuckDB makes the folder when it needs it, and takes it away again.
        spill = literal(str(beside.with_suffix(".spill.tmp")))
        connection.execute(f"set temp_directory = {spill}")
        yield connection
