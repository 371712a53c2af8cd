"""Continuous behavior in trials: moments, quantiles, circular errors, resampled."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

__all__ = ["circular_error", "error_summary", "movement_summary", "shuffled_error"]

_N_EDGES = 2001
MOVEMENT = ("mean_absolute", "sd", "q05", "median", "q95")
"""What `movement_summary` gives, in this order."""
ERROR = ("mean_absolute", "median_absolute", "bias")
"""What `error_summary` gives, in this order."""


def movement_summary(
    values: Float[np.ndarray, "trials times"],
    weights: Float[np.ndarray, "resamples trials"],
) -> Float[np.ndarray, "resamples five"]:
    """Mean absolute value, standard deviation and quantiles of resampled trials.

    Parameters
    ----------
    values : array of shape (n_trials, n_times)
        NaN where nothing was measured.
    weights : array of shape (n_resamples, n_trials)
        How often each trial counts.

    Returns
    -------
    array of shape (n_resamples, 5)
        Columns as in `MOVEMENT`. Quantiles are read from 2,000 bins of equal mass.
    """
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    n = np.maximum(weights @ seen.sum(axis=1), 1e-300)
    mean = weights @ filled.sum(axis=1) / n
    square = weights @ (filled**2).sum(axis=1) / n
    absolute = weights @ np.abs(filled).sum(axis=1) / n
    sd = np.sqrt(np.maximum(square - mean**2, 0.0))
    edges = np.unique(np.quantile(values[seen], np.linspace(0, 1, _N_EDGES)))
    quantiles = _binned_quantiles(values, seen, edges, weights)
    return np.column_stack([absolute, sd, quantiles])


def _binned_quantiles(
    values: np.ndarray, seen: np.ndarray, edges: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """5 %, 50 % and 95 % quantiles of weighted trials, (n_resamples, 3)."""
    if len(edges) == 1:
        return np.full((len(weights), 3), edges[0])
    n_bins = len(edges) - 1
    trial = np.broadcast_to(np.arange(len(values))[:, None], values.shape)[seen]
    at = np.clip(np.searchsorted(edges, values[seen], side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(trial * n_bins + at, minlength=len(values) * n_bins)
    mass = weights @ counts.reshape(len(values), n_bins).astype(float)
    cumulative = np.concatenate(
        [np.zeros((len(mass), 1)), np.cumsum(mass, axis=1)], axis=1
    )
    cumulative /= np.maximum(cumulative[:, -1:], 1e-300)
    return np.array([np.interp([0.05, 0.5, 0.95], row, edges) for row in cumulative])


def circular_error(
    estimate: Float[np.ndarray, "*shape"],
    target: Float[np.ndarray, "*shape"],
    period: float | None,
) -> Float[np.ndarray, "*shape"]:
    """Signed error, wrapped into half a period on either side; plain without one.

    Parameters
    ----------
    estimate, target : arrays of one shape
    period : float or None
        Length of the circle in the units of the values.

    Returns
    -------
    array of the same shape
        In [-period / 2, period / 2).
    """
    delta = estimate - target
    if period is None:
        return np.asarray(delta)
    return np.asarray((delta + period / 2) % period - period / 2)


def error_summary(
    errors: Float[np.ndarray, "trials times"],
    weights: Float[np.ndarray, "resamples trials"],
    period: float | None,
) -> Float[np.ndarray, "resamples three"]:
    """Mean and median absolute error and bias of resampled trials.

    Parameters
    ----------
    errors : array of shape (n_trials, n_times)
        Signed errors, NaN where there is none.
    weights : array of shape (n_resamples, n_trials)
        How often each trial counts.
    period : float or None
        Length of the circle; the bias is then the circular mean.

    Returns
    -------
    array of shape (n_resamples, 3)
        Columns as in `ERROR`.
    """
    seen = ~np.isnan(errors)
    filled = np.where(seen, errors, 0.0)
    n = np.maximum(weights @ seen.sum(axis=1), 1e-300)
    absolute = weights @ np.abs(filled).sum(axis=1) / n
    size = np.where(seen, np.abs(errors), np.nan)
    edges = np.unique(np.quantile(size[seen], np.linspace(0, 1, _N_EDGES)))
    median = _binned_quantiles(size, seen, edges, weights)[:, 1]
    if period is None:
        bias = weights @ filled.sum(axis=1) / n
    else:
        angle = np.where(seen, errors, 0.0) * (2 * np.pi / period)
        sine = weights @ np.where(seen, np.sin(angle), 0.0).sum(axis=1)
        cosine = weights @ np.where(seen, np.cos(angle), 0.0).sum(axis=1)
        bias = np.arctan2(sine, cosine) * period / (2 * np.pi)
    return np.column_stack([absolute, median, bias])


def shuffled_error(
    estimate: Float[np.ndarray, "trials times"],
    target: Float[np.ndarray, "trials times"],
    permuted: Int[np.ndarray, "permutations trials"],
    period: float | None,
) -> Float[np.ndarray, "permutations two"]:
    """Mean and median absolute error when trials get the targets of other trials.

    Parameters
    ----------
    estimate, target : arrays of shape (n_trials, n_times)
    permuted : array of shape (n_permutations, n_trials)
        Trial whose target each trial is compared with.
    period : float or None

    Returns
    -------
    array of shape (n_permutations, 2)
        Mean and median absolute error.
    """
    out = np.empty((len(permuted), 2))
    for row, order in enumerate(permuted):
        size = np.abs(circular_error(estimate, target[order], period))
        out[row] = np.nanmean(size), np.nanmedian(size)
    return out
