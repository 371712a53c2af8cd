"""Activity of units as rows: one a trial, or one a valid time bin of a trial."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from marr.errors import ContractError, MarrError, OptionError, StatisticsError
from marr.findings import Note
from marr.representation._conditions import Conditions, resolve_conditions
from marr.representation._plan import FEWEST_GROUPS, SHIFT_RUNS
from marr.systems import is_circular, site_list, stack_units, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.systems import System

__all__ = [
    "UnitRows",
    "bins_of",
    "constant_note",
    "filled_codes",
    "natural_order",
    "pair_coords",
    "resampling_units",
    "serial",
    "unit_rows",
    "variable_conditions",
]

FEW_LEVELS = 10
"""Numbers with at most so many different values are classes."""


@dataclass(frozen=True)
class UnitRows:
    """Activity of the units of some sites.

    Attributes
    ----------
    x : float64 array of shape (n_rows, n_units)
        Activity, units in the order of their labels.
    trial : int array of shape (n_rows,)
        Position of the trial of each row.
    bins : int array of shape (n_rows,) or None
        Time bin of each row, None where rows are trials.
    units : DataArray
        Labels "site:unit_id" with their coordinates.
    constant : bool array of shape (n_units,)
        Units that never change.
    n_trials : int
        Number of trials of the system.
    """

    x: npt.NDArray[np.float64]
    trial: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp] | None
    units: xr.DataArray
    constant: npt.NDArray[np.bool_]
    n_trials: int

    @property
    def labels(self) -> list[str]:
        """Labels of the units."""
        return [str(v) for v in self.units.values.tolist()]

    @property
    def sites(self) -> npt.NDArray[Any]:
        """Site of each unit."""
        return np.asarray(self.units["site"].values).astype(str)

    def pick(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring values by trial (or by trial and bin) into rows."""
        if self.bins is None or values.ndim == 1:
            return values[self.trial]
        return values[self.trial, self.bins]

    def where(self, keep: npt.NDArray[np.bool_]) -> UnitRows:
        """Return some of the rows."""
        bins = None if self.bins is None else self.bins[keep]
        return replace(self, x=self.x[keep], trial=self.trial[keep], bins=bins)

    def varying(self) -> UnitRows:
        """Return the units that vary."""
        return self.units_where(~self.constant)

    def units_where(self, keep: npt.NDArray[np.bool_]) -> UnitRows:
        """Return some of the units."""
        return replace(
            self,
            x=self.x[:, keep],
            units=self.units[keep],
            constant=self.constant[keep],
        )


def unit_rows(
    system: System,
    sites: str | Sequence[str] | None,
    *,
    time: tuple[float, float] | None = None,
    known: npt.NDArray[np.bool_] | None = None,
) -> UnitRows:
    """Arrange activity into rows, units of all sites side by side.

    Parameters
    ----------
    system : System
        Where activity comes from.
    sites : str or sequence of str, optional
        Sites; all by default.
    time : (float, float), optional
        Window, start included and end not.
    known : bool array of shape (n_trials, n_times), optional
        Make rows of the time bins that are marked (and valid), instead of time means.
    """
    names = site_list(system, sites)
    if len(set(names)) != len(names):
        msg = f"sites: a site was named twice; got {list(names)}."
        raise OptionError(msg)
    array = stack_units(system, names, time="keep")
    labels = array["unit"].values.astype(str).tolist()
    array = array.isel(
        unit=sorted(range(len(labels)), key=lambda i: _natural(labels[i]))
    )
    values = np.asarray(array.values, dtype=float)
    n = len(values)
    trial, bins = np.arange(n), None
    if values.ndim == 3:
        valid = _valid(array, time, names)
        if known is not None:
            _check_bins(values, known, names)
            trial, bins = np.nonzero(valid & known)
            values = values[trial, bins]
        else:
            weight = valid.sum(axis=1)[:, None]
            values = np.where(valid[..., None], values, 0.0).sum(axis=1) / weight
    elif known is not None or time is not None:
        what = "a variable that changes within trials" if known is not None else "time="
        msg = f"sites {list(names)} have no time axis, so {what} cannot be used."
        raise ContractError(msg)
    if not np.isfinite(values).all():
        msg = (
            f"activity of {list(names)} holds NaN or infinite values in the rows "
            "analyzed. Drop these trials or units with select(), or mark bins with "
            "valid=."
        )
        raise ContractError(msg)
    size = np.abs(values).max(axis=0, initial=0.0)
    constant = values.std(axis=0) <= 1e-12 * np.maximum(size, 1e-300)
    if constant.all():
        msg = f"every unit of {list(names)} is constant in the rows analyzed."
        raise StatisticsError(msg)
    return UnitRows(values, trial, bins, array["unit"], constant, n)


def natural_order(labels: Sequence[str]) -> list[int]:
    """Return positions of labels in natural order, whatever order they came in."""
    return sorted(range(len(labels)), key=lambda i: _natural(labels[i]))


