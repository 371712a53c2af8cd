"""Bad input through the public face: each gets a MarrError that names the argument, says
what was got and what to do, and nothing half-written stays behind.

Every part of marr tests its own refusals closely; here each kind of bad input goes the way
a user's would, through the analyses, readers and writers.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from _systems import SITES, network, recording

import marr
from marr.cli import main
from marr.errors import (
    EvidenceError,
    FileError,
    MarrError,
    OptionError,
    StatisticsError,
)
from marr.measures import accuracy, column, decoded

if TYPE_CHECKING:
    from collections.abc import Callable

behavior, representation = marr.behavior, marr.representation
ablate, decode, rdm = (
    marr.implementation.ablate,
    representation.decode,
    representation.rdm,
)
FEW = {"n_permutations": 20}


def refused(call: Callable[[], Any], *patterns: str, error: type = MarrError) -> str:
    """Return the message of the error that a call raises, after looking for patterns in it."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    for pattern in patterns:
        assert re.search(pattern, text), f"no {pattern!r} in: {text}"
    assert 20 < len(text) < 900
    return text


@pytest.fixture(scope="module")
def animal():
    return recording()


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture(scope="module")
def finding(animal):
    return decode(animal, "side", over="site", **FEW)


def activity(n_trials: int = 40, n_units: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_trials, n_units))


def table(n_trials: int = 40, **columns: Any) -> pd.DataFrame:
    sides = np.tile(["left", "right", "right", "left"], n_trials)[:n_trials]
    return pd.DataFrame({"side": sides, **columns})


