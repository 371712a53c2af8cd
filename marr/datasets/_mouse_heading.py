"""Head-direction cells and hippocampal units of a mouse, asleep and awake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.datasets._heading_codec import HeadingSession, unpack
from marr.datasets._registry import DATASETS, data_file
from marr.errors import OptionError, check_option
from marr.systems import Recording
from marr.systems._arrays import labelled_activity
from marr.systems._bins import bin_centers, count_dtype, positive_number, whole_bins
from marr.systems._nwb_kernel import count_spikes, resample_series

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

__all__ = ["mouse_heading"]

STATES = ("wake", "sleep")


def mouse_heading(
    *, state: str = "wake", epoch: float = 5.0, bin_width: float = 0.1
) -> Recording:
    """Load one mouse's anterodorsal thalamic and CA1 spikes, cut into epochs.

    Parameters
    ----------
    state : {"wake", "sleep"}
        "wake": the 529 s in which the head was tracked while the mouse explored (from
        670.6 s of the session on; the first 70.6 s of wake were not tracked and are
        left out). "sleep": the 600 s before, without tracking.
    epoch : float
        Length of a trial in seconds. Heading changes slowly: short epochs that are
        neighbors are nearly copies of each other, so keep them long, or use folds of
        contiguous trials.
    bin_width : float
        Width of a bin in seconds; must divide `epoch`.

    Returns
    -------
    Recording
        Sites "adn" (7 units) and "ca1" (8 units); integer counts of dims
        (trial, time, unit), all bins valid. Awake, the variables (trial, time) are

        - `heading`: head direction, radians in [0, 2 pi), circular mean of the bin;
        - `angular_velocity`: turning, rad/s: change of heading from the start to the
          end of the bin, divided by its width (positive = increasing heading);
        - `speed`: path length over time in the horizontal plane, m/s;
        - `position_x`, `position_z`: horizontal position, m.

        Asleep there are none.

    Notes
    -----
    One animal, one session; units with the same label are the same unit awake and
    asleep. The file states no unit of position; meters fit the size of the arena.

    References
    ----------
    Example session A2929-200711 of Viejo et al. (2023), eLife 12:RP85786.

    Examples
    --------
    >>> import marr
    >>> mouse = marr.datasets.mouse_heading()
    >>> mouse.sites, mouse.activity("adn").shape
    (('adn', 'ca1'), (105, 50, 7))
    """
    check_option("state", state, STATES)
    length = positive_number("epoch", epoch, "seconds, e.g. epoch=5.0")
    width = positive_number("bin_width", bin_width, "seconds, e.g. bin_width=0.1")
    n_bins = whole_bins("epoch", length, width)
    session = _session()
    starts = _starts(session, state, length)
    table = pd.DataFrame(
        {"start_time": starts, "stop_time": starts + length, "state": state},
        index=pd.RangeIndex(len(starts), name="trial"),
    )
    activity = {
        site: _activity(session, site, starts, n_bins, width)
        for site in dict.fromkeys(session.unit_sites)
    }
    variables = _variables(session, starts, n_bins, width) if state == "wake" else {}
    info = {
        "source": DATASETS["mouse_heading"].source,
        "license": DATASETS["mouse_heading"].license,
        "citations": list(DATASETS["mouse_heading"].citations),
        "session": "A2929-200711",
        "state": state,
        "subjects": 1,
        "bin_width_s": width,
    }
    return Recording(
        table, activity, variables=variables, name=f"mouse ({state})", info=info
    )


def _session() -> HeadingSession:
    with (
        data_file(DATASETS["mouse_heading"].file).open("rb") as file,
        np.load(file) as packed,
    ):
        return unpack(packed)


def _starts(session: HeadingSession, state: str, length: float) -> Array:
    """Return the starts of as many whole epochs as fit."""
    first, last = session.epochs[state]
    if state == "wake":
        first, last = session.times[0], session.times[-1]
    number = int((last - first) / length + 1e-9)
    if number == 0:
        msg = (
            f"epoch: {length:g} s do not fit into {last - first:.1f} s of {state}; use a "
            "shorter epoch."
        )
        raise OptionError(msg)
    return first + np.arange(number) * length


def _activity(
    session: HeadingSession, site: str, starts: Array, n_bins: int, width: float
) -> xr.DataArray:
    rows = [i for i, name in enumerate(session.unit_sites) if name == site]
    counts = np.empty((len(rows), len(starts), n_bins), count_dtype(width))
    for row, unit in enumerate(rows):
        counts[row] = count_spikes(session.spikes[unit], starts, n_bins, width)
    array = xr.DataArray(
        counts.transpose(1, 2, 0),
        dims=("trial", "time", "unit"),
        coords={"trial": np.arange(len(starts))},
        attrs={"long_name": "spike count", "bin_width": width},
    )
    return labelled_activity(
        site,
        array,
        time=bin_centers(0.0, n_bins, width),
        units=[session.unit_ids[i] for i in rows],
        valid=np.ones((len(starts), n_bins), bool),
        time_unit="s",
    )


def _variables(
    session: HeadingSession, starts: Array, n_bins: int, width: float
) -> dict[str, xr.DataArray]:
    edges = starts[:, None] + np.arange(n_bins + 1) * width
    angle = np.interp(edges, session.times, np.unwrap(session.heading))
    step = np.hypot(np.diff(session.position_x), np.diff(session.position_z))
    path = np.interp(edges, session.times, np.concatenate([[0.0], np.cumsum(step)]))

    def mean(values: Array, *, circular: bool = False) -> Array:
        return resample_series(
            session.times,
            values,
            starts,
            n_bins,
            width,
            circular=circular,
            max_gap=0.02,
        )

    values = {
        "heading": (mean(session.heading, circular=True), "rad"),
        "angular_velocity": (np.diff(angle) / width, "rad/s"),
        "speed": (np.diff(path) / width, "m/s"),
        "position_x": (mean(session.position_x), "m"),
        "position_z": (mean(session.position_z), "m"),
    }
    return {
        name: xr.DataArray(
            array,
            dims=("trial", "time"),
            coords={
                "trial": np.arange(len(starts)),
                "time": bin_centers(0.0, n_bins, width),
            },
            name=name,
            attrs={"unit": unit, "circular": name == "heading"},
        )
        for name, (array, unit) in values.items()
    }
