"""What a report holds besides findings: its rows, links, gaps and studies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from marr.stats import fdr, holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.links import Link

__all__ = ["FAMILIES", "Gap", "LinkRecord", "Place", "correct_families"]

FAMILIES = ("confirmatory", "exploratory")


@dataclass(frozen=True)
class Place:
    """Where a finding stands: in the row of a question, in a study ("" for none)."""

    finding: int
    question: str
    study: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Gap:
    """A cell of the summary that says why nothing was measured there."""

    question: str
    level: str
    text: str
    study: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class LinkRecord:
    """A link, the positions of its two findings in the report, and its family."""

    link: Link
    a: int
    b: int
    question: str
    study: str
    family: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "link": self.link.to_dict(), "a": self.a, "b": self.b,
            "question": self.question, "study": self.study, "family": self.family,
        }  # fmt: skip


def correct_families(records: Sequence[LinkRecord]) -> list[Link]:
    """Return the links with p-values and verdicts corrected inside their family.

    Confirmatory links are corrected by Holm's method, exploratory ones by Benjamini and
    Hochberg's; links without a verdict (too few shared members) belong to no family.
    So an exploratory link changes no confirmatory verdict.

    Parameters
    ----------
    records : sequence of LinkRecord
        All links of a report.

    Returns
    -------
    list of Link
        In the order given.
    """
    corrected = [record.link for record in records]
    for family, name, adjust in (
        ("confirmatory", "Holm", holm),
        ("exploratory", "Benjamini-Hochberg", fdr),
    ):
        members = [
            i
            for i, record in enumerate(records)
            if record.family == family and record.link.verdict != "too few"
        ]
        if not members:
            continue
        adjusted = adjust([records[i].link.p_value for i in members])
        plural = "link" if len(members) == 1 else "links"
        words = f"{name} over {len(members)} {family} {plural}"
        for i, p in zip(members, adjusted, strict=True):
            corrected[i] = records[i].link.corrected(float(p), words, family)
    return corrected
