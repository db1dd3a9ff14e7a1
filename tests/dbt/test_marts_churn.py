"""Churn factors, slowdowns and estimates against a second computation."""

from datetime import timedelta
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import duckdb
import marts_reference as reference
import numpy as np
import pytest
from marts_world import (
    MARTS,
    TODAY,
    World,
    build,
    days_ago,
    random_histories,
    rows,
    write,
)

from dagster_project.prediction import load_rules

HORIZON = load_rules().horizon_days


@pytest.fixture(scope="module")
def world() -> World:
    made = random_histories(600, seed=7)
    # Each side of every border of a tier and of a severity.
    for number, rule in enumerate(reference.seed("incentive_tiers")):
        if not rule["churn_factor_from"]:
            continue
        silence = int(10 * Fraction(rule["churn_factor_from"]))
        for shift in (-1, 0, 1):
            if silence + shift >= 0:
                ages = (silence + shift, silence + shift + 10, silence + shift + 20)
                made[f"tier_{number}_{shift}"] = days_ago(*ages)
    for recent in range(8):
        early = range(61, 361, 10)
        made[f"slowed_{recent}"] = days_ago(*range(0, 7 * recent, 7), *early)
    made["sells_tomorrow"] = [TODAY - timedelta(days=3), TODAY + timedelta(days=1)]
    return World(made, {})


@pytest.fixture(scope="module")
def warehouse(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("churn") / "warehouse.duckdb"
    write(path, world)
    build(path, "path:seeds/marts fqn:perennial.marts.churn")
    return path


def test_every_churn_factor_is_that_of_a_second_computation(world: World, warehouse: Path) -> None:
    found = rows(
        warehouse,
        "select profile_id, as_of, purchase_days, first_purchase_on, last_purchase_on, "
        "days_since_last_purchase, mean_days_between_purchases, churn_factor "
        "from marts.churn_factors",
    )
    expected = {}
    for person, days in world.histories.items():
        silence = max((TODAY - days[-1]).days, 0)
        mean = (days[-1] - days[0]).days / (len(days) - 1) if len(days) > 1 else None
        factor = None if mean is None else silence / mean
        expected[person] = (TODAY, len(days), days[0], days[-1], silence, mean, factor)
    assert {row[0]: row[1:] for row in found} == expected
    assert len(found) == len(expected) > 600


def test_every_drop_and_its_incentive_are_those_of_a_second_computation(
    world: World, warehouse: Path
) -> None:
    found = rows(
        warehouse,
        "select profile_id, slow.frequency_change, slow.chance, factors.drop_severity, "
        "incentive_tier from marts.churn_factors as factors "
        "join marts.purchase_slowdowns as slow using (profile_id)",
    )
    expected = reference.slowdowns(world.histories)
    seen = set()
    for person, change, chance, severity, tier in found:
        expected_change, expected_chance, expected_severity = expected.get(
            person, (None, None, "none")
        )
        days = world.histories[person]
        expected_tier = reference.incentive_tier(severity, reference.churn_factor(days))
        assert (severity, tier) == (expected_severity, expected_tier), person
        assert (change, chance) == (
            pytest.approx(expected_change),
            pytest.approx(expected_chance, abs=1e-9),
        ), person
        seen.add((severity, tier))
    # Every severity and every tier was really met.
    assert {severity for severity, _ in seen} == {"none", "moderate", "severe"}
    assert {tier for _, tier in seen} == {"none", "small", "medium", "large"}


def test_every_reason_is_a_fact_of_the_customer(world: World, warehouse: Path) -> None:
    found = rows(
        warehouse,
        "select profile_id, rank, fact, effect, log_odds, reason from marts.churn_reasons "
        "order by profile_id, rank",
    )
    for person, reasons in groupby(found, key=lambda row: row[0]):
        days, told = world.histories[person], list(reasons)
        assert [rank for _, rank, *_ in told] == list(range(1, len(told) + 1))
        strengths = [abs(log_odds) for *_, log_odds, _ in told]
        assert strengths == sorted(strengths, reverse=True)
        for _, _, fact, effect, log_odds, reason in told:
            assert effect == ("raises" if log_odds > 0 else "lowers")
            assert "{" not in reason
            if fact == "silence":
                assert f" {max((TODAY - days[-1]).days, 0)} day(s) since" in f" {reason}"
            if fact == "lately":
                lately = sum(day > TODAY - timedelta(days=90) for day in days)
                assert f" {lately} purchase day(s) in the last" in f" {reason}"
    assert {fact for _, _, fact, *_ in found} >= {"silence", "habit", "lately"}


def test_return_probability_holds_what_it_says_and_ranks_better_than_the_factor(
    tmp_path: Path,
) -> None:
    """5,000 people who buy at random, each at a rate of their own, until they leave for good."""
    random = np.random.default_rng(11)
    histories, returned = {}, {}
    for number in range(5000):
        first = int(random.integers(1, 700))
        rate, lifetime = random.gamma(0.7, 1 / 14), random.exponential(400)
        ages = first - np.cumsum(random.exponential(1 / rate, size=400)).round()
        bought = {first, *(int(age) for age in ages if age > first - lifetime)}
        histories[str(number)] = days_ago(*(age for age in bought if age >= 0))
        returned[str(number)] = any(-HORIZON <= age < 0 for age in bought)
    path = tmp_path / "warehouse.duckdb"
    write(path, World(histories, {}))
    build(path, "path:seeds/marts fqn:perennial.marts.churn")
    found = rows(
        path,
        "select profile_id, return_probability, churn_factor from marts.churn_factors",
    )
    happened = np.array([returned[person] for person, _, _ in found])
    said = np.array([probability for _, probability, _ in found])
    for fifth in np.array_split(np.argsort(said, kind="stable"), 5):
        assert said[fifth].mean() == pytest.approx(happened[fifth].mean(), abs=0.05)
    known = np.array([factor is not None for _, _, factor in found])
    factors = np.array([factor for _, _, factor in found if factor is not None])
    by_estimate = _area_under_curve(said[known], happened[known])
    assert by_estimate > _area_under_curve(-factors, happened[known])
    assert by_estimate > 0.75


def _area_under_curve(score: np.ndarray, happened: np.ndarray) -> float:
    higher = score[happened][:, None] > score[~happened][None, :]
    equal = score[happened][:, None] == score[~happened][None, :]
    return float(higher.mean() + equal.mean() / 2)


def test_a_new_number_in_a_seed_moves_people_without_touching_a_query(
    world: World, tmp_path: Path
) -> None:
    """A marketer asks for less before calling a drop moderate: more people have one."""
    path = tmp_path / "warehouse.duckdb"
    write(path, world)
    build(path, MARTS)
    count = "select count(*) from marts.churn_factors where drop_severity <> 'none'"
    ((before,),) = rows(path, count)
    with duckdb.connect(path) as connection:
        connection.execute("update marts.drop_severities set chance_to = 0.05")
    build(path, "purchase_slowdowns churn_factors")
    assert rows(path, count)[0][0] > before > 0
