"""How a kind of target is scored.

A score is a ratio of sums over rows within strata, so that a bootstrap over trials is
one product of weights and row parts, with folds and probes as they are:

* categorical: hits over rows, by class; the mean over classes is balanced accuracy;
* ordinal: products of the ranks of prediction and category, ranked within the held-out
  rows of a fold; their correlation is Spearman's;
* continuous: squared error over squared deviation from the training mean; 1 minus it;
* circular: summed cosine of the angular error over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["KINDS", "Kind", "midranks"]


def class_parts(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Hits and rows by true class."""
    best = predicted.argmax(dim=-1, keepdim=True)
    truth = truth.expand(best.shape[0], *truth.shape[1:])
    return truth.gather(-1, best) * truth, truth


def rank_parts(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Products of centered ranks (both, of predictions, of the truth), and one a row."""
    r, t = (midranks(v[..., 0]) for v in (predicted, truth))
    both = r * t
    part = torch.stack([both, (r * r).expand_as(both), (t * t).expand_as(both)], dim=-1)
    return part, torch.ones_like(part[..., :1])


def midranks(values: Tensor) -> Tensor:
    """Rank along rows, (times, rows, draws); ties share; centered, from -1/2 to 1/2."""
    lines = values.movedim(1, 2).contiguous()
    ordered = lines.sort(dim=-1).values
    below = torch.searchsorted(ordered, lines)
    up_to = torch.searchsorted(ordered, lines, right=True)
    n = values.shape[1]
    return ((below + up_to).to(values.dtype) / (2 * n) - 0.5).movedim(2, 1)


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


def rank_correlation(part: Tensor, whole: Tensor) -> Tensor:  # noqa: ARG001
    """Correlation of ranks; 0 where the predictions are all alike."""
    length = (part[..., 1] * part[..., 2]).sqrt()
    return part[..., 0] / length.clamp(min=1e-300)


def explained(part: Tensor, whole: Tensor) -> Tensor:
    """1 minus squared error over squared deviation from the training mean."""
    return 1.0 - part[..., 0] / whole[..., 0].clamp(min=1e-300)


def mean_cosine(part: Tensor, whole: Tensor) -> Tensor:
    """Mean cosine of the angular error."""
    return part[..., 0] / whole[..., 0].clamp(min=1e-300)


class Kind(NamedTuple):
    """How a kind of target is scored.

    `parts` takes predictions and truth of shape (times, rows, draws, outputs) and
    returns the part and the whole of each row and stratum; `combine` their sums.
    `centered` kinds are predicted and scored as deviations from the training mean.
    """

    parts: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    combine: Callable[[Tensor, Tensor], Tensor]
    centered: bool
    classes: bool = False


KINDS = {
    "categorical": Kind(class_parts, mean_recall, centered=False, classes=True),
    "ordinal": Kind(rank_parts, rank_correlation, centered=True),
    "continuous": Kind(error_parts, explained, centered=True),
    "circular": Kind(angle_parts, mean_cosine, centered=False),
}
"""Kinds of target: categorical (one-hot), ordinal, continuous, circular (cosine, sine)."""
