"""What the trainings of the zoo share: one thread, seeded weights, a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Progress", "descend", "one_thread", "seeded_weights"]

Progress = Callable[[int, int, float], None]
"""Called after each step with (steps done, steps in all, loss)."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, so that sums are added in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seeded_weights(make: Callable[[], nn.Module], *, seed: int) -> nn.Module:
    """Make a module whose weights depend on `seed` alone; leave global state alone."""
    with torch.random.fork_rng(devices=[]):
        module = make()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            bound = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.0
            parameter.uniform_(-bound, bound, generator=generator)
    return module


def descend(
    module: nn.Module,
    loss_at: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    progress: Progress | None,
) -> float:
    """Minimize a loss with Adam under a one-cycle schedule; return the last loss.

    The last loss is the mean over the final tenth of the steps.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1
    )
    losses = []
    with one_thread():
        for step in range(steps):
            loss = loss_at(step)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if progress is not None:
                progress(step + 1, steps, losses[-1])
    last = losses[-max(1, steps // 10) :]
    return sum(last) / len(last)
