"""A small network with one hidden layer as a probe, many of them trained at once.

The networks of all times and draws of a split train together by Adam on all training
rows but one inner fold, which says when to stop. All start from the
same weights, random mixtures of training rows drawn by the seed, so that a network is the same
alone or among others, and for any order of the units.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from marr.representation._probes._linear_kernel import Fits, linear
from marr.representation._probes._moments_kernel import (
    Problem,
    Splits,
    Standard,
    center_targets,
    held_out_targets,
    spread_of,
    standardized,
)

__all__ = ["HIDDEN", "Network", "fit_networks"]

HIDDEN = 16
"""Hidden units."""

STEPS, CHECK, PATIENCE, RATE = 400, 5, 16, 0.02
"""Most steps, steps between two looks at the held-out loss, looks without gain, rate."""

START = 0.1
"""Size of the first outputs: small, so that training starts from what is expected."""

NUMBERS = 250_000
"""Numbers in the hidden layer of what trains together."""


class Network(NamedTuple):
    """Rectified hidden units on activity (and nuisances), and a linear readout of them.

    A readout bias of minus infinity marks a class that the training rows lack.
    """

    weights: Tensor  # (times, units, draws, hidden)
    nuisance: Tensor | None  # (times, nuisances, draws, hidden)
    bias: Tensor  # (times, draws, hidden)
    out: Tensor  # (times, draws, hidden, outputs)
    out_bias: Tensor  # (times, draws, outputs)

    def hidden(self, x: Tensor, design: Tensor | None) -> Tensor:
        """Return what hidden units receive, (times, rows, draws, hidden)."""
        flat = x @ self.weights.flatten(2)
        if self.nuisance is not None and design is not None:
            flat = flat + design @ self.nuisance.flatten(2)
        return flat.reshape(*flat.shape[:2], *self.bias.shape[1:]) + self.bias[:, None]

    def __call__(
        self, x: Float[Tensor, "times rows units"], design: Tensor | None
    ) -> Float[Tensor, "times rows draws outputs"]:
        """Return the outputs of rows."""
        return self.signal(x, design) + self.out_bias[:, None]

    def signal(self, x: Tensor, design: Tensor | None) -> Tensor:
        """Return the outputs less their bias: what varies with activity."""
        active = self.hidden(x, design).clamp(min=0.0).movedim(2, 1)
        return (active @ self.out).movedim(1, 2)

    def sensitivity(
        self, x: Tensor, design: Tensor | None, *, classes: bool
    ) -> Float[Tensor, "times units draws outputs"]:
        """Return the root mean square change of each output with each unit."""
        out = self.out - self.out.mean(dim=-1, keepdim=True) if classes else self.out
        active = (self.hidden(x, design) > 0).to(out.dtype).movedim(2, 1)
        both = active.mT @ active / active.shape[2]  # (times, draws, hidden, hidden)
        paths = torch.einsum("tpdh,tdho->tdoph", self.weights, out)
        square = ((paths @ both[:, :, None]) * paths).sum(dim=-1)
        return square.clamp(min=0.0).sqrt().permute(0, 3, 1, 2)

    def across(
        self, x: Float[Tensor, "times rows units"], design: Tensor | None, at: slice
    ) -> Float[Tensor, "times rows train_times draws outputs"]:
        """Return the outputs that networks of some times give rows of every time."""

        def same(values: Tensor) -> Tensor:
            return values.expand(len(x), *values.shape[1:])

        found: list[Tensor] = []
        for k in range(*at.indices(len(self.weights))):
            one = slice(k, k + 1)
            network = Network(
                same(self.weights[one]),
                None if self.nuisance is None else same(self.nuisance[one]),
                same(self.bias[one]),
                same(self.out[one]),
                same(self.out_bias[one]),
            )
            found.append(network(x, design))
        return torch.stack(found, dim=2)


class Task(NamedTuple):
    """Rows, targets and weights that a network learns from."""

    z: Float[Tensor, "times one rows units"]
    y: Float[Tensor, "one_or_times draws rows outputs"]
    weight: Float[Tensor, "one_or_times draws rows"]


class Parameters(NamedTuple):
    """What Adam moves."""

    w: Tensor  # (times, draws, units, hidden)
    b: Tensor  # (times, draws, 1, hidden)
    v: Tensor  # (times, draws, hidden, outputs)
    c: Tensor  # (times, draws, 1, outputs)


def fit_networks(
    problem: Problem,
    splits: Splits,
    penalties: Float[Tensor, " penalties"],
    choice: Int[Tensor, "splits times draws"] | None,
    *,
    classes: bool,
) -> Fits:
    """Train the networks of every split; the first penalty is the weight decay.

    Parameters
    ----------
    problem, splits : Problem, Splits
        What is decoded, and how rows are split; `splits.seed` draws the first weights.
    penalties : tensor of shape (n_penalties,)
        Weight decay: half of it times the squared weights is added to the mean loss.
    choice : int tensor or None
        Not asked: networks have one weight decay.
    classes : bool
        Whether outputs are classes (softmax, classes count alike) or numbers (squared
        error in training standard deviations).
    """
    n_times, n_draws = problem.x.shape[0], problem.y.shape[2]
    models = [
        _fit(problem, splits, k, float(penalties[0]), classes)
        for k in range(len(splits.train))
    ]
    shape = (len(models), n_times, n_draws)
    device = problem.x.device
    chosen = torch.zeros(shape, dtype=torch.long, device=device)
    return Fits(models, chosen if choice is None else choice * 0, chosen == 0)


def _fit(
    problem: Problem, splits: Splits, split: int, decay: float, classes: bool
) -> Network:
    rows = splits.train[split]
    groups = torch.unique(splits.inner[rows])
    held = splits.inner == groups[split % len(groups)]
    if len(groups) < 2:
        held = torch.zeros_like(rows)
    standard = spread_of(problem, rows)
    offset = torch.zeros(1)
    if classes:
        y = problem.y
        counts = y[:, rows].sum(dim=1)
        seen = counts > 0
        offset = torch.where(seen, 0.0, -torch.inf)
        share = torch.where(seen, 1.0 / counts.clamp(min=1.0), 0.0)
        weight = (y * share[:, None]).sum(dim=-1)
        scale = torch.ones_like(y[:1, 0])
    else:
        expected = center_targets(problem, rows)
        flat = held_out_targets(problem, torch.ones_like(rows), expected)
        y = flat.reshape(*flat.shape[:2], *problem.y.shape[2:])
        scale = y[:, rows].square().mean(dim=(1, 3)).sqrt().clamp(min=1e-300)[..., None]
        y = y / scale[:, None]
        weight = torch.ones_like(y[..., 0])
    z = standardized(problem, torch.ones_like(rows), standard)
    tasks = [
        Task(
            z[:, m][:, None],
            y[:, m].movedim(2, 1).contiguous(),
            weight[:, m].movedim(2, 1).contiguous(),
        )
        for m in (rows & ~held, rows & held)
    ]
    found = _train_in_parts(tasks, splits.seed + 1000 * split, decay, classes)
    return _network(standard, found, scale, offset)


def _network(
    standard: Standard, found: Parameters, scale: Tensor, offset: Tensor
) -> Network:
    w, b, v, c = found
    first = linear(standard, w.movedim(1, 2), b[:, :, 0])
    v, c = v * scale[..., None, :], c[:, :, 0] * scale
    return Network(first.weights, first.nuisance, first.bias, v, c + offset)


def _train_in_parts(
    tasks: list[Task], seed: int, decay: float, classes: bool
) -> Parameters:
    """Train the networks of some times and draws at a time, for memory."""
    n_times, _, n_rows, _ = tasks[0].z.shape
    n_draws = tasks[0].y.shape[1]
    most = max(1, NUMBERS // (n_rows * HIDDEN))
    d_step, t_step = min(n_draws, most), max(1, most // n_draws)
    by_time = []
    for low in range(0, n_times, t_step):
        at = slice(low, low + t_step)
        by_draw = []
        for d in range(0, n_draws, d_step):
            task, held = (_part(t, at, slice(d, d + d_step)) for t in tasks)
            by_draw.append(_train(task, held, seed, decay, classes))
        joined = (torch.cat(v, dim=1) for v in zip(*by_draw, strict=True))
        by_time.append(Parameters(*joined))
    return Parameters(*(torch.cat(v) for v in zip(*by_time, strict=True)))


def _part(task: Task, times: slice, draws: slice) -> Task:
    y, weight = (v if len(v) == 1 else v[times] for v in (task.y, task.weight))
    return Task(task.z[times], y[:, draws], weight[:, draws])


def _train(
    task: Task, held: Task, seed: int, decay: float, classes: bool
) -> Parameters:
    """Train by Adam; keep the weights of the least held-out loss of each network."""
    now = best = _initial(task, seed)
    stop = held.z.shape[2] > 0
    least = _loss(held, now, classes)
    waited = torch.zeros_like(least)
    first = second = Parameters(*(torch.zeros_like(p) for p in now))
    for step in range(1, (STEPS if stop else STEPS // 4) + 1):
        grad = _gradient(task, now, decay, classes)
        first = Parameters(*(a.lerp(g, 0.1) for a, g in zip(first, grad, strict=True)))
        second = Parameters(
            *(a.lerp(g * g, 0.001) for a, g in zip(second, grad, strict=True))
        )
        rate, root = RATE / (1 - 0.9**step), (1 - 0.999**step) ** 0.5
        moments = zip(now, first, second, strict=True)
        now = Parameters(
            *(p - rate * m / (s.sqrt() / root + 1e-8) for p, m, s in moments)
        )
        if stop and step % CHECK == 0:
            loss = _loss(held, now, classes)
            better = (loss < least) & (waited < PATIENCE)
            least = torch.where(better, loss, least)
            pairs = zip(now, best, strict=True)
            best = Parameters(
                *(torch.where(better[..., None, None], n, o) for n, o in pairs)
            )
            waited = torch.where(better, 0.0, waited + 1.0)  # at PATIENCE: for good
            if bool((waited >= PATIENCE).all()):
                break
    return best if stop else now


def _initial(task: Task, seed: int) -> Parameters:
    n_times = len(task.z)
    n_draws, _, n_outputs = task.y.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    dtype = task.z.dtype
    mix = torch.randn(task.z.shape[2], HIDDEN, generator=generator, dtype=dtype)
    v = torch.randn(HIDDEN, n_outputs, generator=generator, dtype=dtype)
    v = v * (START / HIDDEN**0.5)
    w = task.z[:, 0].mT @ mix.to(task.z.device)  # no unit is first: rows are mixed
    received = (task.z[:, 0] @ w).square().mean(dim=1, keepdim=True).sqrt()
    w, v = w / received.clamp(min=1e-12) * 2.0**0.5, v.to(task.z.device)
    return Parameters(
        w[:, None].repeat(1, n_draws, 1, 1),
        w.new_zeros((n_times, n_draws, 1, HIDDEN)),
        v.repeat(n_times, n_draws, 1, 1),
        w.new_zeros((n_times, n_draws, 1, n_outputs)),
    )


def _forward(task: Task, at: Parameters) -> tuple[Tensor, Tensor]:
    """Hidden activity and outputs, (times, draws, rows, hidden or outputs)."""
    active = (task.z @ at.w).add_(at.b).clamp_(min=0.0)
    return active, active @ at.v + at.c


def _gradient(task: Task, at: Parameters, decay: float, classes: bool) -> Parameters:
    active, output = _forward(task, at)
    slope = (output.softmax(dim=-1) if classes else output) - task.y
    total = task.weight.sum(dim=-1, keepdim=True).clamp(min=1e-30)
    slope = slope * (task.weight / total)[..., None]
    back = (slope @ at.v.mT).mul_(active > 0)
    return Parameters(
        task.z.mT @ back + decay * at.w,
        back.sum(dim=2, keepdim=True),
        active.mT @ slope + decay * at.v,
        slope.sum(dim=2, keepdim=True),
    )


def _loss(task: Task, at: Parameters, classes: bool) -> Float[Tensor, "times draws"]:
    output = _forward(task, at)[1]
    if classes:
        value = output.logsumexp(dim=-1) - (task.y * output).sum(dim=-1)
    else:
        value = (output - task.y).square().sum(dim=-1)
    return (task.weight * value).sum(dim=-1)
