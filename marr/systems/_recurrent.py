"""Run nn.RNN, nn.GRU, nn.LSTM and nn.LSTMCell step by step, with access to each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear

from marr.errors import HookError
from marr.systems._adapter_visit import Visitor
from marr.systems._recurrent_kernel import (
    gru_steps,
    lstm_cell,
    lstm_steps,
    rnn_steps,
)

__all__ = ["LAYERS", "Visits", "check_stepped", "is_stepped", "stepped_forward"]

LAYERS = (nn.RNN, nn.GRU, nn.LSTM)
"""Layers whose whole loop over time is one fused kernel."""

Visits = Mapping[tuple[int, str], Visitor]
"""By (layer, part): part is "h" for the hidden and "c" for the cell state."""


def is_stepped(module: nn.Module) -> bool:
    """Tell whether a module is run by our own loop instead of its fused kernel.

    A subclass that brings a forward of its own is not.
    """
    kinds = (*LAYERS, nn.LSTMCell)
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward
        for kind in kinds
    )


def check_stepped(site: str, module: nn.Module) -> None:
    """Raise where steps have no order to speak of."""
    if getattr(module, "bidirectional", False):
        msg = (
            f"site {site!r} is a bidirectional layer: its two directions run in opposite "
            "orders, so no state exists at one step. Hook a unidirectional layer, or a "
            "module after this one."
        )
        raise HookError(msg)


def stepped_forward(module: nn.Module, visits: Visits) -> Callable[..., Any]:
    """Return a replacement for `module.forward` that calls the visits at each step."""
    if isinstance(module, nn.LSTMCell):
        return partial(_cell_forward, module, visits)
    assert isinstance(module, nn.RNNBase)
    return partial(_layers_forward, module, visits)


def _cell_forward(
    module: nn.LSTMCell,
    visits: Visits,
    input: Tensor,
    hx: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of nn.LSTMCell; a written cell state is seen by the hidden state."""
    lone = input.dim() == 1
    x = input.unsqueeze(0) if lone else input
    if hx is None:
        zeros = x.new_zeros(x.shape[0], module.hidden_size)
        h, c = zeros, zeros
    else:
        h, c = (s.unsqueeze(0) if lone else s for s in hx)
    gates = linear(x, module.weight_ih, module.bias_ih) + linear(
        h, module.weight_hh, module.bias_hh
    )
    writes = [_writer(visits.get((0, part))) for part in ("h", "c")]
    h, c = lstm_cell(gates, c, None, 0, *writes)
    for part, state in (("h", h), ("c", c)):
        if (0, part) in visits:
            visits[0, part].keep_steps(state[:, None])
    return (h[0], c[0]) if lone else (h, c)


def _layers_forward(
    module: nn.RNNBase, visits: Visits, input: Any, hx: Any = None
) -> tuple[Tensor, Any]:
    """Forward of nn.RNN, nn.GRU or nn.LSTM in Python steps, to 1e-6 the same."""
    if not isinstance(input, Tensor):
        msg = (
            f"a {type(module).__name__} that is a site got a {type(input).__name__}; "
            "its steps are not in trial order. Give it padded tensors instead of "
            "packed sequences."
        )
        raise HookError(msg)
    batched = input.dim() == 3
    x = input if batched else input.unsqueeze(0 if module.batch_first else 1)
    x = x.transpose(0, 1) if module.batch_first else x
    is_lstm = isinstance(module, nn.LSTM)
    start = _start(module, x, hx, batched=batched)
    ends: list[tuple[Tensor, ...]] = []
    for layer in range(module.num_layers):
        state = tuple(s[layer] for s in start)
        tracks = _one_layer(module, layer, x, state, visits)
        ends.append(tuple(track[-1] for track in tracks))
        for part, track in zip("hc", tracks, strict=False):
            if (layer, part) in visits:
                visits[layer, part].keep_steps(track.transpose(0, 1))
        x = tracks[0]
        if module.dropout and layer < module.num_layers - 1:
            x = dropout(x, module.dropout, module.training)
    output = x.transpose(0, 1) if module.batch_first else x
    last = [torch.stack(states) for states in zip(*ends, strict=True)]
    if not batched:
        output = output.squeeze(0 if module.batch_first else 1)
        last = [s.squeeze(1) for s in last]
    return output, (tuple(last) if is_lstm else last[0])


def _start(
    module: nn.RNNBase, x: Tensor, hx: Any, *, batched: bool
) -> tuple[Tensor, ...]:
    """Return the first states, each (layer, trial, unit)."""
    if hx is not None:
        states = hx if isinstance(hx, tuple) else (hx,)
        return states if batched else tuple(s.unsqueeze(1) for s in states)
    rows = (module.num_layers, x.shape[1])
    hidden = x.new_zeros(*rows, module.proj_size or module.hidden_size)
    if isinstance(module, nn.LSTM):
        return hidden, x.new_zeros(*rows, module.hidden_size)
    return (hidden,)


def _one_layer(
    module: nn.RNNBase,
    layer: int,
    x: Tensor,
    state: tuple[Tensor, ...],
    visits: Visits,
) -> tuple[Tensor, ...]:
    """Return the states of one layer, each (time, trial, unit)."""
    w_ih, w_hh = (getattr(module, f"weight_{k}_l{layer}") for k in ("ih", "hh"))
    b_ih, b_hh, total = None, None, None
    if module.bias:
        b_ih, b_hh = (getattr(module, f"bias_{k}_l{layer}") for k in ("ih", "hh"))
        total = b_ih + b_hh
    biases = (b_ih, b_hh)
    write_h = _writer(visits.get((layer, "h")))
    if isinstance(module, nn.GRU):
        return (gru_steps(x, state[0], w_ih, w_hh, biases, write_h),)
    if isinstance(module, nn.LSTM):
        w_hr = getattr(module, f"weight_hr_l{layer}") if module.proj_size else None
        write_c = _writer(visits.get((layer, "c")))
        pair = (state[0], state[1])
        return lstm_steps(x, pair, w_ih, w_hh, total, w_hr, write_h, write_c)
    activation = str(module.nonlinearity)
    return (rnn_steps(x, state[0], w_ih, w_hh, biases, activation, write_h),)


def _writer(visit: Visitor | None) -> Callable[[Tensor, int], Tensor] | None:
    return None if visit is None else visit.writer()
