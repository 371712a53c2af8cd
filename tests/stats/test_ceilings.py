from __future__ import annotations

import numpy as np
import pytest

from marr.errors import ContractError, StatisticsError
from marr.stats import (
    correlation,
    noise_ceiling,
    random_halves,
    rank_correlation,
    spearman_brown,
    split_half_floor,
    split_half_reliability,
)


def test_spearman_brown_predicts_longer_tests():
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(0.5, factor=4) == pytest.approx(0.8)
    assert spearman_brown(spearman_brown(0.3), factor=0.5) == pytest.approx(0.3)
    assert np.isnan(spearman_brown(-1.0))


def test_reliability_recovers_signal_and_noise_variance(rng):
    signal = rng.normal(size=(1, 3000, 2))
    repeats = signal + np.array([1.0, 3.0]) * rng.normal(size=(8, 3000, 2))
    wanted = 1 / (1 + np.array([1.0, 9.0]) / 8)
    for method in ("pearson", "spearman"):
        got = split_half_reliability(repeats, n_splits=20, method=method)
        assert got == pytest.approx(wanted, abs=0.04)
    # its root is the correlation of the mean with the truth
    truth = correlation(signal[0], repeats.mean(0))
    assert np.sqrt(split_half_reliability(repeats)) == pytest.approx(truth, abs=0.02)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_ceiling_equals_its_definition(rng, method):
    subjects = rng.normal(size=40) + rng.normal(size=(7, 40))
    compare = correlation if method == "pearson" else rank_correlation
    if method == "spearman":
        scaled = np.argsort(np.argsort(subjects, axis=1), axis=1).astype(float)
    else:
        scaled = subjects
    scaled = scaled - scaled.mean(1, keepdims=True)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    upper = [correlation(s, scaled.mean(0)) for s in scaled]
    lower = [
        correlation(s, np.delete(scaled, i, 0).mean(0)) for i, s in enumerate(scaled)
    ]
    got = noise_ceiling(subjects, method=method)
    assert got.upper == pytest.approx(np.mean(upper))
    assert got.lower == pytest.approx(np.mean(lower))
    assert compare(subjects[0], subjects[1]) < got.upper


def test_the_true_model_lies_between_the_bounds(rng):
    inside = 0
    for _ in range(200):
        truth = rng.normal(size=200)
        subjects = truth + rng.normal(size=(12, 200))
        ceiling = noise_ceiling(subjects)
        score = np.mean(correlation(truth, subjects.T))
        inside += ceiling.lower <= score <= ceiling.upper
    assert inside >= 195


def test_halves_are_even_within_strata_and_keep_groups(rng):
    condition, group = np.repeat([0, 1], [12, 8]), np.arange(20) // 2
    split = random_halves(20, n_splits=50, seed=0, groups=group, within=condition)
    assert np.all(split[:, ::2] == split[:, 1::2])
    assert np.all(split[:, :12].sum(1) == 6)
    assert np.all(split[:, 12:].sum(1) == 4)
    assert len(np.unique(split, axis=0)) > 20


def test_a_distance_between_equal_samples_equals_its_floor(rng):
    def distance(a, b):
        return np.linalg.norm(a.mean(0) - b.mean(0))

    a, b = rng.normal(size=(400, 20)), rng.normal(size=(400, 20))
    floor = split_half_floor(a, distance, n_splits=200)
    assert floor.mean() == pytest.approx(distance(a[:200], b[:200]), rel=0.5)
    assert floor.mean() == pytest.approx(np.sqrt(20 * 2 / 200), rel=0.1)
    assert distance(a[:200], b[:200] + 0.5) > floor.max()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: split_half_reliability(np.ones((1, 9))), StatisticsError, "n_repeats"),
        (lambda: noise_ceiling(np.ones((3, 5))), StatisticsError, "constant"),
        (lambda: noise_ceiling(np.ones(5)), ContractError, "subjects must"),
        (
            lambda: random_halves(3, n_splits=2, seed=0, within=[0, 0, 1]),
            StatisticsError,
            "every stratum",
        ),
        (
            lambda: random_halves(
                4, n_splits=2, seed=0, groups=[0, 0, 1, 1], within=[0, 1, 1, 1]
            ),
            StatisticsError,
            "span strata",
        ),
    ],
)
def test_bad_input_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()
