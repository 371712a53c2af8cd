"""Distances between conditions: from means, or from products of different folds.

Rows x have shape (rows, units), each with a condition (-1 for none) and a fold.
Everything is computed from inner products of means of rows by condition, so that leaving
out folds, halves and permutations of conditions are cheap.

Conventions: euclidean, mahalanobis and crossnobis are squared and divided by the number
of units; crossnobis averages products of the differences in two folds, whitened by noise
of which one of the two has no part, so it is 0 in expectation for equal conditions, and
may be negative; correlation and cosine are 1 minus the coefficient over units, of
condition means.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from marr.representation._rsa._noise_kernel import (
    Shrinkage,
    noise_residuals,
    precision,
    shrinkage,
    whitened_products,
)

__all__ = [
    "Shrinkage",
    "condition_means",
    "cross_products",
    "fold_weights",
    "kernel_distances",
    "mean_of_pairs",
    "noise_residuals",
    "precision",
    "shrinkage",
    "unit_distances",
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


def kernel_distances(kernel: Distances, n_units: int) -> Distances:
    """Squared distances over the number of units, from inner products of means."""
    own = np.diag(kernel)
    return np.asarray(np.maximum(own[:, None] + own - kernel - kernel.T, 0.0) / n_units)


def unit_distances(
    kernel: Distances, whole: Float[ndarray, " conditions"], tolerance: float
) -> Distances:
    """1 minus the normalized inner product; NaN for a pattern without length.

    Parameters
    ----------
    kernel : array of shape (n_conditions, n_conditions)
        Inner products of (centered) means.
    whole : array of shape (n_conditions,)
        Squared length of the means before they were centered.
    tolerance : float
        Share of it below which a squared length is 0.
    """
    own = np.diag(kernel)
    length = np.sqrt(np.where(own > tolerance * whole, own, np.nan))
    return np.asarray(1.0 - (kernel + kernel.T) / 2 / (length[:, None] * length))


def cross_products(
    kernel: Float[ndarray, "cells cells"], n_folds: int
) -> Float[ndarray, "fold_pairs conditions conditions"]:
    """Multiply condition differences of the two folds of each pair.

    `kernel` holds the whitened inner products of means of cells, folds first; it is NaN
    for a cell without rows, and so are the products of a fold that lacks a condition.
    """
    n = len(kernel) // n_folds
    blocks = kernel.reshape(n_folds, n, n_folds, n)
    first, second = np.triu_indices(n_folds, k=1)
    product = blocks[first, :, second, :]
    own = np.diagonal(product, axis1=1, axis2=2)
    return np.asarray(own[:, :, None] + own[:, None] - product - product.mT)


def fold_weights(
    counts: Int[ndarray, "folds conditions"],
) -> Float[ndarray, "fold_pairs conditions conditions"]:
    """Weight of each pair of folds in the distance of each pair of conditions.

    The inverse variance of a product of two differences of means, up to a factor: with
    equal numbers of rows all weights are the same; 0 where a cell is empty.
    """
    with np.errstate(divide="ignore"):
        variance = 1.0 / counts[:, :, None] + 1.0 / counts[:, None]
    precise = 1.0 / variance
    first, second = np.triu_indices(len(counts), k=1)
    return np.asarray(precise[first] * precise[second])


def mean_of_pairs(
    products: Float[ndarray, "fold_pairs conditions conditions"],
    weights: Float[ndarray, "fold_pairs conditions conditions"] | None = None,
) -> Distances:
    """(Weighted) mean over the pairs of folds that hold both; NaN without any."""
    known = np.isfinite(products)
    weight = known.astype(float) if weights is None else np.where(known, weights, 0.0)
    total = (np.where(known, products, 0.0) * weight).sum(axis=0)
    whole = weight.sum(axis=0)
    return np.asarray(total / np.where(whole > 0, whole, np.nan))


def upper(matrix: Float[ndarray, "*lead conditions conditions"]) -> ndarray:
    """Return the strict upper triangle, row by row."""
    rows, columns = np.triu_indices(matrix.shape[-1], k=1)
    return matrix[..., rows, columns]
