"""Conditions of a similarity analysis: classes, or bins of a variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, StatisticsError
from marr.representation._targets import Target
from marr.systems import System, is_circular, target_values

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

__all__ = ["Conditions", "resolve_conditions"]

MOST = 1000
"""More conditions than this need bins."""


@dataclass(frozen=True)
class Conditions:
    """Which condition each trial, or each time bin, belongs to.

    Attributes
    ----------
    name : str
        Column or variable.
    labels : array of shape (n_conditions,)
        Names of classes, or centers of bins.
    codes : int array of shape (n_trials,) or (n_trials, n_times)
        Position in `labels`, -1 for none.
    circular : bool
        Whether labels are angles in radians.
    time : array or None
        Time coordinates of a variable.
    """

    name: str
    labels: npt.NDArray[Any]
    codes: npt.NDArray[np.intp]
    circular: bool
    time: npt.NDArray[Any] | None = None

    @property
    def timed(self) -> bool:
        """Whether conditions change within trials."""
        return self.codes.ndim == 2

    def as_target(self) -> Target:
        """Return the conditions as a categorical target, for folds and shuffles."""
        filled = self.codes
        if self.timed:
            frame = pd.DataFrame(self.codes).where(self.codes >= 0)
            filled = frame.ffill(axis=1).bfill(axis=1).fillna(0).to_numpy(dtype=int)
        values = np.eye(len(self.labels))[np.maximum(filled, 0)]
        names = tuple(str(v) for v in self.labels)
        return Target(
            self.name, "categorical", values, self.codes >= 0, names, self.time
        )


def resolve_conditions(
    system: System, on: str, bins: int | Sequence[float] | None
) -> Conditions:
    """Return the conditions that a column or variable makes.

    Parameters
    ----------
    system : System
        Whose trial table and variables are read.
    on : str
        Column of the trial table or continuous variable.
    bins : int or sequence of float, optional
        Cut numbers into this many equal bins (angles: around the whole circle, from
        0), or at these edges.
    """
    array = target_values(system, on, argument="on")
    time = array["time"].values if "time" in array.coords else None
    circular = is_circular(array)
    if bins is None:
        labels, codes = _classes(array, on)
    else:
        labels, codes = _binned(array, on, bins, circular=circular)
    used = np.bincount(codes[codes >= 0], minlength=len(labels))
    if (used == 0).any():
        empty = labels[used == 0][:3].tolist()
        msg = (
            f"on={on!r}: {int((used == 0).sum())} of {len(labels)} bins hold no data "
            f"(e.g. {empty}). Use fewer bins, or edges within the range."
        )
        raise StatisticsError(msg)
    if len(labels) < 2:
        msg = (
            f"on={on!r} makes one condition only ({labels.tolist()}); distances need at "
            "least two. Choose another column, or bins."
        )
        raise StatisticsError(msg)
    return Conditions(on, labels, codes, circular, time)


def _classes(
    array: xr.DataArray, on: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    raw = array.values
    missing = pd.isna(raw)
    flat = pd.Series(raw[~missing].tolist(), dtype=object)
    seen = flat.unique().tolist()
    if len(seen) > MOST or (
        raw.dtype.kind == "f" and len(seen) > max(50, len(flat) // 2)
    ):
        msg = (
            f"on={on!r} has {len(seen)} different values, hardly conditions. Cut it: "
            "bins=12, or bins=[edges]."
        )
        raise OptionError(msg)
    numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in seen)
    ordered = sorted(seen) if numeric else sorted(seen, key=str)
    found = pd.Index(ordered, dtype=object).get_indexer(
        pd.Index(raw.ravel().tolist(), dtype=object)
    )
    codes = np.where(missing, -1, found.reshape(raw.shape)).astype(np.intp)
    labels = np.array(ordered, dtype=float if numeric else str)
    return labels, codes


def _binned(
    array: xr.DataArray, on: str, bins: int | Sequence[float], *, circular: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    if array.dtype.kind not in "fiu":
        msg = f"bins cut numbers; on={on!r} holds {array.dtype}. Leave bins out."
        raise OptionError(msg)
    values = array.values.astype(float)
    edges = _edges(values, bins, circular=circular)
    if circular:
        values = np.mod(values, 2 * np.pi)
    known = np.isfinite(values)
    codes = np.searchsorted(edges, np.where(known, values, 0.0), side="right") - 1
    codes = np.where(values == edges[-1], len(edges) - 2, codes)
    outside = ~known | (codes < 0) | (codes > len(edges) - 2)
    labels = np.round((edges[1:] + edges[:-1]) / 2, 12)
    return labels, np.where(outside, -1, codes).astype(np.intp)


def _edges(
    values: npt.NDArray[np.float64], bins: int | Sequence[float], *, circular: bool
) -> npt.NDArray[np.float64]:
    if isinstance(bins, Sequence) or np.ndim(bins) == 1:
        edges = np.asarray(bins, dtype=float)
        if len(edges) < 3 or not (np.diff(edges) > 0).all():
            msg = f"bins must be at least three increasing edges; got {bins!r}."
            raise OptionError(msg)
        return edges
    if isinstance(bins, bool) or int(bins) != bins or bins < 2:
        msg = f"bins must be a whole number of at least 2, or edges; got {bins!r}."
        raise OptionError(msg)
    if circular:
        return np.linspace(0.0, 2 * np.pi, int(bins) + 1)
    finite = values[np.isfinite(values)]
    if finite.size == 0 or np.ptp(finite) == 0:
        msg = "bins: the variable is constant or missing everywhere."
        raise ContractError(msg)
    return np.linspace(finite.min(), finite.max(), int(bins) + 1)
