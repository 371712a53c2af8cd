"""Layers of maps and matrices, as plain dictionaries; see `marr.findings._layers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.findings._layers import ALPHA, axis_of, plain, quantity_label
from marr.findings._palette import DIVERGING, INK, SEQUENTIAL
from marr.findings._tables import axis_label, labels_of

if TYPE_CHECKING:
    import xarray as xr

    from marr.findings._parts import FigureSpec

__all__ = ["heat_map", "matrix"]

MAX_STARS = 4_000
SIGNED = 0.2
"""A map is signed when its smaller side reaches this share of the larger one."""
Layer = dict[str, Any]
Parts = dict[str, Any]


def heat_map(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Show a map: diverging around its reference where asked or signed, else sequential."""
    x, y, value = spec.x, spec.y, table[spec.color]
    others = [str(d) for d in value.dims if d not in {x, y}]
    stacked = value.stack(panel=others) if others else value.expand_dims("panel")
    grids = np.asarray(stacked.transpose("panel", y, x).values, dtype=float)
    names = (
        [_panel_name(p) for p in stacked["panel"].values] if len(grids) > 1 else [""]
    )
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
        "x": axis_of(table, x, axis_label(table, x, spec.x_label)),
        "y": axis_of(table, y, axis_label(table, y, spec.y_label)),
        "color_label": spec.color_label or quantity_label(value),
    }  # fmt: skip


def _stars(table: xr.Dataset, spec: FigureSpec, n_panels: int) -> Layer:
    known = spec.color == "estimate" and "p_corrected" in table and n_panels == 1
    if not known or table["p_corrected"].size > MAX_STARS:
        return {}
    found = table["p_corrected"]
    single = [d for d in found.dims if d not in {spec.x, spec.y}]
    p = np.asarray(found.squeeze(single).transpose(spec.y, spec.x).values, dtype=float)
    rows, columns = np.nonzero(p < ALPHA)
    if not rows.size:
        return {}
    return {"mark": "stars", "panel": 0, "rows": rows.tolist(), "columns": columns.tolist(),
            "color": INK}  # fmt: skip


def _panel_name(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


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
        low, high = (
            (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        )
        return {
            "colors": list(SEQUENTIAL),
            "limits": [low, high if high > low else low + 1.0],
        }
    reach = float(np.abs(finite - center).max()) if finite.size else 1.0
    reach = reach or 1.0
    return {"colors": list(DIVERGING), "limits": [center - reach, center + reach]}


def matrix(table: xr.Dataset, spec: FigureSpec) -> Parts:
    """Show a square map over pairs of the same things: an RDM, or training time by test time."""
    drawn = heat_map(table, spec)
    drawn["square"] = True
    return drawn
