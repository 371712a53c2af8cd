"""Methods, references and provenance of a report, collected from its findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.findings import CITATIONS
from marr.report._text import plain_number, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.findings import Finding

__all__ = ["methods_of", "provenance_of", "references_of"]

ALWAYS = ("marr1982",)
"""Cited by every report: the three levels."""

MAX_TEXT = 300
FAMILIES_TEXT = (
    "P-values of links are corrected within their family: confirmatory links, declared with "
    "the question, by Holm's method; exploratory links by Benjamini and Hochberg's. A link "
    "with fewer than eight shared members has no verdict."
)


def methods_of(
    cards: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the methods of each analysis: what all its findings share, then the rest.

    Returns
    -------
    list of dict
        `name`, `text` (sentences that all share), `about` (cards) and `special` (a list
        of text and the cards that it holds for).
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in (*cards, *links):
        if item["methods"]:
            name = item["analysis"] if "analysis" in item else f"link: {item['kind']}"
            groups.setdefault(name, []).append(item)
    texts = [_shared_methods(name, items) for name, items in groups.items()]
    if links:
        texts.append(
            {"name": "corrections", "text": FAMILIES_TEXT, "about": [], "special": []}
        )
    return texts


def _shared_methods(name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    split = [sentences(item["methods"]) for item in items]
    shared = [s for s in split[0] if all(s in other for other in split)]
    special: dict[str, list[dict[str, Any]]] = {}
    for item, own in zip(items, split, strict=True):
        rest = " ".join(s for s in own if s not in shared)
        if rest:
            special.setdefault(rest, []).append(item)
    return {
        "name": name,
        "text": " ".join(shared),
        "about": items,
        "special": [{"text": text, "about": about} for text, about in special.items()],
    }


def references_of(
    cards: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]
) -> list[dict[str, str]]:
    """Return the references that findings and links cite, by author and year."""
    keys = {key for item in (*cards, *links) for key in item["citations"]} | set(ALWAYS)
    known = sorted(
        (k for k in keys if k in CITATIONS),
        key=lambda k: (CITATIONS[k].authors, CITATIONS[k].year),
    )
    return [
        {
            "key": key,
            "text": CITATIONS[key].text().removesuffix(_url(key)),
            "url": _url(key),
            "bibtex": CITATIONS[key].bibtex(key),
        }
        for key in known
    ]


def _url(key: str) -> str:
    doi = CITATIONS[key].doi
    return f"https://doi.org/{doi}" if doi else ""


def provenance_of(
    findings: Sequence[Finding], cards: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return where the numbers come from: one record a finding, and what all share."""
    records = [
        {
            "card": card,
            "id": finding.id,
            "seed": _text(finding.provenance.get("seed")),
            "data_hash": str(finding.provenance.get("data_hash", ""))[:16],
            "parameters": _pairs(finding.parameters),
            "systems": [_pairs(s) for s in finding.provenance.get("systems", []) if s],
            "seconds": _text(finding.provenance.get("seconds")),
            "started": _text(finding.provenance.get("started")),
        }
        for finding, card in zip(findings, cards, strict=True)
    ]
    shared: dict[str, list[str]] = {}
    for finding in findings:
        origin = finding.provenance
        facts = {k: origin[k] for k in ("marr", "python", "platform") if k in origin}
        for name, value in {**facts, **origin.get("packages", {})}.items():
            values = shared.setdefault(str(name), [])
            if str(value) not in values:
                values.append(str(value))
    environment = [(name, ", ".join(values)) for name, values in shared.items()]
    return {"records": records, "environment": environment}


def _pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(k).replace("_", " "), _text(v)) for k, v in values.items() if k != "seed"
    ]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (float, np.floating)):
        return plain_number(float(value), 4)
    if isinstance(value, dict):
        text = ", ".join(f"{k}: {_text(v)}" for k, v in value.items())
    elif isinstance(value, (list, tuple)):
        text = ", ".join(_text(v) for v in value)
    else:
        text = str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
