"""Folds and shuffles of the conditions of a dissimilarity matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.findings import Note
from marr.representation._plan import Plan, make_plan
from marr.stats import folds, permutations

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.systems import System

__all__ = ["plan_distances", "plan_rdm"]

EACH_GROUP = 20
"""Up to this many groups each is a fold."""


def plan_rdm(
    system: System,
    conditions: Conditions,
    *,
    n_folds: int | None,
    null: str,
    n_permutations: int,
    seed: int,
) -> Plan | None:
    """Return folds and shuffles, or None where conditions are not repeated.

    Groups (runs, sessions, blocks) are left out one at a time, up to twenty of them.

    Raises
    ------
    StatisticsError
        If folds cannot hold each condition: groups of one condition each, or conditions
        in long runs of neighboring trials.
    """
    target = conditions.as_target()
    n_trials = len(target.values)
    fewest = n_trials
    if not conditions.timed:
        fewest = int(_counts(conditions).min())
        if fewest < 2:
            return None
    groups = system.groups()
    k = n_folds or _default_folds(groups, conditions, fewest)
    alone = groups is None and not conditions.timed
    if alone and null == "free":
        return _free_plan(conditions, k, n_permutations, seed)
    try:
        plan = make_plan(
            system,
            target,
            n_folds=k,
            null=null,
            n_permutations=n_permutations,
            design=None,
            seed=seed,
        )
        if alone:
            _check_shared(plan, conditions)
    except StatisticsError as error:
        if alone and system.runs:  # a model: the order of its inputs means nothing
            return _free_plan(conditions, k, n_permutations, seed)
        if conditions.timed:
            raise
        column = None if groups is None else system.group_column
        raise StatisticsError(_advice(conditions, column, error)) from error
    return plan


def plan_distances(
    system: System,
    conditions: Conditions,
    *,
    cross: bool,
    n_folds: int | None,
    null: str,
    n_permutations: int,
    seed: int,
) -> tuple[Plan | None, list[Note]]:
    """Return the plan of `plan_rdm` and what a reader must know about it.

    Distances that are not cross-validated go without folds where there can be none.

    Raises
    ------
    StatisticsError
        If a cross-validated distance has no folds.
    """
    n_trials = len(system.trial_index)
    if n_folds is not None and n_folds > n_trials:
        msg = (
            f"n_folds={n_folds}, but {system.name!r} has {n_trials} trials. Use fewer."
        )
        raise StatisticsError(msg)
    notes = _confounded(system, conditions, cross=cross)
    columns = system.trials.columns
    if system.groups() is None and "run" in columns and not conditions.timed:
        text = "Column 'run' was not taken as groups of dependent trials."
        advice = "Rename it 'session' or 'block', so that folds keep runs whole."
        notes.append(Note("ungrouped_runs", text, advice))
    try:
        plan = plan_rdm(
            system,
            conditions,
            n_folds=n_folds,
            null=null,
            n_permutations=n_permutations,
            seed=seed,
        )
    except StatisticsError as error:
        if cross:
            raise
        text = f"No interval, test or reliability: {error}"
        return None, [*notes, Note("no_folds", text)]
    if plan is None:
        names = conditions.labels[_counts(conditions) < 2]
        shown = ", ".join(repr(v) for v in names[:3].tolist())
        if cross:
            msg = (
                "a cross-validated distance needs at least two trials of each condition "
                f"of {conditions.name!r}; {len(names)} have one ({shown}"
                f"{' ...' if len(names) > 3 else ''}). Use distance='euclidean' or "
                "'correlation', drop them with select(), or use coarser conditions."
            )
            raise StatisticsError(msg)
        text = (
            f"{len(names)} conditions have a single trial ({shown}): no interval, test "
            "or reliability."
        )
        advice = "Repeat conditions, or use coarser ones."
        notes.append(Note("unrepeated", text, advice))
    return plan, notes


def _check_shared(plan: Plan, conditions: Conditions) -> None:
    """Refuse folds of neighbors in which two conditions hardly ever meet."""
    held = np.zeros((plan.n_folds, len(conditions.labels) + 1), np.intp)
    held[plan.folds, conditions.codes] = 1  # the last column takes those of none
    shared = held[:, :-1].T @ held[:, :-1]
    if shared.min() < 2:
        msg = "two conditions share fewer than two folds"
        raise StatisticsError(msg)


def _counts(conditions: Conditions) -> npt.NDArray[np.intp]:
    codes = conditions.codes[conditions.codes >= 0]
    return np.bincount(codes, minlength=len(conditions.labels))


def _default_folds(
    groups: npt.NDArray[np.intp] | None, conditions: Conditions, fewest: int
) -> int:
    if groups is None:
        return max(2, min(10, fewest))
    n_groups = int(groups.max()) + 1
    if not conditions.timed:
        pairs = np.unique(np.stack([groups, conditions.codes]), axis=1)
        if pairs.shape[1] == n_groups:  # one condition a group: as many as the rarest
            each = np.bincount(pairs[1][pairs[1] >= 0])
            return max(2, min(10, int(each.min())))
    return n_groups if 1 < n_groups <= EACH_GROUP else max(2, min(10, fewest, n_groups))


def _free_plan(
    conditions: Conditions, n_folds: int, n_permutations: int, seed: int
) -> Plan:
    """Exchangeable trials: balanced random folds, labels shuffled within folds."""
    codes = np.maximum(conditions.codes, 0)
    n = len(codes)
    fold = folds(n, n_folds=n_folds, labels=codes, seed=seed)
    indices = (
        permutations(
            n, n_permutations=n_permutations, seed=seed, within=fold, scheme="within"
        )
        if n_permutations
        else np.empty((0, n))
    )
    return Plan(
        np.asarray(fold, dtype=np.intp),
        "free",
        np.asarray(indices, dtype=np.intp),
        np.arange(n),
        "trials",
        None,
    )


def _confounded(system: System, conditions: Conditions, *, cross: bool) -> list[Note]:
    """Refuse, or note, conditions that are the same thing as a group of trials."""
    groups = system.groups()
    if groups is None or conditions.timed or int(groups.max()) + 1 == len(groups):
        return []
    pairs = np.unique(np.stack([groups, conditions.codes]), axis=1)
    each = np.bincount(pairs[1][pairs[1] >= 0], minlength=len(conditions.labels))
    if pairs.shape[1] > int(groups.max()) + 1 or each.max() > 1:
        return []
    text = (
        f"Each condition of {conditions.name!r} fills one {system.group_column} of its "
        "own, so what differs between conditions cannot be told from what drifts between "
        f"{system.group_column}s"
    )
    advice = "Use data in which conditions repeat within or across them."
    if cross:
        msg = f"{text}; a cross-validated distance is undefined. {advice}"
        raise StatisticsError(msg)
    return [Note("confounded", f"{text}.", advice)]


def _advice(conditions: Conditions, column: str | None, error: StatisticsError) -> str:
    if column is not None:
        return (
            f"some condition of {conditions.name!r} cannot be in two folds that keep "
            f"each {column} whole ({str(error).split('. Use')[0].split(', so')[0]}). Drop "
            "that condition with select(), or use distance='euclidean' or 'correlation'."
        )
    return (
        f"conditions of {conditions.name!r} come in long runs of neighboring trials, so "
        "that no folds of neighbors hold each of them. If trials were recorded in this "
        "order, name independent repeats in a column 'session' or 'block'; if their "
        "order means nothing, use null='free'."
    )
