"""Trials by mask, label, query or function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.systems._system import System

__all__ = ["selected_rows"]


def selected_rows(system: System, trials: Any) -> NDArray[np.intp]:
    """Return positions of the trials that a selector names."""
    index = system.trial_index
    if isinstance(trials, Callable):  # type: ignore[arg-type]
        trials = trials(system.trials)
    if isinstance(trials, str):
        try:
            mask = system.trials.eval(trials)
        except (
            pd.errors.UndefinedVariableError,
            AttributeError,
            NotImplementedError,
            SyntaxError,
            ValueError,
            TypeError,
        ) as error:
            columns = list(system.trials.columns)
            msg = f"select: cannot evaluate {trials!r} ({error}). Columns: {columns}."
            raise ContractError(msg) from error
        if isinstance(mask, pd.DataFrame):
            msg = f"select: {trials!r} assigns; compare with ==, e.g. 'choice == 1'."
            raise ContractError(msg)
        trials = np.asarray(mask)
    if isinstance(trials, pd.Series) and trials.dtype == bool:
        trials = trials.reindex(index, fill_value=False).to_numpy()
    values = np.asarray(trials)
    if values.dtype == bool:
        if values.shape != (len(index),):
            msg = (
                f"select: a mask must have one value a trial ({len(index)}); got shape "
                f"{values.shape}."
            )
            raise ContractError(msg)
        return np.flatnonzero(values)
    if values.ndim != 1:
        msg = (
            "select takes a mask, a list of trial labels, a query or a function of the "
            f"trial table; got {trials!r:.60}."
        )
        raise ContractError(msg)
    rows = index.get_indexer(pd.Index(values))
    if (rows < 0).any():
        missing = values[rows < 0][:3].tolist()
        msg = f"select: no trial {missing} in {system.name!r}. Labels: {list(index[:5])} ..."
        raise ContractError(msg)
    if len(np.unique(rows)) != len(rows):
        msg = (
            "select: a trial was named twice; a resampled system needs new labels, "
            "so use marr.stats on the arrays to resample."
        )
        raise ContractError(msg)
    return np.asarray(rows, dtype=np.intp)
