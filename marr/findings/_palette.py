"""Colors of figures: safe for color-blind readers, with a dark twin for each.

Every light color has one dark counterpart, so a page can change its theme by replacing
strings (`theme_map`) and never needs to know what a figure shows. `tests/findings`
simulates protanopia, deuteranopia and tritanopia and checks that the series stay apart.
"""

from __future__ import annotations

__all__ = [
    "DASHES",
    "DIVERGING",
    "INK",
    "MUTED",
    "PAPER",
    "SEQUENTIAL",
    "SERIES",
    "SYMBOLS",
    "ordered_colors",
    "theme_map",
    "wash",
]

PAPER = "#ffffff"
INK = "#1d2129"
MUTED = "#59606b"
SERIES = ("#2458c9", "#cf5a12", "#14523f", "#8e2a86", "#3f9fc6", "#5b616b")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
# Low to high of an ordered factor (block probability, coherence): blue over gray to rust.
ORDERED = ("#1a4f9b", "#5f8fd0", "#767d87", "#cf7a35", "#a8400c")
DIVERGING = (
    "#1b4f9c",
    "#6d9bd1",
    "#c9d8e8",
    "#f4f2ed",
    "#f0d3bf",
    "#d9854d",
    "#9c3a08",
)
SEQUENTIAL = ("#f4f2ed", "#c5d3e4", "#8fb0d4", "#5585b8", "#2a5a94", "#10305c")

_DARK_PAPER = "#1a1e25"
_DARK_INK = "#e7e6e1"
_DARK_MUTED = "#a5abb5"
_DARK_SERIES = ("#6ea8ff", "#f08a3c", "#2fd39a", "#c45ad8", "#d9e3f5", "#e8d04a")
_DARK_ORDERED = ("#4f97ff", "#9cc3f7", "#a9b0ba", "#f2b482", "#ff8a3d")
_DARK_DIVERGING = (
    "#9cc8ff", "#5790d6", "#34527a", "#262b33", "#6b4429", "#c9743a", "#ffbd8a",
)  # fmt: skip
_DARK_SEQUENTIAL = ("#262b33", "#2c4566", "#3a689f", "#5790d6", "#8fbcf2", "#dcebff")
_WASHES = (0.16, 0.28)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def wash(color: str, opacity: float = _WASHES[0]) -> str:
    """Return `color` ("#rrggbb") made transparent, for bands: "rgba(r, g, b, opacity)"."""
    red, green, blue = _rgb(color)
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def ordered_colors(n: int) -> tuple[str, ...]:
    """Return `n` colors (at most five distinct) for the levels of an ordered factor."""
    picks = {1: [2], 4: [0, 1, 3, 4]}.get(n) or [j * 4 // (n - 1) for j in range(n)]
    return tuple(ORDERED[i] for i in picks)


def theme_map() -> dict[str, str]:
    """Return the dark twin of every light color, washes included."""
    pairs = [
        (PAPER, _DARK_PAPER),
        (INK, _DARK_INK),
        (MUTED, _DARK_MUTED),
        *zip(SERIES, _DARK_SERIES, strict=True),
        *zip(ORDERED, _DARK_ORDERED, strict=True),
        *zip(SEQUENTIAL, _DARK_SEQUENTIAL, strict=True),
        *zip(DIVERGING, _DARK_DIVERGING, strict=True),
    ]
    twins = {}
    for light, dark in pairs:
        twins[light] = dark
        for opacity in _WASHES:
            twins[wash(light, opacity)] = wash(dark, opacity)
    return twins
