"""A landed text as Arrow batches of its rows, each with the number of the line it starts on.

NumPy finds the line ends in blocks of some megabytes and Arrow points into those blocks, so a row
costs no Python object and a file larger than memory is read in the memory of a few blocks. Only
rows that are odd (too long, not UTF-8, a NUL, a quote that isn't closed) are looked at one by one.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.loader.encodings import UTF_8_MARK, shown
from sources.loader.landing import DefectiveFileError, cut_short, read_text

BLOCK_BYTES = 2 << 20
# Segment and RudderStack refuse an event above 32 kB; eight times that is no row of any source.
MAX_ROW_BYTES = 256 << 10
# What quarantine keeps of a row that is too long; the landed file has the rest.
_KEPT_BYTES = 64 << 10
# A quoted text that goes on over more than this is a quote that somebody forgot to close.
_MAX_QUOTED_BYTES = 64 << 10

TOO_LONG, NOT_UTF8, NUL, UNCLOSED, UNDECODABLE = 1, 2, 3, 4, 5
ODD_ROWS = {
    TOO_LONG: ("row_too_long", f"the row is longer than {MAX_ROW_BYTES} bytes; its start is kept"),
    NOT_UTF8: (
        "row_not_utf8",
        "the row holds bytes that aren't UTF-8, shown here as \\xNN; another encoding can be "
        'declared in formats.toml (encoding = "windows-1252")',
    ),
    NUL: ("nul_character", "the row holds a NUL byte, shown here as \\x00"),
    UNCLOSED: ("unclosed_quote", "the row opens a quote that it doesn't close"),
    UNDECODABLE: (
        "row_undecodable",
        "the row holds bytes that its encoding doesn't know, shown here as \\xNN; see formats.toml",
    ),
}

_SCHEMA = pa.schema([("_line", pa.int64()), ("_odd", pa.int8()), ("_row", pa.string())])
_LINE_END, _QUOTE, _SPACE = 10, 34, 32
_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\r\v\f"))

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Block:
    """Whole rows in one piece of memory: row i is data[bounds[i]:bounds[i + 1]], with its end."""

    data: bytes
    bounds: _Integers
    lines: _Integers
    unclosed: list[int]

    def row(self, index: int) -> bytes:
        return self.data[self.bounds[index] : self.bounds[index + 1]]


class Rows:
    """The rows of a text, once and in order; blank lines are no rows.

    `columns`: for CSV, how many a row has, so that quoted line ends are told from stray quotes, and
    `delimiter`, what parts them. `is_utf8`: the file is; else the text was made UTF-8 on the way.
    `whole`: a sidecar vouches for the file, so its last line needs no end. `wanted`: by line
    number, which rows to give. The counters are final once the reader is exhausted; `failure` says
    what broke off the reading.
    """

    def __init__(
        self,
        text: IO[bytes],
        *,
        whole: bool,
        first_line: int = 1,
        columns: int | None = None,
        delimiter: str = ",",
        is_utf8: bool = True,
        wanted: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self._text = text
        self._whole = whole
        self._columns = columns
        self._delimiter = delimiter
        self._is_utf8 = is_utf8
        self._wanted = wanted
        self.next_line = first_line
        self.count = 0
        self.odd_count = 0
        self.blank_count = 0
        self.longest = 0
        self.has_escaped_nul = False
        self.has_mark = False
        self.failure: DefectiveFileError | None = None

    schema = _SCHEMA

    def stream(self) -> object:
        """The rows as an Arrow stream of `_line`, `_odd` (0, or a key of ODD_ROWS) and `_row`.

        It is the bare C stream, as DuckDB imports pyarrow.dataset and pandas for a reader object,
        which takes half a second.
        """
        reader = pa.RecordBatchReader.from_batches(_SCHEMA, self.batches())
        return reader.__arrow_c_stream__()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as batches; a file that is broken off on the way is an error."""
        # DuckDB wraps whatever is raised here in an error of its own: keep the one that says why.
        try:
            yield from self._batches()
        except DefectiveFileError as error:
            self.failure = error
            raise

    def _batches(self) -> Iterator[pa.RecordBatch]:
        pending = self._without_mark(self._read())
        last = False
        while not last:
            more = self._read()
            last = not more
            data = self._ended(pending + more) if last else pending + more
            cut = data.rfind(b"\n") + 1
            if cut:
                block, used = self._block(data, cut, last=last)
                yield from self._emit(block)
                pending = data[used:]
            elif len(data) > MAX_ROW_BYTES:
                batch, pending = self._endless_line(data)
                yield batch
            else:
                pending = data

    def _read(self) -> bytes:
        return read_text(self._text, BLOCK_BYTES)

    def _without_mark(self, data: bytes) -> bytes:
        self.has_mark = data.startswith(UTF_8_MARK)
        return data.removeprefix(UTF_8_MARK)

    def _ended(self, data: bytes) -> bytes:
        if not data or data.endswith(b"\n"):
            return data
        if not self._whole:
            raise cut_short()
        return data + b"\n"

    def _endless_line(self, start: bytes) -> tuple[pa.RecordBatch, bytes]:
        """Pass over a line longer than a block without keeping it; what follows it comes back."""
        while True:
            data = self._read()
            if not data and not self._whole:
                raise cut_short()
            cut = data.find(b"\n") + 1
            if cut or not data:
                line = self.next_line
                self.next_line += 1
                return self._odd_batch([line], [TOO_LONG], [start]), data[cut:]

    def _block(self, data: bytes, cut: int, *, last: bool) -> tuple[_Block, int]:
        """The whole rows of `data[:cut]`, and how many bytes they are.

        In CSV a row whose quotes are still open may end in the next block, so it is left for it.
        """
        octets = np.frombuffer(data, np.uint8, count=cut)
        ends = np.flatnonzero(octets == _LINE_END) + 1
        bounds = np.concatenate((np.zeros(1, np.int64), ends))
        joined: list[int] = []
        unclosed: list[int] = []
        if self._columns:
            quotes = np.flatnonzero(octets == _QUOTE)
            per_line = np.diff(np.searchsorted(quotes, bounds))
            odd = np.flatnonzero(per_line & 1).tolist()
            kept = self._settle(data, bounds, odd, joined, unclosed, last=last)
            bounds = bounds[: kept + 1]
        lines = np.arange(self.next_line, self.next_line + len(bounds) - 1)
        self.next_line += len(lines)
        rows_at = np.delete(np.arange(len(lines)), joined)
        block = _Block(
            data,
            np.append(bounds[rows_at], bounds[-1]),
            lines[rows_at],
            np.searchsorted(rows_at, np.array(unclosed, np.int64)).tolist(),
        )
        return block, int(bounds[-1])

    def _settle(
        self,
        data: bytes,
        bounds: _Integers,
        odd: list[int],
        joined: list[int],
        unclosed: list[int],
        *,
        last: bool,
    ) -> int:
        """Say of each line with an odd number of quotes whether it goes on in later lines.

        Fills `joined` (lines that continue a row) and `unclosed`; gives the number of lines that
        are settled.
        """
        at = 0
        while at < len(odd):
            first = odd[at]
            if at + 1 == len(odd):
                if not last and bounds[-1] - bounds[first] <= _MAX_QUOTED_BYTES:
                    return first
            elif self._is_one_row(data, bounds, first, odd[at + 1]):
                joined.extend(range(first + 1, odd[at + 1] + 1))
                at += 2
                continue
            unclosed.append(first)
            at += 1
        return len(bounds) - 1

    def _is_one_row(self, data: bytes, bounds: _Integers, first: int, last: int) -> bool:
        """Whether the lines are one row with line ends in a quoted text.

        Two stray quotes look the same, but then the lines between them are whole rows themselves:
        rather than swallow those, the first line alone is refused.
        """
        if bounds[last + 1] - bounds[first] > _MAX_QUOTED_BYTES:
            return False
        between = (data[bounds[i] : bounds[i + 1]] for i in range(first + 1, last))
        whole_row = [self._columns]
        if any(_field_counts(line, self._delimiter) == whole_row for line in between):
            return False
        return _field_counts(data[bounds[first] : bounds[last + 1]], self._delimiter) == whole_row

    def _emit(self, block: _Block) -> Iterator[pa.RecordBatch]:
        data, bounds = block.data, block.bounds
        offsets = pa.py_buffer(bounds.astype(np.int32))
        rows = pa.Array.from_buffers(
            pa.string(), len(bounds) - 1, [None, offsets, pa.py_buffer(data)]
        )
        odd = self._oddities(block, rows)
        blank = self._blanks(block)
        given = ~blank if self._wanted is None else ~blank & self._wanted[block.lines]
        plain = given & (odd == 0)
        self.blank_count += int(blank.sum())
        self.count += int(given.sum())
        if plain.any():
            self.longest = max(self.longest, int(np.diff(bounds)[plain].max()))
            # Most blocks have no backslash, and looking for one byte is far faster.
            self.has_escaped_nul |= b"\\" in data and b"\\u0000" in data
        batch = pa.record_batch([_array(block.lines), _array(odd), rows], schema=_SCHEMA)
        yield batch if plain.all() else batch.filter(pa.array(plain))
        strange = np.flatnonzero(given & (odd != 0)).tolist()
        if strange:
            yield self._odd_batch(
                block.lines[strange].tolist(),
                odd[strange].tolist(),
                [block.row(i) for i in strange],
                counted=True,
            )

    def _oddities(self, block: _Block, rows: pa.StringArray) -> npt.NDArray[np.int8]:
        odd = np.zeros(len(rows), np.int8)
        odd[block.unclosed] = UNCLOSED
        if b"\0" in block.data:
            octets = np.frombuffer(block.data, np.uint8, count=int(block.bounds[-1]))
            nuls = np.flatnonzero(octets == 0)
            odd[np.searchsorted(block.bounds, nuls, side="right") - 1] = NUL
        try:
            rows.validate(full=True)
        except pa.ArrowInvalid:
            invalid = [i for i in range(len(rows)) if not _is_utf8(block.row(i))]
            odd[invalid] = NOT_UTF8 if self._is_utf8 else UNDECODABLE
        odd[np.diff(block.bounds) > MAX_ROW_BYTES] = TOO_LONG
        return odd

    def _blanks(self, block: _Block) -> npt.NDArray[np.bool_]:
        octets = np.frombuffer(block.data, np.uint8)
        if not (octets[block.bounds[:-1]] <= _SPACE).any():
            return np.zeros(len(block.lines), np.bool_)
        # Not row by row: a block of nothing but line ends has two million of them.
        solid = ~_IS_SPACE[octets[: block.bounds[-1]]]
        return ~np.logical_or.reduceat(solid, block.bounds[:-1])

    def _odd_batch(
        self, lines: list[int], odd: list[int], rows: list[bytes], *, counted: bool = False
    ) -> pa.RecordBatch:
        self.odd_count += len(lines)
        self.count += 0 if counted else len(lines)
        kept = [row[:_KEPT_BYTES] if self._is_utf8 else shown(row[:_KEPT_BYTES]) for row in rows]
        texts = [row.decode("utf-8", "backslashreplace").replace("\0", "\\x00") for row in kept]
        columns: list[Any] = [lines, odd, texts]
        return pa.record_batch(
            [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)],
            schema=_SCHEMA,
        )


def _array(values: npt.NDArray[Any]) -> pa.Array:
    """The values as Arrow, in place; `pa.array` would import pandas, which takes 0.3 seconds."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _is_utf8(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True


def _field_counts(octets: bytes, delimiter: str) -> list[int]:
    """How many fields each row of a piece of CSV has; empty where it is no CSV."""
    try:
        text = io.StringIO(octets.decode("utf-8", "replace"), newline="")
        rows = csv.reader(text, strict=True, delimiter=delimiter)
        return [len(row) for row in rows]
    except csv.Error:
        return []
