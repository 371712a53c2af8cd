"""Modes and importance sampling against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from planted import CONTRASTS, answers
from scipy import optimize

from marr.behavior._curve_kernel import make_cells, make_prior
from marr.behavior._posterior_kernel import Draws, climb, find_map, sample
from marr.behavior._problem_kernel import LAPSES, Problem, spread_points
from marr.behavior._summary_kernel import equal_tails, quantiles


def problem(
    lapses="free", *, overdispersed=False, n=600, seed=0, link="logistic", **truth
):
    table = answers(n=n, seed=seed, **truth)
    y = (table.choice.to_numpy() > 0).astype(float)
    x = table.contrast.to_numpy()
    clusters = np.arange(n) % 4 if overdispersed else None
    rates = (0.02, 0.04) if lapses == "fixed" else (0.0, 0.0)
    return Problem(
        make_cells(x, y, clusters),
        make_prior(CONTRASTS),
        link,
        lapses,
        rates,
        overdispersed,
    )


@pytest.mark.parametrize("lapses", LAPSES)
@pytest.mark.parametrize("overdispersed", [False, True])
def test_coordinates_round_trip_and_jacobian(lapses, overdispersed, rng):
    p = problem(lapses, overdispersed=overdispersed)
    z = rng.normal(size=(1, p.n_free))
    theta = p.natural(z)
    np.testing.assert_allclose(p.coordinates(theta), z, atol=1e-8)
    columns = p.free_columns
    h = 1e-6
    jacobian = np.stack([
        (p.natural(z + h * e)[0, columns] - p.natural(z - h * e)[0, columns]) / (2 * h)
        for e in np.eye(p.n_free)
    ])  # fmt: skip
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(
        p.log_jacobian(z)[0], abs=1e-6
    )


def test_spread_points_hit_every_slice_of_every_axis(rng):
    points = spread_points(500, 4, rng)
    for axis in points.T:
        assert np.array_equal(np.sort((axis * 500).astype(int)), np.arange(500))
    off = np.corrcoef(points.T) - np.eye(4)
    assert np.abs(off).max() < 4 / np.sqrt(500)


def test_climb_finds_the_mode_and_curvature_of_a_gaussian(rng):
    root = rng.normal(size=(3, 3))
    precision = root @ root.T + np.eye(3)
    centre = rng.normal(size=3)
    mode, hessian, converged = climb(
        lambda z: -0.5 * np.einsum("ij,jk,ik->i", z - centre, precision, z - centre),
        np.zeros(3), np.full(3, 0.3),
    )  # fmt: skip
    assert converged
    np.testing.assert_allclose(mode, centre, atol=1e-6)
    np.testing.assert_allclose(hessian, -precision, rtol=1e-5)


def test_climb_leaves_a_saddle():
    def two_hills(z):
        return -((z[:, 0] ** 2 - 1) ** 2) - z[:, 1] ** 2

    mode, _, converged = climb(two_hills, np.array([0.05, 0.4]), np.array([0.1, 0.1]))
    assert converged
    np.testing.assert_allclose(np.abs(mode), [1, 0], atol=1e-5)


def _grid(p, n_threshold, n_width, n_lapse):
    """Posterior mass on a fine grid over the region that holds it."""
    draws = sample(p, seed=9)
    spread = [np.ptp(draws.theta[draws.weights > 1e-7, i]) for i in range(3)]
    middle = [draws.weights @ draws.theta[:, i] for i in range(3)]
    low = [middle[i] - spread[i] for i in range(2)]
    high = [middle[i] + spread[i] for i in range(2)]
    axes = [
        np.linspace(max(low[0], -1.99), min(high[0], 1.99), n_threshold),
        np.linspace(max(low[1], 0.063), min(high[1], 5.9), n_width),
    ]
    if n_lapse:
        axes.append(np.linspace(0, 0.35, n_lapse + 1)[1:] - 0.175 / n_lapse)
    mesh = np.meshgrid(*axes, indexing="ij")
    theta = np.zeros((mesh[0].size, 5))
    for i, m in enumerate(mesh):
        theta[:, i] = m.ravel()
    if n_lapse:
        theta[:, 3] = theta[:, 2]
    else:
        theta[:, 2:4] = p.rates
    log = p.log_posterior(theta)
    cell = np.prod([a[1] - a[0] for a in axes])
    mass = np.exp(log - log.max())
    density = (mass / mass.sum()).reshape(mesh[0].shape)
    return axes, density, float(log.max() + np.log(mass.sum() * cell))


def _marginal_quantiles(axes, mass, i, at):
    """Quantiles of one axis, read at the edges of its cells."""
    other = tuple(k for k in range(mass.ndim) if k != i)
    step = axes[i][1] - axes[i][0]
    edges = np.append(axes[i] - step / 2, axes[i][-1] + step / 2)
    return np.interp(at, np.append(0, np.cumsum(mass.sum(axis=other))), edges)


@pytest.mark.parametrize("lapses", ["fixed", "equal"])
def test_posterior_equals_a_grid(lapses):
    p = problem(lapses, n=500, threshold=0.1, width=0.6, low=0.04, high=0.04)
    axes, mass, evidence = _grid(p, 120, 140, 60 if lapses == "equal" else 0)
    draws = sample(p, seed=0)
    assert draws.effective > 4000
    assert draws.log_evidence == pytest.approx(evidence, abs=0.02)
    for i in (0, 1):
        at = np.array([0.025, 0.5, 0.975])
        exact = _marginal_quantiles(axes, mass, i, at)
        got = quantiles(draws.theta[:, i], draws.weights, at)
        np.testing.assert_allclose(got, exact, atol=0.02 * (exact[2] - exact[0]))


@pytest.mark.parametrize("overdispersed", [False, True])
def test_map_equals_an_independent_search(overdispersed):
    p = problem(
        overdispersed=overdispersed,
        n=800,
        threshold=-0.1,
        width=0.7,
        low=0.08,
        high=0.05,
    )
    draws = sample(p, seed=0)
    mode, value, converged = find_map(p, draws)
    assert converged

    def loss(v):
        inside = 0 <= v[2] < 0.5 and 0 <= v[3] < 0.5 and v[1] > 0
        if not inside or (overdispersed and not 0 <= v[4] < 1):
            return np.inf
        theta = np.zeros((1, 5))
        theta[0, : len(v)] = v
        return -p.log_posterior(theta)[0]

    start = [0.0, 0.5, 0.05, 0.05, 0.05][: p.n_free]
    with np.errstate(invalid="ignore"):
        found = optimize.minimize(
            loss, start, method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-9, "maxfev": 2000},
        )  # fmt: skip
    assert value >= -found.fun - 1e-7
    if -found.fun > value - 1e-6:
        np.testing.assert_allclose(mode[: p.n_free], found.x, atol=2e-3)


def test_a_lapse_rate_at_its_bound_is_exactly_zero():
    p = problem(n=3000, threshold=0.0, width=0.3, low=0.0, high=0.0)
    mode, _, converged = find_map(p, sample(p, seed=0))
    assert converged
    assert mode[2] == 0.0
    assert mode[3] == 0.0


def test_same_seed_same_draws_other_seed_like_intervals():
    p = problem(n=300, threshold=0.1, width=0.8, low=0.05, high=0.05)
    first, again, other = sample(p, seed=3), sample(p, seed=3), sample(p, seed=4)
    assert np.array_equal(first.theta, again.theta)
    assert np.array_equal(first.weights, again.weights)
    a = equal_tails(first.theta[:, 0], first.weights)
    b = equal_tails(other.theta[:, 0], other.weights)
    np.testing.assert_allclose(a, b, atol=0.03 * (a[1] - a[0]))


def test_hard_posteriors_reach_enough_draws():
    for truth in (
        {"width": 0.05},  # steeper than the smallest step
        {"width": 50.0},  # no effect of the stimulus
        {"threshold": 1.4, "width": 0.4},  # threshold outside the tested range
    ):
        draws = sample(problem(n=400, **truth), seed=0)
        assert draws.effective > 2000, truth
        assert np.isfinite(draws.theta).all()


def test_resampling_keeps_the_weights(rng):
    theta = np.arange(50.0).reshape(10, 5)
    weights = rng.dirichlet(np.ones(10))
    draws = Draws(theta, weights, 10.0, 1, 0.0)
    picked = draws.resample(5000, rng)
    share = np.array([(picked[:, 0] == row[0]).mean() for row in theta])
    np.testing.assert_allclose(share, weights, atol=1 / 5000)
    assert not np.array_equal(picked, np.sort(picked, axis=0))
