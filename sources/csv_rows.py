"""Rows of a CSV file (RFC 4180: commas, double quotes, one header line)."""

import csv
import io

from sources.contract import Table
from sources.landing import DefectiveFileError
from sources.sql import json_object, literal
from sources.verdict import ODD_ROW_FAULTS, SOURCE_ROW, Fault, Reading

# Each column is a piece of the statement that reads the file.
_MAX_COLUMNS = 1_000


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


def csv_lines(table: Table, names: list[str]) -> Reading:
    """Rows from `lines`: those without a quote are parted at commas, the others by a pattern."""
    # In ',' || row the matches leave nothing out exactly where the row is well-formed.
    pattern = """,("(?:[^"]|"")*"|[^",]*)"""
    fields = f"""case when contains(_row, '"')
        then regexp_extract_all(',' || {SOURCE_ROW}, {literal(pattern)}, 1)
        else string_split({SOURCE_ROW}, ',') end"""
    left_out = f"strlen(array_to_string(_fields, ',')) <> strlen({SOURCE_ROW})"
    places = {column: place for place, column in enumerate(names, start=1)}
    known = set(table.column_names)
    return Reading(
        relation=f"(select *, {fields} as _fields from lines)",
        texts={column: _field(place) for column, place in places.items() if column in known},
        line="_line",
        row=SOURCE_ROW,
        extra=json_object(
            {
                column: f"cast(to_json(nullif({_field(place)}, '')) as varchar)"
                for column, place in places.items()
                if column not in known
            }
        ),
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


def _field(place: int) -> str:
    field = f"_fields[{place}]"
    unquoted = f"""replace(substring({field}, 2, length({field}) - 2), '""', '"')"""
    return f"""case when starts_with({field}, '"') then {unquoted} else {field} end"""
