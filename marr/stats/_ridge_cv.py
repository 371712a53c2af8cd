"""Ridge penalties chosen inside each fold, on the other folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marr.errors import StatisticsError
from marr.stats import _linear as linear
from marr.stats._checks import check_count, finite
from marr.stats._ridge import fitted_folds, ridge_fold_predictions

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.stats._types import BoolArray, FloatArray, IntArray

__all__ = ["RidgeCV", "ridge_cv_predictions", "ridge_penalties"]


class RidgeCV(NamedTuple):
    """Out-of-fold predictions and the penalty that each fold and target chose."""

    predictions: FloatArray
    penalties: FloatArray


def ridge_penalties(
    x: npt.ArrayLike, *, n_penalties: int = 7, standardize: bool = False
) -> FloatArray:
    """Penalties that span weak to strong shrinkage for this activity.

    Parameters
    ----------
    x : array_like of shape (..., n_trials, n_units)
        Activity.
    n_penalties : int
        How many.
    standardize : bool
        Whether units will be scaled to variance 1.

    Returns
    -------
    array of shape (n_penalties,)
        From 1e-3 to 1e3 times the mean over units of their summed squares, in equal
        ratios; the median over leading axes.
    """
    count = check_count("n_penalties", n_penalties)
    data = finite("x", x)
    unit = np.full(1, 1.0) if standardize else data.var(axis=-2).mean(-1)
    typical = float(np.median(unit)) or 1.0
    return data.shape[-2] * typical * np.logspace(-3, 3, count)


def ridge_cv_predictions(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    fold_ids: npt.ArrayLike,
    penalties: npt.ArrayLike | None = None,
    *,
    standardize: bool = False,
    shared: bool = False,
    device: str | None = None,
) -> RidgeCV:
    """Out-of-fold ridge predictions, the penalty chosen without the held-out fold.

    For each held-out fold the penalty with the smallest squared error in a
    cross-validation over the *other* folds is used: inner folds are outer folds, so
    groups stay whole there too. The fit without folds f and g serves both as an inner
    fit of f and of g.

    Parameters
    ----------
    x : array_like of shape (..., n_trials, n_units)
        Activity; leading axes are separate problems.
    y : array_like of shape (..., n_trials, n_targets) or (n_trials,)
        Targets; each column (shuffles too) chooses its own penalty.
    fold_ids : array_like of shape (n_trials,)
        Fold of each trial, at least three folds.
    penalties : array_like of shape (n_penalties,), optional
        Candidates; `ridge_penalties` of `x` by default.
    standardize : bool
        Scale units by their spread in training.
    shared : bool
        One penalty for all targets, chosen on the sum of their scaled errors: for the
        columns of one variable (sine and cosine, one-hot classes), not for shuffles.
    device : str, optional
        Where torch computes.

    Returns
    -------
    RidgeCV
        `predictions` of shape (..., n_trials, n_targets), without the target axis for
        `y` of shape (n_trials,), and `penalties` of shape (n_folds, ..., n_targets).

    Raises
    ------
    StatisticsError
        Fewer than three folds.
    """
    data, target, lead = linear.problems(x, y)
    n, t = data.shape[-2], target.shape[-1]
    fold = linear.fold_codes(fold_ids, n)
    k = int(fold.max()) + 1
    if k < 3:
        msg = (
            f"choosing a penalty inside folds needs at least three folds; got {k}. Use "
            f"more folds, or give one penalty to ridge_fold_predictions."
        )
        raise StatisticsError(msg)
    given = (
        ridge_penalties(x, standardize=standardize) if penalties is None else penalties
    )
    grid = linear.penalty_grid(given)
    error = _inner_errors(data, target, fold, grid, standardize, device)
    if shared:
        scale = target.var(1)[:, None] + np.finfo(float).tiny
        error = np.broadcast_to((error / scale).sum(-1, keepdims=True), error.shape)
    best = error.argmin(2)  # (k, b, t)
    every = ridge_fold_predictions(
        data, target, fold, grid, standardize=standardize, device=device
    )
    out = np.empty((len(data), n, t))
    for f in range(k):
        test = fold == f
        chosen = best[f][:, None, None, :]
        out[:, test] = np.take_along_axis(every[:, :, test], chosen, axis=1)[:, 0]
    predictions = out.reshape(*lead, n, t)
    return RidgeCV(
        predictions[..., 0] if np.ndim(y) == 1 else predictions,
        grid[best].reshape(k, *lead, t),
    )


def _inner_errors(
    data: FloatArray,
    target: FloatArray,
    fold: IntArray,
    grid: FloatArray,
    standardize: bool,
    device: str | None,
) -> FloatArray:
    """Squared inner errors of shape (k, b, a, t)."""
    k, b, t = int(fold.max()) + 1, len(data), target.shape[-1]
    pairs = [(f, g) for f in range(k) for g in range(f)]
    masks: BoolArray = np.stack([(fold == f) | (fold == g) for f, g in pairs])
    error = np.zeros((k, b, len(grid), t))
    fits = fitted_folds(data, target, masks, grid, standardize, device)
    for part, i, w, c in fits:
        for outer, inner in (pairs[i], pairs[i][::-1]):
            test = fold == inner
            inside = linear.tensor(data[part][:, test], device)[:, None]
            wanted = target[part] if len(target) > 1 else target
            left = linear.tensor(wanted[:, None, test], device) - (inside @ w + c)
            error[outer, part] += linear.numpy(left.square().sum(2))
    return error
