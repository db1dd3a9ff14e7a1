"""Value and cohorts against a second computation."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from marts_world import TODAY, World, build, random_histories, rows, write


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("value") / "warehouse.duckdb"
    histories = random_histories(300, seed=9)
    histories["sells_tomorrow"] = [TODAY - timedelta(days=3), TODAY + timedelta(days=1)]
    write(path, World(histories, {}))
    build(path, "fqn:perennial.marts.value")
    return path


def test_every_customer_is_worth_the_sum_of_the_orders(warehouse: Path) -> None:
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    first: dict[str, date] = {}
    for person, day, amount in rows(
        warehouse,
        "select profile_id, purchased_on, reporting_amount from intermediate.int_orders "
        "where profile_id is not null",
    ):
        totals[person] += amount
        first[person] = min(day, first.get(person, day))
    found = rows(
        warehouse,
        "select profile_id, cohort, value_so_far, expected_purchases, expected_value "
        "from marts.customer_value",
    )
    assert {row[0]: row[1:3] for row in found} == {
        person: (first[person].replace(day=1), totals[person]) for person in totals
    }
    assert all(purchases >= 0 and value >= 0 for *_, purchases, value in found)


def test_every_month_of_every_cohort_has_its_buyers(warehouse: Path) -> None:
    bought = rows(warehouse, "select profile_id, purchased_on from intermediate.int_purchase_days")
    first: dict[str, date] = {}
    for person, day in bought:
        first[person] = min(day, first.get(person, day))
    buyers: defaultdict[tuple[date, date], set[str]] = defaultdict(set)
    for person, day in bought:
        month = min(day, TODAY).replace(day=1)
        buyers[first[person].replace(day=1), month].add(person)
    found = rows(
        warehouse,
        "select cohort, month, months_since, customers, buyers from marts.value_cohorts",
    )
    cohorts = {day.replace(day=1) for day in first.values()}
    for cohort, month, months, customers, count in found:
        assert customers == sum(day.replace(day=1) == cohort for day in first.values())
        assert count == len(buyers[cohort, month])
        assert months == (month.year - cohort.year) * 12 + month.month - cohort.month
    months_of = {
        cohort: (TODAY.year - cohort.year) * 12 + TODAY.month - cohort.month + 1
        for cohort in cohorts
    }
    assert len(found) == sum(months_of.values())


def test_value_adds_up_over_cohorts_and_customers(warehouse: Path) -> None:
    assert rows(
        warehouse,
        """
        select
            (select sum(value) from marts.value_cohorts)
                = (select sum(value_so_far) from marts.customer_value),
            (select sum(expected_value) from marts.value_cohorts)
                = (select sum(expected_value) from marts.customer_value)
        """,
    ) == [(True, True)]
