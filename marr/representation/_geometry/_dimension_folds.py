"""Folds of trials whose condition means are repeats of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.representation._plan import Plan
from marr.stats import folds

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.systems import System

__all__ = ["repeat_folds"]


def repeat_folds(
    system: System, conditions: Conditions, least: int, seed: int
) -> Plan | None:
    """Return folds of trials; with `least` as many as hold every condition in each.

    Folds are balanced over conditions and keep groups whole; neighbors may part, since
    nothing is fitted in one fold and tested in another.
    """
    plan = _folds(system, conditions, 10, seed)
    while plan is not None and plan.n_folds > max(least, 2) and least:
        if not _lacks(conditions, plan).any():
            break
        plan = _folds(system, conditions, plan.n_folds - 1, seed)
    return plan


def _folds(system: System, conditions: Conditions, most: int, seed: int) -> Plan | None:
    """Return at most so many folds, None where a condition occurs on one trial only."""
    codes, groups = conditions.codes, system.groups()
    n = len(codes)
    if groups is not None and int(groups.max()) + 1 == n:
        groups = None
    most = min(most, n if groups is None else int(groups.max()) + 1)
    labels = None
    if not conditions.timed:
        most = min(most, int(np.bincount(codes[codes >= 0]).min()))
        labels = codes + 1 if (codes < 0).any() else codes
        if groups is not None and _whole(labels, groups):
            labels = None
    if most < 2:
        return None
    fold = folds(n, n_folds=most, groups=groups, labels=labels, seed=seed)
    nothing = np.empty((0, n), dtype=np.intp)
    return Plan(
        np.asarray(fold, dtype=np.intp),
        "free",
        nothing,
        np.arange(n),
        "trials",
        system.group_column,
    )


def _whole(labels: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]) -> bool:
    """Tell whether labels are constant in groups."""
    first = np.unique(groups, return_index=True)[1]
    return bool((labels == labels[first[groups]]).all())


def _lacks(conditions: Conditions, plan: Plan) -> npt.NDArray[np.bool_]:
    """Tell which conditions are missing in some fold."""
    n = len(conditions.labels)
    fold = np.broadcast_to(
        plan.folds.reshape(-1, *[1] * (conditions.codes.ndim - 1)),
        conditions.codes.shape,
    )
    known = conditions.codes >= 0
    cells = np.zeros((plan.n_folds, n), bool)
    cells[fold[known], conditions.codes[known]] = True
    return np.asarray(~cells.all(axis=0))
