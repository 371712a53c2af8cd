"""What the templates show of one finding and of one link."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from marr.findings import FigureSpec
from marr.findings._figures import figure_spec, table_figure_spec
from marr.findings._plotly import to_plotly
from marr.links import VERDICTS
from marr.report._headline import entry_of
from marr.report._pack import rounded
from marr.report._tables import dataset_frame, finding_tables, table_view
from marr.report._text import first_sentence, format_estimate, format_p, slug

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.findings import Finding
    from marr.links import Link
    from marr.report._records import LinkRecord

__all__ = ["anchors_of", "finding_card", "finding_label", "level_class", "link_card"]

_DETAILS = (
    "target",
    "stimulus",
    "measure",
    "readout",
    "on",
    "by",
    "over",
    "between",
    "beyond",
)
_ACRONYMS = {"rdm": "RDM", "rdms": "RDMs"}
STYLES = {
    "supported": "yes",
    "reversed": "yes",
    "mixed": "open",
    "no link seen": "no",
    "too few": "open",
}
"""How a verdict is drawn: a whole line, a broken one, a dotted one."""


def level_class(level: str) -> str:
    """Return the style of a level; a finding that straddles has one of its own."""
    return "both" if "+" in level else level


def finding_label(finding: Finding) -> str:
    """Return a short name: the analysis and what it was asked about."""
    words = finding.analysis.rsplit(".", 1)[-1].split("_")
    name = " ".join(_ACRONYMS.get(word, word) for word in words)
    details = [finding.parameters.get(key) for key in _DETAILS]
    sites = finding.parameters.get("sites")
    details += sites if isinstance(sites, (list, tuple)) and len(sites) == 1 else []
    shown = [
        d for d in details if isinstance(d, str) and d not in {"", "choice", "fixed"}
    ]
    return " · ".join([name[:1].upper() + name[1:], *shown[:3]])


def anchors_of(findings: Sequence[Finding]) -> list[str]:
    """Return lasting ids of cards: level, analysis and system, numbered where needed."""
    used: dict[str, int] = {}
    anchors = []
    for finding in findings:
        base = slug(f"{finding.analysis} {finding.system}")
        used[base] = used.get(base, 0) + 1
        anchors.append(base if used[base] == 1 else f"{base}-{used[base]}")
    return anchors


def _figure(plain: dict[str, Any], key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a figure's part of the template and its data for the page's store."""
    drawn = rounded(to_plotly(plain))
    store = {"data": drawn["data"], "layout": drawn["layout"]}
    narrow = rounded(to_plotly(plain, narrow=True))["layout"]
    if narrow != drawn["layout"]:
        store["narrow"] = narrow
    view = {
        "key": key, "height": drawn["layout"]["height"], "caption": plain["caption"],
        "notes": plain["notes"], "description": plain["description"], "square": plain["square"],
    }  # fmt: skip
    return view, store


def finding_card(finding: Finding, index: int, anchor: str) -> dict[str, Any]:
    """Return everything that the page shows of a finding.

    Parameters
    ----------
    finding : Finding
        What to show.
    index : int
        Its position in the report.
    anchor : str
        Id of its card.

    Returns
    -------
    dict
        For the templates; `store` holds figure data by key, `csv` the tables as text.
    """
    figures, store = [], {}
    for k, spec in enumerate(finding.figures):
        key = f"{anchor}-f{k + 1}"
        view, store[key] = _figure(figure_spec(finding, spec), key)
        figures.append(view)
    tables, csv = [], {}
    for name, frame in finding_tables(finding).items():
        file = anchor if name == "estimate" else f"{anchor}-{slug(name)}"
        caption = "The estimate." if name == "estimate" else f"Table “{name}”."
        tables.append(table_view(frame, caption, file) | {"title": name})
        csv[file] = frame.to_csv(index=False, lineterminator="\n")
    return {
        "index": index, "anchor": anchor, "label": finding_label(finding),
        "analysis": finding.analysis, "level": finding.level,
        "style": level_class(finding.level), "system": finding.system,
        "question": finding.question, "summary": finding.summary,
        "short": first_sentence(finding.summary), "evidence": finding.evidence,
        "n": _n_trials(finding), "over": finding.generalizes_over,
        "notes": finding.notes, "methods": finding.methods, "citations": finding.citations,
        "figures": figures, "tables": tables, "store": store, "csv": csv,
        **entry_of(finding),
    }  # fmt: skip


def _n_trials(finding: Finding) -> str:
    members = re.search(
        r"^(.+) \(n = (\d+)\)$|each of (\d+) (.+)$", finding.generalizes_over
    )
    if members:
        kind, n_members = (members[1] or members[4]), (members[2] or members[3])
        return f"{n_members} {kind}"
    n = int(finding.trial_hashes.size)
    return f"{n:,} trials" if n else ""


def link_card(
    record: LinkRecord, link: Link, number: int, cards: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return everything that the page shows of a link.

    Parameters
    ----------
    record : LinkRecord
        Where the link belongs.
    link : Link
        The same link, corrected in its family.
    number : int
        Its number on the page, from 1.
    cards : sequence of dict
        Cards of the findings.
    """
    anchor = f"link-{number}"
    shown, interval = format_estimate(link.statistic, *link.ci)
    figure, store, csv, tables = None, {}, {}, []
    if link.points.data_vars and link.points.sizes.get(link.along, 0):
        key = f"{anchor}-f1"
        spec = _points_spec(link)
        figure, store[key] = _figure(table_figure_spec(link.points, spec), key)
        frame = dataset_frame(link.points)
        tables.append(
            table_view(frame, "The joined values.", anchor) | {"title": "points"}
        )
        csv[anchor] = frame.to_csv(index=False, lineterminator="\n")
    corrected = math.nan if link.p_corrected is None else link.p_corrected
    return {
        "number": number, "anchor": anchor, "kind": link.kind, "along": link.along,
        "a": cards[record.a], "b": cards[record.b], "a_label": link.a_label,
        "b_label": link.b_label, "question": link.question, "row": record.question,
        "study": record.study, "family": record.family, "sentence": link.sentence,
        "verdict": link.verdict, "meaning": VERDICTS[link.verdict], "style": STYLES[link.verdict],
        "statistic": shown if math.isfinite(link.statistic) else "", "interval": interval,
        "name": link.statistic_name, "p": format_p(link.p_value),
        "p_corrected": format_p(corrected, "corrected p"), "correction": link.correction,
        "n": link.n, "null": link.null, "grade": link.grade, "evidence": link.evidence,
        "detectable": "" if math.isnan(link.minimum_detectable)
        else format_estimate(link.minimum_detectable)[0],
        "notes": link.notes, "methods": link.methods, "citations": link.citations,
        "figure": figure, "tables": tables, "store": store, "csv": csv,
    }  # fmt: skip


def _points_spec(link: Link) -> FigureSpec:
    group = next(
        (
            name
            for name in ("member", "stratum")
            if name in link.points and len(set(link.points[name].values.tolist())) > 1
        ),
        None,
    )
    return FigureSpec(
        "scatter", x="x", y="y", group=group, x_label=link.a_label, y_label=link.b_label,
        caption=f"Each dot is one of {link.n} {link.along}s that both findings have.",
        description=f"Scatter of {link.b_label} against {link.a_label}. {link.sentence}",
    )  # fmt: skip
