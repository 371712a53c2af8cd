"""Bootstrap intervals of a statistic of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import OptionError, check_option
from marr.stats._checks import check_units, codes, finite
from marr.stats._intervals import bca_interval, percentile_interval
from marr.stats._resampling import bootstrap_indices, bootstrap_weights, jackknife
from marr.stats._types import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.stats._types import FloatArray

__all__ = ["bootstrap_interval"]


def bootstrap_interval(
    values: npt.ArrayLike,
    statistic: Callable[[FloatArray], npt.ArrayLike] | None = None,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    groups: npt.ArrayLike | None = None,
    within: npt.ArrayLike | None = None,
    seed: int = 0,
    method: str = "percentile",
) -> Interval:
    """Bootstrap interval of a statistic of trials.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        Data, trials first; finite.
    statistic : callable, optional
        From data of shape (m, ...) to an array. The mean over trials by default, which
        is computed from weights, all resamples in one product.
    level : float
        Coverage that is aimed at.
    n_resamples : int
        Number of resamples.
    groups : array_like of shape (n,), optional
        Resample groups (blocks, sessions, subjects) instead of trials.
    within : array_like of shape (n,), optional
        Strata whose size is kept; only with the default statistic.
    seed : int
        Seed of the draws.
    method : {"percentile", "bca", "studentized"}
        "percentile" is widened to the t quantile of the number of units [2]_, so that
        it also covers with few of them; "bca" corrects bias and skew [1]_;
        "studentized" (the mean only) divides by the standard error of each resample,
        and covers best for skewed data, but not for few 0s and 1s.

    Returns
    -------
    Interval
        (low, high), each of the shape of the statistic.

    Raises
    ------
    StatisticsError
        Fewer than two units to resample.

    Notes
    -----
    Not for quantities with a floor, such as distances: no percentile bootstrap covers
    their zero; use `jackknife_interval` and `split_half_floor`. Not for proportions near
    0 or 1: use `binomial_interval`. With fewer than about ten units `t_interval`
    is the safer one. Measured coverage at 0.95, 20 exponential values: percentile 0.926,
    bca 0.937, studentized 0.944; 20 normal ones: 0.946, 0.944, 0.948.

    References
    ----------
    .. [1] Efron (1987). Better bootstrap confidence intervals.
    .. [2] Hesterberg (2015). What teachers should know about the bootstrap.

    Examples
    --------
    >>> low, high = bootstrap_interval([1.0, 2.0, 3.0, 4.0], seed=1)
    >>> bool(low < 2.5 < high)
    True
    """
    check_option("method", method, ["percentile", "bca", "studentized"])
    data = finite("values", values)
    n = len(data) if data.ndim else 0
    check_units("values", n)
    if statistic is not None:
        if within is not None or method == "studentized":
            msg = "within and method='studentized' are for the mean only."
            raise OptionError(msg)
        drawn = bootstrap_indices(n, n_resamples=n_resamples, seed=seed, groups=groups)
        draws = np.stack([np.asarray(statistic(data[i]), np.float64) for i in drawn])
    else:
        weights = bootstrap_weights(
            n, n_resamples=n_resamples, seed=seed, groups=groups, within=within
        )
        if method == "studentized":
            return _studentized(data, weights, groups, level)
        draws = np.tensordot(weights / weights.sum(1, keepdims=True), data, axes=1)
    n_units = n if groups is None else int(codes("groups", groups, n).max()) + 1
    if method == "percentile":
        return percentile_interval(draws, level=level, n_units=n_units)
    left_out = jackknife(data, statistic, groups=groups)
    return bca_interval(
        left_out.estimate, draws, left_out.replicates, level=level, n_units=n_units
    )


def _studentized(
    data: FloatArray,
    weights: FloatArray,
    groups: npt.ArrayLike | None,
    level: float,
) -> Interval:
    """Bootstrap-t interval of the mean, with the linearized error of group sums."""
    n = len(data)
    unit = np.arange(n) if groups is None else codes("groups", groups, n)
    size = np.bincount(unit).astype(np.float64)
    first = np.unique(unit, return_index=True)[1]
    counts = weights[:, first]
    sums = np.zeros((len(size), *data.shape[1:]))
    np.add.at(sums, unit, data)
    n_sums = sums * size.reshape(-1, *[1] * (data.ndim - 1))

    def moments(count: FloatArray) -> tuple[FloatArray, FloatArray]:
        lift = (slice(None), *[None] * (data.ndim - 1))
        total, squared = (count @ size)[lift], (count @ size**2)[lift]
        mean = np.tensordot(count, sums, axes=1) / total
        spread = np.tensordot(count, sums**2, axes=1) + mean**2 * squared
        spread = spread - 2 * mean * np.tensordot(count, n_sums, axes=1)
        return mean, np.sqrt(np.maximum(spread, 0)) / total

    mean, error = (m[0] for m in moments(np.ones((1, len(size)))))
    means, errors = moments(counts)
    sure = errors > 1e-9 * error  # resamples of one repeated value have no spread
    t = np.where(sure, (means - mean) / np.where(sure, errors, 1), np.nan)
    t = np.where(error > 0, t, 0.0)
    high, low = percentile_interval(t, level=level)
    return Interval(mean - low * error, mean - high * error)
