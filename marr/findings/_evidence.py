"""Evidence grades, and the verbs that a sentence may use under each."""

from __future__ import annotations

from marr.errors import check_option

__all__ = ["EVIDENCE_GRADES", "GRADE_WORDS", "VERBS", "verb", "weaker_grade"]

EVIDENCE_GRADES = ("causal", "approximate", "surrogate", "predictive", "descriptive")
"""Grades of a contrast, strongest first."""

GRADE_WORDS = {
    "causal": "the system was perturbed and its output or downstream activity compared",
    "approximate": "a gradient stands for the perturbation",
    "surrogate": "a model fitted to the recording was perturbed",
    "predictive": "a readout or coupling model of recorded activity was perturbed",
    "descriptive": "nothing was perturbed",
}
"""What each grade means, for readers."""

VERBS: dict[str, dict[str, str]] = {
    "causal": {
        "depends": "needs",
        "independent": "does not need",
        "acts": "drives",
    },
    "approximate": {
        "depends": "is estimated to need",
        "independent": "is not estimated to need",
        "acts": "is estimated to drive",
    },
    "surrogate": {
        "depends": "would need, in the fitted model,",
        "independent": "would not need, in the fitted model,",
        "acts": "would drive, in the fitted model,",
    },
    "predictive": {
        "depends": "has a readout that depends on",
        "independent": "has a readout that does not depend on",
        "acts": "predicts",
    },
    "descriptive": {
        "depends": "varies with",
        "independent": "does not vary with",
        "acts": "carries",
    },
}
"""Words by grade: `depends` (what the system does to the part), `acts` (the reverse)."""


def verb(evidence: str, relation: str = "depends") -> str:
    """Return the verb that a sentence of this grade may use.

    Parameters
    ----------
    evidence : {"causal", "approximate", "surrogate", "predictive", "descriptive"}
        Grade of the contrast.
    relation : {"depends", "independent", "acts"}
        Whether the sentence runs from the system to the part or the other way.

    Examples
    --------
    >>> verb("causal"), verb("descriptive", "acts")
    ('needs', 'carries')
    """
    check_option("evidence", evidence, EVIDENCE_GRADES)
    check_option("relation", relation, VERBS["causal"])
    return VERBS[evidence][relation]


def weaker_grade(*grades: str) -> str:
    """Return the weakest of several grades."""
    for grade in grades:
        check_option("evidence", grade, EVIDENCE_GRADES)
    return max(grades, key=EVIDENCE_GRADES.index)
