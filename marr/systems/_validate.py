"""The one place that checks the data contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError, check_option

__all__ = [
    "BEHAVIOR_COLUMNS",
    "GROUP_COLUMNS",
    "TIME_UNITS",
    "check_mapping",
    "checked_activity",
    "checked_trials",
    "checked_variables",
    "describe_difference",
]

BEHAVIOR_COLUMNS = ("choice", "correct", "response_time", "outcome", "confidence")
"""Standard columns that describe what the system of the table did."""

GROUP_COLUMNS = ("sequence", "session", "block")
"""Columns that name the unit of dependence between trials, strongest first."""

TIME_UNITS = ("s", "step", "token")


def check_mapping(argument: str, value: object, example: str) -> None:
    """Raise ContractError unless a value is a mapping or None."""
    if value is not None and not isinstance(value, Mapping):
        msg = f"{argument} must be a mapping, e.g. {example}; got {value!r:.60}."
        raise ContractError(msg)


def checked_trials(trials: pd.DataFrame | None, n_trials: int | None) -> pd.DataFrame:
    """Return a trial table with a unique index named "trial".

    Parameters
    ----------
    trials : DataFrame or None
        One row a trial; None makes an empty table.
    n_trials : int or None
        Number of trials of the activity, None for a behavior-only system.
    """
    if trials is None:
        if n_trials is None:
            msg = "a system needs activity or a trial table; got neither."
            raise ContractError(msg)
        return pd.DataFrame(index=pd.RangeIndex(n_trials, name="trial"))
    if not isinstance(trials, pd.DataFrame):
        msg = (
            f"trials must be a pandas.DataFrame with one row a trial; got "
            f"{type(trials).__name__}. Use pandas.DataFrame(...)."
        )
        raise ContractError(msg)
    if n_trials is not None and len(trials) != n_trials:
        msg = (
            f"trials must have one row a trial of the activity ({n_trials}); got "
            f"{len(trials)} rows. Drop the same trials from both."
        )
        raise ContractError(msg)
    if len(trials) == 0:
        msg = "trials has no rows; at least one trial is needed."
        raise ContractError(msg)
    if not trials.index.is_unique:
        repeated = trials.index[trials.index.duplicated()][:3].tolist()
        msg = (
            f"trials has repeated index labels, e.g. {repeated}. Use "
            "trials.reset_index(drop=True) or give resampled trials new labels."
        )
        raise ContractError(msg)
    if not trials.columns.is_unique:
        repeated = trials.columns[trials.columns.duplicated()].tolist()
        msg = f"trials has repeated columns: {repeated}. Rename or drop one of each."
        raise ContractError(msg)
    table = trials.copy()
    table.index.name = "trial"
    return table


def checked_activity(
    site: str, array: xr.DataArray, trials: pd.DataFrame
) -> xr.DataArray:
    """Return activity that fits the trial table, or raise with the way out."""
    expected = ("trial", "time", "unit") if "time" in array.dims else ("trial", "unit")
    if array.dims != expected:
        msg = (
            f"activity of site {site!r} must have dims (trial, time, unit) or "
            f"(trial, unit), in this order; got {array.dims}. Use "
            "array.rename(...).transpose('trial', 'time', 'unit')."
        )
        raise ContractError(msg)
    if array.sizes["trial"] != len(trials):
        msg = (
            f"activity of site {site!r} has {array.sizes['trial']} trials but the "
            f"trial table has {len(trials)} rows. Drop the same trials from both."
        )
        raise ContractError(msg)
    if 0 in array.shape:
        msg = f"activity of site {site!r} is empty: shape {array.shape}."
        raise ContractError(msg)
    if array.dtype.kind not in "fiub":
        msg = f"activity of site {site!r} must hold real numbers; got dtype {array.dtype}."
        raise ContractError(msg)
    if "trial" in array.coords:
        labels = array["trial"].to_index()
        if not labels.equals(trials.index):
            msg = (
                f"activity of site {site!r} and the trial table have other trial "
                f"labels: {describe_difference(labels, trials.index)}. Align them by "
                "label: trials.loc[array['trial'].values]."
            )
            raise ContractError(msg)
    _check_finite(site, array)
    unit_time = array.attrs.get("time_unit")
    if "time" in array.dims:
        check_option(f"time_unit of site {site!r}", unit_time, TIME_UNITS)
        _check_time(site, array)
    return array


def _check_finite(site: str, array: xr.DataArray) -> None:
    if array.dtype.kind != "f":
        return
    finite = np.isfinite(array.values)
    if "valid" in array.coords and "time" in array.dims:
        finite = finite | ~array["valid"].values[..., None]
    if finite.all():
        return
    bad = np.argwhere(~finite)[0]
    where = ", ".join(f"{d}={i}" for d, i in zip(array.dims, bad.tolist(), strict=True))
    msg = (
        f"activity of site {site!r} holds {int((~finite).sum())} NaN or infinite values "
        f"(first at {where}). Drop these trials or units, or mark missing bins with "
        "valid=, a boolean array of shape (trial, time)."
    )
    raise ContractError(msg)


def _check_time(site: str, array: xr.DataArray) -> None:
    times = array["time"].values
    if times.dtype.kind not in "fiu" or (
        len(times) > 1 and not (np.diff(times) > 0).all()
    ):
        msg = f"time of site {site!r} must be increasing numbers; got {times[:5]}."
        raise ContractError(msg)


def checked_variables(
    variables: Mapping[str, Any] | None, trials: pd.DataFrame
) -> dict[str, xr.DataArray]:
    """Return continuous variables as (trial, time) arrays labelled by trial."""
    check_mapping("variables", variables, "{'speed': array}")
    checked: dict[str, xr.DataArray] = {}
    for name, value in (variables or {}).items():
        if name in trials.columns:
            msg = (
                f"variables: {name!r} is also a column of the trial table; "
                "rename one of them."
            )
            raise ContractError(msg)
        array = (
            value
            if isinstance(value, xr.DataArray)
            else xr.DataArray(np.asarray(value), dims=("trial", "time"))
            if np.ndim(value) == 2
            else None
        )
        if array is None or array.dims != ("trial", "time"):
            got = getattr(value, "dims", np.shape(value))
            msg = (
                f"variables: {name!r} must have dims (trial, time); got {got}. A value "
                "a trial belongs into the trial table."
            )
            raise ContractError(msg)
        if array.sizes["trial"] != len(trials):
            msg = (
                f"variables: {name!r} has {array.sizes['trial']} trials but the trial "
                f"table has {len(trials)} rows. Drop the same trials from both."
            )
            raise ContractError(msg)
        if "trial" in array.coords:
            labels = array["trial"].to_index()
            if not labels.equals(trials.index):
                msg = (
                    f"variables: {name!r} and the trial table have other trial labels: "
                    f"{describe_difference(labels, trials.index)}."
                )
                raise ContractError(msg)
        checked[name] = array.assign_coords(trial=trials.index.to_numpy())
    return checked


def describe_difference(a: pd.Index, b: pd.Index) -> str:
    """Say in a few words how two indexes differ."""
    only_a = a.difference(b)[:3].tolist()
    only_b = b.difference(a)[:3].tolist()
    if not only_a and not only_b:
        return "the same labels in another order"
    return f"only in the first {only_a}, only in the second {only_b}"
