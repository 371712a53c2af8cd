"""choice_probability: 1 for the decision variable, .5 for others, whatever the stimulus."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from sklearn.metrics import roc_auc_score

import marr
from marr.representation import choice_probability
from marr.representation._units._choice_kernel import area, balanced_scores


def study(rng, n=400, bias=0.0, weight=1.0):
    """Unit 0 is the decision variable, 1 follows it, 2 the stimulus only, 3 nothing."""
    stimulus = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], n)
    noise = rng.normal(size=(n, 4))
    decision = stimulus + bias + noise[:, 0]
    choice = np.where(decision > 0, "right", "left")
    units = np.column_stack(
        [
            decision,
            stimulus + weight * noise[:, 0] + noise[:, 1],
            3 * stimulus + noise[:, 2],
            noise[:, 3],
        ]
    )
    table = pd.DataFrame({"stimulus": stimulus, "choice": choice})
    return marr.from_arrays({"lip": units}, table)


def test_areas_are_scikit_learns_ties_included(rng):
    z = np.round(rng.normal(size=(80, 5)), 1)
    choice = rng.random(80) < 0.4
    found = area(z, choice)
    for u in range(5):
        assert found[u] == pytest.approx(roc_auc_score(choice, z[:, u]))


def test_the_decision_variable_has_1_and_what_is_unrelated_one_half(rng):
    found = choice_probability(study(rng), stimulus="stimulus")
    value = found.estimate["estimate"].values
    assert value[0] > 0.97
    assert found.estimate["within"].values[0] == 1
    np.testing.assert_allclose(found.estimate["within"].values[2:], 0.5, atol=0.08)
    assert 0.6 < value[1] < 0.95
    np.testing.assert_allclose(value[2:], 0.5, atol=0.08)
    assert (found.estimate["p_corrected"].values < 0.05).tolist() == [
        True,
        True,
        False,
        False,
    ]
    inside = (found.estimate["ci_low"] <= 0.5) & (found.estimate["ci_high"] >= 0.5)
    assert inside.values.tolist() == [False, False, True, True]
    assert found.parameters["higher"] == "right"
    assert found.tables["unit"]["half_estimate"].sel(half=0).values[0] > 0.95
    assert "2 of 4 units go with choice" in found.summary


def test_balanced_scores_do_not_sink_with_unequal_choices(rng):
    """Kang and Maunsell: plain z-scores of biased choices give too small an area."""
    plain, balanced = [], []
    for _ in range(40):
        stimulus = np.repeat(np.arange(6), 60)
        share = np.array([0.05, 0.1, 0.2, 0.8, 0.9, 0.95])[stimulus]
        choice = rng.random(360) < share
        x = (3.0 * choice + rng.normal(size=360))[:, None]
        good = np.array(
            [
                min(choice[stimulus == s].sum(), (~choice[stimulus == s]).sum())
                for s in range(6)
            ]
        )
        keep = good[stimulus] >= 2
        code = np.unique(stimulus[keep], return_inverse=True)[1]
        z = balanced_scores(x[keep], code, choice[keep], int(code.max()) + 1)
        balanced.append(area(z, choice[keep])[0])
        mean = np.array([x[keep][code == s].mean() for s in range(code.max() + 1)])[
            code
        ]
        sd = np.array([x[keep][code == s].std() for s in range(code.max() + 1)])[code]
        plain.append(area((x[keep, 0] - mean)[:, None] / sd[:, None], choice[keep])[0])
    truth = 0.983  # normal distributions 3 apart
    assert np.mean(plain) < truth - 0.02
    assert np.mean(balanced) == pytest.approx(truth, abs=0.015)


def slow_choices(rng, n):
    drive = lfilter([1], [1, -0.95], rng.normal(size=n))
    return np.where(drive + rng.normal(size=n) > 0, 1, 0)


def test_slow_choices_are_exchanged_within_runs_of_trials(rng):
    x = lfilter([1], [1, -0.95], rng.normal(size=(300, 2)), axis=0)
    table = pd.DataFrame({"choice": slow_choices(rng, 300), "stimulus": "s"})
    table.loc[::2, "stimulus"] = "t"
    found = choice_probability(marr.from_arrays({"lip": x}, table), stimulus="stimulus")
    assert "10 runs of neighboring trials" in found.methods
    assert found.generalizes_over == "20 runs of neighboring trials"


@pytest.mark.slow
def test_units_that_ignore_the_choice_are_called_at_the_level(rng):
    """2,000 studies of one unit that follows the stimulus; intervals hold one half."""
    p, covered, power = [], [], []
    for i in range(2000):
        system = study(rng, n=150, bias=0.3)
        found = choice_probability(
            system, stimulus="stimulus", n_permutations=99
        ).estimate
        p.append(float(found["p_value"][2]))
        covered.append(float(found["ci_low"][2]) <= 0.5 <= float(found["ci_high"][2]))
        if i < 200:
            power.append(float(found["p_value"][1]) <= 0.05)
    assert np.mean(np.array(p) <= 0.05) < 0.065
    assert np.mean(covered) > 0.93
    assert np.mean(power) > 0.9


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stimulus": "stimulsu"}, "stimulus"),
        ({"stimulus": "stimulus", "choice": "chioce"}, "choice"),
        ({"stimulus": "stimulus", "choice": "three"}, "two choices"),
        ({"stimulus": "sided"}, "each choice"),
        ({"stimulus": "stimulus", "time": (0.0, 1.0)}, "time axis"),
        ({"stimulus": "speed"}, "within trials"),
    ],
)
def test_bad_input_is_named(rng, given, words):
    system = study(rng, n=60)
    table = system.trials.assign(
        three=np.arange(60) % 3,
        sided=(system.trials["choice"] == "left").map({True: "a", False: "b"}),
    )
    system = marr.from_arrays(
        {"lip": system.activity("lip")}, table, {"speed": rng.integers(0, 3, (60, 2))}
    )
    with pytest.raises(marr.MarrError, match=words):
        choice_probability(system, **given)


def test_one_sided_stimuli_are_counted_and_constant_units_named(rng):
    system = study(rng, n=60, bias=1.5)
    x = system.activity("lip").values.copy()
    x[:, 3] = 1.0
    found = choice_probability(
        marr.from_arrays({"lip": x}, system.trials),
        stimulus="stimulus",
        n_permutations=20,
    )
    assert any(n.code == "one_sided_stimuli" for n in found.notes)
    assert any(n.code == "constant_units" for n in found.notes)
    assert found.estimate["estimate"].values[3] == 0.5
    assert found.figure().data
