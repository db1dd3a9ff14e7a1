"""A landed file as rows that SQL can be run over."""

import hashlib
from dataclasses import dataclass
from typing import IO, Any

import duckdb
import numpy as np
import numpy.typing as npt

from sources.contract import Table
from sources.landing import HEAD_BYTES, LandedFile, check_text_head, plain_text, read_text
from sources.lines import MAX_ROW_BYTES, Rows


@dataclass(frozen=True)
class Source:
    """An open landed file of a table."""

    connection: duckdb.DuckDBPyConnection
    table: Table
    file: LandedFile
    stream: IO[bytes]

    def text(self) -> IO[bytes]:
        """The file's text from its first byte, unpacked where it is compressed."""
        text = plain_text(self.stream, self.file)
        if self.file.gzipped:
            check_text_head(read_text(text, HEAD_BYTES), self.file)
            text.seek(0)
        return text

    def rows(
        self,
        *,
        whole: bool,
        columns: int | None = None,
        wanted: npt.NDArray[np.bool_] | None = None,
        digest: "hashlib._Hash | None" = None,
    ) -> Rows:
        """The file's rows from the first; of a CSV, from the line after its header."""
        text = self.text()
        if columns is None:
            return Rows(text, whole=whole, wanted=wanted, digest=digest)
        read_text(text, MAX_ROW_BYTES, line=True)
        return Rows(text, whole=whole, first_line=2, columns=columns, wanted=wanted)

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
