"""mixed_selectivity: shares against matched populations, categories, the lasso."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Lasso, LassoCV
from sklearn.model_selection import PredefinedSplit

import marr
from marr.representation import mixed_selectivity
from marr.representation._units._mixed_fit import lasso_cv
from marr.representation._units._mixed_kernel import (
    lasso,
    lasso_penalties,
    matched_shares,
    pair_correlations_of,
)


def study(rng, weights, noise, n=120, product=None):
    """Trials of two variables; each unit follows them by its weights."""
    a, b = np.repeat([-1, 1], n // 2), np.tile([-1, 1], n // 2)
    signal = np.outer(a, weights[:, 0]) + np.outer(b, weights[:, 1])
    if product is not None:
        signal = signal + np.outer(a * b, product)
    x = signal + noise * rng.normal(size=signal.shape)
    order = rng.permutation(n)
    table = pd.DataFrame(
        {"goal": np.array(["x", "y"])[(a > 0).astype(int)], "choice": b}
    )
    return marr.from_arrays({"net": x[order]}, table.iloc[order].reset_index(drop=True))


BOTH = {"variables": ["goal", "choice"]}


# -- kernels -------------------------------------------------------------------------


def test_the_lasso_is_scikit_learns(rng):
    x = rng.normal(size=(60, 8))
    x -= x.mean(axis=0)
    y = x[:, :2] @ rng.normal(size=(2, 5)) + rng.normal(size=(60, 5))
    y -= y.mean(axis=0)
    penalty = np.array([0.01, 0.1, 0.3, 0.6, 5.0])
    found = lasso(x.T @ x / 60, x.T @ y / 60, penalty)
    for u in range(5):
        peer = Lasso(alpha=penalty[u], tol=1e-12, max_iter=100_000).fit(x, y[:, u])
        np.testing.assert_allclose(found[:, u], peer.coef_, atol=1e-7)
    fold = np.arange(60) * 5 // 60
    grid = lasso_penalties(x.T @ y / 60, 30)
    chosen = lasso_cv(x, y)
    for u in range(5):
        peer = LassoCV(
            alphas=grid[:, u], cv=PredefinedSplit(fold), tol=1e-10, max_iter=100_000
        )
        peer.fit(x, y[:, u])
        np.testing.assert_allclose(chosen[:, u], peer.coef_, atol=1e-6)


@pytest.mark.parametrize(
    ("noise", "total", "r"),
    [
        (0.1, 0.98, -0.98),
        (0.4, 0.83, -0.82),
        (0.95, 0.56, -0.53),
        (2.1, 0.26, -0.24),
        (4.0, 0.1, -0.1),
    ],
)
def test_shares_of_independent_tuning_correlate_by_construction(rng, noise, total, r):
    """The more is explained, the more negative r, though the tuning is independent."""
    signal = rng.normal(size=(40_000, 2)) ** 2
    whole = signal.sum(axis=1) + noise**2
    shares = signal / whole[:, None]
    assert shares.sum(axis=1).mean() == pytest.approx(total, abs=0.01)
    found = pair_correlations_of(shares)[0]
    assert found == pytest.approx(r, abs=0.02)
    order = rng.permuted(np.tile(np.arange(40_000)[:, None], (1, 2)), axis=0)
    matched = matched_shares(shares, noise**2 / whole, order)
    assert pair_correlations_of(matched)[0] == pytest.approx(found, abs=0.02)
    assert abs(pair_correlations_of(signal)[0]) < 0.03


# -- known answers -------------------------------------------------------------------


def test_independent_tuning_is_negative_and_called_nothing(rng):
    found = mixed_selectivity(study(rng, rng.normal(size=(80, 2)), 0.5), **BOTH)
    at = found.estimate.isel(pairing=0)
    assert float(at["estimate"]) < -0.5
    assert float(at["p_corrected"]) > 0.05
    assert "as independent tuning does" in found.summary
    assert abs(float(at["raw_r"])) < 0.3
    assert float(at["total_share"]) == pytest.approx(
        float(at["null_total_share"]), abs=0.05
    )
    assert found.generalizes_over == "units (n = 80)"


def test_pure_populations_are_apart_and_coupled_ones_together(rng):
    weights = rng.normal(size=(80, 2))
    pure = weights * np.eye(2)[np.arange(80) % 2]
    found = mixed_selectivity(study(rng, pure, 1.0), **BOTH)
    assert float(found.estimate["p_corrected"][0]) < 0.01
    assert float(found.estimate["excess"][0]) < 0
    assert "apart" in found.summary
    together = weights[:, :1] * np.array([1.0, -1.0])
    found = mixed_selectivity(study(rng, together, 1.0), **BOTH)
    assert float(found.estimate["p_corrected"][0]) < 0.01
    assert float(found.estimate["excess"][0]) > 0
    assert "together" not in found.summary
    assert "more than independent tuning" in found.summary


@pytest.mark.parametrize("method", ["drop", "lasso"])
def test_categories_are_recovered(rng, method):
    weights = np.array(
        [[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4 + [[1.0, 1.0]] * 4 + [[0, 0]] * 8
    )
    product = np.r_[np.zeros(12), np.ones(4), np.zeros(4)]
    found = mixed_selectivity(
        study(rng, weights, 1.0, product=product), method=method, **BOTH
    )
    units = found.tables["unit"]
    planted = ["pure goal", "pure choice", "linear mixed", "nonlinear mixed", "none"]
    right = units["category"].values == np.repeat(planted, [4, 4, 4, 4, 4])
    assert right.sum() >= 17  # a false discovery or two of 60 tests
    np.testing.assert_allclose(units["share_goal"].values[:4], 0.5, atol=0.2)
    np.testing.assert_allclose(units["share_choice"].values[8:12], 0.33, atol=0.15)
    np.testing.assert_allclose(units["share_interaction"].values[12:16], 0.5, atol=0.2)
    np.testing.assert_allclose(units["share_interaction"].values[:12], 0, atol=0.06)
    assert found.tables["category"]["estimate"].sum() == 20
    assert found.tables["selectivity"].sizes == {"variable": 3, "unit": 20}
    assert ("achterberg2023" in found.citations) == (method == "lasso")


@pytest.mark.slow
def test_independent_tuning_is_called_at_the_level(rng):
    """2,000 studies, at four levels of noise."""
    p = []
    for i in range(2000):
        system = study(rng, rng.normal(size=(40, 2)), (0.2, 0.7, 1.5, 3.0)[i % 4], n=60)
        found = mixed_selectivity(system, n_permutations=0, **BOTH)
        p.append(float(found.estimate["p_value"][0]))
    assert np.mean(np.array(p) <= 0.05) < 0.065


def test_units_whose_angle_and_speed_change_within_trials(rng):
    mouse = marr.datasets.mouse_heading()
    found = mixed_selectivity(mouse, variables=["heading", "speed"], n_permutations=50)
    units = found.tables["unit"]
    adn = units["site"].values == "adn"
    assert units["share_heading"].values[adn].min() > 0.15
    assert units["share_speed"].values[adn].max() < 0.05
    assert "time bins" in found.methods


# -- caveats and bad input -----------------------------------------------------------


def test_shares_that_sum_to_one_are_flagged(rng):
    found = mixed_selectivity(study(rng, rng.normal(size=(30, 2)), 0.01), **BOTH)
    assert float(found.estimate["estimate"][0]) < -0.95
    assert any(n.code == "shares_compete" for n in found.notes)


def test_few_units_are_said(rng):
    found = mixed_selectivity(study(rng, rng.normal(size=(5, 2)), 0.5), **BOTH)
    assert any(n.code == "few_units" for n in found.notes)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"variables": ["goal"]}, "at least 2"),
        ({"variables": ["goal", "goal"]}, "different"),
        ({"variables": ["goal", "chioce"]}, "choice"),
        ({"variables": ["goal", "choice"], "method": "anova"}, "lasso"),
        ({"variables": ["goal", "flat"]}, "constant"),
    ],
)
def test_bad_input_is_named(rng, given, words):
    system = study(rng, rng.normal(size=(10, 2)), 0.5)
    system = marr.from_arrays(
        {"net": system.activity("net")}, system.trials.assign(flat=1.5)
    )
    with pytest.raises(marr.MarrError, match=words):
        mixed_selectivity(system, **given)


def test_too_few_units_are_refused(rng):
    with pytest.raises(marr.MarrError, match="at least 4"):
        mixed_selectivity(study(rng, rng.normal(size=(3, 2)), 0.5), **BOTH)


def test_same_seed_and_figures(rng):
    system = study(rng, rng.normal(size=(12, 2)), 0.5)
    a, b = (mixed_selectivity(system, n_permutations=50, **BOTH) for _ in range(2))
    assert a.id == b.id
    for i in range(2):
        assert a.figure(i).data
