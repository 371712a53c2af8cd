"""Binning against integer arithmetic, brute force and analytic cases."""

from __future__ import annotations

import numpy as np
import pytest

from marr.systems._nwb_kernel import (
    count_spikes,
    intersect_intervals,
    merge_intervals,
    observed_bins,
    resample_series,
)


def integer_counts(ticks, start_ticks, n_bins, bin_ticks):
    """Oracle in whole clock ticks, where edges are exact."""
    counts = np.zeros((len(start_ticks), n_bins), int)
    for row, start in enumerate(start_ticks):
        since = ticks - start
        inside = (since >= 0) & (since < n_bins * bin_ticks)
        np.add.at(counts[row], since[inside] // bin_ticks, 1)
    return counts


@pytest.mark.parametrize("bin_ticks", [1, 7, 200, 2000])
@pytest.mark.parametrize("offset_s", [0, 100_000])
def test_counts_equal_integer_arithmetic(rng, bin_ticks, offset_s):
    rate = 20_000
    ticks = np.sort(rng.choice(40_000, 8_000, replace=False)) + offset_s * rate
    starts = rng.integers(-500, 39_000, 50) + offset_s * rate  # overlapping, unsorted
    got = count_spikes(ticks / rate, starts / rate, 30, bin_ticks / rate)
    assert np.array_equal(got, integer_counts(ticks, starts, 30, bin_ticks))
    assert got.sum() > 0


def test_spikes_on_edges_belong_to_the_later_bin():
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.7, 1.0])  # 0.3 / 0.1 < 3 in floats
    counts = count_spikes(times, np.array([0.0]), 10, 0.1)
    assert counts[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 1, 0, 0]


def test_overlapping_windows_keep_their_own_spikes():
    counts = count_spikes(np.array([1.5]), np.array([0.0, 1.0, 1.4, 2.0]), 2, 1.0)
    assert counts.tolist() == [[0, 1], [1, 0], [1, 0], [0, 0]]


def test_no_spikes_and_windows_outside():
    assert count_spikes(np.empty(0), np.array([0.0, 5.0]), 3, 0.5).sum() == 0
    far = count_spikes(np.array([1.0, 2.0]), np.array([-50.0, 50.0]), 3, 0.5)
    assert far.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_merging_joins_what_touches_and_keeps_gaps():
    pieces = np.array([[5.0, 6.0], [0.0, 2.0], [1.0, 1.5], [2.0, 3.0]])
    assert merge_intervals(pieces).tolist() == [[0.0, 3.0], [5.0, 6.0]]
    assert merge_intervals(np.empty((0, 2))).shape == (0, 2)


def test_intersection_against_a_grid(rng):
    grid = np.arange(0, 10, 0.01) + 0.005

    def some():
        edges = np.sort(rng.uniform(0, 10, 8)).round(2)
        return merge_intervals(edges.reshape(-1, 2))

    def inside(intervals):
        return (
            (grid[:, None] > intervals[:, 0]) & (grid[:, None] < intervals[:, 1])
        ).any(axis=1)

    for _ in range(20):
        a, b = some(), some()
        both = intersect_intervals(a, b)
        assert np.array_equal(inside(both), inside(a) & inside(b))


def test_bins_are_observed_only_when_wholly_inside():
    intervals = np.array([[3.0, 4.0], [0.0, 1.05]])
    got = observed_bins(intervals, np.array([0.0, 2.9]), 12, 0.1)
    assert got[0].tolist() == [True] * 10 + [False] * 2
    assert got[1].tolist() == [False] + [True] * 10 + [False]
    assert not observed_bins(np.empty((0, 2)), np.array([0.0]), 3, 0.1).any()


def test_touching_intervals_leave_no_hole():
    pieces = np.column_stack([np.arange(0, 1, 0.1), np.arange(0, 1, 0.1) + 0.1])
    assert observed_bins(pieces, np.array([0.0]), 4, 0.25).all()


def test_mean_of_samples_in_each_bin(rng):
    times = np.sort(rng.uniform(0, 10, 4000))
    values = rng.normal(size=4000)
    got = resample_series(
        times, values, np.array([1.0, 1.5]), 8, 0.5, circular=False, max_gap=0.1
    )
    for row, start in enumerate([1.0, 1.5]):
        for column in range(8):
            left = start + column * 0.5
            inside = (times >= left) & (times < left + 0.5)
            assert got[row, column] == pytest.approx(values[inside].mean())


def test_angles_are_averaged_on_the_circle():
    times = np.array([0.1, 0.2, 1.1, 1.2])
    values = np.array([6.2, 0.1, 3.0, 3.2])
    got = resample_series(
        times, values, np.array([0.0]), 2, 1.0, circular=True, max_gap=1.0
    )
    middle = (6.2 + 0.1 + 2 * np.pi) / 2 % (2 * np.pi)
    assert got[0, 0] == pytest.approx(middle)
    assert got[0, 1] == pytest.approx(3.1)
    assert ((got >= 0) & (got < 2 * np.pi)).all()


def test_short_pauses_are_bridged_and_long_ones_are_missing():
    times = np.array([0.0, 0.3, 2.0])
    values = np.array([0.0, 3.0, 20.0])
    got = resample_series(
        times, values, np.array([0.0]), 22, 0.1, circular=False, max_gap=0.5
    )[0]
    assert got[:4] == pytest.approx([0.0, 1.5, 2.5, 3.0])
    assert np.isnan(got[4:20]).all()
    assert got[20] == 20.0
    assert np.isnan(got[21])  # nothing is extrapolated


def test_angles_are_bridged_along_the_shorter_arc():
    times = np.array([0.05, 0.25])
    values = np.array([2 * np.pi - 0.2, 0.2])
    got = resample_series(
        times, values, np.array([0.0]), 3, 0.1, circular=True, max_gap=1.0
    )[0]
    assert np.cos(got[1]) == pytest.approx(1.0)
