"""Lasso of all units at once, and what independent tuning does to shares of variance."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "lasso",
    "lasso_penalties",
    "matched_shares",
    "pair_correlations_of",
]

SMALLEST_NOISE = 1e-9
"""Share of variance that is counted as noise at least."""


def lasso(
    gram: Float[ndarray, "columns columns"],
    cross: Float[ndarray, "columns units"],
    penalty: Float[ndarray, " units"],
    *,
    tolerance: float = 1e-8,
    max_sweeps: int = 2000,
) -> Float[ndarray, "columns units"]:
    """Minimize ``1/2 w' gram w - cross' w + penalty |w|_1`` by coordinate descent.

    `gram` and `cross` are means over rows, so that the optimum is scikit-learn's Lasso
    at ``alpha=penalty``.
    """
    coef = np.zeros_like(cross)
    diagonal = np.maximum(np.diag(gram), 1e-300)
    size = np.maximum(np.abs(cross).max(axis=0), 1e-300)
    active = np.ones(cross.shape[1], bool)
    for _ in range(max_sweeps):
        on = np.flatnonzero(active)
        moved = np.zeros(len(on))
        w = coef[:, on]
        for j in range(len(gram)):
            pull = cross[j, on] - gram[j] @ w + diagonal[j] * w[j]
            new = (
                np.sign(pull) * np.maximum(np.abs(pull) - penalty[on], 0) / diagonal[j]
            )
            moved = np.maximum(moved, np.abs(new - w[j]) * diagonal[j])
            w[j] = new
        coef[:, on] = w
        active[on] = moved > tolerance * size[on]
        if not active.any():
            break
    return coef


def lasso_penalties(
    cross: Float[ndarray, "columns units"], n: int
) -> Float[ndarray, "penalties units"]:
    """Return penalties of each unit, from that which leaves nothing to a thousandth."""
    top = np.maximum(np.abs(cross).max(axis=0), 1e-12)
    return top * np.logspace(0, -3, n)[:, None]


def matched_shares(
    shares: Float[ndarray, "units variables"],
    noise: Float[ndarray, " units"],
    order: Int[ndarray, "units variables"],
) -> Float[ndarray, "units variables"]:
    """Return shares of variance of a population of the same tuning, made independent.

    Each variable's signal (in units of the noise of its unit) moves to another unit;
    shares follow from the signals that now meet in a unit.
    """
    least = np.maximum(noise, SMALLEST_NOISE)[:, None]
    signal = np.take_along_axis(np.maximum(shares, 0) / least, order, axis=0)
    return signal / (1 + signal.sum(axis=1, keepdims=True))


def pair_correlations_of(
    values: Float[ndarray, "units variables"],
) -> Float[ndarray, " pairs"]:
    """Correlate all pairs of columns; NaN where one is constant."""
    deviation = values - values.mean(axis=0)
    length = np.sqrt((deviation**2).sum(axis=0))
    flat = length <= 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    z = deviation / np.where(flat, np.nan, length)
    return (z.T @ z)[np.triu_indices(values.shape[1], k=1)]
