"""Logistic and support vector probes of every split, time and draw.

Two classes share one output; several are coupled by the softmax, or, for support vectors,
told apart one against the rest. Rows are weighed so that classes count alike, as equal
priors do in discriminant analysis, and the mean loss over rows is penalized: a penalty of
1 / (C * rows) is scikit-learn's C.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from marr.representation._probes._linear_kernel import Fits, Linear, inner_sets
from marr.representation._probes._loss_kernel import LOSSES
from marr.representation._probes._moments_kernel import Problem, Splits, spread_of
from marr.representation._probes._newton_kernel import (
    Margins,
    descend,
    raw_weights,
    start,
)

__all__ = ["arrange_margins", "code_classes", "cold_start", "fit_margins"]

ACTIVITY = 500_000
"""Numbers in the activity of the times that run together: it stays in the cache."""

OUTPUTS = 250_000
"""Outputs (times, rows, splits, draws, classes) of a part."""

MISSING = -1e9
"""Output of a class that training rows lack."""


class Coded(NamedTuple):
    """Targets and weights as the loss takes them.

    For one against the rest each pair of class and draw is a draw, classes outermost.
    """

    loss: str
    y: Tensor  # (1 or T, N, 1, D, O)
    weight: Tensor  # (1 or T, N, S, D), of all rows: one over the rows of its class
    offset: Tensor  # (1 or T, S, D, O), `MISSING` where a class is
    seen: Bool[Tensor, "one_or_times splits draws classes"]


def fit_margins(
    problem: Problem,
    splits: Splits,
    penalties: Float[Tensor, " penalties"],
    choice: Int[Tensor, "splits times draws"] | None,
    *,
    loss: str,
    balanced: bool = True,
) -> Fits:
    """Fit all probes; penalties are chosen inside training rows by held-out loss.

    Parameters
    ----------
    problem, splits : Problem, Splits
        What is decoded (classes, one-hot), and how rows are split.
    penalties : tensor of shape (n_penalties,)
        Relative to the number of training rows.
    choice : int tensor or None
        Penalties, where they were chosen before.
    loss : {"logistic", "hinge"}
        Logistic (softmax for several classes), or squared hinge.
    balanced : bool
        Whether classes count alike, else rows do.
    """
    chosen, settled, models = [], [], []
    for low, high, part in _times(problem, len(splits.train)):
        picked = None if choice is None else choice[:, low:high]
        found = _by_draws(part, splits, penalties, picked, loss, balanced)
        chosen.append(found.choice)
        settled.append(found.settled)
        models.append(found.models)
    lines = [
        Linear(
            torch.cat([p.weights for p in parts]),
            _cat_nuisance(parts, 0),
            torch.cat([p.bias for p in parts]),
        )
        for parts in zip(*models, strict=True)
    ]
    return Fits(lines, torch.cat(chosen, dim=1), torch.cat(settled, dim=1))


def _times(problem: Problem, n_splits: int) -> Iterator[tuple[int, int, Problem]]:
    n_times, n_rows, n_units = problem.x.shape
    outputs = n_rows * n_splits * problem.y.shape[2] * problem.y.shape[3]
    step = max(1, min(ACTIVITY // (n_rows * n_units), OUTPUTS // outputs))
    for low in range(0, n_times, step):
        high = min(low + step, n_times)
        design = problem.design
        part = problem._replace(
            x=problem.x[low:high],
            y=_cut(problem.y, low, high),
            design=None if design is None else _cut(design, low, high),
        )
        yield low, high, part


def _cut(values: Tensor, low: int, high: int) -> Tensor:
    return values if len(values) == 1 else values[low:high]


def _by_draws(
    problem: Problem,
    splits: Splits,
    penalties: Tensor,
    choice: Tensor | None,
    loss: str,
    balanced: bool,
) -> Fits:
    """Fit some times, as many draws at once as memory allows."""
    n_rows, n_draws, n_outputs = problem.y.shape[1:]
    n_sets = len(splits.train)
    step = max(1, OUTPUTS // (n_rows * n_sets * n_outputs * len(problem.x)))
    found = [
        _fit(
            problem._replace(y=problem.y[:, :, at : at + step]),
            splits,
            penalties,
            None if choice is None else choice[..., at : at + step],
            loss,
            balanced,
        )
        for at in range(0, n_draws, step)
    ]
    if len(found) == 1:
        return found[0]
    models = [
        Linear(
            torch.cat([m.weights for m in parts], dim=2),
            _cat_nuisance(parts, 2),
            torch.cat([m.bias for m in parts], dim=1),
        )
        for parts in zip(*(f.models for f in found), strict=True)
    ]
    chosen, settled = (
        torch.cat([getattr(f, name) for f in found], dim=2)
        for name in ("choice", "settled")
    )
    return Fits(models, chosen, settled)


def _cat_nuisance(parts: tuple[Linear, ...], dim: int) -> Tensor | None:
    found = [m.nuisance for m in parts if m.nuisance is not None]
    return torch.cat(found, dim=dim) if found else None


def _fit(
    problem: Problem,
    splits: Splits,
    penalties: Tensor,
    choice: Tensor | None,
    loss: str,
    balanced: bool,
) -> Fits:
    shape = (len(splits.train), len(problem.x), problem.y.shape[2])
    sets = inner_sets(splits) if choice is None and len(penalties) > 1 else []
    if choice is None:
        middle = torch.full(shape, len(penalties) // 2, device=problem.x.device)
        choice = (
            _choose(problem, splits, sets, penalties, loss, balanced)
            if sets
            else middle
        )
    coded = code_classes(problem, splits.train, loss, balanced)
    at = arrange_margins(problem, splits.train, coded)
    wanted = _as_problems(choice, coded)
    order = [int(k) for k in penalties.argsort(descending=True)]
    phi = best = torch.zeros(0)
    settled = torch.zeros_like(wanted, dtype=torch.bool)
    last = max(order.index(int(k)) for k in torch.unique(choice))
    f = None
    for rank, k in enumerate(order[: last + 1]):
        if f is None:
            phi, f = cold_start(at, coded)
            best = phi.clone()
        live = torch.zeros_like(settled)
        for later in order[rank:]:
            live |= wanted == later
        state, done = descend(
            at, LOSSES[coded.loss], float(penalties[k]), phi, f, live=live
        )
        phi, f = state.phi, state.f
        here = wanted == k
        best = torch.where(here[:, None, :, :, None], phi, best)
        settled = torch.where(here, done, settled)
    return Fits(_lines(at, coded, best), choice, _of_draws(settled, choice))


def _choose(
    problem: Problem,
    splits: Splits,
    sets: list[tuple[Tensor, list[tuple[int, Tensor]]]],
    penalties: Tensor,
    loss: str,
    balanced: bool,
) -> Tensor:
    """Choose the penalty with the least loss on held-out inner folds, classes alike."""
    masks = torch.stack([rows for rows, _ in sets])
    coded = code_classes(problem, masks, loss, balanced)
    at = arrange_margins(problem, masks, coded)
    phi, f = cold_start(at, coded)
    n_times, n_draws = len(problem.x), problem.y.shape[2]
    total = problem.x.new_zeros((len(splits.train), n_times, n_draws, len(penalties)))
    for k in penalties.argsort(descending=True):
        state, _ = descend(
            at, LOSSES[coded.loss], float(penalties[k]), phi, f, tolerance=1e-6
        )
        phi, f = state.phi, state.f
        value = coded.weight * LOSSES[coded.loss].slope(f, coded.y)[0]
        for place, (_, tests) in enumerate(sets):
            for split, held in tests:
                lost = value[:, held, place].sum(dim=1)
                total[split, ..., k] += lost.reshape(n_times, -1, n_draws).sum(dim=1)
    return total.argmin(dim=-1)


def arrange_margins(problem: Problem, masks: Tensor, coded: Coded) -> Margins:
    """Return what every step of the descent shares, one problem a training set."""
    standards = [spread_of(problem, rows) for rows in masks]
    weight = coded.weight * masks.T[None, :, :, None]
    return start(problem, coded.y, weight, standards)


def cold_start(at: Margins, coded: Coded) -> tuple[Tensor, Tensor]:
    """Return weights of zero and their outputs."""
    n_times, n_units, n_sets = at.mean.shape
    n_draws, n_outputs = coded.y.shape[3:]
    phi = at.full.new_zeros((n_times, n_units + 1, n_sets, n_draws, n_outputs))
    f = coded.offset[:, None].expand(n_times, at.full.shape[1], -1, -1, -1)
    return phi, f.clone()


def code_classes(problem: Problem, masks: Tensor, loss: str, balanced: bool) -> Coded:
    """Code classes for the loss; masks (S, N) say which rows count a class."""
    y = problem.y  # (1 or T, N, D, C)
    counts = torch.einsum("sn,tndc->tsdc", masks.to(y.dtype), y)
    seen = counts > 0
    n_classes = y.shape[-1]
    if n_classes == 2 or loss == "hinge":
        sign = 2.0 * (y[..., 1:] if n_classes == 2 else y) - 1.0
        n = counts.sum(dim=-1, keepdim=True)
        inside = counts[..., 1:] if n_classes == 2 else counts
        positive, negative = (0.5 / c.clamp(min=1.0) for c in (inside, n - inside))
        if not balanced:
            positive = negative = 1.0 / n
        both = ((inside > 0) & (inside < n)).to(y.dtype)
        is_one = (sign > 0)[:, :, None]
        weight = torch.where(is_one, positive[:, None], negative[:, None])
        weight = (weight * both[:, None]).movedim(4, 3).flatten(3)
        code = sign.movedim(3, 2).flatten(2)[:, :, None, :, None]
        offset = y.new_zeros((1, len(masks), code.shape[3], 1))
        name = "logistic" if loss == "logistic" else "hinge"
        return Coded(name, code, weight, offset, seen)
    alike = 1.0 / (counts.clamp(min=1.0) * seen.sum(dim=-1, keepdim=True).clamp(min=1))
    if not balanced:
        alike = 1.0 / counts.sum(dim=-1, keepdim=True).expand_as(counts)
    weight = torch.einsum("tndc,tsdc->tnsd", y, torch.where(seen, alike, 0.0))
    offset = torch.where(seen, 0.0, MISSING)
    return Coded("softmax", y[:, :, None], weight, offset, seen)


def _as_problems(choice: Tensor, coded: Coded) -> Tensor:
    """Bring (S, T, D) to the problems of the loss, (T, S, D)."""
    return choice.movedim(0, 1).repeat(1, 1, coded.y.shape[3] // choice.shape[2])


def _of_draws(settled: Tensor, choice: Tensor) -> Tensor:
    split = settled.reshape(*settled.shape[:2], -1, choice.shape[2])
    return split.all(dim=2).movedim(1, 0)


def _lines(at: Margins, coded: Coded, phi: Tensor) -> list[Linear]:
    """Return a linear probe a split, one output a class."""
    raw, bias = raw_weights(at, phi)  # (T, P + nuisances, S, D, O), (T, S, D, O)
    n_units, n_draws, n_classes = at.mean.shape[1], *coded.seen.shape[2:]
    if coded.loss != "softmax":
        raw, bias = (
            v.reshape(*v.shape[:-2], -1, n_draws).movedim(-2, -1) for v in (raw, bias)
        )
    if n_classes == 2:
        half = 0.5 if coded.loss == "logistic" else 1.0
        raw, bias = (torch.cat([-half * v, half * v], dim=-1) for v in (raw, bias))
    bias = torch.where(coded.seen, bias, -torch.inf)
    moved = None if at.coef is None else raw[:, n_units:]
    return [
        Linear(
            raw[:, :n_units, s],
            None if moved is None else moved[:, :, s],
            bias[:, s],
        )
        for s in range(raw.shape[2])
    ]
