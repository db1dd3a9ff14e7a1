"""What becomes of single rows: values keep what they are, and odd rows leave the others alone."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from landed import EVENT, EVENTS, LOADED_AT, MEMBERS, RECEIPTS, TABLES, World, csv_text, event

from sources.contract import Column
from sources.loader.values import is_invalid, sql_type, typed


def read(kind: str, text: str) -> object:
    column = Column("value", kind, "")  # type: ignore[arg-type]
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        value = typed(column, "text", parsed=False)
        return connection.execute(
            f"""select if({is_invalid(column, "text", "value")}, null, value)
            from (select text, cast({value} as {sql_type(column)}) as value
                from (select ?::varchar as text))""",
            [text],
        ).fetchall()[0][0]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("amount", "99999999999999.9999", Decimal("99999999999999.9999")),
        ("amount", "-0.10", Decimal("-0.1")),
        ("amount", " 5 ", Decimal(5)),
        ("amount", "1e-05", Decimal(0)),
        ("amount", "12.340000000000002", Decimal("12.34")),
        ("amount", "0.00005", Decimal("0.0001")),
        ("integer", "7", 7),
        ("integer", "7.0", 7),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "2024-02-29 00:00:00", date(2024, 2, 29)),
        ("timestamp", "2024-05-01T10:00:00Z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("timestamp", "2024-05-01 10:00+02:00", datetime(2024, 5, 1, 8, tzinfo=UTC)),
        ("timestamp", "2024-05-01T10:00:00.123456789+0530",
         datetime(2024, 5, 1, 4, 30, 0, 123456, tzinfo=UTC)),
        ("timestamp", "2024-05-01t10:00:00z", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        ("local_timestamp", "2024-05-01T10:00", "2024-05-01T10:00:00"),
        ("local_timestamp", "2024-05-01 10:00:05", "2024-05-01 10:00:05"),
        ("local_timestamp", "2024-05-01T10:00+03", "2024-05-01T10:00:00+03"),
        ("coordinate", "44.4268", 44.4268),
        ("object", '{"a":{"b":[1,null]}}', '{"a":{"b":[1,null]}}'),
        ("object", '{"name":"Infinity pool, NaN bread"}', '{"name":"Infinity pool, NaN bread"}'),
        ("text", "ș ł ã 한 🙂", "ș ł ã 한 🙂"),
    ],
)  # fmt: skip
def test_a_value_means_what_it_says(kind: str, text: str, value: object) -> None:
    assert read(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("amount", t) for t in ("12,50", "1_000", "1.2.3", "abc", "NaN", "inf", "0x10", "--1")),
        *(("amount", t) for t in ("1e999", "123456789012345", "٣", "€5", "1 000", "true")),
        *(("integer", t) for t in ("1.5", "0x10", "1e3", "99999999999999999999", "one", "1_0")),
        *(("boolean", t) for t in ("1", "yes", "t", "Y", "null")),
        *(("date", t) for t in ("2024-02-30", "30.01.2024", "2024-1-1", "20240101", "infinity")),
        ("date", "2024-02-29 10:00:00"),
        *(("timestamp", t) for t in ("2024-05-01", "2024-05-01T10:00:00", "1714557600", "now")),
        *(("timestamp", t) for t in ("2024-05-01T25:00:00Z", "2024-13-01T00:00:00Z", "epoch")),
        *(("timestamp", t) for t in ("2024-05-01 10:00:00 Europe/Paris", "2024-5-1T1:00:00Z")),
        *(("local_timestamp", t) for t in ("2024-05-01", "01.05.2024 10:00", "2024-05-01T24:30")),
        *(("local_timestamp", t) for t in ("2024-05-01T\t1:00:00", "-024-05-01T10:00:00", "epoch")),
        *(("coordinate", t) for t in ("nan", "inf", "north")),
        *(("object", t) for t in ("[]", '"a"', "1", "null", "{", '{"a":NaN}', '{"a":[-Infinity]}')),
        ("text", "x" * 2001),
    ],
)
def test_a_value_that_only_looks_like_one_is_none(kind: str, text: str) -> None:
    assert read(kind, text) is None


def test_money_never_passes_through_a_float(world: World) -> None:
    amounts = ["99999999999999.1234", "0.1", "12.10", "70000000000000.0001"]
    for number, amount in enumerate(amounts):
        base = f'"order_id":"o","line_no":{number},"product_id":"p","quantity":1'
        world.land(
            TABLES["erp_order_lines"],
            f"{number}.ndjson",
            f'{{{base},"line_amount":{amount},"unit_price":"{amount}","note":{{"x":1}}}}\n',
        )
    report = world.load(TABLES["erp_order_lines"])
    assert report.rows == len(amounts)
    rows = world.raw(TABLES["erp_order_lines"], "line_amount, unit_price")
    assert rows == [(Decimal(amount), Decimal(amount)) for amount in amounts]


def test_a_number_that_could_be_another_ones_is_refused_rather_than_misread(world: World) -> None:
    row = (
        '{"x":{"line_amount":1.5},"order_id":"o","line_no":1,"product_id":"p","quantity":1,'
        '"line_amount":99999999999999.1234}\n'
    )
    world.land(TABLES["erp_order_lines"], "a.ndjson", row)
    world.load(TABLES["erp_order_lines"])
    assert world.quarantine(TABLES["erp_order_lines"]) == [(1, "invalid_amount")]


def test_numbers_in_properties_keep_the_digits_that_a_client_can_mean(world: World) -> None:
    numbers = "[12.10,0.1,19.990000000000002,123456789012345,-0.000001]"
    world.land(EVENTS, "a.ndjson", event(properties=f'{{"n":{numbers}}}') + "\n")
    world.load(EVENTS)
    ((text,),) = world.raw(EVENTS, "cast(properties as varchar)")
    assert [Decimal(repr(n)) for n in json.loads(text)["n"]] == [
        Decimal(n) for n in numbers.strip("[]").split(",")
    ]


def test_an_events_time_is_computed_where_it_has_none_of_its_own(world: World) -> None:
    own = event(timestamp="")
    times = {
        "originalTimestamp": '"2024-05-01T10:00:00Z"',
        "sentAt": '"2024-05-01T10:00:10Z"',
        "receivedAt": '"2024-05-01T11:00:11+01:00"',
    }
    lines = [event(timestamp="", **times), event(timestamp='"soon"', **times), own]
    world.land(EVENTS, "a.ndjson", "\n".join(lines) + "\n")
    report = world.load(EVENTS)
    assert world.raw(EVENTS, "timestamp") == [(datetime(2024, 5, 1, 10, 0, 1, tzinfo=UTC),)]
    assert world.quarantine(EVENTS) == [(2, "invalid_timestamp"), (3, "missing_value")]
    assert report.newest_event_at == datetime(2024, 5, 1, 10, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("identifier", ["{}", "[]", "false", "true", "NaN", '{"$oid":"1"}'])
def test_an_id_that_is_no_text_makes_no_person_of_many(world: World, identifier: str) -> None:
    lines = [EVENT, event(anonymousId=identifier), event(anonymousId='"NaN"')]
    world.land(EVENTS, "a.ndjson", "\n".join(lines) + "\n")
    world.load(EVENTS)
    assert world.raw(EVENTS, '"anonymousId"') == [("a1",), ("NaN",)]
    assert world.quarantine(EVENTS) == [(2, "invalid_text")]


def test_a_number_as_an_id_is_its_digits(world: World) -> None:
    world.land(EVENTS, "a.ndjson", event(userId="12345678901234567890") + "\n")
    world.load(EVENTS)
    assert world.raw(EVENTS, '"userId"') == [("12345678901234567890",)]


def test_php_writes_an_empty_object_as_an_array(world: World) -> None:
    world.land(EVENTS, "a.ndjson", event(properties="[]", traits='""', context="{}") + "\n")
    world.load(EVENTS)
    assert world.raw(EVENTS, "properties, traits, context") == [(None, None, "{}")]


def test_empty_is_unknown(world: World) -> None:
    world.land(
        MEMBERS, "a.csv", csv_text({"email": "", "birth_date": " "}, base={"loyalty_id": "7"})
    )
    world.load(MEMBERS)
    assert world.raw(MEMBERS, "loyalty_id, email, birth_date, sms_marketing") == [
        ("7", None, None, None)
    ]


def test_unknown_columns_are_kept(world: World) -> None:
    row = {"till version": "9.1", "Ștampilă": '"a ""b"""', "empty": ""}
    world.land(RECEIPTS, "a.csv", csv_text(row))
    world.load(RECEIPTS)
    ((extra,),) = world.raw(RECEIPTS, "cast(_extra as varchar)")
    assert json.loads(extra) == {"till version": "9.1", "Ștampilă": 'a "b"'}


