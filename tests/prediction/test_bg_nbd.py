"""The two models of the literature against the figures that their authors published."""

from datetime import date

import numpy as np
import pytest
from shopping import Facts, cdnow, facts_of

from dagster_project.prediction import bg_nbd, gamma_gamma


@pytest.fixture(scope="module")
def sample() -> Facts:
    """2,357 customers of CDNOW after 39 weeks, the data of Fader, Hardie and Lee (2005)."""
    return facts_of(cdnow("CDNOW_sample.txt"), date(1997, 9, 30))


@pytest.mark.parametrize("unit", [1, 7])
def test_the_fit_is_the_published_one_in_weeks_and_in_days(sample: Facts, unit: int) -> None:
    weeks = 7 / unit
    fitted = bg_nbd.fit(sample.repeats, sample.recency / weeks, sample.age / weeks)
    assert len(sample) == 2357
    assert fitted.r == pytest.approx(0.243, abs=0.0005)
    assert fitted.alpha == pytest.approx(4.414 * unit, abs=0.0005 * unit)
    assert fitted.a == pytest.approx(0.793, abs=0.0005)
    assert fitted.b == pytest.approx(2.426, abs=0.0005)
    if unit == 1:
        assert fitted.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    someone = (np.array([2.0]), np.array([30.43]) * unit, np.array([38.86]) * unit)
    (expected,) = fitted.expected_purchases(*someone, days=39 * unit)
    assert expected == pytest.approx(1.226, abs=0.0005)


def test_slopes_are_those_of_the_likelihood() -> None:
    states = (np.array([0.0, 1, 2, 40]), np.array([0.0, 3, 10, 50]), np.array([4.0, 3, 12, 60]))
    at = np.array([0.3, 5.0, 0.9, 2.0])
    _, slopes = bg_nbd._log_likelihoods(at, *states)
    for which in range(4):
        step = np.zeros(4)
        step[which] = 1e-6
        higher, _ = bg_nbd._log_likelihoods(at + step, *states)
        lower, _ = bg_nbd._log_likelihoods(at - step, *states)
        np.testing.assert_allclose(slopes[which], (higher - lower) / 2e-6, rtol=1e-5, atol=1e-7)


def test_what_is_expected_is_what_a_simulation_brings() -> None:
    """Customers drawn by the model's own law, known for a year, and what they do in half a year."""
    law = bg_nbd.BgNbd(0.8, 20.0, 0.9, 4.0, 0.0)
    random = np.random.default_rng(5)
    people, age, ahead = 40_000, 365.0, 180.0
    states, later = np.zeros((people, 2)), np.zeros(people)
    for person in range(people):
        rate, leaves = random.gamma(law.r, 1 / law.alpha), random.beta(law.a, law.b)
        gaps = random.exponential(1 / rate, size=1 + random.geometric(leaves))[:-1]
        times = np.cumsum(gaps)
        known = times[times <= age]
        states[person] = len(known), known[-1] if len(known) else 0
        later[person] = ((times > age) & (times <= age + ahead)).sum()
    repeats, recency = states.T
    now = (repeats, recency, np.full(people, age))
    expected = law.expected_purchases(*now, days=ahead)
    returns = law.return_probability(*now, days=ahead)
    assert expected.sum() == pytest.approx(later.sum(), rel=0.03)
    for part in np.array_split(np.argsort(returns, kind="stable"), 5):
        assert returns[part].mean() == pytest.approx((later[part] > 0).mean(), abs=0.015)
        assert expected[part].mean() == pytest.approx(later[part].mean(), abs=0.1)
    assert (expected >= returns - 1e-9).all()


def test_few_or_odd_customers_give_numbers() -> None:
    for states in (
        ([0.0], [0.0], [0.0]),
        ([0.0, 0.0], [0.0, 0.0], [5.0, 900.0]),
        ([300.0], [300.0], [300.0]),
        ([5000.0, 0.0], [20000.0, 0.0], [20000.0, 1.0]),
    ):
        arrays = [np.array(each) for each in states]
        fitted = bg_nbd.fit(*arrays)
        expected = fitted.expected_purchases(*arrays, days=30)
        returns = fitted.return_probability(*arrays, days=30)
        assert np.isfinite(expected).all()
        assert ((returns >= 0) & (returns <= 1)).all()
    with pytest.raises(ValueError, match="no customers"):
        bg_nbd.fit(*[np.array([])] * 3)


def test_values_are_the_published_ones() -> None:
    """p, q and gamma of the repeat purchases of CDNOW's sample (Fader and Hardie, 2013)."""
    connection = cdnow("CDNOW_sample.txt")
    connection.execute(
        "delete from intermediate.int_purchase_days where (profile_id, purchased_on) in "
        "(select (profile_id, min(purchased_on)) from intermediate.int_purchase_days "
        "group by profile_id)"
    )
    repeats = facts_of(connection, date(1997, 9, 30))
    fitted = gamma_gamma.fit(repeats.column("paid_days"), repeats.column("mean_value"))
    assert fitted is not None
    assert (fitted.p, fitted.q, fitted.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.005)
    nobody, once, often = fitted.expected_value(np.array([0.0, 1, 100]), np.array([0.0, 100, 100]))
    assert nobody == pytest.approx(fitted.usual)
    assert nobody < once < often < 100
    assert gamma_gamma.fit(np.array([0.0]), np.array([np.nan])) is None
