"""What analyses return, with its evidence grade, words, citations and provenance."""

from __future__ import annotations

from marr.findings._citations import CITATIONS, Citation
from marr.findings._evidence import (
    EVIDENCE_GRADES,
    GRADE_WORDS,
    VERBS,
    verb,
    weaker_grade,
)
from marr.findings._finding import LEVELS, Finding
from marr.findings._json import (
    canonical_hash,
    dataset_from_json,
    dataset_to_json,
    value_from_json,
    value_to_json,
)
from marr.findings._parts import FIGURE_KINDS, FigureSpec, Note
from marr.findings._provenance import provenance

__all__ = [
    "CITATIONS",
    "EVIDENCE_GRADES",
    "FIGURE_KINDS",
    "GRADE_WORDS",
    "LEVELS",
    "VERBS",
    "Citation",
    "FigureSpec",
    "Finding",
    "Note",
    "canonical_hash",
    "dataset_from_json",
    "dataset_to_json",
    "provenance",
    "value_from_json",
    "value_to_json",
    "verb",
    "weaker_grade",
]
