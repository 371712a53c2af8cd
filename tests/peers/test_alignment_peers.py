"""The topology divergence against ripser, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from marr.representation import ALIGNMENT_MEASURES
from marr.representation._alignment._gram_kernel import gram, squared_distances
from marr.representation._alignment._topology_kernel import scaled_distances

ripser = pytest.importorskip("ripser", reason="ripser is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the peer


def bars(d):
    """Summed H1 bars of a Vietoris-Rips complex; those that never end are none of ours."""
    found = ripser.ripser(d.astype(np.float32), distance_matrix=True, maxdim=1)["dgms"][
        1
    ]
    found = found[np.isfinite(found[:, 1]) & (found[:, 1] < 1e8)]
    return float((found[:, 1] - found[:, 0]).sum())


def auxiliary(w, v):
    """Published definition: two copies of the points and an apex, 2n + 1 in all."""
    n, far = len(w), 1e9
    half = w.copy()
    half[np.tril_indices(n, -1)] = far
    d = np.zeros((2 * n + 1, 2 * n + 1))
    d[:n, :n] = w
    d[n : 2 * n, :n], d[:n, n : 2 * n] = half, half.T
    d[n : 2 * n, n : 2 * n] = np.minimum(w, v)
    d[2 * n, n : 2 * n] = d[n : 2 * n, 2 * n] = far
    return d


def released(w, v):
    """What the released code gives to its barcode program: 2n points."""
    n = len(w)
    d = np.zeros((2 * n, 2 * n))
    d[n:, :n], d[:n, n:], d[n:, n:] = w, w.T, np.minimum(w, v)
    return d


@pytest.mark.parametrize("graph", [auxiliary, released])
@pytest.mark.parametrize(("n", "p"), [(6, 1), (15, 2), (40, 3), (70, 20)])
@pytest.mark.parametrize("noise", [0.3, 1.0, np.inf])
def test_divergence(graph, n, p, noise):
    rng = np.random.default_rng(n + p)
    x, y = rng.normal(size=(2, n, p))
    y = y if np.isinf(noise) else x + noise * y
    w, v = (scaled_distances(squared_distances(gram(s)), 0.9) for s in (x, y))
    expected = (bars(graph(w, v)) + bars(graph(v, w))) / 2
    assert ALIGNMENT_MEASURES["rtd"](x, y) == pytest.approx(expected, abs=1e-5)
