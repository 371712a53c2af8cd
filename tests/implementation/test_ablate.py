"""Ablation: planted needs are found, what is not needed is not, and words fit."""

from __future__ import annotations

import numpy as np
import pytest

import marr
from marr.errors import (
    ContractError,
    EvidenceError,
    MarrError,
    OptionError,
    StatisticsError,
)
from marr.implementation import ablate
from marr.measures import accuracy, column, decoded, wrap

TONE = accuracy("tone_correct")


def codes(finding):
    return {note.code for note in finding.notes}


def note(finding, code):
    return next(n for n in finding.notes if n.code == code)


def needed(finding):
    data = finding.estimate
    return set(data["unit"].values[data["needed"].values == 1].tolist())


# -- a model ----------------------------------------------------------------------------


def test_the_one_needed_unit_is_found_and_random_directions_are_not(circuit):
    finding = ablate(circuit, measure=accuracy(), control_measure=TONE)
    data = finding.estimate.sel(unit="hidden:0")
    assert needed(finding) == {"hidden:0"}
    assert float(data["estimate"]) == pytest.approx(0.5, abs=0.01)
    assert float(data["ci_low"]) < 0.5 < float(data["ci_high"])
    assert float(data["random_high"]) < 0.3  # few units: some lean on unit 0
    assert float(data["off_target"]) == 0
    assert float(data["selectivity"]) == float(data["estimate"])
    others = finding.estimate.drop_sel(unit="hidden:0")
    assert (others["estimate"] == 0).all()
    assert (others["p_corrected"] == 1).all()
    assert finding.level == "implementation"
    assert finding.evidence == "causal"
    assert "1 of 8 units cost something for its accuracy" in finding.summary
    assert "the system needs this one in particular" in finding.summary
    assert "no_off_target" not in codes(finding)


def test_a_planted_group_is_found_and_random_groups_are_not(circuit):
    groups = {"tone": {"hidden": [1, 2]}, "junk": {"hidden": [3, 4]}}
    finding = ablate(circuit, over=groups, measure=TONE, n_random=40)
    data = finding.estimate
    assert data["needed"].sel(group=["tone", "junk"]).values.tolist() == [1, 0]
    assert float(data["estimate"].sel(group="tone")) == pytest.approx(0.5, abs=0.01)
    assert float(data["random_high"].sel(group="tone")) == 0
    assert float(data["p_random"].sel(group="tone")) == pytest.approx(1 / 41)


def test_single_lesions_miss_an_or_pair_and_the_flag_says_so(circuit):
    finding = ablate(circuit, measure=TONE)
    assert needed(finding) == set()
    assert "No loss was shown for any of 8 units, ablated one by one" in finding.summary
    flag = note(finding, "redundancy")
    assert "together" in flag.text
    joint = finding.tables["joint"]
    everything = joint["estimate"].sel(dose=8, set="smallest loss")
    assert float(everything) == pytest.approx(0.5, abs=0.06)
    assert float(joint["sum_of_singles"].sel(dose=8, set="smallest loss")) == 0


def test_without_redundancy_there_is_no_flag(circuit):
    finding = ablate(circuit, measure=accuracy())
    assert "redundancy" not in codes(finding)
    joint = finding.tables["joint"]
    assert (joint["estimate"].sel(set="largest loss") > 0.4).all()
    assert (joint["estimate"].sel(set="smallest loss", dose=[1, 2, 4]) == 0).all()


def test_joint_lesions_are_ranked_and_judged_on_different_trials(circuit):
    joint = ablate(circuit, measure=accuracy()).tables["joint"]
    second = circuit.select(circuit.halves == 1)
    lesion = second.perturb(marr.Ablate("hidden", units=[0]))
    loss = second.trials["correct"].mean() - lesion.trials["correct"].mean()
    assert float(joint["estimate"].sel(set="largest loss", dose=1)) == pytest.approx(
        loss
    )


def test_a_loss_is_positive_whichever_way_is_better(circuit):
    error = column("tone_error", better="lower")
    groups = {"tone": ["hidden:1", "hidden:2"]}
    finding = ablate(circuit, over=groups, measure=error, mode="zero")
    assert float(finding.estimate["estimate"][0]) == pytest.approx(1.0)
    assert float(finding.estimate["intact"]) == 0
    upside_down = ablate(
        circuit, over=groups, measure=column("tone_error", better="higher"), mode="zero"
    )
    assert float(upside_down.estimate["estimate"][0]) == pytest.approx(-1.0)


def test_a_unit_at_the_ablation_value_is_inert(circuit):
    finding = ablate(circuit, measure=accuracy())
    inert = finding.estimate["unit"].values[finding.estimate["inert"].values]
    assert inert.tolist() == ["hidden:7"]
    assert "hidden:7" in note(finding, "inert_units").text


