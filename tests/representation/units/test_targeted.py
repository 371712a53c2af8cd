"""targeted_axes: planted axes, the order of variables, held-out trials, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.representation import targeted_axes
from marr.representation._units._targeted_kernel import principal_axes, targeted_axes_of


def planted(rng, n=160, t=8, u=15, overlap=0.0, gain=1.0):
    """Motion and color along two axes; motion grows over time, color peaks early."""
    motion, color = (
        rng.choice([-1.0, -0.3, 0.3, 1.0], n),
        rng.choice(["red", "green"], n),
    )
    axes = np.linalg.qr(rng.normal(size=(u, 2)))[0].T * np.sqrt(u)
    axes[1] = overlap * axes[0] + np.sqrt(1 - overlap**2) * axes[1]
    at = np.linspace(0, 1, t)
    sign = np.where(color == "red", 1.0, -1.0)
    drive = np.outer(motion, at)[..., None] * axes[0]
    drive = drive + np.outer(sign, 1 - at)[..., None] * axes[1]
    x = gain * drive + rng.normal(size=(n, t, u))
    table = pd.DataFrame({"motion": motion, "color": color})
    return marr.from_arrays({"pfc": x}, table, time=at), axes


BOTH = {"variables": ["motion", "color"]}


def test_principal_axes_are_those_of_the_singular_vectors(rng):
    for shape in ((30, 5), (4, 9)):
        x = rng.normal(size=shape)
        found = principal_axes(x, 2)
        _, _, vt = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        np.testing.assert_allclose(np.abs(np.diag(vt[:2] @ found)), 1, atol=1e-8)


def test_kernel_does_the_steps_of_the_paper(rng):
    y, design = rng.normal(size=(40, 3, 6)), rng.normal(size=(40, 2))
    codes = np.arange(40) % 4
    found = targeted_axes_of(y, design, codes, 3)
    means = np.stack([y[codes == c].mean(axis=0) for c in range(4)]).reshape(-1, 6)
    _, _, vt = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    projector = vt[:3].T @ vt[:3]
    x = np.column_stack([np.ones(40), design])
    best = []
    for v in (1, 2):
        beta = np.stack(
            [np.linalg.lstsq(x, y[:, b], rcond=None)[0][v] for b in range(3)]
        )
        denoised = beta @ projector
        best.append(denoised[np.linalg.norm(denoised, axis=1).argmax()])
    first = best[0] / np.linalg.norm(best[0])
    np.testing.assert_allclose(found.axes[0], first, atol=1e-8)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(2), atol=1e-10)
    second = best[1] - first * (first @ best[1])
    np.testing.assert_allclose(
        found.axes[1], second / np.linalg.norm(second), atol=1e-8
    )


def test_planted_axes_are_recovered_and_held_out_trials_follow(rng):
    system, axes = planted(rng)
    found = targeted_axes(system, **BOTH, n_permutations=50)
    data = found.estimate
    assert (data["p_corrected"].values < 0.05).all()
    assert data["estimate"].values.min() > 0.7
    assert data["axis_time"].sel(variable="motion") > 0.8
    assert data["axis_time"].sel(variable="color") < 0.2
    weights = found.tables["weights"]["axis"].values
    for row, axis in enumerate(axes):
        cosine = (
            abs(weights[row] @ axis)
            / np.linalg.norm(weights[row])
            / np.linalg.norm(axis)
        )
        assert cosine > 0.93
    trajectory = (
        found.tables["trajectory"]["estimate"].sel(variable="motion").isel(time=-1)
    )
    by_condition = dict(
        zip(trajectory["condition"].values.tolist(), trajectory.values, strict=True)
    )
    assert by_condition["1, red"] > 1
    assert by_condition["-1, red"] < -1
    assert (data["order_cosine"].values > 0.9).all()


def test_the_order_matters_where_axes_overlap(rng):
    system, _ = planted(rng, overlap=0.8)
    found = targeted_axes(system, **BOTH, n_permutations=0)
    assert abs(float(found.tables["angle"]["estimate"][0, 1])) > 0.6
    assert found.estimate["order_cosine"].values[0] == pytest.approx(1.0)
    assert found.estimate["order_cosine"].values[1] < 0.8
    assert any(n.code == "order_matters" for n in found.notes)
    other = targeted_axes(system, variables=["color", "motion"], n_permutations=0)
    assert other.estimate["order_cosine"].values[0] == pytest.approx(1.0)
    assert "no test was made" in found.summary


@pytest.mark.slow
def test_variables_without_effect_are_called_at_the_level(rng):
    """500 studies with 39 shuffles."""
    p = []
    for _ in range(500):
        system, _ = planted(rng, n=40, t=3, u=6, gain=0.0)
        found = targeted_axes(system, **BOTH, n_permutations=39, n_components=4)
        p.append(found.estimate["p_value"].values)
    assert np.mean(np.array(p) <= 0.0501) < 0.075


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        (["motion", "colour"], {}, "color"),
        (["motion", "kind"], {}, "two classes"),
        (["flat"], {}, "one condition|constant"),
        (["speed"], {}, "within trials"),
        (["motion"], {"n_components": 0}, "n_components"),
    ],
)
def test_bad_input_is_named(rng, names, given, words):
    system, _ = planted(rng, n=30, t=4)
    system = marr.from_arrays(
        {"pfc": system.activity("pfc")},
        system.trials.assign(kind=list("abc") * 10, flat=1.0),
        {"speed": rng.normal(size=(30, 4))},
    )
    with pytest.raises(marr.MarrError, match=words):
        targeted_axes(system, variables=names, **given)


def test_static_activity_same_seed_and_figures(rng):
    system, _ = planted(rng, n=60)
    static = marr.from_arrays(
        {"pfc": system.activity("pfc").values[:, -1]}, system.trials
    )
    a, b = (targeted_axes(static, **BOTH, n_permutations=10) for _ in range(2))
    assert a.id == b.id
    assert "axis_time" not in a.estimate
    assert a.figure().data
    assert targeted_axes(system, **BOTH, n_permutations=10).figure(1).data
