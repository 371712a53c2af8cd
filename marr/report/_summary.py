"""The summary table: one row a question, one column a level, grouped by study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.errors import check_known
from marr.findings import LEVELS
from marr.report._text import slug

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.report._report import Report

__all__ = ["summary_of"]


def summary_of(
    report: Report, cards: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the studies of a report with the rows of their questions.

    Parameters
    ----------
    report : Report
        What to summarize.
    cards, links : sequence of dict
        Of its findings and links, in its order.

    Returns
    -------
    list of dict
        `name`, `text` and `rows`; a row has `question`, `answer`, `cells` (a level each:
        `cards`, `gaps`, and `empty` where there is neither) and `links`.

    Raises
    ------
    OptionError
        If an answer was written to a question that nobody asked.
    """
    for question in report._answers:
        check_known("Report.answer", question, report.questions, what="question")
    keys = report._rows()
    names = [n for n in report._studies if any(study == n for study, _ in keys)]
    if any(study == "" for study, _ in keys):
        names = ["", *names]
    used: set[str] = set()
    return [
        {
            "name": name,
            "text": report._studies.get(name, ""),
            "anchor": f"study-{slug(name)}",
            "rows": [
                _row(report, cards, links, name, question, used)
                for study, question in keys
                if study == name
            ],
        }
        for name in names
    ]


def _row(
    report: Report,
    cards: Sequence[dict[str, Any]],
    links: Sequence[dict[str, Any]],
    study: str,
    question: str,
    used: set[str],
) -> dict[str, Any]:
    places = [p for p in report._places if (p.study, p.question) == (study, question)]
    gaps = [g for g in report._gaps if (g.study, g.question) == (study, question)]
    cells = []
    for level in LEVELS:
        here = [
            cards[p.finding]
            for p in places
            if cards[p.finding]["level"].split("+")[0] == level
        ]
        texts = [g.text for g in gaps if g.level == level]
        cells.append({"level": level, "cards": here, "gaps": texts,
                      "empty": not here and not texts})  # fmt: skip
    anchor = base = f"q-{slug(question)[:48].strip('-')}"
    number = 1
    while anchor in used:
        number += 1
        anchor = f"{base}-{number}"
    used.add(anchor)
    return {
        "question": question, "anchor": anchor, "answer": report._answers.get(question, ""),
        "cells": cells,
        "links": [v for v in links if (v["study"], v["row"]) == (study, question)],
    }  # fmt: skip
