"""Readouts of a hooked model: from outputs to behavior columns, checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Readout", "checked_readout", "last_valid"]


class Readout:
    """One or several readout functions as one.

    Parameters
    ----------
    functions : sequence of callables
        Each takes outputs and trial table (and `variables`, if it names that
        argument) and returns a mapping of column to one value a trial.
    """

    def __init__(self, functions: Sequence[Callable[..., Any]]) -> None:
        self.functions = functions
        self.name = " + ".join(_name(f) for f in functions)

    def __call__(
        self,
        outputs: NDArray[Any],
        trials: pd.DataFrame,
        variables: Mapping[str, NDArray[Any]],
    ) -> pd.DataFrame:
        """Return behavior columns for these trials."""
        columns: dict[str, Any] = {}
        for function in self.functions:
            more = {"variables": variables} if _takes_variables(function) else {}
            found = function(outputs, trials, **more)
            if isinstance(found, pd.DataFrame):
                found = {str(c): found[c].to_numpy() for c in found}
            for column, values in _checked(function, found, trials).items():
                if column in columns:
                    msg = (
                        f"readout: column {column!r} comes from two readouts; drop one."
                    )
                    raise ContractError(msg)
                columns[column] = values
        return pd.DataFrame(columns, index=trials.index)


def checked_readout(readout: Any) -> Readout | None:
    """Return a readout, or raise if it cannot be called."""
    if readout is None:
        return None
    functions = list(readout) if isinstance(readout, (list, tuple)) else [readout]
    if not functions or not all(callable(f) for f in functions):
        msg = (
            "readout must be a function (outputs, trials) -> dict of columns, or a list "
            f"of them, e.g. marr.readouts.choice; got {readout!r}."
        )
        raise OptionError(msg)
    return Readout(functions)


def last_valid(values: NDArray[Any]) -> NDArray[Any]:
    """Return the last time that is not NaN of each trial.

    Parameters
    ----------
    values : array of shape (n_trials, n_times, n_outputs) or (n_trials, n_outputs)

    Returns
    -------
    array of shape (n_trials, n_outputs)
    """
    if values.ndim < 3:
        return values
    there = ~np.isnan(values).any(axis=tuple(range(2, values.ndim)))
    last = values.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    return np.asarray(values[np.arange(len(values)), last])


def _checked(
    function: Callable[..., Any], found: Any, trials: pd.DataFrame
) -> dict[str, NDArray[Any]]:
    if not isinstance(found, Mapping):
        msg = (
            f"readout {_name(function)} must return a dict of column to array; got "
            f"{type(found).__name__}. Wrap it: {{'choice': values}}."
        )
        raise ContractError(msg)
    columns: dict[str, NDArray[Any]] = {}
    for column, values in found.items():
        array = np.asarray(values)
        if array.shape != (len(trials),):
            msg = (
                f"readout {_name(function)}: column {column!r} must have one value a "
                f"trial ({len(trials)}); got shape {array.shape}."
            )
            raise ContractError(msg)
        if column in trials.columns:
            msg = (
                f"readout {_name(function)}: column {column!r} is already in the trial "
                "table as a task variable. Rename it in the table."
            )
            raise ContractError(msg)
        columns[str(column)] = array
    return columns


def _takes_variables(function: Callable[..., Any]) -> bool:
    try:
        return "variables" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