@pytest.mark.parametrize("broken", [False, True], ids=["all rows good", "one row broken"])
@pytest.mark.parametrize(
    "extra",
    [
        {"writeKey": "k", "_metadata": {"bundled": ["x"]}},
        {"order id": 1, 'quo"te': [None], "": 2, "MESSAGEID": "other"},
        {f"key_{number}": number for number in range(100)},
    ],
    ids=["common", "strange names", "a hundred"],
)
def test_unknown_keys_are_kept(world: World, extra: dict[str, object], broken: bool) -> None:
    full = json.dumps(json.loads(EVENT) | extra)
    lines = [EVENT, full, *(["{"] if broken else [])]
    world.land(EVENTS, "a.ndjson", "\n".join(lines) + "\n")
    assert world.load(EVENTS).rows == 2
    (none,), (kept,) = world.raw(EVENTS, "cast(_extra as varchar)")
    assert none is None
    assert json.loads(kept) == extra


def test_a_row_knows_where_it_came_from(world: World) -> None:
    good = "\n".join(event(messageId=f'"m{number}"') for number in range(1, 4)) + "\n"
    world.land(EVENTS, "2024/good.ndjson", good)
    mixed = [event(messageId='"m8"'), "", "{", EVENT]
    world.land(EVENTS, "2024/mixed.ndjson", "\n".join(mixed) + "\n")
    world.load(EVENTS)
    rows = world.raw(EVENTS, '"messageId", _landed_file, _line, _loaded_at, _is_deleted')
    mark = (LOADED_AT, False)
    assert rows == [
        ("m1", "web/events/2024/good.ndjson", 1, *mark),
        ("m2", "web/events/2024/good.ndjson", 2, *mark),
        ("m3", "web/events/2024/good.ndjson", 3, *mark),
        ("m8", "web/events/2024/mixed.ndjson", 1, *mark),
        ("m1", "web/events/2024/mixed.ndjson", 4, *mark),
    ]
    assert world.quarantine(EVENTS, "landed_file, line, row, loaded_at") == [
        ("web/events/2024/mixed.ndjson", 3, "{", LOADED_AT)
    ]


