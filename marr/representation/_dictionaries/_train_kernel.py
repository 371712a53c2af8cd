"""Training of sparse autoencoders: several at once, on torch tensors.

With e = x - (f D + c) the loss of a batch is the mean of ||e||^2 over rows, where each
row of D has length 1 and f is one of

- "topk": the k largest of (x - c) W + b, rectified (Makhzani & Frey 2014; Gao et al.
  2024). Features that have not fired for a while learn to predict e as well (their
  auxiliary loss), so that they come alive.
- "jumprelu": (x - c) W + b where it exceeds a threshold a feature. Training starts as
  "topk", so that features find their directions in competition; then the thresholds start
  where k features are active on average, and learn from kernel estimates of the gradient
  of the jump (straight-through estimators), under the penalty (L0 / k - 1)^2 on the mean
  number of active features (Rajamanoharan et al. 2024).

Dictionaries share no parameter: each has its own rows, random numbers and parameters, and
they are stacked only so that one matrix product serves all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

__all__ = ["Recipe", "Trained", "train"]

AUXILIARY = 1 / 32
"""Weight of the auxiliary loss of features that do not fire."""

WARM, COOL = 0.05, 0.3
"""Shares of the steps in which the learning rate rises, and falls to 0."""

BANDWIDTH = 0.1
"""Width of the kernel of the straight-through estimators; units have variance 1."""

FOUND = 0.7
"""Share of the steps after which thresholds take over from the k largest."""

LOWEST = 0.01
"""Lowest threshold at the start."""

SPARSITY = 1.0
"""Weight of the penalty on L0, relative to the variance of the activity."""

IDLE = 30
"""Steps without firing after which a feature counts as dead."""


@dataclass(frozen=True)
class Recipe:
    """How dictionaries are trained.

    Attributes
    ----------
    method : str
        "topk" or "jumprelu".
    n_features, k : int
        Number of features, and of active features a row (its target, for "jumprelu").
    n_steps, batch_size : int
        Steps, and rows a step.
    learning_rate : float
        Of Adam.
    """

    method: str
    n_features: int
    k: int
    n_steps: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Trained:
    """Parameters of stacked dictionaries; the first axis runs over them.

    They are for rows less `mean`, over `scale`.
    """

    encoder: Float[Tensor, "s units features"]
    encoder_bias: Float[Tensor, "s features"]
    decoder: Float[Tensor, "s features units"]
    decoder_bias: Float[Tensor, "s units"]
    threshold: Float[Tensor, "s features"]
    mean: Float[Tensor, "s units"]
    scale: Float[Tensor, " s"]


class _Jump(torch.autograd.Function):
    """Values above a threshold; and, for the threshold, a kernel estimate of its slope."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Any:
        ctx.save_for_backward(pre, threshold)
        return torch.where(pre > threshold, pre, torch.zeros_like(pre))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        pre, threshold = ctx.saved_tensors
        near = ((pre - threshold).abs() < BANDWIDTH / 2).to(pre.dtype)
        slope = -(near * grads[0]).sum(dim=1, keepdim=True) * threshold / BANDWIDTH
        return grads[0] * (pre > threshold), slope


