"""Values as text: the same value gives the same text for ever, and text never becomes a formula.

Rows are turned into text by DuckDB, whole columns at a time; these functions write the SQL.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache

import duckdb
import pyarrow as pa
from duckdb import sqltypes

# What a spreadsheet starts a formula with, in its plain, small and full-width shapes.
_FORMULA_STARTS = r"=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}\x{FE66}\x{FE62}\x{FE63}\x{FE6B}\x{2212}"
# Blank or invisible characters before it don't disarm a formula; tab and line ends are among them.
_FORMULA_CELL = rf"^(?:[\s\p{{Z}}\p{{C}}]*[{_FORMULA_STARTS}]|[\t\r\n])"
# Where the reader splits at semicolons, tabs or line ends, a formula can hide inside a cell.
_FORMULA_WITHIN = rf"([;\t\r\n][\s\p{{Z}}\p{{C}}'\x22]*)([{_FORMULA_STARTS}])"
# A sign and digits compute nothing: a negative amount stays what it is ...
_PLAIN_NUMBER = r"^-[0-9]+(\.[0-9]+)?$"
# ... and so does a phone number, in a column that says it holds phone numbers.
_PHONE_NUMBER = r"^\+[1-9][0-9]{6,14}$"
_PHONE_COLUMN = re.compile(r"(^|_)(phone|mobile|msisdn|whatsapp|viber)(_number)?$", re.IGNORECASE)

_NESTED = {"list", "array", "struct", "map", "union"}
_JSON_NUMBERS = {"boolean", "tinyint", "smallint", "integer", "bigint"}
_JSON_NUMBERS |= {"utinyint", "usmallint", "uinteger"}
_MASK = "[…]"
_MASKED = re.compile(r"[^\s<>\"',;]+@[^\s<>\"',;]+|\+?\d[\d\s().-]{4,}\d|[0-9a-fA-F]{16,}")


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return the database in memory that rows are turned into text by; making one takes 20 ms."""
    return duckdb.connect()


def quoted(name: str) -> str:
    """Return a column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def text_expression(expression: str, kind: sqltypes.DuckDBPyType) -> str:
    """SQL that turns a value into its one text.

    Times are ISO 8601 (with zone: in UTC, ending in Z), decimals keep their scale, booleans are
    true or false, bytes are base64, nested values are JSON.
    """
    if kind.id == "timestamp with time zone":
        return f"strftime({expression} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.id.startswith("timestamp"):
        return f"strftime({expression}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')"
    if kind.id == "blob":
        return f"to_base64({expression})"
    if kind.id in _NESTED:
        return f"to_json({_json_value(expression, kind)})::varchar"
    return f"{expression}::varchar"


def _json_value(expression: str, kind: sqltypes.DuckDBPyType, depth: int = 0) -> str:
    """SQL for a value that to_json writes without losing digits: decimals become text."""
    if kind.id in _JSON_NUMBERS:
        return expression
    if kind.id in {"float", "double"}:
        return f"case when isfinite({expression}) then {expression} end"
    if kind.id == "list":
        name = f"item_{depth}"
        inner = _json_value(name, _children(kind)[0][1], depth + 1)
        return f"list_transform({expression}, lambda {name}: {inner})"
    if kind.id == "struct":
        fields = ", ".join(
            f"{quoted(field)} := {_json_value(f'{expression}[{literal(field)}]', child, depth)}"
            for field, child in _children(kind)
        )
        return f"case when {expression} is not null then struct_pack({fields}) end"
    return expression if kind.id in _NESTED else text_expression(expression, kind)


def _children(kind: sqltypes.DuckDBPyType) -> list[tuple[str, sqltypes.DuckDBPyType]]:
    """Return the parts of a list or struct; DuckDB types them as loosely as a decimal's digits."""
    return [(name, part) for name, part in kind.children if isinstance(part, sqltypes.DuckDBPyType)]


def json_expression(columns: Iterable[tuple[str, sqltypes.DuckDBPyType]], table: str = "") -> str:
    """SQL for one JSON object of these columns, sorted by name: equal rows give equal text."""
    prefix = f"{table}." if table else ""
    fields = ", ".join(
        f"{quoted(name)} := {_json_value(prefix + quoted(name), kind)}"
        for name, kind in sorted(columns, key=lambda column: column[0])
    )
    return f"to_json(struct_pack({fields}))::varchar" if fields else "'{}'"


def spreadsheet_expression(column: str, kind: sqltypes.DuckDBPyType) -> str:
    """SQL for a cell that no spreadsheet executes.

    Text that would start a formula gets an apostrophe before it, which spreadsheets take as "this
    is text"; so does a formula behind a separator inside the text. Numbers, dates and booleans are
    written as they are, also negative; so is text that is only a negative number, and an E.164
    number in a phone column.
    """
    text = text_expression(quoted(column), kind)
    if kind.id != "varchar" and kind.id not in _NESTED:
        return text
    harmless = [f"regexp_matches({text}, {literal(_PLAIN_NUMBER)})"]
    if _PHONE_COLUMN.search(column):
        harmless.append(f"regexp_matches({text}, {literal(_PHONE_NUMBER)})")
    within = f"regexp_replace({text}, {literal(_FORMULA_WITHIN)}, '\\1''\\2', 'g')"
    return (
        f"case when {' or '.join(harmless)} then {text} "
        f"when regexp_matches({text}, {literal(_FORMULA_CELL)}) then '''' || {within} "
        f"else {within} end"
    )


def inert(texts: Sequence[str]) -> list[str]:
    """Return texts as cells that no spreadsheet executes; for headers."""
    cells = spreadsheet_table(pa.table({"cell": pa.array(texts, pa.string())}), ["cell"])
    inert_texts: list[str] = cells.column(0).to_pylist()
    return inert_texts


def spreadsheet_table(records: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return the columns as inert text, row by row in the same order."""
    with _engine().cursor() as connection:
        relation = connection.from_arrow(records)
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        cells = ", ".join(f"{spreadsheet_expression(c, kinds[c])} as {quoted(c)}" for c in columns)
        return relation.project(cells).to_arrow_table()


def json_texts(records: pa.Table, columns: Sequence[str]) -> list[str]:
    """Return one JSON object a record, of the columns given, row by row in the same order."""
    with _engine().cursor() as connection:
        relation = connection.from_arrow(records)
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        expression = json_expression([(column, kinds[column]) for column in columns])
        texts: list[str] = relation.project(f"{expression} as body").to_arrow_table()[0].to_pylist()
        return texts


def public_reason(text: str, own_values: Iterable[str] = ()) -> str:
    """Return a tool's reason for people to read: no value of the record, e-mail or number."""
    printable = "".join(c if c.isprintable() else " " for c in text)[:500]
    for value in sorted(own_values, key=len, reverse=True):
        if len(value) >= 3:
            printable = re.sub(re.escape(value), _MASK, printable, flags=re.IGNORECASE)
    return _MASKED.sub(_MASK, printable).strip()[:120] or "no reason given"
