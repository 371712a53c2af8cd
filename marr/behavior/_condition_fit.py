"""Fit one condition: posterior, summary of each parameter, curve, checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ._cluster_kernel import (
    SCALES,
    influence,
    robust_error,
    scaled,
    stretch,
    stretch_factor,
    t_test,
    unscaled,
)
from ._curve_kernel import (
    Prior,
    make_cells,
    psi,
    slope_at_threshold,
)
from ._posterior_kernel import Draws, find_map, sample
from ._problem_kernel import Problem
from ._summary_kernel import (
    FitCheck,
    check_fit,
    equal_tails,
    quantiles,
    shortest,
    two_sided_p,
)

__all__ = ["ClusterSpread", "ConditionFit", "FitOptions", "fit_condition", "null_value"]

N_EQUAL = 8000  # equally weighted draws kept for contrasts
N_MOVES = 4000  # of these, draws for the influence of clusters
N_CURVE = 1000  # of these, draws for the band of the curve
N_CHECK = 500  # simulated data sets of the checks
_HALF_OPEN = ("lapse_low", "lapse_high", "overdispersion")


@dataclass(frozen=True)
class FitOptions:
    """What every condition of one call shares.

    Attributes
    ----------
    prior : Prior
        Scaled to the stimuli of all conditions, so that contrasts are not tilted.
    link : str
    lapses : str
    rates : (float, float)
    overdispersed : bool
    falling : bool
        Whether the counted answer gets rarer as the stimulus grows.
    at_zero : bool
        Whether stimulus 0 lies in the tested range, so that there is a bias.
    grid : array of shape (n_grid,)
        Stimuli at which the curve is given.
    n_clusters : int
        Clusters over all conditions; 0 where trials are independent.
    """

    prior: Prior
    link: str
    lapses: str
    rates: tuple[float, float]
    overdispersed: bool
    falling: bool
    at_zero: bool
    grid: np.ndarray
    n_clusters: int = 0

    @property
    def names(self) -> list[str]:
        """Parameters that a finding reports, in order."""
        bias = ["bias"] if self.at_zero else []
        last = ["overdispersion"] if self.overdispersed else []
        return ["threshold", "width", "slope", *bias, "lapse_low", "lapse_high", *last]


@dataclass(frozen=True)
class ClusterSpread:
    """How whole clusters move the quantities of one condition.

    Attributes
    ----------
    there : array of bool of shape (n_clusters,)
        Clusters (of all conditions) that hold trials of this one.
    moves : dict of str to array of shape (n_clusters,)
        Influence of each cluster on the posterior mean of each parameter, 0 where it
        holds no trial.
    errors : dict of str to float
        Standard error over clusters, on the scale in `SCALES`.
    factors : dict of str to float
        By how much the posterior of each parameter was stretched.
    curve_factors : array of shape (n_grid,)
        The same for the curve.
    """

    there: np.ndarray
    moves: dict[str, np.ndarray]
    errors: dict[str, float]
    factors: dict[str, float]
    curve_factors: np.ndarray


@dataclass(frozen=True)
class ConditionFit:
    """One condition's fit.

    Attributes
    ----------
    rows : dict of str to dict of str to float
        By parameter: estimate (posterior median), mean, map, ci_low, ci_high, p_value.
    draws : dict of str to array of shape (n_draws,)
        Equally weighted draws of each parameter, in random order, and of "rise": the
        change of the curve over the tested range.
    curve : array of shape (3, n_grid)
        Median, low and high of the probability at each grid stimulus.
    check : FitCheck
    effective : float
        Effective number of posterior draws.
    n_rounds, n_trials : int
    converged : bool
        Whether the search for the mode converged.
    spread : ClusterSpread or None
        How clusters move the quantities, None without clusters.
    """

    rows: dict[str, dict[str, float]]
    draws: dict[str, np.ndarray]
    curve: np.ndarray
    check: FitCheck
    effective: float
    n_rounds: int
    n_trials: int
    converged: bool
    spread: ClusterSpread | None


def fit_condition(
    x: np.ndarray,
    y: np.ndarray,
    bins: np.ndarray,
    clusters: np.ndarray | None,
    options: FitOptions,
    seed: int,
) -> ConditionFit:
    """Fit one condition.

    Parameters
    ----------
    x, y : arrays of shape (n_trials,)
        Stimulus (its logarithm for the Weibull link), and 1 for the counted answer.
    bins : array of int of shape (n_trials,)
        Bins of the stimulus over which the deviance is taken.
    clusters : array of int of shape (n_trials,), optional
        Session or sequence of each trial, numbered from 0 over all conditions.
    options : FitOptions
    seed : int

    Returns
    -------
    ConditionFit

    Notes
    -----
    Runs on one thread: the matrices are small, and sums come out the same to the last
    bit however many cores there are.
    """
    with threadpool_limits(limits=1):
        return _fit_condition(x, y, bins, clusters, options, seed)


def _fit_condition(
    x: np.ndarray,
    y: np.ndarray,
    bins: np.ndarray,
    clusters: np.ndarray | None,
    options: FitOptions,
    seed: int,
) -> ConditionFit:
    rising = 1.0 - y if options.falling else y
    cells = make_cells(x, rising, clusters if options.overdispersed else None)
    problem = Problem(
        cells=cells,
        prior=options.prior,
        link=options.link,
        lapses=options.lapses,
        rates=options.rates[::-1] if options.falling else options.rates,
        overdispersed=options.overdispersed,
    )
    posterior = sample(problem, seed=seed)
    mode, _, converged = find_map(problem, posterior)
    equal = posterior.resample(N_EQUAL, np.random.default_rng([seed, 1]))
    weighted = _quantities(posterior.theta, options)
    at_mode = _quantities(mode[None], options)
    local, spread = None, None
    if clusters is not None:
        used, local = np.unique(clusters, return_inverse=True)
        local = local.reshape(-1)
        spread = _cluster_spread(equal[:N_MOVES], x, rising, used, local, options)
    return ConditionFit(
        rows={
            name: _row(
                name,
                weighted[name],
                posterior,
                float(at_mode[name][0]),
                options,
                spread,
            )
            for name in options.names
        },
        draws=_quantities(equal, options),
        curve=_curve(equal[:N_CURVE], options, spread),
        check=check_fit(x, rising, bins, local, equal[:N_CHECK], options.link, seed),
        effective=posterior.effective,
        n_rounds=posterior.n_rounds,
        n_trials=cells.n_trials,
        converged=converged,
        spread=spread,
    )


def _cluster_spread(
    theta: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    used: np.ndarray,
    clusters: np.ndarray,
    options: FitOptions,
) -> ClusterSpread:
    """Measure how clusters move every quantity and the curve."""
    values = _quantities(theta, options)
    names = options.names
    plain = np.stack([values[n] for n in names], axis=1)
    free = np.stack([scaled(values[n], SCALES[n]) for n in names], axis=1)
    curve = scaled(_curve_draws(theta, options), "logit")
    moves = influence(
        np.concatenate([plain, free, curve], axis=1), theta, x, y, clusters, options.link,
        overdispersed=options.overdispersed,
    )  # fmt: skip
    k = len(names)
    errors = robust_error(moves[k:])
    spreads = np.concatenate([free, curve], axis=1).std(axis=0)
    factors = stretch_factor(errors, spreads, len(used))
    there = np.zeros(options.n_clusters, dtype=bool)
    there[used] = True
    everywhere = np.zeros((k, options.n_clusters))
    everywhere[:, used] = moves[:k]
    return ClusterSpread(
        there=there,
        moves=dict(zip(names, everywhere, strict=True)),
        errors=dict(zip(names, errors[:k].tolist(), strict=True)),
        factors=dict(zip(names, factors[:k].tolist(), strict=True)),
        curve_factors=factors[k:],
    )


def _quantities(theta: np.ndarray, options: FitOptions) -> dict[str, np.ndarray]:
    """Return reported quantities, each of shape (n_rows,), of a parameter matrix."""
    log = options.link == "weibull"
    sign = -1.0 if options.falling else 1.0
    low, high = (3, 2) if options.falling else (2, 3)
    out = {
        "threshold": np.exp(theta[:, 0]) if log else theta[:, 0],
        "width": theta[:, 1],
        "slope": sign * slope_at_threshold(theta[:, 1], options.link),
        "lapse_low": theta[:, low],
        "lapse_high": theta[:, high],
        "overdispersion": theta[:, 4],
        "rise": _rise(theta, options),
    }
    if options.at_zero:
        p, q = psi(np.zeros(1), theta, options.link)
        out["bias"] = (q if options.falling else p)[:, 0]
    return out


def _rise(theta: np.ndarray, options: FitOptions) -> np.ndarray:
    """Return by how much each curve changes over the tested range."""
    ends = np.array([options.prior.low, options.prior.high])
    p, _ = psi(ends, theta, options.link)
    return np.asarray(p[:, 1] - p[:, 0])


def null_value(name: str) -> float:
    """Return the value of no preference: bias .5, threshold 0; none for the others."""
    return {"bias": 0.5, "threshold": 0.0}.get(name, float("nan"))


def _row(
    name: str,
    values: np.ndarray,
    posterior: Draws,
    mode: float,
    options: FitOptions,
    spread: ClusterSpread | None,
) -> dict[str, float]:
    weights, null = posterior.weights, null_value(name)
    middle = float(quantiles(values, weights, np.array([0.5]))[0])
    wide = values
    if spread is not None:
        wide = stretch(values, middle, spread.factors[name], SCALES[name])
    interval = shortest if name in _HALF_OPEN else equal_tails
    low, high = interval(wide, weights)
    if name.startswith("lapse") and options.lapses == "fixed":
        low = high = mode
    p = float("nan")
    if options.at_zero and np.isfinite(null):
        p = two_sided_p(wide, weights, null, posterior.effective)
        if spread is not None:
            ends = scaled(np.array([middle, null]), SCALES[name])
            n = int(spread.there.sum())
            p = max(p, t_test(float(ends[0] - ends[1]), spread.errors[name], n))
    return {
        "estimate": middle,
        "ci_low": low,
        "ci_high": high,
        "p_value": p,
        "mean": float(weights @ values),
        "map": mode,
    }


def _curve_draws(theta: np.ndarray, options: FitOptions) -> np.ndarray:
    """Return the probability at each grid stimulus under each draw."""
    grid = np.log(options.grid) if options.link == "weibull" else options.grid
    p, q = psi(grid, theta, options.link)
    return q if options.falling else p


def _curve(
    theta: np.ndarray, options: FitOptions, spread: ClusterSpread | None
) -> np.ndarray:
    """Return median, low and high of the curve, (3, n_grid)."""
    p = _curve_draws(theta, options)
    middle = np.median(p, axis=0)
    if spread is not None:
        center = scaled(middle, "logit")
        p = unscaled(
            center + spread.curve_factors * (scaled(p, "logit") - center), "logit"
        )
    return np.stack([middle, *np.quantile(p, [0.025, 0.975], axis=0)])
