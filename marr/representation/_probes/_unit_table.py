"""One row a unit: how a probe uses it, and how it varies with what is read out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import special

from marr.findings import Note
from marr.representation._draws import arrange, design_rows
from marr.representation._probes._moments_kernel import Problem, Splits
from marr.representation._probes._pattern_kernel import unit_patterns
from marr.representation._probes._score_kernel import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._layout import Cell, Layout
    from marr.representation._probes._core import CellResult, Settings
    from marr.representation._targets import Target

__all__ = ["unit_table"]


def unit_table(
    layout: Layout,
    results: Sequence[CellResult],
    target: Target,
    design: npt.NDArray[np.float64] | None,
    folds: npt.NDArray[np.intp],
    halves: npt.NDArray[np.int8],
    settings: Settings,
) -> tuple[xr.Dataset, list[Note]]:
    """Fit each cell's probe on all rows, on each half, and without each fold.

    Parameters
    ----------
    layout : Layout
        Rows, without a time axis.
    results : sequence of CellResult
        One a cell; the median of the penalties of the folds is used.
    target, design
        Target and nuisances, by trial.
    folds, halves : int arrays of shape (n_trials,)
        Folds (for the jackknife) and halves of the trials.
    settings : Settings
        Kind, penalties.

    Returns
    -------
    Dataset over unit, and notes about units
        `estimate` is the length of the standardized pattern.
    """
    y = settings.tensor(arrange(target.values[None], layout))
    nuisances = None if design is None else settings.tensor(design_rows(design, layout))
    sets = (folds[layout.row_trial], halves[layout.row_trial])
    parts = []
    for cell, result in zip(layout.cells, results, strict=True):
        problem = Problem(settings.tensor(cell.x), y, nuisances, settings.targets_too)
        penalty = float(np.quantile(result.penalty, 0.5, method="lower"))
        parts.append(_cell_table(cell, problem, sets, penalty, settings))
    table = _join(parts)
    table["estimate"].attrs.update(
        long_name=f"|pattern| of {target.name}",
        units="correlation of the unit with the probe's output",
        better="higher",
    )
    table["weight"].attrs.update(long_name="weight", units="per standard deviation")
    table["spread"].attrs.update(long_name="standard deviation of the unit")
    table.attrs["reduction"] = (
        "probe on time bins pooled within trials"
        if target.timed
        else "probe on the time mean of each trial"
    )
    return table, _notes(table)


def _cell_table(
    cell: Cell,
    problem: Problem,
    sets: tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]],
    penalty: float,
    settings: Settings,
) -> xr.Dataset:
    fold, halves = sets
    masks = [np.ones(len(fold), dtype=bool)]
    masks += [fold != k for k in range(int(fold.max()) + 1)]
    known = [_varies(problem, halves == h) for h in (0, 1)]
    masks += [halves == h for h in (0, 1) if known[h]]
    choice = np.zeros(1, dtype=np.int64)
    rows = settings.rows(np.array(masks))
    found = unit_patterns(
        problem,
        Splits(rows, rows, settings.rows(fold), settings.seed),
        settings.method,
        settings.tensor(np.array([penalty])),
        settings.rows(choice),
        classes=KINDS[settings.kind].classes,
    )
    weights, patterns = (v[:, 0].numpy(force=True) for v in found)
    weight, pattern = weights[0], patterns[0]
    n_folds = int(fold.max()) + 1
    left_out = np.abs(patterns[1 : 1 + n_folds])
    constant = cell.spread == 0
    both = np.full((2, 2, len(weight)), np.nan)
    both[known] = np.stack([weights, patterns], axis=1)[1 + n_folds :]
    estimate = np.abs(pattern)
    reach = _jackknife_reach(left_out)
    return xr.Dataset(
        {
            "estimate": ("unit", estimate),
            "ci_low": ("unit", np.clip(estimate - reach, 0.0, 1.0)),
            "ci_high": ("unit", np.clip(estimate + reach, 0.0, 1.0)),
            "pattern": ("unit", pattern),
            "weight": ("unit", weight),
            "spread": ("unit", cell.spread),
            "constant": ("unit", constant),
            "half_estimate": (("half", "unit"), np.abs(both[:, 1])),
            "half_weight": (("half", "unit"), both[:, 0]),
        },
        coords={"unit": cell.units, "half": [0, 1]},
    )


def _varies(problem: Problem, keep: npt.NDArray[np.bool_]) -> bool:
    """Tell whether the target varies in a half of the trials."""
    if keep.sum() < 3:
        return False
    y = problem.y[0, :, 0].numpy(force=True)[keep]
    return bool((y.std(axis=0) > 0).any())


def _jackknife_reach(left_out: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half width of the 95 % interval from estimates without each fold."""
    k = len(left_out)
    error = np.sqrt((k - 1) * left_out.var(axis=0))
    return np.asarray(special.stdtrit(k - 1, 0.975) * error)


def _join(parts: list[xr.Dataset]) -> xr.Dataset:
    if len(parts) == 1:
        return parts[0]
    shared = set.intersection(*({str(c) for c in p.coords} for p in parts))
    cut = [p.drop_vars([c for c in p.coords if str(c) not in shared]) for p in parts]
    return xr.concat(
        cut,
        dim="unit",
        join="exact",
        data_vars="all",
        coords="minimal",
        compat="override",
    )


def _notes(table: xr.Dataset) -> list[Note]:
    notes = []
    constant = table["unit"].values[table["constant"].values]
    if len(constant):
        shown = ", ".join(map(str, constant[:5])) + (
            " ..." if len(constant) > 5 else ""
        )
        text = f"{len(constant)} of {table.sizes['unit']} units are constant and carry nothing: {shown}."
        notes.append(Note("constant_units", text, "They get pattern and weight 0."))
    halves = table["half_estimate"].values
    if np.isnan(halves).any():
        text = "The target does not vary within one half of the trials: half estimates are missing."
        notes.append(
            Note("no_halves", text, "Links cannot be cross-fit with this table.")
        )
    return notes
