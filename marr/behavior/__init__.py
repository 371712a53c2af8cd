"""Behavior: what problem is solved, how well, by which strategy, with which errors."""

from __future__ import annotations

from marr.behavior._psychometric import psychometric

__all__ = ["psychometric"]
