"""decode: planted answers, options, bad input; the same call on any system."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import marr
from marr.representation import decode
from marr.stats import binomial_interval


def make(rng, n=120, n_times=6, n_units=8, effect=1.2, **columns):
    """Choice at times 2 to 4 in the first three units of A, nothing in B."""
    choice = rng.integers(0, 2, n)
    a = rng.normal(size=(n, n_times, n_units))
    a[:, 2:5, :3] += effect * choice[:, None, None]
    b = rng.normal(size=(n, n_times, 5))
    trials = pd.DataFrame({"choice": np.where(choice == 1, "right", "left"), **columns})
    return marr.from_arrays(
        {"A": a, "B": b}, trials=trials, time=np.arange(n_times) / 10, name="planted"
    )


def number(finding, name="estimate"):
    return finding.estimate[name].item()


def test_planted_choice_is_found_where_and_when_it_is(rng):
    found = decode(make(rng), "choice", n_permutations=99)
    significant = found.estimate["p_corrected"] < 0.05
    expected = np.zeros((2, 6), bool)
    expected[0, 2:5] = True
    np.testing.assert_array_equal(significant, expected)
    assert found.dims == ("site", "time")
    assert found.evidence == "descriptive"
    assert "Activity of A" in found.summary
    assert "carries choice" in found.summary
    assert found.estimate["estimate"].attrs["chance"] == 0.5
    assert found.parameters["null"] == "free"
    inside = (found.estimate["ci_low"] <= found.estimate["estimate"]) & (
        found.estimate["estimate"] <= found.estimate["ci_high"]
    )
    assert inside.all()


def test_pattern_weight_halves_and_spread_of_units(rng):
    system = make(rng)
    table = decode(system, "choice", n_permutations=0).tables["unit"]
    of_a = table.sel(unit=table["site"] == "A")
    informative = of_a["estimate"].values[:3]
    assert informative.min() > of_a["estimate"].values[3:].max()
    assert (of_a["pattern"].values[:3] > 0).all()  # "right" is the last class
    assert table["half_estimate"].dims == ("half", "unit")
    means = system.activity("B").mean("time").values
    spread = table["spread"].sel(unit=table["site"] == "B").values
    np.testing.assert_allclose(spread, means.std(axis=0))


def test_a_noise_canceling_unit_has_weight_and_no_pattern(rng):
    """Unit 1 holds only the noise of unit 0: probes need it, it carries nothing."""
    n = 400
    signal, noise = rng.normal(size=n), rng.normal(size=n)
    x = np.stack([signal + noise, noise, rng.normal(size=n)], axis=1)
    x[:, :2] += 0.05 * rng.normal(size=(n, 2))
    system = marr.from_arrays({"A": x}, trials=pd.DataFrame({"signal": signal}))
    table = decode(system, "signal", n_permutations=0).tables["unit"]
    weight, pattern = np.abs(table["weight"].values), table["estimate"].values
    assert weight[1] > 0.5 * weight[0]
    assert pattern[1] < 0.15
    assert pattern[0] > 0.6


def test_continuous_target_reaches_its_r2(rng):
    n = 600
    x = rng.normal(size=(n, 10))
    y = x[:, 0] + rng.normal(size=n)
    system = marr.from_arrays({"A": x}, trials=pd.DataFrame({"speed": y}))
    found = decode(system, "speed", n_permutations=19)
    assert number(found) == pytest.approx(0.5, abs=0.06)
    assert number(found, "correlation") == pytest.approx(0.5**0.5, abs=0.05)
    assert found.parameters["kind"] == "continuous"


def heading_system(rng, n=40, n_times=20, noise=0.3):
    steps = rng.normal(0, 0.4, size=n * n_times).cumsum()
    heading = np.mod(steps, 2 * np.pi).reshape(n, n_times)
    preferred = np.linspace(0, 2 * np.pi, 9)[:-1]
    x = np.cos(heading[..., None] - preferred) + noise * rng.normal(
        size=(n, n_times, 8)
    )
    import xarray as xr

    variable = xr.DataArray(heading, dims=("trial", "time"), attrs={"circular": True})
    return marr.from_arrays(
        {"ring": x, "noise": rng.normal(size=(n, n_times, 4))},
        variables={"heading": variable.assign_coords(time=np.arange(n_times))},
    )


def test_circular_target_within_trials_is_pooled_with_folds_by_trial(rng):
    found = decode(heading_system(rng), "heading", over="site", n_permutations=99)
    assert found.parameters["kind"] == "circular"
    assert found.parameters["null"] == "shift"
    ring, noise = (found.estimate.sel(site=s) for s in ("ring", "noise"))
    assert float(ring["median_error"]) < 10
    assert float(ring["p_corrected"]) < 0.05
    assert 60 < float(noise["median_error"]) < 120
    assert float(ring["median_error_low"]) <= float(ring["median_error"])
    assert "median error" in found.summary


def test_circular_target_by_time(rng):
    found = decode(heading_system(rng), "heading", n_permutations=0)
    assert found.dims == ("site", "time")
    assert (found.estimate["estimate"].sel(site="ring") > 0.5).all()


def test_chance_of_angles_that_are_not_spread_evenly(rng):
    angle = rng.normal(0, 0.5, size=200)
    import xarray as xr

    variable = xr.DataArray(
        np.repeat(angle[:, None], 2, axis=1),
        dims=("trial", "time"),
        attrs={"circular": True},
    )
    system = marr.from_arrays(
        {"A": rng.normal(size=(200, 2, 4))}, variables={"angle": variable}
    )
    found = decode(system, "angle", over="site", n_permutations=0)
    chance = found.estimate["estimate"].attrs["chance"]
    assert chance == pytest.approx(np.hypot(np.cos(angle).mean(), np.sin(angle).mean()))
    assert number(found) < chance + 0.02


def test_without_axes_sites_are_pooled_and_time_is_averaged(rng):
    found = decode(make(rng), "choice", over=(), n_permutations=19)
    assert found.dims == ()
    assert found.tables["unit"].sizes["unit"] == 13
    assert number(found) > 0.7


def test_averages_of_a_map_are_tables(rng):
    found = decode(make(rng), "choice", n_permutations=49)
    site = found.per("site").estimate
    expected = found.estimate["estimate"].mean("time")
    np.testing.assert_allclose(site["estimate"], expected)
    assert float(site["p_corrected"].sel(site="A")) < 0.05
    assert found.per("time").dims == ("time",)


def codes(rng, stable):
    """A code of choice that stays, or one that moves to other units at each time."""
    n, n_times = 160, 4
    choice = rng.integers(0, 2, n)
    x = 0.3 * rng.normal(size=(n, n_times, n_times))
    for t in range(n_times):
        x[:, t, 0 if stable else t] += choice
    return marr.from_arrays({"A": x}, trials=pd.DataFrame({"choice": choice}))


def test_a_stable_code_generalizes_over_time_and_a_rotating_one_does_not(rng):
    off = ~np.eye(4, dtype=bool)
    square = {}
    for stable in (True, False):
        found = decode(
            codes(rng, stable), "choice", cross_temporal=True, n_permutations=39
        )
        table = found.tables["time_time"].isel(site=0)
        np.testing.assert_allclose(
            np.diag(table["estimate"]), found.estimate["estimate"][0]
        )
        square[stable] = table
    assert square[True]["estimate"].values.min() > 0.85
    assert np.diag(square[False]["estimate"]).min() > 0.85
    assert abs(square[False]["estimate"].values[off] - 0.5).max() < 0.15
    assert (square[True]["p_corrected"] < 0.05).all()
    assert (square[False]["p_corrected"].values[off] > 0.05).all()


def confounded(rng, n=300):
    """Activity follows movement; movement follows choice; choice itself is not in it."""
    choice = rng.integers(0, 2, n)
    movement = choice + 0.5 * rng.normal(size=n)
    x = movement[:, None] * rng.normal(size=6) * 2 + rng.normal(size=(n, 6))
    trials = pd.DataFrame({"choice": choice, "movement": movement})
    trials["effort"] = choice + rng.normal(size=n)
    return marr.from_arrays({"A": x}, trials=trials)


def test_control_removes_a_planted_confound(rng):
    system = confounded(rng)
    plain = decode(system, "choice", n_permutations=49)
    fair = decode(system, "choice", control="movement", n_permutations=49)
    assert number(plain, "p_value") < 0.05
    assert number(plain) > 0.75
    assert abs(number(fair) - 0.5) < 0.12
    assert number(fair, "p_value") > 0.05
    assert fair.parameters["null"] == "conditional"
    assert "movement" in fair.methods
    baseline = fair.tables["baseline"]["estimate"]
    assert float(baseline.sel(baseline="nuisances")) > 0.75


def test_control_of_a_number_leaves_what_activity_adds(rng):
    system = confounded(rng)
    plain = decode(system, "effort", n_permutations=0)
    fair = decode(system, "effort", control=["movement"], n_permutations=49)
    assert number(plain) > 0.05
    assert number(fair) < 0.02
    assert number(fair, "p_value") > 0.05


def test_labels_constant_within_drifting_blocks_are_not_decodable(rng):
    block = np.repeat(np.arange(12), 12)
    label = np.array(["a", "b"])[block % 2]
    x = 3 * rng.normal(size=(12, 30))[block] + rng.normal(size=(144, 30))
    trials = pd.DataFrame({"rule": label, "block": block})
    found = decode(marr.from_arrays({"A": x}, trials=trials), "rule", n_permutations=99)
    assert found.parameters["null"] == "block"
    assert number(found, "p_value") > 0.05
    leaky = decode(
        marr.from_arrays({"A": x}, trials=trials.drop(columns="block")).select(
            rng.permutation(144)
        ),
        "rule",
        n_permutations=0,
    )
    assert number(leaky) > 0.9  # what ignoring blocks would claim


def test_a_map_over_time_leaves_out_bins_that_some_trials_lack(rng):
    system = make(rng)
    valid = np.ones((120, 6), bool)
    valid[3, 5] = False
    a = system.activity("A").values
    ragged = marr.from_arrays(
        {"A": np.where(valid[..., None], a, np.nan)}, trials=system.trials, valid=valid
    )
    found = decode(ragged, "choice", n_permutations=0)
    assert found.estimate.sizes["time"] == 5
    assert any(n.code == "incomplete_bins" for n in found.notes)


def test_constant_units_are_flagged_and_carry_nothing(rng):
    system = make(rng)
    x = system.activity("A").values.copy()
    x[..., 7] = 3.0
    found = decode(
        marr.from_arrays({"A": x}, trials=system.trials), "choice", n_permutations=0
    )
    table = found.tables["unit"]
    assert bool(table["constant"][7])
    assert float(table["estimate"][7]) == 0
    assert float(table["spread"][7]) == 0
    assert any(n.code == "constant_units" for n in found.notes)


def test_fewer_groups_than_folds_lowers_the_folds(rng):
    session = np.repeat([0, 1, 2], 40)
    found = decode(make(rng, session=session), "choice", n_permutations=9)
    assert found.parameters["n_folds"] == 3
    assert found.parameters["null"] == "within"
    codes = {n.code for n in found.notes}
    assert {"fewer_folds", "few_groups"} <= codes


def test_an_autocorrelated_target_is_shifted(rng):
    drift = np.sign(np.sin(np.arange(120) / 6) + 0.1 * rng.normal(size=120)) > 0
    found = decode(make(rng, rule=drift), "rule", n_permutations=200)
    assert found.parameters["null"] == "shift"
    assert "harris2020" in found.citations
    assert found.estimate["p_value"].min() >= 1 / 110  # as many shifts as there are


def test_a_system_that_fails_its_task_is_said_to(rng):
    system = make(rng, correct=rng.integers(0, 2, 120))
    found = decode(system, "choice", n_permutations=0)
    assert any(n.code == "gate" for n in found.notes)


def test_below_chance_is_warned_about(rng):
    """A class whose trials all differ from its training trials is anti-decoded."""
    block = np.repeat(np.arange(4), 20)
    x = np.array([3.0, -3.0, -3.0, 3.0])[block][:, None] + rng.normal(size=(80, 1))
    trials = pd.DataFrame({"rule": block % 2, "block": block})
    system = marr.from_arrays({"A": x}, trials=trials)
    # which blocks share a fold is drawn: some draws train on the opposite of the test
    drawn = [decode(system, "rule", n_permutations=0, seed=k) for k in range(6)]
    found = min(drawn, key=number)
    assert number(found) < 0.2  # not clipped at chance
    assert any(n.code == "below_chance" for n in found.notes)


def test_a_shortcut_is_pointed_out(rng):
    rule = np.tile([0, 1], 60)  # alternates: the previous trial tells it
    system = marr.from_arrays(
        {"A": rng.normal(size=(120, 3))}, trials=pd.DataFrame({"rule": rule})
    )
    found = decode(system, "rule", n_permutations=0)
    table = found.tables["baseline"]["estimate"]
    assert float(table.sel(baseline="previous trial")) > 0.95
    assert any(n.code == "shortcut" for n in found.notes)


def test_same_seed_same_bytes_and_json_round_trip(rng):
    system = make(rng)
    a, b = (decode(system, "choice", n_permutations=19, seed=3) for _ in range(2))
    assert a.id == b.id
    assert marr.Finding.from_dict(a.to_dict()).id == a.id
    assert decode(system, "choice", n_permutations=19, seed=4).id != a.id


def test_order_of_units_and_parts_of_the_work_do_not_matter(rng, monkeypatch):
    from marr.representation._probes import _blocks

    system = make(rng)
    whole = decode(system, "choice", n_permutations=19, cross_temporal=True)
    monkeypatch.setattr(_blocks, "BUDGET", 5000)
    parts = decode(system, "choice", n_permutations=19, cross_temporal=True)
    for name in ("estimate", "p_corrected", "null_mean"):
        np.testing.assert_allclose(whole.estimate[name], parts.estimate[name])
        np.testing.assert_allclose(
            whole.tables["time_time"][name], parts.tables["time_time"][name]
        )
    turned = marr.from_arrays(
        {s: system.activity(s).isel(unit=slice(None, None, -1)) for s in ("A", "B")},
        trials=system.trials,
    )
    again = decode(turned, "choice", n_permutations=19)
    np.testing.assert_allclose(whole.estimate["estimate"], again.estimate["estimate"])


def test_figures_draw(rng):
    found = decode(make(rng), "choice", cross_temporal=True, n_permutations=9)
    kinds = [s.kind for s in found.figures]
    assert kinds == ["line", "map", "matrix", "points"]
    assert all(s.reference == 0.5 for s in found.figures[:3])
    for i in range(len(kinds)):
        assert len(found.figure(i).data) > 0


def test_a_cohort_takes_the_same_call(rng):
    members = []
    for i in range(3):
        member = make(rng)
        member.name = f"seed {i}"
        members.append(member)
    cohort = marr.Cohort(members, name="nets", member_kind="seeds")
    found = decode(cohort, "choice", n_permutations=9)
    assert found.generalizes_over.startswith("seeds")
    assert found.estimate.sizes == {"site": 2, "time": 6}
    assert found.tables["unit"].sizes["unit"] == 39


@pytest.mark.parametrize("correction", ["max", "cluster", "fdr"])
def test_corrections_never_lower_a_p_value(rng, correction):
    found = decode(make(rng), "choice", correction=correction, n_permutations=199)
    p, q = (found.estimate[k].sel(site="A").values for k in ("p_value", "p_corrected"))
    assert (q[2:5] < 0.05).all()
    if correction != "cluster":
        assert (q >= p - 1e-12).all()


def test_interval_covers_the_score_of_the_fitted_probes(rng):
    """Fixed probes on fresh trials: the bootstrap must cover their true accuracy."""
    from marr.representation._layout import Layout
    from marr.representation._plan import Plan
    from marr.representation._probes._core import CellResult
    from marr.representation._probes._maps import estimate_table, make_map
    from marr.representation._targets import Target

    n, n_sets, truth = 60, 2000, 0.7
    labels = np.arange(n) % 2
    whole = np.tile(np.eye(2)[labels], (n_sets, 1, 1))
    part = whole * (rng.random((n_sets, n, 1)) < truth)
    score = (part.sum(1) / whole.sum(1)).mean(-1)
    result = CellResult(score[None], part, whole, whole, whole, np.zeros((1, n_sets)))
    target = Target("x", "categorical", np.eye(2)[labels], np.ones(n, bool), ("a", "b"))
    layout = Layout((), np.arange(n), None, None, None, None, "", by_site=True)
    plan = Plan(labels, "free", np.empty((0, n), int), np.arange(n), "trials", None)
    table = estimate_table(make_map([[result]], layout, plan, [target], seed=0), "max")
    covered = int(((table["ci_low"] <= truth) & (truth <= table["ci_high"])).sum())
    low, high = binomial_interval(covered, n_sets, level=0.999)
    assert low <= 0.95
    assert covered / n_sets > 0.93
    assert high < 0.99


def test_halves_agree_where_there_is_signal(rng):
    table = decode(make(rng, n=400), "choice", n_permutations=0).tables["unit"]
    halves = table["half_estimate"].sel(unit=table["site"] == "A").values
    assert spearmanr(*halves).statistic > 0.5


BAD = {
    "unknown target": ({"target": "choise"}, "choice"),
    "unknown site": ({"sites": "a1"}, "sites"),
    "unknown control": ({"control": "speeed"}, "control"),
    "target as control": ({"control": "choice"}, "target"),
    "one fold": ({"n_folds": 1}, "n_folds"),
    "more folds than trials": ({"n_folds": 500}, "500"),
    "penalty": ({"penalty": -1.0}, "penalty"),
    "permutations": ({"n_permutations": -1}, "n_permutations"),
    "correction": ({"correction": "bonferroni"}, "correction"),
    "null": ({"null": "shuffle"}, "null"),
    "within without groups": ({"null": "within"}, "groups"),
    "axis": ({"over": "unit"}, "over"),
    "kind": ({"kind": "binary"}, "kind"),
    "text as number": ({"kind": "continuous"}, "numbers"),
    "no time for squares": ({"over": "site", "cross_temporal": True}, "cross_temporal"),
    "constant": ({"target": "always"}, "one class"),
    "constant number": ({"target": "level", "kind": "continuous"}, "constant"),
    "missing": ({"target": "gaps"}, "missing"),
    "device": ({"device": "abacus"}, "device"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(rng, case):
    given, words = BAD[case]
    gaps = np.where(np.arange(120) < 3, np.nan, 1.0)
    system = make(rng, always="x", level=1.5, gaps=gaps)
    options = {"target": "choice", "n_permutations": 5, **given}
    with pytest.raises(marr.MarrError, match=words):
        decode(system, options.pop("target"), **options)


def test_sites_of_other_dimensionality_or_times_are_refused(rng):
    trials = pd.DataFrame({"choice": np.arange(20) % 2})
    mixed = marr.from_arrays(
        {"A": rng.normal(size=(20, 4, 3)), "B": rng.normal(size=(20, 3))}, trials=trials
    )
    with pytest.raises(marr.MarrError, match="one dimensionality"):
        decode(mixed, "choice")
    other = marr.from_arrays(
        {"A": rng.normal(size=(20, 4, 3)), "B": rng.normal(size=(20, 5, 3))},
        trials=trials,
    )
    with pytest.raises(marr.MarrError, match="time axes"):
        decode(other, "choice")


def test_a_system_without_activity_and_something_else_are_refused():
    behavior = marr.from_arrays({}, trials=pd.DataFrame({"choice": [0, 1] * 5}))
    with pytest.raises(marr.MarrError, match="behavior only"):
        decode(behavior, "choice")
    with pytest.raises(marr.MarrError, match="System or a Cohort"):
        decode(np.zeros((4, 3)), "choice")
