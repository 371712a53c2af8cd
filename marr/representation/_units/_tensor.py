"""Activity as trials by times by units, and the cells that several variables make."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.findings import Note
from marr.representation._plan import FEWEST_GROUPS
from marr.representation._targets import Target
from marr.representation._units._data import bins_of, natural_order, variable_conditions
from marr.systems import site_list, stack_units, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["Cells", "Tensor", "joint_null", "make_cells", "trial_tensor"]

MOST_AXES = 150
"""Units beyond this number are first reduced to so many principal components."""


@dataclass(frozen=True)
class Tensor:
    """Activity with its labels.

    Attributes
    ----------
    y : array of shape (n_trials, n_times, n_axes)
        Activity, each unit over its standard deviation; or its principal components.
    basis : array of shape (n_axes, n_units) or None
        Principal axes, where there were too many units.
    times : array of shape (n_times,) or None
    units : DataArray
        Labels of the units.
    """

    y: FloatArray
    basis: FloatArray | None
    times: npt.NDArray[Any] | None
    time_unit: str
    units: xr.DataArray
    notes: tuple[Note, ...]

    def by_unit(self, weights: FloatArray) -> FloatArray:
        """Bring weights of axes, (..., n_axes), to units."""
        return weights if self.basis is None else weights @ self.basis

    @property
    def places(self) -> str:
        """Names of the sites."""
        sites = self.units["site"].values.astype(str).tolist()
        return ", ".join(dict.fromkeys(sites))


@dataclass(frozen=True)
class Cells:
    """Combinations of the classes of several variables.

    Attributes
    ----------
    names : tuple of str
        Variables.
    levels : tuple of array
        Classes of each.
    codes : int array of shape (n_trials,)
        Cell of each trial, the last variable running fastest.
    classes : int array of shape (n_variables, n_trials)
        Class of each trial by variable.
    """

    names: tuple[str, ...]
    levels: tuple[npt.NDArray[Any], ...]
    codes: npt.NDArray[np.intp]
    classes: npt.NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of classes of each variable."""
        return tuple(len(v) for v in self.levels)

    @property
    def n(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def labels(self) -> list[str]:
        """Names of the cells."""
        parts = [[_text(v) for v in level.tolist()] for level in self.levels]
        return [", ".join(p) for p in product(*parts)]

    def target(self) -> Target:
        """Return the cells as a categorical target, for folds and shuffles."""
        values = np.eye(self.n)[self.codes]
        known = np.ones(len(self.codes), bool)
        return Target(" × ".join(self.names), "categorical", values, known)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def quarters(system: System, name: str) -> list[float] | None:
    """Return edges that cut a number of many values into quarters; None for classes."""
    array = target_values(system, name, argument="variables")
    if array.ndim == 2 or bins_of(array) is None:
        return None
    edges = np.unique(np.quantile(array.values.astype(float), [0, 0.25, 0.5, 0.75, 1]))
    return [float(v) for v in edges] if len(edges) > 2 else None


def make_cells(
    system: System, names: Sequence[str], bins: int | None, *, least: int = 2
) -> tuple[Cells, npt.NDArray[np.bool_]]:
    """Return the cells of several variables and the trials that have one.

    With `least=0` cells may be empty, and numbers of many values are cut into quarters.

    Raises
    ------
    StatisticsError
        If a combination has fewer than `least` trials; it is named.
    """
    cuts = [quarters(system, n) if least == 0 else bins for n in names]
    found = [
        variable_conditions(system, n, cut, argument="variables")
        for n, cut in zip(names, cuts, strict=True)
    ]
    for name, c in zip(names, found, strict=True):
        if c.timed:
            msg = (
                f"variables: {name!r} changes within trials; one value a trial is needed. "
                "Use a column of the trial table."
            )
            raise OptionError(msg)
    classes = np.stack([c.codes for c in found])
    keep = np.asarray((classes >= 0).all(axis=0))
    levels = tuple(
        np.array([f"{n} q{i + 1}" for i in range(len(c.labels))])
        if isinstance(cut, list)
        else c.labels
        for n, c, cut in zip(names, found, cuts, strict=True)
    )
    shape = tuple(len(v) for v in levels)
    codes = np.ravel_multi_index(tuple(np.maximum(classes, 0)), shape)
    cells = Cells(tuple(names), levels, codes, classes)
    count = np.bincount(codes[keep], minlength=cells.n)
    if (count < least).any():
        few = [
            f"({cells.labels[i]}): {count[i]}" for i in np.flatnonzero(count < least)
        ]
        msg = (
            f"variables: every combination of {', '.join(names)} needs at least {least} "
            f"trials; got {'; '.join(few[:5])}. Merge classes, or use fewer variables."
        )
        raise StatisticsError(msg)
    return Cells(tuple(names), levels, codes[keep], classes[:, keep]), keep


def joint_null(system: System, columns: npt.NDArray[Any]) -> str:
    """Return how several variables are shuffled together.

    Whole groups are exchanged if some variable is constant within them and there are
    enough; else what the variables look like decides.
    """
    groups = system.groups()
    if (
        groups is None
        or int(groups.max()) + 1 < FEWEST_GROUPS
        or (int(groups.max()) + 1 == len(groups))
    ):
        return "auto"
    first = np.unique(groups, return_index=True)[1]
    constant = (columns == columns[first[groups]]).all(axis=0)
    return "block" if constant.any() else "auto"


def trial_tensor(
    system: System,
    sites: str | Sequence[str] | None,
    time: tuple[float, float] | None,
    keep: npt.NDArray[np.bool_],
) -> Tensor:
    """Arrange activity as trials by times by units, units over their spread."""
    names = site_list(system, sites)
    array = stack_units(system, names, time="keep")
    array = array.isel(unit=natural_order(array["unit"].values.astype(str).tolist()))
    notes: list[Note] = []
    times = None
    if "time" in array.dims:
        array, notes = _complete(array, time, keep, names)
        times = array["time"].values
    elif time is not None:
        msg = f"sites {list(names)} have no time axis, so time= cannot be used."
        raise ContractError(msg)
    y = np.asarray(array.values, dtype=float)[keep]
    y = y if y.ndim == 3 else y[:, None]
    if not np.isfinite(y).all():
        msg = (
            f"activity of {list(names)} holds NaN or infinite values. Drop these trials "
            "or units with select(), or mark bins with valid=."
        )
        raise ContractError(msg)
    spread, size = y.std(axis=(0, 1)), np.abs(y).max(axis=(0, 1))
    varying = spread > 1e-12 * np.maximum(size, 1e-300)
    if varying.sum() < 2:
        msg = f"{int(varying.sum())} units of {list(names)} vary; at least two are needed."
        raise StatisticsError(msg)
    lost = array["unit"].values.astype(str)[~varying]
    if len(lost):
        text = f"{len(lost)} constant units were left out: {', '.join(lost[:5])}."
        notes.append(Note("constant_units", text))
    y = (y[..., varying] - y[..., varying].mean(axis=(0, 1))) / spread[varying]
    y, basis, more = _reduced(y)
    unit = str(array.attrs.get("time_unit", ""))
    return Tensor(y, basis, times, unit, array["unit"][varying], (*notes, *more))


def _complete(
    array: xr.DataArray,
    time: tuple[float, float] | None,
    keep: npt.NDArray[np.bool_],
    names: Sequence[str],
) -> tuple[xr.DataArray, list[Note]]:
    """Return the bins of a window that every trial has."""
    inside = np.ones(array.sizes["time"], bool)
    if time is not None:
        at = array["time"].values.astype(float)
        inside = (at >= time[0]) & (at < time[1])
    complete = inside.copy()
    if "valid" in array.coords:
        complete &= array["valid"].values.astype(bool)[keep].all(axis=0)
    if not complete.any():
        msg = (
            f"time={time!r}: no time bin of {list(names)} is valid on every trial. "
            "Choose another window, or select trials."
        )
        raise StatisticsError(msg)
    lost = int(inside.sum() - complete.sum())
    notes = []
    if lost:
        text = f"{lost} time bins are missing on some trials and left out."
        notes.append(Note("incomplete_bins", text))
    return array.isel(time=complete), notes


def _reduced(y: FloatArray) -> tuple[FloatArray, FloatArray | None, list[Note]]:
    if y.shape[-1] <= MOST_AXES:
        return y, None, []
    flat = y.reshape(-1, y.shape[-1])
    if len(flat) >= flat.shape[1]:
        _, vectors = np.linalg.eigh(flat.T @ flat)
        basis = vectors[:, ::-1][:, :MOST_AXES].T
    else:
        _, vectors = np.linalg.eigh(flat @ flat.T)
        top = vectors[:, ::-1][:, : min(MOST_AXES, len(flat) - 1)]
        basis = np.linalg.qr(flat.T @ top)[0].T
    kept = float(((flat @ basis.T) ** 2).sum() / (flat**2).sum())
    text = (
        f"{y.shape[-1]} units were first reduced to {len(basis)} principal components "
        f"of all trials ({kept:.0%} of the variance), without looking at conditions."
    )
    return y @ basis.T, basis, [Note("reduced_units", text)]
