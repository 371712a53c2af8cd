"""Several variables as blocks of regressors, with their products."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, StatisticsError
from marr.representation._targets import Target
from marr.representation._units._data import FEW_LEVELS, UnitRows, unit_rows
from marr.systems import is_circular, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["Coding", "code_variables", "variable_names"]


@dataclass(frozen=True)
class Coding:
    """Variables as regressors.

    Attributes
    ----------
    rows : UnitRows
        Activity where every variable is known.
    blocks : dict of str to array of shape (n_trials, [n_times,] n_columns)
        Regressors of each variable, of mean 0 over rows; gaps are 0.
    timed : bool
        Whether some variable changes within trials.
    """

    rows: UnitRows
    blocks: dict[str, FloatArray]
    timed: bool

    def columns(self, name: str) -> FloatArray:
        """Return the regressors of a variable by row."""
        return np.asarray(self.rows.pick(self.blocks[name]))

    def products(self) -> FloatArray:
        """Return products of the regressors of all pairs of variables, by trial (and bin)."""
        parts = [
            (a[..., :, None] * b[..., None, :]).reshape(*a.shape[:-1], -1)
            for a, b in combinations(self.blocks.values(), 2)
        ]
        return np.concatenate(parts, axis=-1)

    def target(self, names: Sequence[str]) -> Target:
        """Return some variables together as a target, for folds and shuffles."""
        values = np.concatenate([self.blocks[n] for n in names], axis=-1)
        known = np.ones(values.shape[:-1], bool)
        return Target("the variables", "continuous", values, known)


def variable_names(
    system: System, variables: str | Sequence[str], least: int
) -> tuple[str, ...]:
    """Return the names, checked to exist, to be enough and different."""
    names = (variables,) if isinstance(variables, str) else tuple(variables)
    for name in names:
        target_values(system, name, argument="variables")
    if len(names) < least or len(set(names)) < len(names):
        msg = f"variables must name at least {least} different ones; got {list(names)}."
        raise OptionError(msg)
    return names


def code_variables(
    system: System,
    names: Sequence[str],
    *,
    sites: str | Sequence[str] | None,
    time: tuple[float, float] | None,
) -> Coding:
    """Code variables as regressors: classes by one column each but the last, against it.

    Numbers with at most ten different values are classes, others are standardized;
    angles are their cosine and sine.
    """
    arrays = [target_values(system, n, argument="variables") for n in names]
    timed = any(a.ndim == 2 for a in arrays)
    known = None
    if timed:
        shape = next(a.shape for a in arrays if a.ndim == 2)
        masks = [_known(a, n) for a, n in zip(arrays, names, strict=True)]
        _check_shapes(arrays, names, shape)
        known = np.logical_and.reduce(
            [np.broadcast_to(m if m.ndim == 2 else m[:, None], shape) for m in masks]
        )
    rows = unit_rows(system, sites, time=time, known=known)
    blocks = {}
    for name, array in zip(names, arrays, strict=True):
        raw = array.values
        if timed and raw.ndim == 1:
            raw = np.repeat(raw[:, None], shape[1], axis=1)
        block = _coded(raw, name, circular=is_circular(array), rows=rows)
        blocks[name] = block
    return Coding(rows, blocks, timed)


def _known(array: xr.DataArray, name: str) -> npt.NDArray[np.bool_]:
    known = ~pd.isna(array.values)
    if array.values.dtype.kind == "f":
        known &= np.isfinite(np.where(known, array.values, np.nan))
    if array.ndim == 2 and not known.any(axis=1).all():
        msg = (
            f"variables: {name!r} has trials without any value; drop them: "
            f"system.select(system.variables[{name!r}].notnull().any('time').values)."
        )
        raise ContractError(msg)
    return np.asarray(known)


def _check_shapes(
    arrays: Sequence[xr.DataArray], names: Sequence[str], shape: tuple[int, ...]
) -> None:
    for array, name in zip(arrays, names, strict=True):
        if array.ndim == 2 and array.shape != shape:
            msg = f"variables: {name!r} has {array.shape[1]} time bins, others {shape[1]}."
            raise ContractError(msg)


def _coded(
    raw: npt.NDArray[Any], name: str, *, circular: bool, rows: UnitRows
) -> FloatArray:
    numeric = raw.dtype.kind in "fiu"
    known = np.isfinite(raw.astype(float)) if numeric else ~pd.isna(raw)
    if raw.ndim == 1 and not known.all():
        msg = (
            f"variables: {name!r} has {int((~known).sum())} values that are not finite. "
            f"Drop these trials: system.select(system.trials[{name!r}].notna())."
        )
        raise ContractError(msg)
    if circular:
        angle = np.where(known, raw.astype(float), 0.0)
        made = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    else:
        seen = pd.unique(pd.Series(raw[known].tolist(), dtype=object)).tolist()
        if numeric and len(seen) > FEW_LEVELS:
            made = np.where(known, raw.astype(float), 0.0)[..., None]
        else:
            made = _contrasts(raw, seen, name)
    at = rows.pick(made)
    spread = at.std(axis=0)
    if not (spread > 1e-12 * np.maximum(np.abs(at).max(axis=0), 1e-300)).any():
        msg = (
            f"variables: {name!r} is constant in the rows analyzed. Choose variables "
            "that vary."
        )
        raise StatisticsError(msg)
    keep = spread > 0
    made = (made[..., keep] - at[:, keep].mean(axis=0)) / spread[keep]
    return np.where(known[..., None], made, 0.0)


def _contrasts(raw: npt.NDArray[Any], seen: list[Any], name: str) -> FloatArray:
    if len(seen) > 50:
        msg = (
            f"variables: {name!r} has {len(seen)} classes; at most 50 are possible. "
            "Merge them into fewer."
        )
        raise OptionError(msg)
    ordered = sorted(seen, key=lambda v: (isinstance(v, str), str(v), v))
    index = pd.Index(ordered, dtype=object).get_indexer(
        pd.Index(raw.ravel().tolist(), dtype=object)
    )
    codes = index.reshape(raw.shape)
    one = np.eye(len(ordered))[codes]
    return one[..., :-1] - one[..., -1:]
