"""Small real recordings and behavior that ship with marr, each with its source."""

from __future__ import annotations

from marr.datasets._category_fmri import category_fmri
from marr.datasets._mouse_decision import mouse_decision
from marr.datasets._mouse_heading import mouse_heading
from marr.datasets._registry import (
    DATASETS,
    Dataset,
    attribution,
    citations,
    list_datasets,
)

__all__ = [
    "DATASETS",
    "Dataset",
    "attribution",
    "category_fmri",
    "citations",
    "list_datasets",
    "mouse_decision",
    "mouse_heading",
]
