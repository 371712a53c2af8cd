"""From a labelled table to the series and grids that a figure shows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Series", "axis_label", "is_numeric", "labels_of", "series_of", "values_of"]


@dataclass(frozen=True)
class Series:
    """One line or one row of dots: what the figure layers are built from.

    Attributes
    ----------
    name : str
        Label of the group, empty when there is only one.
    panel : str
        Label of the panel, empty when there is only one.
    x : list
        Positions: numbers, or labels of a categorical axis.
    columns : dict of str to array of shape (n_points,)
        Every variable of the table along `x`.
    """

    name: str
    panel: str
    x: list[Any]
    columns: dict[str, np.ndarray] = field(default_factory=dict)


def is_numeric(values: np.ndarray) -> bool:
    """Say whether coordinate values can be placed on a numeric axis."""
    return bool(
        np.issubdtype(values.dtype, np.number)
        or np.issubdtype(values.dtype, np.datetime64)
    )


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:g}"
    return str(value)


def labels_of(table: xr.Dataset, dim: str) -> list[Any]:
    """Return the coordinate values of a dimension, as plain numbers or text."""
    if dim in table.coords:
        values = np.asarray(table.coords[dim].values)
    else:
        values = np.arange(table.sizes[dim])
    if is_numeric(values):
        return [float(v) for v in values]
    return [_text(v) for v in values]


def values_of(table: xr.Dataset, dim: str) -> np.ndarray:
    """Return the raw coordinate values of a dimension (positions where it has none)."""
    if dim in table.coords:
        return np.asarray(table.coords[dim].values)
    return np.arange(table.sizes[dim])


def axis_label(table: xr.Dataset, dim: str, given: str = "") -> str:
    """Return the label of an axis: the given one, or the coordinate's name and unit."""
    if given:
        return given
    attrs = table.coords[dim].attrs if dim in table.coords else {}
    name = str(attrs.get("long_name", dim.replace("_", " ")))
    unit = attrs.get("units") or attrs.get("time_unit")
    return f"{name} ({unit})" if unit else name


def _floats(values: object) -> np.ndarray:
    return np.atleast_1d(np.asarray(values, dtype=float))


def series_of(table: xr.Dataset, x: str | None, group: str | None) -> list[Series]:
    """Split a table into series along `x`, one a group, one panel per further axis value.

    Parameters
    ----------
    table : xarray.Dataset
        Holds `estimate` (and intervals) over `x`, `group` and any further axes.
    x : str or None
        Dimension along which a series runs; None for a table of one number.
    group : str or None
        Dimension that makes the series of a panel.

    Returns
    -------
    list of Series
        In the order of the table's coordinates.
    """
    others = [str(d) for d in _main(table).dims if d not in {x, group}]
    facets = [d for d in others if table.sizes[d] > 1]
    names = _group_names(table, group)
    series = []
    for picks in itertools.product(*[range(table.sizes[d]) for d in others]):
        panel = ", ".join(
            f"{d.replace('_', ' ')} {_text(values_of(table, d)[i])}"
            if is_numeric(values_of(table, d))
            else _text(values_of(table, d)[i])
            for d, i in zip(others, picks, strict=True)
            if d in facets
        )
        part = table.isel(dict(zip(others, picks, strict=True)))
        for i, name in enumerate(names):
            row = part.isel({group: i}) if group in part.dims else part
            at = labels_of(row, x) if x is not None and x in row.dims else [""]
            columns = {
                str(key): _floats(row[key].values)
                for key in row.data_vars
                if set(row[key].dims) == ({x} if x in row.dims else set())
                and np.issubdtype(row[key].dtype, np.number) | (row[key].dtype == bool)
            }
            series.append(Series(name, panel, at, columns))
    return series


def _main(table: xr.Dataset) -> xr.DataArray:
    """Return the variable whose axes count: the estimate, else the one with most axes."""
    if "estimate" in table:
        return table["estimate"]
    return max(table.data_vars.values(), key=lambda v: v.ndim)


def _group_names(table: xr.Dataset, group: str | None) -> list[str]:
    if group is None or group not in table.dims:
        return [""]
    return [_text(v) for v in values_of(table, group)]
