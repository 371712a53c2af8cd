"""Corrections for many tests: maximum statistic, false discovery rate, Holm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, check_option
from marr.stats._permutations import check_null, tie_slack

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.stats._types import FloatArray

__all__ = ["fdr", "holm", "max_statistic"]


def max_statistic(
    observed: npt.ArrayLike,
    null: npt.ArrayLike,
    *,
    tail: str = "two",
    standardize: bool = True,
) -> FloatArray:
    """P-values corrected over a map by the permutation maximum (Westfall and Young).

    Parameters
    ----------
    observed : array_like of shape (...)
        The map of the statistic.
    null : array_like of shape (n_permutations, ...)
        The map under permutation; one permutation is used for the whole map.
    tail : {"two", "greater", "less"}
        "two" tests the maximum and the minimum and doubles the smaller p-value.
    standardize : bool
        Divide each cell by its spread over permutations and data, so that a noisy cell
        does not set the bar for the others.

    Returns
    -------
    array of shape (...)
        Corrected p-values, never below `permutation_p` of the same tail; NaN cells stay
        NaN and take no part.

    Notes
    -----
    Controls the chance of any false positive in the map, under any dependence.
    """
    check_option("tail", tail, ["two", "greater", "less"])
    obs = np.asarray(observed, np.float64)
    draws = check_null(obs, null)
    seen = ~np.isnan(obs).ravel()
    stack = np.concatenate([obs[None], draws]).reshape(1 + len(draws), -1)[:, seen]
    out = np.full(obs.size, np.nan)
    if not seen.any():
        return out.reshape(obs.shape)
    if standardize:
        # the data are one of the exchangeable rows, so scaling keeps the test exact
        spread, center = np.nanstd(stack, axis=0), np.nanmean(stack, axis=0)
        flat = spread <= 1e-12 * np.abs(center)
        stack = np.where(flat, 0.0, (stack - center) / np.where(flat, 1.0, spread))
    z, slack = stack[0], tie_slack(stack[0])
    missing = np.isnan(stack[1:])
    above = _count(np.where(missing, np.inf, stack[1:]).max(1), z - slack)
    below = _count(np.where(missing, np.inf, -stack[1:]).max(1), -z - slack)
    two = np.minimum(1, 2 * np.minimum(above, below))
    out[seen] = {"greater": above, "less": below, "two": two}[tail]
    return out.reshape(obs.shape)


def fdr(p: npt.ArrayLike, *, method: str = "bh") -> FloatArray:
    """Adjust p-values so that thresholding them bounds the false discovery rate.

    Parameters
    ----------
    p : array_like of any shape
        P-values of one family; NaN are left out and stay NaN.
    method : {"bh", "by"}
        Benjamini-Hochberg (independent or positively dependent tests) or
        Benjamini-Yekutieli (any dependence).

    Returns
    -------
    array of the same shape

    Examples
    --------
    >>> fdr([0.01, 0.02, 0.5])
    array([0.03, 0.03, 0.5 ])
    """
    check_option("method", method, ["bh", "by"])
    values, family = _family(p)
    m = len(family)
    factor = (1 / np.arange(1, m + 1)).sum() if method == "by" else 1.0
    order = np.argsort(-family, kind="stable")
    scaled = family[order] * m * factor / np.arange(m, 0, -1)
    family[order] = np.minimum(1, np.minimum.accumulate(scaled))
    values[~np.isnan(values)] = family
    return values


def holm(p: npt.ArrayLike) -> FloatArray:
    """Adjust p-values by Holm's step-down method (family-wise error, any dependence).

    Parameters
    ----------
    p : array_like of any shape
        P-values of one family; NaN are left out and stay NaN.

    Returns
    -------
    array of the same shape

    Examples
    --------
    >>> holm([0.01, 0.02, 0.5])
    array([0.03, 0.04, 0.5 ])
    """
    values, family = _family(p)
    order = np.argsort(family, kind="stable")
    scaled = family[order] * np.arange(len(family), 0, -1)
    family[order] = np.minimum(1, np.maximum.accumulate(scaled))
    values[~np.isnan(values)] = family
    return values


def _family(p: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    values = np.array(p, np.float64)
    family = values[~np.isnan(values)]
    if np.any((family < 0) | (family > 1)):
        bad = family[(family < 0) | (family > 1)][0]
        msg = f"p must hold p-values between 0 and 1; got {bad!r}."
        raise ContractError(msg)
    return values, family


def _count(extremes: FloatArray, bar: FloatArray) -> FloatArray:
    """Share of permutation extremes at or above each bar, the data counted in."""
    ordered = np.sort(extremes)
    reached = len(ordered) - np.searchsorted(ordered, bar, side="left")
    return np.asarray((1 + reached) / (1 + len(ordered)))
