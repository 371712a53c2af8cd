"""Columns that behavior tools read: answers, stimuli, conditions, and who gave them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.errors import ContractError, EvidenceError, OptionError, StatisticsError

if TYPE_CHECKING:
    from marr.systems import System

__all__ = [
    "Answers",
    "check_own",
    "clusters_of",
    "conditions",
    "numbers",
    "own_column",
    "read_answers",
    "sentence_case",
    "short",
]

_NOT_OWN = {
    "intact_": (
        "it was observed on the intact system; nobody saw the system behave under the "
        "perturbation. Analyze the intact system, score a readout of the perturbed "
        "activity (marr.measures.decoded), or record real perturbation trials"
    ),
    "reference_": (
        "it is the behavior of whoever produced the table, not of this system. Analyze "
        "that system itself, or give marr.hook(readout=...) so that this one answers"
    ),
}
_PLUS = {frozenset({-1.0, 1.0}), frozenset({0.0, 1.0})}


def own_column(system: System, name: str, *, argument: str) -> pd.Series:
    """Return a column of behavior, or refuse one that is not this system's own.

    Parameters
    ----------
    system : System
        Whose behavior is asked for.
    name : str
        Column of the trial table.
    argument : str
        Name of the argument in the caller's signature.

    Raises
    ------
    EvidenceError
        The column describes the intact system or another one.
    OptionError
        There is no such column; the nearest is suggested.
    """
    for prefix, reason in _NOT_OWN.items():
        if str(name).startswith(prefix):
            msg = f"{argument}: {name!r} cannot stand for {system.name!r}: {reason}."
            raise EvidenceError(msg)
    check_own(system, name, argument=argument)
    return system.column(name, argument=argument)


def check_own(system: System, name: str, *, argument: str) -> None:
    """Refuse what was handed to a model with its inputs as behavior of the model."""
    if system.was_given(name):
        msg = (
            f"{argument}: {name!r} was given to marr.hook with the inputs; it is not what "
            f"{system.name!r} did. Name a column that its readout makes "
            "(marr.hook(readout=...)), or analyze the system that was observed."
        )
        raise EvidenceError(msg)


def numbers(system: System, name: str, *, argument: str) -> pd.Series:
    """Return a numeric column (float, missing values kept as NaN)."""
    series = system.column(name, argument=argument)
    if series.dtype.kind not in "fiub" or series.dtype.kind == "b":
        example = series.dropna().head(3).tolist()
        msg = (
            f"{argument}: column {name!r} must hold numbers; got {series.dtype}, e.g. "
            f"{example}. Code it as numbers first (signed: negative for one side)."
        )
        raise ContractError(msg)
    values = series.astype(float)
    if np.isinf(values).any():
        labels = values.index[np.isinf(values)][:3].tolist()
        msg = (
            f"{argument}: column {name!r} is infinite on trials {labels}. Drop them: "
            f"system.select(numpy.isfinite(system.trials[{name!r}]))."
        )
        raise ContractError(msg)
    return values


@dataclass(frozen=True)
class Answers:
    """Which of two answers was given on each trial.

    Attributes
    ----------
    y : array of shape (n_trials,)
        1 for the counted answer, 0 for the other, NaN where there was none.
    positive, negative : str
        How the two answers are written in the table.
    """

    y: np.ndarray
    positive: str
    negative: str


def read_answers(system: System, choice: str, *, positive: object = None) -> Answers:
    """Code a choice column as 1 and 0.

    Parameters
    ----------
    system : System
        Whose choices.
    choice : str
        Column with two values: {-1, 1}, {0, 1}, booleans, or any two labels.
    positive : object, optional
        The value that is counted; the larger number (or True) by default, needed
        for labels.

    Returns
    -------
    Answers

    Raises
    ------
    ContractError
        More than two values.
    OptionError
        Labels without `positive`, or a `positive` that does not occur.
    StatisticsError
        One value only.
    """
    series = own_column(system, choice, argument="choice")
    values = sorted(series.dropna().unique().tolist(), key=lambda v: (str(type(v)), v))
    if len(values) > 2:
        shown = ", ".join(map(repr, values[:6]))
        msg = (
            f"choice: column {choice!r} must have two values; got {len(values)} "
            f"({shown}). Keep the trials with an answer, e.g. "
            f"system.select({f'{choice} in {values[:1] + values[-1:]}'!r})."
        )
        raise ContractError(msg)
    if len(values) < 2:
        got = f"only {values[0]!r}" if values else "no answer at all"
        msg = (
            f"choice: column {choice!r} of {system.name!r} must have two values for a "
            f"psychometric function; got {got} on {len(series)} trials."
        )
        raise StatisticsError(msg)
    counted = _counted(values, choice, positive)
    other = values[0] if values[1] == counted else values[1]
    y = np.where(series.isna(), np.nan, (series == counted).astype(float))
    return Answers(y=y.astype(float), positive=_plain(counted), negative=_plain(other))


def _counted(values: list[object], choice: str, positive: object) -> object:
    if positive is not None:
        for value in values:
            if isinstance(positive, Hashable) and value == positive:
                return value
        msg = f"positive must be one of {values} (column {choice!r}); got {positive!r}."
        raise OptionError(msg)
    numeric = all(isinstance(v, (bool, int, float)) for v in values)
    if numeric and frozenset(float(v) for v in values) in _PLUS:  # type: ignore[arg-type]
        return values[1]
    msg = (
        f"positive: column {choice!r} holds {values[0]!r} and {values[1]!r}; say which "
        f"one is counted, e.g. positive={values[1]!r}."
    )
    raise OptionError(msg)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def conditions(
    system: System, by: str | None, *, reserved: tuple[str, ...] = ()
) -> tuple[np.ndarray, list[object]]:
    """Return the code of each trial's condition and the sorted levels.

    Parameters
    ----------
    system : System
        Whose trials.
    by : str or None
        Column whose levels are compared; None puts all trials in one condition.
    reserved : tuple of str
        Names that `by` must not have, because an axis of the finding has them.

    Returns
    -------
    codes : array of int of shape (n_trials,)
        Index into the levels; -1 where the column is missing.
    levels : list
        Sorted distinct values, as plain numbers or text; [None] without `by`.
    """
    if by is None:
        return np.zeros(len(system.trial_index), dtype=np.int64), [None]
    series = system.column(by, argument="by")
    if by in reserved:
        msg = (
            f"by: {by!r} is also the name of an axis of the result or the stimulus "
            "itself. Group by another column, or rename this one."
        )
        raise OptionError(msg)
    levels = sorted(series.dropna().unique().tolist(), key=lambda v: (str(type(v)), v))
    if len(levels) > 24:
        msg = (
            f"by: column {by!r} has {len(levels)} levels; at most 24 are compared. "
            "Bin it first (pandas.cut) into a new column."
        )
        raise OptionError(msg)
    codes = pd.Categorical(series, categories=levels).codes.astype(np.int64)
    if not levels:
        msg = f"by: column {by!r} of {system.name!r} is missing on every trial."
        raise StatisticsError(msg)
    plain: list[object] = [
        v if isinstance(v, (int, float)) and not isinstance(v, bool) else str(v)
        for v in levels
    ]
    return np.asarray(codes), plain


def clusters_of(
    system: System, *used: str | None
) -> tuple[np.ndarray | None, str | None]:
    """Return cluster codes of trials (sessions, sequences), and their column.

    A column that the analysis already splits by, or that is the stimulus, makes no
    clusters.
    """
    column = system.group_column
    if column is None or column in used:
        return None, None
    return np.asarray(system.groups(), dtype=np.int64), column


def short(level: object) -> str:
    """Return a level as readers write it."""
    return f"{level:.4g}" if isinstance(level, float) else str(level)


def sentence_case(words: str) -> str:
    """Return the words with a capital first letter."""
    return words[:1].upper() + words[1:]
