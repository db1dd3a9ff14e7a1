"""Files as the world sends them: what is certain is detected, what is declared is kept to, and
nothing is guessed."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landed import EVENT, EVENTS, LOADED_AT, MEMBERS, RECEIPT, RECEIPTS, TABLES, World, csv_text
from landed import event as event_line

from sources import tables
from sources.contract import SourceError
from sources.formats import FileFormat, read_formats
from sources.load import load_table

STORES = TABLES["pos_stores"]
LINES = TABLES["erp_order_lines"]
NAMES = (*RECEIPT, "product_name", "category", "discount_amount", "promo_code")
ROWS = [
    dict(zip(NAMES, (*RECEIPT.values(), name, category, discount, promo), strict=True))
    | {"line_no": str(number), "line_amount": amount}
    for number, (name, category, discount, promo, amount) in enumerate(
        [
            ("Café crème", "Ménage", "", "", "12.50"),
            ('two\nlines; one, "row" | and\ta tab', "", "0.99", "A;B", "1234.5"),
            ("Müller-Öl", "  spaced ", "0.00", "", "1234567.1234"),
            ("", "'quoted'", "1000", "x", "0.5"),
            ("größer", "plain", "0.1", "", "1.2345"),
        ],
        start=1,
    )
]
ENCODINGS = {
    "utf-8": ("utf-8", ""),
    "utf-8 with mark": ("utf-8-sig", ""),
    "utf-16-le with mark": ("utf-16-le", ""),
    "utf-16-be with mark": ("utf-16-be", ""),
    "utf-16-le": ("utf-16-le", 'encoding = "utf-16-le"'),
    "utf-16 declared": ("utf-16", 'encoding = "UTF-16"'),
    "windows-1252": ("cp1252", 'encoding = "windows-1252"'),
    "latin-1": ("latin-1", 'encoding = "latin-1"'),
    "cp850": ("cp850", 'encoding = "cp850"'),
    "mac": ("mac-roman", 'encoding = "mac-roman"'),
}


def encoded(text: str, name: str) -> bytes:
    codec, _ = ENCODINGS[name]
    return (("\ufeff" if name.endswith("with mark") and "16" in name else "") + text).encode(codec)


def number(text: str, decimal: str) -> str:
    """A number with a point, as a country of decimal commas writes it."""
    if decimal == "." or not text:
        return text
    whole, _, rest = text.partition(".")
    grouped = f"{int(whole):,}".replace(",", ".")
    return f"{grouped},{rest}" if rest else grouped


def written(rows: list[dict[str, str]], delimiter: str, decimal: str, end: str) -> str:
    """The rows as CSV."""
    amounts = ("quantity", "line_amount", "discount_amount")

    def field(name: str, text: str) -> str:
        text = number(text, decimal) if name in amounts else text
        odd = any(mark in text for mark in (delimiter, '"', "\n"))
        return '"' + text.replace('"', '""') + '"' if odd else text

    lines = [delimiter.join(NAMES)]
    lines += [delimiter.join(field(name, row[name]) for name in NAMES) for row in rows]
    return end.join(lines) + end


def declare(world: World, table: Any, *lines: str) -> Path:
    path = world.data / "formats.toml"
    path.write_text(f"[{table.source}.{table.name}]\n" + "\n".join(lines) + "\n")
    return path


VALUES = ", ".join(f'"{name}"' for name in RECEIPTS.column_names)


@pytest.fixture(scope="module")
def plain_rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    world = World(tmp_path_factory.mktemp("plain"))
    world.land(RECEIPTS, "plain.csv", written(ROWS, ",", ".", "\n"))
    report = world.load(RECEIPTS)
    assert (report.rows, report.formats) == (len(ROWS), {})
    return world.raw(RECEIPTS, f"{VALUES}, _line, _extra")


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_table_is_the_same_however_its_file_is_written(
    world: World,
    plain_rows: list[tuple[Any, ...]],
    encoding: str,
    delimiter: str,
    decimal: str,
    name: str,
) -> None:
    declare(world, RECEIPTS, ENCODINGS[encoding][1], f'decimal = "{decimal}"')
    world.land(RECEIPTS, name, encoded(written(ROWS, delimiter, decimal, "\n"), encoding))
    report = world.load(RECEIPTS)
    assert world.quarantine(RECEIPTS, "line, rule, message, row") == []
    assert world.raw(RECEIPTS, f"{VALUES}, _line, _extra") == plain_rows
    default = encoding.startswith("utf-8") and (delimiter, decimal) == (",", ".")
    assert sum(report.formats.values()) == (not default)
    ((form),) = report.formats or ("",)
    assert ("decimal comma" in form) == (decimal == ",")
    assert (delimiter == ",") or ("tab" if delimiter == "\t" else f"'{delimiter}'") in form
    assert (
        not form
        or encoding.startswith("utf-8")
        or ENCODINGS[encoding][0][:4] in form.replace("iso8859-1", "latin-1")
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_plain_text_is_read_in_one_whatever_parts_its_fields(
    world: World, monkeypatch: pytest.MonkeyPatch, delimiter: str
) -> None:
    monkeypatch.setattr("sources.copying.Copying._by_line", lambda *_, **__: 1 / 0)
    world.land(RECEIPTS, "a.csv", csv_text({}, {"line_no": "2"}).replace(",", delimiter))
    assert world.load(RECEIPTS).rows == 2


@pytest.mark.parametrize("block", [1, 3, 7, 64])
@pytest.mark.parametrize("encoding", ["utf-16-le with mark", "utf-16-be with mark", "windows-1252"])
def test_no_character_is_lost_at_the_end_of_a_block(
    world: World, monkeypatch: pytest.MonkeyPatch, encoding: str, block: int
) -> None:
    monkeypatch.setattr("sources.encodings.BLOCK_BYTES", block)
    monkeypatch.setattr("sources.lines.BLOCK_BYTES", 200)
    note = "é€" if encoding == "windows-1252" else "🙂é€한"
    rows = [row | {"product_name": f"{note}\n{note}", "line_no": str(at)} for at in range(30)
            for row in ROWS[:1]]  # fmt: skip
    declare(world, RECEIPTS, ENCODINGS[encoding][1])
    world.land(RECEIPTS, "a.csv", encoded(written(rows, ";", ".", "\r\n"), encoding))
    assert world.load(RECEIPTS).rows == 30
    found = world.raw(RECEIPTS, "line_no, product_name, _line")
    assert found == [(at, f"{note}\n{note}", 2 + 2 * at) for at in range(30)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_events_are_the_same_however_they_are_encoded(
    world: World, encoding: str, name: str
) -> None:
    lines = [event_line(messageId=f'"m{at}"', name='"Größe é"') for at in range(3)]
    text = f"{lines[0]}\r\n\r\n  \r\n{lines[1]}\r\n{lines[2]}\r\n"
    declare(world, EVENTS, ENCODINGS[encoding][1])
    world.land(EVENTS, name, encoded(text, encoding))
    world.load(EVENTS)
    assert world.quarantine(EVENTS, "line, rule, row") == []
    assert world.raw(EVENTS, '"messageId", name, _line') == [
        (f"m{at}", "Größe é", line) for at, line in enumerate((1, 4, 5))
    ]


def test_gzip_of_several_members_may_part_a_character(world: World) -> None:
    octets = encoded(written(ROWS, ";", ".", "\n"), "utf-16-le with mark")
    path = world.land(RECEIPTS, "a.csv.gz", b"")
    path.write_bytes(gzip.compress(octets[:101]) + gzip.compress(octets[101:]))
    assert world.load(RECEIPTS).rows == len(ROWS)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.ndjson", "a.ndjson.gz"])
@pytest.mark.parametrize("cut", [-1, -2, -3, -20, -21])
@pytest.mark.parametrize("encoding", ["utf-16-le with mark", "utf-16-be with mark"])
def test_a_cut_utf_16_file_is_refused(world: World, encoding: str, cut: int, name: str) -> None:
    table = EVENTS if "ndjson" in name else RECEIPTS
    text = f"{EVENT}\n{EVENT}\n" if table is EVENTS else csv_text({}, {"line_no": "2"})
    world.land(table, name, encoded(text, encoding)[:cut])
    report = world.load(table)
    assert (report.rows, report.rejected_by_rule) == (0, {"file_truncated": 1})


def test_a_sidecar_vouches_for_a_utf_16_file_without_last_line_end(world: World) -> None:
    octets = encoded(f"{EVENT}\n{EVENT}", "utf-16-le with mark")
    path = world.land(EVENTS, "a.ndjson", octets)
    path.with_name("a.ndjson.sha256").write_text(hashlib.sha256(octets).hexdigest())
    assert world.load(EVENTS).rows == 2
    (raw,) = world.files()
    assert raw == f"raw/web/events/{hashlib.sha256(octets).hexdigest()}.parquet"


def test_a_large_file_of_another_encoding_is_named_by_its_own_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.files._LARGE_BYTES", 0)
    digests = []
    for table, text in ((RECEIPTS, written(ROWS, ";", ".", "\n")), (EVENTS, f"{EVENT}\n")):
        octets = encoded(text, "utf-16-le with mark")
        world.land(table, "a.csv" if table is RECEIPTS else "a.ndjson", octets)
        world.load(table)
        digests.append(f"raw/{table.source}/{table.name}/{hashlib.sha256(octets).hexdigest()}")
    assert world.files() == [f"{digest}.parquet" for digest in digests]


def test_bytes_that_no_declared_encoding_knows_quarantine_their_row_readably(world: World) -> None:
    declare(world, STORES, 'encoding = "windows-1252"')
    world.land(STORES, "a.csv", b"store_id,name\nS1,Caf\xe9\nS2,\x81\x8d caf\xe9\nS3,\x80\n")
    world.load(STORES)
    assert world.raw(STORES, "store_id, name") == [("S1", "Café"), ("S3", "€")]
    ((line, rule, row),) = world.quarantine(STORES, "line, rule, row")
    assert (line, rule, row) == (3, "row_undecodable", "S2,\\x81\\x8d café")


def test_bytes_that_would_be_a_character_together_stay_unknown(world: World) -> None:
    """In ISO 8859-7 neither D2 nor AE is a character; as UTF-8 they would be one."""
    declare(world, STORES, 'encoding = "iso-8859-7"')
    world.land(STORES, "a.csv", b"store_id,name\nS1,\xd2\xae\n")
    world.load(STORES)
    assert world.quarantine(STORES, "rule, row") == [("row_undecodable", "S1,\\xd2\\xae")]


def test_a_windows_text_declared_as_latin_1_makes_no_control_characters(world: World) -> None:
    declare(world, STORES, 'encoding = "latin-1"')
    world.land(STORES, "a.csv", b"store_id,name\nS1,Caf\xe9\nS2,5 \x80\n")
    world.load(STORES)
    assert world.raw(STORES, "name") == [("Café",)]
    assert world.quarantine(STORES, "rule, row") == [("row_undecodable", "S2,5 \\x80")]


def test_half_a_pair_in_utf_16_quarantines_its_row(world: World) -> None:
    text = "store_id,name\nS1,a\nS2,\ud83d!\n".encode("utf-16", "surrogatepass")
    world.land(STORES, "a.csv", text)
    world.load(STORES)
    assert world.quarantine(STORES, "rule, row") == [("row_undecodable", "S2,\\ud83d!")]
    assert world.raw(STORES, "store_id") == [("S1",)]


def test_an_undeclared_encoding_is_refused_and_says_what_to_declare(world: World) -> None:
    world.land(STORES, "rows.csv", "store_id,name\nS1,Café\nS2,b\n".encode("cp1252"))
    world.land(STORES, "header.csv", "store_id,name,größe\nS3,b,c\n".encode("cp1252"))
    world.land(STORES, "wide.csv", ("store_id,name\nS1,a\n" * 9).encode("utf-16-le"))
    world.load(STORES)
    assert world.raw(STORES, "store_id") == [("S2",)]
    found = world.quarantine(STORES, "rule, message, row")
    assert [rule for rule, _, _ in found] == ["file_not_utf8", "row_not_utf8", "file_not_its_name"]
    assert all('encoding = "windows-1252"' in message for _, message, _ in found[:2])
    assert found[1][2] == "S1,Caf\\xe9"


def test_utf_16_without_a_mark_has_to_say_which(world: World) -> None:
    declare(world, STORES, 'encoding = "utf-16"')
    world.land(STORES, "a.csv", "store_id\nS1\n".encode("utf-16-be"))
    world.load(STORES)
    ((rule, message),) = world.quarantine(STORES, "rule, message")
    assert rule == "file_encoding"
    assert "declare utf-16-le or utf-16-be" in message


def test_a_mark_is_believed_before_a_declaration_and_said(world: World) -> None:
    declare(world, STORES, 'encoding = "windows-1252"')
    world.land(STORES, "a.csv", "store_id,name\nS1,Café\n".encode("utf-8-sig"))
    assert world.load(STORES).formats == {"utf-8": 1}
    assert world.raw(STORES, "name") == [("Café",)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("store_id:name\nS1:a\n", "file_columns_missing"),
        ("store;name\nS1;a\n", "file_columns_missing"),
        ("store_id\nS1\n", None),
        ('"store_id";"a,b"\nS1;a\n', None),
        ("a;store_id,b\nS1,a\n", "file_columns_missing"),
    ],
)
def test_a_delimiter_is_detected_only_where_the_header_is_certain(
    world: World, text: str, rule: str | None
) -> None:
    world.land(STORES, "a.csv", text)
    world.load(STORES)
    assert world.quarantine(STORES, "rule") == ([(rule,)] if rule else [])
    assert world.raw(STORES, "store_id") == ([] if rule else [("S1",)])


def test_a_header_that_two_delimiters_part_is_refused(world: World) -> None:
    declare(world, STORES, 'columns = { store_id = "a" }')
    world.land(STORES, "a.csv", '"a";"b"\n1;2\n')
    assert world.load(STORES).rows == 1
    world.land(STORES, "b.csv", "a,b;a\n1,2;3\n")
    world.load(STORES)
    assert [rule for (rule,) in world.quarantine(STORES, "rule")] == ["file_header"]


def test_a_declared_delimiter_is_the_only_one(world: World) -> None:
    declare(world, RECEIPTS, 'delimiter = ";"')
    world.land(RECEIPTS, "a.csv", csv_text({}))
    assert world.load(RECEIPTS).rejected_by_rule == {"file_columns_missing": 1}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_quotes_nobody_closed_take_no_other_row_with_them(world: World, delimiter: str) -> None:
    rows = [{"line_no": str(at), "product_name": ""} for at in range(1, 9)]
    rows[2]["product_name"] = '"open'
    rows[5]["product_name"] = 'closed"'
    world.land(RECEIPTS, "a.csv", csv_text(*rows).replace(",", delimiter))
    assert world.load(RECEIPTS).rows == 6
    assert [line for line, _ in world.quarantine(RECEIPTS)] == [4, 7]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1.234,50", "1234.50"), ("1234,5", "1234.5"), ("-0,99", "-0.99"), ("1.234", "1234")),
        *((",5", "0.5"), ("12", "12"), ("+7,25", "7.25"), ("1.234.567,8901", "1234567.8901")),
        *((" 3,5 ", "3.5"), ("1e-05", "0"), ("-1.000,00", "-1000")),
        *(
            (t, None)
            for t in ("12.50", "1.23", "1,234.50", "12,50,1", "1.2345", "12.34,5", "1 000")
        ),
        *((t, None) for t in ("0.5", "1,", "1_000", "€5", "abc", ".500", "1..000", "1,5.000")),
    ],
)
@pytest.mark.parametrize("form", ["csv", "csv.gz", "ndjson", "parquet"])
def test_a_decimal_comma_is_read_or_refused_and_never_misread(
    world: World, form: str, text: str, value: str | None
) -> None:
    declare(world, LINES, 'decimal = ","')
    row = {"order_id": "o", "line_no": "1", "product_id": "p", "quantity": "1"}
    row |= {"unit_price": text, "line_amount": "2,50"}
    if form == "parquet":
        target = world.land(LINES, "a.parquet", b"")
        columns = ", ".join(f"'{text}' as {column}" for column, text in row.items())
        duckdb.sql(f"copy (select {columns}) to '{target}' (format parquet)")
    elif form == "ndjson":
        world.land(LINES, "a.ndjson", json.dumps(row) + "\n")
    else:
        world.land(LINES, f"a.{form}", ";".join(row) + "\n" + ";".join(row.values()) + "\n")
    world.load(LINES)
    expected = [] if value is None else [(Decimal(value), Decimal("2.5"))]
    assert world.raw(LINES, "unit_price, line_amount") == expected
    found = world.quarantine(LINES, "rule, message")
    assert [rule for rule, _ in found] == ["invalid_amount"] * (value is None)
    assert all("unit_price" in message and "decimal comma" in message for _, message in found)


def test_whole_numbers_and_degrees_have_a_decimal_comma_too(world: World) -> None:
    (world.data / "formats.toml").write_text(
        "[pos.stores]\ndecimal = ','\n[erp.order_lines]\ndecimal = ','\n"
    )
    world.land(STORES, "a.csv", "store_id;latitude;longitude\nS1;44,4268;-0,5\nS2;44.42;1\n")
    world.land(
        LINES,
        "a.csv",
        "order_id;line_no;product_id;quantity;line_amount\no;1.000;p;1;1\no;2,0;p;1;1\n",
    )
    world.load(STORES)
    world.load(LINES)
    assert world.raw(STORES, "latitude, longitude") == [(44.4268, -0.5)]
    assert world.quarantine(STORES) == [(3, "invalid_coordinate")]
    assert world.raw(LINES, "line_no") == [(1000,), (2,)]


def test_a_number_of_json_or_parquet_has_no_comma_to_read(world: World) -> None:
    declare(world, LINES, 'decimal = ","')
    base = '"order_id":"o","line_no":1,"product_id":"p","quantity":1'
    amounts = ("1.234", '"1.234"', "12.5", '"12,5"', "99999999999999.1234")
    lines = [f'{{{base},"line_amount":{amount}}}' for amount in amounts]
    world.land(LINES, "a.ndjson", "\n".join([*lines, "{"]) + "\n")
    target = world.land(LINES, "b.parquet", b"")
    duckdb.sql(
        f"""copy (select 'o' as order_id, 1 as line_no, 'p' as product_id, 1::utinyint as quantity,
            1.234::decimal(9, 3) as line_amount, 7.5::float as unit_price)
        to '{target}' (format parquet)"""
    )
    world.load(LINES)
    expected = ["1.234", "1234", "12.5", "12.5", "99999999999999.1234", "1.234"]
    assert world.raw(LINES, "line_amount") == [(Decimal(text),) for text in expected]
    assert world.quarantine(LINES) == [(6, "malformed_json")]


def test_an_undeclared_decimal_comma_says_what_to_declare(world: World) -> None:
    world.land(RECEIPTS, "a.csv", csv_text({"line_amount": "12.50"}).replace(",", ";")
               .replace("12.50", "12,50"))  # fmt: skip
    world.load(RECEIPTS)
    ((rule, message),) = world.quarantine(RECEIPTS, "rule, message")
    assert rule == "invalid_amount"
    assert 'decimal = ","' in message


MEMBER = {"Nr": "7", "E-Mail (privat)": "a@b.example", "Newsletter": "Ja", "email": "old@b.example"}
RENAMED = """
columns = { loyalty_id = "Nr", email = "E-Mail (privat)", email_marketing = "Newsletter" }
values = { country = "DE" }
true = "ja"
false = "nein"
"""


@pytest.mark.parametrize("form", ["csv", "csv by line", "ndjson", "ndjson by line", "parquet"])
def test_a_file_may_have_names_and_words_of_its_own(world: World, form: str) -> None:
    declare(world, MEMBERS, RENAMED)
    if form == "parquet":
        target = world.land(MEMBERS, "a.parquet", b"")
        columns = ", ".join(f"'{text}' as \"{column}\"" for column, text in MEMBER.items())
        duckdb.sql(f"copy (select {columns}) to '{target}' (format parquet)")
    elif form.startswith("ndjson"):
        odd = "\n{\n" if "line" in form else "\n"
        world.land(MEMBERS, "a.ndjson", json.dumps(MEMBER) + odd)
    else:
        odd = '"1\n' if "line" in form else ""
        text = ",".join(MEMBER) + "\n" + ",".join(MEMBER.values()) + "\n" + odd
        world.land(MEMBERS, "a.csv", text)
    assert world.load(MEMBERS).rows == 1
    columns = "loyalty_id, email, email_marketing, country, sms_marketing"
    assert world.raw(MEMBERS, columns) == [("7", "a@b.example", True, "DE", None)]
    ((extra,),) = world.raw(MEMBERS, "cast(_extra as varchar)")
    assert json.loads(extra) == {"email": "old@b.example"}
    assert len(world.quarantine(MEMBERS)) == ("line" in form)


def test_a_declared_name_that_a_file_lacks_refuses_it(world: World) -> None:
    """Its own column of the contract's name may be another thing."""
    declare(world, STORES, 'columns = { store_id = "Filiale", name = "Ort" }')
    world.land(STORES, "a.csv", "Filiale,name\nS1,x\n")
    world.land(STORES, "b.csv", "store_id,Ort\nS1,x\n")
    assert world.load(STORES).rejected_by_rule == {"file_columns_missing": 2}


