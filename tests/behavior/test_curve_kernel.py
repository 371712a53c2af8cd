"""Links, likelihood and prior against written-out oracles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from marr.behavior._curve_kernel import (
    LINKS,
    log_likelihood,
    make_cells,
    make_prior,
    psi,
    slope_at_threshold,
)

LEVELS = np.array([-1.0, -0.5, 0.0, 0.25, 1.0])


def _gumbel(x, m, w):
    scale = w / (np.log(-np.log(0.05)) - np.log(-np.log(0.95)))
    location = m - scale * np.log(np.log(2))
    return stats.gumbel_l.cdf(x, location, scale)


def _gumbel(x, m, w):
    scale = w / (np.log(-np.log(0.05)) - np.log(-np.log(0.95)))
    location = m - scale * np.log(np.log(2))
    return stats.gumbel_l.cdf(x, location, scale)


ORACLES = {
    "logistic": lambda x, m, w: stats.logistic.cdf(x, m, w / (2 * np.log(19))),
    "gaussian": lambda x, m, w: stats.norm.cdf(x, m, w / (2 * stats.norm.ppf(0.95))),
    "weibull": _gumbel,
}


@pytest.mark.parametrize("link", LINKS)
def test_curve_equals_scipys_distribution(link, rng):
    theta = np.array([[0.1, 0.7, 0.03, 0.08, 0.0], [-0.4, 2.0, 0.0, 0.2, 0.0]])
    x = np.linspace(-1.5, 1.5, 41)
    p, q = psi(x, theta, link)
    for row, (m, w, low, high, _) in enumerate(theta):
        expected = low + (1 - low - high) * ORACLES[link](x, m, w)
        np.testing.assert_allclose(p[row], expected, atol=1e-12)
        np.testing.assert_allclose(q[row], 1 - expected, atol=1e-12)


@pytest.mark.parametrize("link", LINKS)
def test_threshold_width_and_slope_mean_what_they_say(link):
    m, w = 0.2, 0.9
    theta = np.array([[m, w, 0.0, 0.0, 0.0]])
    x = np.linspace(-3, 3, 60001)
    p = psi(x, theta, link)[0][0]
    assert psi(np.array([m]), theta, link)[0][0, 0] == pytest.approx(0.5)
    low, high = np.interp([0.05, 0.95], p, x)
    assert high - low == pytest.approx(w, abs=1e-3)
    h = 1e-6
    beside = psi(np.array([m - h, m + h]), theta, link)[0][0]
    slope = slope_at_threshold(np.array([w]), link)[0]
    assert slope == pytest.approx((beside[1] - beside[0]) / (2 * h), rel=1e-6)


def test_tails_keep_their_precision():
    p, q = psi(
        np.array([40.0, -40.0]), np.array([[0.0, 6.0, 0.0, 0.0, 0.0]]), "logistic"
    )
    assert q[0, 0] == pytest.approx(p[0, 1], rel=1e-10)
    assert 0 < q[0, 0] < 1e-16


def test_cells_count_every_trial_once(rng):
    x, y = rng.choice(LEVELS, 500), rng.integers(0, 2, 500).astype(float)
    clusters = rng.integers(0, 7, 500)
    cells = make_cells(x, y, clusters)
    assert cells.n_trials == 500
    hits, total = cells.by_level()
    for i, level in enumerate(cells.levels):
        assert total[i] == (x == level).sum()
        assert hits[i] == y[x == level].sum()
    assert make_cells(x, y).times.sum() == len(LEVELS)


@pytest.mark.parametrize("clustered", [False, True])
def test_likelihood_equals_scipys(clustered, rng):
    x, y = rng.choice(LEVELS, 300), rng.integers(0, 2, 300).astype(float)
    clusters = rng.integers(0, 4, 300) if clustered else None
    cells = make_cells(x, y, clusters)
    theta = np.array([[0.1, 0.8, 0.05, 0.02, 0.0], [0.0, 1.5, 0.1, 0.1, 0.3]])
    for row in theta:
        p = psi(cells.levels, row[None], "logistic")[0][0][cells.level]
        if row[4] == 0:
            each = stats.binom.logpmf(cells.hits, cells.total, p)
        else:
            nu = 1 / row[4] ** 2 - 1
            each = stats.betabinom.logpmf(cells.hits, cells.total, p * nu, (1 - p) * nu)
        # the package leaves out the binomial coefficients
        free = stats.binom.logpmf(cells.hits, cells.total, 0.5) + cells.total * np.log(
            2
        )
        expected = ((each - free) * cells.times).sum()
        got = log_likelihood(row[None], cells, "logistic")[0]
        assert got == pytest.approx(expected, abs=1e-8)


def test_beta_binomial_meets_the_binomial_at_zero(rng):
    cells = make_cells(rng.choice(LEVELS, 400), rng.integers(0, 2, 400).astype(float))
    theta = np.array([[0.0, 1.0, 0.05, 0.05, eta] for eta in (0.0, 1e-6, 1.1e-5, 1e-4)])
    values = log_likelihood(theta, cells, "logistic")
    assert np.ptp(values) < 1e-3


def test_extreme_parameters_stay_finite(rng):
    cells = make_cells(rng.choice(LEVELS, 100), rng.integers(0, 2, 100).astype(float))
    theta = np.array(
        [
            [0, 1e-9, 0, 0, 0],
            [0, 1e9, 0, 0, 1.0],
            [1e6, 1, 0, 0, 1 - 1e-12],
            [0, 1, 0.5, 0.5, 0.9],
        ]
    )
    for link in LINKS:
        assert np.isfinite(log_likelihood(theta, cells, link)).all()


@pytest.mark.parametrize(
    "levels", [LEVELS, np.array([0.0, 1.0]), np.array([1.0, 2, 10])]
)
def test_priors_integrate_to_one(levels):
    prior = make_prior(levels)
    spread = levels[-1] - levels[0]
    parts = {
        prior.log_threshold: np.linspace(
            levels[0] - spread, levels[-1] + spread, 40001
        ),
        prior.log_width: np.linspace(1e-6, 3.5 * spread, 40001),
        prior.log_lapse: np.linspace(0, 0.5, 4001),
        prior.log_overdispersion: np.linspace(0, 1, 4001),
    }
    for density, grid in parts.items():
        assert integrate.trapezoid(np.exp(density(grid)), grid) == pytest.approx(
            1, abs=2e-3
        )


def test_prior_quantiles_follow_the_prior_density():
    prior = make_prior(LEVELS)
    draws = prior.quantiles(np.tile(np.linspace(0.0005, 0.9995, 1000)[:, None], 5))
    for column, density, top in (
        (0, prior.log_threshold, 2.0), (1, prior.log_width, 6.0),
        (2, prior.log_lapse, 0.5), (4, prior.log_overdispersion, 1.0),
    ):  # fmt: skip
        grid = np.linspace(-2 if column == 0 else 1e-9, top, 20001)
        cdf = integrate.cumulative_trapezoid(np.exp(density(grid)), grid, initial=0)
        for q in (0.1, 0.5, 0.9):
            assert np.quantile(draws[:, column], q) == pytest.approx(
                np.interp(q, cdf, grid), abs=0.01
            )
