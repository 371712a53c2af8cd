"""Representation: what activity encodes, in which format, with what geometry."""

from __future__ import annotations

from marr.representation._decode import decode
from marr.representation._rdm import rdm

__all__ = ["decode", "rdm"]
