"""From a report to one HTML page: a pure function, same findings, same bytes."""

from __future__ import annotations

import json
import warnings
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from marr.errors import FileError
from marr.findings import EVIDENCE_GRADES, GRADE_WORDS, LEVELS
from marr.findings._palette import theme_map
from marr.report._cards import anchors_of, finding_card, link_card
from marr.report._headline import grade_icon
from marr.report._linkmap import MAX_NODES, Edge, Node, draw_map
from marr.report._origin import methods_of, provenance_of, references_of
from marr.report._pack import compress, plotly_block, script_json
from marr.report._records import correct_families
from marr.report._summary import summary_of
from marr.report._text import emphasis, paragraphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.report._report import Report

__all__ = ["REFUSE_BYTES", "WARN_BYTES", "render", "report_json"]

WARN_BYTES = 10_000_000
REFUSE_BYTES = 50_000_000
LEVEL_QUESTIONS = {
    "behavior": "What does it compute?",
    "representation": "How does it represent it?",
    "implementation": "What carries it out?",
}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def report_json(report: Report) -> str:
    """Return a report's data as JSON text, one line, keys in a fixed order."""
    return json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def render(report: Report, *, allow_large: bool = False) -> str:
    """Return a report as one self-contained HTML page.

    Parameters
    ----------
    report : Report
        What to show.
    allow_large : bool
        Return also pages over 50 MB.

    Returns
    -------
    str
        The page: no request leaves it, also without its content security policy.

    Raises
    ------
    FileError
        If the page is over 50 MB; the message names the heaviest findings.

    Warns
    -----
    UserWarning
        If the page is over 10 MB.
    """
    view = page_view(report)
    page = _environment().get_template("page.html.j2").render(view)
    _check_size(page, view["cards"], allow_large=allow_large)
    return page


def page_view(report: Report) -> dict[str, Any]:
    """Return everything that the templates read, as plain values."""
    anchors = anchors_of(report.findings)
    cards = [
        finding_card(f, i, anchor)
        for i, (f, anchor) in enumerate(zip(report.findings, anchors, strict=True))
    ]
    corrected = correct_families(report._records)
    links = [
        link_card(record, link, number, cards)
        for number, (record, link) in enumerate(
            zip(report._records, corrected, strict=True), start=1
        )
    ]
    for card in cards:
        card["links"] = [v for v in links if card is v["a"] or card is v["b"]]
    stores = [item for item in (*cards, *links) if item["store"] or item["csv"]]
    figures = {key: value for item in stores for key, value in item["store"].items()}
    csv = {key: value for item in stores for key, value in item["csv"].items()}
    untested = report.untested()
    return {
        "title": report.title, "abstract": paragraphs(report.abstract),
        "studies": summary_of(report, cards, links), "levels": _levels(cards),
        "cards": cards, "links": _ordered(links), "map": _map(cards, links),
        "n_unlinked": sum(not c["links"] for c in cards) if len(cards) > MAX_NODES else 0,
        "untested": [u | {"a": cards[u["a"]], "b": cards[u["b"]]} for u in untested],
        "methods": methods_of(cards, links), "references": references_of(cards, links),
        "provenance": provenance_of(report.findings, cards),
        "grades": _grades(cards, links), "asks": LEVEL_QUESTIONS, "level_names": LEVELS,
        "policy": POLICY, "plotly": Markup(plotly_block()) if figures else "",
        "figures": Markup(compress(script_json({"figures": figures, "themes": theme_map()}))),
        "csv": Markup(compress(script_json(csv))),
        "data": Markup(script_json(report.to_dict())),
    }  # fmt: skip


def _levels(cards: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    levels = []
    for name in (*LEVELS, "both"):
        here = [c for c in cards if c["style"] == name]
        title = "Across levels" if name == "both" else name.capitalize()
        if here:
            levels.append({"name": name, "title": title, "cards": here,
                           "ask": LEVEL_QUESTIONS.get(name, "Findings that straddle two levels.")})  # fmt: skip
    return levels


def _ordered(links: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return links as the page lists them: contradictions first, no verdict last."""
    order = ("reversed", "mixed", "supported", "no link seen", "too few")
    return sorted(links, key=lambda v: (order.index(v["verdict"]), v["number"]))


def _map(cards: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]) -> Markup:
    if not links:
        return Markup("")
    nodes = [Node(c["anchor"], c["label"], c["system"], c["level"]) for c in cards]
    edges = [
        Edge(v["anchor"], v["number"], v["a"]["index"], v["b"]["index"], v["style"],
             f"Link {v['number']}, {v['kind']}: {v['verdict']}")
        for v in links
    ]  # fmt: skip
    return draw_map(nodes, edges)


def _grades(
    cards: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]
) -> list[tuple[str, str]]:
    seen = {c["evidence"] for c in cards} | {v["grade"] for v in links}
    return [(g, GRADE_WORDS[g]) for g in EVIDENCE_GRADES if g in seen]


def _check_size(
    page: str, cards: Sequence[dict[str, Any]], *, allow_large: bool
) -> None:
    size = len(page.encode("utf-8", "surrogatepass"))
    if size <= WARN_BYTES:
        return
    weights = sorted(
        (
            (
                len(json.dumps(c["store"])) + sum(map(len, c["csv"].values())),
                c["anchor"],
            )
            for c in cards
        ),
        reverse=True,
    )[:3]
    heaviest = ", ".join(
        f"{anchor} ({weight / 1e6:.1f} MB)" for weight, anchor in weights
    )
    text = f"the page has {size / 1e6:.1f} MB; the heaviest findings are {heaviest}."
    if size > REFUSE_BYTES and not allow_large:
        msg = (
            f"{text} Reduce them (fewer units, times or pairs), save as .json, or pass "
            "allow_large=True."
        )
        raise FileError(msg)
    warnings.warn(f"{text} Browsers may be slow to open it.", UserWarning, stacklevel=4)


def _load(name: str) -> str:
    return (resources.files("marr.report") / "templates" / name).read_text(
        encoding="utf-8"
    )


@cache
def _asset(name: str) -> Markup:
    folder = resources.files("marr.report") / "assets"
    return Markup((folder / name).read_text(encoding="utf-8").strip())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_load), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["emphasis"] = emphasis
    environment.globals.update(asset=_asset, grade_icon=grade_icon)
    return environment
