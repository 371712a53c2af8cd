"""Multinomial logistic regression over folds and label shuffles at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats import _linear as linear
from marr.stats._checks import finite

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.stats._types import BoolArray, FloatArray, IntArray

__all__ = [
    "LogisticFit",
    "logistic_fold_probabilities",
    "logistic_weights",
    "softmax",
]


_PART = 50_000  # floats of a temporary array, to stay in the cache


class LogisticFit(NamedTuple):
    """Class scores ``x @ weights + intercept``, the classes, and convergence."""

    weights: FloatArray
    intercept: FloatArray
    classes: npt.NDArray[Any]
    converged: BoolArray


def logistic_weights(
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    penalty: float,
    *,
    standardize: bool = False,
    tolerance: float = 1e-8,
    max_iterations: int = 100,
    device: str | None = None,
) -> LogisticFit:
    """Multinomial logistic regression fitted on all trials.

    Minimizes the summed cross-entropy plus ``penalty / 2 ||w||^2``, which is
    ``C = 1 / penalty`` of scikit-learn. For two classes the difference of the two
    columns is the usual weight vector, penalized as such.

    Parameters
    ----------
    x : array_like of shape (..., n_trials, n_units)
        Activity; leading axes are separate problems.
    labels : array_like of shape (n_trials,)
        Classes.
    penalty : float
        Positive penalty.
    standardize : bool
        Penalize as if units had variance 1; the weights stay in the units of `x`.
    tolerance : float
        Size of the gradient, relative to the start, at which iteration ends.
    max_iterations : int
        Newton steps.
    device : str, optional
        Where torch computes, in double precision; the CPU by default.

    Returns
    -------
    LogisticFit
        `weights` (..., n_units, n_classes), `intercept` (..., n_classes), `classes`
        sorted, `converged` (...): look at it, a fit that did not converge is returned.

    Raises
    ------
    StatisticsError
        If there is one class only.
    """
    data, codes, classes, lead = _checked(x, labels)
    everything = np.ones((1, data.shape[1]), bool)
    options = (penalty, standardize, tolerance, max_iterations, device)
    weights, intercept, done = _solve(data, codes, everything, len(classes), *options)
    c, p = len(classes), data.shape[-1]
    return LogisticFit(
        weights[:, 0].reshape(*lead, p, c),
        intercept[:, 0].reshape(*lead, c),
        classes,
        done[:, 0].reshape(lead),
    )


def logistic_fold_probabilities(
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    fold_ids: npt.ArrayLike,
    penalty: float,
    *,
    standardize: bool = False,
    tolerance: float = 1e-6,
    max_iterations: int = 100,
    device: str | None = None,
) -> FloatArray:
    """Out-of-fold class probabilities; all folds and shuffles are one problem.

    Parameters
    ----------
    x : array_like of shape (..., n_trials, n_units)
        Activity; leading axes are separate problems.
    labels : array_like of shape (n_trials,) or (n_trials, n_shuffles)
        Classes; further columns are shuffles of the first.
    fold_ids : array_like of shape (n_trials,)
        Fold of each trial.
    penalty, standardize, tolerance, max_iterations, device
        As in `logistic_weights`.

    Returns
    -------
    array of shape (..., n_trials, [n_shuffles,] n_classes)
        Classes in sorted order (`numpy.unique`).

    Raises
    ------
    StatisticsError
        If a training set lacks a class.
    """
    data, codes, classes, lead = _checked(x, labels)
    n, r, c = data.shape[1], codes.shape[1], len(classes)
    fold = linear.fold_codes(fold_ids, n)
    train = ~linear.held_out(fold, n)
    present = np.stack([train @ (codes == k) for k in range(c)])
    if np.any(present == 0):
        k, f, _ = (int(v) for v in np.argwhere(present == 0)[0])
        msg = (
            f"training without fold {f} lacks class {classes[k]!r}. Use marr.stats.folds "
            f"with labels, or fewer folds."
        )
        raise StatisticsError(msg)
    options = (penalty, standardize, tolerance, max_iterations, device)
    weights, intercept, _ = _solve(data, codes, train, c, *options)
    out = np.empty((len(data), n, r, c))
    for f in range(len(train)):
        test = fold == f
        w = weights[:, f].transpose(0, 2, 1, 3).reshape(len(data), -1, r * c)
        scores = (data[:, test] @ w).reshape(len(data), -1, r, c)
        out[:, test] = softmax(scores + intercept[:, None, f])
    out = out.reshape(*lead, n, r, c)
    return out[..., 0, :] if np.ndim(labels) == 1 else out


def softmax(scores: npt.ArrayLike) -> FloatArray:
    """Probabilities from class scores on the last axis.

    Parameters
    ----------
    scores : array_like of shape (..., n_classes)
        Scores.

    Returns
    -------
    array of the same shape
        Rows sum to one.
    """
    values = np.asarray(scores, np.float64)
    values = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(values / values.sum(-1, keepdims=True))


def _checked(
    x: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[FloatArray, IntArray, npt.NDArray[Any], tuple[int, ...]]:
    """Activity (b, n, p), label codes (n, r), classes, and the shape behind b."""
    data = finite("x", x)
    given = np.asarray(labels)
    if data.ndim < 2 or given.ndim not in (1, 2) or len(given) != data.shape[-2]:
        msg = (
            f"x must have shape (..., n_trials, n_units) and labels (n_trials,) or "
            f"(n_trials, n_shuffles); got {data.shape} and {given.shape}."
        )
        raise ContractError(msg)
    if given.dtype.kind == "f" and np.isnan(given).any():
        msg = "labels must not be missing; select the trials that have one first."
        raise ContractError(msg)
    classes, codes = np.unique(given, return_inverse=True)
    if len(classes) < 2:
        msg = f"labels must hold at least two classes; got {classes.tolist()} only."
        raise StatisticsError(msg)
    columns = codes.reshape(len(given), -1).astype(np.int64)
    return data.reshape(-1, *data.shape[-2:]), columns, classes, data.shape[:-2]


def _solve(
    data: FloatArray,
    codes: IntArray,
    train: BoolArray,
    n_classes: int,
    penalty: float,
    standardize: bool,
    tolerance: float,
    max_iterations: int,
    device: str | None,
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Weights (b, k, r, p, c), intercepts (b, k, r, c) and convergence (b, k, r)."""
    from marr.stats import _logistic_kernel as kernel

    if not penalty > 0:
        msg = (
            f"penalty must be positive; got {penalty!r}. Without one, separable classes "
            f"have no finite solution."
        )
        raise OptionError(msg)
    b, n, p = data.shape
    k, r = len(train), codes.shape[1]
    # two symmetric columns at twice the penalty are one weight vector at the penalty
    strength = float(penalty) * (2 if n_classes == 2 else 1)
    fold, shuffle = np.divmod(np.arange(k * r), r)  # the problems, folds outermost
    weights = np.empty((b, k * r, p, n_classes))
    intercept, done = np.empty((b, k * r, n_classes)), np.empty((b, k * r), bool)
    step = max(1, _PART // (n * n_classes))
    for i, activity in enumerate(data):
        ridge = np.full((k, p), strength)
        if standardize:
            ridge *= np.stack([activity[rows].var(0) for rows in train])
            ridge = np.maximum(ridge, 1e-12 * max(ridge.max(), 1e-300))
        x = linear.tensor(activity, device)
        for start in range(0, k * r, step):
            part = slice(start, start + step)
            label = codes[:, shuffle[part]]
            one_hot = label[:, None] == np.arange(n_classes)[:, None]
            w, c, ok = kernel.fit(
                x,
                linear.tensor(one_hot.astype(np.float64), device),
                linear.tensor(train[fold[part]].T.astype(np.float64), device),
                linear.tensor(ridge[fold[part]].T, device),
                tolerance,
                max_iterations,
            )
            weights[i, part] = linear.numpy(w).transpose(2, 0, 1)
            intercept[i, part] = linear.numpy(c).T
            done[i, part] = linear.numpy(ok)
    return (
        weights.reshape(b, k, r, p, n_classes),
        intercept.reshape(b, k, r, n_classes),
        done.reshape(b, k, r),
    )
