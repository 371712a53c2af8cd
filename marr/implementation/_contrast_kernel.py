"""Contrast of real perturbation trials with control trials, permuted as assigned."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

__all__ = ["Contrast", "assignments", "contrast", "p_floor"]

Contrast = tuple[float, float, float, float]


def assignments(
    treated: Bool[ndarray, " trials"],
    units: Int[ndarray, " trials"],
    strata: Int[ndarray, " trials"],
    *,
    shift: bool,
    n_permutations: int,
    seed: int,
) -> Bool[ndarray, "permutations trials"]:
    """Redraw which trials were perturbed, as the experiment could have drawn it.

    Parameters
    ----------
    treated : ndarray of bool of shape (n_trials,)
        Which trials were perturbed; constant within a unit.
    units : ndarray of int of shape (n_trials,)
        Unit of assignment of each trial: the trial itself, or its block. Whole units
        exchange their labels.
    strata : ndarray of int of shape (n_trials,)
        Labels move only within a stratum (a session, a subject). A unit lies in one.
    shift : bool
        Rotate the sequence of labels by a random lag within each stratum instead of
        shuffling it (trials that nobody assigned at random).
    n_permutations, seed : int
        How many redraws, and from which seed.

    Returns
    -------
    ndarray of bool of shape (n_permutations, n_trials)
    """
    rng = np.random.default_rng(seed)
    _, first, inverse = np.unique(units, return_index=True, return_inverse=True)
    labels, layer = treated[first], strata[first]
    drawn = np.tile(labels, (n_permutations, 1))
    order = np.argsort(first, kind="stable")  # units in order of appearance
    for stratum in np.unique(layer):
        members = order[layer[order] == stratum]
        if shift:
            lags = rng.integers(0, members.size, size=n_permutations)
            moved = (np.arange(members.size)[None, :] + lags[:, None]) % members.size
        else:
            moved = np.argsort(rng.random((n_permutations, members.size)), axis=1)
        drawn[:, members] = labels[members][moved]
    return drawn[:, inverse]


def contrast(
    values: Float[ndarray, " trials"],
    treated: Bool[ndarray, " trials"],
    redrawn: Bool[ndarray, "permutations trials"],
    *,
    level: float = 0.95,
) -> Contrast:
    """Mean of control trials minus mean of perturbed trials, tested by redrawing.

    The interval holds the constant losses that the same two-sided test does not reject
    (inversion; Ernst 2004): for a redraw with difference ``T_p`` whose perturbed
    trials overlap the real ones by ``c_p``, a loss d survives if
    ``|T_p - d c_p| >= |T - d|``, that is between two crossings that have a closed form.

    Parameters
    ----------
    values : ndarray of shape (n_trials,)
        One value a trial, none missing.
    treated : ndarray of bool of shape (n_trials,)
        Which trials were perturbed.
    redrawn : ndarray of bool of shape (n_permutations, n_trials)
        From `assignments`.
    level : float
        Of the interval.

    Returns
    -------
    estimate, ci_low, ci_high, p_value : float
        Infinite limits where the redraws are too few to exclude any loss.
    """
    estimate = float(values[~treated].mean() - values[treated].mean())
    n_treated = redrawn.sum(axis=1)
    possible = (n_treated > 0) & (n_treated < values.size)
    drawn, n_treated = redrawn[possible].astype(np.float64), n_treated[possible]
    n_control = values.size - n_treated
    sums, overlap = drawn @ values, drawn @ treated.astype(np.float64)
    null = (values.sum() - sums) / n_control - sums / n_treated
    share = overlap / n_treated - (treated.sum() - overlap) / n_control
    slack = 1e-10 * max(1.0, float(np.abs(values).max(initial=0.0)))
    n = null.size
    p_value = (1.0 + float((np.abs(null) >= abs(estimate) - slack).sum())) / (1.0 + n)
    ends = np.stack(
        [
            _crossing(estimate - null, 1.0 - share),
            _crossing(estimate + null, 1.0 + share),
        ]
    )
    rank = int(np.floor((1.0 - level) * (n + 1.0)))
    if rank < 1:
        return estimate, -np.inf, np.inf, p_value
    low = np.sort(_beyond(ends, estimate, -1.0))[rank - 1]
    high = np.sort(_beyond(ends, estimate, 1.0))[::-1][rank - 1]
    return estimate, float(low), float(high), p_value


def p_floor(
    treated: Bool[ndarray, " trials"],
    units: Int[ndarray, " trials"],
    strata: Int[ndarray, " trials"],
    *,
    shift: bool,
    n_permutations: int,
) -> float:
    """Smallest p-value that the design and the number of redraws allow."""
    from scipy.special import gammaln

    _, first = np.unique(units, return_index=True)
    labels, layer = treated[first], strata[first]
    log_ways = 0.0
    for stratum in np.unique(layer):
        n = float((layer == stratum).sum())
        k = float(labels[layer == stratum].sum())
        ways = (
            np.log(n) if shift else gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        )
        log_ways += float(ways)
    return float(max(np.exp(-log_ways), 1.0 / (1.0 + n_permutations)))


def _crossing(
    top: Float[ndarray, " n"], bottom: Float[ndarray, " n"]
) -> Float[ndarray, " n"]:
    """Loss at which a redraw is as far off as the data; NaN if at every loss."""
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 1e-12)
    return out


def _beyond(
    ends: Float[ndarray, "2 n"], estimate: float, side: float
) -> Float[ndarray, " n"]:
    """Outermost loss that each redraw tolerates on one side of the estimate."""
    open_ended = np.isnan(ends).any(axis=0)
    reach = np.where(open_ended, np.inf, side * (ends - estimate)).max(axis=0)
    return np.asarray(estimate + side * np.maximum(reach, 0.0))
