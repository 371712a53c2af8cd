"""The quick ways to a loss give the same numbers as perturbing and measuring."""

from __future__ import annotations

import numpy as np
import pytest

import marr
from marr.implementation._engines import FixedReadout, RefitReadout, Running
from marr.implementation._members import (
    Member,
    random_directions,
    random_sets,
    sweep_over,
    union,
)
from marr.measures import accuracy, decoded

TARGETS = ["side", "heading"]


def members_of(system, rng):
    sweep = sweep_over(system, "unit")
    groups = sweep_over(
        system, {"mixed": {"A": [0, 3], "B": [2]}, "A": {"A": range(5)}}
    )
    directions = random_directions(sweep, 3, rng)
    return [*sweep.members[::2], *groups.members, *directions]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", ["mean", "zero", "resample"])
def test_the_change_through_a_readout_equals_perturbing(recording, rng, target, mode):
    fitted = decoded(target).fit(recording)
    members = members_of(recording, rng)
    quick = FixedReadout(recording, [fitted], mode, 3).measure(members, label="")
    slow = Running(recording, [fitted], mode, 3).measure(members, label="")
    np.testing.assert_allclose(quick.values[0], slow.values[0], atol=1e-10)
    if mode != "zero":  # only the constant unit B:3 keeps its value
        expected = [m.label == "B:3" for m in members]
        assert quick.inert.tolist() == expected
        assert slow.inert.tolist() == expected


def test_the_change_holds_on_a_part_of_an_ablated_recording(recording, rng):
    system = recording.select(np.arange(120) >= 30).perturb(marr.Ablate("A", units=[1]))
    fitted = decoded("side").fit(system)
    members = members_of(system, rng)
    quick = FixedReadout(system, [fitted], "mean", 0).measure(members, label="")
    slow = Running(system, [fitted], "mean", 0).measure(members, label="")
    np.testing.assert_allclose(quick.values[0], slow.values[0], atol=1e-10)


@pytest.mark.parametrize("target", TARGETS)
def test_refits_equal_fitting_a_recording_without_the_units(recording, target):
    fitted = decoded(target, penalty=0.01).fit(recording)
    sweep = sweep_over(recording, "unit")
    pair = union("pair", sweep.members[1:3])
    closed = RefitReadout(recording, [fitted])
    singles = closed.measure(sweep.members, label="").values[0]
    several = closed.measure([pair], label="").values[0]
    for row, gone in ((singles[0], [0]), (singles[4], [4]), (several[0], [1, 2])):
        kept = [u for u in range(5) if u not in gone]
        fewer = marr.from_arrays(
            {
                "A": recording.activity("A").values[..., kept],
                "B": recording.activity("B"),
            },
            recording.trials,
            variables=recording.variables,
            time=recording.activity("A")["time"].values,
        )
        anew = decoded(target, penalty=0.01).fit(fewer)(fewer)
        np.testing.assert_allclose(row, anew, atol=1e-10)


@pytest.mark.slow  # starts processes
def test_jobs_give_the_same_numbers(circuit):
    sweep = sweep_over(circuit, "unit")
    fitted = [accuracy().fit(circuit)]
    one = Running(circuit, fitted, "mean", 0).measure(sweep.members, label="")
    two = Running(circuit, fitted, "mean", 0, n_jobs=2).measure(sweep.members, label="")
    np.testing.assert_array_equal(one.values[0], two.values[0])
    np.testing.assert_array_equal(one.inert, two.inert)


# -- members ----------------------------------------------------------------------------


def test_random_sets_match_in_size_and_leave_the_member_out(recording, rng):
    sweep = sweep_over(recording, {"g": {"A": [0, 1], "B": [0]}})
    (member,) = sweep.members
    drawn = random_sets(sweep, member, 30, rng)
    own = {u for units in member.units.values() for u in units}
    for other in drawn:
        assert {s: len(u) for s, u in other.units.items()} == {"A": 2, "B": 1}
        assert not own & {u for units in other.units.values() for u in units}
    assert len({tuple(sorted(d.units["A"])) for d in drawn}) > 1


def test_there_are_no_random_sets_for_all_units(recording, rng):
    sweep = sweep_over(recording, {"all": {"A": range(5)}})
    assert random_sets(sweep, sweep.members[0], 5, rng) == []


def test_a_site_is_matched_by_units_of_other_sites(make_recording, rng):
    recording = make_recording()
    sweep = sweep_over(recording, "site")
    small = Member("B", {"B": sweep.pool["B"]})
    drawn = random_sets(sweep, small, 3, rng)
    assert all(list(d.units) == ["A"] and d.size == 4 for d in drawn)
    assert random_sets(sweep, sweep.members[0], 3, rng) == []


def test_coordinates_of_units_are_members(recording):
    system = marr.from_arrays(
        {"A": recording.activity("A").assign_coords(head=("unit", [0, 0, 1, 1, 2]))},
        recording.trials,
    )
    sweep = sweep_over(system, "head")
    assert [m.label for m in sweep.members] == ["A:0", "A:1", "A:2"]
    assert sweep.members[0].units == {"A": ("A:0", "A:1")}
    assert sweep.coords["n_units"] == [2, 2, 1]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("layer", "no unit coordinate 'layer'"),
        ({}, "no groups"),
        ({"g": []}, "holds no unit"),
        ({"g": {"C": [0]}}, "no site 'C'"),
        ({"g": {"A": [17]}}, "no unit '17'"),
        ({"g": ["A:9"]}, "no unit label 'A:9'"),
        ({"g": "A"}, "must be"),
        (3, "over must be"),
    ],
    ids=["coordinate", "none", "empty", "site", "unit", "label", "text", "number"],
)
def test_members_that_do_not_exist(recording, over, message):
    with pytest.raises(marr.MarrError, match=message):
        sweep_over(recording, over)
