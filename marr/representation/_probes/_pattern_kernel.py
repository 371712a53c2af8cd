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

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from marr.representation._probes._moments_kernel import (
    Problem,
    Splits,
    spread_of,
    standardized,
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
    weights, patterns = [], []
    for rows, model in zip(masks, fits.models, strict=True):
        standard = spread_of(one, rows)
        z = standardized(one, rows, standard)[0]
        design = None if one.design is None else one.design[:, rows]
        output = model.signal(one.x[:, rows], design)[0].movedim(1, 0)
        scale = torch.where(standard.unscale > 0, 1.0 / standard.unscale, 0.0)
        weight = model.sensitivity(one.x[:, rows], design, classes=classes)[0]
        weight = (weight * scale[0, 0, :, None, None]).movedim(1, 0)
        if classes:
            output = output - output.mean(dim=2, keepdim=True)
        pattern, sign = _pattern(z, output)
        weights.append(weight[..., -1] if signed else weight.norm(dim=2))
        patterns.append(pattern * sign if signed else pattern)
    return UnitPatterns(torch.stack(weights), torch.stack(patterns))


def _pattern(
    z: Float[Tensor, "rows units"], output: Float[Tensor, "draws rows outputs"]
) -> tuple[Float[Tensor, "draws units"], Float[Tensor, "draws units"]]:
    """Multiple correlation of units with outputs, and the sign of that with the last."""
    output = output - output.mean(dim=1, keepdim=True)
    covariance = z.mT @ output / len(z)
    spread = torch.linalg.pinv(output.mT @ output / len(z), rtol=1e-8, hermitian=True)
    squared = ((covariance @ spread) * covariance).sum(dim=2).clamp(0.0, 1.0)
    return squared.sqrt(), covariance[..., -1].sign()
