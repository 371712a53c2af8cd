"""tuning: planted units are recovered, others are not called, bad input is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import lfilter
from sklearn.linear_model import PoissonRegressor, Ridge

import marr
from marr.representation import tuning
from marr.representation._units._basis_kernel import BASES
from marr.representation._units._curve_kernel import (
    bin_sums,
    circular_distance,
    first_harmonic,
    fit_bump,
    information,
    selectivity,
)
from marr.representation._units._glm_kernel import (
    gaussian_path,
    partial_statistics,
    poisson_fit,
    poisson_path,
    residual_maker,
    score_statistics,
)

TWO_PI = 2 * np.pi


def with_one(x):
    return np.column_stack([np.ones(len(x)), x])


# -- kernels -------------------------------------------------------------------------


@pytest.mark.parametrize("circular", [True, False])
def test_a_bump_is_recovered(rng, circular):
    n = 80
    if circular:
        at = (np.arange(18) + 0.5) * TWO_PI / 18
        center, kappa = rng.uniform(0, TWO_PI, n), rng.uniform(0.5, 12, n)
        shape = np.exp(kappa[:, None] * (np.cos(at - center[:, None]) - 1))
        width = 2 * np.arccos(np.maximum(1 - np.log(2) / kappa, -1))
    else:
        at = np.linspace(0, 10, 20)
        center, sd = rng.uniform(0, 10, n), rng.uniform(0.5, 3, n)
        shape = np.exp(-0.5 * ((at - center[:, None]) / sd[:, None]) ** 2)
        width = sd * np.sqrt(8 * np.log(2))
    found = fit_bump(2 + 5 * shape, np.ones(len(at)), at, circular=circular)
    away = (
        circular_distance(found.center, center) if circular else found.center - center
    )
    np.testing.assert_allclose(away, 0, atol=5e-3)
    np.testing.assert_allclose(found.width, width, rtol=5e-3)
    np.testing.assert_allclose(found.peak, 7, atol=0.02)
    assert found.r2.min() > 0.9999


def test_information_depth_and_mean_vector_of_simple_curves():
    one = np.array([[8.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    even = np.ones(4)
    np.testing.assert_allclose(information(one, even), [2.0, 0.0, 0.0])
    np.testing.assert_allclose(selectivity(one), [1.0, 0.0, 0.0], atol=1e-12)
    angles = (np.arange(4) + 0.5) * np.pi / 2
    direction, length = first_harmonic(one[:2], angles)
    np.testing.assert_allclose(direction[0], angles[0])
    np.testing.assert_allclose(length, [1.0, 0.0], atol=1e-12)
    assert np.isnan(first_harmonic(one[:1] - 1, angles)[1][0])


@pytest.mark.parametrize("circular", [True, False])
@pytest.mark.parametrize("name", BASES)
def test_bases_sum_to_a_constant_and_close_around_the_circle(rng, name, circular):
    values = np.append(rng.uniform(0, TWO_PI, 200), [0.0, TWO_PI])
    made = BASES[name](values, 8, (0.0, TWO_PI), circular=circular)
    assert made.shape == (202, 8)
    assert made.min() >= 0
    np.testing.assert_allclose(made.sum(axis=1), {"cosine": 2.0, "spline": 1.0}[name])
    if circular:
        np.testing.assert_allclose(made[-1], made[-2], atol=1e-9)


def test_poisson_regression_is_scikit_learns(rng):
    x = rng.normal(size=(400, 5))
    y = rng.poisson(np.exp(0.4 * x @ rng.normal(size=(5, 6)) - 0.5)).astype(float)
    free = np.array([True] + [False] * 5)
    fit, deviance = poisson_fit(with_one(x), y, free, 0.01)
    assert fit.converged.all()
    for u in range(6):
        peer = PoissonRegressor(alpha=0.01, tol=1e-10, max_iter=1000).fit(x, y[:, u])
        np.testing.assert_allclose(fit.coef[1:, u], peer.coef_, atol=1e-6)
        mean = peer.predict(x)
        log = np.where(y[:, u] > 0, y[:, u] * np.log(np.maximum(y[:, u], 1) / mean), 0)
        assert deviance[u] == pytest.approx(2 * (log - y[:, u] + mean).sum(), rel=1e-6)


def test_row_products_in_parts_give_the_same_fit(rng, monkeypatch):
    from marr.representation._units import _glm_kernel as kernel

    x = with_one(rng.normal(size=(300, 4)))
    y = rng.poisson(1.0, size=(300, 3)).astype(float)
    free = np.array([True, False, False, False, False])
    whole, _ = poisson_fit(x, y, free, 0.1)
    monkeypatch.setattr(kernel, "CHUNK", 700)
    parts, _ = poisson_fit(x, y, free, 0.1)
    np.testing.assert_allclose(parts.coef, whole.coef, atol=1e-10)


def test_ridge_is_scikit_learns_and_each_unit_takes_its_own_penalty(rng):
    x = rng.normal(size=(80, 20))
    y = np.column_stack([x @ rng.normal(size=20), rng.normal(size=80)])
    free = np.array([True] + [False] * 20)
    fit = gaussian_path(with_one(x), y, free, np.array([1e-4, 1.0, 100.0]))
    assert fit.penalty[0] == 1e-4
    assert fit.penalty[1] >= 1.0
    for u, penalty in enumerate(fit.penalty):
        peer = Ridge(alpha=80 * penalty, tol=1e-10).fit(x, y[:, u])
        np.testing.assert_allclose(fit.coef[1:, u], peer.coef_, atol=1e-7)
    counts = rng.poisson(np.exp(np.column_stack([x[:, 0], 0 * x[:, 0]])))
    shrunk = poisson_path(
        with_one(x), counts.astype(float), free, np.array([1e-4, 1.0])
    )
    assert shrunk.penalty.tolist() == [1e-4, 1.0]


def test_partial_statistics_are_the_fall_in_squares(rng):
    z, x = with_one(rng.normal(size=(60, 2))), rng.normal(size=(60, 4))
    y = rng.normal(size=(60, 3)) + x[:, :1]
    q = residual_maker(z)
    residual = y - q @ (q.T @ y)
    found, _ = partial_statistics(x, q, residual, (residual**2).sum(axis=0))
    both = np.column_stack([z, x])
    left = y - both @ np.linalg.lstsq(both, y, rcond=None)[0]
    np.testing.assert_allclose(found, 1 - (left**2).sum(0) / (residual**2).sum(0))


def test_the_score_test_is_close_to_the_fall_in_deviance(rng):
    z, x = with_one(rng.normal(size=(4000, 1))), rng.normal(size=(4000, 2))
    y = rng.poisson(np.exp(0.3 * z[:, 1:] + 0.05 * x[:, :1] + np.zeros(3))).astype(
        float
    )
    free = np.ones(2, bool)
    less, without = poisson_fit(z, y, free, 0.0)
    _, both = poisson_fit(np.column_stack([z, x]), y, np.ones(4, bool), 0.0)
    rate = np.exp(z @ less.coef)
    found = score_statistics(x, z, y - rate, rate)
    np.testing.assert_allclose(found, without - both, rtol=0.05)


# -- planted units -------------------------------------------------------------------


def circular_variable(angle, n_times=1):
    angle = np.asarray(angle).reshape(-1, n_times) % TWO_PI
    return xr.DataArray(angle, dims=("trial", "time"), attrs={"circular": True})


def heading_system(rng, n_trials=60, n_times=20, n_tuned=5, n_other=5):
    """Von Mises units (width 1.3 rad) and others, over a wandering heading."""
    angle = np.cumsum(rng.normal(0, 0.5, n_trials * n_times))
    prefers = rng.uniform(0, TWO_PI, n_tuned)
    tuned = 0.3 + 4 * np.exp(3.0 * (np.cos(angle[:, None] - prefers) - 1))
    rates = np.concatenate([tuned, np.ones((len(angle), n_other))], axis=1)
    counts = rng.poisson(rates).reshape(n_trials, n_times, -1)
    system = marr.from_arrays(
        {"adn": counts}, variables={"heading": circular_variable(angle, n_times)}
    )
    return system, prefers


@pytest.mark.parametrize("model", ["curve", "poisson_glm", "gaussian"])
def test_planted_von_mises_units_are_recovered(rng, model):
    system, prefers = heading_system(rng)
    found = tuning(system, "heading", model=model, n_basis=10)
    units = found.tables["unit"]
    assert (units["p_corrected"].values[:5] < 0.05).all()
    assert (units["p_corrected"].values[5:] > 0.05).all()
    assert "5 of 10 units vary with heading" in found.summary
    away = circular_distance(units["preferred"].values[:5], prefers)
    assert np.degrees(np.abs(away)).max() < 8
    width = 2 * np.arccos(1 - np.log(2) / 3.0)
    assert np.abs(units["width"].values[:5] - width).max() < 0.35
    assert units["estimate"].values[:5].min() > 0.3
    assert np.abs(units["estimate"].values[5:]).max() < 0.06
    assert units["information_excess"].values[:5].min() > 0.3
    assert np.abs(units["information_excess"].values[5:]).max() < 0.05
    assert np.isfinite(units["half_estimate"].values).all()
    truth = 0.3 + 4 * np.exp(
        3.0 * (np.cos(found.tables["curve"]["bin"].values - prefers[0]) - 1)
    )
    row = found.tables["curve"].sel(unit="adn:0")
    tolerance = 0.8 if model == "gaussian" else 0.6
    assert np.abs(row["fitted"].values - truth).max() < tolerance
    inside = (row["ci_low"] <= row["estimate"]) & (row["estimate"] <= row["ci_high"])
    assert inside.all()


def test_curves_are_means_of_bins_and_occupancy_counts_rows(rng):
    x = rng.normal(size=(50, 3))
    table = pd.DataFrame({"condition": rng.permutation(np.arange(50) % 4)})
    found = tuning(marr.from_arrays({"V1": x}, table), "condition", n_permutations=0)
    curve = found.tables["curve"].sel(unit="V1:1")
    for c in range(4):
        rows = table["condition"].to_numpy() == c
        assert curve["estimate"].values[c] == pytest.approx(x[rows, 1].mean())
        assert curve["fitted"].values[c] == pytest.approx(x[rows, 1].mean(), abs=1e-6)
        assert curve["n"].values[c] == rows.sum()
    assert "no test was made" in found.summary
    assert "p_value" not in found.estimate
    assert "vector_length" not in found.tables["unit"]
    assert any(n.code == "signed_activity" for n in found.notes)
    np.testing.assert_allclose(
        bin_sums(table["condition"].to_numpy(), x, 4)[2],
        x[table["condition"] == 2].sum(0),
    )


def test_a_number_has_a_preferred_value_in_its_own_units(rng):
    size = rng.uniform(0, 40, 600)
    rate = 1 + 8 * np.exp(-0.5 * ((size[:, None] - [10.0, 30.0]) / 5) ** 2)
    system = marr.from_arrays({"V1": rng.poisson(rate)}, pd.DataFrame({"size": size}))
    for model in ("curve", "poisson_glm"):
        units = tuning(system, "size", model=model, bins=12).tables["unit"]
        np.testing.assert_allclose(units["preferred"].values, [10, 30], atol=2)
        np.testing.assert_allclose(
            units["width"].values, 5 * np.sqrt(8 * np.log(2)), atol=4
        )
        low, high = units["preferred_low"].values, units["preferred_high"].values
        assert (low < units["preferred"].values).all()
        assert (high > units["preferred"].values).all()


def test_a_nuisance_takes_what_it_explains(rng):
    """Units follow speed; position follows speed. Only unit 2 follows position too."""
    speed = rng.normal(size=300)
    position = 0.8 * speed + 0.6 * rng.normal(size=300)
    rate = np.exp(
        np.column_stack([0.6 * speed, 0.6 * speed, 0.6 * speed + 0.6 * position])
    )
    system = marr.from_arrays(
        {"ca1": rng.poisson(rate)}, pd.DataFrame({"speed": speed, "position": position})
    )
    naive = tuning(system, "position", model="poisson_glm")
    assert (naive.estimate["p_corrected"] < 0.05).all()
    found = tuning(system, "position", model="poisson_glm", control="speed")
    assert (found.estimate["p_corrected"].values < 0.05).tolist() == [
        False,
        False,
        True,
    ]
    assert found.estimate["estimate"].values[:2].max() < 0.03
    unique = found.tables["unique"]
    assert unique["regressor"].values.tolist() == ["position", "speed"]
    np.testing.assert_allclose(
        unique["estimate"].sel(regressor="position").values,
        found.estimate["estimate"].values,
    )
    assert (unique["estimate"].sel(regressor="speed").values > 0.02).all()
    assert "beyond nuisances" in found.estimate["estimate"].attrs["long_name"]
    assert "freedman1983" in found.citations


def slow(rng, shape, rho):
    noise = rng.normal(size=shape)
    start = rho * rng.normal(size=(1, shape[1]))
    return lfilter([1], [1, -rho], noise, axis=0, zi=start)[0] * np.sqrt(1 - rho**2)


def slow_study(rng, n=40, t=20, u=10):
    """An angle that wanders and units with slow rates of their own, unrelated."""
    angle = np.cumsum(0.3 * slow(rng, (n * t, 1), 0.8)[:, 0]) + rng.uniform(0, TWO_PI)
    counts = rng.poisson(np.exp(0.7 * slow(rng, (n * t, u), 0.9))).reshape(n, t, u)
    return marr.from_arrays(
        {"adn": counts}, variables={"heading": circular_variable(angle, t)}
    )


@pytest.mark.slow
def test_slow_units_that_share_nothing_with_a_slow_angle_are_not_called(rng):
    """2,000 units; exchanging trials freely would call three times as many."""
    shifted, free = [], []
    for _ in range(200):
        system = slow_study(rng)
        call = {"bins": 8, "n_permutations": 99}
        shifted.append(tuning(system, "heading", **call).estimate["p_value"].values)
        free.append(tuning(system, "heading", null="free", **call).estimate["p_value"])
    rate = np.mean(np.array(shifted) <= 0.05)
    assert rate < 0.065
    assert np.mean(np.array(free) <= 0.05) > rate


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gaussian", "poisson_glm"])
def test_beyond_a_nuisance_nothing_is_called(rng, model):
    """2,000 units in 400 studies that follow a nuisance which follows the variable."""
    p = []
    for _ in range(400):
        nuisance = rng.normal(size=150)
        x = 0.7 * nuisance + rng.normal(size=150)
        drive = 0.4 * nuisance[:, None] + np.zeros(5)
        noisy = drive + rng.normal(size=(150, 5))
        activity = rng.poisson(np.exp(drive)) if model == "poisson_glm" else noisy
        table = pd.DataFrame({"x": x, "nuisance": nuisance})
        found = tuning(
            marr.from_arrays({"V1": activity}, table),
            "x",
            model=model,
            control="nuisance",
            bins=6,
            n_permutations=99,
        )
        p.append(found.estimate["p_value"].values)
    assert np.mean(np.array(p) <= 0.05) < 0.065


# -- real cells ----------------------------------------------------------------------


def test_thalamic_cells_of_the_mouse_follow_its_heading_and_hippocampal_ones_hardly():
    mouse = marr.datasets.mouse_heading()
    found = tuning(mouse, "heading", model="poisson_glm", n_permutations=99)
    data = found.estimate
    adn = data["site"].values == "adn"
    assert (data["p_corrected"].values[adn] < 0.05).all()
    assert data["estimate"].values[adn].min() > 0.5
    assert data["estimate"].values[~adn].max() < 0.2
    units = found.tables["unit"]
    assert units["width"].values[adn].max() < 1.3  # radians
    spread = units["vector_length"].values
    assert np.median(spread[adn]) > 2 * np.median(spread[~adn])
    assert found.generalizes_over == "20 runs of neighboring trials"
    again = tuning(mouse, "heading", model="poisson_glm", n_permutations=99)
    assert again.id == found.id


# -- bad input -----------------------------------------------------------------------


def small(rng, **columns):
    x = rng.normal(size=(40, 3))
    base = {"side": np.tile(["l", "r"], 20), "size": rng.normal(size=40)}
    return marr.from_arrays({"V1": x}, pd.DataFrame({**base, **columns}))


@pytest.mark.parametrize(
    ("variable", "given", "words"),
    [
        ("sied", {}, "side"),
        ("size", {"bins": 1}, "bins"),
        ("size", {"model": "poisson_glm"}, "gaussian"),
        ("size", {"model": "glm"}, "poisson_glm"),
        ("size", {"control": ["size"]}, "itself"),
        ("size", {"penalty": 0.0}, "penalty"),
        ("size", {"n_basis": 3}, "n_basis"),
        ("size", {"null": "conditional"}, "null"),
        ("size", {"time": (0.0, 1.0)}, "time axis"),
        ("size", {"sites": ["V1", "V1"]}, "twice"),
        ("flat", {}, "one condition"),
        ("size", {"bins": [0.0, 50.0, 100.0]}, "hold no data"),
    ],
)
def test_bad_input_is_named(rng, variable, given, words):
    with pytest.raises(marr.MarrError, match=words):
        tuning(small(rng, flat=1), variable, **given)


def test_constant_units_are_named_and_get_nothing(rng):
    x = rng.normal(size=(40, 3))
    x[:, 1] = 2.0
    system = marr.from_arrays({"V1": x}, pd.DataFrame({"size": rng.normal(size=40)}))
    found = tuning(system, "size", n_permutations=20)
    assert found.estimate["estimate"].values[1] == 0
    assert found.estimate["p_corrected"].values[1] == 1
    assert any("V1:1" in n.text for n in found.notes)


def test_trials_outside_the_edges_are_counted(rng):
    found = tuning(small(rng), "size", bins=[-0.5, 0.0, 0.5], n_permutations=0)
    assert any("lie outside" in n.text for n in found.notes)


def test_figures_draw(rng):
    system, _ = heading_system(rng, 30, 10, 2, 2)
    found = tuning(system, "heading", bins=8, n_permutations=20)
    assert len(found.figures) == 2
    for i in range(2):
        assert found.figure(i).data
