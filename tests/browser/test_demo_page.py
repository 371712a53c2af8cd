"""The demo's report in a browser: real data, every promise of the page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SCROLL = """async () => {
  for (const plot of document.querySelectorAll('.plot')) {
    plot.scrollIntoView(); await new Promise(done => setTimeout(done, 40));
  }
}"""
ALL_DRAWN = "() => marrReport.total > 0 && marrReport.drawn === marrReport.total"


@pytest.fixture(scope="module")
def demo_url(tmp_path_factory):
    """The report of `marr demo`, made now unless MARR_DEMO_REPORT names one."""
    given = os.environ.get("MARR_DEMO_REPORT")
    if given:
        return Path(given).resolve().as_uri()
    from marr.demo import run

    page = run(tmp_path_factory.mktemp("demo") / "demo.html", progress=False)
    return page.resolve().as_uri()


def test_every_figure_is_drawn_without_a_request_or_an_error(open_page, demo_url):
    page = open_page(demo_url)
    page.evaluate(SCROLL)
    page.wait_for_function(ALL_DRAWN, timeout=90000)
    empty = page.evaluate(
        "() => [...document.querySelectorAll('.plot')]"
        ".filter(p => !p.querySelector('.main-svg')).map(p => p.dataset.figure)"
    )
    assert empty == []


def test_both_studies_answer_their_questions(open_page, demo_url):
    page = open_page(demo_url)
    for study in ("decision", "heading"):
        rows = page.locator(f"#study-{study} tbody > tr")
        assert rows.count() >= 3
        for i in range(rows.count()):
            assert rows.nth(i).locator(".answer").text_content().strip()
    text = page.locator("#summary").text_content()
    assert "not measured - this data set has behavior only, no neurons" in text
    assert "nan" not in text.lower().replace("predominan", "").split()


def test_every_anchor_leads_somewhere(open_page, demo_url):
    page = open_page(demo_url)
    lost = page.evaluate(
        "() => [...document.querySelectorAll('a[href^=\"#\"]')]"
        ".map(a => a.getAttribute('href').slice(1))"
        ".filter(id => id && !document.getElementById(id))"
    )
    assert lost == []


def test_dark_and_light_differ(open_page, demo_url):
    color = "() => getComputedStyle(document.body).backgroundColor"
    light = open_page(demo_url, color_scheme="light").evaluate(color)
    dark = open_page(demo_url, color_scheme="dark").evaluate(color)
    assert light != dark


def test_paper_holds_every_figure(open_page, demo_url, tmp_path):
    page = open_page(demo_url)
    page.wait_for_function("() => marrReport.ready", timeout=30000)
    page.pdf(path=tmp_path / "demo.pdf", format="A4")
    page.wait_for_function(ALL_DRAWN, timeout=90000)
    assert (tmp_path / "demo.pdf").stat().st_size > 100_000


def test_phone_does_not_scroll_sideways(open_page, demo_url):
    page = open_page(demo_url, viewport={"width": 375, "height": 800})
    page.evaluate(SCROLL)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 375
