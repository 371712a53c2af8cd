"""The page in a browser: offline, lazy, dark, on paper, on a phone, without a mouse."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.browser

DRAWN = "() => window.marrReport.drawn"
TOTAL = "() => window.marrReport.total"
SCROLL = """async () => {
  for (const plot of document.querySelectorAll('.plot')) {
    plot.scrollIntoView();
    for (let frame = 0; frame < 2; frame++)  // the page looks once a frame what is in view
      await new Promise(done => requestAnimationFrame(done));
    await new Promise(done => setTimeout(done, 60));
  }
}"""


def draw_all(page):
    page.evaluate(SCROLL)
    page.wait_for_function("() => marrReport.drawn === marrReport.total", timeout=60000)


def test_figures_are_drawn_when_scrolled_to(open_page, report_url):
    page = open_page(report_url)
    total = page.evaluate(TOTAL)
    assert total == 14
    assert page.evaluate(DRAWN) < total / 2
    target = page.locator(".plot").last
    target.scroll_into_view_if_needed()
    target.locator(".main-svg").first.wait_for(timeout=30000)
    assert 0 < page.evaluate(DRAWN) < total
    draw_all(page)


def test_every_figure_has_axis_titles_and_its_space_does_not_move(
    open_page, report_url
):
    page = open_page(report_url)
    before = page.evaluate("() => document.documentElement.scrollHeight")
    draw_all(page)
    titles = page.evaluate(
        "() => [...document.querySelectorAll('.plot')].map(p => [p.layout.xaxis.title.text,"
        " p.layout.yaxis.title.text, p.layout.title?.text ?? ''])"
    )
    assert all(x or y for x, y, _ in titles)
    assert {heading for *_, heading in titles} == {""}
    assert (
        abs(page.evaluate("() => document.documentElement.scrollHeight") - before) < 40
    )


def test_deep_link_draws_its_figure(open_page, report_url):
    page = open_page(f"{report_url}#implementation-ablate-networks")
    plot = page.locator("#implementation-ablate-networks .plot").first
    plot.locator(".main-svg").first.wait_for(timeout=30000)
    box = page.locator("#implementation-ablate-networks").bounding_box()
    page.wait_for_timeout(300)
    assert -50 < box["y"] < 200


def background(page):
    return page.evaluate(
        "() => document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor"
    )


def test_dark_follows_the_system_and_the_button(open_page, report_url):
    page = open_page(report_url)
    page.locator(".plot").first.scroll_into_view_if_needed()
    page.locator(".plot .main-svg").first.wait_for(timeout=30000)
    light = background(page)
    line = "() => document.querySelector('.js-plotly-plot').data.at(-1).marker.color"
    before = page.evaluate(line)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "was => document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor !== was",
        arg=light,
    )
    assert page.evaluate(line) != before
    page.get_by_role("button", name="Light / dark").click()
    page.wait_for_function(
        "was => document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor === was",
        arg=light,
    )
    assert page.evaluate(line) == before


def test_print_holds_every_figure_in_light_colors(open_page, report_url):
    page = open_page(report_url, color_scheme="dark")
    page.wait_for_function("() => marrReport.ready", timeout=30000)
    assert page.evaluate(DRAWN) < page.evaluate(TOTAL)
    pdf = page.pdf(format="A4")
    assert page.evaluate(DRAWN) == page.evaluate(TOTAL)
    assert pdf.startswith(b"%PDF")
    assert page.evaluate("() => document.documentElement.dataset.theme ?? ''") == ""


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 375)]
)
def test_axe_finds_nothing(open_page, report_url, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(
        report_url, color_scheme=scheme, viewport={"width": width, "height": 800}
    )

    def violations():
        found = axe.Axe().run(page).response["violations"]
        return [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]

    assert violations() == []
    draw_all(page)
    page.evaluate(
        "() => [...document.querySelectorAll('details')].slice(0, 6).forEach(d => { d.open = true; })"
    )
    assert violations() == []


def test_phone_scrolls_one_way_only(open_page, report_url):
    page = open_page(report_url, viewport={"width": 375, "height": 800})
    draw_all(page)
    page.evaluate(
        "() => document.querySelectorAll('details').forEach(d => { d.open = true; })"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 375


def test_keyboard_reaches_contents_and_buttons(open_page, report_url):
    page = open_page(report_url)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    page.locator("article summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("article details").first.get_attribute("open") is not None
    outline = page.evaluate(
        "() => getComputedStyle(document.activeElement).outlineStyle"
    )
    assert outline == "solid"


def saved(page, button):
    with page.expect_download() as download:
        button.click()
    found = download.value
    return found.suggested_filename, found.path().read_text(encoding="utf-8")


def test_numbers_can_be_saved(open_page, report_url):
    page = open_page(report_url)
    card = page.locator("#behavior-accuracy-mouse")
    name, text = saved(page, card.get_by_role("button", name="CSV"))
    assert name == "behavior-accuracy-mouse.csv"
    assert text.splitlines()[0].startswith("estimate,ci_low,ci_high")
    name, text = saved(page, card.get_by_role("button", name="JSON"))
    assert json.loads(text)["analysis"] == "behavior.accuracy"
    name, text = saved(page, card.get_by_role("button", name="SVG"))
    assert name == "behavior-accuracy-mouse-f1.svg"
    assert "<svg" in text


def test_without_javascript_the_tables_are_there(open_page, report_url):
    page = open_page(report_url, java_script_enabled=False)
    assert page.locator("noscript").count() == 1
    assert page.locator("noscript .banner").is_visible()
    assert page.locator("table.glance").count() == 2
    page.locator("#behavior-accuracy-mouse summary").first.click()
    assert page.locator("#behavior-accuracy-mouse table.data td").first.is_visible()
    assert not page.get_by_role("button", name="Light / dark").is_visible()