def test_one_column_of_a_file_may_be_two_of_the_contract(world: World) -> None:
    declare(world, STORES, 'columns = { store_id = "Name", name = "Name" }')
    world.land(STORES, "a.csv", "Name,city\nS1,x\n")
    world.land(STORES, "b.ndjson", '{"Name":"S2","name":"other"}\n')
    assert world.load(STORES).rows == 2
    assert world.raw(STORES, "store_id, name, city, _extra") == [
        ("S1", "S1", "x", None),
        ("S2", "S2", None, '{"name":"other"}'),
    ]


def test_words_for_true_and_false_may_be_each_others(world: World) -> None:
    columns = 'columns = { loyalty_id = "ID", email_marketing = "Email Unsubscribed" }'
    declare(world, MEMBERS, columns, 'true = "false"', 'false = "true"')
    world.land(MEMBERS, "a.csv", "ID,Email Unsubscribed\n1,True\n2,false\n3,\n4,maybe\n")
    world.load(MEMBERS)
    assert world.raw(MEMBERS, "email_marketing") == [(False,), (True,), (None,)]
    assert world.quarantine(MEMBERS) == [(5, "invalid_boolean")]


def test_long_numbers_of_renamed_keys_keep_their_digits(world: World) -> None:
    declare(world, LINES, 'columns = { line_amount = "Betrag für (€)" }')
    base = {"order_id": "o", "line_no": 1, "product_id": "p", "quantity": 1}
    rows = [
        json.dumps(base | {"Betrag für (€)": 0}, ensure_ascii=escaped) for escaped in (True, False)
    ]
    rows = [row[:-2] + "99999999999999.1234}" for row in rows]
    world.land(LINES, "a.ndjson", "\n".join(rows) + "\n")
    assert world.load(LINES).rows == 2
    assert world.raw(LINES, "line_amount") == [(Decimal("99999999999999.1234"),)] * 2


