"""Layers of each kind of figure, as plain dictionaries that tests can read.

A layer is `{"mark": ..., "panel": int, ...}` with marks `line`, `band`, `dots`, `ticks`,
`heat`, `stars` and `reference`. Colors are already chosen; nothing is drawn here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.findings._palette import (
    DASHES,
    DIVERGING,
    INK,
    MUTED,
    SEQUENTIAL,
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

    from marr.findings._finding import FigureSpec

__all__ = ["KINDS", "MAX_POINTS", "curve", "heat_map", "lines", "matrix", "points", "scatter"]

MAX_POINTS = 20_000
MAX_FOREST = 16
MAX_STARS = 4_000
SIGNED = 0.2
"""A map is signed when its smaller side reaches this share of the larger one."""
ALPHA = 0.05
COMPARISONS = {"random": "matched random sets", "null": "null", "off": "off-target control"}
Layer = dict[str, Any]
Parts = dict[str, Any]


def plain(values: np.ndarray) -> list[float | None]:
    """Return numbers as a list in which what is not finite is None (a gap)."""
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, dtype=float)]


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
    """Dots with intervals: a forest over few categories, sorted ranks over many."""
    series, notes = _series(table, spec)
    dim = spec.x if spec.x in table.dims else ""
    numeric = bool(dim) and is_numeric(values_of(table, dim))
    categories = [] if numeric else list(dict.fromkeys(str(v) for s in series for v in s.x))
    if not numeric and len(categories) > MAX_FOREST and len(series) == 1:
        series = [_ranked(series[0], spec.y)]
        categories = [str(v) for v in series[0].x]
    forest = not numeric and len(categories) <= MAX_FOREST
    styles, panels = _styles(series, spec.group), _panels(series)
    names = list(styles)
    layers: list[Layer] = []
    for s in series:
        columns = s.columns
        offset = 0.0 if numeric or len(names) == 1 else _dodge(names.index(s.name), len(names))
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
    if not numeric and not forest:
        label = f"{label}, sorted"
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


def _comparison(columns: dict[str, np.ndarray], spec: FigureSpec, common: Parts) -> list[Layer]:
    low, high = spec.band_low, spec.band_high
    if low is None or high is None or low not in columns or high not in columns:
        return []
    stem = low.split("_")[0]
    return [{
        **common, "name": COMPARISONS.get(stem, "comparison"), "color": MUTED,
        "low": plain(columns[low]), "high": plain(columns[high]),
    }]  # fmt: skip


def lines(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Lines with bands along a numeric axis; a bar marks where corrected p < 0.05."""
    series, notes = _series(table, spec)
    styles, panels = _styles(series, spec.group), _panels(series)
    layers: list[Layer] = []
    rows: dict[str, int] = {}
    for s in series:
        common = {"panel": panels.index(s.panel), "name": s.name, "x": s.x}
        style, interval = styles[s.name], _interval(s.columns, spec.y)
        layers += _comparison(s.columns, spec, {**common, "mark": "band"})
        if interval:
            layers.append({"mark": "band", **common, **interval, "color": style["color"]})
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
    label = axis_label(table, spec.x, spec.x_label) if spec.x in table.dims else spec.x_label
    return {
        "panels": panels, "layers": layers, "notes": list(dict.fromkeys(notes)),
        "x": _axis(table, spec.x, label),
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


def _axis(table: xr.Dataset, dim: str, label: str) -> Parts:
    if dim not in table.dims or is_numeric(values_of(table, dim)):
        return {"label": label, "categories": [], "show": True}
    categories = [str(v) for v in labels_of(table, dim)]
    return {"label": label, "categories": categories, "show": len(categories) <= 24}


def curve(table: xr.Dataset, spec: FigureSpec, data: xr.Dataset | None = None) -> Parts:
    """A fitted curve with its band, and the data that it was fitted to as dots."""
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


def heat_map(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """A map: diverging around its reference where asked or signed, else sequential."""
    x, y, value = spec.x, spec.y, table[spec.color]
    others = [str(d) for d in value.dims if d not in {x, y}]
    stacked = value.stack(panel=others) if others else value.expand_dims("panel")  # noqa: PD013
    grids = np.asarray(stacked.transpose("panel", y, x).values, dtype=float)
    names = [""] if not others else [_panel_name(p) for p in stacked["panel"].values]
    center = _center(grids, spec)
    axes = {"x": labels_of(table, x), "y": labels_of(table, y)}
    layers: list[Layer] = [
        {"mark": "heat", "panel": i, **axes, "z": [plain(row) for row in grid],
         **_scale(grids, center)}
        for i, grid in enumerate(grids)
    ]  # fmt: skip
    stars, notes = _stars(table, spec, len(names)), []
    if stars:
        layers.append({**stars, **axes})
        notes.append(f"Dots: corrected p < {ALPHA:g}.")
    return {
        "panels": names, "layers": layers, "notes": notes,
        "x": _axis(table, x, axis_label(table, x, spec.x_label)),
        "y": _axis(table, y, axis_label(table, y, spec.y_label)),
        "color_label": spec.color_label or _quantity(value),
    }  # fmt: skip


def _stars(table: xr.Dataset, spec: FigureSpec, n_panels: int) -> Layer:
    known = spec.color == "estimate" and "p_corrected" in table and n_panels == 1
    if not known or table["p_corrected"].size > MAX_STARS:
        return {}
    p = np.asarray(table["p_corrected"].squeeze().transpose(spec.y, spec.x).values, dtype=float)
    rows, columns = np.nonzero(p < ALPHA)
    if not rows.size:
        return {}
    return {"mark": "stars", "panel": 0, "rows": rows.tolist(), "columns": columns.tolist(),
            "color": INK}  # fmt: skip


def _panel_name(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _quantity(value: xr.DataArray) -> str:
    name, unit = str(value.attrs.get("long_name", "")), value.attrs.get("units")
    return f"{name} ({unit})" if unit else name


def _center(grids: np.ndarray, spec: FigureSpec) -> float | None:
    finite = grids[np.isfinite(grids)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    signed = low < 0 < high and min(-low, high) > SIGNED * max(-low, high)
    if spec.diverging or signed:
        return float(spec.reference or 0.0)
    return None


def _scale(grids: np.ndarray, center: float | None) -> Parts:
    finite = grids[np.isfinite(grids)]
    if center is None:
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        return {"colors": list(SEQUENTIAL), "limits": [low, high if high > low else low + 1.0]}
    reach = float(np.abs(finite - center).max()) if finite.size else 1.0
    reach = reach or 1.0
    return {"colors": list(DIVERGING), "limits": [center - reach, center + reach]}


def matrix(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """A square map over pairs of the same things: an RDM, or training time by test time."""
    drawn = heat_map(table, spec)
    drawn["square"] = True
    return drawn


def scatter(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Points by two of the table's variables, colored by a coordinate such as the site."""
    x = np.asarray(table[spec.x].values, dtype=float).ravel()
    y = np.asarray(table[spec.y].values, dtype=float).ravel()
    dim = str(table[spec.x].dims[0]) if table[spec.x].dims else ""
    labels = np.asarray([str(v) for v in (labels_of(table, dim) if dim else [""])])
    groups = _point_groups(table, spec.group, len(x))
    names = list(dict.fromkeys(groups))
    step = -(-len(x) // MAX_POINTS)
    notes = [f"Every {step}th of {len(x):,} points is drawn; the table has all."] * (step > 1)
    layers: list[Layer] = []
    for i, name in enumerate(names):
        keep = np.flatnonzero(np.asarray(groups) == name)[::step]
        layers.append({
            "mark": "dots", "panel": 0, "name": name, "x": plain(x[keep]), "y": plain(y[keep]),
            "text": labels[keep].tolist(), "filled": None, "color": SERIES[i % len(SERIES)],
            "symbol": SYMBOLS[i % len(SYMBOLS)], "dash": "solid", "opacity_color":
            wash(SERIES[i % len(SERIES)], 0.28) if keep.size > 200 else None,
        })  # fmt: skip
    label = spec.x_label or _quantity(table[spec.x]) or spec.x
    return {
        "panels": [""], "layers": layers, "notes": notes,
        "x": {"label": label, "categories": [], "show": True},
        "y": {"label": spec.y_label or _quantity(table[spec.y]) or spec.y, "categories": [],
              "show": True},
    }  # fmt: skip


def _point_groups(table: xr.Dataset, group: str | None, n: int) -> list[str]:
    if group and group in table.variables and table[group].size == n:
        return [str(v) for v in np.asarray(table[group].values).ravel()]
    return [""] * n


KINDS = {
    "points": points,
    "line": lines,
    "map": heat_map,
    "matrix": matrix,
    "scatter": scatter,
}
