"""How often somebody will buy, by the beta-geometric / negative binomial model.

While a customer is alive, purchases come at random at a rate of one's own, gamma-distributed over
people; after each one, some leave for ever, with a chance of their own, beta-distributed (Fader,
Hardie and Lee, "Counting your customers the easy way", Marketing Science 24, 2005). What is known
of a customer: `repeats`, purchase days after the first; `recency`, days from the first to the last;
`age`, days from the first to now. All arrays are one value a customer.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, digamma, gammaln, hyp2f1

from dagster_project.prediction.likelihood import Array, most_likely


@dataclass(frozen=True, slots=True)
class BgNbd:
    """The parameters: purchase rates are gamma (r, alpha in days), chances to leave beta (a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, repeats: Array, recency: Array, age: Array) -> Array:
        """Chance of still being a customer; 1 for whoever bought once: useless for ranking."""
        odds = (
            np.log(self.a)
            - np.log(self.b + np.maximum(repeats, 1) - 1)
            + (self.r + repeats) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        )
        return np.where(repeats > 0, 1 / (1 + np.exp(odds)), 1.0)

    def return_probability(
        self, repeats: Array, recency: Array, age: Array, *, days: float
    ) -> Array:
        """Chance of at least one purchase day in the next `days`."""
        none = (1 + days / (self.alpha + age)) ** -(self.r + repeats)
        return np.asarray(self.alive(repeats, recency, age) * (1 - none))

    def expected_purchases(
        self, repeats: Array, recency: Array, age: Array, *, days: float
    ) -> Array:
        """Expected purchase days in the next `days` (equation 10 of the paper)."""
        (x, t), place = np.unique(np.stack([repeats, age]), axis=1, return_inverse=True)
        passed = days / (self.alpha + t + days)
        series = hyp2f1(self.r + x, self.b + x, self.a + self.b + x - 1, passed)
        stays = (1 - passed) ** (self.r + x) * series
        ever = (self.a + self.b + x - 1) / (self.a - 1) * (1 - stays)
        return np.asarray(ever[place.reshape(-1)] * self.alive(repeats, recency, age))


def fit(repeats: Array, recency: Array, age: Array, *, like: BgNbd | None = None) -> BgNbd:
    """The parameters of most likelihood; one that makes no difference is near 1.

    `like`: those of customers who are much alike, from which these are found sooner. Raises
    ValueError without customers.
    """
    if not len(repeats):
        raise ValueError("There are no customers to learn from.")
    states, counts = _states(repeats, recency, age)
    # In units in which all four parameters are near 1, an optimiser needs no other help.
    unit = max(float(age.max()) / 10, 1.0)
    scaled = (states[0], states[1] / unit, states[2] / unit)
    weights = counts / counts.sum()

    def likelihood(parameters: Array) -> tuple[float, Array]:
        likely, slopes = _log_likelihoods(parameters, *scaled)
        return float(weights @ likely), slopes @ weights

    start = np.array([like.r, like.alpha / unit, like.a, like.b]) if like else np.ones(4)
    r, alpha, a, b = most_likely(likelihood, start)
    # The expectation divides by a - 1; at exactly 1 its limit is as good as what is beside it.
    a = a if abs(a - 1) > 1e-6 else 1 + 1e-6
    parameters = np.array([r, alpha * unit, a, b])
    likely, _ = _log_likelihoods(parameters, *states)
    return BgNbd(float(r), float(alpha * unit), float(a), float(b), float(counts @ likely))


def _states(*columns: Array) -> tuple[Array, Array]:
    """What customers have in common, a column each, and how many have it: days are whole."""
    key = np.zeros(len(columns[0]))
    for column in columns:
        key = key * (column.max() + 1) + column
    _, place, counts = np.unique(key, return_index=True, return_counts=True)
    return np.stack(columns)[:, place], counts.astype(np.float64)


def _log_likelihoods(
    parameters: Array, repeats: Array, recency: Array, age: Array
) -> tuple[Array, Array]:
    """Of each state (equation 6 of the paper), and its slope along each parameter."""
    r, alpha, a, b = parameters
    before = b + np.maximum(repeats, 1) - 1
    since_age, since_recency = np.log(alpha + age), np.log(alpha + recency)
    alive = betaln(a, b + repeats) - (r + repeats) * since_age
    gone = np.where(repeats > 0, betaln(a + 1, before) - (r + repeats) * since_recency, -np.inf)
    either = np.logaddexp(alive, gone)
    is_alive, is_gone = np.exp(alive - either), np.exp(gone - either)
    bought = gammaln(r + repeats) - gammaln(r) + r * np.log(alpha)
    together = digamma(a + b + repeats) - digamma(a + b)
    slopes = (
        digamma(r + repeats)
        - digamma(r)
        + np.log(alpha)
        - is_alive * since_age
        - is_gone * since_recency,
        r / alpha - (r + repeats) * (is_alive / (alpha + age) + is_gone / (alpha + recency)),
        is_gone / a - together,
        is_alive * digamma(b + repeats) + is_gone * digamma(before) - digamma(b) - together,
    )
    return np.asarray(bought - betaln(a, b) + either), np.stack(slopes)