class Mlp(nn.Module):
    """Two layers, and what a model should not have."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.drop = nn.Dropout(p)
        self.second = nn.Linear(6, 2)
        self.idle = nn.Linear(6, 6)
        self.again = self.first  # a second name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.drop(torch.tanh(self.first(x))))


def hooked(model: nn.Module | None = None, sites: tuple[str, ...] = ("first",)) -> Any:
    torch.manual_seed(0)
    model = Mlp() if model is None else model
    return marr.hook(
        model,
        activity(),
        table(target=np.arange(40) % 2),
        sites=list(sites),
        readout=marr.readouts.choice,
    )


# -- shapes that disagree --------------------------------------------------------------


SHAPES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "sites": (
        lambda: marr.from_arrays({"V1": activity(40), "CA1": activity(39)}),
        ("same trials", r"'V1': 40, 'CA1': 39"),
    ),
    "one axis": (
        lambda: marr.from_arrays({"V1": activity()[0]}),
        ("site 'V1'", r"\(4,\)", r"\(trial, unit\)"),
    ),
    "a variable": (
        lambda: marr.from_arrays(
            {"V1": activity()}, variables={"speed": np.zeros((39, 5))}
        ),
        ("variables: 'speed'", "39", "40", "Drop the same trials"),
    ),
    "unit ids": (
        lambda: marr.from_arrays({"V1": activity()}, units=["a", "b"]),
        ("units of site 'V1'", "2 ids for 4 units"),
    ),
    "times": (
        lambda: marr.from_arrays({"V1": np.zeros((40, 5, 2))}, time=np.arange(4)),
        ("time must have one value a time bin", r"\(4,\)"),
    ),
    "arguments": (
        lambda: marr.hook(Mlp(), (activity(), activity(39)), sites=["first"]),
        ("inputs", "40", "39"),
    ),
    "a subspace": (
        lambda: recording().perturb(marr.Ablate("early", subspace=np.eye(3))),
        ("subspace", "3", "4"),
    ),
    "a patch": (
        lambda: recording().perturb(marr.Patch("early", source=np.zeros((60, 4)))),
        ("source", r"\(60, 6, 4\)", r"\(60, 4\)"),
    ),
    "a direction": (
        lambda: recording().perturb(marr.Steer("early", [1.0, 0.0], 1.0)),
        ("direction", "4", "2"),
    ),
    "a mask": (
        lambda: recording().select(np.ones(59, dtype=bool)),
        ("select", "60", r"\(59,\)"),
    ),
    "a measure": (
        lambda: ablate(recording(), measure=lambda s: np.zeros(59), **FEW),
        ("one value a trial", r"\(60,\)", r"\(59,\)"),
    ),
}


@pytest.mark.parametrize("what", SHAPES)
def test_shapes_that_disagree(what):
    call, patterns = SHAPES[what]
    refused(call, *patterns)


def test_a_variable_with_other_time_bins(animal):
    other = marr.from_arrays(
        {site: animal.activity(site) for site in animal.sites},
        animal.trials,
        {"lick": np.random.default_rng(0).normal(size=(60, 5))},
    )
    refused(lambda: decode(other, "lick", **FEW), "'lick'", "5", "6", "[Bb]in")
    refused(
        lambda: ablate(other, measure=decoded("lick"), **FEW),
        "'lick'",
        "5 and 6",
        "Bin both",
    )


def test_sites_of_several_dimensionalities():
    system = marr.from_arrays({"V1": activity(), "CA1": np.zeros((40, 5, 2))}, table())
    for call in (
        lambda: decode(system, "side", **FEW),
        lambda: rdm(system, on="side", **FEW),
        lambda: ablate(system, measure=decoded("side"), **FEW),
    ):
        refused(call, "one dimensionality", "'V1'", "'CA1'", r"sites=\[")


# -- NaN -------------------------------------------------------------------------------


def test_nan_in_activity():
    values = activity()
    values[3, 2] = np.nan
    refused(
        lambda: marr.from_arrays({"V1": values}),
        "site 'V1'",
        "1 NaN",
        "trial=3, unit=2",
        "[Dd]rop",
    )
    values[3, 2] = np.inf
    refused(lambda: marr.from_arrays({"V1": values}), "site 'V1'", "infinite")


def test_nan_in_the_inputs_of_a_model():
    values = activity()
    values[3, 2] = np.nan
    refused(
        lambda: marr.hook(Mlp(), values, sites=["first"]),
        "inputs",
        "1 NaN",
        "trial 3",
        "[Dd]rop",
    )


def test_nan_made_by_a_model():
    model = Mlp()
    with torch.no_grad():
        model.second.bias[0] = torch.nan
    system = hooked(model)
    refused(lambda: decode(system, "side", **FEW), "NaN", "output")


def test_nan_in_a_target(animal):
    gaps = marr.from_arrays(
        {"early": animal.activity("early")},
        animal.trials.assign(
            reward=np.where(np.arange(60) < 4, np.nan, np.arange(60.0))
        ),
    )
    for call in (
        lambda: decode(gaps, "reward", **FEW),
        lambda: ablate(gaps, measure=decoded("reward"), **FEW),
        lambda: rdm(gaps, on="reward", bins=3, **FEW),
    ):
        refused(call, "'reward'", "4 missing", "Drop them")


def test_groups_that_are_not_known_on_every_trial(animal):
    block = animal.trials["block"].astype(float).where(animal.trials.index > 5)
    gaps = marr.from_arrays(
        {"early": animal.activity("early")}, animal.trials.assign(block=block)
    )
    for call in (
        lambda: decode(gaps, "side", **FEW),
        lambda: behavior.accuracy(gaps),
        lambda: ablate(gaps, measure=decoded("side"), **FEW),
    ):
        refused(call, "'block'", "missing on 6", "[Ff]ill it")


# -- tables ----------------------------------------------------------------------------


def test_a_table_of_another_length():
    for call in (
        lambda: marr.from_arrays({"V1": activity()}, table(39)),
        lambda: marr.hook(Mlp(), activity(), table(39), sites=["first"]),
    ):
        refused(
            call, "trials must have one row", "40", "39 rows", "Drop the same trials"
        )


def test_a_table_with_other_labels():
    labels = {"trial": np.arange(40)}
    values = xr.DataArray(activity(), dims=("trial", "unit"), coords=labels)
    inputs = xr.DataArray(activity(), dims=("trial", "feature"), coords=labels)
    other = table().set_index(np.arange(1, 41))
    turned = table().iloc[::-1]
    for frame, said in ((other, r"\[0\]"), (turned, "another order")):
        for call in (
            lambda frame=frame: marr.from_arrays({"V1": values}, frame),
            lambda frame=frame: marr.hook(Mlp(), inputs, frame, sites=["first"]),
        ):
            refused(call, "other trial labels", said, r"trials\.loc\[")


def test_repeated_labels_and_columns():
    refused(
        lambda: marr.from_arrays({"V1": activity()}, table().set_index(np.zeros(40))),
        "repeated index labels", "reset_index",
    )  # fmt: skip
    twice = pd.concat([table(), table()], axis=1)
    refused(
        lambda: marr.from_arrays({"V1": activity()}, twice),
        "repeated columns",
        "'side'",
    )


# -- what cannot be estimated ----------------------------------------------------------


ONE_CLASS: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "decode": (
        lambda s: decode(s, "side", **FEW),
        ("'side'", "one class only", "'left'", "at least two"),
    ),
    "rdm": (
        lambda s: rdm(s, on="side", **FEW),
        ("'side'", "one condition only", "at least two"),
    ),
    "ablate": (
        lambda s: ablate(s, measure=decoded("side"), **FEW),
        ("one class only", "'left'"),
    ),
    "psychometric": (
        lambda s: behavior.psychometric(s, stimulus="contrast"),
        ("'choice'", "two values", "only 1"),
    ),
    "one number": (
        lambda s: decode(s, "contrast", **FEW),
        ("'contrast'", "constant|one class", "0.5"),
    ),
}


@pytest.mark.parametrize("what", ONE_CLASS)
def test_one_class_only(what):
    call, patterns = ONE_CLASS[what]
    system = marr.from_arrays(
        {"V1": activity()},
        pd.DataFrame({"side": ["left"] * 40, "choice": 1, "contrast": 0.5}),
    )
    refused(lambda: call(system), *patterns, error=StatisticsError)


def test_fewer_trials_than_folds():
    few = marr.from_arrays({"V1": activity(8)}, table(8))
    refused(
        lambda: decode(few, "side", n_folds=9, **FEW),
        "9",
        "8",
        "n_folds",
        error=StatisticsError,
    )
    refused(
        lambda: rdm(few, on="side", n_folds=9, **FEW),
        "9",
        "8",
        "n_folds",
        error=StatisticsError,
    )


def test_fewer_groups_than_folds_is_a_note():
    system = marr.from_arrays(
        {"V1": activity()}, table(session=np.repeat([1, 2, 3], [14, 13, 13]))
    )
    found = decode(system, "side", n_folds=5, **FEW)
    note = next(n for n in found.notes if n.code == "fewer_folds")
    assert "3 folds instead of 5" in note.text
    assert "'session'" in note.text
    assert found.parameters["n_folds"] == 3


@pytest.mark.parametrize("n_trials", [1, 2, 3])
def test_hardly_any_trials(animal, n_trials):
    few = animal.select(animal.trial_index[:n_trials])
    for call in (
        lambda: decode(few, "side", **FEW),
        lambda: rdm(few, **FEW),
        lambda: behavior.psychometric(few, stimulus="stimulus"),
        lambda: behavior.movement(few, variable="speed"),
        lambda: ablate(few, measure=decoded("side"), **FEW),
        lambda: representation.pairwise_correlations(few, site="early"),
    ):
        refused(call)


def test_few_trials_are_stated(animal):
    few = animal.select(animal.trial_index[::4])
    assert len(few.trials) == 15
    for found, code in (
        (behavior.psychometric(few, stimulus="stimulus"), "too_few_trials"),
        (behavior.accuracy(few), "too_few_trials"),
        (ablate(few, measure=decoded("side"), n_random=2, **FEW), "few_trials"),
    ):
        note = next(n for n in found.notes if n.code == code)
        assert "15" in note.text
        assert note.advice


def test_constant_units_are_stated(animal):
    values = {site: animal.activity(site).values.copy() for site in animal.sites}
    values["early"][..., 1] = 3.7
    values["late"][..., 0] = 0.0
    system = marr.from_arrays(values, animal.trials)
    for call, code in (
        (lambda: decode(system, "side", **FEW), "constant_units"),
        (lambda: rdm(system, **FEW), "constant_units"),
        (
            lambda: representation.pairwise_correlations(system, site="early"),
            "constant_units",
        ),
        (
            lambda: ablate(system, measure=decoded("side"), n_random=2, **FEW),
            "inert_units",
        ),
        (
            lambda: ablate(
                system, measure=decoded("side"), readout="refit", n_random=2, **FEW
            ),
            "constant_units",
        ),
    ):
        found = call()
        notes = [n for n in found.notes if n.code == code]
        assert notes, (found.analysis, [n.code for n in found.notes])
        assert re.search(r"\d|early", notes[0].text)
        values = found.estimate["estimate"].values
        assert np.isfinite(values).all(), found.analysis


def test_a_site_of_constant_units(animal):
    system = marr.from_arrays({"V1": np.ones((60, 3))}, animal.trials)
    refused(lambda: rdm(system, **FEW), "'V1'", "constant")
    refused(
        lambda: representation.pairwise_correlations(system, site="V1"), "'V1'", "vary"
    )
    try:
        found = decode(system, "side", **FEW)
    except MarrError as error:
        assert "constant" in str(error)  # noqa: PT017
    else:
        assert "constant_units" in {n.code for n in found.notes}


def test_one_unit_has_no_pattern():
    system = marr.from_arrays({"V1": activity(n_units=1)}, table())
    refused(
        lambda: rdm(system, on="side", distance="correlation", **FEW),
        "site 'V1'",
        "correlation distance",
        "distance='euclidean'",
    )
    assert decode(system, "side", over="site", **FEW).estimate["estimate"].size == 1


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
        lambda s: decode(s, ["side"], **FEW),
        "target must be a string",
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


# -- models ----------------------------------------------------------------------------


def test_weights_changed_after_hooking():
    """Stale activity is never served, whether or not it was looked at before."""
    for look_first in (False, True):
        model = Mlp()
        system = hooked(model)
        if look_first:
            decode(system, "side", over="site", **FEW)
        with torch.no_grad():
            model.first.weight[0, 0] += 0.5
        for call in (
            lambda system=system: decode(system, "side", **FEW),
            lambda system=system: ablate(system, measure=accuracy(), n_random=2, **FEW),
            lambda system=system: behavior.accuracy(system),
            lambda system=system: rdm(system, on="side", **FEW),
        ):
            refused(call, "changed since marr.hook", "[Hh]ook")


def test_two_names_of_one_hook():
    refused(
        lambda: hooked(sites=("first", "again")), "sites", "'first'", "'again'", "one"
    )


def test_a_model_that_changes_its_output_between_runs():
    model = Mlp(p=0.5).train()
    system = hooked(model)
    for call in (
        lambda: decode(system, "side", **FEW),
        lambda: ablate(system, measure=accuracy(), n_random=2, **FEW),
        lambda: behavior.accuracy(system),
    ):
        refused(
            call, "changes its output between runs", r"\['drop'\]", r"model\.eval\(\)"
        )
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())


def test_a_perturbation_on_a_site_that_never_fires():
    model = Mlp()
    system = hooked(model, sites=("first", "idle"))
    refused(
        lambda: ablate(system, measure=accuracy(), over={"a": {"idle": [0, 1]}}, n_random=2, **FEW),
        "'idle'", "never fired",
    )  # fmt: skip
    refused(lambda: system.perturb(marr.Ablate("idle")).trials, "'idle'", "never fired")
    refused(
        lambda: decode(system, "side", sites="idle", **FEW), "'idle'", "never fired"
    )
    assert not any(m._forward_hooks for m in model.modules())
    assert decode(system, "side", sites="first", **FEW).level == "representation"


def test_an_attention_pattern_asked_for_as_units():
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attn(x, x, x, average_attn_weights=False)[0]

    x = torch.randn(40, 5, 4, generator=torch.Generator().manual_seed(0))
    system = marr.hook(Attends(), x, table(), sites=["attn.c"])
    refused(
        lambda: decode(system, "side", **FEW),
        "'attn.c'",
        "attention pattern",
        "not time",
    )


@pytest.mark.lens
def test_names_of_a_transformer_bridge(tmp_path, monkeypatch):
    """Two names of one hook, and an attention pattern, of a TransformerLens model."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    lens = pytest.importorskip("transformer_lens.model_bridge")
    config = transformers.GPT2Config(
        n_layer=1, n_embd=8, n_head=2, vocab_size=20, n_positions=8, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    bridge = lens.TransformerBridge.boot_transformers(str(tmp_path), device="cpu")
    tokens = torch.randint(0, 20, (40, 5), generator=torch.Generator().manual_seed(0))
    names = ["blocks.0.hook_resid_post", "blocks.0.hook_out"]
    refused(
        lambda: marr.hook(bridge, tokens, sites=names),
        "two names of one hook",
        *map(re.escape, names),
    )
    for pattern in ("hook_pattern", "hook_attn_scores"):
        refused(
            lambda pattern=pattern: marr.hook(
                bridge, tokens, sites=[f"blocks.0.attn.{pattern}"]
            ),
            "sites", "attention pattern", r"blocks\.0\.attn\.hook_z",
        )  # fmt: skip
    system = marr.hook(bridge, tokens, table(), sites=["blocks.0.attn.hook_z"])
    assert decode(system, "side", over="site", **FEW).level == "representation"


# -- files -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A small NWB file, written without pynwb."""
    path = tmp_path_factory.mktemp("nwb") / "session.nwb"
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 20, 60)) for _ in range(3)]
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        units = file.create_group("units")
        units["id"] = np.arange(3)
        units["spike_times"] = np.concatenate(trains)
        units["spike_times_index"] = np.cumsum([len(t) for t in trains])
        units["location"] = np.array(["V1", "V1", "CA1"], dtype=h5py.string_dtype())
        trials = file.create_group("intervals/trials")
        trials["id"] = np.arange(9)
        trials["start_time"] = np.arange(9) * 2.0
        trials["stop_time"] = np.arange(9) * 2.0 + 1.5
        trials["contrast"] = np.tile([0.0, 0.5, 1.0], 3)
    return path


