"""Reading an ERP's database: what lands, what is left out, and what a fault leaves behind."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from landed import TABLES, World
from tryton import serve

from sources.contract import SourceError
from sources.erp_database import Collected, collect, mapping
from sources.erp_database.whole_reads import WholeReads

TICKETS = TABLES["erp_tickets"]
PRODUCTS = TABLES["erp_products"]
NEXT_LINE = "\n"

PRODUCTS_SQL = """
select id::text as product_id, name, null as category, null as brand, price as list_price,
    'EUR' as currency, written_at as updated_at, written_at as _changed_at
from product
"""
TICKETS_SQL = """
select id::text as ticket_id, null as customer_id, opened_at, null as closed_at, null as category,
    state as status, opened_at as _changed_at
from ticket
"""
RECEIPTS_SQL = """
select 'r1' as receipt_id, 's1' as store_id, null as register_id,
    timestamptz '2026-02-01 01:30+02' as sold_at, 1 as line_no, 'p1' as product_id,
    null as product_name, null as category, 1 as quantity, 9.90 as unit_price,
    null as discount_amount, 9.90 as line_amount, 'EUR' as currency, null as promo_code,
    null as loyalty_id, null as email, null as phone, null as payment_card_hash,
    null as original_receipt_id, now() as _changed_at
"""
BRANDS_SQL = """
-- may lack brand: id integer, label text
-- may lack product: shelf text
select product.id::text as product_id, product.name, product.shelf as category,
    brand.label as brand, product.price as list_price, 'EUR' as currency,
    product.written_at as updated_at, product.written_at as _changed_at
from product
left join brand on brand.id = product.id
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


class Shop:
    """A small shop's database, read into a data directory."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self.data = data

    def write(self, *statements: str) -> list[Any]:
        """Run statements, each committed at once; returns the rows of the last."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def read(self, **options: Any) -> dict[str, Collected]:
        """Read what is new."""
        options = {"overlap": timedelta(minutes=10)} | options
        return {one.table: one for one in collect(self.url, "shop", self.data, **options)}

    def age(self, **time: float) -> None:
        """Let so much time have passed since every table was last compared whole."""
        for mark in (self.data / "landing").rglob("_read.json"):
            last = datetime.fromisoformat(json.loads(mark.read_text())["whole_read_at"])
            mark.write_text(json.dumps({"whole_read_at": (last - timedelta(**time)).isoformat()}))

    def change_without_a_trace(self) -> None:
        """Change a row of a year ago, as an ERP does that deletes a part of it."""
        self.write("update product set price = price + 1 where id = 1")

    def files(self) -> list[Path]:
        """Every file in the landing zone, temporary ones included."""
        return sorted(path for path in (self.data / "landing").rglob("*") if path.is_file())


