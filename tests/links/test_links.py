"""Links: planted relations found, nulls held, circular ones refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats as scipy_stats

import marr
from marr.findings import Finding
from marr.links import Link, link
from marr.links._rank_kernel import permuted_statistics, rank_statistic
from marr.stats import permutations


def unit_finding(
    values,
    *,
    analysis="representation.decode",
    system="net",
    halves=None,
    evidence=None,
    measure_kind="behavior",
    sites=None,
    members=None,
    hashes=(1, 2, 3),
    **more,
):
    n = len(values)
    sites = np.array(["a"] * n if sites is None else sites)
    coords = {
        "unit": [f"{s}:{i}" for i, s in enumerate(sites)],
        "site": ("unit", sites),
    }
    if members is not None:
        coords["unit"] = [
            f"{m}|{u}" for m, u in zip(members, coords["unit"], strict=True)
        ]
        coords["member"] = ("unit", np.array(members))
    data = {"estimate": ("unit", np.asarray(values, float))}
    data |= {k: ("unit", np.asarray(v, float)) for k, v in more.items()}
    if halves is not None:
        data["half_estimate"] = (("half", "unit"), np.asarray(halves, float))
    table = xr.Dataset(data, coords=coords)
    ablation = analysis == "implementation.ablate"
    return Finding(
        analysis,
        "implementation" if ablation else "representation",
        evidence or ("causal" if ablation else "descriptive"),
        system,
        "q",
        "s",
        table,
        tables={"unit": table},
        trial_hashes=np.array(hashes, dtype=np.uint64),
        parameters={"measure": "m", "measure_kind": measure_kind} if ablation else {},
    )


def effects(values, **kwargs):
    return unit_finding(values, analysis="implementation.ablate", **kwargs)


def test_planted_relation_is_found_and_matches_spearman(rng):
    x = rng.normal(size=40)
    y = x + 0.5 * rng.normal(size=40)
    found = link(unit_finding(x), effects(y), kind="used", seed=1)
    assert found.statistic == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
    assert found.verdict == "supported"
    assert found.ci[0] > 0.3
    assert found.grade == "causal"
    assert found.evidence == ("descriptive", "causal")
    assert found.n == 40
    assert (
        link(effects(y), unit_finding(x), kind="used", seed=1).statistic
        == found.statistic
    )


def test_partial_correlation_equals_residual_ranks(rng):
    z = rng.normal(size=60)
    x, y = z + 0.3 * rng.normal(size=60), z + 0.3 * rng.normal(size=60)
    raw = link(unit_finding(x), effects(y), kind="covaries")
    partial = link(
        unit_finding(x, spread=z), effects(y), kind="covaries", control=["spread"]
    )
    ranks = [scipy_stats.rankdata(v) for v in (x, y, z)]
    design = np.column_stack([np.ones(60), ranks[2]])
    res = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in ranks[:2]]
    assert partial.statistic == pytest.approx(np.corrcoef(*res)[0, 1])
    assert raw.verdict == "supported"
    assert partial.verdict == "no link seen"
    assert partial.grade == "descriptive"


def test_opposite_halves_are_used(rng):
    code, noise = rng.normal(size=(2, 50))
    halves_x = np.stack([code + noise, code - noise])
    halves_y = np.stack([code + noise, code - noise])
    found = link(
        unit_finding(code, halves=halves_x), effects(code, halves=halves_y), kind="used"
    )
    expected = np.mean(
        [scipy_stats.spearmanr(halves_x[i], halves_y[1 - i]).statistic for i in (0, 1)]
    )
    assert found.statistic == pytest.approx(expected)
    assert "opposite halves" in found.sentence


def test_overlap_without_halves_is_printed(rng):
    x = rng.normal(size=30)
    found = link(unit_finding(x), effects(rng.normal(size=30)), kind="used")
    assert any(n.code == "overlapping_trials" and "100%" in n.text for n in found.notes)
    other = link(
        unit_finding(x, hashes=(7,)), effects(rng.normal(size=30)), kind="used"
    )
    assert not any(n.code == "overlapping_trials" for n in other.notes)


def test_too_few_units_get_no_verdict():
    for n in (2, 5, 7):
        found = link(unit_finding(np.arange(n)), effects(np.arange(n)), kind="used")
        assert found.verdict == "too few"


def test_members_are_joined_one_by_one(rng):
    members = np.repeat(["m0", "m1", "m2", "m3"], 20)
    offset = np.repeat([0, 10, 20, 30.0], 20)
    inside = rng.normal(size=80)
    x, y = offset + inside, -offset + inside + 0.3 * rng.normal(size=80)
    found = link(
        unit_finding(x, members=members), effects(y, members=members), kind="used"
    )
    assert found.statistic > 0.8  # pooled over members it would be strongly negative
    assert scipy_stats.spearmanr(x, y).statistic < -0.5
    assert "within each of 4 members" in found.sentence


def test_permutation_stays_within_site(rng):
    sites = np.repeat(["a", "b"], 20)
    base = np.repeat([0.0, 5.0], 20)
    x, y = base + rng.normal(size=40), base + rng.normal(size=40)
    found = link(unit_finding(x, sites=sites), effects(y, sites=sites), kind="used")
    assert scipy_stats.spearmanr(x, y).pvalue < 0.01
    assert found.p_value > 0.05
    assert "within site" in found.null


def test_off_target_specificity_is_reported(rng):
    x = rng.normal(size=60)
    found = link(
        unit_finding(x),
        effects(x + 0.1 * rng.normal(size=60), off_target=x),
        kind="used",
    )
    assert any(
        n.code == "specificity" and "not shown to be specific" in n.advice
        for n in found.notes
    )
    plain = link(unit_finding(x), effects(x + 0.1 * rng.normal(size=60)), kind="used")
    assert any(n.code == "no_off_target" for n in plain.notes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda x: (unit_finding(x), effects(x, measure_kind="readout"), "used"),
            "function of the",
        ),
        (
            lambda x: (unit_finding(x), effects(x, measure_kind="readout"), "covaries"),
            "a function of the",
        ),
        (
            lambda x: (unit_finding(x), effects(x, measure_kind="custom"), "used"),
            "only behavioral",
        ),
        (
            lambda x: (unit_finding(x), effects(x, evidence="predictive"), "used"),
            "causal effect",
        ),
        (
            lambda x: (unit_finding(x), unit_finding(x + 1), "used"),
            "joins a representation",
        ),
        (lambda x: (unit_finding(x), effects(x, system="other"), "used"), "not shared"),
        (lambda x: (unit_finding(x), effects(x), "causes"), "kind must be one of"),
        (lambda x: (unit_finding(x), 3, "used"), "must be a Finding"),
        (lambda x: (unit_finding(x), unit_finding(x), "covaries"), "one finding"),
    ],
)
def test_what_cannot_be_asked_is_refused(make, words):
    a, b, kind = make(np.arange(12.0))
    with pytest.raises(marr.MarrError, match=words):
        link(a, b, kind=kind)


def test_unknown_control_and_axis(rng):
    a, b = unit_finding(np.arange(12.0), spread=np.ones(12)), effects(np.arange(12.0))
    with pytest.raises(marr.MarrError, match="Did you mean 'spread'"):
        link(a, b, control=["spraed"])
    with pytest.raises(marr.MarrError, match="no axis 'time' of"):
        link(a, b, along="time")


def test_json_round_trip_and_correction(rng):
    x = rng.normal(size=20)
    found = link(unit_finding(x), effects(x + rng.normal(size=20)), kind="used", seed=4)
    again = Link.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    assert again.to_dict() == found.to_dict()
    corrected = found.corrected(0.2, "holm", "exploratory")
    assert corrected.verdict == "no link seen"
    assert corrected.id == found.id
    assert (
        link(unit_finding(x), effects(x), seed=4).id
        == link(unit_finding(x), effects(x), seed=4).id
    )


def test_pairs_use_the_surrogates_that_came_along(rng):
    pairs = [f"u{i}|u{j}" for i in range(8) for j in range(i)]
    wake = rng.normal(size=len(pairs))

    def pair_finding(values, name, null=None):
        table = xr.Dataset({"estimate": ("pair", values)}, coords={"pair": pairs})
        tables = {"pair": table}
        if null is not None:
            tables["null"] = xr.Dataset(
                {"estimate": (("draw", "pair"), null)}, coords={"pair": pairs}
            )
        return Finding(
            "representation.pairwise_correlations",
            "representation",
            "descriptive",
            name,
            "q",
            "s",
            table,
            tables=tables,
        )

    sleep = pair_finding(
        wake + 0.3 * rng.normal(size=28), "sleep", rng.normal(size=(200, 28))
    )
    found = link(pair_finding(wake, "wake"), sleep, along="pair", same_units=True)
    assert found.verdict == "supported"
    assert "shifted in time" in found.null
    assert found.p_value <= 2 / 201 + 1e-12


def test_size_and_power_of_the_unit_null():
    """Rejection under no relation is alpha; the minimum detectable effect is found at .8."""
    rng = np.random.default_rng(5)
    n, n_sims = 24, 2000
    rejected = 0
    controls = np.empty((2, n, 0))
    for k in range(n_sims):
        shared = rng.normal(size=(2, n))
        x, y = (
            shared + rng.normal(size=(2, n)),
            (rng.normal(size=(1, n)) + rng.normal(size=(2, n))),
        )
        orders = permutations(n, n_permutations=199, seed=k)
        null = permuted_statistics(x, y, controls, orders)
        observed = rank_statistic(x, y, controls)
        rejected += (1 + (np.abs(null) >= abs(observed) - 1e-12).sum()) / 200 <= 0.05
    low, high = scipy_stats.binom.interval(0.999, n_sims, 0.05)
    assert low <= rejected <= high


def test_size_of_the_partial_null():
    rng = np.random.default_rng(6)
    n, n_sims, rejected = 30, 2000, 0
    for k in range(n_sims):
        z = rng.normal(size=(1, n))
        x, y = z + 0.5 * rng.normal(size=(1, n)), z + 0.5 * rng.normal(size=(1, n))
        orders = permutations(n, n_permutations=199, seed=k)
        null = permuted_statistics(x, y, z[..., None], orders)
        observed = rank_statistic(x, y, z[..., None])
        rejected += (1 + (np.abs(null) >= abs(observed) - 1e-12).sum()) / 200 <= 0.05
    assert rejected <= scipy_stats.binom.ppf(
        0.999, n_sims, 0.07
    )  # ranks leave a little


def test_minimum_detectable_effect_has_power_of_four_in_five():
    rng = np.random.default_rng(7)
    n = 40
    first = link(
        unit_finding(rng.normal(size=n)), effects(rng.normal(size=n)), kind="used"
    )
    r = 2 * np.sin(np.pi * first.minimum_detectable / 6)  # Pearson of that Spearman
    found = 0
    for _ in range(400):
        x = rng.normal(size=n)
        y = r * x + np.sqrt(1 - r**2) * rng.normal(size=n)
        found += scipy_stats.spearmanr(x, y).pvalue < 0.05
    assert 0.72 < found / 400 < 0.88


def test_replace_keeps_links_comparable():
    x = np.arange(12.0)
    found = link(unit_finding(x), effects(x))
    assert replace(found, p_corrected=0.5).id == found.id


def test_pearson_is_offered_for_values_on_one_scale(rng):
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    found = link(unit_finding(x), effects(y), statistic="pearson")
    assert found.statistic == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.statistic_name == "Pearson r"
    with pytest.raises(marr.MarrError, match="Did you mean 'pearson'"):
        link(unit_finding(x), effects(y), statistic="person")


def test_members_that_disagree_get_a_mixed_verdict(rng):
    members = np.repeat(["m0", "m1", "m2", "m3"], 30)
    x = rng.normal(size=120)
    sign = np.repeat([1, 1, 1, -1], 30)
    y = sign * x + 0.1 * rng.normal(size=120)
    found = link(
        unit_finding(x, members=members), effects(y, members=members), kind="used"
    )
    assert found.p_value < 0.05
    assert found.ci[0] < 0 < found.ci[1]
    assert found.verdict == "mixed"
    assert found.corrected(0.001, "holm", "confirmatory").verdict == "mixed"
