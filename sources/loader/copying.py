"""One landed file into two Parquet files: the rows that keep the contract, and the others."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from sources.contract import SourceError, Table
from sources.loader.contents import Content, footer
from sources.loader.csv_rows import CsvSurvey, csv_file, csv_lines, survey_csv
from sources.loader.json_rows import Survey, json_file, json_lines, survey
from sources.loader.landing import DefectiveFileError
from sources.loader.lines import Rows
from sources.loader.parquet_rows import parquet_rows, parquet_types
from sources.loader.parquet_size import check_parquet_size
from sources.loader.source_file import Source
from sources.loader.sql import literal, parquet
from sources.loader.store import temporary
from sources.loader.verdict import Reading, Stamp, good_rows, refused_rows

# Level 1 is 1.5 times as fast as DuckDB's default of 3 for 15 % more bytes, and version 2 of the
# format saves 27 % of the bytes and 5 % of the time (measured on events). Ids that are new in every
# other row want no dictionary: giving up at 1,000 values instead of 2,048 spares 8 % of the time.
_PARQUET = (
    "format parquet, parquet_version v2, compression zstd, compression_level 1, "
    "dictionary_size_limit 1000"
)
# A row group of this size stays in the cache while it is encoded: 20 % faster than 122,880 rows.
_GROUP_ROWS = 40_960
_GROUP_BYTES = 256 << 20
GROUPS = f"row_group_size {_GROUP_ROWS}, row_group_size_bytes '{_GROUP_BYTES >> 20}MB'"
_VECTOR_ROWS = 2_048


@dataclass(frozen=True)
class Copying:
    """One landed file on its way: where it comes from, and where its rows go.

    `content`: the hash of its bytes. `whole`: a sidecar vouches for them, so that a missing last
    line end is no sign of a cut. `surveyed`: what is known already of a text.
    """

    source: Source
    stamp: Stamp
    content: str
    raw: Path
    quarantine: Path
    whole: bool
    surveyed: Survey | CsvSurvey | None = None

    def run(self) -> tuple[int, int]:
        """Write both files and give their numbers of rows; together they are all rows there are.

        `quarantine` is written only where a row is refused.
        """
        if self.source.file.format == "parquet":
            return self._parquet()
        return self._csv() if self.source.file.format == "csv" else self._json()

    def _parquet(self) -> tuple[int, int]:
        file = self.source.file
        types = parquet_types(self._connection, self._table, file.path, file.declared)
        check_parquet_size(file.path)
        reading = parquet_rows(self._table, file.path, types, file.declared)
        # Order costs memory here and says nothing: every row carries its line.
        self._connection.execute("set preserve_insertion_order = false")
        try:
            rows = self._copy(good_rows(self._table, reading, self.stamp), self.raw, reading)
            refused_sql = refused_rows(self._table, reading, self.stamp)
            refused = self._copy(refused_sql, self.quarantine, reading)
        except duckdb.Error as error:
            # Was it the file, or the disk it was written to? Read it once more, writing nothing.
            try:
                pages = parquet(self.source.file.path)
                self._connection.execute(f"select max(hash(columns(*))) from {pages}").fetchall()
            except duckdb.Error:
                raise DefectiveFileError(
                    "file_corrupt", "has damaged Parquet pages: land it again"
                ) from error
            raise
        return rows, refused

    def _csv(self) -> tuple[int, int]:
        header, file = self.source.header, self.source.file
        if not file.gzipped:
            surveyed = self.surveyed
            found = surveyed if isinstance(surveyed, CsvSurvey) else survey_csv(self.source)
            reading = csv_file(self._table, file.path, header, file.declared)
            if found.is_even(len(header.names)) and self._in_one(reading, found):
                return found.rows, 0
        reading = csv_lines(self._table, header, file.declared)
        return self._by_line(reading, columns=len(header.names))

    def _json(self) -> tuple[int, int]:
        surveyed = self.surveyed
        found = surveyed if isinstance(surveyed, Survey) else survey(self.source, whole=self.whole)
        if self._json_in_one(found):
            return found.rows, 0
        if found.sampled:  # what came after the first lines is something else
            found = survey(self.source, whole=self.whole)
            if self._json_in_one(found):
                return found.rows, 0
        return self._by_line(json_lines(self._table, found))

    def _json_in_one(self, found: Survey) -> bool:
        with temporary(self.raw) as template:
            return found.is_clean(self._table) and self._in_one(
                json_file(self._table, self.source.file.path, found, template), found
            )

    def _in_one(self, reading: Reading, found: Survey | CsvSurvey) -> bool:
        """Try the fast way; false where it came upon anything, so that lines have to be read."""
        sql = good_rows(self._table, reading, self.stamp, all_or_none=True)
        rows = max(_GROUP_BYTES // max(found.longest, 1) // _VECTOR_ROWS, 1) * _VECTOR_ROWS
        groups = f"row_group_size {min(rows, _GROUP_ROWS)}"
        # The order is what tells the line: it has to be kept.
        self._connection.execute("set preserve_insertion_order = true")
        try:
            copied = self._copy(sql, self.raw, reading, groups)
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            return False
        return copied == found.rows

    def _by_line(self, reading: Reading, columns: int | None = None) -> tuple[int, int]:
        # Order costs memory here and says nothing: every row carries its line.
        self._connection.execute("set preserve_insertion_order = false")
        rows = self.source.rows(whole=self.whole, columns=columns)
        sql = good_rows(self._table, reading, self.stamp)
        good = self._copy_over(rows, sql, self.raw, reading)
        if good == rows.count:
            return good, 0
        wanted = self._lines_without(self.raw, rows.next_line)
        again = self.source.rows(whole=self.whole, columns=columns, wanted=wanted)
        sql = refused_rows(self._table, reading, self.stamp)
        refused = self._copy_over(again, sql, self.quarantine, reading)
        if good + refused != rows.count:
            raise SourceError(
                f"{self.source.file.name}: of {rows.count} rows {good} were kept and {refused} "
                "refused. Nothing of it is loaded; this is a fault of the loader, please report it."
            )
        return good, refused

    def _lines_without(self, raw: Path, end: int) -> npt.NDArray[np.bool_]:
        """By line number, whether no row of the raw file starts there: one byte a line."""
        wanted = np.ones(end, np.bool_)
        self._connection.execute(f"select _line from {parquet(raw)}")
        for batch in self._connection.fetch_record_batch(1 << 20):
            wanted[batch.column(0).to_numpy()] = False
        return wanted

    def _copy_over(self, rows: Rows, sql: str, target: Path, reading: Reading) -> int:
        options = f"{GROUPS}, {self._footer(reading)}"
        return int(self.source.over(rows, copy_sql(sql, target, options))[0])

    def _copy(self, sql: str, target: Path, reading: Reading, groups: str = GROUPS) -> int:
        options = f"{groups}, {self._footer(reading)}"
        found = self._connection.execute(copy_sql(sql, target, options)).fetchone()
        return int(found[0]) if found else 0

    def _footer(self, reading: Reading) -> str:
        file = self.source.file
        at, unknown = self.stamp.loaded_at, reading.unknown
        return footer([Content(self.content, file.name, file.byte_count, at, unknown)])

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return self.source.connection

    @property
    def _table(self) -> Table:
        return self.source.table


def copy_sql(sql: str, target: Path, options: str) -> str:
    """SQL that writes the rows of a query to a Parquet file."""
    return f"copy ({sql}) to {literal(str(target))} ({_PARQUET}, {options})"
