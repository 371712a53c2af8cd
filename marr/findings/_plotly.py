"""From a figure's plain dictionary to plotly's data and layout (plain dictionaries too)."""

from __future__ import annotations

import textwrap
from typing import Any

from marr.findings._palette import INK, MUTED, PAPER, wash

__all__ = ["layout_for", "to_plotly"]

HEIGHT, FOREST_ROW, PANEL_HEIGHT = 380, 34, 300
FONT = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
Spec = dict[str, Any]


def to_plotly(spec: Spec, *, narrow: bool = False) -> Spec:
    """Return `{"data": [...], "layout": {...}}` for plotly.

    Parameters
    ----------
    spec : dict
        From `marr.findings.figure_spec`.
    narrow : bool
        Lay panels out in one column, for a phone.
    """
    traces: list[Spec] = []
    shown: set[str] = set()
    for layer in spec["layers"]:
        for trace in MARKS[layer["mark"]](layer, spec):
            number = layer["panel"] + 1
            suffix = "" if number == 1 else str(number)
            trace |= {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
            name = trace.get("name")
            if trace.pop("legend_entry", True) and name:
                trace["showlegend"] = name not in shown
                shown.add(name)
            else:
                trace["showlegend"] = False
            if name:
                trace["legendgroup"] = name
            traces.append(trace)
    return {"data": traces, "layout": layout_for(spec, narrow=narrow)}


def _runs(layer: Spec) -> list[list[int]]:
    """Return stretches of neighbouring points at which the band is known."""
    runs: list[list[int]] = [[]]
    for i, (low, high) in enumerate(zip(layer["low"], layer["high"], strict=True)):
        if low is None or high is None:
            runs.append([])
        else:
            runs[-1].append(i)
    return [run for run in runs if run]


def _band(layer: Spec, _: Spec) -> list[Spec]:
    x: list[Any] = []
    y: list[Any] = []
    for run in _runs(layer):
        there, back = run, run[::-1]
        x += [layer["x"][i] for i in there] + [layer["x"][i] for i in back] + [None]
        y += (
            [layer["low"][i] for i in there] + [layer["high"][i] for i in back] + [None]
        )
    comparison = layer["color"] == MUTED
    return [{
        "type": "scatter", "mode": "lines", "x": x, "y": y, "fill": "toself",
        "fillcolor": wash(layer["color"]), "line": {"width": 0}, "hoverinfo": "skip",
        "name": layer.get("name", ""), "legend_entry": comparison,
    }]  # fmt: skip


def _line(layer: Spec, _: Spec) -> list[Spec]:
    return [{
        "type": "scatter", "mode": "lines", "x": layer["x"], "y": layer["y"],
        "line": {"color": layer["color"], "dash": layer["dash"], "width": 2.25},
        "name": layer.get("name", ""), "hovertemplate": "%{x:.4g}: %{y:.4g}",
    }]  # fmt: skip


def _bar(layer: Spec, _: Spec) -> list[Spec]:
    """Mark with a strip below the data where corrected p is small."""
    x = [at if on else None for at, on in zip(layer["x"], layer["on"], strict=True)]
    y = [layer["height"]] * len(x)
    return [{
        "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "hoverinfo": "skip",
        "line": {"color": layer["color"], "width": 4},
        "marker": {"color": layer["color"], "size": 4, "symbol": "square"},
        "name": layer.get("name", ""), "legend_entry": False,
    }]  # fmt: skip


def _errors(layer: Spec, key: str, color: str) -> Spec:
    if "low" not in layer:
        return {}
    up, down = [], []
    for value, low, high in zip(layer["y"], layer["low"], layer["high"], strict=True):
        known = None not in (value, low, high)
        up.append(high - value if known else None)
        down.append(value - low if known else None)
    bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down,
            "color": color, "thickness": 1.6, "width": 0}  # fmt: skip
    return {key: bars}


def _dots(layer: Spec, spec: Spec) -> list[Spec]:
    forest, color = spec["forest"], layer["color"]
    filled = layer.get("filled")
    inside = [color if on else PAPER for on in filled] if filled else color
    many = len(layer["y"]) > 200
    size = 5 if many else 6 if len(layer["y"]) > 60 else 8
    marker = {
        "color": layer.get("opacity_color") or inside, "symbol": layer["symbol"],
        "size": size, "line": {"color": color, "width": 0 if layer.get("opacity_color") else 1 if many else 1.6},
    }  # fmt: skip
    bars = wash(color, 0.28) if len(layer["y"]) > 60 else color
    x, y = (layer["y"], layer["x"]) if forest else (layer["x"], layer["y"])
    value = "%{x:.4g}" if forest else "%{y:.4g}"
    where = "%{text}" if spec["kind"] != "scatter" else "%{text}: %{x:.4g}"
    return [{
        "type": "scatter", "mode": "markers", "x": x, "y": y, "marker": marker,
        **_errors(layer, "error_x" if forest else "error_y", bars),
        "name": layer.get("name", ""), "text": layer["text"],
        "hovertemplate": f"{where}: {value}" if spec["kind"] != "scatter" else f"{where}, {value}",
    }]  # fmt: skip