def test_the_order_of_a_large_clean_file_is_its_lines(world: World) -> None:
    # DuckDB reads JSON in buffers of 32 MB, each by whichever thread is free.
    count, padding = 35_000, "x" * 1_900
    lines = "\n".join(
        event(messageId=f'"{number}"', context=f'{{"p":"{padding}"}}')
        for number in range(1, count + 1)
    )
    world.land(EVENTS, "a.ndjson", lines + "\n")
    assert world.load(EVENTS).rows == count
    (astray,) = world.query('select count(*) from raw.web_events where _line <> "messageId"::int')[
        0
    ]
    assert astray == 0


def test_the_order_of_a_large_plain_csv_is_its_lines(world: World) -> None:
    count, padding = 35_000, "x" * 1_900
    row = csv_text({"product_name": padding, "line_no": "{}"}).splitlines()
    lines = [row[0], *(row[1].replace("{}", str(number)) for number in range(2, count + 2))]
    world.land(RECEIPTS, "a.csv", "\n".join(lines) + "\n")
    assert world.load(RECEIPTS).rows == count
    assert world.query("select count(*) from raw.pos_receipt_lines where _line <> line_no") == [
        (0,)
    ]


_FIELDS = (
    "Brânză",
    " spaced ",
    "",
    "#1",
    "-- x",
    "NULL",
    "\\N",
    "1\t2",
    "'a'",
    "\ufeff",
    "a\u2028",
)
_ODD_FIELDS = (
    '"a, b"',
    'a "b" c',
    '"open',
    "a\rb",
    "a\0",
    "too,many",
    "one,",
    "x" * 2_001,
    "Br\udcc3",
)
_ODD_LINES = ("\n", "  \n", "r1,s1\n", "\r\n")


