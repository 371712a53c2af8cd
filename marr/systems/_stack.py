"""Arrays out of systems: units of several sites side by side, targets by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from marr.errors import ContractError, check_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

    from marr.systems._system import System

__all__ = ["is_circular", "site_list", "stack_units", "target_values"]


def site_list(system: System, sites: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the sites asked for (all by default), checked, of one dimensionality."""
    names = (
        system.sites
        if sites is None
        else (sites,)
        if isinstance(sites, str)
        else tuple(sites)
    )
    if not names:
        msg = f"{system.name!r} has behavior only, no activity; nothing to analyze."
        raise ContractError(msg)
    for name in names:
        system.check_site(name, argument="sites")
    dims = {name: system.activity(name).dims for name in names}
    if len(set(dims.values())) > 1:
        shown = {k: "(" + ", ".join(map(str, v)) + ")" for k, v in dims.items()}
        msg = (
            f"sites must have one dimensionality; got {shown}. "
            "Analyze them in separate calls with sites=[...]."
        )
        raise ContractError(msg)
    return names


def stack_units(
    system: System,
    sites: str | Sequence[str] | None = None,
    *,
    time: str = "mean",
) -> xr.DataArray:
    """Return activity of several sites side by side.

    Parameters
    ----------
    system : System
        Where the activity comes from.
    sites : str or sequence of str, optional
        Which sites; all by default.
    time : {"mean", "keep"}
        "mean" averages over valid times; "keep" keeps the time axis.

    Returns
    -------
    DataArray with dims (trial, unit) or (trial, time, unit), float64
    """
    arrays = []
    for name in site_list(system, sites):
        array = system.activity(name)
        if "time" in array.dims and time == "mean":
            array = _time_mean(array)
        arrays.append(array.astype(float).reset_coords(_uneven(array), drop=True))
    if len(arrays) == 1:
        return arrays[0]
    shared = set.intersection(*({str(c) for c in a.coords} for a in arrays))
    cut = [a.drop_vars([c for c in a.coords if str(c) not in shared]) for a in arrays]
    return xr.concat(cut, dim="unit", join="exact", combine_attrs="drop_conflicts")


def _uneven(array: xr.DataArray) -> list[str]:
    """Return coordinates that would stop a concatenation over units."""
    return [str(c) for c in array.coords if array[c].dims == ()]


def _time_mean(array: xr.DataArray) -> xr.DataArray:
    if "valid" not in array.coords:
        return array.mean("time")
    valid = array["valid"]
    count = valid.sum("time")
    if (count == 0).any():
        empty = array["trial"].values[(count == 0).values][:3].tolist()
        msg = f"trials {empty} have no valid time bin; drop them with select()."
        raise ContractError(msg)
    total = array.where(valid, 0).sum("time")
    return (total / count).drop_vars("valid", errors="ignore")


def target_values(
    system: System, target: str, *, argument: str = "target"
) -> xr.DataArray:
    """Return a target by name, dims (trial,) or (trial, time).

    Looks among the columns of the trial table and the continuous variables.
    """
    if target in system.variables:
        return system.variables[target]
    columns = list(system.trials.columns)
    if target not in columns and not any(
        f"{p}_{target}" in columns for p in ("intact", "reference")
    ):
        known = [*columns, *system.variables]
        check_known(argument, target, known, what="column or variable")
    series: pd.Series = system.column(target, argument=argument)
    if series.isna().any():
        missing = series.index[series.isna()][:3].tolist()
        msg = (
            f"{argument}: column {target!r} has {int(series.isna().sum())} missing values "
            f"(trials {missing} ...). Drop them: system.select(~system.trials[{target!r}]"
            ".isna())."
        )
        raise ContractError(msg)
    values: npt.NDArray[Any] = series.to_numpy()
    return xr.DataArray(
        values, dims=("trial",), coords={"trial": series.index.to_numpy()}, name=target
    )


def is_circular(target: xr.DataArray) -> bool:
    """Tell whether a variable is marked as an angle in radians."""
    return bool(target.attrs.get("circular", False))
