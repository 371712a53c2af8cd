"""Representation: what activity encodes, in which format, with what geometry."""

from __future__ import annotations

from marr.representation._probes._decode import decode
from marr.representation._rsa._compare_rdms import compare_rdms
from marr.representation._rsa._rdm import rdm
from marr.representation._units._pairwise import pairwise_correlations
from marr.representation._units._tuning import tuning

__all__ = ["compare_rdms", "decode", "pairwise_correlations", "rdm", "tuning"]
