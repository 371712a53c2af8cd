"""The layout of a store: one group for the trial table, one for each array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import zarr

from marr.errors import ContractError, FileError
from marr.systems._lazy import LazyArray, lazy_dataarray
from marr.systems._recording import Recording
from marr.systems._store_codec import (
    decode,
    encode,
    read_column,
    read_values,
    write_column,
    write_values,
)
from marr.systems._store_files import VERSION, inventory, open_group, reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import xarray as xr

__all__ = ["ZarrActivity", "read_recording", "write_recording"]

CHUNK_BYTES = 4_000_000
"""Aimed-at size of a chunk of activity, before compression."""


class ZarrActivity(LazyArray):
    """One array of a store, read when looked at.

    Parameters
    ----------
    path : Path
        Folder of the store.
    key : str
        Where the array lies in it.
    digest : str
        Digest of the store when it was opened; a store that was replaced by other
        data since is refused.
    """

    def __init__(
        self, path: Path, key: str, digest: str, array: zarr.Array[Any]
    ) -> None:
        self.path = path
        self.key = key
        self.digest = digest
        self.shape = tuple(array.shape)
        self.dtype = np.dtype(array.dtype)

    def block(self, rows: tuple[np.ndarray[Any, Any], ...]) -> np.ndarray[Any, Any]:
        """Read the outer product of one index array an axis."""
        with reading(self.path):
            group = open_group(self.path)
            if group.attrs.get("digest") != self.digest:
                msg = (
                    f"path: the store {str(self.path)!r} was replaced by other data "
                    "after it was opened. Call marr.open again."
                )
                raise FileError(msg)
            array: Any = group[self.key]
            return np.asarray(array.oindex[tuple(map(_as_slice, rows))])


def _as_slice(rows: np.ndarray[Any, Any]) -> Any:
    """Return a slice for consecutive rows: reading one is far faster."""
    if len(rows) and np.all(np.diff(rows) == 1):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def write_recording(system: Recording, path: Path) -> None:
    """Write the root of a recording, and which trials were selected."""
    root = system.root
    group = zarr.create_group(path, zarr_format=3)
    table = group.create_group("trials")
    columns = [
        {
            "name": encode(name, "trials: the name of a column"),
            **write_column(table, f"c{i}", root.trials[name], f"trials[{name!r}]"),
        }
        for i, name in enumerate(root.trials.columns)
    ]
    index = write_column(table, "index", root.trial_index, "the index of trials")
    activity = group.create_group("activity")
    sites = [
        {"site": site, **_write_array(activity, f"s{i}", root.activity(site))}
        for i, site in enumerate(root.sites)
    ]
    continuous = group.create_group("variables")
    variables = [
        {"variable": name, **_write_array(continuous, f"v{i}", array)}
        for i, (name, array) in enumerate(root.variables.items())
    ]
    selected = None
    if system is not root and not system.trial_index.equals(root.trial_index):
        selected = root.trial_index.get_indexer(system.trial_index).tolist()
    count, size, digest = inventory(path)
    group.attrs.put(
        {
            "marr_store": VERSION,
            "name": root.name,
            "info": encode(root.info, "info"),
            "index": index,
            "columns": columns,
            "sites": sites,
            "variables": variables,
            "selected": selected,
            "files": count,
            "bytes": size,
            "digest": digest,
        }
    )


def _write_array(parent: zarr.Group, key: str, array: xr.DataArray) -> dict[str, Any]:
    """Write a labelled array in blocks of trials; return its description."""
    where = f"activity or variable {array.name!r}"
    group = parent.create_group(key)
    coords = []
    for i, (name, coord) in enumerate(array.coords.items()):
        if isinstance(array.indexes.get(name), pd.MultiIndex):
            msg = f"{where}: coordinate {name!r} is a MultiIndex; use flat coordinates."
            raise ContractError(msg)
        form = write_values(
            group, f"c{i}", coord.values, f"{where}, coordinate {name!r}"
        )
        attrs = encode(dict(coord.attrs), f"{where}, attributes of {name!r}")
        coords.append(
            {"name": str(name), "dims": list(coord.dims), "form": form, "attrs": attrs}
        )
    row = max(1, array.dtype.itemsize * int(np.prod(array.shape[1:])))
    step = min(array.shape[0], max(1, CHUNK_BYTES // row))
    data = group.create_array(
        "data",
        shape=array.shape,
        dtype=array.dtype,
        chunks=(step, *array.shape[1:]),
        config={"write_empty_chunks": True},
    )
    for first in range(0, array.shape[0], step):
        rows = slice(first, first + step)
        data[rows] = np.ascontiguousarray(array.isel(trial=rows).values)
    return {
        "label": encode(array.name, where),
        "dims": list(array.dims),
        "coords": coords,
        "attrs": encode(dict(array.attrs), f"{where}, attributes"),
    }


def read_recording(
    group: zarr.Group, path: Path, header: Mapping[str, Any]
) -> Recording:
    """Read what `write_recording` wrote; activity stays in the store."""
    table: Any = group["trials"]
    index = pd.Index(read_column(table, "index", header["index"]), name="trial")
    trials = pd.DataFrame(index=index)
    if header["columns"]:
        columns = [
            pd.Series(read_column(table, f"c{i}", form), index=index)
            for i, form in enumerate(header["columns"])
        ]
        trials = pd.concat(columns, axis=1)
        trials.columns = pd.Index([decode(form["name"]) for form in header["columns"]])
    activity = {
        str(form["site"]): _read_array(
            group, path, f"activity/s{i}", form, header["digest"]
        )
        for i, form in enumerate(header["sites"])
    }
    variables = {
        str(form["variable"]): _read_array(
            group, path, f"variables/v{i}", form, header["digest"]
        ).compute()
        for i, form in enumerate(header["variables"])
    }
    root = Recording(
        trials,
        {},
        variables=variables,
        name=header["name"],
        info=decode(header["info"]),
    )
    root._activity = activity  # checked when it was saved; checking again would load it
    if header["selected"] is None:
        return root
    return root._selected(np.array(header["selected"], np.intp))


def _read_array(
    group: zarr.Group, path: Path, key: str, form: Mapping[str, Any], digest: str
) -> xr.DataArray:
    inner: Any = group[key]
    coords = {
        c["name"]: (
            tuple(c["dims"]),
            read_values(inner, f"c{i}", c["form"]),
            decode(c["attrs"]),
        )
        for i, c in enumerate(form["coords"])
    }
    lazy = ZarrActivity(path, f"{key}/data", digest, inner["data"])
    return lazy_dataarray(
        lazy, form["dims"], coords, decode(form["attrs"]), name=decode(form["label"])
    )
