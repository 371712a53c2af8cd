"""How sites are found and reached in a model: the protocol, and any torch module."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from marr.errors import HookError, OptionError, check_known
from marr.systems._adapter_axes import Axes, checked_dims
from marr.systems._adapter_tensors import guessed_axes, pick, put
from marr.systems._recurrent import LAYERS, check_stepped, is_stepped, stepped_forward

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from marr.systems._adapter_visit import Visitor

__all__ = ["Adapter", "ModuleAdapter", "Tap", "check_one_name", "patched"]

ROOT_SITE = "model"
"""Name of the whole model as a site (unless it has a child of this name)."""


@dataclass(frozen=True)
class Tap:
    """Where one site is in a model.

    Parameters
    ----------
    site : str
        Name as the user gave it.
    module : Module
        The module (or hook point) that is hooked.
    part : {"h", "c"}
        The output (hidden state), or the second tensor of it (cell state).
    layer : int
        Layer of a stacked recurrent module.
    call : int or None
        The one call that is meant, counted from 0.
    dims : tuple of str or None
        Declared axes.
    read_only : str
        Why the site must not be written to; empty if it may.
    """

    site: str
    module: nn.Module
    part: str = "h"
    layer: int = 0
    call: int | None = None
    dims: tuple[str, ...] | None = None
    read_only: str = ""

    def overlaps(self, other: Tap) -> bool:
        """Tell whether two taps reach the same tensors."""
        same = (self.module is other.module) and (
            (self.part, self.layer) == (other.part, other.layer)
        )
        return same and (
            self.call is None or other.call is None or self.call == other.call
        )


class Adapter(Protocol):
    """What marr asks of a kind of model. Hook names and calls, nothing else."""

    model: nn.Module
    time_unit: str

    def tap(self, site: str, dims: Sequence[str] | None) -> Tap:
        """Return where a site is, or raise with the nearest name."""

    def axes(
        self, tap: Tap, big: Tensor, small: Tensor | None, sizes: tuple[int, int]
    ) -> Axes:
        """Return the axes of a tensor seen with `sizes[0]` and `sizes[1]` trials."""

    def attach(self, visits: Mapping[Tap, Visitor]) -> AbstractContextManager[None]:
        """Let the visits happen while the context is open."""

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        """Run the model and return its output as one tensor."""

    def never_fired(self, tap: Tap) -> str:
        """Return why a hook may not have fired, and what to do."""


class ModuleAdapter:
    """Any `torch.nn.Module`: sites are the names of its submodules.

    `name` is the output of a module; `name.c` the second tensor of it (cell state of
    an LSTM); `name.l1` the second layer of a stacked recurrent module (`name` is the
    last); `name#2` the second call in one run. Without `#`, the calls of a module
    that returns one row a trial are the steps of time.
    """

    time_unit = "step"

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        named = dict(model.named_modules(remove_duplicate=False))
        root = named.pop("")
        self.names: dict[str, nn.Module] = {ROOT_SITE: root, **named}

    def tap(self, site: str, dims: Sequence[str] | None) -> Tap:
        """Return where a site is, or raise with the nearest name."""
        base, _, call = site.partition("#")
        number = _call_number(site, call) if call else None
        name, layer, part = self._split(site, base)
        module = self.names[name]
        declared = None if dims is None else checked_dims(site, dims)
        if not is_stepped(module):
            if layer is not None:
                msg = (
                    f"sites: {site!r} asks for a layer, but {name!r} is a "
                    f"{type(module).__name__}. Only nn.RNN, nn.GRU and nn.LSTM have "
                    "layers; name the submodule itself."
                )
                raise OptionError(msg)
            return Tap(site, module, part, 0, number, declared)
        check_stepped(site, module)
        if part == "c" and not isinstance(module, (nn.LSTM, nn.LSTMCell)):
            msg = (
                f"sites: {site!r} asks for a cell state, but {name!r} is a "
                f"{type(module).__name__}, which has none. Use {name!r}."
            )
            raise OptionError(msg)
        n_layers = module.num_layers if isinstance(module, LAYERS) else 1
        index = n_layers - 1 if layer is None else layer
        if index >= n_layers:
            msg = f"sites: {site!r} does not exist; {name!r} has {n_layers} layers (l0 ...)."
            raise OptionError(msg)
        return Tap(site, module, part, index, number, ("trial", "time", "unit"))

    def _split(self, site: str, base: str) -> tuple[str, int | None, str]:
        """Split a site into module name, layer and part."""
        if base in self.names:
            return base, None, "h"
        found = re.fullmatch(r"(.+?)(?:\.l(\d+))?(\.c)?", base)
        if found is None or found[1] not in self.names:
            check_known("sites", site, self.names, what="module of the model")
            raise AssertionError  # pragma: no cover
        layer = None if found[2] is None else int(found[2])
        return found[1], layer, "c" if found[3] else "h"

    def axes(
        self, tap: Tap, big: Tensor, small: Tensor | None, sizes: tuple[int, int]
    ) -> Axes:
        """Return the axes of a tensor seen with `sizes[0]` and `sizes[1]` trials."""
        return guessed_axes(
            tap.site, tap.dims, tap.module, self.model, big, small, sizes
        )

    @contextmanager
    def attach(self, visits: Mapping[Tap, Visitor]) -> Iterator[None]:
        """Let the visits happen while the context is open."""
        by_module: dict[nn.Module, dict[Tap, Visitor]] = {}
        for tap, visit in visits.items():
            by_module.setdefault(tap.module, {})[tap] = visit
        with ExitStack() as stack:
            for module, group in by_module.items():
                if is_stepped(module):
                    parts = _by_part(group)
                    stack.enter_context(patched(module, stepped_forward(module, parts)))
                else:
                    handle = module.register_forward_hook(_hook(group))
                    stack.callback(handle.remove)
            yield

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        """Run the model and return its output as one tensor.

        A bare recurrent layer with `batch_first=False` gets and returns its trials on
        the axis where it wants them.
        """
        if isinstance(self.model, LAYERS) and not self.model.batch_first:
            args = (args[0].transpose(0, 1), *args[1:])
            return pick(self.model(*args, **kwargs), 0).transpose(0, 1)
        return pick(self.model(*args, **kwargs), 0)

    def never_fired(self, tap: Tap) -> str:
        """Return why a hook may not have fired, and what to do."""
        return (
            f"the model does not call this {type(tap.module).__name__} (or calls its "
            "forward or uses its weights directly). Call the module itself in the "
            "model's forward, or hook another one"
        )


def check_one_name(taps: Sequence[Tap]) -> None:
    """Raise if two of the sites are two names of one hook."""
    for i, tap in enumerate(taps):
        for other in taps[:i]:
            if tap.overlaps(other):
                msg = (
                    f"sites: {other.site!r} and {tap.site!r} are two names of one hook; "
                    "ask for one of them."
                )
                raise HookError(msg)


@contextmanager
def patched(module: nn.Module, forward: Any) -> Iterator[None]:
    """Replace the forward of a module while the context is open."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.__dict__["forward"]
        else:
            module.forward = before


