"""What a CSV header or a Parquet schema names, and whether a file with that can carry a table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from sources.contract import Table
from sources.loader.encodings import UTF_8
from sources.loader.formats import DELIMITERS, FileFormat
from sources.loader.landing import DefectiveFileError

# Each column is a piece of the statement that reads the file.
_MAX_COLUMNS = 1_000
_DEFAULT_DELIMITER = DELIMITERS[0]


@dataclass(frozen=True)
class Header:
    """The names of a CSV's columns in their order, and what parts them."""

    names: tuple[str, ...]
    delimiter: str


def csv_header(table: Table, line: bytes, declared: FileFormat, encoding: str) -> Header:
    """What a header line says; one that can't carry the table refuses the file.

    A delimiter that isn't declared is the one of four by which the header has every name it needs.
    """
    if not line.endswith(b"\n"):
        raise DefectiveFileError("file_truncated", "ends within its header: land it again")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _undecodable(encoding) from error
    allowed = (declared.delimiter,) if declared.delimiter else DELIMITERS
    headers = [Header(tuple(_names(text, delimiter)), delimiter) for delimiter in allowed]
    needed = set(declared.needed_in_header(table))
    fitting = [header for header in headers if needed <= set(header.names)]
    if len({header.names for header in fitting}) > 1:
        raise DefectiveFileError(
            "file_header",
            "has a header that two delimiters part: declare the delimiter in formats.toml",
        )
    header = fitting[0] if fitting else headers[0]
    if not header.names:
        raise DefectiveFileError("file_header", "has a header that is no CSV row")
    check_names(table, header.names, declared)
    return header


def _names(text: str, delimiter: str) -> list[str]:
    """The names in a header; none where it is no CSV row."""
    try:
        row = next(
            csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter), [""]
        )
    except csv.Error:
        return []
    # Writers with an index (pandas) leave its name empty.
    return [written.strip() or f"column_{at}" for at, written in enumerate(row, start=1)]


def _undecodable(encoding: str) -> DefectiveFileError:
    if encoding == UTF_8:
        return DefectiveFileError(
            "file_not_utf8",
            "isn't UTF-8: write it as UTF-8, or declare what it is in formats.toml "
            '(encoding = "windows-1252")',
        )
    return DefectiveFileError(
        "file_encoding",
        f"has a header that isn't {encoding}: declare in formats.toml what it is",
    )


def check_names(
    table: Table,
    names: Sequence[str],
    declared: FileFormat,
    columns: tuple[str, ...] | None = None,
) -> None:
    """Refuse a file that lacks a required column, or one of `columns`, or names one twice."""
    if len(names) > _MAX_COLUMNS:
        raise DefectiveFileError("file_header", f"has more than {_MAX_COLUMNS} columns")
    own = declared.names(table)
    needed = (
        declared.needed_in_header(table)
        if columns is None
        else tuple(own.get(column, column) for column in columns)
    )
    missing = [name for name in needed if name not in names]
    if missing:
        raise DefectiveFileError(
            "file_columns_missing",
            f"lacks {', '.join(missing)}: {table.full_name} requires {', '.join(needed)}, spelled "
            "like this; columns and delimiter can be declared in formats.toml",
        )
    folded = [name.lower() for name in names]
    twice = {name for name in folded if folded.count(name) > 1}
    if twice:
        known = [name for name in own.values() if name.lower() in twice]
        raise DefectiveFileError(
            "file_columns_repeated",
            f"names {', '.join(known) or 'an unknown column'} twice: keep one of each name",
        )


def described(encoding: str, header: Header | None, declared: FileFormat) -> str:
    """How a file is written, in a few words; empty where it is as the contract has it."""
    words = [encoding] if {encoding, declared.encoding} != {UTF_8} else []
    if header and header.delimiter != _DEFAULT_DELIMITER:
        words.append("tab" if header.delimiter == "\t" else f"'{header.delimiter}'")
    return ", ".join([*words, *declared.words()])
