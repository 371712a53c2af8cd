"""Which trials are left out of which dictionary, and what an interval resamples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from marr.findings import Note
from marr.stats import folds
from marr.systems import Dictionary, System, trial_hashes

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Split", "make_split"]

PARTS = 200
"""Most parts that are resampled; more groups or trials are joined to runs."""

FEWEST_GROUPS = 6
"""With fewer groups the interval is over trials."""

FEWEST_UNSEEN = 10
"""With fewer trials that were not trained on, all are scored."""


@dataclass(frozen=True)
class Split:
    """Folds of the trials, and parts that are resampled.

    Attributes
    ----------
    fold : int array of shape (n_trials,)
        Fold of each trial; -1 for trials that are not scored.
    part : int array of shape (n_trials,)
        Part to which each trial belongs.
    over : str
        What parts are, in words.
    held_out : bool
        Whether no scored trial was trained on.
    """

    fold: npt.NDArray[np.intp]
    part: npt.NDArray[np.intp]
    over: str
    held_out: bool = True
    notes: tuple[Note, ...] = field(default=())

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return int(self.part.max()) + 1


def make_split(
    system: System, n_folds: int, *, given: Dictionary | None, seed: int
) -> Split:
    """Split trials: whole groups together, else neighbors together.

    Parameters
    ----------
    system : System
        Its trials and groups.
    n_folds : int
        Number of folds that are asked for.
    given : Dictionary or None
        A dictionary that is there already: only trials that it was not trained on are
        scored, if there are enough of them.
    seed : int
        Seed of the folds.
    """
    n, notes = len(system.trial_index), []
    groups, column = system.groups(), system.group_column
    if groups is None or int(groups.max()) + 1 in (1, n):
        groups, column = None, None
    n_groups = n if groups is None else int(groups.max()) + 1
    k = min(n_folds, n_groups)
    if k < n_folds:
        text = f"{k} folds instead of {n_folds}: there are {k} groups ({column!r})."
        notes.append(Note("fewer_folds", text, "Held-out groups need whole groups."))
    fold = folds(
        n, n_folds=k, groups=groups, seed=seed, contiguous=groups is None
    ).astype(np.intp)
    seen = _seen(system, given)
    held_out = True
    if seen.any() and (~seen).sum() >= FEWEST_UNSEEN:
        fold[seen] = -1
        text = (
            f"{int(seen.sum())} of {n} trials went into the training of the dictionary "
            "and are not scored."
        )
        notes.append(Note("seen_in_training", text))
    elif seen.any():
        held_out = False
        text = (
            f"{int(seen.sum())} of {n} trials went into the training of the dictionary, so "
            "its explained variance is that of the trials it was fitted to."
        )
        advice = "Score it on other trials, or leave dictionary= out to cross-validate."
        notes.append(Note("seen_in_training", text, advice))
    part, over = _parts(n, groups, column, notes)
    return Split(fold, part, over, held_out, tuple(notes))


def _seen(system: System, given: Dictionary | None) -> npt.NDArray[np.bool_]:
    if given is None or given.trained_on is None:
        return np.zeros(len(system.trial_index), bool)
    return np.isin(trial_hashes(system), given.trained_on)


def _parts(
    n: int,
    groups: npt.NDArray[np.intp] | None,
    column: str | None,
    notes: list[Note],
) -> tuple[npt.NDArray[np.intp], str]:
    if groups is not None:
        n_groups = int(groups.max()) + 1
        if n_groups >= FEWEST_GROUPS:
            joined = groups if n_groups <= PARTS else groups * PARTS // n_groups
            return joined, f"groups of trials ({column})"
        text = (
            f"Only {n_groups} groups ({column!r}): the interval resamples trials within "
            "them and does not generalize to further groups."
        )
        notes.append(Note("few_groups", text, "Record more, or use a Cohort."))
    if n <= PARTS:
        return np.arange(n), "trials"
    return np.arange(n) * PARTS // n, f"{PARTS} runs of neighboring trials"
