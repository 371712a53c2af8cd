"""What a hooked model refuses, and what the message says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn

import marr
from marr import Ablate, Patch, Steer
from marr.errors import ContractError, EvidenceError, HookError, OptionError
from marr.systems import _hooked_weights


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


# -- inputs and tables ---------------------------------------------------------------


def test_not_a_module(x):
    with pytest.raises(HookError, match=r"torch.nn.Module; got function"):
        marr.hook(lambda x: x, x, sites=["model"])


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (np.array([[1.0, np.nan, 0.0]]), r"1 NaN or infinite.*\(trial 0\)"),
        (np.array(1.0), "one row a trial"),
        (np.zeros((0, 3)), "no rows"),
        (np.array([["a", "b"]]), "must hold numbers"),
        ({}, "empty"),
        ((np.zeros((2, 3)), np.zeros((3, 3))), "same trials in every argument"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], "differ in length only"),
        ([np.zeros((2, 3)), np.zeros((2, 3), dtype=int)], "one dtype"),
        (xr.DataArray(np.zeros((2, 3)), dims=("x", "trial")), "'trial' first"),
    ],
)
def test_bad_inputs(inputs, match):
    with pytest.raises(ContractError, match=match):
        marr.hook(Mlp(), inputs, sites=["first"])


def test_strings_for_a_model_without_tokens():
    with pytest.raises(HookError, match="to_tokens"):
        marr.hook(Mlp(), ["one", "two"], sites=["first"])


def test_a_table_of_another_length(x):
    with pytest.raises(ContractError, match=r"inputs \(8\); got 7 rows"):
        marr.hook(Mlp(), x, pd.DataFrame({"a": range(7)}), sites=["first"])


def test_a_table_with_other_labels(x):
    labelled = xr.DataArray(
        x.numpy(), dims=("trial", "input"), coords={"trial": range(8)}
    )
    table = pd.DataFrame({"a": range(8)}, index=range(1, 9))
    with pytest.raises(ContractError, match=r"only in the first \[8\]"):
        marr.hook(Mlp(), labelled, table, sites=["first"])


def test_behavior_twice(x):
    table = pd.DataFrame({"choice": range(8), "reference_choice": range(8)})
    with pytest.raises(ContractError, match="both 'choice' and 'reference_choice'"):
        marr.hook(Mlp(), x, table, sites=["first"])


def test_inputs_that_the_model_does_not_take(x):
    system = marr.hook(Mlp(), x[:, :2], sites=["first"])
    with pytest.raises(HookError, match=r"failed on inputs of shape \[\(3, 2\)\]"):
        system.outputs()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sites": []}, "sites is empty"),
        ({"sites": ["frist"]}, "Did you mean 'first'"),
        ({"sites": ["first", "first"]}, "different names"),
        ({"sites": ["first"], "batch_size": 0}, "batch_size"),
        ({"sites": ["first"], "time_unit": "ms"}, "time_unit"),
        ({"sites": ["first"], "units": {"second": [1]}}, "no site 'second'"),
        ({"sites": ["first"], "readout": "choice"}, "readout must be a function"),
    ],
)
def test_bad_options(x, options, match):
    with pytest.raises(OptionError, match=match):
        marr.hook(Mlp(), x, **options)


def test_wrong_number_of_units_and_times(x):
    system = marr.hook(Mlp(), x, sites=["first"], units={"first": ["a", "b"]})
    with pytest.raises(ContractError, match="2 ids for 6 units"):
        system.activity("first")
    gru = marr.hook(
        nn.GRU(3, 2, batch_first=True), x[:, None], sites=["model"], time=[0.0, 1.0]
    )
    with pytest.raises(ContractError, match="time must have one value"):
        gru.activity("model")


# -- weights -------------------------------------------------------------------------


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("ran", [True, False])
def test_changed_weights(x, monkeypatch, small, ran):
    monkeypatch.setattr(_hooked_weights, "SMALL", 10**9 if small else 0)
    model = Mlp()
    readout = marr.readouts.choice
    system = marr.hook(model, x, sites=["first"], readout=readout)
    if ran:
        system.activity("first")
        system.outputs()
    with torch.no_grad():
        model.second.bias.add_(1)
    for ask in (
        lambda: system.activity("first"),
        system.outputs,
        lambda: system.trials,
        lambda: system.perturb(Ablate("first")).outputs(),
    ):
        with pytest.raises(HookError, match=r"have changed since marr\.hook"):
            ask()


def test_a_change_through_data_is_seen(x):
    model = Mlp()
    system = marr.hook(model, x, sites=["first"])
    system.activity("first")
    model.first.weight.data[0, 0] += 1e-3
    with pytest.raises(HookError, match="stale"):
        system.activity("first")


def test_moved_weights_are_not_changed_weights(x, monkeypatch):
    monkeypatch.setattr(_hooked_weights, "SMALL", 0)
    model = Mlp()
    system = marr.hook(model, x, sites=["first"])
    system.activity("first")
    model.first.weight.data = model.first.weight.data.clone()
    assert system.activity("first").shape == (8, 6)


# -- perturbations -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("perturbation", "error", "match"),
    [
        (Ablate("frist"), OptionError, "Did you mean 'first'"),
        (Ablate("first", units=[6]), OptionError, "no unit '6' of site 'first'"),
        (Ablate("first", subspace=np.ones((5, 1))), ContractError, "one row a unit"),
        (Ablate("first", time=[0]), ContractError, "no time axis"),
        (Steer("first", [1.0, 2.0]), ContractError, "one value a unit"),
        (Steer("first", np.ones(6), np.ones(3)), ContractError, "one value a trial"),
        (
            Patch("first", source=np.zeros((8, 5))),
            ContractError,
            r"\(8, 6\); got \(8, 5\)",
        ),
        (Patch("first", source=np.full((8, 6), np.nan)), ContractError, "NaN"),
        (Patch("first", source=[0, 1]), ContractError, "one donor trial for each"),
        (Patch("first", source=[9] * 8), ContractError, "no trial"),
        ("first", ContractError, "perturb takes"),
    ],
)
def test_bad_perturbations(system, perturbation, error, match):
    with pytest.raises(error, match=match):
        system.perturb(perturbation)


def test_behavior_that_only_a_readout_makes_says_how(x):
    table = pd.DataFrame({"digit": np.arange(8) % 2})
    silent = marr.hook(Mlp(), x, table, sites=["first"])
    with pytest.raises(OptionError, match=r"no 'choice'.*readout=marr\.readouts"):
        silent.column("choice")
    net = marr.hook(
        Mlp(), x, table, sites=["first"], readout=marr.readouts.choice, name="net"
    )
    words = "'net' makes no 'correct'; there is 'digit', 'choice'.*column 'target'"
    with pytest.raises(OptionError, match=words):
        marr.behavior.accuracy(net)
    with pytest.raises(OptionError, match=words):
        marr.implementation.ablate(net, measure=marr.measures.accuracy())


def test_perturb_with_nothing(system):
    with pytest.raises(ContractError, match="at least one"):
        system.perturb()


def test_a_source_that_lacks_trials_or_sites(system, x):
    few = system.select([0, 1])
    with pytest.raises(ContractError, match="lacks trials"):
        system.perturb(Patch("first", source=few))
    few.perturb(Patch("first", source=system)).outputs()
    other = marr.hook(Mlp(), x, sites=["second"])
    with pytest.raises(OptionError, match="no site 'first' of 'Mlp'"):
        system.perturb(Patch("first", source=other))


def test_outputs_at(system):
    with pytest.raises(OptionError, match="at must be"):
        system.outputs("first")


# -- readouts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readout", "error", "match"),
    [
        (lambda o, t: o, ContractError, "must return a dict"),
        (lambda o, t: {"choice": o}, ContractError, "one value a trial"),
        (lambda o, t: {"side": o[:, 0]}, ContractError, "already in the trial table"),
        ([marr.readouts.choice] * 2, ContractError, "two readouts"),
        ([], OptionError, "readout must be"),
    ],
)
def test_bad_readouts(x, readout, error, match):
    table = pd.DataFrame({"side": range(8)})
    with pytest.raises(error, match=match):
        _ = marr.hook(Mlp(), x, table, sites=["first"], readout=readout).trials


def test_behavior_that_belongs_to_the_producer(x):
    table = pd.DataFrame({"choice": range(8)})
    system = marr.hook(Mlp(), x, table, sites=["first"])
    with pytest.raises(EvidenceError, match="reference_choice"):
        system.column("choice")