WINDOW = {"window": (0.0, 1.0), "bin_width": 0.25}


def test_the_session_is_read(session):
    system = marr.read_nwb(session, **WINDOW)
    assert system.activity("V1").shape == (9, 4, 2)


def test_truncated_and_foreign_files(session, tmp_path):
    whole = session.read_bytes()
    for share in (0.1, 0.5, 0.95):
        cut = tmp_path / f"cut{share}.nwb"
        cut.write_bytes(whole[: int(share * len(whole))])
        refused(
            lambda cut=cut: marr.read_nwb(cut, **WINDOW), "path", "cut", error=FileError
        )
    text = tmp_path / "notes.nwb"
    text.write_text("no session")
    refused(
        lambda: marr.read_nwb(text, **WINDOW),
        "path",
        "cannot be read as NWB",
        error=FileError,
    )
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = np.arange(3)
    refused(
        lambda: marr.read_nwb(plain, **WINDOW),
        "not NWB",
        "from_arrays",
        error=FileError,
    )
    refused(
        lambda: marr.read_nwb(tmp_path / "none.nwb", **WINDOW),
        "there is no file",
        error=FileError,
    )
    refused(
        lambda: marr.read_nwb(session, align="contrst", **WINDOW), "align", "contrast"
    )
    refused(
        lambda: marr.read_nwb(session, sites=["V2"], **WINDOW), "sites", "Did you mean 'V1'",
        error=OptionError,
    )  # fmt: skip


