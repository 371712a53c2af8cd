"""The loops over steps against the fused layers of torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from marr.systems._adapter_axes import Axes
from marr.systems._adapter_visit import Look, Visit
from marr.systems._recurrent import is_stepped, stepped_forward
from marr.systems._recurrent_kernel import gru_steps

CASES = [
    pytest.param(kind, options, id=f"{kind}-{options}")
    for kind, options in [
        ("RNN", {}),
        ("RNN", {"nonlinearity": "relu", "bias": False}),
        ("GRU", {}),
        ("GRU", {"bias": False, "num_layers": 3}),
        ("LSTM", {}),
        ("LSTM", {"num_layers": 2, "proj_size": 3}),
        ("LSTM", {"bias": False}),
    ]
]


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch itself
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_steps_equal_the_fused_kernel(kind, options, batch_first):
    torch.manual_seed(1)
    layer = getattr(nn, kind)(4, 6, batch_first=batch_first, **options)
    x = torch.randn((5, 11, 4) if batch_first else (11, 5, 4))
    with torch.no_grad():
        fused, fused_end = layer(x)
        stepped, end = stepped_forward(layer, {})(x)
        again, _ = stepped_forward(layer, {})(x, end)
        fused_again, _ = layer(x, fused_end)
    assert torch.allclose(stepped, fused, atol=1e-6)
    assert torch.allclose(again, fused_again, atol=1e-6)
    ends = end if isinstance(end, tuple) else (end,)
    fused_ends = fused_end if isinstance(fused_end, tuple) else (fused_end,)
    for a, b in zip(ends, fused_ends, strict=True):
        assert a.shape == b.shape
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_unbatched_input(kind):
    layer = getattr(nn, kind)(4, 6)
    x = torch.randn(7, 4)
    with torch.no_grad():
        fused, fused_end = layer(x)
        stepped, end = stepped_forward(layer, {})(x)
    assert torch.allclose(stepped, fused, atol=1e-6)
    flat = end[0] if kind == "LSTM" else end
    assert flat.shape == (fused_end[0] if kind == "LSTM" else fused_end).shape


def test_lstm_cell_equals_torch_with_and_without_state():
    cell = nn.LSTMCell(4, 6)
    x, state = torch.randn(5, 4), (torch.randn(5, 6), torch.randn(5, 6))
    with torch.no_grad():
        for given in (None, state):
            ours = stepped_forward(cell, {})(x, given)
            for a, b in zip(ours, cell(x, given), strict=True):
                assert torch.allclose(a, b, atol=1e-6)
        alone = stepped_forward(cell, {})(x[0], (state[0][0], state[1][0]))
        assert torch.allclose(alone[0], cell(x, state)[0][0], atol=1e-6)


def test_a_written_state_is_what_the_next_step_starts_from():
    layer = nn.GRU(2, 3)
    x = torch.randn(4, 1, 2)
    weights = [getattr(layer, f"{n}_l0") for n in ("weight_ih", "weight_hh")]
    biases = (layer.bias_ih_l0, layer.bias_hh_l0)

    def zero_at_two(h, t):
        return torch.zeros_like(h) if t == 2 else h

    with torch.no_grad():
        states = gru_steps(x, torch.zeros(1, 3), *weights, biases, zero_at_two)
        fresh, _ = layer(x[3:])
    assert (states[2] == 0).all()
    assert torch.allclose(states[3], fresh[0], atol=1e-6)


def test_looks_see_every_layer_and_cell():
    layer = nn.LSTM(2, 3, num_layers=2, batch_first=True)
    looks = {(0, "h"): Look(), (0, "c"): Look(), (1, "h"): Look()}
    with torch.no_grad():
        output, (h, c) = stepped_forward(layer, looks)(torch.randn(5, 4, 2))
    assert torch.equal(looks[1, "h"].raw[0], output)
    assert torch.equal(looks[0, "h"].raw[0][:, -1], h[0])
    assert torch.equal(looks[0, "c"].raw[0][:, -1], c[0])


def test_steps_of_several_calls_are_strung_together():
    layer = nn.GRU(2, 3, batch_first=True)
    visit = Visit(
        "gru", Axes(("trial", "time", "unit"), (5, 4, 3)), steps=False, read=True
    )
    x = torch.randn(5, 4, 2)
    with torch.no_grad():
        forward = stepped_forward(layer, {(0, "h"): visit})
        h = None
        for t in range(4):
            _, h = forward(x[:, t : t + 1], h)
        assert torch.allclose(visit.result(), layer(x)[0], atol=1e-6)


def test_a_subclass_with_its_own_forward_is_left_alone():
    class Own(nn.GRU):
        def forward(self, x):
            return x

    assert is_stepped(nn.GRU(1, 1))
    assert not is_stepped(Own(1, 1))
    assert not is_stepped(nn.GRUCell(1, 1))
