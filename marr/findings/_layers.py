"""Layers of each kind of figure, as plain dictionaries that tests can read.

A layer is `{"mark": ..., "panel": int, ...}` with marks `line`, `band`, `dots`, `ticks`,
`heat`, `stars` and `reference`. Colors are already chosen; nothing is drawn here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.findings._palette import (
    DASHES,
    MUTED,
    SERIES,
    SYMBOLS,
    ordered_colors,
    wash,
)
from marr.findings._tables import (
    Series,
    axis_label,
    is_numeric,
    labels_of,
    series_of,
    values_of,
)

if TYPE_CHECKING:
    import xarray as xr

    from marr.findings._parts import FigureSpec

__all__ = [
    "ALPHA",
    "MAX_POINTS",
    "axis_of",
    "curve",
    "lines",
    "plain",
    "points",
    "quantity_label",
    "scatter",
]

MAX_POINTS = 20_000
MAX_FOREST = 16
ALPHA = 0.05
COMPARISONS = {
    "random": "matched random sets",
    "null": "null",
    "off": "off-target control",
}
Layer = dict[str, Any]
Parts = dict[str, Any]


def plain(values: np.ndarray) -> list[float | None]:
    """Return numbers as a list in which what is not finite is None (a gap)."""
    return [
        float(v) if np.isfinite(v) else None for v in np.asarray(values, dtype=float)
    ]


def _styles(series: list[Series], group: str | None) -> dict[str, dict[str, str]]:
    names = list(dict.fromkeys(s.name for s in series))
    numeric = all(_is_number(name) for name in names) and len(names) > 1
    colors = ordered_colors(len(names)) if numeric and group != "unit" else SERIES
    return {
        name: {
            "color": colors[i % len(colors)],
            "symbol": SYMBOLS[i % len(SYMBOLS)],
            "dash": "solid" if numeric else DASHES[i % len(DASHES)],
        }
        for i, name in enumerate(names)
    }


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _panels(series: list[Series]) -> list[str]:
    return list(dict.fromkeys(s.panel for s in series))


def _interval(columns: dict[str, np.ndarray], key: str = "estimate") -> Parts:
    if key in columns and key != "estimate":
        return {}
    if "ci_low" not in columns or "ci_high" not in columns:
        return {}
    return {"low": plain(columns["ci_low"]), "high": plain(columns["ci_high"])}


def _significant(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    for key in ("p_corrected", "p_value"):
        if key in columns and np.isfinite(columns[key]).any():
            return np.asarray(columns[key] < ALPHA)
    return None


def _p_name(columns: dict[str, np.ndarray]) -> str:
    corrected = "p_corrected" in columns and np.isfinite(columns["p_corrected"]).any()
    return "corrected p" if corrected else "p"


def _value(columns: dict[str, np.ndarray], key: str) -> np.ndarray:
    for name in (key, "estimate", "proportion"):
        if name in columns:
            return columns[name]
    return next(iter(columns.values()))


def _thin(series: Series, limit: int = MAX_POINTS) -> tuple[Series, str]:
    n = len(series.x)
    if n <= limit:
        return series, ""
    step = -(-n // limit)
    kept = Series(
        series.name,
        series.panel,
        series.x[::step],
        {key: column[::step] for key, column in series.columns.items()},
    )
    return kept, f"Every {step}th of {n:,} points is drawn; the table has all."


def _series(table: xr.Dataset, spec: FigureSpec) -> tuple[list[Series], list[str]]:
    thinned = [_thin(s) for s in series_of(table, spec.x or None, spec.group or None)]
    return [s for s, _ in thinned], sorted({note for _, note in thinned if note})


def points(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Show dots with intervals: a forest over few categories, sorted ranks over many."""
    series, notes = _series(table, spec)
    dim = spec.x if spec.x in table.dims else ""
    numeric = bool(dim) and is_numeric(values_of(table, dim))
    categories = (
        [] if numeric else list(dict.fromkeys(str(v) for s in series for v in s.x))
    )
    if not numeric and len(categories) > MAX_FOREST and len(series) == 1:
        series = [_ranked(series[0], spec.y)]
        categories = [str(v) for v in series[0].x]
    forest = not numeric and len(categories) <= MAX_FOREST
    styles, panels = _styles(series, spec.group), _panels(series)
    names = list(styles)
    layers: list[Layer] = []
    for s in series:
        columns = s.columns
        offset = (
            0.0
            if numeric or len(names) == 1
            else _dodge(names.index(s.name), len(names))
        )
        at = s.x if numeric else [categories.index(str(v)) + offset for v in s.x]
        common = {"panel": panels.index(s.panel), "x": at}
        layers += _comparison(columns, spec, {**common, "mark": "ticks"})
        solid = _significant(columns)
        layers.append({
            "mark": "dots", "name": s.name, **common, **styles[s.name],
            "y": plain(_value(columns, spec.y)), **_interval(columns, spec.y),
            "filled": None if solid is None else [bool(v) for v in solid],
            "text": [str(v) for v in s.x],
        })  # fmt: skip
        if solid is not None and not solid.all():
            notes.append(f"Open symbols: {_p_name(columns)} ≥ {ALPHA:g}.")
    label = axis_label(table, dim, spec.x_label) if dim else spec.x_label
    if not numeric and not forest and "ranked" not in label:
        label = f"{label} (ranked)"
    return {
        "panels": panels, "layers": layers, "notes": list(dict.fromkeys(notes)),
        "x": {"label": label, "categories": categories, "show": forest},
        "forest": forest,
    }  # fmt: skip


