"""What a sample world promises to whoever reads its files."""

import hashlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from sample_worlds import AS_OF

from sources.sample import SampleError, WorldReport, engine, write_world
from sources.sample import world as world_module

FLAGS = "email_marketing sms_marketing whatsapp_marketing viber_marketing"
CONTRACT = {
    "receipt_lines": "receipt_id store_id register_id sold_at line_no product_id product_name "
    "category quantity unit_price discount_amount line_amount currency promo_code loyalty_id email "
    "phone payment_card_hash original_receipt_id",
    "members": "loyalty_id given_name family_name birth_date tax_id email phone street_address "
    f"city postal_code country home_store_id enrolled_at updated_at {FLAGS}",
    "stores": "store_id name city country timezone latitude longitude",
    "customers": "customer_id given_name family_name birth_date tax_id email phone street_address "
    "city postal_code country loyalty_id web_user_id created_at updated_at is_active " + FLAGS,
    "products": "product_id name category brand list_price currency updated_at",
    "orders": "order_id customer_id ordered_at channel status currency total_amount "
    "discount_amount shipping_amount promo_code web_order_id promised_at delivered_at updated_at",
    "order_lines": "order_id line_no product_id quantity unit_price discount_amount line_amount",
    "returns": "return_id order_id product_id quantity refund_amount currency returned_at reason",
    "tickets": "ticket_id customer_id opened_at closed_at category status",
}

Ask = Callable[[str], object]


def _bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("table", CONTRACT)
def test_a_table_has_exactly_the_columns_of_the_contract(
    world: duckdb.DuckDBPyConnection, table: str
) -> None:
    relation = world.sql(f"from {table}")

    assert relation.columns == CONTRACT[table].split()
    assert len(relation) > 0


def test_all_eleven_tables_are_there(clean: WorldReport) -> None:
    assert len(clean.rows) == 11
    assert all(count > 0 for count in clean.rows.values())


def test_each_format_of_the_contract_occurs(clean: WorldReport) -> None:
    names = [file.name for file in clean.landing.rglob("*") if file.is_file()]

    for suffix in (".ndjson", ".jsonl.gz", ".csv", ".csv.gz", ".parquet", ".sha256"):
        assert any(name.endswith(suffix) for name in names), suffix


def test_checksums_beside_files_are_true(clean: WorldReport) -> None:
    sidecars = list(clean.landing.rglob("*.sha256"))

    assert sidecars
    for sidecar in sidecars:
        content = sidecar.with_name(sidecar.name.removesuffix(".sha256")).read_bytes()
        assert sidecar.read_text().split()[0] == hashlib.sha256(content).hexdigest()


def test_the_same_arguments_give_the_same_bytes_whatever_the_threads(
    dirty: WorldReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = world_module.open_scratch

    def on_one_thread(folder: Path, order: engine.Order) -> duckdb.DuckDBPyConnection:
        connection = opened(folder, order)
        connection.execute("set threads = 1")
        return connection

    monkeypatch.setattr(world_module, "open_scratch", on_one_thread)
    again = write_world(tmp_path, customers=120, seed=7, as_of=AS_OF, dirty=0.01)

    assert _bytes_of(again.landing) == _bytes_of(dirty.landing)
    assert _bytes_of(again.truth) == _bytes_of(dirty.truth)


def test_another_seed_is_another_world(clean: WorldReport, tmp_path: Path) -> None:
    other = write_world(tmp_path, customers=30, seed=8, as_of=AS_OF, lines_per_receipt=1)

    mine = set(
        duckdb.sql(f"select given_name, birth_date from '{clean.truth}/people.parquet'").fetchall()
    )
    theirs = set(
        duckdb.sql(f"select given_name, birth_date from '{other.truth}/people.parquet'").fetchall()
    )
    assert len(mine & theirs) < 5


def test_the_last_receipt_is_of_the_day_before_as_of(one: Ask) -> None:
    assert one("select max(sold_at[:10])::date from receipt_lines") == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("table", "moment"),
    [
        ("events", "happened_at"),
        ("orders", "ordered_at::timestamptz"),
        ("orders", "delivered_at::timestamptz"),
        ("orders", "updated_at::timestamptz"),
        ("returns", "returned_at::timestamptz"),
        ("tickets", "opened_at::timestamptz"),
        ("tickets", "closed_at::timestamptz"),
        ("customers", "updated_at::timestamptz"),
    ],
)
def test_nothing_happens_after_as_of(one: Ask, table: str, moment: str) -> None:
    last = one(f"select max({moment}) from {table}")

    assert isinstance(last, datetime)
    assert last <= AS_OF
    assert last > AS_OF - timedelta(days=45)


