"""Encoders of dictionaries, on torch tensors: rows of activity in, features out.

One function a kind of encoder; all act on each row by itself, so the features of a row
do not depend on the rows beside it. Nothing is drawn at random.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "NORMALIZATIONS",
    "jump",
    "nonnegative_codes",
    "normalized",
    "step_size",
    "top_k",
]

NORMALIZATIONS = ("none", "layer_norm", "constant_norm")
"""What is done to a row before it is encoded, and undone after it is decoded."""

EPSILON = 1e-5
"""Added to the standard deviation of a row, as the released dictionaries do."""

STEPS = 200
"""Accelerated gradient steps for nonnegative codes."""


def normalized(
    x: Float[Tensor, "rows units"], how: str
) -> tuple[
    Float[Tensor, "rows units"], Float[Tensor, "rows 1"], Float[Tensor, "rows 1"]
]:
    """Return rows as the encoder wants them, with the shift and scale that undo it.

    Parameters
    ----------
    x : Tensor of shape (rows, units)
        Activity.
    how : {"none", "layer_norm", "constant_norm"}
        "layer_norm": each row less its mean, over its standard deviation;
        "constant_norm": each row brought to the norm sqrt(units).

    Returns
    -------
    rows, shift, scale : Tensor
        ``x = rows * scale + shift`` (to 1e-5 for "layer_norm").
    """
    if how == "layer_norm":
        shift = x.mean(dim=-1, keepdim=True)
        scale = (x - shift).std(dim=-1, keepdim=True)
        return (x - shift) / (scale + EPSILON), shift, scale
    zero = torch.zeros_like(x[:, :1])
    if how == "constant_norm":
        scale = x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        return x / scale, zero, scale
    return x, zero, zero + 1


def top_k(
    pre: Float[Tensor, "*rows features"], k: int
) -> Float[Tensor, "*rows features"]:
    """Keep the k largest values of each row, the rest 0; negative ones are 0 as well."""
    values, index = pre.topk(k, dim=-1, sorted=False)
    return torch.zeros_like(pre).scatter_(-1, index, values.clamp_min(0))


def jump(
    pre: Float[Tensor, "*rows features"], threshold: Float[Tensor, " features"]
) -> Float[Tensor, "*rows features"]:
    """Keep values above the threshold of their feature, the rest 0."""
    return torch.where(pre > threshold, pre.clamp_min(0), torch.zeros_like(pre))


def step_size(decoder: Float[Tensor, "features units"]) -> float:
    """Return one over the largest eigenvalue of the decoder's Gram matrix."""
    largest = float(torch.linalg.matrix_norm(decoder.double(), 2)) ** 2
    return 1.0 / max(largest, 1e-30)


def nonnegative_codes(
    x: Float[Tensor, "rows units"],
    decoder: Float[Tensor, "features units"],
    step: float,
    n_steps: int = STEPS,
) -> Float[Tensor, "rows features"]:
    """Return the f >= 0 that minimize ||x - f D||^2 for each row.

    Accelerated projected gradient (Beck & Teboulle 2009) from 0, with a restart of the
    momentum of a row whenever it points uphill, and a fixed number of steps.
    """
    gram, target = decoder @ decoder.T, x @ decoder.T
    codes = torch.zeros_like(target)
    ahead, pace = codes, torch.ones_like(x[:, :1])
    for _ in range(n_steps):
        new = (ahead - step * (ahead @ gram - target)).clamp_min(0)
        uphill = ((ahead - new) * (new - codes)).sum(dim=-1, keepdim=True) > 0
        pace = torch.where(uphill, torch.ones_like(pace), pace)
        faster = (1 + (1 + 4 * pace**2).sqrt()) / 2
        ahead = new + (pace - 1) / faster * (new - codes)
        codes, pace = new, faster
    return codes
