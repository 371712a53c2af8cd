"""Targets and nuisances of an analysis as numbers, one a trial or one a time bin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, StatisticsError
from marr.measures._targets import target_kind
from marr.systems import System, is_circular, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

__all__ = ["Target", "control_names", "design_matrix", "resolve_target"]

FloatArray = Any


@dataclass(frozen=True)
class Target:
    """What is read out.

    Attributes
    ----------
    name, kind : str
        Name, and "categorical", "continuous" or "circular".
    values : array of shape (n_trials, n_outputs) or (n_trials, n_times, n_outputs)
        One column a class (0 or 1); the value; or cosine and sine.
    known : bool array of shape (n_trials,) or (n_trials, n_times)
        Where the target was measured.
    classes : tuple of str
        Names of the classes, in the order of the columns.
    time : array or None
        Time coordinates, if the target has them.
    residual : bool
        Whether nuisances will be regressed out of it.
    """

    name: str
    kind: str
    values: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]
    classes: tuple[str, ...] = ()
    time: npt.NDArray[Any] | None = None
    residual: bool = False

    @property
    def timed(self) -> bool:
        """Whether the target varies within trials."""
        return self.values.ndim == 3

    @property
    def codes(self) -> npt.NDArray[np.intp]:
        """Class of each trial (or bin)."""
        return self.values.argmax(axis=-1)

    @property
    def chance(self) -> float:
        """Score of the best constant guess.

        1 / classes for balanced accuracy; 0 for R²; for angles the length of their mean
        vector, which is 0 if they are spread evenly (or around their expectation).
        """
        if self.kind == "categorical":
            return 1.0 / len(self.classes)
        if self.kind == "continuous" or self.residual:
            return 0.0
        mean = self.values[self.known].mean(axis=0)
        return float(np.hypot(mean[0], mean[1]))

    def trial_series(self) -> npt.NDArray[np.float64]:
        """Return one row of numbers a trial: the values, or their mean over time."""
        if not self.timed:
            return self.values
        weight = self.known[..., None]
        total = np.where(weight, self.values, 0.0).sum(axis=1)
        mean: npt.NDArray[np.float64] = total / np.maximum(weight.sum(axis=1), 1)
        return mean


def _selection(name: str, *, timed: bool) -> str:
    """Return the line of code that keeps the trials with a value."""
    if timed:
        return f"system.select(system.variables[{name!r}].notnull().any('time').values)"
    return f"system.select(system.trials[{name!r}].notna())"


def resolve_target(system: System, name: str, *, kind: str | None = None) -> Target:
    """Return a column of the trial table or a continuous variable as a target.

    Raises
    ------
    OptionError
        If there is no such column or variable; the nearest name is suggested.
    ContractError
        If values are missing on some trial.
    StatisticsError
        If the target is constant.
    """
    if not isinstance(name, str):
        msg = f"target must be the name of a column or variable; got {name!r}."
        raise OptionError(msg)
    array = target_values(system, name)
    kind = target_kind(array, kind)
    timed = array.ndim == 2
    time = array["time"].values if timed and "time" in array.coords else None
    raw = array.values
    known = ~pd.isna(raw)
    if kind != "categorical":
        known &= np.isfinite(np.where(known, raw, np.nan).astype(float))
    if not known.any() or (timed and not known.any(axis=1).all()):
        msg = (
            f"target {name!r} has trials without any value; drop them: "
            f"{_selection(name, timed=timed)}."
        )
        raise ContractError(msg)
    if not timed and not known.all():
        msg = (
            f"target {name!r} has {int((~known).sum())} values that are not finite. "
            f"Drop these trials: {_selection(name, timed=timed)}."
        )
        raise ContractError(msg)
    target = Target(name, kind, np.empty(0), known, time=time)
    if kind == "categorical":
        return _classes(target, raw)
    numbers = _filled(np.where(known, raw, np.nan).astype(float))
    if np.ptp(numbers) == 0:
        msg = (
            f"target {name!r} is constant ({numbers.flat[0]:g} on every trial); there "
            "is nothing to decode. Choose a target that varies."
        )
        raise StatisticsError(msg)
    if kind == "circular":
        return replace(target, values=np.stack([np.cos(numbers), np.sin(numbers)], -1))
    return replace(target, values=numbers[..., None])


def _classes(target: Target, raw: npt.NDArray[Any]) -> Target:
    seen = pd.unique(pd.Series(raw[target.known].tolist(), dtype=object))
    try:
        ordered = sorted(seen.tolist())
    except TypeError:
        ordered = sorted(seen.tolist(), key=str)
    names = tuple(_class_name(v) for v in ordered)
    if len(names) < 2:
        msg = (
            f"target {target.name!r} has one class only ({names[0]!r}); decoding needs "
            "at least two. Choose another target, or trials that hold both."
        )
        raise StatisticsError(msg)
    index = pd.Index(ordered, dtype=object).get_indexer(
        pd.Index(raw.ravel().tolist(), dtype=object)
    )
    codes = _filled(np.where(index < 0, np.nan, index).reshape(raw.shape)).astype(int)
    return replace(target, values=np.eye(len(names))[codes], classes=names)


def _class_name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _filled(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Fill missing bins with the nearest earlier (else later) one of the trial.

    Filled bins are never scored; a shifted target needs some value there.
    """
    if numbers.ndim == 1 or not np.isnan(numbers).any():
        return numbers
    frame = pd.DataFrame(numbers).ffill(axis=1).bfill(axis=1)
    return np.asarray(frame.to_numpy(dtype=float))


