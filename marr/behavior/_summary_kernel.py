"""What a finding says of weighted posterior draws: quantiles, intervals, checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ._curve_kernel import psi

__all__ = [
    "FitCheck",
    "check_fit",
    "difference",
    "equal_tails",
    "quantiles",
    "shortest",
    "two_sided_p",
]


def quantiles(
    values: Float[np.ndarray, " draws"],
    weights: Float[np.ndarray, " draws"],
    at: Float[np.ndarray, " levels"],
) -> Float[np.ndarray, " levels"]:
    """Weighted quantiles, interpolated between the middles of the weights.

    Parameters
    ----------
    values, weights : arrays of shape (n_draws,)
        Draws and their weights, which sum to 1.
    at : array of shape (n_levels,)
        Probabilities.

    Returns
    -------
    array of shape (n_levels,)
    """
    order = np.argsort(values)
    mass = weights[order]
    return np.interp(at, np.cumsum(mass) - mass / 2, values[order])


def equal_tails(
    values: Float[np.ndarray, " draws"],
    weights: Float[np.ndarray, " draws"],
    level: float = 0.95,
) -> tuple[float, float]:
    """Interval that leaves the same posterior mass on either side."""
    tail = (1 - level) / 2
    low, high = quantiles(values, weights, np.array([tail, 1 - tail]))
    return float(low), float(high)


def shortest(
    values: Float[np.ndarray, " draws"],
    weights: Float[np.ndarray, " draws"],
    level: float = 0.95,
    bound: float = 0.0,
) -> tuple[float, float]:
    """Shortest interval with the given posterior mass, for a quantity bounded below.

    An equal-tailed interval can never contain the bound itself; this one starts at
    the bound exactly where the posterior is highest there.

    Parameters
    ----------
    values, weights : arrays of shape (n_draws,)
        Draws, all at or above `bound`, and their weights.
    level : float
        Posterior mass inside.
    bound : float
        Smallest possible value.

    Returns
    -------
    (float, float)
    """
    starts = np.linspace(0.0, 1.0 - level, 201)
    lows = quantiles(values, weights, starts)
    lows[0] = bound
    highs = quantiles(values, weights, starts + level)
    best = int((highs - lows).argmin())
    return float(lows[best]), float(highs[best])


def two_sided_p(
    values: Float[np.ndarray, " draws"],
    weights: Float[np.ndarray, " draws"],
    null: float,
    effective: float,
) -> float:
    """Twice the smaller posterior mass on either side of `null`.

    One effective draw is counted on the far side, so that the value is never under
    ``2 / (effective + 1)``, which is its floor.
    """
    below = float(weights[values < null].sum())
    tie = float(weights[values == null].sum()) / 2
    tail = min(below + tie, 1 - below - tie)
    return min(1.0, 2 * (tail * effective + 1) / (effective + 1))


def difference(
    a: Float[np.ndarray, " draws"],
    b: Float[np.ndarray, " draws"],
    effective: float,
    level: float = 0.95,
) -> tuple[float, float, float, float]:
    """Posterior of ``a - b`` for independent, equally weighted draws in random order.

    Parameters
    ----------
    a, b : arrays of shape (n_draws,)
        Draws of one quantity in two conditions that share no trials.
    effective : float
        Effective number of draws behind them, which sets the floor of `p`.
    level : float
        Posterior mass inside the interval.

    Returns
    -------
    median, low, high, p : float
        `p` is two-sided, from the posterior mass beyond 0.
    """
    delta = a - b
    flat = np.full(len(delta), 1 / len(delta))
    low, high = equal_tails(delta, flat, level)
    return float(np.median(delta)), low, high, two_sided_p(delta, flat, 0.0, effective)


@dataclass(frozen=True)
class FitCheck:
    """Posterior-predictive checks of one fit.

    Attributes
    ----------
    deviance : float
        Median deviance of the observed proportions over the posterior.
    deviance_p : float
        Share of simulated data sets with a deviance at least as large.
    spread : float
        Variance of whole clusters about the curve over its binomial value (1 where
        clusters do not shift together; NaN without clusters).
    spread_p : float
        Share of simulated data sets with at least that spread.
    """

    deviance: float
    deviance_p: float
    spread: float
    spread_p: float


def check_fit(
    x: Float[np.ndarray, " trials"],
    y: Float[np.ndarray, " trials"],
    bins: Int[np.ndarray, " trials"],
    clusters: Int[np.ndarray, " trials"] | None,
    theta: Float[np.ndarray, "draws five"],
    link: str,
    seed: int,
) -> FitCheck:
    """Compare the data with data simulated from posterior draws.

    Parameters
    ----------
    x, y : arrays of shape (n_trials,)
        Stimulus, and 1 where the counted choice was made.
    bins : array of shape (n_trials,)
        Stimulus level (or bin of levels) of each trial; deviance is over bins.
    clusters : array of shape (n_trials,), optional
        Cluster of each trial, numbered from 0.
    theta : array of shape (n_draws, 5)
        Equally weighted posterior draws; one data set is simulated from each.
    link : {"logistic", "gaussian", "weibull"}
    seed : int

    Returns
    -------
    FitCheck

    References
    ----------
    Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-760.
    """
    rng = np.random.default_rng(seed)
    group = np.zeros(len(x), np.int64) if clusters is None else clusters
    keys, cell = np.unique(np.stack([bins, group]), axis=1, return_inverse=True)
    cell = cell.reshape(-1)
    total = np.bincount(cell).astype(float)
    observed = np.bincount(cell, y)
    p = _cell_means(x, cell, total, theta, link)
    simulated = _simulate(p, total, theta[:, 4], rng)
    seen = np.broadcast_to(observed, simulated.shape)
    deviance = [_deviance(k, p, total, keys[0]) for k in (seen, simulated)]
    spread, spread_p = float("nan"), float("nan")
    if clusters is not None:
        real, fake = (_spread(k, p, total, keys[1]) for k in (seen, simulated))
        spread, spread_p = float(np.median(real)), _exceeds(fake, real)
    return FitCheck(
        deviance=float(np.median(deviance[0])),
        deviance_p=_exceeds(deviance[1], deviance[0]),
        spread=spread,
        spread_p=spread_p,
    )


def _cell_means(
    x: np.ndarray, cell: np.ndarray, total: np.ndarray, theta: np.ndarray, link: str
) -> np.ndarray:
    """Mean probability of each cell under each draw, (n_draws, n_cells)."""
    points, point = np.unique(x, return_inverse=True)
    p, _ = psi(points.astype(float), theta, link)
    pairs, counts = np.unique(
        np.stack([cell, point.reshape(-1)]), axis=1, return_counts=True
    )
    out = np.zeros((len(theta), len(total)))
    for k, column in enumerate(pairs[1]):
        out[:, pairs[0, k]] += p[:, column] * counts[k]
    return np.asarray(out / total)


def _simulate(
    p: np.ndarray, total: np.ndarray, eta: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Hits of simulated data sets, (n_draws, n_cells), beta-binomial where eta > 0."""
    nu = 1.0 / np.maximum(eta**2, 1e-10) - 1.0
    shaken = np.clip(p, 1e-9, 1 - 1e-9)
    beta = rng.beta(shaken * nu[:, None], (1 - shaken) * nu[:, None])
    rate = np.where(eta[:, None] > 1e-5, beta, p)
    return rng.binomial(total.astype(np.int64), np.clip(rate, 0, 1)).astype(float)


