"""Who returns: models learnt from what customers did after days that are past by now.

Every model has the same level: half of it is what the past days had, half what BG/NBD expects now,
corrected by how it fared on those days. The first can't know that customers grow old, the second
not that a season changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from dagster_project.prediction import additive, bg_nbd
from dagster_project.prediction.additive import FACTS, PLAIN, Additive
from dagster_project.prediction.bg_nbd import BgNbd
from dagster_project.prediction.facts import Facts, beginning, known_on
from dagster_project.prediction.likelihood import Array
from dagster_project.prediction.rules import Rules

RHYTHM, BG_NBD = "rhythm", "bg_nbd"
"""The whole model, and the one that learns from no past day."""
_CUSTOMERS_OF_A_FIT = 25_000


@dataclass(frozen=True)
class Estimate:
    """One value a customer: chance of a purchase in the horizon, purchase days expected in it."""

    return_probability: Array
    expected_purchases: Array


@dataclass(frozen=True)
class Returning:
    """What was learnt on a day for a horizon; `sums` is empty where there was nothing to learn."""

    days: int
    frequency: BgNbd
    sums: Mapping[str, Additive]
    levels: Mapping[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """The models there are."""
        return (*self.sums, BG_NBD)

    def estimate(self, facts: Facts, name: str) -> Estimate:
        """What a model says; of those who return, BG/NBD says how often."""
        state = (facts.repeats, facts.recency, facts.age)
        chance = self.frequency.return_probability(*state, days=self.days)
        expected = self.frequency.expected_purchases(*state, days=self.days)
        if name == BG_NBD:
            return Estimate(chance, np.maximum(expected, chance))
        times = np.divide(expected, chance, out=np.ones(len(facts)), where=chance > 0)
        likely = self.sums[name].probability(facts, level=self.levels[name])
        return Estimate(likely, likely * np.maximum(times, 1))


def learn(
    connection: duckdb.DuckDBPyConnection,
    seen_on: int,
    *,
    days: int,
    rules: Rules,
    is_today: bool = False,
) -> Returning | None:
    """Learn by the end of `seen_on` who buys in the next `days`; None where nobody had bought."""
    present = known_on(connection, seen_on, is_today=is_today).thinned(rules.learn_customers)
    if not len(present):
        return None
    frequency = _frequency(present)
    past = list(_past(connection, seen_on, days, rules))
    if not past:
        return Returning(days, frequency, {}, {})
    returned = [(facts.column("later_purchases") > 0).astype(np.float64) for facts in past]
    level = _expected_level(present, frequency, past, returned, days)
    sums = {
        name: additive.fit(past, returned, facts)
        for name, facts in {RHYTHM: FACTS, **PLAIN}.items()
    }
    levels = {name: (each.level + _level(each, present, level)) / 2 for name, each in sums.items()}
    return Returning(days, frequency, sums, levels)


def _past(
    connection: duckdb.DuckDBPyConnection, seen_on: int, days: int, rules: Rules
) -> Iterator[Facts]:
    """Days to learn from: what came next is known, and a horizon of history came before."""
    first = beginning(connection)
    for nth in range(1, rules.learn_days + 1):
        day = seen_on - nth * days
        if first is None or day - days < first:
            return
        yield known_on(connection, day, days=days).thinned(rules.learn_customers)


def _expected_level(
    present: Facts, frequency: BgNbd, past: Sequence[Facts], returned: Sequence[Array], days: int
) -> float:
    """The share who will return by BG/NBD, corrected by how it fared on the past days."""
    errors = []
    for facts, came in zip(past, returned, strict=True):
        errors.append(_odds(came) - _odds(_chance(_frequency(facts, frequency), facts, days)))
    return float(expit(_odds(_chance(frequency, present, days)) + np.mean(errors)))


def _frequency(facts: Facts, like: BgNbd | None = None) -> BgNbd:
    """Four parameters of so many customers don't grow better with more of them."""
    some = facts.thinned(_CUSTOMERS_OF_A_FIT)
    return bg_nbd.fit(some.repeats, some.recency, some.age, like=like)


def _chance(fitted: BgNbd, facts: Facts, days: int) -> Array:
    return fitted.return_probability(facts.repeats, facts.recency, facts.age, days=days)


def _odds(chances: Array) -> float:
    """Log odds of the mean, as if one more of two had returned."""
    return float(logit((chances.sum() + 0.5) / (len(chances) + 1)))


def _level(fitted: Additive, present: Facts, share: float) -> float:
    """The level at which a model expects the share to return."""
    said = sum(fitted.said(present).values(), start=np.zeros(len(present)))
    most = 40 + float(np.abs(said).max())
    return float(brentq(lambda level: float(expit(level + said).mean()) - share, -most, most))
