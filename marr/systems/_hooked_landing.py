"""Does a write reach anything; may rows of different lengths run together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from marr.errors import HookError
from marr.systems._adapter_visit import Look, Op
from marr.systems._hooked_probe import differ
from marr.systems._hooked_weights import model_dtype

if TYPE_CHECKING:
    from marr.systems._hooked_engine import Engine
    from marr.systems._hooked_layout import Batch

__all__ = ["check_lands", "may_pad"]


def check_lands(engine: Engine, site: str) -> None:
    """Raise if what is written to a site reaches nothing.

    Noise is added to all units for a few trials and, if nothing changes, for all
    trials: the output or another site must change.
    """
    tap = engine.taps[site]
    if tap.read_only:
        msg = f"site {site!r} can be read but not perturbed: {tap.read_only}."
        raise HookError(msg)
    if _reaches(engine, site, engine.few()):
        return
    everything = np.arange(engine.inputs.n_trials)
    if any(_reaches(engine, site, batch) for batch in engine.batches(everything)):
        return
    msg = (
        f"site {site!r} was overwritten with noise and neither the output nor any other "
        "site changed: the write did not land. The model discards, replaces or "
        "recomputes this value; hook the module whose output is used."
    )
    raise HookError(msg)


def _reaches(engine: Engine, site: str, batch: Batch) -> bool:
    """Tell whether noise at a site changes the output or another site."""
    info, tap = engine.info(site), engine.taps[site]
    timed = info.n_times is not None
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(info.axes.n_units, generator=generator) * (info.spread + 1)
    value = noise.to(info.device, info.dtype)
    op = Op(value[None, None] if timed else value[None], add=True, timed=timed)
    before, looks = engine.peek(batch)
    others = {
        name: Look(other.call)
        for name, other in engine.taps.items()
        if other.module is not tap.module
    }
    visits = {engine.taps[name]: look for name, look in others.items()}
    try:
        after = engine.call(
            batch, {tap: engine.visit(site, [op], read=False), **visits}
        )
    except HookError:
        return True
    pairs = [(before, after)]
    for name, look in others.items():
        pairs += list(zip(looks[name].raw, look.raw, strict=False))
    return any(a.shape != b.shape or not torch.equal(a, b) for a, b in pairs)


def may_pad(engine: Engine) -> bool:
    """Tell whether zeros at the end of a row leave what comes before them alone."""
    rows = engine.layout.rows(np.arange(engine.inputs.n_trials))
    lengths = engine.layout.row_lengths(rows)
    if len(set(lengths.tolist())) == 1:
        return True
    if model_dtype(engine.adapter.model).itemsize < 4:
        return False  # too coarse to tell
    n_steps = min(int(lengths.min()), 32)
    extra = min(8, int(lengths.max()) - n_steps)
    row = [rows[int(lengths.argmin())]]
    alone = engine.peek(engine.layout.placed_batch(row, n_steps=n_steps))
    padded = engine.peek(engine.layout.placed_batch(row, n_steps=n_steps, extra=extra))
    pairs = [(alone[0], padded[0])]
    for site, look in alone[1].items():
        info = engine.seen().get(site)
        if info is not None and not info.steps:
            pairs += list(zip(look.raw, padded[1][site].raw, strict=True))
    return all(_continues(a, b, n_steps) for a, b in pairs)


def _continues(a: Tensor, b: Tensor, n_steps: int) -> bool:
    """Tell whether `b` begins as `a` along its time axis (the second, or the first)."""
    for axis in (1, 0):
        if a.ndim > axis and a.shape[axis] == n_steps and b.shape[axis] > n_steps:
            return not differ(a, b.narrow(axis, 0, n_steps), 1e-5)
    return False
