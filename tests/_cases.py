"""One small call or more for each registered analysis, shared by the contract tests.

An analysis without a case fails `test_every_analysis_has_a_case`; a kind of system that
cannot answer is declared in `refuses`, with the words of the reason that the error gives.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from _systems import MAKERS, features_of_the_task

import marr.behavior
import marr.implementation
import marr.representation
from marr._analysis import ANALYSES

if TYPE_CHECKING:
    from marr.findings import Finding

KINDS = tuple(MAKERS)
FEW = {"n_permutations": 24}
FEW_RUNS = {"n_permutations": 24, "n_random": 3}
SIDE = marr.measures.decoded("side")
CENTERS = (np.arange(8) + 0.5) * np.pi / 4
RING = pd.DataFrame(1 - np.cos(CENTERS[:, None] - CENTERS), CENTERS, CENTERS)
LINE = pd.DataFrame(np.abs(CENTERS[:, None] - CENTERS), CENTERS, CENTERS)
STEPS = np.array([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0])
SIGNED = pd.DataFrame(np.abs(STEPS[:, None] - STEPS), STEPS, STEPS)
SIZES = pd.DataFrame(np.abs(np.abs(STEPS[:, None]) - np.abs(STEPS)), STEPS, STEPS)
CLOCKS = ("started", "seconds")
UNTIDY = re.compile(r" [,:;)]| \.(?!\d)|\( |  |\bNone\b(?! [a-z])|\bnan\b")
"""What a template leaves behind when a part of its sentence is missing."""


@dataclass(frozen=True)
class Case:
    """A call that every kind of system gets alike.

    Parameters
    ----------
    analysis : str
        Key of `ANALYSES`.
    options : dict
        Options of the call.
    grades : dict of kind to str
        Evidence grade by kind of system; descriptive where it is not given.
    refuses : dict of kind to str
        Kinds that cannot answer: pattern of the reason and of the way out.
    names : tuple of str
        Options that hold the name of a column or variable.
    missing : {"refused", "noted"}
        What happens to trials on which such a column is missing.
    perturbed : str
        Pattern of the refusal on a perturbed recording; "" where it answers.
    not_aligned : tuple of str
        Variables that are drawn at random in the order of the units.
    others : tuple of str
        Names of further systems in the options, of as many trials.
    """

    analysis: str
    options: dict[str, Any]
    grades: dict[str, str] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    missing: str = "noted"
    perturbed: str = ""
    not_aligned: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __call__(self, system: Any, **changed: Any) -> Finding:
        return ANALYSES[self.analysis].function(system, **{**self.options, **changed})


NOT_SEEN = "intact recording|observed on the intact system|nobody saw"
RANDOM = (
    "random_mean", "random_low", "random_high", "p_random", "needed", "bar", "selectivity",
)  # fmt: skip
ABLATE = {
    "grades": {"recording": "predictive", "network": "causal"},
    "not_aligned": RANDOM,
}
LAYERS = features_of_the_task()
PLACES = pd.DataFrame(
    {"x": [0.0, 1.0, 0.0, 1.0], "y": [0.0, 0.0, 1.0, 1.0]}, [f"u{i}" for i in range(4)]
)
CASES = {
    "psychometric": Case(
        "behavior.psychometric",
        {"stimulus": "stimulus", "choice": "choice"},
        names=("stimulus", "choice"),
        perturbed=NOT_SEEN,
    ),
    "psychometric by": Case(
        "behavior.psychometric",
        {"stimulus": "stimulus", "choice": "choice", "by": "prior", "lapses": "equal"},
        names=("by",),
        perturbed=NOT_SEEN,
    ),
    "accuracy": Case(
        "behavior.accuracy",
        {"column": "correct", "shortcuts": ["prior"], "answer": "target"},
        names=("column", "answer"),
        perturbed=NOT_SEEN,
    ),
    "accuracy by": Case(
        "behavior.accuracy",
        {"by": "condition", "chance": 0.5},
        names=("by",),
        perturbed=NOT_SEEN,
    ),
    "movement": Case(
        "behavior.movement",
        {"variable": "speed"},
        refuses={"network": r"'speed' was given to marr\.hook.*readout="},
        names=("variable",),
        perturbed=NOT_SEEN,
    ),
    "movement of a report": Case(
        "behavior.movement",
        {"variable": "heading_estimate"},
        names=("variable",),
        perturbed=NOT_SEEN,
    ),
    "estimation_error": Case(
        "behavior.estimation_error",
        {"estimate": "heading_estimate", "target": "angle", **FEW},
        names=("estimate", "target"),
        perturbed=NOT_SEEN,
    ),
    "decode": Case(
        "representation.decode",
        {"target": "side", "control": ["stimulus"], **FEW},
        names=("target", "control"),
        missing="refused",
    ),
    "decode over time": Case(
        "representation.decode",
        {
            "target": "condition",
            "over": "time",
            "cross_temporal": True,
            "correction": "cluster",
            **FEW,
        },
        names=("target",),
        missing="refused",
    ),
    "decode a block": Case(
        "representation.decode",
        {"target": "prior", "over": (), **FEW},
        names=("target",),
        missing="refused",
    ),
    "decode an angle": Case(
        "representation.decode",
        {"target": "heading", "correction": "fdr", **FEW},
        names=("target",),
    ),
    "decode a number": Case(
        "representation.decode",
        {"target": "stimulus", "over": "site", **FEW},
        names=("target",),
        missing="refused",
    ),
    "decode by logistic regression": Case(
        "representation.decode",
        {"target": "side", "probe": "logistic", "control": ["stimulus"], **FEW},
        names=("target", "control"),
        missing="refused",
    ),
    "decode by support vectors": Case(
        "representation.decode",
        {
            "target": "condition",
            "probe": "svm",
            "over": "site",
            "interval": "training",
            **FEW,
        },
        names=("target",),
        missing="refused",
    ),
    "decode by a network": Case(
        "representation.decode",
        {"target": "side", "probe": "mlp", "over": "site", "n_permutations": 6},
        names=("target",),
        missing="refused",
    ),
    "decode ordered categories": Case(
        "representation.decode",
        {"target": "stimulus", "kind": "ordinal", "over": "site", **FEW},
        names=("target",),
        missing="refused",
    ),
    "decode several targets": Case(
        "representation.decode",
        {"target": ["side", "condition"], "over": "site", **FEW},
        names=("target",),
        missing="refused",
    ),
    "generalize": Case(
        "representation.generalize",
        {"target": "side", "across": "condition", "n_folds": 3, **FEW},
        names=("target", "across"),
        missing="refused",
    ),
    "selectivity": Case(
        "representation.selectivity",
        {"target": "stimulus", "on": "stimulus", "n_controls": 19},
        names=("target", "on"),
        missing="refused",
    ),
    "description_length": Case(
        "representation.description_length",
        {"target": "side", "n_orders": 1, "n_permutations": 12},
        names=("target",),
        missing="refused",
    ),
    "amnesic": Case(
        "representation.amnesic",
        {"target": "side", "others": ["stimulus"], "n_random": 19},
        grades={"recording": "predictive", "network": "predictive"},
        names=("target", "others"),
        missing="refused",
        not_aligned=("random_mean", "random_high", "p_value", "p_corrected"),
    ),
    "latency": Case(
        "representation.latency",
        {"target": "side", "n_permutations": 0},
        names=("target",),
        missing="refused",
    ),
    "rdm over time": Case(
        "representation.rdm",
        {
            "on": "condition",
            "noise": "diagonal",
            "over": ["site", "time"],
            "window": 3,
            **FEW,
        },
        names=("on",),
        missing="refused",
    ),
    "searchlight": Case(
        "representation.searchlight",
        {
            "target": "prior",
            "site": "early",
            "on": "stimulus",
            "radius": 1.5,
            "distance": "euclidean",
            "coordinates": PLACES,
            **FEW,
        },
        names=("on", "target"),
        missing="refused",
    ),
    "rsa": Case(
        "representation.rsa",
        {
            "models": {"ring": RING, "line": LINE},
            "on": "heading",
            "bins": 8,
            "distance": "correlation",
            "n_resamples": 100,
        },
        names=("on",),
    ),
    "rsa over time": Case(
        "representation.rsa",
        {
            "models": {"signed": SIGNED, "size": SIZES},
            "on": "stimulus",
            "over": ("site", "time"),
            "distance": "euclidean",
            "comparator": "spearman",
            "correction": "fdr",
            "n_resamples": 100,
        },
        names=("on",),
        missing="refused",
    ),
    "rdm": Case(
        "representation.rdm",
        {"on": "condition", "n_folds": 3, **FEW},
        names=("on",),
        missing="refused",
    ),
    "rdm of bins": Case(
        "representation.rdm",
        {"on": "heading", "bins": 4, "distance": "correlation", **FEW},
        names=("on",),
    ),
    "dictionary": Case(
        "representation.dictionary",
        {"site": "early", "n_features": 6, "k": 2, "n_seeds": 2, "n_epochs": 40},
    ),
    "dictionary of components": Case(
        "representation.dictionary",
        {"site": "late", "method": "ica", "n_features": 2, "null": "random"},
    ),
    "encode": Case(
        "representation.encode",
        {"features": ["condition", "stimulus"], **FEW},
        names=("features",),
        missing="refused",
    ),
    "encode bands": Case(
        "representation.encode",
        {
            "features": {"task": ["side", "stimulus"], "body": "speed"},
            "correction": "fdr",
            "n_mixtures": 4,
            **FEW,
        },
    ),
    "encode over time": Case(
        "representation.encode",
        {
            "features": ["heading", "stimulus"],
            "time": "keep",
            "delays": (0, 1),
            "score": "pearson",
            **FEW,
        },
        names=("features",),
        missing="refused",
    ),
    "encode from layers": Case(
        "representation.encode",
        {"features": LAYERS, "hold_out": "trial", "method": "pls", "n_permutations": 9},
        others=("layers",),
    ),
    "align sites": Case(
        "representation.align",
        {"b": None, "on": "trial", **FEW},
    ),
    "align by stimulus": Case(
        "representation.align",
        {"b": None, "on": "stimulus", "measure": ["cka", "procrustes"], **FEW},
        names=("on",),
        missing="refused",
    ),
    "alignment_matrix": Case(
        "representation.alignment_matrix",
        {"on": "stimulus", "sites": ["early", "late"], "others": (), **FEW},
        names=("on",),
        missing="refused",
    ),
    "bridge": Case(
        "representation.bridge",
        {"b": LAYERS, "on": "trial", "n_components": 3, "n_permutations": 19},
        others=("layers",),
    ),
    "dimensionality": Case("representation.dimensionality", {**FEW}),
    "dimensionality of conditions": Case(
        "representation.dimensionality",
        {
            "on": "heading",
            "bins": 6,
            "noise": "cross_validated",
            "method": "participation_ratio",
            **FEW,
        },
        names=("on",),
    ),
    "geometry": Case(
        "representation.geometry",
        {"variables": ["side", "prior"], "n_resamples": 20, **FEW},
        names=("variables",),
        missing="refused",
    ),
    "manifold_capacity": Case(
        "representation.manifold_capacity",
        {"on": "condition", "n_projections": 40, **FEW},
        names=("on",),
        missing="refused",
    ),
    "subspace_overlap of variables": Case(
        "representation.subspace_overlap",
        {"of": ["side", "prior"], **FEW},
        names=("of",),
        missing="refused",
    ),
    "subspace_overlap of epochs": Case(
        "representation.subspace_overlap",
        {"of": [(0, 3), (3, 6)], "on": "condition", **FEW},
        names=("on",),
        missing="refused",
    ),
    "pairwise_correlations": Case(
        "representation.pairwise_correlations",
        {"site": "early", "n_null": 40},
    ),
    "tuning": Case(
        "representation.tuning",
        {"variable": "condition", "control": ["stimulus"], **FEW},
        names=("variable", "control"),
        missing="refused",
    ),
    "tuning to an angle": Case(
        "representation.tuning",
        {"variable": "heading", "bins": 8, "model": "gaussian", **FEW},
        names=("variable",),
    ),
    "mixed_selectivity": Case(
        "representation.mixed_selectivity",
        {"variables": ["stimulus", "heading"], **FEW},
        names=("variables",),
        missing="refused",
    ),
    "noise_correlations": Case(
        "representation.noise_correlations",
        {"on": "condition", "n_null": 40, "ongoing": (0, 3)},
        names=("on",),
        missing="refused",
    ),
    "demix": Case(
        "representation.demix",
        {"variables": ["side", "prior"], "n_components": 1, "n_permutations": 10},
        names=("variables",),
        missing="refused",
    ),
    "targeted_axes": Case(
        "representation.targeted_axes",
        {"variables": ["stimulus", "angle"], **FEW},
        names=("variables",),
        missing="refused",
    ),
    "heterogeneity": Case(
        "representation.heterogeneity",
        {"variable": "heading", "bins": 4, "n_null": 20, "n_splits": 4},
        names=("variable",),
    ),
    "choice_probability": Case(
        "representation.choice_probability",
        {"stimulus": "condition", **FEW},
        names=("stimulus",),
        missing="refused",
        perturbed=NOT_SEEN,
    ),
    "ablate a readout": Case(
        "implementation.ablate", {"measure": SIDE, **FEW_RUNS}, **ABLATE
    ),
    "ablate behavior": Case(
        "implementation.ablate",
        {
            "measure": marr.measures.accuracy(),
            "control_measure": marr.measures.column("heading_estimate", better="lower"),
            "mode": "resample",
            **FEW_RUNS,
        },
        refuses={
            "recording": r"nobody saw 'animal' act.*decoded\('choice'\).*marr\.hook"
        },
        **ABLATE,
    ),
    "ablate and refit": Case(
        "implementation.ablate",
        {"measure": SIDE, "over": "unit", "readout": "refit", **FEW_RUNS},
        refuses={"network": "readout='refit' is for recordings.*Leave readout='fixed'"},
        **ABLATE,
    ),
    "ablate sites": Case(
        "implementation.ablate",
        {"measure": SIDE, "over": "site", "mode": "zero", **FEW_RUNS},
        **ABLATE,
    ),
}
"""At least one call for each analysis."""

NO_INTERVAL: dict[str, str] = {}
"""Analyses whose estimate has no interval, and why."""
NO_FIGURE = {
    "accuracy": "a single number",
    "estimation_error": "one report a trial: no course over time",
}
"""Cases without a figure, and why."""
PER_MEMBER = ("unit", "pair", "trial")
"""Axes that the members of a cohort do not share."""

PAIRS = [(case, kind) for case in CASES for kind in KINDS]
ANSWERED = [(case, kind) for case, kind in PAIRS if kind not in CASES[case].refuses]
REFUSED = [(case, kind) for case, kind in PAIRS if kind in CASES[case].refuses]


@cache
def system_of(kind: str) -> Any:
    return MAKERS[kind]()


@cache
def found(case: str, kind: str) -> Finding:
    """Return the finding of a case, made once."""
    return CASES[case](system_of(kind))


def canonical(finding: Finding) -> str:
    """Return the bytes of a finding without its clocks."""
    record = finding.to_dict()
    record["provenance"] = {
        k: v for k, v in record["provenance"].items() if k not in CLOCKS
    }
    return json.dumps(record, sort_keys=False)


def first_case(name: str) -> Case:
    """Return a case of an analysis, or fail with what to do."""
    for case in CASES.values():
        if case.analysis == name:
            return case
    pytest.fail(f"add a case for {name!r} to CASES in tests/_cases.py")
