"""Rows of a CSV file (RFC 4180: commas, double quotes, one header line)."""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sources.contract import Table
from sources.landing import UTF_8_MARK, DefectiveFileError, read_text
from sources.lines import BLOCK_BYTES, MAX_ROW_BYTES
from sources.source_file import Source
from sources.sql import file_literal, json_object, literal
from sources.verdict import ODD_ROW_FAULTS, SOURCE_ROW, Fault, Reading

# Each column is a piece of the statement that reads the file.
_MAX_COLUMNS = 1_000
# What DuckDB's reader and ours might take in two ways.
_UNPLAIN = (b'"', b"\0")


@dataclass(frozen=True)
class CsvSurvey:
    """What one pass over the bytes of a CSV file found, so that the next need not look for it.

    `rows`: lines after the header, blank ones as well. `commas`: in all lines. `longest`: bytes of
    the longest line. `plain`: no quote and no NUL, so every comma and line end parts two fields.
    """

    rows: int
    commas: int
    longest: int
    plain: bool

    def is_even(self, column_count: int) -> bool:
        """Whether DuckDB's reader can be trusted with the file.

        It refuses a row that lacks a field, but forgives an empty one too many, which would stand
        for a comma in another field: so the commas are counted.
        """
        parted = self.commas == (self.rows + 1) * (column_count - 1)
        return self.plain and parted and self.longest <= MAX_ROW_BYTES


def survey_csv(source: Source, digest: "hashlib._Hash | None" = None) -> CsvSurvey:
    """Survey a file whatever its lines are; `digest` is fed every byte on the way."""
    text = source.text()
    lines = commas = longest = since_end = 0
    plain = True
    while block := read_text(text, BLOCK_BYTES):
        if digest:
            digest.update(block)
        plain = plain and not any(odd in block for odd in _UNPLAIN)
        if not lines:  # a header and rows that were put together from two files
            plain = plain and b"\n" + UTF_8_MARK not in block
        octets = np.frombuffer(block, np.uint8)
        commas += int(np.count_nonzero(octets == ord(",")))
        ends = np.flatnonzero(octets == ord("\n")) + 1
        lengths = np.diff(ends, prepend=-since_end)
        since_end = len(block) - int(ends[-1]) if len(ends) else since_end + len(block)
        lines += len(ends)
        longest = max(longest, since_end, int(lengths.max(initial=0)))
    return CsvSurvey(lines - 1 + bool(since_end), commas, longest, plain)


def csv_header(table: Table, line: bytes) -> list[str]:
    """The names in a header line; one that can't carry the table refuses the file."""
    if not line.endswith(b"\n"):
        raise DefectiveFileError("file_truncated", "ends within its header: land it again")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
        names = next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except UnicodeDecodeError as error:
        raise DefectiveFileError("file_not_utf8", "isn't UTF-8: write it as UTF-8") from error
    except csv.Error as error:
        raise DefectiveFileError("file_header", "has a header that is no CSV row") from error
    # Writers with an index (pandas) leave its name empty.
    names = [written.strip() or f"column_{at}" for at, written in enumerate(names, start=1)]
    check_names(table, names)
    return names


def check_names(table: Table, names: list[str]) -> None:
    """Refuse a file that lacks a required column or names one twice."""
    if len(names) > _MAX_COLUMNS:
        raise DefectiveFileError("file_header", f"has more than {_MAX_COLUMNS} columns")
    needed = ", ".join(table.needed_in_header)
    missing = [column for column in table.needed_in_header if column not in names]
    if missing:
        raise DefectiveFileError(
            "file_columns_missing",
            f"lacks {', '.join(missing)}: {table.full_name} requires {needed}, spelled like this",
        )
    folded = [column.lower() for column in names]
    twice = {column for column in folded if folded.count(column) > 1}
    if twice:
        known = [column for column in table.column_names if column.lower() in twice]
        raise DefectiveFileError(
            "file_columns_repeated",
            f"names {', '.join(known) or 'an unknown column'} twice: keep one of each name",
        )


def csv_file(table: Table, path: Path, names: list[str]) -> Reading:
    """Rows read by DuckDB's own CSV reader: the fast way, for a file whose survey is even.

    A row's place in the raw file is its place in the landed one.
    """
    fields = {column: f"_{place}" for place, column in enumerate(names, start=1)}
    columns = ", ".join(f"{literal(field)}: 'VARCHAR'" for field in fields.values())
    return Reading(
        relation=f"""read_csv({file_literal(path)}, auto_detect = false, header = true,
            delim = ',', quote = '', escape = '', nullstr = '', strict_mode = true,
            hive_partitioning = false, columns = {{{columns}}})""",
        first_line=2,
        texts=_texts(table, fields),
        extra=_extra(table, fields),
        unknown=_unknown(table, names),
    )


def csv_lines(table: Table, names: list[str]) -> Reading:
    """Rows from `lines`: those without a quote are parted at commas, the others by a pattern."""
    # In ',' || row the matches leave nothing out exactly where the row is well-formed.
    pattern = """,("(?:[^"]|"")*"|[^",]*)"""
    parted = f"""case when contains(_row, '"')
        then regexp_extract_all(',' || {SOURCE_ROW}, {literal(pattern)}, 1)
        else string_split({SOURCE_ROW}, ',') end"""
    left_out = f"strlen(array_to_string(_fields, ',')) <> strlen({SOURCE_ROW})"
    fields = {column: _field(place) for place, column in enumerate(names, start=1)}
    return Reading(
        relation=f"(select *, {parted} as _fields from lines)",
        texts=_texts(table, fields),
        line="_line",
        row=SOURCE_ROW,
        extra=_extra(table, fields),
        unknown=_unknown(table, names),
        faults=(
            *ODD_ROW_FAULTS,
            Fault(
                f"case when contains(_row, '\"') then {left_out} else false end",
                "stray_quote",
                "the row has a quote within an unquoted field, or text after a closing quote",
            ),
            Fault(
                f"len(_fields) <> {len(names)}",
                "wrong_column_count",
                f"the row hasn't the {len(names)} columns of the header",
            ),
        ),
    )


def _texts(table: Table, fields: dict[str, str]) -> dict[str, str]:
    return {column: field for column, field in fields.items() if column in table.column_names}


def _unknown(table: Table, names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in table.column_names)


def _extra(table: Table, fields: dict[str, str]) -> str:
    return json_object(
        {
            column: f"cast(to_json(nullif({field}, '')) as varchar)"
            for column, field in fields.items()
            if column not in table.column_names
        }
    )


def _field(place: int) -> str:
    field = f"_fields[{place}]"
    unquoted = f"""replace(substring({field}, 2, length({field}) - 2), '""', '"')"""
    return f"""case when starts_with({field}, '"') then {unquoted} else {field} end"""
