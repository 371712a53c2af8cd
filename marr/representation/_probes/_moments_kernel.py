"""Problems, splits, and the moments of training sets that share their sums.

Activity `x` has shape (times, rows, units); a row is a trial, or a time bin of a trial.
Targets `y` have shape (1 or times, rows, draws, outputs): draw 0 is the data, further
draws are shuffles or other targets; outputs are classes (one-hot), the value, or cosine
and sine. `design` (1 or times, rows, nuisances) is regressed out of activity, and where
asked out of targets, by the training rows alone.

Rows that no mask tells apart form an atom. The sums of products over each atom are
computed once; a training set is a sum of atoms, so folds, pairs of folds and every other
set of masks cost one pass over the data together.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = [
    "Problem",
    "Sources",
    "Splits",
    "Standard",
    "Targets",
    "TrainSet",
    "center_targets",
    "fold_splits",
    "held_out_targets",
    "make_sources",
    "spread_of",
    "standardized",
    "test_moments",
    "train_set",
]

ATOM_MEMORY = 16
"""Sums of atoms take at most this many times the memory of the data."""


class Problem(NamedTuple):
    """What is to be decoded from what; see the module's text for shapes."""

    x: Tensor
    y: Tensor
    design: Tensor | None = None
    targets_too: bool = False


class Splits(NamedTuple):
    """Rows that train and test each probe, and folds for choices inside training.

    `seed` is for probes that start at random.
    """

    train: Bool[Tensor, "splits rows"]
    test: Bool[Tensor, "splits rows"]
    inner: Int[Tensor, " rows"]
    seed: int = 0


def fold_splits(folds: Int[Tensor, " rows"], *, seed: int = 0) -> Splits:
    """Return the splits that hold out each fold in turn."""
    test = folds == torch.arange(int(folds.max()) + 1, device=folds.device)[:, None]
    return Splits(~test, test, folds, seed)


class Nuisance(NamedTuple):
    """What a training set says about nuisances and their effect."""

    mean: Tensor  # (1 or times, 1, nuisances)
    coef: Tensor  # (1 or times, nuisances, units or draws * outputs)


class Targets(NamedTuple):
    """Targets of a training set around their mean (and nuisances)."""

    mean: Tensor  # (1 or times, 1, draws * outputs)
    design: Nuisance | None


class Standard(NamedTuple):
    """How a training set standardizes rows."""

    mean: Tensor  # (times, 1, units)
    unscale: Tensor  # (times, 1, units), 1 / standard deviation; 0 for a constant unit
    design: Nuisance | None


class TrainSet(NamedTuple):
    """Moments of a training set, in standardized units.

    `gram` (times, units, units) is the scatter of the units; where units outnumber rows
    it is None and `z` (times, rows, units) holds the rows instead.
    """

    standard: Standard
    targets: Targets
    cross: Tensor  # (times, units, draws * outputs)
    counts: Tensor  # (1 or times, draws, outputs): summed targets (rows a class)
    n_rows: int
    gram: Tensor | None
    z: Tensor | None


class Sums(NamedTuple):
    """Sums over rows: of activity and nuisances a, of targets y, of their products."""

    a: Tensor  # (times, 1, units + nuisances)
    aa: Tensor  # (times, units + nuisances, units + nuisances)
    ay: Tensor  # (times, units + nuisances, draws * outputs)
    y: Tensor  # (1 or times, 1, draws * outputs)
    yy: Tensor  # (1 or times, draws * outputs)


class Sources(NamedTuple):
    """A problem with the sums of its atoms (None where they would not pay)."""

    problem: Problem
    full: Tensor  # (times, rows, units + nuisances)
    atom: Tensor | None  # (rows,)
    sums: Sums | None  # with a first axis: each atom, then all rows
    primal: bool


