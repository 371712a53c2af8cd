"""What happens at one site during one run of a model: count, write, read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from marr.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marr.systems._adapter_axes import Axes
    from marr.systems._dictionary_codec import Codec
    from marr.systems._feature_op import FeatureOp

__all__ = ["Look", "Op", "Visit", "Visitor"]


@dataclass
class Op:
    """One perturbation of one site, for one batch.

    Parameters
    ----------
    value : Tensor
        What is put in, of shape (rows or 1, times or 1, k), or (rows or 1, k) at a
        site without time: k units, k subspace dimensions, or all units when `add`.
    units : Tensor of int, optional
        Which units are set; all by default.
    basis : Tensor of shape (n_units, k), optional
        Orthonormal basis of the subspace that is set.
    add : bool
        Add the value instead of setting it.
    mask : Tensor of bool, optional
        Times to act on, of shape (times,) or (rows, times).
    timed : bool
        Whether `value` has a time axis.
    """

    value: Tensor
    units: Tensor | None = None
    basis: Tensor | None = None
    add: bool = False
    mask: Tensor | None = None
    timed: bool = True
    _values: list[Tensor] = field(default_factory=list)
    _wide: list[Tensor] = field(default_factory=list)
    _on: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lay the values out by step."""
        if self.timed:
            self._values = list(self.value.unbind(1))
        if self.mask is not None and self.mask.ndim == 1:
            self._on = self.mask.tolist()

    def full(self, x: Tensor) -> Tensor:
        """Return activity (rows, times, units) or (rows, units) after the write."""
        new = self._new(x, self.value)
        return new if self.mask is None else torch.where(self.mask[..., None], new, x)

    def step(self, x: Tensor, t: int) -> Tensor:
        """Return activity (rows, units) of step `t` after the write."""
        if self._on and not self._on[t]:
            return x
        if not self._values:
            value = self.value
        else:
            value = self._values[t if len(self._values) > 1 else 0]
        new = self._new(x, value)
        if self.mask is not None and self.mask.ndim == 2:
            return torch.where(self.mask[:, t, None], new, x)
        return new

    def fresh_step(self, x: Tensor, t: int) -> Tensor:
        """Do as `step`, on a tensor that nobody else holds and that may be changed."""
        if self.units is None or self.mask is not None or not self._values:
            return self.step(x, t)
        if not self._wide:
            shape = (x.shape[0], self.value.shape[-1])
            self._wide = [value.expand(shape) for value in self._values]
        source = self._wide[t if len(self._wide) > 1 else 0]
        return x.index_copy_(-1, self.units, source)

    def _new(self, x: Tensor, value: Tensor) -> Tensor:
        if self.add:
            return x + value
        if self.basis is not None:
            return x + (value - x @ self.basis) @ self.basis.T
        if self.units is None:
            return value.expand(x.shape).clone()
        source = value.expand(*x.shape[:-1], value.shape[-1])
        return x.index_copy(-1, self.units, source)


class Visitor(Protocol):
    """What an adapter calls when a site fires."""

    def __call__(self, raw: Tensor) -> Tensor:
        """Take the tensor of one call and return what goes on."""

    def writer(self) -> Callable[[Tensor, int], Tensor] | None:
        """Return what writes one step of a stepped layer, if anything is written."""

    def keep_steps(self, states: Tensor) -> None:
        """Take the states (trial, time, unit) of one call of a stepped layer."""


