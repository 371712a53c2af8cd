"""The demo: real recordings and trained networks, from data to one report."""

from __future__ import annotations

from marr.demo._run import run

__all__ = ["run"]
