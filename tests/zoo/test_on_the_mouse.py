"""The networks on the mouse's own sessions: none of these was used in training."""

from __future__ import annotations

import numpy as np
import pytest

import marr
from marr.zoo import (
    decision_inputs,
    decision_networks,
    heading_inputs,
    heading_networks,
    ideal_decisions,
    planted_network,
)
from marr.zoo._decision_network import decision_choices
from marr.zoo._heading_network import heading_errors
from marr.zoo._heading_task import angle_between


@pytest.fixture(scope="module")
def decisions():
    return decision_inputs(marr.datasets.mouse_decision().trials, seed=0)


@pytest.fixture(scope="module")
def mouse():
    return marr.datasets.mouse_heading()


def answer(outputs, trials):
    last = np.asarray(outputs)[:, -1]
    return {"choice": np.where(last[:, 1] > last[:, 0], 1, -1)}


def right_at_zero(choice, trials):
    zero = (trials["contrast"] == 0) & ~trials["burn_in"]
    return [
        np.mean(np.asarray(choice)[zero & (trials["block_side"] == side)] == 1)
        for side in (-1, 1)
    ]


def test_networks_shift_with_the_block_more_than_the_mouse_less_than_the_ideal(
    decisions,
):
    inputs, trials = decisions
    ideal = ideal_decisions(inputs, trials)["choice"]
    least = np.diff(right_at_zero(trials["choice"], trials))[0]
    most = np.diff(right_at_zero(ideal, trials))[0]
    assert 0.2 < least < most < 0.75
    settled = ~trials["burn_in"]
    best = (ideal == trials["target"])[settled].mean()
    for network in decision_networks(n=8):
        choice = decision_choices(network, inputs, trials)
        assert least < np.diff(right_at_zero(choice, trials))[0] < most
        accuracy = (choice == trials["target"])[settled].mean()
        assert best - 0.02 < accuracy <= best


def test_networks_track_the_mouse_far_better_than_holding_the_start(mouse):
    heading = mouse.variables["heading"].values
    held = np.degrees(np.abs(angle_between(heading, heading[:, :1])))[:, -1]
    for network in heading_networks():
        error = np.degrees(heading_errors(network, heading))
        assert np.median(error[:, -1]) < 10
        assert np.median(error[:, -1]) < np.median(held) / 3
        assert np.median(error[:, 9]) < np.median(error[:, -1])


def test_hooked_networks_answer_as_the_plain_ones(decisions):
    inputs, trials = decisions
    network = decision_networks(n=1)[0]
    system = marr.hook(
        network,
        inputs,
        trials,
        sites=["recurrent"],
        sequences="sequence",
        readout=answer,
    )
    plain = decision_choices(network, inputs, trials)
    np.testing.assert_array_equal(system.trials["choice"], plain)
    assert system.activity("recurrent").shape == (len(trials), 7, 32)
    assert (system.trials["reference_choice"] == trials["choice"]).all()


def test_hooked_heading_network_serves_its_bins(mouse):
    system = marr.hook(
        heading_networks(n=1)[0],
        heading_inputs(mouse),
        mouse.trials,
        sites=["recurrent"],
        variables=mouse.variables,
    )
    assert system.activity("recurrent").shape == (len(mouse.trials), 50, 64)


def test_hooked_ablation_finds_the_planted_units():
    planted = planted_network(n_trials=400, seed=0)
    system = marr.hook(
        planted.model,
        planted.inputs,
        planted.trials,
        sites=["recurrent"],
        readout=answer,
    )
    intact = system.trials["choice"]
    changed = {
        kind: (
            system.perturb(
                marr.Ablate("recurrent", units=[str(i) for i in units], mode="mean")
            ).trials["choice"]
            != intact
        ).mean()
        for kind, units in planted.units.items()
        if kind != "constant"
    }
    assert changed["prior"] > 0.05
    assert changed["evidence"] > 0.05
    assert changed["prior_copy"] == changed["evidence_copy"] == changed["nuisance"] == 0
