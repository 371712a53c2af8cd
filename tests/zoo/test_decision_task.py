from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from marr.errors import ContractError, OptionError, StatisticsError
from marr.zoo import decision_inputs, ideal_decisions
from marr.zoo._decision_task import (
    CONTRASTS,
    INPUT_NOISE,
    STIMULUS_STEPS,
    block_probabilities,
    decision_batch,
)


def test_blocks_follow_the_protocol(rng):
    lengths, firsts = [], []
    for _ in range(200):
        block = block_probabilities(900, rng)
        assert (block[:90] == 0.5).all()
        assert set(block[90:]) == {0.2, 0.8}
        changes = np.flatnonzero(np.diff(block)) + 1
        assert (np.diff(np.sign(0.5 - block[changes])) != 0).all()
        lengths += np.diff(changes).tolist()
        firsts.append(block[90])
    assert min(lengths) >= 20
    assert max(lengths) <= 100
    # mean of an exponential of scale 60 truncated to [20, 100): 60 + 20 - tail, less
    # half a trial for rounding down
    ratio = np.exp(-80 / 60)
    expected = 20 + 60 - 80 * ratio / (1 - ratio) - 0.5
    assert np.mean(lengths) == pytest.approx(expected, abs=1.5)
    assert 0.3 < np.mean(np.array(firsts) == 0.8) < 0.7


def test_targets_follow_the_block_and_contrasts_are_uniform(rng):
    contrast, target, block = decision_batch(300, 90, rng)
    for probability in (0.2, 0.5, 0.8):
        left = (target == -1)[block == probability]
        assert left.mean() == pytest.approx(probability, abs=0.02)
    shares = [np.mean(np.abs(contrast) == c) for c in CONTRASTS]
    assert shares == pytest.approx([0.2] * 5, abs=0.02)
    assert (np.sign(contrast)[contrast != 0] == target[contrast != 0]).all()


def test_inputs_show_the_previous_side_and_the_contrast(sessions):
    inputs, table = decision_inputs(sessions, seed=3)
    assert inputs.shape == (len(sessions), 7, 4)
    assert inputs.dtype == np.float32
    previous = np.where(inputs[:, 0, 1] == 1, 1, np.where(inputs[:, 0, 0] == 1, -1, 0))
    expected = table.groupby("sequence")["target"].shift(1).fillna(0)
    np.testing.assert_array_equal(previous, expected)
    shown = inputs[:, list(STIMULUS_STEPS), 3] - inputs[:, list(STIMULUS_STEPS), 2]
    noise = shown - table["contrast"].to_numpy()[:, None]
    assert noise.std() == pytest.approx(INPUT_NOISE * np.sqrt(2), rel=0.03)
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.05
    silent = [s for s in range(7) if s not in (0, *STIMULUS_STEPS)]
    assert not inputs[:, silent].any()


def test_noise_is_frozen_and_behavior_is_not_seen(sessions):
    first, _ = decision_inputs(sessions, seed=1)
    with_choice = sessions.assign(choice=1, correct=False)
    again, table = decision_inputs(with_choice, seed=1)
    np.testing.assert_array_equal(first, again)
    assert "choice" in table
    other, _ = decision_inputs(sessions, seed=2)
    assert (other != first).any()


def test_sequences_stay_within_sessions(sessions):
    long = pd.concat([sessions.assign(session="a"), sessions.assign(session="b")])
    _, table = decision_inputs(long.reset_index(drop=True), length=90)
    sizes = table.groupby("sequence").size()
    assert sizes.between(85, 95).all()
    assert (table.groupby("sequence")["session"].nunique() == 1).all()
    assert (table.groupby("sequence")["burn_in"].sum() == 10).all()
    assert set(table["block_side"]) == {-1, 0, 1}
    assert (table["block_side"] == np.sign(0.5 - table["probability_left"])).all()


def test_trials_without_a_target_are_dropped_and_skipped_by_the_cue():
    table = pd.DataFrame(
        {
            "contrast": [0.25, 0.0, -1.0, 0.0],
            "target": [np.nan, np.nan, np.nan, 1],
            "session": "a",
        },
        index=[7, 8, 9, 11],
    )
    inputs, kept = decision_inputs(table)
    assert kept.index.tolist() == [7, 9, 11]
    assert kept["target"].tolist() == [1, -1, 1]
    np.testing.assert_array_equal(inputs[:, 0, :2], [[0, 0], [0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.drop(columns="target"), ContractError, "'target'"),
        (lambda t: t.assign(contrast=-t["contrast"]), ContractError, "contradicts"),
        (lambda t: t.assign(contrast=np.nan), ContractError, "not NaN"),
        (lambda t: t.assign(contrast=100 * t["contrast"]), ContractError, "-1 and 1"),
        (
            lambda t: t.assign(contrast=0.0, target=0),
            StatisticsError,
            "known target",
        ),
        (lambda t: t.to_dict(), ContractError, "DataFrame"),
    ],
)
def test_bad_tables_are_refused(sessions, change, error, message):
    with pytest.raises(error, match=message):
        decision_inputs(change(sessions))


def test_length_of_sequences_is_checked(sessions):
    with pytest.raises(OptionError, match="length"):
        decision_inputs(sessions, length=1)


def test_ideal_observer_uses_evidence_and_learns_the_block(sessions):
    inputs, table = decision_inputs(sessions, seed=0)
    ideal = ideal_decisions(inputs, table)
    settled = ~table["burn_in"]
    in_block = settled & (table["block_side"] != 0)
    believed = np.sign(ideal["prior_right"] - 0.5)
    assert (believed == table["block_side"])[in_block].mean() > 0.8
    first = table["position"] == 0
    assert (ideal["prior_right"][first] == 0.5).all()
    # calibrated: among trials with belief near .75, three in four are on the right
    sure = ideal["prior_right"].between(0.7, 0.8)
    assert (table["target"][sure] == 1).mean() == pytest.approx(0.75, abs=0.06)
    # the likelihood ratio is calibrated too, on trials where the prior is flat
    flat = ideal["evidence"].abs().between(0.5, 1.5) & (table["block_side"] == 0)
    chance = 1 / (1 + np.exp(-ideal["evidence"].abs()[flat]))
    right = np.sign(ideal["evidence"][flat]) == table["target"][flat]
    assert right.mean() == pytest.approx(chance.mean(), abs=0.08)
