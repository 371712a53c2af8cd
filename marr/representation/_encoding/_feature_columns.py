"""Columns, variables, tables and arrays as numbers: what a model of units is fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError, OptionError
from marr.measures._targets import target_kind
from marr.systems import Recording, System, from_arrays, is_circular, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Columns", "own_columns", "table_system"]

NAMES = (
    "names of columns or variables, a DataFrame, an array, a System, or a dict of these"
)


@dataclass(frozen=True)
class Columns:
    """Columns of the system's own table, as numbers.

    Attributes
    ----------
    values : array of shape (n_trials, n_columns) or (n_trials, n_times, n_columns)
        One column a class (0 or 1); cosine and sine of an angle; numbers.
    categorical : bool
        Whether all of them are classes.
    """

    values: npt.NDArray[np.float64]
    categorical: bool


def own_columns(
    system: System,
    names: Sequence[str],
    *,
    timed: bool,
    valid: npt.NDArray[np.bool_] | None,
) -> Columns:
    """Return columns and variables of a system as numbers.

    Parameters
    ----------
    system : System
        Whose trial table and variables are read.
    names : sequence of str
        Columns or variables.
    timed : bool
        Keep the time axis of variables; else they are averaged over time.
    valid : bool array of shape (n_trials, n_times) or None
        Bins that count.
    """
    if not len(names):
        msg = f"features must be {NAMES}; got an empty list."
        raise OptionError(msg)
    parts, kinds = [], []
    for name in names:
        if not isinstance(name, str):
            msg = f"features must be {NAMES}; got a list with {name!r:.60}."
            raise OptionError(msg)
        array = target_values(system, name, argument="features")
        kind = target_kind(array, argument="features")
        numbers = _numbers(array, name, kind, valid)
        if numbers.ndim == 3 and not timed:
            numbers = _time_mean(numbers, valid)
        parts.append(numbers)
        kinds.append(kind == "categorical")
    lengths = {p.shape[1] for p in parts if p.ndim == 3}
    if len(lengths) > 1:
        msg = f"features vary over {sorted(lengths)} time bins; bin all of them alike."
        raise ContractError(msg)
    if lengths:
        n_times = lengths.pop()
        parts = [
            p if p.ndim == 3 else np.repeat(p[:, None], n_times, axis=1) for p in parts
        ]
    return Columns(np.concatenate(parts, axis=-1), all(kinds))


def _numbers(
    array: xr.DataArray,
    name: str,
    kind: str,
    valid: npt.NDArray[np.bool_] | None,
) -> npt.NDArray[np.float64]:
    raw = array.values
    known = ~pd.isna(raw)
    if kind != "categorical":
        known &= np.isfinite(np.where(known, raw, np.nan).astype(float))
    counts = known
    if valid is not None and valid.shape == raw.shape:
        counts = known | ~valid
    if not counts.all():
        msg = (
            f"features: {name!r} has {int((~counts).sum())} values that are missing or "
            "not finite. Drop these trials with system.select(), or fill them."
        )
        raise ContractError(msg)
    if kind == "categorical":
        return _classes(raw, known)
    numbers = np.where(known, raw, 0.0).astype(float)
    if is_circular(array):
        return np.stack([np.cos(numbers), np.sin(numbers)], axis=-1)
    return numbers[..., None]


def _classes(
    raw: npt.NDArray[Any], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return one column a class, 0 where there is no value."""
    seen = pd.unique(pd.Series(raw[known].tolist(), dtype=object)).tolist()
    levels = pd.Index(sorted(seen, key=lambda v: (str(type(v)), str(v))), dtype=object)
    codes = levels.get_indexer(pd.Index(raw.ravel().tolist(), dtype=object))
    return np.asarray(
        (codes.reshape(raw.shape)[..., None] == np.arange(len(levels))) * 1.0
    )


def _time_mean(
    numbers: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float64]:
    if valid is None or valid.shape != numbers.shape[:2]:
        return np.asarray(numbers.mean(axis=1))
    total = np.where(valid[..., None], numbers, 0.0).sum(axis=1)
    mean: npt.NDArray[np.float64] = total / np.maximum(valid.sum(axis=1), 1)[:, None]
    return mean


def table_system(
    value: Any, *, on: str, labels: npt.NDArray[Any], name: str
) -> tuple[Recording, bool]:
    """Return a table or an array of features as a system with one site "features".

    Parameters
    ----------
    value : DataFrame, DataArray or array
        Rows are labeled by the index (or first coordinate); a bare array needs one row
        for each of `labels`, in their order.
    on : str
        What the rows are.
    labels : array of shape (n_labels,)
        Labels of the system's own rows.
    name : str
        Name of the features.

    Returns
    -------
    Recording, and whether all columns are classes
    """
    numbers, index, categorical = _labelled(value, labels, name, on)
    if index.has_duplicates:
        twice = index[index.duplicated()][:3].tolist()
        msg = (
            f"features {name!r} have several rows labeled {twice}; give one row a label "
            f"({on})."
        )
        raise ContractError(msg)
    if numbers.shape[-1] == 0 or not np.isfinite(numbers).all():
        bad = int((~np.isfinite(numbers)).sum())
        msg = (
            f"features {name!r} hold {numbers.shape[-1]} columns with {bad} missing or "
            "infinite values. Drop these rows or columns, or fill them."
        )
        raise ContractError(msg)
    table = (
        pd.DataFrame(index=index)
        if on == "trial"
        else pd.DataFrame({on: index.to_numpy()})
    )
    return from_arrays({"features": numbers}, table, name=name), categorical


def _labelled(
    value: Any, labels: npt.NDArray[Any], name: str, on: str
) -> tuple[npt.NDArray[np.float64], pd.Index, bool]:
    if isinstance(value, (pd.DataFrame, pd.Series)):
        frame = value.to_frame() if isinstance(value, pd.Series) else value
        texts = [frame[c].dtype.kind not in "fiu" for c in frame]
        parts = [
            _classes(frame[c].to_numpy(dtype=object), frame[c].notna().to_numpy())
            if text
            else frame[[c]].to_numpy(dtype=float)
            for c, text in zip(frame, texts, strict=True)
        ]
        empty = np.empty((len(frame), 0))
        return np.concatenate([empty, *parts], axis=1), frame.index, all(texts)
    if isinstance(value, xr.DataArray):
        first = str(value.dims[0])
        array, given = value.values, value.coords.get(first)
        index = pd.Index(labels) if given is None else pd.Index(given.values)
    else:
        array, index = np.asarray(value), pd.Index(labels)
    if array.ndim not in (1, 2, 3) or array.dtype.kind not in "fiub":
        msg = f"features must be {NAMES}; got {name!r}: {type(value).__name__} of {array.dtype}."
        raise OptionError(msg)
    if len(array) != len(index):
        msg = (
            f"features {name!r} have {len(array)} rows, but there are {len(index)} "
            f"({on}). Give a DataFrame whose index holds their labels."
        )
        raise ContractError(msg)
    array = array[:, None] if array.ndim == 1 else array
    return array.astype(float), index, False
