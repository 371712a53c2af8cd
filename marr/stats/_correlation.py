"""Rank and partial correlations, with a permutation test that keeps confounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marr.errors import ContractError, StatisticsError, check_option
from marr.stats import _correlation_kernel as kernel
from marr.stats._checks import finite
from marr.stats._permutations import permutation_p, permutations

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.stats._types import FloatArray

__all__ = [
    "PermutationTest",
    "correlation",
    "freedman_lane",
    "partial_correlation",
    "rank_correlation",
    "ranks",
]


class PermutationTest(NamedTuple):
    """A statistic, its p-value, and its values under permutation."""

    statistic: FloatArray
    p_value: FloatArray
    null: FloatArray


def ranks(values: npt.ArrayLike) -> FloatArray:
    """Ranks 1 ... n along the first axis, ties at their mean rank.

    Parameters
    ----------
    values : array_like of shape (n, ...)
        Finite values.

    Returns
    -------
    array of the same shape
    """
    data = finite("values", values)
    return kernel.midranks(data.reshape(len(data), -1)).reshape(data.shape)


def correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """Pearson correlation along the first axis.

    Parameters
    ----------
    x, y : array_like of shape (n, ...)
        Trailing axes broadcast, missing ones are added at the end: x of shape (n,)
        against y of shape (n, m) gives m correlations.

    Returns
    -------
    array of shape (...)
        NaN where a column is constant.
    """
    return partial_correlation(x, y)


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """Spearman correlation along the first axis (ties at their mean rank).

    Parameters
    ----------
    x, y : array_like of shape (n, ...)
        As in `correlation`.

    Returns
    -------
    array of shape (...)

    Examples
    --------
    >>> round(float(rank_correlation([1, 2, 3, 4], [1, 4, 9, 16])), 12)
    1.0
    """
    return partial_correlation(x, y, method="spearman")


def partial_correlation(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    z: npt.ArrayLike | None = None,
    *,
    method: str = "pearson",
) -> FloatArray:
    """Correlation of x and y after regressing z out of both.

    Parameters
    ----------
    x, y : array_like of shape (n, ...)
        As in `correlation`.
    z : array_like of shape (n,) or (n, n_controls), optional
        What is held constant; a constant is always included.
    method : {"pearson", "spearman"}
        "spearman" ranks x, y and z first.

    Returns
    -------
    array of shape (...)
        NaN where z explains x or y completely.

    Raises
    ------
    StatisticsError
        Fewer than three values more than controls.
    """
    check_option("method", method, ["pearson", "spearman"])
    x_cols, y_cols, shape = _columns(x, y)
    controls = _controls(z, len(x_cols), method)
    if method == "spearman":
        x_cols, y_cols = kernel.midranks(x_cols), kernel.midranks(y_cols)
    basis = kernel.orthonormal(controls)
    x_left, y_left = kernel.residual(x_cols, basis), kernel.residual(y_cols, basis)
    m = max(x_left.shape[1], y_left.shape[1])
    n = len(x_left)
    r = kernel.correlate(
        np.broadcast_to(x_left, (n, m)), np.broadcast_to(y_left, (n, m))
    )
    return np.asarray(r.reshape(shape))


def freedman_lane(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    z: npt.ArrayLike,
    *,
    n_permutations: int = 2000,
    seed: int = 0,
    within: npt.ArrayLike | None = None,
    permuted: npt.ArrayLike | None = None,
    method: str = "pearson",
    tail: str = "two",
) -> PermutationTest:
    """Test a partial correlation by permuting what z leaves of y.

    The residuals of y on z are permuted, the fit is added back, and the partial
    correlation is computed anew: permuting y itself would also break its relation to z.

    Parameters
    ----------
    x, y : array_like of shape (n,)
        The two variables.
    z : array_like of shape (n,) or (n, n_controls)
        What is held constant.
    n_permutations, seed, within
        As in `permutations`; `within` restricts exchange to groups.
    permuted : array_like of int, shape (n_permutations, n), optional
        Permutations of another scheme (shift, block), in place of the three above.
    method : {"pearson", "spearman"}
        "spearman" ranks x, y and z first.
    tail : {"two", "greater", "less"}
        Side of the test.

    Returns
    -------
    PermutationTest

    References
    ----------
    Freedman and Lane (1983). A nonstochastic interpretation of reported significance
    levels. Winkler et al. (2014). Permutation inference for the general linear model.
    """
    check_option("method", method, ["pearson", "spearman"])
    first, second = finite("x", x), finite("y", y)
    if first.ndim != 1 or first.shape != second.shape:
        msg = f"x and y must have shape (n,); got {first.shape} and {second.shape}."
        raise ContractError(msg)
    n = len(first)
    controls = _controls(z, n, method)
    pair = np.stack([first, second], axis=1)
    if method == "spearman":
        pair = kernel.midranks(pair)
    basis = kernel.orthonormal(controls)
    left = kernel.residual(pair, basis)
    if permuted is None:
        scheme = "free" if within is None else "within"
        permuted = permutations(
            n, n_permutations=n_permutations, seed=seed, within=within, scheme=scheme
        )
    index = np.asarray(permuted)
    if index.ndim != 2 or index.shape[1] != n:
        msg = f"permuted must have shape (n_permutations, {n}); got {index.shape}."
        raise ContractError(msg)
    # the fitted part of y lies in the span of z: refitting removes it again
    shuffled = kernel.residual(left[:, 1][index].T, basis)
    observed = kernel.correlate(left[:, :1], left[:, 1:])[0]
    null = kernel.correlate(np.broadcast_to(left[:, :1], shuffled.shape), shuffled)
    p = permutation_p(observed, null, tail=tail)
    return PermutationTest(np.asarray(observed), p, null)


def _columns(
    x: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """Two matrices (n, m) or (n, 1), and the shape of the result."""
    a, b = finite("x", x), finite("y", y)
    if a.ndim < 1 or b.ndim < 1 or len(a) != len(b):
        msg = f"x and y must share their first axis; got {a.shape} and {b.shape}."
        raise ContractError(msg)
    ndim = max(a.ndim, b.ndim)
    a = a.reshape(*a.shape, *[1] * (ndim - a.ndim))
    b = b.reshape(*b.shape, *[1] * (ndim - b.ndim))
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        msg = f"x and y do not broadcast; got {np.shape(x)} and {np.shape(y)}."
        raise ContractError(msg) from None
    a = a if a[0].size == 1 else np.broadcast_to(a, shape)
    b = b if b[0].size == 1 else np.broadcast_to(b, shape)
    return a.reshape(len(a), -1), b.reshape(len(b), -1), shape[1:]


def _controls(z: npt.ArrayLike | None, n: int, method: str) -> FloatArray:
    controls = np.zeros((n, 0)) if z is None else finite("z", z)
    controls = controls[:, None] if controls.ndim == 1 else controls
    if controls.ndim != 2 or len(controls) != n:
        msg = f"z must have shape ({n},) or ({n}, n_controls); got {controls.shape}."
        raise ContractError(msg)
    k = controls.shape[1]
    if n < k + 3:
        msg = (
            f"a correlation with {k} controls needs at least {k + 3} values; got {n}. "
            f"Use more of them, or fewer controls."
        )
        raise StatisticsError(msg)
    return kernel.midranks(controls) if method == "spearman" else controls