def make_sources(problem: Problem, masks: Bool[Tensor, "masks rows"]) -> Sources:
    """Sum products over the atoms of the masks.

    Parameters
    ----------
    problem : Problem
        Activity of about zero mean and unit spread, targets not far from zero.
    masks : bool tensor of shape (n_masks, n_rows)
        Every set of rows that will be asked for.
    """
    x, design = problem.x, problem.design
    n_times, n_rows, n_units = x.shape
    full = x
    if design is not None:
        full = torch.cat([x, design.expand(n_times, -1, -1)], dim=2)
    primal = n_units <= n_rows
    atom = torch.unique(masks, dim=1, return_inverse=True)[1]
    n_atoms = int(atom.max()) + 1
    if not primal or n_atoms * n_units > ATOM_MEMORY * n_rows:
        return Sources(problem, full, None, None, primal)
    order = torch.argsort(atom, stable=True)
    full_sorted, y = full[:, order], problem.y[:, order].flatten(2)
    stops = torch.bincount(atom, minlength=n_atoms).cumsum(dim=0).tolist()
    parts = [
        _sums(full_sorted[:, low:high], y[:, low:high])
        for low, high in zip([0, *stops[:-1]], stops, strict=True)
    ]
    stacked = [torch.stack([*p, sum(p)]) for p in zip(*parts, strict=True)]
    return Sources(problem, full, atom, Sums(*stacked), primal)


def _sums(rows: Tensor, target: Tensor) -> Sums:
    return Sums(
        rows.sum(dim=1, keepdim=True),
        rows.mT @ rows,
        rows.mT @ target,
        target.sum(dim=1, keepdim=True),
        target.square().sum(dim=1),
    )


def _sums_of(sources: Sources, rows: Tensor) -> Sums:
    """Return the sums over the rows of a mask."""
    if sources.sums is None or sources.atom is None:
        return _sums(sources.full[:, rows], sources.problem.y[:, rows].flatten(2))
    n_atoms = len(sources.sums.a) - 1
    inside = torch.zeros(n_atoms, dtype=torch.bool, device=rows.device)
    inside[sources.atom[rows]] = True
    chosen = torch.nonzero(inside)[:, 0].tolist()
    if 2 * len(chosen) <= n_atoms:
        return _added(sources.sums, chosen)
    left_out = _added(sources.sums, torch.nonzero(~inside)[:, 0].tolist())
    return Sums(*(v[-1] - o for v, o in zip(sources.sums, left_out, strict=True)))


def _added(sums: Sums, atoms: list[int]) -> Sums:
    if not atoms:
        return Sums(*(torch.zeros_like(v[0]) for v in sums))
    return Sums(*(functools.reduce(torch.add, [v[k] for k in atoms]) for v in sums))


def center_targets(problem: Problem, rows: Bool[Tensor, " rows"]) -> Targets:
    """Return what training rows expect of targets: their mean, nuisances if asked."""
    y = problem.y[:, rows].flatten(2)
    mean = y.mean(dim=1, keepdim=True)
    if problem.design is None or not problem.targets_too:
        return Targets(mean, None)
    design = problem.design[:, rows]
    design_mean = design.mean(dim=1, keepdim=True)
    centered = design - design_mean
    coef = _regress(centered, centered.mT @ (y - mean))
    return Targets(mean, Nuisance(design_mean, coef))


def held_out_targets(
    problem: Problem, rows: Bool[Tensor, " rows"], targets: Targets
) -> Tensor:
    """Return targets of rows less what a training set expects of them, flat."""
    y = problem.y[:, rows].flatten(2) - targets.mean
    if targets.design is None or problem.design is None:
        return y
    mean, coef = targets.design
    return y - (problem.design[:, rows] - mean) @ coef


def _regress(centered: Tensor, cross: Tensor) -> Tensor:
    """Regress on centered nuisances; collinear ones share their effect."""
    return _inverse(centered.mT @ centered) @ cross


def _inverse(scatter: Tensor) -> Tensor:
    return torch.linalg.pinv(scatter, rtol=1e-10, hermitian=True)


def train_set(sources: Sources, rows: Bool[Tensor, " rows"]) -> TrainSet:
    """Return the moments of a training set, standardized by itself."""
    problem = sources.problem
    if not sources.primal:
        return _train_rows(problem, rows)
    a, aa, ay, y, _ = _sums_of(sources, rows)
    n, p = int(rows.sum()), problem.x.shape[2]
    mean, expected = a / n, y / n
    scatter = aa - mean.mT @ a
    cross = ay - a.mT @ expected
    targets, nuisance = Targets(expected, None), None
    if problem.design is None:
        rest = scatter
    else:
        among = _inverse(scatter[:, p:, p:])
        nuisance = Nuisance(mean[..., p:], among @ scatter[:, p:, :p])
        if problem.targets_too:
            effect = Nuisance(mean[..., p:], among @ cross[:, p:])
            targets = Targets(expected, effect)
            cross = cross - scatter[..., p:] @ effect.coef
        cross = cross[:, :p] - nuisance.coef.mT @ cross[:, p:]
        rest = scatter[:, :p, :p] - scatter[:, :p, p:] @ nuisance.coef
    raw = torch.diagonal(aa, dim1=1, dim2=2)[:, None, :p] / n
    unscale = _unscale(torch.diagonal(rest, dim1=1, dim2=2)[:, None] / n, raw)
    standard = Standard(mean[..., :p], unscale, nuisance)
    gram = rest * unscale * unscale.mT
    counts = y[:, 0].reshape(len(y), *problem.y.shape[2:])
    return TrainSet(standard, targets, cross * unscale.mT, counts, n, gram, None)


