"""Repeats of stimuli, and the ceilings that they allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from marr.errors import OptionError
from marr.findings import Note
from marr.representation._encoding._ceiling_kernel import (
    CeilingParts,
    ceiling_parts,
    repeat_means,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._encoding._features import Features
    from marr.systems import System

__all__ = ["CEILINGS", "Repeats", "find_repeats"]

CEILINGS = {
    "auto": "from repeats of stimuli, where there are any",
    "repeats": "from repeats of stimuli",
    "none": "none",
}
"""Where the noise ceiling comes from."""
FEWEST = 5
"""Degrees of freedom of the noise that a ceiling needs."""


@dataclass(frozen=True)
class Repeats:
    """Which trials repeat a stimulus.

    Attributes
    ----------
    average : sparse array of shape (n_repeats, n_trials)
        From trials to repeats.
    stimulus, group : int arrays of shape (n_repeats,)
        Stimulus and group of each repeat; group -1 for none.
    label_stimulus : int array of shape (n_labels,)
        Stimulus of each label.
    """

    average: sparse.csr_array
    stimulus: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    label_stimulus: npt.NDArray[np.int64]

    @property
    def n_repeats(self) -> float:
        """Median number of repeats of a stimulus."""
        return float(np.median(np.bincount(self.stimulus)))

    def ceilings(
        self,
        trials: npt.NDArray[np.float64],
        rows: npt.NDArray[np.float64],
        bins: npt.NDArray[np.intp] | None,
        folds: npt.NDArray[np.intp],
    ) -> CeilingParts:
        """Return ceilings of R² of some units.

        Parameters
        ----------
        trials : array of shape (n_trials, [n_bins,] n_units)
            Activity.
        rows : array of shape (n_rows, n_units)
            What is predicted.
        bins : int array or None
            Time bins of the rows.
        folds : int array of shape (n_labels,)
            Folds within which rows are centered; all 0 for none.
        """
        values = trials[:, None] if trials.ndim == 2 else trials[:, bins]
        repeats = self.average @ values.reshape(len(values), -1)
        shaped = np.asarray(repeats).reshape(-1, *values.shape[1:])
        row_fold = np.repeat(folds, len(rows) // len(folds))
        left = rows.copy()
        for fold in np.unique(row_fold):
            left[row_fold == fold] -= rows[row_fold == fold].mean(axis=0)
        variance = (left**2).mean(axis=0)
        variance = np.where(variance > 1e-20 * (rows**2).mean(axis=0), variance, 0.0)
        return ceiling_parts(
            shaped,
            self.stimulus,
            self.group,
            self.label_stimulus,
            folds.astype(np.int64),
            np.asarray(variance),
        )


def find_repeats(
    system: System,
    features: Features,
    stimulus: npt.NDArray[np.intp],
    ceiling: str,
) -> tuple[Repeats | None, tuple[Note, ...]]:
    """Return the repeats, and why there are none if they were asked for.

    Parameters
    ----------
    system : System
        Whose groups share noise.
    features : Features
        Rows.
    stimulus : int array of shape (n_labels,)
        Stimulus of each label.
    ceiling : str
        Key of `CEILINGS`.
    """
    if ceiling == "none":
        return None, ()
    codes = features.match.codes[0]
    found = None if codes.ndim == 2 else _repeats(system, features, stimulus)
    if found is not None:
        return found, ()
    text = "Stimuli are not repeated (enough), so the noise ceiling is unknown."
    if ceiling == "repeats":
        msg = (
            "ceiling='repeats' needs trials that repeat stimuli: join rows by stimulus "
            "(on='stimulus'), or name the column that holds it (stimulus='...')."
        )
        raise OptionError(msg)
    advice = (
        "Scores are not divided by what noise allows; a low one may be the highest."
    )
    return None, (Note("no_ceiling", text, advice),)


def _repeats(
    system: System, features: Features, stimulus: npt.NDArray[np.intp]
) -> Repeats | None:
    codes, groups = features.match.codes[0], system.groups()
    per_trial = np.where(codes >= 0, np.append(stimulus, -1)[codes], -1)
    if groups is not None and _within_groups(per_trial, groups):
        groups = None
    code, of, group = repeat_means(per_trial.astype(np.int64), groups)
    count = np.bincount(of, minlength=int(stimulus.max()) + 1)
    shared = len(np.unique(group[group >= 0]))
    if (count - 1).sum() - max(shared - 1, 0) < FEWEST or len(count) < 3:
        return None
    (at,) = np.nonzero(code >= 0)
    weight = 1.0 / np.bincount(code[at])[code[at]]
    average = sparse.csr_array((weight, (code[at], at)), shape=(len(of), len(code)))
    return Repeats(average, of, group, stimulus.astype(np.int64))


def _within_groups(
    stimulus: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]
) -> bool:
    """Tell whether repeats of a stimulus never span groups."""
    known = stimulus >= 0
    pairs = np.unique(np.stack([stimulus[known], groups[known]]), axis=1)
    return bool(len(np.unique(pairs[0])) == pairs.shape[1])
