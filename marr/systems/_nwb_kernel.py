"""Spike counts, observed bins and resampled series on arrays of windows.

Every window is an independent row, so windows may overlap. All intervals are
half-open, ``[start, stop)``, with a tolerance of one nanosecond: far above the
rounding of double-precision seconds, far below any sampling clock. A spike that
lies on an edge of two bins therefore belongs to the later bin, always.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

__all__ = [
    "TOLERANCE_S",
    "count_spikes",
    "intersect_intervals",
    "merge_intervals",
    "observed_bins",
    "resample_series",
]

TOLERANCE_S = 1e-9
"""Seconds by which a time may miss an edge and still count as lying on it."""


def ragged_ranges(
    first: Int[ndarray, " rows"], last: Int[ndarray, " rows"]
) -> tuple[Int[ndarray, " items"], Int[ndarray, " items"]]:
    """Return the row and the position of every item of ``first[k]:last[k]``."""
    length = last - first
    row = np.repeat(np.arange(len(length)), length)
    offset = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64)
    position = np.arange(len(row)) - np.repeat(offset - first, length)
    return row, position


def bin_index(
    times: Float[ndarray, " samples"],
    starts: Float[ndarray, " windows"],
    n_bins: int,
    bin_width: float,
) -> tuple[Int[ndarray, " items"], Int[ndarray, " items"]]:
    """Find the samples of every window and the flat bin of each.

    Parameters
    ----------
    times : ndarray of shape (n_samples,)
        Ascending times in seconds.
    starts : ndarray of shape (n_windows,)
        Start of each window in seconds; windows may overlap.
    n_bins : int
        Bins in a window.
    bin_width : float
        Width of a bin in seconds.

    Returns
    -------
    position : ndarray of shape (n_items,)
        Index into `times`; a sample in two windows occurs twice.
    flat : ndarray of shape (n_items,)
        ``window * n_bins + bin`` of each item.
    """
    first = np.searchsorted(times, starts - TOLERANCE_S, side="left")
    last = np.searchsorted(times, starts + n_bins * bin_width - TOLERANCE_S)
    row, position = ragged_ranges(first, np.maximum(last, first))
    since = times[position] - starts[row] + TOLERANCE_S
    inside = np.minimum((since / bin_width).astype(np.int64), n_bins - 1)
    return position, row * n_bins + inside


def count_spikes(
    times: Float[ndarray, " spikes"],
    starts: Float[ndarray, " windows"],
    n_bins: int,
    bin_width: float,
) -> Int[ndarray, "windows bins"]:
    """Count the spikes of one unit in every bin of every window.

    Two binary searches per window and one pass over the spikes that fall into
    windows: the cost does not grow with windows times bins times spikes.

    Parameters
    ----------
    times : ndarray of shape (n_spikes,)
        Ascending spike times in seconds.
    starts : ndarray of shape (n_windows,)
        Start of each window in seconds; overlapping windows keep their own counts.
    n_bins : int
        Bins in a window.
    bin_width : float
        Width of a bin in seconds.

    Returns
    -------
    ndarray of shape (n_windows, n_bins)
        Counts.
    """
    _, flat = bin_index(times, starts, n_bins, bin_width)
    counts = np.bincount(flat, minlength=len(starts) * n_bins)
    return counts.reshape(len(starts), n_bins)


def merge_intervals(
    intervals: Float[ndarray, "intervals 2"],
) -> Float[ndarray, "merged 2"]:
    """Sort intervals by start and join those that touch or overlap."""
    if len(intervals) == 0:
        return intervals
    ordered = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ordered[:, 1])
    opens = np.r_[True, ordered[1:, 0] > reach[:-1] + TOLERANCE_S]
    closes = np.r_[opens[1:], True]
    return np.column_stack([ordered[opens, 0], reach[closes]])


def observed_bins(
    intervals: Float[ndarray, "intervals 2"],
    starts: Float[ndarray, " windows"],
    n_bins: int,
    bin_width: float,
) -> Bool[ndarray, "windows bins"]:
    """Tell which bins lie wholly inside an observed interval.

    Parameters
    ----------
    intervals : ndarray of shape (n_intervals, 2)
        Start and stop in seconds, in any order.
    starts : ndarray of shape (n_windows,)
        Start of each window in seconds.
    n_bins, bin_width
        Bins in a window and their width in seconds.

    Returns
    -------
    ndarray of shape (n_windows, n_bins)
        True where the whole bin was observed.
    """
    merged = merge_intervals(intervals)
    if len(merged) == 0:
        return np.zeros((len(starts), n_bins), bool)
    left = starts[:, None] + np.arange(n_bins) * bin_width
    which = np.searchsorted(merged[:, 0], left + TOLERANCE_S, side="right") - 1
    stop = merged[np.maximum(which, 0), 1]
    observed: Bool[ndarray, "windows bins"] = (which >= 0) & (
        left + bin_width <= stop + TOLERANCE_S
    )
    return observed


def resample_series(
    times: Float[ndarray, " samples"],
    values: Float[ndarray, " samples"],
    starts: Float[ndarray, " windows"],
    n_bins: int,
    bin_width: float,
    *,
    circular: bool,
    max_gap: float,
) -> Float[ndarray, "windows bins"]:
    """Average a sampled series in every bin of every window.

    A bin that holds samples gets their mean; for angles the direction of the mean
    unit vector, in ``[0, 2 pi)``. A bin that holds none gets the value at its
    center, interpolated between its two neighbors if these lie at most `max_gap`
    apart, else NaN. Angles are interpolated along the shorter arc.

    Parameters
    ----------
    times, values : ndarray of shape (n_samples,)
        Ascending times in seconds, and finite values (radians if `circular`).
    starts : ndarray of shape (n_windows,)
        Start of each window in seconds.
    n_bins, bin_width
        Bins in a window and their width in seconds.
    circular : bool
        Whether the values are angles.
    max_gap : float
        Longest pause between samples, in seconds, that is bridged.

    Returns
    -------
    ndarray of shape (n_windows, n_bins)
        Mean of each bin; NaN where nothing was measured.
    """
    shape, size = (len(starts), n_bins), len(starts) * n_bins
    position, flat = bin_index(times, starts, n_bins, bin_width)
    number = np.bincount(flat, minlength=size)
    found = values[position]
    with np.errstate(invalid="ignore"):
        if circular:
            sine = np.bincount(flat, np.sin(found), size)
            cosine = np.bincount(flat, np.cos(found), size)
            mean = np.where(number > 0, np.arctan2(sine, cosine), np.nan)
        else:
            mean = np.bincount(flat, found, size) / number
    empty = np.flatnonzero(number == 0)
    if len(empty) and len(times) > 1:
        center = starts[empty // n_bins] + (empty % n_bins + 0.5) * bin_width
        after = np.clip(np.searchsorted(times, center), 1, len(times) - 1)
        before = after - 1
        gap = times[after] - times[before]
        step = values[after] - values[before]
        if circular:
            step = (step + np.pi) % (2 * np.pi) - np.pi
        share = (center - times[before]) / np.where(gap > 0, gap, 1.0)
        bridged = (share >= 0) & (share <= 1) & (gap <= max_gap + TOLERANCE_S)
        mean[empty[bridged]] = (values[before] + share * step)[bridged]
    if circular:
        mean = mean % (2 * np.pi)
        mean[mean >= 2 * np.pi] = 0.0  # rounding of tiny negative angles
    return mean.reshape(shape)


def intersect_intervals(
    a: Float[ndarray, "intervals_a 2"], b: Float[ndarray, "intervals_b 2"]
) -> Float[ndarray, "common 2"]:
    """Return the times that lie in both of two sets of merged, sorted intervals."""
    start = np.maximum(a[:, None, 0], b[None, :, 0])
    stop = np.minimum(a[:, None, 1], b[None, :, 1])
    keep = stop > start + TOLERANCE_S
    return np.column_stack([start[keep], stop[keep]])
