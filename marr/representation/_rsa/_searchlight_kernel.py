"""Dissimilarities in a ball around each unit, and their similarity with models.

Sums over the units of a ball are products of a sparse ball-by-unit 0/1 matrix with
features of single units, so that no ball is cut out of the data. Similarities with
models, and all their permutations, are products of scaled rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.stats import rankdata

__all__ = [
    "COMPARATORS",
    "Permuted",
    "ball_distances",
    "ball_sums",
    "balls",
    "cross_features",
    "distinct_models",
    "jackknifed_similarity",
    "permute",
    "permuted_models",
    "scaled_rows",
]

COMPARATORS = ("cosine", "correlation", "spearman", "rho-a")
"""How distances are compared with a model; the names are those of `rsa`."""

PAIRS = 4_000_000
"""Numbers of features made at once."""

Rows = Float[ndarray, "rows pairs"]
BallRows = Float[ndarray, "balls pairs"]
ModelRows = Float[ndarray, "models pairs"]


class Sums(NamedTuple):
    """Sums over the units of each ball."""

    products: Float[ndarray, "balls pairs"]  # of two conditions, or cross-validated
    squares: Float[ndarray, "balls conditions"]
    plain: Float[ndarray, "balls conditions"]
    n_units: Float[ndarray, " balls"]


def balls(places: Float[ndarray, "units axes"], radius: float) -> sparse.csr_array:
    """Tell which units lie within `radius` of each unit: 1, else 0."""
    found = cKDTree(places).query_ball_point(places, radius, return_sorted=True)
    sizes = np.fromiter((len(f) for f in found), dtype=np.intp, count=len(found))
    columns = np.concatenate([np.asarray(f, dtype=np.intp) for f in found])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return sparse.csr_array(
        (np.ones(len(columns)), columns, starts), shape=(len(places), len(places))
    )


def cross_features(
    means: Float[ndarray, "folds conditions units"],
    counts: Int[ndarray, "folds conditions"],
    precise: Float[ndarray, "folds units"] | None,
    pairs: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
) -> Float[ndarray, "pairs units"]:
    """Product of the differences of two folds, mean over pairs of folds, at each unit.

    Parameters
    ----------
    means : array of shape (n_folds, n_conditions, n_units)
        NaN where a fold lacks a condition.
    counts : int array of shape (n_folds, n_conditions)
        Rows behind the means: folds are weighted by the precision of a difference.
    precise : array of shape (n_folds, n_units) or None
        Inverse noise variance that whitens each fold, from the others.
    pairs : two int arrays of shape (n_pairs,)
        Conditions.
    """
    left, right = pairs
    with np.errstate(divide="ignore"):
        weight = 1.0 / (1.0 / counts[:, left] + 1.0 / counts[:, right])
    difference = np.nan_to_num(means[:, left] - means[:, right]) * weight[..., None]
    total = difference.sum(axis=0)
    own = difference if precise is None else difference * precise[:, None]
    product = own.sum(axis=0) * total - np.einsum("kpu,kpu->pu", own, difference)
    whole = weight.sum(axis=0) ** 2 - (weight**2).sum(axis=0)
    return np.asarray(product / np.where(whole > 0, whole, np.nan)[:, None])


def ball_sums(
    within: sparse.csr_array,
    means: Float[ndarray, "conditions units"],
    pairs: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
) -> Sums:
    """Sum products of condition means over the units of each ball."""
    left, right = pairs
    step = max(1, PAIRS // means.shape[1])
    parts = [
        within @ (means[left[s : s + step]] * means[right[s : s + step]]).T
        for s in range(0, len(left), step)
    ]
    return Sums(
        np.concatenate(parts, axis=1),
        within @ (means**2).T,
        within @ means.T,
        np.asarray(within.sum(axis=1), dtype=float),
    )


def ball_distances(
    sums: Sums,
    pairs: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
    distance: str,
) -> Float[ndarray, "balls pairs"]:
    """Return the distances of each ball; NaN for patterns that do not vary in it."""
    left, right = pairs
    with np.errstate(divide="ignore", invalid="ignore"):
        count = sums.n_units[:, None]
        if distance == "crossnobis":
            return np.asarray(sums.products / count)
        if distance == "euclidean":
            apart = sums.squares[:, left] + sums.squares[:, right] - 2 * sums.products
            return np.asarray(np.maximum(apart, 0.0) / count)
        size, product = sums.squares, sums.products
        if distance == "correlation":
            product = product - sums.plain[:, left] * sums.plain[:, right] / count
            size = size - sums.plain**2 / count
        length = np.sqrt(np.where(size > 1e-12 * sums.squares, size, np.nan))
        return np.asarray(1.0 - product / (length[:, left] * length[:, right]))


def scaled_rows(values: Rows, comparator: str) -> Rows:
    """Scale rows so that products of two of them are their similarity.

    NaN for rows without spread. rho-a is the expectation of Spearman's correlation when
    ties are broken at random.
    """
    n = values.shape[1]
    if comparator in ("spearman", "rho-a"):
        values = np.asarray(rankdata(values, axis=1), dtype=float)
    if comparator != "cosine":
        values = values - values.mean(axis=1, keepdims=True)
    if comparator == "rho-a":
        return np.asarray(values * np.sqrt(12.0 / (n**3 - n)))
    length = np.sqrt(np.einsum("rp,rp->r", values, values))
    scale = np.abs(values).max(axis=1, initial=0.0)
    good = length > 1e-12 * np.maximum(scale, 1e-300)
    return np.asarray(values / np.where(good, length, np.nan)[:, None])


def permuted_models(
    models: ModelRows,
    permutations: Int[ndarray, "permutations conditions"],
) -> Float[ndarray, "permutations models pairs"]:
    """Permute the conditions of (scaled) models: rows and columns together."""
    n = permutations.shape[1]
    left, right = np.triu_indices(n, k=1)
    position = np.zeros((n, n), np.intp)
    position[left, right] = position[right, left] = np.arange(len(left))
    moved = position[permutations[:, left], permutations[:, right]]
    return np.ascontiguousarray(models[:, moved].transpose(1, 0, 2))


def distinct_models(
    models: ModelRows,
    permutations: Int[ndarray, "permutations conditions"],
    most: int = 200,
) -> Int[ndarray, " models"]:
    """Count the different arrangements of each model among the first permutations."""
    moved = permuted_models(models, permutations[:most])
    return np.array([len(np.unique(m, axis=0)) for m in moved.transpose(1, 0, 2)])


class Permuted(NamedTuple):
    """What permutations of conditions give, without keeping them."""

    above: Int[ndarray, "balls models"]  # permutations at or above the observed
    mean: Float[ndarray, "balls models"]
    largest: Float[ndarray, " permutations"]  # over balls and models


def permute(
    balls_scaled: BallRows,
    models: ModelRows,
    observed: Float[ndarray, "balls models"],
    permutations: Int[ndarray, "permutations conditions"],
) -> Permuted:
    """Compare balls with permuted models; all arrays are scaled rows."""
    above, total = np.zeros(observed.shape, np.intp), np.zeros(observed.shape)
    largest = np.empty(len(permutations))
    bar = observed - 1e-10
    width = max(len(balls_scaled), balls_scaled.shape[1]) * len(models)
    step = max(1, PAIRS // width)
    for start in range(0, len(permutations), step):
        moved = permuted_models(models, permutations[start : start + step])
        flat = moved.reshape(-1, moved.shape[2])
        drawn = (balls_scaled @ flat.T).reshape(len(observed), -1, len(models))
        above += (drawn >= bar[:, None]).sum(axis=1)
        total += drawn.sum(axis=1)
        largest[start : start + step] = drawn.max(axis=(0, 2))
    return Permuted(above, total / len(permutations), largest)


def jackknifed_similarity(
    values: BallRows, models: ModelRows, n_conditions: int, comparator: str
) -> Float[ndarray, "conditions balls models"]:
    """Return similarities without each condition in turn."""
    left, right = np.triu_indices(n_conditions, k=1)
    out = []
    for c in range(n_conditions):
        kept = (left != c) & (right != c)
        one, other = (scaled_rows(v[:, kept], comparator) for v in (values, models))
        out.append(one @ other.T)
    return np.stack(out)
