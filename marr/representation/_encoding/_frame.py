"""Rows of an encoding model: trials or stimuli, or time bins of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import OptionError, StatisticsError
from marr.findings import Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._rows import RowMatch
    from marr.systems import System

__all__ = ["Frame", "expanded", "make_frame", "ordered", "valid_bins"]


@dataclass(frozen=True)
class Frame:
    """Rows of an analysis: labels (trials, stimuli), or time bins of them.

    Attributes
    ----------
    n_labels : int
        Number of labels.
    label : int array of shape (n_rows,)
        Label (position) of each row.
    bin : int array of shape (n_rows,) or None
        Time bin of each row, where rows are time bins.
    n_bins : int or None
        Number of time bins of the activity.
    delays : tuple of int
        Delays in bins.
    """

    n_labels: int
    label: npt.NDArray[np.intp]
    bin: npt.NDArray[np.intp] | None = None
    n_bins: int | None = None
    delays: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.label)


def expanded(
    values: npt.NDArray[np.float64], frame: Frame, *, delayed: bool
) -> npt.NDArray[np.float64]:
    """Bring values of labels (n_labels, [n_bins,] k) into rows (n_rows, k).

    Values with a time axis are taken at each row's bin, once a delay if `delayed`.
    """
    if frame.bin is None:
        return values if len(frame.label) == len(values) else values[frame.label]
    if values.ndim == 2:
        return values[frame.label]
    delays = frame.delays if delayed else (0,)
    parts = [values[frame.label, frame.bin - d] for d in delays]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def ordered(match: RowMatch) -> RowMatch:
    """Bring labels into the order of their trials."""
    codes = match.codes[0]
    flat = codes.reshape(len(codes), -1)
    at = np.broadcast_to(np.arange(len(codes))[:, None], flat.shape)
    n = len(match.labels)
    known = flat >= 0
    count = np.bincount(flat[known], minlength=n)
    place = np.bincount(flat[known], weights=at[known], minlength=n)
    order = np.argsort(place / np.maximum(count, 1), kind="stable")
    back = np.append(np.argsort(order), -1)
    return replace(
        match, labels=match.labels[order], codes=tuple(back[c] for c in match.codes)
    )


def valid_bins(system: System, sites: Sequence[str]) -> npt.NDArray[np.bool_] | None:
    """Return bins recorded at all sites, or None if every bin was."""
    masks = [
        np.asarray(array["valid"].values, dtype=bool)
        for array in (system.activity(s) for s in sites)
        if "valid" in array.coords
    ]
    return np.logical_and.reduce(masks) if masks else None


def make_frame(
    system: System,
    sites: Sequence[str],
    match: RowMatch,
    time: str | tuple[float, float],
    delays: Sequence[float],
) -> tuple[Frame, tuple[Note, ...]]:
    """Return the rows, and notes about bins left out."""
    n, codes = len(match.labels), match.codes[0]
    first = system.activity(sites[0])
    keep = isinstance(time, str) and time == "keep"
    if codes.ndim == 2 and (keep or "time" not in first.dims):
        msg = (
            f"on={match.on!r} varies within trials, so rows are values of it: that needs "
            "activity with a time axis, and time='mean'."
        )
        raise OptionError(msg)
    if not keep or "time" not in first.dims:
        if keep or tuple(delays) != (0,):
            msg = (
                "time='keep' and delays go with activity that has a time axis and "
                f"time='keep'; {system.name!r} has dims {first.dims} and time={time!r}."
            )
            raise OptionError(msg)
        return Frame(n, np.arange(n)), ()
    n_bins = first.sizes["time"]
    lags = _lags(first["time"].values, delays)
    valid = valid_bins(system, sites)
    complete: npt.NDArray[np.bool_] = np.ones(n_bins, bool)
    if valid is not None:
        complete = np.asarray(valid[codes >= 0].all(axis=0))
    bins = np.arange(n_bins)
    inside = np.all([(bins - d >= 0) & (bins - d < n_bins) for d in lags], axis=0)
    kept = bins[complete & inside]
    if len(kept) == 0:
        msg = (
            f"no time bin of {system.name!r} is valid on every trial with all delays. Use "
            "shorter delays, or time='mean'."
        )
        raise StatisticsError(msg)
    label = np.repeat(np.arange(n), len(kept))
    notes: tuple[Note, ...] = ()
    if len(kept) < n_bins:
        text = (
            f"{n_bins - len(kept)} of {n_bins} time bins lack a delayed feature or are "
            "missing on some trials, and were left out."
        )
        notes = (Note("incomplete_bins", text),)
    return Frame(n, label, np.tile(kept, n), n_bins, lags), notes


def _lags(times: npt.NDArray[Any], delays: Sequence[float]) -> tuple[int, ...]:
    """Return delays in bins."""
    steps = np.diff(times.astype(float))
    step = float(np.median(steps)) if len(steps) else 1.0
    found = np.asarray(delays, dtype=float) / step
    if len(found) == 0 or not np.allclose(found, np.round(found), atol=0.01):
        msg = (
            f"delays must be multiples of the time bin ({step:g}), at least one; got "
            f"{tuple(delays)!r}."
        )
        raise OptionError(msg)
    return tuple(dict.fromkeys(int(d) for d in np.round(found)))
