"""The result of an analysis: frozen, labelled, with its uncertainty and its origin."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr._option_types import checked
from marr.errors import ContractError, OptionError, check_known, check_option
from marr.findings._citations import CITATIONS
from marr.findings._evidence import EVIDENCE_GRADES
from marr.findings._json import (
    array_from_json,
    array_to_json,
    canonical_hash,
    dataset_from_json,
    dataset_to_json,
    value_from_json,
    value_to_json,
)
from marr.findings._parts import FigureSpec, Note

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["LEVELS", "Finding"]

LEVELS = ("behavior", "representation", "implementation")
"""Marr's levels; a finding that straddles two joins them with "+"."""

_CLOCKS = ("started", "seconds", "platform", "packages", "python")


@dataclass(frozen=True, eq=False)
class Finding:
    """What an analysis found.

    Attributes
    ----------
    analysis : str
        Which analysis, e.g. "representation.decode".
    level : str
        "behavior", "representation" or "implementation" (or two joined by "+").
    evidence : str
        Grade of the contrast: "causal", "approximate", "surrogate", "predictive" or
        "descriptive".
    system : str
        Name of the system (or cohort) studied.
    question, summary : str
        What was asked, and the answer in one or two sentences.
    estimate : xarray.Dataset
        `estimate`, `ci_low`, `ci_high`, `p_value`, `p_corrected` (and `null_mean`,
        `ceiling`, `floor`, `excess` where they exist) on labelled axes. The
        variable `estimate` says what it is in attrs: `long_name`, `units`, `chance`,
        `better`.
    tables : dict of str to xarray.Dataset
        Further numbers by axis; see `per`.
    figures : tuple of FigureSpec
        What `figure()` draws.
    methods : str
        How it was done, for a methods section.
    citations : tuple of str
        Keys into `marr.findings.CITATIONS`.
    notes : tuple of Note
        Caveats and expected non-successes.
    generalizes_over : str
        Over what the interval generalizes (trials, seeds, ...).
    parameters, provenance : dict
        The call, and where the numbers come from.
    trial_hashes : array of uint64
        Which trials went in, comparable between findings.
    """

    analysis: str
    level: str
    evidence: str
    system: str
    question: str
    summary: str
    estimate: xr.Dataset
    tables: dict[str, xr.Dataset] = field(default_factory=dict)
    figures: tuple[FigureSpec, ...] = ()
    methods: str = ""
    citations: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    generalizes_over: str = "trials"
    parameters: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    trial_hashes: np.ndarray[Any, Any] = field(
        default_factory=lambda: np.array([], dtype=np.uint64)
    )

    def __post_init__(self) -> None:
        """Check what every finding owes its reader."""
        for level in self.level.split("+"):
            check_option("level", level, LEVELS)
        check_option("evidence", self.evidence, EVIDENCE_GRADES)
        if not isinstance(self.estimate, xr.Dataset) or "estimate" not in self.estimate:
            msg = (
                f"{self.analysis}: estimate must be an xarray.Dataset with a variable "
                "'estimate'."
            )
            raise ContractError(msg)
        for key in self.citations:
            check_known("citations", key, CITATIONS, what="citation")

    @cached_property
    def id(self) -> str:
        """Content id: numbers, method, parameters and data; no clocks."""
        record = self.to_dict()
        record["provenance"] = {
            k: v for k, v in self.provenance.items() if k not in _CLOCKS
        }
        return canonical_hash(record)[:16]

    def __eq__(self, other: object) -> bool:
        """Compare by content id."""
        return isinstance(other, Finding) and self.id == other.id

    def __hash__(self) -> int:
        """Hash the content id."""
        return hash(self.id)

    @property
    def dims(self) -> tuple[str, ...]:
        """Axes of the estimate."""
        return tuple(str(d) for d in self.estimate["estimate"].dims)

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes for which `per` has an answer."""
        own = self.dims if len(self.dims) == 1 else ()
        return tuple(dict.fromkeys([*own, *self.tables]))

    @checked
    def per(self, axis: str) -> Finding:
        """Return the finding over one axis ("unit", "time", ...).

        Parameters
        ----------
        axis : str
            One of `axes`. The table's attribute `reduction` says how the other axes
            were reduced.

        Raises
        ------
        OptionError
            If there is no such axis; the message lists what there is.
        """
        if axis in self.tables:
            table = self.tables[axis]
        elif self.dims == (axis,):
            table = self.estimate
        else:
            msg = (
                f"{self.analysis} of {self.system!r} has no table over {axis!r}; "
                f"there is {list(self.axes)}."
            )
            raise OptionError(msg)
        if "estimate" not in table:
            msg = f"the table {axis!r} holds no estimate; it is there to look at."
            raise OptionError(msg)
        figures = tuple(
            replace(s, table="estimate") for s in self.figures if s.table == axis
        )
        parameters = {**self.parameters, "per": axis, "of": self.id}
        kept = {axis: table} if axis in self.tables else {}
        if "null" in self.tables and axis in self.tables["null"].dims:
            kept["null"] = self.tables["null"]  # a link along this axis must beat it
        return replace(
            self,
            estimate=table,
            tables=kept,
            figures=figures,
            parameters=parameters,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the estimate as a table, one row a cell."""
        if not self.estimate["estimate"].dims:
            scalars = {
                str(k): v.values.item()
                for k, v in self.estimate.variables.items()
                if v.ndim == 0
            }
            return pd.DataFrame([scalars])
        dims = self.estimate["estimate"].dims
        drop = [
            n for n, v in self.estimate.data_vars.items() if set(v.dims) - set(dims)
        ]
        return self.estimate.drop_vars(drop).to_dataframe().reset_index()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `Finding.from_dict` reads them back exactly."""
        return {
            "marr_finding": 1,
            "analysis": self.analysis,
            "level": self.level,
            "evidence": self.evidence,
            "system": self.system,
            "question": self.question,
            "summary": self.summary,
            "estimate": dataset_to_json(self.estimate),
            "tables": [[k, dataset_to_json(v)] for k, v in self.tables.items()],
            "figures": [s.to_dict() for s in self.figures],
            "methods": self.methods,
            "citations": list(self.citations),
            "notes": [n.to_dict() for n in self.notes],
            "generalizes_over": self.generalizes_over,
            "parameters": value_to_json(self.parameters),
            "provenance": value_to_json(self.provenance),
            "trial_hashes": array_to_json(self.trial_hashes),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Finding:
        """Return the finding that `to_dict` wrote."""
        if not isinstance(record, dict) or record.get("marr_finding") != 1:
            msg = (
                "not a finding: expected the dictionary that Finding.to_dict() writes "
                f"(with 'marr_finding': 1); got {str(record)[:80]!r}."
            )
            raise ContractError(msg)
        try:
            return cls._from_parts(record)
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"the finding is damaged: {error!r}. Write it anew with Finding.to_dict."
            raise ContractError(msg) from error

    @classmethod
    def _from_parts(cls, record: dict[str, Any]) -> Finding:
        plain = (
            "analysis",
            "level",
            "evidence",
            "system",
            "question",
            "summary",
            "methods",
            "generalizes_over",
        )
        return cls(
            **{k: record[k] for k in plain},
            estimate=dataset_from_json(record["estimate"]),
            tables={k: dataset_from_json(v) for k, v in record["tables"]},
            figures=tuple(FigureSpec(**s) for s in record["figures"]),
            citations=tuple(record["citations"]),
            notes=tuple(Note(**n) for n in record["notes"]),
            parameters=value_from_json(record["parameters"]),
            provenance=value_from_json(record["provenance"]),
            trial_hashes=array_from_json(record["trial_hashes"]),
        )

    @checked
    def figure(self, which: int = 0) -> Figure:
        """Draw one of the finding's figures with plotly."""
        from marr.findings._figures import draw

        if not self.figures:
            msg = f"{self.analysis} of {self.system!r} has no figure; see to_frame()."
            raise OptionError(msg)
        if not 0 <= which < len(self.figures):
            msg = f"which must be 0 to {len(self.figures) - 1}; got {which}."
            raise OptionError(msg)
        return draw(self, self.figures[which])

    def __repr__(self) -> str:
        """Show question, answer and grade."""
        notes = "".join(f"\n  note: {n.text}" for n in self.notes)
        return (
            f"<{self.analysis} of {self.system} [{self.level}, {self.evidence}]\n"
            f"  {self.question}\n  {self.summary}{notes}>"
        )

    def _repr_html_(self) -> str:
        """Show a small card in notebooks."""
        from html import escape

        notes = "".join(
            f"<li>{escape(n.text)} {escape(n.advice)}</li>" for n in self.notes
        )
        return (
            f"<div><p><b>{escape(self.question)}</b> <i>{escape(self.system)} · "
            f"{escape(self.level)} · {escape(self.evidence)}</i></p>"
            f"<p>{escape(self.summary)}</p>{f'<ul>{notes}</ul>' if notes else ''}</div>"
        )
