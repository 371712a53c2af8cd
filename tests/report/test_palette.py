"""Colors stay apart for color-blind readers, on light and on dark."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from marr.findings import _palette as palette

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def linear(color):
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )


def lab(rgb):
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ rgb / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a, b, vision):
    seen = [np.clip(np.asarray(VISION[vision]) @ linear(c), 0, 1) for c in (a, b)]
    return np.linalg.norm(lab(seen[0]) - lab(seen[1]))


def contrast(a, b):
    low, high = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_series_can_be_told_apart(vision, theme):
    twins = palette.theme_map()
    colors = [c if theme == "light" else twins[c] for c in palette.SERIES]
    nearest = min(distance(a, b, vision) for a, b in itertools.combinations(colors, 2))
    assert nearest > 12  # a just noticeable difference is about 2.3


@pytest.mark.parametrize(
    "color", [*palette.SERIES, *palette.ORDERED, palette.INK, palette.MUTED]
)
def test_lines_are_visible_on_their_paper(color):
    twins = palette.theme_map()
    assert contrast(color, palette.PAPER) >= 2.95  # WCAG 2, graphics
    assert contrast(twins[color], twins[palette.PAPER]) >= 3


def test_each_light_color_has_one_dark_twin():
    light = [
        palette.PAPER,
        palette.INK,
        palette.MUTED,
        *palette.SERIES,
        *palette.ORDERED,
    ]
    assert len(set(light)) == len(light)
    twins = palette.theme_map()
    assert not set(light) & {twins[c] for c in light}
    assert palette.wash(palette.SERIES[0]) in twins


def test_diverging_scale_is_lightest_in_the_middle():
    brightness = [linear(c) @ [0.2126, 0.7152, 0.0722] for c in palette.DIVERGING]
    middle = len(brightness) // 2
    assert np.all(np.diff(brightness[: middle + 1]) > 0)
    assert np.all(np.diff(brightness[middle:]) < 0)


@pytest.mark.parametrize("n", range(1, 9))
def test_ordered_colors_run_from_first_to_last(n):
    colors = palette.ordered_colors(n)
    assert len(colors) == n
    if n > 1:
        assert colors[0] == palette.ORDERED[0]
        assert colors[-1] == palette.ORDERED[-1]
