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
    import numpy.typing as npt

    from marr.representation._layout import Layout

__all__ = ["CellResult", "Settings", "run_cell"]


@dataclass(frozen=True)
class Settings:
    """What all cells share."""

    kind: str
    penalties: tuple[float, ...]
    targets_too: bool
    device: str | None = None
    probe: str = ""

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
        Kind of target, probe, penalties.
    across : bool
        Also score probes of each time at each other time.
    """
    data, penalties = (
        settings.tensor(x),
        settings.tensor(np.asarray(settings.penalties)),
    )
    nuisances = None if design is None else settings.tensor(design_rows(design, layout))
    splits = fold_splits(settings.rows(folds))
    n_times = len(x)
    scores, squares, first = [], [], None
    for block in blocks(data, layout, draws, nuisances, settings, alone=across):
        found = _in_parts(block.problem, splits, settings, penalties)
        scores.append(block.by_draw(found.score).numpy(force=True))
        if across:
            kind = KINDS[settings.kind]
            pairs = across_times(block.problem, splits, kind, found.models)
            squares.append(np.moveaxis(pairs.numpy(force=True), -1, 0))
        first = first or found._replace(models=[])
    if first is None:
        msg = "internal: there is always draw 0, the data"
        raise AssertionError(msg)
    chosen = penalties[first.choice[:, :n_times, 0]].numpy(force=True)
    return CellResult(
        np.concatenate(scores),
        first.kept.part[:n_times].numpy(force=True),
        first.kept.whole[:n_times].numpy(force=True),
        first.kept.predicted[:n_times].numpy(force=True),
        first.kept.truth[:n_times].numpy(force=True),
        chosen,
        np.concatenate(squares) if across else None,
    )


def _in_parts(
    problem: Problem, splits: Splits, settings: Settings, penalties: torch.Tensor
) -> ProbeResult:
    """Run the kernel on some times at once, and put the results together."""
    found = [
        probe(part, splits, KINDS[settings.kind], settings.method, penalties)
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
