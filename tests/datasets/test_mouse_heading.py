"""The heading session: exact counts, and what is known of the two regions."""

from __future__ import annotations

import numpy as np
import pytest

from marr import datasets
from marr.datasets._heading_codec import HeadingSession, pack, unpack
from marr.datasets._mouse_heading import _session
from marr.errors import OptionError


@pytest.fixture(scope="module")
def wake():
    return datasets.mouse_heading()


@pytest.fixture(scope="module")
def sleep():
    return datasets.mouse_heading(state="sleep")


def test_the_session_is_whole():
    session = _session()
    assert sum(map(len, session.spikes)) == 98_794
    assert [len(s) for s in session.spikes[:3]] == [8764, 6879, 9743]
    assert session.unit_sites == ("adn",) * 7 + ("ca1",) * 8
    assert all((np.diff(s) > 0).all() for s in session.spikes)
    assert session.spikes[0][:3].tolist() == [0.00845, 0.03265, 0.1323]
    assert len(session.times) == 63_527
    assert session.times[[0, -1]].tolist() == [670.6407, 1199.99495]
    assert np.diff(session.times) == pytest.approx(1 / 120, abs=1e-4)
    assert session.epochs == {"sleep": (0.0, 600.0), "wake": (600.0, 1200.0)}


def test_shapes_and_labels(wake, sleep):
    assert wake.activity("adn").shape == (105, 50, 7)
    assert sleep.activity("ca1").shape == (120, 50, 8)
    for system in (wake, sleep):
        for site in system.sites:
            activity = system.activity(site)
            assert activity.dtype == np.int32
            assert activity["valid"].all()
            assert activity.attrs["time_unit"] == "s"
    assert wake.unit_table().index.equals(sleep.unit_table().index)
    assert list(wake.unit_table().index[[0, 7]]) == ["adn:0", "ca1:7"]
    assert sleep.variables == {}
    assert wake.trials["start_time"].iloc[0] == 670.6407


def test_every_spike_of_sleep_is_counted_once(sleep):
    session = _session()
    asleep = [int((s < 600).sum()) for s in session.spikes]
    counted = [sleep.activity(s).sum(("trial", "time")).values for s in ("adn", "ca1")]
    assert np.concatenate(counted).tolist() == asleep


def test_bins_agree_over_widths(wake):
    fine = datasets.mouse_heading(bin_width=0.02)
    assert fine.activity("adn").dtype == np.int16
    summed = fine.activity("adn").values.reshape(105, 50, 5, 7).sum(axis=2)
    assert np.array_equal(summed, wake.activity("adn").values)


def test_turning_adds_up_to_the_change_of_heading(wake):
    heading = wake.variables["heading"]
    assert heading.attrs["circular"] is True
    assert ((heading >= 0) & (heading < 2 * np.pi)).all()
    session = _session()
    turned = wake.variables["angular_velocity"].values.sum(axis=1) * 0.1
    starts = wake.trials["start_time"].to_numpy()
    nearest = [np.searchsorted(session.times, starts + s) for s in (0.0, 5.0)]
    change = session.heading[nearest[1]] - session.heading[nearest[0]]
    off = np.angle(np.exp(1j * (turned - change)))  # samples lie up to 8 ms off
    assert np.median(np.abs(off)) < 0.01
    assert np.abs(off).max() < 0.15
    fine = datasets.mouse_heading(bin_width=0.02).variables
    step = np.angle(np.exp(1j * np.diff(fine["heading"].values, axis=1)))
    speed = fine["angular_velocity"].values
    assert (
        np.corrcoef(step.ravel(), (speed[:, 1:] + speed[:, :-1]).ravel())[0, 1] > 0.98
    )
    assert (wake.variables["speed"] >= 0).all()


def median_error(system, site):
    """Median error in degrees of a ridge readout, five contiguous folds of windows."""
    angle = np.angle(np.exp(1j * system.variables["heading"].values).mean(axis=1))
    target = np.column_stack([np.cos(angle), np.sin(angle)])
    rates = system.activity(site).values.mean(axis=1)
    fold = np.arange(len(rates)) * 5 // len(rates)
    predicted = np.empty_like(target)
    for k in range(5):
        train = fold != k
        mean, spread = rates[train].mean(axis=0), rates[train].std(axis=0)
        x = (rates - mean) / spread
        center = target[train].mean(axis=0)
        gram = x[train].T @ x[train] + 10 * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, x[train].T @ (target[train] - center))
        predicted[~train] = x[~train] @ weights + center
    error = np.arctan2(predicted[:, 1], predicted[:, 0]) - angle
    return np.degrees(np.median(np.abs(np.angle(np.exp(1j * error)))))


def test_thalamus_carries_heading_and_ca1_hardly(wake):
    assert median_error(wake, "adn") < 15
    assert median_error(wake, "ca1") > 35


def test_pair_correlations_are_kept_in_sleep():
    def correlations(state):
        system = datasets.mouse_heading(state=state, bin_width=0.25)
        counts = system.activity("adn").values.reshape(-1, 7)
        return np.corrcoef(counts.T)[np.triu_indices(7, 1)]

    r = np.corrcoef(correlations("wake"), correlations("sleep"))[0, 1]
    assert 0.84 < r < 0.92


def test_packing_round_trips(rng):
    times = np.round(5.0 + np.cumsum(rng.uniform(0.005, 0.01, 500)), 6)
    session = HeadingSession(
        spikes=tuple(
            np.sort(rng.choice(10_000_000, n, replace=False)) / 1e6 for n in (40, 0, 7)
        ),
        unit_ids=("a", "b", "c"),
        unit_sites=("x", "x", "y"),
        epochs={"wake": (0.0, 10.0)},
        times=times,
        heading=rng.uniform(0, 2 * np.pi, 500),
        position_x=np.cumsum(rng.normal(0, 0.001, 500)),
        position_z=np.cumsum(rng.normal(0, 0.001, 500)),
    )
    again = unpack(pack(session))
    for a, b in zip(again.spikes, session.spikes, strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(again.times, session.times)
    off = np.angle(np.exp(1j * (again.heading - session.heading)))
    assert np.abs(off).max() <= np.pi / 65_536 * 1.001
    assert np.abs(again.position_x - session.position_x).max() <= 0.5001e-4
    assert again.epochs == session.epochs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "awake"}, "Did you mean 'wake'"),
        ({"epoch": 0}, "epoch must be a positive number"),
        ({"bin_width": -1}, "bin_width must be a positive number"),
        ({"bin_width": 0.3}, "not a whole number"),
        ({"epoch": 1000.0}, "do not fit into 529"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        datasets.mouse_heading(**options)