@pytest.mark.parametrize("name", ["1700000000.abc.gz", "1700.json.gz", "events.json", "README"])
def test_what_a_file_is_may_be_declared_where_its_name_says_nothing(
    world: World, name: str
) -> None:
    world.land(EVENTS, name, f"{EVENT}\n")
    assert world.load(EVENTS).rejected_by_rule == {"file_format": 1}
    declare(world, EVENTS, 'format = "ndjson"')
    assert world.load(EVENTS).rows == 1
    assert world.quarantine(EVENTS) == []


def test_what_was_read_from_the_erps_database_is_as_contracted(world: World) -> None:
    declare(world, STORES, 'columns = { store_id = "Filiale" }')
    world.land(STORES, "database/2024.csv", "store_id\nS1\n")
    assert world.load(STORES).rows == 1


def test_another_declaration_changes_only_what_is_not_loaded_yet(world: World) -> None:
    world.land(STORES, "good.csv", "store_id,name\nS1,a\n")
    world.land(STORES, "other.csv", "Filiale,name\nS2,b\n")
    assert world.load(STORES).rejected_by_rule == {"file_columns_missing": 1}
    declare(world, STORES, 'columns = { store_id = "Filiale" }')
    report = world.load(STORES)
    assert (report.files_new, report.rows, report.formats) == (1, 1, {"1 columns renamed": 1})
    assert world.raw(STORES, "store_id") == [("S1",), ("S2",)]
    assert world.quarantine(STORES) == []


