"""Predictions on real purchases, their reasons, and the gate that a worse model doesn't pass."""

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from shopping import cdnow, complete_journey, drawn, facts_of

from dagster_project.errors import PerennialError
from dagster_project.prediction import additive, backtest, load_rules, predict
from dagster_project.prediction.facts import gather, known_on, whole
from dagster_project.prediction.gamma_gamma import fitted
from dagster_project.prediction.returning import BG_NBD, RHYTHM, learn
from dagster_project.prediction.rules import RULES_FILE

RULES = load_rules()
TODAY = date(2026, 7, 1)
TABLES = ("customers", "reasons", "parameters", "backtest", "calibration")


def fared(
    connection: duckdb.DuckDBPyConnection, day: date, days: int
) -> dict[str, backtest.Backtest]:
    """Every model of a day, held against what happened in the days after it."""
    gather(connection)
    learnt = learn(connection, whole(day), days=days, rules=RULES)
    assert learnt is not None
    facts = known_on(connection, whole(day), days=days)
    return {name: backtest.fared(facts, learnt, name, fitted(facts)) for name in learnt.names}


def test_cdnow_half_a_year_ahead() -> None:
    """BG/NBD 0.799, recency 0.795, gradient boosting with cross-validation 0.804."""
    found = fared(cdnow(), date(1997, 12, 31), (date(1998, 6, 30) - date(1997, 12, 31)).days)
    assert found[RHYTHM].customers == 23_570
    assert found[RHYTHM].auc > 0.804
    assert found[RHYTHM].auc > max(found[name].auc for name in additive.PLAIN)
    assert found[RHYTHM].calibration_error < 0.02 < found[BG_NBD].calibration_error
    assert found[RHYTHM].purchases_ratio == pytest.approx(1, abs=0.1)
    assert found[RHYTHM].value_ratio == pytest.approx(1, abs=0.1)


def test_complete_journey_a_month_ahead() -> None:
    """BG/NBD 0.871, recency 0.815, gradient boosting on past windows 0.880."""
    found = fared(complete_journey(), date(2017, 9, 30), 30)
    assert found[RHYTHM].auc > 0.880
    assert found[BG_NBD].auc == pytest.approx(0.871, abs=0.001)
    assert found["recency"].auc == pytest.approx(0.815, abs=0.001)
    assert found[RHYTHM].calibration_error < found[RHYTHM].chance_error


@pytest.fixture(scope="module")
def shop() -> duckdb.DuckDBPyConnection:
    connection = drawn(3000, seed=3, today=TODAY)
    predict(connection, today=TODAY)
    return connection


