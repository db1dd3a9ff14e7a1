"""Key figures by channel, store, country and cohort against a second computation, one by one."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import marts_reference as reference
import pytest
from marts_world import (
    MARTS,
    TODAY,
    World,
    build,
    days_ago,
    defaults,
    random_histories,
    rows,
    write,
)

A_DAY = timedelta(days=1)
LEAP_DAY = date(2024, 2, 29)
FIRST_DAY_OF_MEMBERS = TODAY - timedelta(days=defaults()["kpi_member_days"] - 1)
SUMS = (
    *reference.KPI_OF_STAGE.values(),
    "customers",
    "first_time_customers",
    "converted_subscribers",
    "convertible_subscribers",
    "activated_customers",
    "activation_candidates",
    "purchase_days",
    "buyers",
    "orders",
    "revenue",
    "value_so_far",
    "expected_losses",
)
RATES = {
    "subscriber_conversion_rate": ("converted_subscribers", "convertible_subscribers"),
    "new_customer_activation_rate": ("activated_customers", "activation_candidates"),
    "purchase_frequency": ("purchase_days", "buyers"),
    "at_risk_share": ("customers_at_risk", "customers"),
    "churned_share": ("churned_customers", "customers"),
    "churn_risk": ("expected_losses", "customers"),
    "average_order_value": ("revenue", "orders"),
    "lifetime_value": ("value_so_far", "customers"),
}
# Of every fifth day's orders nothing was kept; of every seventh day's the currency has no rate.
_RETURNS = """
update intermediate.int_orders set
    reporting_amount = case when dayofyear(purchased_on) % 7 <> 0 then 0 end,
    reporting_rate = case when dayofyear(purchased_on) % 7 <> 0 then 0.2 end
