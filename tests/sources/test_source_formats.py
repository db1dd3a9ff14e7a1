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

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landed import (
    EVENT,
    EVENTS,
    RECEIPT,
    RECEIPTS,
    TABLES,
    World,
    csv_field,
    csv_text,
    with_comma,
)
from landed import event as event_line

from sources.loader.formats import FileFormat

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


def written(rows: list[dict[str, str]], delimiter: str, decimal: str, end: str) -> str:
    """The rows as CSV."""
    amounts = ("quantity", "line_amount", "discount_amount")

    def field(name: str, text: str) -> str:
        comma = decimal == "," and name in amounts and text
        return csv_field(with_comma(text) if comma else text, delimiter)

    lines = [delimiter.join(NAMES)]
    lines += [delimiter.join(field(name, row[name]) for name in NAMES) for row in rows]
    return end.join(lines) + end


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
    world.declare(RECEIPTS, ENCODINGS[encoding][1], f'decimal = "{decimal}"')
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
    monkeypatch.setattr("sources.loader.copying.Copying._by_line", lambda *_, **__: 1 / 0)
    world.land(RECEIPTS, "a.csv", csv_text({}, {"line_no": "2"}).replace(",", delimiter))
    assert world.load(RECEIPTS).rows == 2


@pytest.mark.parametrize("block", [1, 3, 7, 64])
@pytest.mark.parametrize("encoding", ["utf-16-le with mark", "utf-16-be with mark", "windows-1252"])
def test_no_character_is_lost_at_the_end_of_a_block(
    world: World, monkeypatch: pytest.MonkeyPatch, encoding: str, block: int
) -> None:
    monkeypatch.setattr("sources.loader.encodings.BLOCK_BYTES", block)
    monkeypatch.setattr("sources.loader.lines.BLOCK_BYTES", 200)
    note = "é€" if encoding == "windows-1252" else "🙂é€한"
    rows = [row | {"product_name": f"{note}\n{note}", "line_no": str(at)} for at in range(30)
            for row in ROWS[:1]]  # fmt: skip
    world.declare(RECEIPTS, ENCODINGS[encoding][1])
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
    world.declare(EVENTS, ENCODINGS[encoding][1])
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


@pytest.mark.parametrize("vouched", [False, True])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_half_a_character_after_the_last_line_is_a_cut(
    world: World, name: str, vouched: bool
) -> None:
    path = world.land(RECEIPTS, name, encoded(csv_text({}), "utf-16-le with mark") + b"r")
    if vouched:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(f"{name}.sha256").write_text(digest)
    assert world.load(RECEIPTS).rejected_by_rule == {"file_truncated": 1}


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
    monkeypatch.setattr("sources.loader.files._LARGE_BYTES", 0)
    digests = []
    for table, text in ((RECEIPTS, written(ROWS, ";", ".", "\n")), (EVENTS, f"{EVENT}\n")):
        octets = encoded(text, "utf-16-le with mark")
        world.land(table, "a.csv" if table is RECEIPTS else "a.ndjson", octets)
        world.load(table)
        digests.append(f"raw/{table.source}/{table.name}/{hashlib.sha256(octets).hexdigest()}")
    assert world.files() == [f"{digest}.parquet" for digest in digests]


def test_bytes_that_no_declared_encoding_knows_quarantine_their_row_readably(world: World) -> None:
    world.declare(STORES, 'encoding = "windows-1252"')
    world.land(STORES, "a.csv", b"store_id,name\nS1,Caf\xe9\nS2,\x81\x8d caf\xe9\nS3,\x80\n")
    world.load(STORES)
    assert world.raw(STORES, "store_id, name") == [("S1", "Café"), ("S3", "€")]
    ((line, rule, row),) = world.quarantine(STORES, "line, rule, row")
    assert (line, rule, row) == (3, "row_undecodable", "S2,\\x81\\x8d café")


