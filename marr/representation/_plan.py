"""How trials are split, shuffled and resampled, given how they depend on each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import EvidenceError, StatisticsError, check_option
from marr.findings import Note
from marr.stats import fold_caveats, folds, permutations

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._targets import Target
    from marr.systems import System

__all__ = ["NULLS", "Plan", "autocorrelated", "make_plan"]

NULLS = {
    "auto": "chosen by what the target and the trial table look like",
    "free": "labels are exchanged between the trials of a fold",
    "within": "labels are exchanged between trials of the same group",
    "block": "labels of whole groups are exchanged",
    "shift": "labels are shifted around the circle of trials (of each group)",
    "conditional": "labels are drawn anew from the nuisances that predict them",
}
"""How the null is made."""

FEWEST_GROUPS = 6
"""With fewer groups the interval is over trials."""

SHIFT_RUNS = 20
"""Autocorrelated trials are resampled in this many runs."""


@dataclass(frozen=True)
class Plan:
    """Folds, shuffles and resampling units of the trials.

    Attributes
    ----------
    folds : int array of shape (n_trials,)
        Fold of each trial.
    scheme : str
        Key of `NULLS`.
    indices : int array of shape (n_draws, n_trials)
        Trial whose target each trial receives; empty for scheme "conditional".
    units : int array of shape (n_trials,)
        What the bootstrap resamples.
    unit_name : str
        Name of these units.
    """

    folds: npt.NDArray[np.intp]
    scheme: str
    indices: npt.NDArray[np.intp]
    units: npt.NDArray[np.intp]
    unit_name: str
    group_column: str | None
    notes: tuple[Note, ...] = field(default=())

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1


def make_plan(
    system: System,
    target: Target,
    *,
    n_folds: int,
    null: str,
    n_permutations: int,
    design: npt.NDArray[np.float64] | None,
    seed: int,
) -> Plan:
    """Decide on folds, null and resampling units.

    Folds keep the groups of `system.group_column` whole, balance classes, and are
    contiguous for such targets without groups. The null follows: labels
    constant within groups move with their group; autocorrelated ones, and those that
    vary within trials, are shifted; others are exchanged within group, or within fold
    without groups. Classes with nuisances that drift are shifted as well, over the
    blocks of a session, since activity and nuisances may drift across blocks.
    """
    check_option("null", null, NULLS)
    groups, column = _groups(system)
    series = target.trial_series()
    serial = autocorrelated(series, groups)
    constant = groups is not None and _constant_within(series, groups)
    controlled = design is not None
    guarded = design is not None and target.kind == "categorical" and not target.timed
    if guarded and design is not None:
        slow = design if design.ndim == 2 else design.mean(axis=1)
        serial |= autocorrelated(slow, groups)
    scheme = (
        null
        if null != "auto"
        else _scheme(target, groups, serial, constant, controlled)
    )
    notes: list[Note] = []
    k, contiguous = n_folds, groups is None and (serial or scheme == "shift")
    contiguous |= groups is None and target.timed
    if groups is not None and int(groups.max()) + 1 < n_folds:
        k = int(groups.max()) + 1
        text = f"{k} folds instead of {n_folds}: there are {k} groups ({column!r})."
        notes.append(Note("fewer_folds", text, "Held-out groups need whole groups."))
    if constant:
        notes.append(_follows(target, groups, column))
    labels = target.labels
    fold = np.asarray(
        folds(
            len(series),
            n_folds=k,
            groups=groups,
            labels=labels,
            seed=seed,
            contiguous=contiguous,
        ),
        dtype=np.intp,
    )
    caveats = fold_caveats(fold, n_folds=k, groups=groups, labels=labels)
    notes += [Note("folds", text) for text in caveats]
    if scheme == "conditional":
        indices = np.empty((0, len(series)), dtype=np.intp)
    else:
        across = guarded and scheme == "shift" and column == "block"
        inside = None if across else groups
        indices = _indices(series, fold, inside, scheme, labels, n_permutations, seed)
        notes += _null_notes(series, indices, n_permutations, scheme)
    units, name = _units(len(series), groups, column, scheme, notes)
    return Plan(fold, scheme, indices, units, name, column, tuple(notes))


def _follows(
    target: Target, groups: npt.NDArray[np.intp] | None, column: str | None
) -> Note:
    n_groups = 0 if groups is None else int(groups.max()) + 1
    text = (
        f"{target.name} is constant within each {column}: what drifts from {column} to "
        f"{column} could pass for it. Folds hold out whole ones, and the null exchanges "
        f"the {n_groups} of them."
    )
    advice = f"Labels that vary within a {column} make the stronger test."
    return Note("labels_follow_groups", text, advice)


def _groups(system: System) -> tuple[npt.NDArray[np.intp] | None, str | None]:
    """Return groups of dependent trials; groups of a single trial are none."""
    groups = system.groups()
    if groups is None or int(groups.max()) + 1 == len(groups):
        return None, None
    return groups, system.group_column


def autocorrelated(
    series: npt.NDArray[np.float64], groups: npt.NDArray[np.intp] | None
) -> bool:
    """Tell whether neighboring trials have more alike targets than chance has it.

    Parameters
    ----------
    series : array of shape (n_trials, n_outputs)
        Target of each trial, in order of time.
    groups : array of shape (n_trials,) or None
        Neighbors are taken within groups only.
    """
    n = len(series)
    deviation = series - series.mean(axis=0)
    follows = np.ones(n - 1, bool) if groups is None else groups[1:] == groups[:-1]
    power = (deviation**2).sum(axis=0)
    if not follows.any() or not (power > 0).any():
        return False
    lagged = (deviation[1:] * deviation[:-1])[follows].sum(axis=0)
    r = lagged[power > 0] / power[power > 0] * n / follows.sum()
    return bool(r.max() > 2.0 / np.sqrt(follows.sum()))


def _constant_within(
    series: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]
) -> bool:
    first = np.unique(groups, return_index=True)[1]
    return bool(np.allclose(series, series[first[groups]], rtol=0, atol=1e-12))


def _scheme(
    target: Target,
    groups: npt.NDArray[np.intp] | None,
    serial: bool,
    constant: bool,
    controlled: bool,
) -> str:
    if constant:
        return "block"
    if groups is None and target.timed:
        return "shift"
    if serial and (groups is None or np.bincount(groups).min() >= 4):
        return "shift"
    if controlled and target.kind == "categorical" and not target.timed:
        return "conditional"
    return "free" if groups is None else "within"


def _indices(
    series: npt.NDArray[np.float64],
    fold: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp] | None,
    scheme: str,
    labels: npt.NDArray[np.intp] | None,
    n_permutations: int,
    seed: int,
) -> npt.NDArray[np.intp]:
    n = len(series)
    if n_permutations == 0:
        return np.empty((0, n), dtype=np.intp)
    if scheme in ("within", "block") and groups is None:
        msg = (
            f"null={scheme!r} needs groups of trials: a column 'sequence', 'session' or "
            "'block' with several values. Add it, or use null='auto'."
        )
        raise EvidenceError(msg)
    if scheme == "free":  # what is in a fold matters for its score; shuffles keep it
        alone = np.bincount(fold).max() < 2
        drawn = permutations(
            n,
            n_permutations=n_permutations,
            seed=seed,
            within=np.zeros(n) if alone else fold,
            scheme="within",
        )
    elif scheme == "block":
        drawn = permutations(
            n,
            n_permutations=n_permutations,
            seed=seed,
            blocks=groups,
            within=fold if labels is not None else None,
            scheme="block",
        )
    elif scheme == "shift":
        if groups is None:
            n_permutations = min(n_permutations, n - 2 * max(1, n // 20) + 1)
        drawn = permutations(
            n, n_permutations=n_permutations, seed=seed, within=groups, scheme="shift"
        )
    else:
        drawn = permutations(
            n, n_permutations=n_permutations, seed=seed, within=groups, scheme="within"
        )
    return np.asarray(drawn, dtype=np.intp)


def _null_notes(
    series: npt.NDArray[np.float64],
    indices: npt.NDArray[np.intp],
    n_permutations: int,
    scheme: str,
) -> list[Note]:
    if not len(indices):
        return []
    codes = np.unique(series, axis=0, return_inverse=True)[1].reshape(-1)
    distinct = len(np.unique(codes[indices], axis=0))
    if distinct >= min(n_permutations, 100):
        return []
    text = (
        f"Only {distinct} different shuffles exist under null={scheme!r}, so p-values "
        f"are at least about {1 / (distinct + 1):.2g}."
    )
    advice = "More groups or longer sessions allow smaller p-values."
    return [Note("coarse_null", text, advice)]


def _units(
    n: int,
    groups: npt.NDArray[np.intp] | None,
    column: str | None,
    scheme: str,
    notes: list[Note],
) -> tuple[npt.NDArray[np.intp], str]:
    """Return the units that the bootstrap resamples, and their name."""
    if groups is not None:
        n_groups = int(groups.max()) + 1
        if n_groups >= FEWEST_GROUPS:
            return groups, f"groups of trials ({column})"
        text = (
            f"Only {n_groups} groups ({column!r}): the interval resamples trials within "
            "them and does not generalize to further groups."
        )
        notes.append(Note("few_groups", text, "Record more, or use a Cohort."))
    if scheme == "shift" and n >= 2 * SHIFT_RUNS:
        return np.arange(
            n
        ) * SHIFT_RUNS // n, f"{SHIFT_RUNS} runs of neighboring trials"
    if n < 3:
        msg = f"{n} trials are too few to resample; at least 3 are needed."
        raise StatisticsError(msg)
    return np.arange(n), "trials"