def control_names(control: str | Sequence[str], target: str) -> tuple[str, ...]:
    """Return the names of the nuisances, none of them the target."""
    names = (control,) if isinstance(control, str) else tuple(control)
    if target in names:
        msg = (
            f"control holds the target {target!r} itself; nothing would be left to "
            "decode. Name nuisances only."
        )
        raise OptionError(msg)
    return names


def design_matrix(
    system: System, names: Sequence[str], *, times: int | None
) -> npt.NDArray[np.float64] | None:
    """Return nuisances as standardized columns, or None without any.

    Classes become one column each but the first, angles their cosine and sine.

    Parameters
    ----------
    system : System
        Whose trial table and variables are read.
    names : sequence of str
        Columns or continuous variables.
    times : int or None
        Number of time bins, None for one row a trial (variables are averaged).

    Returns
    -------
    array of shape (n_trials, n_columns) or (n_trials, n_times, n_columns)
    """
    columns = []
    for name in names:
        array = target_values(system, name, argument="control")
        for column in _columns(array, name):
            if column.ndim == 1 and times is not None:
                columns.append(np.repeat(column[:, None], times, axis=1))
            elif column.ndim == 2 and times is None:
                columns.append(column.mean(axis=1))
            elif column.ndim == 2 and column.shape[1] != times:
                msg = (
                    f"control {name!r} has {column.shape[1]} time bins, the activity "
                    f"{times}. Bin both alike."
                )
                raise ContractError(msg)
            else:
                columns.append(column)
    if not columns:
        return None
    design = np.stack(columns, axis=-1)
    axes = tuple(range(design.ndim - 1))
    spread = design.std(axis=axes)
    varying = spread > 1e-12 * np.maximum(np.abs(design).max(axis=axes), 1e-300)
    if not varying.any():
        return None
    design = design[..., varying]
    return np.asarray((design - design.mean(axis=axes)) / spread[varying])


def _columns(array: xr.DataArray, name: str) -> list[npt.NDArray[np.float64]]:
    raw = array.values
    if pd.isna(raw).any():
        msg = (
            f"control {name!r} has {int(pd.isna(raw).sum())} missing values. Drop these "
            "trials with system.select(), or fill them."
        )
        raise ContractError(msg)
    if raw.dtype.kind in "OUSb":
        text = raw.astype(str)
        return [(text == c).astype(float) for c in np.unique(text)[1:]]
    numbers = raw.astype(float)
    if not np.isfinite(numbers).all():
        msg = (
            f"control {name!r} has {int((~np.isfinite(numbers)).sum())} infinite values. "
            "Drop these trials with system.select()."
        )
        raise ContractError(msg)
    if is_circular(array):
        return [np.cos(numbers), np.sin(numbers)]
    return [numbers]
