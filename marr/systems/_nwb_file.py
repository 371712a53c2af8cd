"""The layout of an NWB file, read with h5py: tables, units, sites, spike times.

NWB is HDF5 with a fixed layout: column tables (one data set a column, ragged ones
with a second data set ``<name>_index`` that holds the ends of the rows), interval
tables under ``/intervals``, and units under ``/units``. Only label columns are read
here; spike times stay in the file until they are counted.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from marr.errors import ContractError, FileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "SITE_COLUMNS",
    "UnitSpikes",
    "interval_tables",
    "open_nwb",
    "read_table",
    "read_units",
    "recorded_extent",
    "session_info",
]

SITE_COLUMNS = (
    "site",
    "location",
    "brain_area",
    "brain_region",
    "region",
    "area",
    "structure",
    "ecephys_structure_acronym",
)
"""Columns of the units table that name a brain region, in order of preference."""

CHUNK_CACHE_BYTES = 64 * 2**20
"""Memory for compressed chunks, so that units that share one do not unpack it anew."""

_NOWHERE = {"", "unknown", "none", "nan", "n/a", "no location", "undefined"}
_FAULT = "The file may be damaged: try `h5dump -H` or write it anew."


@dataclass(frozen=True)
class UnitSpikes:
    """Units of a file and where their spikes lie in it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a unit, in file order: `unit_id`, `site` and the scalar columns.
    ends : ndarray of shape (n_units,)
        End of each unit's slice of ``units/spike_times``.
    observed : tuple of ndarray, or None
        Observed intervals (n_intervals, 2) of each unit in seconds, if stated.
    """

    table: pd.DataFrame
    ends: np.ndarray[Any, np.dtype[np.int64]]
    observed: tuple[np.ndarray[Any, np.dtype[np.float64]], ...] | None


@contextlib.contextmanager
def open_nwb(path: Path) -> Iterator[h5py.File]:
    """Open an NWB file for reading; every fault of the file is a FileError."""
    if not path.exists():
        msg = (
            f"path: there is no file {str(path)!r}. Check the spelling and the folder."
        )
        raise FileError(msg)
    if path.is_dir():
        msg = (
            f"path: {str(path)!r} is a folder, and read_nwb reads NWB in HDF5 files. "
            "Export a Zarr-backed NWB folder to HDF5 first; a saved marr store is "
            "opened with marr.open."
        )
        raise FileError(msg)
    try:
        with h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES) as file:
            if "nwb_version" not in file.attrs:
                msg = (
                    f"path: {str(path)!r} is HDF5 but not NWB (no attribute "
                    "'nwb_version' at its root). Convert it to NWB, or load its arrays "
                    "yourself and use marr.from_arrays."
                )
                raise FileError(msg)
            yield file
    except OSError as error:
        msg = f"path: {str(path)!r} cannot be read as NWB (HDF5): {error}. {_FAULT}"
        raise FileError(msg) from error


def _text(values: Any) -> Any:
    """Decode bytes, whatever their nesting, to str."""
    if isinstance(values, bytes):
        return values.decode("utf-8", "replace")
    if isinstance(values, np.ndarray) and values.dtype == object:
        return np.array([_text(v) for v in values.ravel()], object).reshape(
            values.shape
        )
    return values


def _is_label_column(data: Any) -> bool:
    """Tell whether a data set is a plain column: one dimension, no references."""
    return (
        isinstance(data, h5py.Dataset)
        and data.ndim == 1
        and data.dtype.names is None
        and h5py.check_ref_dtype(data.dtype) is None
        and (data.dtype.kind != "O" or h5py.check_string_dtype(data.dtype) is not None)
    )


def read_table(group: h5py.Group) -> pd.DataFrame:
    """Read the plain columns of an NWB table; ragged text is joined by ", ".

    Ragged numbers, references and columns of more than one dimension are left out:
    they have no place in a table of one value a row.
    """
    ids = group["id"][()] if "id" in group else None
    columns: dict[str, Any] = {}
    order = [str(_text(name)) for name in group.attrs.get("colnames", [])]
    for name in order or [n for n in group if n != "id" and not n.endswith("_index")]:
        if name not in group or not _is_label_column(group[name]):
            continue
        values = _text(group[name][()])
        if f"{name}_index" in group:
            if f"{name}_index_index" in group or values.dtype != object:
                continue
            ends = group[f"{name}_index"][()].astype(np.int64)
            values = [", ".join(map(str, v)) for v in np.split(values, ends[:-1])]
        columns[name] = values
    lengths = {name: len(v) for name, v in columns.items()}
    if len(set(lengths.values()) | ({len(ids)} if ids is not None else set())) > 1:
        msg = f"path: columns of {group.name} differ in length: {lengths}. {_FAULT}"
        raise FileError(msg)
    frame = pd.DataFrame(columns, index=ids)
    for name in frame.columns[frame.dtypes == object]:
        frame[name] = frame[name].astype(str)
    return frame


def interval_tables(file: h5py.File) -> dict[str, h5py.Group]:
    """Return the interval tables of a file by name (``trials``, ``epochs``, ...)."""
    found = file.get("intervals")
    if not isinstance(found, h5py.Group):
        return {}
    return {
        name: table
        for name, table in found.items()
        if isinstance(table, h5py.Group) and "start_time" in table
    }


def _named(values: Any) -> list[str] | None:
    """Return site names, or None if they say nothing."""
    names = [str(_text(v)).strip() for v in values]
    known = [name.lower() not in _NOWHERE for name in names]
    if not any(known):
        return None
    return [n if k else "unknown" for n, k in zip(names, known, strict=True)]


def _electrode_locations(file: h5py.File, units: h5py.Group) -> list[str] | None:
    """Return the location of each unit's first electrode."""
    table = file.get("general/extracellular_ephys/electrodes")
    if table is None or "location" not in table or "electrodes" not in units:
        return None
    rows = units["electrodes"][()].astype(np.int64)
    if "electrodes_index" in units:
        ends = units["electrodes_index"][()].astype(np.int64)
        starts = np.r_[0, ends[:-1]]
        if len(ends) == 0 or np.any(ends <= starts):
            return None
        rows = rows[starts]
    return _named(table["location"][()][rows]) if rows.ndim == 1 else None


