"""Noise ceilings and split-half floors: the best and the least that data allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marr.errors import ContractError, StatisticsError, check_option
from marr.stats._checks import check_count, codes, finite
from marr.stats._correlation import correlation, ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.stats._types import BoolArray, FloatArray

__all__ = [
    "Ceiling",
    "noise_ceiling",
    "random_halves",
    "spearman_brown",
    "split_half_floor",
    "split_half_reliability",
]

_COMPARATORS = ["pearson", "spearman", "cosine"]


class Ceiling(NamedTuple):
    """Lower and upper bound of what the true model would reach."""

    lower: float
    upper: float


def random_halves(
    n: int,
    *,
    n_splits: int,
    seed: int,
    groups: npt.ArrayLike | None = None,
    within: npt.ArrayLike | None = None,
) -> BoolArray:
    """Split trials (or whole groups) at random into halves.

    Parameters
    ----------
    n : int
        Number of trials.
    n_splits : int
        Number of splits.
    seed : int
        Seed of the splits.
    groups : array_like of shape (n,), optional
        Groups that stay whole.
    within : array_like of shape (n,), optional
        Strata (conditions) that are halved one by one.

    Returns
    -------
    array of bool, shape (n_splits, n)
        True in the first half, which has the smaller share of an odd number.

    Raises
    ------
    StatisticsError
        If a stratum has a single trial or group.
    """
    n = check_count("n", n, minimum=2)
    unit = np.arange(n) if groups is None else codes("groups", groups, n)
    stratum = np.zeros(int(unit.max()) + 1, np.int64)
    if within is not None:
        strata = codes("within", within, n)
        stratum[unit] = strata
        if np.any(stratum[unit] != strata):
            msg = "within must be constant inside each group; some groups span strata."
            raise StatisticsError(msg)
    if np.bincount(stratum).min() < 2:
        msg = (
            "every stratum needs at least two trials or groups to be halved. Drop the "
            "strata that have one, or merge them."
        )
        raise StatisticsError(msg)
    rng = np.random.default_rng(seed)
    chosen = np.zeros((check_count("n_splits", n_splits), len(stratum)), bool)
    for s in range(int(stratum.max()) + 1):
        (at,) = np.nonzero(stratum == s)
        order = np.argsort(rng.random((n_splits, len(at))), axis=1)
        chosen[:, at] = order < len(at) // 2
    return chosen[:, unit]


def spearman_brown(reliability: npt.ArrayLike, *, factor: float = 2.0) -> FloatArray:
    """Reliability of `factor` times as much data, ``f r / (1 + (f - 1) r)``.

    Parameters
    ----------
    reliability : array_like
        Correlation of two halves.
    factor : float
        How much more data.

    Returns
    -------
    array of the same shape
        NaN where the correlation is at or below ``-1 / (factor - 1)``.

    Examples
    --------
    >>> float(spearman_brown(0.5))
    0.6666666666666666
    """
    r = np.asarray(reliability, np.float64)
    below = 1 + (factor - 1) * r
    return np.asarray(
        np.where(below > 0, factor * r / np.where(below > 0, below, 1), np.nan)
    )


def split_half_reliability(
    repeats: npt.ArrayLike,
    *,
    n_splits: int = 100,
    seed: int = 0,
    method: str = "pearson",
) -> FloatArray:
    """Reliability of the mean over repeats, from random halves of them.

    Parameters
    ----------
    repeats : array_like of shape (n_repeats, n_items, ...)
        Repeated measurements of the same items (stimuli, conditions).
    n_splits : int
        Number of random splits; their correlations are averaged, then corrected.
    seed : int
        Seed of the splits.
    method : {"pearson", "spearman"}
        Correlation over items.

    Returns
    -------
    array of shape (...)
        Spearman-Brown corrected. The square root is the highest correlation that a
        perfect model can reach with the mean over repeats.

    Raises
    ------
    StatisticsError
        If there are fewer than two repeats or three items.
    """
    check_option("method", method, ["pearson", "spearman"])
    data = finite("repeats", repeats)
    if data.ndim < 2 or len(data) < 2 or data.shape[1] < 3:
        msg = (
            f"repeats must have shape (n_repeats >= 2, n_items >= 3, ...); got "
            f"{data.shape}."
        )
        raise StatisticsError(msg)
    first = random_halves(len(data), n_splits=n_splits, seed=seed).astype(np.float64)
    total = np.zeros(data.shape[2:])
    for half in first:
        a = np.tensordot(half / half.sum(), data, axes=1)
        b = np.tensordot((1 - half) / (1 - half).sum(), data, axes=1)
        pair = (ranks(a), ranks(b)) if method == "spearman" else (a, b)
        total = total + correlation(*pair)
    return spearman_brown(total / len(first))


def noise_ceiling(subjects: npt.ArrayLike, *, method: str = "pearson") -> Ceiling:
    """Bounds of the mean correlation that the true model has with subjects.

    Parameters
    ----------
    subjects : array_like of shape (n_subjects, n_items)
        One profile (dissimilarities, tuning) a subject.
    method : {"pearson", "spearman", "cosine"}
        How a model is compared with subjects.

    Returns
    -------
    Ceiling
        Upper: each subject against the mean of all (an overestimate). Lower: against
        the mean of the others (an underestimate).

    References
    ----------
    Nili et al. (2014). A toolbox for representational similarity analysis.

    Examples
    --------
    >>> noise_ceiling([[1.0, 2, 3, 4], [1.0, 2, 3, 4]])
    Ceiling(lower=1.0, upper=1.0)
    """
    check_option("method", method, _COMPARATORS)
    data = finite("subjects", subjects)
    if data.ndim != 2 or len(data) < 2:
        msg = f"subjects must have shape (n_subjects >= 2, n_items); got {data.shape}."
        raise ContractError(msg)
    if method == "spearman":
        data = ranks(data.T).T
    if method != "cosine":
        data = data - data.mean(1, keepdims=True)
    size = np.linalg.norm(data, axis=1, keepdims=True)
    if np.any(size == 0):
        msg = f"subject {int(np.argmin(size))} is constant over items; leave it out."
        raise StatisticsError(msg)
    unit = data / size
    gram = unit @ unit.T
    rows = gram.sum(1)
    total = rows.sum()
    others = np.sqrt(np.maximum(total - 2 * rows + 1, 1e-300))
    lower = np.clip((rows - 1) / others, -1, 1).mean()
    upper = np.clip(rows / np.sqrt(max(total, 1e-300)), -1, 1).mean()
    return Ceiling(round(float(lower), 15), round(float(upper), 15))


def split_half_floor(
    values: npt.ArrayLike,
    statistic: Callable[[FloatArray, FloatArray], npt.ArrayLike],
    *,
    n_splits: int = 50,
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
    within: npt.ArrayLike | None = None,
) -> FloatArray:
    """Compute a distance-like statistic between halves of the same data.

    A quantity that cannot be negative is never 0 in a sample. Its excess over this
    floor, computed on samples of the same size, is what differs.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        Data, trials first.
    statistic : callable
        From two arrays of shapes (n_a, ...) and (n_b, ...) to an array.
    n_splits, seed, groups, within
        As in `random_halves`.

    Returns
    -------
    array of shape (n_splits, ...)
        Compare their mean with the statistic of *halves* of the two data sets, since
        the floor of halves is higher than that of all trials.
    """
    data = np.asarray(values)
    first = random_halves(
        len(data), n_splits=n_splits, seed=seed, groups=groups, within=within
    )
    return np.stack(
        [np.asarray(statistic(data[h], data[~h]), np.float64) for h in first]
    )
