"""Weights and patterns of a probe, one a unit.

A weight says how a unit is used by the probe, given all others; a unit that carries
nothing gets a weight if it cancels the noise of one that does. The pattern (Haufe et al.
2014) says how a unit varies with what the probe reads out::

    pattern = cov(x) w / var(output)

Here it is standardized: the correlation of a unit with the output of the probe, or, for
several outputs, the multiple correlation with all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from marr.representation._probes._probe_kernel import Problem, project
from marr.representation._probes._score_kernel import (
    discriminant_weights,
    fit_probe,
    regression_weights,
)

__all__ = ["UnitPatterns", "unit_patterns"]


class UnitPatterns(NamedTuple):
    """One number a unit; signed for a single output or two classes, else a length."""

    weight: Tensor  # (units,), per standard deviation of the unit
    pattern: Tensor  # (units,), correlation with the output


def unit_patterns(
    problem: Problem, rows: Bool[Tensor, " rows"], penalty: float, *, classes: bool
) -> UnitPatterns:
    """Fit the probe of draw 0 and time 0 on some rows; return weights and patterns."""
    one = problem._replace(x=problem.x[:1], y=problem.y[:1, :, :1])
    relative = one.x.new_full((1, 1), penalty)
    probe = fit_probe(one, rows, relative)
    if classes:
        inner = discriminant_weights(probe)[0][0, 0]
        inner = inner - inner.mean(dim=1, keepdim=True)
    else:
        inner = regression_weights(probe)[0, :, 0]
    design = None if one.design is None else one.design[:, rows]
    s = project(probe.basis, one.x[:, rows], design)[0]
    weight: Float[Tensor, "units outputs"] = probe.basis.axes[0] @ inner
    output = s @ inner
    covariance = probe.basis.axes[0] @ (s.mT @ output) / len(s)
    spread = torch.linalg.pinv(output.mT @ output / len(s), rtol=1e-8, hermitian=True)
    squared = ((covariance @ spread) * covariance).sum(dim=1).clamp(0.0, 1.0)
    pattern, length = squared.sqrt(), weight.norm(dim=1)
    if weight.shape[1] == 1 or (classes and weight.shape[1] == 2):
        pattern = pattern * covariance[:, -1].sign()
        length = weight[:, -1]
    return UnitPatterns(length, pattern)
