"""Fit one condition: posterior, summary of each parameter, curve, checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._curve_kernel import (
    Prior,
    make_cells,
    psi,
    slope_at_threshold,
)
from ._posterior_kernel import find_map, sample
from ._problem_kernel import Problem
from ._summary_kernel import (
    FitCheck,
    check_fit,
    equal_tails,
    quantiles,
    shortest,
    two_sided_p,
)

__all__ = ["ConditionFit", "FitOptions", "fit_condition", "null_value"]

N_EQUAL = 8000  # equally weighted draws kept for contrasts
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
    """

    prior: Prior
    link: str
    lapses: str
    rates: tuple[float, float]
    overdispersed: bool
    falling: bool
    at_zero: bool
    grid: np.ndarray

    @property
    def names(self) -> list[str]:
        """Parameters that a finding reports, in order."""
        bias = ["bias"] if self.at_zero else []
        last = ["overdispersion"] if self.overdispersed else []
        return ["threshold", "width", "slope", *bias, "lapse_low", "lapse_high", *last]


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
    """

    rows: dict[str, dict[str, float]]
    draws: dict[str, np.ndarray]
    curve: np.ndarray
    check: FitCheck
    effective: float
    n_rounds: int
    n_trials: int
    converged: bool


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
        Session or sequence of each trial.
    options : FitOptions
    seed : int

    Returns
    -------
    ConditionFit
    """
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
    rng = np.random.default_rng([seed, 1])
    equal = posterior.resample(N_EQUAL, rng)
    weighted = _quantities(posterior.theta, options)
    at_mode = _quantities(mode[None], options)
    codes = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    return ConditionFit(
        rows={
            name: _row(
                name,
                weighted[name],
                posterior.weights,
                at_mode[name],
                options,
                posterior.effective,
            )
            for name in options.names
        },
        draws=_quantities(equal, options),
        curve=_curve(equal[:1000], options),
        check=check_fit(x, rising, bins, codes, equal[:N_CHECK], options.link, seed),
        effective=posterior.effective,
        n_rounds=posterior.n_rounds,
        n_trials=cells.n_trials,
        converged=converged,
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
    weights: np.ndarray,
    mode: np.ndarray,
    options: FitOptions,
    effective: float,
) -> dict[str, float]:
    interval = shortest if name in _HALF_OPEN else equal_tails
    low, high = interval(values, weights)
    if name.startswith("lapse") and options.lapses == "fixed":
        low = high = float(mode[0])
    tested = options.at_zero and np.isfinite(null_value(name))
    p = two_sided_p(values, weights, null_value(name), effective) if tested else np.nan
    return {
        "estimate": float(quantiles(values, weights, np.array([0.5]))[0]),
        "ci_low": low,
        "ci_high": high,
        "p_value": p,
        "mean": float(weights @ values),
        "map": float(mode[0]),
    }


def _curve(theta: np.ndarray, options: FitOptions) -> np.ndarray:
    grid = np.log(options.grid) if options.link == "weibull" else options.grid
    p, q = psi(grid, theta, options.link)
    return np.quantile(q if options.falling else p, [0.5, 0.025, 0.975], axis=0)
