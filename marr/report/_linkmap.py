"""The map of links: findings in three columns, links between them, as one inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from marr.findings import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_NODES", "Edge", "Node", "draw_map"]

MAX_NODES = 12
NODE_WIDTH, NODE_HEIGHT, ROW = 258, 46, 62
COLUMN, TOP, LEFT = 364, 40, 8
MAX_LABEL = 31


@dataclass(frozen=True)
class Node:
    """A finding on the map: where its card is, what it is called, whose it is."""

    anchor: str
    label: str
    system: str
    level: str


@dataclass(frozen=True)
class Edge:
    """A link on the map; `style` is "yes", "no" or "open" (no verdict)."""

    anchor: str
    number: int
    a: int
    b: int
    style: str
    words: str


def draw_map(nodes: Sequence[Node], edges: Sequence[Edge]) -> Markup:
    """Return the map as SVG whose boxes and numbers are links into the page.

    Parameters
    ----------
    nodes : sequence of Node
        Findings; with more than `MAX_NODES` only those with links are drawn.
    edges : sequence of Edge
        Links between positions of `nodes`.

    Returns
    -------
    Markup
        An `<svg>`; empty where there is nothing to draw.
    """
    linked = {end for edge in edges for end in (edge.a, edge.b)}
    shown = [i for i in range(len(nodes)) if i in linked or len(nodes) <= MAX_NODES]
    if not shown:
        return Markup("")
    places = _places(nodes, shown, edges)
    rows = max(
        sum(nodes[i].level.split("+")[0] == level for i in shown) for level in LEVELS
    )
    width, height = LEFT * 2 + COLUMN * 2 + NODE_WIDTH, TOP + ROW * max(rows, 1) + 6
    heads = "".join(
        f'<text class="column {level}" x="{LEFT + COLUMN * k}" y="18">{level.capitalize()}</text>'
        for k, level in enumerate(LEVELS)
    )
    lines, badges = [], []
    for edge in edges:
        path, middle = _path(places[edge.a], places[edge.b], edge.number)
        lines.append(f'<path class="edge {edge.style}" d="{path}"/>')
        badges.append(_badge(edge, middle))
    boxes = [_box(nodes[i], places[i], alone=i not in linked) for i in shown]
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="Findings and the links between them">{heads}{"".join(lines)}'
        f"{''.join(boxes)}{''.join(badges)}</svg>"
    )


def _places(
    nodes: Sequence[Node], shown: Sequence[int], edges: Sequence[Edge]
) -> dict[int, tuple[float, float, int]]:
    """Return x, y and column of each box; linked boxes stand near their partners."""
    columns: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for i in shown:
        columns[LEVELS.index(nodes[i].level.split("+")[0])].append(i)
    order = {i: float(k) for column in columns.values() for k, i in enumerate(column)}
    partners: dict[int, list[int]] = {i: [] for i in shown}
    for edge in edges:
        partners[edge.a].append(edge.b)
        partners[edge.b].append(edge.a)
    for _ in range(4):  # barycenter sweeps, so that few lines cross
        for column in columns.values():
            column.sort(key=lambda i: (_barycenter(i, partners, order), order[i]))
            order.update({i: float(k) for k, i in enumerate(column)})
    return {
        i: (LEFT + COLUMN * k, TOP + ROW * row, k)
        for k, column in columns.items()
        for row, i in enumerate(column)
    }


def _barycenter(
    i: int, partners: dict[int, list[int]], order: dict[int, float]
) -> float:
    near = partners[i]
    return sum(order[j] for j in near) / len(near) if near else 1e6


def _path(
    a: tuple[float, float, int], b: tuple[float, float, int], number: int
) -> tuple[str, tuple[float, float]]:
    """Return the curve between two boxes and where its number stands."""
    (xa, ya, ka), (xb, yb, kb) = (a, b) if a[2] <= b[2] else (b, a)
    half = NODE_HEIGHT / 2
    if ka == kb:  # bulge to the free side of the column
        side = 1 if ka < 2 else -1
        x = xa + (NODE_WIDTH if side > 0 else 0)
        reach = x + side * (44 + 12 * (number % 3))
        path = (
            f"M{x} {ya + half}C{reach} {ya + half} {reach} {yb + half} {x} {yb + half}"
        )
        return path, ((x + 3 * reach) / 4, (ya + yb) / 2 + half)
    start, end = xa + NODE_WIDTH, xb
    if kb - ka == 2:  # pass between the rows of the middle column
        low = max(ya, yb) + ROW - 8
        path = (
            f"M{start} {ya + half}C{start + 70} {ya + half} {start + 60} {low} {start + 110} {low}"
            f"L{end - 110} {low}C{end - 60} {low} {end - 70} {yb + half} {end} {yb + half}"
        )
        return path, ((start + end) / 2, low)
    middle = (start + end) / 2
    curve = [
        (start, ya + half),
        (middle, ya + half),
        (middle, yb + half),
        (end, yb + half),
    ]
    (x0, y0), *rest = curve
    path = f"M{x0} {y0}C" + " ".join(f"{x} {y}" for x, y in rest)
    return path, _bezier(curve, (0.5, 0.38, 0.62)[number % 3])


def _bezier(points: Sequence[tuple[float, float]], t: float) -> tuple[float, float]:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x = sum(w * p[0] for w, p in zip(weights, points, strict=True))
    y = sum(w * p[1] for w, p in zip(weights, points, strict=True))
    return round(x, 1), round(y, 1)


def _badge(edge: Edge, at: tuple[float, float]) -> str:
    x, y = at
    text = f"L{edge.number}"
    return (
        f'<a class="badge" href="#{edge.anchor}" aria-label="{escape(edge.words)}">'
        f"<title>{escape(edge.words)}</title>"
        f'<rect x="{x - 14}" y="{y - 9}" width="28" height="18" rx="9"/>'
        f'<text x="{x}" y="{y + 4}">{text}</text></a>'
    )


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1].rstrip() + "…"


def _box(node: Node, place: tuple[float, float, int], *, alone: bool) -> str:
    x, y, _ = place
    level = "both" if "+" in node.level else node.level
    words = f"{node.label}, {node.system}"
    return (
        f'<a class="node {level}{" alone" if alone else ""}" href="#{node.anchor}" '
        f'aria-label="{escape(words)}"><title>{escape(words)}</title>'
        f'<rect x="{x}" y="{y}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="7"/>'
        f'<text x="{x + 12}" y="{y + 19}">{escape(_short(node.label))}</text>'
        f'<text class="sub" x="{x + 12}" y="{y + 35}">{escape(_short(node.system))}</text></a>'
    )