@pytest.fixture
def shop(server: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    queries = tmp_path / "mappings" / "shop"
    queries.mkdir(parents=True)
    (queries / "products.sql").write_text(PRODUCTS_SQL)
    (queries / "tickets.sql").write_text(TICKETS_SQL)
    monkeypatch.setattr(mapping, "_ROOT", queries.parent)
    shop = Shop(server, world.data)
    shop.write(
        "drop table if exists product, ticket, brand, helpdesk",
        "create table product (id int primary key, name text, price numeric, "
        "written_at timestamptz default now())",
        "create table ticket (id int primary key, state text, opened_at timestamptz default now())",
        "insert into product values (1, 'Milk', 1.10, now() - interval '1 year')",
        "insert into product values (2, 'Bread', 12345678901234.5678, now() - interval '1 day')",
        "insert into ticket values (1, 'open', '2026-01-01')",
    )
    return shop


def _newest(world: World) -> list[tuple[Any, ...]]:
    return world.query(
        """select product_id, name, list_price::varchar, _is_deleted from raw.erp_products
        qualify row_number() over (partition by product_id order by _landed_file desc) = 1
        order by product_id"""
    )


def test_a_first_read_lands_every_row_with_its_exact_amount(shop: Shop, world: World) -> None:
    assert shop.read()["erp_products"] == Collected("erp_products", 2, 2, 0)
    assert world.load(PRODUCTS).rows == 2
    assert _newest(world) == [
        ("1", "Milk", "1.1000", False),
        ("2", "Bread", "12345678901234.5678", False),
    ]


def test_a_read_of_an_erp_in_which_nothing_changed_lands_nothing(shop: Shop) -> None:
    shop.read()
    before = shop.files()
    shop.write("update product set written_at = now() where id = 2")
    again = shop.read()["erp_products"]
    assert again == Collected("erp_products", 1, 0, 0)  # the overlap alone
    assert shop.files() == before


def test_a_changed_row_lands_alone(shop: Shop, world: World) -> None:
    shop.read()
    shop.write("update product set price = 2, written_at = now() where id = 1")
    assert shop.read()["erp_products"] == Collected("erp_products", 1, 1, 0)
    world.load(PRODUCTS)
    assert _newest(world)[0] == ("1", "Milk", "2.0000", False)


def test_a_row_that_changes_back_lands_again(shop: Shop, world: World) -> None:
    shop.read()
    for price in ("2", "1.10"):
        shop.write(f"update product set price = {price}, written_at = now() where id = 1")
        assert shop.read()["erp_products"].rows_landed == 1
    world.load(PRODUCTS)
    assert _newest(world)[0] == ("1", "Milk", "1.1000", False)


def test_a_row_that_left_lands_once_and_marked(shop: Shop, world: World) -> None:
    shop.read()
    shop.write("delete from product where id = 1")
    assert shop.read()["erp_products"] == Collected("erp_products", 0, 1, 1)
    assert shop.read()["erp_products"] == Collected("erp_products", 0, 0, 0)
    world.load(PRODUCTS)
    assert _newest(world)[0] == ("1", "Milk", "1.1000", True)


def test_a_row_that_left_and_came_back_is_there_again(shop: Shop, world: World) -> None:
    shop.read()
    shop.write("delete from product where id = 1")
    shop.read()
    shop.write("insert into product values (1, 'Milk', 1.10, now())")
    assert shop.read()["erp_products"].rows_landed == 1
    world.load(PRODUCTS)
    assert _newest(world)[0] == ("1", "Milk", "1.1000", False)


def test_a_state_that_recurs_is_the_newest_again(shop: Shop, world: World) -> None:
    for state in ("open", "waiting", "open", "waiting"):
        shop.write(f"update ticket set state = '{state}', opened_at = now()")
        shop.read()
        world.load(TICKETS)
    newest = "select status from raw.erp_tickets order by _landed_file desc limit 1"
    assert world.query(newest) == [("waiting",)]


def test_a_row_that_comes_back_with_its_old_date_is_the_newest_again(
    shop: Shop, world: World
) -> None:
    shop.read()
    shop.write("delete from product where id = 1")
    shop.read()
    shop.write("insert into product values (1, 'Milk', 1.10, now() - interval '1 year')")
    assert shop.read()["erp_products"].rows_landed == 1
    assert shop.read()["erp_products"].rows_landed == 0
    world.load(PRODUCTS)
    by_date = """select _is_deleted from raw.erp_products where product_id = '1'
        order by updated_at desc, _landed_file desc limit 1"""
    assert world.query(by_date) == [(False,)]


def test_rows_that_are_older_than_the_last_read_are_found(shop: Shop) -> None:
    shop.read()
    shop.write("insert into product values (7, 'Old', 1, now() - interval '2 years')")
    shop.write("insert into product values (8, 'Undated', 1, null)")
    assert shop.read()["erp_products"].rows_landed == 2
    assert shop.read()["erp_products"].rows_landed == 0


def test_a_change_that_leaves_no_trace_is_found_a_day_later(shop: Shop, world: World) -> None:
    shop.read()
    shop.change_without_a_trace()
    shop.age(hours=22)
    assert shop.read()["erp_products"] == Collected("erp_products", 0, 0, 0)
    shop.age(hours=1)  # a daily build that begins a little earlier than yesterday's
    assert shop.read()["erp_products"] == Collected("erp_products", 2, 1, 0)
    assert shop.read()["erp_products"] == Collected("erp_products", 0, 0, 0)
    world.load(PRODUCTS)
    assert _newest(world)[0] == ("1", "Milk", "2.1000", False)


def test_a_change_without_a_trace_is_the_newest_by_its_date_too(shop: Shop, world: World) -> None:
    shop.read()
    shop.write("update product set price = 9, written_at = written_at - interval '1 day'")
    shop.age(days=2)
    assert shop.read()["erp_products"].rows_landed == 2
    world.load(PRODUCTS)
    by_date = """select list_price::varchar from raw.erp_products where product_id = '1'
        order by updated_at desc, _landed_file desc limit 1"""
    assert world.query(by_date) == [("9.0000",)]


def test_a_whole_read_that_finds_nothing_lands_nothing_and_is_remembered(
    shop: Shop, world: World
) -> None:
    shop.read()
    before = shop.files()
    shop.age(days=2)
    assert shop.read()["erp_products"] == Collected("erp_products", 2, 0, 0)
    assert shop.read()["erp_products"] == Collected("erp_products", 0, 0, 0)
    assert shop.files() == before
    report = world.load(PRODUCTS)
    assert (report.files_seen, report.files_rejected) == (1, 0)  # the mark isn't there for it


def test_without_an_interval_every_read_is_whole(shop: Shop) -> None:
    shop.read()
    for _ in range(2):
        shop.change_without_a_trace()
        assert shop.read(full_read_after=timedelta(0))["erp_products"].rows_landed == 1


def test_a_read_that_failed_was_no_whole_one(shop: Shop, tmp_path: Path) -> None:
    shop.read()
    shop.age(days=2)
    shop.change_without_a_trace()
    tickets = tmp_path / "mappings" / "shop" / "tickets.sql"
    tickets.write_text("select 1 / 0")
    with pytest.raises(SourceError):
        shop.read()
    tickets.write_text(TICKETS_SQL)
    assert shop.read()["erp_products"].rows_landed == 1


def test_a_read_that_was_killed_before_its_mark_is_made_good(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.read()
    shop.age(days=2)
    shop.change_without_a_trace()
    with monkeypatch.context() as killed:
        killed.setattr(WholeReads, "remember", _killed)
        with pytest.raises(KeyboardInterrupt):
            shop.read()
    assert shop.read()["erp_products"] == Collected("erp_products", 2, 0, 0)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "mark",
    ["", "{", "[]", "{}", '{"whole_read_at": 1}', '{"whole_read_at": "2026-01-01T00:00:00"}',
     '{"whole_read_at": "2999-01-01T00:00:00+00:00"}'],
)  # fmt: skip
def test_a_mark_that_says_nothing_has_everything_compared(shop: Shop, mark: str) -> None:
    shop.read()
    shop.change_without_a_trace()
    for file in (shop.data / "landing").rglob("_read.json"):
        file.write_text(mark)
    assert shop.read()["erp_products"].rows_landed == 1
    assert shop.read()["erp_products"].rows_read == 0


@pytest.mark.parametrize("key", ["1 as product_id", "nullif(id, 2) as product_id"])
def test_a_key_that_is_missing_or_repeated_is_told(shop: Shop, tmp_path: Path, key: str) -> None:
    query = PRODUCTS_SQL.replace("id::text as product_id", key)
    (tmp_path / "mappings" / "shop" / "products.sql").write_text(query)
    with pytest.raises(SourceError, match="rows of erp_products a key"):
        shop.read()
    assert shop.files() == []


def test_a_damaged_file_of_an_earlier_read_is_named(shop: Shop) -> None:
    shop.read()
    damaged = shop.files()[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(SourceError, match=damaged.name):
        shop.read()


def test_an_erp_that_is_suddenly_empty_marks_nobody_as_gone(shop: Shop) -> None:
    shop.write("insert into product select id, 'Pen', 1, now() from generate_series(100, 150) id")
    shop.read()
    before = shop.files()
    shop.write("delete from product where id > 1")
    with pytest.raises(SourceError, match="52 of 53 rows of erp_products have left the ERP"):
        shop.read()
    assert shop.files() == before
    assert shop.read(maximum_gone_share=1)["erp_products"].rows_deleted == 52


def test_a_change_that_was_committed_late_is_found_by_the_overlap(shop: Shop) -> None:
    shop.read()
    with psycopg.connect(shop.url) as slow:
        slow.execute("insert into product values (3, 'Eggs', 3, now())")
        shop.write("insert into product values (4, 'Rice', 4, now())")
        assert shop.read()["erp_products"].rows_landed == 1
    assert shop.read()["erp_products"].rows_landed == 1


def test_a_change_of_the_mapping_reads_everything_anew(
    shop: Shop, world: World, tmp_path: Path
) -> None:
    shop.read()
    file = tmp_path / "mappings" / "shop" / "products.sql"
    file.write_text(PRODUCTS_SQL.replace("null as brand", "upper(name) as brand"))
    assert shop.read()["erp_products"] == Collected("erp_products", 2, 2, 0)
    assert shop.read()["erp_products"].rows_landed == 0


def test_a_table_of_another_source_lands_with_that_source(
    shop: Shop, world: World, tmp_path: Path
) -> None:
    (tmp_path / "mappings" / "shop" / "pos_receipt_lines.sql").write_text(RECEIPTS_SQL)
    assert shop.read()["pos_receipt_lines"] == Collected("pos_receipt_lines", 1, 1, 0)
    assert world.load(TABLES["pos_receipt_lines"]).rows_rejected == 0
    assert world.raw(TABLES["pos_receipt_lines"], "sold_at, line_amount::varchar") == [
        ("2026-01-31T23:30:00.000000Z", "9.9000")
    ]
    (landed,) = (shop.data / "landing" / "pos").rglob("*.parquet")
    assert landed.parent == shop.data / "landing" / "pos" / "receipt_lines" / "database"


def test_what_an_erp_lacks_reads_as_empty(shop: Shop, world: World, tmp_path: Path) -> None:
    file = tmp_path / "mappings" / "shop" / "products.sql"
    file.write_text(BRANDS_SQL)
    brands = "select brand, category from raw.erp_products order by _landed_file desc limit 1"
    shop.read()
    world.load(PRODUCTS)
    assert world.query(brands) == [(None, None)]
    shop.write("create table brand (id int, label text)", "insert into brand values (1, 'Dorna')")
    assert shop.read()["erp_products"].rows_landed == 1  # its module came, and nothing was edited
    world.load(PRODUCTS)
    assert world.query(brands) == [("Dorna", None)]
    shop.write("alter table product add shelf text")
    shop.write("update product set shelf = 'Dairy' where id = 1")
    shop.read()
    world.load(PRODUCTS)
    assert world.query(brands) == [("Dorna", "Dairy")]


def test_a_table_that_needs_what_the_erp_lacks_is_left_out_and_named(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    needs = "-- requires ticket\n-- requires helpdesk\n"
    (tmp_path / "mappings" / "shop" / "tickets.sql").write_text(needs + TICKETS_SQL)
    assert set(shop.read()) == {"erp_products"}
    assert "erp_tickets: left out, this ERP has no helpdesk." in caplog.messages
    shop.write("create table helpdesk (id int)")
    assert shop.read()["erp_tickets"].rows_landed == 1


def test_all_tables_show_one_state_of_the_erp(shop: Shop, tmp_path: Path) -> None:
    slow = PRODUCTS_SQL + " where (select pg_sleep(1)) is not null"
    (tmp_path / "mappings" / "shop" / "products.sql").write_text(slow)
    reader = threading.Thread(target=shop.read)
    reader.start()
    _wait_for_a_sleeper(shop)
    shop.write("insert into ticket values (2, 'open', now())")
    reader.join()
    assert shop.read()["erp_tickets"].rows_landed == 1


def test_a_lost_connection_lands_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.read()
    before = shop.files()
    shop.write("update product set price = 3, written_at = now()")
    slow = TICKETS_SQL + " where (select pg_sleep(30)) is not null"
    (tmp_path / "mappings" / "shop" / "tickets.sql").write_text(slow)
    failures = []

    def read() -> None:
        with pytest.raises(SourceError) as raised:
            shop.read()
        failures.append(str(raised.value))

    reader = threading.Thread(target=read)
    reader.start()
    (sleeper,) = _wait_for_a_sleeper(shop)
    shop.write(f"select pg_terminate_backend({sleeper})")
    reader.join()
    assert "run again" in failures[0]
    assert shop.files() == before
    (tmp_path / "mappings" / "shop" / "tickets.sql").write_text(TICKETS_SQL)
    assert shop.read()["erp_products"].rows_landed == 2


def test_a_query_that_takes_too_long_is_given_up(shop: Shop, tmp_path: Path) -> None:
    slow = TICKETS_SQL + " where (select pg_sleep(30)) is not null"
    (tmp_path / "mappings" / "shop" / "tickets.sql").write_text(slow)
    with pytest.raises(SourceError, match="PERENNIAL_ERP_TIMEOUT_SECONDS"):
        shop.read(timeout=timedelta(seconds=1))
    assert shop.files() == []


def test_nothing_can_be_written_to_the_erp(shop: Shop, tmp_path: Path) -> None:
    writing = "with gone as (delete from ticket returning *) " + TICKETS_SQL.replace(
        "from ticket", "from gone"
    )
    (tmp_path / "mappings" / "shop" / "tickets.sql").write_text(writing)
    with pytest.raises(SourceError):
        shop.read()
    assert shop.write("select count(*) from ticket") == [(1,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select name from nowhere", "PERENNIAL_ERP_KIND"),
        (PRODUCTS_SQL.replace("price as", "cast(name as numeric) as"), "gave up erp_products"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told_without_a_value(
    shop: Shop, tmp_path: Path, query: str, said: str
) -> None:
    (tmp_path / "mappings" / "shop" / "products.sql").write_text(query)
    with pytest.raises(SourceError, match=said) as raised:
        shop.read()
    assert NEXT_LINE not in str(raised.value)
    assert "Milk" not in str(raised.value)


def test_an_address_where_nobody_answers_is_told_without_its_password(
    shop: Shop, world: World
) -> None:
    with pytest.raises(SourceError, match="PERENNIAL_ERP_URL") as raised:
        collect("postgresql://reader:sesame@127.0.0.1:9/erp", "shop", world.data)
    assert "sesame" not in str(raised.value)
    assert NEXT_LINE not in str(raised.value)


def test_an_unknown_erp_is_answered_with_those_there_are(shop: Shop, world: World) -> None:
    with pytest.raises(SourceError, match="use shop"):
        collect(shop.url, "abacus", world.data)


def test_a_clock_that_went_back_is_named(shop: Shop) -> None:
    shop.read()
    for file in shop.data.rglob("*.parquet"):
        file.rename(file.with_name("2999-01-01T00-00-00.000000Z.parquet"))
    with pytest.raises(SourceError, match="clock"):
        shop.read()


def _wait_for_a_sleeper(shop: Shop) -> tuple[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = shop.write(
            "select pid from pg_stat_activity where wait_event = 'PgSleep' and state = 'active'"
        )
        if found:
            return tuple(found[0])
        time.sleep(0.05)
    raise AssertionError("no query is asleep")