def test_every_customer_has_a_prediction_that_holds_together(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    assert shop.sql(
        """
        select count(*) filter (
            return_probability between 0 and 1 and expected_purchases >= return_probability
            and expected_value >= 0 and expected_purchases_later >= 0 and model = 'rhythm'
        ) = count(*) and count(*) = (
            select count(distinct profile_id) from intermediate.int_purchase_days
        ) from prediction.customers
        """
    ).fetchall() == [(True,)]


def test_the_same_purchases_give_the_same_tables(shop: duckdb.DuckDBPyConnection) -> None:
    other = duckdb.connect()
    shuffled = shop.sql("from intermediate.int_purchase_days order by hash(purchased_on)").arrow()
    shuffled = shuffled.read_all() if hasattr(shuffled, "read_all") else shuffled
    other.register("shuffled", shuffled)
    other.execute(
        "create schema intermediate; create table intermediate.int_purchase_days as from shuffled"
    )
    predict(other, today=TODAY)
    for table in TABLES:
        query = f"from prediction.{table} order by all"
        assert other.sql(query).fetchall() == shop.sql(query).fetchall()
        assert shop.sql(query).fetchall()


def test_a_model_learns_nothing_from_what_happened_after_its_day(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    """The model of a past day is the same whether or not anything happened since."""
    day = TODAY - timedelta(days=60)
    cut = duckdb.connect()
    known = shop.execute(
        "from intermediate.int_purchase_days where purchased_on <= $1", [day]
    ).fetch_arrow_table()
    cut.register("known", known)
    cut.execute(
        "create schema intermediate; create table intermediate.int_purchase_days as from known"
    )
    said = []
    for connection in (shop, cut):
        gather(connection)
        learnt = learn(connection, whole(day), days=60, rules=RULES)
        assert learnt is not None
        facts = known_on(connection, whole(day), days=60)
        said.append({name: learnt.estimate(facts, name) for name in learnt.names})
    for name, estimate in said[0].items():
        np.testing.assert_array_equal(estimate.return_probability, said[1][name].return_probability)


def test_reasons_add_up_to_the_score(shop: duckdb.DuckDBPyConnection) -> None:
    facts = facts_of(shop, TODAY, is_today=True)
    learnt = learn(shop, whole(TODAY), days=30, rules=RULES, is_today=True)
    assert learnt is not None
    model = learnt.sums[RHYTHM]
    said = model.said(facts)
    odds = learnt.levels[RHYTHM] + sum(said.values())
    np.testing.assert_allclose(
        1 / (1 + np.exp(-odds)), learnt.estimate(facts, RHYTHM).return_probability
    )
    strongest = np.abs(np.column_stack(list(said.values()))).max(axis=1)
    first = "select profile_id, abs(log_odds) from prediction.reasons where rank = 1"
    told = dict(shop.sql(first).fetchall())
    for person, moved in zip(facts.table["profile_id"].to_pylist(), strongest, strict=True):
        assert told.get(person, 0) == pytest.approx(moved if moved >= 0.2 else 0, abs=1e-5)


def test_a_model_worse_than_a_plain_rule_gives_way_to_it(
    shop: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a model that sees nothing but how much somebody spends, which tells nothing here."""
    monkeypatch.setattr("dagster_project.prediction.returning.FACTS", {"spending": ("mean_value",)})
    report = predict(shop, today=TODAY)
    assert report.model in additive.PLAIN
    assert not report.verdict.ranks
    assert "the best plain rule" in report.verdict.words
    assert shop.sql("select distinct model from prediction.customers").fetchall() == [
        (report.model,)
    ]
    assert shop.sql("select distinct model from prediction.backtest where is_published").fetchall()
    facts = {
        fact for (fact,) in shop.sql("select distinct fact from prediction.reasons").fetchall()
    }
    assert facts <= {"silence", "habit"}
    assert facts
    monkeypatch.undo()
    predict(shop, today=TODAY)


def test_a_season_that_no_past_day_knew_closes_the_gate_of_calibration() -> None:
    """Planted: in the last 90 days three of four purchases didn't happen, to everybody alike."""
    connection = drawn(3000, seed=4, today=TODAY)
    connection.execute(
        "delete from intermediate.int_purchase_days "
        "where purchased_on > $1::date - 90 and hash(profile_id, purchased_on) % 4 < 3",
        [TODAY],
    )
    report = predict(connection, today=TODAY)
    assert not report.verdict.is_calibrated
    assert report.model in additive.PLAIN


@pytest.mark.parametrize(
    ("rows", "model"),
    [
        ("select 'p', date '2026-07-01', 1 where false", None),
        ("select 'p', date '2026-07-01', 1", BG_NBD),
        ("select 'p', date '2026-07-02', 1", BG_NBD),
        ("select 'p' || n, date '2026-06-30' - n::integer, 0 from range(50) as r(n)", BG_NBD),
        ("select 'p', date '2016-07-01' + n::integer, -5 from range(3600) as r(n)", RHYTHM),
        ("select 'p' || n % 3, date '2025-07-01' + n::integer, null from range(300) r(n)", RHYTHM),
    ],
)
def test_odd_shops_have_predictions(rows: str, model: str | None) -> None:
    """Nobody, one, tomorrow's sale, the first weeks, one for ten years at a loss, no amounts."""
    connection = duckdb.connect()
    connection.execute(
        f"create schema intermediate; create table intermediate.int_purchase_days as "
        f"select * from ({rows}) as t(profile_id, purchased_on, net_reporting_amount)"
    )
    predict(connection, today=TODAY)
    found = connection.sql(
        "select model, return_probability, expected_purchases from prediction.customers"
    ).fetchall()
    assert {row[0] for row in found} == ({model} if model else set())
    assert all(0 <= probability <= expected for _, probability, expected in found)
    assert connection.sql("from duckdb_tables() where temporary").fetchall() == []


def test_a_build_that_is_interrupted_leaves_the_tables_as_they_were(
    shop: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.sql("from prediction.customers order by all").fetchall()

    def no_table(_: object) -> str:
        return "no table"

    monkeypatch.setattr(sys.modules[predict.__module__], "_calibration", no_table)
    with pytest.raises(duckdb.Error):
        predict(shop, today=TODAY - timedelta(days=3))
    assert shop.sql("from prediction.customers order by all").fetchall() == before


def test_rules_that_are_wrong_are_named(tmp_path: Path) -> None:
    text = RULES_FILE.read_text(encoding="utf-8")
    path = tmp_path / "rules.toml"
    for old, new, named in (
        ("horizon_days = 30", "horizon_days = -1", "horizon_days = -1"),
        ("horizon_days = 30", "", "horizon_days"),
        ("horizon_days = 30", "horizon_days = 30\nextra = 1", "extra"),
        ("[30, 60, 90]", "[30, 0]", "backtest_days"),
        ("horizon_days = 30", "horizon_days = ", "can't be read"),
    ):
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(PerennialError, match=named.replace("[", "\\[")):
            load_rules(path)
    assert load_rules() == replace(RULES)