def _ticks(layer: Spec, spec: Spec) -> list[Spec]:
    """Draw short gray spans beside the dots: what the dots are compared with."""
    many = len(layer["x"]) > 40
    along: list[Any] = []
    value: list[Any] = []
    for at, low, high in zip(layer["x"], layer["low"], layer["high"], strict=True):
        along += [at, at, None]
        value += [low, high, None]
    x, y = (value, along) if spec["forest"] else (along, value)
    return [{
        "type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip",
        "line": {"color": wash(layer["color"], 0.16 if many else 0.28), "width": 4 if many else 9},
        "name": layer["name"],
    }]  # fmt: skip


def _heat(layer: Spec, spec: Spec) -> list[Spec]:
    colors, (low, high) = layer["colors"], layer["limits"]
    stops = [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]
    return [{
        "type": "heatmap", "x": _places(layer["x"]), "y": _places(layer["y"]), "z": layer["z"],
        "colorscale": stops, "zmin": low, "zmax": high, "showscale": layer["panel"] == 0,
        "colorbar": {"title": {"text": _capital(spec["color_label"]), "side": "right"},
                     "orientation": "h", "thickness": 10, "outlinewidth": 0, "len": 1.0,
                     "x": 0, "xanchor": "left", "yref": "container", "y": 0.01,
                     "yanchor": "bottom"},
        "hovertemplate": "%{x}, %{y}: %{z:.4g}<extra></extra>", "xgap": 0, "ygap": 0,
    }]  # fmt: skip


def _places(labels: list[Any]) -> list[Any]:
    return (
        list(range(len(labels))) if any(isinstance(v, str) for v in labels) else labels
    )


def _stars(layer: Spec, _: Spec) -> list[Spec]:
    x, y = _places(layer["x"]), _places(layer["y"])
    return [{
        "type": "scatter", "mode": "markers", "hoverinfo": "skip",
        "x": [x[i] for i in layer["columns"]], "y": [y[i] for i in layer["rows"]],
        "marker": {"color": PAPER, "size": 4.5, "symbol": "circle",
                   "line": {"color": layer["color"], "width": 1.2}},
    }]  # fmt: skip


MARKS = {
    "band": _band,
    "bar": _bar,
    "dots": _dots,
    "heat": _heat,
    "line": _line,
    "stars": _stars,
    "ticks": _ticks,
}


