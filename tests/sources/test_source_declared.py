"""What formats.toml declares is kept to (decimal commas, names, words), or refused in one line."""

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from landed import EVENT, EVENTS, LOADED_AT, MEMBERS, RECEIPTS, TABLES, World, csv_text

from sources import tables
from sources.contract import SourceError
from sources.loader.formats import FileFormat, read_formats
from sources.loader.load import load_table

STORES = TABLES["pos_stores"]
LINES = TABLES["erp_order_lines"]


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
    world.declare(LINES, 'decimal = ","')
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
    assert all("unit_price" in message and "1.234,50" in message for _, message in found)


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
    world.declare(LINES, 'decimal = ","')
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


def test_a_clean_file_of_json_numbers_has_no_comma_to_read(world: World) -> None:
    world.declare(LINES, 'decimal = ","')
    row = '{"order_id":"o","line_no":1,"product_id":"p","quantity":1,"line_amount":1.234}\n'
    world.land(LINES, "a.ndjson", row)
    world.load(LINES)
    assert world.raw(LINES, "line_amount") == [(Decimal("1.234"),)]


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
    world.declare(MEMBERS, RENAMED)
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
    world.declare(STORES, 'columns = { store_id = "Filiale", name = "Ort" }')
    world.land(STORES, "a.csv", "Filiale,name\nS1,x\n")
    world.land(STORES, "b.csv", "store_id,Ort\nS1,x\n")
    assert world.load(STORES).rejected_by_rule == {"file_columns_missing": 2}


def test_one_column_of_a_file_may_be_two_of_the_contract(world: World) -> None:
    world.declare(STORES, 'columns = { store_id = "Name", name = "Name" }')
    world.land(STORES, "a.csv", "Name,city\nS1,x\n")
    world.land(STORES, "b.ndjson", '{"Name":"S2","name":"other"}\n')
    assert world.load(STORES).rows == 2
    assert world.raw(STORES, "store_id, name, city, _extra") == [
        ("S1", "S1", "x", None),
        ("S2", "S2", None, '{"name":"other"}'),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_name_declared_for_one_column_stands_for_no_other(world: World, name: str) -> None:
    world.declare(STORES, 'columns = { store_id = "CITY", country = "name" }')
    row = {"CITY": "S1", "name": "RO"}
    text = json.dumps(row) if name == "a.ndjson" else "CITY,name\nS1,RO"
    world.land(STORES, name, text + "\n")
    world.load(STORES)
    assert world.raw(STORES, "store_id, country, name, city") == [("S1", "RO", None, None)]


def test_words_for_true_and_false_may_be_each_others(world: World) -> None:
    columns = 'columns = { loyalty_id = "ID", email_marketing = "Email Unsubscribed" }'
    world.declare(MEMBERS, columns, 'true = "false"', 'false = "true"', 'unknown = "N/A"')
    text = "ID,Email Unsubscribed\n1,True\n2,false\n3,\n4,maybe\n5,n/a\n"
    world.land(MEMBERS, "a.csv", text)
    world.load(MEMBERS)
    assert world.raw(MEMBERS, "email_marketing") == [(False,), (True,), (None,), (None,)]
    assert world.quarantine(MEMBERS) == [(5, "invalid_boolean")]


def test_long_numbers_of_renamed_keys_keep_their_digits(world: World) -> None:
    world.declare(LINES, 'columns = { line_amount = "Betrag für (€)" }')
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
    world.declare(EVENTS, 'format = "ndjson"')
    assert world.load(EVENTS).rows == 1
    assert world.quarantine(EVENTS) == []


def test_what_was_read_from_the_erps_database_is_as_contracted(world: World) -> None:
    world.declare(STORES, 'columns = { store_id = "Filiale" }')
    world.land(STORES, "database/2024.csv", "store_id\nS1\n")
    assert world.load(STORES).rows == 1


def test_another_declaration_changes_only_what_is_not_loaded_yet(world: World) -> None:
    world.land(STORES, "good.csv", "store_id,name\nS1,a\n")
    world.land(STORES, "other.csv", "Filiale,name\nS2,b\n")
    assert world.load(STORES).rejected_by_rule == {"file_columns_missing": 1}
    world.declare(STORES, 'columns = { store_id = "Filiale" }')
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
        ("[pos.shops]\n", r"no table pos\.shops; use .*pos\.stores"),
        ("encoding = 'utf-8'\n", "encoding stands outside"),
        ("[pos]\nstores = 1\n", "pos stands outside"),
        ("[pos.stores\n", "is no TOML"),
        ("[pos.stores]\nname = 'Caf\udce9'\n", "isn't UTF-8"),
        (
            "[pos.stores]\ndelimeter = ';'\n",
            r"toml, pos\.stores: unknown key delimeter; .*delimiter",
        ),
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
        ("[pos.stores]\ntrue = 'x'\nfalse = 'X'\n", "two things"),
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
    assert not set("\n[") & set(str(raised.value).removeprefix(str(path)))


def test_each_declared_table_gets_its_own_format(world: World) -> None:
    path = world.data / "formats.toml"
    path.write_text("[pos.stores]\ndelimiter = 'tab'\n[erp.orders]\nencoding = 'Latin1'\n")
    found = read_formats(path, tables())
    assert found == {
        "pos_stores": FileFormat(delimiter="\t"),
        "erp_orders": FileFormat(encoding="iso8859-1"),
    }
