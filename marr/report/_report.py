"""The Report: findings and links under questions, saved as one page or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from marr._option_types import checked
from marr.errors import ContractError, check_option
from marr.findings import LEVELS, Finding
from marr.report._files import read_report_text, write_text
from marr.report._records import FAMILIES, Gap, LinkRecord, Place, correct_families
from marr.report._untested import untested_links

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from marr.links import Link

__all__ = ["Report"]


class Report:
    """Findings and links that answer questions, as one self-contained HTML page.

    Parameters
    ----------
    title : str
        The question that the whole report is about.
    abstract : str
        What was done and found, in a few sentences; blank lines separate paragraphs.

    Notes
    -----
    Every method but `save` and the readers returns the report, so calls can be chained.
    A report keeps what it is given: it computes nothing but links and their corrections.

    Examples
    --------
    >>> report = Report("Does the network solve the task as the mouse does?")
    >>> report.answer("Do both use the prior?", "Both do.")
    <Report 'Does the network solve the task as the mouse does?': 0 findings, 0 links>
    """

    def __init__(self, title: str, *, abstract: str = "") -> None:
        self.title = str(title)
        self.abstract = str(abstract)
        self._findings: list[Finding] = []
        self._places: list[Place] = []
        self._records: list[LinkRecord] = []
        self._gaps: list[Gap] = []
        self._answers: dict[str, str] = {}
        self._studies: dict[str, str] = {}
        self._study = ""

    # ---- what it holds ------------------------------------------------------------

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings in the order in which they were added."""
        return tuple(self._findings)

    @property
    def links(self) -> tuple[Link, ...]:
        """Links with the p-values and verdicts of their corrected family."""
        return tuple(correct_families(self._records))

    @property
    def questions(self) -> tuple[str, ...]:
        """Questions in the order of their first mention."""
        return tuple(dict.fromkeys(question for _, question in self._rows()))

    def __repr__(self) -> str:
        """Show the title and what is inside."""
        counts = f"{len(self._findings)} findings, {len(self._records)} links"
        return f"<Report {self.title!r}: {counts}>"

    # ---- building it --------------------------------------------------------------

    def study(self, name: str, text: str = "") -> Self:
        """Open a study: what is added from now on belongs to it unless it says else.

        Parameters
        ----------
        name : str
            Heading of the study's part of the summary.
        text : str
            What was studied: subjects, data, where from.
        """
        self._studies[name] = text or self._studies.get(name, "")
        self._study = name
        return self

    @checked
    def add(
        self, *findings: Finding, question: str | None = None, study: str | None = None
    ) -> Self:
        """Add findings; those of one question share a row of the summary.

        Parameters
        ----------
        *findings : Finding
            A finding that is there already is only given its further place.
        question : str, optional
            Row of the summary; default: the finding's own question.
        study : str, optional
            Part of the summary; default: the study opened last.
        """
        for finding in findings:
            if not isinstance(finding, Finding):
                msg = (
                    f"Report.add takes findings, got {type(finding).__name__}. "
                    "Links are made by Report.link(a, b)."
                )
                raise ContractError(msg)
            at = self._position(finding)
            place = Place(at, question or finding.question, self._in(study))
            if place not in self._places:
                self._places.append(place)
        return self

    def link(
        self,
        a: Finding,
        b: Finding,
        *,
        kind: str = "covaries",
        along: str | None = None,
        question: str | None = None,
        study: str | None = None,
        family: str = "exploratory",
        **options: Any,
    ) -> Self:
        """Test a link between two findings and keep it; see `marr.link`.

        Parameters
        ----------
        a, b : Finding
            The two ends, also as `finding.per("unit")`; added if they are missing.
        kind, along, **options
            As in `marr.link`.
        question : str, optional
            Row of the summary that shows the verdict; default: a row of the ends.
        study : str, optional
            Part of the summary; default: that of the row.
        family : {"exploratory", "confirmatory"}
            Confirmatory links were declared with the question; they are corrected among
            themselves (Holm), exploratory ones among themselves (Benjamini-Hochberg).
        """
        from marr.links import link

        check_option("family", family, FAMILIES)
        tested = link(a, b, kind=kind, along=along, **options)
        swapped = tested.a == b.id and tested.b == a.id
        first, second = (b, a) if swapped else (a, b)
        at_a, at_b = self._end(first), self._end(second)
        row, where = self._row_of(at_a, at_b)
        if question is not None:
            where = next((s for s, q in self._rows() if q == question), where)
        where = where if study is None else self._in(study)
        record = LinkRecord(tested, at_a, at_b, question or row, where, family)
        self._records = [r for r in self._records if r.link.id != tested.id]
        self._records.append(record)
        return self

    def not_measured(
        self, *, question: str, level: str, text: str, study: str | None = None
    ) -> Self:
        """Say in a cell of the summary that something was not measured, and why.

        Parameters
        ----------
        question : str
            Row of the summary.
        level : {"behavior", "representation", "implementation"}
            Column of the summary.
        text : str
            Whose and what, e.g. "Mouse: no neurons were recorded."
        study : str, optional
            Part of the summary; default: the study opened last.
        """
        check_option("level", level, LEVELS)
        gap = Gap(question, level, text, self._in(study))
        if gap not in self._gaps:
            self._gaps.append(gap)
        return self

    def answer(self, question: str, text: str) -> Self:
        """Write the answer to a question, in words; it heads the question's row."""
        self._answers[question] = text
        return self

    def untested(self) -> list[dict[str, Any]]:
        """List the links that the findings would allow and nobody asked for.

        Returns
        -------
        list of dict
            `a`, `b` (positions in `findings`), `along`, `kind`, `n_shared`, `question`
            and `call`, the line of code that would test the link.
        """
        linked = {frozenset((r.a, r.b)) for r in self._records}
        return untested_links(self._findings, linked)

    def _rows(self) -> list[tuple[str, str]]:
        """Return study and question of each row, in the order of first mention."""
        mentions: list[Place | Gap | LinkRecord] = [
            *self._places, *self._gaps, *self._records
        ]  # fmt: skip
        return list(dict.fromkeys((m.study, m.question) for m in mentions))

    def _in(self, study: str | None) -> str:
        if study is None:
            return self._study
        self._studies.setdefault(study, "")
        return study

    def _position(self, finding: Finding) -> int:
        if finding not in self._findings:
            self._findings.append(finding)
        return self._findings.index(finding)

    def _end(self, end: Finding) -> int:
        """Return the position of a link's end, that of the whole for a view of it."""
        whole = end.parameters.get("of")
        for i, finding in enumerate(self._findings):
            if finding.id in (end.id, whole):
                return i
        self.add(end)
        return self._position(end)

    def _row_of(self, a: int, b: int) -> tuple[str, str]:
        rows = [(p.question, p.study) for p in self._places if p.finding == a]
        both = [
            r
            for r in rows
            if any((p.question, p.study) == r and p.finding == b for p in self._places)
        ]
        return (both or rows)[0]

    # ---- files --------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `Report.from_dict` reads them back exactly."""
        return {
            "marr_report": 1,
            "title": self.title,
            "abstract": self.abstract,
            "studies": [{"name": k, "text": v} for k, v in self._studies.items()],
            "answers": [{"question": k, "text": v} for k, v in self._answers.items()],
            "findings": [f.to_dict() for f in self._findings],
            "places": [p.to_dict() for p in self._places],
            "links": [r.to_dict() for r in self._records],
            "not_measured": [g.to_dict() for g in self._gaps],
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Report:
        """Return the report that `to_dict` wrote.

        Raises
        ------
        ContractError
            If `record` is not such a dictionary.
        """
        if not isinstance(record, dict) or record.get("marr_report") != 1:
            msg = (
                "not a report: expected the dictionary that Report.to_dict() writes (with "
                f"'marr_report': 1); got {str(record)[:80]!r}."
            )
            raise ContractError(msg)
        try:
            return cls._from_parts(record)
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"the report is damaged: {error!r}. Write it anew with Report.save."
            raise ContractError(msg) from error

    @classmethod
    def _from_parts(cls, record: dict[str, Any]) -> Report:
        from marr.links import Link

        report = cls(record["title"], abstract=record["abstract"])
        report._studies = {s["name"]: s["text"] for s in record["studies"]}
        report._answers = {a["question"]: a["text"] for a in record["answers"]}
        report._findings = [Finding.from_dict(f) for f in record["findings"]]
        report._places = [Place(**p) for p in record["places"]]
        report._gaps = [Gap(**g) for g in record["not_measured"]]
        report._records = [
            LinkRecord(**{**r, "link": Link.from_dict(r["link"])})
            for r in record["links"]
        ]
        return report

    @checked
    def save(self, path: str | PathLike[str], *, allow_large: bool = False) -> Path:
        """Write the report: `.json` as data, anything else as one HTML page.

        Parameters
        ----------
        path : str or path
            Written beside and moved into place, so that nothing half-written stays.
        allow_large : bool
            Write also pages over 50 MB.

        Returns
        -------
        pathlib.Path
            The path written.

        Raises
        ------
        FileError
            If the path cannot be written, or the page is over 50 MB; the message names
            the heaviest findings.
        """
        from marr.report._render import render, report_json

        json_only = str(path).lower().endswith(".json")
        text = report_json(self) if json_only else render(self, allow_large=allow_large)
        return write_text(path, text)

    @classmethod
    @checked
    def open(cls, path: str | PathLike[str]) -> Report:
        """Read a report back from its page or its JSON.

        Raises
        ------
        FileError
            If there is no such file or it holds no report.
        """
        return cls.from_dict(read_report_text(path))
