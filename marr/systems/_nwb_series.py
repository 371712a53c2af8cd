"""Continuous variables of an NWB file: where they lie, and their mean in each bin."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import xarray as xr

from marr.errors import ContractError, OptionError, check_known
from marr.systems._nwb_kernel import resample_series

if TYPE_CHECKING:
    from marr.systems._nwb_windows import Windows

__all__ = ["find_series", "read_variables"]

BEHAVIOR_CONTAINERS = (
    "Position",
    "CompassDirection",
    "BehavioralTimeSeries",
    "EyeTracking",
    "PupilTracking",
)
"""NWB containers whose series are read by default."""

CHEAP_SAMPLES = 5_000_000
"""Longest series that is read without being asked for by name."""

RADIANS = ("rad", "radian", "radians")
DEGREES = ("deg", "degree", "degrees")


@dataclass(frozen=True)
class Series:
    """One column of a time series.

    Attributes
    ----------
    path : str
        Where it lies in the file; `column` counts within its data.
    column : int or None
        Column of two-dimensional data.
    label : str
        Last part of the path, with a suffix for the column.
    behavior : bool
        Whether it lies among tracked behavior, and is short enough to read unasked.
    compass : bool
        Whether it lies in a CompassDirection.
    """

    path: str
    column: int | None
    label: str
    behavior: bool
    compass: bool


def _kind(group: Any) -> str:
    kind = group.attrs.get("neurodata_type", "")
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _columns(group: h5py.Group, name: str) -> list[tuple[int | None, str]]:
    data = group["data"]
    if data.ndim == 1:
        return [(None, name)]
    letters = "xyz" if "SpatialSeries" in _kind(group) and data.shape[1] <= 3 else None
    return [(i, f"{name}_{letters[i] if letters else i}") for i in range(data.shape[1])]


def _walk(group: h5py.Group, path: str, parent: str) -> Iterator[Series]:
    """Yield every numeric series below a group."""
    for name in group:
        item = group.get(name)  # None for a broken link
        if not isinstance(item, h5py.Group):
            continue
        here = f"{path}/{name}"
        data = item.get("data")
        if not isinstance(data, h5py.Dataset):
            yield from _walk(item, here, _kind(item))
            continue
        timed = "timestamps" in item or "starting_time" in item
        if not timed or data.dtype.kind not in "fiub" or data.ndim not in (1, 2):
            continue
        if data.ndim == 2 and data.shape[1] > 64:
            continue
        tracked = (
            parent in BEHAVIOR_CONTAINERS
            or "SpatialSeries" in _kind(item)
            or path.startswith("processing/behavior")
        )
        narrow = data.ndim == 1 or data.shape[1] <= 3
        for column, label in _columns(item, name):
            yield Series(
                here,
                column,
                label,
                behavior=tracked and narrow and data.shape[0] <= CHEAP_SAMPLES,
                compass=parent == "CompassDirection",
            )


def find_series(file: h5py.File) -> list[Series]:
    """Return the numeric series under acquisition and processing."""
    return [
        series
        for root in ("acquisition", "processing")
        if isinstance(file.get(root), h5py.Group)
        for series in _walk(file[root], root, "")
    ]


def _names(series: Series) -> list[str]:
    """Return the names a series answers to, shortest first."""
    parts = series.path.split("/")[:-1]
    return [
        "/".join([*parts[len(parts) - n :], series.label])
        for n in range(len(parts) + 1)
    ]


def _default_names(found: Sequence[Series]) -> dict[str, Series]:
    """Name each tracked series by the shortest name that is its own."""
    chosen: dict[str, Series] = {}
    tracked = [s for s in found if s.behavior]
    for series in tracked:
        for name in _names(series):
            if sum(name in _names(other) for other in tracked) == 1:
                chosen[name] = series
                break
    return chosen


def _select(found: Sequence[Series], variables: Any) -> dict[str, Series]:
    """Turn the option `variables` into named series."""
    if variables is None:
        return _default_names(found)
    if isinstance(variables, str):
        variables = [variables]
    if not isinstance(variables, (Sequence, Mapping)):
        msg = (
            "variables must be a list of series names or a mapping of new name to series "
            f"name; got {variables!r}."
        )
        raise OptionError(msg)
    wanted = (
        dict(variables)
        if isinstance(variables, Mapping)
        else {str(name): str(name) for name in variables}
    )
    return {str(new): _lookup(found, str(asked)) for new, asked in wanted.items()}


def _lookup(found: Sequence[Series], asked: str) -> Series:
    hits = [s for s in found if asked in _names(s)]
    if not hits:  # a container that holds one series answers for it
        hits = [s for s in found if s.path.rpartition("/")[0].endswith(f"/{asked}")]
    if len(hits) == 1:
        return hits[0]
    if hits:
        paths = [f"{s.path.rpartition('/')[0]}/{s.label}" for s in hits]
        msg = (
            f"variables: {asked!r} fits several series: {paths}. Give more of the path."
        )
        raise OptionError(msg)
    short = list(dict.fromkeys(s.label for s in found))
    check_known("variables", asked, short, what="time series")
    raise AssertionError


def read_variables(
    file: h5py.File, windows: Windows, variables: Any, taken: Sequence[str]
) -> dict[str, xr.DataArray]:
    """Return the variables asked for as (trial, time) arrays, one mean a bin.

    Parameters
    ----------
    file : h5py.File
        Open NWB file.
    windows : Windows
        Where to cut.
    variables : None, list of str or mapping of str to str
        See `read_nwb`.
    taken : sequence of str
        Columns of the trial table; a default variable of such a name gets the
        suffix "_series".

    Notes
    -----
    A series that was not measured in any bin is left out if it was not asked for,
    else kept, all NaN, with a warning.
    """
    arrays: dict[str, xr.DataArray] = {}
    for name, series in _select(find_series(file), variables).items():
        array = _binned(file, series, windows, name)
        if array.attrs["missing_bins"] == array.size:
            if variables is None:
                continue
            warnings.warn(
                f"variables: {name!r} was not measured in any bin of any trial",
                UserWarning,
                stacklevel=3,
            )
        clash = variables is None and name in taken
        arrays[f"{name}_series" if clash else name] = array
    return arrays


def _samples(
    file: h5py.File, series: Series
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], str]:
    """Return ascending times, finite values and the unit of a series."""
    group = file[series.path]
    data = group["data"]
    values = (data[()] if series.column is None else data[:, series.column]).astype(
        float
    )
    values *= float(data.attrs.get("conversion", 1.0))
    values += float(data.attrs.get("offset", 0.0))
    if "timestamps" in group:
        times = group["timestamps"][()].astype(float)
    else:
        start = group["starting_time"]
        times = float(start[()]) + np.arange(len(values)) / float(start.attrs["rate"])
    if len(times) != len(values):
        msg = (
            f"variables: {series.path} has {len(values)} values but {len(times)} times. "
            "Leave it out with variables=[...]."
        )
        raise ContractError(msg)
    unit = data.attrs.get("unit", "")
    keep = np.isfinite(times) & np.isfinite(values)
    times, values = times[keep], values[keep]
    if np.any(np.diff(times) < 0):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    return times, values, unit.decode() if isinstance(unit, bytes) else str(unit)


def _binned(
    file: h5py.File, series: Series, windows: Windows, name: str
) -> xr.DataArray:
    times, values, unit = _samples(file, series)
    circular = unit.lower() in RADIANS or (series.compass and unit.lower() in DEGREES)
    if circular and unit.lower() in DEGREES:
        values, unit = np.deg2rad(values), "radians"
    pause = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    mean = resample_series(
        times,
        values,
        windows.starts,
        windows.n_bins,
        windows.bin_width,
        circular=circular,
        max_gap=max(2 * pause, windows.bin_width),
    )
    inside = (
        windows.starts[:, None] + (np.arange(windows.n_bins) + 1) * windows.bin_width
    )
    mean[inside > windows.stops[:, None] + windows.bin_width * 1e-6] = np.nan
    return xr.DataArray(
        mean,
        dims=("trial", "time"),
        coords={"time": windows.time},
        name=name,
        attrs={
            "circular": circular,
            "unit": "rad" if circular else unit,
            "source": series.path,
            "missing_bins": int(np.isnan(mean).sum()),
            "rule": (
                f"{'circular ' if circular else ''}mean of the samples in each bin; bins "
                "without samples are interpolated across pauses of at most "
                f"{max(2 * pause, windows.bin_width):.4g} s, else NaN"
            ),
        },
    )
