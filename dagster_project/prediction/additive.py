"""How likely somebody buys again, as a sum of what each fact says for or against it.

A logistic regression on facts that a marketer can read, each bent at a few points so that it may
say more in one range than in another (linear splines), and drawn towards saying nothing (ridge).
A sum explains itself: what a fact adds, against what it adds for the customers on average, is the
reason. Fitted by Newton's method; the same facts give the same numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from dagster_project.prediction.facts import LATELY, Facts
from dagster_project.prediction.likelihood import Array

# Quantiles at which a curve may bend, and how strongly it is drawn towards saying nothing.
_BENDS, _RIDGE = np.linspace(0, 1, 8)[1:-1], 30.0
# As if so many customers had come back and as many had not: no sample makes a thing certain.
_PRIOR = 0.5
_ROUNDS, _ENOUGH = 50, 1e-8
# Rows that are looked at together, for the memory of their curves.
_ROWS = 100_000


def _logs(values: Array) -> Array:
    return np.asarray(np.log1p(np.maximum(values, 0)))


def _rhythm(facts: Facts) -> Array:
    """Whoever bought once might have a rhythm as long as their time."""
    return _logs(np.where(np.isnan(facts.rhythm), facts.age, facts.rhythm))


def _overdue(facts: Facts) -> Array:
    """The churn factor, 0 where there is none."""
    return _logs(
        np.divide(facts.silence, facts.rhythm, out=np.zeros(len(facts)), where=facts.rhythm > 0)
    )


# What speaks, by the fact that a reason names.
FACTS: Mapping[str, Sequence[str]] = {
    "silence": ("silence", "overdue"),
    "habit": ("repeats", "rhythm", "once"),
    "lately": tuple(f"lately_{days}" for days in LATELY),
    "regularity": ("irregularity",),
    "spending": ("mean_value",),
}
"""Facts of the whole model; each is one reason."""

PLAIN: Mapping[str, Mapping[str, Sequence[str]]] = {
    "recency": {"silence": ("silence",)},
    "churn_factor": {"silence": ("overdue", "once")},
    "frequency": {"habit": ("repeats",)},
}
"""Rules of thumb, each a single fact, that the whole model has to beat."""


_COMPUTED: Mapping[str, Callable[[Facts], Array]] = {
    "silence": lambda facts: _logs(facts.silence),
    "overdue": _overdue,
    "repeats": lambda facts: _logs(facts.repeats),
    "rhythm": _rhythm,
    "once": lambda facts: (facts.repeats == 0).astype(np.float64),
    "irregularity": lambda facts: facts.irregularity,
}


def _term(facts: Facts, name: str) -> Array:
    """A term as numbers: what is computed, or else the logarithm of a column."""
    if compute := _COMPUTED.get(name):
        return compute(facts)
    return _logs(np.nan_to_num(facts.column(name), nan=0.0))


@dataclass(frozen=True)
class _Curve:
    """A term's own scale and where it may bend."""

    mean: float
    spread: float
    bends: Array

    @classmethod
    def of(cls, values: Array) -> "_Curve":
        bends = np.unique(np.quantile(values, _BENDS))
        inside = bends[(bends > values.min()) & (bends < values.max())]
        return cls(float(values.mean()), float(values.std()) or 1.0, inside)

    def spread_out(self, values: Array) -> Array:
        line = (values - self.mean) / self.spread
        bent = np.maximum(values[:, None] - self.bends, 0) / self.spread
        return np.column_stack([line, bent])


@dataclass(frozen=True)
class Additive:
    """A fitted sum: `level` and, for each fact, its terms' curves with their weights."""

    level: float
    facts: Mapping[str, Sequence[str]]
    curves: Mapping[str, _Curve]
    weights: Mapping[str, Array]
    usual: Mapping[str, float]

    def said(self, facts: Facts) -> Mapping[str, Array]:
        """What each fact adds to the log odds, against what it adds on average."""
        return {
            fact: sum(
                (
                    self.curves[term].spread_out(_term(facts, term)) @ self.weights[term]
                    for term in terms
                ),
                start=np.zeros(len(facts)),
            )
            - self.usual[fact]
            for fact, terms in self.facts.items()
        }

    def probability(self, facts: Facts, *, level: float | None = None) -> Array:
        """Chance to return."""
        said = sum(self.said(facts).values(), start=np.zeros(len(facts)))
        return np.asarray(expit((self.level if level is None else level) + said))


def fit(
    seen: Sequence[Facts], returned: Sequence[Array], facts: Mapping[str, Sequence[str]]
) -> Additive:
    """Learn from customers as they were known once, and whether they returned then (0 or 1)."""
    terms = [term for each in facts.values() for term in each]
    values = {term: np.concatenate([_term(facts, term) for facts in seen]) for term in terms}
    curves = {term: _Curve.of(values[term]) for term in terms}
    design = np.column_stack([curves[term].spread_out(values[term]) for term in terms])
    centre = design.mean(axis=0)
    level, weights = _newton(design - centre, np.concatenate(returned))
    widths = np.cumsum([1 + len(curves[term].bends) for term in terms])[:-1]
    parts = dict(zip(terms, np.split(weights, widths), strict=True))
    means = dict(zip(terms, np.split(centre, widths), strict=True))
    usual = {
        fact: float(sum(means[term] @ parts[term] for term in each)) for fact, each in facts.items()
    }
    return Additive(level, facts, curves, parts, usual)


def _newton(design: Array, returned: Array) -> tuple[float, Array]:
    """The level and weights of most likelihood under the ridge."""
    rows = np.column_stack([np.ones(len(design)), design])
    ridge = np.full(rows.shape[1], _RIDGE)
    ridge[0] = 0
    weights = np.zeros(rows.shape[1])
    for _ in range(_ROUNDS):
        chance = expit(rows @ weights)
        usual = expit(weights[0])
        slope = rows.T @ (returned - chance) - ridge * weights
        slope[0] += _PRIOR * (1 - 2 * usual)
        bend = (rows * (chance * (1 - chance))[:, None]).T @ rows + np.diag(ridge)
        bend[0, 0] += 2 * _PRIOR * usual * (1 - usual)
        step = np.linalg.solve(bend + np.eye(len(bend)) * 1e-12, slope)
        weights += step
        if np.abs(step).max() < _ENOUGH:
            break
    return float(weights[0]), weights[1:]


def slices(facts: Facts) -> Iterator[Facts]:
    """The facts in parts of so many rows that their curves fit into memory."""
    for start in range(0, len(facts), _ROWS):
        yield Facts(facts.seen_on, facts.table.slice(start, _ROWS))
