"""Capacity of manifolds: points, segments, simulated separations, shuffled labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import OptionError, StatisticsError
from marr.representation import manifold_capacity
from marr.representation._geometry import _capacity_kernel as kernel

FEW = {"n_projections": 60, "n_permutations": 19, "n_simulated": 20}


@pytest.mark.parametrize("n", [3, 8, 24])
def test_points_have_capacity_two_at_any_number(n):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n, 40))
    points -= points.mean(axis=0)
    draws = 1500
    signs = kernel.random_signs(draws, n, rng)
    need = kernel.joint_dimensions(
        points, np.arange(n), signs, rng.normal(size=(draws, 40))
    )
    error = need.std() / np.sqrt(draws)
    assert abs(need.mean() - (n - 1) / 2) < 3 * error  # n / (mean + 1 / 2) = 2
    alone = kernel.independent(points, np.arange(n), rng.normal(size=(500, 40)))
    assert 1 / alone.dimensions.mean() == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("radius", [0.2, 1.0, 4.0])
def test_segment_by_its_angle(radius):
    """The cone of a segment is flat: dimension 1/2 + angle / pi (mean field)."""
    rng = np.random.default_rng(1)
    ends = np.zeros((2, 6))
    ends[:, 0], ends[:, 1] = 1.0, [radius, -radius]
    found = kernel.independent(ends, np.zeros(2, int), rng.normal(size=(20_000, 6)))
    expected = 0.5 + 2 * np.arctan(radius) / np.pi
    assert found.dimensions.mean() == pytest.approx(expected, abs=0.03)


def test_circle_against_the_integral_of_chung_2018():
    rng = np.random.default_rng(2)
    radius, angle = 0.8, np.linspace(0, 2 * np.pi, 60, endpoint=False)
    points = np.column_stack([np.ones(60), radius * np.cos(angle), radius * np.sin(angle)])  # fmt: skip
    found = kernel.independent(points, np.zeros(60, int), rng.normal(size=(6000, 3)))
    t0, t = rng.normal(size=400_000), np.sqrt((rng.normal(size=(400_000, 2)) ** 2).sum(axis=1))  # fmt: skip
    # squared distance of the direction from the cone's dual: zero, to the apex, to its side
    inside, beyond = t0 >= radius * t, t0 <= -t / radius
    side = (radius * t - t0) ** 2 / (1 + radius**2)
    expected = np.where(inside, 0, np.where(beyond, t0**2 + t**2, side)).mean()
    assert found.dimensions.mean() == pytest.approx(expected, rel=0.03)
    assert found.radius[0] == pytest.approx(radius, rel=0.15)


def test_theory_meets_simulation():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(6), 15)
    points = rng.normal(size=(6, 1, 20)) + 0.5 * rng.normal(size=(6, 15, 20))
    points = points.reshape(90, 20) - points.mean(axis=(0, 1))
    signs = kernel.random_signs(400, 6, rng)
    theory = kernel.joint_dimensions(points, labels, signs, rng.normal(size=(400, 20)))
    seen = kernel.smallest_separating(points, labels, signs[:200], rng)
    error = np.hypot(theory.std() / 20, seen.std() / np.sqrt(200))
    assert abs(theory.mean() - seen.mean()) < 3.5 * error


def recording(radii, n_conditions=6, per=12, seed=0):
    rng = np.random.default_rng(seed)
    code = rng.permutation(np.tile(np.arange(n_conditions), per))
    means = rng.normal(size=(n_conditions, 25))
    sites = {
        name: means[code] + r * rng.normal(size=(len(code), 25))
        for name, r in radii.items()
    }
    sites["none"] = rng.normal(size=(len(code), 25))
    return marr.from_arrays(sites, pd.DataFrame({"condition": code}))


@pytest.fixture(scope="module")
def found():
    return manifold_capacity(recording({"points": 1e-5, "small": 0.3, "large": 1.5}), **FEW)  # fmt: skip


def test_small_manifolds_have_more_capacity_than_large_ones(found):
    at = found.estimate.sel(measure="capacity")
    values = at["estimate"].sel(site=["points", "small", "large", "none"]).values
    assert (np.diff(values) < 0).all()
    assert values[0] == pytest.approx(2, rel=0.15)
    assert (at["p_corrected"].sel(site=["points", "small"]) < 0.1).all()
    assert float(at["p_value"].sel(site="none")) > 0.05
    assert float(at["excess"].sel(site="none")) == pytest.approx(0, abs=0.03)
    assert float(at["floor"][0]) == pytest.approx(2 / 12)
    radius = found.estimate["estimate"].sel(measure="radius", site=["points", "small", "large"])  # fmt: skip
    assert (np.diff(radius.values) > 0).all()


def test_simulation_stands_beside_theory(found):
    table = found.estimate["estimate"].sel(site=["small", "large"])
    np.testing.assert_allclose(
        table.sel(measure="simulated_capacity"), table.sel(measure="capacity"), rtol=0.3
    )
    without = manifold_capacity(recording({}), n_projections=20, n_permutations=0, n_simulated=0)  # fmt: skip
    assert "simulated_capacity" not in without.estimate["measure"].values
    assert "p_value" not in without.estimate


def test_many_points_are_sampled_and_said():
    system = recording({}, per=20)
    found = manifold_capacity(system, max_points=5, **FEW)
    note = next(n for n in found.notes if n.code == "sampled_points")
    assert "30 of 120 trials" in note.text
    assert "5 points each" in found.methods


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"on": "conditoin"}, OptionError, "Did you mean 'condition'"),
        ({"max_points": 2}, OptionError, "max_points"),
        ({"n_projections": 5}, OptionError, "n_projections"),
        ({"time": "late"}, OptionError, "time must be"),
    ],
)
def test_bad_input(options, error, match):
    with pytest.raises(error, match=match):
        manifold_capacity(recording({}), **{**FEW, **options})


def test_too_few_points_and_one_condition():
    with pytest.raises(StatisticsError, match=r"too few of 0 \(2\)"):
        manifold_capacity(recording({}, per=2), **FEW)
    with pytest.raises(StatisticsError, match="one condition only"):
        manifold_capacity(recording({}, n_conditions=1), **FEW)
