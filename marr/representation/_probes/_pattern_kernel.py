"""Weights and patterns of a probe, one a unit.

A weight says how a unit is used by the probe, given all others; a unit that carries
nothing gets a weight if it cancels the noise of one that does. The pattern (Haufe et al.
2014) says how a unit varies with what the probe reads out::

    pattern = cov(x) w / var(output)

Here it is standardized: the correlation of a unit with the output of the probe, or, for
several outputs, the multiple correlation with all of them. It needs the outputs only, so
a probe that is not linear has one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from marr.representation._probes._linear_kernel import Linear
from marr.representation._probes._moments_kernel import (
    Problem,
    Splits,
    Standard,
    make_sources,
    spread_of,
    standardized,
    train_set,
)
from marr.representation._probes._probe_kernel import Method

__all__ = ["UnitPatterns", "unit_patterns"]


class UnitPatterns(NamedTuple):
    """One number a unit; signed for a single output or two classes, else a length."""

    weight: Tensor  # (sets, draws, units), per standard deviation of the unit
    pattern: Tensor  # (sets, draws, units), correlation with the output


def unit_patterns(
    problem: Problem,
    sets: Splits,
    method: Method,
    penalties: Float[Tensor, " penalties"],
    choice: Int[Tensor, " draws"],
    *,
    classes: bool,
) -> UnitPatterns:
    """Fit the probes of time 0 on sets of rows; return weights and patterns.

    Parameters
    ----------
    problem : Problem
        Activity, targets of each draw, nuisances.
    sets : Splits
        Rows that are fitted and described together: `sets.train`.
    method : Method
        The probe.
    penalties, choice : tensors of shape (n_penalties,) and (n_draws,)
        The penalty of each draw, the same for all sets.
    classes : bool
        Whether the outputs are classes, which only differ up to a constant.
    """
    one = problem._replace(x=problem.x[:1], y=problem.y[:1])
    masks = sets.train
    chosen = choice.expand(len(masks), 1, -1)
    fits = method.fit(one, sets, penalties, chosen, classes=classes)
    n_outputs = problem.y.shape[-1]
    signed = n_outputs == 1 or (classes and n_outputs == 2)
    view = _sums if isinstance(fits.models[0], Linear) else _rows
    weights, patterns = [], []
    for weight, covariance, spread in view(one, masks, fits.models, classes=classes):
        inverse = torch.linalg.pinv(spread, rtol=1e-8, hermitian=True)
        pattern = (
            ((covariance @ inverse) * covariance).sum(dim=2).clamp(0.0, 1.0).sqrt()
        )
        sign = covariance[..., -1].sign()
        weights.append(weight[..., -1] if signed else weight.norm(dim=2))
        patterns.append(pattern * sign if signed else pattern)
    return UnitPatterns(torch.stack(weights), torch.stack(patterns))


View = Iterator[tuple[Tensor, Tensor, Tensor]]
"""Weights (draws, units, outputs), covariances of units with outputs (the same shape),
and of outputs (draws, outputs, outputs), of each set of rows."""


def _sums(
    problem: Problem,
    masks: Bool[Tensor, "sets rows"],
    models: list[Linear],
    *,
    classes: bool,
) -> View:
    """Describe linear probes from the scatter of the units alone."""
    sources = make_sources(problem._replace(y=problem.y[:, :, :1]), masks)
    for rows, model in zip(masks, models, strict=True):
        train = train_set(sources, rows)
        inner = _inner(model.weights[0], train.standard, classes)
        if train.gram is not None:
            covariance = train.gram[0] @ inner / train.n_rows
            yield inner, covariance, inner.mT @ covariance
        elif train.z is not None:
            output = train.z[0] @ inner
            covariance = train.z[0].mT @ output / train.n_rows
            yield inner, covariance, output.mT @ output / train.n_rows


def _rows(
    problem: Problem,
    masks: Bool[Tensor, "sets rows"],
    models: list[Any],
    *,
    classes: bool,
) -> View:
    """Describe any probes from the outputs that they give the rows."""
    for rows, model in zip(masks, models, strict=True):
        standard = spread_of(problem, rows)
        z = standardized(problem, rows, standard)[0]
        design = None if problem.design is None else problem.design[:, rows]
        output = model.signal(problem.x[:, rows], design)[0].movedim(1, 0)
        output = output - output.mean(dim=1, keepdim=True)
        if classes:
            output = output - output.mean(dim=2, keepdim=True)
        change = model.sensitivity(problem.x[:, rows], design, classes=classes)[0]
        weight = _inner(change, standard, classes=False)
        covariance = z.mT @ output / len(z)
        yield weight, covariance, output.mT @ output / len(z)


def _inner(weights: Tensor, standard: Standard, classes: bool) -> Tensor:
    """Return weights a standard deviation, (draws, units, outputs)."""
    unscale = standard.unscale[0, 0, :, None, None]
    inner = torch.where(unscale > 0, weights / unscale.clamp(min=1e-300), 0.0)
    if classes:  # outputs of classes matter up to a constant
        inner = inner - inner.mean(dim=-1, keepdim=True)
    return inner.movedim(1, 0)
