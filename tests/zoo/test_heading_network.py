from __future__ import annotations

import numpy as np
import pytest
import torch

from marr.errors import ContractError, OptionError
from marr.zoo import heading_inputs, heading_networks, train_heading
from marr.zoo._heading_network import heading_errors, new_heading
from marr.zoo._heading_task import VELOCITY_UNIT, angle_between, turning


@pytest.fixture(scope="module")
def heading():
    rng = np.random.default_rng(10_000)
    turns = turning(300, rng)
    turns[:, 0] = rng.uniform(-np.pi, np.pi, 300)
    return np.cumsum(turns, axis=1) % (2 * np.pi)


def test_turning_has_the_statistics_of_a_mouse(rng):
    turns = np.degrees(turning(4000, rng))
    speeds = np.quantile(np.abs(turns), [0.5, 0.75, 0.9, 0.95, 0.99])
    np.testing.assert_allclose(speeds, [1.5, 4.7, 10.2, 15.2, 31.4], rtol=0.25)
    centered = turns - turns.mean()
    kurtosis = (centered**4).mean() / (centered**2).mean() ** 2
    assert 12 < kurtosis < 45
    correlations = [
        (turns[:, lag:] * turns[:, :-lag]).mean() / (turns**2).mean() for lag in (1, 3)
    ]
    assert correlations == pytest.approx([0.44, 0.07], abs=0.08)
    assert abs(turns.mean()) < 0.1


def test_inputs_hold_turning_and_the_start_alone(heading):
    inputs = heading_inputs(heading)
    assert inputs.shape == (300, 50, 3)
    assert not inputs[:, 1:, 1:].any()
    start = np.arctan2(inputs[:, 0, 2], inputs[:, 0, 1])
    rebuilt = start[:, None] + np.cumsum(VELOCITY_UNIT * inputs[..., 0], axis=1)
    assert np.abs(angle_between(rebuilt, heading)).max() < 1e-4
    np.testing.assert_allclose(heading_inputs(heading + 4 * np.pi), inputs, atol=1e-5)


def test_inputs_are_taken_from_a_system(heading):
    from marr.systems import from_arrays

    system = from_arrays({"ADN": np.ones((300, 50, 2))}, variables={"heading": heading})
    np.testing.assert_array_equal(heading_inputs(system), heading_inputs(heading))
    with pytest.raises(OptionError, match="heading"):
        heading_inputs(system, variable="headign")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h[0], "shape"),
        (lambda h: h[:, :1], "at least 2 bins"),
        (lambda h: np.where(h == h[4, 4], np.nan, h), "row 4"),
        (np.degrees, "radians"),
    ],
)
def test_bad_headings_are_refused(heading, change, message):
    with pytest.raises(ContractError, match=message):
        heading_inputs(change(heading))


def test_shipped_networks_keep_track_of_heading(heading):
    held = np.abs(angle_between(heading, heading[:, :1]))
    for network in heading_networks():
        error = np.degrees(heading_errors(network, heading))
        start, middle, end = np.median(error[:, [9, 24, 49]], axis=0)
        assert start < middle < end  # errors add up
        assert end < 12
        assert end < 0.4 * np.degrees(np.median(held[:, -1]))


def test_untrained_networks_do_not(heading):
    for network in heading_networks(n=3, trained=False):
        error = np.degrees(heading_errors(network, heading))
        assert np.median(error[:, -1]) > 60


def test_hidden_units_are_tuned_and_tile_the_circle(heading):
    network = heading_networks(n=1)[0]
    with torch.no_grad():
        hidden, _ = network.recurrent(torch.from_numpy(heading_inputs(heading)))
    activity = hidden.numpy()[:, 5:].reshape(-1, 64)
    where = (heading[:, 5:].ravel() / (2 * np.pi) * 24).astype(int)
    curves = np.stack([activity[where == k].mean(axis=0) for k in range(24)])
    active = activity.std(axis=0) > 1e-3
    depth = (curves.max(axis=0) - curves.min(axis=0)) / (curves.max(axis=0) + 1e-9)
    assert (depth[active] > 0.5).mean() > 0.7
    preferred = curves.argmax(axis=0)[active & (depth > 0.5)]
    assert len(set(preferred // 3)) == 8
    values = np.linalg.svd(curves - curves.mean(axis=0), compute_uv=False) ** 2
    assert values[:2].sum() / values.sum() > 0.75  # a ring: two leading dimensions
    assert values[1] / values[0] > 0.6


def test_noiseless_steps_equal_the_fused_network(heading):
    network = heading_networks(n=1)[0]
    inputs = torch.from_numpy(heading_inputs(heading[:20]))
    with torch.no_grad():
        slow = network.noisy_hidden(inputs, torch.zeros(20, 50, 64))
        torch.testing.assert_close(slow, network.recurrent(inputs)[0])


def test_training_is_deterministic():
    first, second = (train_heading(1, steps=2) for _ in range(2))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.readout.weight, new_heading(1).readout.weight)


@pytest.mark.slow
def test_training_anew_ends_at_the_shipped_results(heading):
    """Bit by bit on the machine that trained them; elsewhere the same precision."""
    anew, shipped = train_heading(0), heading_networks(n=1)[0]
    ends = [
        np.degrees(np.median(heading_errors(n, heading)[:, -1]))
        for n in (anew, shipped)
    ]
    assert ends[0] == pytest.approx(ends[1], abs=3)
    assert anew.record["loss"] == pytest.approx(shipped.record["loss"], abs=0.01)
