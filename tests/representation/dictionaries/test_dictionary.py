"""The finding: explained variance, baselines, stability, features, top trials."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from planted_parts import parts, superposition

import marr
from marr.errors import ContractError, OptionError
from marr.representation import Dictionary, dictionary, train_dictionary

QUICK = {"n_features": 64, "k": 2, "n_epochs": 24, "batch_size": 256, "n_null": 19}


def value(finding, name="estimate"):
    return float(finding.estimate[name])


@pytest.fixture(scope="module")
def system():
    x, _ = superposition(n_rows=4800)
    table = pd.DataFrame({"block": np.arange(800) // 40})
    return marr.from_arrays({"A": x.reshape(800, 6, 16) + 3}, table, name="planted")


@pytest.fixture(scope="module")
def finding(system):
    return dictionary(system, site="A", **QUICK)


def test_a_sparse_code_beats_components_where_features_are_in_superposition(finding):
    assert value(finding, "ci_low") > value(finding, "null_mean") + 0.1
    assert value(finding, "ci_low") > value(finding, "random") + 0.1
    assert value(finding, "gain_low") > 0.1
    assert value(finding, "rank") == 2
    assert value(finding, "p_value") < 0.01
    assert value(finding, "stability") > 0.7
    assert value(finding, "stability") > value(finding, "stability_null") + 0.1
    assert finding.tables["feature"]["stable"].values.mean() > 0.35
    assert value(finding, "l0") <= 2
    assert finding.generalizes_over == "groups of trials (block)"
    assert "held-out trials" in finding.summary


def test_without_sparse_structure_there_is_no_excess():
    """Gaussian noise: more than components, and features return; yet nothing is there."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4800, 16)) @ rng.normal(size=(16, 16))
    noise = marr.from_arrays({"A": x.reshape(800, 6, 16)})
    found = dictionary(noise, site="A", **QUICK)
    assert value(found, "gain") > 0.1  # the trap
    assert abs(value(found, "excess")) < 0.02
    assert value(found, "p_value") > 0.05
    assert value(found, "stability") < value(found, "stability_null") + 0.05
    assert found.tables["feature"]["stable"].values.mean() < 0.2


def test_random_dictionaries_as_the_null(system):
    few = {**QUICK, "n_features": 40, "n_epochs": 10}
    finding = dictionary(system, site="A", **few)
    found = dictionary(system, site="A", **few, null="random")
    assert value(found) == value(finding)
    assert value(found, "null_mean") == value(finding, "random")
    assert value(found, "p_value") == pytest.approx(1 / 20)
    assert "stability_null" not in found.estimate
    assert found.tables["dictionary"].sizes["dictionary"] == 3


def test_the_described_dictionary_is_the_one_that_train_dictionary_gives(
    system, finding
):
    options = {k: v for k, v in QUICK.items() if k != "n_null"}
    trained = train_dictionary(system, site="A", **options)
    assert finding.parameters["dictionary_digest"] == trained.digest
    features = trained.encode(system.activity("A").values)
    table = finding.tables["feature"]
    view = system.with_features(trained)
    assert (
        table["unit"].values.tolist()
        == view.activity("A.features")["unit"].values.tolist()
    )
    np.testing.assert_allclose(table["density"], (features > 0).mean(axis=(0, 1)))
    per_trial = features.max(axis=1)
    top = finding.tables["top"]
    best = np.argmax(per_trial, axis=0)
    alive = per_trial.max(axis=0) > 0
    np.testing.assert_allclose(
        top["estimate"].values[alive, 0], per_trial.max(axis=0)[alive]
    )
    labels = top["trial_label"].values[alive, 0]
    assert labels.tolist() == [str(system.trial_index[i]) for i in best[alive]]
    order = top["estimate"].values
    assert (np.diff(order, axis=1)[np.isfinite(np.diff(order, axis=1))] <= 0).all()


def test_share_of_a_feature_is_what_silencing_it_costs(system, finding):
    options = {k: v for k, v in QUICK.items() if k != "n_null"}
    trained = train_dictionary(system, site="A", **options)
    x = system.activity("A").values.reshape(-1, 16)
    features = trained.encode(x)
    variance = ((x - x.mean(axis=0)) ** 2).sum()
    left = ((x - trained.decode(features)) ** 2).sum()
    table = finding.tables["feature"]
    for i in np.argsort(-table["estimate"].values)[:3]:
        without = features.copy()
        without[:, i] = 0
        lost = (((x - trained.decode(without)) ** 2).sum() - left) / variance
        assert float(table["estimate"][i]) == pytest.approx(lost)
        assert float(table["ci_low"][i]) < lost < float(table["ci_high"][i])
    halves = table["half_estimate"].values
    np.testing.assert_allclose(halves.mean(axis=0), table["estimate"], atol=0.01)
    assert np.corrcoef(halves)[0, 1] > 0.8


