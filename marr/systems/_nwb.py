"""Recordings from NWB files: units and trials, or a continuous session cut up."""

from __future__ import annotations

import warnings
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._option_types import checked
from marr.errors import ContractError, FileError, OptionError, check_known
from marr.systems._arrays import labelled_activity
from marr.systems._bins import count_dtype
from marr.systems._lazy import LazyArray, lazy_dataarray
from marr.systems._nwb_file import (
    UnitSpikes,
    open_nwb,
    read_units,
    recorded_extent,
    session_info,
)
from marr.systems._nwb_kernel import (
    count_spikes,
    intersect_intervals,
    merge_intervals,
    observed_bins,
)
from marr.systems._nwb_series import read_variables
from marr.systems._nwb_windows import Windows, cut_windows
from marr.systems._recording import Recording

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import h5py
    import xarray as xr

__all__ = ["BinnedSpikes", "read_nwb"]


@checked
def read_nwb(
    path: str | os.PathLike[str],
    *,
    align: str | Sequence[float] | None = None,
    epochs: Any = None,
    window: tuple[float, float] | None = None,
    bin_width: float,
    sites: str | Sequence[str] | None = None,
    variables: str | Sequence[str] | Mapping[str, str] | None = None,
    name: str | None = None,
) -> Recording:
    """Read spike counts, trials and tracked behavior from an NWB file (HDF5).

    Labels are read now; spikes are read and counted when the activity of a site is
    first looked at. Trials come from an event (`align` with `window`) or from cutting
    a continuous session (`epochs`).

    Parameters
    ----------
    path : path
        The file.
    align : str or array of shape (n_events,), optional
        Column of the trials table that holds the time of the event, "table.column"
        for another interval table, or times in seconds. Default with `window`:
        "start_time". Trials without a time (NaN) are left out, with a warning.
    epochs : float, tuple, str or list of (start, stop), optional
        A length in seconds, to cut all that was recorded into whole epochs; a tuple
        ``(length, where)`` to cut only there, where `where` is the name of an
        interval table, a label in the epochs table ("wake") or a list of
        (start, stop); a name alone, or a list of (start, stop) alone, to make each
        interval one epoch (of any length: `valid` is False beyond the end).
    window : (start, stop), optional
        Seconds around the event. Windows may overlap; each trial keeps its own.
    bin_width : float
        Width of a bin in seconds; it must divide the window or epoch length.
    sites : str or sequence of str, optional
        Which sites; all by default. The site of a unit is its region column
        ("location", "brain_area", ...), else the location of its electrode, else its
        electrode group, else "units".
    variables : sequence of str, mapping of new name to series, or (), optional
        Time series to resample into the bins. By default all tracked behavior
        (position, head direction, pupil, ... of at most 5 million samples and three
        columns). A series is named by the end of its path ("CompassDirection/ry" or
        "ry").
    name : str, optional
        Name shown in findings; the name of the file by default.

    Returns
    -------
    Recording
        Activity of dims (trial, time, unit): integer counts, time in seconds at the
        bin centers, from the event or the start of the epoch. The coordinate `valid`
        (trial, time) is False for bins not wholly inside the observed intervals of
        every unit that was read (without such intervals: inside the time from the
        first to the last known event of the file). Variables are floats of dims
        (trial, time): the mean of the samples in a bin, the circular mean (radians,
        ``attrs["circular"]``) for head direction and other angles; bins without
        samples are interpolated across short pauses, else NaN, and
        ``attrs["missing_bins"]`` counts them.

    Raises
    ------
    FileError
        If the file is missing, truncated, not HDF5 or not NWB.
    OptionError
        If a site, column, series or table is unknown (the nearest name is suggested),
        the window is empty, or `bin_width` does not divide it.
    ContractError
        If the file holds no units or no observed bin.

    Notes
    -----
    Bins are half-open: a spike on an edge belongs to the later bin. Counts are signed
    (int16 up to 50 ms bins, else int32), so that differences do not wrap around.
    Ragged and reference columns of tables are left out. A Zarr-backed NWB folder must
    be exported to HDF5 first.

    Examples
    --------
    >>> import marr
    >>> mouse = marr.read_nwb(
    ...     "session.nwb", align="stimulus_on", window=(-0.2, 0.8), bin_width=0.02
    ... )  # doctest: +SKIP
    >>> wake = marr.read_nwb(
    ...     "sleep.nwb", epochs=(5.0, "wake"), bin_width=0.1,
    ...     variables={"heading": "CompassDirection/ry"},
    ... )  # doctest: +SKIP
    """
    location = Path(path)
    with open_nwb(location) as file:
        units = read_units(file)
        chosen = _chosen_sites(units, sites)
        observed = _observed(file, units, chosen)
        windows = cut_windows(
            file,
            observed,
            align=align,
            epochs=epochs,
            window=window,
            bin_width=bin_width,
        )
        series = read_variables(file, windows, variables, list(windows.table.columns))
        info = session_info(file)
    valid = _valid(observed, windows)
    stat = location.stat()
    activity = {
        site: _site_activity(
            site,
            location.resolve(),
            units,
            windows,
            valid,
            (stat.st_size, stat.st_mtime_ns),
        )
        for site in chosen
    }
    info |= {
        "source": location.name,
        "bin_width_s": windows.bin_width,
        "observed": "obs_intervals" if units.observed else "first to last known time",
        "bins_not_observed": int((~valid).sum()),
    }
    return Recording(
        windows.table, activity, variables=series, name=name or location.stem, info=info
    )