def test_halves_are_the_same_loss_on_disjoint_trials(circuit):
    finding = ablate(circuit, measure=accuracy(), control_measure=TONE)
    table = finding.per("unit").estimate
    lesion = circuit.perturb(marr.Ablate("hidden", units=[0])).trials["correct"]
    loss = circuit.trials["correct"].astype(float) - lesion
    for half in (0, 1):
        expected = loss[circuit.halves == half].mean()
        got = float(table["half_estimate"].sel(half=half, unit="hidden:0"))
        assert got == pytest.approx(expected)
    assert table["half_off_target"].dims == ("half", "unit")


def test_a_margin_replaces_the_random_sets_in_the_verdict(circuit):
    assert needed(ablate(circuit, measure=accuracy(), margin=0.6)) == set()
    small = ablate(circuit, measure=accuracy(), margin=0.1, n_random=0)
    assert needed(small) == {"hidden:0"}
    assert "stated margin" in small.summary
    assert "no_matched_sets" not in codes(small)


def test_a_perturbed_system_is_compared_with_itself(circuit):
    one_gone = circuit.perturb(marr.Ablate("hidden", units=[1]))
    finding = ablate(one_gone, measure=TONE)
    assert needed(finding) == {"hidden:2"}  # the other of the pair is gone already


def test_a_function_of_a_system_is_a_measure(circuit):
    def confidence(system):
        return np.abs(system.outputs()[:, 0])

    finding = ablate(circuit, measure=confidence)
    assert finding.parameters["measure_kind"] == "custom"
    assert "for its confidence" in finding.summary
    assert needed(finding) == {"hidden:0"}


def test_a_readout_of_a_model_says_that_it_reads_what_was_ablated(circuit):
    finding = ablate(circuit, measure=decoded("side"))
    assert finding.evidence == "causal"
    assert finding.parameters["measure_kind"] == "readout"
    assert "own_readout" in codes(finding)


# -- a recording ------------------------------------------------------------------------


def test_the_same_call_on_a_recording_is_predictive(recording):
    finding = ablate(recording, measure=decoded("side"))
    assert finding.evidence == "predictive"
    assert "has a readout that depends on" in finding.summary
    for word in ("need", "lesion", "drive"):
        assert f" {word}s " not in finding.summary
    assert int(finding.estimate["estimate"].argmax("unit")) == 0
    assert "A:0" in needed(finding)


def test_fixed_and_refitted_readouts_are_two_estimands(recording):
    fixed = ablate(recording, measure=decoded("tone"))
    refit = ablate(recording, measure=decoded("tone"), readout="refit")
    pair = ["A:1", "A:2"]  # the tone is there twice: each can stand in for the other
    assert (
        fixed.estimate["estimate"].sel(unit=pair)
        > 3 * refit.estimate["estimate"].sel(unit=pair)
    ).all()
    assert fixed.parameters["estimand"] == "mean"
    assert refit.parameters["estimand"] == "refit"
    assert "cook1982" in refit.citations
    assert "cook1982" not in fixed.citations
    assert "fitted anew" in refit.methods
    assert "constant_units" in codes(refit)
    together = ablate(
        recording,
        over={"tone": {"A": [1, 2]}},
        measure=decoded("tone"),
        readout="refit",
    )
    assert float(together.estimate["estimate"][0]) > 0.3


def test_a_variable_over_time_and_an_off_target(recording):
    finding = ablate(
        recording,
        over="site",
        measure=decoded("heading"),
        control_measure=decoded("side"),
    )
    data = finding.estimate
    assert float(data["estimate"].sel(site="B")) > 0.5
    assert abs(float(data["estimate"].sel(site="A"))) < 0.05
    assert float(data["off_target"].sel(site="A")) > 0.2
    assert data["selectivity"].attrs["units"] == "intact SD"
    assert float(data["selectivity"].sel(site="B")) > 1


def test_the_loss_of_nothing_is_not_called_a_need(make_recording):
    called = []
    for seed in range(12):
        recording = make_recording(seed, n=60)
        shuffled = np.random.default_rng(seed).permutation(recording.trials["side"])
        system = make_recording(seed, n=60, label=shuffled)
        finding = ablate(
            system, measure=decoded("label"), readout="refit", joint=False, n_random=20
        )
        called.append(len(needed(finding)) > 0)
        assert "readout_at_chance" in codes(finding)
    assert np.mean(called) <= 0.15


def test_behavior_of_a_recording_cannot_be_ablated(recording):
    with pytest.raises(EvidenceError, match="nobody saw 'mouse' act") as error:
        ablate(recording, measure=accuracy())
    assert "decoded" in str(error.value)
    assert "perturbation" in str(error.value)
    with pytest.raises(EvidenceError, match="is behavior"):
        ablate(recording, measure=decoded("side"), control_measure=accuracy())


def test_sites_that_the_readout_does_not_read_are_named(recording):
    finding = ablate(recording, over="site", measure=decoded("side", sites="A"))
    assert float(finding.estimate["estimate"].sel(site="B")) == 0
    assert "['B']" in note(finding, "unread_site").text


# -- what every finding owes ------------------------------------------------------------


