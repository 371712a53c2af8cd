"""A first small run: where the sites fire, what their axes are, what may go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from marr.errors import HookError
from marr.systems._adapter_axes import Axes, trial_axis
from marr.systems._adapter_visit import Look

if TYPE_CHECKING:
    from marr.systems._adapter import Adapter, Tap

__all__ = ["Seen", "SiteInfo", "check_same", "check_uncoupled", "seen_sites"]

SAME = 1e-5
"""Largest difference between two equal runs, relative to the largest value."""

UNCOUPLED = 1e-3
"""The same between runs with other trials beside them (other matrix kernels)."""

COARSE = 30
"""How much larger both may be in half precision or off the CPU."""

Outputs = tuple[Tensor, dict[str, Look]]


@dataclass(frozen=True)
class SiteInfo:
    """What one site looks like.

    Parameters
    ----------
    axes : Axes
        Axes of the tensor of one call.
    steps : bool
        Whether calls are steps of time.
    n_times : int or None
        Times seen in the first run, None without a time axis.
    dtype, device
        Of the tensor.
    spread : float
        Standard deviation of the activity that was seen.
    """

    axes: Axes
    steps: bool
    n_times: int | None
    dtype: torch.dtype
    device: torch.device
    spread: float


Seen = Mapping[str, SiteInfo | None]
"""By site; None where the hook did not fire."""


def seen_sites(
    adapter: Adapter,
    taps: Mapping[str, Tap],
    big: Outputs,
    small: Outputs | None,
    sizes: tuple[int, int],
) -> dict[str, SiteInfo | None]:
    """Return what each site looks like, from runs with more and with fewer trials."""
    found: dict[str, SiteInfo | None] = {}
    for site, tap in taps.items():
        look = big[1][site]
        fewer = None if small is None else small[1][site]
        found[site] = _seen(adapter, tap, look, fewer, sizes) if look.raw else None
    trial_axis_of_output(big[0], None if small is None else small[0], sizes)
    return found


def _seen(
    adapter: Adapter, tap: Tap, look: Look, fewer: Look | None, sizes: tuple[int, int]
) -> SiteInfo:
    raw = look.raw[0]
    if look.stepped:
        axes = Axes(("trial", "time", "unit"), tuple(raw.shape))
        _check_rows(tap.site, axes, sizes[0])
    else:
        same = fewer.raw[0] if fewer is not None and fewer.raw else None
        axes = adapter.axes(tap, raw, same, sizes)
    steps = len(look.raw) > 1
    one = axes.n_times in (None, 1)
    if steps and not look.stepped and not one:
        msg = (
            f"site {tap.site!r} is called {len(look.raw)} times in one run and returns "
            f"shape {tuple(raw.shape)} each time, so its calls are not steps of time. "
            f"Name one call: {tap.site + '#1'!r}, {tap.site + '#2'!r}, ..."
        )
        raise HookError(msg)
    shapes = {tuple(r.shape) for r in look.raw}
    if steps and not look.stepped and len(shapes) > 1:
        msg = (
            f"site {tap.site!r} returns other shapes in other calls: {sorted(shapes)}. "
            f"Name one call: {tap.site + '#1'!r}."
        )
        raise HookError(msg)
    if look.stepped:
        n_times: int | None = sum(r.shape[1] for r in look.raw)
    else:
        n_times = len(look.raw) if steps else axes.n_times
    spread = float(
        torch.stack([r.float().std(correction=0) for r in look.raw])
        .mean()
        .nan_to_num(1)
    )
    return SiteInfo(
        axes, steps and not look.stepped, n_times, raw.dtype, raw.device, spread
    )


def _check_rows(site: str, axes: Axes, n_rows: int) -> None:
    if axes.shape[0] != n_rows:
        msg = (
            f"site {site!r} saw {axes.shape[0]} rows where {n_rows} trials went in; is "
            "batch_first right, and is the input one row a trial?"
        )
        raise HookError(msg)


def trial_axis_of_output(
    big: Tensor, small: Tensor | None, sizes: tuple[int, int]
) -> None:
    """Raise unless the first axis of the model's output runs over trials."""
    axis = trial_axis(
        "output", big.shape, None if small is None else small.shape, *sizes
    )
    if axis != 0:
        msg = (
            f"the model's output has shape {tuple(big.shape)} with {sizes[0]} trials: "
            "trials are not on its first axis. Wrap the model in a module that takes and "
            "returns trials first (batch_first=True)."
        )
        raise HookError(msg)


def check_same(first: Outputs, second: Outputs, model: nn.Module) -> None:
    """Raise if two equal runs differ."""
    pairs = [("output", first[0], second[0])]
    for site, look in first[1].items():
        again = second[1][site]
        pairs += [(site, a, b) for a, b in zip(look.raw, again.raw, strict=False)]
    for where, a, b in pairs:
        if a.shape != b.shape or differ(a, b, SAME):
            on = [n for n, m in model.named_modules() if _noisy(m)][:3]
            why = (
                f"Dropout is left on in {on}: call model.eval() before marr.hook."
                if on
                else "Call model.eval(); give noise as inputs; do not keep state between "
                "runs."
            )
            msg = (
                "the model changes its output between runs on the same inputs (seen at "
                f"{where!r}), so no perturbation could be told from noise. {why}"
            )
            raise HookError(msg)


def check_uncoupled(big: Tensor, small: Tensor) -> None:
    """Raise if the output of a trial depends on the trials beside it."""
    if differ(big[: len(small)], small, UNCOUPLED):
        msg = (
            "the model's output for a trial depends on which other trials run with it "
            "(batch normalization in training mode, or state kept between trials?). Call "
            "model.eval(), or run whole sequences with sequences='column'."
        )
        raise HookError(msg)


def differ(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Tell whether two tensors differ by more than a share of the largest value."""
    if a.numel() == 0 or not a.is_floating_point():
        return not torch.equal(a, b)
    if a.element_size() < 4 or a.device.type != "cpu":
        tolerance *= COARSE
    a, b = a.double().nan_to_num(), b.double().nan_to_num()
    scale = max(float(a.abs().max()), 1e-12)
    return float((a - b).abs().max()) > tolerance * scale


def _noisy(module: nn.Module) -> bool:
    p = getattr(module, "p", getattr(module, "dropout", 0))
    named = "dropout" in type(module).__name__.lower() or isinstance(module, nn.RNNBase)
    return module.training and named and isinstance(p, float) and p > 0
