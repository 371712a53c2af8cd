"""Selectivity: a code of the target, and a code of stimuli that anything is read from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import StatisticsError
from marr.representation import selectivity


def stimuli(kind, seed=0, n_types=16, repeats=12, noise=0.5):
    """`coded`: the class has an axis of its own; `identity`: each stimulus has one."""
    rng = np.random.default_rng(seed)
    types = np.tile(np.arange(n_types), repeats)
    side = types % 2
    x = rng.normal(0, noise, (len(types), n_types + 4))
    if kind == "coded":
        x[:, 0] += 2.0 * side - 1
    else:
        x[:, :n_types] += 3.0 * np.eye(n_types)[types]
    table = pd.DataFrame({"condition": [f"s{t:02d}" for t in types], "side": side})
    table["value"] = types * 1.0
    return marr.from_arrays({"V1": x}, table)


def at(found, quantity):
    return found.estimate.sel(site="V1", quantity=quantity)


def test_a_code_of_the_class_is_selective_and_generalizes_to_new_stimuli():
    found = selectivity(stimuli("coded"), "side", n_controls=60)
    assert float(at(found, "selectivity")["estimate"]) > 0.3
    assert float(at(found, "selectivity")["p_value"]) < 0.05
    assert float(at(found, "new stimuli")["estimate"]) > 0.9


def test_a_code_of_identity_reads_out_any_labels():
    found = selectivity(stimuli("identity"), "side", n_controls=60)
    assert float(at(found, "target")["estimate"]) > 0.85
    assert abs(float(at(found, "selectivity")["estimate"])) < 0.05
    assert float(at(found, "selectivity")["p_value"]) > 0.05
    assert float(at(found, "new stimuli")["estimate"]) < 0.65


def test_p_values_are_uniform_where_the_target_is_one_of_the_labelings():
    p = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        system = stimuli("identity", seed, noise=4.0)
        label = rng.permutation(np.arange(16) % 2)
        table = system.trials.assign(side=label[system.trials["value"].astype(int)])
        other = marr.from_arrays({"V1": system.activity("V1").values}, table)
        found = selectivity(other, "side", n_controls=19)
        p.append(float(at(found, "selectivity")["p_value"]))
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert 0.35 < np.mean(p) < 0.68


def test_what_has_no_control_task():
    system = stimuli("coded")
    table = system.trials.assign(side=np.arange(len(system.trials)) % 3)
    varying = marr.from_arrays({"V1": system.activity("V1").values}, table)
    with pytest.raises(StatisticsError, match=r"varies within stimuli of 'condition'"):
        selectivity(varying, "side")
    single = stimuli("coded", repeats=1)
    with pytest.raises(StatisticsError, match="two trials each"):
        selectivity(single, "side")
