"""Run the probe kernel over cells, times and shuffles within a memory budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from marr.errors import OptionError
from marr.representation._draws import Draws, design_rows
from marr.representation._probes._blocks import blocks, in_parts
from marr.representation._probes._fit_kernel import DEFAULT_PROBES
from marr.representation._probes._moments_kernel import (
    Problem,
    Splits,
    fold_splits,
)
from marr.representation._probes._probe_kernel import (
    METHODS,
    Kept,
    Method,
    ProbeResult,
    across_times,
    probe,
)
from marr.representation._probes._score_kernel import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._layout import Layout

__all__ = ["CellResult", "Settings", "run_cell", "run_targets"]


@dataclass(frozen=True)
class Settings:
    """What all cells share."""

    kind: str
    penalties: tuple[float, ...]
    targets_too: bool
    device: str | None = None
    probe: str = ""
    seed: int = 0

    @property
    def method(self) -> Method:
        """The probe; by default that of the kind of target."""
        return METHODS[self.probe or DEFAULT_PROBES[self.kind]]

    def tensor(self, values: npt.NDArray[Any]) -> torch.Tensor:
        """Return values as a double-precision tensor on the device."""
        try:
            device = torch.device(self.device or "cpu")
        except RuntimeError as error:
            msg = f"device must be one that torch knows, e.g. 'cpu' or 'cuda'; got {self.device!r}."
            raise OptionError(msg) from error
        array = np.ascontiguousarray(values, dtype=float)
        return torch.from_numpy(array).to(device)

    def rows(self, values: npt.NDArray[Any]) -> torch.Tensor:
        """Return folds or masks of rows on the device."""
        kept = torch.from_numpy(np.ascontiguousarray(values))
        return kept.to(torch.device(self.device or "cpu"))


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
    settled : float
        Share of the fits of the data that converged.
    choice : array of shape (n_draws, n_times, n_folds) or None
        Index of the penalty of every draw.
    """

    score: npt.NDArray[np.float64]
    part: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    penalty: npt.NDArray[np.float64]
    across: npt.NDArray[np.float64] | None = None
    settled: float = 1.0
    choice: npt.NDArray[np.int64] | None = None


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
    """Decode one target from one cell; see `run_targets`."""
    return run_targets(x, layout, [draws], folds, design, settings, across=across)[0]


def run_targets(
    x: npt.NDArray[np.float64],
    layout: Layout,
    draws: Sequence[Draws],
    folds: npt.NDArray[np.intp],
    design: npt.NDArray[np.float64] | None,
    settings: Settings,
    *,
    across: bool = False,
) -> list[CellResult]:
    """Decode targets from one cell; those with as many outputs share factorizations.

    Parameters
    ----------
    x : array of shape (n_times, n_rows, n_units)
        Activity.
    layout, draws : Layout, sequence of Draws
        Rows, and each target with its shuffles.
    folds : int array of shape (n_rows,)
        Fold of each row.
    design : array of shape (n_trials, [n_bins,] n_nuisances) or None
        Nuisances.
    settings : Settings
        Kind of target, probe, penalties.
    across : bool
        Also score probes of each time at each other time.
    """
    data = settings.tensor(x)
    nuisances = None if design is None else settings.tensor(design_rows(design, layout))
    splits = fold_splits(settings.rows(folds), seed=settings.seed)
    sizes = [(d.observed.shape[-1], d.observed.ndim) for d in draws]
    results: dict[int, CellResult] = {}
    for size in dict.fromkeys(sizes):
        places = [k for k, s in enumerate(sizes) if s == size]
        group = [draws[k] for k in places]
        found = _run(data, layout, group, nuisances, splits, settings, across=across)
        results |= dict(zip(places, found, strict=True))
    return [results[k] for k in range(len(draws))]


def _run(
    data: torch.Tensor,
    layout: Layout,
    draws: Sequence[Draws],
    nuisances: torch.Tensor | None,
    splits: Splits,
    settings: Settings,
    *,
    across: bool,
) -> list[CellResult]:
    penalties = settings.tensor(np.asarray(settings.penalties))
    n_times, n_targets, kind = len(data), len(draws), KINDS[settings.kind]
    scores, squares, choices, first = [], [], [], None
    for block in blocks(data, layout, draws, nuisances, settings, alone=across):
        found = _in_parts(block.problem, splits, settings, penalties, n_targets)
        scores.append(block.by_draw(found.score).numpy(force=True))
        choices.append(block.by_draw(found.choice.movedim(0, -1)).numpy(force=True))
        if across:
            pairs = across_times(block.problem, splits, kind, found.models)
            split = pairs.reshape(n_times, n_times, -1, n_targets)
            squares.append(split.movedim(2, 0).numpy(force=True))
        first = first or found._replace(models=[])
    if first is None:
        msg = "internal: there is always draw 0, the data"
        raise AssertionError(msg)
    score, choice = np.concatenate(scores), np.concatenate(choices)
    square = np.concatenate(squares) if across else None
    part, whole, predicted, truth = (v[:n_times].numpy(force=True) for v in first.kept)
    return [
        CellResult(
            score[..., k],
            part[:, :, k],
            whole[:, :, k],
            predicted[:, :, k],
            truth[:, :, k],
            penalty=penalties[first.choice[:, :n_times, k]].numpy(force=True),
            across=None if square is None else square[..., k],
            choice=choice[:, :, k],
            settled=float(first.settled[:, :n_times, k].double().mean()),
        )
        for k in range(n_targets)
    ]


def _in_parts(
    problem: Problem,
    splits: Splits,
    settings: Settings,
    penalties: torch.Tensor,
    n_kept: int,
) -> ProbeResult:
    """Run the kernel on some times at once, and put the results together."""
    kind, method = KINDS[settings.kind], settings.method
    found = [
        probe(part, splits, kind, method, penalties, n_kept=n_kept)
        for part in in_parts(problem, len(splits.train))
    ]
    if len(found) == 1:
        return found[0]
    models = [_joined(parts) for parts in zip(*(f.models for f in found), strict=True)]
    return ProbeResult(
        torch.cat([f.score for f in found]),
        torch.cat([f.by_split for f in found], dim=1),
        cast("Kept", _joined([f.kept for f in found])),
        torch.cat([f.choice for f in found], dim=1),
        torch.cat([f.settled for f in found], dim=1),
        models,
    )


def _joined(parts: Any) -> Any:
    """Join records of tensors along their first axis, which is time."""
    columns = zip(*parts, strict=True)
    return type(parts[0])(*(None if c[0] is None else torch.cat(c) for c in columns))
