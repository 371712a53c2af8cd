"""Correlations of all pairs of units, their shift null, and their bootstrap."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["pair_correlations", "resampled_correlations", "shifted_correlations"]


def _standardized(x: Float[ndarray, "rows units"]) -> Float[ndarray, "rows units"]:
    deviation = x - x.mean(axis=0)
    length = np.sqrt((deviation**2).sum(axis=0))
    return deviation / np.where(length > 0, length, np.inf)


def pair_correlations(x: Float[ndarray, "rows units"]) -> Float[ndarray, " pairs"]:
    """Correlate all pairs of units, row by row of the upper triangle."""
    z = _standardized(x)
    return (z.T @ z)[np.triu_indices(x.shape[1], k=1)]


def shifted_correlations(
    x: Float[ndarray, "rows units"], shifts: Int[ndarray, "draws units"]
) -> Float[ndarray, "draws pairs"]:
    """Correlate after each unit was shifted around the circle of rows.

    Shifts keep each unit's autocorrelation and break what it shares with others.
    """
    z = _standardized(x)
    n, p = z.shape
    upper = np.triu_indices(p, k=1)
    turn = np.arange(n)[:, None]
    out = np.empty((len(shifts), len(upper[0])))
    for draw, shift in enumerate(shifts):
        moved = np.take_along_axis(z, (turn + shift) % n, axis=0)
        out[draw] = (moved.T @ moved)[upper]
    return out


def resampled_correlations(
    x: Float[ndarray, "rows units"],
    trial: Int[ndarray, " rows"],
    weights: Float[ndarray, "resamples trials"],
) -> Float[ndarray, "resamples pairs"]:
    """Correlate in resamples of trials, from each trial's sums and cross-products."""
    z = x - x.mean(axis=0)
    p = z.shape[1]
    i, j = np.triu_indices(p)
    n_trials = weights.shape[1]
    count = np.bincount(trial, minlength=n_trials).astype(float)
    sums = np.zeros((n_trials, p))
    np.add.at(sums, trial, z)
    products = np.zeros((n_trials, len(i)))
    for t in range(n_trials):
        rows = z[trial == t]
        products[t] = (rows.T @ rows)[i, j]
    total = weights @ count
    mean = weights @ sums / total[:, None]
    covariance = weights @ products / total[:, None] - mean[:, i] * mean[:, j]
    variance = covariance[:, i == j]
    off = i != j
    scale = np.sqrt(np.maximum(variance[:, i[off]] * variance[:, j[off]], 0.0))
    return covariance[:, off] / np.where(scale > 0, scale, np.inf)
