"""Models and sites that are refused at the first run, and what the message says."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import marr
from marr import Ablate, Steer
from marr.errors import HookError


class Mlp(nn.Module):
    def __init__(self, p=0.0):
        super().__init__()
        self.first = nn.Linear(3, 6)
        self.drop = nn.Dropout(p)
        self.second = nn.Linear(6, 2)

    def forward(self, x):
        return self.second(self.drop(torch.tanh(self.first(x))))


@pytest.fixture
def x():
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def system(x):
    torch.manual_seed(0)
    return marr.hook(Mlp(), x, sites=["first", "second"])


# -- what a model may not do ---------------------------------------------------------


def test_dropout_left_on(x):
    model = Mlp(p=0.5)
    system = marr.hook(model, x, sites=["first"])
    with pytest.raises(HookError, match=r"Dropout is left on in \['drop'\].*eval"):
        system.activity("first")
    model.eval()
    assert system.activity("first").shape == (8, 6)
    model.train()
    with pytest.raises(HookError, match="changes its output"):
        system.perturb(Ablate("first")).outputs()


def test_dropout_between_recurrent_layers(x):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(3, 8, 2, batch_first=True, dropout=0.5)

        def forward(self, x):
            return self.rnn(x)[0]

    with pytest.raises(HookError, match=r"left on in \['rnn'\]"):
        marr.hook(Net(), x[:, None].repeat(1, 4, 1), sites=["rnn"]).outputs()


def test_noise_of_its_own(x):
    class Noisy(Mlp):
        def forward(self, x):
            return super().forward(x + torch.randn(x.shape))

    with pytest.raises(HookError, match="give noise as inputs"):
        marr.hook(Noisy(), x, sites=["first"]).outputs()


def test_state_kept_between_runs(x):
    class Keeps(Mlp):
        seen = 0

        def forward(self, x):
            self.seen += 1
            return super().forward(x) * self.seen

    with pytest.raises(HookError, match="do not keep state"):
        marr.hook(Keeps(), x, sites=["first"]).outputs()


def test_batch_normalization_in_training_mode(x):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(HookError, match="changes its own buffers"):
        marr.hook(model, x, sites=["0"]).outputs()
    after = model.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    untracked = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)
    )
    with pytest.raises(HookError, match="which other trials run with it"):
        marr.hook(untracked, x, sites=["0"]).outputs()


def test_trials_not_first(x):
    class Sideways(Mlp):
        def forward(self, x):
            return super().forward(x).T

    with pytest.raises(HookError, match="trials are not on its first axis"):
        marr.hook(Sideways(), x, sites=["first"]).outputs()


def test_nan_from_the_model(x):
    class Bad(Mlp):
        def forward(self, x):
            return torch.log(super().forward(x))

    with pytest.raises(HookError, match="NaN values at 'output'"):
        marr.hook(Bad(), x, sites=["first"]).outputs()


# -- sites that have no units --------------------------------------------------------


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(4, 2, batch_first=True)
        self.soft = nn.Softmax(-1)

    def forward(self, x):
        out, pattern = self.attn(x, x, x, average_attn_weights=False)
        return out + self.soft(pattern).mean()


@pytest.mark.parametrize("site", ["attn.c", "soft"])
def test_attention_patterns_are_refused(site):
    system = marr.hook(Attention(), torch.randn(3, 5, 4), sites=[site])
    with pytest.raises(HookError, match="attention pattern"):
        system.activity(site)


def test_axes_that_are_not_known():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, x):
            return self.inner(x).flatten(1)

    x = torch.randn(3, 2, 5, 4)
    with pytest.raises(HookError, match="Declare them: sites="):
        marr.hook(Odd(), x, sites=["inner"]).activity("inner")
    found = marr.hook(Odd(), x, sites={"inner": ("trial", "head", "time", "unit")})
    assert found.activity("inner").shape == (3, 5, 8)
    assert found.activity("inner")["head"].values.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(HookError, match="different names"):
        marr.hook(Odd(), x, sites={"inner": ("trial", "unit", "unit", "time")})
    with pytest.raises(HookError, match="has shape"):
        marr.hook(Odd(), x, sites={"inner": ("trial", "unit")}).activity("inner")


def test_conv_models_need_declared_time():
    model = nn.Sequential(nn.Conv1d(3, 4, 2), nn.ReLU(), nn.Flatten())
    with pytest.raises(HookError, match="Declare them"):
        marr.hook(model, torch.randn(3, 3, 6), sites=["1"]).activity("1")


def test_rows_that_mix_trials_and_time():
    class Merges(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(3, 2)

        def forward(self, x):
            return self.lin(x.reshape(-1, 3)).reshape(len(x), -1, 2)

    system = marr.hook(Merges(), torch.randn(5, 4, 3), sites=["lin"])
    with pytest.raises(HookError, match="no axis that runs over trials"):
        system.activity("lin")


def test_integer_sites():
    class Ids(nn.Module):
        def __init__(self):
            super().__init__()
            self.ids = nn.Identity()
            self.embed = nn.Embedding(5, 2)

        def forward(self, x):
            return self.embed(self.ids(x))

    system = marr.hook(Ids(), torch.zeros(3, 4, dtype=torch.long), sites=["ids"])
    with pytest.raises(HookError, match="token ids"):
        system.activity("ids")


# -- hooks that do nothing -----------------------------------------------------------


class Skips(Mlp):
    """Holds a module that it never calls, and one whose output it throws away."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Linear(3, 3)
        self.thrown = nn.Linear(3, 3)

    def forward(self, x):
        self.thrown(x)
        return super().forward(x)


@pytest.mark.parametrize(
    ("site", "match"),
    [("idle", "never fired.*does not call"), ("thrown", "the write did not land")],
)
def test_perturbations_that_do_nothing_raise_at_the_first_run(x, site, match):
    system = marr.hook(Skips(), x, sites=["first", site])
    lesion = system.perturb(Ablate(site, units=[0], mode="zero"))
    with pytest.raises(HookError, match=match):
        lesion.outputs()
    assert system.outputs().shape == (8, 2)
    assert system.activity("first").shape == (8, 6)
    with pytest.raises(HookError, match=match):
        _ = system.perturb(Ablate(site, mode="zero")).activity("first")


def test_a_module_that_is_open_on_few_trials_lands():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.lin = nn.Linear(2, 2)

        def forward(self, x):
            return self.lin(x) * (x[:, :1] > 100)

    inputs = torch.zeros(40, 2)
    inputs[7] = 101
    system = marr.hook(Gate(), inputs, sites=["lin"])
    changed = system.perturb(Steer("lin", [1.0, 0])).outputs() - system.outputs()
    assert np.flatnonzero(changed[:, 0]).tolist() == [7]
