"""Links between findings: tests of whether levels meet."""

from __future__ import annotations

from marr.links._build import link
from marr.links._join import trial_overlap
from marr.links._link import ALPHA, LINK_KINDS, MIN_SHARED, VERDICTS, Link, verdict_of

__all__ = [
    "ALPHA",
    "LINK_KINDS",
    "MIN_SHARED",
    "VERDICTS",
    "Link",
    "link",
    "trial_overlap",
    "verdict_of",
]
