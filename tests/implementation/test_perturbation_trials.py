"""Trials on which a real perturbation was applied, contrasted as they were assigned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import marr
from marr.errors import ContractError, MarrError, OptionError, StatisticsError
from marr.implementation import ablate
from marr.measures import accuracy, column, decoded

N = 240


def table(rng, *, loss=0.3, blocked=False, sham=False, drift=0.0, sessions=3):
    session = np.arange(N) // (N // sessions)
    block = np.arange(N) // 10
    unit = block if blocked else np.arange(N)
    first = np.unique(unit, return_index=True)[1]
    kinds = ["none", "opto", "sham"] if sham else ["none", "opto"]
    by_unit = np.concatenate(
        [
            rng.permutation(np.resize(kinds, (session[first] == s).sum()))
            for s in range(sessions)
        ]
    )
    label = by_unit[np.unique(unit, return_inverse=True)[1]]
    shift = drift * rng.normal(size=block.max() + 1)[block]
    chance = np.clip(0.8 + shift - loss * (label == "opto"), 0, 1)
    return pd.DataFrame(
        {
            "perturbation": label,
            "correct": rng.random(N) < chance,
            "response_time": rng.lognormal(size=N),
            "session": [f"s{s}" for s in session],
            "block": block,
        }
    )


def _behavior(trials):
    return marr.Recording(trials, {}, name="mouse")


def codes(finding):
    return {note.code for note in finding.notes}


@pytest.mark.parametrize(
    ("assignment", "blocked"), [("randomized", False), ("blocked", True)]
)
def test_a_planted_effect_is_found_and_called_causal(rng, assignment, blocked):
    recording = _behavior(table(rng, blocked=blocked))
    finding = ablate(recording, measure=accuracy(), assignment=assignment)
    data = finding.estimate.sel(perturbation="opto")
    assert finding.evidence == "causal"
    assert float(data["ci_low"]) < 0.3 < float(data["ci_high"])
    assert float(data["p_corrected"]) < 0.05
    assert "Opto drives a loss of accuracy" in finding.summary
    assert finding.estimate["estimate"].attrs["units"] == "proportion correct"
    trials = recording.trials.groupby("perturbation")["correct"].mean()
    assert float(data["estimate"]) == pytest.approx(trials["none"] - trials["opto"])
    assert finding.generalizes_over.startswith("blocks" if blocked else "trials")
    assert {"no_sham", "no_off_target"} <= codes(finding)


def test_an_error_that_grows_is_a_loss_too(rng):
    trials = table(rng, loss=0)
    trials["error"] = rng.random(N) + 0.5 * (trials["perturbation"] == "opto")
    finding = ablate(
        _behavior(trials),
        measure=column("error", better="lower"),
        assignment="randomized",
    )
    assert float(finding.estimate["estimate"][0]) == pytest.approx(0.5, abs=0.1)


def test_observed_trials_are_described_only(rng):
    finding = ablate(_behavior(table(rng)), measure=accuracy(), assignment="observed")
    assert finding.evidence == "descriptive"
    assert "observed" in codes(finding)
    assert "varies with" in finding.summary
    assert "drives" not in finding.summary


def test_sham_trials_are_controls_of_their_own(rng):
    recording = _behavior(table(rng, sham=True))
    finding = ablate(
        recording,
        measure=accuracy(),
        control_measure=column("response_time", better="lower"),
        assignment="randomized",
    )
    assert finding.estimate["perturbation"].values.tolist() == ["opto"]
    row = finding.estimate.isel(perturbation=0)
    assert float(row["beyond_sham"]) == pytest.approx(0.3, abs=0.15)
    assert float(row["p_beyond_sham"]) < 0.05
    assert float(row["off_target_low"]) < 0 < float(row["off_target_high"])
    sham = finding.tables["sham"].isel(sham=0)
    assert float(sham["ci_low"]) < 0 < float(sham["ci_high"])
    assert not {"no_sham", "no_off_target"} & codes(finding)


def test_missing_labels_are_control_trials_and_missing_behavior_is_left_out(rng):
    trials = table(rng)
    trials["perturbation"] = trials["perturbation"].replace("none", None)
    trials["score"] = trials["correct"].astype(float)
    trials.loc[trials.index[:30], "score"] = np.nan
    finding = ablate(
        _behavior(trials),
        measure=column("score", better="higher"),
        assignment="randomized",
    )
    rest = trials.iloc[30:]
    expected = (
        rest["score"][rest["perturbation"].isna()].mean()
        - rest["score"][rest["perturbation"] == "opto"].mean()
    )
    assert float(finding.estimate["estimate"][0]) == pytest.approx(expected)


def test_readouts_learn_from_control_trials_only(rng):
    trials = table(rng, loss=0)
    side = rng.choice([-1, 1], N)
    opto = (trials["perturbation"] == "opto").to_numpy()
    x = rng.normal(size=(N, 5))
    x[:, 0] += 3 * side * ~opto  # the code is gone under the perturbation
    x[:, 1] += 3 * side * opto  # and a foreign one appears
    recording = marr.from_arrays({"A": x}, trials.assign(side=side), name="mouse")
    finding = ablate(
        recording,
        over="perturbation",
        measure=decoded("side", score="correct"),
        assignment="randomized",
    )
    assert float(finding.estimate["intact"]) > 0.9
    assert float(finding.estimate["estimate"][0]) == pytest.approx(0.5, abs=0.12)
    assert finding.evidence == "causal"


@pytest.mark.parametrize("drift", [0.0, 0.15])
def test_nothing_is_found_at_more_than_the_nominal_rate(rng, drift):
    n_simulations, false = 40, 0  # the kernel itself is tested on thousands
    for seed in range(n_simulations):
        recording = _behavior(table(rng, loss=0, blocked=True, drift=drift))
        finding = ablate(
            recording,
            measure=accuracy(),
            assignment="blocked",
            n_permutations=99,
            seed=seed,
        )
        false += float(finding.estimate["p_value"][0]) <= 0.05
    assert false <= binom.ppf(0.999, n_simulations, 0.05)


def test_few_blocks_give_a_floor_and_no_interval(rng):
    trials = table(rng, sessions=1)
    trials["block"] = np.arange(N) // 60
    trials["perturbation"] = np.where(trials["block"] % 2 == 0, "none", "opto")
    finding = ablate(_behavior(trials), measure=accuracy(), assignment="blocked")
    assert {"p_floor", "no_interval"} <= codes(finding)
    assert float(finding.estimate["p_floor"][0]) == pytest.approx(1 / 6)
    assert np.isnan(finding.estimate["ci_low"].values).all()


def test_round_trip_figure_and_determinism(rng):
    recording = _behavior(table(rng))
    first, again = (
        ablate(recording, measure=accuracy(), assignment="randomized") for _ in "ab"
    )
    assert first.id == again.id
    assert marr.Finding.from_dict(first.to_dict()) == first
    assert first.figure().data


@pytest.mark.parametrize(
    ("change", "assignment", "error", "message"),
    [
        ({}, None, OptionError, "'randomized'"),
        ({}, "random", OptionError, "Did you mean 'randomized'"),
        ({}, "blocked", ContractError, "changes within"),
        ({"perturbation": "opto"}, "randomized", ContractError, "no control trials"),
        ({"perturbation": "none"}, "randomized", ContractError, "no perturbed trials"),
        ({"correct": None}, "randomized", StatisticsError, "0 perturbed"),
    ],
    ids=["none", "typo", "within block", "no control", "no perturbed", "no value"],
)
def test_bad_designs_are_named(rng, change, assignment, error, message):
    trials = table(rng)
    for name, value in change.items():
        if value is None:
            trials[name] = np.where(trials["perturbation"] == "none", 1.0, np.nan)
        else:
            trials[name] = value
    with pytest.raises(error, match=message):
        ablate(_behavior(trials), measure=accuracy(), assignment=assignment)


def test_blocked_assignment_needs_blocks(rng):
    trials = table(rng).drop(columns=["block", "session"])
    with pytest.raises(ContractError, match="needs a column 'block'"):
        ablate(_behavior(trials), measure=accuracy(), assignment="blocked")


def test_units_of_a_recording_with_perturbation_trials_can_still_be_asked_for(rng):
    trials = table(rng)
    x = rng.normal(size=(N, 3)) + 2 * trials["correct"].to_numpy()[:, None]
    recording = marr.from_arrays({"A": x}, trials)
    finding = ablate(recording, measure=decoded("correct"), n_random=0, joint=False)
    assert finding.evidence == "predictive"
    with pytest.raises(MarrError):
        ablate(recording, measure=accuracy())  # behavior: asks for the assignment
