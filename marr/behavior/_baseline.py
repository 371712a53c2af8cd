"""What shortcuts would score on the same trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._answers import own_column
from ._proportion_kernel import held_out_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.systems import System

__all__ = ["Baselines", "baselines"]

_MOST_LEVELS = 20  # a numeric column with more is cut into tenths


@dataclass(frozen=True)
class Baselines:
    """Scores of shortcuts, one value a trial.

    Attributes
    ----------
    scores : dict of str to array of shape (n_trials,)
        Probability that the shortcut is right on each trial.
    problem : str
        Why there is none, or "".
    """

    scores: dict[str, np.ndarray] = field(default_factory=dict)
    problem: str = ""

    def best(self, rows: np.ndarray) -> tuple[str, np.ndarray | None]:
        """Return the name and scores of the best shortcut on some trials."""
        if not self.scores:
            return "", None
        name = max(self.scores, key=lambda k: float(self.scores[k][rows].mean()))
        return name, self.scores[name][rows]


def baselines(
    system: System,
    correct: np.ndarray,
    kept: np.ndarray,
    *,
    choice: str,
    answer: str | None,
    shortcuts: Sequence[str],
    clusters: np.ndarray | None,
) -> Baselines:
    """Score shortcuts on the kept trials.

    Parameters
    ----------
    system : System
    correct : array of shape (n_trials,)
        1, 0 or NaN.
    kept : bool array of shape (n_trials,)
        Scored trials.
    choice : str
        Column of the given answers.
    answer : str or None
        Column of the right answers.
    shortcuts : sequence of str
        Columns that each make a shortcut.
    clusters : array of int of shape (n_trials,), or None
        Rules are scored on clusters that they did not see.
    """
    right, n_answers, problem = _right_answers(system, correct, kept, choice, answer)
    if right is None:
        for name in shortcuts:
            system.column(name, argument="shortcuts")
        if n_answers < 2:
            return Baselines(problem=problem)
        return Baselines({"equal guessing": np.full(len(kept), 1 / n_answers)}, problem)
    share = np.bincount(right[kept]) / kept.sum()
    common = int(share.argmax())
    scores = {
        "equal guessing": np.full(len(kept), 1 / n_answers),
        "commonest answer": (right == common).astype(float),
    }
    cues = {"previous right answer": _previous(right, clusters)}
    for name in shortcuts:
        cues[f"{name} alone"] = _cue(system.column(name, argument="shortcuts"))
    for name, cue in cues.items():
        scores[name] = np.zeros(len(kept))
        group = np.arange(int(kept.sum())) if clusters is None else clusters[kept]
        scores[name][kept] = held_out_rule(cue[kept], right[kept], group)
    return Baselines(scores)


def _right_answers(
    system: System,
    correct: np.ndarray,
    kept: np.ndarray,
    choice: str,
    answer: str | None,
) -> tuple[np.ndarray | None, int, str]:
    """Return codes of the right answers, the number of answers, and what is missing."""
    if answer is not None:
        codes, names = pd.factorize(system.column(answer, argument="answer"))
        if (codes[kept] < 0).any():
            return (
                None,
                len(names),
                f"Column {answer!r} is missing on some scored trials.",
            )
        return np.asarray(codes, np.int64), len(names), ""
    columns = system.trials.columns
    if choice not in columns and not any(
        f"{p}_{choice}" in columns for p in ("intact", "reference")
    ):
        return None, 0, f"No column {choice!r}: no shortcut can be scored."
    codes, names = pd.factorize(own_column(system, choice, argument="choice"))
    if len(names) != 2 or (codes[kept] < 0).any():
        text = (
            f"Column {choice!r} has {len(names)} answers: the right one on wrong trials is unknown, "
            "so only equal guessing can be scored."
        )
        return None, len(names), text
    return np.where(correct == 1, codes, 1 - codes).astype(np.int64), 2, ""


def _previous(right: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Right answer of the trial before; -1 at the start of a cluster."""
    before = np.concatenate([[-1], right[:-1]])
    if clusters is not None:
        before[1:][clusters[1:] != clusters[:-1]] = -1
    return before


def _cue(series: pd.Series) -> np.ndarray:
    if series.dtype.kind in "fiu" and series.nunique() > _MOST_LEVELS:
        series = pd.qcut(series, 10, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(series)[0], np.int64)
