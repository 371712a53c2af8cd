"""One demixing: axes, their variance, what they tell about held-out trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.findings import Note
from marr.representation._plan import Plan, make_plan
from marr.representation._units._demix_kernel import (
    Axes,
    cell_means,
    demixed_axes,
    explained_variance,
    marginalize,
    nearest_mean_hits,
    reconstruction_loss,
)
from marr.representation._units._tensor import joint_null
from marr.stats import fold_caveats

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._units._tensor import Cells, Tensor
    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]
    Key = tuple[int, ...]

__all__ = ["DemixJob", "Fitted", "run_demix"]

DEFAULT = 1e-3
"""Penalty where no fold holds every combination."""

PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Fitted:
    """Axes fitted to some trials, and the averages of these trials by part."""

    axes: dict[Key, Axes]
    parts: dict[Key, FloatArray]
    means: FloatArray  # (n_cells, n_times, n_axes)


@dataclass(frozen=True)
class DemixJob:
    """What was fitted, scored and shuffled.

    Attributes
    ----------
    share : array of shape (n_components, n_parts)
        Share of the variance of the averages that a component explains, by part.
    jackknife : array of shape (n_folds, n_components, n_parts)
        The same without each fold.
    hits : array of shape (n_trials, n_times, n_components)
        Whether the class of a held-out trial was told (NaN for time).
    null_share : array of shape (n_draws, n_components)
    null_accuracy : array of shape (n_draws, n_components, n_times)
    """

    tensor: Tensor
    cells: Cells
    plan: Plan
    sizes: dict[Key, int]
    penalty: float
    whole: Fitted
    share: FloatArray
    jackknife: FloatArray
    accuracy: FloatArray  # (n_components, n_times)
    by_trial: FloatArray
    null_share: FloatArray
    null_accuracy: FloatArray
    notes: tuple[Note, ...]

    @property
    def labels(self) -> list[str]:
        """Names of the components."""
        return [
            f"{self.part(key)} {i + 1}"
            for key, n in self.sizes.items()
            for i in range(n)
        ]

    def part(self, key: Key) -> str:
        """Return the name of a marginalization."""
        return " × ".join(self.cells.names[i] for i in key) if key else "time"

    @property
    def owners(self) -> list[Key]:
        """Marginalization of each component."""
        return [key for key, n in self.sizes.items() for _ in range(n)]

    @property
    def conditional(self) -> npt.NDArray[np.bool_]:
        """Which components are of a marginalization with conditions."""
        return np.array([bool(key) for key in self.owners])


def run_demix(
    system: System,
    tensor: Tensor,
    cells: Cells,
    *,
    n_components: int,
    penalty: float | None,
    n_folds: int,
    n_permutations: int,
    seed: int,
) -> DemixJob:
    """Choose the penalty, fit, score held-out trials, and shuffle."""
    y, codes = tensor.y, cells.codes
    plan = make_plan(
        system,
        cells.target(),
        n_folds=n_folds,
        null=joint_null(system, cells.classes.T),
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    folds = _whole_folds(plan.folds, codes, cells.n)
    sizes = _sizes(cells, y.shape[1:], n_components)
    if penalty is None:
        penalty = _choose_penalty(y, cells, folds, sizes)
    setting = (cells, penalty, sizes)
    whole = _fit(y, codes, *setting)
    left_out = [
        _shares(_fit(y[folds != k], codes[folds != k], *setting))
        for k in range(int(folds.max()) + 1)
    ]
    accuracy, by_trial = _accuracy(y, codes, folds, *setting)
    shares, scores, lost = [], [], 0
    for index in plan.indices:
        drawn = codes[index]
        if not _filled(drawn, folds, cells.n):
            lost += 1
            continue
        shares.append(_shares(_fit(y, drawn, *setting)).sum(axis=1))
        scores.append(_accuracy(y, drawn, folds, *setting)[0])
    c, t = accuracy.shape
    return DemixJob(
        tensor,
        cells,
        plan,
        sizes,
        float(penalty),
        whole,
        _shares(whole),
        np.stack(left_out),
        accuracy,
        by_trial,
        np.array(shares).reshape(-1, c),
        np.array(scores).reshape(-1, c, t),
        tuple(_lost_note(lost, len(plan.indices))),
    )


def _sizes(cells: Cells, size: tuple[int, ...], n_components: int) -> dict[Key, int]:
    """Return the number of axes of each marginalization, at most its rank."""
    t, u = size
    keys = marginalize(np.zeros((cells.n, 1, 1)), cells.shape)
    ranks = {
        k: t * int(np.prod([cells.shape[i] - 1 for i in k])) if k else t - 1
        for k in keys
    }
    return {k: min(n_components, u, r) for k, r in ranks.items() if r > 0}


def _lost_note(lost: int, n: int) -> list[Note]:
    if not lost:
        return []
    if lost > n // 2:
        msg = (
            f"{lost} of {n} shuffles leave a combination of the variables without "
            "trials, so there is no test. Use n_permutations=0, or fewer classes."
        )
        raise StatisticsError(msg)
    text = f"{lost} of {n} shuffles left a combination without trials and were dropped."
    return [Note("dropped_shuffles", text)]


def _filled(codes: npt.NDArray[np.intp], folds: npt.NDArray[np.intp], n: int) -> bool:
    """Tell whether every training set holds every combination."""
    table = np.zeros((int(folds.max()) + 1, n))
    np.add.at(table, (folds, codes), 1)
    return bool((table.sum(axis=0) - table > 0).all())


def _whole_folds(
    folds: npt.NDArray[np.intp], codes: npt.NDArray[np.intp], n: int
) -> npt.NDArray[np.intp]:
    if not _filled(codes, folds, n):
        caveat = " ".join(fold_caveats(folds, labels=codes))
        msg = (
            "some combination of the variables is in one fold only, so that its training "
            f"trials lack it. {caveat} Use fewer folds (n_folds=2) or fewer classes."
        )
        raise StatisticsError(msg)
    return folds


def _fit(
    y: FloatArray,
    codes: npt.NDArray[np.intp],
    cells: Cells,
    penalty: float,
    sizes: dict[Key, int],
) -> Fitted:
    means, noise = cell_means(y, codes, cells.n)
    parts = {k: v for k, v in marginalize(means, cells.shape).items() if k in sizes}
    return Fitted(demixed_axes(parts, noise, penalty, sizes), parts, means)


def _choose_penalty(
    y: FloatArray, cells: Cells, folds: npt.NDArray[np.intp], sizes: dict[Key, int]
) -> float:
    """Return the penalty whose axes reconstruct training from held-out averages best."""
    codes, losses = cells.codes, np.zeros(len(PENALTIES))
    for k in range(int(folds.max()) + 1):
        train, test = folds != k, folds == k
        present = np.bincount(codes[test], minlength=cells.n) > 0
        if not present.all():
            continue
        held, _ = cell_means(y[test], codes[test], cells.n)
        for i, penalty in enumerate(PENALTIES):
            fit = _fit(y[train], codes[train], cells, penalty, sizes)
            losses[i] += reconstruction_loss(fit.axes, fit.parts, held)
    return PENALTIES[int(losses.argmin())] if losses.any() else DEFAULT


def _shares(fit: Fitted) -> FloatArray:
    return np.concatenate(list(explained_variance(fit.axes, fit.parts).values()))


def _accuracy(
    y: FloatArray,
    codes: npt.NDArray[np.intp],
    folds: npt.NDArray[np.intp],
    cells: Cells,
    penalty: float,
    sizes: dict[Key, int],
) -> tuple[FloatArray, FloatArray]:
    """Return balanced accuracy (component, time), and hits by trial (NaN for time)."""
    n, t = y.shape[:2]
    hits = {k: np.full((n, t, size), np.nan) for k, size in sizes.items()}
    grid = np.array(np.unravel_index(np.arange(cells.n), cells.shape))
    for k in range(int(folds.max()) + 1):
        train, test = folds != k, folds == k
        fit = _fit(y[train], codes[train], cells, penalty, sizes)
        for key in (key for key in sizes if key):
            shape = tuple(cells.shape[i] for i in key)
            owner = np.ravel_multi_index(tuple(grid[i] for i in key), shape)
            decoder = fit.axes[key].decoder
            means = np.stack(
                [fit.means[owner == c].mean(axis=0) for c in range(int(np.prod(shape)))]
            )
            hits[key][test] = nearest_mean_hits(
                means @ decoder.T, y[test] @ decoder.T, owner[codes[test]]
            )
    flat = np.concatenate(list(hits.values()), axis=2)
    per_cell = np.stack([flat[codes == c].mean(axis=0) for c in range(cells.n)])
    return per_cell.mean(axis=0).T, flat
