"""Representation: what activity encodes, in which format, with what geometry."""

from __future__ import annotations

from marr.representation._decode import decode

__all__ = ["decode"]
