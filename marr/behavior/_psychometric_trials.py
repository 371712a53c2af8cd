"""Trials that go into a psychometric fit, and what is wrong with those that cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, StatisticsError

from ._answers import (
    Answers,
    clusters_of,
    conditions,
    numbers,
    read_answers,
    short,
)

if TYPE_CHECKING:
    from marr.systems import System

__all__ = ["Trials", "check_trials", "read_trials", "round_stimuli", "why_not"]

_FEWEST = 10  # trials without which nothing is fitted
_MOST_LEVELS = 300  # stimulus levels that are kept apart
_AXES = ("parameter", "stimulus", "comparison", "units", "member")


@dataclass(frozen=True)
class Trials:
    """Trials that have a stimulus, an answer and a condition.

    Attributes
    ----------
    x, y : arrays of shape (n_kept,)
        Stimulus, and 1 for the counted answer.
    codes : array of int of shape (n_kept,)
        Condition of each trial, an index into `levels`.
    levels : list
        Levels of `by`, [None] without it.
    clusters : array of int of shape (n_kept,), or None
        Session or sequence of each trial.
    answers : Answers
        How the answers are written.
    n_all : int
        Trials before any was left out.
    system, stimulus : str
        Names, for messages.
    by, cluster_column : str or None
        Columns of the conditions and clusters.
    rounded : float
        Step to which stimuli were rounded (of the logarithm for the Weibull link),
        0 where they were not.
    """

    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    levels: list[object]
    clusters: np.ndarray | None
    answers: Answers
    n_all: int
    system: str
    stimulus: str
    by: str | None
    cluster_column: str | None
    rounded: float = 0.0

    @property
    def answer(self) -> str:
        """What is counted, in words."""
        return f"probability of choice {self.answers.positive}"

    def condition(self, code: int) -> str:
        """Return the name of a condition, "" where there is only one."""
        return "" if self.by is None else f"{self.by} {short(self.levels[code])}"


def read_trials(
    system: System, stimulus: str, choice: str, positive: object, by: str | None
) -> Trials:
    """Read the columns of a psychometric fit and keep complete trials."""
    x = numbers(system, stimulus, argument="stimulus").to_numpy(dtype=float)
    answers = read_answers(system, choice, positive=positive)
    codes, levels = conditions(system, by, reserved=_AXES)
    clusters, column = clusters_of(system, by, stimulus)
    kept = ~np.isnan(x) & ~np.isnan(answers.y) & (codes >= 0)
    return Trials(
        x=x[kept],
        y=answers.y[kept],
        codes=codes[kept],
        levels=levels,
        clusters=None if clusters is None else clusters[kept],
        answers=answers,
        n_all=len(kept),
        system=system.name,
        stimulus=stimulus,
        by=by,
        cluster_column=column,
    )


def check_trials(trials: Trials, link: str) -> None:
    """Raise StatisticsError or ContractError where no curve can be fitted at all."""
    n, name, stimulus = len(trials.x), trials.system, trials.stimulus
    if n < _FEWEST:
        msg = (
            f"a psychometric function needs at least {_FEWEST} trials with stimulus and "
            f"choice; {name!r} has {n} of {trials.n_all}."
        )
        raise StatisticsError(msg)
    levels = np.unique(trials.x)
    if len(levels) < 2:
        msg = (
            f"stimulus: column {stimulus!r} of {name!r} has one level only "
            f"({levels[0]:g}); a psychometric function needs at least two. For a "
            "proportion use marr.behavior.accuracy."
        )
        raise StatisticsError(msg)
    if len(np.unique(trials.y)) < 2:
        only = trials.answers.positive if trials.y[0] else trials.answers.negative
        msg = (
            f"all {n} trials of {name!r} with a stimulus have choice {only}; one answer "
            "has no psychometric function."
        )
        raise StatisticsError(msg)
    if link == "weibull" and levels[0] <= 0:
        n_low = int((trials.x <= 0).sum())
        msg = (
            f"link='weibull' needs stimuli above 0; {n_low} trials of {stimulus!r} are not. "
            "Use link='logistic' for signed stimuli, or select the trials above 0."
        )
        raise ContractError(msg)


def round_stimuli(trials: Trials, link: str) -> Trials:
    """Round stimuli of more than 300 levels to a 300th of their range.

    The curve hardly bends over such a step, and the work no longer grows with the
    number of trials.
    """
    if len(np.unique(trials.x)) <= _MOST_LEVELS:
        return trials
    x = np.log(trials.x) if link == "weibull" else trials.x
    step = float(np.ptp(x)) / _MOST_LEVELS
    x = np.round(np.round(x / step) * step, 12)
    return replace(trials, x=np.exp(x) if link == "weibull" else x, rounded=step)


def why_not(trials: Trials, rows: np.ndarray) -> str:
    """Return why a condition cannot be fitted, or an empty string."""
    if rows.sum() < _FEWEST:
        return f"{int(rows.sum())} trials, at least {_FEWEST} are needed"
    if len(np.unique(trials.x[rows])) < 2:
        return "one stimulus level"
    if len(np.unique(trials.y[rows])) < 2:
        return "one answer on all its trials"
    return ""