def _call_number(site: str, text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        msg = f"sites: after # comes the number of a call, from 1; got {site!r}."
        raise OptionError(msg)
    return int(text) - 1


def _by_part(group: Mapping[Tap, Visitor]) -> dict[tuple[int, str], Visitor]:
    """Return visits by (layer, part); several calls of one part share a visitor."""
    parts: dict[tuple[int, str], list[Visitor]] = {}
    for tap, visit in group.items():
        parts.setdefault((tap.layer, tap.part), []).append(visit)
    return {
        key: found[0] if len(found) == 1 else _Several(found)
        for key, found in parts.items()
    }


class _Several:
    """Visits of different calls of one module, as one."""

    def __init__(self, visits: Sequence[Visitor]) -> None:
        self.visits = visits

    def __call__(self, raw: Tensor) -> Tensor:
        for visit in self.visits:
            raw = visit(raw)
        return raw

    def writer(self) -> Any:
        writers = [w for v in self.visits if (w := v.writer()) is not None]
        return writers[0] if writers else None

    def keep_steps(self, states: Tensor) -> None:
        for visit in self.visits:
            visit.keep_steps(states)


def _hook(group: Mapping[Tap, Visitor]) -> Any:
    """Return a forward hook that hands the parts of an output to their visits."""

    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        changed = output
        for tap, visit in group.items():
            index = 1 if tap.part == "c" else 0
            before = pick(changed, index, site=tap.site)
            after = visit(before)
            if after is not before:
                changed = put(changed, index, after)
        return None if changed is output else changed

    return hook
