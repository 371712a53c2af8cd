"""Ridge maps from features to many units: one factorization for all units and penalties.

Shapes: ``n`` rows, ``p`` features, ``c`` columns (units and their shuffles), ``a``
penalties, ``r`` components. A fit without some rows predicts these rows as
``right (values + penalty)^-1 left' (y - mean) + mean``, both where features are fewer than
rows (components of the covariance) and where they are more (of the Gram matrix).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "Basis",
    "candidate_errors",
    "centered_across",
    "centered_trace",
    "dual_basis",
    "predict_rest",
    "primal_basis",
    "train_scale",
]

FLAT = 1e-13
"""Share of a feature's variance below which it is constant in training."""
FEW = 20
"""Up to so many components, errors of all penalties are one matrix product."""
RANK = 1e-13
"""Components below this share of the largest are left out."""


class Basis(NamedTuple):
    """A training set in the axes of its features.

    Attributes
    ----------
    left : array of shape (n_train, r)
        Training rows.
    right : array of shape (n_rest, r)
        The other rows, in order.
    values : array of shape (r,)
        Sums of squares along the axes.
    axes : array of shape (n_features, r) or None
        The axes, where features are fewer than rows.
    """

    left: Float[Tensor, "train r"]
    right: Float[Tensor, "rest r"]
    values: Float[Tensor, " r"]
    axes: Float[Tensor, "p r"] | None = None


def train_scale(
    x: Float[Tensor, "n p"], train: Bool[Tensor, " n"], standardize: bool
) -> tuple[Float[Tensor, "1 p"], Float[Tensor, "1 p"]]:
    """Mean and multiplier of each feature, from training rows only.

    The multiplier is 0 where a feature is constant in training.
    """
    inside = x[train]
    mean = inside.mean(dim=0, keepdim=True)
    variance = (inside - mean).square().mean(dim=0, keepdim=True)
    overall = x.var(dim=0, correction=0, keepdim=True)
    size = x.square().mean(dim=0, keepdim=True)
    flat = (variance <= FLAT * overall) | (overall <= 1e-24 * size)
    one = torch.ones_like(variance)
    scale = torch.where(flat, one, variance).rsqrt() if standardize else one
    return mean, torch.where(flat, torch.zeros_like(one), scale)


def centered_trace(gram: Float[Tensor, "n n"], train: Bool[Tensor, " n"]) -> float:
    """Mean square of the training rows after centering, summed over features."""
    inside = gram[train][:, train]
    n = inside.shape[0]
    return float((inside.diagonal().sum() - inside.sum() / n) / n)


def centered_across(
    gram: Float[Tensor, "n n"], train: Bool[Tensor, " n"]
) -> Float[Tensor, "rest train"]:
    """Products of the other rows with training rows, centered on the latter."""
    mean = gram[train][:, train].mean(dim=0, keepdim=True)
    across = gram[~train][:, train]
    return across - mean - across.mean(dim=1, keepdim=True) + mean.mean()


def dual_basis(gram: Float[Tensor, "n n"], train: Bool[Tensor, " n"]) -> Basis:
    """Return the basis of a Gram matrix, centered on the training rows."""
    inside, across = gram[train][:, train], centered_across(gram, train)
    mean = inside.mean(dim=0, keepdim=True)
    inside = inside - mean - mean.mT + mean.mean()
    values, vectors = torch.linalg.eigh(inside)
    keep = values > RANK * values[-1].clamp(min=1e-300)
    left = vectors[:, keep]
    return Basis(left, across @ left, values[keep])


def primal_basis(
    x: Float[Tensor, "n p"],
    train: Bool[Tensor, " n"],
    scale: Float[Tensor, "1 p"],
) -> Basis:
    """Return the basis of features; `scale` multiplies them after centering."""
    inside = x[train]
    mean = inside.mean(dim=0, keepdim=True)
    inside = (inside - mean) * scale
    values, vectors = torch.linalg.eigh(inside.mT @ inside)
    keep = values > RANK * values[-1].clamp(min=1e-300)
    axes = vectors[:, keep]
    right = ((x[~train] - mean) * scale) @ axes
    return Basis(inside @ axes, right, values[keep], axes)


def candidate_errors(
    basis: Basis,
    y: Float[Tensor, "n c"],
    train: Bool[Tensor, " n"],
    second: Bool[Tensor, " rest"],
    penalties: Float[Tensor, " a"],
) -> Float[Tensor, "2 a_plus c"]:
    """Squared errors of the rest for each penalty, then of the training mean.

    In two sets of rows; `second` marks those of the second. Where components are few,
    errors follow from products of components and targets.
    """
    z = basis.left.mT @ y[train]  # components are centered
    target = y[~train] - y[train].mean(dim=0)
    shrink = 1.0 / (basis.values + penalties[:, None])
    n_components = len(basis.values)
    products = _products(z) if n_components <= FEW else None
    out = target.new_empty((2, len(penalties) + 1, target.shape[1]))
    for i, rows in enumerate((~second, second)):
        left, right = target[rows], basis.right[rows]
        out[i, -1] = _squares(left)
        if products is not None:
            out[i, :-1] = _expanded(products, shrink, z * (right.mT @ left), right)
            out[i, :-1] += out[i, -1]
        elif 2 * n_components < len(left):
            gram, cross = right.mT @ right, right.mT @ left
            for j, weight in enumerate(shrink):
                w = z * weight[:, None]
                out[i, j] = (w * (gram @ w - 2.0 * cross)).sum(dim=0) + out[i, -1]
        else:
            for j, weight in enumerate(shrink):
                error = torch.addmm(left, right * weight, z, alpha=-1)
                out[i, j] = _squares(error)
    return out.clamp_(min=0.0)


def _products(z: Float[Tensor, "r c"]) -> Float[Tensor, "q c"]:
    """Products of all pairs of components."""
    i, j = torch.triu_indices(len(z), len(z), device=z.device)
    return z[i] * z[j]


def _expanded(
    products: Float[Tensor, "q c"],
    shrink: Float[Tensor, "a r"],
    linear: Float[Tensor, "r c"],
    right: Float[Tensor, "m r"],
) -> Float[Tensor, "a c"]:
    """Return what predictions add to the squared error, all penalties in one product."""
    i, j = torch.triu_indices(len(linear), len(linear), device=right.device)
    gram = right.mT @ right
    twice = torch.where(i == j, 1.0, 2.0) * gram[i, j]
    return (shrink[:, i] * shrink[:, j] * twice) @ products - 2.0 * shrink @ linear


def _squares(values: Float[Tensor, "n c"]) -> Float[Tensor, " c"]:
    return torch.linalg.vector_norm(values, dim=0).square()


def predict_rest(
    basis: Basis,
    y_train: Float[Tensor, "train c"],
    penalty: Float[Tensor, " c"],
) -> Float[Tensor, "rest c"]:
    """Predictions of the rest minus the training mean; one penalty a column."""
    z = basis.left.mT @ y_train  # components are centered
    return basis.right @ (z / (basis.values[:, None] + penalty))
