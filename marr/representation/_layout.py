"""Activity of the sites as rows: trials, or valid time bins of trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.findings import Note
from marr.systems import System, site_list, stack_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._targets import Target

__all__ = ["Cell", "Layout", "build_layout", "check_over"]


@dataclass(frozen=True)
class Cell:
    """Activity of one site, or of all sites pooled.

    Attributes
    ----------
    label : str
        Name of the site, or of the pool.
    x : array of shape (n_times, n_rows, n_units)
        Activity, each unit standardized over rows and times; a constant one is zero.
    units : DataArray
        Labels and coordinates of the units.
    spread : array of shape (n_units,)
        Standard deviation of each unit over rows and times, in its own units.
    """

    label: str
    x: npt.NDArray[np.float64]
    units: xr.DataArray
    spread: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Rows of the analysis, shared by all cells.

    Attributes
    ----------
    row_trial : int array of shape (n_rows,)
        Trial (position) of each row.
    row_bin : int array of shape (n_rows,) or None
        Time bin of each row, where rows are time bins.
    times : array of shape (n_times,) or None
        Time coordinates of the map, None if time is pooled or averaged.
    time_bins : slice or int array
        Bins that the map keeps.
    n_bins : int or None
        Number of time bins of the activity.
    """

    cells: tuple[Cell, ...]
    row_trial: npt.NDArray[np.intp]
    row_bin: npt.NDArray[np.intp] | None
    times: npt.NDArray[Any] | None
    time_bins: npt.NDArray[np.intp] | None
    n_bins: int | None
    time_unit: str
    by_site: bool
    notes: tuple[Note, ...] = field(default=())


def check_over(over: str | Sequence[str]) -> tuple[str, ...]:
    """Return the axes of a map, checked."""
    axes = (over,) if isinstance(over, str) else tuple(over)
    for axis in axes:
        if axis not in ("site", "time"):
            msg = f"over must hold 'site', 'time', both or none; got {axis!r}."
            raise OptionError(msg)
    return axes


def build_layout(
    system: System,
    target: Target | None,
    *,
    sites: str | Sequence[str] | None,
    over: Sequence[str],
) -> Layout:
    """Arrange activity into rows.

    Parameters
    ----------
    system : System
        Where activity comes from.
    target : Target or None
        Fixes whether rows are trials or time bins: a target that varies within trials
        is pooled over the bins of all trials, unless `over` holds "time".
    sites : str or sequence of str, optional
        Sites; all by default.
    over : sequence of str
        Axes of the map: "site" and "time".
    """
    names = site_list(system, sites)
    first = system.activity(names[0])
    has_time = "time" in first.dims
    timed = target is not None and target.timed
    if timed and not has_time:
        msg = (
            f"target {target.name if target else ''!r} varies within trials but "
            f"{system.name!r} has no time axis at {list(names)}; use a target with one "
            "value a trial."
        )
        raise ContractError(msg)
    by_time = has_time and "time" in over
    keep = by_time or timed
    if has_time and keep:
        _check_times(system, names, target)
    valid = _valid(system, names) if has_time else None
    groups = [(n, (n,)) for n in names] if "site" in over else [("pooled", names)]
    arrays = [
        (label, stack_units(system, members, time="keep" if keep else "mean"))
        for label, members in groups
    ]
    n_trials = len(system.trial_index)
    row_trial, row_bin, bins = np.arange(n_trials), None, None
    notes: tuple[Note, ...] = ()
    if by_time:
        bins, notes = _complete_bins(valid, first.sizes["time"], target, system.name)
    elif timed and target is not None:
        known = target.known if valid is None else target.known & valid
        row_trial, row_bin = np.nonzero(known)
    return Layout(
        cells=tuple(
            _cell(label, array, row_trial, row_bin, bins) for label, array in arrays
        ),
        row_trial=np.asarray(row_trial, dtype=np.intp),
        row_bin=row_bin,
        times=first["time"].values[bins] if by_time else None,
        time_bins=bins,
        n_bins=first.sizes["time"] if has_time else None,
        time_unit=str(first.attrs.get("time_unit", "")) if has_time else "",
        by_site="site" in over,
        notes=notes,
    )


def _cell(
    label: str,
    array: xr.DataArray,
    row_trial: npt.NDArray[np.intp],
    row_bin: npt.NDArray[np.intp] | None,
    bins: npt.NDArray[np.intp] | None,
) -> Cell:
    values = np.asarray(array.values, dtype=float)
    if bins is not None:
        x = np.moveaxis(values[:, bins], 1, 0)
    elif row_bin is not None:
        x = values[row_trial, row_bin][None]
    else:
        x = values[None]
    if not np.isfinite(x).all():
        msg = (
            f"activity of {label!r} holds NaN or infinite values in the bins analyzed. "
            "Drop these trials or units with select(), or mark bins with valid=."
        )
        raise ContractError(msg)
    spread = x.reshape(-1, x.shape[-1]).std(axis=0)
    mean = x.mean(axis=(0, 1))  # the same for all times, so that times stay comparable
    flat = spread <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    x = np.where(flat, 0.0, (x - mean) / np.where(flat, 1.0, spread))
    spread = np.where(flat, 0.0, spread)
    return Cell(label, np.ascontiguousarray(x), array["unit"], spread)


def _check_times(system: System, names: Sequence[str], target: Target | None) -> None:
    reference = system.activity(names[0])["time"].values.astype(float)
    for name in names[1:]:
        times = system.activity(name)["time"].values.astype(float)
        if times.shape != reference.shape or not np.allclose(times, reference):
            msg = (
                f"sites {names[0]!r} and {name!r} have other time axes ({len(reference)} "
                f"and {len(times)} bins). Analyze them in separate calls with sites=[...]."
            )
            raise ContractError(msg)
    if target is None or not target.timed:
        return
    same = target.values.shape[1] == len(reference) and (
        target.time is None or np.allclose(target.time.astype(float), reference)
    )
    if not same:
        msg = (
            f"target {target.name!r} and the activity must share their time axis; got "
            f"{target.values.shape[1]} and {len(reference)} bins. Bin both alike."
        )
        raise ContractError(msg)


def _valid(system: System, names: Sequence[str]) -> npt.NDArray[np.bool_] | None:
    """Return bins recorded at all sites, or None if every bin was."""
    masks = [
        np.asarray(system.activity(n)["valid"].values, dtype=bool)
        for n in names
        if "valid" in system.activity(n).coords
    ]
    if not masks:
        return None
    valid = np.logical_and.reduce(masks)
    return None if valid.all() else valid


def _complete_bins(
    valid: npt.NDArray[np.bool_] | None,
    n_bins: int,
    target: Target | None,
    name: str,
) -> tuple[npt.NDArray[np.intp], tuple[Note, ...]]:
    """Return the bins that every trial has, for a map over time."""
    complete = np.ones(n_bins, dtype=bool) if valid is None else valid.all(axis=0)
    if target is not None and target.timed:
        complete &= target.known.all(axis=0)
    if not complete.any():
        msg = (
            f"no time bin of {name!r} is valid (with a known target) on every trial, so "
            "there is no map over time. Leave 'time' out of over=, or select trials."
        )
        raise StatisticsError(msg)
    if complete.all():
        return np.arange(n_bins), ()
    text = f"{int((~complete).sum())} of {n_bins} time bins are missing on some trials and left out."
    return np.flatnonzero(complete), (Note("incomplete_bins", text),)
