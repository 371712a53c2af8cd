"""How many kinds of units there are: similarity of curves, and diversities of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from marr.representation._units._curve_kernel import bin_sums

__all__ = [
    "FLOOR",
    "MEASURES",
    "corrected_similarity",
    "cross_half",
    "diversities",
    "hill",
    "participation",
    "plain_similarity",
    "power_mean",
    "vendi",
]

FLOOR = 0.05
"""Reliabilities below it are raised to it."""

MEASURES = ("hill q0", "hill q1", "hill q2", "vendi", "participation ratio")
"""Effective numbers of unit types, in the order of `diversities`."""

ORDERS = (0.0, 1.0, 2.0, 1.0, 2.0)
"""Order of the mean over sites that goes with each measure."""


def hill(similarity: Float[ndarray, "units units"], q: float) -> float:
    """Similarity-sensitive Hill number of equally weighted units.

    ``(sum_i p_i (Zp)_i^(q-1))^(1/(1-q))``, for q = 1 ``exp(-sum_i p_i log (Zp)_i)``
    (Leinster and Cobbold 2012): k groups of identical units give k for every q.
    """
    p = 1.0 / len(similarity)
    ordinary = similarity.sum(axis=1) * p
    if q == 1:
        return float(np.exp(-np.log(ordinary).mean()))
    return float((ordinary ** (q - 1)).mean() ** (1 / (1 - q)))


def vendi(similarity: Float[ndarray, "units units"]) -> float:
    """Exponential of the entropy of the eigenvalues of Z / n (Friedman and Dieng 2023).

    Negative eigenvalues (a corrected Z need not be a Gram matrix) are taken as 0.
    """
    values = np.maximum(np.linalg.eigvalsh(similarity), 0)
    values = values / values.sum()
    values = values[values > 0]
    return float(np.exp(-(values * np.log(values)).sum()))


def participation(similarity: Float[ndarray, "units units"]) -> float:
    """Participation ratio of the eigenvalues, ``tr(Z)^2 / |Z|^2``."""
    return float(np.trace(similarity) ** 2 / (similarity**2).sum())


def diversities(
    similarity: Float[ndarray, "units units"],
) -> Float[ndarray, " measures"]:
    """Return all measures; opposite curves count as different, not as negative."""
    positive = np.clip(similarity, 0.0, 1.0)
    return np.array(
        [hill(positive, q) for q in (0.0, 1.0, 2.0)]
        + [vendi(positive), participation(similarity)]
    )


def power_mean(
    values: Float[ndarray, " sites"], weights: Float[ndarray, " sites"], q: float
) -> float:
    """Mean diversity within sites: of order 1 - q (geometric at q = 1)."""
    if q == 1:
        return float(np.exp(weights @ np.log(values)))
    return float((weights @ values ** (1 - q)) ** (1 / (1 - q)))


def plain_similarity(
    curves: Float[ndarray, "units bins"],
) -> Float[ndarray, "units units"]:
    """Correlate curves; 0 for flat ones, which are like nothing but themselves."""
    z = _standardized(curves, np.ones(curves.shape[1]))
    out = z @ z.T
    np.fill_diagonal(out, 1.0)
    return out


def _standardized(curves: ndarray, weight: ndarray) -> ndarray:
    center = (curves @ weight / weight.sum())[:, None]
    deviation = (curves - center) * weight
    length = np.sqrt((deviation**2).sum(axis=1, keepdims=True))
    flat = length <= 1e-12 * np.maximum(
        np.abs(curves).max(axis=1, keepdims=True), 1e-300
    )
    return np.where(flat, 0.0, deviation / np.where(flat, 1.0, length))


def cross_half(
    x: Float[ndarray, "rows units"],
    codes: Int[ndarray, " rows"],
    halves: Int[ndarray, "splits rows"],
    n_bins: int,
) -> tuple[Float[ndarray, "units units"], Float[ndarray, " units"]]:
    """Correlate curves of one half of the rows with those of the other, over splits.

    Returns
    -------
    correlations between halves, symmetric, averaged over splits; and the covariance of
    each unit's two curves, which noise does not raise
    """
    u = x.shape[1]
    total, shared = np.zeros((u, u)), np.zeros(u)
    for half in halves:
        joint = half * n_bins + codes
        count = np.bincount(joint, minlength=2 * n_bins).reshape(2, n_bins)
        sums = bin_sums(joint, x, 2 * n_bins).reshape(2, n_bins, u)
        curves = (sums / np.maximum(count, 1)[..., None]).transpose(0, 2, 1)
        weight = (count > 0).all(axis=0).astype(float)
        a, b = (_standardized(c, weight) for c in curves)
        total += (a @ b.T + b @ a.T) / 2
        centers = [c - (c @ weight / weight.sum())[:, None] for c in curves]
        shared += (centers[0] * centers[1] * weight).sum(axis=1) / weight.sum()
    return total / len(halves), shared / len(halves)


def corrected_similarity(
    cross: Float[ndarray, "units units"],
) -> Float[ndarray, "units units"]:
    """Divide correlations between halves by the square roots of both reliabilities.

    Reliabilities (the diagonal) are floored at 0.05; the diagonal becomes 1.
    """
    root = np.sqrt(np.maximum(np.diag(cross), FLOOR))
    out = np.clip(cross / np.outer(root, root), -1.0, 1.0)
    np.fill_diagonal(out, 1.0)
    return out
