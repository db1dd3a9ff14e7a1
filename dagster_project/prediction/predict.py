"""From purchase days to schema prediction: who will return, how often, for how much, and why.

Nothing of what is logged or reported here holds a personal value.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import duckdb
import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from dagster_project.prediction import backtest, gamma_gamma
from dagster_project.prediction.additive import Additive, slices
from dagster_project.prediction.backtest import Backtest, Verdict
from dagster_project.prediction.facts import (
    EPOCH,
    LATELY,
    Facts,
    gather,
    known_today,
    release,
    whole,
)
from dagster_project.prediction.gamma_gamma import GammaGamma
from dagster_project.prediction.likelihood import Array
from dagster_project.prediction.returning import Returning, learn
from dagster_project.prediction.rules import Rules, load_rules
from dagster_project.prediction.slowing import slowdowns

logger = logging.getLogger(__name__)

# Digits that a probability is worth; what differs beyond them is the machine's arithmetic.
_DIGITS = 6
# A reason moved somebody by at least so much log odds; so many are told, the strongest first.
_LEAST_MOVED, _MOST_REASONS = 0.2, 3


@dataclass(frozen=True, slots=True)
class PredictionReport:
    """What was learnt, in numbers; `model` is the one that is published, `verdict` why."""

    customers: int
    horizon_days: int
    model: str
    verdict: Verdict
    backtests: tuple[Backtest, ...]


def predict(
    connection: duckdb.DuckDBPyConnection, *, today: date, rules: Rules | None = None
) -> PredictionReport:
    """Write schema prediction from intermediate.int_purchase_days, in one transaction.

    `today` is the date of as_of in the business time zone. The same purchases give the same tables.
    """
    rules = rules or load_rules()
    # Threads that wait for their share of small sums take several times as long, and the shares,
    # and with them the last digits, would be another machine's.
    with threadpool_limits(1, user_api="blas"):
        return _predict(connection, today, rules)


def _predict(connection: duckdb.DuckDBPyConnection, today: date, rules: Rules) -> PredictionReport:
    try:
        gather(connection, at_most=rules.backtest_customers)
        day = whole(today)
        learnt = learn(connection, day, days=rules.horizon_days, rules=rules, is_today=True)
        tests = backtest.backtests(connection, day, rules)
        verdict = backtest.judge(tests, rules, is_learnt=bool(learnt and learnt.sums))
        facts = known_today(connection, day)
        slowed = slowdowns(connection, day, rules)
    finally:
        release(connection)
    worth = gamma_gamma.fitted(facts)
    tables = _predicted(facts, learnt, worth, verdict.model, rules) | {
        "slowdowns": slowed,
        "parameters": _parameters(learnt, worth),
        "backtest": _backtest(tests, verdict),
        "calibration": _calibration(tests),
    }
    _write(connection, tables)
    report = PredictionReport(len(facts), rules.horizon_days, verdict.model, verdict, tuple(tests))
    logger.info(
        "prediction: %d customers by model %s. %s", report.customers, report.model, verdict.words
    )
    return report


def _predicted(
    facts: Facts, learnt: Returning | None, worth: GammaGamma | None, model: str, rules: Rules
) -> dict[str, pa.Table]:
    """Tables customers and reasons, part by part."""
    customers, reasons = [_CUSTOMERS.empty_table()], [_REASONS.empty_table()]
    if learnt:
        for part in slices(facts):
            customers.append(_customers(part, learnt, worth, model, rules))
            if model in learnt.sums:
                reasons.append(_reasons(part, learnt.sums[model]))
    return {"customers": pa.concat_tables(customers), "reasons": pa.concat_tables(reasons)}


_CUSTOMERS = pa.schema(
    [
        ("profile_id", pa.string()),
        ("model", pa.string()),
        ("horizon_days", pa.int64()),
        ("return_probability", pa.float64()),
        ("expected_purchases", pa.float64()),
        ("expected_value", pa.float64()),
        ("value_days", pa.int64()),
        ("expected_purchases_later", pa.float64()),
        ("expected_value_later", pa.float64()),
        *((f"lately_{days}", pa.int64()) for days in LATELY),
        ("irregularity", pa.float64()),
        ("mean_value", pa.float64()),
    ]
)
_REASONS = pa.schema(
    [
        ("profile_id", pa.string()),
        ("rank", pa.int64()),
        ("fact", pa.string()),
        ("log_odds", pa.float64()),
    ]
)


def _customers(
    facts: Facts, learnt: Returning, worth: GammaGamma | None, model: str, rules: Rules
) -> pa.Table:
    said = learnt.estimate(facts, model)
    later = learnt.frequency.expected_purchases(
        facts.repeats, facts.recency, facts.age, days=rules.value_days
    )
    value = worth.value_of(facts) if worth else np.full(len(facts), np.nan)
    count = len(facts)
    return pa.table(
        [
            facts.table["profile_id"],
            pa.array([model] * count, pa.string()),
            pa.array(np.full(count, rules.horizon_days)),
            _numbers(said.return_probability),
            _numbers(said.expected_purchases),
            _numbers(said.expected_purchases * value),
            pa.array(np.full(count, rules.value_days)),
            _numbers(later),
            _numbers(later * value),
            *(facts.table[f"lately_{days}"] for days in LATELY),
            _numbers(facts.irregularity),
            _numbers(facts.column("mean_value")),
        ],
        schema=_CUSTOMERS,
    )


def _reasons(facts: Facts, model: Additive) -> pa.Table:
    """The facts that moved each customer most, against the customers on average."""
    said = model.said(facts)
    names, moved = list(said), np.column_stack(list(said.values()))
    order = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :_MOST_REASONS]
    strongest = np.take_along_axis(moved, order, axis=1)
    row, rank = np.nonzero(np.abs(strongest) >= _LEAST_MOVED)
    return pa.table(
        [
            facts.table["profile_id"].take(pa.array(row)),
            pa.array(rank + 1),
            pa.array(names).take(pa.array(order[row, rank])),
            _numbers(strongest[row, rank]),
        ],
        schema=_REASONS,
    )


def _numbers(values: Array) -> pa.Array:
    return pa.array(np.round(values, _DIGITS), pa.float64(), from_pandas=True)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _parameters(learnt: Returning | None, worth: GammaGamma | None) -> pa.Table:
    """What was fitted, by name."""
    found = [
        (model, name, value)
        for model, fitted in (("bg_nbd", learnt and learnt.frequency), ("gamma_gamma", worth))
        if fitted
        for name, value in asdict(fitted).items()
    ]
    return pa.table(
        {
            "model": pa.array([row[0] for row in found], pa.string()),
            "parameter": pa.array([row[1] for row in found], pa.string()),
            "value": pa.array([row[2] for row in found], pa.float64()),
        }
    )


def _backtest(tests: list[Backtest], verdict: Verdict) -> pa.Table:
    rows = [
        {
            "seen_on": _day(test.seen_on),
            "horizon_days": test.days,
            "model": test.model,
            "customers": test.customers,
            "returned_share": _rounded(test.returned),
            "auc": _rounded(test.auc),
            "calibration_error": _rounded(test.calibration_error),
            "chance_error": _rounded(test.chance_error),
            "purchases_error": _rounded(test.purchases_error),
            "purchases_ratio": _rounded(test.purchases_ratio),
            "value_error": _rounded(test.value_error),
            "value_ratio": _rounded(test.value_ratio),
            "is_published": test.model == verdict.model,
        }
        for test in tests
    ]
    return pa.Table.from_pylist(rows, schema=_BACKTEST)


_BACKTEST = pa.schema(
    [
        ("seen_on", pa.date32()),
        ("horizon_days", pa.int64()),
        ("model", pa.string()),
        ("customers", pa.int64()),
        *(
            (name, pa.float64())
            for name in (
                "returned_share",
                "auc",
                "calibration_error",
                "chance_error",
                "purchases_error",
                "purchases_ratio",
                "value_error",
                "value_ratio",
            )
        ),
        ("is_published", pa.bool_()),
    ]
)
_CALIBRATION = pa.schema(
    [
        ("seen_on", pa.date32()),
        ("horizon_days", pa.int64()),
        ("model", pa.string()),
        ("decile", pa.int64()),
        ("customers", pa.int64()),
        ("predicted_share", pa.float64()),
        ("returned_share", pa.float64()),
    ]
)


def _calibration(tests: list[Backtest]) -> pa.Table:
    rows = [
        {
            "seen_on": _day(test.seen_on),
            "horizon_days": test.days,
            "model": test.model,
            "decile": decile.decile,
            "customers": decile.customers,
            "predicted_share": _rounded(decile.predicted),
            "returned_share": _rounded(decile.returned),
        }
        for test in tests
        for decile in test.deciles
    ]
    return pa.Table.from_pylist(rows, schema=_CALIBRATION)


def _day(number: int) -> date:
    return EPOCH + timedelta(days=number)


def _write(connection: duckdb.DuckDBPyConnection, tables: dict[str, pa.Table]) -> None:
    """Replace the schema as a whole: killed anywhere, it is the old one or the new one."""
    connection.execute("begin transaction")
    try:
        connection.execute("drop schema if exists prediction cascade; create schema prediction")
        for name, table in tables.items():
            connection.register("_prediction_table", table)
            connection.execute(f"create table prediction.{name} as from _prediction_table")
            connection.unregister("_prediction_table")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
