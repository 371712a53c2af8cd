"""TransformerLens models (TransformerBridge): canonical hook names as sites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from marr.errors import HookError, check_known
from marr.systems._adapter import Tap
from marr.systems._adapter_axes import Axes, checked_dims, trial_axis
from marr.systems._adapter_tensors import check_no_pattern, pick

if TYPE_CHECKING:
    from torch import Tensor, nn

    from marr.systems._adapter_visit import Visitor

__all__ = ["BridgeAdapter", "is_bridge"]

HOOK_LEVEL = 20_261
"""Level under which our hooks are registered, so that only ours are removed."""

PATTERNS = ("hook_pattern", "hook_attn_scores")
"""Hooks over (head, query, key): no units."""

HEADS = (
    "hook_z",
    "hook_q",
    "hook_k",
    "hook_v",
    "hook_rot_q",
    "hook_rot_k",
    "hook_result",
    "hook_q_input",
    "hook_k_input",
    "hook_v_input",
    "q.hook_out",
    "k.hook_out",
    "v.hook_out",
    "o.hook_in",
)
"""Hooks over (trial, token, head, unit)."""

READ_ONLY = {
    "hook_resid_mid": (
        "the bridge fires this hook on the input of the second layer norm only; what is "
        "written there does not reach the residual stream. Write to hook_attn_out, "
        "hook_resid_pre or hook_resid_post"
    ),
}
"""Hooks at which a write does not do what the name says."""

SWITCHES = {
    "hook_result": "set_use_attn_result",
    "hook_q_input": "set_use_split_qkv_input",
    "hook_k_input": "set_use_split_qkv_input",
    "hook_v_input": "set_use_split_qkv_input",
    "hook_attn_in": "set_use_attn_in",
    "hook_mlp_in": "set_use_hook_mlp_in",
}
"""Hooks that fire only after a switch of the model is on."""


def is_bridge(model: nn.Module) -> bool:
    """Tell whether a model names its hooks as TransformerLens does."""
    return isinstance(getattr(model, "hook_dict", None), Mapping) and callable(
        getattr(model, "run_with_cache", None)
    )


class BridgeAdapter:
    """A model with TransformerLens hook points; time is the position of the token.

    Only public names are used: `hook_dict`, `add_hook`, `remove_hooks` and the call.
    Heads are units with a `head` coordinate.
    """

    time_unit = "token"

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.hooks: dict[str, Any] = dict(model.hook_dict)  # type: ignore[arg-type]

    def tap(self, site: str, dims: Sequence[str] | None) -> Tap:
        """Return where a site is, or raise with the nearest name."""
        check_known("sites", site, self.hooks, what="hook of the model")
        last = site.rpartition(".")[2]
        if last in PATTERNS:
            block = site.rpartition(".")[0]
            msg = (
                f"sites: {site!r} is an attention pattern, over (head, query, key); it is "
                f"not time and units. Hook what the heads write: {block + '.hook_z'!r}."
            )
            raise HookError(msg)
        declared = None if dims is None else checked_dims(site, dims)
        return Tap(
            site, self.hooks[site], dims=declared, read_only=READ_ONLY.get(last, "")
        )

    def axes(
        self, tap: Tap, big: Tensor, small: Tensor | None, sizes: tuple[int, int]
    ) -> Axes:
        """Return the axes of a tensor seen with `sizes[0]` and `sizes[1]` trials."""
        shape = tuple(big.shape)
        if not big.is_floating_point():
            msg = (
                f"site {tap.site!r} holds {big.dtype} (token ids?), not activity. Use a "
                "hook after the embedding."
            )
            raise HookError(msg)
        if tap.dims is not None:
            if len(tap.dims) != len(shape):
                msg = f"sites: {tap.site!r} has shape {shape}; got dims {tap.dims}."
                raise HookError(msg)
            return Axes(tap.dims, shape)
        check_no_pattern(tap.site, big)
        trial_axis(tap.site, shape, None if small is None else small.shape, *sizes)
        if len(shape) == 4 and tap.site.endswith(HEADS):
            return Axes(("trial", "time", "head", "unit"), shape)
        if len(shape) in (2, 3):
            dims = ("trial", "time", "unit") if len(shape) == 3 else ("trial", "unit")
            return Axes(dims, shape)
        msg = (
            f"site {tap.site!r} has shape {shape}; marr does not know what its axes are. "
            f"Declare them: sites={{{tap.site!r}: ('trial', 'time', 'head', 'unit')}}."
        )
        raise HookError(msg)

    @contextmanager
    def attach(self, visits: Mapping[Tap, Visitor]) -> Iterator[None]:
        """Let the visits happen while the context is open."""
        with ExitStack() as stack:
            for tap, visit in visits.items():
                point: Any = tap.module
                point.add_hook(partial(_visit, visit), level=HOOK_LEVEL)
                stack.callback(point.remove_hooks, "fwd", level=HOOK_LEVEL)
            yield

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        """Run the model and return its output as one tensor."""
        named = dict(kwargs)
        if "input_ids" in named:
            args = (named.pop("input_ids"), *args)
        return pick(self.model(*args, **named), 0)

    def never_fired(self, tap: Tap) -> str:
        """Return why a hook may not have fired, and what to do."""
        switch = SWITCHES.get(tap.site.rpartition(".")[2])
        if switch is not None:
            return f"it is off; call model.{switch}(True) before marr.hook"
        return "this architecture does not use it; hook another name of model.hook_dict"


def _visit(visit: Visitor, tensor: Tensor, hook: Any) -> Tensor | None:  # noqa: ARG001
    after = visit(tensor)
    return None if after is tensor else after
