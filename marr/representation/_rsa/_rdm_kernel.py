"""Distances between conditions: from means, or from products of different folds.

Rows x have shape (rows, units), each with a condition (-1 for none) and a fold.
Everything is computed from sums of rows by condition, so that leaving out folds, halves
and permutations of conditions are cheap.

Conventions: euclidean and crossnobis are squared and divided by the number of units;
crossnobis averages products of the differences in two folds, whitened by the noise of
the *other* folds, so it is 0 in expectation for equal conditions, and may be negative;
correlation and cosine are 1 minus the coefficient over units, of condition means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "MEAN_DISTANCES",
    "Whitening",
    "condition_means",
    "crossnobis_pairs",
    "mean_of_pairs",
    "noise_residuals",
    "precision",
    "shrinkage",
    "upper",
    "whitened_products",
]


Rows = Float[ndarray, "rows features"]
Codes = Int[ndarray, " rows"]
Distances = Float[ndarray, "conditions conditions"]
Means = Float[ndarray, "conditions features"]


def condition_means(x: Rows, conditions: Codes, n_conditions: int) -> Means:
    """Mean of the rows of each condition, NaN where there is none."""
    order = np.argsort(conditions, kind="stable")
    order = order[np.searchsorted(conditions[order], 0) :]
    counts = np.bincount(conditions[order], minlength=n_conditions)
    means = np.full((n_conditions, x.shape[1]), np.nan)
    filled = counts > 0
    starts = (np.cumsum(counts) - counts)[filled]
    if filled.any():
        sums = np.add.reduceat(x[order], starts, axis=0)
        means[filled] = sums / counts[filled, None]
    return means


def euclidean(means: Means) -> Distances:
    """Squared Euclidean distance over the number of units."""
    kernel = means @ means.T
    own = np.diag(kernel)
    return np.maximum(own[:, None] + own - 2 * kernel, 0.0) / means.shape[1]


def cosine(means: Means) -> Distances:
    """1 minus the cosine of the angle between condition means."""
    length = np.sqrt((means**2).sum(axis=1, keepdims=True))
    unit = means / np.where(length > 0, length, np.nan)
    return 1.0 - unit @ unit.T


def correlation(means: Means) -> Distances:
    """1 minus the correlation over units of condition means."""
    centered = means - means.mean(axis=1, keepdims=True)
    length = np.sqrt((centered**2).sum(axis=1, keepdims=True))
    scale = np.abs(means).max(axis=1, keepdims=True)
    unit = centered / np.where(length > 1e-12 * scale, length, np.nan)
    return 1.0 - unit @ unit.T


MEAN_DISTANCES: dict[str, Callable[[ndarray], ndarray]] = {
    "euclidean": euclidean,
    "correlation": correlation,
    "cosine": cosine,
}
"""Distances of condition means by name."""


class Whitening(NamedTuple):
    """Inverse noise covariances, one for each pair of folds, from the other folds.

    Either the matrices themselves, or, where units outnumber rows, the whitened inner
    products of rows: those of rows a and b are at [a, b] if their folds make a pair.
    """

    pairs: list[tuple[int, int]]
    precisions: Float[ndarray, "fold_pairs units units"] | None
    products: Float[ndarray, "rows rows"] | None


def crossnobis_pairs(
    x: Float[ndarray, "rows units"],
    white: Whitening,
    conditions: Codes,
    folds: Codes,
    n_conditions: int,
) -> Float[ndarray, "fold_pairs conditions conditions"]:
    """Multiply condition differences of the two folds of each pair.

    NaN where a fold lacks one of the conditions.
    """
    shape = (int(folds.max()) + 1, n_conditions)
    cells = np.where(conditions >= 0, folds * n_conditions + conditions, -1)
    if white.precisions is not None:
        means = condition_means(x, cells, shape[0] * shape[1]).reshape(*shape, -1)
        first, second = (means[list(f)] for f in zip(*white.pairs, strict=True))
        product = first @ white.precisions @ second.mT
    else:
        average = (cells == np.arange(shape[0] * shape[1])[:, None]).astype(float)
        count = average.sum(axis=1, keepdims=True)
        average = np.where(count > 0, average / np.maximum(count, 1.0), np.nan)
        known = np.nan_to_num(average)
        every = known @ white.products @ known.T
        every[np.isnan(average[:, 0])] = np.nan
        every[:, np.isnan(average[:, 0])] = np.nan
        blocks = every.reshape(*shape, *shape)
        product = np.stack([blocks[a, :, b] for a, b in white.pairs])
    own = np.diagonal(product, axis1=1, axis2=2)
    both = product + product.mT
    return (own[:, :, None] + own[:, None] - both) / x.shape[1]


def mean_of_pairs(
    products: Float[ndarray, "fold_pairs conditions conditions"],
) -> Distances:
    """Mean over the pairs of folds that hold both conditions; NaN without any."""
    known = np.isfinite(products)
    count = known.sum(axis=0)
    total = np.where(known, products, 0.0).sum(axis=0)
    return total / np.where(count > 0, count, np.nan)


def noise_residuals(
    x: Rows, conditions: Codes, folds: Codes, *, by_cell: bool
) -> tuple[Rows, int]:
    """Return what conditions and folds leave of rows, and the degrees of freedom.

    `by_cell` takes out the mean of each condition in each fold; otherwise the effects
    of conditions and of folds are added up.
    """
    kept = conditions >= 0
    x, conditions, folds = x[kept], conditions[kept], folds[kept]
    cells = np.unique(np.stack([folds, conditions]), axis=1, return_inverse=True)[1]
    if by_cell:
        codes = cells.reshape(-1)
        means = condition_means(x, codes, int(codes.max(initial=-1)) + 1)
        return x - means[codes], len(x) - len(means)
    columns = [v[:, None] == np.unique(v) for v in (conditions, folds)]
    design = np.concatenate(columns, axis=1).astype(float)
    values, vectors = np.linalg.eigh(design.T @ design)
    good = values > 1e-9 * values.max(initial=0.0)
    inverse = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return x - design @ (inverse @ (design.T @ x)), len(x) - int(good.sum())


class Shrinkage(NamedTuple):
    """Noise: standardized residuals, their scale, and the shrinkage intensity."""

    residuals: Float[ndarray, "rows units"]  # divided by `scale`
    scale: Float[ndarray, " units"]
    intensity: float
    dof: int


def shrinkage(residuals: Float[ndarray, "rows units"], dof: int) -> Shrinkage:
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


def precision(noise: Shrinkage) -> Float[ndarray, "units units"]:
    """Return the inverse of the shrunk noise covariance."""
    p = noise.residuals.shape[1]
    weight = (1.0 - noise.intensity) / noise.dof
    covariance = weight * (noise.residuals.T @ noise.residuals)
    covariance[np.diag_indices(p)] += noise.intensity + 1e-10
    inverse = np.linalg.inv(np.linalg.cholesky(covariance)) / noise.scale
    return inverse.T @ inverse


def whitened_products(
    a: Float[ndarray, "rows_a units"],
    b: Float[ndarray, "rows_b units"],
    noise: Shrinkage,
) -> Float[ndarray, "rows_a rows_b"]:
    """Return a W b', W the inverse of the shrunk noise covariance.

    By Woodbury's identity, for more units than rows: no units-by-units array is made.
    """
    z, mix = noise.residuals, max(noise.intensity, 1e-6)
    weight = (1.0 - mix) / noise.dof
    a, b = a / noise.scale, b / noise.scale
    inner = np.eye(len(z)) + (weight / mix) * (z @ z.T)
    solved = np.linalg.solve(inner, z @ b.T)
    return (a @ b.T - (weight / mix) * (a @ z.T) @ solved) / mix


def upper(matrix: Float[ndarray, "*lead conditions conditions"]) -> ndarray:
    """Return the strict upper triangle, row by row."""
    rows, columns = np.triu_indices(matrix.shape[-1], k=1)
    return matrix[..., rows, columns]