def _pool(values: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Sum columns that share a key: (n_draws, n_cells) to (n_draws, n_keys)."""
    names, index = np.unique(key, return_inverse=True)
    member = index.reshape(-1)[:, None] == np.arange(len(names))
    return np.asarray(values @ member.astype(float))


def _deviance(
    hits: np.ndarray, p: np.ndarray, total: np.ndarray, bins: np.ndarray
) -> np.ndarray:
    """Binomial deviance over stimulus bins, one per draw."""
    k, n = _pool(hits, bins), _pool(total[None], bins)
    mean = np.clip(_pool(p * total, bins) / n, 1e-12, 1 - 1e-12)
    up = np.where(k > 0, k * np.log(np.maximum(k, 1) / (n * mean)), 0.0)
    rest = n - k
    down = np.where(
        rest > 0, rest * np.log(np.maximum(rest, 1) / (n * (1 - mean))), 0.0
    )
    return np.asarray(2 * (up + down).sum(axis=1))


def _spread(
    hits: np.ndarray, p: np.ndarray, total: np.ndarray, clusters: np.ndarray
) -> np.ndarray:
    """Squared standardized total of whole clusters, averaged; one per draw."""
    off = _pool(hits - p * total, clusters)
    variance = _pool(p * (1 - p) * total, clusters)
    return np.asarray((off**2 / np.maximum(variance, 1e-12)).mean(axis=1))


def _exceeds(simulated: np.ndarray, observed: np.ndarray) -> float:
    return float((1 + (simulated >= observed).sum()) / (1 + len(observed)))
