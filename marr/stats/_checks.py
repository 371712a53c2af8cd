"""Checks on arguments that every statistic shares; messages hold the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.stats._types import FloatArray, IntArray


def check_count(argument: str, value: int, *, minimum: int = 1) -> int:
    """Return `value` as int; raise OptionError below `minimum`."""
    if isinstance(value, bool) or int(value) != value or value < minimum:
        msg = f"{argument} must be a whole number of at least {minimum}; got {value!r}."
        raise OptionError(msg)
    return int(value)


def check_level(argument: str, value: float) -> float:
    """Return `value`; raise OptionError unless it lies strictly in (0, 1)."""
    if not 0 < value < 1:
        msg = f"{argument} must lie between 0 and 1, such as 0.95; got {value!r}."
        raise OptionError(msg)
    return float(value)


def finite(argument: str, values: npt.ArrayLike) -> FloatArray:
    """Return `values` as float64; raise ContractError on NaN or infinity."""
    array = np.asarray(values, dtype=np.float64)
    bad = int(array.size - np.isfinite(array).sum())
    if bad:
        msg = (
            f"{argument} must be finite; got {bad} NaN or infinite of {array.size} "
            f"values. Drop or fill them first."
        )
        raise ContractError(msg)
    return array


def codes(argument: str, values: npt.ArrayLike, n: int | None = None) -> IntArray:
    """Return whole-number codes of labels, numbered in order of appearance.

    Parameters
    ----------
    argument : str
        Name of the argument in the caller's signature.
    values : array_like of shape (n,)
        Labels of any hashable kind.
    n : int, optional
        The length that is required.

    Raises
    ------
    ContractError
        If the labels are not one-dimensional, of another length, or missing.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (n is not None and len(array) != n):
        wanted = "one-dimensional" if n is None else f"of shape ({n},), one a trial"
        msg = f"{argument} must be {wanted}; got shape {array.shape}."
        raise ContractError(msg)
    seen: dict[object, int] = {}
    items = array.tolist()
    missing = sum(item is None or item != item for item in items)  # noqa: PLR0124
    if missing:
        msg = (
            f"{argument} has {missing} missing values of {len(items)}. "
            f"Select the trials that have one first."
        )
        raise ContractError(msg)
    return np.asarray([seen.setdefault(item, len(seen)) for item in items], np.int64)


def check_units(argument: str, n: int, *, minimum: int = 2) -> None:
    """Raise StatisticsError when there are too few units to resample."""
    if n < minimum:
        msg = (
            f"{argument}: {n} to resample, at least {minimum} are needed. "
            f"Use more data, or a finer unit of resampling."
        )
        raise StatisticsError(msg)
