"""Run a hooked model: batches in, activity and outputs by trial out."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from marr.errors import HookError, MarrError
from marr.systems._adapter_visit import Look, Op, Visit
from marr.systems._feature_op import view_info
from marr.systems._hooked_collect import Collector, cut
from marr.systems._hooked_landing import check_lands, may_pad
from marr.systems._hooked_layout import Batch, Layout
from marr.systems._hooked_probe import (
    Seen,
    SiteInfo,
    check_same,
    check_uncoupled,
    seen_sites,
)
from marr.systems._hooked_weights import Weights, model_device, model_dtype
from marr.systems._recurrent import is_stepped

if TYPE_CHECKING:
    from marr.systems._adapter import Adapter, Tap
    from marr.systems._dictionary_codec import Codec
    from marr.systems._features import FeatureView
    from marr.systems._hooked_inputs import Inputs

__all__ = ["Engine", "Sink"]

RUNNING = threading.RLock()
"""One run at a time: hooks of two runs on one model would mix."""

MEMORY = 256_000_000
"""Bytes of activity that one batch may hold."""

FOREIGN = (RuntimeError, TypeError, ValueError, IndexError, KeyError)

Writes = Mapping[str, Sequence[Any]]
Sink = Callable[[NDArray[np.intp], NDArray[Any]], None]
"""Takes trials (positions on the root system) and their outputs, batch by batch."""


class Engine:
    """A model, its inputs and its sites; knows nothing of tables or perturbations.

    Parameters
    ----------
    adapter : Adapter
        How sites of this kind of model are reached.
    inputs : Inputs
        One a trial.
    taps : dict of str to Tap
        The sites.
    sequences : list of arrays, optional
        Trials of each sequence.
    name : str
        Name of the system, for messages.
    batch_size : int, optional
        Trials that run together.
    """

    def __init__(
        self,
        adapter: Adapter,
        inputs: Inputs,
        taps: dict[str, Tap],
        sequences: Sequence[NDArray[np.intp]] | None,
        *,
        name: str,
        batch_size: int | None,
    ) -> None:
        self.adapter, self.taps, self.name = adapter, taps, name
        self.inputs = inputs.to(model_dtype(adapter.model))
        self.layout = Layout(self.inputs, sequences)
        self.weights = Weights(adapter.model)
        self.batch_size = batch_size
        self.views: dict[str, FeatureView] = {}
        self._stepped = [s for s, tap in taps.items() if is_stepped(tap.module)]
        self._input_bytes = sum(
            a.numel() * a.element_size() for a in inputs.arrays.values()
        )
        self._landed: set[str] = set()
        self._modes: tuple[bool, ...] | None = None
        self._seen: dict[str, SiteInfo | None] = {}
        self._output_size = 0
        self._batches: dict[bytes, list[Batch]] = {}

    def with_view(self, view: FeatureView) -> Engine:
        """Return an engine with a site of features more; what was seen is shared."""
        seen = self.seen()
        other = copy.copy(self)
        other.views = {**self.views, view.name: view}
        other._seen = {**seen, view.name: view_info(view, seen[view.site])}
        other._landed, other._batches = set(self._landed), {}
        return other

    def base(self, site: str) -> str:
        """Return the hooked site that a site is, or is made of."""
        return self.views[site].site if site in self.views else site

    # -- the first small run ---------------------------------------------------------

    def seen(self) -> Seen:
        """Look at the model with a few trials, once, and again when its mode changed."""
        modes = tuple(m.training for m in self.adapter.model.modules())
        if modes != self._modes:
            self._look()
            self._modes = modes
            self._landed.clear()
        return self._seen

    def info(self, site: str) -> SiteInfo:
        """Return what a site looks like, or raise if its hook does not fire."""
        found = (self._seen or self.seen())[site]
        if found is None:
            self._never_fired(site)
        return found  # type: ignore[return-value]

    def _look(self) -> None:
        self.weights.check(self.name, cached=False)
        batch = self.few()
        model = self.adapter.model
        buffers = [(b, b.clone()) for b in torch.nn.Module.buffers(model)]
        with torch.random.fork_rng(devices=[]):
            first, again = self.peek(batch), self.peek(batch)
            fewer = self.peek(self.few(less=True)) if batch.n_rows > 1 else None
        if self.weights.changed():
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
            msg = (
                f"running {self.name!r} changes its own buffers (batch normalization in "
                "training mode, or a model that keeps state). They were put back; call "
                "model.eval() before marr.hook."
            )
            raise HookError(msg)
        check_same(first, again, model)
        sizes = (batch.n_rows, batch.n_rows - 1)
        seen = seen_sites(self.adapter, self.taps, first, fewer, sizes)
        views = {n: view_info(v, seen[v.site]) for n, v in self.views.items()}
        self._seen = {**seen, **views}
        if fewer is not None:
            check_uncoupled(first[0], fewer[0])
        self._output_size = first[0][0].numel()

    def few(self, *, less: bool = False) -> Batch:
        """Return a small batch of up to three rows, or of one row less."""
        layout, n_trials = self.layout, self.inputs.n_trials
        if layout.plain:
            picked = _spread(n_trials)
            return layout.plain_batch(picked[: len(picked) - less])
        rows = layout.rows(np.arange(n_trials))
        lengths = layout.row_lengths(rows)
        chosen = [rows[i] for i in np.argsort(-lengths, kind="stable")[:3]]
        longest = 2 * int(self.inputs.n_times or 1)
        n_steps = min(longest, int(layout.row_lengths(chosen).min()))
        return layout.placed_batch(chosen[: len(chosen) - less], n_steps=n_steps)

    @cached_property
    def _pad(self) -> bool:
        return self.layout.plain or may_pad(self)

    def peek(self, batch: Batch) -> tuple[Tensor, dict[str, Look]]:
        """Run one batch and keep the raw tensors of all sites."""
        looks = {site: Look(tap.call) for site, tap in self.taps.items()}
        visits = {self.taps[site]: look for site, look in looks.items()}
        return self.call(batch, visits), looks

    # -- runs ------------------------------------------------------------------------

    def run(
        self,
        trials: NDArray[np.intp],
        *,
        read: Sequence[str] = (),
        writes: Writes | None = None,
        sink: Sink | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Run the model on some trials.

        Parameters
        ----------
        trials : array of int
            Positions on the root system; of a sequence all trials run.
        read : sequence of str
            Sites whose activity is returned.
        writes : dict of site to list of Write
            What is written, in order.
        sink : callable, optional
            Called with trials and outputs, batch by batch.

        Returns
        -------
        dict of site to array, trials in the order asked for
        """
        self.weights.check(self.name, cached=False)
        self.seen()
        for site in {*map(self.base, read), *(writes or {})}:
            self.info(site)
        for site in set(writes or {}) - self._landed:
            check_lands(self, site)
            self._landed.add(site)
        collectors = {site: Collector(site, trials, self.inputs) for site in read}
        batches = self.batches(trials)
        shown = tqdm(batches, desc=self.name, delay=2, leave=False, disable=None)
        for batch in shown:
            self._run_batch(batch, writes or {}, collectors, trials, sink)
        return {site: collector.array for site, collector in collectors.items()}

    def _run_batch(
        self,
        batch: Batch,
        writes: Writes,
        collectors: Mapping[str, Collector],
        trials: NDArray[np.intp],
        sink: Sink | None,
    ) -> None:
        sites = {*map(self.base, collectors), *writes, *self._stepped}
        visits: dict[str, Visit] = {}
        for site in sites:
            info = self.info(site)
            ops = [w.op(batch, info) for w in writes.get(site, ())]
            views = [v for n, v in self.views.items() if n in collectors]
            codecs = {
                v.name: v.dictionary.codec(info.device, self.info(v.name).dtype)
                for v in views
                if v.site == site
            }
            read = site in collectors
            visits[site] = self.visit(site, ops, read=read, codecs=codecs)
        output = self.call(batch, {self.taps[s]: v for s, v in visits.items()})
        for site, visit in visits.items():
            if visit.fired == 0:
                self._never_fired(site)
        for site, collector in collectors.items():
            result = visits[self.base(site)].result(site)
            collector.add(*cut(site, result, batch, trials, self.inputs))
        if sink is not None:
            sink(*cut("output", output, batch, trials, self.inputs))

    def visit(
        self,
        site: str,
        ops: Sequence[Op],
        *,
        read: bool,
        codecs: Mapping[str, Codec] | None = None,
    ) -> Visit:
        """Return a visit of a site that writes and reads, features as well."""
        info, call = self.info(site), self.taps[site].call
        return Visit(
            site,
            info.axes,
            steps=info.steps,
            ops=ops,
            read=read,
            call=call,
            codecs=codecs,
        )

    def call(self, batch: Batch, visits: Mapping[Tap, Any]) -> Tensor:
        """Call the model on one batch; hooks are gone afterwards, whatever happens."""
        device = model_device(self.adapter.model)
        args = tuple(a.to(device) for a in batch.args)
        kwargs = {k: a.to(device) for k, a in batch.kwargs.items()}
        try:
            with RUNNING, torch.no_grad(), self.adapter.attach(visits):
                return self.adapter.call(args, kwargs)
        except MarrError:
            raise
        except FOREIGN as error:
            shapes = [tuple(a.shape) for a in (*args, *kwargs.values())]
            msg = (
                f"the model of {self.name!r} failed on inputs of shape {shapes}: "
                f"{type(error).__name__}: {error}. Inputs must be one row a trial, as "
                "model(inputs) takes them."
            )
            raise HookError(msg) from error

    def batches(self, trials: NDArray[np.intp]) -> Iterable[Batch]:
        """Return the batches for these trials, kept for the next run if small."""
        key = trials.tobytes()
        if key in self._batches:
            return self._batches[key]
        size = self._n_together()
        found = self.layout.batches(trials, n_trials=size, pad=self._pad)
        if self._input_bytes > MEMORY:
            return found
        if len(self._batches) >= 4:
            self._batches.pop(next(iter(self._batches)))
        self._batches[key] = list(found)
        return self._batches[key]

    def _n_together(self) -> int:
        """Return how many trials run together."""
        if self.batch_size is not None:
            return self.batch_size
        units = [
            (info.axes.n_units * (info.n_times or 1))
            for info in self._seen.values()
            if info is not None
        ]
        fits = MEMORY // (16 * (sum(units) + self._output_size))
        return max(1, min(fits, 4096) if self.layout.plain else fits)

    def output_bytes(self, n_trials: int) -> int:
        """Return about how much memory the outputs of some trials take."""
        self.seen()
        return 4 * n_trials * self._output_size

    def _never_fired(self, site: str) -> None:
        tap = self.taps[site]
        msg = (
            f"site {site!r}: its hook never fired when {self.name!r} ran: "
            f"{self.adapter.never_fired(tap)}."
        )
        raise HookError(msg)


def _spread(n: int) -> NDArray[np.intp]:
    """Return up to three positions spread over n."""
    return np.unique(np.linspace(0, n - 1, min(n, 3)).astype(np.intp))
