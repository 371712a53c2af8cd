"""Scores of held-out predictions, as sums over rows that a bootstrap can reweight."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "Parts",
    "column_scores",
    "pearson_of",
    "product_measure",
    "r2_of",
    "score_parts",
    "summed",
]

CONSTANT = 1e-20
"""Share of its mean square below which a column is constant."""


class Parts(NamedTuple):
    """Sums that scores are made of, one row a resampled unit.

    Attributes
    ----------
    error, total : tensor of shape (n_units, n_columns)
        Squared errors, and squared deviations from the training mean.
    product, seen, said : tensor of shape (n_units, n_columns)
        Products and squares of truth and prediction, both centered within folds.
    """

    error: Float[Tensor, "m c"]
    total: Float[Tensor, "m c"]
    product: Float[Tensor, "m c"]
    seen: Float[Tensor, "m c"]
    said: Float[Tensor, "m c"]


def score_parts(
    y: Float[Tensor, "n c"],
    deviation: Float[Tensor, "n c"],
    base: Float[Tensor, "k c"],
    folds: Int[Tensor, " n"],
) -> Parts:
    """Return the parts of each row; constant columns have a total of 0."""
    left = y - base[folds]
    flat = left.square().sum(dim=0) <= CONSTANT * y.square().sum(dim=0)
    left = torch.where(flat, torch.zeros_like(left), left)
    seen, said = _within(left, folds), _within(deviation, folds)
    return Parts(
        (left - deviation).square(),
        left.square(),
        seen * said,
        seen.square(),
        said.square(),
    )


def _within(values: Tensor, folds: Tensor) -> Tensor:
    """Return values minus the mean of their fold."""
    k = int(folds.max()) + 1
    sums = values.new_zeros((k, values.shape[1])).index_add_(0, folds, values)
    counts = torch.bincount(folds, minlength=k).to(values.dtype)
    return values - (sums / counts[:, None])[folds]


def column_scores(
    y: Float[Tensor, "n c"],
    deviation: Float[Tensor, "n c"],
    base: Float[Tensor, "k c"],
    folds: Int[Tensor, " n"],
    pearson: bool,
) -> Float[Tensor, " c"]:
    """Return the score of each column alone, without parts."""
    left = y - base[folds]
    total = left.square().sum(dim=0)
    flat = total <= CONSTANT * y.square().sum(dim=0)
    if not pearson:
        error = (left - deviation).square().sum(dim=0)
        return torch.where(flat, torch.nan, 1.0 - error / total)
    seen, said = _within(left, folds), _within(deviation, folds)
    size = seen.square().sum(dim=0) * said.square().sum(dim=0)
    product = (seen * said).sum(dim=0)
    r = torch.where(size > 0, product / size.sqrt(), torch.zeros_like(product))
    return torch.where(flat, torch.nan, r)


def product_measure(
    y: Float[Tensor, "n c"],
    deviation: Float[Tensor, "n c"],
    band: Float[Tensor, "n c"],
    base: Float[Tensor, "k c"],
    folds: Int[Tensor, " n"],
) -> Float[Tensor, " c"]:
    """Share of R² of one band's part of the predictions; bands sum to R².

    ``sum(band (2 y - prediction)) / sum(y²)``, about the training mean.
    """
    left = y - base[folds]
    total = left.square().sum(dim=0)
    flat = total <= CONSTANT * y.square().sum(dim=0)
    share = (band * (2.0 * left - deviation)).sum(dim=0) / total
    return torch.where(flat, torch.nan, share)


def summed(parts: Parts, units: Int[Tensor, " n"]) -> Parts:
    """Sum the parts over the rows of each unit."""
    m = int(units.max()) + 1
    return Parts(*(v.new_zeros((m, v.shape[1])).index_add_(0, units, v) for v in parts))


def r2_of(
    parts: Parts, weights: Float[Tensor, "b m"] | None = None
) -> Float[Tensor, "b c"]:
    """Share of the deviation from the training mean that predictions explain."""
    error, total = _weighted(parts.error, weights), _weighted(parts.total, weights)
    return torch.where(total > 0, 1.0 - error / total, torch.nan)


def pearson_of(
    parts: Parts, weights: Float[Tensor, "b m"] | None = None
) -> Float[Tensor, "b c"]:
    """Correlation of truth and prediction within folds; 0 where predictions are constant."""
    product = _weighted(parts.product, weights)
    seen, said = _weighted(parts.seen, weights), _weighted(parts.said, weights)
    size = (seen * said).sqrt()
    r = torch.where(said > 0, product / size, torch.zeros_like(product))
    return torch.where(seen > 0, r, torch.nan)


def _weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    return values.sum(dim=0, keepdim=True) if weights is None else weights @ values
