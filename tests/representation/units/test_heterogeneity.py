"""heterogeneity: exact counts without noise, planted ones with it, nulls, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.representation import heterogeneity
from marr.representation._units._diversity_kernel import (
    corrected_similarity,
    cross_half,
    diversities,
    hill,
    participation,
    plain_similarity,
    power_mean,
    vendi,
)

TWO_PI = 2 * np.pi


def population(kind, u, b=12):
    angle = np.arange(b) * TWO_PI / b
    prefers = {
        "homogeneous": np.zeros(u),
        "four groups": np.arange(u) % 4 * np.pi / 2,
        "uniform": np.arange(u) * TWO_PI / u,
    }[kind]
    return np.exp(2 * (np.cos(angle - prefers[:, None]) - 1))


def study(rng, kind, u=24, n=10, b=12, noise=0.2, sites=1):
    """n trials of each of b directions."""
    curves = population(kind, u, b)
    direction = rng.permutation(np.tile(np.arange(b), n))
    x = curves.T[direction] + noise * rng.normal(size=(n * b, u))
    parts = {f"s{i}": x[:, i * u // sites : (i + 1) * u // sites] for i in range(sites)}
    return marr.from_arrays(parts, pd.DataFrame({"direction": direction}))


CALL = {"bins": None, "n_null": 40}


# -- kernels -------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 5])
def test_k_groups_of_identical_units_are_k_kinds(k):
    similarity = np.kron(np.eye(k), np.ones((4, 4)))
    np.testing.assert_allclose(diversities(similarity), k)


def test_all_distinct_units_are_as_many_kinds():
    np.testing.assert_allclose(diversities(np.eye(7)), 7)


def test_measures_are_their_definitions(rng):
    z = rng.normal(size=(6, 3))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    similarity = np.clip(z @ z.T, 0, 1)
    p = np.full(6, 1 / 6)
    ordinary = similarity @ p
    assert hill(similarity, 0.0) == pytest.approx((p / ordinary).sum())
    assert hill(similarity, 1.0) == pytest.approx(np.exp(-(p * np.log(ordinary)).sum()))
    assert hill(similarity, 2.0) == pytest.approx(1 / (p @ similarity @ p))
    assert hill(similarity, 1.0) == pytest.approx(hill(similarity, 1 + 1e-6), rel=1e-4)
    values = np.linalg.eigvalsh(z @ z.T / 6)
    values = values[values > 1e-12]
    assert vendi(z @ z.T) == pytest.approx(np.exp(-(values * np.log(values)).sum()))
    assert participation(z @ z.T) == pytest.approx(
        values.sum() ** 2 / (values**2).sum()
    )


def test_mean_diversity_within_sites():
    values, weights = np.array([2.0, 4.0]), np.array([0.5, 0.5])
    assert power_mean(values, weights, 0.0) == pytest.approx(3)
    assert power_mean(values, weights, 1.0) == pytest.approx(np.sqrt(8))
    assert power_mean(values, weights, 2.0) == pytest.approx(8 / 3)


def test_correction_divides_by_both_reliabilities():
    cross = np.array([[0.5, 0.2, 0.1], [0.2, 0.8, 0.3], [0.1, 0.3, -0.2]])
    found = corrected_similarity(cross)
    assert found[0, 1] == pytest.approx(0.2 / np.sqrt(0.5 * 0.8))
    assert found[0, 2] == pytest.approx(0.1 / np.sqrt(0.5 * 0.05))
    assert found[1, 2] == 1.0  # more than 1 is 1
    np.testing.assert_allclose(np.diag(found), 1)


# -- known answers -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "true"), [("homogeneous", 1.0), ("four groups", 4.0), ("uniform", 3.75)]
)
def test_noise_is_taken_out(rng, kind, true):
    """Halves of 5 trials: raw numbers are too large, corrected ones are not."""
    u, b, n = 40, 12, 10
    raw, corrected = [], []
    for _ in range(8):
        curves = population(kind, u, b)
        codes = np.tile(np.arange(b), n)
        x = curves.T[codes] + 0.3 * rng.normal(size=(n * b, u))
        halves = np.stack([rng.permutation(n) % 2 for _ in range(10)])[
            :, np.arange(n * b) // b
        ]
        cross, _ = cross_half(x, codes, halves, b)
        full = np.stack([x[codes == c].mean(axis=0) for c in range(b)], axis=1)
        raw.append(diversities(plain_similarity(full))[1])
        corrected.append(diversities(corrected_similarity(cross))[1])
    assert np.mean(raw) > true + 0.04
    assert np.mean(corrected) == pytest.approx(true, abs=0.06)


def test_a_homogeneous_population_is_called_so_and_groups_are_not(rng):
    same = heterogeneity(study(rng, "homogeneous"), "direction", **CALL)
    at = same.estimate.sel(scope="s0", measure="hill q1")
    assert float(at["p_corrected"]) > 0.05
    assert float(at["estimate"]) < 1.05
    assert abs(float(at["excess"])) < 0.05
    four = heterogeneity(study(rng, "four groups"), "direction", **CALL)
    at = four.estimate.sel(scope="s0", measure="hill q1")
    assert float(at["p_corrected"]) < 0.05
    assert float(at["ci_low"]) < 4 < float(at["ci_high"]) + 0.1
    assert float(at["estimate"]) == pytest.approx(4, abs=0.15)
    assert float(at["raw"]) > float(at["estimate"])
    assert "of 24 units" in four.summary


def test_one_kind_a_site_lies_between_sites(rng):
    """Units of a site are alike, sites differ: alpha 1, beta as many as sites."""
    curves = population("four groups", 4)
    direction = np.tile(np.arange(12), 20)
    sites = {
        f"s{i}": curves[i][direction][:, None] + 0.1 * rng.normal(size=(240, 5))
        for i in range(3)
    }
    system = marr.from_arrays(sites, pd.DataFrame({"direction": direction}))
    found = heterogeneity(system, "direction", **CALL)
    table = found.tables["partition"]["estimate"].sel(measure="hill q1")
    assert float(table.sel(level="alpha")) == pytest.approx(1, abs=0.02)
    assert float(table.sel(level="beta")) == pytest.approx(3, abs=0.1)
    assert float(table.sel(level="gamma")) == pytest.approx(3, abs=0.1)
    assert found.estimate["scope"].values.tolist() == ["s0", "s1", "s2", "all"]


def test_units_without_tuning_are_left_out_by_name(rng):
    tuned = study(rng, "homogeneous", u=4)
    x = np.column_stack([tuned.activity("s0").values, rng.normal(size=(120, 4))])
    direction = tuned.trials
    found = heterogeneity(marr.from_arrays({"s": x}, direction), "direction", **CALL)
    note = next(n for n in found.notes if n.code == "unreliable_units")
    assert "s:5" in note.text or "s:4" in note.text
    assert found.tables["reliability"].sizes["unit"] == 8
    assert found.tables["similarity"].sizes["unit_a"] < 8
    at = found.estimate.sel(scope="s", measure="hill q1")
    assert float(at["estimate"]) < 2.5  # one may pass by luck
    with pytest.raises(marr.MarrError, match="min_reliability"):
        heterogeneity(
            marr.from_arrays({"s": x}, direction), "direction", min_reliability=0.999
        )


def test_real_thalamic_cells_are_of_many_kinds():
    mouse = marr.datasets.mouse_heading()
    found = heterogeneity(mouse, "heading", sites="adn", n_null=20)
    at = found.estimate.sel(scope="adn", measure="hill q1")
    assert 3 < float(at["estimate"]) < 7
    assert float(at["p_corrected"]) < 0.05
    assert (found.tables["reliability"]["estimate"].values > 0.7).all()


@pytest.mark.slow
def test_homogeneous_populations_are_called_at_the_level(rng):
    """400 studies; residuals in the null change sign by trial."""
    p, covered = [], []
    for _ in range(400):
        found = heterogeneity(
            study(rng, "homogeneous", u=10, n=6, b=8, noise=0.3), "direction",
            n_null=39, n_splits=4,
        )  # fmt: skip
        p.append(float(found.estimate["p_value"].sel(scope="s0", measure="hill q1")))
        four = study(rng, "four groups", u=12, n=10, b=8, noise=0.3)
        at = heterogeneity(four, "direction", n_null=1, n_splits=4).estimate
        at = at.sel(scope="s0", measure="hill q1")
        covered.append(float(at["ci_low"]) <= 4 <= float(at["ci_high"]))
    assert np.mean(np.array(p) <= 0.0501) < 0.08
    assert np.mean(covered) > 0.9


# -- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "given", "words"),
    [
        ("directoin", {}, "direction"),
        ("direction", {"n_null": 0}, "n_null"),
        ("direction", {"n_splits": 0}, "n_splits"),
        ("direction", {"min_reliability": 1.5}, "min_reliability"),
        ("two", {}, "at least three bins"),
    ],
)
def test_bad_input_is_named(rng, variable, given, words):
    system = study(rng, "uniform", u=4, n=4)
    system = marr.from_arrays(
        {"s0": system.activity("s0")}, system.trials.assign(two=np.arange(48) % 2)
    )
    with pytest.raises(marr.MarrError, match=words):
        heterogeneity(system, variable, **given)


def test_angles_that_change_within_trials_same_seed_and_figures(rng):
    angle = np.cumsum(rng.normal(0, 0.5, 40 * 20)).reshape(40, 20) % TWO_PI
    heading = xr.DataArray(angle, dims=("trial", "time"), attrs={"circular": True})
    rates = 3 * np.exp(2 * (np.cos(angle[..., None] - np.arange(6)) - 1))
    system = marr.from_arrays(
        {"adn": rng.poisson(rates)}, variables={"heading": heading}
    )
    a, b = (heterogeneity(system, "heading", bins=8, n_null=5) for _ in range(2))
    assert a.id == b.id
    for i in range(2):
        assert a.figure(i).data
