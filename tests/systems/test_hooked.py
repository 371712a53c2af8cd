"""Hooked models as systems: numbers, labels, perturbations, clean-up."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn

import marr
from marr import Ablate
from marr.errors import HookError


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


def plain(model, x):
    with torch.no_grad():
        return model(x).numpy()


# -- numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_outputs_and_activity_equal_the_plain_model(kind, batch_size, inputs):
    torch.manual_seed(0)
    model = Rnn(kind, num_layers=2)
    system = marr.hook(
        model, inputs, sites=["rnn", "rnn.l0", "out"], batch_size=batch_size
    )
    assert np.abs(system.outputs() - plain(model, inputs)).max() < 1e-6
    assert np.abs(system.activity("out").values - plain(model, inputs)).max() < 1e-6
    with torch.no_grad():
        hidden = model.rnn(inputs)[0].numpy()
    assert np.abs(system.activity("rnn").values - hidden).max() < 1e-6


def test_a_module_without_steps_is_equal_to_the_bit(rng):
    torch.manual_seed(0)
    model = Mlp()
    x = rng.normal(size=(5, 3)).astype(np.float32)
    system = marr.hook(model, x, sites=["first", "model"])
    assert np.array_equal(system.outputs(), plain(model, torch.from_numpy(x)))
    assert np.array_equal(system.activity("model").values, system.outputs())


def test_activity_is_what_the_module_gave_before_an_in_place_change(rng):
    torch.manual_seed(0)
    model = Mlp()
    x = torch.randn(50, 3)
    found = marr.hook(model, x, sites=["first"]).activity("first").values
    with torch.no_grad():
        assert np.array_equal(found, model.first(x).numpy())
    assert (found < 0).any()


def test_float64_inputs_become_the_dtype_of_the_model(rng):
    system = marr.hook(Mlp(), rng.normal(size=(4, 3)), sites=["first"])
    assert system.outputs().dtype == np.float32


# -- labels --------------------------------------------------------------------------


def test_labels_follow_the_contract(system, table):
    activity = system.activity("rnn")
    assert activity.dims == ("trial", "time", "unit")
    assert activity["trial"].values.tolist() == table.index.tolist()
    assert activity["unit"].values[:2].tolist() == ["rnn:0", "rnn:1"]
    assert activity.attrs["time_unit"] == "step"
    assert system.unit_table("out")["site"].tolist() == ["out", "out"]
    assert system.runs
    assert system.describe()["sites"]["rnn"] == {"time": 7, "unit": 8}


def test_unit_and_time_labels_of_the_user(net, inputs):
    units = {
        "rnn": pd.DataFrame({"cell_type": list("eeeeiiii")}, index=list("abcdefgh"))
    }
    system = marr.hook(
        net, inputs, sites=["rnn"], units=units, time=np.arange(7) / 10, time_unit="s"
    )
    activity = system.activity("rnn")
    assert activity["cell_type"].values.tolist() == list("eeeeiiii")
    assert activity["time"].values[-1] == pytest.approx(0.6)
    lesion = system.perturb(
        Ablate("rnn", units=["b"], mode="zero", time=slice(0.2, 0.4))
    )
    changed = (lesion.activity("rnn").values == 0).nonzero()
    assert set(changed[1]) == {2, 3, 4}
    assert set(changed[2]) == {1}


def test_maps_become_units_with_places():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    images = torch.randn(5, 1, 6, 6)
    system = marr.hook(model, images, sites=["0", "1"])
    activity = system.activity("0")
    assert activity.dims == ("trial", "unit")
    assert activity["unit_id"].values[[0, -1]].tolist() == ["0.0.0", "1.3.3"]
    assert activity["channel"].values[[0, -1]].tolist() == [0, 1]
    with torch.no_grad():
        raw = model[0](images)
    assert np.array_equal(activity.sel(unit="0:1.2.3").values, raw[:, 1, 2, 3].numpy())
    lesion = system.perturb(Ablate("0", units=["1.2.3"], mode="zero"))
    assert (lesion.activity("0").sel(unit="0:1.2.3") == 0).all()
    changed = raw.clone()
    changed[:, 1, 2, 3] = 0
    with torch.no_grad():
        assert np.array_equal(lesion.outputs(), model[1:](changed).numpy())


def test_declared_axes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(3, 4, 2), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    x = torch.randn(5, 3, 7)
    by_place = marr.hook(model, x, sites=["0"]).activity("0")
    assert by_place.dims == ("trial", "unit")
    by_time = marr.hook(model, x, sites={"0": ("trial", "unit", "time")})
    assert by_time.activity("0").shape == (5, 6, 4)
    lesion = by_time.perturb(Ablate("0", units=[2], mode="zero", time=[1, 3]))
    zero = lesion.activity("0").values == 0
    assert zero.sum() == 5 * 2
    assert zero[:, [1, 3], 2].all()


def test_behavior_of_the_producer_is_kept_apart(system):
    columns = set(system.trials.columns)
    assert {
        "reference_choice",
        "reference_response_time",
        "choice",
        "correct",
    } <= columns
    assert "response_time" not in columns
    logits = system.outputs()[:, -1]
    assert system.trials["choice"].tolist() == logits.argmax(1).tolist()


def test_inputs_with_labels_make_the_index(net, inputs):
    labelled = xr.DataArray(
        inputs.numpy(),
        dims=("trial", "time", "input"),
        coords={"trial": np.arange(20) * 2},
    )
    system = marr.hook(net, labelled, sites=["rnn"])
    assert system.trial_index.tolist() == list(range(0, 40, 2))


# -- clean-up ------------------------------------------------------------------------


def hooks_of(model):
    return [
        (len(m._forward_hooks), len(m._forward_pre_hooks), "forward" in m.__dict__)
        for m in model.modules()
    ]


def test_the_model_comes_back_as_it_was(system, net):
    net.train()
    net.rnn.eval()
    before = [m.training for m in net.modules()], hooks_of(net)
    devices = {p.device for p in net.parameters()}
    system.perturb(Ablate("rnn", mode="zero"), Ablate("out", mode="zero")).outputs()
    assert ([m.training for m in net.modules()], hooks_of(net)) == before
    assert {p.device for p in net.parameters()} == devices
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in net.parameters())


def test_hooks_are_gone_after_an_exception(inputs):
    class Fails(Rnn):
        def forward(self, x):
            y = super().forward(x)
            if self.out._forward_hooks and len(x) > 3:
                raise RuntimeError("out of cheese")
            return y

    model = Fails()
    system = marr.hook(model, inputs, sites=["rnn", "out"])
    with pytest.raises(HookError, match="out of cheese") as caught:
        system.activity("out")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert set(hooks_of(model)) == {(0, 0, False)}


def test_hooks_of_the_user_stay_and_count(net, inputs):
    handle = net.out.register_forward_hook(lambda m, a, o: o * 2)
    system = marr.hook(net, inputs, sites=["out"])
    assert np.abs(system.activity("out").values - plain(net, inputs)).max() < 1e-6
    assert len(net.out._forward_hooks) == 1
    handle.remove()


def test_training_goes_on_after_a_run(system, net, inputs):
    system.perturb(Ablate("rnn", units=[1], mode="zero")).outputs()
    net(inputs).sum().backward()
    assert net.rnn.weight_hh_l0.grad.abs().sum() > 0


def test_the_global_generator_is_left_alone(net, inputs):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    np.random.seed(0)  # noqa: NPY002
    marr.hook(net, inputs, sites=["rnn"]).perturb(
        Ablate("rnn", mode="resample")
    ).outputs()
    assert torch.equal(torch.rand(3), expected)


def test_folds_and_halves_need_no_run(net, inputs, table, monkeypatch):
    table["block"] = np.arange(20) // 5
    system = marr.hook(net, inputs, table, sites=["rnn"], readout=marr.readouts.choice)

    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(system.engine, "run", refuse)
    assert system.group_column == "block"
    assert len(np.unique(system.groups())) == 4
    for block in range(4):
        assert np.unique(system.halves[table["block"] == block]).size == 1


def test_variables_share_the_time_of_the_activity(net, inputs):
    system = marr.hook(
        net, inputs, sites=["rnn"], variables={"speed": np.ones((20, 7))},
        time=np.arange(7) * 0.1, time_unit="s",
    )  # fmt: skip
    time = system.activity("rnn")["time"]
    assert np.array_equal(system.variables["speed"]["time"], time)
    part = system.select([3, 4])
    assert part.variables["speed"].sizes["trial"] == 2


def test_a_copy_for_another_process(system):
    lesion = system.perturb(Ablate("rnn", units=[1], mode="zero"))
    copied = pickle.loads(pickle.dumps(lesion))
    assert np.array_equal(copied.outputs(), lesion.outputs())
    assert copied.fingerprint() == lesion.fingerprint()


def test_half_precision_models_run(inputs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 2)).bfloat16()
    system = marr.hook(model, inputs, sites=["1"])
    assert system.activity("1").dtype == np.float32
    lesion = system.perturb(Ablate("1", units=[2], mode="zero"))
    assert (lesion.activity("1").values[..., 2] == 0).all()


def test_large_outputs_are_not_kept(net, inputs, table, monkeypatch):
    from marr.systems import _hooked_model

    monkeypatch.setattr(_hooked_model, "KEEP_OUTPUTS", 0)
    monkeypatch.setattr(_hooked_model, "READ_ALL", 0)
    system = marr.hook(
        net,
        inputs,
        table,
        sites=["rnn", "out"],
        readout=marr.readouts.choice,
        batch_size=3,
    )
    expected = plain(net, inputs)[:, -1]
    assert np.abs(system.outputs("last") - expected).max() < 1e-6
    assert np.abs(system.outputs() - plain(net, inputs)).max() < 1e-6
    assert "choice" in system.trials
    system.activity("out")
    assert set(system._store) == {"out"}