def test_formats_may_be_declared_elsewhere(world: World, tmp_path: Path) -> None:
    world.land(STORES, "a.csv", "Filiale\nS1\n")
    elsewhere = tmp_path / "settings" / "f.toml"
    with pytest.raises(SourceError, match="can't be read"):
        load_table(STORES, world.data, loaded_at=LOADED_AT, formats=elsewhere)
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"\xef\xbb\xbf[pos.stores]\r\ncolumns.store_id = 'Filiale'\r\n")
    assert load_table(STORES, world.data, loaded_at=LOADED_AT, formats=elsewhere).rows == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[pos.shops]\n", r"no table \[pos.shops\]; use .*\[pos.stores\]"),
        ("encoding = 'utf-8'\n", "encoding stands outside"),
        ("[pos]\nstores = 1\n", "pos stands outside"),
        ("[pos.stores\n", "is no TOML"),
        ("[pos.stores]\nname = 'Caf\udce9'\n", "isn't UTF-8"),
        ("[pos.stores]\ndelimeter = ';'\n", r"\[pos.stores\]: unknown key delimeter; .*delimiter"),
        ("[pos.stores]\nencoding = 'cp12'\n", r"unknown encoding 'cp12'; .*windows-1250"),
        ("[pos.stores]\nencoding = 'base64'\n", "unknown encoding 'base64'"),
        ("[pos.stores]\nencoding = 'utf-7'\n", "unknown encoding"),
        ("[pos.stores]\nencoding = 1252\n", "unknown encoding 1252"),
        ("[pos.stores]\ndelimiter = ':'\n", "delimiter is ':'; allowed: "),
        ("[pos.stores]\ndecimal = ';'\n", "decimal is ';'"),
        ("[pos.stores]\nformat = 'xlsx'\n", "format is 'xlsx'; .*ndjson"),
        ("[pos.stores]\ncolumns = 'x'\n", "columns is no map"),
        ("[pos.stores]\ncolumns = { shop = 'x' }\n", "unknown column shop; .*store_id, name"),
        ("[pos.stores]\ncolumns = { name = 1 }\n", "columns.name is no text"),
        ("[pos.stores]\ncolumns = { name = '' }\n", "columns.name is no text"),
        ("[pos.stores]\ncolumns = { name = ' a' }\n", "name for name begins or ends"),
        ("[pos.stores]\ncolumns = { name = 'a\"b' }\n", "has a quote"),
        ("[pos.stores]\ncolumns = { name = 'A', city = 'a' }\n", "differ only in case"),
        ("[pos.stores]\ncolumns = { name = 'A' }\nvalues = { name = 'b' }\n", "in columns and in"),
        ("[pos.stores]\ntrue = 'x'\nfalse = 'X'\n", "one word"),
        ("[pos.stores]\ntrue = true\n", "true is no text"),
        ("[web.events]\nvalues = { context = 'b' }\n", "unknown column context"),
        ("[web.events]\ncolumns = { context = 'a', traits = 'a' }\n", "an object and something"),
    ],
)
def test_a_mistake_in_the_declaration_is_one_clear_line(world: World, text: str, says: str) -> None:
    path = world.data / "formats.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError, match=says) as raised:
        world.load(EVENTS)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("timestamp", "2024-05-01 05:00:00 -0500"),
        ("timestamp", "2024-05-01 12:00 +02:00"),
        ("timestamp", "2024-05-01 10:00:00 UTC"),
        ("timestamp", "2024-05-01 10:00:00.000 UTC"),
    ],
)
def test_a_space_before_the_offset_is_no_other_time(world: World, kind: str, text: str) -> None:
    world.land(TABLES["erp_tickets"], "a.csv", f"ticket_id,opened_at\nt,{text}\nu,{text} \n")
    world.land(RECEIPTS, "a.csv", csv_text({"sold_at": text}))
    world.load(TABLES["erp_tickets"])
    world.load(RECEIPTS)
    at = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert world.raw(TABLES["erp_tickets"], "opened_at") == [(at,)]
    assert world.quarantine(TABLES["erp_tickets"]) == [(3, "invalid_timestamp")]
    assert world.raw(RECEIPTS, "cast(sold_at as timestamptz)") == [(at,)]


