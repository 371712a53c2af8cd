"""Representation: what activity encodes, in which format, with what geometry."""

from __future__ import annotations

from marr.representation._compare_rdms import compare_rdms
from marr.representation._decode import decode
from marr.representation._pairwise import pairwise_correlations
from marr.representation._rdm import rdm

__all__ = ["compare_rdms", "decode", "pairwise_correlations", "rdm"]