def test_explained_variance_of_a_given_dictionary(system):
    """One definition, checked by hand; about the mean (activity lies around 3)."""
    first, last = np.arange(800) < 400, np.arange(800) >= 400
    options = {k: v for k, v in QUICK.items() if k != "n_null"}
    trained = train_dictionary(system.select(first), site="A", **options)
    x = system.select(last).activity("A").values.reshape(-1, 16)
    left = ((x - trained.decode(trained.encode(x))) ** 2).sum()
    expected = 1 - left / ((x - x.mean(axis=0)) ** 2).sum()
    found = dictionary(system, site="A", dictionary=trained, n_null=5)
    assert value(found) == pytest.approx(expected, abs=1e-10)
    (note,) = [n for n in found.notes if n.code == "seen_in_training"]
    assert "400 of 800 trials went into the training" in note.text
    assert "stability" not in found.estimate
    assert "seed" not in found.tables
    same = dictionary(system.select(first), site="A", dictionary=trained, n_null=5)
    assert "held-out" not in same.summary
    assert any("fitted to" in n.text for n in same.notes)


def test_held_out_is_below_what_was_fitted(system):
    small = system.select(np.arange(800) < 80)
    options = {k: v for k, v in QUICK.items() if k != "n_null"}
    trained = train_dictionary(small, site="A", **options)
    inside = dictionary(small, site="A", dictionary=trained, n_null=5)
    across = dictionary(small, site="A", **QUICK)
    assert value(across) < value(inside)


def test_networks_and_recordings_have_one_definition(system):
    """The same numbers as a layer and as a recording give the same finding."""
    x = system.select(np.arange(800) < 200).activity("A").values

    class Same(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 16, bias=False)
            with torch.no_grad():
                self.layer.weight.copy_(torch.eye(16))

        def forward(self, v):
            return self.layer(v)

    layer = marr.hook(Same().double().eval(), torch.from_numpy(x), sites=["layer"])
    recording = marr.from_arrays({"layer": x})
    options = {"site": "layer", "n_features": 20, "n_epochs": 5, "n_null": 5}
    a, b = dictionary(layer, **options), dictionary(recording, **options)
    for name in ("estimate", "ci_low", "pca", "null_mean", "stability", "l0"):
        assert value(a, name) == pytest.approx(value(b, name), rel=1e-9), name
    assert a.evidence == b.evidence == "descriptive"


def test_parts_of_counts_and_components():
    counts, _ = parts()
    system = marr.from_arrays({"V1": counts})
    found = dictionary(system, site="V1", method="nmf", n_features=5, n_null=9)
    assert value(found) > 0.9 * value(found, "pca")
    assert value(found, "stability") > value(found, "stability_random")
    whole = dictionary(system, site="V1", method="ica", n_features=5, n_null=9)
    assert value(whole) == pytest.approx(value(whole, "pca"), abs=1e-3)


def test_dead_features_are_counted(system):
    decoder = np.abs(np.random.default_rng(0).normal(size=(6, 16)))
    off = np.array([0.0, 0, 0, -1e6, -1e6, 0])
    given = Dictionary(
        kind="relu", encoder=decoder.T, decoder=decoder, encoder_bias=off
    )
    found = dictionary(system, site="A", dictionary=given, n_null=5)
    assert value(found, "dead") == pytest.approx(2 / 6)
    assert found.tables["feature"]["dead"].values.tolist() == [False] * 3 + [
        True
    ] * 2 + [False]
    assert (found.tables["top"]["trial_label"].values[3] == "").all()
    assert any(n.code == "dead_features" and "2 of 6" in n.text for n in found.notes)


