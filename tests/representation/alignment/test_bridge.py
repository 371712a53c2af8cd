"""Bridges: planted shared spaces, nothing shared, one's own space, other trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import ContractError, OptionError, StatisticsError
from marr.representation import bridge, fit_bridge, generalize
from marr.representation._alignment._bridge_kernel import METHODS, smooth_map

N = 80


def planted(seed, k=3, n_units=12, own=0.3, latent=None, name="a", mix="orthogonal"):
    rng = np.random.default_rng(seed)
    z = np.random.default_rng(99).normal(size=(N, k)) if latent is None else latent
    w = rng.normal(size=(n_units, k))
    w = np.linalg.qr(w)[0] if mix == "orthogonal" else w * [1.0, 3.0, 9.0][:k]
    x = z @ w.T + own * rng.normal(size=(N, n_units)) / np.sqrt(n_units) + 5.0
    table = pd.DataFrame(
        {"condition": [f"s{i:02d}" for i in range(N)], "side": z[:, 0] > 0}
    )
    return marr.from_arrays({"V1": x}, table, name=name)


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_shared_space_is_found(method):
    systems = [planted(i, n_units=10 + 40 * i, name=f"s{i}") for i in range(3)]
    cohort = marr.Cohort(systems, name="three", member_kind="systems")
    found = bridge(cohort, method=method, n_components=3, n_permutations=19)
    score = found.estimate["estimate"]
    assert score.sel(score="correlation").min() > 0.95
    assert score.sel(score="identification").min() > 0.8
    assert score.sel(score="r2").min() > 0.8
    assert (found.estimate["p_value"] <= 0.05).all()


@pytest.mark.parametrize("method", METHODS)
def test_unrelated_systems_share_nothing(method):
    rng = np.random.default_rng(1)
    a, b = (
        planted(i, latent=rng.normal(size=(N, 3)), name=n) for i, n in enumerate("ab")
    )
    found = bridge(a, b, method=method, n_permutations=19)
    assert found.estimate["estimate"].sel(score="r2").max() < 0.1
    assert abs(found.estimate["estimate"].sel(score="correlation")).max() < 0.4
    assert (found.estimate["p_value"] > 0.05).all()


def test_p_values_of_unrelated_systems_are_not_small_too_often():
    small = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a, b = (
            planted(i, latent=rng.normal(size=(N, 3)), name=n)
            for i, n in enumerate("ab")
        )
        found = bridge(a, b, n_components=3, n_permutations=19, seed=seed)
        small += float(found.estimate["p_value"].sel(score="correlation")[0]) <= 0.05
    assert small <= 5


def test_stretched_systems_need_more_than_rotations():
    a, b = planted(0, name="a"), planted(1, mix="stretched", name="b")
    turned = bridge(a, b, n_components=3, n_permutations=0).estimate["estimate"]
    stretched = bridge(a, b, method="cca", n_components=3, n_permutations=0)
    assert (
        stretched.estimate["estimate"].sel(score="correlation").min()
        > turned.sel(score="correlation").min() + 0.1
    )


def test_procrustes_maps_are_orthonormal_and_ridge_equals_least_squares_without_noise():
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(40, p)) for p in (5, 9)]
    for w in METHODS["procrustes"](xs, 4):
        np.testing.assert_allclose(w.T @ w, np.eye(4), atol=1e-10)
    weights = rng.normal(size=(5, 2))
    np.testing.assert_allclose(smooth_map(xs[0], xs[0] @ weights), weights, rtol=1e-3)


def test_rows_are_joined_by_label():
    a, b = planted(0, name="a"), planted(1, name="b")
    order = np.random.default_rng(0).permutation(N)
    x, table = (
        b.activity("V1").values[order],
        b.trials.iloc[order].reset_index(drop=True),
    )
    moved = marr.from_arrays({"V1": x}, table, name="b")
    plain = bridge(a, b, on="condition", n_permutations=0)
    other = bridge(a, moved, on="condition", n_permutations=0)
    np.testing.assert_allclose(plain.estimate["estimate"], other.estimate["estimate"])


def test_a_probe_crosses_the_bridge():
    a, b = planted(0, name="a"), planted(1, n_units=30, name="b")
    found = fit_bridge(a, b, on="condition", n_components=3)
    shared = [found.project(s) for s in (a, b)]
    crossed = generalize(shared[0], "side", across=shared[1], n_permutations=0)
    assert crossed.estimate["estimate"].min() > 0.85
    with pytest.raises(ContractError, match="no map was fitted for 'c'"):
        found.project(planted(2, name="c"))
    with pytest.raises(ContractError, match=r"has 12 units .* takes 30"):
        found.project(a, like="b")


def test_what_cannot_be_bridged():
    a, b = planted(0, name="a"), planted(1, name="b")
    with pytest.raises(ContractError, match="at least two systems"):
        bridge(a)
    with pytest.raises(ContractError, match="different names"):
        bridge(a, planted(1, name="a"))
    with pytest.raises(OptionError, match=r"n_components .* 1 to 11"):
        bridge(a, b, n_components=40)
    with pytest.raises(StatisticsError, match="at least 10"):
        bridge(a.select(range(8)), b)
    with pytest.raises(OptionError, match="Did you mean 'procrustes'"):
        bridge(a, b, method="procrustean")
