from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from marr.errors import ContractError, OptionError
from marr.stats import cluster_correction, fdr, holm, max_statistic, permutation_p

TAILS = ["two", "greater", "less"]


@pytest.mark.parametrize("method", ["bh", "by"])
def test_fdr_equals_scipy(rng, method):
    p = rng.random((5, 8)) ** 2
    theirs = stats.false_discovery_control(p.ravel(), method=method).reshape(5, 8)
    assert fdr(p, method=method) == pytest.approx(theirs, abs=1e-14)


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("adjust", [fdr, holm])
def test_missing_p_values_take_no_part(adjust):
    p = np.array([0.01, np.nan, 0.04, 0.5])
    adjusted = adjust(p)
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2, 3]] == pytest.approx(adjust(p[[0, 2, 3]]))
    assert np.isnan(adjust([np.nan])).all()
    with pytest.raises(ContractError, match="between 0 and 1"):
        adjust([0.1, 1.2])


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("standardize", [True, False])
def test_max_statistic_is_never_below_the_uncorrected_p(rng, tail, standardize):
    observed, null = rng.normal(size=(4, 5)), rng.normal(size=(99, 4, 5))
    observed[0, 0] = np.nan
    corrected = max_statistic(observed, null, tail=tail, standardize=standardize)
    plain = permutation_p(observed, null, tail=tail)
    assert np.isnan(corrected[0, 0])
    assert np.all(corrected[1:] >= plain[1:] - 1e-12)
    one = max_statistic(observed[1, 1:2], null[:, 1, 1:2], tail=tail)
    assert one == pytest.approx(plain[1, 1:2])


def test_max_statistic_of_perfectly_dependent_cells_costs_nothing(rng):
    null = np.repeat(rng.normal(size=(199, 1)), 50, axis=1)
    corrected = max_statistic(np.full(50, 2.5), null, tail="greater")
    plain = float(permutation_p(2.5, null[:, 0], tail="greater"))
    assert corrected == pytest.approx(plain)


def test_standardizing_frees_quiet_cells_from_noisy_ones(rng):
    scale = np.array([1.0, 100.0])
    null, observed = scale * rng.normal(size=(199, 2)), np.array([8.0, 0.0])
    assert max_statistic(observed, null)[0] < 0.05
    assert max_statistic(observed, null, standardize=False)[0] > 0.5


def test_missing_draws_count_as_extreme(rng):
    null = rng.normal(size=(99, 3))
    null[:20] = np.nan
    assert max_statistic(np.full(3, 50.0), null, tail="greater").min() == 0.21
    clusters = cluster_correction(np.full(3, 50.0), null, threshold=1.0)
    assert clusters.min() == 0.21


def test_all_missing_stays_missing():
    assert np.isnan(max_statistic([np.nan, np.nan], np.zeros((9, 2)))).all()


def test_clusters_found_by_hand():
    observed = np.array([0, 3, 4, 0, 5, 0, -6, -6], float)
    null = np.zeros((9, 8))
    null[:, 0] = [2, 3, 4, 5, 6, 7, 8, 9, 10]  # masses over 1: 1 ... 9
    greater = cluster_correction(observed, null, threshold=1.0)
    # masses 2 + 3 = 5 and 4; of nine null masses 5 reach 5 and 6 reach 4
    assert greater == pytest.approx([1, 0.6, 0.6, 1, 0.7, 1, 1, 1])
    less = cluster_correction(observed, -null, threshold=1.0, tail="less")
    assert less == pytest.approx([1, 1, 1, 1, 1, 1, 0.1, 0.1])
    two = cluster_correction(observed, null, threshold=1.0, tail="two")
    assert two[6] == pytest.approx(0.2)


def test_cells_are_neighbors_along_the_named_axes_only():
    observed, null = np.zeros((2, 4)), np.zeros((4, 2, 4))
    observed[:, 1] = 3.0  # one cluster of two cells along axis 0, two along axis 1
    null[:, 0, 3] = 4.0
    joined = cluster_correction(observed, null, threshold=1.0)
    apart = cluster_correction(observed, null, threshold=1.0, axes=[-1])
    assert joined[0, 1] == pytest.approx(0.2)
    assert apart[0, 1] == pytest.approx(1.0)
    with pytest.raises(OptionError, match="2 axes"):
        cluster_correction(observed, null, axes=[2])


def test_a_missing_cell_parts_a_cluster():
    observed, null = np.full(5, 3.0), np.zeros((3, 5))
    observed[2] = np.nan
    null[:, 0] = 6.0  # mass 5: more than 2 + 2, less than 2 + 2 + 2 + 2
    p = cluster_correction(observed, null, threshold=1.0)
    assert p[[0, 1, 3, 4]] == pytest.approx(1.0)
    assert np.isnan(p[2])


def test_a_broad_weak_effect_needs_clusters(rng):
    """A run of small effects that no single cell shows."""
    smooth = np.exp(-0.5 * (np.arange(-3, 4)) ** 2)
    smooth /= np.linalg.norm(smooth)
    noise = np.array(
        [np.convolve(r, smooth, "same") for r in rng.normal(size=(500, 150))]
    )
    effect = np.where((np.arange(150) > 60) & (np.arange(150) < 110), 1.2, 0)
    hits = {"cluster": 0, "max": 0}
    for i in range(100):
        observed, null = noise[i] + effect, noise[100:]
        hits["cluster"] += (cluster_correction(observed, null) < 0.05).any()
        hits["max"] += (max_statistic(observed, null, tail="greater") < 0.05).any()
    assert hits["cluster"] > hits["max"] + 10
