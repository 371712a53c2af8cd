"""Ridge regression and discriminant analysis of many sets that share factorizations.

In the standardized units z of a training set with n rows every probe here is::

    w = (z'z + penalty * n)^-1 b

with b = z'y for ridge regression, and the class sums for discriminants. One
factorization serves all outputs and shuffles: Cholesky's where draws share a penalty, an
eigendecomposition, which serves all penalties, where they do not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from marr.representation._probes._moments_kernel import (
    Problem,
    Sources,
    Splits,
    Standard,
    TrainSet,
    held_out_targets,
    make_sources,
    standardized,
    test_moments,
    train_set,
)

__all__ = [
    "PENALTIES",
    "Fits",
    "Linear",
    "choose_penalties",
    "fit_discriminants",
    "fit_ridge",
    "inner_sets",
    "linear",
]

PENALTIES = tuple(float(10.0**k) for k in range(-4, 3))
"""Penalties tried by default, relative to the number of training rows."""


class Linear(NamedTuple):
    """A probe as a linear function of activity (and nuisances), one a draw.

    A bias of minus infinity marks a class that the training rows lack.
    """

    weights: Tensor  # (times, units, draws, outputs)
    nuisance: Tensor | None  # (times, nuisances, draws, outputs)
    bias: Tensor  # (times, draws, outputs)

    def __call__(
        self, x: Float[Tensor, "times rows units"], design: Tensor | None
    ) -> Float[Tensor, "times rows draws outputs"]:
        """Return the outputs of rows."""
        shape = self.weights.shape[-2:]
        flat = x @ self.weights.flatten(2)
        if self.nuisance is not None and design is not None:
            flat = flat + design @ self.nuisance.flatten(2)
        return flat.reshape(*flat.shape[:2], *shape) + self.bias[:, None]

    def signal(self, x: Tensor, design: Tensor | None) -> Tensor:
        """Return the outputs less their bias: what varies with activity."""
        return self._replace(bias=torch.zeros_like(self.bias))(x, design)

    def sensitivity(
        self,
        x: Tensor,  # noqa: ARG002
        design: Tensor | None,  # noqa: ARG002
        *,
        classes: bool,
    ) -> Float[Tensor, "times units draws outputs"]:
        """Return the change of each output with each unit: the weights.

        Those of classes only matter up to a constant, and are centered over classes.
        """
        if not classes:
            return self.weights
        return self.weights - self.weights.mean(dim=-1, keepdim=True)

    def across(
        self, x: Float[Tensor, "times rows units"], design: Tensor | None, at: slice
    ) -> Float[Tensor, "times rows train_times draws outputs"]:
        """Return the outputs that probes of some times give rows of every time."""
        bias = self.bias[at]
        flat = x @ self.weights[at].movedim(0, 1).flatten(1)
        if self.nuisance is not None and design is not None:
            flat = flat + design @ self.nuisance[at].movedim(0, 1).flatten(1)
        return flat.reshape(*x.shape[:2], *bias.shape) + bias


class Fits(NamedTuple):
    """Probes of every split, which penalty each got, and whether each converged.

    A probe (`Linear`, or a network) has the methods of `Linear`.
    """

    models: list[Any]
    choice: Int[Tensor, "splits times draws"]
    settled: Bool[Tensor, "splits times draws"]


def linear(standard: Standard, inner: Tensor, offset: Tensor | float) -> Linear:
    """Turn weights on standardized rows (times, units, draws, outputs) into a probe."""
    shape = inner.shape[-2:]
    raw = inner.flatten(2) * standard.unscale.mT
    bias = -(standard.mean @ raw)[:, 0]
    nuisance = None
    if standard.design is not None:
        nuisance = -(standard.design.coef @ raw)
        bias = bias - (standard.design.mean @ nuisance)[:, 0]
        nuisance = nuisance.reshape(*nuisance.shape[:2], *shape)
    raw = raw.reshape(*raw.shape[:2], *shape)
    return Linear(raw, nuisance, bias.reshape(-1, *shape) + offset)


class Eigen(NamedTuple):
    """Eigenvectors (times, units, components) and values of a scatter."""

    axes: Tensor
    values: Tensor

    def solve(self, b: Tensor, penalty: Tensor) -> Tensor:
        """Return (scatter + penalty)^-1 b; penalty (times, 1 or outputs)."""
        turned = self.axes.mT @ b
        return self.axes @ (turned / (self.values[..., None] + penalty[:, None]))


def eigen(train: TrainSet) -> Eigen:
    """Decompose the scatter of a training set."""
    if train.gram is not None:
        values, axes = torch.linalg.eigh(train.gram)
        return Eigen(axes, values.clamp(min=0.0))
    if train.z is None:
        msg = "internal: a training set has a scatter or its rows"
        raise AssertionError(msg)
    values, left = torch.linalg.eigh(train.z @ train.z.mT)
    length = values.clamp(min=0.0).sqrt()[:, None, :]
    axes = torch.where(length > 1e-6, train.z.mT @ left / length.clamp(min=1e-6), 0.0)
    return Eigen(axes, values.clamp(min=0.0))


def _solve(train: TrainSet, b: Tensor, penalty: Tensor) -> Tensor:
    """Solve for b (times, units, draws, outputs); penalty (times, draws) is relative."""
    scaled = penalty * train.n_rows
    shared = bool((scaled == scaled[:, :1]).all())
    if train.gram is not None and shared:
        ridge = torch.eye(train.gram.shape[1], dtype=b.dtype, device=b.device)
        root = torch.linalg.cholesky(train.gram + scaled[:, :1, None] * ridge)
        return torch.cholesky_solve(b.flatten(2), root).reshape(b.shape)
    by_output = scaled.repeat_interleave(b.shape[-1], dim=1)
    return eigen(train).solve(b.flatten(2), by_output).reshape(b.shape)


def _by_draw(train: TrainSet) -> Tensor:
    return train.cross.reshape(*train.cross.shape[:2], *train.counts.shape[-2:])


def fit_ridge(train: TrainSet, penalty: Float[Tensor, "times draws"]) -> Linear:
    """Ridge regression; predicts deviations from what training rows expect."""
    return linear(train.standard, _solve(train, _by_draw(train), penalty), 0.0)


def fit_discriminants(train: TrainSet, penalty: Float[Tensor, "times draws"]) -> Linear:
    """Linear discriminants with ridge-regularized within-class scatter, equal priors.

    The scatter of a training set is shared by all shuffles; taking out the spread
    between the classes of a shuffle is an update of as many ranks as there are classes.
    A class without training rows is never predicted.
    """
    counts = train.counts.clamp(min=1.0)  # (1 or times, draws, classes)
    cross = _by_draw(train)
    two = cross.shape[-1] == 2
    solved = _solve(train, cross[..., :1] if two else cross, penalty)
    if two:  # the columns of two classes mirror each other
        solved = torch.cat([solved, -solved], dim=-1)
    root = counts.sqrt()[:, None]
    u, gu = (v.movedim(2, 1) / root.movedim(1, 2) for v in (cross, solved))
    inner = torch.eye(u.shape[-1], dtype=u.dtype, device=u.device) - u.mT @ gu
    weights = torch.linalg.solve(inner, gu, left=False) / root.movedim(1, 2)
    means = u / root.movedim(1, 2)
    offset = -0.5 * (means * weights).sum(dim=2)  # (times, draws, classes)
    offset = torch.where(train.counts > 0, offset, -torch.inf)
    return linear(train.standard, weights.movedim(1, 2), offset)


def inner_sets(
    splits: Splits,
) -> list[tuple[Tensor, list[tuple[int, Tensor]]]]:
    """Return training sets within training sets, each with the splits that it serves.

    Each split's training rows are split again by `inner`; a set that lacks two folds
    serves both of the splits that hold one of them out.

    Returns
    -------
    list of (rows, [(split, held-out rows), ...])
    """
    found: dict[bytes, tuple[Tensor, list[tuple[int, Tensor]]]] = {}
    for k, train in enumerate(splits.train):
        groups = torch.unique(splits.inner[train])
        if len(groups) < 2:
            continue
        for group in groups:
            held = splits.inner == group
            rows = train & ~held
            key = rows.cpu().numpy().tobytes()
            found.setdefault(key, (rows, []))[1].append((k, train & held))
    return list(found.values())


def choose_penalties(
    problem: Problem,
    splits: Splits,
    penalties: Float[Tensor, " penalties"],
    *,
    classes: bool,
    sources: Sources | None = None,
) -> Int[Tensor, "splits times draws"]:
    """Choose a penalty for each split, time and draw, by its training rows alone.

    Every inner fold in turn is predicted from the remaining ones; the penalty with the
    least squared error is kept.

    Parameters
    ----------
    problem, splits : Problem, Splits
        What is decoded, and how rows are split.
    penalties : tensor of shape (n_penalties,)
        Relative to the number of training rows.
    classes : bool
        Whether outputs are classes; the second of two mirrors the first, and is left out.
    sources : Sources, optional
        The problem with its sums, if they were made; halved classes have their own.
    """
    n_times, (n_draws, n_outputs) = problem.x.shape[0], problem.y.shape[2:]
    shape = (len(splits.train), n_times, n_draws)
    sets = inner_sets(splits)
    if len(penalties) == 1 or not sets:
        middle = len(penalties) // 2
        return torch.full(shape, middle, dtype=torch.long, device=problem.x.device)
    if classes and n_outputs == 2:
        problem, n_outputs = problem._replace(y=problem.y[..., :1]), 1
        if sources is not None:
            sources = _first_outputs(sources, problem)
    if sources is None:
        problem = problem._replace(y=problem.y - problem.y.mean(dim=1, keepdim=True))
        masks = [rows for rows, _ in sets] + [t for _, ts in sets for _, t in ts]
        sources = make_sources(problem, torch.stack(masks))
    loss = problem.x.new_zeros((*shape, len(penalties)))
    for rows, tests in sets:
        train = train_set(sources, rows)
        basis = eigen(train)
        turned = basis.axes.mT @ train.cross
        for split, held in tests:
            errors = _errors(sources, held, train, basis, turned, penalties)
            loss[split] += errors.reshape(n_times, n_draws, n_outputs, -1).sum(dim=2)
    return loss.argmin(dim=-1)


def _first_outputs(sources: Sources, problem: Problem) -> Sources:
    """Return the sums of a problem that keeps the first of two outputs."""
    if sources.sums is None:
        return sources._replace(problem=problem)
    kept = {k: getattr(sources.sums, k)[..., ::2] for k in ("ay", "y", "yy")}
    return sources._replace(problem=problem, sums=sources.sums._replace(**kept))


def _errors(
    sources: Sources,
    rows: Tensor,
    train: TrainSet,
    basis: Eigen,
    turned: Tensor,
    penalties: Tensor,
) -> Tensor:
    """Squared held-out error, shape (times, draws * outputs, penalties)."""
    scaled = [float(p) * train.n_rows for p in penalties]
    inner = (turned / (basis.values[..., None] + p) for p in scaled)
    if sources.primal:
        gram, cross, square = test_moments(sources, rows, train)
        turn = basis.axes.mT @ gram @ basis.axes
        cross = 2.0 * basis.axes.mT @ cross
        found = [((turn @ g - cross) * g).sum(dim=1) for g in inner]
        return square[..., None] + torch.stack(found, dim=-1)
    z = standardized(sources.problem, rows, train.standard) @ basis.axes
    y = held_out_targets(sources.problem, rows, train.targets)
    return torch.stack([(y - z @ g).square().sum(dim=1) for g in inner], dim=-1)