def _site_names(file: h5py.File, units: h5py.Group, n_units: int) -> list[str]:
    """Name the site of each unit: its column, else electrode, else group, else 'units'."""
    for column in SITE_COLUMNS:
        data = units.get(column)
        if data is not None and _is_label_column(data) and data.dtype.kind in "OS":
            names = _named(data[()])
            if names and len(names) == n_units:
                return names
    names = _electrode_locations(file, units)
    if names is None and "electrode_group" in units:
        groups = [file[reference] for reference in units["electrode_group"][()]]
        names = _named([group.attrs.get("location", "") for group in groups])
        names = names or _named([group.name.rsplit("/", 1)[-1] for group in groups])
    return names or ["units"] * n_units


def _ragged(group: h5py.Group, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the checked row ends of a ragged column."""
    ends = np.asarray(group[f"{name}_index"][()], np.int64)
    if len(ends) and (
        np.any(np.diff(ends, prepend=0) < 0) or ends[-1] > len(group[name])
    ):
        msg = f"path: {group.name}/{name}_index does not fit {name}. {_FAULT}"
        raise FileError(msg)
    return ends


def read_units(file: h5py.File) -> UnitSpikes:
    """Read the labels of the units, and where their spikes lie.

    Raises
    ------
    ContractError
        If the file holds no units or no spike times.
    """
    units = file.get("units")
    if not isinstance(units, h5py.Group) or "spike_times" not in units:
        msg = (
            "path: the file has no units table with spike times, so there is no "
            "activity to count. Files with behavior only are read with pandas and "
            "passed to marr.from_arrays({}, trials=...)."
        )
        raise ContractError(msg)
    ends = _ragged(units, "spike_times")
    if len(ends) == 0:
        msg = "path: the units table of the file is empty: there is nothing to count."
        raise ContractError(msg)
    labels = read_table(units)
    ids = units["id"][()] if "id" in units else np.arange(len(ends))
    table = pd.DataFrame({"unit_id": [str(i) for i in ids]})
    table["site"] = _site_names(file, units, len(ends))
    for name in labels.columns:
        repeats = name in SITE_COLUMNS and list(labels[name]) == list(table["site"])
        if name not in {*table.columns, "spike_times", "obs_intervals"} and not repeats:
            table[str(name)] = labels[name].to_numpy()
    observed = None
    if "obs_intervals" in units and "obs_intervals_index" in units:
        stops = _ragged(units, "obs_intervals")
        values = units["obs_intervals"][()].astype(float).reshape(-1, 2)
        observed = tuple(np.split(values, stops[:-1]))
    return UnitSpikes(table, ends, observed)


def recorded_extent(file: h5py.File, units: UnitSpikes) -> tuple[float, float]:
    """Return first and last time known to the file, from spikes and intervals."""
    times: list[float] = []
    ends, begins = units.ends, np.r_[0, units.ends[:-1]]
    edges = np.unique(np.r_[begins[ends > begins], ends[ends > begins] - 1])
    if len(edges):
        times += list(file["units/spike_times"][edges])
    for table in interval_tables(file).values():
        for name in ("start_time", "stop_time"):
            if name in table:
                times += list(table[name][()])
    finite = np.array(times, float)
    finite = finite[np.isfinite(finite)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def session_info(file: h5py.File) -> dict[str, Any]:
    """Return what the file says about the session; empty fields are left out."""
    fields = {
        "identifier": "identifier",
        "session_description": "session_description",
        "session_start_time": "session_start_time",
        "lab": "general/lab",
        "institution": "general/institution",
        "subject": "general/subject/subject_id",
        "species": "general/subject/species",
    }
    found: dict[str, Any] = {}
    for name, path in fields.items():
        data = file.get(path)
        if isinstance(data, h5py.Dataset) and data.shape == ():
            text = str(_text(data[()])).strip()
            if text:
                found[name] = text
    return found
