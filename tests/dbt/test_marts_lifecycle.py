"""Stages and key figures against a second computation, a person and a day at a time."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import marts_reference as reference
import pytest
from marts_world import TODAY, World, build, days_ago, defaults, random_histories, rows, write

A_DAY = timedelta(days=1)
STAGES = {
    "subscriber": "subscribers",
    "new": "new_customers",
    "active": "active_customers",
    "at_risk": "customers_at_risk",
    "churned": "churned_customers",
    "reactivated": "reactivated_customers",
}


def _at_every_border() -> dict[str, list[date]]:
    """Last purchases on the eve, the day and the morrow of each threshold, for each rhythm."""
    made = {}
    for rule in reference.seed("lifecycle_thresholds"):
        factor = Fraction(rule["churn_factor_from"])
        for gap in (1, 7, 10, 45, 400):
            days = min(max(int(factor * gap), int(rule["days_from"])), int(rule["days_to"]))
            for shift in (-1, 0, 1):
                silence = days + shift
                made[f"{rule['stage']}_{gap}_{shift}"] = days_ago(
                    silence, silence + gap, silence + 2 * gap
                )
        for shift in (-1, 0, 1):
            silence = int(rule["days_without_rhythm"]) + shift
            made[f"{rule['stage']}_once_{shift}"] = days_ago(silence)
            made[f"{rule['stage']}_twice_{shift}"] = days_ago(silence, silence + 5)
            # Back from that silence today, and long enough ago that the grace ends about now.
            made[f"{rule['stage']}_back_{shift}"] = days_ago(0, silence)
            for age in (29, 30, 31):
                made[f"{rule['stage']}_back_{shift}_{age}"] = days_ago(age, silence + age)
    for shift in (-1, 0, 1):
        made[f"new_{shift}"] = days_ago(defaults()["lifecycle_new_days"] + shift)
    made["sells_tomorrow"] = [TODAY + timedelta(days=1)]
    made["sold_today_and_tomorrow"] = [TODAY, TODAY + timedelta(days=1)]
    return made


@pytest.fixture(scope="module")
def world() -> World:
    histories = random_histories(150, seed=3) | _at_every_border()
    people = sorted(histories)
    reachable = {
        person: min(histories[person]) - timedelta(days=n % 90)
        for n, person in enumerate(people)
        if n % 3
    }
    reachable |= {f"subscriber_{age}": TODAY - timedelta(days=age) for age in (0, 1, 40, 500)}
    return World(histories, {person: min(day, TODAY) for person, day in reachable.items()})


@pytest.fixture(scope="module")
def warehouse(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lifecycle") / "warehouse.duckdb"
    write(path, world)
    build(path)
    return path


@pytest.fixture(scope="module")
def stages(world: World) -> dict[str, dict[date, str]]:
    everybody = world.histories.keys() | world.reachable.keys()
    return {person: reference.stages_by_day(world, person) for person in everybody}


def test_every_stay_in_a_stage_is_that_of_a_walk_through_the_days(
    world: World, warehouse: Path
) -> None:
    found = rows(
        warehouse,
        "select profile_id, stage, started_on, ended_on, previous_stage "
        "from marts.customer_lifecycle_history",
    )
    assert {reference.Period(*row) for row in found} == reference.periods(world)
    assert {row[1] for row in found} == set(STAGES)


def test_the_lifecycle_is_the_last_stay_of_everybody(
    world: World, warehouse: Path, stages: dict[str, dict[date, str]]
) -> None:
    found = rows(
        warehouse,
        "select profile_id, as_of, stage, stage_since, previous_stage "
        "from marts.customer_lifecycle",
    )
    last = {each.profile_id: each for each in reference.periods(world) if each.ended_on is None}
    assert {row[0]: row[1:] for row in found} == {
        person: (TODAY, each.stage, each.started_on, each.previous_stage)
        for person, each in last.items()
    }
    assert {row[0]: row[2] for row in found} == {p: days[TODAY] for p, days in stages.items()}


def test_a_visitor_of_whom_only_a_cookie_is_known_is_no_subscriber(warehouse: Path) -> None:
    known = rows(
        warehouse, "select count(*) from marts.customer_profiles where profile_id = 'visitor'"
    )
    staged = rows(
        warehouse, "select count(*) from marts.customer_lifecycle where profile_id = 'visitor'"
    )
    assert (known, staged) == ([(1,)], [(0,)])


def test_each_day_counts_the_people_in_each_stage(
    warehouse: Path, stages: dict[str, dict[date, str]]
) -> None:
    counted = Counter((day, stage) for days in stages.values() for day, stage in days.items())
    found = rows(
        warehouse,
        f"select day, {', '.join(STAGES.values())} from marts.retention_kpis order by day",
    )
    first = min(day for days in stages.values() for day in days)
    assert [row[0] for row in found] == [
        first + timedelta(days=n) for n in range((TODAY - first).days + 1)
    ]
    for day, *numbers in found:
        assert numbers == [counted[day, stage] for stage in STAGES], day


def test_each_days_rates_are_those_of_the_people_behind_them(
    world: World, warehouse: Path, stages: dict[str, dict[date, str]]
) -> None:
    numbers = defaults()
    window, activation = numbers["kpi_window_days"], numbers["kpi_activation_days"]
    bought = {p: [min(day, TODAY) for day in days] for p, days in world.histories.items()}
    found = rows(
        warehouse,
        "select day, customers, first_time_customers, subscriber_conversion_rate, "
        "new_customer_activation_rate, purchase_frequency from marts.retention_kpis",
    )
    assert len(found) > 500
    # Every day of late, and before that one of each weekday in turn.
    chosen = [row for row in found if row[0].toordinal() % 8 == 0 or row[0] > TODAY - 40 * A_DAY]
    for day, customers, first_time, conversion, activated, frequency in chosen:
        assert customers == sum(days[0] <= day for days in bought.values())
        assert first_time == sum(days[0] == day for days in bought.values())

        recent = [day - timedelta(days=n) for n in range(window)]
        leaving = {
            person
            for person, by_day in stages.items()
            for each in recent
            if by_day.get(each - timedelta(days=1)) == "subscriber"
            and by_day.get(each) != "subscriber"
        }
        staying = {person for person, by_day in stages.items() if by_day.get(day) == "subscriber"}
        assert conversion == _share(len(leaving), len(leaving | staying)), day

        ripe = [
            days
            for days in bought.values()
            if timedelta(days=activation) <= day - days[0] < timedelta(days=activation + window)
        ]
        again = [d for d in ripe if len(d) > 1 and d[1] - d[0] <= timedelta(days=activation)]
        assert activated == _share(len(again), len(ripe)), day

        since = day - timedelta(days=numbers["kpi_frequency_days"])
        lately = [sum(since < each <= day for each in days) for days in bought.values()]
        assert frequency == _share(sum(lately), sum(n > 0 for n in lately)), day


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def test_order_values_are_sums_of_the_orders_behind_them(warehouse: Path) -> None:
    """A plain join of days and orders, which the mart does without."""
    ((wrong, days),) = rows(
        warehouse,
        f"""
        with orders as (
            select *, least(purchased_on, date '{TODAY}') as day from intermediate.int_orders
        ),
        expected as (
            select
                kpis.day,
                avg(orders.reporting_amount) filter (
                    kpis.day - orders.day < {defaults()["kpi_window_days"]}
                ) as average_order_value,
                sum(orders.reporting_amount) filter (orders.profile_id is not null)
                / count(distinct orders.profile_id) as lifetime_value
            from marts.retention_kpis as kpis
            inner join orders on orders.day <= kpis.day
            group by kpis.day
        )
        select
            count(*) filter (
                kpis.average_order_value
                is distinct from expected.average_order_value::decimal(18, 4)
                or kpis.lifetime_value is distinct from expected.lifetime_value::decimal(18, 4)
            ),
            count(expected.lifetime_value)
        from marts.retention_kpis as kpis left join expected using (day)
        """,
    )
    assert wrong == 0
    assert days > 500
