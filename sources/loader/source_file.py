"""A landed file as rows that SQL can be run over."""

from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import duckdb
import numpy as np
import numpy.typing as npt

from sources.contract import Table
from sources.loader.encodings import UTF_8, as_utf8
from sources.loader.headers import Header, csv_header, described
from sources.loader.landing import HEAD_BYTES, LandedFile, check_text_head, plain_text, read_text
from sources.loader.lines import MAX_ROW_BYTES, Rows


@dataclass(frozen=True)
class Source:
    """An open landed file of a table."""

    connection: duckdb.DuckDBPyConnection
    table: Table
    file: LandedFile
    stream: IO[bytes]

    @cached_property
    def encoding(self) -> str:
        """How the text is encoded; a file that can't be a text of its format is refused."""
        head = read_text(plain_text(self.stream, self.file), HEAD_BYTES)
        return check_text_head(head, self.file)

    @property
    def is_utf8(self) -> bool:
        """Whether DuckDB can read the file itself."""
        return self.encoding == UTF_8

    @cached_property
    def header(self) -> Header:
        """What the first line of a CSV says; one that can't carry the table refuses the file."""
        line = read_text(self.text(), MAX_ROW_BYTES, line=True)
        return csv_header(self.table, line, self.file.declared, self.encoding)

    @property
    def form(self) -> str:
        """How the file is written, in a few words; empty where it is as the contract has it."""
        is_csv = self.file.format == "csv"
        encoding = UTF_8 if self.file.format == "parquet" else self.encoding
        return described(encoding, self.header if is_csv else None, self.file.declared)

    def text(self) -> IO[bytes]:
        """The file's text from its first byte as UTF-8, unpacked where it is compressed."""
        encoding = self.encoding
        return as_utf8(plain_text(self.stream, self.file), encoding)

    def rows(
        self,
        *,
        whole: bool,
        columns: int | None = None,
        wanted: npt.NDArray[np.bool_] | None = None,
    ) -> Rows:
        """The file's rows from the first; of a CSV, from the line after its header."""
        delimiter = self.header.delimiter if columns else ","
        text = self.text()
        if columns:
            read_text(text, MAX_ROW_BYTES, line=True)
        return Rows(
            text,
            whole=whole,
            first_line=2 if columns else 1,
            columns=columns,
            delimiter=delimiter,
            is_utf8=self.is_utf8,
            wanted=wanted,
        )

    def over(self, rows: Rows, sql: str) -> tuple[Any, ...]:
        """Run a statement over the rows as `lines`, and give the one row it answers."""
        self.connection.register("lines", rows.stream())
        try:
            found = self.connection.execute(sql).fetchone()
        except duckdb.Error:
            if rows.failure:
                raise rows.failure from None
            raise
        finally:
            self.connection.unregister("lines")
        return found or ()
