"""The models of past days, held against what happened since."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from scipy.stats import rankdata

from dagster_project.prediction.additive import PLAIN
from dagster_project.prediction.facts import Facts, known_on
from dagster_project.prediction.gamma_gamma import GammaGamma, fitted
from dagster_project.prediction.likelihood import Array
from dagster_project.prediction.returning import BG_NBD, RHYTHM, Returning, learn
from dagster_project.prediction.rules import Rules

_DECILES = 10


@dataclass(frozen=True, slots=True)
class Decile:
    """A tenth of the customers by what was said of them: how many, what was said, what came."""

    decile: int
    customers: int
    predicted: float
    returned: float


@dataclass(frozen=True)
class Backtest:
    """How one model of one past day fared over the `days` that followed it.

    `auc`: chance that it ranked who returned above who didn't; null if nobody did or everybody.
    `calibration_error`: mean over deciles of |predicted - returned| shares; `chance_error`: what
    chance alone makes of that. Purchases and value: predicted total over the true one.
    """

    seen_on: int
    days: int
    model: str
    customers: int
    returned: float
    auc: float | None
    calibration_error: float
    chance_error: float
    purchases_error: float
    purchases_ratio: float | None
    value_error: float | None
    value_ratio: float | None
    deciles: Sequence[Decile]

    def decides(self, rules: Rules) -> bool:
        """Whether there was enough to judge by."""
        fewer = min(self.returned, 1 - self.returned) * self.customers
        return self.customers >= rules.least_customers and fewer >= rules.least_of_each

    def is_calibrated(self, rules: Rules) -> bool:
        """Whether its error lies within the bound of rules.toml."""
        fewer = min(self.returned, 1 - self.returned)
        bound = rules.calibration_error * fewer + 2 * self.chance_error
        return self.calibration_error <= bound


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which model is published, and why: whether the whole model ranks and counts well enough."""

    model: str
    ranks: bool
    is_calibrated: bool
    words: str


def backtests(connection: duckdb.DuckDBPyConnection, today: int, rules: Rules) -> list[Backtest]:
    """Every model of each past day of the rules that had enough history to learn from."""
    found = []
    for days in rules.backtest_days:
        learnt = learn(connection, today - days, days=days, rules=rules)
        if learnt is None or not learnt.sums:
            continue
        facts = known_on(connection, today - days, days=days)
        worth = fitted(facts)
        found += [fared(facts, learnt, name, worth) for name in learnt.names]
    return found


def judge(tests: Sequence[Backtest], rules: Rules, *, is_learnt: bool) -> Verdict:
    """The whole model, unless it fared worse than the best plain rule or out of calibration."""
    if not is_learnt:
        return Verdict(BG_NBD, True, True, "There is too little history to learn from.")
    decisive = [test for test in tests if test.decides(rules)]
    if not decisive:
        return Verdict(RHYTHM, True, True, "There is too little history to judge by.")
    best = max(PLAIN, key=lambda name: _mean_auc(decisive, name))
    auc, plain = _mean_auc(decisive, RHYTHM), _mean_auc(decisive, best)
    ranks = auc >= plain - rules.rank_worse
    whole = [test for test in decisive if test.model == RHYTHM]
    is_calibrated = all(test.is_calibrated(rules) for test in whole)
    errors = ", ".join(f"{test.calibration_error:.3f} ({test.days} days)" for test in whole)
    words = (
        f"AUC {auc:.3f}, the best plain rule ({best.replace('_', ' ')}) {plain:.3f}; "
        f"calibration error {errors}"
    )
    return Verdict(RHYTHM if ranks and is_calibrated else best, ranks, is_calibrated, words)


def area_under_curve(scores: Array, returned: Array) -> float | None:
    """Chance that one who returned has the higher score than one who didn't; ties count half."""
    ones = float(returned.sum())
    others = len(returned) - ones
    if not ones or not others:
        return None
    ranks = rankdata(scores)
    return float((ranks[returned > 0].sum() - ones * (ones + 1) / 2) / (ones * others))


def _mean_auc(tests: Sequence[Backtest], model: str) -> float:
    return float(np.mean([test.auc for test in tests if test.model == model]))


def fared(facts: Facts, learnt: Returning, name: str, worth: GammaGamma | None) -> Backtest:
    """How one model of the day of these facts fared."""
    said = learnt.estimate(facts, name)
    bought = facts.column("later_purchases")
    returned = (bought > 0).astype(np.float64)
    deciles = _deciles(said.return_probability, returned)
    value = said.expected_purchases * worth.value_of(facts) if worth else None
    brought = facts.column("later_value")
    shares = np.array([decile.returned for decile in deciles])
    counts = np.array([decile.customers for decile in deciles])
    return Backtest(
        seen_on=facts.seen_on,
        days=learnt.days,
        model=name,
        customers=len(facts),
        returned=float(returned.mean()),
        auc=area_under_curve(said.return_probability, returned),
        calibration_error=float(np.mean([abs(d.predicted - d.returned) for d in deciles])),
        # The mean of |normal| is sqrt(2 / pi) of its standard deviation.
        chance_error=float(np.sqrt(2 / np.pi * shares * (1 - shares) / counts).mean()),
        purchases_error=float(np.abs(said.expected_purchases - bought).mean()),
        purchases_ratio=_ratio(said.expected_purchases.sum(), bought.sum()),
        value_error=None if value is None else float(np.abs(value - brought).mean()),
        value_ratio=None if value is None else _ratio(value.sum(), brought.sum()),
        deciles=deciles,
    )


def _ratio(predicted: float, true: float) -> float | None:
    return float(predicted / true) if true > 0 else None


def _deciles(said: Array, returned: Array) -> list[Decile]:
    """Tenths of as many customers each; fewer than ten customers make fewer of them."""
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, _DECILES) if len(part)]
    return [
        Decile(nth, len(part), float(said[part].mean()), float(returned[part].mean()))
        for nth, part in enumerate(parts, 1)
    ]
