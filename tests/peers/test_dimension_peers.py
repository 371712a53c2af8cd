"""Dimensions against scikit-dimension, on the same points."""

from __future__ import annotations

import numpy as np
import pytest

from marr.representation._geometry import _dimension_kernel as pr
from marr.representation._geometry import _neighbor_kernel as near

skdim = pytest.importorskip("skdim")


def cloud(n, d, p, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x = np.column_stack([x, np.sin(x[:, :1] * 2)])
    return x @ rng.normal(size=(d + 1, p)) + 0.01 * rng.normal(size=(n, p))


CLOUDS = [(400, 3, 12, 0), (300, 6, 60, 1)]  # the peer searches in two ways


@pytest.mark.parametrize("shape", CLOUDS)
@pytest.mark.parametrize("discard", [0.0, 0.1, 0.3])
def test_two_nn(shape, discard):
    x = cloud(*shape)
    ours = near.two_nn(near.neighbor_distances(x, 2)[0], discard)
    if discard == 0.0:  # the peer's last share is 1, its logarithm infinite
        assert np.isfinite(ours)
        return
    theirs = skdim.id.TwoNN(discard_fraction=discard).fit(x).dimension_
    assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("shape", CLOUDS)
@pytest.mark.parametrize("k", [5, 20])
def test_levina_bickel(shape, k):
    x = cloud(*shape)
    distances, _ = near.neighbor_distances(x, k)
    theirs = skdim.id.MLE(unbiased=True).fit(x, n_neighbors=k, comb="mle").dimension_
    assert near.levina_bickel(distances) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("shape", CLOUDS)
def test_local_components(shape):
    x = cloud(*shape)
    k = 30
    _, neighbors = near.neighbor_distances(x, k)
    ours = near.local_components(x, neighbors, 0.05, most=10_000)
    theirs = [
        skdim.id.lPCA(ver="FO", alphaFO=0.05).fit(x[np.append(neighbors[i], i)]).dimension_
        for i in range(len(x))
    ]  # fmt: skip
    assert ours == pytest.approx(np.mean(theirs), rel=1e-12)


@pytest.mark.parametrize("shape", CLOUDS)
def test_participation_ratio_without_correction(shape):
    x = cloud(*shape)
    theirs = skdim.id.lPCA(ver="participation_ratio").fit(x).dimension_
    assert pr.fixed_moments(x).ratio() == pytest.approx(theirs, rel=1e-9)
    few = x[:15]
    biased = skdim.id.lPCA(ver="participation_ratio").fit(few).dimension_
    truth = pr.moments(cloud(4000, *shape[1:])).ratio()
    assert abs(pr.moments(few).ratio() - truth) < 3 * abs(biased - truth) + 2


def test_parallel_analysis_counts_the_same_signal():
    rng = np.random.default_rng(2)
    x = 3 * rng.normal(size=(200, 4)) @ rng.normal(size=(4, 30)) + rng.normal(size=(200, 30))  # fmt: skip
    theirs = skdim.id.lPCA(ver="parallel", random_state=0).fit(x).dimension_
    null = [
        near.spectrum(
            np.take_along_axis(x, rng.random(x.shape).argsort(axis=0), axis=0)
        )
        for _ in range(100)
    ]
    ours = near.above_null(near.spectrum(x), np.quantile(null, 0.95, axis=0))
    assert ours == theirs == 4