class _Active(torch.autograd.Function):
    """Whether values exceed a threshold, with the same kind of slope."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor) -> Any:
        ctx.save_for_backward(pre, threshold)
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        pre, threshold = ctx.saved_tensors
        near = ((pre - threshold).abs() < BANDWIDTH / 2).to(pre.dtype)
        return None, -(near * grads[0]).sum(dim=1, keepdim=True) / BANDWIDTH


class _Batches:
    """Rows of each dictionary in its own random order, epoch after epoch."""

    def __init__(
        self, rows: list[Tensor], generators: list[torch.Generator], size: int
    ) -> None:
        self.rows, self.generators, self.size = rows, generators, size
        self.queues = [torch.empty(0, dtype=torch.long) for _ in rows]

    def next(self) -> Int[Tensor, "s batch"]:
        """Return the rows of the next step."""
        return torch.stack([self._of(s) for s in range(len(self.rows))])

    def _of(self, s: int) -> Tensor:
        while len(self.queues[s]) < self.size:
            order = torch.randperm(len(self.rows[s]), generator=self.generators[s])
            self.queues[s] = torch.cat([self.queues[s], self.rows[s][order]])
        taken, self.queues[s] = (
            self.queues[s][: self.size],
            self.queues[s][self.size :],
        )
        return taken


def train(
    x: Float[Tensor, "rows units"],
    rows: list[Tensor],
    recipe: Recipe,
    seeds: list[int],
) -> Trained:
    """Train dictionaries, one a seed.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_units)
        Activity. Each dictionary centers its own rows and brings them to mean square 1.
    rows : list of int Tensor
        Rows on which each dictionary is trained.
    recipe : Recipe
        Sizes, steps, learning rate.
    seeds : list of int
        Seed of each: where it starts, and the order of its rows.

    Returns
    -------
    Trained
        Decoder rows have length 1.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    moments = [_moments(x, part.to(x.device)) for part in rows]
    mean = torch.stack([m for m, _ in moments])[:, None]
    scale = torch.stack([s for _, s in moments])[:, None, None]
    fit = _Fit(x, recipe, generators)
    batches = _Batches(rows, generators, recipe.batch_size)
    for step in range(recipe.n_steps):
        fit.step((x[batches.next().to(x.device)] - mean) / scale, step)
    return fit.result(mean[:, 0], scale[:, 0, 0])


