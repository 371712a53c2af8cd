"""The psychometric posterior against psignifit 4, under the same priors.

psignifit's posterior lives on a grid. Its means are exact; its percentile intervals
lie half a grid step too low (cumulative mass is interpolated at grid points), so they
are compared after the half step has been given back.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from marr.behavior._curve_kernel import make_cells, make_prior, psi
from marr.behavior._posterior_kernel import find_map, sample
from marr.behavior._problem_kernel import Problem
from marr.behavior._summary_kernel import equal_tails

psignifit = pytest.importorskip("psignifit")
pytestmark = pytest.mark.slow  # psignifit takes some ten seconds a fit

LEVELS = np.array([-1, -0.5, -0.25, -0.125, -0.0625, 0, 0.0625, 0.125, 0.25, 0.5, 1.0])
NAMES = ("threshold", "width", "gamma", "lambda", "eta")
CASES = {
    "lapses": ("logistic", [0.05, 0.6, 0.05, 0.08, 0.0], 600),
    "lapse at its bound": ("gaussian", [-0.1, 0.4, 0.1, 0.0, 0.0], 2000),
}
SIGMOIDS = {"logistic": "logistic", "gaussian": "norm"}


@pytest.fixture(scope="module", params=CASES)
def both(request):
    link, theta, n = CASES[request.param]
    rng = np.random.default_rng(1)
    x = rng.choice(LEVELS, n)
    y = (rng.random(n) < psi(x, np.array([theta]), link)[0][0]).astype(float)
    cells = make_cells(x, y)
    hits, total = cells.by_level()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = psignifit.psignifit(
            np.stack([cells.levels, hits, total], axis=1),
            experiment_type="yes/no", sigmoid=SIGMOIDS[link], verbose=False,
        )  # fmt: skip
    problem = Problem(
        cells, make_prior(LEVELS), link, "free", (0.0, 0.0), overdispersed=True
    )
    return peer, problem, sample(problem, seed=0)


def test_posterior_means_agree(both):
    peer, _, draws = both
    for i, name in enumerate(NAMES):
        grid = peer.parameter_values[name]
        sd = np.sqrt(np.cov(draws.theta[:, i], aweights=draws.weights))
        if grid[1] - grid[0] > sd:
            continue  # psignifit's grid is coarser than the posterior: a lapse near 0
        mean = draws.weights @ draws.theta[:, i]
        assert mean == pytest.approx(
            peer.parameter_estimate_mean[name], abs=0.2 * sd
        ), name


def test_intervals_agree_once_the_half_step_is_given_back(both):
    peer, _, draws = both
    for i, name in enumerate(NAMES[:2]):
        grid = peer.parameter_values[name]
        half = (grid[1] - grid[0]) / 2
        theirs = np.array(peer.confidence_intervals[name]["0.95"]) + half
        low, high = equal_tails(draws.theta[:, i], draws.weights)
        np.testing.assert_allclose([low, high], theirs, atol=0.04 * (high - low))


def test_mode_is_at_least_as_high(both):
    peer, problem, draws = both
    _, value, _ = find_map(problem, draws)
    theirs = np.array([[peer.parameter_estimate_MAP[name] for name in NAMES]])
    theirs[:, 2:] = np.clip(theirs[:, 2:], 0, 0.5)
    assert value >= problem.log_posterior(theirs)[0] - 1e-6
    assert value == pytest.approx(problem.log_posterior(theirs)[0], abs=0.05)
