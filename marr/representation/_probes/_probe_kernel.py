"""Linear probes for many times, folds and shuffles that share their factorizations.

Activity `x` has shape (times, rows, units); a row is a trial, or a time bin of a trial.
Targets `y` have shape (1 or times, rows, draws, outputs): draw 0 is the data, further
draws are shuffles, outputs are classes (one-hot), the value, or cosine and sine.

A training set is standardized and rotated once, z = (x - mean) / scale = s V', with
V of shape (units, components) and s's = diag(values). Every probe of this set then lives
in the components::

    w = V diag(1 / (values + penalty * rows)) s'y

so penalties, outputs and shuffles cost one matrix product each. Nuisances (`design`) are
regressed out of activity, and where asked out of targets, by the training set alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "PENALTIES",
    "Basis",
    "CenteredTargets",
    "Problem",
    "Rotated",
    "center_targets",
    "choose_penalties",
    "fit_basis",
    "held_out_targets",
    "project",
    "rotated",
]

PENALTIES = tuple(float(10.0**k) for k in range(-4, 3))
"""Penalties tried by default, relative to the number of training rows."""

Activity = Float[Tensor, "times rows units"]


class Problem(NamedTuple):
    """What is to be decoded from what, and how rows are split.

    `design` (1 or times, rows, nuisances) may be None; `targets_too` says whether
    nuisances are regressed out of the targets as well.
    """

    x: Tensor
    y: Tensor
    folds: Tensor
    design: Tensor | None
    targets_too: bool


class Nuisance(NamedTuple):
    """What a training set says about the effect of nuisances."""

    mean: Tensor  # (1 or times, 1, nuisances)
    coef: Tensor  # (times, nuisances, outputs)


class Basis(NamedTuple):
    """Standardized and rotated training set of each time."""

    mean: Tensor  # (times, 1, units)
    scale: Tensor  # (times, 1, units); infinite for a constant unit
    axes: Tensor  # (times, units, components), orthonormal columns
    values: Tensor  # (times, components), squared singular values
    nuisance: Nuisance | None
    n_rows: int


def fit_basis(x: Activity, design: Tensor | None) -> Basis:
    """Standardize and rotate a training set; activity should have about unit spread."""
    mean = x.mean(dim=1, keepdim=True)
    z = x - mean
    nuisance = None
    if design is not None:
        nuisance = _nuisance(design, z)
        z = z - (design - nuisance.mean) @ nuisance.coef
    spread = z.square().mean(dim=1, keepdim=True).sqrt()
    scale = torch.where(spread > 1e-7, spread, torch.inf)
    z = z / scale
    n, p = z.shape[1:]
    if p <= n:
        values, axes = torch.linalg.eigh(z.mT @ z)
    else:
        values, left = torch.linalg.eigh(z @ z.mT)
        length = values.clamp(min=0.0).sqrt()[:, None, :]
        axes = torch.where(length > 1e-6, z.mT @ left / length.clamp(min=1e-6), 0.0)
    return Basis(mean, scale, axes, values.clamp(min=0.0), nuisance, n)


class Rotated(NamedTuple):
    """Standardized rows and the axes they are to be turned to, as yet unmultiplied."""

    z: Tensor  # (times, rows, units)
    axes: Tensor  # (times, units, components)

    def times(self, weights: Tensor) -> Tensor:
        """Multiply by weights (times, components, outputs), in the cheaper order."""
        if weights.shape[-1] < self.axes.shape[-1]:
            return self.z @ (self.axes @ weights)
        return (self.z @ self.axes) @ weights


def rotated(basis: Basis, x: Activity, design: Tensor | None) -> Rotated:
    """Standardize rows by a training set; see `project`."""
    z = x - basis.mean
    if design is not None and basis.nuisance is not None:
        z = z - (design - basis.nuisance.mean) @ basis.nuisance.coef
    return Rotated(z / basis.scale, basis.axes)


def project(basis: Basis, x: Activity, design: Tensor | None) -> Tensor:
    """Return rows in the components of a basis, shape (times, rows, components)."""
    turned = rotated(basis, x, design)
    return turned.z @ turned.axes


def _nuisance(design: Tensor, values: Tensor) -> Nuisance:
    """Regress centered values on nuisances; collinear ones share their effect."""
    mean = design.mean(dim=1, keepdim=True)
    centered = design - mean
    gram = torch.linalg.pinv(centered.mT @ centered, rtol=1e-10, hermitian=True)
    return Nuisance(mean, gram @ (centered.mT @ values))


class CenteredTargets(NamedTuple):
    """Targets of a training set around their mean (and nuisances)."""

    y: Tensor  # (1 or times, rows, draws * outputs)
    mean: Tensor
    nuisance: Nuisance | None


def center_targets(problem: Problem, rows: Tensor) -> CenteredTargets:
    """Center the targets of training rows; regress nuisances out if asked."""
    y = problem.y[:, rows].flatten(2)
    mean = y.mean(dim=1, keepdim=True)
    y = y - mean
    if problem.design is None or not problem.targets_too:
        return CenteredTargets(y, mean, None)
    design = problem.design[:, rows]
    nuisance = _nuisance(design, y)
    return CenteredTargets(y - (design - nuisance.mean) @ nuisance.coef, mean, nuisance)


def held_out_targets(problem: Problem, rows: Tensor, train: CenteredTargets) -> Tensor:
    """Return targets of held-out rows less what the training set expects of them."""
    y = problem.y[:, rows].flatten(2) - train.mean
    if train.nuisance is None or problem.design is None:
        return y
    return y - (problem.design[:, rows] - train.nuisance.mean) @ train.nuisance.coef


def choose_penalties(
    problem: Problem, penalties: Float[Tensor, " penalties"]
) -> Int[Tensor, "folds times draws"]:
    """Choose a penalty for each fold, time and shuffle, without the fold itself.

    Every other fold in turn is predicted from the remaining ones; the penalty with the
    least squared error is kept. A training set that lacks two folds serves both.
    """
    folds = problem.folds
    n_folds, n_times = int(folds.max()) + 1, problem.x.shape[0]
    n_draws, n_outputs = problem.y.shape[2:]
    if len(penalties) == 1 or n_folds < 3:
        middle = len(penalties) // 2
        return torch.full(
            (n_folds, n_times, n_draws),
            middle,
            dtype=torch.long,
            device=problem.x.device,
        )
    loss = problem.x.new_zeros((n_folds, n_times, n_draws, len(penalties)))
    for a in range(n_folds):
        for b in range(a + 1, n_folds):
            rows = (folds != a) & (folds != b)
            design = None if problem.design is None else problem.design[:, rows]
            x = problem.x[:, rows]
            basis, train = fit_basis(x, design), center_targets(problem, rows)
            turned = project(basis, x, design).mT @ train.y
            for outer, inner in ((a, b), (b, a)):
                errors = _errors(
                    problem, folds == inner, basis, train, turned, penalties
                )
                loss[outer] += errors.reshape(n_times, n_draws, n_outputs, -1).sum(
                    dim=2
                )
    return loss.argmin(dim=-1)


def _errors(
    problem: Problem,
    rows: Tensor,
    basis: Basis,
    train: CenteredTargets,
    turned: Tensor,
    penalties: Tensor,
) -> Tensor:
    """Squared held-out error, shape (times, draws * outputs, penalties), up to a constant."""
    design = None if problem.design is None else problem.design[:, rows]
    s = project(basis, problem.x[:, rows], design)
    y = held_out_targets(problem, rows, train)
    if (
        s.shape[1] > s.shape[2]
    ):  # more rows than components: errors outside are constant
        q, s = torch.linalg.qr(s)
        y = q.mT @ y
    errors = [
        (y - s @ (turned / (basis.values[..., None] + float(p) * basis.n_rows)))
        .square()
        .sum(dim=1)
        for p in penalties
    ]
    return torch.stack(errors, dim=-1)