def _dodge(index: int, n: int) -> float:
    return (index - (n - 1) / 2) * min(0.24, 0.7 / n)


def _ranked(series: Series, key: str) -> Series:
    values = _value(series.columns, key)
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    columns = {name: column[order] for name, column in series.columns.items()}
    return Series(series.name, series.panel, [series.x[i] for i in order], columns)


def _comparison(
    columns: dict[str, np.ndarray], spec: FigureSpec, common: Parts
) -> list[Layer]:
    low, high = spec.band_low, spec.band_high
    if low is None or high is None or low not in columns or high not in columns:
        return []
    stem = low.split("_")[0]
    return [{
        **common, "name": COMPARISONS.get(stem, "comparison"), "color": MUTED,
        "low": plain(columns[low]), "high": plain(columns[high]),
    }]  # fmt: skip


def lines(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Show lines with bands along a numeric axis; a bar marks where corrected p < 0.05."""
    series, notes = _series(table, spec)
    styles, panels = _styles(series, spec.group), _panels(series)
    layers: list[Layer] = []
    rows: dict[str, int] = {}
    for s in series:
        common = {"panel": panels.index(s.panel), "name": s.name, "x": s.x}
        style, interval = styles[s.name], _interval(s.columns, spec.y)
        layers += _comparison(s.columns, spec, {**common, "mark": "band"})
        if interval:
            layers.append(
                {"mark": "band", **common, **interval, "color": style["color"]}
            )
        values = plain(_value(s.columns, spec.y))
        layers.append({"mark": "line", **common, "y": values, **style})
        if "ceiling" in s.columns and np.isfinite(s.columns["ceiling"]).any():
            ceiling = plain(s.columns["ceiling"])
            layers.append({"mark": "line", **common, "name": "noise ceiling", "y": ceiling,
                           "color": MUTED, "dash": "dash", "symbol": "circle"})  # fmt: skip
        solid = _significant(s.columns)
        if solid is not None and solid.any():
            row = rows.setdefault(s.name, len(rows))
            layers.append({"mark": "bar", **common, "on": [bool(v) for v in solid], "row": row,
                           "color": style["color"]})  # fmt: skip
            notes.append(f"Bars below: {_p_name(s.columns)} < {ALPHA:g}.")
    _lower_bars(layers, spec.reference)
    label = (
        axis_label(table, spec.x, spec.x_label)
        if spec.x in table.dims
        else spec.x_label
    )
    return {
        "panels": panels, "layers": layers, "notes": list(dict.fromkeys(notes)),
        "x": axis_of(table, spec.x, label),
    }  # fmt: skip


def _lower_bars(layers: list[Layer], reference: float | None) -> None:
    """Place significance bars in rows below everything else that is drawn."""
    known = [
        v for layer in layers for key in ("y", "low", "high") for v in layer.get(key, [])
        if v is not None
    ]  # fmt: skip
    known += [] if reference is None else [float(reference)]
    if not known:
        return
    low, span = min(known), (max(known) - min(known)) or 1.0
    for layer in layers:
        if layer["mark"] == "bar":
            layer["height"] = low - (layer["row"] + 1.2) * 0.045 * span


def axis_of(table: xr.Dataset, dim: str, label: str) -> Parts:
    """Return an axis: its label, and its categories where it is not numeric."""
    if dim not in table.dims or is_numeric(values_of(table, dim)):
        return {"label": label, "categories": [], "show": True}
    categories = [str(v) for v in labels_of(table, dim)]
    return {"label": label, "categories": categories, "show": len(categories) <= 24}


def curve(table: xr.Dataset, spec: FigureSpec, data: xr.Dataset | None = None) -> Parts:
    """Show a fitted curve with its band, and the data that it was fitted to as dots."""
    drawn = lines(table, spec)
    drawn["layers"] = [layer for layer in drawn["layers"] if layer["mark"] != "bar"]
    drawn["notes"] = []
    if data is None:
        return drawn
    along = spec.x if spec.x in data.dims else _other_dim(data, spec.group)
    rows = series_of(data, along, spec.group or None)
    styles = _styles(rows, spec.group)
    for s in rows:
        panel = drawn["panels"].index(s.panel) if s.panel in drawn["panels"] else 0
        counts = s.columns.get("n", s.columns.get("n_trials"))
        drawn["layers"].append({
            "mark": "dots", "panel": panel, "name": s.name, "x": s.x, **styles[s.name],
            "y": plain(_value(s.columns, spec.y)), **_interval(s.columns), "filled": None,
            "text": ["" if counts is None else f"n = {counts[i]:,.0f}" for i in range(len(s.x))],
        })  # fmt: skip
    return drawn


def _other_dim(table: xr.Dataset, group: str | None) -> str:
    return next(str(d) for d in table.dims if d != group)


def quantity_label(value: xr.DataArray) -> str:
    """Return the name of a variable with its unit, "" if it has no name."""
    name, unit = str(value.attrs.get("long_name", "")), value.attrs.get("units")
    return f"{name} ({unit})" if unit else name


def scatter(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Show points by two of the table's variables, colored by a coordinate such as the site."""
    x = np.asarray(table[spec.x].values, dtype=float).ravel()
    y = np.asarray(table[spec.y].values, dtype=float).ravel()
    dim = str(table[spec.x].dims[0]) if table[spec.x].dims else ""
    labels = np.asarray([str(v) for v in (labels_of(table, dim) if dim else [""])])
    groups = _point_groups(table, spec.group, len(x))
    names = list(dict.fromkeys(groups))
    step = -(-len(x) // MAX_POINTS)
    notes = [f"Every {step}th of {len(x):,} points is drawn; the table has all."] * (
        step > 1
    )
    layers: list[Layer] = []
    for i, name in enumerate(names):
        keep = np.flatnonzero(np.asarray(groups) == name)[::step]
        layers.append({
            "mark": "dots", "panel": 0, "name": name, "x": plain(x[keep]), "y": plain(y[keep]),
            "text": labels[keep].tolist(), "filled": None, "color": SERIES[i % len(SERIES)],
            "symbol": SYMBOLS[i % len(SYMBOLS)], "dash": "solid", "opacity_color":
            wash(SERIES[i % len(SERIES)], 0.28) if keep.size > 200 else None,
        })  # fmt: skip
    label = spec.x_label or quantity_label(table[spec.x]) or spec.x
    return {
        "panels": [""], "layers": layers, "notes": notes,
        "x": {"label": label, "categories": [], "show": True},
        "y": {"label": spec.y_label or quantity_label(table[spec.y]) or spec.y, "categories": [],
              "show": True},
    }  # fmt: skip


def _point_groups(table: xr.Dataset, group: str | None, n: int) -> list[str]:
    if group and group in table.variables and table[group].size == n:
        return [str(v) for v in np.asarray(table[group].values).ravel()]
    return [""] * n
