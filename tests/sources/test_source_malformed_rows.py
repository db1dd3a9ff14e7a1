"""Ten thousand malformed rows of many kinds over all tables: none crashes, none is lost."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pytest
from landed import TABLES, World

from sources.contract import Column, Table
from sources.loader.sql import literal, name

MALFORMED_ROWS = 10_000
# Bytes that SQL can't write, put in afterwards.
BAD_BYTE, NUL_BYTE = "⟦bad⟧", "⟦nul⟧"

Cells = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """One way to be malformed: SQL for the line, from the SQL of the cells of a good row."""

    name: str
    rule: str
    line: Callable[[Table, Cells], str]


def good_cells(table: Table) -> Cells:
    """SQL over a number `i` for the JSON text of each cell of a good row."""
    special = {
        "currency": """'"EUR"'""",
        "timezone": """'"Europe/Bucharest"'""",
        "event": """'"Product Viewed"'""",
    }
    return {column.name: special.get(column.name, _good_cell(column)) for column in table.columns}


def _good_cell(column: Column) -> str:
    if column.allowed:
        return literal(f'"{column.allowed[0]}"')
    return {
        "text": f"'\"{column.name} ' || i || '\"'",
        "amount": "i || '.25'",
        "integer": "i::varchar",
        "coordinate": "'4' || (i % 10) || '.5'",
        "boolean": "if(i % 2 = 0, 'true', 'false')",
        "date": "'\"1980-02-1' || (i % 10) || '\"'",
        "timestamp": "'\"2024-05-01T10:00:0' || (i % 10) || 'Z\"'",
        "local_timestamp": "'\"2024-05-01T10:00:0' || (i % 10) || '\"'",
        "object": "'{\"number\":' || i || '}'",
    }[column.type]


def json_line(_: Table, cells: Cells) -> str:
    members = " || ',' || ".join(f"'\"{name}\":' || {cell}" for name, cell in cells.items())
    return f"'{{' || {members} || '}}'"


def csv_line(_: Table, cells: Cells) -> str:
    return " || ',' || ".join(
        f"""case when starts_with({cell}, '{{') then '"' || replace({cell}, '"', '""') || '"'
            else trim({cell}, '"') end"""
        for cell in cells.values()
    )


Line = Callable[[Table, Cells], str]


def value_kinds(table: Table, line: Line) -> list[Kind]:
    """Kinds that any format can carry: a value that breaks the contract."""

    def put(name: str, rule: str, **cells: str) -> Kind:
        texts = {column: literal(text) for column, text in cells.items()}
        return Kind(name, rule, lambda table, good: line(table, good | texts))

    kinds = [put(f"no {c}", "missing_value", **{c: '""'}) for c in table.needed_in_header]
    first = {c.type: c.name for c in reversed(table.columns) if not (c.allowed or c.otherwise)}
    bad = {
        "amount": ("1.2.3", "abc", "1e30", "123456789012345", "NaN", "-Infinity", "1_000", "0x1F"),
        "integer": ("1.5", "one", "99999999999999999999"),
        "coordinate": ("north", "nan"),
        "boolean": ("maybe", "1"),
        "date": ("2024-02-30", "30.01.1980", "yesterday"),
        "timestamp": ("2024-05-01T10:00:00", "2024-05-01T25:00:00Z", "1714557600", "soon"),
        "local_timestamp": ("01.05.2024", "2024-05-01", "2024-13-01T00:00:00"),
        "text": ("x" * 3_000,),
    }
    for kind, texts in bad.items():
        if kind in first:
            rule = f"invalid_{kind.removeprefix('local_')}"
            kinds += [put(f"{kind} {t[:25]}", rule, **{first[kind]: f'"{t}"'}) for t in texts]
    names = set(table.column_names)
    kinds += [
        put(f"unknown {c.name}", "unknown_value", **{c.name: '"?"'})
        for c in table.columns
        if c.allowed
    ]
    if table.full_name in ("erp_orders", "erp_order_lines", "erp_returns", "erp_products"):
        amount = {"order_lines": "quantity", "products": "list_price"}.get(
            table.name, "refund_amount" if table.name == "returns" else "total_amount"
        )
        kinds.append(put("below zero", "negative_amount", **{amount: '"-1"'}))
    if "currency" in names:
        kinds.append(put("no ISO currency", "invalid_currency", currency='"euro"'))
    if table.full_name == "pos_receipt_lines":
        kinds.append(put("half a return", "sign_of_return", quantity='"-1"'))
        kinds.append(put("price below zero", "negative_amount", unit_price='"-1"'))
        kinds.append(put("year 1", "implausible_time", sold_at='"0001-01-01T00:00:00"'))
        kinds.append(put("surcharge", "negative_discount", discount_amount='"-1"'))
    if table.full_name == "pos_stores":
        kinds.append(put("unknown zone", "unknown_timezone", timezone='"Europe/Atlantis"'))
        kinds.append(put("off the map", "not_on_earth", latitude='"95"'))
    if table.name == "events":
        kinds.append(put("nobody", "nobody", anonymousId='""', userId='""'))
        kinds.append(put("no previous", "alias_without_previous", type='"alias"', previousId='""'))
        kinds.append(put("no event", "track_without_event", event='""'))
        kinds.append(put("bad clock", "invalid_timestamp", timestamp='"today"'))
        kinds.append(put("no time", "missing_value", timestamp='""', originalTimestamp='""'))
        kinds.append(put("clock ahead", "clock_ahead", timestamp='"2024-05-03T10:00:00Z"'))
    return kinds


def json_kinds(table: Table) -> list[Kind]:
    """Kinds that only a line of JSON can be."""

    def around(name: str, rule: str, before: str, after: str) -> Kind:
        return Kind(
            name, rule, lambda table, cells: f"{before} || {json_line(table, cells)} || {after}"
        )

    def cell(name: str, rule: str, value: str) -> Kind:
        return Kind(name, rule, lambda table, cells: json_line(table, cells | {text: value}))

    text = next(c.name for c in table.columns if c.type == "text" and not c.allowed)
    kinds = [
        Kind("cut", "malformed_json", lambda t, c: f"left({json_line(t, c)}, 30 + i % 9)"),
        Kind("bare word", "malformed_json", lambda *_: "'row ' || i"),
        Kind("CSV", "malformed_json", lambda *_: "i || ',2,3'"),
        Kind("array", "no_json_object", lambda t, c: f"'[' || {json_line(t, c)} || ']'"),
        Kind("number", "no_json_object", lambda *_: "i::varchar"),
        Kind("string", "no_json_object", lambda *_: "'\"row ' || i || '\"'"),
        Kind("null", "no_json_object", lambda *_: "'null'"),
        Kind("true", "no_json_object", lambda *_: "'true'"),
        Kind("no members", "missing_value", lambda *_: "'{}'"),
        around("two in one line", "malformed_json", "'{\"n\":' || i || '}'", "''"),
        around("comment", "malformed_json", "''", "' // ' || i"),
        around("comma after", "malformed_json", "''", "','"),
        Kind("single quotes", "malformed_json", lambda *_: "'{''a'':' || i || '}'"),
        cell("no value", "malformed_json", "''"),
        cell("lone surrogate", "malformed_json", r"""'"\ud800' || i || '"'"""),
        cell("bad escape", "malformed_json", r"""'"\x41' || i || '"'"""),
        cell("tab in a string", "malformed_json", "'\"' || chr(9) || i || '\"'"),
        cell("escaped NUL", "nul_character", r"""'"\u0000' || i || '"'"""),
        cell("NUL byte", "nul_character", f"'\"{NUL_BYTE}' || i || '\"'"),
        cell("not UTF-8", "row_not_utf8", f"'\"{BAD_BYTE}' || i || '\"'"),
        cell("object for a text", "invalid_text", "'{\"n\":' || i || '}'"),
        cell("array for a text", "invalid_text", "'[' || i || ']'"),
        cell("boolean for a text", "invalid_text", "'false'"),
        cell("key twice", "repeated_key", f"i || ',\"{text}\":' || i"),
        cell("megabytes", "row_too_long", "'\"' || repeat('x', 300000) || '\"'"),
        cell("very deep", "malformed_json", "repeat('[', 500 + i)"),
    ]
    if table.name == "events":
        kinds += [
            Kind(
                f"properties {value}",
                "invalid_object",
                lambda t, c, value=value: json_line(t, c | {"properties": f"{value}::varchar"}),
            )
            for value in ("1", "'\"text\"'", "'[1]'", "'{\"price\":NaN}'", "'{\"a\":[-Infinity]}'")
        ]
    return kinds


def csv_kinds(table: Table) -> list[Kind]:
    """Kinds that only a line of CSV can be."""
    text = next(c.name for c in table.columns if c.type == "text" and not c.allowed)

    def cell(name: str, rule: str, value: str) -> Kind:
        def line(table: Table, cells: Cells) -> str:
            fields = {column: csv_line(table, {column: sql}) for column, sql in cells.items()}
            return " || ',' || ".join((fields | {text: value}).values())

        return Kind(name, rule, line)

    return [
        Kind("cut", "wrong_column_count", lambda t, c: f"split_part({csv_line(t, c)}, ',', 1)"),
        Kind("column too many", "wrong_column_count", lambda t, c: f"{csv_line(t, c)} || ',x'"),
        Kind("semicolons", "wrong_column_count", lambda _, c: literal(";" * (len(c) - 1))),
        Kind("only commas", "missing_value", lambda _, c: literal("," * (len(c) - 1))),
        cell("quote left open", "unclosed_quote", "'\"' || i"),
        cell("quote inside", "stray_quote", "i || '\" and \"' || i"),
        cell("text after quote", "stray_quote", "'\"' || i || '\" x'"),
        cell("NUL byte", "nul_character", f"'{NUL_BYTE}' || i"),
        cell("not UTF-8", "row_not_utf8", f"'{BAD_BYTE}' || i"),
        cell("megabytes", "row_too_long", "repeat('x', 300000)"),
    ]


FORMATS: dict[str, tuple[Line, Callable[[Table], list[Kind]]]] = {
    "ndjson": (json_line, json_kinds),
    "csv": (csv_line, csv_kinds),
}
CASES = [(table, form) for table in TABLES.values() for form in FORMATS]


def kinds_of(table: Table, form: str) -> list[Kind]:
    line, own = FORMATS[form]
    return [*value_kinds(table, line), *own(table)]


ROWS_OF_A_KIND = -(-MALFORMED_ROWS // sum(len(kinds_of(*case)) for case in CASES))


def content(table: Table, form: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    """A file in which every other row is good; rule and text of the malformed ones, in order."""
    line, kinds = FORMATS[form][0], kinds_of(table, form)
    cells = {column: name(column) for column in table.column_names}
    values = ", ".join(f"{sql} as {name(column)}" for column, sql in good_cells(table).items())
    malformed = " union all ".join(
        f"""select {number} as kind, i, {kind.line(table, cells)} as bad,
            {line(table, cells)} as good from cells"""
        for number, kind in enumerate(kinds)
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"""create table cells as select i, {values}
            from range(10, {10 + ROWS_OF_A_KIND}) as numbers (i)"""
        )
        rows = connection.execute(
            f"select kind, bad, good from ({malformed}) order by hash(kind, i)"
        ).fetchall()
    mend = {BAD_BYTE.encode(): b"\xff\xfe", NUL_BYTE.encode(): b"\0"}
    lines = [",".join(table.column_names).encode()] if form == "csv" else []
    expected = []
    for kind, bad, good in rows:
        octets = bad.encode()
        for placeholder, octet in mend.items():
            octets = octets.replace(placeholder, octet)
        expected.append((kinds[kind].rule, octets))
        lines += [octets, good.encode()]
    return b"\n".join(lines) + b"\n", expected


def shown(octets: bytes) -> str:
    """A row as quarantine shows it."""
    limit = 64 * 1024 if len(octets) > 256 * 1024 else len(octets)
    return octets[:limit].decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def test_there_are_enough_rows_of_enough_kinds() -> None:
    kinds = [kind for case in CASES for kind in kinds_of(*case)]
    assert len({kind.name for kind in kinds}) >= 40
    assert len(kinds) * ROWS_OF_A_KIND >= MALFORMED_ROWS


@pytest.mark.parametrize(("table", "form"), CASES, ids=[f"{t.full_name}.{f}" for t, f in CASES])
def test_malformed_rows_are_quarantined_and_the_others_load(
    world: World, table: Table, form: str
) -> None:
    octets, expected = content(table, form)
    world.land(table, f"rows.{form}", octets)
    report = world.load(table)
    assert (report.rows, report.rows_rejected) == (len(expected), len(expected))
    assert report.rejected_by_rule == Counter(rule for rule, _ in expected)
    header = form == "csv"
    assert world.quarantine(table, "line, rule, row") == [
        (2 * number + 1 + header, rule, shown(row)) for number, (rule, row) in enumerate(expected)
    ]
    assert [line for (line,) in world.raw(table, "_line")] == [
        2 * number + 2 + header for number in range(len(expected))
    ]