def _csv_of_chance(seed: int) -> bytes:
    """A CSV in which something may be odd: a field, a column, a line, the line ends, the mark."""
    chance = random.Random(seed)
    odd_field = chance.choice(("",) * 8 + _ODD_FIELDS)
    odd_colour = chance.choice(("", "y" * 300_000)) if seed % 10 == 0 else ""
    names = chance.choices((*_FIELDS, odd_field), k=chance.randint(1, 60))
    colours = chance.choices((*_FIELDS, odd_colour), k=len(names))
    rows = [
        {"line_no": str(line), "product_name": name, "colour": colour}
        for line, (name, colour) in enumerate(zip(names, colours, strict=True))
    ]
    lines = csv_text(*rows).split("\n")
    if chance.random() < 0.3:
        lines.insert(chance.randint(1, len(lines) - 1), chance.choice(_ODD_LINES))
    ends = chance.choice(("\n",) * 6 + ("\r\n", "\r\r\n", "\r"))
    mark = chance.choice(("", "", "\ufeff"))
    return (mark + ends.join(lines)).encode("utf-8", "surrogateescape")


def test_every_way_through_a_csv_leads_to_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr("sources.loader.compaction._MOST_SMALL", 1_000)
    for way in ("in one", "by line", "together", "made one"):
        monkeypatch.setattr(
            "sources.loader.load.FEWEST", 1_000 if way in ("in one", "by line") else 2
        )
        if way == "made one":
            monkeypatch.setattr("sources.loader.load.FEWEST", 1_000)
            monkeypatch.setattr("sources.loader.compaction._MOST_SMALL", 2)
        world = World(tmp_path / way)
        for seed in range(150):
            world.land(RECEIPTS, f"{seed}.csv", _csv_of_chance(seed))
        if way == "by line":
            monkeypatch.setattr("sources.loader.copying.Copying._in_one", lambda *_: False)
        report = world.load(RECEIPTS)
        found.append((report, world.raw(RECEIPTS), world.quarantine(RECEIPTS, "*")))
        whole = world.data / "raw" / "pos" / "receipt_lines" / "*.parquet"
        with duckdb.connect() as connection:
            ways = f"select count(distinct _landed_file) from '{whole}' where _first_line = 2"
            in_one = connection.execute(ways).fetchall()[0][0]
        assert (in_one > 30) == (way == "in one")
        files = len(list((world.data / "raw" / "pos" / "receipt_lines").glob("[!_]*.parquet")))
        assert (files > 100) == (way in ("in one", "by line"))
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("store_id,name,city\nS1,Milk, 1 l,\n", [(2, "wrong_column_count")]),
        ("store_id,name\nS1,a,\nS2,b\n", [(2, "wrong_column_count")]),
        ("store_id\nS1,\n", [(2, "wrong_column_count")]),
        ("store_id,name\nS1,a,\nS2\n", [(2, "wrong_column_count"), (3, "wrong_column_count")]),
        ("store_id,name\n\ufeffS1,a\n", []),
    ],
)
def test_an_empty_field_too_many_shifts_no_other(
    world: World, text: str, found: list[tuple[int, str]]
) -> None:
    """DuckDB's reader forgives it, and keeps a mark that stands before the first row."""
    world.land(TABLES["pos_stores"], "a.csv", text)
    world.load(TABLES["pos_stores"])
    assert world.quarantine(TABLES["pos_stores"]) == found
    assert {store for (store,) in world.raw(TABLES["pos_stores"], "store_id")} <= {"S1", "S2"}


