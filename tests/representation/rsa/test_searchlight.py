"""searchlight: balls cut out by hand, a planted place, null over centers, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

import marr
from marr.representation import rdm, searchlight
from marr.representation._rsa import _row_blocks
from marr.representation._rsa._geometry import make_geometry
from marr.representation._rsa._rdm_kernel import upper
from marr.representation._rsa._searchlight_job import Search, ball_rdms, grid_map, infer
from marr.representation._rsa._searchlight_kernel import (
    balls,
    jackknifed_similarity,
    scaled_rows,
)

N, RUNS, SIDE = 8, 5, 7


def places():
    return np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)


def system_of(x, codes, run=None, place=None):
    units = pd.DataFrame(places() if place is None else place, columns=["x", "y"])
    table = pd.DataFrame({"condition": [f"c{c}" for c in codes], "size": codes % 4})
    if run is not None:
        table["session"] = run
    return marr.from_arrays(
        {"V1": x}, trials=table, units={"V1": units.astype(float)}, name="demo"
    )


def data(rng, *, planted=0.0):
    """Conditions in runs; a corner of the sheet has the geometry of the model."""
    codes, run = np.tile(np.arange(N), RUNS), np.repeat(np.arange(RUNS), N)
    latent = rng.normal(size=(N, 2))
    model = cdist(latent, latent, "sqeuclidean")
    means = 0.7 * rng.normal(size=(N, SIDE**2))
    corner = (places() < 3).all(axis=1)
    means[:, corner] *= planted == 0
    means[:, corner] += planted * latent @ rng.normal(size=(2, corner.sum()))
    x = means[codes] + rng.normal(size=(len(codes), SIDE**2))
    labels = [f"c{i}" for i in range(N)]
    return x, codes, run, pd.DataFrame(model, labels, labels), corner


# ---- identities ---------------------------------------------------------------------


def test_balls_hold_what_lies_within_the_radius(rng):
    place = rng.uniform(size=(40, 3))
    expected = cdist(place, place) <= 0.4
    np.testing.assert_array_equal(balls(place, 0.4).toarray(), expected)


@pytest.mark.parametrize(
    "distance", ["crossnobis", "euclidean", "correlation", "cosine"]
)
@pytest.mark.parametrize("noise", ["identity", "diagonal"])
def test_each_ball_is_the_matrix_of_its_units(rng, monkeypatch, distance, noise):
    """Balls cut out one by one; also with runs that lack a condition, and in blocks."""
    x, codes, run, _, _ = data(rng)
    x[:, :] += 3
    keep = ~((codes == 2) & (run == 1))
    x, codes, run = x[keep], codes[keep], run[keep]
    within = balls(places().astype(float), 1.5)
    search = Search(within, codes, run, N, distance, noise, "spearman")
    monkeypatch.setattr(_row_blocks, "BLOCK", 400)
    (found,), count = ball_rdms(search, _row_blocks.ArrayBlocks(x), [codes])
    assert count.max() == 9
    for center in (0, 24, 40):
        inside = within.toarray()[center] > 0
        one = make_geometry(x[:, inside], codes, run, N, distance, noise=noise)
        np.testing.assert_allclose(
            found[center], upper(one.distances(codes)), atol=1e-10
        )


@pytest.mark.parametrize("comparator", ["cosine", "correlation", "spearman", "rho-a"])
def test_comparators_are_the_definitions(rng, comparator):
    a, b = rng.uniform(size=(3, 28)), np.round(rng.uniform(size=(2, 28)), 1)
    found = scaled_rows(a, comparator) @ scaled_rows(b, comparator).T
    if comparator == "rho-a":  # the expectation of Spearman under random tie breaking
        draws = [
            spearmanr(a[0], b[1] + 1e-6 * rng.normal(size=28)).statistic
            for _ in range(2000)
        ]
        assert found[0, 1] == pytest.approx(np.mean(draws), abs=0.005)
        return
    expected = {
        "spearman": lambda u, v: spearmanr(u, v).statistic,
        "correlation": lambda u, v: np.corrcoef(u, v)[0, 1],
        "cosine": lambda u, v: u @ v / np.sqrt((u @ u) * (v @ v)),
    }[comparator]
    np.testing.assert_allclose(found, [[expected(u, v) for v in b] for u in a])


def test_permutations_are_of_conditions(rng):
    x, codes, run, model, _ = data(rng)
    search = Search(
        balls(places().astype(float), 1.5), codes, run, N, "euclidean", "identity",
        "correlation",
    )  # fmt: skip
    (values,), _ = ball_rdms(search, _row_blocks.ArrayBlocks(x), [codes])
    rows = upper(model.to_numpy())[None]
    found = infer(search, [values], rows, n_permutations=50, seed=3).columns
    moves = np.random.default_rng(3).permuted(np.tile(np.arange(N), (50, 1)), axis=1)
    drawn = np.array(
        [
            [
                np.corrcoef(upper(model.to_numpy()[np.ix_(m, m)]), v)[0, 1]
                for v in values
            ]
            for m in moves
        ]
    )
    seen = found["estimate"][0]
    np.testing.assert_allclose(
        found["p_value"][0], (1 + (drawn >= seen - 1e-9).sum(0)) / 51
    )
    np.testing.assert_allclose(
        found["p_corrected"][0],
        (1 + (drawn.max(axis=1)[:, None] >= seen - 1e-9).sum(0)) / 51,
    )
    np.testing.assert_allclose(found["null_mean"][0], drawn.mean(0))


def test_the_jackknife_leaves_out_conditions(rng):
    values, model = rng.uniform(size=(3, 28)), rng.uniform(size=(1, 28))
    found = jackknifed_similarity(values, model, N, "spearman")
    left, right = np.triu_indices(N, k=1)
    kept = (left != 4) & (right != 4)
    expected = [spearmanr(v[kept], model[0, kept]).statistic for v in values]
    np.testing.assert_allclose(found[4, :, 0], expected)


# ---- findings -----------------------------------------------------------------------


@pytest.mark.parametrize("distance", ["crossnobis", "correlation"])
def test_a_planted_place_is_found(rng, distance):
    x, codes, run, model, corner = data(rng, planted=4.0)
    found = searchlight(
        system_of(x, codes, run),
        models={"m": model},
        radius=1.5,
        distance=distance,
        n_permutations=500,
        comparator="correlation",
    )
    assert found.dims == ("unit",)
    best = places()[found.estimate["estimate"].values.argmax()]
    assert (best <= 3).all()  # its ball reaches into the corner
    p = found.estimate["p_corrected"].values
    assert p[corner].min() < 0.05
    assert (p[~corner] < 0.05).mean() < 0.2
    assert found.estimate["half_estimate"].dims == ("half", "unit")
    assert found.tables["map"]["estimate"].dims == ("model", "y", "x")
    assert found.figures[0].kind == "map"
    assert len(found.figure().data) > 0
    assert "follow the model" in found.summary
    assert found.generalizes_over == "conditions (n = 8)"
    again = searchlight(
        system_of(x, codes, run),
        models={"m": model},
        radius=1.5,
        distance=distance,
        n_permutations=500,
        comparator="correlation",
    )
    assert found.id == again.id == marr.Finding.from_dict(found.to_dict()).id


def test_several_models_findings_and_systems(rng):
    x, codes, run, model, _ = data(rng, planted=2.0)
    system = system_of(x, codes, run)
    other = marr.from_arrays(
        {"layer": rng.normal(size=(N, 5))},
        trials=pd.DataFrame({"condition": [f"c{i}" for i in range(N)]}),
        name="network",
    )
    found = searchlight(
        system,
        models={
            "given": model.iloc[::-1, ::-1],
            "finding": rdm(system, n_permutations=0),
            "system": other,
        },
        radius=1.5,
        distance="correlation",
        n_permutations=20,
    )
    assert found.dims == ("model", "unit")
    assert found.estimate["model"].values.tolist() == ["given", "finding", "system"]
    assert found.system == "demo and network"
    alone = searchlight(
        system, models={"given": model}, radius=1.5, distance="correlation",
        n_permutations=20,
    )  # fmt: skip
    np.testing.assert_allclose(
        found.estimate["estimate"].sel(model="given"), alone.estimate["estimate"]
    )
    assert (
        found.estimate["p_corrected"].sel(model="given").values
        >= alone.estimate["p_corrected"].values
    ).all()


def test_a_column_makes_the_model(rng):
    x, codes, run, _, _ = data(rng)
    system = system_of(x, codes, run)
    found = searchlight(system, target="size", radius=1.5, n_permutations=0)
    size = np.arange(N) % 4
    labels = [f"c{i}" for i in range(N)]
    model = pd.DataFrame(np.abs(size[:, None] - size), labels, labels)
    given = searchlight(system, models={"size": model}, radius=1.5, n_permutations=0)
    np.testing.assert_allclose(found.estimate["estimate"], given.estimate["estimate"])
    assert "p_value" not in found.estimate


def test_places_may_come_as_a_table(rng):
    x, codes, run, model, _ = data(rng)
    system = system_of(x, codes, run)
    ids = system.activity("V1")["unit_id"].values.astype(str)
    table = pd.DataFrame(places(), index=ids, columns=["row", "column"])
    plain = searchlight(system, models={"m": model}, radius=1.5, n_permutations=0)
    moved = searchlight(
        system,
        models={"m": model},
        radius=1.5,
        coordinates=table.iloc[::-1].iloc[:-1],
        n_permutations=0,
    )
    assert moved.estimate.sizes["unit"] == SIDE**2 - 1
    assert any(n.code == "no_place" for n in moved.notes)
    assert "row" in moved.estimate.coords
    np.testing.assert_allclose(
        moved.estimate["estimate"].values[-1], plain.estimate["estimate"].values[-1]
    )


def test_small_balls_and_flat_ones_are_left_out_and_said(rng):
    x, codes, run, model, _ = data(rng)
    place = places().astype(float)
    place[0] = 100
    found = searchlight(
        system_of(x, codes, run, place),
        models={"m": model},
        radius=1.0,
        n_permutations=0,
    )
    assert found.estimate.sizes["unit"] == SIDE**2 - 1
    assert any(n.code == "small_balls" for n in found.notes)
    x[:, 1:] = np.where(codes[:, None] == 3, 0.5, x[:, 1:])
    flat = searchlight(
        system_of(x, codes, run),
        models={"m": model},
        radius=1.0,
        distance="correlation",
        n_permutations=0,
    )
    assert flat.estimate.sizes["unit"] < SIDE**2
    assert any(n.code == "missing_pairs" for n in flat.notes)


def test_models_that_permutation_cannot_test_are_pointed_out(rng):
    x, codes, run, _, _ = data(rng)
    alone = np.zeros((N, N))
    alone[3] = alone[:, 3] = 1
    alone[3, 3] = 0
    labels = [f"c{i}" for i in range(N)]
    found = searchlight(
        system_of(x, codes, run),
        models={"one": pd.DataFrame(alone, labels, labels)},
        radius=1.5,
        n_permutations=100,
    )
    assert {"coarse_null", "no_interval"} <= {n.code for n in found.notes}
    assert "nan" not in found.summary


def test_places_fill_a_grid():
    place = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [1.0, 2.0]])
    found = grid_map(np.array([[1.0, 2.0, 3.0, 5.0]]), place, ("x", "y"), ("m",))
    np.testing.assert_array_equal(
        found["estimate"][0].values, [[1.0, 2.0], [np.nan, 4.0]]
    )
    many = grid_map(
        np.ones((1, 500)), np.random.default_rng(0).normal(size=(500, 2)), "xy", ("m",)
    )
    assert many.sizes == {"model": 1, "y": 60, "x": 60}


# ---- the null -----------------------------------------------------------------------


def family_errors(rng, n_studies, *, n_conditions=8, distance="crossnobis"):
    """Studies of unrelated models in which some center is called."""
    codes, run = (
        np.tile(np.arange(n_conditions), 4),
        np.repeat(np.arange(4), n_conditions),
    )
    within = balls(places()[:25].astype(float), 1.5)
    search = Search(within, codes, run, n_conditions, distance, "diagonal", "spearman")
    called = 0
    for i in range(n_studies):
        means = rng.normal(size=(n_conditions, 3)) @ rng.normal(size=(3, 25))
        x = means[codes] + rng.normal(size=(len(codes), 25))
        place = rng.normal(size=(n_conditions, 2))
        model = upper(cdist(place, place))[None]
        (values,), _ = ball_rdms(search, _row_blocks.ArrayBlocks(x), [codes])
        found = infer(search, [values], model, n_permutations=99, seed=i).columns
        called += bool((found["p_corrected"] <= 0.05).any())
    return called / n_studies


def test_unrelated_models_are_called_at_no_more_than_the_level(rng):
    assert family_errors(rng, 150) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 150)


@pytest.mark.slow
def test_family_error_over_two_thousand_studies(rng):
    rate = family_errors(rng, 2000)
    assert 0.02 < rate < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


# ---- bad input ----------------------------------------------------------------------

BAD = {
    "neither": ({}, "models=.*target="),
    "both": ({"models": {"m": 0}, "target": "size"}, "models=.*target="),
    "radius": ({"target": "size", "radius": -1.0}, "radius"),
    "tiny radius": ({"target": "size", "radius": 0.01}, "larger radius"),
    "distance": ({"target": "size", "distance": "poisson"}, "crossnobis"),
    "noise": ({"target": "size", "noise": "folds"}, "diagonal"),
    "comparator": ({"target": "size", "comparator": "kendall"}, "spearman"),
    "coordinates": ({"target": "size", "coordinates": ["depth"]}, "'depth'"),
    "site": ({"target": "size", "site": "V4"}, "V1"),
    "few": ({"target": "condition", "on": "size"}, "at least 5"),
    "same": ({"target": "same"}, "same dissimilarity"),
    "mixed": ({"target": "word"}, "same on all trials"),
    "lacking": (
        {"models": {"m": pd.DataFrame(1 - np.eye(3), list("abc"), list("abc"))}},
        "lacks 8 of the 8 conditions",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(rng, case):
    given, words = BAD[case]
    x, codes, run, _, _ = data(rng)
    system = system_of(x, codes, run)
    table = system.trials.assign(same=1.0, word=[f"w{i}" for i in range(len(codes))])
    system = marr.from_arrays({"V1": system.activity("V1")}, trials=table)
    with pytest.raises(marr.MarrError, match=words):
        searchlight(system, **{"radius": 1.5, "n_permutations": 5, **given})


def test_units_without_places_are_told_how_to_get_them(rng):
    x, codes, run, model, _ = data(rng)
    table = pd.DataFrame({"condition": [f"c{c}" for c in codes], "session": run})
    with pytest.raises(marr.MarrError, match=r"no x, y or z.*coordinates="):
        searchlight(
            marr.from_arrays({"V1": x}, trials=table), models={"m": model}, radius=1
        )


def test_flexible_models_are_sent_to_rsa(rng):
    x, codes, run, model, _ = data(rng)
    weighted = marr.representation.Weighted({"a": model, "b": model**2})
    with pytest.raises(marr.MarrError, match="use rsa"):
        searchlight(system_of(x, codes, run), models={"w": weighted}, radius=1.5)