def _unscale(variance: Tensor, raw: Tensor) -> Tensor:
    """Return 1 / standard deviation, or 0 where it is nothing but rounding."""
    varies = variance > 1e-14 + 1e-13 * raw
    return torch.where(varies, variance.clamp(min=1e-300).rsqrt(), 0.0)


def _train_rows(problem: Problem, rows: Tensor) -> TrainSet:
    standard, targets = spread_of(problem, rows), center_targets(problem, rows)
    z = standardized(problem, rows, standard)
    y = held_out_targets(problem, rows, targets)
    counts = problem.y[:, rows].sum(dim=1)
    return TrainSet(standard, targets, z.mT @ y, counts, z.shape[1], None, z)


def spread_of(problem: Problem, rows: Bool[Tensor, " rows"]) -> Standard:
    """Return mean, spread and effect of nuisances of training rows, from the rows."""
    x = problem.x[:, rows]
    mean = x.mean(dim=1, keepdim=True)
    z = x - mean
    raw = x.square().mean(dim=1, keepdim=True)
    nuisance = None
    if problem.design is not None:
        design = problem.design[:, rows].expand(len(x), -1, -1)
        design_mean = design.mean(dim=1, keepdim=True)
        centered = design - design_mean
        nuisance = Nuisance(design_mean, _regress(centered, centered.mT @ z))
        z = z - centered @ nuisance.coef
    unscale = _unscale(z.square().mean(dim=1, keepdim=True), raw)
    return Standard(mean, unscale, nuisance)


def standardized(
    problem: Problem, rows: Bool[Tensor, " rows"], standard: Standard
) -> Float[Tensor, "times kept units"]:
    """Return rows as a training set standardizes them."""
    z = problem.x[:, rows] - standard.mean
    if standard.design is not None and problem.design is not None:
        z = z - (problem.design[:, rows] - standard.design.mean) @ standard.design.coef
    return z * standard.unscale


def test_moments(
    sources: Sources, rows: Bool[Tensor, " rows"], train: TrainSet
) -> tuple[Tensor, Tensor, Tensor]:
    """Return moments of held-out rows around what a training set expects of them.

    Returns
    -------
    gram, cross, square : tensors
        Scatter (times, units, units), products with targets (times, units, outputs) and
        summed squared targets (1 or times, outputs), standardized.
    """
    problem, standard = sources.problem, train.standard
    a, aa, ay, y, yy = _sums_of(sources, rows)
    n, p = int(rows.sum()), problem.x.shape[2]
    mean, expected = standard.mean, train.targets.mean
    if standard.design is not None:
        mean = torch.cat([mean, standard.design.mean], dim=2)
    scatter = aa - mean.mT @ a - a.mT @ mean + n * mean.mT @ mean
    cross = ay - mean.mT @ y - (a - n * mean).mT @ expected
    square = yy - (2.0 * y - n * expected)[:, 0] * expected[:, 0]
    if standard.design is not None:
        if train.targets.design is not None:
            effect = train.targets.design.coef
            both = 2.0 * cross[:, p:] - scatter[:, p:, p:] @ effect
            square = square - (both * effect).sum(dim=1)
            cross = cross - scatter[..., p:] @ effect
        keep = torch.eye(p, dtype=mean.dtype, device=mean.device)
        turn = torch.cat([keep.expand(len(mean), -1, -1), -standard.design.coef], dim=1)
        scatter, cross = turn.mT @ scatter @ turn, turn.mT @ cross
    gram = scatter * standard.unscale * standard.unscale.mT
    return gram, cross * standard.unscale.mT, square