def test_a_quoted_line_end_belongs_to_its_row(world: World) -> None:
    text = csv_text(
        {"product_name": '"two\nlines, one ""row"""'}, {"product_name": "next", "line_no": "2"}
    )
    world.land(RECEIPTS, "a.csv", text.replace("\n", "\r\n"))
    world.load(RECEIPTS)
    assert world.raw(RECEIPTS, "product_name, _line") == [
        ('two\r\nlines, one "row"', 2),
        ("next", 4),
    ]


def test_a_quote_nobody_closed_takes_no_other_row_with_it(world: World) -> None:
    rows = [{"line_no": str(number)} for number in range(1, 9)]
    rows[2]["product_name"] = '"open'
    rows[5]["product_name"] = 'closed"'
    world.land(RECEIPTS, "a.csv", csv_text(*rows))
    assert world.load(RECEIPTS).rows == 6
    assert [line for line, _ in world.quarantine(RECEIPTS)] == [4, 7]


def test_quoted_line_ends_survive_the_end_of_a_block(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.loader.lines.BLOCK_BYTES", 1_000)
    note = '"' + "first line\n" * 40 + '"'
    rows = [{"line_no": str(number), "product_name": note} for number in range(1, 101)]
    world.land(RECEIPTS, "a.csv", csv_text(*rows))
    report = world.load(RECEIPTS)
    assert (report.rows, report.rows_rejected) == (100, 0)
    assert world.raw(RECEIPTS, "_line") == [(2 + 41 * number,) for number in range(100)]


def test_duplicates_are_kept(world: World) -> None:
    world.land(EVENTS, "a.ndjson", f"{EVENT}\n{EVENT}\n")
    world.land(EVENTS, "b.ndjson", f"{EVENT}\n")
    assert world.load(EVENTS).rows == 3


def test_the_report_counts_and_names_nobody(world: World) -> None:
    secret = "ana.secret@example.com"
    odd = event(type=json.dumps(secret))
    world.land(EVENTS, "a.ndjson", f"{EVENT}\n{odd}\n")
    world.land(EVENTS, "b.ndjson", secret)
    report = world.load(EVENTS)
    assert (report.files_seen, report.files_new, report.files_rejected) == (2, 1, 1)
    assert (report.rows, report.rows_rejected) == (1, 1)
    assert report.rejected_by_rule == {"unknown_value": 1, "file_truncated": 1}
    assert secret not in repr(report)
    assert not [m for (m,) in world.quarantine(EVENTS, "message") if secret in m]


def test_progress_is_told_after_each_file(world: World) -> None:
    from sources.loader.load import load_table

    world.land(EVENTS, "a.ndjson", f"{EVENT}\n")
    world.land(EVENTS, "b.ndjson", "cut")
    told: list[tuple[int, int, str]] = []
    load_table(
        EVENTS, world.data, loaded_at=LOADED_AT, progress=lambda *values: told.append(values)
    )
    assert told == [(1, 2, "web/events/a.ndjson"), (2, 2, "web/events/b.ndjson")]


def test_times_of_broken_clocks_are_refused(world: World) -> None:
    late = datetime(2100, 1, 1, tzinfo=UTC)
    times = [late, late - timedelta(seconds=1), datetime(1970, 1, 1, tzinfo=UTC)]
    lines = [event(timestamp=f'"{at.isoformat()}"') for at in times]
    world.land(EVENTS, "a.ndjson", "\n".join(lines) + "\n")
    world.load(EVENTS)
    assert world.quarantine(EVENTS) == [(1, "implausible_time"), (3, "implausible_time")]