class BinnedSpikes(LazyArray):
    """Spike counts (trial, time, unit) of some units, counted when looked at.

    Parameters
    ----------
    path : Path
        The NWB file.
    stamp : (size, mtime_ns)
        What the file was like when its labels were read.
    slices : ndarray of shape (n_units, 2)
        Where each unit's spikes lie in ``units/spike_times``.
    windows : Windows
        Where to count.
    """

    def __init__(
        self, path: Path, stamp: tuple[int, int], slices: Any, windows: Windows
    ) -> None:
        self.path = path
        self.stamp = stamp
        self.slices = slices
        self.starts = windows.starts
        self.n_bins = windows.n_bins
        self.bin_width = windows.bin_width
        self.shape = (len(self.starts), self.n_bins, len(slices))
        self.dtype = count_dtype(self.bin_width)

    def block(self, rows: tuple[Any, ...]) -> Any:
        """Count the spikes of some units in some bins of some trials.

        Counts are held unit by unit, so that memory follows the result and the
        spikes of one unit.
        """
        trials, times, units = rows
        all_times = len(times) == self.n_bins and np.all(np.diff(times) == 1)
        out = np.empty((len(units), len(trials), len(times)), self.dtype)
        disorder = 0
        with open_nwb(self.path) as file:
            self._check_unchanged()
            spikes = file["units/spike_times"]
            for row, (first, last) in enumerate(self.slices[units]):
                train = spikes[first:last].astype(float)
                if not np.all(train[1:] >= train[:-1]):
                    disorder += 1
                    train = np.sort(train[np.isfinite(train)])
                counts = count_spikes(
                    train, self.starts[trials], self.n_bins, self.bin_width
                )
                out[row] = counts if all_times else counts[:, times]
        if disorder:
            warnings.warn(
                f"spike times of {disorder} units in {self.path.name!r} were not in "
                "order, or missing; they were sorted before counting",
                UserWarning,
                stacklevel=2,
            )
        return out.transpose(1, 2, 0)

    def _check_unchanged(self) -> None:
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != self.stamp:
            msg = (
                f"path: {str(self.path)!r} changed after its labels were read. "
                "Call marr.read_nwb again."
            )
            raise FileError(msg)


def _chosen_sites(units: UnitSpikes, sites: str | Sequence[str] | None) -> list[str]:
    known = list(dict.fromkeys(units.table["site"]))
    if sites is None:
        return known
    chosen = [sites] if isinstance(sites, str) else [str(s) for s in sites]
    if not chosen:
        msg = f"sites must name at least one site; got none. There are {known}."
        raise OptionError(msg)
    for site in chosen:
        check_known("sites", site, known, what="site")
    return list(dict.fromkeys(chosen))


def _observed(file: h5py.File, units: UnitSpikes, chosen: list[str]) -> Any:
    """Return the merged intervals in which every chosen unit was observed."""
    if units.observed is None:
        return np.array([recorded_extent(file, units)])
    rows = np.flatnonzero(units.table["site"].isin(chosen))
    distinct = {units.observed[i].tobytes(): units.observed[i] for i in rows}
    common = reduce(intersect_intervals, map(merge_intervals, distinct.values()))
    if len(common) == 0:
        msg = (
            "sites: the units have no observed time in common (obs_intervals). Read "
            "sites one by one with sites=[...], or remove units without observed time "
            "from the file."
        )
        raise ContractError(msg)
    return common


def _valid(observed: Any, windows: Windows) -> Any:
    """Return which bins were observed and belong to their trial, (trial, time)."""
    valid = observed_bins(observed, windows.starts, windows.n_bins, windows.bin_width)
    ends = windows.starts[:, None] + (np.arange(windows.n_bins) + 1) * windows.bin_width
    valid &= ends <= windows.stops[:, None] + 1e-6 * windows.bin_width
    if not valid.any():
        msg = (
            "window: no bin of any trial was observed; units were observed from "
            f"{observed[0, 0]:.6g} to {observed[-1, 1]:.6g} s, trials lie between "
            f"{windows.starts.min():.6g} and {windows.stops.max():.6g} s. Are the times "
            "in seconds of the session?"
        )
        raise ContractError(msg)
    return valid


def _site_activity(
    site: str,
    path: Path,
    units: UnitSpikes,
    windows: Windows,
    valid: Any,
    stamp: tuple[int, int],
) -> xr.DataArray:
    rows = np.flatnonzero(units.table["site"] == site)
    begins = np.r_[0, units.ends[:-1]]
    slices = np.column_stack([begins, units.ends])[rows]
    array = lazy_dataarray(
        BinnedSpikes(path, stamp, slices, windows),
        ("trial", "time", "unit"),
        {
            "trial": windows.table.index.to_numpy(),
            "time": (
                "time",
                windows.time,
                {"units": "s", "bin_width": windows.bin_width},
            ),
        },
        {"time_unit": "s", "long_name": "spike count", "bin_width": windows.bin_width},
        name=site,
    )
    table = units.table.iloc[rows].reset_index(drop=True)
    clash = [c for c in table if c in ("unit", "trial", "time", "valid")]
    return labelled_activity(
        site,
        array,
        units=table.rename(columns={c: f"{c}_" for c in clash}),
        valid=valid,
        time_unit="s",
    )
