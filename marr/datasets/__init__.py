"""Small real data that ship with marr or with other installed packages, with sources."""

from __future__ import annotations

from marr.datasets._category_fmri import category_fmri
from marr.datasets._fly_odors import fly_odors
from marr.datasets._mouse_decision import mouse_decision
from marr.datasets._mouse_heading import mouse_heading
from marr.datasets._registry import (
    DATASETS,
    Dataset,
    attribution,
    citations,
    list_datasets,
)
from marr.datasets._words import (
    Judgments,
    document_judgments,
    word_norms,
    word_similarity,
)

__all__ = [
    "DATASETS",
    "Dataset",
    "Judgments",
    "attribution",
    "category_fmri",
    "citations",
    "document_judgments",
    "fly_odors",
    "list_datasets",
    "mouse_decision",
    "mouse_heading",
    "word_norms",
    "word_similarity",
]
