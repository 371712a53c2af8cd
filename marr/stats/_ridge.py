"""Ridge regression over folds, targets, shuffles and penalties at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marr.errors import ContractError
from marr.stats import _linear as linear
from marr.stats._checks import finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import torch

    from marr.stats._types import BoolArray, FloatArray, IntArray

__all__ = [
    "LinearWeights",
    "apply_fold_weights",
    "ridge_fold_predictions",
    "ridge_fold_weights",
    "ridge_weights",
]


class LinearWeights(NamedTuple):
    """A linear readout, ``x @ weights + intercept``; with folds on the first axis."""

    weights: FloatArray
    intercept: FloatArray


def ridge_fold_predictions(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    fold_ids: npt.ArrayLike,
    penalties: npt.ArrayLike,
    *,
    standardize: bool = False,
    device: str | None = None,
) -> FloatArray:
    """Out-of-fold predictions of ridge regression, centered inside each fold.

    Parameters
    ----------
    x : array_like of shape (..., n_trials, n_units)
        Activity; leading axes (sites, times) are separate problems.
    y : array_like of shape (..., n_trials, n_targets) or (n_trials,)
        Targets. Shuffles are further columns: they share every factorization.
    fold_ids : array_like of shape (n_trials,)
        Fold of each trial, from `folds`.
    penalties : float or array_like of shape (n_penalties,)
        Penalties of ``||y - x w - c||^2 + penalty ||w||^2``.
    standardize : bool
        Scale units by their spread in training as well.
    device : str, optional
        Where torch computes, in double precision; the CPU by default.

    Returns
    -------
    array of shape (..., [n_penalties,] n_trials, n_targets)
        Without the penalty axis for a single number, and without the target axis for
        `y` of shape (n_trials,).

    Raises
    ------
    ContractError
        Shapes that disagree, or values that are not finite.
    StatisticsError
        Fewer than two folds; a singular problem with penalty 0.
    """
    from marr.stats import _ridge_kernel as kernel

    data, target, lead = linear.problems(x, y)
    grid = linear.penalty_grid(penalties)
    n, p, t = *data.shape[-2:], target.shape[-1]
    fold = linear.fold_codes(fold_ids, n)
    out = np.empty((len(data), len(grid), n, t))
    masks = linear.held_out(fold, n)
    if p <= n:
        for part, f, w, c in fitted_folds(
            data, target, masks, grid, standardize, device
        ):
            test = linear.tensor(data[part][:, masks[f]], device)[:, None]
            _place(out, part, masks[f], test @ w + c)
    else:
        left_out, strength = linear.tensor(masks, device), linear.tensor(grid, device)
        for part in linear.parts(data, n * p + n * (n + t) * len(grid)):
            x_part, y_part = _pair(data, target, part, device)
            with linear.singular_is_refused():
                folds = kernel.dual_fold_predictions(
                    x_part, y_part, left_out, strength, standardize
                )
                for f, values in enumerate(folds):
                    _place(out, part, masks[f], values)
    out = out.reshape(*lead, *out.shape[1:])
    out = out[..., 0, :, :] if np.ndim(penalties) == 0 else out
    return out[..., 0] if np.ndim(y) == 1 else out


def ridge_fold_weights(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    fold_ids: npt.ArrayLike,
    penalty: float,
    *,
    standardize: bool = False,
    device: str | None = None,
) -> LinearWeights:
    """Ridge weights fitted without each fold, in the units of `x`.

    Parameters
    ----------
    x, y, fold_ids, standardize, device
        As in `ridge_fold_predictions`.
    penalty : float
        Penalty.

    Returns
    -------
    LinearWeights
        `weights` of shape (n_folds, ..., n_units, n_targets) and `intercept` of shape
        (n_folds, ..., n_targets). `apply_fold_weights` applies them to other activity
        of the same trials (another time, an ablated site).
    """
    fold = linear.fold_codes(fold_ids, np.shape(x)[-2] if np.ndim(x) > 1 else 0)
    return _weights(x, y, fold, penalty, standardize, device)


def ridge_weights(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    penalty: float,
    *,
    standardize: bool = False,
    device: str | None = None,
) -> LinearWeights:
    """Ridge weights fitted on all trials, in the units of `x`.

    Parameters
    ----------
    x, y, standardize, device
        As in `ridge_fold_predictions`.
    penalty : float
        Penalty.

    Returns
    -------
    LinearWeights
        `weights` of shape (..., n_units, n_targets), `intercept` (..., n_targets).
    """
    weights, intercept = _weights(x, y, None, penalty, standardize, device)
    return LinearWeights(weights[0], intercept[0])


def apply_fold_weights(
    x: npt.ArrayLike, fitted: LinearWeights, fold_ids: npt.ArrayLike
) -> FloatArray:
    """Out-of-fold predictions for activity of the trials that the folds describe.

    Parameters
    ----------
    x : array_like of shape (..., n_trials, n_units)
        Activity; leading axes broadcast against those of the weights.
    fitted : LinearWeights
        From `ridge_fold_weights`.
    fold_ids : array_like of shape (n_trials,)
        The folds with which the weights were fitted.

    Returns
    -------
    array of shape (..., n_trials, n_targets)
    """
    data = finite("x", x)
    fold = linear.fold_codes(fold_ids, data.shape[-2])
    k, p = len(fitted.weights), fitted.weights.shape[-2]
    if data.shape[-1] != p or fold.max() + 1 != k:
        msg = (
            f"weights were fitted on {p} units and {k} folds; got x with "
            f"{data.shape[-1]} units and {fold.max() + 1} folds. Give the same ones."
        )
        raise ContractError(msg)
    predicted = [
        data[..., fold == f, :] @ w + c[..., None, :]
        for f, (w, c) in enumerate(zip(fitted.weights, fitted.intercept, strict=True))
    ]
    back = np.argsort(np.argsort(fold, kind="stable"), kind="stable")
    return np.concatenate(predicted, axis=-2)[..., back, :]


def _weights(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    fold: IntArray | None,
    penalty: float,
    standardize: bool,
    device: str | None,
) -> LinearWeights:
    data, target, lead = linear.problems(x, y)
    n, p, t = *data.shape[-2:], target.shape[-1]
    masks = linear.held_out(fold, n)
    grid = linear.penalty_grid(float(penalty))
    weights = np.empty((len(masks), len(data), p, t))
    intercept = np.empty((len(masks), len(data), t))
    for part, f, w, c in fitted_folds(data, target, masks, grid, standardize, device):
        weights[f, part] = linear.numpy(w[:, 0])
        intercept[f, part] = linear.numpy(c[:, 0, 0])
    k = len(masks)
    return LinearWeights(
        weights.reshape(k, *lead, p, t), intercept.reshape(k, *lead, t)
    )


def fitted_folds(
    data: FloatArray,
    target: FloatArray,
    masks: BoolArray,
    grid: FloatArray,
    standardize: bool,
    device: str | None,
) -> Iterator[tuple[slice, int, torch.Tensor, torch.Tensor]]:
    """Yield slice of problems, fold, weights (b, a, p, t), intercept (b, a, 1, t)."""
    from marr.stats import _ridge_kernel as kernel

    n, p, t = *data.shape[-2:], target.shape[-1]
    m = min(n, p)
    solver = kernel.primal_fold_weights if p <= n else kernel.dual_fold_weights
    for part in linear.parts(data, n * p + len(grid) * (m * m + (p + n) * t)):
        x, y = _pair(data, target, part, device)
        out, penalties = linear.tensor(masks, device), linear.tensor(grid, device)
        with linear.singular_is_refused():
            fitted = solver(x, y, out, penalties, standardize)
            for f, (w, c) in enumerate(fitted):
                yield part, f, w, c


def _pair(
    data: FloatArray, target: FloatArray, part: slice, device: str | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors of some problems; targets that all share are repeated by view."""
    x = linear.tensor(data[part], device)
    y = linear.tensor(target[part] if len(target) > 1 else target, device)
    return x, y.expand(len(x), *y.shape[1:])


def _place(out: FloatArray, part: slice, test: BoolArray, values: torch.Tensor) -> None:
    """Write predictions (b, a, m, t) of the test trials into out (b, a, n, t)."""
    out[part][:, :, test] = linear.numpy(values)
