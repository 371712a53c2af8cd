"""Reports: findings and links under questions, as one self-contained page."""

from __future__ import annotations

from marr.report._render import render
from marr.report._report import Report

__all__ = ["Report", "render"]
