"""Systems from plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError, check_known
from marr.systems._recording import Recording
from marr.systems._validate import check_mapping, checked_trials

__all__ = ["from_arrays", "labelled_activity"]


def from_arrays(
    activity: Mapping[str, Any],
    trials: pd.DataFrame | None = None,
    variables: Mapping[str, Any] | None = None,
    *,
    time: Any = None,
    units: Any = None,
    valid: Any = None,
    time_unit: str | None = None,
    name: str | None = None,
    info: Mapping[str, Any] | None = None,
) -> Recording:
    """Make a recording from arrays.

    Parameters
    ----------
    activity : mapping of site to array
        Arrays of shape (n_trials, n_times, n_units) or (n_trials, n_units), or
        DataArrays with these dims. An empty mapping makes a behavior-only system.
    trials : DataFrame, optional
        One row a trial, in the order of the arrays (matched by label where an
        array has a `trial` coordinate).
    variables : mapping of name to array of shape (n_trials, n_times), optional
        Continuous variables.
    time : array of shape (n_times,) or mapping of site to array, optional
        Time coordinates: seconds when given, else steps 0, 1, 2, ...
    units : sequence, DataFrame or mapping of site to either, optional
        Unit ids, or a table with a row a unit whose columns (`x`, `y`, `z`,
        `cell_type`, `head`, ...) become coordinates and whose index (or column
        `unit_id`) holds the ids.
    valid : bool array of shape (n_trials, n_times), optional
        False where a bin was not recorded.
    time_unit : {"s", "step", "token"}, optional
        Unit of time; "s" when `time` is given, else "step".
    name : str, optional
        Name shown in findings.
    info : mapping, optional
        Source, subject, license; kept in provenance.

    Returns
    -------
    Recording

    Raises
    ------
    ContractError
        If shapes or labels disagree, or values are NaN outside `valid`.

    Examples
    --------
    >>> import numpy as np, marr
    >>> system = marr.from_arrays({"V1": np.ones((4, 10, 3))}, name="demo")
    >>> system.activity("V1").dims
    ('trial', 'time', 'unit')
    """
    if not isinstance(activity, Mapping):
        msg = (
            "activity must be a mapping of site to array, e.g. {'V1': array}; got "
            f"{type(activity).__name__}."
        )
        raise ContractError(msg)
    check_mapping("variables", variables, "{'speed': array}")
    check_mapping("info", info, "{'subject': 'A'}")
    arrays = {
        str(site): labelled_activity(
            str(site),
            value,
            time=_for_site(time, site),
            units=_units_for_site(units, site, len(activity)),
            valid=valid,
            time_unit=time_unit,
        )
        for site, value in activity.items()
    }
    flat = not any("time" in array.dims for array in arrays.values())
    for argument, value in (("time", time), ("valid", valid)):
        if arrays and flat and value is not None:
            msg = (
                f"{argument} was given, but no activity has a time axis. Give arrays of "
                f"shape (trial, time, unit), or leave {argument}= out."
            )
            raise ContractError(msg)
    for given in (units, time):
        for site in given if isinstance(given, Mapping) else ():
            check_known("units/time", site, arrays, what="site")
    sizes = {site: array.sizes["trial"] for site, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        msg = f"all sites must have the same trials; got {sizes} trials."
        raise ContractError(msg)
    n_trials = next(iter(sizes.values()), None)
    table = checked_trials(trials, n_trials)
    arrays = {
        site: a
        if "trial" in a.coords
        else a.assign_coords(trial=table.index.to_numpy())
        for site, a in arrays.items()
    }
    labelled = {k: _variable(v, arrays) for k, v in (variables or {}).items()}
    return Recording(
        table, arrays, variables=labelled, name=name or "recording", info=info
    )


def labelled_activity(
    site: str,
    value: Any,
    *,
    time: Any = None,
    units: Any = None,
    valid: Any = None,
    time_unit: str | None = None,
) -> xr.DataArray:
    """Return a DataArray that follows the contract, from an array and its labels."""
    if isinstance(value, xr.DataArray):
        array = value
    else:
        try:
            values = np.asarray(value)
        except ValueError as error:
            msg = (
                f"activity of site {site!r} must be one array of numbers; its rows differ "
                "in length. Pad them, and mark the bins that were recorded with valid=."
            )
            raise ContractError(msg) from error
        if values.ndim not in (2, 3):
            msg = (
                f"activity of site {site!r} must have shape (trial, time, unit) or "
                f"(trial, unit); got shape {values.shape}."
            )
            raise ContractError(msg)
        dims = ("trial", "time", "unit") if values.ndim == 3 else ("trial", "unit")
        array = xr.DataArray(values, dims=dims)
    if "unit" not in array.dims:
        msg = f"activity of site {site!r} needs a dim 'unit'; got {array.dims}."
        raise ContractError(msg)
    array = _with_units(site, array, units)
    if "time" in array.dims:
        array = _with_time(site, array, time, time_unit)
        if valid is not None:
            mask = np.asarray(valid)
            if mask.dtype != bool or mask.shape != (
                array.sizes["trial"],
                array.sizes["time"],
            ):
                msg = (
                    "valid must be a boolean array of shape (trial, time), "
                    f"{(array.sizes['trial'], array.sizes['time'])}; got {mask.dtype} "
                    f"of shape {mask.shape}."
                )
                raise ContractError(msg)
            array = array.assign_coords(valid=(("trial", "time"), mask))
    return array.rename(site)


def _with_units(site: str, array: xr.DataArray, units: Any) -> xr.DataArray:
    n_units = array.sizes["unit"]
    coords: dict[str, Any] = {}
    ids: Any
    if isinstance(units, pd.DataFrame):
        table = units.drop(columns=["unit_id", "site"], errors="ignore")
        ids = units.get("unit_id", units.index)
        coords = {str(c): ("unit", table[c].to_numpy()) for c in table.columns}
    elif units is not None:
        ids = units
    elif "unit_id" in array.coords:
        ids = array["unit_id"].values
    elif "unit" in array.coords:
        ids = array["unit"].values
    else:
        ids = range(n_units)
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        msg = f"units of site {site!r} must be a list of ids or a DataFrame; got {ids!r:.60}."
        raise ContractError(msg)
    names = [str(i) for i in ids]
    if len(names) != n_units:
        msg = (
            f"units of site {site!r}: got {len(names)} ids for {n_units} units of the "
            "activity (its last axis)."
        )
        raise ContractError(msg)
    names = [n.removeprefix(f"{site}:") for n in names]
    if len(set(names)) != n_units:
        msg = f"units of site {site!r}: ids must be unique; got {names[:8]} ..."
        raise ContractError(msg)
    return array.assign_coords(
        {
            "unit": ("unit", np.array([f"{site}:{n}" for n in names])),
            "unit_id": ("unit", np.array(names)),
            "site": ("unit", np.array([site] * n_units)),
            **coords,
        }
    )


def _with_time(
    site: str, array: xr.DataArray, time: Any, time_unit: str | None
) -> xr.DataArray:
    if time is not None:
        times = np.asarray(time)
        if times.shape != (array.sizes["time"],):
            msg = (
                f"time must have one value a time bin of site {site!r} "
                f"({array.sizes['time']}); got shape {times.shape}."
            )
            raise ContractError(msg)
        array = array.assign_coords(time=times)
    elif "time" not in array.coords:
        array = array.assign_coords(time=np.arange(array.sizes["time"]))
        time_unit = time_unit or array.attrs.get("time_unit", "step")
    unit = time_unit or array.attrs.get("time_unit", "s")
    return array.assign_attrs(time_unit=unit)


def _for_site(value: Any, site: str) -> Any:
    return value.get(site) if isinstance(value, Mapping) else value


def _units_for_site(units: Any, site: str, n_sites: int) -> Any:
    if units is None or isinstance(units, Mapping):
        return None if units is None else units.get(site)
    if n_sites > 1:
        msg = (
            "units must be a mapping of site to ids when there are several sites; got "
            f"{type(units).__name__}."
        )
        raise ContractError(msg)
    return units


def _variable(value: Any, arrays: Mapping[str, xr.DataArray]) -> Any:
    """Give an unlabelled (trial, time) variable the time axis of the activity."""
    if isinstance(value, xr.DataArray) or np.ndim(value) != 2:
        return value
    values = np.asarray(value)
    for array in arrays.values():
        if "time" in array.dims and array.sizes["time"] == values.shape[1]:
            return xr.DataArray(
                values, dims=("trial", "time"), coords={"time": array["time"].values}
            )
    return values
