"""rdm: identities, zero in expectation, false positives, coverage, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.spatial.distance import cdist

import marr
from marr.representation import rdm
from marr.representation._rsa import _row_blocks
from marr.representation._rsa._geometry import DISTANCES, make_geometry
from marr.representation._rsa._noise_kernel import (
    noise_residuals,
    precision,
    shrinkage,
    whitened_products,
)
from marr.representation._rsa._rdm_kernel import (
    condition_means,
    mean_of_pairs,
    upper,
)
from marr.representation._rsa._row_blocks import ArrayBlocks
from marr.representation._rsa._whitening import Factors, Gram
from marr.stats import binomial_interval, max_statistic, permutation_p


def system_of(x, codes, **columns):
    table = pd.DataFrame({"condition": codes, **columns})
    return marr.from_arrays({"V1": x}, trials=table, name="demo")


def design(n_repeats=8, n_conditions=5):
    return np.tile(np.arange(n_conditions), n_repeats)


@pytest.mark.parametrize("distance", ["euclidean", "correlation", "cosine"])
def test_distances_of_means_are_scipys(rng, distance):
    codes = design()
    x = rng.normal(size=(40, 7)) + rng.normal(size=(5, 7))[codes]
    found = rdm(system_of(x, codes), distance=distance, n_permutations=0)
    means = np.stack([x[codes == c].mean(0) for c in range(5)])
    metric = {"euclidean": "sqeuclidean"}.get(distance, distance)
    expected = cdist(means, means, metric) / (7 if distance == "euclidean" else 1)
    np.testing.assert_allclose(found.estimate["estimate"][0], expected, atol=1e-10)


def test_euclidean_matrix_double_centered_is_the_gram_matrix(rng):
    """D_ij = K_ii + K_jj - 2 K_ij, undone by double centering."""
    codes = design()
    x = rng.normal(size=(40, 6))
    found = rdm(system_of(x, codes), distance="euclidean", n_permutations=0)
    d = found.estimate["estimate"].values[0] * 6
    means = np.stack([x[codes == c].mean(0) for c in range(5)])
    means -= means.mean(0)
    h = np.eye(5) - 1 / 5
    np.testing.assert_allclose(-0.5 * h @ d @ h, means @ means.T, atol=1e-10)


def test_matrix_is_symmetric_labelled_and_zero_on_its_diagonal(rng):
    codes = np.array(["tool", "face", "house", "body"])[design(8, 4)]
    x = rng.normal(size=(32, 6)) + (codes == "face")[:, None]
    found = rdm(system_of(x, codes), n_permutations=19)
    assert found.estimate["condition_a"].values.tolist() == [
        "body",
        "face",
        "house",
        "tool",
    ]
    for name in ("estimate", "ci_low", "ci_high", "p_value", "p_corrected", "excess"):
        matrix = found.estimate[name].values[0]
        np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_array_equal(np.diag(found.estimate["estimate"][0]), 0)
    assert (np.diag(found.estimate["p_value"][0]) == 1).all()


def test_crossnobis_by_hand(rng):
    """Products of condition differences of two folds, each whitened by the other folds."""
    codes, fold = design(8, 3), np.repeat(np.arange(4), 6)
    x = rng.normal(size=(24, 4))
    geometry = make_geometry(x, codes, fold, 3, "crossnobis")
    centered, w = x - x.mean(0), []
    for k in range(4):
        other = fold != k
        residuals, dof = noise_residuals(
            centered[other], codes[other], fold[other], by_cell=False
        )
        assert dof == 18 - 3 - 3 + 1  # rows less conditions and folds
        w.append(precision(shrinkage(residuals, dof)))
    total = 0.0
    for a in range(4):
        for b in range(a + 1, 4):
            first, second = (
                x[(fold == f) & (codes == 0)].mean(0)
                - x[(fold == f) & (codes == 2)].mean(0)
                for f in (a, b)
            )
            total += first @ (w[a] + w[b]) @ second / 2 / 4
    assert geometry.distances(codes)[0, 2] == pytest.approx(total / 6)


def test_woodbury_is_the_dense_inverse(rng):
    residuals, a, b = (rng.normal(size=(n, 50)) for n in (20, 8, 5))
    noise = shrinkage(residuals - residuals.mean(0), 19)
    assert 0 < noise.intensity < 1
    expected = a @ precision(noise) @ b.T
    np.testing.assert_allclose(whitened_products(a, b, noise), expected, atol=1e-10)


class Wide(ArrayBlocks):
    """Rows that are never turned into inner products."""

    def __post_init__(self):
        self.n_rows, self.n_units = len(self.x), 1

    def parts(self):
        yield slice(0, self.x.shape[1]), self.x


@pytest.mark.parametrize("distance", [d for d in DISTANCES if "poisson" not in d])
@pytest.mark.parametrize("noise", ["folds", "diagonal", "identity"])
def test_inner_products_of_rows_give_the_same_distances(
    rng, monkeypatch, distance, noise
):
    """With more units than rows, in blocks of units: the same numbers."""
    codes, fold = design(12, 3), np.repeat(np.arange(4), 9)
    x = 3 + rng.normal(size=(36, 61))
    dense = make_geometry(Wide(x), codes, fold, 3, distance, noise=noise)
    monkeypatch.setattr(_row_blocks, "BLOCK", 500)
    few = make_geometry(x, codes, fold, 3, distance, noise=noise)
    assert isinstance(dense.kernel, Factors)
    assert isinstance(few.kernel, Gram)
    part = np.where((fold == 1) & (codes == 2), -1, codes)
    for given in (codes, part):
        np.testing.assert_allclose(
            few.distances(given), dense.distances(given), atol=1e-10
        )
    np.testing.assert_allclose(few.left_out(codes), dense.left_out(codes), atol=1e-10)


def test_shrinkage_sums_agree_on_both_sides(rng):
    """The Gram-matrix form equals the definition over pairs of units."""
    x = rng.normal(size=(15, 30)) @ (np.eye(30) + 0.2 * rng.normal(size=(30, 30)))
    x -= x.mean(0)
    noise = shrinkage(x, 14)
    z, n, dof = noise.residuals, 15, 14
    products = z[:, :, None] * z[:, None, :]
    variance = n / dof**3 * ((products - products.mean(0)) ** 2).sum(0)
    r = products.sum(0) / dof
    off = ~np.eye(30, dtype=bool)
    assert noise.intensity == pytest.approx(variance[off].sum() / (r[off] ** 2).sum())


def test_residuals_are_free_of_conditions_and_folds(rng):
    codes, fold = design(6, 4), np.repeat(np.arange(3), 8)
    x = rng.normal(size=(24, 5)) + codes[:, None] * 2 + fold[:, None] * 3
    for by_cell in (True, False):
        left, dof = noise_residuals(x, codes, fold, by_cell=by_cell)
        for labels in (codes, fold):
            for v in np.unique(labels):
                np.testing.assert_allclose(left[labels == v].mean(0), 0, atol=1e-10)
        assert dof == (24 - 12 if by_cell else 24 - 4 - 3 + 1)


def test_unbalanced_conditions_use_the_folds_that_hold_both(rng):
    codes = np.array([0, 1, 2] * 6 + [0, 1] * 3)
    fold = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2] * 2 + [3, 3] * 3)
    x = rng.normal(size=(24, 3))
    geometry = make_geometry(x, codes, fold, 3, "crossnobis")
    distances = geometry.distances(codes)
    assert np.isfinite(distances).all()
    only = np.where((fold > 0) & (codes == 2), -1, codes)  # condition 2 in one fold
    assert np.isnan(geometry.distances(only)[0, 2])
    assert np.isfinite(geometry.distances(only)[0, 1])


def test_means_and_pairs_with_gaps():
    x = np.arange(8.0)[:, None]
    means = condition_means(x, np.array([0, 0, 2, 2, -1, 2, 0, -1]), 3)
    np.testing.assert_array_equal(means[[0, 2], 0], [7 / 3, 10 / 3])
    assert np.isnan(means[1, 0])
    stack = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, np.nan], [np.nan, 0.0]]])
    np.testing.assert_array_equal(mean_of_pairs(stack), [[0, 1], [1, 0]])
    weights = np.array([[[1.0, 3.0], [3.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]])
    other = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 5.0], [5.0, 0.0]]])
    np.testing.assert_array_equal(mean_of_pairs(other, weights), [[0, 2], [2, 0]])


def simulate(rng, n_sets, *, n_repeats, n_conditions, n_units, n_folds, spread=0.0):
    """P-values, estimates and jackknife intervals of many data sets."""
    codes = design(n_repeats, n_conditions)
    fold = np.repeat(np.arange(n_repeats) % n_folds, n_conditions)
    mix = np.eye(n_units) + 0.3 * rng.normal(size=(n_units, n_units))
    means = spread * rng.normal(size=(n_conditions, n_units))
    rows = [np.flatnonzero(fold == k) for k in range(n_folds)]
    p, family, estimates, left_out = [], [], [], []
    for _ in range(n_sets):
        x = means[codes] + rng.normal(size=(len(codes), n_units)) @ mix
        blind = make_geometry(x, np.zeros_like(codes), fold, n_conditions, "crossnobis")
        draws = []
        for _ in range(19):
            moved = codes.copy()
            for row in rows:
                moved[row] = codes[rng.permutation(row)]
            draws.append(upper(blind.distances(moved)))
        observed = upper(blind.distances(codes))
        p.append(permutation_p(observed, np.stack(draws), tail="greater"))
        family.append(max_statistic(observed, np.stack(draws), tail="greater").min())
        geometry = make_geometry(x, codes, fold, n_conditions, "crossnobis")
        estimates.append(upper(geometry.distances(codes)))
        left_out.append(upper(geometry.left_out(codes)))
    return np.array(p), np.array(family), np.array(estimates), np.array(left_out)


def check_null(rng, n_sets, **shape):
    p, family, estimates, _ = simulate(rng, n_sets, **shape)
    error = estimates.mean(axis=1).std() / np.sqrt(n_sets)
    assert abs(estimates.mean()) < 4 * error  # 0 in expectation
    low, _ = binomial_interval(int((family <= 0.05).sum()), n_sets, level=0.999)
    assert low <= 0.05
    assert (p <= 0.05).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / n_sets)


def test_crossnobis_is_zero_in_expectation_and_tested_at_its_level(rng):
    check_null(rng, 300, n_repeats=4, n_conditions=3, n_units=6, n_folds=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        {"n_repeats": 10, "n_conditions": 4, "n_units": 6, "n_folds": 5},
        {"n_repeats": 5, "n_conditions": 3, "n_units": 15, "n_folds": 5},
    ],
)
def test_crossnobis_level_over_two_thousand_data_sets(rng, shape):
    check_null(rng, 2000, **shape)


@pytest.mark.slow
def test_jackknife_intervals_cover(rng):
    from marr.representation._rsa._rdm_job import _reach

    shape = {"n_repeats": 8, "n_conditions": 4, "n_units": 6, "n_folds": 8}
    _, _, estimates, left_out = simulate(rng, 300, spread=0.4, **shape)
    square = np.zeros((8, 4, 4))
    covered = []
    rows, columns = np.triu_indices(4, k=1)
    for estimate, left in zip(estimates, left_out, strict=True):
        square[:, rows, columns] = square[:, columns, rows] = left
        reach = _reach(square)[rows, columns]
        covered.append(np.abs(estimate - estimates.mean(axis=0)) <= reach)
    assert 0.93 < np.mean(covered) <= 1.0  # conservative near 0


def test_planted_geometry_is_found_and_reliable(rng):
    codes = design(20, 6)
    place = np.array([0.0, 1, 2, 10, 11, 12])
    x = np.outer(place, rng.normal(size=8))[codes] * 0.5 + rng.normal(size=(120, 8))
    found = rdm(system_of(x, codes), n_permutations=99)
    values = upper(found.estimate["estimate"].values[0])
    planted = upper((place[:, None] - place) ** 2)
    assert np.corrcoef(values, planted)[0, 1] > 0.95
    assert float(found.tables["reliability"]["estimate"][0]) > 0.9
    assert (upper(found.estimate["p_corrected"].values[0])[planted > 50] < 0.05).all()
    halves = found.tables["half"]["half_estimate"]
    assert halves.dims == ("half", "site", "condition_a", "condition_b")


def ring(rng, n=40, n_times=25):
    heading = np.mod(rng.normal(0, 0.5, size=n * n_times).cumsum(), 2 * np.pi)
    heading = heading.reshape(n, n_times)
    preferred = np.linspace(0, 2 * np.pi, 9)[:-1]
    x = np.cos(heading[..., None] - preferred) + 0.5 * rng.normal(size=(n, n_times, 8))
    angle = xr.DataArray(heading, dims=("trial", "time"), attrs={"circular": True})
    return marr.from_arrays({"ring": x}, variables={"heading": angle}, name="ring")


def test_bins_of_an_angle_go_around_the_circle(rng):
    found = rdm(ring(rng), on="heading", bins=8, n_permutations=39)
    centers = found.estimate["condition_a"]
    np.testing.assert_allclose(centers, (np.arange(8) + 0.5) * np.pi / 4)
    assert centers.attrs["circular"] is True
    assert found.parameters["null"] == "shift"
    d = found.estimate["estimate"].values[0]
    assert d[0, 1] < d[0, 2] < d[0, 4]
    assert d[0, 7] < d[0, 4]  # neighbors across zero
    assert int(found.tables["counts"]["n_rows"].sum()) == 1000


def test_bins_of_a_number_and_edges(rng):
    contrast = rng.uniform(0, 1, 90)
    x = contrast[:, None] * rng.normal(size=5) + 0.1 * rng.normal(size=(90, 5))
    system = system_of(x, np.zeros(90), contrast=contrast)
    found = rdm(system, on="contrast", bins=[0, 0.25, 0.5, 1.0], n_permutations=0)
    assert found.estimate["condition_a"].values.tolist() == [0.125, 0.375, 0.75]
    assert (
        rdm(system, on="contrast", bins=4, n_permutations=0).estimate.sizes[
            "condition_a"
        ]
        == 4
    )


def test_conditions_seen_once_have_distances_but_no_interval(rng):
    found = rdm(
        system_of(rng.normal(size=(6, 5)), np.arange(6)), distance="correlation"
    )
    assert "ci_low" not in found.estimate
    assert any(n.code == "unrepeated" for n in found.notes)
    with pytest.raises(marr.MarrError, match="two trials of each condition"):
        rdm(system_of(rng.normal(size=(6, 5)), np.arange(6)))


def test_runs_are_the_folds(rng):
    run, category = np.repeat(np.arange(6), 4), np.tile(list("abcd"), 6)
    x = rng.normal(size=(24, 30)) + rng.normal(size=(6, 30))[run]
    found = rdm(system_of(x, category, session=run), n_permutations=19)
    assert found.parameters["null"] == "within"
    assert "6 folds" in found.methods


def test_time_windows(rng):
    codes = design(10, 3)
    x = rng.normal(size=(30, 6, 4))
    x[:, 3:] += rng.normal(size=(3, 4))[codes][:, None] * 3
    table = pd.DataFrame({"condition": codes})
    system = marr.from_arrays({"V1": x}, trials=table, time=np.arange(6) / 10)
    before, after = (
        rdm(system, time=w, n_permutations=0).estimate["estimate"].max().item()
        for w in ((0, 0.3), (0.3, 0.6))
    )
    assert after > 20 * before


def test_deterministic_repeats_are_refused_by_name(rng):
    codes = design()
    with pytest.raises(marr.MarrError, match="euclidean"):
        rdm(system_of(rng.normal(size=(5, 4))[codes], codes))


def test_same_seed_round_trip_and_figure(rng):
    system = system_of(rng.normal(size=(40, 6)), design())
    a, b = (rdm(system, n_permutations=19) for _ in range(2))
    assert a.id == b.id == marr.Finding.from_dict(a.to_dict()).id
    assert a.figures[0].kind == "matrix"
    assert len(a.figure().data) > 0


def test_constant_units_are_left_out_and_said(rng):
    x = rng.normal(size=(40, 6))
    x[:, 2] = 1.0
    with_constant = rdm(system_of(x, design()), n_permutations=0)
    without = rdm(system_of(np.delete(x, 2, axis=1), design()), n_permutations=0)
    np.testing.assert_allclose(
        with_constant.estimate["estimate"], without.estimate["estimate"]
    )
    assert any(n.code == "constant_units" for n in with_constant.notes)


BAD = {
    "distance": ({"distance": "mahalonobis"}, "mahalanobis"),
    "column": ({"on": "conditon"}, "condition"),
    "site": ({"sites": "V2"}, "V1"),
    "time": ({"time": "max"}, "time"),
    "window": ({"time": (0.5, 0.1)}, "time"),
    "folds": ({"n_folds": 1}, "n_folds"),
    "permutations": ({"n_permutations": -3}, "n_permutations"),
    "bins of text": ({"on": "name", "bins": 3}, "bins"),
    "one bin": ({"on": "speed", "bins": 1}, "bins"),
    "edges": ({"on": "speed", "bins": [0, 1, 0.5]}, "edges"),
    "empty bin": ({"on": "speed", "bins": [0, 0.5, 5, 6]}, "no data"),
    "numbers without bins": ({"on": "speed"}, "bins"),
    "one condition": ({"on": "same"}, "one condition"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(rng, case):
    given, words = BAD[case]
    extra = {"name": list("abcde") * 24, "speed": rng.uniform(size=120), "same": 1}
    system = system_of(rng.normal(size=(120, 4)), design(24), **extra)
    with pytest.raises(marr.MarrError, match=words):
        rdm(system, **{"n_permutations": 5, **given})
