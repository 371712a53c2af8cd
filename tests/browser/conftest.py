"""Debian's Chromium through plain playwright, offline; every problem fails the test."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip


def unavailable(reason):
    """Skip on a laptop, fail where the browser is promised."""
    if os.environ.get("MARR_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        unavailable("needs Debian's chromium on PATH")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("needs the browser dependency group")
    with sync_playwright() as driver:
        instance = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def report_url(tmp_path_factory):
    """A saved report that shows everything a page can show."""
    path = Path(__file__).parents[1] / "report" / "_samples.py"
    spec = importlib.util.spec_from_file_location("marr_report_samples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.full_report().save(tmp_path_factory.mktemp("report") / "report.html")
    return page.resolve().as_uri()


@pytest.fixture
def open_page(browser):
    """Open a page in an offline context of its own; fail on any error or request."""
    contexts, problems = [], []

    def visit(url, **options):
        size = {"width": 1100, "height": 800}
        context = browser.new_context(offline=True, **{"viewport": size, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda m: problems.append(m.text) if m.type == "error" else None
        )
        page.on(
            "request",
            lambda r: (
                problems.append(r.url) if r.url.startswith(("http", "ws")) else None
            ),
        )
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []
