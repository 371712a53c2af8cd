"""Fit the probe of each fold, predict the rows that it has not seen, score them.

A score is a ratio of sums over rows within strata, so that a bootstrap over trials is
one product of weights and row parts, with folds and probes as they are:

* categorical: hits over rows, by class; the mean over classes is balanced accuracy;
* continuous: squared error over squared deviation from the training mean; 1 minus it;
* circular: summed cosine of the angular error over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from marr.representation._probes._probe_kernel import (
    Basis,
    CenteredTargets,
    Problem,
    Rotated,
    center_targets,
    choose_penalties,
    fit_basis,
    held_out_targets,
    project,
    rotated,
)

__all__ = [
    "KINDS",
    "Kind",
    "Probe",
    "ProbeResult",
    "across_times",
    "discriminant_weights",
    "fit_probe",
    "probe",
    "regression_weights",
]


class Probe(NamedTuple):
    """Probes of one training set: everything that prediction needs."""

    basis: Basis
    train: CenteredTargets
    turned: Tensor  # (times, components, draws, outputs): s'y
    counts: Tensor  # (1 or times, draws, outputs): summed targets (rows a class)
    penalty: Tensor  # (times, 1, draws), in units of `basis.values`


def _split(values: Tensor, like: Tensor) -> Tensor:
    """Split the last axis into draws and outputs."""
    return values.reshape(*values.shape[:-1], *like.shape[-2:])


def regression_weights(probe: Probe) -> Tensor:
    """Ridge weights, shape (times, components, draws, outputs)."""
    gain = 1.0 / (probe.basis.values[..., None] + probe.penalty)
    return gain[..., None] * probe.turned


def regress(probe: Probe, s: Rotated) -> Tensor:
    """Ridge regression around the training mean, shape (times, rows, draws, outputs)."""
    return _split(s.times(regression_weights(probe).flatten(2)), probe.turned)


def discriminant_weights(probe: Probe) -> tuple[Tensor, Tensor]:
    """Weights (times, draws, components, classes) and offsets of linear discriminants.

    The scatter of a training set, diag(values), is shared by all shuffles; taking out
    the spread between the classes of a shuffle is an update of as many ranks as there
    are classes.
    """
    counts = probe.counts[:, None]
    root = counts.clamp(min=1.0).sqrt()
    u = (probe.turned / root).movedim(2, 1)  # (times, draws, components, classes)
    gain = 1.0 / (probe.basis.values[..., None] + probe.penalty)
    gu = gain.movedim(2, 1)[..., None] * u
    inner = torch.eye(u.shape[-1], dtype=u.dtype, device=u.device) - u.mT @ gu
    weights = torch.linalg.solve(inner, gu, left=False) / root.movedim(1, 2)
    means = u / root.movedim(1, 2)
    return weights, 0.5 * (means * weights).sum(dim=2)


def discriminate(probe: Probe, s: Rotated) -> Tensor:
    """Linear discriminants with ridge-regularized within-class scatter, equal priors.

    A class without training rows is never predicted.
    """
    weights, offset = discriminant_weights(probe)
    scores = _split(s.times(weights.movedim(1, 2).flatten(2)), probe.turned)
    return torch.where(probe.counts[:, None] > 0, scores - offset[:, None], -torch.inf)


def class_parts(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Hits and rows by true class."""
    best = predicted.argmax(dim=-1, keepdim=True)
    truth = truth.expand(best.shape[0], *truth.shape[1:])
    return truth.gather(-1, best) * truth, truth