def _texts(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, max_size=12).filter(lambda text: text == "" or text.strip())


_ALPHABET = "abc é€ñß\"';,|\t\n\\x0.-"


@st.composite
def _tables(draw: st.DrawFn) -> tuple[FileFormat, str, bool, list[tuple[str, Decimal]]]:
    encoding = draw(st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "cp1252", "iso8859-15"]))
    alphabet = _ALPHABET + ("🙂ș한" if encoding.startswith("utf") else "")
    amounts = st.decimals(-(10**9), 10**9, places=4)
    rows = draw(st.lists(st.tuples(_texts(alphabet), amounts), min_size=1, max_size=8))
    declared = FileFormat(
        encoding=encoding,
        delimiter=draw(st.sampled_from([",", ";", "\t", "|"])),
        decimal=draw(st.sampled_from([".", ","])),
    )
    return declared, draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans()), rows


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    numbers = iter(range(10**6))
    return (tmp_path / str(next(numbers)) for _ in numbers)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(written_so=_tables())
def test_any_table_comes_back_from_any_declared_format(
    folders: Iterator[Path],
    written_so: tuple[FileFormat, str, bool, list[tuple[str, Decimal]]],
) -> None:
    declared, end, gzipped, rows = written_so
    world = World(next(folders))
    delimiter = declared.delimiter or ","

    def field(text: str) -> str:
        odd = any(mark in text for mark in (delimiter, '"', "\n"))
        return '"' + text.replace('"', '""') + '"' if odd else text

    lines = [delimiter.join(("order_id", "line_no", "product_id", "quantity", "line_amount", "N"))]
    for at, (text, amount) in enumerate(rows):
        sign = "-" if amount < 0 else ""
        price = sign + number(f"{abs(amount):f}", declared.decimal)
        lines.append(delimiter.join(["o", str(at), "p", "1", field(price), field(text)]))
    octets = (end.join(lines) + end).encode(declared.encoding)
    world.land(LINES, "a.csv.gz" if gzipped else "a.csv", octets)
    keys = (f"{key} = {json.dumps(getattr(declared, key))}"
            for key in ("encoding", "delimiter", "decimal"))  # fmt: skip
    declare(world, LINES, *keys)
    world.load(LINES)
    assert world.quarantine(LINES, "line, rule, row") == []
    found = world.raw(LINES, "line_no, line_amount, _extra ->> '$.N'")
    assert found == [(at, amount, text or None) for at, (text, amount) in enumerate(rows)]


def test_each_declared_table_gets_its_own_format(world: World) -> None:
    path = world.data / "formats.toml"
    path.write_text("[pos.stores]\ndelimiter = 'tab'\n[erp.orders]\nencoding = 'Latin1'\n")
    found = read_formats(path, tables())
    assert found == {
        "pos_stores": FileFormat(delimiter="\t"),
        "erp_orders": FileFormat(encoding="iso8859-1"),
    }
