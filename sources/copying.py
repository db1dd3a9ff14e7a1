"""One landed file into two Parquet files: the rows that keep the contract, and the others."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np
import numpy.typing as npt

from sources.contract import SourceError, Table
from sources.csv_rows import csv_header, csv_lines
from sources.json_rows import Survey, json_file, json_lines, survey_sql
from sources.landing import (
    HEAD_BYTES,
    DefectiveFileError,
    LandedFile,
    check_text_head,
    plain_text,
    read_text,
)
from sources.lines import MAX_ROW_BYTES, Rows
from sources.parquet_rows import parquet_rows, parquet_types
from sources.sql import file_literal, literal
from sources.verdict import Reading, Stamp, good_rows, refused_rows

# Level 1 is 1.5 times as fast as DuckDB's default of 3 for 15 % more bytes (measured on events).
_PARQUET = "format parquet, compression zstd, compression_level 1"
# A row group of this size stays in the cache while it is encoded: 20 % faster than 122,880 rows.
_GROUP_ROWS = 40_960
_GROUP_BYTES = 256 << 20
_VECTOR_ROWS = 2_048


@dataclass(frozen=True)
class Copying:
    """One landed file on its way: where it comes from, and where its rows go.

    `whole`: a sidecar vouches for the bytes, so that a missing last line end is no sign of a cut.
    """

    connection: duckdb.DuckDBPyConnection
    table: Table
    file: LandedFile
    stream: IO[bytes]
    whole: bool
    stamp: Stamp
    raw: Path
    quarantine: Path

    def run(self) -> tuple[int, int]:
        """Write both files and give their numbers of rows; together they are all rows there are.

        `quarantine` is written only where a row is refused.
        """
        if self.file.format == "parquet":
            return self._parquet()
        return self._csv() if self.file.format == "csv" else self._json()

    def _parquet(self) -> tuple[int, int]:
        types = parquet_types(self.connection, self.table, self.file.path)
        reading = parquet_rows(self.table, self.file.path, types)
        try:
            rows = self._copy(good_rows(self.table, reading, self.stamp), self.raw)
            refused = self._copy(refused_rows(self.table, reading, self.stamp), self.quarantine)
        except duckdb.Error as error:
            # Was it the file, or the disk it was written to? Read it once more, writing nothing.
            try:
                source = f"read_parquet({file_literal(self.file.path)})"
                self.connection.execute(f"select max(hash(columns(*))) from {source}").fetchall()
            except duckdb.Error:
                raise DefectiveFileError(
                    "file_corrupt", "has damaged Parquet pages: land it again"
                ) from error
            raise
        return rows, refused

    def _csv(self) -> tuple[int, int]:
        names = csv_header(self.table, read_text(self._text(), MAX_ROW_BYTES, line=True))
        return self._by_line(csv_lines(self.table, names), columns=len(names))

    def _json(self) -> tuple[int, int]:
        survey, rows = self._survey()
        clean = survey.is_clean(self.table) and not (
            rows.odd_count or rows.blank_count or rows.has_mark
        )
        if clean and self._whole_json(survey, rows):
            return rows.count, 0
        return self._by_line(json_lines(self.table, survey))

    def _survey(self) -> tuple[Survey, Rows]:
        rows = self._rows()
        try:
            found = self._over(rows, survey_sql(self.table, all_json=True))
        except duckdb.InvalidInputException:
            rows = self._rows()
            found = self._over(rows, survey_sql(self.table, all_json=False))
        keys, one_each, all_json, long_numbers = found
        return Survey(tuple(keys), one_each, all_json, long_numbers, rows.has_escaped_nul), rows

    def _whole_json(self, survey: Survey, rows: Rows) -> bool:
        """Try the fast way; false where it came upon anything, so that lines have to be read."""
        reading = json_file(self.table, self.file.path, survey)
        sql = good_rows(self.table, reading, self.stamp, all_or_none=True)
        group = max(_GROUP_BYTES // max(rows.longest, 1) // _VECTOR_ROWS, 1) * _VECTOR_ROWS
        # The order is what tells the line: it has to be kept.
        self.connection.execute("set preserve_insertion_order = true")
        try:
            copied = self._copy(sql, self.raw, f"row_group_size {min(group, _GROUP_ROWS)}")
        except (duckdb.InvalidInputException, duckdb.ConversionException):
            return False
        return copied == rows.count

    def _by_line(self, reading: Reading, columns: int | None = None) -> tuple[int, int]:
        rows = self._rows(columns)
        good = self._copy_over(rows, good_rows(self.table, reading, self.stamp), self.raw)
        if good == rows.count:
            return good, 0
        wanted = self._lines_without(self.raw, rows.next_line)
        again = self._rows(columns, wanted)
        refused = self._copy_over(
            again, refused_rows(self.table, reading, self.stamp), self.quarantine
        )
        if good + refused != rows.count:
            raise SourceError(
                f"{self.file.name}: {rows.count} rows were read, but {good} kept and {refused} "
                "refused. Nothing of it is loaded; this is a fault of the loader, please report it."
            )
        return good, refused

    def _lines_without(self, raw: Path, end: int) -> npt.NDArray[np.bool_]:
        """By line number, whether no row of the raw file starts there: one byte a line."""
        wanted = np.ones(end, np.bool_)
        self.connection.execute(f"select _line from read_parquet({file_literal(raw)})")
        for batch in self.connection.fetch_record_batch(1 << 20):
            wanted[batch.column(0).to_numpy()] = False
        return wanted

    def _rows(
        self, columns: int | None = None, wanted: npt.NDArray[np.bool_] | None = None
    ) -> Rows:
        """The file's rows from the first; of a CSV, from the line after its header."""
        text = self._text()
        if columns is not None:
            read_text(text, MAX_ROW_BYTES, line=True)
        return Rows(
            text,
            whole=self.whole,
            first_line=1 if columns is None else 2,
            columns=columns,
            wanted=wanted,
        )

    def _text(self) -> IO[bytes]:
        text = plain_text(self.stream, self.file)
        if self.file.gzipped:
            check_text_head(read_text(text, HEAD_BYTES), self.file)
            text.seek(0)
        return text

    def _copy_over(self, rows: Rows, sql: str, target: Path) -> int:
        # Order costs memory here and says nothing: every row carries its line.
        self.connection.execute("set preserve_insertion_order = false")
        group = f"row_group_size {_GROUP_ROWS}, row_group_size_bytes '{_GROUP_BYTES >> 20}MB'"
        return int(self._over(rows, _copy_sql(sql, target, group))[0])

    def _over(self, rows: Rows, sql: str) -> tuple[Any, ...]:
        """Run a statement over the rows as `lines`, and give its one row."""
        self.connection.register("lines", rows.reader())
        try:
            found = self.connection.execute(sql).fetchone()
        except duckdb.Error:
            if rows.failure:
                raise rows.failure from None
            raise
        finally:
            self.connection.unregister("lines")
        return found or ()

    def _copy(self, sql: str, target: Path, options: str = f"row_group_size {_GROUP_ROWS}") -> int:
        found = self.connection.execute(_copy_sql(sql, target, options)).fetchone()
        return int(found[0]) if found else 0


def _copy_sql(sql: str, target: Path, options: str) -> str:
    return f"copy ({sql}) to {literal(str(target))} ({_PARQUET}, {options})"
