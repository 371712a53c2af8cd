"""What can be measured on a system, trial by trial."""

from __future__ import annotations

from marr.measures._base import FittedMeasure, Measure, as_measure, wrap
from marr.measures._behavior import accuracy, choice_follows, column
from marr.measures._decoded import decoded
from marr.measures._outputs import logit_difference

__all__ = [
    "FittedMeasure",
    "Measure",
    "accuracy",
    "as_measure",
    "choice_follows",
    "column",
    "decoded",
    "logit_difference",
    "wrap",
]
