"""Unknown names, options of another type, questions that a system cannot answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _refusals import FEW, Mlp, ablate, activity, behavior, decode, rdm, refused, table
from _systems import network, recording

import marr
from marr.errors import (
    EvidenceError,
    StatisticsError,
)
from marr.measures import accuracy, column, decoded

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def animal():
    return recording()


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture(scope="module")
def finding(animal):
    return decode(animal, "side", over="site", **FEW)


# -- unknown names ---------------------------------------------------------------------


UNKNOWN: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "a site": (lambda s: s.activity("erly"), "site", "early"),
    "a site to ablate": (lambda s: s.perturb(marr.Ablate("lates")), "site", "late"),
    "a unit": (lambda s: s.perturb(marr.Ablate("late", units=["u9"])), "unit", "u"),
    "a target": (lambda s: decode(s, "sid", **FEW), "target", "side"),
    "sites of decode": (
        lambda s: decode(s, "side", sites="erly", **FEW),
        "sites",
        "early",
    ),
    "a control": (
        lambda s: decode(s, "side", control=["stimulos"], **FEW),
        "control",
        "stimulus",
    ),
    "a null": (lambda s: decode(s, "side", null="fre", **FEW), "null", "free"),
    "conditions": (lambda s: rdm(s, on="conditon", **FEW), "on", "condition"),
    "a distance": (
        lambda s: rdm(s, distance="crosnobis", **FEW),
        "distance",
        "crossnobis",
    ),
    "a target of a measure": (
        lambda s: ablate(s, measure=decoded("sied"), **FEW),
        "target",
        "side",
    ),
    "sites of a measure": (
        lambda s: ablate(s, measure=decoded("side", sites="erly"), **FEW),
        "sites",
        "early",
    ),
    "an axis": (
        lambda s: ablate(s, measure=decoded("side"), over="unt", **FEW),
        "over",
        "unit",
    ),
    "a mode": (
        lambda s: ablate(s, measure=decoded("side"), mode="man", **FEW),
        "mode",
        "mean",
    ),
    "a site in a group": (
        lambda s: ablate(
            s, measure=decoded("side"), over={"a": {"erly": ["u0"]}}, **FEW
        ),
        "over",
        "early",
    ),
    "a stimulus": (
        lambda s: behavior.psychometric(s, stimulus="stimulos"),
        "stimulus",
        "stimulus",
    ),
    "levels": (lambda s: behavior.accuracy(s, by="blok"), "by", "block"),
    "a variable": (
        lambda s: behavior.movement(s, variable="sped"),
        "variable",
        "speed",
    ),
    "a column of a measure": (
        lambda s: column("angel", better="lower").fit(s),
        "angel",
        "angle",
    ),
    "a query": (lambda s: s.select("contrst == 1"), "select", "contrst"),
}


@pytest.mark.parametrize("what", UNKNOWN)
@pytest.mark.parametrize("kind", ["animal", "net"])
def test_unknown_names_suggest_the_nearest(what, kind, request):
    call, argument, nearest = UNKNOWN[what]
    system = request.getfixturevalue(kind)
    text = refused(lambda: call(system), rf"\b{argument}")
    assert nearest in text


def test_unknown_names_of_models_findings_and_links(finding):
    refused(
        lambda: marr.hook(Mlp(), activity(), sites=["frist"]),
        "sites",
        "Did you mean 'first'",
    )
    refused(lambda: finding.per("units"), "'units'", "'unit'")
    refused(lambda: marr.link(finding, finding, kind="cov"), "kind", "'covaries'")
    refused(
        lambda: marr.link(finding, finding, along="nowhere"),
        "one finding; a link needs two",
    )
    with pytest.raises(AttributeError, match="no attribute 'hok'"):
        _ = marr.hok


def test_a_mixed_up_measure(animal, net):
    refused(
        lambda: ablate(animal, measure="accuracy", **FEW),
        "measure",
        "'accuracy'",
        "marr.measures",
    )
    refused(
        lambda: ablate(animal, measure=accuracy(), **FEW),
        "nobody saw",
        "decoded",
        "marr.hook",
    )
    refused(
        lambda: marr.measures.logit_difference(0, 1).fit(animal),
        "outputs of a model", "decoded",
    )  # fmt: skip
    refused(
        lambda: ablate(net, measure=decoded("side"), assignment="random", **FEW),
        "assignment",
    )
    refused(
        lambda: accuracy("side").fit(animal),
        "numeric column",
        "choice_follows",
    )


def test_cohorts_say_which_member_cannot_answer(animal, net):
    half = recording(1, name="half").select("side == 'left'")
    group = marr.Cohort([animal, half], name="pair", member_kind="animals")
    refused(
        lambda: decode(group, "side", **FEW),
        "member 'half' of 'pair'",
        "one class only",
        error=StatisticsError,
    )
    mixed = marr.Cohort([net, animal], name="both", member_kind="systems")
    refused(
        lambda: ablate(mixed, measure=decoded("side"), n_random=2, **FEW),
        "'both'",
        "'network': 'causal', 'animal': 'predictive'",
        "cohort of the recordings",
    )
    refused(lambda: group["haf"], "member", "Did you mean 'half'")
    refused(lambda: marr.Cohort([animal], name="one"), "at least two", "got 1")
    refused(
        lambda: marr.Cohort([animal, animal], name="twins"),
        "different names",
        "'animal'",
    )


TYPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a list for a name": (
        lambda s: behavior.accuracy(s, column=["correct"]),
        "column must be a string",
    ),
    "a name for a list": (
        lambda s: behavior.accuracy(s, shortcuts="prior"),
        "shortcuts must be a list of strings",
    ),
    "a share for a count": (
        lambda s: decode(s, "side", n_folds=2.5),
        "n_folds must be a whole number",
    ),
    "a switch for a count": (
        lambda s: rdm(s, n_permutations=True),
        "n_permutations must be a whole number",
    ),
    "a seed below 0": (lambda s: decode(s, "side", seed=-1), "seed must be 0 or more"),
    "a set, which has no order": (
        lambda s: decode(s, "side", control={"stimulus"}, **FEW),
        "control must be a string or a list of strings",
    ),
    "a list for an axis": (
        lambda s: behavior.accuracy(s).per(["unit"]),
        "axis must be a string",
    ),
    "nothing for a path": (
        lambda s: marr.open(None),
        "path must be a string or a path",
    ),
    "one name for two": (
        lambda s: marr.link(behavior.accuracy(s), 3, variables=("estimate",)),
        "variables must be two strings",
    ),
    "a share for a number of folds": (
        lambda s: decoded("side", n_folds=0.5),
        "n_folds must be a whole number",
    ),
    "a number for a mask": (lambda s: s.select(3), "select takes a mask"),
    "a word for a time": (
        lambda s: s.perturb(marr.Ablate("early", time="late")),
        "time must be numbers",
    ),
    "words for a direction": (
        lambda s: s.perturb(marr.Steer("early", ["a"] * 4)),
        "direction must hold numbers",
    ),
    "a number for variables": (
        lambda s: marr.from_arrays({"V1": activity()}, variables=3),
        "variables must be a mapping",
    ),
    "rows of other lengths": (
        lambda s: marr.from_arrays({"V1": [[1.0, 2.0], [3.0]]}),
        "rows differ in length",
    ),
    "a number for sites": (
        lambda s: marr.hook(Mlp(), activity(), sites=3),
        "sites must be a list of names",
    ),
}


@pytest.mark.parametrize("what", TYPES)
def test_options_of_another_type(what, animal):
    call, words = TYPES[what]
    refused(lambda: call(animal), words, "got|[Pp]ad")


def test_task_variables_are_not_what_a_model_does(net):
    """What was handed to `marr.hook` cannot be plotted, or lost, as the model's behavior."""
    for call in (
        lambda: behavior.psychometric(net, stimulus="stimulus", choice="target"),
        lambda: behavior.accuracy(net, column="target"),
        lambda: behavior.movement(net, variable="speed"),
        lambda: ablate(net, measure=column("stimulus", better="higher"), **FEW),
        lambda: ablate(net, measure=column("speed", better="higher"), **FEW),
        lambda: ablate(net, measure=accuracy("target"), **FEW),
    ):
        refused(
            call, "given to marr.hook with the inputs", "readout", error=EvidenceError
        )


def test_behavior_of_the_producer_is_not_the_models():
    watched = table(
        choice=np.arange(40) % 2, contrast=np.tile([-1.0, 0.0, 0.5, 1.0], 10)
    )
    system = marr.hook(Mlp(), activity(), watched, sites=["first"])
    assert "reference_choice" in system.trials
    for name, said in (
        ("choice", "readout="),
        ("reference_choice", "whoever produced"),
    ):
        refused(
            lambda name=name: behavior.psychometric(
                system, stimulus="contrast", choice=name
            ),
            f"'{name}'",
            said,
            error=EvidenceError,
        )
