"""Patterns of units for shuffled labels: what a link must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr.representation._draws import design_rows
from marr.representation._probes._blocks import blocks
from marr.representation._probes._moments_kernel import Splits, fold_splits
from marr.representation._probes._pattern_kernel import unit_patterns
from marr.representation._probes._score_kernel import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from marr.representation._draws import Draws
    from marr.representation._layout import Layout
    from marr.representation._probes._core import CellResult, Settings
    from marr.representation._probes._moments_kernel import Problem

__all__ = ["unit_null"]


def unit_null(
    layout: Layout,
    draws: Draws,
    design: npt.NDArray[np.float64] | None,
    folds: npt.NDArray[np.intp],
    halves: npt.NDArray[np.int8],
    settings: Settings,
    *,
    results: Sequence[CellResult] = (),
) -> xr.Dataset:
    """Return |pattern| of each unit for each shuffle, on all trials and on each half.

    Units that follow what many units follow have large patterns for any labels: a probe
    of noise reads out the directions of largest spread. Shuffles are those of the map:
    of labels, or of activity against labels and nuisances together. Penalties are chosen
    anew for every shuffle, as for the data.

    Parameters
    ----------
    layout : Layout
        Rows, without a time axis.
    draws : Draws
        Shuffles of the target.
    design : array or None
        Nuisances, by trial.
    folds, halves : int arrays of shape (n_trials,)
        Folds (for the penalty) and halves of the trials.
    settings : Settings
        Kind, probe, penalties.
    results : sequence of CellResult
        One a cell, where these very draws were decoded already: their penalties are used.

    Returns
    -------
    Dataset
        `estimate` (draw, unit) and `half_estimate` (draw, half, unit), half precision: ranks need no more.
    """
    nuisances = None if design is None else settings.tensor(design_rows(design, layout))
    halves = halves[layout.row_trial]
    splits = fold_splits(settings.rows(folds[layout.row_trial]), seed=settings.seed)
    parts = []
    for place, cell in enumerate(layout.cells):
        x = settings.tensor(cell.x)
        known = results[place].choice if results else None
        problems = (
            problem
            for block in blocks(x, layout, [draws], nuisances, settings, first=1)
            for problem in _one_by_one(block.problem)
        )
        found, done = [], 1
        for problem in problems:
            stop = done + problem.y.shape[2]
            given = None if known is None else settings.rows(known[done:stop, 0])
            found.append(_lengths(problem, splits, halves, settings, given))
            done = stop
        values = np.concatenate(found).astype(np.float16)
        columns = {
            "estimate": (("draw", "unit"), values[:, 0]),
            "half_estimate": (("draw", "half", "unit"), values[:, 1:]),
        }
        coords = {"unit": cell.units.values, "half": [0, 1]}
        parts.append(xr.Dataset(columns, coords=coords))
    table = xr.concat(parts, dim="unit")
    table["estimate"].attrs.update(long_name="|pattern| for shuffled labels")
    table.attrs["reduction"] = (
        "none; patterns of the units for each shuffle of the labels"
    )
    return table


def _one_by_one(problem: Problem) -> list[Problem]:
    """Return one problem for each activity."""
    if len(problem.x) == 1:
        return [problem]
    return [problem._replace(x=x[None]) for x in problem.x]


def _lengths(
    problem: Problem,
    splits: Splits,
    halves: npt.NDArray[np.int8],
    settings: Settings,
    given: Tensor | None,
) -> npt.NDArray[np.float64]:
    """Return |pattern| of shape (n_draws, 1 + n_halves, n_units)."""
    penalties = settings.tensor(np.asarray(settings.penalties))
    classes = KINDS[settings.kind].classes
    if given is None:
        method = settings.method
        chosen = method.fit(problem, splits, penalties, None, classes=classes).choice
        given = chosen[:, 0].mT
    choice = given.median(dim=1).values
    masks = [np.ones(len(halves), dtype=bool), halves == 0, halves == 1]
    fitted = [k for k, mask in enumerate(masks) if mask.sum() > 2]
    rows = settings.rows(np.array([masks[k] for k in fitted]))
    found = unit_patterns(
        problem,
        Splits(rows, rows, splits.inner, settings.seed),
        settings.method,
        penalties,
        choice,
        classes=classes,
    ).pattern.abs()
    shape = (problem.y.shape[2], len(masks), problem.x.shape[2])
    out = np.full(shape, np.nan)
    out[:, fitted] = found.movedim(0, 1).numpy(force=True)
    return out
