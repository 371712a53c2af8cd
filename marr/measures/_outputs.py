"""Measures of a model's raw outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._option_types import checked
from marr.errors import ContractError, EvidenceError
from marr.measures._base import (
    FittedMeasure,
    FittedValues,
    Measure,
    Values,
    defined_trials,
)
from marr.measures._behavior import as_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.systems import System

__all__ = ["logit_difference"]


@dataclass(frozen=True, repr=False)
class _LogitDifference(Measure):
    """Output of the correct class minus output of an incorrect one."""

    correct: str | int = 0
    incorrect: str | int = 1
    position: int = -1

    def fit(self, intact: System) -> FittedMeasure:
        """Read the classes of each trial on the intact system."""
        n_classes = _outputs(intact, self.position).shape[1]
        index = intact.trial_index
        right = _classes(intact, self.correct, n_classes, "correct")
        wrong = _classes(intact, self.incorrect, n_classes, "incorrect")

        def difference(system: System) -> Values:
            rows = index.get_indexer(system.trial_index)
            outputs = _outputs(system, self.position)
            every = np.arange(len(rows))
            gained, lost = outputs[every, right[rows]], outputs[every, wrong[rows]]
            return np.asarray(gained - lost)

        defined = defined_trials(intact, self.where)
        return FittedValues(self, index, defined, difference)


@checked
def logit_difference(
    correct: str | int,
    incorrect: str | int,
    *,
    position: int = -1,
    where: str | None = None,
) -> Measure:
    """Output of the correct class minus that of an incorrect one, trial by trial.

    Parameters
    ----------
    correct, incorrect : str or int
        Column of the trial table that holds the class (or token id) of each trial, or one
        class for all trials.
    position : int
        Position on the time axis of the outputs where they have one; the last by default.
    where : str, optional
        Query on the intact trial table.

    Returns
    -------
    Measure
        Of kind "behavior", higher is better, in the units of the outputs (logits).

    Notes
    -----
    A difference of logits is linear in the last layer and moves before any choice changes;
    it can also move without one ever changing. Show `accuracy` beside it.
    """
    return _LogitDifference(
        f"logit difference ({correct} minus {incorrect})"
        + (f" where {where}" if where else ""),
        "behavior",
        "higher",
        "logits",
        None,
        where,
        correct,
        incorrect,
        position,
    )


def _outputs(system: System, position: int) -> NDArray[np.float64]:
    """Return outputs of shape (n_trials, n_classes)."""
    found: Any = getattr(system, "outputs", None)
    if found is None:
        msg = (
            f"logit_difference needs the outputs of a model; {system.name!r} is a "
            f"{type(system).__name__}. Use marr.hook(...), or marr.measures.decoded(...) "
            "for recorded activity."
        )
        raise EvidenceError(msg)
    values = np.asarray(found("last" if position == -1 else "all"), dtype=np.float64)
    if values.ndim == 3:
        values = values[:, position]
    if values.ndim != 2 or values.shape[1] < 2:
        msg = (
            "logit_difference needs outputs of shape (n_trials, n_classes) or (n_trials, "
            f"n_times, n_classes); {system.name!r} gives shape {values.shape}."
        )
        raise ContractError(msg)
    return values


def _classes(
    system: System, which: str | int, n_classes: int, argument: str
) -> NDArray[np.intp]:
    """Return the class of each trial, checked against the outputs."""
    if isinstance(which, str):
        numbers = as_numbers(system.column(which, argument=argument), argument)
    else:
        numbers = np.full(len(system.trial_index), float(which))
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    fits = whole & (numbers >= -n_classes) & (numbers < n_classes)
    if not fits.all():
        msg = (
            f"{argument} must hold classes from 0 to {n_classes - 1}; got "
            f"{numbers[~fits][:3].tolist()}."
        )
        raise ContractError(msg)
    return numbers.astype(np.intp)
