from __future__ import annotations

import numpy as np
import pytest
import torch

from marr.errors import FileError, MarrError, OptionError
from marr.zoo import decision_inputs, decision_networks, ideal_decisions, train_decision
from marr.zoo._decision_network import decision_choices, new_decision
from marr.zoo._weights import read_weights, write_weights


@pytest.fixture(scope="module")
def stimuli(sessions):
    return decision_inputs(sessions, seed=0)


def side_effect(choice, table):
    """Return P(right | zero contrast, block of right) less that in blocks of left."""
    zero = (table["contrast"] == 0) & ~table["burn_in"]
    right = choice == 1
    return tuple(
        right[(zero & (table["block_side"] == side)).to_numpy()].mean()
        for side in (-1, 1)
    )


def test_shipped_networks_come_near_the_ideal_observer(stimuli):
    inputs, table = stimuli
    settled = ~table["burn_in"].to_numpy()
    ideal = ideal_decisions(inputs, table)["choice"].to_numpy()
    best = (ideal == table["target"])[settled].mean()
    networks = decision_networks(n=8)
    assert [n.record["seed"] for n in networks] == list(range(8))
    for network in networks:
        choice = decision_choices(network, inputs, table)
        accuracy = (choice == table["target"])[settled].mean()
        assert best - 0.025 < accuracy < best + 0.01


def test_psychometric_curve_is_graded_and_shifts_with_the_block(stimuli):
    inputs, table = stimuli
    for network in decision_networks(n=3):
        choice = decision_choices(network, inputs, table)
        low, high = side_effect(choice, table)
        assert 0.1 < low < 0.4
        assert 0.6 < high < 0.9
        correct = choice == table["target"]
        by_contrast = correct[~table["burn_in"]].groupby(table["abs_contrast"]).mean()
        assert by_contrast.is_monotonic_increasing
        assert 0.6 < by_contrast[0.0625] < 0.85
        assert by_contrast[1.0] > 0.98


def test_untrained_networks_ignore_the_block(stimuli):
    inputs, table = stimuli
    for before, after in zip(
        decision_networks(n=3, trained=False), decision_networks(n=3), strict=True
    ):
        assert before.record["steps"] == 0
        assert before.record["seed"] == after.record["seed"]
        low, high = side_effect(decision_choices(before, inputs, table), table)
        assert abs(high - low) < 0.25


def test_prior_depends_on_state_kept_across_trials(stimuli):
    """Run trial by trial, the block is lost: no shift at zero contrast."""
    inputs, table = stimuli
    network = decision_networks(n=1)[0]
    alone = table.assign(sequence=np.arange(len(table)))
    low, high = side_effect(decision_choices(network, inputs, alone), table)
    kept_low, kept_high = side_effect(decision_choices(network, inputs, table), table)
    assert high - low < 0.6 * (kept_high - kept_low)


def test_training_is_deterministic_and_leaves_global_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    calls = []
    first = train_decision(3, steps=2, progress=lambda *now: calls.append(now))
    assert torch.rand(1) == expected
    second = train_decision(3, steps=2)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [c[:2] for c in calls] == [(1, 2), (2, 2)]
    assert not torch.equal(first.readout.weight, new_decision(3).readout.weight)
    assert not first.training


def test_weights_round_trip_and_bad_files_say_so(tmp_path):
    network = train_decision(0, steps=1)
    path = tmp_path / "w.safetensors"
    write_weights(path, [network])
    (again,) = read_weights(path, "decision")
    assert again.record == network.record
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    path.write_bytes(b"not a tensor file")
    with pytest.raises(FileError, match="train the networks"):
        read_weights(path, "decision")
    with pytest.raises(FileError, match="writable"):
        write_weights(tmp_path / "nowhere" / "w.safetensors", [network])
    assert list(tmp_path.iterdir()) == [path]


def test_asking_for_too_many_or_none_is_refused():
    with pytest.raises(OptionError, match="at most 8"):
        decision_networks(n=9)
    with pytest.raises(OptionError, match="at least 1"):
        decision_networks(n=0)
    with pytest.raises(MarrError, match="steps"):
        train_decision(0, steps=0)


@pytest.mark.slow
def test_training_anew_ends_at_the_shipped_results(stimuli):
    """Bit by bit on the machine that trained them; elsewhere the same behavior."""
    inputs, table = stimuli
    anew, shipped = train_decision(0), decision_networks(n=1)[0]
    choices = [decision_choices(n, inputs, table) for n in (anew, shipped)]
    assert np.mean(choices[0] == choices[1]) > 0.97
    shifts = [np.diff(side_effect(c, table))[0] for c in choices]
    assert shifts[0] == pytest.approx(shifts[1], abs=0.06)
    assert anew.record["loss"] == pytest.approx(shipped.record["loss"], abs=0.005)
