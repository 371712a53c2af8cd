"""compare_rdms: identities, partial nulls at their level, circles, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import kendalltau, rankdata, spearmanr

import marr
from marr.errors import MarrError
from marr.representation import compare_rdms, rdm
from marr.representation._rsa._compare_job import SHARED
from marr.representation._rsa._compare_kernel import (
    bootstrap_comparison,
    compare_pairs,
    condition_permutations,
    lag_classes,
    permuted_comparison,
    rotations,
)
from marr.representation._rsa._evaluate_kernel import evaluate
from marr.representation._rsa._permutation_kernel import permuted_similarity
from marr.representation._rsa._rdm_kernel import upper
from marr.stats import partial_correlation, permutation_p


def distances(rng, n, dims=3):
    place = rng.normal(size=(n, dims))
    return ((place[:, None] - place) ** 2).sum(-1)


def finding(rng, place, *, noise=1.0, n_repeats=12, name="demo", sites=("V1",)):
    """An rdm finding of conditions at given places."""
    codes = np.tile(np.arange(len(place)), n_repeats)
    mixing = rng.normal(size=(place.shape[1], 10))
    activity = {
        s: (place @ mixing)[codes] + noise * rng.normal(size=(len(codes), 10))
        for s in sites
    }
    table = pd.DataFrame({"condition": [f"c{c:02d}" for c in codes]})
    return rdm(marr.from_arrays(activity, trials=table, name=name), n_permutations=0)


@pytest.mark.parametrize("comparator", ["spearman", "pearson", "cosine", "kendall"])
def test_comparators_are_the_definitions(rng, comparator):
    a, b = upper(distances(rng, 8)), upper(distances(rng, 8))
    expected = {
        "spearman": spearmanr(a, b).statistic,
        "pearson": np.corrcoef(a, b)[0, 1],
        "cosine": a @ b / np.sqrt((a @ a) * (b @ b)),
        "kendall": kendalltau(a, b).statistic,
    }[comparator]
    assert compare_pairs(a, b, None, comparator) == pytest.approx(expected)


@pytest.mark.parametrize("comparator", ["spearman", "pearson"])
def test_partial_comparison_is_a_partial_correlation(rng, comparator):
    a, b, z = (upper(distances(rng, 9)) for _ in range(3))
    expected = partial_correlation(a, b, z, method=comparator)
    assert compare_pairs(a, b, z[:, None], comparator) == pytest.approx(float(expected))


def test_permuting_conditions_moves_rows_and_columns_together(rng):
    a, b = distances(rng, 7), distances(rng, 7)
    moves = condition_permutations(7, 20, 0)
    for comparator in ("spearman", "pearson", "cosine", "kendall"):
        null = permuted_comparison(a, b, None, comparator, moves)
        expected = [
            compare_pairs(upper(a[np.ix_(m, m)]), upper(b), None, comparator)
            for m in moves
        ]
        np.testing.assert_allclose(null, expected, atol=1e-12)


def test_the_identity_is_one_of_the_draws(rng):
    a, b, z = (distances(rng, 7) for _ in range(3))
    same = np.arange(7)[None]
    null = permuted_comparison(a, b, upper(z)[:, None], "spearman", same)
    assert null[0] == pytest.approx(
        compare_pairs(upper(a), upper(b), upper(z)[:, None], "spearman")
    )


def test_bootstrap_with_equal_counts_is_the_comparison(rng):
    a, b, z = (distances(rng, 8) for _ in range(3))
    controls = upper(z)[:, None]
    for comparator in ("spearman", "pearson"):
        drawn = bootstrap_comparison(a, b, controls, comparator, np.ones((1, 8)))
        expected = compare_pairs(upper(a), upper(b), controls, comparator)
        assert drawn[0] == pytest.approx(expected)


def test_bootstrap_weights_are_repeated_pairs(rng):
    """Weighted midranks equal ranks of the pairs written out as often as they count."""
    a, b = distances(rng, 8), distances(rng, 8)
    count = np.array([2.0, 0, 1, 3, 1, 1, 0, 0])
    rows, columns = np.triu_indices(8, k=1)
    repeat = np.repeat(np.arange(28), (count[rows] * count[columns]).astype(int))
    expected = spearmanr(upper(a)[repeat], upper(b)[repeat]).statistic
    assert bootstrap_comparison(a, b, None, "spearman", count[None])[
        0
    ] == pytest.approx(expected)


def test_any_function_of_the_angle_is_partialed_out(rng):
    angles = (np.arange(10) + 0.5) * np.pi / 5
    lag = np.abs(np.angle(np.exp(1j * (angles[:, None] - angles))))
    odd = np.sin(3 * lag) + lag**2  # neither linear nor monotone
    other = distances(rng, 10)
    controls = lag_classes(angles)
    assert controls.shape == (45, 5)
    assert np.isnan(compare_pairs(upper(odd), upper(other), controls, "pearson"))


def test_same_geometry_is_found_below_its_ceiling(rng):
    place = rng.normal(size=(12, 3))
    found = compare_rdms(
        finding(rng, place, noise=2.0, name="a"),
        finding(rng, place, noise=2.0, name="b"),
        n_permutations=500,
        n_resamples=200,
    )
    assert found.dims == ()
    assert float(found.estimate["p_value"]) < 0.01
    assert (
        0.3
        < float(found.estimate["estimate"])
        <= float(found.estimate["ceiling"]) + 0.1
    )
    assert 0.5 < float(found.estimate["ceiling"]) <= 1.0
    assert "Geometries agree" in found.summary
    assert found.system == "a and b"
    assert found.generalizes_over == "conditions (n = 12)"


def test_pairs_of_sites_are_a_table(rng):
    place = rng.normal(size=(8, 3))
    a = finding(rng, place, sites=("V1", "V4"))
    b = finding(rng, place, sites=("it", "pfc", "hc"))
    found = compare_rdms(a, b, n_permutations=100, n_resamples=50)
    assert found.estimate.sizes == {"site_a": 2, "site_b": 3}
    assert (found.estimate["p_corrected"] >= found.estimate["p_value"]).all()
    assert found.figures[0].kind == "map"


def test_conditions_are_matched_by_label(rng):
    place = rng.normal(size=(8, 3))
    a, b = finding(rng, place, noise=0.1), finding(rng, place, noise=0.1)
    turned = b.estimate.isel(
        condition_a=slice(None, None, -1), condition_b=[3, 1, 0, 2, 7, 6, 5, 4]
    )
    turned = turned.sel(condition_b=turned["condition_a"].values)
    from dataclasses import replace

    again = compare_rdms(
        a, replace(b, estimate=turned), n_permutations=50, n_resamples=20
    )
    plain = compare_rdms(a, b, n_permutations=50, n_resamples=20)
    assert float(again.estimate["estimate"]) == pytest.approx(
        float(plain.estimate["estimate"])
    )


def free_partial_p(rng, n_sets, n):
    """P-values where both matrices follow a third one and are otherwise independent."""
    p = []
    for _ in range(n_sets):
        shared = distances(rng, n)
        a, b = (shared + distances(rng, n) for _ in range(2))
        controls = upper(shared)[:, None]
        moves = np.stack([rng.permutation(n) for _ in range(39)])
        null = permuted_comparison(a, b, controls, "pearson", moves)
        observed = compare_pairs(upper(a), upper(b), controls, "pearson")
        p.append(permutation_p(observed, null, tail="greater"))
    return np.array(p)


def test_partial_null_has_its_level(rng):
    p = free_partial_p(rng, 2000, 9)
    assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert (p <= 0.05).mean() > 0.02


def ring_distances(rng, n, n_units):
    """Distances of a ring code with few, uneven cells."""
    angle = (np.arange(n) + 0.5) * 2 * np.pi / n
    centers, width = rng.uniform(0, 2 * np.pi, n_units), rng.uniform(0.5, 4, n_units)
    x = rng.lognormal(0, 0.7, n_units) * np.exp(
        width * (np.cos(angle[:, None] - centers) - 1)
    )
    return ((x[:, None] - x) ** 2).sum(-1)


@pytest.mark.slow
def test_rotations_keep_the_level_on_a_circle_where_free_permutation_does_not(rng):
    n, n_sets = 12, 2000
    controls = lag_classes((np.arange(n) + 0.5) * 2 * np.pi / n)
    rate = {"free": 0.0, "rotation": 0.0}
    turns = rotations(n)
    assert len(turns) == 2 * n - 1
    for _ in range(n_sets):
        a, b = ring_distances(rng, n, 7), ring_distances(rng, n, 30)
        observed = compare_pairs(upper(a), upper(b), controls, "spearman")
        for name, moves in (
            ("free", np.stack([rng.permutation(n) for _ in range(39)])),
            ("rotation", turns),
        ):
            null = permuted_comparison(a, b, controls, "spearman", moves)
            rate[name] += float(permutation_p(observed, null, tail="greater") <= 0.05)
    assert rate["rotation"] / n_sets < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_sets)
    assert rate["free"] / n_sets > 0.12


def ring_finding(rng, name, n_units=8):
    heading = np.mod(rng.normal(0, 0.6, size=1500).cumsum(), 2 * np.pi).reshape(60, 25)
    centers = rng.uniform(0, 2 * np.pi, n_units)
    x = np.exp(2 * np.cos(heading[..., None] - centers) - 2)
    x = x + 0.2 * rng.normal(size=x.shape)
    angle = xr.DataArray(heading, dims=("trial", "time"), attrs={"circular": True})
    system = marr.from_arrays({"ring": x}, variables={"heading": angle}, name=name)
    return rdm(system, on="heading", bins=12, n_permutations=0)


def test_two_rings_agree_only_in_being_rings(rng):
    a, b = ring_finding(rng, "mouse"), ring_finding(rng, "network")
    plain = compare_rdms(a, b, n_permutations=500, n_resamples=100)
    beyond = compare_rdms(a, b, control="angular", n_resamples=100)
    assert float(plain.estimate["p_value"]) < 0.05
    assert plain.parameters["null"] == "free"
    assert beyond.parameters["null"] == "rotation"
    assert float(beyond.estimate["p_value"]) >= 1 / 24
    assert "dekker2007" in beyond.citations
    assert any(n.code == "coarse_null" for n in beyond.notes)
    assert {"a_left", "b_left"} <= set(beyond.tables["pair"])
    assert "rotations and reflections" in beyond.methods


def test_a_control_may_be_a_matrix_a_finding_or_a_list(rng):
    place = rng.normal(size=(10, 3))
    a, b = finding(rng, place, noise=0.3), finding(rng, place, noise=0.3)
    matrix = ((place[:, None] - place) ** 2).sum(-1)
    given = {"n_permutations": 50, "n_resamples": 20}
    third = finding(rng, place, noise=0.3, name="c")
    alone = compare_rdms(a, b, **given)
    for control in (matrix, third, [matrix, third]):
        left = compare_rdms(a, b, control=control, **given)
        assert float(left.estimate["estimate"]) < float(alone.estimate["estimate"])


def test_same_seed_round_trip_and_overlap(rng):
    a = finding(rng, rng.normal(size=(8, 3)))
    one, two = (compare_rdms(a, a, n_permutations=50, n_resamples=20) for _ in range(2))
    assert one.id == two.id == marr.Finding.from_dict(one.to_dict()).id
    assert float(one.estimate["estimate"]) == pytest.approx(1.0)
    assert any(n.code == "shared_trials" for n in one.notes)
    assert len(one.figure().data) > 0


def test_bad_input_is_named(rng):
    a, b = finding(rng, rng.normal(size=(8, 3))), finding(rng, rng.normal(size=(6, 3)))
    cases = [
        (lambda: compare_rdms(a, b), "same conditions"),
        (lambda: compare_rdms(a, 3), "finding of"),
        (lambda: compare_rdms(a, a, control="angle"), "angular"),
        (lambda: compare_rdms(a, a, control="angular"), "circle"),
        (lambda: compare_rdms(a, a, control=np.eye(3)), "square"),
        (lambda: compare_rdms(a, a, control=np.ones((8, 8))), "not all equal"),
        (
            lambda: compare_rdms(a, a, control=np.eye(8), comparator="cosine"),
            "spearman",
        ),
        (lambda: compare_rdms(a, a, comparator="spaerman"), "spearman"),
        (lambda: compare_rdms(a, a, null="rotation"), "circle"),
        (lambda: compare_rdms(a, a, n_permutations=0), "n_permutations"),
    ]
    few = finding(rng, rng.normal(size=(4, 3)))
    cases.append((lambda: compare_rdms(few, few), "at least 5"))
    for call, words in cases:
        with pytest.raises(marr.MarrError, match=words):
            call()


def test_ranks_of_a_controlled_matrix_match_scipy(rng):
    a, b, z = (upper(distances(rng, 8)) for _ in range(3))
    ranked = [rankdata(v) for v in (a, b, z)]
    expected = partial_correlation(*ranked)
    assert compare_pairs(a, b, z[:, None], "spearman") == pytest.approx(float(expected))


@pytest.mark.parametrize("comparator", ["spearman", "pearson", "cosine"])
def test_shared_comparators_are_the_same_by_either_kernel(rng, comparator):
    """Those of `rsa` weigh pairs; those that take controls resample them one by one."""
    a, b = distances(rng, 8), distances(rng, 8)
    moves = condition_permutations(8, 20, 0)
    counts = rng.multinomial(8, np.full(8, 1 / 8), size=20).astype(float)
    counts = counts[(counts > 0).sum(axis=1) > 3]
    rows, name = np.stack([upper(a), upper(b)]), SHARED[comparator]
    null = permuted_similarity(rows[:1], rows[1:], moves, name)[:, 0]
    np.testing.assert_allclose(
        null, permuted_comparison(a, b, None, comparator, moves), atol=1e-12
    )
    drawn = evaluate(rows, 1, counts, [np.ones((len(counts), 1))], name)
    expected = bootstrap_comparison(a, b, None, comparator, counts)
    np.testing.assert_allclose(drawn.similarity[:, 0, 0], expected, atol=1e-12)


@pytest.mark.parametrize(
    "comparator", ["rho-a", "tau-a", "whitened_cosine", "whitened_correlation"]
)
def test_comparators_of_rsa(rng, comparator):
    place = rng.normal(size=(10, 3))
    a, b = finding(rng, place), finding(rng, place)
    found = compare_rdms(
        a, b, comparator=comparator, n_permutations=99, n_resamples=100
    ).estimate
    assert float(found["estimate"]) > 0.5
    assert float(found["p_value"]) < 0.05
    assert float(found["ci_low"]) < float(found["estimate"])
    assert 0.5 < float(found["ceiling"]) <= 1.0
    with pytest.raises(MarrError, match="control goes with"):
        compare_rdms(a, b, comparator=comparator, control=np.eye(10))


def test_cohorts_are_pointed_to_rsa(rng):
    place = rng.normal(size=(8, 2))
    codes = np.tile(np.arange(8), 6)
    members = [
        marr.from_arrays(
            {"V1": place[codes] + rng.normal(size=(48, 2))},
            pd.DataFrame({"condition": [f"c{c:02d}" for c in codes]}),
            name=f"m{i}",
        )
        for i in range(3)
    ]
    group = marr.Cohort(members, name="three")
    mean = rdm(group, distance="euclidean", n_permutations=0)
    found = compare_rdms(mean, finding(rng, place), n_permutations=50, n_resamples=50)
    (note,) = [n for n in found.notes if n.code == "members_averaged"]
    assert "rsa(cohort" in note.advice
    with pytest.raises(MarrError, match=r"finding of .*rdm; got Cohort.*rsa\("):
        compare_rdms(group, mean)