def test_each_amount_of_the_dataset_is_in_exactly_one_place(
    world: duckdb.DuckDBPyConnection, one: Ask
) -> None:
    bought = one(f"""
        select sum(round(sales_value, 2)::decimal(12, 2))
        from '{engine.dataset("transactions")}'
        where household_id in (select household_id from truth_people where kind = 'shopper')
    """)
    in_shops = one(
        "select sum(line_amount::decimal(12, 2)) from receipt_lines where receipt_id[1] = 'R'"
    )
    brought_back = one(
        "select sum(line_amount::decimal(12, 2)) from receipt_lines where receipt_id[1] = 'B'"
    )
    ordered = one("select sum(line_amount) from order_lines")
    only_seen_online = one("""
        select coalesce(sum((properties ->> 'revenue')::decimal(12, 2)), 0) from events
        where event = 'Order Completed' and not exists (
            from orders where web_order_id = (properties ->> 'order_id')
        )
    """)

    assert isinstance(brought_back, Decimal)
    assert brought_back < 0
    assert in_shops + ordered + only_seen_online == bought


def test_an_order_is_worth_its_lines_and_its_shipping(one: Ask) -> None:
    assert (
        one("""
        with sums as (
            select order_id, sum(line_amount) as amount from order_lines group by order_id
        )
        select count(*) from orders left join sums using (order_id)
        where total_amount::decimal(12, 2) is distinct from amount + shipping_amount::decimal(12, 2)
    """)
        == 0
    )


def test_quantity_times_price_less_discount_is_the_amount_to_a_cent(one: Ask) -> None:
    assert (
        one("""
        select count(*) from receipt_lines
        where abs(quantity::decimal(12, 3) * unit_price::decimal(12, 4)
            - discount_amount::decimal(12, 2) - line_amount::decimal(12, 2)) > 0.01
    """)
        == 0
    )


def test_a_return_is_a_negative_line_of_a_known_receipt(one: Ask) -> None:
    assert one("select count(*) from receipt_lines where receipt_id[1] = 'B'") > 0
    assert (
        one("""
        select count(*) from receipt_lines as back
        where receipt_id[1] = 'B' and not (
            quantity::decimal(12, 3) < 0 and line_amount::decimal(12, 2) < 0
            and (original_receipt_id is null or exists (
                from receipt_lines as sold
                where sold.receipt_id = back.original_receipt_id
                and sold.product_id = back.product_id
            ))
        )
    """)
        == 0
    )


def test_households_drawn_again_are_other_people_on_other_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "HOUSEHOLDS", 30)
    report = write_world(tmp_path, customers=75, seed=2, as_of=AS_OF, lines_per_receipt=2)

    people = duckdb.sql(f"from '{report.truth}/people.parquet' where kind = 'shopper'")
    assert people.aggregate("count(*), count(distinct household_id), max(clone)").fetchone() == (
        75,
        30,
        2,
    )
    assert people.aggregate("count(distinct (given_name, family_name, birth_date))").fetchone() == (
        75,
    )
    assert duckdb.sql(f"""
        with days as (
            select record_key.split('-')[1] as basket, sold_at[:10] as day
            from '{report.truth}/records.parquet'
            inner join read_csv('{report.landing}/pos/receipt_lines/**/*.csv', all_varchar = true)
                on record_key = receipt_id
        )
        select max(n) > 1 from (select count(distinct day) as n from days group by basket)
    """).fetchone() == (True,)
    assert duckdb.sql(f"""
        select max(n) from (
            select count(*) as n
            from read_csv('{report.landing}/pos/receipt_lines/**/*.csv', all_varchar = true)
            group by receipt_id
        )
    """).fetchone() == (2,)


def test_a_landing_zone_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "landing" / "web").mkdir(parents=True)

    with pytest.raises(SampleError, match="isn't empty"):
        write_world(tmp_path, customers=1, as_of=AS_OF)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"customers": 0}, "at least 1"),
        ({"lines_per_receipt": 0}, "at least 1"),
        ({"dirty": 1.5}, "between 0 and 0.5"),
        ({"as_of": datetime(2026, 1, 1)}, "no offset"),  # noqa: DTZ001
    ],
)
def test_what_cant_be_drawn_is_refused_in_one_line(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(SampleError, match=message) as refusal:
        write_world(tmp_path, **{"as_of": AS_OF, **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "landing").exists()


def test_a_sample_that_was_killed_leaves_no_landing_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world_module, "write_truth", killed)
    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path, customers=2, as_of=AS_OF, lines_per_receipt=1)

    assert not (tmp_path / "landing").exists()
    assert list(tmp_path.iterdir()) == []