def test_what_is_declared_is_read_so_though_it_could_be_utf_8_as_well(world: World) -> None:
    for table in (STORES, EVENTS):
        world.declare(table, 'encoding = "windows-1252"')
        text = "store_id,name\nS1,Ã©\n" if table is STORES else event_line(name='"Ã©"') + "\n"
        world.land(table, "a.csv" if table is STORES else "a.ndjson", text.encode("cp1252"))
        world.load(table)
        assert world.raw(table, "name") == [("Ã©",)]


def test_bytes_that_would_be_a_character_together_stay_unknown(world: World) -> None:
    """In ISO 8859-7 neither D2 nor AE is a character; as UTF-8 they would be one."""
    world.declare(STORES, 'encoding = "iso-8859-7"')
    world.land(STORES, "a.csv", b"store_id,name\nS1,\xd2\xae\n")
    world.load(STORES)
    assert world.quarantine(STORES, "rule, row") == [("row_undecodable", "S1,\\xd2\\xae")]


def test_a_windows_text_declared_as_latin_1_makes_no_control_characters(world: World) -> None:
    world.declare(STORES, 'encoding = "latin-1"')
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


def test_a_header_that_isnt_in_the_declared_encoding_refuses_the_file(world: World) -> None:
    world.declare(STORES, 'encoding = "windows-1252"')
    world.land(STORES, "a.csv", b"store_id,gr\x81\xf6\xdfe\nS1,a\n")
    assert world.load(STORES).rejected_by_rule == {"file_encoding": 1}


def test_utf_16_without_a_mark_has_to_say_which(world: World) -> None:
    world.declare(STORES, 'encoding = "utf-16"')
    world.land(STORES, "a.csv", "store_id\nS1\n".encode("utf-16-be"))
    world.load(STORES)
    ((rule, message),) = world.quarantine(STORES, "rule, message")
    assert rule == "file_encoding"
    assert "declare utf-16-le or utf-16-be" in message


def test_a_mark_is_believed_before_a_declaration_and_said(world: World) -> None:
    world.declare(STORES, 'encoding = "windows-1252"')
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
    world.declare(STORES, 'columns = { store_id = "a" }')
    world.land(STORES, "a.csv", '"a";"b"\n1;2\n')
    assert world.load(STORES).rows == 1
    world.land(STORES, "b.csv", "a,b;a\n1,2;3\n")
    world.load(STORES)
    assert [rule for (rule,) in world.quarantine(STORES, "rule")] == ["file_header"]


def test_a_declared_delimiter_is_the_only_one(world: World) -> None:
    world.declare(RECEIPTS, 'delimiter = ";"')
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
    ("kind", "text"),
    [
        ("timestamp", "2024-05-01 05:00:00 -0500"),
        ("timestamp", "2024-05-01 12:00 +02:00"),
        ("timestamp", "2024-05-01 10:00:00 UTC"),
        ("timestamp", "2024-05-01 10:00:00.000 UTC"),
        ("timestamp", "2024-05-01T10:00UTC"),
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

    lines = [delimiter.join(("order_id", "line_no", "product_id", "quantity", "line_amount", "N"))]
    for at, (text, amount) in enumerate(rows):
        price = f"{abs(amount):f}"
        price = ("-" if amount < 0 else "") + (
            with_comma(price) if declared.has_decimal_comma else price
        )
        fields = ("o", str(at), "p", "1", price, text)
        lines.append(delimiter.join(csv_field(field, delimiter) for field in fields))
    octets = (end.join(lines) + end).encode(declared.encoding)
    world.land(LINES, "a.csv.gz" if gzipped else "a.csv", octets)
    keys = (f"{key} = {json.dumps(getattr(declared, key))}"
            for key in ("encoding", "delimiter", "decimal"))  # fmt: skip
    world.declare(LINES, *keys)
    world.load(LINES)
    assert world.quarantine(LINES, "line, rule, row") == []
    found = world.raw(LINES, "line_no, line_amount, _extra ->> '$.N'")
    assert found == [(at, amount, text or None) for at, (text, amount) in enumerate(rows)]
