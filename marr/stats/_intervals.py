"""Intervals from draws and in closed form: percentile, BCa, jackknife, t, binomial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from marr.errors import ContractError, check_option
from marr.stats._checks import check_count, check_level, finite
from marr.stats._resampling import jackknife
from marr.stats._types import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.stats._types import FloatArray

__all__ = [
    "bca_interval",
    "binomial_interval",
    "jackknife_interval",
    "percentile_interval",
    "t_interval",
]


def percentile_interval(
    draws: npt.ArrayLike, *, level: float = 0.95, n_units: int | None = None
) -> Interval:
    """Percentile interval from bootstrap draws.

    Parameters
    ----------
    draws : array_like of shape (n_resamples, ...)
        The statistic of each resample; NaN draws are left out.
    level : float
        Coverage that is aimed at.
    n_units : int, optional
        Number of units that were resampled. Given, the quantiles are widened by
        ``sqrt(n / (n - 1)) * t(n - 1)`` against the normal one.

    Returns
    -------
    Interval
        (low, high) of shape (...).
    """
    tail = _tail(check_level("level", level), n_units)
    low, high = np.nanquantile(np.asarray(draws, np.float64), [tail, 1 - tail], axis=0)
    return Interval(low, high)


def bca_interval(
    estimate: npt.ArrayLike,
    draws: npt.ArrayLike,
    replicates: npt.ArrayLike,
    *,
    level: float = 0.95,
    n_units: int | None = None,
) -> Interval:
    """Bias-corrected and accelerated interval from bootstrap draws (Efron 1987).

    Parameters
    ----------
    estimate : array_like of shape (...)
        The statistic of the data.
    draws : array_like of shape (n_resamples, ...)
        The statistic of each resample.
    replicates : array_like of shape (n_units, ...)
        Its jackknife values (`jackknife(...).replicates`).
    level : float
        Coverage that is aimed at.
    n_units : int, optional
        As in `percentile_interval`.

    Returns
    -------
    Interval
        (low, high) of shape (...).
    """
    est, boot = np.asarray(estimate, np.float64), np.asarray(draws, np.float64)
    left = np.asarray(replicates, np.float64)
    n = len(boot)
    below = ((boot < est).sum(0) + 0.5 * (boot == est).sum(0)) / n
    bias = special.ndtri(np.clip(below, 0.5 / n, 1 - 0.5 / n))
    skew = left.mean(0) - left
    power = (skew**2).sum(0) ** 1.5
    flat = power == 0
    accel = np.where(flat, 0.0, (skew**3).sum(0) / np.where(flat, 1.0, 6 * power))
    z = special.ndtri(_tail(check_level("level", level), n_units))
    ends = []
    ordered = np.sort(boot, axis=0)
    for sign in (1.0, -1.0):
        moved = bias + sign * z
        share = special.ndtr(bias + moved / (1 - accel * moved))
        ends.append(_quantile_sorted(ordered, share))
    return Interval(ends[0], ends[1])


def jackknife_interval(
    values: npt.ArrayLike,
    statistic: Callable[[FloatArray], npt.ArrayLike] | None = None,
    *,
    level: float = 0.95,
    groups: npt.ArrayLike | None = None,
) -> Interval:
    """Jackknife interval, centered on the bias-corrected estimate.

    For smooth statistics with a bias or a floor (distances, dimension), which a
    bootstrap only pushes further up. Not for medians or other quantiles.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        Data, trials first.
    statistic : callable, optional
        From data of shape (m, ...) to an array; the mean over trials by default.
    level : float
        Coverage that is aimed at.
    groups : array_like of shape (n,), optional
        Leave out whole groups.

    Returns
    -------
    Interval
        (low, high), each of the shape of the statistic.
    """
    left_out = jackknife(values, statistic, groups=groups)
    n = len(left_out.replicates)
    middle = left_out.estimate - left_out.bias
    t = special.stdtrit(n - 1, 0.5 + check_level("level", level) / 2)
    half = t * left_out.standard_error
    return Interval(np.asarray(middle - half), np.asarray(middle + half))


def t_interval(
    values: npt.ArrayLike, *, level: float = 0.95, axis: int = 0
) -> Interval:
    """Student's t interval of a mean, NaN left out.

    Parameters
    ----------
    values : array_like
        Data; units to generalize over (seeds, animals) along `axis`.
    level : float
        Coverage that is aimed at.
    axis : int
        Axis of the mean.

    Returns
    -------
    Interval
        (low, high) without `axis`; NaN where fewer than two values are finite.
    """
    data = np.moveaxis(np.asarray(values, np.float64), axis, 0)
    here = np.isfinite(data)
    n = here.sum(0)
    enough = n >= 2
    safe = np.maximum(n, 2)
    filled = np.where(here, data, 0.0)
    mean = filled.sum(0) / safe
    spread = np.where(here, (filled - mean) ** 2, 0.0).sum(0) / (safe - 1)
    half = special.stdtrit(safe - 1, 0.5 + check_level("level", level) / 2)
    half = half * np.sqrt(spread / safe)
    return Interval(
        np.where(enough, mean - half, np.nan), np.where(enough, mean + half, np.nan)
    )


def binomial_interval(
    k: npt.ArrayLike, n: npt.ArrayLike, *, level: float = 0.95, method: str = "wilson"
) -> Interval:
    """Interval of a proportion from `k` successes in `n` independent trials.

    Parameters
    ----------
    k, n : array_like
        Successes and trials, broadcast against each other.
    level : float
        Coverage that is aimed at.
    method : {"wilson", "exact", "jeffreys"}
        Wilson's score interval (coverage near `level` on average), Clopper and
        Pearson's (never below `level`), or the Jeffreys posterior.

    Returns
    -------
    Interval
        (low, high); (0, 1) where `n` is 0.

    Raises
    ------
    ContractError
        If some `k` is negative or exceeds its `n`.

    Examples
    --------
    >>> low, high = binomial_interval(8, 10)
    >>> round(float(low), 3), round(float(high), 3)
    (0.49, 0.943)
    """
    check_option("method", method, ["wilson", "exact", "jeffreys"])
    tail = (1 - check_level("level", level)) / 2
    hits, total = np.broadcast_arrays(finite("k", k), finite("n", n))
    if np.any(hits < 0) or np.any(hits > total):
        msg = "k must lie between 0 and n everywhere; check which counts are given."
        raise ContractError(msg)
    some = np.maximum(total, 1.0)
    miss = total - hits
    if method == "wilson":
        z = float(special.ndtri(1 - tail))
        mid = (hits / some + z * z / (2 * some)) / (1 + z * z / some)
        root = np.sqrt(hits / some * miss / some / some + (z / (2 * some)) ** 2)
        half = z * root / (1 + z * z / some)
        low, high = np.maximum(0, mid - half), np.minimum(1, mid + half)
    else:
        low_a, high_a = (hits, hits + 1) if method == "exact" else (hits + 0.5,) * 2
        low_b, high_b = (miss + 1, miss) if method == "exact" else (miss + 0.5,) * 2
        low = special.betaincinv(np.maximum(low_a, 1e-12), low_b, tail)
        high = special.betaincinv(high_a, np.maximum(high_b, 1e-12), 1 - tail)
    low = np.where((hits == 0) | (total == 0), 0.0, low)
    high = np.where((miss == 0) | (total == 0), 1.0, high)
    return Interval(low, high)


def _tail(level: float, n_units: int | None) -> float:
    """Probability in each tail, widened for few units."""
    if n_units is None:
        return (1 - level) / 2
    n = check_count("n_units", n_units, minimum=2)
    t = special.stdtrit(n - 1, (1 - level) / 2)
    return float(special.ndtr(np.sqrt(n / (n - 1)) * t))


def _quantile_sorted(ordered: FloatArray, share: FloatArray) -> FloatArray:
    """Quantile of sorted draws at a share that differs by cell, interpolated."""
    at = np.clip(share, 0, 1) * (len(ordered) - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(ordered) - 1)
    a = np.take_along_axis(ordered, low[None], 0)[0]
    b = np.take_along_axis(ordered, high[None], 0)[0]
    return np.asarray(a + (at - low) * (b - a))
