"""Figures of findings: first a plain dictionary, then, from it, a plotly figure.

`figure_spec` decides everything that can be right or wrong (what is on which axis, where
the interval ends, which points are significant) and is what tests read; `draw` hands it
to plotly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.errors import OptionError, check_known
from marr.findings._layers import curve, lines, points, scatter
from marr.findings._maps import heat_map, matrix

if TYPE_CHECKING:
    import xarray as xr
    from plotly.graph_objects import Figure

    from marr.findings._finding import Finding
    from marr.findings._parts import FigureSpec

__all__ = ["KINDS", "draw", "figure_spec", "table_figure_spec"]

KINDS = {
    "points": points,
    "line": lines,
    "map": heat_map,
    "matrix": matrix,
    "scatter": scatter,
}
"""How each kind of figure is laid out; "curve" also takes the dots' table."""


def figure_spec(finding: Finding, spec: FigureSpec) -> dict[str, Any]:
    """Return what a figure of a finding shows, as plain values.

    Parameters
    ----------
    finding : Finding
        Holds the numbers.
    spec : FigureSpec
        Which table, which axes, which kind.

    Returns
    -------
    dict
        `kind`, `panels` (their titles), `layers` (see `marr.findings._layers`), axes
        `x` and `y` (`label`, `categories`, `show`), `references`, `notes`, `caption`,
        `description`.

    Raises
    ------
    OptionError
        If the finding has no such table, or the table no such axis.
    """
    table = _table(finding, spec.table)
    data = None if spec.data_table is None else _table(finding, spec.data_table)
    chance = finding.estimate["estimate"].attrs.get("chance")
    return table_figure_spec(table, spec, data=data, chance=chance)


def table_figure_spec(
    table: xr.Dataset,
    spec: FigureSpec,
    *,
    data: xr.Dataset | None = None,
    chance: float | None = None,
) -> dict[str, Any]:
    """Return what a figure of a bare table shows; see `figure_spec`."""
    _check_axes(table, spec)
    parts = (
        curve(table, spec, data)
        if spec.kind == "curve"
        else KINDS[spec.kind](table, spec)
    )
    parts.setdefault(
        "y", {"label": _y_label(table, spec), "categories": [], "show": True}
    )
    names = {layer.get("name") for layer in parts["layers"]} - {"", None}
    return {
        "kind": spec.kind,
        "forest": False,
        "square": False,
        "color_label": "",
        **parts,
        "references": _references(spec, chance),
        "legend": len(names) > 0,
        "legend_title": (spec.group or "").replace("_", " "),
        "caption": spec.caption,
        "description": spec.description or spec.caption,
    }


def draw(finding: Finding, spec: FigureSpec) -> Figure:
    """Draw a figure of a finding.

    Parameters
    ----------
    finding : Finding
        Holds the numbers.
    spec : FigureSpec
        One of `finding.figures`, or your own.

    Returns
    -------
    plotly.graph_objects.Figure
        Without a title: the caption says what it shows.
    """
    from plotly.graph_objects import Figure

    from marr.findings._plotly import to_plotly

    drawn = to_plotly(figure_spec(finding, spec))
    return Figure(data=drawn["data"], layout=drawn["layout"])


def _table(finding: Finding, name: str) -> xr.Dataset:
    if name == "estimate":
        return finding.estimate
    check_known("table", name, finding.tables, what="table")
    return finding.tables[name]


def _check_axes(table: xr.Dataset, spec: FigureSpec) -> None:
    grid = spec.kind in {"map", "matrix"}
    needed = [spec.x, spec.y] if grid else [spec.x] * (spec.kind in {"line", "curve"})
    for name in needed:
        check_known("figure axis", name, [str(d) for d in table.dims], what="axis")
    if spec.kind == "scatter":
        for name in (spec.x, spec.y):
            check_known("figure axis", name, map(str, table.data_vars), what="variable")
    if grid and spec.color not in table:
        msg = f"the table of this map holds no {spec.color!r}; it has {list(table.data_vars)}."
        raise OptionError(msg)


def _y_label(table: xr.Dataset, spec: FigureSpec) -> str:
    if spec.y_label:
        return spec.y_label
    name = spec.y if spec.y in table else "estimate"
    attrs = table[name].attrs if name in table else {}
    label, unit = str(attrs.get("long_name", name)), attrs.get("units")
    return f"{label} ({unit})" if unit else label


def _references(spec: FigureSpec, chance: float | None) -> list[dict[str, Any]]:
    if spec.reference is None or spec.kind in {"map", "matrix"}:
        return []
    at = float(spec.reference)
    label = spec.reference_label
    if not label:
        label = (
            f"chance {at:g}"
            if chance is not None and at == float(chance)
            else f"{at:g}"
        )
    return [{"value": at, "label": label}]
