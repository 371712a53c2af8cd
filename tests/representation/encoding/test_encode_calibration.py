"""Encoding: false positives at their level, intervals that cover, 2,000 studies each.

A study is a unit; units of a simulated recording are independent given the features. The
same simulations, and more, are in benchmarks/calibration_encode.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import marr
from marr.representation import encode

UNITS = 500


def slow_series(rng, n, k, phi=0.9):
    x = rng.normal(size=(n, k))
    for t in range(1, n):
        x[t] = phi * x[t - 1] + np.sqrt(1 - phi**2) * x[t]
    return x


def few_features(rng):
    return rng.normal(size=(60, UNITS)), None, rng.normal(size=(60, 5)), {}


def correlations(rng):
    y, table, x, _ = few_features(rng)
    return y, table, x, {"score": "pearson"}


def many_features(rng):
    return rng.normal(size=(30, UNITS)), None, rng.normal(size=(30, 60)), {}


def repeated_stimuli(rng):
    counts = rng.integers(1, 6, 30)
    stimulus = rng.permutation(np.repeat(np.arange(30), counts))
    y = rng.normal(size=(30, UNITS))[stimulus]
    y += rng.normal(size=y.shape)
    return y, None, rng.normal(size=(30, 8))[stimulus], {}


def drift(rng):
    return slow_series(rng, 100, UNITS), None, slow_series(rng, 100, 3), {}


def classes_in_runs(rng):
    run = np.repeat(np.arange(8), 12)
    y = rng.normal(size=(96, UNITS)) + 2 * rng.normal(size=(8, UNITS))[run]
    table = pd.DataFrame({"session": run, "kind": np.tile(list("abcd"), 24)})
    return y, table, "kind", {}


def constant_in_runs(rng):
    run = np.repeat(np.arange(12), 8)
    y = rng.normal(size=(96, UNITS)) + rng.normal(size=(12, UNITS))[run]
    return y, pd.DataFrame({"session": run}), rng.normal(size=(12, 3))[run], {}


NULLS = {
    few_features: "free",
    correlations: "free",
    many_features: "free",
    repeated_stimuli: "block",
    drift: "shift",
    classes_in_runs: "within",
    constant_in_runs: "block",
}


@pytest.mark.slow
@pytest.mark.parametrize("study", NULLS, ids=lambda s: s.__name__)
def test_false_positives(study):
    found = []
    for seed in range(4):
        y, table, x, options = study(np.random.default_rng(seed))
        result = encode(
            marr.from_arrays({"a": y}, table),
            x,
            n_permutations=99,
            ceiling="none",
            correction="fdr",
            seed=seed,
            **options,
        )
        assert result.parameters["null"] == NULLS[study]
        found.append(result.estimate["p_value"].values)
    p = np.concatenate(found)
    wrong = int((p <= 0.05).sum())
    assert binom.sf(wrong - 1, p.size, 0.05) > 0.001, wrong / p.size
    assert wrong / p.size > 0.02  # and not by never rejecting


@pytest.mark.slow
def test_drift_that_is_exchanged_freely_rejects_too_often():
    y, table, x, _ = drift(np.random.default_rng(0))
    result = encode(
        marr.from_arrays({"a": y}, table), x, null="free", n_permutations=99
    )
    assert (result.estimate["p_value"].values <= 0.05).mean() > 0.15


@pytest.mark.slow
def test_any_unit_of_a_family():
    """Corrected over correlated units: 2,000 families of eight."""
    wrong, n = 0, 2000
    for seed in range(n):
        rng = np.random.default_rng([seed, 1])
        y = rng.normal(size=(40, 8)) @ (np.eye(8) + 0.5)
        result = encode(
            marr.from_arrays({"a": y}),
            rng.normal(size=(40, 4)),
            penalties=[0.1, 10.0],
            n_permutations=39,
            seed=seed,
        )
        wrong += bool((result.estimate["p_corrected"] <= 0.05).any())
    assert binom.sf(wrong - 1, n, 0.05) > 0.001, wrong / n


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_intervals_cover_the_mean_score(share):
    low, high, score = [], [], []
    for seed in range(20):
        rng = np.random.default_rng([seed, 2])
        x = rng.normal(size=(100, 5))
        signal = x @ rng.normal(size=(5, 100))
        signal *= np.sqrt(share / (1 - share)) / signal.std(axis=0)
        y = signal + rng.normal(size=signal.shape)
        data = encode(marr.from_arrays({"a": y}), x, n_permutations=0).estimate
        low.append(data["ci_low"].values)
        high.append(data["ci_high"].values)
        score.append(data["estimate"].values)
    truth = np.concatenate(score).mean()
    inside = (np.concatenate(low) <= truth) & (truth <= np.concatenate(high))
    assert inside.mean() > 0.9
