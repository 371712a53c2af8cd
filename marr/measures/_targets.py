"""Targets of readouts: their kind, and their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marr.errors import ContractError, StatisticsError, check_option
from marr.measures._score_kernel import KIND_SCORES
from marr.systems import is_circular

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["EncodedTarget", "encode", "target_kind"]

FEW = 10
"""Integers with at most this many different values are classes."""


class EncodedTarget(NamedTuple):
    """A target as numbers, one row each.

    Attributes
    ----------
    values : array of shape (n_rows, n_outputs)
        One column a class (0 or 1); cosine and sine of an angle; or the standardized
        number.
    labels : array of int of shape (n_rows,) or None
        Class of each row.
    weights : array of shape (n_rows,)
        Weight of each row in a fit; classes weigh the same.
    classes : tuple
        Names of the classes.
    known : array of bool of shape (n_rows before,)
        Rows that were kept: those of a class that training rows have.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.intp] | None
    weights: NDArray[np.float64]
    classes: tuple[Any, ...]
    known: NDArray[np.bool_]


def target_kind(
    target: xr.DataArray, kind: str | None = None, *, argument: str = "target"
) -> str:
    """Return the kind of a target: "categorical", "continuous" or "circular".

    Text, booleans, categories, integers with at most ten values and floats with two
    values are categorical; a variable with attribute ``circular=True`` is circular.
    """
    if kind is not None:
        check_option("kind", kind, KIND_SCORES)
        if kind != "categorical" and target.dtype.kind not in "fiub":
            msg = f"{argument} of kind {kind!r} must hold numbers; got {target.dtype}."
            raise ContractError(msg)
        return kind
    if is_circular(target):
        return "circular"
    if target.dtype.kind not in "fiu":
        return "categorical"
    known = np.unique(target.values[np.isfinite(target.values)])
    few = 2 if target.dtype.kind == "f" else FEW
    return "categorical" if len(known) <= few else "continuous"


def encode(values: NDArray[Any], kind: str, train: NDArray[np.bool_]) -> EncodedTarget:
    """Return a target as numbers.

    Parameters
    ----------
    values : array of shape (n_rows,)
        Target of each row, none missing.
    kind : {"categorical", "continuous", "circular"}
        See `target_kind`.
    train : array of bool of shape (n_rows,)
        Rows that enter fits: they fix classes, weights and scale.

    Raises
    ------
    StatisticsError
        If the target does not vary.
    """
    n_rows = len(values)
    everywhere, even = np.ones(n_rows, dtype=bool), np.ones(n_rows)
    if kind == "circular":
        angles = values.astype(float)
        return EncodedTarget(
            np.stack([np.cos(angles), np.sin(angles)], axis=1),
            None,
            even,
            (),
            everywhere,
        )
    if kind == "continuous":
        numbers = values.astype(float)
        sd = float(numbers[train].std()) if train.any() else 0.0
        if sd == 0:
            msg = "the target has the same value on every trial; nothing to read out."
            raise StatisticsError(msg)
        scaled = (numbers - numbers[train].mean()) / sd
        return EncodedTarget(scaled[:, None], None, even, (), everywhere)
    classes, first = np.unique(values[train].astype(str), return_index=True)
    if len(classes) < 2:
        msg = (
            f"the target has one class only ({classes.tolist()}); nothing to read out."
        )
        raise StatisticsError(msg)
    text = values.astype(str)
    known = np.isin(text, classes)
    labels = np.searchsorted(classes, text[known])
    counts = np.bincount(labels[train[known]], minlength=len(classes))
    weights = known.sum() / (len(classes) * np.maximum(counts, 1.0))
    names = tuple(values[train][i] for i in first)
    one_hot = np.eye(len(classes))[labels]
    return EncodedTarget(one_hot, labels, weights[labels], names, known)
