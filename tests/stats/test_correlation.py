from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from marr.errors import ContractError, StatisticsError
from marr.stats import (
    correlation,
    freedman_lane,
    partial_correlation,
    permutations,
    rank_correlation,
    ranks,
)


def test_ranks_equal_scipy_with_ties(rng):
    values = rng.integers(0, 6, (40, 3, 2))
    assert ranks(values) == pytest.approx(stats.rankdata(values, axis=0))


def test_correlations_equal_scipy_and_broadcast(rng):
    x, y = rng.normal(size=30), rng.integers(0, 4, (30, 5)).astype(float)
    pearson = [stats.pearsonr(x, c)[0] for c in y.T]
    spearman = [stats.spearmanr(x, c)[0] for c in y.T]
    assert correlation(x, y) == pytest.approx(pearson)
    assert rank_correlation(x, y) == pytest.approx(spearman)
    assert rank_correlation(y[:, 0], y) == pytest.approx(
        [stats.spearmanr(y[:, 0], c)[0] for c in y.T]
    )
    assert correlation(x, x).shape == ()


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_partial_correlation_is_that_of_residuals(rng, method):
    z = rng.normal(size=(50, 3))
    x, y = z @ [1, 2, 0] + rng.normal(size=50), z @ [0, 1, 1] + rng.normal(size=50)
    a, b, c = (
        (x, y, z)
        if method == "pearson"
        else (stats.rankdata(x), stats.rankdata(y), stats.rankdata(z, axis=0))
    )
    design = np.column_stack([np.ones(50), c])
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (a, b)]
    wanted = stats.pearsonr(*left)[0]
    assert partial_correlation(x, y, z, method=method) == pytest.approx(wanted)
    twice = np.hstack([z, z, np.ones((50, 1))])  # repeated and constant controls
    assert partial_correlation(x, y, twice, method=method) == pytest.approx(wanted)


def test_a_common_cause_explains_the_correlation_away(rng):
    z = rng.normal(size=5000)
    x, y = z + rng.normal(size=5000), z + rng.normal(size=5000)
    assert correlation(x, y) > 0.45
    assert abs(partial_correlation(x, y, z)) < 0.05


def test_what_is_constant_given_the_controls_has_no_correlation(rng):
    z = rng.normal(size=20)
    assert np.isnan(partial_correlation(2 * z + 1, rng.normal(size=20), z))
    assert np.isnan(correlation(np.ones(9), np.arange(9)))


def test_freedman_lane_equals_refitting_each_shuffle(rng):
    z = rng.normal(size=(30, 2))
    x, y = z[:, 0] + rng.normal(size=30), z @ [1, 1] + rng.normal(size=30)
    permuted = permutations(30, n_permutations=40, seed=5)
    test = freedman_lane(x, y, z, permuted=permuted)
    design = np.column_stack([np.ones(30), z])
    fit = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    for row, r in zip(permuted, test.null, strict=True):
        assert partial_correlation(x, fit + (y - fit)[row], z) == pytest.approx(r)
    assert test.statistic == pytest.approx(partial_correlation(x, y, z))


def test_freedman_lane_finds_what_is_there(rng):
    z = rng.normal(size=60)
    x = z + rng.normal(size=60)
    y = x + z + rng.normal(size=60)
    assert freedman_lane(x, y, z, n_permutations=500, method="spearman").p_value < 0.01
    group = np.repeat([0, 1], 30)
    again = freedman_lane(x, y, z, n_permutations=500, within=group, tail="greater")
    assert again.p_value < 0.01


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: correlation([1, 2, 3, np.nan], [1, 2, 3, 4]), ContractError, "1 NaN"),
        (lambda: correlation([1, 2, 3], [1, 2, 3, 4]), ContractError, "first axis"),
        (
            lambda: correlation(np.ones((4, 2)), np.ones((4, 3))),
            ContractError,
            "broadc",
        ),
        (lambda: correlation([1, 2], [1, 2]), StatisticsError, "at least 3"),
        (
            lambda: partial_correlation([1, 2, 3, 4], [1, 2, 3, 4], [1, 2]),
            ContractError,
            "z must",
        ),
        (
            lambda: freedman_lane(np.ones((9, 2)), np.ones(9), np.ones(9)),
            ContractError,
            "x and y must",
        ),
        (
            lambda: freedman_lane(np.arange(9), np.arange(9), np.ones(9), permuted=[1]),
            ContractError,
            "permuted must",
        ),
    ],
)
def test_bad_input_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()
