"""Cluster-based permutation correction of maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from marr.errors import OptionError, check_option
from marr.stats._checks import check_level
from marr.stats._permutations import check_null

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.stats._types import BoolArray, FloatArray, IntArray

__all__ = ["cluster_correction"]


def cluster_correction(
    observed: npt.ArrayLike,
    null: npt.ArrayLike,
    *,
    threshold: float | None = None,
    tail: str = "greater",
    axes: Sequence[int] | None = None,
    forming_p: float = 0.05,
) -> FloatArray:
    """P-values of clusters of neighboring cells (Maris and Oostenveld 2007).

    Neighboring cells above the threshold form a cluster; its mass, the sum of the excess
    over the threshold, is compared with the largest mass of each permuted map.

    Parameters
    ----------
    observed : array_like of shape (...)
        The map of the statistic, NaN where there is none.
    null : array_like of shape (n_permutations, ...)
        The map under permutation; one permutation is used for the whole map.
    threshold : float, optional
        Forms clusters, in units of the statistic. By default each cell is standardized
        over permutations and data and cut at the normal quantile of `forming_p`.
    tail : {"two", "greater", "less"}
        "greater" looks above the threshold; "less" below minus the threshold;
        "two" at both (with half of `forming_p` each), p-values doubled.
    axes : sequence of int, optional
        Axes along which cells are neighbors (time, and time again for a cross-temporal
        map). All by default. Along the others (sites) maps stay separate, but the
        correction covers all of them.
    forming_p : float
        One-cell p-value that forms clusters when no threshold is given.

    Returns
    -------
    array of shape (...)
        The p-value of the cluster that holds each cell; 1 outside clusters.

    Notes
    -----
    Controls the chance of any false cluster in the map. It says that there is an effect,
    not where exactly it begins or ends: the borders of a cluster are not tested.
    """
    check_option("tail", tail, ["two", "greater", "less"])
    obs = np.asarray(observed, np.float64)
    draws = check_null(obs, null)
    stack = np.concatenate([obs[None], draws])
    absent = np.isnan(obs)
    stack[:, absent] = 0
    if threshold is None:
        one = check_level("forming_p", forming_p) / (2 if tail == "two" else 1)
        threshold = -float(special.ndtri(one))
        center, spread = np.nanmean(stack, axis=0), np.nanstd(stack, axis=0)
        flat = spread <= 1e-12 * np.abs(center)
        stack = np.where(flat, 0.0, (stack - center) / np.where(flat, 1.0, spread))
    linked = _neighbors(obs.ndim, axes)
    p = {
        sign: _cluster_p(sign * stack, threshold, linked, absent)
        for sign, wanted in ((1, "greater"), (-1, "less"))
        if tail in (wanted, "two")
    }
    out = p[1] if tail == "greater" else p[-1] if tail == "less" else None
    if out is None:
        out = np.minimum(1, 2 * np.minimum(p[1], p[-1]))
    return np.where(absent, np.nan, out)


def _cluster_p(
    stack: FloatArray, threshold: float, linked: IntArray, absent: BoolArray
) -> FloatArray:
    """P-value of each cell of stack[0], for clusters above the threshold."""
    from scipy import ndimage

    with np.errstate(invalid="ignore"):  # a missing draw counts as far above
        excess = np.where(np.isnan(stack), np.inf, stack) - threshold
    above = (excess > 0) & ~absent
    labels, n = ndimage.label(above, structure=linked)
    flat = labels.ravel()
    mass = np.bincount(
        flat, weights=np.where(above, excess, 0).ravel(), minlength=n + 1
    )
    row = np.zeros(n + 1, np.int64)
    row[flat] = np.repeat(np.arange(len(stack)), stack[0].size)
    largest = np.zeros(len(stack))
    np.maximum.at(largest, row[1:], mass[1:])
    ordered = np.sort(largest[1:])
    bar = mass * (1 - 1e-12)
    p = (1 + len(ordered) - np.searchsorted(ordered, bar)) / (1 + len(ordered))
    return np.where(labels[0] > 0, p[labels[0]], 1.0)


def _neighbors(ndim: int, axes: Sequence[int] | None) -> IntArray:
    """Structure that links neighbors along `axes` of the map, never over draws."""
    chosen = range(ndim) if axes is None else axes
    if ndim == 0 or any(not -ndim <= a < ndim for a in chosen):
        msg = f"axes must lie within the {ndim} axes of the map; got {axes!r}."
        raise OptionError(msg)
    structure = np.zeros((3,) * (ndim + 1), np.int64)
    middle = [1] * (ndim + 1)
    structure[tuple(middle)] = 1
    for axis in chosen:
        for step in (0, 2):
            at = list(middle)
            at[1 + axis % ndim] = step
            structure[tuple(at)] = 1
    return structure