class Visit:
    """Write to and read from one site during one run.

    Parameters
    ----------
    site : str
        Name, for messages.
    axes : Axes
        Axes of one call.
    steps : bool
        Whether calls are steps of time.
    ops : sequence of Op
        What is written, in order.
    read : bool
        Whether activity (after the write) is kept.
    call : int, optional
        The one call that is meant, counted from 0; all by default.
    codecs : mapping of str to Codec, optional
        Dictionaries whose features (after the write) are kept, by name.
    """

    def __init__(
        self,
        site: str,
        axes: Axes,
        *,
        steps: bool,
        ops: Sequence[Op | FeatureOp] = (),
        read: bool = False,
        call: int | None = None,
        codecs: Mapping[str, Codec] | None = None,
    ) -> None:
        self.site, self.axes, self.steps = site, axes, steps
        self.codecs = codecs or {}
        self.ops, self.read, self.call = ops, read, call
        self.calls = 0
        self.fired = 0
        self._time = 0
        self._kept: dict[str, list[Tensor]] = {s: [] for s in (site, *self.codecs)}
        for op in ops:
            if not isinstance(op, Op):
                op.keep = op.view in self.codecs

    def _keep(self, flat: Tensor, *, call_of_steps: bool = False) -> None:
        """Keep the activity of one call, and its features, as they are asked for."""
        if self.read:
            self._kept[self.site].append(flat.detach().clone())
        last = self.ops[-1] if self.ops else None
        for name, codec in self.codecs.items():
            if last is not None and not isinstance(last, Op) and last.view == name:
                features = last.taken(steps=call_of_steps)
            else:
                rows = flat.reshape(-1, flat.shape[-1]).to(codec.decoder.dtype)
                features = codec.encode(rows)
            self._kept[name].append(features.reshape(*flat.shape[:-1], -1).detach())

    def _meant(self) -> bool:
        meant = self.call is None or self.calls == self.call
        self.calls += 1
        self.fired += meant
        return meant

    def __call__(self, raw: Tensor) -> Tensor:
        """Take the tensor of one call and return what goes on."""
        if not self._meant():
            return raw
        if self.steps:
            return self._one_step(raw)
        if self.fired > 1:
            msg = (
                f"site {self.site!r} was called {self.calls} times in this run but once "
                f"in the first one; name one call, e.g. {self.site + '#2'!r}."
            )
            raise HookError(msg)
        flat = self.axes.flatten(raw)
        for op in self.ops:
            flat = op.full(flat)
        self._keep(flat)
        return self.axes.restore(flat, raw) if self.ops else raw

    def _one_step(self, raw: Tensor) -> Tensor:
        flat = self.axes.flatten(raw)
        shape = flat.shape
        if self.axes.has_time:
            flat = flat.squeeze(1)
        for op in self.ops:
            flat = op.step(flat, self._time)
        self._time += 1
        self._keep(flat[:, None])
        return self.axes.restore(flat.reshape(shape), raw) if self.ops else raw

    def writer(self) -> Callable[[Tensor, int], Tensor] | None:
        """Return what writes one step of the next call of a stepped layer."""
        if not self.ops or (self.call is not None and self.calls != self.call):
            return None
        if len(self.ops) == 1 and self._time == 0:
            return self.ops[0].fresh_step
        return partial(_write_all, self.ops, self._time)

    def keep_steps(self, states: Tensor) -> None:
        """Take the states (trial, time, unit) of one call of a stepped layer."""
        if not self._meant():
            return
        self._time += states.shape[1]
        self._keep(states, call_of_steps=True)

    def result(self, name: str | None = None) -> Tensor:
        """Return what was read: (trial, time, unit) or (trial, unit).

        `name` is the site (by default) or one of the dictionaries.
        """
        kept = self._kept[name or self.site]
        return kept[0] if len(kept) == 1 else torch.cat(kept, dim=1)


class Look:
    """A visit that only looks: keeps the raw tensor of each call."""

    def __init__(self, call: int | None = None) -> None:
        self.call = call
        self.calls = 0
        self.raw: list[Tensor] = []
        self.stepped = False

    def __call__(self, raw: Tensor) -> Tensor:
        """Keep a copy and let the tensor pass."""
        if self.call is None or self.calls == self.call:
            self.raw.append(raw.detach().clone())
        self.calls += 1
        return raw

    def writer(self) -> None:
        """Write nothing."""
        return

    def keep_steps(self, states: Tensor) -> None:
        """Keep a copy of the states."""
        self.stepped = True
        self(states)


def _write_all(ops: Sequence[Op | FeatureOp], start: int, x: Tensor, t: int) -> Tensor:
    for op in ops:
        x = op.fresh_step(x, start + t)
    return x
