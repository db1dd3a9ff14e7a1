"""Every purchase of a drawn world against the one it was drawn from."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from core_purchases import Shopping, draw, later
from core_world import AS_OF, CORE, build_all, table_rows
from marts_world import rows

TABLES = (
    "marts.customer_orders",
    "marts.customer_profiles",
    "marts.customer_consents",
    "marts.customer_identifiers",
    "intermediate.int_purchase_days",
    "intermediate.int_carts",
)


@pytest.fixture(scope="module")
def shopping() -> Shopping:
    return draw(60, seed=11)


@pytest.fixture(scope="module")
def warehouse(shopping: Shopping, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_all(
        tmp_path_factory.mktemp("purchases") / "warehouse.duckdb", shopping.raw, layers=CORE
    )


def test_every_purchase_is_there_once_with_its_amounts(shopping: Shopping, warehouse: Path) -> None:
    found = rows(
        warehouse,
        "select order_id, profile_id, source, channel, gross_amount, discount_amount, "
        "refunded_amount, net_amount, currency from marts.customer_orders",
    )
    expected = {
        (
            order_id,
            f"p{bought.person}" if bought.person else None,
            bought.source,
            bought.channel,
            bought.gross,
            bought.discount,
            bought.refunded,
            bought.gross - bought.discount - bought.refunded,
            bought.currency,
        )
        for order_id, bought in shopping.purchases.items()
    }
    assert set(found) == expected
    assert len(found) == len(expected) > 150
    assert {row[2] for row in found} == {"pos", "erp", "web", "app"}
    assert sum(row[6] > 0 for row in found) > 20


def test_every_purchase_falls_on_the_day_of_its_store_or_of_the_business(
    shopping: Shopping, warehouse: Path
) -> None:
    found = rows(warehouse, "select order_id, purchased_on from intermediate.int_orders")
    assert dict(found) == {name: bought.purchased_on for name, bought in shopping.purchases.items()}


def test_a_profile_is_the_sum_of_its_purchases(shopping: Shopping, warehouse: Path) -> None:
    rates = dict(
        rows(
            warehouse,
            "select (currency, year(valid_from), year(valid_to)), reporting_rate "
            "from intermediate.int_currency_rates where currency in ('EUR', 'RON', 'HUF')",
        )
    )

    def rate(currency: str, year: int) -> Decimal:
        (found,) = (
            rate
            for (name, start, end), rate in rates.items()
            if name == currency and start <= year < end
        )
        return found

    totals: dict[str, list] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
    for bought in shopping.purchases.values():
        if bought.person:
            total = totals[f"p{bought.person}"]
            total[0] += 1
            total[1] += bought.channel in ("web", "app")
            total[2] += bought.channel == "store"
            net = bought.gross - bought.discount - bought.refunded
            total[3] += round(net * rate(bought.currency, bought.purchased_on.year), 4)
    found = rows(
        warehouse,
        "select profile_id, order_count, online_order_count, store_order_count, net_revenue "
        "from marts.customer_profiles",
    )
    for profile, *counts, revenue in found:
        expected = totals[profile]
        assert counts == expected[:3], profile
        # Half a unit of the fourth place may be rounded either way.
        assert abs(revenue - expected[3]) <= Decimal("0.0001") * (expected[0] + 1), profile
    assert sum(row[1] for row in found) == sum(total[0] for total in totals.values()) > 100


def test_the_order_of_loading_changes_nothing(
    shopping: Shopping, warehouse: Path, tmp_path: Path
) -> None:
    random = Random(5)
    reloaded = {table: later(landed, random) for table, landed in shopping.raw.items()}
    other = build_all(tmp_path / "warehouse.duckdb", reloaded, layers=CORE, tested=False)
    for table in TABLES:
        assert table_rows(other, table) == table_rows(warehouse, table), table
    assert table_rows(warehouse, TABLES[0])


def test_what_hasnt_happened_by_as_of_isnt_known(
    shopping: Shopping, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A build of half a year ago is the same, whether or not the half year since has landed."""
    as_of = AS_OF - timedelta(days=180)
    times = ("timestamp", "updated_at", "returned_at")

    def known(row: dict) -> bool:
        return all(row[name] <= as_of for name in times if row.get(name))

    until_then = {
        table: [row for row in landed if known(row)] for table, landed in shopping.raw.items()
    }
    ids = {row["order_id"] for row in until_then["erp_orders"]}
    until_then["erp_order_lines"] = [
        row for row in until_then["erp_order_lines"] if row["order_id"] in ids
    ]
    folder = tmp_path_factory.mktemp("earlier")
    whole, cut = (
        build_all(folder / name / "warehouse.duckdb", raw, as_of=as_of, layers=CORE, tested=False)
        for name, raw in (("whole", shopping.raw), ("cut", until_then))
    )
    for table in TABLES:
        assert table_rows(whole, table) == table_rows(cut, table), table
    assert 0 < len(table_rows(whole, TABLES[0])) < len(shopping.purchases)
