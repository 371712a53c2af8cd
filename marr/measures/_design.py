"""From a system to the rows of a readout's design: trials, or time bins of trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.errors import ContractError, StatisticsError
from marr.systems import stack_units

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from marr.systems import System

__all__ = ["Rows", "check_times", "features_of", "rows_of"]


@dataclass(frozen=True)
class Rows:
    """Rows of the design: a trial each, or a time bin of a trial each."""

    flat: NDArray[np.intp]  # position in the flattened (trial, time) grid
    trial: NDArray[np.intp]  # position of the trial

    def keep(self, known: NDArray[np.bool_]) -> Rows:
        return Rows(self.flat[known], self.trial[known])

    def take(self, x: xr.DataArray) -> NDArray[np.float64]:
        """Return activity of shape (rows, units)."""
        values = np.asarray(x.values, dtype=float)
        return values.reshape(-1, values.shape[-1])[self.flat]


def features_of(
    system: System, sites: tuple[str, ...] | None, *, timed: bool
) -> xr.DataArray:
    x = stack_units(system, sites, time="keep" if timed else "mean")
    if timed and "time" not in x.dims:
        msg = (
            f"the target varies over time but {system.name!r} has no time axis at "
            f"{list(sites or system.sites)}; use a target with one value a trial."
        )
        raise ContractError(msg)
    return x


def check_times(x: xr.DataArray, truth: xr.DataArray, target: str) -> None:
    same = x.sizes["time"] == truth.sizes["time"] and (
        "time" not in truth.coords
        or np.allclose(
            truth["time"].values.astype(float), x["time"].values.astype(float)
        )
    )
    if not same:
        msg = (
            f"target {target!r} and the activity must share their time axis; got "
            f"{truth.sizes['time']} and {x.sizes['time']} times. Bin both alike, e.g. with "
            "the same window and bin_width."
        )
        raise ContractError(msg)


def rows_of(x: xr.DataArray, truth: xr.DataArray, kind: str) -> Rows:
    """Rows whose target is known and whose activity is valid."""
    known = ~pd.isna(truth.values)
    if kind != "categorical":
        known &= np.isfinite(truth.values.astype(float))
    if truth.ndim == 2 and "valid" in x.coords:
        known &= x["valid"].values.astype(bool)
    flat = np.flatnonzero(known.reshape(-1))
    if not len(flat):
        msg = "no trial has a target; there is nothing to read out."
        raise StatisticsError(msg)
    n_times = truth.shape[1] if truth.ndim == 2 else 1
    return Rows(flat, flat // n_times)