def test_few_groups_are_said(system):
    three = marr.from_arrays(
        {"A": system.activity("A").values[:90]},
        pd.DataFrame({"session": np.repeat([0, 1, 2], 30)}),
    )
    found = dictionary(three, site="A", n_features=8, n_seeds=4, n_epochs=2, n_null=5)
    codes = {n.code for n in found.notes}
    assert {"fewer_folds", "few_groups"} <= codes
    assert found.tables["seed"].sizes["seed"] == 3


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_seeds": 1}, OptionError, "n_seeds must be at least 2"),
        ({"n_top": 0}, OptionError, "n_top must be at least 1"),
        ({"dictionary": np.eye(3)}, ContractError, "must be a Dictionary"),
        ({"method": "pca"}, OptionError, "method must be one of"),
    ],
)
def test_bad_options(system, options, error, words):
    with pytest.raises(error, match=words):
        dictionary(system, site="A", **options)


def test_training_options_with_a_given_dictionary(system):
    given = Dictionary(kind="ica", encoder=np.eye(16), decoder=np.eye(16))
    with pytest.raises(OptionError, match="k is an option of training"):
        dictionary(system, site="A", dictionary=given, k=3)
    other = Dictionary(kind="ica", encoder=np.eye(4), decoder=np.eye(4))
    with pytest.raises(ContractError, match="for 4 units, but there are 16 units"):
        dictionary(system, site="A", dictionary=other)


# -- causal: a feature that carries the choice ------------------------------------------


def planted_choice():
    """Return a network whose hidden units mix 20 features; the first one decides."""
    rng = np.random.default_rng(0)
    n_units, n_features, n = 12, 20, 1000
    directions = rng.normal(size=(n_features, n_units))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values = (rng.random((n, n_features)) < 0.12) * rng.uniform(
        0.8, 1.2, (n, n_features)
    )
    side = rng.integers(0, 2, n)
    values[:, 0] = side * rng.uniform(0.8, 1.2, n)
    hidden = values @ directions
    design = np.column_stack([hidden, np.ones(n)])
    weights = np.linalg.lstsq(design, 2.0 * side - 1, rcond=None)[0]
    net = nn.Sequential(nn.Linear(n_features, n_units), nn.Linear(n_units, 2)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.from_numpy(directions.T.copy()))
        net[0].bias.zero_()
        net[1].weight.copy_(torch.from_numpy(np.stack([-weights[:-1], weights[:-1]])))
        net[1].bias.copy_(torch.tensor([-weights[-1], weights[-1]]))
    table = pd.DataFrame({"target": side})
    model = marr.hook(
        net.eval(), values, table, sites=["0"], readout=marr.readouts.choice, name="net"
    )
    return model, directions


@pytest.fixture(scope="module")
def choice():
    model, directions = planted_choice()
    found = train_dictionary(model, site="0", n_features=24, k=3, n_epochs=400)
    return model, directions, found


def test_ablating_the_feature_that_carries_the_choice_costs_accuracy(choice):
    model, directions, found = choice
    own = int(np.argmax(found.decoder @ directions[0]))
    assert found.decoder[own] @ directions[0] > 0.9
    lesions = marr.implementation.ablate(
        model.with_features(found),
        measure=marr.measures.accuracy(),
        sites="0.features",
        n_random=20,
        n_permutations=199,
    )
    assert lesions.evidence == "causal"
    table = lesions.estimate
    assert table["estimate"].idxmax("unit").item() == f"0.features:{own}"
    assert float(table["ci_low"].sel(unit=f"0.features:{own}")) > 0.03
    assert table["needed"].values.astype(bool).sum() == 1
    others = np.delete(table["estimate"].values, own)
    assert others.max() < 0.5 * float(table["estimate"][own])


def test_random_features_do_not_cost_it(choice):
    model, _, trained = choice
    rng = np.random.default_rng(1)
    decoder = rng.normal(size=(24, 12))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    drawn = Dictionary(kind="topk", k=3, encoder=decoder.T.copy(), decoder=decoder)
    lesions = marr.implementation.ablate(
        model.with_features(drawn, site="0"),
        measure=marr.measures.accuracy(),
        n_random=20,
        n_permutations=199,
        sites="0.features",
    )
    causal = marr.implementation.ablate(
        model.with_features(trained),
        measure=marr.measures.accuracy(),
        n_random=0,
        n_permutations=19,
        sites="0.features",
    )
    largest = float(causal.estimate["estimate"].max())
    assert float(lesions.estimate["estimate"].max()) < 0.6 * largest
    assert float(lesions.estimate["estimate"].mean()) < 0.1 * largest
