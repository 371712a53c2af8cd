"""Whitened comparators in resamples of conditions.

Distances that share a condition share its noise. The whitened inner product allows for
it: it is the product of double-centered kernels Q = -D / 2 (Diedrichsen et al. 2020).
Copies of a condition make no pair, so that a resample has missing cells; its product is
the smallest over what the missing cells and the diagonal might be. That minimum has the
form Q_ij - (b_i + b_j) / 2 with one b a condition, from a diagonal plus a matrix of rank
one: O(conditions) for each row and resample.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from marr.representation._rsa._comparator_kernel import (
    Metric,
    PairRows,
    Sums,
    product_metric,
    weighted_sums,
)

__all__ = ["whitened_metric"]

RESAMPLE_CHUNK = 128
Counts = Float[ndarray, "resamples conditions"]


def whitened_metric(
    values: PairRows,
    counts: Counts,
    need: Bool[ndarray, "rows rows"] | None = None,
    *,
    centered: bool,
) -> Metric:
    """Return whitened inner products of rows for every resample.

    Parameters
    ----------
    values : array of shape (n_rows, n_pairs)
        Dissimilarities.
    counts : array of shape (n_resamples, n_conditions)
        How often each condition was drawn.
    need : bool array of shape (n_rows, n_rows), optional
        Which products are wanted.
    centered : bool
        Subtract the mean of each row before whitening (whitened correlation).
    """
    sums = weighted_sums(values, counts, need)
    length = product_metric(sums, centered=centered).length
    square = _squares(values, counts.shape[1])
    inner = np.empty_like(sums.products)
    for start in range(0, len(counts), RESAMPLE_CHUNK):
        some = slice(start, start + RESAMPLE_CHUNK)
        part = Sums(*(field[some] for field in sums))
        inner[some] = _whitened(square, counts[some], part, centered=centered)
    return Metric(inner, length)


def _squares(values: PairRows, n: int) -> Float[ndarray, "rows conditions conditions"]:
    square = np.zeros((len(values), n, n))
    left, right = np.triu_indices(n, k=1)
    square[:, left, right] = square[:, right, left] = values
    return square


def _whitened(
    square: Float[ndarray, "rows conditions conditions"],
    counts: Counts,
    sums: Sums,
    *,
    centered: bool,
) -> Float[ndarray, "resamples rows rows"]:
    """Return the products of one part of the resamples; the last row is of ones."""
    n_rows = len(square)
    drawn = (counts > 0).astype(float)
    size = counts.sum(axis=1, keepdims=True)
    towards = np.empty((len(counts), n_rows + 1, counts.shape[1]))
    towards[:, :n_rows] = -0.5 * (square @ counts.T).transpose(2, 0, 1)
    towards[:, n_rows] = -0.5 * (size - counts)
    towards *= drawn[:, None]
    bias = _bias(towards, counts, size)
    minus = (bias * counts[:, None]) @ towards.transpose(0, 2, 1)
    rows = slice(0, n_rows)
    inner = 0.5 * sums.products - minus[:, rows, rows]
    if not centered:
        return inner
    ones = 0.5 * sums.sums - minus[:, rows, n_rows]
    unit = 0.5 * sums.total - minus[:, n_rows, n_rows]
    mean = sums.sums / np.maximum(sums.total, 1.0)[:, None]
    cross = mean[:, :, None] * ones[:, None, :]
    square_mean = mean[:, :, None] * mean[:, None, :]
    return inner - cross - cross.transpose(0, 2, 1) + unit[:, None, None] * square_mean


def _bias(
    towards: Float[ndarray, "resamples rows conditions"],
    counts: Counts,
    size: Float[ndarray, "resamples 1"],
) -> Float[ndarray, "resamples rows conditions"]:
    """Solve (diag(d) + 1 m' / 2) b = r; d = 1 + size / 2 - m."""
    diagonal = 1.0 + size / 2 - counts
    flat = (np.abs(diagonal) < 1e-9).any(axis=1)
    inverse = 1.0 / np.where(np.abs(diagonal) < 1e-9, 1.0, diagonal)
    scaled = towards * inverse[:, None]
    shared = np.einsum("brn,bn->br", scaled, counts)
    own = np.einsum("bn,bn->b", inverse, counts)
    bias = scaled - inverse[:, None] * (shared / (2.0 + own)[:, None])[..., None]
    for b in np.flatnonzero(flat):
        full = np.diag(diagonal[b]) + 0.5 * counts[b]
        bias[b] = np.linalg.solve(full, towards[b].T).T
    return bias
