"""Targets and nuisances of an analysis as numbers, one a trial or one a time bin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, StatisticsError
from marr.measures._targets import target_kind
from marr.representation._nuisances import (
    constant_controls,
    control_names,
    design_matrix,
)
from marr.systems import System, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

__all__ = [
    "Target",
    "constant_controls",
    "control_names",
    "design_matrix",
    "join_targets",
    "resolve_target",
    "resolve_targets",
]

MOST_CATEGORIES = 50
"""An ordinal target with more values is a number."""

FloatArray = Any


@dataclass(frozen=True)
class Target:
    """What is read out.

    Attributes
    ----------
    name, kind : str
        Name, and "categorical", "ordinal", "continuous" or "circular".
    values : array of shape (n_trials, n_outputs) or (n_trials, n_times, n_outputs)
        One column a class (0 or 1); the mean rank of the category, from -1/2 to 1/2; the
        value; or cosine and sine. Columns of all targets, where several are joined.
    known : bool array of shape (n_trials,) or (n_trials, n_times)
        Where the target was measured.
    classes : tuple of str
        Names of the classes, in the order of the columns.
    time : array or None
        Time coordinates, if the target has them.
    residual : bool
        Whether nuisances will be regressed out of it.
    strata : array of shape (n_trials,) or None
        Classes that folds balance, where several targets are joined.
    """

    name: str
    kind: str
    values: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_]
    classes: tuple[str, ...] = ()
    time: npt.NDArray[Any] | None = None
    residual: bool = False
    strata: npt.NDArray[np.intp] | None = None

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

        1 / classes for balanced accuracy; 0 for R² and rank correlation; for angles the
        length of their mean vector, which is 0 if they are spread evenly (or around
        their expectation).
        """
        if self.kind == "categorical":
            return 1.0 / len(self.classes)
        if self.kind in ("continuous", "ordinal") or self.residual:
            return 0.0
        mean = self.values[self.known].mean(axis=0)
        return float(np.hypot(mean[0], mean[1]))

    @property
    def labels(self) -> npt.NDArray[np.intp] | None:
        """Classes that folds balance; None for numbers, and within trials."""
        if self.kind != "categorical" or self.timed:
            return None
        return self.codes if self.strata is None else self.strata

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
    if kind == "ordinal":
        array = _ordered(system, name, array)
    else:
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
    if kind == "ordinal":
        return _categories(target, numbers)
    return replace(target, values=numbers[..., None])


def resolve_targets(
    system: System, names: str | Sequence[str], *, kind: str | None = None
) -> tuple[Target, ...]:
    """Return one target a name; several must be of one kind.

    Raises
    ------
    OptionError
        If names are missing or repeated, or kinds differ.
    """
    if isinstance(names, str):
        return (resolve_target(system, names, kind=kind),)
    listed = [str(n) for n in names]
    if not listed or len(set(listed)) < len(listed):
        msg = f"target must name one column or more, each once; got {listed}."
        raise OptionError(msg)
    found = tuple(resolve_target(system, n, kind=kind) for n in listed)
    kinds = {t.name: f"{t.kind}{' within trials' * t.timed}" for t in found}
    if len(set(kinds.values())) > 1:
        msg = (
            f"targets that are decoded together must be of one kind; got {kinds}. Call "
            "decode once for each kind, or name it with kind=."
        )
        raise OptionError(msg)
    return found


def join_targets(targets: Sequence[Target], *, n_folds: int) -> Target:
    """Return several targets as one: for folds, shuffles and rows, which they share.

    Folds balance the combinations of classes where each is frequent enough, else the
    target with the rarest class.
    """
    first = targets[0]
    if len(targets) == 1:
        return first
    strata = None
    if first.kind == "categorical" and not first.timed:
        codes = np.stack([t.codes for t in targets], axis=1)
        strata = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
        if np.bincount(strata).min() < n_folds:
            rarest = [np.bincount(c).min() for c in codes.T]
            strata = codes[:, int(np.argmin(rarest))]
    return replace(
        first,
        name=", ".join(t.name for t in targets),
        values=np.concatenate([t.values for t in targets], axis=-1),
        known=np.logical_and.reduce([t.known for t in targets]),
        classes=(),
        residual=any(t.residual for t in targets),
        strata=None if strata is None else strata.astype(np.intp),
    )


def _ordered(system: System, name: str, array: xr.DataArray) -> xr.DataArray:
    """Return an ordinal target as numbers: values, or places of ordered categories."""
    if name in system.trials.columns and name not in system.variables:
        dtype = system.trials[name].dtype
        if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
            places = dtype.categories.get_indexer(pd.Index(array.values))
            return array.copy(data=places.astype(float))
    if array.dtype.kind not in "fiub":
        msg = (
            f"target {name!r} of kind 'ordinal' must hold numbers or ordered categories; "
            f"got {array.dtype}. Make it numbers, or an ordered pandas.Categorical."
        )
        raise ContractError(msg)
    return array.astype(float)


def _categories(target: Target, numbers: npt.NDArray[np.float64]) -> Target:
    """Code ordered categories by the mean rank of their rows."""
    levels = np.unique(numbers[target.known])
    if len(levels) > MOST_CATEGORIES:
        msg = (
            f"target {target.name!r} has {len(levels)} different values, too many to be "
            "ordered categories. Use kind='continuous', or bin it."
        )
        raise StatisticsError(msg)
    code = np.searchsorted(levels, numbers)
    counts = np.bincount(code[target.known], minlength=len(levels))
    rank = (counts.cumsum() - counts / 2) / counts.sum() - 0.5
    names = tuple(_class_name(v) for v in levels.tolist())
    return replace(target, values=rank[code][..., None], classes=names)


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
