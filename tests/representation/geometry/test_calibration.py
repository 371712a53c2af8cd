"""Rates over simulated studies: false positives and coverage of the geometry analyses.

The full set (2,000 studies each) is `benchmarks/calibration_geometry.py`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import marr
from marr.representation import dimensionality, geometry
from marr.representation._geometry import _dichotomy_kernel as kernel
from marr.representation._geometry import _dimension_kernel as pr
from marr.representation._geometry._dimension_methods import Points, Settings
from marr.representation._geometry._geometry_job import _generalization
from marr.representation._geometry._space import make_space
from marr.stats import permutation_p

pytestmark = pytest.mark.slow
N_STUDIES = 2_000


def not_above(hits, alpha=0.05):
    """Tell whether so many hits are within binomial tolerance of a rate."""
    return stats.binomtest(int(np.sum(hits)), len(hits), alpha, alternative="greater").pvalue > 0.001  # fmt: skip


def not_below(hits, level=0.95):
    return stats.binomtest(int(np.sum(hits)), len(hits), level, alternative="less").pvalue > 0.001  # fmt: skip


@pytest.mark.parametrize("n_trials", [30, 80])
def test_participation_ratio_is_covered(n_trials):
    from marr.representation._geometry._dimension_job import _reach

    rng = np.random.default_rng(0)
    spread = np.exp(-np.arange(20) / 4)
    truth = spread.sum() ** 2 / (spread**2).sum()
    settings = Settings(10, 0.1, 0.9, 0, 3, False, 0)
    hits, ratios = [], []
    for _ in range(N_STUDIES):
        x = rng.normal(size=(n_trials, 20)) * np.sqrt(spread)
        value = pr.moments(x).ratio()
        points = Points(x[None], np.arange(n_trials) % 15)
        low, high = _reach(points, "participation_ratio", settings, None, value)
        hits.append(low <= truth <= high)
        ratios.append(value)
    assert not_below(hits, 0.94 if n_trials < 50 else 0.95)
    assert np.mean(ratios) / truth == pytest.approx(1, abs=0.03)


def test_independent_units_are_seldom_called_dependent():
    rng, p = np.random.default_rng(1), []
    for i in range(N_STUDIES):
        x = rng.normal(size=(40, 8)) * np.exp(rng.normal(size=8))
        system = marr.from_arrays({"A": x}, pd.DataFrame({"a": np.arange(40)}))
        found = dimensionality(
            system, method="participation_ratio", n_permutations=39, seed=i
        )
        p.append(float(found.estimate["p_value"].values[0, 0]))
    assert not_above(np.array(p) <= 0.05)


def test_random_geometry_is_seldom_called_abstract():
    rng, p = np.random.default_rng(2), []
    signs, pairs = np.array([[-1.0, 1.0, -1.0, 1.0]]), [[(0, 1), (2, 3)]]
    for _ in range(N_STUDIES // 4):
        codes = np.arange(60) % 4
        x = rng.normal(size=(4, 12))[codes] + rng.normal(size=(60, 12))
        space = make_space(x, codes, np.arange(60) // 4 % 5, 4)
        at = space.centroids(39, rng)
        seen = _generalization(
            space,
            lambda f, _, s=space: s.reweighted(f, np.ones((1, 60))),
            1,
            signs,
            pairs,
        )
        null = _generalization(
            space, lambda f, q, s=space, c=at: s.moved(f, c[q]), 39, signs, pairs
        )
        p.append(float(permutation_p(seen[0], null)[0]))
    assert not_above(np.array(p) <= 0.05)


def test_what_is_not_coded_is_seldom_decoded_and_intervals_cover():
    rng = np.random.default_rng(3)
    ways = rng.normal(size=(3, 12)) / np.sqrt(12)
    wrong, rows = [], []
    for i in range(N_STUDIES // 10):
        codes = rng.permutation(np.arange(60) % 4)
        s = np.stack([codes % 2, codes // 2], axis=1) * 2.0 - 1
        table = pd.DataFrame({"a": s[:, 0], "b": s[:, 1]})
        x = 3 * np.outer(s[:, 1], ways[0]) + rng.normal(size=(60, 12))
        found = geometry(
            marr.from_arrays({"A": x}, table),
            variables=["a", "b"],
            n_permutations=39,
            n_resamples=10,
            seed=i,
        ).estimate.sel(site="A")
        wrong.append(
            [
                float(found["p_value"].sel(quantity=q))
                for q in ("decoding: a", "decoding: a xor b")
            ]
        )
        signs = np.column_stack([s, s.prod(axis=1)]) * [2.0, 2.0, 1.0]
        x = signs @ ways + rng.normal(size=(60, 12))
        found = geometry(
            marr.from_arrays({"A": x}, table),
            variables=["a", "b"],
            n_permutations=0,
            n_resamples=50,
            seed=i,
        ).estimate.sel(site="A")
        rows.append(
            [
                [float(found[k].sel(quantity=q)) for k in ("estimate", "ci_low", "ci_high")]
                for q in ("decoding: a", "CCGP: a")
            ]
        )  # fmt: skip
    for p in np.array(wrong).T:
        assert not_above(p <= 0.05)
    for value, low, high in np.array(rows).transpose(1, 2, 0):
        assert not_below((low <= value.mean()) & (value.mean() <= high))


def test_three_linear_variables_over_many_studies():
    """Seven of 35 in nearly all studies; never many more."""
    rng, shares = np.random.default_rng(4), []
    signs, _ = kernel.balanced_dichotomies(8, 100, 0)
    for _ in range(100):
        codes = np.arange(240) % 8
        s = np.stack([(codes >> i) & 1 for i in range(3)], axis=1) * 2.0 - 1
        x = s @ rng.normal(size=(3, 40)) + rng.normal(size=(240, 40))
        space = make_space(x, codes, np.arange(240) // 8 % 5, 8)
        total, rows = 0.0, 0.0
        for fold in space.folds:
            right, count = kernel.fold_correct(*space.relabeled(fold, codes[None]), signs)  # fmt: skip
            total, rows = total + right, rows + count
        shares.append(((total / rows[..., None]).min(axis=1) > 0.5).sum())
    assert np.median(shares) == 7
    assert np.max(shares) <= 10
