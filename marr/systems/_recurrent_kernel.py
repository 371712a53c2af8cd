"""Recurrent layers as loops over steps, equal to the fused kernels of torch.

`write`, where given, is called with the new state and the step; what it returns is what
the output holds and what the next step starts from. Each step projects its own input:
on a CPU that is faster than projecting the whole sequence at once, because the numbers
stay in the cache.
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
    biases: tuple[Bias | None, Bias | None],
    activation: str,
    write: Write | None = None,
) -> States:
    """Elman network: h' = f(W x + b + U h + b'), f = tanh or relu."""
    cell = torch.rnn_relu_cell if activation == "relu" else torch.rnn_tanh_cell
    states = []
    for t, drive in enumerate(x.unbind(0)):
        h = cell(drive, h, w_ih, w_hh, *biases)
        if write is not None:
            h = write(h, t)
        states.append(h)
    return torch.stack(states)


def gru_steps(
    x: Inputs,
    h: State,
    w_ih: InputWeights,
    w_hh: HiddenWeights,
    biases: tuple[Bias | None, Bias | None],
    write: Write | None = None,
) -> States:
    """Gated recurrent unit, reset gate applied after the product as in torch.

    r, z = sigmoid(W x + b + U h + b'); n = tanh(W x + b + r * (U h + b'));
    h' = (1 - z) * n + z * h
    """
    states = []
    for t, drive in enumerate(x.unbind(0)):
        h = torch.gru_cell(drive, h, w_ih, w_hh, *biases)
        if write is not None:
            h = write(h, t)
        states.append(h)
    return torch.stack(states)


def lstm_cell(
    gates: Float[Tensor, "batch gates"],
    c: Cell,
    w_hr: Float[Tensor, "hidden cell"] | None,
    t: int,
    write_h: Write | None,
    write_c: Write | None,
) -> tuple[State, Cell]:
    """One step of an LSTM from its pre-activations (order i, f, g, o).

    The cell state is written before the hidden state is read out of it, so that a
    perturbed cell state acts within its own step.
    """
    i, f, g, o = gates.chunk(4, dim=1)
    c = torch.addcmul(f.sigmoid() * c, i.sigmoid(), g.tanh())
    if write_c is not None:
        c = write_c(c, t)
    h = o.sigmoid() * c.tanh()
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
    w_hr: Float[Tensor, "hidden cell"] | None = None,
    write_h: Write | None = None,
    write_c: Write | None = None,
) -> tuple[States, Cells]:
    """Long short-term memory, with a projection of the hidden state if `w_hr`."""
    w = w_hh.t()
    h, c = state
    hidden, cells = [], []
    for t, drive in enumerate(x.unbind(0)):
        gates = torch.addmm(linear(drive, w_ih, bias), h, w)
        h, c = lstm_cell(gates, c, w_hr, t, write_h, write_c)
        hidden.append(h)
        cells.append(c)
    return torch.stack(hidden), torch.stack(cells)
