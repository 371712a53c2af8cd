"""Cells that are called once a step, modules called twice, outputs that are tuples."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

import marr
from marr import Ablate
from marr.errors import HookError, OptionError

Pair = namedtuple("Pair", ["out", "extra"])  # noqa: PYI024


class Cells(nn.Module):
    """A loop over a cell, written out by the user."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.cell = getattr(nn, kind)(3, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x):
        h = x.new_zeros(len(x), 5)
        state = (h, h) if self.kind == "LSTMCell" else h
        outputs = []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            h = state[0] if self.kind == "LSTMCell" else state
            outputs.append(self.out(h))
        return torch.stack(outputs, 1)


class Layer(nn.Module):
    """The same weights in a fused layer."""

    def __init__(self, cells):
        super().__init__()
        kind = cells.kind.removesuffix("Cell")
        self.rnn = getattr(nn, kind)(3, 5, batch_first=True)
        for name, value in cells.cell.named_parameters():
            setattr(self.rnn, f"{name}_l0", value)
        self.out = cells.out

    def forward(self, x):
        return self.out(self.rnn(x)[0])


@pytest.fixture
def x():
    return torch.randn(6, 9, 3, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_calls_of_a_cell_are_steps_of_time(kind, x):
    torch.manual_seed(0)
    cells = Cells(kind)
    system = marr.hook(cells, x, sites=["cell", "out"])
    layer = marr.hook(Layer(cells), x, sites=["rnn"])
    with torch.no_grad():
        assert np.abs(system.outputs() - cells(x).numpy()).max() < 1e-6
    assert system.activity("cell").dims == ("trial", "time", "unit")
    difference = system.activity("cell").values - layer.activity("rnn").values
    assert np.abs(difference).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "part"),
    [("RNNCell", ""), ("GRUCell", ""), ("LSTMCell", ""), ("LSTMCell", ".c")],
)
def test_a_lesioned_cell_equals_the_lesioned_layer(kind, part, x):
    torch.manual_seed(0)
    cells = Cells(kind)
    a = marr.hook(cells, x, sites=["cell" + part])
    b = marr.hook(Layer(cells), x, sites=["rnn" + part])
    options = {"units": [0, 3], "mode": "mean", "time": slice(2, 6)}
    one = a.perturb(Ablate("cell" + part, **options)).outputs()
    two = b.perturb(Ablate("rnn" + part, **options)).outputs()
    assert np.abs(one - two).max() < 1e-6
    assert np.abs(one - a.outputs()).max() > 1e-3


def test_cell_state_written_is_seen_in_its_own_step(x):
    torch.manual_seed(0)
    system = marr.hook(Layer(Cells("LSTMCell")), x, sites=["rnn", "rnn.c"])
    lesion = system.perturb(Ablate("rnn.c", mode="zero"))
    assert (lesion.activity("rnn").values == 0).all()


