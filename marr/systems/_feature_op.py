"""Writing to the features of a hooked site: the site gets what the features gained."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from marr.systems._adapter_axes import Axes
from marr.systems._hooked_labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.systems._adapter_visit import Op
    from marr.systems._dictionary_codec import Codec
    from marr.systems._features import FeatureView
    from marr.systems._hooked_layout import Batch
    from marr.systems._hooked_model import HookedModel
    from marr.systems._hooked_probe import SiteInfo
    from marr.systems._hooked_writes import Write

__all__ = ["FeatureOp", "FeatureWrite", "add_write", "model_with_view", "view_info"]


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the precision in which activity of a dtype is encoded."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def view_info(view: FeatureView, info: SiteInfo | None) -> SiteInfo | None:
    """Return what the site of features looks like, from the site that it is made of."""
    if info is None:
        return None
    n = view.dictionary.n_features
    timed = info.n_times is not None
    dims = ("trial", "time", "unit") if timed else ("trial", "unit")
    shape = (info.axes.shape[0], *([1] if timed else []), n)
    return replace(info, axes=Axes(dims, shape), dtype=working_dtype(info.dtype))


@dataclass
class FeatureOp:
    """Perturbations of the features of one site, for one batch.

    With features f of the activity x and f' after the writes, the activity becomes
    ``x + decode(f') - decode(f)``: the part of x that the dictionary does not explain
    stays.

    Parameters
    ----------
    view : str
        Name of the site of features.
    codec : Codec
        Encoder and decoder.
    inner : sequence of Op
        What is written to the features, in order.
    keep : bool
        Keep the features that were put in, for who reads them.
    """

    view: str
    codec: Codec
    inner: Sequence[Op]
    keep: bool = False
    last: list[Tensor] = field(default_factory=list)

    def full(self, x: Tensor) -> Tensor:
        """Return activity (rows, times, units) or (rows, units) after the writes."""
        return self._changed(x, None)

    def step(self, x: Tensor, t: int) -> Tensor:
        """Return activity (rows, units) of step `t` after the writes."""
        return self._changed(x, t)

    fresh_step = step

    def _changed(self, x: Tensor, t: int | None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).to(self.codec.decoder.dtype)
        flat = self.codec.encode(rows)
        before = flat.reshape(*x.shape[:-1], -1)
        after = before
        for op in self.inner:
            after = op.full(after) if t is None else op.step(after, t)
        if self.keep:
            self.last.append(after)
        delta = (after - before).reshape(flat.shape)
        return x + self.codec.change(delta, rows).reshape(x.shape).to(x.dtype)

    def taken(self, *, steps: bool) -> Tensor:
        """Return the features that were put in since they were last taken."""
        found = torch.stack(self.last, dim=1) if steps else self.last[-1]
        self.last.clear()
        return found


@dataclass(frozen=True)
class FeatureWrite:
    """Perturbations of the features of one site, for all trials of the root system."""

    view: FeatureView
    inner: list[Write]

    def op(self, batch: Batch, info: SiteInfo) -> FeatureOp:
        """Return what is done to one batch."""
        dtype = working_dtype(info.dtype)
        codec = self.view.dictionary.codec(info.device, dtype)
        ops = [w.op(batch, replace(info, dtype=dtype)) for w in self.inner]
        return FeatureOp(self.view.name, codec, ops)


def add_write(
    writes: dict[str, list[Any]], view: FeatureView | None, site: str, write: Write
) -> None:
    """Put one write behind those that act before it at the same hook.

    Writes to the same features that follow each other act on the features together,
    without encoding in between.
    """
    if view is None:
        writes.setdefault(site, []).append(write)
        return
    queue = writes.setdefault(view.site, [])
    if queue and isinstance(queue[-1], FeatureWrite) and queue[-1].view is view:
        queue[-1].inner.append(write)
    else:
        queue.append(FeatureWrite(view, [write]))


def model_with_view(model: HookedModel, view: FeatureView) -> HookedModel:
    """Return a hooked model with a site of features; what was computed stays."""
    engine = model.engine.with_view(view)
    old = model._labels
    labels = Labels(engine, old.units, old.time, old.time_unit)
    made: dict[int, HookedModel] = {}

    def viewed(system: HookedModel) -> HookedModel:
        if id(system) in made:
            return made[id(system)]
        child = system._like(system.task, system.variables, system._rows)
        child.engine, child._labels = engine, labels
        child.perturbations = system.perturbations
        child._store, child._means = dict(system._store), dict(system._means)
        child._behavior = system._behavior
        made[id(system)] = child
        child._root = None if system._root is None else viewed(system._root)
        child._parent = None if system._parent is None else viewed(system._parent)
        return child

    return viewed(model)
