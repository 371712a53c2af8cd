"""Psychometric functions on arrays: links, cells of trials, likelihood and prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, gammaln, ndtr

__all__ = [
    "LINKS",
    "NATURAL",
    "Cells",
    "Prior",
    "log_likelihood",
    "make_cells",
    "make_prior",
    "psi",
    "slope_at_threshold",
]

NATURAL = ("threshold", "width", "lapse_low", "lapse_high", "overdispersion")
"""Columns of a parameter matrix, in this order."""

LINKS = ("logistic", "gaussian", "weibull")

_LOG2 = np.log(2.0)
_SCALE = {  # the width is the distance from F = .05 to F = .95
    "logistic": 2 * np.log(19.0),
    "gaussian": 2 * 1.6448536269514722,
    "weibull": np.log(-np.log(0.05)) - np.log(-np.log(0.95)),
}
_SLOPE = {  # dF/dx at the threshold, times the width
    "logistic": _SCALE["logistic"] / 4,
    "gaussian": _SCALE["gaussian"] / np.sqrt(2 * np.pi),
    "weibull": _SCALE["weibull"] * _LOG2 / 2,
}
_TINY = 1e-300
_BINOMIAL_BELOW = 1e-10  # variance share under which a beta-binomial is a binomial
_BUDGET = 4_000_000  # rows times cells held at once


@dataclass(frozen=True)
class Cells:
    """Trials counted by stimulus level and cluster; equal cells are stored once.

    Attributes
    ----------
    levels : array of shape (n_levels,)
        Distinct stimulus levels, rising (natural logarithms for the Weibull link).
    level : array of shape (n_cells,)
        Index into `levels` of each distinct cell.
    hits, total : arrays of shape (n_cells,)
        Trials answered with the counted choice, and all trials, of each cell.
    times : array of shape (n_cells,)
        How often this very cell occurs.
    """

    levels: Float[np.ndarray, " levels"]
    level: Int[np.ndarray, " cells"]
    hits: Float[np.ndarray, " cells"]
    total: Float[np.ndarray, " cells"]
    times: Float[np.ndarray, " cells"]

    @property
    def n_trials(self) -> int:
        """Trials in all cells."""
        return int((self.total * self.times).sum())

    def by_level(self) -> tuple[np.ndarray, np.ndarray]:
        """Hits and trials of each stimulus level, two arrays of shape (n_levels,)."""
        n = len(self.levels)
        hits = np.bincount(self.level, self.hits * self.times, minlength=n)
        return hits, np.bincount(self.level, self.total * self.times, minlength=n)


def make_cells(
    x: Float[np.ndarray, " trials"],
    y: Float[np.ndarray, " trials"],
    clusters: Int[np.ndarray, " trials"] | None = None,
) -> Cells:
    """Count trials by stimulus level (and cluster).

    Parameters
    ----------
    x : array of shape (n_trials,)
        Stimulus of each trial.
    y : array of shape (n_trials,)
        1 where the counted choice was made, else 0.
    clusters : array of shape (n_trials,), optional
        Cluster (session) of each trial; cells then never mix clusters, which is what
        lets a beta-binomial see the spread between them.

    Returns
    -------
    Cells
    """
    levels, level = np.unique(x, return_inverse=True)
    level = level.reshape(-1)
    group = np.zeros(len(x), dtype=np.int64) if clusters is None else clusters
    keys, cell = np.unique(
        np.stack([level, group], axis=1), axis=0, return_inverse=True
    )
    cell = cell.reshape(-1)
    hits = np.bincount(cell, y, minlength=len(keys))
    total = np.bincount(cell, minlength=len(keys)).astype(float)
    rows = np.stack([keys[:, 0].astype(float), hits, total], axis=1)
    distinct, times = np.unique(rows, axis=0, return_counts=True)
    return Cells(
        levels=levels.astype(float),
        level=distinct[:, 0].astype(np.int64),
        hits=distinct[:, 1],
        total=distinct[:, 2],
        times=times.astype(float),
    )


def _unscaled(
    x: np.ndarray, threshold: np.ndarray, width: np.ndarray, link: str
) -> tuple[np.ndarray, np.ndarray]:
    """F and 1 - F, each precise in its own tail."""
    s = (x - threshold) * (_SCALE[link] / width)
    if link == "logistic":
        return expit(s), expit(-s)
    if link == "gaussian":
        return ndtr(s), ndtr(-s)
    log_survival = -_LOG2 * np.exp(np.clip(s, -700, 700))
    return -np.expm1(log_survival), np.exp(log_survival)


def psi(
    x: Float[np.ndarray, " points"],
    theta: Float[np.ndarray, "rows five"],
    link: str,
) -> tuple[Float[np.ndarray, "rows points"], Float[np.ndarray, "rows points"]]:
    """Probability of the counted choice, and of the other one.

    ``psi(x) = lapse_low + (1 - lapse_low - lapse_high) F(x; threshold, width)``

    Parameters
    ----------
    x : array of shape (n_points,)
        Stimulus (its natural logarithm for the Weibull link).
    theta : array of shape (n_rows, 5)
        Parameter sets, columns as in `NATURAL`.
    link : {"logistic", "gaussian", "weibull"}

    Returns
    -------
    two arrays of shape (n_rows, n_points)
        psi and 1 - psi, kept above 1e-300 so that their logarithms exist.
    """
    low, high = theta[:, 2, None], theta[:, 3, None]
    up, down = _unscaled(x[None, :], theta[:, 0, None], theta[:, 1, None], link)
    span = 1.0 - low - high
    return np.maximum(low + span * up, _TINY), np.maximum(high + span * down, _TINY)


def slope_at_threshold(
    width: Float[np.ndarray, " rows"], link: str
) -> Float[np.ndarray, " rows"]:
    """dF/dx of the unscaled function at its threshold (no lapses in it)."""
    return _SLOPE[link] / width


def log_likelihood(
    theta: Float[np.ndarray, "rows five"], cells: Cells, link: str
) -> Float[np.ndarray, " rows"]:
    """Log-likelihood of parameter sets, without the binomial coefficients.

    Cells are beta-binomial with ``nu = 1 / overdispersion**2 - 1``; rows whose
    squared overdispersion is under 1e-10 are plain binomial (the limit).

    Parameters
    ----------
    theta : array of shape (n_rows, 5)
        Columns as in `NATURAL`.
    cells : Cells
    link : {"logistic", "gaussian", "weibull"}

    Returns
    -------
    array of shape (n_rows,)

    References
    ----------
    Schütt, Harmeling, Macke & Wichmann (2016), Vision Research 122, 105-123, eq. A.4.
    """
    step = max(1, _BUDGET // max(1, len(cells.hits)))
    out = np.empty(len(theta))
    for start in range(0, len(theta), step):
        rows = slice(start, start + step)
        out[rows] = _log_likelihood_block(theta[rows], cells, link)
    return out


def _log_likelihood_block(theta: np.ndarray, cells: Cells, link: str) -> np.ndarray:
    p, q = psi(cells.levels, theta, link)
    hits, total = cells.by_level()
    variance = theta[:, 4] ** 2
    beta = variance > _BINOMIAL_BELOW
    out = np.log(p) @ hits + np.log(q) @ (total - hits)
    if beta.any():
        nu = np.maximum(1.0 / variance[beta] - 1.0, _TINY)
        out[beta] = _log_beta_binomial(p[beta], q[beta], nu, cells)
    return out


def _log_beta_binomial(
    p: np.ndarray, q: np.ndarray, nu: np.ndarray, cells: Cells
) -> np.ndarray:
    """Beta-binomial log-likelihood; p, q (rows, levels), nu (rows,)."""
    a, b = np.maximum(p * nu[:, None], _TINY), np.maximum(q * nu[:, None], _TINY)
    misses = cells.total - cells.hits
    some_hits, some_misses = cells.hits > 0, misses > 0
    n = len(cells.levels)
    # log-gamma of a and of b is owed once for each cell that has hits (misses)
    n_hit = np.bincount(cells.level[some_hits], cells.times[some_hits], minlength=n)
    n_miss = np.bincount(
        cells.level[some_misses], cells.times[some_misses], minlength=n
    )
    up = gammaln(cells.hits[some_hits] + a[:, cells.level[some_hits]])
    down = gammaln(misses[some_misses] + b[:, cells.level[some_misses]])
    sizes, where = np.unique(cells.total, return_inverse=True)
    n_size = np.bincount(where.reshape(-1), cells.times, minlength=len(sizes))
    whole = gammaln(nu) * n_size.sum() - gammaln(sizes + nu[:, None]) @ n_size
    return (
        up @ cells.times[some_hits]
        - gammaln(a) @ n_hit
        + down @ cells.times[some_misses]
        - gammaln(b) @ n_miss
        + whole
    )


@dataclass(frozen=True)
class Prior:
    """Independent priors of the five natural parameters.

    Threshold: flat over the tested range, falling as a cosine to 0 half a range
    outside. Width: flat from twice the smallest step to the range, falling to 0 at
    one step and at three ranges. Lapses: Beta(1, `lapse_b`) cut at .5. Overdispersion:
    Beta(1, `overdispersion_b`).

    Attributes
    ----------
    low, high : float
        Tested range of the stimulus.
    step : float
        Smallest distance between two tested levels.
    width_grid, width_cdf : arrays of shape (n_grid,)
        Distribution of the width on a grid, for sampling.
    width_mass : float
        Integral of the unnormalized width prior.
    """

    low: float
    high: float
    step: float
    width_grid: Float[np.ndarray, " grid"]
    width_cdf: Float[np.ndarray, " grid"]
    width_mass: float
    lapse_b: float = 10.0
    overdispersion_b: float = 10.0

    def log_threshold(self, m: np.ndarray) -> np.ndarray:
        """Log prior density of the threshold."""
        spread = self.high - self.low
        outside = np.maximum(np.maximum(self.low - m, m - self.high), 0.0)
        edge = np.clip(2 * np.pi * outside / spread, 0.0, np.pi)
        return np.log(np.maximum((1 + np.cos(edge)) / 2, _TINY) / (1.5 * spread))

    def log_width(self, w: np.ndarray) -> np.ndarray:
        """Log prior density of the width."""
        density = _width_shape(w, self.step, self.high - self.low) / self.width_mass
        return np.log(np.maximum(density, _TINY))

    def log_lapse(self, lapse: np.ndarray) -> np.ndarray:
        """Log prior density of one lapse rate, on (0, .5)."""
        b = self.lapse_b
        mass = 1.0 - 0.5**b
        return np.log(b / mass) + (b - 1) * np.log1p(-np.clip(lapse, 0.0, 0.5))

    def log_overdispersion(self, eta: np.ndarray) -> np.ndarray:
        """Log prior density of the overdispersion, on (0, 1)."""
        b = self.overdispersion_b
        return np.log(b) + (b - 1) * np.log(np.maximum(1.0 - eta, _TINY))

    def quantiles(
        self, u: Float[np.ndarray, "rows five"]
    ) -> Float[np.ndarray, "rows five"]:
        """Parameter sets at prior probabilities `u`, of shape (n_rows, 5)."""
        spread = self.high - self.low
        grid = np.linspace(self.low - spread / 2, self.high + spread / 2, 2001)
        cdf = _cumulative(np.exp(self.log_threshold(grid)), grid)
        out = np.empty_like(u)
        out[:, 0] = np.interp(u[:, 0], cdf / cdf[-1], grid)
        out[:, 1] = np.interp(u[:, 1], self.width_cdf, self.width_grid)
        kept = u[:, 2:4] * (1.0 - 0.5**self.lapse_b)
        out[:, 2:4] = -np.expm1(np.log1p(-kept) / self.lapse_b)
        out[:, 4] = -np.expm1(np.log1p(-u[:, 4]) / self.overdispersion_b)
        return out


def _width_shape(w: np.ndarray, step: float, spread: float) -> np.ndarray:
    """Prior of the width, unnormalized: rises over (1, 2) steps, falls over (1, 3) ranges."""
    rise = (1 - np.cos(np.pi * np.clip((w - step) / step, 0.0, 1.0))) / 2
    fall = (1 + np.cos(np.pi * np.clip((w - spread) / (2 * spread), 0.0, 1.0))) / 2
    # with two levels only, step and range coincide and the fall alone holds
    return np.where(w < step, 0.0, np.where(w >= spread, fall, rise))


def _cumulative(density: np.ndarray, grid: np.ndarray) -> np.ndarray:
    area = (density[1:] + density[:-1]) / 2 * np.diff(grid)
    return np.concatenate([[0.0], np.cumsum(area)])


def make_prior(levels: Float[np.ndarray, " levels"]) -> Prior:
    """Prior scaled to the tested stimulus levels.

    Parameters
    ----------
    levels : array of shape (n_levels,), n_levels >= 2
        Distinct stimulus levels, rising.

    Returns
    -------
    Prior
        The defaults of psignifit 4 (Schütt et al. 2016).
    """
    low, high = float(levels[0]), float(levels[-1])
    step = float(np.diff(levels).min())
    spread = high - low
    grid = np.unique(
        np.concatenate(
            [np.linspace(step, 2 * step, 500), np.linspace(step, 3 * spread, 3000)]
        )
    )
    cdf = _cumulative(_width_shape(grid, step, spread), grid)
    return Prior(
        low=low,
        high=high,
        step=step,
        width_grid=grid,
        width_cdf=cdf / cdf[-1],
        width_mass=float(cdf[-1]),
    )
