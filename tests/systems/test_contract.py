"""The data contract: what is accepted, and what an error says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.systems import from_arrays, stack_units, target_values


def table(n=6):
    return pd.DataFrame({"stimulus": np.arange(n) % 3, "choice": np.arange(n) % 2})


@pytest.fixture
def system(rng):
    return from_arrays(
        {"a": rng.normal(size=(6, 4, 3)), "b": rng.normal(size=(6, 4, 2))},
        table(),
        {"speed": rng.normal(size=(6, 4))},
        name="x",
    )


def test_labels_and_order(system):
    activity = system.activity("b")
    assert activity.dims == ("trial", "time", "unit")
    assert activity["unit"].values.tolist() == ["b:0", "b:1"]
    assert activity.attrs["time_unit"] == "step"
    assert stack_units(system)["unit"].values.tolist() == [
        "a:0",
        "a:1",
        "a:2",
        "b:0",
        "b:1",
    ]
    assert system.variables["speed"].dims == ("trial", "time")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: from_arrays({"a": np.zeros((5, 2))}, table()),
            "one row a trial of the activity",
        ),
        (
            lambda: from_arrays({"a": np.zeros((6, 2)), "b": np.zeros((5, 2))}),
            "same trials",
        ),
        (lambda: from_arrays({"a": np.zeros(6)}), "shape"),
        (lambda: from_arrays({"a": np.full((6, 2), np.nan)}), "NaN or infinite"),
        (lambda: from_arrays(np.zeros((6, 2))), "mapping of site to array"),
        (lambda: from_arrays({"a": np.zeros((6, 2))}, [1, 2]), "pandas.DataFrame"),
        (
            lambda: from_arrays({"a": np.zeros((6, 2))}, units=["x"]),
            "1 ids for 2 units",
        ),
        (lambda: from_arrays({"a": np.zeros((6, 2))}, units=["x", "x"]), "unique"),
        (
            lambda: from_arrays({"a": np.zeros((6, 3, 2))}, time=[0, 1]),
            "one value a time bin",
        ),
        (lambda: from_arrays({"a": np.zeros((6, 3, 2))}, time=[0, 1, 1]), "increasing"),
        (lambda: from_arrays({"a": np.zeros((6, 2))}, time=[0, 1]), "no activity has"),
        (
            lambda: from_arrays({"a": np.zeros((6, 2))}, valid=np.ones((6, 3), bool)),
            "valid was given, but no activity has a time axis",
        ),
        (
            lambda: from_arrays(
                {"a": np.zeros((6, 3, 2))}, variables={"v": np.zeros(6)}
            ),
            "dims",
        ),
        (lambda: from_arrays({"a": np.zeros((6, 2), dtype=complex)}), "real numbers"),
        (lambda: from_arrays({}, None), "neither"),
        (
            lambda: from_arrays(
                {"a": np.zeros((6, 3, 2))}, valid=np.ones((6, 2), bool)
            ),
            "valid must be",
        ),
        (
            lambda: from_arrays(
                {"a": np.zeros((6, 2))}, table().set_index(np.zeros(6))
            ),
            "repeated index",
        ),
    ],
)
def test_bad_input_names_what_is_wrong(make, words):
    with pytest.raises(marr.MarrError, match=words):
        make()


def test_other_labels_are_refused():
    array = xr.DataArray(
        np.zeros((6, 2)), dims=("trial", "unit"), coords={"trial": np.arange(1, 7)}
    )
    with pytest.raises(marr.MarrError, match=r"other trial labels.*first \[6\]"):
        from_arrays({"a": array}, table())


def test_nan_is_legal_where_not_valid():
    values = np.zeros((6, 3, 2))
    values[0, 2] = np.nan
    valid = np.ones((6, 3), bool)
    valid[0, 2] = False
    system = from_arrays({"a": values}, table(), valid=valid)
    assert np.isfinite(stack_units(system).values).all()


def test_mixed_dimensionality_is_refused_by_name(rng):
    system = from_arrays(
        {"a": rng.normal(size=(6, 4, 3)), "b": rng.normal(size=(6, 3))}, table()
    )
    with pytest.raises(marr.MarrError, match="one dimensionality"):
        stack_units(system)


def test_unknown_names_suggest_the_nearest(system):
    with pytest.raises(marr.MarrError, match="Did you mean 'choice'"):
        target_values(system, "chioce")
    with pytest.raises(marr.MarrError, match="Did you mean 'a'"):
        system.activity("A")
    with pytest.raises(marr.MarrError, match="no unit '9' of site 'a'"):
        system.perturb(marr.Ablate("a", units=[9]))


def test_a_query_that_assigns_is_refused(system):
    with pytest.raises(marr.MarrError, match="assigns; compare with =="):
        system.select("choice = 1")


def test_one_trial_is_no_plural(system):
    assert ": 1 trial," in repr(system.select([0]))
    assert ": 2 trials," in repr(system.select([0, 1]))


def test_select_by_mask_labels_query_and_function(system):
    a = system.select(system.trials["choice"] == 1)
    b = system.select([1, 3, 5])
    c = system.select("choice == 1")
    d = system.select(lambda t: t["choice"] == 1)
    for other in (b, c, d):
        assert other.trials.equals(a.trials)
        xr.testing.assert_identical(other.activity("a"), a.activity("a"))
    assert a.variables["speed"].sizes["trial"] == 3
    for bad, words in [
        ("choice == 7", "no trial"),
        ([99], "no trial"),
        ([1, 1], "twice"),
        ("chioce == 1", "cannot evaluate"),
        (np.ones(3, bool), "one value a trial"),
    ]:
        with pytest.raises(marr.MarrError, match=words):
            system.select(bad)


def test_halves_are_disjoint_stable_and_keep_groups(rng):
    trials = table(40).assign(session=np.repeat(np.arange(8), 5))
    system = from_arrays({"a": rng.normal(size=(40, 3))}, trials)
    assert system.group_column == "session"
    halves = pd.Series(system.halves, index=system.trials.index)
    assert halves.groupby(trials["session"]).nunique().max() == 1
    assert 0.3 < halves.mean() < 0.7
    part = system.select("session > 2")
    assert (part.halves == halves.loc[part.trials.index]).all()


def test_ablation_modes_on_a_recording(system):
    intact = system.activity("a").values
    zero = system.perturb(marr.Ablate("a", units=[1], mode="zero")).activity("a").values
    mean = system.perturb(marr.Ablate("a", units=["a:1"])).activity("a").values
    other = (
        system.perturb(marr.Ablate("a", units=["1"], mode="resample"))
        .activity("a")
        .values
    )
    assert (zero[:, :, 1] == 0).all()
    assert np.allclose(mean[:, :, 1], intact[:, :, 1].mean(0))
    assert sorted(map(tuple, other[:, :, 1])) == sorted(map(tuple, intact[:, :, 1]))
    assert not np.allclose(other[:, :, 1], intact[:, :, 1])
    for changed in (zero, mean, other):
        assert (changed[:, :, [0, 2]] == intact[:, :, [0, 2]]).all()


def test_resample_stays_within_condition(rng):
    trials = table(60).assign(condition=np.arange(60) % 3)
    values = np.repeat((np.arange(60) % 3)[:, None], 2, axis=1).astype(float)
    system = from_arrays({"a": values}, trials)
    changed = system.perturb(marr.Ablate("a", mode="resample")).activity("a").values
    assert (changed == values).all()


def test_subspace_ablation_removes_only_the_subspace(system):
    direction = np.array([1.0, 2.0, -1.0])
    changed = (
        system.perturb(marr.Ablate("a", subspace=direction, mode="zero"))
        .activity("a")
        .values
    )
    intact = system.activity("a").values
    assert np.allclose(changed @ direction, 0)
    kept = np.array([2.0, -1.0, 0.0])
    assert np.allclose(changed @ kept, intact @ kept)


def test_time_limited_and_steering(system):
    changed = (
        system.perturb(marr.Ablate("a", mode="zero", time=slice(1, 2)))
        .activity("a")
        .values
    )
    assert (changed[:, 1:3] == 0).all()
    assert (changed[:, [0, 3]] == system.activity("a").values[:, [0, 3]]).all()
    steered = system.perturb(marr.Steer("a", [1.0, 0, 0], 2.0)).activity("a").values
    assert np.allclose(steered - system.activity("a").values, [2.0, 0, 0])
    with pytest.raises(marr.MarrError, match="no coordinate"):
        system.perturb(marr.Ablate("a", time=[17]))


def test_select_and_perturb_commute(system):
    for what in (
        marr.Ablate("a", units=[0]),
        marr.Ablate("a", mode="resample", seed=3),
        marr.Steer("a", [0.0, 1, 0], np.arange(6.0)),
        marr.Patch("a", units=[2], source=system.trials.index[::-1].to_numpy()),
        marr.Patch("a", source=system.activity("a").values[::-1]),
    ):
        first = system.select("stimulus == 1").perturb(what).activity("a")
        last = system.perturb(what).select("stimulus == 1").activity("a")
        xr.testing.assert_identical(first, last)


def test_behavior_of_a_perturbed_recording_is_intact(system):
    changed = system.perturb(marr.Ablate("a"))
    assert "intact_choice" in changed.trials
    assert "choice" not in changed.trials
    with pytest.raises(marr.MarrError, match="observed on the intact system"):
        changed.column("choice")


def test_perturbations_check_their_arguments():
    with pytest.raises(marr.MarrError, match="units or subspace, not"):
        marr.Ablate("a", units=[1], subspace=np.eye(2))
    with pytest.raises(marr.MarrError, match="Did you mean 'mean'"):
        marr.Ablate("a", mode="means")
    with pytest.raises(marr.MarrError, match="needs source="):
        marr.Patch("a")
    with pytest.raises(marr.MarrError, match="linearly independent"):
        marr.Ablate("a", subspace=np.ones((3, 2)))
    with pytest.raises(marr.MarrError, match="non-empty list"):
        marr.Ablate("a", units="3")


def test_behavior_only_system():
    system = from_arrays({}, table(), name="observer")
    assert system.sites == ()
    with pytest.raises(marr.MarrError, match="behavior only"):
        system.activity("a")
