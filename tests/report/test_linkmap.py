"""The map of links."""

from __future__ import annotations

import itertools
import re

from marr.report._linkmap import MAX_NODES, Edge, Node, draw_map

LEVELS = ("behavior", "representation", "implementation")


def nodes(n):
    return [Node(f"n{i}", f"Analysis {i}", "mouse", LEVELS[i % 3]) for i in range(n)]


def test_boxes_numbers_and_lines():
    edges = [Edge("link-1", 1, 0, 1, "yes", "one"), Edge("link-2", 2, 0, 2, "no", "two"),
             Edge("link-3", 3, 1, 4, "open", "three")]  # fmt: skip
    svg = str(draw_map(nodes(6), edges))
    assert svg.count('class="node') == 6
    assert svg.count("alone") == 2
    assert re.findall(r'class="edge (\w+)"', svg) == ["yes", "no", "open"]
    assert [f'href="#link-{i}"' in svg for i in (1, 2, 3)] == [True] * 3
    assert "L3</text>" in svg


def test_boxes_do_not_overlap():
    svg = str(
        draw_map(nodes(30), [Edge("l", 1, i, i + 1, "yes", "w") for i in range(29)])
    )
    places = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="258"', svg)
    assert len(set(places)) == 30
    for x in {p[0] for p in places}:
        ys = sorted(float(b) for a, b in places if a == x)
        assert all(b - a >= 46 for a, b in itertools.pairwise(ys))


def test_partners_stand_side_by_side():
    # the last representation is linked with the first implementation
    svg = str(draw_map(nodes(12), [Edge("l", 1, 10, 2, "yes", "w")]))
    at = dict(re.findall(r'href="#(n\d+)".*?<rect x="[\d.]+" y="([\d.]+)"', svg))
    assert at["n10"] == at["n2"]


def test_too_many_findings_leave_only_the_linked_ones():
    svg = str(draw_map(nodes(MAX_NODES + 3), [Edge("l", 1, 0, 1, "yes", "w")]))
    assert svg.count('class="node') == 2


def test_names_are_escaped_and_cut():
    node = Node("n0", "<b>" + "x" * 60, "a & b", "behavior")
    svg = str(draw_map([node], []))
    assert "<b>" not in svg
    assert "a &amp; b" in svg
    assert "…" in svg


def test_nothing_to_draw():
    assert draw_map([], []) == ""