def _natural(label: str) -> list[tuple[bool, int, str]]:
    """Return a key that puts "unit 9" before "unit 10"."""
    parts = re.split(r"(\d+)", label)
    return [(p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts]


def _valid(
    array: xr.DataArray, time: tuple[float, float] | None, names: Sequence[str]
) -> npt.NDArray[np.bool_]:
    inside = np.ones(array.sizes["time"], bool)
    if time is not None:
        times = array["time"].values.astype(float)
        inside = (times >= time[0]) & (times < time[1])
    valid = np.broadcast_to(inside, array.shape[:2])
    if "valid" in array.coords:
        valid = valid & array["valid"].values.astype(bool)
    if not valid.any(axis=1).all():
        msg = (
            f"time={time!r}: some trials of {list(names)} have no valid bin there. "
            "Choose a wider window, or drop these trials with select()."
        )
        raise StatisticsError(msg)
    return np.asarray(valid)


def _check_bins(
    values: npt.NDArray[Any], known: npt.NDArray[np.bool_], names: Sequence[str]
) -> None:
    if values.shape[:2] != known.shape:
        msg = (
            f"the variable has {known.shape[1]} time bins, the activity of "
            f"{list(names)} {values.shape[1]}. Bin both alike."
        )
        raise ContractError(msg)


def constant_note(rows: UnitRows) -> list[Note]:
    """Return a note that names the constant units, if there are any."""
    lost = [
        label for label, flat in zip(rows.labels, rows.constant, strict=True) if flat
    ]
    if not lost:
        return []
    shown = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
    text = f"{len(lost)} of {len(rows.constant)} units are constant: {shown}."
    return [Note("constant_units", text, "They carry nothing.")]


def variable_conditions(
    system: System, name: str, bins: int | Sequence[float] | None, *, argument: str
) -> Conditions:
    """Return what `resolve_conditions` gives, with errors that name the argument.

    Without `bins` numbers with more than ten different values are cut into 10 bins,
    angles into 18.
    """
    array = target_values(system, name, argument=argument)
    cut = bins_of(array) if bins is None else bins
    try:
        return resolve_conditions(system, name, cut)
    except MarrError as error:
        text = str(error).replace(f"on={name!r}", f"{argument}={name!r}")
        raise type(error)(text) from error


def bins_of(array: xr.DataArray) -> int | None:
    """Return into how many bins values are cut by default; None where they are classes."""
    if is_circular(array):
        return 18
    if array.dtype.kind not in "fiu":
        return None
    known = array.values[np.isfinite(array.values.astype(float))]
    return None if len(np.unique(known)) <= FEW_LEVELS else 10


def serial(
    series: npt.NDArray[np.float64], groups: npt.NDArray[np.intp] | None = None
) -> bool:
    """Tell whether neighboring rows resemble each other in any column.

    One-sided at 5 % over all columns together (Bonferroni), unlike the test of a single
    target in `autocorrelated`.
    """
    n = len(series)
    follows = np.ones(n - 1, bool) if groups is None else groups[1:] == groups[:-1]
    deviation = series - series.mean(axis=0)
    power = (deviation**2).sum(axis=0)
    moving = power > 0
    if not follows.any() or not moving.any():
        return False
    lagged = (deviation[1:] * deviation[:-1])[follows].sum(axis=0)[moving]
    r = lagged / power[moving] * n / follows.sum()
    bar = norm.isf(0.05 / moving.sum()) / np.sqrt(follows.sum())
    return bool((r + 1 / n).max() > bar)


def resampling_units(
    system: System, series: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.intp], str, list[Note]]:
    """Return what a bootstrap of trials resamples, its name, and notes.

    Groups of trials where there are at least six; runs of neighboring trials where
    activity resembles that of the trial before; else trials.

    Parameters
    ----------
    system : System
        Whose groups are respected.
    series : array of shape (n_trials, n_columns)
        Activity of each trial, in order.
    """
    groups = system.groups()
    n = len(series)
    if groups is not None and int(groups.max()) + 1 < n:
        n_groups = int(groups.max()) + 1
        if n_groups >= FEWEST_GROUPS:
            return groups, f"groups of trials ({system.group_column})", []
        text = (
            f"Only {n_groups} groups ({system.group_column!r}): the interval resamples "
            "trials within them and does not generalize to further groups."
        )
        return np.arange(n), "trials", [Note("few_groups", text, "Use a Cohort.")]
    if not serial(series):
        return np.arange(n), "trials", []
    if n >= 2 * SHIFT_RUNS:
        runs = np.arange(n) * SHIFT_RUNS // n
        return runs, f"{SHIFT_RUNS} runs of neighboring trials", []
    text = (
        f"Neighboring trials resemble each other, but {n} trials are too few for runs of "
        "them: intervals over trials are too narrow."
    )
    return np.arange(n), "trials", [Note("serial_trials", text, "Record longer.")]


def pair_coords(units: Sequence[str]) -> dict[str, Any]:
    """Return the labels of all pairs of units, with the label of each of the two."""
    i, j = np.triu_indices(len(units), k=1)
    a, b = np.array(units)[i], np.array(units)[j]
    names = [f"{x}|{y}" for x, y in zip(a, b, strict=True)]
    return {"pair": names, "unit_a": ("pair", a), "unit_b": ("pair", b)}


def filled_codes(codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Fill gaps with the bin before (else after); shuffles need some value there."""
    if (codes >= 0).all():
        return codes
    frame = pd.DataFrame(codes.T if codes.ndim == 2 else codes)
    frame = frame.where(frame >= 0).ffill().bfill().fillna(0)
    filled = frame.to_numpy(dtype=int)
    return np.asarray(filled.T if codes.ndim == 2 else filled[:, 0], dtype=np.intp)
