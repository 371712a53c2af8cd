"""Matrices over pairs of rows: kernels, dissimilarities, neighbors, and their inner product.

Everything here turns one system's rows into an n x n matrix of length one, so that a
comparison of two systems is an inner product, of many systems one matrix product, and a
permutation of rows a permutation of the matrix.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.linalg.blas import dsyrk
from scipy.stats import rankdata

__all__ = [
    "center",
    "correlation_distances",
    "gram",
    "inner_products",
    "neighbors",
    "permuted",
    "rbf",
    "squared_distances",
    "standard_pairs",
    "u_center",
    "unit_length",
]

BLOCK = 128
"""Rows of a matrix that are mirrored at once."""

Rows = Float[ndarray, "rows units"]
Square = Float[ndarray, "rows rows"]


def gram(x: Rows, out: ndarray | None = None) -> Square:
    """Inner products of rows after the mean row was taken out, into `out` if given.

    One triangle is computed (a rank-k update) and copied to the other in blocks.
    """
    n = len(x)
    centered = np.ascontiguousarray(x - x.mean(axis=0))
    found = np.empty((n, n)) if out is None else out
    update = dsyrk(1.0, centered.T, trans=1, lower=1, c=found.T, overwrite_c=1)
    if not np.shares_memory(update, found):
        found[:] = update.T
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        corner = found[start:stop, start:stop]
        lower = np.tril_indices(stop - start, k=-1)
        corner[lower] = corner.T[lower]
        found[stop:, start:stop] = found[start:stop, stop:].T
    return found


def center(k: Square) -> Square:
    """Take row and column means out: the biased centering of HSIC."""
    mean = k.mean(axis=0)
    return k - mean - mean[:, None] + mean.mean()


def u_center(k: Square) -> Square:
    """Center without the diagonal (Székely and Rizzo 2014).

    The inner product of two such matrices over n (n - 3) is the unbiased estimator of
    HSIC (Song et al. 2012).
    """
    n = len(k)
    own = np.diag(k)
    rows = k.sum(axis=0) - own
    shift = rows / (n - 2)
    out = k - shift - shift[:, None] + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(out, 0.0)
    return out


def squared_distances(k: Square) -> Square:
    """Squared distances of the rows whose inner products are given."""
    own = np.diag(k)
    out = np.maximum(own + own[:, None] - 2 * k, 0.0)
    np.fill_diagonal(out, 0.0)
    return out


def rbf(distances: Square) -> Square:
    """Gaussian kernel, ``exp(-d / (2 m))`` with m the median nonzero squared distance."""
    apart = distances[distances > 0]
    return np.exp(-distances / (2 * (np.median(apart) if apart.size else 1.0)))


def correlation_distances(x: Rows) -> Square:
    """1 minus the correlation over units of each two rows; NaN for a flat row."""
    centered = x - x.mean(axis=1, keepdims=True)
    length = np.sqrt((centered**2).sum(axis=1, keepdims=True))
    scale = np.abs(x).max(axis=1, keepdims=True)
    unit = centered / np.where(length > 1e-12 * scale, length, np.nan)
    out = 1.0 - unit @ unit.T
    np.fill_diagonal(out, np.where(np.isnan(np.diag(out)), np.nan, 0.0))
    return out


def standard_pairs(distances: Square, *, ranked: bool) -> Square:
    """Distances (or their ranks) less their mean over pairs; the diagonal is 0."""
    n = len(distances)
    upper = np.triu_indices(n, k=1)
    pairs = distances[upper]
    pairs = rankdata(pairs) if ranked else pairs
    out = np.zeros((n, n))
    out[upper] = pairs - pairs.mean()
    return out + out.T


def neighbors(distances: Square, k: int) -> Bool[ndarray, "rows rows"]:
    """Tell which rows are among the k nearest of each row, itself left out."""
    apart = distances.copy()
    np.fill_diagonal(apart, np.inf)
    nearest = np.argpartition(apart, k - 1, axis=1)[:, :k]
    out = np.zeros(apart.shape, dtype=bool)
    np.put_along_axis(out, nearest, values=True, axis=1)
    return out


def unit_length(m: Square) -> Square:
    """Divide a matrix by its Frobenius norm; NaN where it is zero."""
    length = float(np.linalg.norm(m))
    return m / (length if length > 0 else np.nan)


def permuted(m: ndarray, order: Int[ndarray, " rows"]) -> ndarray:
    """Matrices over pairs of rows, shape (..., n, n), after rows moved together."""
    return m[..., order[:, None], order]


def inner_products(
    a: Float[ndarray, "systems_a rows rows"], b: Float[ndarray, "systems_b rows rows"]
) -> Float[ndarray, "systems_a systems_b"]:
    """All inner products in one matrix product."""
    return a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
