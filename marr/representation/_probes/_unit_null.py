"""Patterns of units for shuffled labels: what a link must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from marr.representation._draws import arrange, design_rows
from marr.representation._probes._probe_kernel import Problem, choose_penalties
from marr.representation._probes._score_kernel import (
    discriminant_weights,
    fit_probe,
    regression_weights,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from jaxtyping import Bool, Float
    from torch import Tensor

    from marr.representation._draws import Draws
    from marr.representation._layout import Layout
    from marr.representation._probes._core import Settings

__all__ = ["pattern_lengths", "unit_null"]

BLOCK = 8_000_000
"""Numbers in the targets of a block of shuffles."""


def unit_null(
    layout: Layout,
    draws: Draws,
    design: npt.NDArray[np.float64] | None,
    folds: npt.NDArray[np.intp],
    halves: npt.NDArray[np.int8],
    settings: Settings,
) -> xr.Dataset:
    """Return |pattern| of each unit for each shuffle, on all trials and on each half.

    Units that follow what many units follow have large patterns for any labels: a probe
    of noise reads out the directions of largest spread. Penalties are chosen anew for
    every shuffle, as for the data.

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
        Kind, penalties.

    Returns
    -------
    Dataset
        `estimate` (draw, unit) and `half_estimate` (draw, half, unit), half precision: ranks need no more.
    """
    nuisances = None if design is None else settings.tensor(design_rows(design, layout))
    folds, halves = folds[layout.row_trial], halves[layout.row_trial]
    masks = [np.ones(len(folds), dtype=bool), halves == 0, halves == 1]
    parts = []
    for cell in layout.cells:
        x = settings.tensor(cell.x)
        found = np.concatenate(
            [
                _block(
                    Problem(
                        x, y, torch.from_numpy(folds), nuisances, settings.targets_too
                    ),
                    masks,
                    settings,
                )
                for y in _blocks(draws, layout, settings)
            ]
        ).astype(np.float16)
        parts.append(
            xr.Dataset(
                {
                    "estimate": (("draw", "unit"), found[:, 0]),
                    "half_estimate": (("draw", "half", "unit"), found[:, 1:]),
                },
                coords={"unit": cell.units.values, "half": [0, 1]},
            )
        )
    table = xr.concat(parts, dim="unit")
    table["estimate"].attrs.update(long_name="|pattern| for shuffled labels")
    table.attrs["reduction"] = (
        "none; patterns of the units for each shuffle of the labels"
    )
    return table


def _blocks(draws: Draws, layout: Layout, settings: Settings) -> Any:
    size = len(layout.row_trial) * draws.observed.shape[-1]
    step = max(1, BLOCK // size)
    for start in range(1, len(draws), step):
        block = draws.block(start, min(start + step, len(draws)))
        yield settings.tensor(arrange(block, layout))


def _block(
    problem: Problem, masks: Sequence[npt.NDArray[np.bool_]], settings: Settings
) -> npt.NDArray[np.float64]:
    """Return |pattern| of shape (n_draws, 1 + n_halves, n_units)."""
    penalties = settings.tensor(np.asarray(settings.penalties))
    classes = settings.kind == "categorical"
    two = classes and problem.y.shape[-1] == 2
    chosen = choose_penalties(
        problem._replace(y=problem.y[..., :1]) if two else problem, penalties
    )
    penalty = penalties[chosen][:, 0].quantile(0.5, dim=0)[None]
    found = [
        pattern_lengths(problem, torch.from_numpy(mask), penalty, classes=classes)
        if mask.sum() > 2
        else problem.x.new_full((problem.y.shape[2], problem.x.shape[2]), torch.nan)
        for mask in masks
    ]
    return np.asarray(torch.stack(found, dim=1).numpy(force=True))


def pattern_lengths(
    problem: Problem,
    rows: Bool[Tensor, " rows"],
    penalty: Float[Tensor, "1 draws"],
    *,
    classes: bool,
) -> Float[Tensor, "draws units"]:
    """Fit the probes of all draws on some rows; return their |pattern| (see `unit_patterns`)."""
    probe = fit_probe(problem, rows, penalty)
    if classes:
        inner = discriminant_weights(probe)[0][0]
        inner = inner - inner.mean(dim=2, keepdim=True)
    else:
        inner = regression_weights(probe)[0].movedim(1, 0)
    scatter = probe.basis.values[0] / probe.basis.n_rows  # of the components, diagonal
    weighed = scatter[:, None] * inner  # (draws, components, outputs)
    covariance = probe.basis.axes[0] @ weighed
    spread = torch.linalg.pinv(inner.mT @ weighed, rtol=1e-8, hermitian=True)
    squared = ((covariance @ spread) * covariance).sum(dim=2)
    return squared.clamp(0.0, 1.0).sqrt()
