"""A link: the test of whether two findings agree along an axis that they share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import xarray as xr

from marr.errors import ContractError, check_option
from marr.findings import (
    Note,
    canonical_hash,
    dataset_from_json,
    dataset_to_json,
    value_from_json,
    value_to_json,
)

__all__ = ["ALPHA", "LINK_KINDS", "MIN_SHARED", "VERDICTS", "Link", "verdict_of"]

LINK_KINDS = ("covaries", "used")
"""Kinds of link that `link` can test."""

ALPHA = 0.05
MIN_SHARED = 8
"""With fewer shared members a link has no verdict."""

VERDICTS = {
    "supported": "the two findings go together",
    "reversed": "the two findings go together, against the expected direction",
    "no link seen": "no relation larger than the minimum detectable effect was seen",
    "mixed": "the members of the cohort disagree: the interval over members holds 0",
    "too few": "too few shared members for a verdict",
}


@dataclass(frozen=True, eq=False)
class Link:
    """The test of a relation between two findings.

    Attributes
    ----------
    kind : str
        "covaries" or "used".
    a, b : str
        Content ids of the findings.
    a_label, b_label : str
        What was taken from each.
    along : str
        The shared axis.
    statistic : float
        See `statistic_name`.
    ci : tuple of float
        95 % interval.
    p_value, p_corrected : float
        `p_corrected` is None until a report corrects its family; the verdict of a
        lone link is provisional.
    verdict : str
        A key of `VERDICTS`.
    n : int
        Shared members of the axis.
    null : str
        How the null distribution was made.
    minimum_detectable : float
        Size of the statistic that would be found with power .8 at alpha .05 under
        this null.
    evidence : tuple of str
        Grades of the two ends.
    grade : str
        Grade of the link itself.
    sentence : str
        The answer in words.
    points : xarray.Dataset
        The joined values, `x` and `y` along the axis.
    """

    kind: str
    a: str
    b: str
    a_label: str
    b_label: str
    a_level: str
    b_level: str
    along: str
    statistic: float
    statistic_name: str
    ci: tuple[float, float]
    p_value: float
    verdict: str
    n: int
    null: str
    minimum_detectable: float
    evidence: tuple[str, str]
    grade: str
    sentence: str
    question: str = ""
    methods: str = ""
    citations: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    points: xr.Dataset = field(default_factory=xr.Dataset)
    parameters: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    p_corrected: float | None = None
    correction: str = ""
    family: str = ""

    def __post_init__(self) -> None:
        """Check kind and verdict."""
        check_option("kind", self.kind, LINK_KINDS)
        check_option("verdict", self.verdict, VERDICTS)

    @cached_property
    def id(self) -> str:
        """Content id: numbers, parameters and ends; no clocks, no correction."""
        record = self.to_dict()
        for key in ("provenance", "p_corrected", "correction", "family", "verdict"):
            record.pop(key)
        record.pop("sentence")
        return canonical_hash(record)[:16]

    def __eq__(self, other: object) -> bool:
        """Compare by content id."""
        return isinstance(other, Link) and self.id == other.id

    def __hash__(self) -> int:
        """Hash the content id."""
        return hash(self.id)

    @property
    def over_members(self) -> bool:
        """Whether the interval runs over the members of a cohort."""
        return bool(self.parameters.get("over_members", False))

    def corrected(self, p: float, correction: str, family: str) -> Link:
        """Return the link with the corrected p of its family, and the verdict on it."""
        return replace(
            self,
            p_corrected=float(p),
            correction=correction,
            family=family,
            verdict=verdict_of(
                self.statistic, float(p), self.n, self.ci if self.over_members else None
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `Link.from_dict` reads them back exactly."""
        record = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("points", "notes")
        }
        return {
            "marr_link": 1,
            **value_to_json(record),
            "notes": [n.to_dict() for n in self.notes],
            "points": dataset_to_json(self.points),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Link:
        """Return the link that `to_dict` wrote."""
        if not isinstance(record, dict) or record.get("marr_link") != 1:
            msg = (
                "not a link: expected the dictionary that Link.to_dict() writes; got "
                f"{str(record)[:80]!r}."
            )
            raise ContractError(msg)
        values = {k: value_from_json(v) for k, v in record.items() if k != "marr_link"}
        values["notes"] = tuple(Note(**n) for n in record["notes"])
        values["points"] = dataset_from_json(record["points"])
        for key in ("ci", "evidence", "citations"):
            values[key] = tuple(values[key])
        return cls(**values)

    def __repr__(self) -> str:
        """Show both ends and the answer."""
        notes = "".join(f"\n  note: {n.text}" for n in self.notes)
        return (
            f"<Link {self.kind} along {self.along}: {self.a_label} ~ {self.b_label}\n"
            f"  {self.sentence} Verdict: {self.verdict}.{notes}>"
        )

    def _repr_html_(self) -> str:
        """Show a small card in notebooks."""
        from html import escape

        notes = "".join(
            f"<li>{escape(n.text)} {escape(n.advice)}</li>" for n in self.notes
        )
        return (
            f"<div><p><b>{escape(self.a_label)} ~ {escape(self.b_label)}</b> "
            f"<i>link: {escape(self.kind)} along {escape(self.along)} · "
            f"{escape(self.grade)}</i></p><p><b>{escape(self.verdict.capitalize())}.</b> "
            f"{escape(self.sentence)}</p>{f'<ul>{notes}</ul>' if notes else ''}</div>"
        )


def verdict_of(
    statistic: float, p: float, n: int, member_ci: tuple[float, float] | None = None
) -> str:
    """Return the verdict of a two-sided test whose expected sign is positive.

    Parameters
    ----------
    statistic, p : float
        Statistic and its (corrected) p-value.
    n : int
        Shared members of the axis.
    member_ci : tuple of float, optional
        Interval over the members of a cohort. A relation that holds in these systems
        (p) but whose interval over members includes 0 is "mixed".
    """
    if n < MIN_SHARED:
        return "too few"
    if not p < ALPHA:
        return "no link seen"
    if member_ci is not None and member_ci[0] <= 0 <= member_ci[1]:
        return "mixed"
    return "supported" if statistic > 0 else "reversed"
