"""Weighted summaries and posterior-predictive checks."""

from __future__ import annotations

import numpy as np
import pytest
from planted import CONTRASTS, logistic
from scipy import stats

from marr.behavior._summary_kernel import (
    check_fit,
    difference,
    equal_tails,
    quantiles,
    shortest,
    two_sided_p,
)

N = 20_000
FLAT = np.full(N, 1 / N)
SPREAD = (np.arange(N) + 0.5) / N


def test_weighted_quantiles_equal_those_of_repeated_values(rng):
    values = rng.normal(size=40)
    times = rng.integers(1, 50, 40)
    got = quantiles(values, times / times.sum(), np.array([0.1, 0.5, 0.9]))
    expected = np.quantile(np.repeat(values, times), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(got, expected, atol=0.1)
    assert np.array_equal(
        quantiles(values, np.full(40, 1 / 40), np.array([0.0, 1.0])),
        [values.min(), values.max()],
    )


def test_equal_tails_of_a_normal():
    low, high = equal_tails(stats.norm.ppf(SPREAD), FLAT)
    assert (low, high) == (
        pytest.approx(-1.96, abs=0.01),
        pytest.approx(1.96, abs=0.01),
    )


def test_shortest_interval_starts_at_the_bound_only_where_density_peaks_there():
    falling = stats.expon.ppf(SPREAD)
    assert shortest(falling, FLAT) == (0.0, pytest.approx(np.log(20), rel=0.01))
    hill = stats.gamma.ppf(SPREAD, 6)
    low, high = shortest(hill, FLAT)
    assert low > 0
    density = stats.gamma.pdf([low, high], 6)
    assert density[0] == pytest.approx(density[1], rel=0.1)
    assert stats.gamma.cdf(high, 6) - stats.gamma.cdf(low, 6) == pytest.approx(
        0.95, abs=0.002
    )


def test_p_is_twice_the_tail_and_has_a_floor():
    z = stats.norm.ppf(SPREAD, loc=2)
    assert two_sided_p(z, FLAT, 0.0, float(N)) == pytest.approx(
        2 * stats.norm.cdf(-2), abs=3e-4
    )
    assert two_sided_p(z, FLAT, -50.0, 999.0) == pytest.approx(2 / 1000)
    assert two_sided_p(z, FLAT, 2.0, float(N)) == pytest.approx(1, abs=0.01)


def test_difference_of_independent_draws(rng):
    a, b = rng.normal(1, 1, N), rng.normal(0, 1, N)
    middle, low, high, p = difference(a, b, float(N))
    assert middle == pytest.approx(1, abs=0.03)
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(2), rel=0.03)
    assert p == pytest.approx(2 * stats.norm.cdf(-1 / np.sqrt(2)), abs=0.02)


def _checked(seed, *, shift=0.0, misfit=False, n=800):
    rng = np.random.default_rng(seed)
    x = rng.choice(CONTRASTS, n)
    clusters = np.arange(n) % 8
    p = logistic(
        x + shift * stats.norm.ppf((clusters + 0.5) / 8), 0.05, 0.8, 0.03, 0.03
    )
    if misfit:
        p = np.where(np.abs(x) == 0.25, 1 - p, p)
    y = (rng.random(n) < p).astype(float)
    theta = np.tile([0.05, 0.8, 0.03, 0.03, 0.0], (300, 1))
    bins = np.unique(x, return_inverse=True)[1]
    return check_fit(x, y, bins, clusters, theta, "logistic", seed)


def test_checks_are_calibrated_at_the_truth():
    checks = [_checked(seed) for seed in range(120)]
    for name in ("deviance_p", "spread_p"):
        p = np.array([getattr(c, name) for c in checks])
        assert stats.kstest(p, "uniform").pvalue > 0.001, name
    assert np.mean([c.spread for c in checks]) == pytest.approx(1, abs=0.15)
    assert np.mean([c.deviance for c in checks]) == pytest.approx(
        len(CONTRASTS), rel=0.1
    )


def test_checks_see_misfit_and_shifted_clusters():
    assert _checked(1, misfit=True).deviance_p < 0.01
    shifted = _checked(2, shift=0.3)
    assert shifted.spread_p < 0.01
    assert shifted.spread > 2
