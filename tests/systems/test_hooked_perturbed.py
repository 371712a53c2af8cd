"""Perturbed models against loops written out by hand; references; inert units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import marr
from marr import Ablate, Patch, Steer


class Rnn(nn.Module):
    """A recurrent layer and a linear readout at every step."""

    def __init__(self, kind="GRU", **options):
        super().__init__()
        self.rnn = getattr(nn, kind)(3, 8, batch_first=True, **options)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 6)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Linear(6, 2)

    def forward(self, x):
        return self.second(self.act(self.first(x)))


@pytest.fixture
def inputs():
    return torch.randn(20, 7, 3, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def table():
    n = 20
    return pd.DataFrame(
        {
            "target": np.arange(n) % 2,
            "condition": np.arange(n) % 4,
            "choice": np.ones(n, dtype=int),
            "response_time": np.linspace(0.2, 0.9, n),
        },
        index=[f"t{i}" for i in range(n)],
    )


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Rnn()


@pytest.fixture
def system(net, inputs, table):
    return marr.hook(
        net, inputs, table, sites=["rnn", "out"], readout=marr.readouts.choice
    )


def stepped_by_hand(model, x, change):
    """Run a GRU cell by cell, changing the hidden state after each step."""
    h, states = torch.zeros(1, len(x), 8), []
    with torch.no_grad():
        for t in range(x.shape[1]):
            _, h = model.rnn(x[:, t : t + 1], h)
            h = change(h[0], t)[None]
            states.append(h[0])
        return model.out(torch.stack(states, 1)).numpy()


def test_ablated_state_feeds_back(system, net, inputs):
    lesion = system.perturb(Ablate("rnn", units=[2, 5], mode="zero"))

    def change(h, t):
        h = h.clone()
        h[:, [2, 5]] = 0
        return h

    assert np.abs(lesion.outputs() - stepped_by_hand(net, inputs, change)).max() < 1e-6
    assert (lesion.activity("rnn").values[..., [2, 5]] == 0).all()


def test_mean_is_the_intact_mean_at_each_time(system, net, inputs):
    mean = torch.from_numpy(system.activity("rnn").values.mean(0))
    lesion = system.perturb(Ablate("rnn", units=[1], mode="mean"))

    def change(h, t):
        h = h.clone()
        h[:, 1] = mean[t, 1]
        return h

    assert np.abs(lesion.outputs() - stepped_by_hand(net, inputs, change)).max() < 1e-6


def test_resample_takes_other_trials_of_the_same_condition(system, table):
    intact = system.activity("rnn").values
    lesion = system.perturb(Ablate("rnn", mode="resample", seed=4))
    found = lesion.activity("rnn").values
    condition = table["condition"].to_numpy()
    for i, trial in enumerate(found):
        donor = [j for j, other in enumerate(intact) if np.allclose(trial, other)]
        assert len(donor) == 1
        assert donor[0] != i
        assert condition[donor[0]] == condition[i]


def test_steering_adds_at_each_step(system, net, inputs):
    direction = np.linspace(-1, 1, 8)
    amount = np.linspace(0, 1, 20)
    steered = system.perturb(Steer("rnn", direction, amount, time=[3, 4]))

    def change(h, t):
        push = torch.from_numpy(amount[:, None] * direction).float()
        return h + push if t in (3, 4) else h

    assert np.abs(steered.outputs() - stepped_by_hand(net, inputs, change)).max() < 1e-6


def test_subspace_ablation_removes_it_and_nothing_else(system, net, inputs, rng):
    basis = np.linalg.qr(rng.normal(size=(8, 2)))[0]
    lesion = system.perturb(Ablate("rnn", subspace=basis, mode="zero"))
    projector = torch.from_numpy(basis @ basis.T).float()

    def change(h, t):
        return h - h @ projector

    assert np.abs(lesion.outputs() - stepped_by_hand(net, inputs, change)).max() < 1e-5
    assert np.abs(lesion.activity("rnn").values @ basis).max() < 1e-6


def test_patching_every_unit_gives_the_other_run(system, table):
    other = table.index[::-1]
    patched = system.perturb(Patch("rnn", source=other))
    assert np.abs(patched.outputs() - system.outputs()[::-1]).max() < 1e-6


def test_patch_from_a_perturbed_system_and_from_an_array(system):
    lesion = system.perturb(Ablate("rnn", mode="zero", units=[0]))
    by_system = system.perturb(Patch("rnn", source=lesion))
    by_array = system.perturb(Patch("rnn", source=lesion.activity("rnn").values))
    assert np.abs(by_system.outputs() - lesion.outputs()).max() < 1e-6
    assert np.array_equal(by_array.outputs(), by_system.outputs())


def test_stacked_perturbations_act_in_order(system):
    direction = np.eye(8)[0]
    both = system.perturb(
        Ablate("rnn", units=[0], mode="zero"), Steer("rnn", direction)
    )
    assert np.allclose(both.activity("rnn").values[..., 0], 1)
    one_by_one = system.perturb(Ablate("rnn", units=[0], mode="zero")).perturb(
        Steer("rnn", direction)
    )
    assert np.array_equal(both.outputs(), one_by_one.outputs())
    assert one_by_one.parent.perturbations == one_by_one.perturbations[:1]
    assert one_by_one.root is system
    swapped = system.perturb(
        Steer("rnn", direction), Ablate("rnn", units=[0], mode="zero")
    )
    assert (swapped.activity("rnn").values[..., 0] == 0).all()


@pytest.mark.parametrize(
    "perturbation",
    [
        Ablate("rnn", units=[1], mode="mean"),
        Ablate("rnn", units=[1], mode="resample"),
        Steer("rnn", np.ones(8), np.arange(20) / 20),
        Patch("rnn", units=[1, 2], source=[f"t{i}" for i in range(19, -1, -1)]),
    ],
)
def test_select_and_perturb_commute(system, perturbation):
    query = "condition == 1"
    a = system.perturb(perturbation).select(query)
    b = system.select(query).perturb(perturbation)
    assert np.abs(a.outputs() - b.outputs()).max() < 1e-6
    assert np.abs(a.activity("rnn").values - b.activity("rnn").values).max() < 1e-6
    pd.testing.assert_frame_equal(a.trials, b.trials)
    assert b.parent.trial_index.equals(b.trial_index)


def test_a_selection_of_a_system_that_ran_does_not_run_again(system, monkeypatch):
    whole = system.activity("rnn")
    trials = system.trials

    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(system.engine, "run", refuse)
    part = system.select(["t3", "t1"]).select(["t1"])
    assert np.array_equal(part.activity("rnn").values[0], whole.sel(trial="t1").values)
    assert part.trials["choice"].tolist() == [trials.loc["t1", "choice"]]
    assert part.halves.tolist() == [system.halves[1]]


def test_inert_units_are_flagged_not_raised(inputs):
    torch.manual_seed(0)
    model = Mlp()
    with torch.no_grad():
        model.first.bias[2] = -100.0
    system = marr.hook(model, inputs[:, 0], sites=["act"])
    dead, alive = Ablate("act", units=[2], mode="zero"), Ablate("act", mode="mean")
    lesion = system.perturb(dead)
    assert lesion.inert[dead].tolist() == [True]
    assert np.array_equal(lesion.outputs(), system.outputs())
    both = lesion.perturb(alive)
    assert both.inert[alive].tolist() == [False, False, True, False, False, False]
    assert set(both.inert) == {dead, alive}
    assert system.inert == {}


def test_behavior_is_made_anew_after_a_perturbation(system):
    steered = system.perturb(Steer("out", [0.0, 100.0]))
    assert (steered.trials["choice"] == 1).all()
    assert (steered.trials["correct"] == system.trials["target"]).all()
    assert (steered.trials["choice_probability"] > 0.99).all()
    assert system.trials["choice"].nunique() >= 1
    assert steered.trials["reference_choice"].equals(system.trials["reference_choice"])


def test_same_call_twice_same_bytes(net, inputs):
    def run():
        system = marr.hook(net, inputs, sites=["rnn"])
        lesion = system.perturb(Ablate("rnn", mode="resample", seed=1))
        return system.fingerprint(), lesion.outputs().tobytes()

    assert run() == run()


def test_fingerprint_follows_weights_and_inputs(net, inputs):
    first = marr.hook(net, inputs, sites=["rnn"]).fingerprint()
    assert marr.hook(net, inputs + 1, sites=["rnn"]).fingerprint() != first
    torch.manual_seed(5)
    assert marr.hook(Rnn(), inputs, sites=["rnn"]).fingerprint() != first


def test_last_outputs_and_value_of_copies(system):
    assert np.array_equal(system.outputs("last"), system.outputs()[:, -1])
    system.outputs()[:] = 0
    system.activity("rnn").values[:] = 0
    assert system.outputs().any()
    assert system.activity("rnn").values.any()
