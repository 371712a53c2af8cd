"""Bad input through the public face: each gets a MarrError that names the argument, says
what was got and what to do, and nothing half-written stays behind.

Every part of marr tests its own refusals closely; here each kind of bad input goes the way
a user's would, through the analyses. See also `test_bad_names`, `test_bad_models` and
`test_bad_files`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

sys.path.insert(0, str(Path(__file__).parent))

from _refusals import (
    FEW,
    Mlp,
    ablate,
    activity,
    behavior,
    decode,
    hooked,
    rdm,
    refused,
    representation,
    table,
)
from _systems import SITES, network, recording

import marr
from marr.errors import (
    StatisticsError,
)
from marr.measures import decoded

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def animal():
    return recording()


@pytest.fixture(scope="module")
def net():
    return network()


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
    found = decode(system, "side", **FEW)
    assert "constant_units" in {n.code for n in found.notes}
    assert "not decodable" in found.summary


def test_one_unit_has_no_pattern():
    system = marr.from_arrays({"V1": activity(n_units=1)}, table())
    refused(
        lambda: rdm(system, on="side", distance="correlation", **FEW),
        "site 'V1'",
        "correlation distance",
        "distance='euclidean'",
    )
    assert decode(system, "side", over="site", **FEW).estimate["estimate"].size == 1


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
