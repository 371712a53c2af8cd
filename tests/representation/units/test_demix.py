"""demix: the objective is minimized, planted axes come apart, shuffles find nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import marr
from marr.representation import demix
from marr.representation._units._demix_kernel import (
    cell_means,
    demixed_axes,
    explained_variance,
    marginalize,
    nearest_mean_hits,
)


def planted(rng, n=96, t=12, u=20, gains=(1.0, 1.0, 1.0), overlap=0.6, noise=1.0):
    """Stimulus (3), choice (2) and time along three axes that are not orthogonal."""
    stimulus, choice = np.arange(n) % 3, np.arange(n) // 3 % 2
    axes = np.linalg.qr(rng.normal(size=(u, 3)))[0].T * np.sqrt(u)
    axes[1] = overlap * axes[0] + np.sqrt(1 - overlap**2) * axes[1]
    at = np.linspace(0, 1, t)
    drive = np.stack(
        [
            gains[0] * np.outer(stimulus - 1.0, np.sin(np.pi * at)),
            gains[1] * np.outer(2.0 * choice - 1, at),
            gains[2] * np.tile(np.cos(np.pi * at), (n, 1)),
        ],
        axis=-1,
    )
    x = drive @ axes + noise * rng.normal(size=(n, t, u))
    order = rng.permutation(n)
    table = pd.DataFrame({"stimulus": stimulus, "choice": choice}).iloc[order]
    system = marr.from_arrays({"pfc": x[order]}, table.reset_index(drop=True), time=at)
    return system, axes


BOTH = {"variables": ["stimulus", "choice"]}


# -- kernel --------------------------------------------------------------------------


def test_parts_are_orthogonal_and_sum_to_the_averages(rng):
    means = rng.normal(size=(6, 5, 7))
    parts = marginalize(means, (2, 3))
    assert set(parts) == {(), (0,), (1,), (0, 1)}
    np.testing.assert_allclose(sum(parts.values()), means - means.mean(axis=(0, 1)))
    flat = [p.ravel() for p in parts.values()]
    for i, a in enumerate(flat):
        for b in flat[:i]:
            assert abs(a @ b) < 1e-10
    assert np.ptp(parts[()], axis=0).max() < 1e-12  # time alone
    by_first = parts[(0,)].reshape(2, 3, 5, 7)
    assert np.ptp(by_first, axis=1).max() < 1e-12


@pytest.mark.parametrize("penalty", [0.0, 0.05])
def test_no_axes_have_a_lower_loss(rng, penalty):
    """The loss of Kobak et al., minimized by gradient from random starts."""
    u, n = 5, 60
    codes = np.arange(n) % 6
    y = rng.normal(size=(6, 4, u))[codes] + rng.normal(size=(n, 4, u))
    means, noise = cell_means(y, codes, 6)
    parts = marginalize(means, (2, 3))
    axes = demixed_axes(parts, noise, penalty, dict.fromkeys(parts, 2))
    x = sum(parts.values()).reshape(-1, u)
    total = x.T @ x + noise
    ridge = torch.tensor(total + penalty * np.trace(total) / u * np.eye(u))
    for key, part in parts.items():
        cross = torch.tensor(part.reshape(-1, u).T @ x)

        def loss(f, d, cross=cross):
            w = f @ d
            return (w @ ridge * w).sum() - 2 * (w * cross).sum()

        ours = loss(
            torch.tensor(axes[key].encoder.copy()),
            torch.tensor(axes[key].decoder.copy()),
        )
        for _ in range(2):
            f = torch.tensor(rng.normal(size=(u, 2)), requires_grad=True)
            d = torch.tensor(0.1 * rng.normal(size=(2, u)), requires_grad=True)
            search = torch.optim.LBFGS(
                [f, d],
                max_iter=150,
                tolerance_grad=1e-12,
                line_search_fn="strong_wolfe",
            )

            def closure(f=f, d=d, search=search):
                search.zero_grad()
                value = loss(f, d)
                value.backward()
                return value

            search.step(closure)
            found = float(loss(f, d).detach())
            assert float(ours) <= found + 1e-6 * abs(found)


def test_cell_noise_is_the_covariance_within_cells(rng):
    y, codes = rng.normal(size=(30, 1, 3)), np.arange(30) % 2
    means, noise = cell_means(y, codes, 2)
    expected = sum(np.cov(y[codes == c, 0].T) for c in (0, 1))
    np.testing.assert_allclose(noise, expected)
    np.testing.assert_allclose(means[1, 0], y[codes == 1, 0].mean(axis=0))


def test_explained_variance_of_the_whole_space_is_one(rng):
    means = rng.normal(size=(4, 3, 5))
    parts = marginalize(means, (4,))
    axes = demixed_axes(parts, np.zeros((5, 5)), 0.0, dict.fromkeys(parts, 1))
    shares = explained_variance(axes, parts)
    x = sum(parts.values()).reshape(-1, 5)
    d, f = axes[(0,)]
    direct = 1 - ((x - x @ d.T @ f.T) ** 2).sum() / (x**2).sum()
    assert shares[(0,)].sum() == pytest.approx(direct)


def test_nearest_means():
    train = np.array([[[0.0]], [[1.0]]])
    hits = nearest_mean_hits(
        train, np.array([[[0.2]], [[0.9]], [[0.1]]]), np.array([0, 1, 1])
    )
    assert hits.ravel().tolist() == [1, 1, 0]


# -- known answers -------------------------------------------------------------------


def test_planted_axes_come_apart(rng):
    """Stimulus and choice lie along axes with a cosine of .6; decoders tell them apart."""
    system, axes = planted(rng)
    found = demix(system, **BOTH, n_components=1, n_permutations=20)
    data = found.estimate.set_index(component="component")
    assert data["component"].values.tolist() == [
        "time 1", "stimulus 1", "choice 1", "stimulus × choice 1",
    ]  # fmt: skip
    assert (data["purity"].values[:3] > 0.85).all()
    assert (data["p_corrected"].values[1:3] < 0.05 + 1e-9).all()
    assert data["p_corrected"].values[3] > 0.05
    assert np.isnan(data["p_corrected"].values[0])
    encoder = found.tables["weights"]["encoder"].values
    for row, axis in ((1, axes[0]), (2, axes[1]), (0, axes[2])):
        cosine = (
            abs(encoder[row] @ axis)
            / np.linalg.norm(encoder[row])
            / np.linalg.norm(axis)
        )
        assert cosine > 0.95
    decoder = found.tables["weights"]["decoder"].values
    leak = abs(decoder[1] @ axes[1]) / abs(decoder[1] @ axes[0])
    assert leak < 0.15  # the axes themselves overlap by .6
    accuracy = found.tables["accuracy"]
    late = accuracy["estimate"].sel(component="choice 1").values
    assert late[0] < 0.75
    assert late[-1] > 0.95
    assert accuracy["p_corrected"].sel(component="choice 1").values[-1] < 0.05
    assert (
        accuracy["p_corrected"].sel(component="stimulus × choice 1").values.min() > 0.05
    )
    signal = found.tables["variance"]["signal"].sel(part="stimulus × choice")
    assert abs(float(signal)) < 0.03
    trajectory = found.tables["trajectory"]["estimate"].sel(component="choice 1")
    ends = trajectory.isel(time=-1).values.reshape(3, 2)
    assert (np.sign(ends[:, 1]) == -np.sign(ends[:, 0])).all()


def test_a_static_code_has_no_time(rng):
    system, _ = planted(rng, t=2)
    x = system.activity("pfc").values[:, 1]
    static = marr.from_arrays({"pfc": x}, system.trials)
    found = demix(static, **BOTH, n_permutations=20)
    assert found.estimate["component"].values.tolist() == [
        "stimulus 1", "stimulus 2", "choice 1", "stimulus × choice 1", "stimulus × choice 2",
    ]  # fmt: skip
    assert found.tables["accuracy"]["estimate"].dims == ("component",)
    one = demix(static, variables="choice", n_components=1, n_permutations=20)
    assert one.estimate["component"].values.tolist() == ["choice 1"]


def test_many_units_are_reduced_without_looking_at_conditions(rng):
    system, axes = planted(rng, u=200, noise=1.0)
    found = demix(system, **BOTH, n_components=1, n_permutations=0)
    assert any(n.code == "reduced_units" for n in found.notes)
    encoder = found.tables["weights"]["encoder"].sel(component="choice 1").values
    assert found.tables["weights"].sizes["unit"] == 200
    cosine = abs(encoder @ axes[1]) / np.linalg.norm(encoder) / np.linalg.norm(axes[1])
    assert cosine > 0.95


@pytest.mark.slow
def test_conditions_without_effect_are_called_at_the_level(rng):
    """400 studies with 19 shuffles; time varies, conditions do nothing."""
    variance, accuracy = [], []
    for _ in range(400):
        system, _ = planted(rng, n=48, t=4, u=6, gains=(0, 0, 1.0))
        found = demix(system, **BOTH, n_components=1, n_permutations=19, penalty=1e-3)
        variance.append(np.nanmin(found.estimate["p_corrected"].values))
        accuracy.append(found.tables["accuracy"]["p_corrected"].values.min())
    assert np.mean(np.array(variance) <= 0.0501) < 0.08
    assert np.mean(np.array(accuracy) <= 0.0501) < 0.08


# -- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"variables": ["stimulus", "chioce"]}, "choice"),
        ({"variables": ["stimulus", "lonely"]}, "every combination"),
        ({**BOTH, "n_components": 0}, "n_components"),
        ({**BOTH, "penalty": -1.0}, "penalty"),
        ({**BOTH, "time": (5.0, 6.0)}, "window"),
        ({"variables": ["speed"]}, "changes within trials"),
    ],
)
def test_bad_input_is_named(rng, given, words):
    system, _ = planted(rng, n=24, t=4)
    lonely = np.r_[1, np.zeros(23)]
    system = marr.from_arrays(
        {"pfc": system.activity("pfc")},
        system.trials.assign(lonely=lonely),
        {"speed": rng.integers(0, 2, (24, 4)).astype(float)},
    )
    with pytest.raises(marr.MarrError, match=words):
        demix(system, **given)


def test_same_seed_and_figures(rng):
    system, _ = planted(rng, n=36, t=4, u=8)
    a, b = (demix(system, **BOTH, n_permutations=5) for _ in range(2))
    assert a.id == b.id
    for i in range(3):
        assert a.figure(i).data
