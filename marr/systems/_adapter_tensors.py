"""Tensors inside outputs of modules, and what their axes mean."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from marr.errors import HookError
from marr.systems._adapter_axes import Axes, trial_axis

__all__ = ["check_no_pattern", "guessed_axes", "pick", "put"]

FIRST_KEYS = ("logits", "last_hidden_state")
"""Which entry of a mapping is the output, before the first tensor."""

FEATURES_LAST = (
    nn.Linear,
    nn.LayerNorm,
    nn.Embedding,
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)
"""Modules whose last axis is units, so that a middle axis is time."""

MAPS_1D = (
    nn.Conv1d,
    nn.ConvTranspose1d,
    nn.BatchNorm1d,
    nn.InstanceNorm1d,
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveMaxPool1d,
)
"""Modules that return (trial, channel, x)."""

MAP_DIMS: dict[int, tuple[str, ...]] = {
    3: ("trial", "channel", "x"),
    4: ("trial", "channel", "y", "x"),
    5: ("trial", "channel", "z", "y", "x"),
}
CONVOLUTIONS: dict[int, type[nn.Module]] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}


def pick(output: Any, index: int, *, site: str = "") -> Tensor:
    """Return the first or second tensor of a module's output."""
    where = f"site {site!r}" if site else "the model"
    if isinstance(output, Tensor) and index == 0:
        return output
    key = _key(output, index)
    if key is None:
        msg = (
            f"{where} returns a {type(output).__name__} without "
            f"{'a tensor' if index == 0 else 'a second tensor'}; "
            + (
                "leave out '.c'."
                if index
                else "hook a module that returns tensors, or wrap the model in a module "
                "that returns one."
            )
        )
        raise HookError(msg)
    found: Tensor = output[key]
    return found


def put(output: Any, index: int, value: Tensor) -> Any:
    """Return the output with its first or second tensor replaced."""
    if isinstance(output, Tensor):
        return value
    key = _key(output, index)
    if isinstance(output, tuple):
        items = list(output)
        items[key] = value
        return type(output)(*items) if hasattr(output, "_fields") else tuple(items)
    changed = copy.copy(output)
    changed[key] = value
    return changed


def _key(output: Any, index: int) -> Any:
    """Return the key or position of the first or second tensor, None if missing."""
    if isinstance(output, Mapping):
        keys = [k for k in output if isinstance(output[k], Tensor)]
        first = [k for k in FIRST_KEYS if k in keys]
        keys = [*first, *(k for k in keys if k not in first)]
    elif isinstance(output, Sequence) and not isinstance(output, str):
        keys = [i for i, value in enumerate(output) if isinstance(value, Tensor)]
    else:
        keys = []
    return keys[index] if len(keys) > index else None


def guessed_axes(
    site: str,
    declared: tuple[str, ...] | None,
    module: nn.Module,
    model: nn.Module,
    big: Tensor,
    small: Tensor | None,
    sizes: tuple[int, int],
) -> Axes:
    """Return the axes of a site of a torch module, or refuse what is not known.

    Rank 1 is one unit a trial, rank 2 (trial, unit), rank 3 (trial, time, unit) or
    (time, trial, unit); maps of convolutions are (trial, channel, [z,] [y,] x).
    """
    shape = tuple(big.shape)
    if not big.is_floating_point():
        msg = (
            f"site {site!r} holds {big.dtype}, not real numbers (token ids or a mask?). "
            "Hook a module that returns activity."
        )
        raise HookError(msg)
    if declared is not None:
        if len(declared) != len(shape):
            msg = f"sites: {site!r} has shape {shape}; got dims {declared} for it."
            raise HookError(msg)
        return Axes(declared, shape)
    check_no_pattern(site, big)
    axis = trial_axis(site, shape, None if small is None else small.shape, *sizes)
    rank = len(shape)
    if rank <= 2 and axis == 0:
        return Axes(("trial", "unit")[:rank], shape)
    if rank == 3 and axis == 1:
        return Axes(("time", "trial", "unit"), shape)
    if rank == 3 and axis == 0 and not isinstance(module, MAPS_1D):
        sure = isinstance(module, FEATURES_LAST) or not _has(model, nn.Conv1d)
        if sure:
            return Axes(("trial", "time", "unit"), shape)
    elif axis == 0 and rank in MAP_DIMS and _has(model, CONVOLUTIONS[rank]):
        return Axes(MAP_DIMS[rank], shape)
    msg = (
        f"site {site!r} ({type(module).__name__}) has shape {shape} with {sizes[0]} "
        "trials, and marr does not know what its axes are. Declare them: "
        f"sites={{{site!r}: ('trial', 'time', 'unit')}} or with 'head', 'channel', 'x', "
        "'y', one name an axis."
    )
    raise HookError(msg)


def check_no_pattern(site: str, raw: Tensor) -> None:
    """Refuse a square, row-stochastic tensor: an attention pattern has no units."""
    if raw.ndim < 3 or raw.shape[-1] != raw.shape[-2] or raw.shape[-1] < 2:
        return
    sums = raw.float().sum(dim=-1)
    if bool((raw >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all()):
        msg = (
            f"site {site!r} looks like an attention pattern: shape {tuple(raw.shape)}, "
            "rows sum to 1. Its axes are queries and keys, not time and units. Hook what "
            "the heads write (hook_z, or the module after the attention)."
        )
        raise HookError(msg)


def _has(model: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(m, kind) for m in model.modules())
