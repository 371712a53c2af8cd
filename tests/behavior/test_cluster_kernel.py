"""Spread over clusters: influence, standard error, stretching."""

from __future__ import annotations

import numpy as np
import pytest
from planted import CONTRASTS, answers
from scipy import stats

from marr.behavior._cluster_kernel import (
    cluster_log_likelihood,
    influence,
    robust_error,
    stretch,
    stretch_factor,
    t_test,
)
from marr.behavior._curve_kernel import log_likelihood, make_cells, make_prior
from marr.behavior._posterior_kernel import sample
from marr.behavior._problem_kernel import Problem

THETA = np.array([[0.1, 0.7, 0.05, 0.02, 0.0], [0.0, 1.0, 0.1, 0.1, 0.2]])


def data(n=1200, seed=0):
    table = answers(n, seed=seed, threshold=0.1, width=0.8, low=0.05, high=0.05)
    return table.contrast.to_numpy(), (table.choice.to_numpy() > 0).astype(float)


@pytest.mark.parametrize("overdispersed", [False, True])
def test_clusters_share_out_the_log_likelihood(overdispersed, rng):
    x, y = data()
    clusters = rng.integers(0, 6, len(x))
    theta = THETA[1:] if overdispersed else THETA[:1]
    each = cluster_log_likelihood(
        theta, x, y, clusters, "logistic", overdispersed=overdispersed
    )
    whole = log_likelihood(
        theta, make_cells(x, y, clusters if overdispersed else None), "logistic"
    )
    np.testing.assert_allclose(each.sum(axis=1), whole, rtol=1e-10)


def test_influence_is_the_move_of_the_mean_when_a_cluster_counts_more():
    x, y = data(900)
    clusters = np.arange(900) % 9
    prior = make_prior(CONTRASTS)

    def draws(x, y):
        return sample(Problem(make_cells(x, y), prior, "logistic"), seed=0)

    base = draws(x, y)
    equal = base.resample(8000, np.random.default_rng(0))
    moves = influence(
        equal[:, :1].copy(), equal, x, y, clusters, "logistic", overdispersed=False
    )[0]
    for g in (0, 4):
        again = draws(np.append(x, x[clusters == g]), np.append(y, y[clusters == g]))
        moved = again.weights @ again.theta[:, 0] - base.weights @ base.theta[:, 0]
        assert moves[g] == pytest.approx(moved, abs=0.25 * np.abs(moves).max())
    # blocks of clusters do not change the result
    many = influence(
        equal[:500, :1].copy(),
        equal[:500],
        x,
        y,
        np.arange(900),
        "logistic",
        overdispersed=False,
    )
    assert many.shape == (1, 900)
    in_nine = np.bincount(clusters, many[0])
    few = influence(
        equal[:500, :1].copy(),
        equal[:500],
        x,
        y,
        clusters,
        "logistic",
        overdispersed=False,
    )
    np.testing.assert_allclose(in_nine, few[0], atol=1e-12)


def test_robust_error_of_a_mean_is_its_standard_error(rng):
    values = rng.normal(size=30)
    moves = (values - values.mean())[None] / 30
    assert robust_error(moves)[0] == pytest.approx(stats.sem(values))
    there = np.arange(30) < 1
    assert np.isnan(robust_error(moves, there)[0])


def test_stretching_keeps_the_center_and_the_bounds(rng):
    draws = rng.beta(4, 9, 4000)
    middle = float(np.median(draws))
    wide = stretch(draws, middle, 3.0, "logit")
    assert np.median(wide) == pytest.approx(middle, abs=1e-3)
    assert wide.min() > 0
    assert wide.max() < 1
    assert np.std(np.log(wide / (1 - wide))) == pytest.approx(
        3 * np.std(np.log(draws / (1 - draws))), rel=1e-6
    )
    slopes = -np.exp(rng.normal(size=4000))
    wide = stretch(slopes, float(np.median(slopes)), 2.0, "log")
    assert (wide < 0).all()
    assert stretch(slopes, -1.0, 1.0, "log") is slopes


def test_factor_never_narrows_and_knows_few_clusters():
    factors = stretch_factor(np.array([0.1, 1.0, np.nan]), np.ones(3), 6)
    expected = stats.t.ppf(0.975, 5) / stats.norm.ppf(0.975)
    np.testing.assert_allclose(factors, [1.0, expected, 1.0])
    np.testing.assert_array_equal(stretch_factor(np.ones(2), np.ones(2), 1), [1, 1])


def test_t_test_equals_scipys(rng):
    values = rng.normal(0.4, 1, 9)
    p = t_test(float(values.mean()), float(stats.sem(values)), 9)
    assert p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert t_test(1.0, 0.0, 9) == 0.0
