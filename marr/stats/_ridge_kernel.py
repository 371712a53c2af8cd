"""Ridge regression on batches of tensors: one factorization for all targets.

Shapes: ``b`` problems (sites, times), ``n`` trials, ``p`` units, ``t`` targets
(variables and their shuffles, as columns), ``a`` penalties, ``k`` folds. The loss is
``||y - x w - c||^2 + penalty ||w||^2`` with the intercept c unpenalized.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "dual_fold_predictions",
    "dual_fold_weights",
    "factor",
    "primal_fold_weights",
]

_FLAT = 1e-13  # share of a unit's variance below which it is constant in training


def factor(
    gram: Float[Tensor, "b m m"], penalties: Float[Tensor, " a"]
) -> Float[Tensor, "b a m m"]:
    """Lower Cholesky factors of ``gram + penalty I``.

    Raises torch.linalg.LinAlgError where the sum is singular (penalty 0).
    """
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.cholesky(gram[:, None] + penalties[:, None, None] * eye)


def primal_fold_weights(
    x: Float[Tensor, "b n p"],
    y: Float[Tensor, "b n t"],
    held_out: Bool[Tensor, "k n"],
    penalties: Float[Tensor, " a"],
    standardize: bool,
) -> Iterator[tuple[Float[Tensor, "b a p t"], Float[Tensor, "b a 1 t"]]]:
    """Weights and intercepts fitted without each row of `held_out`, units by units.

    The Gram matrix is formed once; each fold subtracts its held-out trials.
    """
    n = x.shape[1]
    x_mean, y_mean = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    x, y = x - x_mean, y - y_mean
    gram, cross = x.mT @ x, x.mT @ y
    total = gram.diagonal(dim1=1, dim2=2) / n
    for out in held_out:
        x_out, y_out = x[:, out], y[:, out]
        m = n - x_out.shape[1]
        x_shift = -x_out.sum(1, keepdim=True) / m  # mean of training, the total being 0
        y_shift = -y_out.sum(1, keepdim=True) / m
        g = gram - x_out.mT @ x_out - m * x_shift.mT @ x_shift
        c = cross - x_out.mT @ y_out - m * x_shift.mT @ y_shift
        scale = _scale(g.diagonal(dim1=1, dim2=2) / m, total, standardize)
        g = g * scale[:, :, None] * scale[:, None, :]
        c = c * scale[:, :, None]
        w = torch.cholesky_solve(c[:, None], factor(g, penalties))
        w = w * scale[:, None, :, None]
        yield w, (y_mean + y_shift)[:, None] - (x_mean + x_shift)[:, None] @ w


def dual_fold_weights(
    x: Float[Tensor, "b n p"],
    y: Float[Tensor, "b n t"],
    held_out: Bool[Tensor, "k n"],
    penalties: Float[Tensor, " a"],
    standardize: bool,
) -> Iterator[tuple[Float[Tensor, "b a p t"], Float[Tensor, "b a 1 t"]]]:
    """Weights and intercepts fitted without each row of `held_out`, trials by trials."""
    total = x.var(1, correction=0)
    for out in held_out:
        x_in, y_in = x[:, ~out], y[:, ~out]
        x_mean, y_mean = x_in.mean(1, keepdim=True), y_in.mean(1, keepdim=True)
        scale = _scale(x_in.var(1, correction=0), total, standardize)[:, None]
        x_in, y_in = (x_in - x_mean) * scale, y_in - y_mean
        roots = factor(x_in @ x_in.mT, penalties)
        w = x_in.mT[:, None] @ torch.cholesky_solve(y_in[:, None], roots)
        w = w * scale.mT[:, None]
        yield w, y_mean[:, None] - x_mean[:, None] @ w


def dual_fold_predictions(
    x: Float[Tensor, "b n p"],
    y: Float[Tensor, "b n t"],
    held_out: Bool[Tensor, "k n"],
    penalties: Float[Tensor, " a"],
    standardize: bool,
) -> Iterator[Float[Tensor, "b a m t"]]:
    """Predictions of each row of `held_out`, from inner products of trials alone."""
    total = x.var(1, correction=0)
    x = x - x.mean(1, keepdim=True)
    plain = x @ x.mT
    for out in held_out:
        spread = x[:, ~out].var(1, correction=0)
        scale = _scale(spread, total, standardize)
        same = bool((scale == 1).all())
        scaled = x * scale[:, None]
        gram = plain if same else scaled @ scaled.mT
        inside, across = gram[:, ~out][:, :, ~out], gram[:, out][:, :, ~out]
        mean = inside.mean(1, keepdim=True)
        across = (
            across - mean - across.mean(2, keepdim=True) + mean.mean(2, keepdim=True)
        )
        inside = inside - mean - mean.mT + mean.mean(2, keepdim=True)
        y_mean = y[:, ~out].mean(1, keepdim=True)
        right = (y[:, ~out] - y_mean)[:, None]
        dual = torch.cholesky_solve(right, factor(inside, penalties))
        yield across[:, None] @ dual + y_mean[:, None]


def _scale(
    variance: Float[Tensor, "b p"], total: Float[Tensor, "b p"], standardize: bool
) -> Float[Tensor, "b p"]:
    """Multiplier of each unit: 0 where it is constant in training."""
    flat = variance <= _FLAT * total
    one = torch.ones_like(variance)
    scale = torch.where(flat, one, variance).rsqrt() if standardize else one
    return torch.where(flat, torch.zeros_like(one), scale)
