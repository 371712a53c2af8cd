"""The data and its shuffles as problems for the probes, in blocks of draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from marr.representation._draws import Draws, arrange
from marr.representation._probes._moments_kernel import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from marr.representation._layout import Layout
    from marr.representation._probes._core import Settings

__all__ = ["BUDGET", "Block", "blocks", "in_parts", "steps"]

BUDGET = 16_000_000
"""Numbers in the largest temporary array."""


class Block(NamedTuple):
    """Some draws as one problem.

    Shuffles that move targets are draws of the problem and share its activity; several
    targets are draws as well, next to each other. Shuffles that move activity against
    targets and nuisances together (`Draws.joint`) stand where times do, each with an
    activity of its own.
    """

    problem: Problem
    joint: bool
    n_times: int
    n_targets: int

    def by_draw(self, values: Tensor) -> Tensor:
        """Bring (times, draws, ...) of the problem to (draws, times, targets, ...)."""
        if self.joint:
            return values.reshape(-1, self.n_times, *values.shape[1:])
        split = values.reshape(len(values), -1, self.n_targets, *values.shape[2:])
        return split.movedim(1, 0)


def blocks(
    x: Tensor,
    layout: Layout,
    draws: Sequence[Draws],
    nuisances: Tensor | None,
    settings: Settings,
    *,
    first: int = 0,
    alone: bool = False,
) -> Iterator[Block]:
    """Yield the draws from `first` on.

    Parameters
    ----------
    x : tensor of shape (n_times, n_rows, n_units)
        Activity.
    layout, draws : Layout, sequence of Draws
        Rows; targets with as many outputs each.
    nuisances : tensor of shape (1 or n_times, n_rows, n_nuisances) or None
        Nuisances.
    settings : Settings
        Device, and whether nuisances are regressed out of targets.
    first : int
        The first draw; 0 is the data.
    alone : bool
        Yield draws that move activity one at a time.
    """
    n_times, n_rows, n_units = x.shape
    first_of, n_draws, n_targets = draws[0], len(draws[0]), len(draws)
    joint = first_of.joint and nuisances is not None and layout.row_bin is None
    if not joint or nuisances is None:
        size = n_rows * first_of.observed.shape[-1] * n_targets * 4
        for start, stop in steps(n_draws, BUDGET // size, first=first):
            y = _targets(draws, layout, start, stop, settings)
            problem = Problem(x, y, nuisances, settings.targets_too)
            yield Block(problem, False, n_times, n_targets)
        return
    rest = _without(x, nuisances)
    orders = np.argsort(first_of.indices, axis=1)
    y = _targets(draws, layout, 0, 1, settings)
    most = 1 if alone else BUDGET // (n_times * n_rows * n_units)
    for start, stop in steps(n_draws, most, first=first):
        moved = [
            x if k == 0 else rest[:, torch.from_numpy(orders[k - 1])]
            for k in range(start, stop)
        ]
        targets, design = (_repeat(v, len(moved)) for v in (y, nuisances))
        problem = Problem(torch.cat(moved), targets, design, settings.targets_too)
        yield Block(problem, True, n_times, n_targets)


def _targets(
    draws: Sequence[Draws], layout: Layout, start: int, stop: int, settings: Settings
) -> Tensor:
    """Return draws of all targets, (1 or times, rows, draws * targets, outputs)."""
    found = [arrange(d.block(start, stop), layout) for d in draws]
    together = np.stack(found, axis=3)
    return settings.tensor(together.reshape(*together.shape[:2], -1, together.shape[4]))


def _repeat(values: Tensor, times: int) -> Tensor:
    return values if len(values) == 1 else torch.cat([values] * times)


def _without(data: Tensor, nuisances: Tensor) -> Tensor:
    """Return what nuisances (and a constant) leave of activity, over all rows."""
    ones = torch.ones_like(nuisances[..., :1])
    design = torch.cat([ones, nuisances], dim=-1)
    return data - design @ torch.linalg.pinv(design) @ data


def in_parts(problem: Problem, n_splits: int) -> Iterator[Problem]:
    """Cut a problem along its times into parts that fit the budget."""
    n_times, n_rows, n_units = problem.x.shape
    n_columns = problem.y.shape[2] * problem.y.shape[3]
    sums = n_splits * n_units * (n_units if n_units <= n_rows else 0)
    per_time = n_rows * max(n_units * 3, n_columns * 2)
    per_time = max(per_time, sums, n_splits * n_units * n_columns)
    for low, high in steps(n_times, BUDGET // per_time):
        design = problem.design
        yield problem._replace(
            x=problem.x[low:high],
            y=_cut(problem.y, low, high),
            design=None if design is None else _cut(design, low, high),
        )


def steps(n: int, size: int, *, first: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of runs of at most `size`."""
    step = max(1, min(n, size))
    for start in range(first, n, step):
        yield start, min(start + step, n)


def _cut(values: Tensor, low: int, high: int) -> Tensor:
    return values if values.shape[0] == 1 else values[low:high]
