"""The target of the data and of every shuffle, in blocks of draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.stats import logistic_weights, softmax

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._layout import Layout
    from marr.representation._plan import Plan
    from marr.representation._targets import Target

__all__ = ["Draws", "arrange", "design_rows", "make_draws"]


@dataclass(frozen=True)
class Draws:
    """Targets by draw; draw 0 is the data.

    Attributes
    ----------
    observed : array of shape (n_trials, [n_times,] n_outputs)
        The target.
    source : array of the same shape
        What shuffles move: the target, or what nuisances leave of it.
    indices : int array of shape (n_shuffles, n_trials)
        Trial whose target each trial receives.
    codes : int array of shape (n_shuffles, n_trials) or None
        Classes drawn anew, instead of `indices`.
    joint : bool
        Shuffles move what nuisances leave of the activity against targets and nuisances
        together, instead of the targets.
    """

    observed: npt.NDArray[np.float64]
    source: npt.NDArray[np.float64]
    indices: npt.NDArray[np.intp]
    codes: npt.NDArray[np.intp] | None = None
    joint: bool = False

    def __len__(self) -> int:
        """Return the number of draws, the data included."""
        return 1 + len(self.indices if self.codes is None else self.codes)

    def block(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        """Return draws of shape (n_draws, n_trials, [n_times,] n_outputs)."""
        shuffles = slice(max(start - 1, 0), stop - 1)
        if self.codes is None:
            moved = self.source[self.indices[shuffles]]
        else:
            moved = np.eye(self.observed.shape[-1])[self.codes[shuffles]]
        return moved if start > 0 else np.concatenate([self.observed[None], moved])


def make_draws(
    target: Target,
    plan: Plan,
    design: npt.NDArray[np.float64] | None,
    *,
    n_permutations: int,
    groups: npt.NDArray[np.intp] | None,
    seed: int,
) -> Draws:
    """Return the draws of a plan.

    With nuisances, numbers are shuffled after the nuisances were regressed out
    (Freedman and Lane), and classes under scheme "conditional" are drawn from a
    multinomial logistic model of the nuisances, which keeps the relation of the two.
    Classes under scheme "shift" stay with their nuisances: what the nuisances leave of
    the activity is shifted against both, since both sides may drift.
    """
    values = target.values
    if plan.scheme == "conditional" and design is not None:
        codes = _conditional_codes(
            target, design, groups, n_permutations=n_permutations, seed=seed
        )
        return Draws(values, values, plan.indices, codes)
    source = values
    if design is not None and target.kind != "categorical":
        source = _residual(values, design)
    joint = plan.scheme == "shift" and design is not None and source is values
    return Draws(values, source, plan.indices, joint=joint and not target.timed)


def _residual(
    values: npt.NDArray[np.float64], design: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Regress nuisances out: over all bins, or trial by trial where one has none."""
    if values.ndim == 3 and design.ndim == 3:
        rows = values.reshape(-1, values.shape[-1])
        columns = design.reshape(-1, design.shape[-1])
    else:
        rows = values.reshape(len(values), -1)
        columns = design if design.ndim == 2 else design.mean(axis=1)
    columns = np.column_stack([np.ones(len(columns)), columns])
    coef = np.linalg.lstsq(columns, rows, rcond=None)[0]
    return np.asarray((rows - columns @ coef).reshape(values.shape))


def _conditional_codes(
    target: Target,
    design: npt.NDArray[np.float64],
    groups: npt.NDArray[np.intp] | None,
    *,
    n_permutations: int,
    seed: int,
) -> npt.NDArray[np.intp]:
    columns = design if design.ndim == 2 else design.mean(axis=1)
    if groups is not None:
        columns = np.concatenate(
            [columns, np.eye(int(groups.max()) + 1)[groups]], axis=1
        )
    codes = target.codes
    fit = logistic_weights(columns, codes, penalty=0.01)
    cumulative = softmax(columns @ fit.weights + fit.intercept).cumsum(axis=1)
    u = np.random.default_rng(seed).random((n_permutations, len(codes), 1))
    drawn = (u > cumulative).sum(axis=-1)
    return np.asarray(np.minimum(drawn, cumulative.shape[1] - 1), dtype=np.intp)


def arrange(values: npt.NDArray[Any], layout: Layout) -> npt.NDArray[Any]:
    """Bring trials into rows: (draws, trials, [bins,] k) to (times, rows, draws, k)."""
    if layout.row_bin is not None:
        rows = values[:, layout.row_trial, layout.row_bin]
        return np.ascontiguousarray(np.moveaxis(rows, 0, 1)[None])
    if values.ndim == 4:
        if layout.time_bins is None:
            msg = "a target with a time axis needs rows of bins or a map over time"
            raise AssertionError(msg)
        return np.ascontiguousarray(
            values[:, :, layout.time_bins].transpose(2, 1, 0, 3)
        )
    return np.ascontiguousarray(np.moveaxis(values, 0, 1)[None])


def design_rows(
    design: npt.NDArray[np.float64], layout: Layout
) -> npt.NDArray[np.float64]:
    """Bring nuisances into rows, (1 or times, rows, nuisances)."""
    if design.ndim == 2:
        return design[None]
    return arrange(design[None], layout)[:, :, 0]
