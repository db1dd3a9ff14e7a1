"""Hostile and repeated files harm nothing: small doses of the figures.

Each in full is a module to run by hand: sent_again, orders, cuts, load_kills, hostile, money.
"""

import gzip
import random
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from landed import EVENTS, RECEIPTS, TABLES, World, csv_text, event

from sources.sample import write_world
from tests.sources import bombs, cuts, fuzz, load_kills, money, orders, sent_again
from tests.sources.ordeal import Case, fates

AS_OF = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("at_once", [1, 3])
def test_files_sent_three_times_under_other_names_leave_no_row_twice(
    tmp_path: Path, at_once: int
) -> None:
    wrong, rows = sent_again.doubled_or_lost(tmp_path, 40, at_once=at_once)
    assert (wrong, rows) == (0, 40 * 20 - 20)


def test_the_same_files_in_any_order_come_to_the_same_raw_rows(tmp_path: Path) -> None:
    write_world(tmp_path, customers=6, seed=3, as_of=AS_OF, lines_per_receipt=1, dirty=0.01)
    pieces, late = orders.cut_world(tmp_path / "landing", seed=1)
    loaded = tuple(TABLES[name] for name in ("web_events", "pos_receipt_lines", "erp_order_lines"))
    pieces = {
        name: content
        for name, content in pieces.items()
        if any(name.startswith(f"{table.source}/{table.name}/") for table in loaded)
    }
    assert late > 10
    assert len(pieces) > 30
    for number in range(4):
        orders.load_in_order(tmp_path / str(number), pieces, number, loaded)
        assert orders.different_raw_rows(tmp_path / "0", tmp_path / str(number), loaded) == 0


def test_no_cut_of_any_format_is_taken_for_the_whole(tmp_path: Path) -> None:
    found = cuts.cut_files(tmp_path, files=20, cuts=20)
    assert (found["cuts"], found["accepted"]) == (400, 0)
    assert found["refused"] + found["after a line end"] == 400


def test_kills_during_a_load_lose_and_double_nothing(tmp_path: Path) -> None:
    load_kills.land_events(tmp_path, 20_000, 6)
    storm = load_kills.weather(tmp_path, 6, 20_000, 6)
    assert storm.hits == 6
    assert storm.loads >= 1
    assert (storm.lost, storm.doubled, storm.unreadable, storm.left_over) == (0, 0, 0, 0)


def test_nonsense_under_any_name_is_refused_or_sorted_out_in_seconds() -> None:
    files = len(fuzz.MUTATIONS) * len(fuzz.ENDINGS)
    found = list(fates(fuzz.fuzzed(files)))
    assert {(fate.case.kind, fate.case.name.split(".", 1)[1]) for fate in found} == {
        (kind, ending[1:]) for kind in fuzz.MUTATIONS for ending in fuzz.ENDINGS
    }
    assert [(fate.case.kind, fate.case.name, fate.trouble) for fate in found if fate.trouble] == []


def test_rows_that_are_no_json_take_no_longer_than_others() -> None:
    """An error caught for each of them took a minute for a file of ten megabytes."""
    rows = 400_000
    [fate] = fates([Case("no JSON", EVENTS, "a.ndjson", b"no JSON\n" * rows)])
    assert (fate.outcome, fate.trouble) == (f"0 rows; {rows} malformed_json", "")


def test_bombs_are_refused_before_they_burst() -> None:
    cases = [*bombs.text_bombs(1), *bombs.zip_bombs(), *bombs.parquet_bombs(1)]
    found = list(fates(cases, fresh=True))
    assert [(fate.case.kind, fate.case.name, fate.trouble) for fate in found if fate.trouble] == []
    burst = {fate.case.kind for fate in found if not fate.outcome.startswith("0 rows")}
    # DuckDB reads as much of a list as the footer tells.
    assert burst == {"as many rows as may be", "list that the footer lies about"}


def test_a_bomb_behind_an_honest_beginning_is_refused(world: World) -> None:
    noise = random.Random(1)
    ids = (noise.randbytes(500).hex() for _ in range(12_000))
    honest = "".join(event(messageId=f'"{each}"') + "\n" for each in ids)
    path = world.land(EVENTS, "a.jsonl.gz", "")
    path.write_bytes(gzip.compress(honest.encode(), 1) + bombs.members_bomb(b"\n", b"\n", 1))
    assert path.stat().st_size * 200 > 1 << 30
    assert world.load(EVENTS).rejected_by_rule == {"file_too_large_unpacked": 1}
    ((message,),) = world.quarantine(EVENTS, "message")
    assert "200 times its size" in message


@pytest.mark.parametrize("ending", ["ndjson.gz", "csv.gz"])
def test_rows_that_differ_by_a_counter_alone_are_no_bomb(world: World, ending: str) -> None:
    rows = 60_000
    if ending == "csv.gz":
        wide = "x" * 600
        content = csv_text(*({"receipt_id": str(n), "product_name": wide} for n in range(rows)))
        table = RECEIPTS
    else:
        wide = f'"{"https://shop.example/" * 30}"'
        content = "".join(event(messageId=f'"{n}"', name=wide) + "\n" for n in range(rows))
        table = EVENTS
    path = world.land(table, f"a.{ending}", content)
    assert len(content) > 60 * path.stat().st_size
    assert world.load(table).rows == rows


@pytest.mark.parametrize(
    "column",
    [
        "(i % 5000)::decimal(30, 2)",
        "md5((i % 5000)::varchar)::uuid as id, 1.5",
        "json_object('page', i % 5000) as page, 1.5",
        "('tag ' || (i % 5000))::blob as tag, 1.5",
        "['tag ' || (i % 5000)] as tags, 1.5",
        "{'name': 'tag ' || (i % 5000)} as detail, 1.5",
        "map {'a': 'tag ' || (i % 5000)} as detail, 1.5",
    ],
)
@pytest.mark.parametrize("codec", ["zstd", "uncompressed"])
def test_values_that_recur_make_no_bomb_of_a_parquet_file(
    world: World, column: str, codec: str
) -> None:
    path = world.land(RECEIPTS, "a.parquet", b"")
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (select 'r' || i as receipt_id, 's1' as store_id, 1 as line_no, 1 as quantity,
                '2024-05-01T10:00:00' as sold_at, 'p1' as product_id, 'EUR' as currency,
                {column} as line_amount from range(40000) as numbers (i))
            to '{path}' (format parquet, compression {codec})"""
        )
    assert world.load(RECEIPTS).rows == 40_000


def test_a_parquet_row_that_is_too_long_leaves_the_others_alone(world: World) -> None:
    path = world.land(RECEIPTS, "a.parquet", b"")
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (select i::varchar as receipt_id, 's1' as store_id, 1 as line_no,
                1 as quantity, '2024-05-01T10:00:00' as sold_at, 'p1' as product_id,
                'EUR' as currency, 1 as line_amount, repeat('x', i * 150000) as note
                from range(3) as numbers (i)) to '{path}' (format parquet)"""
        )
    assert world.load(RECEIPTS).rows == 2
    ((line, rule, row),) = world.quarantine(RECEIPTS, "line, rule, row")
    assert (line, rule) == (3, "row_too_long")
    assert len(row) < 10_000


@pytest.mark.parametrize("ending", money.FORMATS)
def test_sums_of_money_are_exact_in_every_currency(tmp_path: Path, ending: str) -> None:
    assert set(money.wrong_sums(tmp_path, ending, 35_000).values()) == {0}
