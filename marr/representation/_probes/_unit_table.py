"""One row a unit: how a probe uses it, and how it varies with what is read out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from scipy import special

from marr.findings import Note
from marr.representation._draws import arrange
from marr.representation._probes._pattern_kernel import unit_patterns
from marr.representation._probes._probe_kernel import Problem

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
    nuisances = None
    if design is not None:
        rows = (
            design[None] if design.ndim == 2 else arrange(design[None], layout)[:, :, 0]
        )
        nuisances = settings.tensor(rows)
    parts = []
    for cell, result in zip(layout.cells, results, strict=True):
        row_fold = torch.from_numpy(folds[layout.row_trial])
        problem = Problem(
            settings.tensor(cell.x), y, row_fold, nuisances, settings.targets_too
        )
        penalty = float(np.median(result.penalty))
        parts.append(
            _cell_table(cell, problem, halves[layout.row_trial], penalty, target)
        )
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
    halves: npt.NDArray[np.int8],
    penalty: float,
    target: Target,
) -> xr.Dataset:
    classes = target.kind == "categorical"

    def fit(keep: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
        found = unit_patterns(problem, torch.from_numpy(keep), penalty, classes=classes)
        return found.weight.numpy(force=True), found.pattern.numpy(force=True)

    fold = problem.folds.numpy(force=True)
    weight, pattern = fit(np.ones(len(fold), dtype=bool))
    left_out = np.abs([fit(fold != k)[1] for k in range(int(fold.max()) + 1)])
    constant = cell.spread == 0
    both = [
        fit(halves == h)
        if _varies(problem, halves == h)
        else (np.full_like(weight, np.nan),) * 2
        for h in (0, 1)
    ]
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
            "half_estimate": (("half", "unit"), np.abs([b[1] for b in both])),
            "half_weight": (("half", "unit"), np.array([b[0] for b in both])),
        },
        coords={"unit": cell.units, "half": [0, 1]},
    )


def _varies(problem: Problem, keep: npt.NDArray[np.bool_]) -> bool:
    """Tell whether the target varies in a half of the trials."""
    if keep.sum() < 3:
        return False
    y = problem.y[0, torch.from_numpy(keep), 0]
    return bool((y.std(dim=0) > 0).any())


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