def test_damaged_stores_and_reports(animal, finding, tmp_path):
    store = Path(animal.save(tmp_path / "store"))
    chunk = max(
        (f for f in store.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size
    )
    chunk.write_bytes(chunk.read_bytes()[:-20])
    refused(
        lambda: marr.open(store),
        "path",
        "not complete",
        "[Ss]ave it anew",
        error=FileError,
    )
    refused(lambda: marr.open(tmp_path), "path", "not a store", error=FileError)
    refused(lambda: marr.open(tmp_path / "none"), "path", "nothing at", error=FileError)
    page = marr.Report("Q").add(finding).save(tmp_path / "page.html")
    whole = page.read_text(encoding="utf-8")
    page.write_text(whole[: len(whole) // 3], encoding="utf-8")
    refused(lambda: marr.Report.open(page), "path|report", error=MarrError)
    record = finding.to_dict()
    for damaged in (
        {},
        [],
        {"marr_finding": 2},
        {k: v for k, v in record.items() if k != "estimate"},
        {**record, "estimate": {}},
        {**record, "notes": [{"tone": 1}]},
        {**record, "figures": [{"kind": "pie"}]},
    ):
        refused(lambda damaged=damaged: marr.Finding.from_dict(damaged), "finding|kind")


def unwritable(folder: Path) -> dict[str, Path]:
    """Paths that nobody can write, not even an administrator."""
    file = folder / "file"
    file.write_text("kept")
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "folder" / "mine.txt").write_text("kept")
    os.mkfifo(folder / "pipe")
    return {
        "below a file": file / "out.html",
        "no such folder": folder / "none" / "out.html",
        "a folder": folder / "folder",
        "a pipe": folder / "pipe",
        "too long a name": folder / ("x" * 300),
    }


def contents(folder: Path) -> dict[str, str | None]:
    return {
        str(p.relative_to(folder)): p.read_text() if p.is_file() else None
        for p in folder.rglob("*")
    }


WAYS = ("below a file", "no such folder", "a folder", "a pipe", "too long a name")


@pytest.mark.parametrize("way", WAYS)
def test_unwritable_paths(animal, finding, tmp_path, way, capsys):
    paths = unwritable(tmp_path)
    source = tmp_path / "finding.json"
    source.write_text(json.dumps(finding.to_dict()))
    before = contents(tmp_path)
    report = marr.Report("Q").add(finding)
    refused(
        lambda: report.save(paths[way]),
        "path",
        re.escape(paths[way].name[:200]),
        error=FileError,
    )
    assert contents(tmp_path) == before
    refused(lambda: animal.save(paths[way]), "path", error=FileError)
    assert contents(tmp_path) == before
    assert main(["report", str(source), "-o", str(paths[way])]) == 2
    assert capsys.readouterr().err.startswith("marr report: ")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("way", WAYS[:4])
def test_a_demo_that_could_not_be_written_does_not_start(tmp_path, way, capsys):
    paths = unwritable(tmp_path)
    before = contents(tmp_path)
    assert main(["demo", "--out", str(paths[way]), "--no-open", "--quiet"]) == 2
    assert "--out" in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_text_that_no_file_can_hold(finding, tmp_path):
    report = marr.Report("half a character \ud800").add(finding)
    refused(lambda: report.save(tmp_path / "page.html"), error=MarrError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_a_fault_in_the_middle_leaves_what_was_there(
    animal, finding, tmp_path, monkeypatch, fault
):
    """The disk is full, or the user stops: the old file stays whole, no part is left."""
    report = marr.Report("Q").add(finding)
    page, store = tmp_path / "page.html", tmp_path / "store"
    report.save(page)
    animal.save(store)
    before = {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def fails(*_: Any, **__: Any) -> Any:
        raise fault

    expected = FileError if isinstance(fault, OSError) else KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(expected):
            report.add(finding).save(page)
    with monkeypatch.context() as patch:
        patch.setattr("marr.systems._store.write_recording", fails)
        with pytest.raises(expected):
            animal.select("stimulus > 0").save(store)
    assert {
        str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
    } == before


def test_a_link_to_a_file_keeps_being_one(finding, tmp_path):
    """Saving over a symbolic link writes what it points to."""
    target, name = tmp_path / "real.html", tmp_path / "latest.html"
    marr.Report("old").save(target)
    name.symlink_to(target)
    marr.Report("new").add(finding).save(name)
    assert name.is_symlink()
    assert marr.Report.open(target).title == "new"


def test_what_findings_of_models_are_not_saved_as(net, animal, tmp_path):
    refused(
        lambda: net.save(tmp_path / "net"),
        "only a Recording can be saved",
        "from_arrays",
    )
    lesion = animal.perturb(marr.Ablate("early", units=["u0"]))
    refused(
        lambda: lesion.save(tmp_path / "lesion"), "perturbed recording is not saved"
    )
    assert list(tmp_path.iterdir()) == []


def test_all_tiny_systems_are_sound(animal, net):
    """The systems that the refusals start from are themselves accepted."""
    for system in (animal, net):
        assert {s: system.activity(s).sizes["unit"] for s in system.sites} == SITES
        assert (
            decode(system, "side", over="site", **FEW)
            .estimate["estimate"]
            .notnull()
            .all()
        )
