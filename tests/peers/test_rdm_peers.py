"""Distances and comparisons against rsatoolbox, where it is installed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.representation import rdm
from marr.representation._rsa._compare_kernel import compare_pairs
from marr.representation._rsa._rdm_kernel import (
    Whitening,
    crossnobis_pairs,
    mean_of_pairs,
    precision,
    shrinkage,
    upper,
)

rsa = pytest.importorskip("rsatoolbox", reason="rsatoolbox is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the peer


@pytest.fixture
def runs(rng):
    """Five conditions in six runs, one row each, ten channels."""
    conditions, run = np.tile(np.arange(5), 6), np.repeat(np.arange(6), 5)
    x = rng.normal(size=(30, 10)) + rng.normal(size=(5, 10))[conditions]
    return x, conditions, run


def dataset(x, conditions, run):
    return rsa.data.Dataset(
        x, obs_descriptors={"condition": conditions.tolist(), "run": run.tolist()}
    )


@pytest.mark.parametrize("distance", ["euclidean", "correlation"])
def test_distances_of_means(runs, distance):
    x, conditions, run = runs
    peer = rsa.rdm.calc_rdm(dataset(*runs), method=distance, descriptor="condition")
    table = pd.DataFrame({"condition": conditions, "session": run})
    found = rdm(
        marr.from_arrays({"A": x}, trials=table), distance=distance, n_permutations=0
    )
    mine = upper(found.estimate["estimate"].values[0])
    np.testing.assert_allclose(mine, peer.dissimilarities[0], atol=1e-12)


def test_crossnobis_with_one_noise_covariance(runs):
    """Leave one run out against the mean of the others is the mean over pairs of runs."""
    x, conditions, run = runs
    residuals = x - np.stack([x[conditions == c].mean(0) for c in range(5)])[conditions]
    w = precision(shrinkage(residuals, 25))
    peer = rsa.rdm.calc_rdm(
        dataset(*runs),
        method="crossnobis",
        descriptor="condition",
        cv_descriptor="run",
        noise=w,
    )
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    white = Whitening(pairs, np.stack([w] * len(pairs)), None)
    mine = mean_of_pairs(crossnobis_pairs(x, white, conditions, run, 5))
    np.testing.assert_allclose(upper(mine), peer.dissimilarities[0], atol=1e-12)


@pytest.mark.parametrize(
    ("comparator", "method"),
    [
        ("spearman", "spearman"),
        ("pearson", "corr"),
        ("cosine", "cosine"),
        ("kendall", "tau-b"),
    ],
)
def test_comparators(rng, comparator, method):
    a, b = (np.square(rng.normal(size=45)) for _ in range(2))
    rdms = [rsa.rdm.RDMs(v[None]) for v in (a, b)]
    peer = rsa.rdm.compare(*rdms, method=method)
    assert compare_pairs(a, b, None, comparator) == pytest.approx(float(peer[0, 0]))


def test_shrinkage_is_close_to_the_peers(rng):
    """The peer mixes degrees of freedom in its intensity, so only nearly the same."""
    x = rng.normal(size=(200, 8)) @ (np.eye(8) + 0.3 * rng.normal(size=(8, 8)))
    residuals = x - x.mean(axis=0)
    noise = shrinkage(residuals, 199)
    assert 0 < noise.intensity < 0.5
    mine = np.linalg.inv(precision(noise))
    peer = rsa.data.noise.cov_from_residuals(
        residuals, dof=199, method="shrinkage_diag"
    )
    np.testing.assert_allclose(np.diag(mine), np.diag(peer), rtol=1e-6)
    np.testing.assert_allclose(upper(mine), upper(peer), atol=0.02)
