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
    "centered_trace",
    "dual_basis",
    "predict_rest",
    "primal_basis",
    "train_scale",
]

FLAT = 1e-13
"""Share of a feature's variance below which it is constant in training."""
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
    """

    left: Float[Tensor, "train r"]
    right: Float[Tensor, "rest r"]
    values: Float[Tensor, " r"]


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


def dual_basis(gram: Float[Tensor, "n n"], train: Bool[Tensor, " n"]) -> Basis:
    """Return the basis of a Gram matrix, centered on the training rows."""
    inside, across = gram[train][:, train], gram[~train][:, train]
    mean = inside.mean(dim=0, keepdim=True)
    across = across - mean - across.mean(dim=1, keepdim=True) + mean.mean()
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
    return Basis(inside @ axes, ((x[~train] - mean) * scale) @ axes, values[keep])


def candidate_errors(
    basis: Basis,
    y_train: Float[Tensor, "train c"],
    y_rest: Float[Tensor, "rest c"],
    second: Bool[Tensor, " rest"],
    penalties: Float[Tensor, " a"],
) -> Float[Tensor, "2 a_plus c"]:
    """Squared errors of the rest for each penalty, then of the training mean.

    In two sets of rows; `second` marks those of the second.
    """
    mean = y_train.mean(dim=0)
    z = basis.left.mT @ (y_train - mean)
    order = torch.argsort(second.to(torch.int8), stable=True)
    right, target = basis.right[order], (y_rest - mean)[order]
    n, n_first = len(penalties), int((~second).sum())
    out = target.new_empty((2, n + 1, target.shape[1]))
    for i in range(n + 1):
        if i < n:
            shrunk = right / (basis.values + penalties[i])
            error = torch.addmm(target, shrunk, z, alpha=-1).square_()
        else:
            error = target.square_()
        out[0, i], out[1, i] = error[:n_first].sum(dim=0), error[n_first:].sum(dim=0)
    return out


def predict_rest(
    basis: Basis,
    y_train: Float[Tensor, "train c"],
    penalty: Float[Tensor, " c"],
) -> Float[Tensor, "rest c"]:
    """Predictions of the rest minus the training mean; one penalty a column."""
    z = basis.left.mT @ (y_train - y_train.mean(dim=0))
    return basis.right @ (z / (basis.values[:, None] + penalty))
