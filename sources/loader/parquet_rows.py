"""Rows of a Parquet file: whatever widths its numbers have, they become the contract's types."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet

from sources.contract import Column, Table
from sources.loader.declared import declared_texts
from sources.loader.formats import FileFormat
from sources.loader.headers import check_names
from sources.loader.landing import DefectiveFileError
from sources.loader.lines import MAX_ROW_BYTES, ODD_ROWS, TOO_LONG
from sources.loader.sql import json_object, name, parquet
from sources.loader.verdict import Fault, Reading

# A boolean column by which a file says that a row has left its source.
DELETED = "_is_deleted"
# What quarantine keeps of each text of a row that is too long; the landed file has the rest.
_KEPT_CHARACTERS = 2_000
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")


def parquet_types(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, declared: FileFormat
) -> dict[str, str]:
    """The DuckDB type of each column; a schema that can't carry the table refuses the file."""
    try:
        names = pyarrow.parquet.read_schema(path).names
        described = connection.execute(f"describe select * from {parquet(path)}").fetchall()
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        raise DefectiveFileError(
            "file_corrupt", "has a damaged Parquet footer: land it again"
        ) from error
    types = {str(row[0]): str(row[1]) for row in described}
    check_names(table, names, declared, table.key if _marks_deleted(types) else None)
    return types


def parquet_rows(table: Table, path: Path, types: dict[str, str], declared: FileFormat) -> Reading:
    """Rows of the file whose columns have the DuckDB types `types`.

    Every value goes by its shortest exact text, so that a price kept as a double of 12.34 is
    12.34. A row as it came is its JSON.
    """
    if "file_row_number" in types:
        raise DefectiveFileError(
            "file_columns_repeated", "has a column file_row_number, a reserved name: rename it"
        )
    deletes = _marks_deleted(types)
    is_deleted = f"coalesce({DELETED}, false)" if deletes else "false"
    names = {column: own for column, own in declared.names(table).items() if own in types}
    known = {*names.values(), *([DELETED] if deletes else [])}
    # Of a row that is gone only the key has to be clean.
    excused = set(table.column_names) - set(table.key) if deletes else set()
    written = {
        column.name: _text(column, names[column.name], types[names[column.name]])
        for column in table.columns
        if column.name in names
    }
    texts, faults = declared_texts(
        table,
        declared,
        {
            column: _clean(text, is_deleted)
            if column in excused and types[names[column]] == "VARCHAR"
            else text
            for column, text in written.items()
        },
        is_text=lambda column: "true" if types[names[column]] == "VARCHAR" else "false",
    )
    wordy = [name(column) for column, kind in types.items() if kind == "VARCHAR"]
    length = " + ".join(f"coalesce(strlen({text}), 0)" for text in wordy) or "0"
    is_long = f"{length} > {MAX_ROW_BYTES}"
    struct = "struct_pack(" + ", ".join(f"{name(c)} := {name(c)}" for c in types) + ")"
    starts = ", ".join(f"{text} := left({text}, {_KEPT_CHARACTERS})" for text in wordy)
    cut = f"struct_pack({starts})" if wordy else "null"
    as_it_came = f"coalesce(try(cast(to_json({struct}) as varchar)), cast({struct} as varchar))"
    return Reading(
        relation=parquet(path, "file_row_number = true"),
        texts=texts,
        line="file_row_number + 1",
        faults=(
            Fault(is_long, *ODD_ROWS[TOO_LONG]),
            *(
                Fault(
                    (f"not {is_deleted} and " if column in excused else "")
                    + f"contains({name(own)}, chr(0))",
                    "nul_character",
                    f"{column} holds a NUL character",
                )
                for column, own in names.items()
                if types[own] == "VARCHAR"
            ),
            *faults,
        ),
        row=f"case when {is_long} then cast(to_json({cut}) as varchar) else {as_it_came} end",
        extra=json_object(
            {
                column: f"cast(to_json({name(column)}) as varchar)"
                for column in types
                if column not in known
            }
        ),
        unknown=tuple(column for column in types if column not in known),
        deleted=is_deleted,
    )


def _marks_deleted(types: dict[str, str]) -> bool:
    return types.get(DELETED) == "BOOLEAN"


def _clean(text: str, is_deleted: str) -> str:
    """SQL for a text; null where a row that is gone has a NUL in it."""
    return f"case when not ({is_deleted} and contains({text}, chr(0))) then {text} end"


def _text(column: Column, own: str, sql_type: str) -> str:
    """SQL for the text of a column; a type that holds no such value refuses the file."""
    if column.type == "object":
        as_json = sql_type not in ("VARCHAR", "JSON")
        value = f"to_json({name(own)})" if as_json else name(own)
        return f"cast({value} as varchar)"
    if sql_type == "BLOB" or sql_type.endswith("]") or sql_type.startswith(_NESTED):
        raise DefectiveFileError("file_column_type", f"has {own} as {sql_type}: write it as a text")
    if column.type == "timestamp" and sql_type.startswith("TIMESTAMP") and "ZONE" not in sql_type:
        raise DefectiveFileError(
            "file_column_type",
            f"has {own} as a time without zone: write it as UTC (isAdjustedToUTC)",
        )
    return f"cast({name(own)} as varchar)"
