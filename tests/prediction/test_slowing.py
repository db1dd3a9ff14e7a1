"""A slowdown is told from chance: found where it happened, and seldom where nothing did."""

from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from dagster_project.prediction import load_rules
from dagster_project.prediction.facts import EPOCH, gather, whole
from dagster_project.prediction.slowing import slowdowns

RULES = load_rules()
TODAY = date(2026, 7, 1)
# As in seed drop_severities.
MODERATE, CHANCE = -0.3, 0.006


def weekly(people: int, *, spread: float, slower: float, seed: int) -> duckdb.DuckDBPyConnection:
    """People who buy weekly, give or take `spread` days; a year on they buy `slower` as often.

    The change is on TODAY; 70 days after it are known.
    """
    random = np.random.default_rng(seed)
    shape = (7 / spread) ** 2
    times = np.cumsum(random.gamma(shape, 7 / shape, size=(people, 140)), axis=1)
    times -= random.uniform(0, 7, size=(people, 1))
    days = np.floor(np.where(times < 364, times, 364 + (times - 364) / slower))
    person, nth = np.nonzero((days >= 0) & (days < 434))
    connection = duckdb.connect()
    connection.register("bought", {"person": person, "day": days[person, nth].astype(np.int64)})
    connection.execute(
        f"""
        create schema intermediate;
        create table intermediate.int_purchase_days as
        select distinct 'p' || person as profile_id,
            (date '{TODAY}' - 364 + day::integer)::date as purchased_on,
            1.0::decimal(18, 4) as net_reporting_amount
        from bought
        """
    )
    connection.unregister("bought")
    return connection


def found(connection: duckdb.DuckDBPyConnection, *, days: int) -> tuple[float, float]:
    """The share of people in whom any day's build of so many days sees a slowdown; and a day's."""
    everybody = connection.sql(
        "select count(distinct profile_id) from intermediate.int_purchase_days"
    ).fetchall()[0][0]
    connection.execute("create or replace table kept as from intermediate.int_purchase_days")
    seen: set[str] = set()
    alarms = 0
    for passed in range(days + 1):
        day = TODAY + timedelta(days=passed)
        connection.execute(
            "create or replace table intermediate.int_purchase_days as "
            f"from kept where purchased_on <= date '{day}'"
        )
        gather(connection)
        table = slowdowns(connection, whole(day), RULES)
        told = {
            person
            for person, change, chance in zip(
                *(table[name].to_pylist() for name in ("profile_id", "frequency_change", "chance")),
                strict=True,
            )
            if change <= MODERATE and chance <= CHANCE
        }
        seen |= told
        alarms += len(told)
    connection.execute("create or replace table intermediate.int_purchase_days as from kept")
    return len(seen) / everybody, alarms / everybody / (days + 1)


def test_a_weekly_buyer_who_goes_over_to_every_second_week_is_found_in_five_weeks() -> None:
    changed, _ = found(weekly(1500, spread=2, slower=0.5, seed=1), days=35)
    unchanged, a_day = found(weekly(1500, spread=2, slower=1, seed=2), days=35)
    assert changed >= 0.9
    assert unchanged <= 0.05
    assert a_day <= 0.01


@pytest.mark.parametrize(("spread", "share"), [(2, 0.99), (3.5, 0.85)])
def test_whoever_is_less_regular_is_found_later(spread: float, share: float) -> None:
    changed, _ = found(weekly(400, spread=spread, slower=0.5, seed=3), days=70)
    assert changed >= share


@pytest.mark.parametrize("spread", [0.5, 2, 5, 7])
def test_an_unchanged_habit_is_seldom_taken_for_a_slowdown_however_irregular(spread: float) -> None:
    _, a_day = found(weekly(800, spread=spread, slower=1, seed=4), days=6)
    assert a_day <= 0.05


def test_the_change_is_the_size_of_what_changed() -> None:
    connection = weekly(400, spread=1, slower=0.5, seed=5)
    connection.execute(
        f"delete from intermediate.int_purchase_days where purchased_on > date '{TODAY}' + 60"
    )
    gather(connection)
    table = slowdowns(connection, whole(TODAY + timedelta(days=60)), RULES)
    assert np.median(table["frequency_change"]) == pytest.approx(-0.5, abs=0.05)
    assert np.median(table["usual_days"]) == pytest.approx(7, abs=0.3)
    assert np.median(table["recent_days"]) == pytest.approx(14, abs=1)
    since = [(day - TODAY).days for day in table["since"].to_pylist()]
    assert np.median(np.abs(since)) <= 10


@pytest.mark.parametrize(
    ("ages", "change"),
    [
        ([], None),
        ([10], None),
        ([40, 30, 20, 10], None),
        ([50, 40, 30, 20, 10], 0.0),
        ([300, 200, 100, 50, 49, 48], None),
        ([90, 80, 70, 60, 50], -0.8),
        ([900, 890, 880, 870, 860], None),
        ([41, 31, 21, 11, 1, 0, -1], None),
    ],
)
def test_odd_histories(ages: list[int], change: float | None) -> None:
    """Nobody, too few gaps, a steady one, a mere pair of days, one who stopped, one long gone."""
    connection = duckdb.connect()
    connection.execute(
        "create schema intermediate; create table intermediate.int_purchase_days "
        "(profile_id varchar, purchased_on date, net_reporting_amount decimal(18, 4))"
    )
    for age in ages:
        connection.execute(
            f"insert into intermediate.int_purchase_days values ('p', date '{EPOCH}' + $1, 1)",
            [whole(TODAY) - age],
        )
    gather(connection)
    rows = slowdowns(connection, whole(TODAY), RULES).to_pylist()
    if change is not None:
        assert [row["frequency_change"] for row in rows] == [pytest.approx(change)]
    for row in rows:
        assert 0 <= row["chance"] <= 1
        assert row["frequency_change"] >= -1
