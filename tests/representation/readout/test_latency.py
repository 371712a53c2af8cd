"""Latencies: planted onsets, their difference, and no peak at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.errors import OptionError, StatisticsError
from marr.representation import latency
from marr.representation._readout._latency_kernel import fractional_peak

TIMES = np.arange(30) * 0.02


def test_a_ramp_is_dated_between_bins():
    times = np.arange(10.0)
    ramp = np.clip(times - 3, 0, 4)
    assert fractional_peak(ramp, times, 0.5, 0.0) == pytest.approx(5.0)
    assert fractional_peak(ramp + 1, times, 0.25, 1.0) == pytest.approx(4.0)


def test_an_early_blip_is_not_the_onset():
    times = np.arange(10.0)
    score = np.array([0, 3, 0, 0, 0, 2, 4, 4, 4, 4.0])
    assert fractional_peak(score, times, 0.5, 0.0) == pytest.approx(5.0)


def test_a_curve_below_its_baseline_has_no_latency():
    assert np.isnan(fractional_peak(np.full(5, 0.4), np.arange(5.0), 0.5, 0.5))


def ramps(onsets, seed=0, n=120, gain=2.0):
    rng = np.random.default_rng(seed)
    side = np.arange(n) % 2
    activity = {}
    for site, onset in onsets.items():
        x = rng.normal(size=(n, len(TIMES), 6))
        rise = (
            np.clip((TIMES - onset) / 0.08, 0, 1) if np.isfinite(onset) else 0 * TIMES
        )
        x[..., :3] += gain * (2 * side - 1)[:, None, None] * rise[:, None]
        activity[site] = x
    table = pd.DataFrame({"side": side})
    return marr.from_arrays(activity, table, time=TIMES)


def test_planted_onsets_and_their_difference_are_found():
    system = ramps({"V1": 0.1, "PFC": 0.3, "silent": np.inf})
    found = latency(system, "side", n_permutations=60, smooth=3)
    at = found.estimate["estimate"].sel(site=["V1", "PFC"]).values
    assert at[0] == pytest.approx(0.12, abs=0.04)
    assert at[1] == pytest.approx(0.32, abs=0.04)
    assert np.isnan(float(found.estimate["estimate"].sel(site="silent")))
    pair = found.tables["site_pair"]
    assert pair["site_pair"].values.tolist() == ["PFC after V1"]
    assert float(pair["ci_low"][0]) < 0.2 < float(pair["ci_high"][0])
    assert float(pair["p_corrected"][0]) < 0.01
    assert "silent no peak" in found.summary


def test_equal_onsets_do_not_differ():
    wrong = 0
    for seed in range(30):
        system = ramps({"a": 0.2, "b": 0.2}, seed=seed, n=60)
        found = latency(system, "side", n_permutations=39, smooth=3)
        wrong += float(found.tables["site_pair"]["p_value"][0]) < 0.05
    assert wrong <= 5


def test_no_peak_anywhere_is_no_latency():
    with pytest.raises(StatisticsError, match="No peak above that of shuffled labels"):
        latency(ramps({"V1": np.inf}), "side", n_permutations=39)


def test_options_are_checked():
    system = ramps({"V1": 0.1})
    with pytest.raises(OptionError, match=r"holds no time bin; times run from 0"):
        latency(system, "side", baseline=(-1.0, -0.5))
    with pytest.raises(OptionError, match="smooth be odd"):
        latency(system, "side", smooth=2)
    flat = marr.from_arrays(
        {"V1": np.random.default_rng(0).normal(size=(20, 3))},
        pd.DataFrame({"side": np.arange(20) % 2}),
    )
    with pytest.raises(OptionError, match="has none there"):
        latency(flat, "side")