class Twice(nn.Module):
    """One layer used twice, with a nonlinearity between."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(4, 4)

    def forward(self, x):
        return self.shared(torch.tanh(self.shared(x)))


def test_the_second_call_by_number():
    torch.manual_seed(0)
    model, x = Twice(), torch.randn(5, 3, 4)
    system = marr.hook(model, x, sites=["shared#1", "shared#2"])
    with torch.no_grad():
        first = model.shared(x)
    assert np.array_equal(system.activity("shared#1").values, first.numpy())
    assert np.array_equal(system.activity("shared#2").values, system.outputs())
    lesion = system.perturb(Ablate("shared#1", mode="zero"))
    bias = model.shared.bias.detach().numpy()
    assert np.allclose(lesion.outputs(), bias)
    assert np.allclose(lesion.activity("shared#2").values, bias)
    late = system.perturb(Ablate("shared#2", mode="zero"))
    assert (late.outputs() == 0).all()
    assert np.array_equal(late.activity("shared#1").values, first.numpy())


def test_several_calls_over_whole_trials_need_a_number():
    system = marr.hook(Twice(), torch.randn(5, 3, 4), sites=["shared"])
    with pytest.raises(HookError, match="shared#1"):
        system.activity("shared")


def test_a_third_call_that_never_comes():
    system = marr.hook(Twice(), torch.randn(5, 3, 4), sites=["shared#3"])
    with pytest.raises(HookError, match="never fired"):
        system.activity("shared#3")


def test_a_layer_stepped_by_the_user(x):
    class ByHand(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(3, 5, batch_first=True)
            self.out = nn.Linear(5, 1)

        def forward(self, x):
            h, outputs = None, []
            for t in range(x.shape[1]):
                state, h = self.rnn(x[:, t : t + 1], h)
                outputs.append(self.out(state))
            return torch.cat(outputs, 1)

    torch.manual_seed(0)
    model = ByHand()
    system = marr.hook(model, x, sites=["rnn", "out"])
    assert system.activity("rnn").shape == (6, 9, 5)
    assert np.array_equal(system.activity("out").values, system.outputs())
    whole = nn.Sequential()
    whole.rnn = model.rnn
    lesion = system.perturb(Ablate("rnn", units=[1], mode="zero", time=[4]))
    zero = lesion.activity("rnn").values[..., 1] == 0
    assert zero[:, 4].all()
    assert zero.sum() == 6
    assert np.array_equal(lesion.outputs()[:, :4], system.outputs()[:, :4])
    assert not np.allclose(lesion.outputs()[:, 5:], system.outputs()[:, 5:])


@pytest.mark.parametrize("form", [tuple, list, Pair, dict])
def test_first_and_second_tensor_of_an_output(form):
    class Inner(nn.Module):
        def forward(self, x):
            a, b = x + 1, x * 2
            if form is dict:
                return {"a": a, "b": b}
            return Pair(a, b) if form is Pair else form([a, b])

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            found = self.inner(x)
            assert isinstance(found, form)
            a, b = found.values() if form is dict else found
            return a + b

    x = torch.randn(4, 3)
    system = marr.hook(Outer(), x, sites=["inner", "inner.c"])
    assert np.array_equal(system.activity("inner").values, (x + 1).numpy())
    assert np.array_equal(system.activity("inner.c").values, (x * 2).numpy())
    lesion = system.perturb(Ablate("inner.c", mode="zero"))
    assert np.allclose(lesion.outputs(), (x + 1).numpy())


def test_bare_layers_and_time_first_modules(x):
    torch.manual_seed(0)
    bare = nn.LSTM(3, 5)
    system = marr.hook(bare, x, sites=["model", "model.c"])
    with torch.no_grad():
        expected = bare(x.transpose(0, 1))[0].transpose(0, 1).numpy()
    assert np.abs(system.outputs() - expected).max() < 1e-6
    assert np.abs(system.activity("model").values - expected).max() < 1e-6

    class TimeFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(3, 2)

        def forward(self, x):
            return self.lin(x.transpose(0, 1)).transpose(0, 1)

    model = TimeFirst()
    found = marr.hook(model, x, sites=["lin"])
    assert np.array_equal(found.activity("lin").values, found.outputs())
    lesion = found.perturb(Ablate("lin", units=[1], mode="zero", time=[2]))
    assert (lesion.outputs()[:, 2, 1] == 0).all()
    assert np.array_equal(lesion.outputs()[..., 0], found.outputs()[..., 0])


@pytest.mark.parametrize(
    ("site", "match"),
    [
        ("rnn.l1", "1 layers"),
        ("rnn.c", "no"),
        ("out.l0", "Only nn.RNN"),
        ("rnn#0", "number of a call"),
        ("rnn#x", "number of a call"),
        ("rn", "Did you mean 'rnn'"),
    ],
)
def test_site_names_that_do_not_exist(site, match):
    model = Layer(Cells("GRUCell"))
    with pytest.raises(OptionError, match=match):
        marr.hook(model, torch.zeros(2, 3, 3), sites=[site])


@pytest.mark.parametrize(
    "sites",
    [["rnn", "rnn.l0"], ["rnn", "rnn#1"], ["out", "again"], ["rnn.c", "rnn.l0.c"]],
)
def test_two_names_of_one_hook(sites):
    model = Layer(Cells("LSTMCell"))
    model.again = model.out
    with pytest.raises(HookError, match="two names of one hook"):
        marr.hook(model, torch.zeros(2, 3, 3), sites=sites)


def test_bidirectional_layers_are_refused():
    with pytest.raises(HookError, match="bidirectional"):
        marr.hook(
            nn.GRU(3, 4, bidirectional=True), torch.zeros(2, 3, 3), sites=["model"]
        )


def test_packed_sequences_are_refused(x):
    class Packs(Layer):
        def forward(self, x):
            packed = nn.utils.rnn.pack_padded_sequence(
                x, [9] * len(x), batch_first=True
            )
            return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], True)[0]

    with pytest.raises(HookError, match="padded tensors"):
        marr.hook(Packs(Cells("GRUCell")), x, sites=["rnn"]).outputs()


def test_numbered_calls_of_a_stepped_layer(x):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 3, batch_first=True)

        def forward(self, x):
            first, state = self.rnn(x)
            return self.rnn(first, state)[0]

    torch.manual_seed(0)
    model = Both()
    system = marr.hook(model, x, sites=["rnn#1", "rnn#2"])
    assert np.array_equal(system.activity("rnn#2").values, system.outputs())
    lesion = system.perturb(Ablate("rnn#2", units=[0], mode="zero"))
    first = lesion.activity("rnn#1").values
    assert np.array_equal(first, system.activity("rnn#1").values)
    assert (lesion.outputs()[..., 0] == 0).all()
    both = lesion.perturb(Ablate("rnn#1", units=[1], mode="zero"))
    assert (both.activity("rnn#1").values[..., 1] == 0).all()
    assert (both.outputs()[..., 0] == 0).all()
    assert (both.outputs()[..., 1] != 0).any()


def test_ragged_trials_of_a_cell():
    torch.manual_seed(0)
    model = Cells("GRUCell")
    trials = [torch.randn(n, 3) for n in [1, 4, 2, 4, 1]]
    system = marr.hook(model, trials, sites=["cell"])
    found = system.perturb(Ablate("cell", units=[0], mode="zero")).activity("cell")
    assert found.shape == (5, 4, 5)
    valid = found["valid"].values
    assert (found.values[valid][:, 0] == 0).all()
    with torch.no_grad():
        alone = model(trials[2][None])[0].numpy()
    assert np.abs(system.outputs()[2, :2] - alone).max() < 1e-6
