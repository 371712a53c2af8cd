"""Behavior: what problem is solved, how well, by which strategy, with which errors."""

from __future__ import annotations

from marr.behavior._accuracy import accuracy
from marr.behavior._estimation_error import estimation_error
from marr.behavior._movement import movement
from marr.behavior._psychometric import psychometric

__all__ = ["accuracy", "estimation_error", "movement", "psychometric"]
