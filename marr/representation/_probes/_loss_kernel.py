"""Losses of linear probes: value, slope and curvature of each row.

Shapes: times T, rows N, splits S, draws D, outputs O coupled by the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["LOSSES", "Loss"]


class Loss(NamedTuple):
    """A loss of each row, its slope in the outputs, and its curvature (diagonal).

    All take outputs (T, N, S, D, O) and targets (1 or T, N, 1, D, O). The curvature is
    asked for at a point, or smoothed for problems that are near to it.
    """

    slope: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    curvature: Callable[[Tensor, Tensor, bool], Tensor]


def _logistic(f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    right = torch.sigmoid(y * f)
    slope = (right - 1.0).mul_(y)
    return right.clamp_(min=1e-300).log_().neg_()[..., 0], slope


def _logistic_curvature(f: Tensor, _y: Tensor, _exact: bool) -> Tensor:
    p = torch.sigmoid(f)
    return p * (1.0 - p)


def _hinge(f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    short = (1.0 - y * f).clamp(min=0.0)
    return short.square()[..., 0], -2.0 * y * short


def _hinge_curvature(f: Tensor, y: Tensor, exact: bool) -> Tensor:
    if exact:
        return 2.0 * (y * f < 1.0).to(f.dtype)
    return ((1.2 - y * f) * 10.0).clamp(0.0, 2.0)  # rows near the kink may come back


def _softmax(f: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    total = f.logsumexp(dim=-1, keepdim=True)
    p = (f - total).exp()
    return total[..., 0] - (y * f).sum(dim=-1), p - y


def _softmax_curvature(f: Tensor, _y: Tensor, _exact: bool) -> Tensor:
    p = f.softmax(dim=-1)
    return p * (1.0 - p)


LOSSES = {
    "logistic": Loss(_logistic, _logistic_curvature),
    "softmax": Loss(_softmax, _softmax_curvature),
    "hinge": Loss(_hinge, _hinge_curvature),
}
"""Logistic loss of two classes (targets -1 and 1), of several (one-hot), squared hinge."""
