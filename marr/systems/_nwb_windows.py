"""Which stretches of a session become trials, and the table that goes with them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, check_known
from marr.systems._bins import bin_centers, is_number, positive_number, whole_bins
from marr.systems._nwb_file import interval_tables, read_table
from marr.systems._nwb_kernel import TOLERANCE_S, merge_intervals

if TYPE_CHECKING:
    import h5py

    Times = np.ndarray[Any, np.dtype[np.float64]]

__all__ = ["Windows", "cut_windows"]


@dataclass(frozen=True)
class Windows:
    """Stretches of a session, all of one number of bins.

    Attributes
    ----------
    starts : ndarray of shape (n_windows,)
        Start of each window in seconds of the session; windows may overlap.
    stops : ndarray of shape (n_windows,)
        End of what belongs to each window; later bins are not valid.
    n_bins : int
        Bins in a window.
    bin_width : float
        Seconds.
    time : ndarray of shape (n_bins,)
        Bin centers in seconds from the event, or from the start of the epoch.
    table : DataFrame
        One row a window, index "trial".
    """

    starts: Times
    stops: Times
    n_bins: int
    bin_width: float
    time: Times
    table: pd.DataFrame


def cut_windows(
    file: h5py.File,
    observed: Times,
    *,
    align: Any,
    epochs: Any,
    window: Any,
    bin_width: Any,
) -> Windows:
    """Turn the options of read_nwb into windows; see there for their meaning.

    `observed` holds the merged intervals, shape (n_intervals, 2), in which all
    units were recorded.
    """
    width = positive_number("bin_width", bin_width, "seconds, e.g. bin_width=0.02")
    tables = interval_tables(file)
    if epochs is not None:
        if align is not None or window is not None:
            msg = (
                "epochs cuts a session by itself and takes neither align nor window; "
                f"got align={align!r}, window={window!r}. Give epochs=, or align= with "
                "window=."
            )
            raise OptionError(msg)
        return _epochs(tables, observed, epochs, width)
    return _aligned(tables, align, window, width)


def _aligned(
    tables: dict[str, h5py.Group], align: Any, window: Any, width: float
) -> Windows:
    try:
        start, stop = (float(edge) for edge in window)
        fits = bool(np.isfinite([start, stop]).all() and stop > start)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        msg = (
            "window must be (start, stop) in seconds from the event, stop after start, "
            f"e.g. window=(-0.2, 0.8); got {window!r}. To cut a continuous session use "
            "epochs=, e.g. epochs=5.0."
        )
        raise OptionError(msg)
    n_bins = whole_bins("window", stop - start, width)
    events, table = _events(tables, align)
    missing = ~np.isfinite(events)
    if missing.any():
        if missing.all():
            msg = f"align: {align!r} holds no time at all: every value is missing."
            raise ContractError(msg)
        warnings.warn(
            f"{missing.sum()} of {len(events)} trials have no {align!r} time and were "
            "left out",
            UserWarning,
            stacklevel=4,
        )
        events, table = events[~missing], table[~missing]
    time = bin_centers(start, n_bins, width)
    starts = events + start
    stops = starts + n_bins * width
    return Windows(starts, stops, n_bins, width, time, _as_trials(table))


def _events(tables: dict[str, h5py.Group], align: Any) -> tuple[Times, pd.DataFrame]:
    """Return event times in seconds and a table with a row for each."""
    if align is not None and not isinstance(align, str):
        return _given_events(align)
    name, _, column = (align or "start_time").rpartition(".")
    name = name or "trials"
    if name not in tables:
        if name == "trials":
            msg = (
                "align: the file has no trials table; there are interval tables "
                f"{sorted(tables)}. Use align='table.column' or an array of times in "
                "seconds, or cut the session with epochs=, e.g. epochs=5.0."
            )
            raise OptionError(msg)
        check_known("align", name, tables, what="interval table")
    table = read_table(tables[name])
    times = [str(c) for c in table if table[c].dtype.kind == "f"]
    if column not in table.columns:
        known = [*times, *(str(c) for c in table if str(c) not in times)]
        check_known("align", column, known, what=f"column of table {name!r}")
    if table[column].dtype.kind not in "fiu":
        msg = (
            f"align: column {column!r} of table {name!r} holds no times in seconds "
            f"(dtype {table[column].dtype}). Columns that may: {times}."
        )
        raise OptionError(msg)
    return table[column].to_numpy(float), table


def _given_events(align: Any) -> tuple[Times, pd.DataFrame]:
    try:
        events = np.asarray(align, float)
    except (TypeError, ValueError):
        events = np.empty((0, 0))
    if events.ndim != 1 or len(events) == 0 or not np.isfinite(events).all():
        msg = (
            "align must name a column of the trials table or be a one-dimensional "
            f"array of finite times in seconds; got {align!r}."
        )
        raise OptionError(msg)
    return events, pd.DataFrame({"event_time": events})


def _epochs(
    tables: dict[str, h5py.Group], observed: Times, epochs: Any, width: float
) -> Windows:
    if is_number(epochs):
        return _fixed(tables, observed, epochs, width)
    if (
        isinstance(epochs, tuple)
        and len(epochs) == 2
        and is_number(epochs[0])
        and not is_number(epochs[1])
    ):
        within, _ = _intervals(tables, epochs[1])
        return _fixed(tables, merge_intervals(within), epochs[0], width)
    intervals, table = _intervals(tables, epochs)
    lengths = intervals[:, 1] - intervals[:, 0]
    if np.ptp(lengths) < TOLERANCE_S:
        n_bins = whole_bins("epochs", float(lengths[0]), width)
    elif lengths.min() < width - TOLERANCE_S:
        msg = (
            f"epochs: {int((lengths < width).sum())} of {len(lengths)} epochs are shorter "
            f"than one bin of {width:g} s (shortest {lengths.min():.4g} s). Use a smaller "
            "bin_width or drop these epochs."
        )
        raise ContractError(msg)
    else:
        n_bins = int((lengths.max() + TOLERANCE_S) / width)
    time = bin_centers(0.0, n_bins, width)
    return Windows(
        intervals[:, 0], intervals[:, 1], n_bins, width, time, _as_trials(table)
    )


def _fixed(
    tables: dict[str, h5py.Group], within: Times, length: Any, width: float
) -> Windows:
    """Cut intervals into as many whole epochs of one length as fit."""
    length = positive_number("epochs", length, "seconds, e.g. epochs=5.0")
    n_bins = whole_bins("epochs", length, width)
    number = ((within[:, 1] - within[:, 0] + TOLERANCE_S) / length).astype(int)
    if number.sum() == 0:
        longest = float(np.max(within[:, 1] - within[:, 0], initial=0.0))
        msg = (
            f"epochs: no epoch of {length:g} s fits; the longest stretch lasts "
            f"{longest:.4g} s. Use a shorter length."
        )
        raise ContractError(msg)
    starts = np.concatenate(
        [s + np.arange(n) * length for s, n in zip(within[:, 0], number, strict=True)]
    )
    table = pd.DataFrame({"start_time": starts, "stop_time": starts + length})
    label = _epoch_labels(tables, starts, starts + length)
    if label is not None:
        table["epoch"] = label
    time = bin_centers(0.0, n_bins, width)
    return Windows(starts, starts + length, n_bins, width, time, _as_trials(table))


def _epoch_labels(
    tables: dict[str, h5py.Group], starts: Times, stops: Times
) -> list[str] | None:
    """Return the label of the row of the epochs table that holds each window."""
    if "epochs" not in tables:
        return None
    table = read_table(tables["epochs"])
    text = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    if not text or "stop_time" not in table:
        return None
    labels = [""] * len(starts)
    rows = zip(
        table["start_time"], table["stop_time"], table[text[0]].astype(str), strict=True
    )
    for first, last, label in rows:
        inside = (starts >= first - TOLERANCE_S) & (stops <= last + TOLERANCE_S)
        for position in np.flatnonzero(inside):
            labels[position] = labels[position] or label
    return labels


def _intervals(
    tables: dict[str, h5py.Group], source: Any
) -> tuple[Times, pd.DataFrame]:
    """Return (start, stop) pairs and a table, from a name or from pairs."""
    if isinstance(source, str):
        table = _named_intervals(tables, source)
    else:
        table = _given_intervals(source)
    pairs = table[["start_time", "stop_time"]].to_numpy(float)
    bad = ~(np.isfinite(pairs).all(axis=1) & (pairs[:, 1] > pairs[:, 0]))
    if bad.any() or len(pairs) == 0:
        got = pairs[bad][:3].tolist() if len(pairs) else "no interval"
        msg = f"epochs: intervals must be finite and stop after they start; got {got}."
        raise ContractError(msg)
    return pairs, table


def _named_intervals(tables: dict[str, h5py.Group], name: str) -> pd.DataFrame:
    """Find an interval table by name, or rows of the epochs table by label."""
    if name in tables:
        return read_table(tables[name])
    labels: list[str] = []
    if "epochs" in tables:
        table = read_table(tables["epochs"])
        for column in table:
            if not pd.api.types.is_numeric_dtype(table[column]):
                labels += table[column].astype(str).tolist()
                if (table[column] == name).any():
                    return table[table[column] == name]
    known = [*tables, *dict.fromkeys(labels)]
    check_known("epochs", name, known, what="interval table or epoch label")
    raise AssertionError


def _given_intervals(source: Any) -> pd.DataFrame:
    pairs = None
    if isinstance(source, (Sequence, np.ndarray)):
        try:
            pairs = np.asarray(source, float)
        except (TypeError, ValueError):
            pairs = None
    if pairs is None or pairs.ndim != 2 or pairs.shape[1] != 2:
        msg = (
            "epochs must be a length in seconds (5.0), a length and where to cut it "
            "((5.0, 'wake') or (5.0, [(600, 1200)])), the name of an interval table, or "
            f"a list of (start, stop) pairs; got {source!r}."
        )
        raise OptionError(msg)
    return pd.DataFrame({"start_time": pairs[:, 0], "stop_time": pairs[:, 1]})


def _as_trials(table: pd.DataFrame) -> pd.DataFrame:
    """Give the table its index: the row ids of the file if unique, else a count."""
    if not table.index.is_unique or table.index.dtype.kind not in "iu":
        table = table.reset_index(drop=True)
    table = table.copy()
    # a column of the name of the index would make queries ambiguous
    table.columns = ["trial_" if c == "trial" else str(c) for c in table.columns]
    table.index = pd.Index(np.asarray(table.index, np.int64), name="trial")
    return table
