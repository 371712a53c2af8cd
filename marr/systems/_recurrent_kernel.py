"""Recurrent layers as loops over steps, equal to the fused kernels of torch.

Each function takes the whole input sequence, projects it once, and steps the hidden
state. `write`, where given, is called with the new state and the step and returns
the state that the next step (and the output) will see.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

__all__ = ["Write", "gru_steps", "lstm_cell", "lstm_steps", "rnn_steps"]

Write = Callable[[Tensor, int], Tensor]

Inputs = Float[Tensor, "time batch features"]
State = Float[Tensor, "batch hidden"]
Cell = Float[Tensor, "batch cell"]
States = Float[Tensor, "time batch hidden"]
Cells = Float[Tensor, "time batch cell"]
InputWeights = Float[Tensor, "gates features"]
HiddenWeights = Float[Tensor, "gates hidden"]
Bias = Float[Tensor, "gates"]


def rnn_steps(
    x: Inputs,
    h: State,
    w_ih: InputWeights,
    w_hh: HiddenWeights,
    bias: Bias | None,
    activation: str,
    write: Write | None = None,
) -> States:
    """Elman network: h' = f(W_ih x + W_hh h + b), f = tanh or relu."""
    projected = linear(x, w_ih, bias).unbind(0)
    squash = torch.relu if activation == "relu" else torch.tanh
    w = w_hh.t()
    states = []
    for t, drive in enumerate(projected):
        h = squash(torch.addmm(drive, h, w))
        if write is not None:
            h = write(h, t)
        states.append(h)
    return torch.stack(states)


def gru_steps(
    x: Inputs,
    h: State,
    w_ih: InputWeights,
    w_hh: HiddenWeights,
    b_ih: Bias | None,
    b_hh: Bias | None,
    write: Write | None = None,
) -> States:
    """Gated recurrent unit, reset gate applied after the product as in torch.

    r, z = sigmoid(W x + U h + b); n = tanh(W x + b + r * (U h + b'));
    h' = (1 - z) * n + z * h
    """
    size = h.shape[1]
    projected = linear(x, w_ih, b_ih)
    gates_in, new_in = projected[..., : 2 * size], projected[..., 2 * size :]
    w_gates, w_new = w_hh[: 2 * size].t(), w_hh[2 * size :].t()
    b_new = h.new_zeros(size) if b_hh is None else b_hh[2 * size :]
    if b_hh is not None:
        gates_in = gates_in + b_hh[: 2 * size]
    states = []
    pairs = zip(gates_in.unbind(0), new_in.unbind(0), strict=True)
    for t, (gate_drive, new_drive) in enumerate(pairs):
        gates = torch.addmm(gate_drive, h, w_gates).sigmoid_()
        reset, update = gates[:, :size], gates[:, size:]
        new = torch.addmm(b_new, h, w_new).mul_(reset).add_(new_drive).tanh_()
        h = torch.lerp(new, h, update)
        if write is not None:
            h = write(h, t)
        states.append(h)
    return torch.stack(states)


def lstm_cell(
    gates: Float[Tensor, "batch gates"],
    c: Cell,
    w_hr: Tensor | None,
    t: int,
    write_h: Write | None,
    write_c: Write | None,
) -> tuple[State, Cell]:
    """One step of an LSTM from its pre-activations (order i, f, g, o).

    The cell state is written before the hidden state is read out of it, so that a
    perturbed cell state acts within its own step.
    """
    size = c.shape[1]
    i, f = gates[:, : 2 * size].sigmoid().chunk(2, dim=1)
    g = gates[:, 2 * size : 3 * size].tanh()
    o = gates[:, 3 * size :].sigmoid()
    c = torch.addcmul(f * c, i, g)
    if write_c is not None:
        c = write_c(c, t)
    h = o * c.tanh()
    if w_hr is not None:
        h = h @ w_hr.t()
    if write_h is not None:
        h = write_h(h, t)
    return h, c


def lstm_steps(
    x: Inputs,
    state: tuple[State, Cell],
    w_ih: InputWeights,
    w_hh: HiddenWeights,
    bias: Bias | None,
    w_hr: Tensor | None = None,
    write_h: Write | None = None,
    write_c: Write | None = None,
) -> tuple[States, Cells]:
    """Long short-term memory, with a projection of the hidden state if `w_hr`."""
    projected = linear(x, w_ih, bias).unbind(0)
    w = w_hh.t()
    h, c = state
    hidden, cells = [], []
    for t, drive in enumerate(projected):
        gates = torch.addmm(drive, h, w)
        h, c = lstm_cell(gates, c, w_hr, t, write_h, write_c)
        hidden.append(h)
        cells.append(c)
    return torch.stack(hidden), torch.stack(cells)
