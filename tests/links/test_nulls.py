"""Nulls of links: units of pairs, shuffled labels, halves that are not there."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats as scipy_stats

import marr
from marr.findings import Finding
from marr.links import link
from marr.links._correlate import _detectable, _two_sided
from marr.links._pairs import pair_permutations
from marr.links._rank_kernel import permuted_statistics, rank_statistic

UNITS = [f"A:{i}" for i in range(10)]


def finding(analysis, table, axis, *, system="net", null=None, **more):
    tables = {axis: table} | ({} if null is None else {"null": null})
    level = "implementation" if "ablate" in analysis else "representation"
    evidence = "causal" if "ablate" in analysis else "descriptive"
    return Finding(
        analysis, level, evidence, system, "q", "s", table, tables=tables, **more
    )


def readout(values, halves=None, draws=None, hashes=(1, 2)):
    units = [f"A:{i}" for i in range(len(values))]
    data = {"estimate": ("unit", np.asarray(values, float))}
    if halves is not None:
        data["half_estimate"] = (("half", "unit"), np.asarray(halves, float))
    null = None
    if draws is not None:
        null = xr.Dataset(
            {
                "estimate": (("draw", "unit"), draws.mean(axis=1)),
                "half_estimate": (("draw", "half", "unit"), draws),
            },
            coords={"unit": units},
        )
    table = xr.Dataset(data, coords={"unit": units})
    trials = np.array(hashes, dtype=np.uint64)
    return finding(
        "representation.decode", table, "unit", null=null, trial_hashes=trials
    )


def effect(values, halves=None, hashes=(1, 2)):
    data = {"estimate": ("unit", np.asarray(values, float))}
    if halves is not None:
        data["half_estimate"] = (("half", "unit"), np.asarray(halves, float))
    units = [f"A:{i}" for i in range(len(values))]
    return finding(
        "implementation.ablate",
        xr.Dataset(data, coords={"unit": units}),
        "unit",
        trial_hashes=np.array(hashes, dtype=np.uint64),
        parameters={"measure": "m", "measure_kind": "behavior"},
    )


def pair_labels(units):
    return [f"{a}|{b}" for i, a in enumerate(units) for b in units[i + 1 :]]


def test_pairs_move_with_their_units():
    labels = pair_labels(UNITS)
    ends = np.array([[UNITS.index(u) for u in p.split("|")] for p in labels])
    for order in pair_permutations(labels, n_permutations=20, seed=0):
        assert sorted(order) == list(range(len(labels)))
        moved = ends[order]
        for unit in range(len(UNITS)):  # its pairs share one unit wherever they went
            rows = moved[(ends == unit).any(axis=1)]
            assert len(set.intersection(*map(set, rows.tolist()))) == 1


def test_pairs_of_a_member_and_missing_pairs():
    labels = [f"m0|{p}" for p in pair_labels(UNITS)][:-3]
    for order in pair_permutations(labels, n_permutations=20, seed=0):
        assert sorted(order) == list(range(len(labels)))
    with pytest.raises(marr.MarrError, match="unit\\|unit"):
        pair_permutations(["a", "b"], n_permutations=3, seed=0)


def test_structures_that_have_nothing_in_common_are_linked_at_the_level():
    """Units that follow a common signal; single pairs exchanged reject four times as often."""
    rng, n_sims = np.random.default_rng(0), 2000
    labels = pair_labels(UNITS)
    i, j = np.triu_indices(len(UNITS), k=1)
    units = pair_permutations(labels, n_permutations=199, seed=0)
    single = np.argsort(np.random.default_rng(1).random((199, len(labels))), axis=1)
    no_control = np.empty((1, len(labels), 0))
    rejected = np.zeros(2)
    for _ in range(n_sims):
        gain = np.abs(rng.normal(size=(2, len(UNITS))))
        noise = 0.2 * rng.normal(size=(2, len(labels)))
        x, y = ((g[i] * g[j] + e)[None] for g, e in zip(gain, noise, strict=True))
        observed = rank_statistic(x, y, no_control)
        for k, orders in enumerate((units, single)):
            null = permuted_statistics(x, y, no_control, orders)
            p = (1 + (np.abs(null) >= abs(observed) - 1e-12).sum()) / 200
            rejected[k] += p <= 0.05
    low, high = scipy_stats.binom.interval(0.999, n_sims, 0.05)
    assert low <= rejected[0] <= high
    assert rejected[1] > 0.15 * n_sims


def test_a_null_table_goes_with_the_axis_that_it_has(rng):
    draws = rng.random((40, 2, 20))
    found = readout(rng.random(20), draws=draws)
    assert "null" in found.per("unit").tables
    assert link(found.per("unit"), effect(rng.random(20)), kind="used").null == (
        link(found, effect(rng.random(20)), along="unit", kind="used").null
    )


def test_a_pattern_that_any_labels_give_is_no_use(rng):
    """Large patterns of the units that cost most, with and without the labels."""
    base = rng.normal(size=30)
    halves = base + 0.3 * rng.normal(size=(2, 30))
    needed = effect(base, base + 0.3 * rng.normal(size=(2, 30)))
    shuffles = base + 0.3 * rng.normal(size=(200, 2, 30))
    alone = link(readout(base, halves), needed, kind="used")
    assert alone.verdict == "supported"
    assert "no_shuffled_labels" in {n.code for n in alone.notes}
    judged = link(readout(base, halves, shuffles), needed, kind="used")
    assert judged.statistic == alone.statistic
    assert judged.verdict == "no link seen"
    assert "200 decodings of shuffled labels" in judged.null
    assert "no_shuffled_labels" not in {n.code for n in judged.notes}
    assert link(readout(base, halves, shuffles), needed).verdict == "supported"


def test_what_labels_add_is_found_above_what_any_labels_give(rng):
    base, code = rng.normal(size=(2, 30))
    halves = base + code + 0.3 * rng.normal(size=(2, 30))
    shuffles = base + 0.3 * rng.normal(size=(200, 2, 30))
    needed = effect(base + code, [base + code, base + code])
    assert link(readout(base, halves, shuffles), needed, kind="used").verdict == (
        "supported"
    )


def test_taking_off_what_any_labels_give_turns_no_sign(rng):
    """All units carry the labels alike; those that follow the others cost more."""
    base = rng.normal(size=40)
    halves = 0.3 * rng.normal(size=(2, 40))
    shuffles = base + 0.3 * rng.normal(size=(200, 2, 40))
    found = link(
        readout(halves[0], halves, shuffles), effect(base, [base, base]), kind="used"
    )
    assert found.verdict == "no link seen"


def test_a_correlation_below_that_of_the_null_is_not_supported():
    draws = np.linspace(0.5, 0.7, 199)  # not centered on 0
    assert _two_sided(0.3, draws) == 1.0
    assert _two_sided(0.9, draws) == pytest.approx(2 / 200)
    assert _two_sided(-0.3, draws) == pytest.approx(2 / 200)
    assert _two_sided(-0.3, draws, positive=True) == 1.0
    assert _detectable(draws) > 0.65


def test_trials_of_one_half_are_linked_as_they_are(rng):
    values = rng.normal(size=20)
    missing = np.stack([values, np.full(20, np.nan)])
    found = link(
        readout(values, missing, hashes=(1,)),
        effect(values, [values, values]),
        kind="used",
    )
    assert found.n == 20
    assert "opposite halves" not in found.sentence
    assert "overlapping_trials" in {n.code for n in found.notes}


def test_members_with_few_units_each_are_too_few(rng):
    table = xr.Dataset(
        {"estimate": ("unit", rng.normal(size=12))},
        coords={
            "unit": [f"m{i // 3}|A:{i % 3}" for i in range(12)],
            "member": ("unit", np.repeat(["m0", "m1", "m2", "m3"], 3)),
        },
    )
    a = finding("representation.decode", table, "unit")
    b = finding(
        "implementation.ablate",
        table * 2,
        "unit",
        parameters={"measure": "m", "measure_kind": "behavior"},
    )
    assert link(a, b, kind="used").verdict == "too few"
