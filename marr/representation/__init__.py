"""Representation: what activity encodes, in which format, with what geometry."""

from __future__ import annotations

from marr.representation._alignment._align import align
from marr.representation._alignment._all_pairs import alignment_matrix
from marr.representation._alignment._bridge import Bridge, bridge, fit_bridge
from marr.representation._alignment._loss import alignment_loss
from marr.representation._alignment._measure import AlignmentMeasure
from marr.representation._alignment._registry import (
    ALIGNMENT_MEASURES,
    alignment_measures,
)
from marr.representation._dictionaries._dictionary import dictionary
from marr.representation._dictionaries._formats import load_dictionary
from marr.representation._dictionaries._train import train_dictionary
from marr.representation._encoding._encode import encode
from marr.representation._geometry._dimensionality import dimensionality
from marr.representation._geometry._geometry import geometry
from marr.representation._geometry._manifold_capacity import manifold_capacity
from marr.representation._geometry._subspace_overlap import subspace_overlap
from marr.representation._probes._decode import decode
from marr.representation._readout._amnesic import amnesic
from marr.representation._readout._description_length import description_length
from marr.representation._readout._generalize import generalize
from marr.representation._readout._latency import latency
from marr.representation._readout._selectivity import selectivity
from marr.representation._rsa._compare_rdms import compare_rdms
from marr.representation._rsa._models import Interpolated, Selected, Weighted
from marr.representation._rsa._rdm import rdm
from marr.representation._rsa._rsa import rsa
from marr.representation._rsa._searchlight import searchlight
from marr.representation._units._choice import choice_probability
from marr.representation._units._demix import demix
from marr.representation._units._heterogeneity import heterogeneity
from marr.representation._units._mixed import mixed_selectivity
from marr.representation._units._noise import noise_correlations
from marr.representation._units._pairwise import pairwise_correlations
from marr.representation._units._targeted import targeted_axes
from marr.representation._units._tuning import tuning
from marr.systems import Dictionary

__all__ = [
    "ALIGNMENT_MEASURES",
    "AlignmentMeasure",
    "Bridge",
    "Dictionary",
    "Interpolated",
    "Selected",
    "Weighted",
    "align",
    "alignment_loss",
    "alignment_matrix",
    "alignment_measures",
    "amnesic",
    "bridge",
    "choice_probability",
    "compare_rdms",
    "decode",
    "demix",
    "description_length",
    "dictionary",
    "dimensionality",
    "encode",
    "fit_bridge",
    "generalize",
    "geometry",
    "heterogeneity",
    "latency",
    "load_dictionary",
    "manifold_capacity",
    "mixed_selectivity",
    "noise_correlations",
    "pairwise_correlations",
    "rdm",
    "rsa",
    "searchlight",
    "selectivity",
    "subspace_overlap",
    "targeted_axes",
    "train_dictionary",
    "tuning",
]
