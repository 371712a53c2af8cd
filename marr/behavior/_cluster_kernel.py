"""Spread between clusters of trials: how it enters the interval of a posterior quantity."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit, ndtri, stdtr, stdtrit

from ._curve_kernel import log_likelihood, make_cells, psi

__all__ = [
    "SCALES",
    "cluster_log_likelihood",
    "influence",
    "robust_error",
    "scaled",
    "stretch",
    "stretch_factor",
    "t_test",
    "unscaled",
]

_BLOCK = 500  # clusters whose log-likelihoods are held at once

SCALES = {
    "threshold": "plain",
    "width": "log",
    "slope": "log",
    "bias": "logit",
    "lapse_low": "logit",
    "lapse_high": "logit",
    "overdispersion": "logit",
}
"""Scale on which the posterior of each parameter is stretched."""


def scaled(values: np.ndarray, scale: str) -> np.ndarray:
    """Put values on a scale without bounds."""
    if scale == "log":
        return np.log(np.abs(values))
    if scale == "logit":
        return np.asarray(logit(np.clip(values, 1e-12, 1 - 1e-12)))
    return values


def unscaled(values: np.ndarray, scale: str, sign: float = 1.0) -> np.ndarray:
    """Put values back; `sign` is that of logarithms' originals."""
    if scale == "log":
        return np.asarray(sign * np.exp(values))
    return np.asarray(expit(values)) if scale == "logit" else values


def cluster_log_likelihood(
    theta: Float[np.ndarray, "draws five"],
    x: Float[np.ndarray, " trials"],
    y: Float[np.ndarray, " trials"],
    clusters: Int[np.ndarray, " trials"],
    link: str,
    *,
    overdispersed: bool,
) -> Float[np.ndarray, "draws clusters"]:
    """Log-likelihood of each cluster's trials under each draw.

    Parameters
    ----------
    theta : array of shape (n_draws, 5)
    x, y : arrays of shape (n_trials,)
        Stimulus, and 1 for the counted answer.
    clusters : array of shape (n_trials,)
        Cluster of each trial, numbered from 0 without gaps.
    link : {"logistic", "gaussian", "weibull"}
    overdispersed : bool
        Whether the cells of a cluster are beta-binomial.

    Returns
    -------
    array of shape (n_draws, n_clusters)
    """
    n = int(clusters.max()) + 1
    if overdispersed:
        parts = [
            log_likelihood(theta, make_cells(x[clusters == g], y[clusters == g]), link)
            for g in range(n)
        ]
        return np.stack(parts, axis=1)
    levels, level = np.unique(x, return_inverse=True)
    cell = clusters * len(levels) + level.reshape(-1)
    shape = (n, len(levels))
    total = np.bincount(cell, minlength=n * len(levels)).reshape(shape)
    hits = np.bincount(cell, y, minlength=n * len(levels)).reshape(shape)
    p, q = psi(levels.astype(float), theta, link)
    return np.asarray(np.log(p) @ hits.T + np.log(q) @ (total - hits).T)


def influence(
    values: Float[np.ndarray, "draws quantities"],
    theta: Float[np.ndarray, "draws five"],
    x: Float[np.ndarray, " trials"],
    y: Float[np.ndarray, " trials"],
    clusters: Int[np.ndarray, " trials"],
    link: str,
    *,
    overdispersed: bool,
) -> Float[np.ndarray, "quantities clusters"]:
    """By how much each cluster moves the posterior mean of each quantity.

    It is the posterior covariance of the quantity with the cluster's log-likelihood
    (infinitesimal jackknife).

    Parameters
    ----------
    values : array of shape (n_draws, n_quantities)
        Quantities of equally weighted draws.
    theta : array of shape (n_draws, 5)
        The draws.
    x, y, clusters : arrays of shape (n_trials,)
    link : str
    overdispersed : bool

    Returns
    -------
    array of shape (n_quantities, n_clusters)

    References
    ----------
    Giordano & Broderick (2023), The Bayesian infinitesimal jackknife for variance,
    arXiv:2305.06466.
    """
    centred = (values - values.mean(axis=0)).T / len(values)
    n = int(clusters.max()) + 1
    out = np.empty((values.shape[1], n))
    for start in range(0, n, _BLOCK):
        inside = (clusters >= start) & (clusters < start + _BLOCK)
        logs = cluster_log_likelihood(
            theta, x[inside], y[inside], clusters[inside] - start, link,
            overdispersed=overdispersed,
        )  # fmt: skip
        out[:, start : start + _BLOCK] = centred @ logs
    return out


def robust_error(
    moves: Float[np.ndarray, "quantities clusters"],
    there: Bool[np.ndarray, " clusters"] | None = None,
) -> Float[np.ndarray, " quantities"]:
    """Return the standard error over clusters from their influences.

    Parameters
    ----------
    moves : array of shape (n_quantities, n_clusters)
    there : array of bool of shape (n_clusters,), optional
        Clusters that hold trials.

    Returns
    -------
    array of shape (n_quantities,)
        NaN with fewer than two clusters.
    """
    kept = moves if there is None else moves[:, there]
    n = kept.shape[1]
    if n < 2:
        return np.full(len(kept), np.nan)
    off = kept - kept.mean(axis=1, keepdims=True)
    return np.asarray(np.sqrt((off**2).sum(axis=1) * n / (n - 1)))


def stretch_factor(
    error: Float[np.ndarray, " quantities"],
    spread: Float[np.ndarray, " quantities"],
    n_clusters: int,
) -> Float[np.ndarray, " quantities"]:
    """By how much a posterior is stretched so that it holds the spread over clusters.

    Parameters
    ----------
    error : array of shape (n_quantities,)
        Standard error over clusters.
    spread : array of shape (n_quantities,)
        Posterior standard deviation.
    n_clusters : int

    Returns
    -------
    array of shape (n_quantities,)
        At least 1; the error is first raised by Student's t over the normal quantile.
    """
    if n_clusters < 2:
        return np.ones(len(error))
    wide = float(stdtrit(n_clusters - 1, 0.975)) / float(ndtri(0.975))
    ratio = error * wide / np.maximum(spread, 1e-300)
    return np.maximum(1.0, np.nan_to_num(ratio, nan=1.0, posinf=1.0))


def stretch(
    values: Float[np.ndarray, " draws"],
    center: float,
    factor: float,
    scale: str,
) -> Float[np.ndarray, " draws"]:
    """Stretch draws about a center on one of `SCALES`."""
    if factor == 1.0:
        return values
    middle = scaled(np.array([center]), scale)[0]
    moved = middle + factor * (scaled(values, scale) - middle)
    return unscaled(moved, scale, sign=-1.0 if center < 0 else 1.0)


def t_test(distance: float, error: float, n_clusters: int) -> float:
    """Two-sided Student t p-value over clusters; 0 where there is no error over them."""
    if n_clusters < 2 or not np.isfinite(error) or error <= 0:
        return 0.0
    return float(2 * stdtr(n_clusters - 1, -abs(distance) / error))
