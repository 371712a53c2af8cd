"""Distances between conditions from means by fold; noise whitening in sample space.

Rows x have shape (rows, features), each with a condition and a fold. All distances are
computed from sums and counts of shape (folds, conditions[, features]), so that leaving
out a fold or permuting conditions costs one product with a 0/1 matrix.

Conventions: euclidean and crossnobis are squared and divided by the number of units;
crossnobis averages products of different folds only, so it is 0 in expectation for equal
conditions, and may be negative; correlation and cosine are 1 minus the coefficient over
units, of condition means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "DISTANCES",
    "FoldSums",
    "fold_sums",
    "jackknife_distances",
    "shrinkage",
    "upper",
    "whitened",
]


class FoldSums(NamedTuple):
    """Sums of rows by fold and condition, and how many there were."""

    sums: Float[ndarray, "folds conditions features"]
    counts: Float[ndarray, "folds conditions"]
    n_units: int

    def keep(self, folds: ndarray) -> FoldSums:
        """Return some of the folds."""
        return FoldSums(self.sums[folds], self.counts[folds], self.n_units)


Distances = Float[ndarray, "conditions conditions"]


def fold_sums(
    x: Float[ndarray, "rows features"],
    conditions: Int[ndarray, " rows"],
    folds: Int[ndarray, " rows"],
    shape: tuple[int, int],
    n_units: int,
) -> FoldSums:
    """Sum rows by fold and condition; `shape` is (n_folds, n_conditions)."""
    n_folds, n_conditions = shape
    cell = folds * n_conditions + conditions
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=n_folds * n_conditions)
    sums = np.zeros((len(counts), x.shape[1]))
    filled = counts > 0
    starts = (np.cumsum(counts) - counts)[filled]
    sums[filled] = np.add.reduceat(x[order], starts, axis=0)
    return FoldSums(
        sums.reshape(n_folds, n_conditions, -1),
        counts.reshape(n_folds, n_conditions).astype(float),
        n_units,
    )


def _means(data: FoldSums) -> Float[ndarray, "conditions features"]:
    """Mean of all rows of each condition, NaN where there is none."""
    counts = data.counts.sum(axis=0)[:, None]
    total = data.sums.sum(axis=0)
    return np.where(counts > 0, total / np.maximum(counts, 1.0), np.nan)


def euclidean(data: FoldSums) -> Distances:
    """Squared Euclidean distance of condition means over the number of units."""
    return _from_kernel(_means(data)) / data.n_units


def cosine(data: FoldSums) -> Distances:
    """1 minus the cosine of the angle between condition means."""
    means = _means(data)
    length = np.sqrt((means**2).sum(axis=1, keepdims=True))
    unit = means / np.where(length > 0, length, np.nan)
    return 1.0 - unit @ unit.T


def correlation(data: FoldSums) -> Distances:
    """1 minus the correlation over units of condition means."""
    means = _means(data)
    centered = means - means.mean(axis=1, keepdims=True)
    length = np.sqrt((centered**2).sum(axis=1, keepdims=True))
    scale = np.abs(means).max(axis=1, keepdims=True)
    unit = centered / np.where(length > 1e-12 * scale, length, np.nan)
    return 1.0 - unit @ unit.T


def crossnobis(data: FoldSums) -> Distances:
    """Product of condition differences of different folds, over the number of units.

    Features are whitened rows. A pair uses the folds that hold both conditions; one
    that shares fewer than two is NaN.
    """
    there = data.counts > 0
    means = data.sums / np.maximum(data.counts, 1.0)[..., None]
    if there.all():
        n = len(means)
        total = means.sum(axis=0)
        kernel = total @ total.T - np.einsum("kif,kjf->ij", means, means, optimize=True)
        diagonal = np.diag(kernel)
        distance = diagonal[:, None] + diagonal - 2 * kernel
        return distance / (n * (n - 1) * data.n_units) if n > 1 else distance * np.nan
    shape = (means.shape[1],) * 2
    total_product, n_pairs = np.zeros(shape), np.zeros(shape)
    for a in range(len(means)):
        for b in range(a + 1, len(means)):
            both = there[a] & there[b]
            product = means[a] @ means[b].T
            own = np.diag(product)
            distance = own[:, None] + own - product - product.T
            use = both[:, None] & both
            total_product += np.where(use, distance, 0.0)
            n_pairs += use
    return total_product / np.where(n_pairs > 0, n_pairs, np.nan) / data.n_units


def _from_kernel(means: Float[ndarray, "conditions features"]) -> Distances:
    kernel = means @ means.T
    own = np.diag(kernel)
    return np.maximum(own[:, None] + own - 2 * kernel, 0.0)


DISTANCES: dict[str, Callable[[FoldSums], ndarray]] = {
    "crossnobis": crossnobis,
    "euclidean": euclidean,
    "correlation": correlation,
    "cosine": cosine,
}
"""Distances by name."""


class Shrinkage(NamedTuple):
    """Noise: standardized residuals, their scale, and the shrinkage intensity."""

    residuals: Float[ndarray, "rows units"]  # divided by `scale`
    scale: Float[ndarray, " units"]
    intensity: float
    dof: int


def shrinkage(
    residuals: Float[ndarray, "rows units"], dof: int
) -> Shrinkage:
    """Shrink the noise correlation towards none (Schaefer and Strimmer 2005).

    The sums over pairs of units come from the rows-by-rows Gram matrix where units
    outnumber rows, so that no units-by-units array is made.
    """
    n, p = residuals.shape
    variance = (residuals**2).sum(axis=0) / dof
    floor = 1e-6 * np.median(variance)
    scale = np.sqrt(np.maximum(variance, floor))
    z = residuals / scale
    squares = z**2
    if p <= n:
        r = z.T @ z
        off_squared = (r**2).sum() - (np.diag(r) ** 2).sum()
        fourth = squares.T @ squares
        off_fourth = fourth.sum() - np.trace(fourth)
    else:
        gram = z @ z.T
        off_squared = (gram**2).sum() - (squares.sum(axis=0) ** 2).sum()
        off_fourth = (squares.sum(axis=1) ** 2).sum() - (squares**2).sum()
    # var(r_ij) = n / dof^3 * sum_k (w_kij - mean w_ij)^2, with w = z_i z_j and r = sum / dof
    spread = n / dof**3 * (off_fourth - off_squared / n)
    intensity = spread * dof**2 / off_squared if off_squared > 0 else 1.0
    return Shrinkage(z, scale, float(np.clip(intensity, 0.0, 1.0)), dof)


def whitened(
    x: Float[ndarray, "rows units"], noise: Shrinkage
) -> Float[ndarray, "rows features"]:
    """Return features whose inner products are x W x', W the inverse noise covariance.

    Where units outnumber rows the inverse is applied by Woodbury's identity, and the
    features are a factor of the rows-by-rows product.
    """
    z, mix = noise.residuals, noise.intensity
    scaled = x / noise.scale
    n, p = z.shape
    weight = (1.0 - mix) / noise.dof
    if p <= n or p <= len(x):
        covariance = weight * (z.T @ z) + mix * np.eye(p)
        covariance[np.diag_indices(p)] += 1e-10
        lower = np.linalg.cholesky(covariance)
        return np.linalg.solve(lower, scaled.T).T
    mix = max(mix, 1e-6)
    inner = np.linalg.cholesky(np.eye(n) + (weight / mix) * (z @ z.T))
    projected = np.linalg.solve(inner, z @ scaled.T)
    gram = (scaled @ scaled.T - (weight / mix) * projected.T @ projected) / mix
    values, vectors = np.linalg.eigh(gram)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def jackknife_distances(
    data: FoldSums, distance: Callable[[FoldSums], ndarray]
) -> Float[ndarray, "folds conditions conditions"]:
    """Distances without each fold in turn."""
    every = np.arange(len(data.counts))
    return np.stack([distance(data.keep(every != k)) for k in every])


def upper(matrix: Float[ndarray, "*lead conditions conditions"]) -> ndarray:
    """Return the strict upper triangle, row by row."""
    rows, columns = np.triu_indices(matrix.shape[-1], k=1)
    return matrix[..., rows, columns]
