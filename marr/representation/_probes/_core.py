"""Run the probe kernel over cells, times and shuffles within a memory budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from marr.errors import OptionError
from marr.representation._draws import Draws, arrange, design_rows
from marr.representation._probes._probe_kernel import Problem
from marr.representation._probes._score_kernel import (
    KINDS,
    ProbeResult,
    across_times,
    probe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from marr.representation._layout import Layout

__all__ = ["CellResult", "Settings", "run_cell"]

BUDGET = 16_000_000
"""Numbers in the largest temporary array."""


@dataclass(frozen=True)
class Settings:
    """What all cells share."""

    kind: str
    penalties: tuple[float, ...]
    targets_too: bool
    device: str | None = None

    def tensor(self, values: npt.NDArray[Any]) -> torch.Tensor:
        """Return values as a double-precision tensor on the device."""
        try:
            device = torch.device(self.device or "cpu")
        except RuntimeError as error:
            msg = f"device must be one that torch knows, e.g. 'cpu' or 'cuda'; got {self.device!r}."
            raise OptionError(msg) from error
        array = np.ascontiguousarray(values, dtype=float)
        return torch.from_numpy(array).to(device)


@dataclass(frozen=True)
class CellResult:
    """What decoding one cell gave.

    Attributes
    ----------
    score : array of shape (n_draws, n_times)
        Score of the data (draw 0) and of each shuffle.
    part, whole : array of shape (n_times, n_rows, n_strata)
        What the score of the data is the ratio of.
    predicted, truth : array of shape (n_times, n_rows, n_outputs)
        Out-of-fold predictions, and what was to be predicted.
    penalty : array of shape (n_folds, n_times)
        Penalty chosen for the data.
    across : array of shape (n_draws, n_times, n_times) or None
        Score by training and test time.
    """

    score: npt.NDArray[np.float64]
    part: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    penalty: npt.NDArray[np.float64]
    across: npt.NDArray[np.float64] | None = None


def run_cell(
    x: npt.NDArray[np.float64],
    layout: Layout,
    draws: Draws,
    folds: npt.NDArray[np.intp],
    design: npt.NDArray[np.float64] | None,
    settings: Settings,
    *,
    across: bool = False,
) -> CellResult:
    """Decode one cell.

    Parameters
    ----------
    x : array of shape (n_times, n_rows, n_units)
        Activity.
    layout, draws : Layout, Draws
        Rows and targets.
    folds : int array of shape (n_rows,)
        Fold of each row.
    design : array of shape (n_trials, [n_bins,] n_nuisances) or None
        Nuisances.
    settings : Settings
        Kind of target, penalties.
    across : bool
        Also score probes of each time at each other time.
    """
    penalties = settings.tensor(np.asarray(settings.penalties))
    fold = torch.from_numpy(np.ascontiguousarray(folds)).to(penalties.device)
    nuisances = None if design is None else settings.tensor(design_rows(design, layout))
    if draws.joint and nuisances is not None and layout.row_bin is None:
        fixed = (fold, nuisances, penalties)
        return _run_joint(x, layout, draws, fixed, settings, across=across)
    n_times, n_rows, n_units = x.shape
    n_outputs = draws.observed.shape[-1]
    data = settings.tensor(x)
    scores: list[npt.NDArray[np.float64]] = []
    squares: list[npt.NDArray[np.float64]] = []
    kept: list[ProbeResult] = []
    for start, stop in _steps(len(draws), BUDGET // (n_rows * n_outputs * 4)):
        y = settings.tensor(arrange(draws.block(start, stop), layout))
        per_time = n_rows * max(n_units * 3, (stop - start) * n_outputs * 2)
        found = []
        for low, high in _steps(n_times, BUDGET // per_time):
            problem = Problem(
                data[low:high],
                _cut(y, low, high),
                fold,
                None if nuisances is None else _cut(nuisances, low, high),
                settings.targets_too,
            )
            found.append(probe(problem, KINDS[settings.kind], penalties))
        scores.append(torch.cat([f.score for f in found]).mT.numpy(force=True))
        kept = kept or found
        if across:
            choice = torch.cat([f.choice for f in found], dim=1)
            problem = Problem(data, y, fold, nuisances, settings.targets_too)
            square = across_times(problem, KINDS[settings.kind], penalties, choice)
            squares.append(np.moveaxis(square.numpy(force=True), -1, 0))
    part, whole, predicted, truth = (
        torch.cat([getattr(f.kept, name) for f in kept]).numpy(force=True)
        for name in ("part", "whole", "predicted", "truth")
    )
    chosen = torch.cat([f.choice[..., 0] for f in kept], dim=1)
    return CellResult(
        np.concatenate(scores),
        part,
        whole,
        predicted,
        truth,
        penalties[chosen].numpy(force=True),
        np.concatenate(squares) if across else None,
    )


def _run_joint(
    x: npt.NDArray[np.float64],
    layout: Layout,
    draws: Draws,
    fixed: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    settings: Settings,
    *,
    across: bool,
) -> CellResult:
    """Decode one cell whose shuffles move activity against targets and nuisances."""
    fold, nuisances, penalties = fixed
    data = settings.tensor(x)
    y = settings.tensor(arrange(draws.block(0, 1), layout))
    rest = _without(data, nuisances)
    orders = np.argsort(draws.indices, axis=1)
    scores: list[npt.NDArray[np.float64]] = []
    squares: list[npt.NDArray[np.float64]] = []
    first: ProbeResult | None = None
    for draw in range(len(draws)):
        moved = data if draw == 0 else rest[:, torch.from_numpy(orders[draw - 1])]
        problem = Problem(moved, y, fold, nuisances, settings.targets_too)
        found = probe(problem, KINDS[settings.kind], penalties)
        first = first or found
        scores.append(found.score[..., 0].numpy(force=True))
        if across:
            square = across_times(
                problem, KINDS[settings.kind], penalties, found.choice
            )
            squares.append(square[..., 0].numpy(force=True))
    if first is None:
        msg = "internal: there is always draw 0, the data"
        raise AssertionError(msg)
    kept = first.kept
    return CellResult(
        np.stack(scores),
        kept.part.numpy(force=True),
        kept.whole.numpy(force=True),
        kept.predicted.numpy(force=True),
        kept.truth.numpy(force=True),
        penalties[first.choice[..., 0]].numpy(force=True),
        np.stack(squares) if across else None,
    )


def _without(data: torch.Tensor, nuisances: torch.Tensor) -> torch.Tensor:
    """Return what nuisances (and a constant) leave of activity, over all rows."""
    ones = torch.ones_like(nuisances[..., :1])
    design = torch.cat([ones, nuisances], dim=-1)
    return data - design @ torch.linalg.pinv(design) @ data


def _steps(n: int, size: int) -> Iterator[tuple[int, int]]:
    step = max(1, min(n, size))
    for start in range(0, n, step):
        yield start, min(start + step, n)


def _cut(values: torch.Tensor, low: int, high: int) -> torch.Tensor:
    return values if values.shape[0] == 1 else values[low:high]
