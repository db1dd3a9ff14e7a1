"""What a purchase day of somebody will be worth, by the gamma-gamma model.

The values of a customer's purchase days scatter around a mean of one's own, and the means are
inverse-gamma-distributed over people: who bought little is drawn towards everybody (Fader and
Hardie, "The gamma-gamma model of monetary value", 2013). Amounts are in the reporting currency.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from dagster_project.prediction.facts import Facts
from dagster_project.prediction.likelihood import Array, most_likely

# Three parameters of so many customers don't grow better with more of them.
_CUSTOMERS_OF_A_FIT = 25_000


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """Values scatter by p around means spread by q and gamma, an amount; `usual` is their mean."""

    p: float
    q: float
    gamma: float
    usual: float

    def expected_value(self, purchases: Array, mean_value: Array) -> Array:
        """Expected value of one more purchase day; of whoever paid nothing yet, the usual one."""
        paid = self.p * purchases
        seen = self.p * (self.gamma + purchases * mean_value)
        known = (purchases > 0) & (paid + self.q > 1)
        usual = np.full(len(purchases), self.usual)
        return np.asarray(np.divide(seen, paid + self.q - 1, out=usual, where=known))

    def value_of(self, facts: Facts) -> Array:
        """Expected value of one more purchase day of each customer."""
        mean = np.nan_to_num(facts.column("mean_value"))
        return self.expected_value(facts.column("paid_days"), mean)


def fitted(facts: Facts) -> GammaGamma | None:
    """The parameters of these customers, or of a fair sample of them where they are many."""
    some = facts.thinned(_CUSTOMERS_OF_A_FIT)
    return fit(some.column("paid_days"), some.column("mean_value"))


def fit(purchases: Array, mean_value: Array) -> GammaGamma | None:
    """The parameters of most likelihood; None where nobody bought for more than nothing.

    One value a customer: how many purchase days with a positive amount, and their mean amount.
    """
    known = (purchases > 0) & (mean_value > 0)
    if not known.any():
        return None
    x, unit = purchases[known], float(np.exp(np.log(mean_value[known]).mean()))
    mean = mean_value[known] / unit

    def likelihood(parameters: Array) -> tuple[float, Array]:
        p, q, gamma = parameters
        seen, drawn = np.log(gamma + x * mean), p * x + q
        likely = (
            gammaln(drawn)
            - gammaln(p * x)
            - gammaln(q)
            + q * np.log(gamma)
            + p * x * np.log(x * mean)
            - np.log(mean)
            - drawn * seen
        )
        slopes = (
            x * (digamma(drawn) - digamma(p * x) + np.log(x * mean) - seen),
            digamma(drawn) - digamma(q) + np.log(gamma) - seen,
            q / gamma - drawn / (gamma + x * mean),
        )
        return float(likely.mean()), np.array([slope.mean() for slope in slopes])

    p, q, gamma = most_likely(likelihood, np.ones(3))
    return GammaGamma(float(p), float(q), float(gamma * unit), float(mean_value[known].mean()))