def error_parts(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Squared error, and squared deviation from the training mean."""
    error = (truth - predicted).square().sum(dim=-1, keepdim=True)
    return error, truth.square().sum(dim=-1, keepdim=True).expand_as(error)


def angle_parts(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine of the angle between predicted and true vector, and one a row."""
    length = predicted.norm(dim=-1) * truth.norm(dim=-1)
    cosine = (predicted * truth).sum(dim=-1) / length.clamp(min=1e-300)
    return cosine[..., None], torch.ones_like(cosine[..., None])


def mean_recall(part: Tensor, whole: Tensor) -> Tensor:
    """Balanced accuracy over the classes that occur."""
    seen = whole > 0
    return torch.where(seen, part / whole.clamp(min=1e-300), 0.0).sum(-1) / seen.sum(-1)


def explained(part: Tensor, whole: Tensor) -> Tensor:
    """1 minus squared error over squared deviation from the training mean."""
    return 1.0 - part[..., 0] / whole[..., 0].clamp(min=1e-300)


def mean_cosine(part: Tensor, whole: Tensor) -> Tensor:
    """Mean cosine of the angular error."""
    return part[..., 0] / whole[..., 0].clamp(min=1e-300)


class Kind(NamedTuple):
    """How a kind of target is predicted and scored.

    `centered` kinds are predicted and scored as deviations from the training mean.
    """

    predict: Callable[[Probe, Rotated], Tensor]
    parts: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    combine: Callable[[Tensor, Tensor], Tensor]
    centered: bool


KINDS = {
    "categorical": Kind(discriminate, class_parts, mean_recall, centered=False),
    "continuous": Kind(regress, error_parts, explained, centered=True),
    "circular": Kind(regress, angle_parts, mean_cosine, centered=False),
}
"""Kinds of target: categorical (one-hot), continuous, circular (cosine and sine)."""


class Kept(NamedTuple):
    """Rows of draw 0: what its score is the ratio of, predictions and truth."""

    part: Tensor  # (times, rows, strata)
    whole: Tensor  # (times, rows, strata)
    predicted: Tensor  # (times, rows, outputs)
    truth: Tensor  # (times, rows, outputs)


class ProbeResult(NamedTuple):
    """Scores of all shuffles; rows of the data themselves."""

    score: Tensor  # (times, draws)
    kept: Kept
    choice: Tensor  # (folds, times, draws), index of the penalty


def probe(
    problem: Problem, kind: Kind, penalties: Float[Tensor, " penalties"]
) -> ProbeResult:
    """Decode every time and draw; each row by probes that have not seen its fold."""
    two_classes = kind.predict is discriminate and problem.y.shape[-1] == 2
    half = problem._replace(y=problem.y[..., :1])  # the other column mirrors it
    choice = choose_penalties(half if two_classes else problem, penalties)
    n_times, n_rows = problem.x.shape[:2]
    total: list[tuple[Tensor, Tensor]] = []
    kept: tuple[Tensor, ...] = ()
    for fold in range(int(problem.folds.max()) + 1):
        rows = problem.folds == fold
        fitted = fit_probe(problem, ~rows, penalties[choice[fold]])
        s = rotated(fitted.basis, problem.x[:, rows], _rows(problem.design, rows))
        predicted, truth = _predict(problem, kind, fitted, s, rows)
        part, whole = kind.parts(predicted, truth)
        total.append((part.sum(dim=1), whole.sum(dim=1)))
        shown = (part, whole, predicted, truth.expand_as(predicted))
        found = [v[:, :, 0] for v in shown]
        if not kept:
            kept = tuple(v.new_zeros((n_times, n_rows, v.shape[-1])) for v in found)
        for store, value in zip(kept, found, strict=True):
            store[:, rows] = value
    part, whole = (torch.stack(v).sum(dim=0) for v in zip(*total, strict=True))
    return ProbeResult(kind.combine(part, whole), Kept(*kept), choice)


def across_times(
    problem: Problem,
    kind: Kind,
    penalties: Float[Tensor, " penalties"],
    choice: Int[Tensor, "folds times draws"],
) -> Float[Tensor, "train_times test_times draws"]:
    """Score probes of each time at every other time, folds shared by all pairs."""
    n_times, _, n_units = problem.x.shape
    out = problem.x.new_zeros((n_times, n_times, problem.y.shape[2]))
    for time in range(n_times):
        at_time = _at_time(problem, time)
        tested = problem if problem.y.shape[0] > 1 else at_time
        part = whole = problem.x.new_zeros(1)
        for fold in range(int(problem.folds.max()) + 1):
            rows = problem.folds == fold
            fitted = fit_probe(at_time, ~rows, penalties[choice[fold, time]][None])
            x = problem.x[:, rows].reshape(1, -1, n_units)
            design = _rows(problem.design, rows)
            if design is not None:
                wide = design.expand(n_times, -1, -1)
                design = wide.reshape(1, -1, wide.shape[-1])
            flat = rotated(fitted.basis, x, design)
            s = Rotated(flat.z.reshape(n_times, -1, n_units), flat.axes)
            predicted, truth = _predict(tested, kind, fitted, s, rows)
            new = kind.parts(predicted, truth)
            part, whole = part + new[0].sum(dim=1), whole + new[1].sum(dim=1)
        out[time] = kind.combine(part, whole)
    return out


def _rows(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values[:, rows]


def _at_time(problem: Problem, time: int) -> Problem:
    def cut(values: Tensor) -> Tensor:
        return values if values.shape[0] == 1 else values[time : time + 1]

    design = None if problem.design is None else cut(problem.design)
    return problem._replace(x=cut(problem.x), y=cut(problem.y), design=design)


def fit_probe(problem: Problem, rows: Tensor, penalty: Tensor) -> Probe:
    """Fit the probes of a training set; `penalty` (times, draws) is relative."""
    design, x = _rows(problem.design, rows), problem.x[:, rows]
    basis, train = fit_basis(x, design), center_targets(problem, rows)
    turned = _split(project(basis, x, design).mT @ train.y, problem.y)
    counts = problem.y[:, rows].sum(dim=1)
    return Probe(basis, train, turned, counts, penalty[:, None] * basis.n_rows)


def _predict(
    problem: Problem, kind: Kind, fitted: Probe, s: Rotated, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Predictions and truth of held-out rows, (times, rows, draws, outputs)."""
    predicted = kind.predict(fitted, s)
    if kind.centered or problem.targets_too:
        train = fitted.train
        if train.y.shape[0] != problem.y.shape[0]:  # trained at one time, tested at all
            train = center_targets(problem, problem.folds != problem.folds[rows][0])
        return predicted, _split(held_out_targets(problem, rows, train), problem.y)
    if kind.predict is regress:
        predicted = predicted + _split(fitted.train.mean, problem.y)
    return predicted, problem.y[:, rows]
