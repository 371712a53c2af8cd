"""Measures of what a system did: they read behavior columns of its trial table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr._option_types import checked
from marr.errors import ContractError, EvidenceError
from marr.measures._base import (
    FittedMeasure,
    FittedValues,
    Measure,
    Values,
    defined_trials,
)

if TYPE_CHECKING:
    from marr.systems import System

__all__ = ["accuracy", "choice_follows", "column"]


@dataclass(frozen=True, repr=False)
class _Column(Measure):
    """A numeric behavior column, or a continuous variable averaged within the trial."""

    source: str = "correct"

    def fit(self, intact: System) -> FittedMeasure:
        """Check that the column exists, holds numbers and is the system's own."""
        _check_own(intact, self.source, self.name)
        self._values(intact)
        defined = defined_trials(intact, self.where)
        return FittedValues(self, intact.trial_index, defined, self._values)

    def _values(self, system: System) -> Values:
        if self.source in system.variables:
            array = system.variables[self.source].astype(float)
            return np.asarray(array.mean("time", skipna=True).values)
        return as_numbers(system.column(self.source, argument=self.name), self.name)


@dataclass(frozen=True, repr=False)
class _Follows(Measure):
    """1 where the choice equals what a column says, 0 where not."""

    source: str = ""
    choice: str = "choice"

    def fit(self, intact: System) -> FittedMeasure:
        """Keep what the column says on the intact system, and check the labels."""
        _check_own(intact, self.choice, self.name)
        wanted = intact.column(self.source, argument=self.name)
        made = intact.column(self.choice, argument=self.name)
        defined = defined_trials(intact, self.where)
        if not set(wanted[defined].dropna()) & set(made.dropna()):
            msg = (
                f"{self.name}: {self.source!r} holds {_shown(wanted)} but {self.choice!r} "
                f"holds {_shown(made)}; no choice could ever follow it. Make a column with "
                "the labels of the choice."
            )
            raise ContractError(msg)

        def follows(system: System) -> Values:
            choices = system.column(self.choice, argument=self.name)
            said = wanted.reindex(choices.index)
            out = np.asarray(choices.to_numpy() == said.to_numpy(), dtype=np.float64)
            out[choices.isna().to_numpy() | said.isna().to_numpy()] = np.nan
            return out

        return FittedValues(self, intact.trial_index, defined, follows)


@checked
def accuracy(column: str = "correct", *, where: str | None = None) -> Measure:
    """Share of correct trials.

    Parameters
    ----------
    column : str
        Behavior column that says whether a trial was correct (bool, or 0 to 1).
    where : str, optional
        Query on the intact trial table, e.g. ``"contrast > 0"``.

    Returns
    -------
    Measure
        Of kind "behavior", higher is better.

    Examples
    --------
    >>> import numpy as np, pandas as pd, marr
    >>> trials = pd.DataFrame({"correct": [True, False, True, True]})
    >>> system = marr.from_arrays({"V1": np.eye(4)}, trials=trials)
    >>> accuracy().fit(system)(system)
    array([1., 0., 1., 1.])
    """
    words = "accuracy" if column == "correct" else f"accuracy ({column})"
    return _Column(
        _with(words, where),
        "behavior",
        "higher",
        "proportion correct",
        None,
        where,
        column,
    )


@checked
def choice_follows(
    column: str, *, choice: str = "choice", where: str | None = None
) -> Measure:
    """How often the choice is the one that a column names.

    With ``where="contrast == 0"`` and a column that holds the side favored by the block
    prior, this is the use of the prior: what an animal does when it sees nothing.

    Parameters
    ----------
    column : str
        Column with the labels of the choice; read from the intact system.
    choice : str
        Column that holds the choice.
    where : str, optional
        Query on the intact trial table.

    Returns
    -------
    Measure
        Of kind "behavior"; 1 where the choice follows the column, 0 where not.
    """
    return _Follows(
        _with(f"{choice} following {column}", where),
        "behavior",
        "higher",
        "proportion of trials",
        column,
        where,
        column,
        choice,
    )


@checked
def column(
    name: str, *, better: str, where: str | None = None, units: str = ""
) -> Measure:
    """Measure by any numeric behavior column or continuous variable.

    Parameters
    ----------
    name : str
        A numeric column of the trial table, or a (trial, time) variable (averaged within
        the trial).
    better : {"higher", "lower"}
        Direction in which the system does well: "lower" for an error.
    where : str, optional
        Query on the intact trial table.
    units : str
        Unit of the values.

    Returns
    -------
    Measure
        Of kind "behavior".
    """
    words = _with(name.replace("_", " "), where)
    return _Column(words, "behavior", better, units, None, where, name)


def _check_own(system: System, name: str, words: str) -> None:
    """Refuse a task variable as a measure of what a model does."""
    if system.was_given(name):
        msg = (
            f"{words}: {name!r} was given to marr.hook with the inputs, so nothing that is "
            f"done to {system.name!r} can change it. Measure a column that its readout "
            "makes (marr.hook(readout=...)), or a readout of its activity "
            "(marr.measures.decoded)."
        )
        raise EvidenceError(msg)


def as_numbers(values: pd.Series, name: str) -> Values:
    """Return a column as floats, NaN where missing, or raise with what it holds."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        return values.to_numpy(dtype=np.float64)
    numeric: Any = pd.to_numeric(values, errors="coerce")
    if (numeric.isna() & values.notna()).any():
        msg = (
            f"{name} needs a numeric column; {values.name!r} holds {_shown(values)}. Use "
            f"marr.measures.choice_follows, or add a numeric column."
        )
        raise ContractError(msg)
    return np.asarray(numeric, dtype=np.float64)


def _with(words: str, where: str | None) -> str:
    return f"{words} where {where}" if where else words


def _shown(values: pd.Series) -> str:
    return ", ".join(repr(v) for v in values.dropna().unique()[:4].tolist())