def test_groups_of_trials_are_resampled_together(make_recording):
    session = np.arange(120) // 10
    finding = ablate(make_recording(session=session), measure=decoded("side"))
    assert finding.generalizes_over == "sessions (n = 12)"
    assert "resamples of sessions" in finding.methods
    few = ablate(make_recording(session=np.arange(120) // 40), measure=decoded("side"))
    assert few.generalizes_over == "trials of these 3 sessions"
    assert "few_groups" in codes(few)


def test_few_trials_are_stated(make_recording):
    finding = ablate(make_recording(n=16), measure=decoded("side"))
    assert "16 trials" in note(finding, "few_trials").text


def test_same_seed_same_numbers_and_another_seed_other_intervals(recording):
    first, again, other = (
        ablate(recording, measure=decoded("side"), seed=s) for s in (1, 1, 2)
    )
    assert first.id == again.id
    assert not first.estimate["random_mean"].equals(other.estimate["random_mean"])


def test_order_of_units_does_not_matter(recording):
    turned = marr.from_arrays(
        {
            "A": recording.activity("A").isel(unit=[3, 0, 4, 1, 2]),
            "B": recording.activity("B"),
        },
        recording.trials,
    )
    first, second = (ablate(s, measure=decoded("side")) for s in (recording, turned))
    a, b = first.estimate, second.estimate.sel(unit=first.estimate["unit"])
    for name in a.data_vars:
        np.testing.assert_allclose(a[name], b[name], atol=1e-10, err_msg=str(name))
    joint, other = (f.tables["joint"]["estimate"] for f in (first, second))
    np.testing.assert_allclose(joint, other, atol=1e-10)


def test_json_round_trip_and_figures(circuit):
    finding = ablate(circuit, measure=accuracy(), control_measure=TONE)
    assert marr.Finding.from_dict(finding.to_dict()) == finding
    ranked = finding.tables["ranked"]["estimate"].values
    assert (np.diff(ranked) <= 0).all()
    for which, spec in enumerate(finding.figures):
        assert spec.caption
        assert spec.description
        assert finding.figure(which).data
    assert [s.kind for s in finding.figures] == ["points", "line"]


def test_a_cohort_keeps_units_of_its_members_apart(make_recording):
    members = []
    for seed in range(5):
        member = make_recording(seed)
        member.name = f"mouse {seed}"
        members.append(member)
    cohort = marr.Cohort(members, name="mice", member_kind="animals")
    units = ablate(cohort, measure=decoded("side"), n_random=10)
    assert units.estimate.sizes["unit"] == 5 * 9
    assert units.estimate["unit"].values[0] == "mouse 0|A:0"
    assert set(units.estimate["member"].values) == {m.name for m in members}
    assert units.per("unit").estimate["half_estimate"].sizes == {"half": 2, "unit": 45}
    sites = ablate(cohort, over="site", measure=decoded("side"), n_random=10)
    assert sites.estimate["estimate"].dims == ("site",)
    assert sites.generalizes_over == "animals (n = 5)"
    assert float(sites.estimate["p_value"].sel(site="A")) < 0.01
    assert sites.tables["member"].sizes == {"member": 5, "site": 2}
    assert sites.tables["joint"]["estimate"].dims == ("set", "dose")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "median"}, OptionError, "mode must be one of"),
        ({"readout": "refited"}, OptionError, "'refit'"),
        ({"over": "layer"}, OptionError, "no unit coordinate"),
        ({"sites": "C"}, OptionError, "no site 'C' of 'mouse'"),
        ({"n_random": -1}, OptionError, "n_random"),
        ({"n_permutations": 3}, OptionError, "at least 19"),
        ({"margin": -0.1}, OptionError, "margin"),
        ({"over": "perturbation"}, OptionError, "needs a column 'perturbation'"),
        ({"measure": "choice"}, ContractError, "measure must be"),
        (
            {"measure": wrap(lambda s: np.zeros(len(s.trials))), "readout": "refit"},
            ContractError,
            "measures that are decoded",
        ),
        (
            {"measure": wrap(lambda s: np.full(len(s.trials), np.nan))},
            StatisticsError,
            "no value on any",
        ),
    ],
    ids=str,
)
def test_bad_input_is_named(recording, options, error, message):
    with pytest.raises(error, match=message):
        ablate(recording, **{"measure": decoded("side"), **options})


def test_a_model_has_no_refit(circuit):
    with pytest.raises(EvidenceError, match="for recordings"):
        ablate(circuit, measure=decoded("side"), readout="refit")


def test_a_failing_measure_leaves_no_hook_behind(circuit):
    def fails(system):
        if system.perturbations:
            msg = "no"
            raise MarrError(msg)
        return np.zeros(len(system.trials))

    before = circuit.outputs()
    with pytest.raises(MarrError, match="no"):
        ablate(circuit, measure=fails)
    hooks = [m._forward_hooks for m in circuit.model.modules()]
    assert not any(hooks)
    np.testing.assert_array_equal(circuit.select(np.arange(5)).outputs(), before[:5])
