"""Moments without bias against their definition; dimensions of planted manifolds."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.datasets import make_swiss_roll

from marr.representation._geometry import _dimension_kernel as pr
from marr.representation._geometry import _neighbor_kernel as near


def by_definition(x, y):
    """Mean over four different rows of the kernels of (tr C)² and tr C²."""
    squared = square = 0.0
    quads = list(permutations(range(len(x)), 4))
    for i, j, k, m in quads:
        first, second = (x[i] - x[j], y[i] - y[j]), (x[k] - x[m], y[k] - y[m])
        squared += (first[0] @ first[1]) * (second[0] @ second[1]) / 4
        square += (first[0] @ second[0]) * (first[1] @ second[1]) / 4
    return squared / len(quads), square / len(quads)


@pytest.mark.parametrize("shape", [(7, 3), (6, 9)])
def test_moments_equal_their_u_statistics(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) + rng.exponential(size=shape) * 3
    found = pr.moments(x)
    expected = by_definition(x, x)
    np.testing.assert_allclose(found[:2], expected, rtol=1e-10)
    alone = sum(by_definition(x[:, [i]], x[:, [i]])[0] for i in range(shape[1]))
    np.testing.assert_allclose(found.diagonal, alone, rtol=1e-10)


def test_signal_moments_equal_their_u_statistics():
    rng = np.random.default_rng(1)
    views = rng.normal(size=(3, 6, 4)) + rng.normal(size=(6, 4))
    pairs = [by_definition(views[a], views[b]) for a in range(3) for b in range(3) if a != b]  # fmt: skip
    found = pr.signal_moments(views)
    assert found.square_trace == pytest.approx(np.mean([p[1] for p in pairs]))
    two = pr.signal_moments(views[:2])
    np.testing.assert_allclose(two[:2], by_definition(*views[:2]), rtol=1e-10)


@pytest.mark.parametrize("shape", [(20, 6), (14, 40)])
def test_left_out_moments_are_those_of_the_rest(shape):
    rng = np.random.default_rng(2)
    x, groups = rng.gamma(1.0, size=shape), np.arange(shape[0]) % 5
    for g, found in enumerate(pr.left_out_moments(x, groups)):
        np.testing.assert_allclose(found, pr.moments(x[groups != g]), rtol=1e-9)


def test_isotropic_five_of_fifty_has_five_and_rank_one_has_one():
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(50, 5)))[0]
    for n in (20, 400):
        drawn = [pr.moments(rng.normal(size=(n, 5)) @ turn.T) for _ in range(300)]
        ratio = np.mean([m[0] for m in drawn]) / np.mean([m[1] for m in drawn])
        assert ratio == pytest.approx(5.0, abs=0.1), n
    assert pr.moments(rng.normal(size=(30, 1)) @ turn[:1, :5]).ratio() == pytest.approx(
        1.0
    )
    plug_in = pr.fixed_moments(rng.normal(size=(20, 50))).ratio()
    assert plug_in < 17  # what bias does: 50 dimensions seem 14
    assert np.median(
        [pr.moments(rng.normal(size=(20, 50))).ratio() for _ in range(50)]
    ) == pytest.approx(50, rel=0.15)


def test_units_of_a_population_do_not_bound_its_dimension():
    """Twenty units of many: the ratio of the population is that of more units."""
    rng = np.random.default_rng(4)
    load = rng.normal(size=(30, 2_000))
    values = np.linalg.eigvalsh(load @ load.T)
    truth = values.sum() ** 2 / (values**2).sum()
    few = [
        pr.moments(rng.normal(size=(80, 30)) @ load[:, rng.choice(2000, 20)])
        for _ in range(300)
    ]
    top, bottom, own = np.mean(few, axis=0)
    assert (top - own) / (bottom - own) == pytest.approx(truth, rel=0.05)
    assert top / bottom < 0.6 * truth


def test_noise_has_no_part_in_the_signal():
    rng = np.random.default_rng(5)
    means = rng.normal(size=(8, 30)) * np.r_[3, 2, 1, np.full(27, 0.1)]
    truth = pr.fixed_moments(means)
    drawn = [
        pr.fixed_signal_moments(means + 2 * rng.normal(size=(5, 8, 30)))
        for _ in range(1500)
    ]
    np.testing.assert_allclose(np.mean(drawn, axis=0)[:2], truth[:2], rtol=0.05)


def manifold(kind, n, rng):
    if kind == "sphere":  # a 4-sphere
        x = rng.normal(size=(n, 5))
        x /= np.sqrt((x**2).sum(axis=1, keepdims=True))
    else:
        x, _ = make_swiss_roll(n, random_state=0)
        x = x / x.std()
    return x @ np.linalg.qr(rng.normal(size=(20, x.shape[1])))[0].T


@pytest.mark.parametrize(("kind", "truth"), [("sphere", 4), ("roll", 2)])
def test_planted_manifolds(kind, truth):
    rng = np.random.default_rng(6)
    x = manifold(kind, 1500, rng)
    distances, neighbors = near.neighbor_distances(x, 20)
    assert near.two_nn(distances, 0.1) == pytest.approx(truth, rel=0.1)
    assert near.levina_bickel(distances) == pytest.approx(truth, rel=0.12)
    if kind == "roll":
        assert near.local_components(x, neighbors, 0.05) == pytest.approx(2, abs=0.35)


def test_neighbors_are_exact_and_copies_are_left_out():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(300, 3)) + 1e4
    distances, neighbors = near.neighbor_distances(x, 3)
    full = np.sqrt(((x[:, None] - x) ** 2).sum(axis=-1))
    np.fill_diagonal(full, np.inf)
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :3], rtol=1e-12)
    assert (full[np.arange(300), neighbors[:, 0]] == full.min(axis=1)).all()
    twice = np.concatenate([x, x[:50]])
    d = near.neighbor_distances(twice, 3)[0]
    assert np.isfinite([near.two_nn(d, 0.1), near.levina_bickel(d)]).all()
    assert np.isnan(near.two_nn(np.zeros((10, 3)), 0.1))
    assert np.isnan(near.levina_bickel(np.zeros((10, 3))))


def test_components():
    values = np.array([5.0, 3.0, 1.0, 1.0])
    assert near.components_for(values, 0.8) == 2
    assert near.components_for(values, 0.81) == 3
    assert near.above_null(values, np.array([4.0, 2.0, 2.0, 0.5])) == 2
    assert near.above_null(values, np.zeros(4)) == 4
    x = np.random.default_rng(8).normal(size=(30, 6))
    np.testing.assert_allclose(
        near.spectrum(x), np.linalg.eigvalsh(np.cov(x.T))[::-1], rtol=1e-10
    )
