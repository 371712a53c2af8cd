"""noise_correlations: planted noise is found beyond signal, nulls hold, bad input is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

import marr
from marr.representation import noise_correlations
from marr.representation._units._noise_kernel import (
    permuted_correlations,
    signal_correlations,
    swapped_differences,
    within_conditions,
)
from marr.representation._units._pairwise_kernel import pair_correlations


def mixing(u, pairs, r):
    """Return a square root of a correlation matrix with some correlated pairs."""
    c = np.eye(u)
    for i, j in pairs:
        c[i, j] = c[j, i] = r
    return np.linalg.cholesky(c).T


def study(rng, n=200, u=6, k=8, signal=1.0, pairs=((0, 1),), r=0.6, curves=None):
    """Trials of k stimuli; units of `pairs` share noise of correlation r."""
    stimulus = rng.permutation(np.arange(n) % k)
    curves = rng.normal(size=(k, u)) if curves is None else curves
    x = signal * curves[stimulus] + rng.normal(size=(n, u)) @ mixing(u, pairs, r)
    return marr.from_arrays({"V1": x}, pd.DataFrame({"stimulus": stimulus}))


def test_shared_noise_is_found_and_shared_signal_is_not(rng):
    curves = np.repeat(rng.normal(size=(8, 1)), 6, axis=1)  # one tuning for all
    found = noise_correlations(study(rng, signal=3.0, curves=curves), on="stimulus")
    p = found.estimate["p_corrected"].values
    assert p[0] < 0.01
    assert (p[1:] > 0.05).all()
    assert found.estimate["estimate"].values[0] == pytest.approx(0.6, abs=0.12)
    assert found.estimate["signal"].values.min() > 0.95
    assert "1 of 15 pairs" in found.summary
    assert found.parameters["null"] == "within"
    naive = np.corrcoef(study(rng, signal=3.0, curves=curves).activity("V1").values.T)
    assert naive.min() > 0.5  # without the conditions every pair correlates


def test_noise_does_not_enter_signal_correlations(rng):
    """Means of 6 trials: noise of correlation .9 makes plain signal correlations .5."""
    plain, ours = [], []
    for _ in range(60):
        system = study(rng, n=48, u=2, k=8, signal=0.4, r=0.9)
        x, codes = system.activity("V1").values, system.trials["stimulus"].to_numpy()
        means = np.stack([x[codes == c].mean(axis=0) for c in range(8)])
        plain.append(np.corrcoef(means.T)[0, 1])
        half = np.asarray(system.halves)
        ours.append(signal_correlations(x, codes, half, 8)[0])
    assert np.mean(plain) > 0.3
    assert abs(np.nanmean(ours)) < 0.2


def test_residuals_are_z_scores_within_conditions(rng):
    x, codes = rng.normal(2, 3, size=(60, 4)), np.arange(60) % 5
    z = within_conditions(x, codes, 5, scale=True)
    for c in range(5):
        np.testing.assert_allclose(z[codes == c].mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(z[codes == c].std(axis=0), 1)
    plain = within_conditions(x, codes, 5, scale=False)
    np.testing.assert_allclose(plain[codes == 1], x[codes == 1] - x[codes == 1].mean(0))


def test_permutations_stay_within_conditions(rng):
    """Rows that are constant within conditions are left as they are."""
    codes = np.arange(40) % 4
    x = rng.normal(size=(4, 3))[codes]
    drawn = permuted_correlations(x, codes, 5, 0)
    np.testing.assert_allclose(drawn, np.tile(pair_correlations(x), (5, 1)), atol=1e-12)


def test_two_windows_differ_where_planted(rng):
    n, stimulus = 300, np.arange(300) % 6
    before = rng.normal(size=(n, 4)) @ mixing(4, [(0, 1), (2, 3)], 0.7)
    after = rng.normal(size=(n, 4)) @ mixing(4, [(2, 3)], 0.7)
    x = np.stack([before, after], axis=1)
    system = marr.from_arrays(
        {"V1": x},
        pd.DataFrame({"stimulus": rng.permutation(stimulus)}),
        time=[-0.5, 0.5],
    )
    found = noise_correlations(system, on="stimulus", time=(0, 1), ongoing=(-1, 0))
    table = found.tables["ongoing"]
    assert table["estimate"].values[0] == pytest.approx(-0.7, abs=0.2)
    assert (table["p_corrected"].values < 0.05).tolist() == [True] + [False] * 5
    assert float(table["mean_difference"]) < 0
    assert len(found.figures) == 3


def test_relation_to_signal_is_found(rng):
    """Like units share noise: the usual finding, planted."""
    u, k = 12, 12
    place = np.arange(u) * k / u
    away = np.abs((np.arange(k)[:, None] - place + k / 2) % k - k / 2)
    curves = np.exp(-(away**2) / 6)
    near = np.abs((place[:, None] - place + k / 2) % k - k / 2)
    root = np.linalg.cholesky(
        0.4 * np.exp(-(near**2) / 6) + 0.6 * np.eye(u) + 1e-9 * np.eye(u)
    ).T
    stimulus = np.arange(480) % k
    x = 3 * curves[stimulus] + rng.normal(size=(480, u)) @ root
    system = marr.from_arrays({"V1": x}, pd.DataFrame({"stimulus": stimulus}))
    table = noise_correlations(system, on="stimulus").tables["relation"]
    row = table.sel(quantity="correlation with signal correlation")
    assert float(row["estimate"]) > 0.5
    assert float(row["p_value"]) < 0.05
    assert float(row["ci_low"]) > 0.3
    largest = table.sel(quantity="largest absolute")
    assert 0.05 < float(largest["null_mean"]) < 0.3


def test_sites_are_told_apart_and_rates_reported(rng):
    counts = rng.poisson(4.0, size=(120, 6))
    counts[:, :3] += rng.poisson(4.0, size=(120, 1))
    table = pd.DataFrame({"stimulus": np.arange(120) % 6})
    system = marr.from_arrays({"a": counts[:, :3], "b": counts[:, 3:]}, table)
    found = noise_correlations(system, on="stimulus")
    relation = found.tables["relation"]
    names = relation["quantity"].values.tolist()
    assert "mean between sites" in names
    assert "correlation with activity" in names
    assert float(relation["estimate"].sel(quantity="mean within sites")) > 0.15
    assert set(found.estimate["site_b"].values) == {"a", "b"}
    assert (found.estimate["activity"].values > 3).all()


def drifting(rng, n, u, rho):
    """Stationary first-order series, one a unit."""
    noise, start = rng.normal(size=(n, u)), rng.normal(size=(1, u))
    gain = np.sqrt(1 - rho**2)
    return lfilter([gain], [1, -rho], noise, axis=0, zi=rho * start)[0]


def test_drift_of_single_units_is_shifted(rng):
    x = drifting(rng, 200, 5, 0.95)
    table = pd.DataFrame({"stimulus": rng.permutation(np.arange(200) % 4)})
    found = noise_correlations(marr.from_arrays({"V1": x}, table), on="stimulus")
    assert found.parameters["null"] == "shift"
    assert found.generalizes_over == "20 runs of neighboring trials"
    assert "harris2020" in found.citations


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["independent", "drifting"])
def test_units_that_share_nothing_are_called_at_the_level(rng, kind):
    """2,000 studies; drifting units exchanged within conditions would be called often."""
    p, within, covered = [], [], []
    for i in range(2000):
        x = rng.normal(size=(100, 2))
        if kind == "drifting":
            x = drifting(rng, 200, 2, 0.9)
        n = len(x)
        table = pd.DataFrame({"stimulus": rng.permutation(np.arange(n) % 5)})
        system = marr.from_arrays({"V1": x}, table)
        call = {"on": "stimulus", "n_null": 99, "seed": i}
        found = noise_correlations(system, **call).estimate
        p.append(float(found["p_value"][0]))
        covered.append(float(found["ci_low"][0]) <= 0 <= float(found["ci_high"][0]))
        if kind == "drifting" and i < 200:
            alone = noise_correlations(system, **call, null="within")
            within.append(float(alone.estimate["p_value"][0]))
    assert np.mean(np.array(p) <= 0.05) < 0.065
    if kind == "drifting":
        assert np.mean(np.array(within) <= 0.05) > 0.2
    else:
        assert np.mean(covered) > 0.935


def test_swapping_equal_windows_is_symmetric(rng):
    a, b = rng.normal(size=(100, 3)), rng.normal(size=(100, 3))
    drawn = swapped_differences(a, b, np.arange(100), 400, 0)
    assert np.abs(drawn.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on": "stimulsu"}, "stimulus"),
        ({"on": "stimulus", "null": "free"}, "within"),
        ({"on": "stimulus", "n_null": 0}, "n_null"),
        ({"on": "stimulus", "ongoing": (0.0, 1.0)}, "time axis"),
        ({"on": "alone"}, "repeats"),
    ],
)
def test_bad_input_is_named(rng, given, words):
    system = study(rng, n=60)
    table = system.trials.assign(alone=[f"t{i}" for i in range(60)])
    system = marr.from_arrays({"V1": system.activity("V1")}, table)
    with pytest.raises(marr.MarrError, match=words):
        noise_correlations(system, **given)


def test_a_deterministic_system_has_no_noise(rng):
    stimulus = np.arange(60) % 6
    x = rng.normal(size=(6, 4))[stimulus]
    system = marr.from_arrays({"net": x}, pd.DataFrame({"stimulus": stimulus}))
    with pytest.raises(marr.MarrError, match="deterministic"):
        noise_correlations(system, on="stimulus")


def test_same_seed_and_few_repeats(rng):
    system = study(rng, n=60, k=20)
    a, b = (
        noise_correlations(system, on="stimulus", bins=20, n_null=30) for _ in range(2)
    )
    assert a.id == b.id
    assert any(n.code == "few_repeats" for n in a.notes)
    for i in range(2):
        assert a.figure(i).data
