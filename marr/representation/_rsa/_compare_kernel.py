"""Correlate dissimilarity matrices; permute or resample their conditions.

Matrices enter as square arrays, pairs as the strict upper triangle. With controls both
matrices are residualized, and permuted residuals are residualized again (the
double-semi-partialing of Dekker et al. 2007).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import kendalltau, rankdata

from marr.representation._rsa._rdm_kernel import upper

__all__ = [
    "COMPARATORS",
    "bootstrap_comparison",
    "compare_pairs",
    "condition_permutations",
    "lag_classes",
    "permuted_comparison",
    "residual_pairs",
    "rotations",
]

COMPARATORS = ("spearman", "pearson", "cosine", "kendall")
Pairs = Float[ndarray, "*lead pairs"]
Controls = Float[ndarray, "pairs controls"]


def residual_pairs(pairs: Pairs, controls: Controls | None, comparator: str) -> Pairs:
    """Return what a comparator correlates: ranks or values, less mean and controls."""
    if comparator == "cosine":
        return pairs
    values = (
        rankdata(pairs, axis=-1) if comparator in ("spearman", "kendall") else pairs
    )
    return _project(values, _basis(controls, comparator, values.shape[-1]))


def _basis(controls: Controls | None, comparator: str, n: int) -> ndarray:
    columns = [np.ones((n, 1))]
    if controls is not None:
        dummies = np.isin(controls, (0.0, 1.0)).all()
        ranked = comparator == "spearman" and not dummies
        columns.append(rankdata(controls, axis=0) if ranked else controls)
    q, r = np.linalg.qr(np.concatenate(columns, axis=1))
    return q[:, np.abs(np.diag(r)) > 1e-9 * np.abs(np.diag(r)).max()]


def _project(values: Pairs, basis: ndarray) -> Pairs:
    return values - (values @ basis) @ basis.T


def _cosine(x: Pairs, y: Float[ndarray, " pairs"]) -> ndarray:
    length = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.asarray((x @ y) / np.where(length > 1e-12, length, np.nan))


def compare_pairs(
    a: Float[ndarray, " pairs"],
    b: Float[ndarray, " pairs"],
    controls: Controls | None,
    comparator: str,
) -> float:
    """Compare two sets of pairs; (partial) correlation, cosine, or tau-b."""
    if comparator == "kendall":
        return float(kendalltau(a, b).statistic)
    x, y = (residual_pairs(v, controls, comparator) for v in (a, b))
    return float(_cosine(x, y))


def permuted_comparison(
    a: Float[ndarray, "conditions conditions"],
    b: Float[ndarray, "conditions conditions"],
    controls: Controls | None,
    comparator: str,
    permutations: Int[ndarray, "permutations conditions"],
) -> Float[ndarray, " permutations"]:
    """Compare after the conditions of the first matrix were permuted."""
    n, y = len(a), upper(b)
    x = residual_pairs(upper(a), controls, comparator)
    square = np.zeros((n, n))
    square[np.triu_indices(n, k=1)] = x
    square += square.T
    rows, columns = np.triu_indices(n, k=1)
    moved = square[permutations[:, rows], permutations[:, columns]]
    if comparator == "kendall":
        return np.array([kendalltau(m, y).statistic for m in moved], dtype=float)
    if comparator != "cosine":
        moved = _project(moved, _basis(controls, comparator, len(y)))
    return _cosine(moved, residual_pairs(y, controls, comparator))


def condition_permutations(
    n: int, n_permutations: int, seed: int
) -> Int[ndarray, "permutations conditions"]:
    """Draw free permutations of conditions."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(n), (n_permutations, 1)), axis=1)


def rotations(n: int) -> Int[ndarray, "permutations conditions"]:
    """All rotations and reflections of conditions on a circle, but the identity."""
    turn = np.arange(n)
    both = [(s * turn + o) % n for o in range(n) for s in (1, -1)]
    return np.array(both[1:])


def lag_classes(
    angles: Float[ndarray, " conditions"],
) -> Float[ndarray, "pairs lags"]:
    """One 0/1 column for each angular distance: any function of it is partialed out."""
    rows, columns = np.triu_indices(len(angles), k=1)
    apart = np.abs(angles[rows] - angles[columns]) % (2 * np.pi)
    apart = np.round(np.minimum(apart, 2 * np.pi - apart), 6)
    return (apart[:, None] == np.unique(apart)).astype(float)


def bootstrap_comparison(
    a: Float[ndarray, "conditions conditions"],
    b: Float[ndarray, "conditions conditions"],
    controls: Controls | None,
    comparator: str,
    counts: Float[ndarray, "resamples conditions"],
) -> Float[ndarray, " resamples"]:
    """Compare in resamples of conditions; a condition makes no pair with its copy.

    A pair weighs as often as its two conditions were drawn.
    """
    rows, columns = np.triu_indices(len(a), k=1)
    x, y = upper(a), upper(b)
    out = np.full(len(counts), np.nan)
    for i, count in enumerate(counts):
        weight = count[rows] * count[columns]
        use = weight > 0
        if use.sum() < 6:
            continue
        inside = None if controls is None else controls[use]
        out[i] = _weighted(x[use], y[use], inside, comparator, weight[use])
    return out


def _weighted(
    x: ndarray, y: ndarray, controls: ndarray | None, comparator: str, weight: ndarray
) -> float:
    if comparator == "kendall":
        repeat = np.repeat(np.arange(len(x)), weight.astype(int))
        return float(kendalltau(x[repeat], y[repeat]).statistic)
    transform: Callable[[ndarray], ndarray] = (
        (lambda v: _weighted_ranks(v, weight))
        if comparator == "spearman"
        else np.asarray
    )
    root = np.sqrt(weight)
    x, y = transform(x) * root, transform(y) * root
    if comparator != "cosine":
        columns = [root[:, None]]
        if controls is not None:
            dummies = np.isin(controls, (0.0, 1.0)).all()
            z = controls if dummies else np.stack([transform(c) for c in controls.T], 1)
            columns.append(z * root[:, None])
        q, r = np.linalg.qr(np.concatenate(columns, axis=1))
        q = q[:, np.abs(np.diag(r)) > 1e-9 * np.abs(np.diag(r)).max()]
        if q.shape[1] >= len(x) - 1:
            return float("nan")
        x, y = _project(x, q), _project(y, q)
    return float(_cosine(x, y))


def _weighted_ranks(values: ndarray, weight: ndarray) -> ndarray:
    """Midranks of values that occur `weight` times each."""
    distinct, place = np.unique(values, return_inverse=True)
    total = np.bincount(place, weights=weight, minlength=len(distinct))
    return (total.cumsum() - (total - 1) / 2)[place]
