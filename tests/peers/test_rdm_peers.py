"""Distances and comparisons against rsatoolbox, where it is installed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.representation import rdm
from marr.representation._rsa._compare_kernel import compare_pairs
from marr.representation._rsa._geometry import make_geometry
from marr.representation._rsa._noise_kernel import precision, shrinkage
from marr.representation._rsa._poisson_kernel import rates
from marr.representation._rsa._rdm_kernel import upper

rsa = pytest.importorskip("rsatoolbox", reason="rsatoolbox is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the peer


@pytest.fixture
def runs(rng):
    """Five conditions in six runs, one row each, ten channels."""
    conditions, run = np.tile(np.arange(5), 6), np.repeat(np.arange(6), 5)
    x = rng.normal(size=(30, 10)) + rng.normal(size=(5, 10))[conditions]
    return x, conditions, run


@pytest.fixture
def uneven(rng):
    """Two to four rows of a condition in each of four runs."""
    run = np.repeat(np.arange(4), 12)
    conditions = np.concatenate(
        [np.repeat(np.arange(4), rng.permutation([2, 3, 3, 4])) for _ in range(4)]
    )
    return rng.normal(size=(48, 10)), conditions, run


def dataset(x, conditions, run):
    return rsa.data.Dataset(
        x, obs_descriptors={"condition": conditions.tolist(), "run": run.tolist()}
    )


def peer_rdm(runs, method, **given):
    if method in ("crossnobis", "poisson_cv"):
        given["cv_descriptor"] = "run"
    found = rsa.rdm.calc_rdm(
        dataset(*runs), method=method, descriptor="condition", **given
    )
    return found.dissimilarities[0]


def our_rdm(runs, distance, **given):
    x, conditions, run = runs
    table = pd.DataFrame({"condition": conditions, "session": run})
    system = marr.from_arrays({"A": x}, trials=table)
    found = rdm(system, distance=distance, n_permutations=0, **given)
    return upper(found.estimate["estimate"].values[0])


@pytest.mark.parametrize("distance", ["euclidean", "correlation"])
def test_distances_of_means(runs, distance):
    np.testing.assert_allclose(
        our_rdm(runs, distance), peer_rdm(runs, distance), atol=1e-12
    )


def test_poisson_divergence(runs):
    x, conditions, run = runs
    counts = np.round(np.abs(4 * x)), conditions, run
    np.testing.assert_allclose(
        our_rdm(counts, "poisson"), peer_rdm(counts, "poisson"), atol=1e-12
    )


def test_cross_validated_poisson_is_the_mean_over_folds(runs):
    """The peer returns the last fold; the mean over all of them is meant."""
    x, conditions, run = runs
    x = np.round(np.abs(4 * x))
    each = []
    for k in range(6):
        train, test = (
            rates(np.stack([x[use & (conditions == c)].mean(axis=0) for c in range(5)]))
            for use in (run != k, run == k)
        )
        kernel = train @ np.log(test).T
        own = np.diag(kernel)
        each.append(upper(own[:, None] + own - kernel - kernel.T) / 10)
    peer = peer_rdm((x, conditions, run), "poisson_cv")
    np.testing.assert_allclose(peer, each[-1], atol=1e-12)  # the fault of the peer
    assert np.abs(peer - np.mean(each, axis=0)).max() > 0.05
    mine = our_rdm((x, conditions, run), "poisson_cv")
    np.testing.assert_allclose(mine, np.mean(each, axis=0), atol=1e-12)


def noise_of(runs):
    x, conditions, _ = runs
    means = np.stack([x[conditions == c].mean(0) for c in np.unique(conditions)])
    return shrinkage(x - means[conditions], len(x) - len(means))


@pytest.mark.parametrize("distance", ["mahalanobis", "crossnobis"])
@pytest.mark.parametrize("given", [True, False])
def test_one_noise_covariance(runs, distance, given):
    """Leave one run out against the mean of the others is the mean over pairs of runs."""
    w = precision(noise_of(runs)) if given else np.eye(10)
    noise = np.linalg.inv(w) if given else "identity"
    np.testing.assert_allclose(
        our_rdm(runs, distance, noise=noise),
        peer_rdm(runs, distance, noise=w),
        atol=1e-12,
    )


def test_unequal_numbers_of_trials(uneven):
    """Each distance is a weighted mean over pairs of runs, by the precision of means.

    The peer weights each pair of trials alike, within conditions and between them, so
    that a shift between runs does not cancel; with shifts taken out both are unbiased,
    and they agree up to noise.
    """
    x, conditions, run = uneven
    means = np.stack(
        [
            [x[(run == k) & (conditions == c)].mean(axis=0) for c in range(4)]
            for k in range(4)
        ]
    )
    counts = np.stack(
        [np.bincount(conditions[run == k], minlength=4) for k in range(4)]
    )
    total, weight = np.zeros((4, 4)), np.zeros((4, 4))
    for a in range(4):
        for b in range(a + 1, 4):
            d = [means[k][:, None] - means[k][None] for k in (a, b)]
            w = np.prod(
                [1 / (1 / counts[k][:, None] + 1 / counts[k][None]) for k in (a, b)],
                axis=0,
            )
            total += w * (d[0] * d[1]).sum(axis=-1) / 10
            weight += w
    mine = our_rdm(uneven, "crossnobis", noise="identity")
    np.testing.assert_allclose(mine, upper(total / weight), atol=1e-12)
    peer = rsa.rdm.calc_rdm_unbalanced(
        dataset(*uneven),
        method="crossnobis",
        descriptor="condition",
        cv_descriptor="run",
    ).dissimilarities[0]
    assert np.abs(mine - peer).max() < 0.2
    assert np.corrcoef(mine, peer)[0, 1] > 0.8


@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_a_shift_between_runs_cancels_here_and_not_in_the_peer(uneven, shift):
    x, conditions, run = uneven
    moved = x + shift * run[:, None], conditions, run
    mine = our_rdm(moved, "crossnobis", noise="identity")
    np.testing.assert_allclose(
        mine, our_rdm(uneven, "crossnobis", noise="identity"), atol=1e-9
    )
    peer = [
        rsa.rdm.calc_rdm_unbalanced(
            dataset(*runs),
            method="crossnobis",
            descriptor="condition",
            cv_descriptor="run",
        ).dissimilarities[0]
        for runs in (moved, uneven)
    ]
    assert (np.abs(peer[0] - peer[1]).max() > 1.0) == (shift > 0)


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


def test_degrees_of_freedom_are_trials_less_conditions(rng):
    """The peer divides by (conditions - 1) x runs: with two runs half the variance."""
    conditions, run = np.tile(np.arange(40), 2), np.repeat(np.arange(2), 40)
    x = rng.normal(size=(80, 6))
    peer = rsa.data.noise.cov_from_measurements(
        dataset(x, conditions, run), obs_desc="condition", method="diag"
    )
    right = rsa.data.noise.cov_from_unbalanced(
        dataset(x, conditions, run), obs_desc="condition", method="diag"
    )
    mine = noise_of((x, conditions, run)).scale ** 2
    np.testing.assert_allclose(mine, np.diag(right), rtol=1e-12)
    np.testing.assert_allclose(np.diag(peer) / np.diag(right), 40 / 78, rtol=1e-12)
    assert abs(mine.mean() - 1) < 0.2  # the variance of the simulation


def test_distances_without_a_fold(runs):
    """Without a run: the same as the peer gives for the other runs."""
    x, conditions, run = runs
    geometry = make_geometry(x, conditions, run, 5, "crossnobis", noise="identity")
    rest = run != 2
    peer = peer_rdm((x[rest], conditions[rest], run[rest]), "crossnobis")
    np.testing.assert_allclose(
        upper(geometry.left_out(conditions)[2]), peer, atol=1e-12
    )
