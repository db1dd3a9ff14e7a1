"""Rows of a CSV file (RFC 4180: delimiters, double quotes, one header line)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sources.contract import Table
from sources.loader.declared import declared_texts
from sources.loader.encodings import UTF_8_MARK
from sources.loader.formats import FileFormat
from sources.loader.headers import Header
from sources.loader.landing import read_text
from sources.loader.lines import BLOCK_BYTES, MAX_ROW_BYTES
from sources.loader.source_file import Source
from sources.loader.sql import file_literal, json_object, literal
from sources.loader.verdict import ODD_ROW_FAULTS, SOURCE_ROW, Fault, Reading

# What DuckDB's reader and ours might take in two ways.
_UNPLAIN = (b'"', b"\0")


@dataclass(frozen=True)
class CsvSurvey:
    """What one pass over the bytes of a CSV file found, so that the next need not look for it.

    `rows`: lines after the header, blank ones as well. `delimiters`: how many in all lines.
    `longest`: bytes of the longest line. `plain`: no quote and no NUL, so every delimiter and line
    end parts two fields, and UTF-8, so that DuckDB can read it.
    """

    rows: int
    delimiters: int
    longest: int
    plain: bool

    def is_even(self, column_count: int) -> bool:
        """Whether DuckDB's reader can be trusted with the file.

        It refuses a row that lacks a field, but forgives an empty one too many, which would stand
        for a delimiter in another field: so the delimiters are counted.
        """
        parted = self.delimiters == (self.rows + 1) * (column_count - 1)
        return self.plain and parted and self.longest <= MAX_ROW_BYTES


def survey_csv(source: Source) -> CsvSurvey:
    """Survey a file whatever its lines are."""
    delimiter = ord(source.header.delimiter)
    text = source.text()
    lines = delimiters = longest = since_end = 0
    plain = source.is_utf8
    while block := read_text(text, BLOCK_BYTES):
        plain = plain and not any(odd in block for odd in _UNPLAIN)
        if not lines:  # a header and rows that were put together from two files
            plain = plain and b"\n" + UTF_8_MARK not in block
        octets = np.frombuffer(block, np.uint8)
        delimiters += int(np.count_nonzero(octets == delimiter))
        ends = np.flatnonzero(octets == ord("\n")) + 1
        lengths = np.diff(ends, prepend=-since_end)
        since_end = len(block) - int(ends[-1]) if len(ends) else since_end + len(block)
        lines += len(ends)
        longest = max(longest, since_end, int(lengths.max(initial=0)))
    return CsvSurvey(lines - 1 + bool(since_end), delimiters, longest, plain)


def csv_file(table: Table, path: Path, header: Header, declared: FileFormat) -> Reading:
    """Rows read by DuckDB's own CSV reader: the fast way, for a file whose survey is even.

    A row's place in the raw file is its place in the landed one.
    """
    fields = {column: f"_{place}" for place, column in enumerate(header.names, start=1)}
    columns = ", ".join(f"{literal(field)}: 'VARCHAR'" for field in fields.values())
    unknown = _unknown(table, declared, fields)
    texts, faults = declared_texts(table, declared, _found(table, declared, fields))
    return Reading(
        relation=f"""read_csv({file_literal(path)}, auto_detect = false, header = true,
            delim = {literal(header.delimiter)}, quote = '', escape = '', nullstr = '',
            strict_mode = true, hive_partitioning = false, columns = {{{columns}}})""",
        first_line=2,
        texts=texts,
        extra=_extra(unknown),
        unknown=tuple(unknown),
        faults=faults,
    )


def csv_lines(table: Table, header: Header, declared: FileFormat) -> Reading:
    """Rows from `lines`: those without a quote are parted at delimiters, others by a pattern."""
    # In ',' || row the matches leave nothing out exactly where the row is well-formed.
    mark = header.delimiter
    pattern = f"""[{mark}]("(?:[^"]|"")*"|[^"{mark}]*)"""
    delimiter = literal(mark)
    parted = f"""case when contains(_row, '"')
        then regexp_extract_all({delimiter} || {SOURCE_ROW}, {literal(pattern)}, 1)
        else string_split({SOURCE_ROW}, {delimiter}) end"""
    left_out = f"strlen(array_to_string(_fields, {delimiter})) <> strlen({SOURCE_ROW})"
    fields = {column: _field(place) for place, column in enumerate(header.names, start=1)}
    unknown = _unknown(table, declared, fields)
    texts, faults = declared_texts(table, declared, _found(table, declared, fields))
    return Reading(
        relation=f"(select *, {parted} as _fields from lines)",
        texts=texts,
        line="_line",
        row=SOURCE_ROW,
        extra=_extra(unknown),
        unknown=tuple(unknown),
        faults=(
            *ODD_ROW_FAULTS,
            Fault(
                f"case when contains(_row, '\"') then {left_out} else false end",
                "stray_quote",
                "the row has a quote within an unquoted field, or text after a closing quote",
            ),
            Fault(
                f"len(_fields) <> {len(header.names)}",
                "wrong_column_count",
                f"the row hasn't the {len(header.names)} columns of the header",
            ),
            *faults,
        ),
    )


def _found(table: Table, declared: FileFormat, fields: dict[str, str]) -> dict[str, str]:
    names = declared.names(table)
    return {column: fields[own] for column, own in names.items() if own in fields}


def _unknown(table: Table, declared: FileFormat, fields: dict[str, str]) -> dict[str, str]:
    known = set(declared.names(table).values())
    return {name: field for name, field in fields.items() if name not in known}


def _extra(unknown: dict[str, str]) -> str:
    return json_object(
        {name: f"cast(to_json(nullif({field}, '')) as varchar)" for name, field in unknown.items()}
    )


def _field(place: int) -> str:
    field = f"_fields[{place}]"
    unquoted = f"""replace(substring({field}, 2, length({field}) - 2), '""', '"')"""
    return f"""case when starts_with({field}, '"') then {unquoted} else {field} end"""
