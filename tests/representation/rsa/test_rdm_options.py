"""rdm: noise, unbalanced designs, Poisson, time, runs as folds, memory, bad input."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.representation import rdm
from marr.representation._rsa import _rdm_rows, _row_blocks
from marr.representation._rsa._geometry import make_geometry
from marr.representation._rsa._poisson_kernel import rates
from marr.representation._rsa._rdm_kernel import upper


def system_of(x, codes, **columns):
    table = pd.DataFrame({"condition": codes, **columns})
    extra = {"time": np.arange(x.shape[1]) / 10} if x.ndim == 3 else {}
    return marr.from_arrays({"V1": x}, trials=table, name="demo", **extra)


def in_runs(rng, *, n_runs=6, n_conditions=4, n_units=12, spread=1.0):
    codes = np.tile(np.arange(n_conditions), n_runs)
    run = np.repeat(np.arange(n_runs), n_conditions)
    means = spread * rng.normal(size=(n_conditions, n_units))
    return means[codes] + rng.normal(size=(len(codes), n_units)), codes, run, means


def values(found, name="estimate"):
    return upper(found.estimate[name].values[0])


# ---- noise --------------------------------------------------------------------------


def test_a_given_covariance_is_the_mahalanobis_distance(rng):
    x, codes, run, _ = in_runs(rng)
    mix = rng.normal(size=(12, 12))
    s = mix @ mix.T + np.eye(12)
    found = rdm(
        system_of(x, codes, session=run),
        distance="mahalanobis",
        noise=s,
        n_permutations=0,
    )
    means = np.stack([x[codes == c].mean(axis=0) for c in range(4)])
    apart = means[1] - means[3]
    expected = apart @ np.linalg.inv(s) @ apart / 12
    assert found.estimate["estimate"].values[0, 1, 3] == pytest.approx(expected)
    assert "as given" in found.methods


def test_a_labelled_covariance_is_put_in_the_order_of_the_units(rng):
    x, codes, run, _ = in_runs(rng)
    system = system_of(x, codes, session=run)
    ids = system.activity("V1")["unit_id"].values.astype(str)
    s = np.diag(np.arange(1.0, 13.0))
    order = rng.permutation(12)
    table = pd.DataFrame(s, ids, ids).iloc[order, order]
    plain, labelled, named = (
        rdm(system, noise=n, n_permutations=0) for n in (s, table, {"V1": s})
    )
    np.testing.assert_allclose(values(plain), values(labelled))
    np.testing.assert_allclose(values(plain), values(named))
    assert (
        plain.parameters["noise"]
        != rdm(system, noise=2 * s, n_permutations=0).parameters["noise"]
    )


def test_diagonal_noise_divides_each_unit_by_its_variance(rng):
    """Units scaled anew leave the distances as they are; without noise they do not."""
    x, codes, run, _ = in_runs(rng)
    scale = np.geomspace(0.1, 10, 12)
    for noise, same in (("diagonal", True), ("folds", True), ("identity", False)):
        one, other = (
            values(rdm(system_of(v, codes, session=run), noise=noise, n_permutations=0))
            for v in (x, x * scale)
        )
        assert np.allclose(one, other, rtol=1e-6) == same


def test_full_shrinkage_is_the_diagonal(rng):
    x, codes, run, _ = in_runs(rng, n_units=60)
    system = system_of(x, codes, session=run)
    whole, diagonal = (
        values(rdm(system, n_permutations=0, **given))
        for given in ({"shrinkage": 1.0}, {"noise": "diagonal"})
    )
    np.testing.assert_allclose(whole, diagonal, rtol=1e-9)


def test_no_shrinkage_is_the_plain_covariance_or_refused(rng):
    x, codes, run, _ = in_runs(rng, n_runs=12, n_units=5)
    system = system_of(x, codes, session=run)
    assert np.isfinite(values(rdm(system, shrinkage=0.0, n_permutations=0))).all()
    wide = system_of(rng.normal(size=(48, 60)), codes, session=run)
    with pytest.raises(marr.MarrError, match=r"60 units and .* degrees of freedom"):
        rdm(wide, shrinkage=0.0)


def not_positive(n=12):
    s = np.eye(n)
    s[0, 1] = s[1, 0] = 1.5
    return s


NOISE = {
    "not positive definite": ({"noise": not_positive()}, "positive definite.*Shrink"),
    "shape": ({"noise": np.eye(5)}, r"\(12, 12\)"),
    "asymmetric": ({"noise": np.triu(np.ones((12, 12)))}, "symmetric"),
    "name": ({"noise": "fold"}, "folds"),
    "distance": ({"noise": np.eye(12), "distance": "euclidean"}, "crossnobis"),
    "labels": (
        {"noise": pd.DataFrame(np.eye(12), list("abcdefghijkl"), list("abcdefghijkl"))},
        "unit_id",
    ),
    "site": ({"noise": {"V4": np.eye(12)}}, "V1"),
    "shrinkage": ({"shrinkage": 1.5}, "between 0 and 1"),
    "shrinkage of a distance": (
        {"shrinkage": 0.5, "distance": "cosine"},
        "mahalanobis",
    ),
    "shrinkage of what is given": ({"shrinkage": 0.5, "noise": "diagonal"}, "folds"),
}


@pytest.mark.parametrize("case", NOISE)
def test_noise_that_does_not_fit_is_named(rng, case):
    given, words = NOISE[case]
    x, codes, run, _ = in_runs(rng)
    with pytest.raises(marr.MarrError, match=words):
        rdm(system_of(x, codes, session=run), n_permutations=0, **given)


def test_planted_distances_are_recovered_with_correlated_noise(rng):
    codes, run = np.tile(np.arange(3), 60), np.repeat(np.arange(20), 9)
    mix = np.eye(8) + 0.2 * rng.normal(size=(8, 8))
    means = rng.normal(size=(3, 8))
    w = np.linalg.inv(mix.T @ mix)
    planted = [
        (means[i] - means[j]) @ w @ (means[i] - means[j]) / 8
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    found = []
    for _ in range(20):
        x = means[codes] + rng.normal(size=(180, 8)) @ mix
        geometry = make_geometry(x, codes, run, 3, "crossnobis", intensity=0.0)
        found.append(upper(geometry.distances(codes)))
    np.testing.assert_allclose(np.mean(found, axis=0), planted, rtol=0.15)


# ---- unbalanced designs -------------------------------------------------------------


def test_unequal_trials_of_equal_conditions_are_zero_in_expectation(rng):
    run = np.repeat(np.arange(4), 10)
    estimates = []
    for _ in range(150):
        codes = np.concatenate(
            [np.repeat(np.arange(3), rng.permutation([2, 3, 5])) for _ in range(4)]
        )
        x = rng.normal(size=(40, 6)) + 3 * rng.normal(size=(4, 6))[run]
        estimates.append(
            upper(make_geometry(x, codes, run, 3, "crossnobis").distances(codes))
        )
    mean, error = np.mean(estimates, axis=0), np.std(estimates, axis=0) / np.sqrt(150)
    assert (np.abs(mean) < 4 * error).all()


def test_weights_lower_the_variance_where_runs_are_unequal(rng):
    run = np.repeat(np.arange(4), [24, 24, 4, 4])
    codes = np.concatenate([np.tile([0, 1], n) for n in (12, 12, 2, 2)])
    weighted, plain = [], []
    for _ in range(300):
        x = rng.normal(size=(56, 4))
        means = np.stack(
            [
                x[(run == k) & (codes == 0)].mean(0)
                - x[(run == k) & (codes == 1)].mean(0)
                for k in range(4)
            ]
        )
        first, second = np.triu_indices(4, k=1)
        plain.append((means[first] * means[second]).sum(axis=1).mean() / 4)
        geometry = make_geometry(x, codes, run, 2, "crossnobis", noise="identity")
        weighted.append(geometry.distances(codes)[0, 1])
    assert np.std(weighted) < 0.7 * np.std(plain)


def test_conditions_missing_in_some_runs_are_left_to_the_others(rng):
    x, codes, run, means = in_runs(rng, n_runs=8, spread=2.0)
    keep = ~((codes == 3) & (run < 4))
    system = system_of(x[keep], codes[keep], session=run[keep])
    found = rdm(system, n_permutations=19)
    assert "8 folds" in found.methods
    assert np.isfinite(values(found)).all()
    planted = upper(((means[:, None] - means) ** 2).sum(-1))
    assert np.corrcoef(values(found), planted)[0, 1] > 0.8


def test_pairs_without_two_shared_runs_are_named(rng):
    x, codes, run, _ = in_runs(rng, n_runs=6)
    keep = ~((codes == 3) & (run > 1)) & ~((codes == 2) & (run < 2))
    found = rdm(
        system_of(x[keep], codes[keep], session=run[keep]),
        noise="identity",
        n_permutations=0,
    )
    assert np.isnan(found.estimate["estimate"].values[0, 2, 3])
    assert any(n.code == "missing_pairs" for n in found.notes)


# ---- Poisson ------------------------------------------------------------------------


def test_poisson_divergence_by_hand(rng):
    codes, run = np.tile(np.arange(3), 8), np.repeat(np.arange(8), 3)
    x = rng.poisson(3.0, size=(24, 5)).astype(float)
    found = rdm(system_of(x, codes, session=run), distance="poisson", n_permutations=9)
    rate = rates(np.stack([x[codes == c].mean(axis=0) for c in range(3)]))
    kl = lambda a, b: (a * np.log(a / b) - a + b).sum()
    expected = (kl(rate[0], rate[2]) + kl(rate[2], rate[0])) / 5
    assert found.estimate["estimate"].values[0, 0, 2] == pytest.approx(expected)
    assert np.isfinite(found.estimate["excess"].values).all()


def test_cross_validated_poisson_is_zero_in_expectation_and_the_plain_one_is_not(rng):
    codes, run = np.tile(np.arange(3), 8), np.repeat(np.arange(4), 6)
    found = {
        d: np.array(
            [
                upper(
                    make_geometry(
                        rng.poisson(2.0, size=(24, 6)).astype(float), codes, run, 3, d
                    ).distances(codes)
                )
                for _ in range(300)
            ]
        ).mean(axis=1)
        for d in ("poisson", "poisson_cv")
    }
    error = found["poisson_cv"].std() / np.sqrt(300)
    assert abs(found["poisson_cv"].mean()) < 4 * error
    assert found["poisson"].mean() > 20 * error


def test_poisson_leaves_out_folds_and_reads_in_blocks(rng, monkeypatch):
    codes, run = np.tile(np.arange(3), 8), np.repeat(np.arange(4), 6)
    x = rng.poisson(2.0, size=(24, 30)).astype(float)
    for distance in ("poisson", "poisson_cv"):
        whole = make_geometry(x, codes, run, 3, distance)
        expected = whole.distances(codes), whole.left_out(codes)
        rest = run != 1
        again = make_geometry(
            x[rest],
            codes[rest],
            np.unique(run[rest], return_inverse=True)[1],
            3,
            distance,
        )
        np.testing.assert_allclose(expected[1][1], again.distances(codes[rest]))
        monkeypatch.setattr(_row_blocks, "BLOCK", 100)
        parts = make_geometry(x, codes, run, 3, distance)
        np.testing.assert_allclose(parts.distances(codes), expected[0])
        monkeypatch.undo()


def test_negative_activity_has_no_poisson_rate(rng):
    x, codes, run, _ = in_runs(rng)
    with pytest.raises(marr.MarrError, match="at least 0"):
        rdm(system_of(x, codes, session=run), distance="poisson_cv")


# ---- time ---------------------------------------------------------------------------


def over_time(rng, n_times=6):
    codes, run = np.tile(np.arange(4), 6), np.repeat(np.arange(6), 4)
    x = rng.normal(size=(24, n_times, 9))
    x[:, 3:] += 3 * rng.normal(size=(4, 9))[codes][:, None]
    return x, codes, run


@pytest.mark.parametrize("distance", ["crossnobis", "correlation"])
def test_each_time_is_the_matrix_of_that_time(rng, distance):
    x, codes, run = over_time(rng)
    found = rdm(
        system_of(x, codes, session=run),
        over=("site", "time"),
        distance=distance,
        n_permutations=19,
    )
    assert found.dims == ("site", "time", "condition_a", "condition_b")
    assert found.estimate["time"].attrs["units"] == "s"
    for t in (0, 4):
        one = rdm(system_of(x[:, t], codes, session=run), distance=distance)
        np.testing.assert_allclose(
            found.estimate["estimate"].values[0, t], one.estimate["estimate"].values[0]
        )
    assert found.figures[0].kind == "line"
    assert len(found.figure().data) > 0
    assert (found.estimate["p_corrected"] >= found.estimate["p_value"]).all()
    mean = found.tables["mean"]["estimate"].values[0]
    assert distance == "correlation" or mean[4] > 2 * abs(mean[0])
    assert found.tables["half"]["half_estimate"].dims[1:3] == ("site", "time")
    assert "peak" in found.summary


def test_windows_average_their_bins(rng):
    x, codes, run = over_time(rng)
    system = system_of(x, codes, session=run)
    found = rdm(system, over=("site", "time"), window=0.2, n_permutations=0)
    np.testing.assert_allclose(found.estimate["time"], [0.05, 0.25, 0.45])
    one = rdm(system, time=(0.2, 0.4), n_permutations=0)
    np.testing.assert_allclose(
        found.estimate["estimate"].values[:, 1], one.estimate["estimate"].values
    )
    part = rdm(system, over=("site", "time"), time=(0.2, 0.6), n_permutations=0)
    np.testing.assert_allclose(part.estimate["time"], [0.2, 0.3, 0.4, 0.5])


def test_windows_read_one_by_one_are_the_same(rng, monkeypatch):
    x, codes, run = over_time(rng)
    system = system_of(x, codes, session=run)
    whole = rdm(system, over=("site", "time"), n_permutations=0)
    monkeypatch.setattr(_rdm_rows, "READ", 100)
    parts = rdm(system, over=("site", "time"), n_permutations=0)
    assert whole.id == parts.id


def test_correction_runs_over_times_too(rng):
    codes, run = np.tile(np.arange(3), 8), np.repeat(np.arange(8), 3)
    x = rng.normal(size=(24, 5, 5))
    found = rdm(
        system_of(x, codes, session=run), over=("site", "time"), n_permutations=39
    )
    alone = [
        rdm(system_of(x[:, t], codes, session=run), n_permutations=39).estimate[
            "p_corrected"
        ]
        for t in range(5)
    ]
    assert (
        found.estimate["p_corrected"].values[0]
        >= np.stack([a.values[0] for a in alone]) - 1e-12
    ).all()


def test_incomplete_windows_are_left_out_and_said(rng):
    x, codes, run = over_time(rng)
    valid = np.ones((24, 6), bool)
    valid[3, 5] = False
    array = xr.DataArray(
        x,
        dims=("trial", "time", "unit"),
        coords={"time": np.arange(6) / 10, "valid": (("trial", "time"), valid)},
    )
    table = pd.DataFrame({"condition": codes, "session": run})
    system = marr.from_arrays({"V1": array}, trials=table)
    found = rdm(system, over=("site", "time"), n_permutations=0)
    assert found.estimate.sizes["time"] == 5
    assert any(n.code == "incomplete_bins" for n in found.notes)


TIME = {
    "no time axis": (False, {"over": ("site", "time")}, "no time axis"),
    "window of no axis": (False, {"time": (0, 1)}, "no time axis"),
    "window alone": (True, {"window": 0.2}, "over="),
    "width": (True, {"over": ("site", "time"), "window": -1.0}, "above 0"),
    "pooled": (True, {"over": "time"}, "site"),
    "empty": (True, {"over": ("site", "time"), "time": (5, 6)}, "valid bin"),
}


@pytest.mark.parametrize("case", TIME)
def test_times_that_do_not_fit_are_named(rng, case):
    timed, given, words = TIME[case]
    x, codes, run = over_time(rng)
    system = system_of(x if timed else x[:, 0], codes, session=run)
    with pytest.raises(marr.MarrError, match=words):
        rdm(system, **given)


# ---- runs, repeats, reliability -----------------------------------------------------


@pytest.mark.parametrize("column", ["session", "block"])
def test_each_run_is_a_fold(rng, column):
    x, codes, run, _ = in_runs(rng, n_runs=12)
    found = rdm(system_of(x, codes, **{column: run}), n_permutations=9)
    assert f"12 folds of whole {column}s" in found.methods
    assert found.generalizes_over == f"12 folds of {column}s"


def test_a_column_called_run_is_pointed_out(rng):
    x, codes, run, _ = in_runs(rng)
    found = rdm(system_of(x, codes, run=run), n_permutations=0)
    assert any(n.code == "ungrouped_runs" for n in found.notes)


def test_sorted_conditions_get_advice_that_works(rng):
    codes = np.repeat(np.arange(4), 10)
    x = rng.normal(size=(40, 6)) + 3 * codes[:, None]
    with pytest.raises(marr.MarrError, match=r"long runs.*null='free'") as error:
        rdm(system_of(x, codes))
    assert "contiguous" not in str(error.value)
    found = rdm(system_of(x, codes), null="free", n_permutations=99)
    assert found.parameters["null"] == "free"
    assert found.estimate["p_corrected"].values[0, 0, 3] < 0.05


def test_the_order_of_a_models_inputs_means_nothing(rng):
    import torch

    codes = np.repeat(np.arange(4), 10)
    inputs = torch.as_tensor(
        rng.normal(size=(40, 5)) + codes[:, None], dtype=torch.float32
    )
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh())
    system = marr.hook(
        model, inputs, trials=pd.DataFrame({"condition": codes}), sites=["1"]
    )
    found = rdm(system, n_permutations=19)
    assert found.parameters["null"] == "free"


def test_conditions_that_are_runs_are_refused_or_noted(rng):
    """T26: what drifts between runs cannot be told from what differs."""
    run = np.repeat(np.arange(4), 10)
    x = rng.normal(size=(40, 6)) + 3 * rng.normal(size=(4, 6))[run]
    system = system_of(x, [f"c{r}" for r in run], session=run)
    with pytest.raises(marr.MarrError, match="drifts between sessions"):
        rdm(system)
    found = rdm(system, distance="euclidean")
    assert {"confounded", "no_folds"} <= {n.code for n in found.notes}
    assert "ci_low" not in found.estimate


def test_a_condition_of_one_run_only_is_refused_by_name(rng):
    x, codes, run, _ = in_runs(rng)
    twice = np.flatnonzero((codes == 3) & (run == 0))
    keep = np.r_[np.flatnonzero(codes != 3), twice, twice]
    with pytest.raises(
        marr.MarrError, match=r"cannot be in two folds.*select"
    ) as error:
        rdm(system_of(x[keep], codes[keep], session=run[keep]))
    assert "contiguous" not in str(error.value)


def test_single_trials_are_named(rng):
    codes = np.r_[np.tile(np.arange(4), 5), 4]
    system = system_of(rng.normal(size=(21, 5)), codes)
    with pytest.raises(marr.MarrError, match=r"1 have one \(4"):
        rdm(system)
    found = rdm(system, distance="correlation")
    assert any("(4" in n.text for n in found.notes if n.code == "unrepeated")


def test_patterns_without_spread_are_named(rng):
    x, codes, run, _ = in_runs(rng)
    x[codes == 2] = 1.0
    found = rdm(
        system_of(x, codes, session=run), distance="correlation", n_permutations=9
    )
    note = next(n for n in found.notes if n.code == "missing_pairs")
    assert "all those of" in note.text
    assert "2" in note.text
    assert np.isnan(found.estimate["estimate"].values[0, 2, 0])
    assert np.isfinite(found.estimate["estimate"].values[0, 1, 0])


def test_a_negative_reliability_is_given_as_it_is(rng):
    for seed in range(30):
        x = np.random.default_rng(seed).normal(size=(24, 30))
        found = rdm(
            system_of(x, np.tile(np.arange(4), 6), session=np.repeat(np.arange(6), 4)),
            n_permutations=0,
        )
        table = found.tables["reliability"]
        split, whole = float(table["split_half"][0]), float(table["estimate"][0])
        assert whole >= -1
        if split <= 0:
            assert whole == split
            assert any(n.code == "negative_reliability" for n in found.notes)
            return
    pytest.fail("no negative reliability in 30 data sets of noise")


def test_halves_do_not_share_their_noise_covariance(rng):
    """Of pure noise with more units than trials, halves agree on nothing."""
    split = []
    for seed in range(12):
        x = np.random.default_rng(seed).normal(size=(48, 120))
        codes, run = np.tile(np.arange(4), 12), np.repeat(np.arange(12), 4)
        found = rdm(
            system_of(x, codes, session=run), distance="mahalanobis", n_permutations=0
        )
        split.append(float(found.tables["reliability"]["split_half"][0]))
    assert abs(np.mean(split)) < 0.3


def test_intervals_allow_for_noise_that_is_estimated(rng):
    """With more units than degrees of freedom; a fixed covariance covers .87."""
    codes, run = np.tile(np.arange(4), 6), np.repeat(np.arange(6), 4)
    means = 0.7 * rng.normal(size=(4, 60))
    low, high, estimates = [], [], []
    for _ in range(20):
        found = rdm(
            system_of(means[codes] + rng.normal(size=(24, 60)), codes, session=run),
            n_permutations=0,
        )
        for out, name in ((low, "ci_low"), (high, "ci_high"), (estimates, "estimate")):
            out.append(values(found, name))
    truth = np.mean(estimates, axis=0)
    covered = (np.array(low) <= truth) & (truth <= np.array(high))
    assert covered.mean() > 0.9


def test_two_folds_have_no_interval_and_say_so(rng):
    x, codes, run, _ = in_runs(rng, n_runs=2)
    x, codes, run = np.tile(x, (3, 1)), np.tile(codes, 3), np.tile(run, 3)
    x = x + rng.normal(size=x.shape)
    found = rdm(system_of(x, codes, session=run), n_permutations=9)
    assert {"no_interval", "shared_noise"} <= {n.code for n in found.notes}


# ---- memory -------------------------------------------------------------------------


def peak_of(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "distance", ["crossnobis", "mahalanobis", "correlation", "poisson_cv"]
)
def test_twice_the_units_take_no_more_memory(rng, monkeypatch, distance):
    for module in (_row_blocks, _rdm_rows):
        monkeypatch.setattr(module, "READ", 50_000)
    monkeypatch.setattr(_row_blocks, "BLOCK", 50_000)
    codes, run = np.tile(np.arange(4), 6), np.repeat(np.arange(6), 4)
    peaks = []
    for n_units in (10_000, 20_000):
        x = rng.poisson(3.0, size=(24, n_units)).astype(float)
        peaks.append(
            peak_of(
                lambda x=x: make_geometry(
                    _row_blocks.ArrayBlocks(x), codes, run, 4, distance
                ).distances(codes)
            )
        )
    assert peaks[1] < 1.15 * peaks[0]
    assert peaks[1] < 24 * 20_000 * 8  # less than a copy of the data


def test_crossnobis_makes_no_array_of_units_by_units(rng):
    codes, run = np.tile(np.arange(20), 4), np.repeat(np.arange(4), 20)
    x = rng.normal(size=(80, 3000))
    peak = peak_of(
        lambda: make_geometry(x, codes, run, 20, "crossnobis").distances(codes)
    )
    assert peak < 0.2 * 3000**2 * 8


CAPPED = """
import resource, sys
import numpy as np
import marr
from marr.representation import rdm
system = marr.open(sys.argv[1])
rdm(marr.from_arrays(
    {"warm": np.random.default_rng(0).normal(size=(24, 30))},
    trials=system.trials.iloc[:24],
), n_permutations=2)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = size + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = rdm(system, n_permutations=5, **eval(sys.argv[3]))
try:
    system.activity("big").values.sum()
except MemoryError:
    print("too large to load")
print(float(found.estimate["estimate"].mean()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of Linux")
@pytest.mark.parametrize(
    "given", ["{}", "{'over': ('site', 'time'), 'noise': 'identity'}"]
)
def test_a_site_larger_than_memory(rng, tmp_path, given):
    """A store of 440 MB under a cap that does not hold it."""
    n_trials, n_times, n_units = 48, 32, 72_000
    x = np.tile(
        rng.normal(size=(n_trials, n_times, 900)).astype(np.float32), (1, 1, 80)
    )
    table = pd.DataFrame(
        {
            "condition": np.tile(np.arange(4), 12),
            "session": np.repeat(np.arange(12), 4),
        }
    )
    assert x.shape[2] == n_units
    marr.from_arrays({"big": x}, trials=table).save(tmp_path / "store")
    del x
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(CAPPED),
            str(tmp_path / "store"),
            str(400_000_000),
            given,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "too large to load" in run.stdout
