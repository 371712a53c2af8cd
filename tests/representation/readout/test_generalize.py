"""Generalization of probes: invariant, reversed and missing codes; systems."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import ContractError, OptionError, StatisticsError
from marr.representation import generalize

N = 160


def planted(sign, seed=0, name="animal", noise=1.0, **columns):
    """One unit group carries the side; in the second context with another sign."""
    rng = np.random.default_rng(seed)
    side, context = np.arange(N) % 2, np.arange(N) // 2 % 2
    code = (2 * side - 1) * np.where(context == 1, sign, 1)
    x = rng.normal(0, noise, (N, 8))
    x[:, :3] += code[:, None]
    table = pd.DataFrame({"side": side, "context": context, **columns})
    return marr.from_arrays({"V1": x}, table, name=name)


def test_an_invariant_code_generalizes_and_a_flipped_one_is_below_chance():
    same = generalize(planted(1), "side", across="context", n_permutations=50)
    flipped = generalize(planted(-1), "side", across="context", n_permutations=50)
    square = same.estimate["estimate"].values[0]
    turned = flipped.estimate["estimate"].values[0]
    off = ~np.eye(2, dtype=bool)
    assert square.min() > 0.85
    assert turned[off].max() < 0.15
    assert turned[~off].min() > 0.85
    assert (flipped.estimate["p_corrected"].values[0][off] < 0.05).all()
    difference = flipped.tables["transfer"].sel(quantity="difference")
    assert float(difference["estimate"][0]) < -0.7
    assert float(difference["ci_high"][0]) < -0.5


def test_labels_without_a_code_are_not_called():
    rng = np.random.default_rng(0)
    called = 0
    for seed in range(20):
        system = planted(0, seed).select(rng.permutation(N) < 120)
        table = system.trials.assign(side=rng.integers(0, 2, 120))
        empty = marr.from_arrays({"V1": rng.normal(size=(120, 8))}, table)
        found = generalize(empty, "side", across="context", n_permutations=39)
        called += bool((found.estimate["p_corrected"] < 0.05).any())
    assert called <= 4


def test_sessions_as_conditions_are_split_within():
    session = np.where(np.arange(N) < N // 2, "a", "b")
    found = generalize(planted(1, session=session), "side", across="session")
    assert "split_within" in {n.code for n in found.notes}
    assert found.estimate["estimate"].min() > 0.8


def test_a_probe_goes_from_one_system_to_another_with_the_same_units():
    a, b = planted(1), planted(1, seed=1, name="later")
    found = generalize(a, "side", across=b, n_permutations=20)
    assert found.estimate["train"].values.tolist() == ["animal", "later"]
    assert found.estimate["estimate"].min() > 0.85
    assert found.system == "animal and later"


def test_systems_without_shared_units_are_sent_to_bridge():
    a = planted(1)
    x = np.random.default_rng(0).normal(size=(N, 4))
    b = marr.from_arrays({"V1": x}, a.trials, units=list("wxyz"), name="b")
    with pytest.raises(ContractError, match=r"share 0 units at 'V1'.*bridge"):
        generalize(a, "side", across=b)


def test_a_number_generalizes():
    rng = np.random.default_rng(0)
    value, context = rng.normal(size=N), np.arange(N) % 2
    x = value[:, None] * np.ones(5) + rng.normal(0, 0.3, (N, 5))
    table = pd.DataFrame({"value": value, "context": context})
    system = marr.from_arrays({"V1": x}, table)
    found = generalize(system, "value", across="context", n_permutations=20)
    assert found.estimate["estimate"].min() > 0.9


def test_what_cannot_be_asked():
    with pytest.raises(OptionError, match="must differ"):
        generalize(planted(1), "side", across="side")
    lonely = planted(1).select("not (context == 1 and side == 1)")
    with pytest.raises(StatisticsError, match=r"condition '?1'? has no trial of side"):
        generalize(lonely, "side", across="context")


def test_slow_labels_and_slow_activity_are_not_called():
    """Labels in runs, activity that drifts: exchanging trials would call most of these."""
    called = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        side = np.repeat(rng.integers(0, 2, N // 8), 8)
        drift = np.cumsum(rng.normal(size=(N, 6)), axis=0)
        table = pd.DataFrame({"side": side, "context": np.arange(N) % 2})
        system = marr.from_arrays({"V1": drift}, table)
        found = generalize(system, "side", across="context", n_permutations=39)
        assert "shifted" in found.methods
        called += bool((found.estimate["p_corrected"] < 0.05).any())
    assert called <= 6