def layout_for(spec: Spec, *, narrow: bool = False) -> Spec:
    """Return plotly's layout: panels, axes with titles, reference lines, legend below."""
    n = len(spec["panels"])
    columns = 1 if narrow else min(n, 3)
    rows = -(-n // columns)
    height = _height(spec, rows)
    layout: Spec = {
        "height": height, "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": PAPER, "plot_bgcolor": PAPER, "hovermode": "closest",
        "margin": {"l": 8, "r": 12, "t": 26 if n > 1 else 10, "b": 8},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom",
                   "x": 0, "xanchor": "left", "title": {"text": _legend_title(spec),
                                                 "font": {"size": 13}}},
        "shapes": [], "annotations": [], "uirevision": "keep",
    }  # fmt: skip
    for i, title in enumerate(spec["panels"]):
        _place(layout, spec, i, (rows, columns, n), 34 if narrow else 64 // columns)
        if title:
            layout["annotations"].append(_panel_title(layout, i, title))
        _references(layout, spec, i)
    return layout


def _legend_title(spec: Spec) -> str:
    return f"{spec['legend_title']}:" if spec["legend"] and spec["legend_title"] else ""


def _height(spec: Spec, rows: int) -> int:
    if spec["forest"]:
        groups = len(
            {layer["name"] for layer in spec["layers"] if layer["mark"] == "dots"}
        )
        row = FOREST_ROW if groups < 3 else 14 * groups
        one = 84 + row * len(spec["x"]["categories"])
    elif spec["kind"] == "map" and spec["y"]["categories"]:
        one = min(HEIGHT, 140 + 44 * len(spec["y"]["categories"]))
    else:
        one = HEIGHT if rows == 1 else PANEL_HEIGHT
    if spec["square"]:
        one += 90
    return int(one * rows + (24 if spec["legend"] else 0))


def _suffix(i: int) -> str:
    return "" if i == 0 else str(i + 1)


def _place(
    layout: Spec, spec: Spec, i: int, grid: tuple[int, int, int], width_x: int
) -> None:
    rows, columns, n = grid
    row, column = divmod(i, columns)
    gap_x, gap_y = 0.06, min(0.12, 0.24 / max(rows, 1))
    width = (1 - gap_x * (columns - 1)) / columns
    high = (1 - gap_y * (rows - 1)) / rows
    left, top = column * (width + gap_x), 1 - row * (high + gap_y)
    x, y = (
        _axis(spec["x"], width_x),
        _axis(spec["y"], width_x if spec["forest"] else 32),
    )
    if spec["forest"]:
        reverse = [len(spec["x"]["categories"]) - 0.4, -0.6]
        x, y = {**y, **_value_range(spec)}, {**x, "range": reverse}
    x |= {"domain": [left, left + width], "anchor": f"y{_suffix(i)}"}
    y |= {"domain": [max(top - high, 0.0), min(top, 1.0)], "anchor": f"x{_suffix(i)}"}
    if i:
        x["matches"], y["matches"] = "x", "y"
    if column:
        y["title"] = {"text": ""}
        y["showticklabels"] = False
    if i + columns < n:
        x["title"] = {"text": ""}
    if spec["square"]:
        y |= {
            "scaleanchor": f"x{_suffix(i)}",
            "constrain": "domain",
            "autorange": "reversed",
        }
        x |= {"constrain": "domain", "constraintoward": "left"}
    layout[f"xaxis{_suffix(i)}"], layout[f"yaxis{_suffix(i)}"] = x, y


def _value_range(spec: Spec) -> Spec:
    """Return the range of a forest's value axis, with the reference well inside."""
    known = [
        v for layer in spec["layers"] for key in ("y", "low", "high") for v in layer.get(key, [])
        if v is not None
    ] + [reference["value"] for reference in spec["references"]]  # fmt: skip
    if not known:
        return {}
    pad = 0.05 * ((max(known) - min(known)) or 1.0)
    return {"range": [min(known) - pad, max(known) + pad]}


def _axis(axis: Spec, width: int) -> Spec:
    made: Spec = {
        "title": {"text": _wrapped(_capital(axis["label"]), width), "standoff": 10}, "automargin": True, "showgrid": False,
        "zeroline": False, "showline": True, "linecolor": MUTED, "ticks": "outside",
        "tickcolor": MUTED, "ticklen": 4,
    }  # fmt: skip
    if axis["categories"]:
        n = len(axis["categories"])
        made |= {
            "tickvals": list(range(n)),
            "ticktext": axis["categories"],
            "range": [-0.6, n - 0.4],
        }
        if not axis["show"]:
            made |= {"showticklabels": False, "ticks": "", "tickvals": []}
    return made


def _capital(text: str) -> str:
    """Return an axis title with a capital, but leave symbols such as ρ and d′ alone."""
    text = text.replace("_", " ")
    return (
        text[0].upper() + text[1:]
        if text[:2].isascii() and text[:2].isalpha()
        else text
    )


def _wrapped(text: str, width: int) -> str:
    """Return an axis title broken into lines that fit beside the axis."""
    return "<br>".join(textwrap.wrap(text, width)) or text


def _panel_title(layout: Spec, i: int, title: str) -> Spec:
    x, y = (
        layout[f"xaxis{_suffix(i)}"]["domain"],
        layout[f"yaxis{_suffix(i)}"]["domain"],
    )
    return {
        "text": title, "showarrow": False, "xref": "paper", "yref": "paper", "x": x[0],
        "y": y[1], "xanchor": "left", "yanchor": "bottom", "font": {"size": 13},
    }  # fmt: skip


def _references(layout: Spec, spec: Spec, i: int) -> None:
    across = "x" if spec["forest"] else "y"
    along = "y" if spec["forest"] else "x"
    for reference in spec["references"]:
        value = reference["value"]
        layout["shapes"].append({
            "type": "line", f"{across}ref": f"{across}{_suffix(i)}",
            f"{along}ref": f"{along}{_suffix(i)} domain", f"{across}0": value,
            f"{across}1": value, f"{along}0": 0, f"{along}1": 1, "layer": "below",
            "line": {"color": MUTED, "width": 1.2, "dash": "dash"},
        })  # fmt: skip
        layout["annotations"].append({
            "text": reference["label"], "showarrow": False, "font": {"size": 11.5, "color": MUTED},
            f"{across}ref": f"{across}{_suffix(i)}", f"{along}ref": f"{along}{_suffix(i)} domain",
            f"{across}": value, f"{along}": 1, **_beside(spec, value, layout[f"xaxis{_suffix(i)}"]),
        })  # fmt: skip


def _beside(spec: Spec, value: float, axis: Spec) -> Spec:
    """Return where a reference's label stands: inside the panel, off the line."""
    if not spec["forest"]:
        return {"xanchor": "right", "yanchor": "bottom"}
    low, high = axis.get("range", (value, value + 1))
    left = value < (low + high) / 2
    return {
        "xanchor": "left" if left else "right",
        "yanchor": "top",
        "xshift": 3 if left else -3,
    }
