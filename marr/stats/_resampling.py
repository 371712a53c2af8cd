"""Bootstrap, jackknife and subsampling: what is drawn, as indices or weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from marr.errors import StatisticsError
from marr.stats._checks import check_count, check_units, codes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.stats._types import FloatArray, IntArray

__all__ = [
    "Jackknife",
    "bootstrap_indices",
    "bootstrap_weights",
    "hierarchical_bootstrap",
    "hierarchical_weights",
    "jackknife",
    "subsample_indices",
]


@overload
def bootstrap_indices(
    n: int, *, n_resamples: int, seed: int, groups: None = None
) -> IntArray: ...
@overload
def bootstrap_indices(
    n: int, *, n_resamples: int, seed: int, groups: npt.ArrayLike
) -> list[IntArray]: ...
def bootstrap_indices(
    n: int, *, n_resamples: int, seed: int, groups: npt.ArrayLike | None = None
) -> IntArray | list[IntArray]:
    """Draw trials, or whole groups of them, with replacement.

    Parameters
    ----------
    n : int
        Number of trials.
    n_resamples : int
        Number of resamples.
    seed : int
        Seed of the draws.
    groups : array_like of shape (n,), optional
        Resample groups instead of trials.

    Returns
    -------
    array of int, shape (n_resamples, n), or list of arrays
        With `groups` a list of `n_resamples` arrays, since the number of trials
        differs from draw to draw where groups differ in size.

    See Also
    --------
    bootstrap_weights : the same draws as counts, for statistics that take weights.
    """
    n = check_count("n", n, minimum=2)
    n_resamples = check_count("n_resamples", n_resamples)
    rng = np.random.default_rng(seed)
    if groups is None:
        return rng.integers(0, n, (n_resamples, n))
    group = codes("groups", groups, n)
    n_groups = int(group.max()) + 1
    check_units("groups", n_groups)
    members = np.split(
        np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1]
    )
    drawn = rng.integers(0, n_groups, (n_resamples, n_groups))
    return [np.concatenate([members[g] for g in row]) for row in drawn]


def bootstrap_weights(
    n: int,
    *,
    n_resamples: int,
    seed: int,
    groups: npt.ArrayLike | None = None,
    within: npt.ArrayLike | None = None,
) -> FloatArray:
    """How often each trial is drawn in each bootstrap resample.

    Parameters
    ----------
    n : int
        Number of trials.
    n_resamples : int
        Number of resamples.
    seed : int
        Seed of the draws.
    groups : array_like of shape (n,), optional
        Resample groups instead of trials; all trials of a group share its count.
    within : array_like of shape (n,), optional
        Strata (conditions) whose number of trials or groups is kept.

    Returns
    -------
    array of shape (n_resamples, n)
        Whole numbers, as floats. Any statistic that is a function of weighted sums is
        then one matrix product: ``weights @ values / weights.sum(1, keepdims=True)``.

    Raises
    ------
    StatisticsError
        Fewer than two trials or groups; a group that lies in two strata.
    """
    n = check_count("n", n, minimum=2)
    n_resamples = check_count("n_resamples", n_resamples)
    rng = np.random.default_rng(seed)
    unit = np.arange(n) if groups is None else codes("groups", groups, n)
    n_units = int(unit.max()) + 1
    check_units("groups", n_units)
    stratum = np.zeros(n_units, np.int64)
    if within is not None:
        strata = codes("within", within, n)
        stratum[unit] = strata
        if np.any(stratum[unit] != strata):
            msg = "within must be constant inside each group; some groups span strata."
            raise StatisticsError(msg)
    counts = np.empty((n_resamples, n_units))
    for s in range(int(stratum.max()) + 1):
        (at,) = np.nonzero(stratum == s)
        counts[:, at] = rng.multinomial(
            len(at), np.full(len(at), 1 / len(at)), size=n_resamples
        )
    return counts if groups is None else counts[:, unit]


def hierarchical_weights(
    levels: npt.ArrayLike,
    *,
    n_resamples: int,
    seed: int,
    resample_trials: bool = True,
) -> FloatArray:
    """Weights of a hierarchical bootstrap of the mean of member means.

    Members of the outermost level are drawn with replacement, then, inside each draw,
    members of the next level, and last trials. A draw of k copies of a group resamples
    each copy anew, so its counts are one multinomial draw of k times its size.

    Parameters
    ----------
    levels : array_like of shape (n,) or (n_levels, n)
        Membership of each trial, outermost level first (animal, then session).
    n_resamples : int
        Number of resamples.
    seed : int
        Seed of the draws.
    resample_trials : bool
        False keeps the trials of each innermost group as they are.

    Returns
    -------
    array of shape (n_resamples, n)
        Each row sums to one; siblings weigh the same whatever their size.

    Notes
    -----
    Resampling trials as well counts their noise twice, so intervals are conservative
    where the noise within members is large beside the spread between them.
    """
    array = np.atleast_2d(np.asarray(levels))
    n = array.shape[1]
    n_resamples = check_count("n_resamples", n_resamples)
    rng = np.random.default_rng(seed)
    # paths[l]: unique id of each trial's group at level l, nested in those above
    paths, path = [], np.zeros(n, np.int64)
    for row in array:
        inner = codes("levels", row, n)
        path = np.unique(path * (inner.max() + 1) + inner, return_inverse=True)[1]
        paths.append(path)
    check_units("levels", int(paths[0].max()) + 1)
    if resample_trials:
        paths.append(np.arange(n))
    weight = np.ones((n_resamples, 1))  # weight of each parent
    counts = np.ones((n_resamples, 1), np.int64)  # copies of each parent
    parent_of_trial = np.zeros(n, np.int64)
    for path in paths:
        k = int(path.max()) + 1
        parent = np.zeros(k, np.int64)
        parent[path] = parent_of_trial
        new = np.empty((n_resamples, k), np.int64)
        size = np.bincount(parent)
        for p in range(counts.shape[1]):
            (at,) = np.nonzero(parent == p)
            new[:, at] = rng.multinomial(
                counts[:, p] * len(at), np.full(len(at), 1 / len(at))
            )
        share = weight / np.maximum(counts, 1) / size
        weight, counts, parent_of_trial = share[:, parent] * new, new, path
    last = np.bincount(parent_of_trial)
    return (weight / last)[:, parent_of_trial]


def hierarchical_bootstrap(
    values: npt.ArrayLike,
    units: npt.ArrayLike,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
    resample_trials: bool = True,
) -> FloatArray:
    """Bootstrap the mean of member means over members and their trials.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        One value a trial.
    units : array_like of shape (n,) or (n_levels, n)
        Membership of each trial, outermost level first.
    n_resamples, seed, resample_trials
        As in `hierarchical_weights`.

    Returns
    -------
    array of shape (n_resamples, ...)
        Draws; `percentile_interval(draws, n_units=n_members)` makes the interval.
    """
    data = np.asarray(values, np.float64)
    weights = hierarchical_weights(
        units, n_resamples=n_resamples, seed=seed, resample_trials=resample_trials
    )
    return np.asarray(np.tensordot(weights, data, axes=1))


class Jackknife(NamedTuple):
    """Leave-one-out estimates, with the bias and standard error that they imply."""

    estimate: FloatArray
    bias: FloatArray
    standard_error: FloatArray
    replicates: FloatArray


def jackknife(
    values: npt.ArrayLike,
    statistic: Callable[[FloatArray], npt.ArrayLike] | None = None,
    *,
    groups: npt.ArrayLike | None = None,
) -> Jackknife:
    """Leave out one trial, or one group, at a time.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        Data, trials first.
    statistic : callable, optional
        From data of shape (m, ...) to an array; the mean over trials by default.
    groups : array_like of shape (n,), optional
        Leave out whole groups.

    Returns
    -------
    Jackknife
        `replicates` has shape (n_units, ...); subtract `bias` from `estimate` to
        correct it.
    """
    data = np.asarray(values, np.float64)
    n = len(data)
    unit = np.arange(n) if groups is None else codes("groups", groups, n)
    k = int(unit.max()) + 1 if n else 0
    check_units("values" if groups is None else "groups", k)
    if statistic is None:
        estimate = data.mean(0)
        size = np.bincount(unit).reshape(-1, *[1] * (data.ndim - 1))
        total = np.zeros((k, *data.shape[1:]))
        np.add.at(total, unit, data)
        replicates = (data.sum(0) - total) / (n - size)
    else:
        estimate = np.asarray(statistic(data), np.float64)
        replicates = np.stack(
            [np.asarray(statistic(data[unit != u]), np.float64) for u in range(k)]
        )
    center = replicates.mean(0)
    spread = np.sqrt((k - 1) / k * ((replicates - center) ** 2).sum(0))
    return Jackknife(estimate, (k - 1) * (center - estimate), spread, replicates)


def subsample_indices(
    n: int,
    *,
    n_resamples: int,
    seed: int,
    fraction: float = 0.5,
    groups: npt.ArrayLike | None = None,
) -> list[IntArray]:
    """Draw trials, or whole groups, without replacement.

    For quantities with a floor (distances, dimension), for which repeated trials in a
    bootstrap make spurious zeros.

    Parameters
    ----------
    n : int
        Number of trials.
    n_resamples : int
        Number of draws.
    seed : int
        Seed of the draws.
    fraction : float
        Share of trials (groups) in a draw. At one half the spread over draws equals the
        standard error of the full sample, for statistics of root-n rate.
    groups : array_like of shape (n,), optional
        Draw groups.

    Returns
    -------
    list of arrays of int
        Sorted indices of each draw.
    """
    n = check_count("n", n, minimum=2)
    unit = np.arange(n) if groups is None else codes("groups", groups, n)
    k = int(unit.max()) + 1
    m = round(fraction * k)
    if not 1 <= m < k:
        msg = (
            f"fraction={fraction} of {k} units leaves {m} to draw; it must be at least "
            f"one and not all."
        )
        raise StatisticsError(msg)
    rng = np.random.default_rng(seed)
    keys = rng.random((check_count("n_resamples", n_resamples), k))
    chosen = np.zeros(keys.shape, bool)
    np.put_along_axis(chosen, np.argpartition(keys, m, axis=1)[:, :m], True, axis=1)
    return [np.flatnonzero(row[unit]) for row in chosen]
