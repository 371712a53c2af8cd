"""What the linear solvers share: checks of shapes, tensors, and work in parts."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats._checks import codes, finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import torch

    from marr.stats._types import AnyArray, BoolArray, FloatArray, IntArray

_PART = 4_000_000  # floats of the largest temporary array, about 32 MB


def problems(
    x: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """Return x (b, n, p), y (b or 1, n, t) and the leading shape behind b."""
    data, target = finite("x", x), finite("y", y)
    target = target[:, None] if target.ndim == 1 else target
    if data.ndim < 2 or data.shape[-2] != target.shape[-2]:
        msg = (
            f"x must have shape (..., n_trials, n_units) and y (..., n_trials, "
            f"n_targets) with the same trials; got {data.shape} and {target.shape}."
        )
        raise ContractError(msg)
    try:
        lead = np.broadcast_shapes(data.shape[:-2], target.shape[:-2])
    except ValueError:
        msg = (
            f"leading axes of x {data.shape[:-2]} and y {target.shape[:-2]} must "
            f"broadcast against each other."
        )
        raise ContractError(msg) from None
    data = np.broadcast_to(data, (*lead, *data.shape[-2:]))
    if target.ndim > 2:
        target = np.broadcast_to(target, (*lead, *target.shape[-2:]))
    n, p, t = data.shape[-2], data.shape[-1], target.shape[-1]
    return data.reshape(-1, n, p), target.reshape(-1, n, t), lead


def fold_codes(fold_ids: npt.ArrayLike, n: int) -> IntArray:
    """Return fold ids 0 ... k - 1, every fold occupied."""
    given = np.asarray(fold_ids)
    codes("fold_ids", given, n)
    fold = np.unique(given, return_inverse=True)[1].astype(np.int64)
    if fold.max() < 1:
        msg = "fold_ids must hold at least two folds; got one. Use marr.stats.folds."
        raise StatisticsError(msg)
    return fold


def penalty_grid(penalties: npt.ArrayLike) -> FloatArray:
    """Return penalties of shape (a,), none of them negative."""
    grid = np.atleast_1d(finite("penalty", penalties))
    if grid.ndim != 1 or np.any(grid < 0):
        msg = (
            f"penalty must be 0 or positive, one or a list of them; got {penalties!r}."
        )
        raise OptionError(msg)
    return grid


def parts(data: FloatArray, floats_each: int) -> Iterator[slice]:
    """Cut the problems into slices whose temporary arrays stay small."""
    step = max(1, _PART // max(1, floats_each))
    for start in range(0, len(data), step):
        yield slice(start, start + step)


def tensor(array: AnyArray, device: str | None) -> torch.Tensor:
    """Return a torch tensor (floats in double precision) on `device`."""
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(
        device or "cpu"
    )


def numpy(value: torch.Tensor) -> FloatArray:
    """Return a numpy array on the CPU."""
    array: FloatArray = value.numpy(force=True)
    return array


def held_out(fold: IntArray | None, n: int) -> BoolArray:
    """One row a fold, True at the trials left out; one empty row without folds."""
    if fold is None:
        return np.zeros((1, n), bool)
    return fold == np.arange(fold.max() + 1)[:, None]


@contextlib.contextmanager
def singular_is_refused(argument: str = "penalty") -> Iterator[Any]:
    """Turn a failed factorization into a StatisticsError with the way out."""
    import torch

    try:
        yield
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        msg = (
            f"{argument}: the regression is singular (units outnumber training trials, "
            f"or are linearly dependent). Use a positive or larger penalty."
        )
        raise StatisticsError(msg) from error