where dayofyear(purchased_on) % 5 = 0 or dayofyear(purchased_on) % 7 = 0;
update intermediate.int_purchase_days as days set net_reporting_amount = (
    select coalesce(sum(reporting_amount), 0) from intermediate.int_orders as orders
    where orders.profile_id = days.profile_id and orders.purchased_on = days.purchased_on
);
-- Two tills at one instant.
update intermediate.int_orders set ordered_at = purchased_on::timestamptz
where dayofyear(purchased_on) % 3 = 0
"""


def _eves_and_morrows() -> dict[str, list[date]]:
    """Gaps of the eve, the day and the morrow of each window, from a leap day and to today."""
    numbers, made = defaults(), {}
    windows = (
        numbers["kpi_window_days"],
        numbers["kpi_activation_days"],
        numbers["kpi_activation_days"] + numbers["kpi_window_days"],
        numbers["kpi_frequency_days"],
        120,  # without a rhythm churned
    )
    for days in windows:
        for shift in (-1, 0, 1):
            gap = timedelta(days=days + shift)
            made[f"from_leap_day_{days}_{shift}"] = [LEAP_DAY, LEAP_DAY + gap]
            made[f"over_leap_day_{days}_{shift}"] = [LEAP_DAY + A_DAY - gap, LEAP_DAY + A_DAY]
            made[f"once_{days}_{shift}"] = days_ago(days + shift)
            made[f"twice_{days}_{shift}"] = days_ago(0, days + shift)
            # About the day before which members have no rows, and so long before it.
            hidden = numbers["kpi_member_days"] + days + shift
            made[f"hidden_{days}_{shift}"] = days_ago(hidden, numbers["kpi_member_days"] + shift)
            made[f"long_gone_{days}_{shift}"] = days_ago(hidden, hidden + days)
    for day in (TODAY - A_DAY, TODAY, TODAY + A_DAY):
        made[f"first_{day}"] = [day]
        made[f"again_{day}"] = [TODAY - timedelta(days=3), day]
    made["sold_today_and_tomorrow"] = [TODAY, TODAY + A_DAY]
    return {person: sorted(days) for person, days in made.items()}


def _world() -> World:
    histories = random_histories(60, seed=5) | _eves_and_morrows()
    reachable = {
        person: min(days[0] - timedelta(days=n % 40), TODAY)
        for n, (person, days) in enumerate(sorted(histories.items()))
        if n % 3
    }
    reachable |= {f"subscriber_{age}": TODAY - timedelta(days=age) for age in (0, 1, 40, 1200)}
    return World(histories, reachable)


def _house(path: Path, world: World) -> reference.House:
    orders = [
        reference.Order(
            person, day, place, channel, store or _no_store(channel), Fraction(amount or 0)
        )
        for person, day, *place, channel, store, amount in rows(
            path,
            "select profile_id, purchased_on, ordered_at, order_key, channel, store_id, "
            "reporting_amount from intermediate.int_orders",
        )
    ]
    return reference.House(
        world,
        orders,
        dict(
            rows(
                path,
                "select profile_id, country from marts.customer_profiles where country is not null",
            )
        ),
        dict(
            rows(
                path,
                "select profile_id, source from marts.customer_identifiers "
                "where identifier_type = 'email'",
            )
        ),
        {
            person: 1 - Fraction(str(probability))
            for person, probability in rows(
                path, "select profile_id, return_probability from prediction.customers"
            )
        },
    )


def _no_store(channel: str) -> str:
    return "unknown" if channel == "store" else "none"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kpis") / "warehouse.duckdb"
    write(path, _world())
    with duckdb.connect(path) as connection:
        connection.execute(_RETURNS)
    build(path)
    return path


@pytest.fixture(scope="module")
def house(warehouse: Path) -> reference.House:
    return _house(warehouse, _world())


def test_each_member_has_the_figures_of_its_people_and_orders(
    warehouse: Path, house: reference.House
) -> None:
    found = {
        (day, dimension, member): dict(zip([*SUMS, *RATES], values, strict=True))
        for day, dimension, member, *values in rows(
            warehouse,
            f"select day, dimension, member, {', '.join([*SUMS, *RATES])} "
            "from marts.retention_kpis_by_dimension",
        )
    }
    members = {(dimension, member) for _, dimension, member in found}
    chosen = [
        day
        for day in sorted({day for day, _, _ in found})
        if day.toordinal() % 11 == 0
        or min(abs((day - near).days) for near in (TODAY, LEAP_DAY, FIRST_DAY_OF_MEMBERS)) < 6
        or abs((day - LEAP_DAY).days) in (29, 30, 31, 59, 60, 61, 89, 90, 91, 119, 120, 121)
    ]
    assert len(chosen) > 150
    for day in chosen:
        expected = house.figures(day)
        for member in members:
            row = found.get((day, *member))
            if member != ("all", "all") and day < FIRST_DAY_OF_MEMBERS:
                assert row is None
            elif row is None:
                assert not +expected[member], (day, member)
            else:
                assert row == _shown(expected[member], day), (day, member)
        assert expected.keys() <= members


def _shown(sums: dict[str, int | Fraction], day: date) -> dict[str, object]:
    """The row of sums and rates as the mart writes it."""
    shown: dict[str, object] = {name: sums[name] for name in SUMS}
    if day < TODAY or not sums["customers"]:
        shown["expected_losses"] = None
    for rate, (part, whole) in RATES.items():
        has_rate = sums[whole] and shown[part] is not None
        shown[rate] = float(sums[part]) / float(sums[whole]) if has_rate else None
    for amount in ("average_order_value", "lifetime_value"):
        if shown[amount] is not None:
            shown[amount] = pytest.approx(Decimal(shown[amount]), abs=Decimal("0.00006"))
    return shown


def test_the_members_of_each_dimension_are_everybody(warehouse: Path) -> None:
    assert rows(
        warehouse,
        f"""
        with split as (
            select day, dimension, {", ".join(f"sum({name}) as {name}" for name in SUMS)}
            from marts.retention_kpis_by_dimension where dimension <> 'all' group by all
        ),
        everybody as (
            select split.dimension, kpis.* exclude (dimension)
            from marts.retention_kpis_by_dimension as kpis
            cross join (select distinct dimension from split) as split
            where kpis.dimension = 'all' and kpis.day >= date '{FIRST_DAY_OF_MEMBERS}'
        )
        select count(*), count(distinct dimension), count(*) filter (
            {" or ".join(f"split.{name} is distinct from everybody.{name}" for name in SUMS)}
        ) from everybody full join split using (day, dimension)
        """,
    ) == [(4 * defaults()["kpi_member_days"], 4, 0)]


def test_days_gone_by_stay_as_they_were(warehouse: Path, tmp_path: Path) -> None:
    """What is bought later moves nobody and no figure of a day before, nor does the rows' order."""
    path, until = tmp_path / "warehouse.duckdb", TODAY - timedelta(days=20)
    write(path, _world())
    with duckdb.connect(path) as connection:
        connection.execute(_RETURNS)
        for table in ("int_orders", "int_purchase_days"):
            connection.execute(
                f"create or replace table intermediate.{table} as from intermediate.{table} "
                f"where purchased_on <= '{until}' order by md5(profile_id), md5(purchased_on::text)"
            )
    build(path, f"{MARTS} fqn:perennial.marts.kpis")
    shown = (
        f"select * from marts.retention_kpis_by_dimension where day <= '{until}' "
        "order by day, dimension, member"
    )
    before = rows(path, shown)
    assert before == rows(warehouse, shown)
    assert len(before) > 10000


def test_a_house_without_anybody_has_no_figures(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    write(path, World({}, {}))
    build(path)
    for table in ("customer_dimensions", "retention_kpis_by_dimension", "retention_kpis"):
        assert rows(path, f"select count(*) from marts.{table}") == [(0,)]
