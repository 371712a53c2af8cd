"""Numbers and names as readers see them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from marr.report import _text as text


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.8123, 0.7811, 0.8429), ("0.81", "[0.78, 0.84]")),
        ((0.81234, 0.8011, 0.8231), ("0.812", "[0.801, 0.823]")),
        ((14.4, 11.9, 16.9), ("14", "[12, 17]")),
        ((2345.6, 2100.0, 2600.0), ("2,346", "[2,100, 2,600]")),
        ((-0.07, -0.16, 0.03), ("−0.070", "[−0.160, 0.030]")),
        ((0.064, 0.034, 0.094), ("0.064", "[0.034, 0.094]")),
        ((1.5, math.nan, math.nan), ("1.5", "")),
        ((0.0, 0.0, 0.0), ("0", "")),
        ((math.nan, math.nan, math.nan), ("not defined", "")),
    ],
)
def test_estimates_have_the_digits_of_their_interval(numbers, expected):
    assert text.format_estimate(*numbers) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0004, "p < 0.001"), (0.013, "p = 0.013"), (0.05, "p = 0.05"), (0.674, "p = 0.67"),
     (1.0, "p = 1.00"), (math.nan, "")],
)  # fmt: skip
def test_p_values(p, expected):
    assert text.format_p(p) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "yes"), (np.int64(-3), "−3"), (np.float32(0.5), "0.5"), (math.nan, ""),
     (math.inf, "∞"), (1e-9, "1.000e−09"), ("a<b", "a<b")],
)  # fmt: skip
def test_cells(value, expected):
    assert text.format_cell(value) == expected


def test_slug_is_ascii_and_never_empty():
    assert text.slug("Décode · CA1 (fixed)") == "decode-ca1-fixed"
    assert text.slug("→") == "x"


def test_first_sentence_ignores_decimal_points():
    whole = "Loss 0.31 [0.27, 0.35] at p = 0.004. The rest follows."
    assert text.first_sentence(whole) == "Loss 0.31 [0.27, 0.35] at p = 0.004."


def test_paragraphs():
    assert text.paragraphs(" a\nb \n\n\n c ") == ["a b", "c"]


def test_emphasis_is_the_only_markup():
    assert (
        text.emphasis("they *need* <b> 2 * 3 * 4")
        == "they <em>need</em> &lt;b&gt; 2 * 3 * 4"
    )
