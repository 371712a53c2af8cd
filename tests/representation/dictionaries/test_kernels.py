"""Arithmetic of dictionaries against plain loops and other solvers."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from marr.representation._dictionaries import _train_kernel as training
from marr.representation._dictionaries._score_kernel import (
    explained_variance,
    group_jackknife,
    jackknife_ends,
    matched_cosine,
    random_residual,
    silencing,
)
from marr.stats import jackknife_interval
from marr.systems import _dictionary_kernel as kernel


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_top_k_keeps_the_largest_positive_values():
    pre = torch.tensor([[3.0, -1.0, 2.0, 5.0], [-2.0, -3.0, -1.0, -4.0]])
    found = kernel.top_k(pre, 2)
    assert found.tolist() == [[3, 0, 0, 5], [0, 0, 0, 0]]


def test_jump_needs_more_than_the_threshold():
    pre = torch.tensor([[0.5, 0.5, -0.1]])
    assert kernel.jump(pre, torch.tensor([0.4, 0.5, -1.0])).tolist() == [[0.5, 0, 0]]


def test_nonnegative_codes_equal_nnls(rng):
    decoder = rng.gamma(1.0, 1.0, (6, 15))
    x = rng.gamma(1.0, 1.0, (40, 15))
    tensors = torch.from_numpy(x), torch.from_numpy(decoder)
    step = kernel.step_size(tensors[1])
    found = kernel.nonnegative_codes(*tensors, step).numpy()
    expected = np.stack([nnls(decoder.T, row)[0] for row in x])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    alone = kernel.nonnegative_codes(tensors[0][:1], tensors[1], step)
    np.testing.assert_allclose(alone[0], found[0], atol=1e-12)


@pytest.mark.parametrize("how", kernel.NORMALIZATIONS)
def test_normalization_is_undone(rng, how):
    x = torch.from_numpy(rng.normal(2, 3, (5, 8)))
    rows, shift, scale = kernel.normalized(x, how)
    np.testing.assert_allclose(rows * scale + shift, x, atol=1e-3)
    if how == "constant_norm":
        np.testing.assert_allclose(rows.norm(dim=1), 8**0.5)


def _slope(function, value, step):
    up, down = function(value + step), function(value - step)
    return (up - down) / (2 * step)


def test_straight_through_gradients_estimate_those_of_the_mean(monkeypatch):
    """On many rows the estimates approach the derivative of the expected loss."""
    generator = torch.Generator().manual_seed(0)
    pre = torch.randn(1, 400_000, 1, generator=generator, dtype=torch.double)
    wanted = torch.randn(1, 400_000, 1, generator=generator, dtype=torch.double)
    theta = torch.tensor([[[0.7]]], dtype=torch.double, requires_grad=True)
    active = training._Active.apply(pre, theta)
    (found,) = torch.autograd.grad(active.mean(), theta)
    smooth = _slope(lambda t: (pre > t).double().mean(), 0.7, 0.05)
    assert found.item() == pytest.approx(smooth.item(), rel=0.03)
    rectified = pre.clamp_min(0)
    error = (training._Jump.apply(rectified, theta) - wanted).pow(2).mean()
    (found,) = torch.autograd.grad(error, theta)

    def loss(t):
        return (torch.where(rectified > t, rectified, 0.0) - wanted).pow(2).mean()

    assert found.item() == pytest.approx(_slope(loss, 0.7, 0.05).item(), rel=0.05)


def test_dictionaries_that_train_together_do_not_share(rng):
    """Each of a stack equals the one trained by itself, with its own rows."""
    x = torch.from_numpy(rng.normal(size=(300, 6)).astype(np.float32))
    rows = [torch.arange(300), torch.arange(0, 300, 2)]
    for method in ("topk", "jumprelu"):
        recipe = training.Recipe(method, 9, 2, 40, 64, 3e-3)
        both = training.train(x, rows, recipe, [5, 6])
        for s in (0, 1):
            alone = training.train(x, rows[s : s + 1], recipe, [5 + s])
            np.testing.assert_allclose(
                both.decoder[s], alone.decoder[0], rtol=1e-3, atol=1e-4
            )


def test_explained_variance_is_about_the_mean_and_a_ratio_of_sums(rng):
    x = rng.normal(size=(60, 5)) * rng.gamma(1.0, 1.0, (60, 1)) + 20
    guess = x + rng.normal(size=x.shape)
    part = np.repeat(np.arange(6), 10)

    def sums(values):
        return np.stack([values[part == i].sum(axis=0) for i in range(6)])

    residual = ((x - guess) ** 2).sum(axis=1)
    parts = (sums(residual), sums((x**2).sum(axis=1)), sums(x), np.full(6, 10.0))
    expected = 1 - residual.sum() / ((x - x.mean(axis=0)) ** 2).sum()
    assert explained_variance(*parts, np.ones((1, 6)))[0] == pytest.approx(expected)
    about_zero = 1 - residual.sum() / (x**2).sum()
    assert abs(expected - about_zero) > 0.1  # the mistake that this definition avoids
    weights = np.array([[2.0, 0, 1, 1, 1, 1]])
    rows = np.concatenate([np.arange(10), np.arange(10), np.arange(20, 60)])
    again = 1 - residual[rows].sum() / ((x[rows] - x[rows].mean(axis=0)) ** 2).sum()
    assert explained_variance(*parts, weights)[0] == pytest.approx(again)


def test_the_interval_covers_where_parts_are_few(rng):
    """12 groups with means of their own: the variance about their mean is too small."""
    hits, bootstrap, n, studies = 0, 0, 12, 400
    noise = 1.0
    truth = 1 - noise**2 / (noise**2 + 2.0)
    for _ in range(studies):
        shared = rng.normal(size=(n, 1, 3)) + rng.normal(size=(n, 5, 3))
        error = noise * rng.normal(size=shared.shape)
        x = shared + error
        parts = (
            (error**2).sum(axis=(1, 2)), (x**2).sum(axis=(1, 2)), x.sum(axis=1),
            np.full(n, 5.0),
        )  # fmt: skip
        value = explained_variance(*parts, np.ones((1, n)))
        left_out = explained_variance(*parts, 1 - np.eye(n))
        low, high, _ = jackknife_ends(value, left_out[:, None])
        hits += bool(low[0] <= truth <= high[0])
        weights = rng.multinomial(n, np.full(n, 1 / n), size=400).astype(float)
        ends = np.quantile(explained_variance(*parts, weights), [0.025, 0.975])
        bootstrap += bool(ends[0] <= truth <= ends[1])
    assert hits / studies > 0.92
    assert bootstrap / studies < 0.9  # what it is for


def test_silencing_is_the_change_of_the_squared_error(rng):
    features = rng.gamma(1.0, 1.0, (7, 4)) * (rng.random((7, 4)) < 0.6)
    decoder, scale = rng.normal(size=(4, 5)), rng.gamma(1.0, 1.0, (7, 1))
    x = rng.normal(size=(7, 5))
    error = x - scale * (features @ decoder)
    found = silencing(features, error, decoder, scale)
    for j in range(4):
        without = features.copy()
        without[:, j] = 0
        left = ((x - scale * (without @ decoder)) ** 2).sum(axis=1)
        np.testing.assert_allclose(found[:, j], left - (error**2).sum(axis=1))


def test_jackknife_of_a_ratio(rng):
    part, whole = rng.normal(1, 0.3, (12, 3)), rng.gamma(5.0, 1.0, 12)
    ratio, low, high = group_jackknife(part, whole)
    for j in range(3):
        pairs = np.stack([part[:, j], whole], axis=1)
        interval = jackknife_interval(
            pairs, lambda v: v[..., 0].sum(axis=-1) / v[..., 1].sum(axis=-1)
        )
        assert ratio[j] == pytest.approx(part[:, j].sum() / whole.sum())
        assert high[j] - low[j] == pytest.approx(interval.high - interval.low, rel=0.1)


def test_partners_are_assigned_one_to_one(rng):
    a, b = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    matched, largest = matched_cosine(a, b, signed=True)
    cosine = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (
        b / np.linalg.norm(b, axis=1, keepdims=True)
    ).T
    best = max(sum(cosine[i, p[i]] for i in range(5)) for p in permutations(range(5)))
    assert matched.sum() == pytest.approx(best)
    np.testing.assert_allclose(largest, cosine.max(axis=1))
    assert (matched_cosine(a, -a, signed=False)[0] > 0.999).all()
    fewer, _ = matched_cosine(a, b[:2], signed=True)
    assert (fewer == 0).sum() == 3


@pytest.mark.parametrize("k", [1, 3, 8])
def test_random_directions_are_fitted_by_least_squares(rng, k):
    x, d = rng.normal(size=(20, 6)), rng.normal(size=(8, 6))
    unit = d / np.linalg.norm(d, axis=1, keepdims=True)
    expected = 0.0
    for row in x:
        chosen = unit[np.argsort(-np.abs(unit @ row))[:k]]
        fit = np.linalg.lstsq(chosen.T, row, rcond=None)[0]
        expected += ((row - fit @ chosen) ** 2).sum()
    assert random_residual(x, d, k) == pytest.approx(expected, rel=1e-5, abs=1e-8)
