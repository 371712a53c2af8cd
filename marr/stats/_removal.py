"""Ridge predictions without each unit, as if refitted, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, OptionError
from marr.stats import _linear as linear

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from marr.stats._removal_kernel import Removal
    from marr.stats._types import BoolArray, FloatArray

__all__ = ["leave_one_unit_out", "leave_units_out"]


def leave_one_unit_out(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    fold_ids: npt.ArrayLike,
    penalty: float,
    *,
    standardize: bool = False,
    device: str | None = None,
) -> FloatArray:
    """Out-of-fold ridge predictions after removing each unit and refitting.

    Equal to deleting the unit's column and fitting every fold anew, centering (and
    scaling) included, at the cost of one factorization a fold.

    Parameters
    ----------
    x : array_like of shape (n_trials, n_units)
        Activity.
    y : array_like of shape (n_trials, n_targets) or (n_trials,)
        Targets.
    fold_ids : array_like of shape (n_trials,)
        Fold of each trial.
    penalty : float
        Positive penalty; it stays the same for the refits.
    standardize : bool
        Scale units by their spread in training.
    device : str, optional
        Where torch computes; the CPU by default.

    Returns
    -------
    array of shape (n_units, n_trials, n_targets)
        Predictions without unit u in row u, also for `y` of shape (n_trials,), which
        counts as one target.

    Raises
    ------
    OptionError
        If the penalty is not positive.
    """
    from marr.stats import _removal_kernel as kernel

    data, target = _single(x, y)
    out = np.empty((data.shape[1], len(data), target.shape[1]))
    for test, fold, mean in _folds(
        data, target, fold_ids, penalty, standardize, device
    ):
        out[:, test] = linear.numpy(kernel.without_each(fold)) + mean
    return out


def leave_units_out(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    fold_ids: npt.ArrayLike,
    penalty: float,
    *,
    units: Sequence[npt.ArrayLike],
    standardize: bool = False,
    device: str | None = None,
) -> FloatArray:
    """Out-of-fold ridge predictions after removing each set of units and refitting.

    Parameters
    ----------
    x, y, fold_ids, penalty, standardize, device
        As in `leave_one_unit_out`.
    units : sequence of arrays
        Sets of units, each as indices or as a boolean mask over units. An empty set
        gives the predictions of all units.

    Returns
    -------
    array of shape (n_sets, n_trials, n_targets)
    """
    from marr.stats import _removal_kernel as kernel

    data, target = _single(x, y)
    chosen = [
        linear.tensor(np.unique(_indices(u, data.shape[1])), device) for u in units
    ]
    out = np.empty((len(chosen), len(data), target.shape[1]))
    for test, fold, mean in _folds(
        data, target, fold_ids, penalty, standardize, device
    ):
        for i, one in enumerate(chosen):
            out[i, test] = linear.numpy(kernel.without_set(fold, one)) + mean
    return out


def _single(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    data, target, lead = linear.problems(x, y)
    if lead:
        msg = f"x must have shape (n_trials, n_units); got {np.shape(x)}. Loop over sites."
        raise ContractError(msg)
    return data[0], target[0]


def _indices(units: npt.ArrayLike, n_units: int) -> npt.NDArray[np.int64]:
    given = np.asarray(units)
    if given.dtype == bool and given.shape == (n_units,):
        return np.flatnonzero(given)
    if given.size == 0:
        return np.zeros(0, np.int64)
    if given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= n_units:
        msg = (
            f"units must be indices from 0 to {n_units - 1}, or masks of shape "
            f"({n_units},); got {units!r}."
        )
        raise OptionError(msg)
    return given.astype(np.int64)


def _folds(
    data: FloatArray,
    target: FloatArray,
    fold_ids: npt.ArrayLike,
    penalty: float,
    standardize: bool,
    device: str | None,
) -> Iterator[tuple[BoolArray, Removal, FloatArray]]:
    """Yield test mask, factorized fold and training mean of y, fold by fold."""
    from marr.stats import _removal_kernel as kernel

    if not penalty > 0:
        msg = (
            f"penalty must be positive to remove units in closed form; got {penalty!r}."
        )
        raise OptionError(msg)
    total = data.var(0)
    for test in linear.held_out(linear.fold_codes(fold_ids, len(data)), len(data)):
        mean, y_mean = data[~test].mean(0), target[~test].mean(0)
        spread = data[~test].std(0)
        flat = spread**2 <= 1e-13 * total
        scale = np.where(flat, 1.0, spread) if standardize else np.ones_like(spread)
        centered = np.where(flat, 0.0, (data - mean) / scale)
        with linear.singular_is_refused():
            fold = kernel.prepare(
                linear.tensor(centered[~test], device),
                linear.tensor(target[~test] - y_mean, device),
                linear.tensor(centered[test], device),
                float(penalty),
            )
        yield test, fold, y_mean