def _moments(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and root mean square about it of some rows, in double precision."""
    used = x[rows].double()
    mean = used.mean(dim=0)
    return mean.to(x), (used - mean).pow(2).mean().sqrt().to(x)


class _Fit:
    """Parameters of stacked dictionaries and their optimizer."""

    def __init__(
        self, x: Tensor, recipe: Recipe, generators: list[torch.Generator]
    ) -> None:
        self.recipe, self.generators = recipe, generators
        n_units, shape = x.shape[1], (recipe.n_features, x.shape[1])
        drawn = torch.stack([torch.randn(shape, generator=g) for g in generators])
        decoder = drawn.to(x)
        decoder /= decoder.norm(dim=2, keepdim=True)
        s = len(generators)
        self.decoder = decoder.requires_grad_()
        self.encoder = decoder.detach().mT.clone().requires_grad_()
        self.bias = x.new_zeros(s, 1, recipe.n_features).requires_grad_()
        self.center = x.new_zeros(s, 1, n_units).requires_grad_()
        start = x.new_zeros(s, 1, recipe.n_features)
        self.log_threshold = start.requires_grad_()
        self.jumps = False
        self.offset = torch.arange(s, device=x.device)[:, None, None]
        self.idle = torch.zeros(s, recipe.n_features, dtype=torch.long).to(x.device)
        self.parameters = [self.decoder, self.encoder, self.bias, self.center]
        if recipe.method == "jumprelu":
            self.parameters.append(self.log_threshold)
        self.adam = torch.optim.Adam(
            self.parameters, lr=recipe.learning_rate, betas=(0.9, 0.999), fused=True
        )

    def step(self, x: Float[Tensor, "s batch units"], step: int) -> None:
        """Take one step of all dictionaries."""
        share = step / self.recipe.n_steps
        pace = min(1.0, (share + 1e-3) / WARM, (1 - share) / COOL)
        for group in self.adam.param_groups:
            group["lr"] = self.recipe.learning_rate * pace
        self.adam.zero_grad()
        if self.recipe.method == "jumprelu" and share >= FOUND and not self.jumps:
            self._start_thresholds(x)
        with torch.enable_grad():
            loss = self._jump(x) if self.jumps else self._topk(x)
        loss.backward()  # type: ignore[no-untyped-call]
        grad = self.decoder.grad
        assert grad is not None
        with torch.no_grad():
            grad -= (grad * self.decoder).sum(dim=2, keepdim=True) * self.decoder
            self.adam.step()
            self.decoder /= self.decoder.norm(dim=2, keepdim=True)

    def _pre(self, x: Tensor) -> Tensor:
        return (x - self.center) @ self.encoder + self.bias

    def _read_back(self, values: Tensor, index: Tensor) -> Tensor:
        """Return the sum of the decoder rows of some features of each row."""
        s, batch, k = values.shape
        flat = (index + self.offset * self.recipe.n_features).reshape(-1, k)
        weights = self.decoder.reshape(-1, self.decoder.shape[2])
        out = embedding_bag(
            flat, weights, mode="sum", per_sample_weights=values.reshape(-1, k)
        )
        return out.reshape(s, batch, -1)

    def _topk(self, x: Tensor) -> Tensor:
        pre = self._pre(x)
        values, index = pre.topk(self.recipe.k, dim=2, sorted=False)
        values = values.clamp_min(0)
        error = x - self.center - self._read_back(values, index)
        loss = error.pow(2).sum(dim=2).mean(dim=1).sum()
        with torch.no_grad():
            fired = torch.zeros_like(self.idle, dtype=pre.dtype)
            fired.scatter_add_(1, index.flatten(1), (values > 0).to(pre).flatten(1))
            dead = self._count_idle(fired > 0)
        if dead.any():
            loss = loss + AUXILIARY * self._auxiliary(pre, dead, error.detach())
        return loss

    def _auxiliary(self, pre: Tensor, dead: Tensor, error: Tensor) -> Tensor:
        """Return the squared error of dead features that predict the error."""
        k = min(max(error.shape[2] // 2, 1), int(dead.sum(dim=1).max()))
        masked = pre.masked_fill(~dead[:, None], -torch.inf)
        values, index = masked.topk(k, dim=2, sorted=False)
        values = torch.where(values.isfinite(), values, torch.zeros_like(values))
        missed = error - self._read_back(values, index)
        has = dead.any(dim=1).to(pre)
        return (missed.pow(2).sum(dim=2).mean(dim=1) * has).sum()

    @torch.no_grad()
    def _start_thresholds(self, x: Tensor) -> None:
        """Put the thresholds of a dictionary where k features are active on average."""
        pre = self._pre(x).flatten(1)
        active = self.recipe.k * x.shape[1]
        lowest = pre.topk(active, dim=1).values[:, -1, None, None].clamp_min(LOWEST)
        self.log_threshold.copy_(lowest.log().expand_as(self.log_threshold))
        self.jumps = True

    def _jump(self, x: Tensor) -> Tensor:
        pre = self._pre(x)
        threshold = self.log_threshold.exp()
        features: Tensor = _Jump.apply(pre.clamp_min(0), threshold)  # type: ignore[no-untyped-call]
        active: Tensor = _Active.apply(pre, threshold)  # type: ignore[no-untyped-call]
        error = x - self.center - features @ self.decoder
        loss = error.pow(2).sum(dim=2).mean(dim=1).sum()
        l0 = active.sum(dim=2).mean(dim=1)
        penalty = (l0 / self.recipe.k - 1).pow(2).sum() * x.shape[2] * SPARSITY
        return loss + penalty

    def _count_idle(self, fired: Tensor) -> Tensor:
        self.idle += 1
        self.idle[fired] = 0
        return self.idle > IDLE

    def result(self, mean: Tensor, scale: Tensor) -> Trained:
        """Return the parameters."""
        with torch.no_grad():
            return Trained(
                encoder=self.encoder.detach(),
                encoder_bias=self.bias.detach()[:, 0],
                decoder=self.decoder.detach(),
                decoder_bias=self.center.detach()[:, 0],
                threshold=self.log_threshold.detach().exp()[:, 0],
                mean=mean,
                scale=scale,
            )
