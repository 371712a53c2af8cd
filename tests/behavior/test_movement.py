"""Movement and the error of a continuous report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import marr
from marr.behavior._series_kernel import circular_error, error_summary, movement_summary
from marr.errors import ContractError, EvidenceError, OptionError, StatisticsError

movement = marr.behavior.movement
estimation_error = marr.behavior.estimation_error


def moving(values, columns=None, **attrs):
    array = xr.DataArray(values, dims=("trial", "time"), attrs=attrs)
    table = pd.DataFrame(columns or {}, index=range(len(values)))
    return marr.from_arrays({}, table, variables={"turning": array}, name="mouse")


def pointing(said, true, columns=None, **attrs):
    variables = {
        "said": xr.DataArray(said, dims=("trial", "time"), attrs=attrs),
        "true": xr.DataArray(true, dims=("trial", "time"), attrs=attrs),
    }
    table = pd.DataFrame(columns or {}, index=range(len(true)))
    return marr.from_arrays({}, table, variables=variables, name="net")


def codes(finding):
    return {n.code for n in finding.notes}


def test_movement_equals_numpy(rng):
    values = rng.normal(0.2, 2, (40, 60))
    f = movement(moving(values, units="rad/s"), variable="turning")
    row = f.estimate.estimate
    assert float(row.sel(statistic="mean_absolute")) == pytest.approx(
        np.abs(values).mean()
    )
    assert float(row.sel(statistic="sd")) == pytest.approx(values.std())
    for name, q in (("q05", 0.05), ("median", 0.5), ("q95", 0.95)):
        assert float(row.sel(statistic=name)) == pytest.approx(
            np.quantile(values, q), abs=0.02
        )
    assert row.attrs["units"] == "rad/s"
    assert "rad/s" in f.summary
    per_trial = f.tables["trial"]
    np.testing.assert_allclose(per_trial.estimate, np.abs(values).mean(axis=1))
    assert set(per_trial.half.values.tolist()) == {0, 1}
    assert float(f.tables["density"].estimate.sum()) == pytest.approx(0.99, abs=0.01)
    assert f.figure() is not None


def test_weights_are_resamples(rng):
    values = rng.normal(size=(12, 30))
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=3).astype(float)
    got = movement_summary(values, weights)
    for row, counts in zip(got, weights.astype(int), strict=True):
        repeated = np.repeat(values, counts, axis=0)
        assert row[0] == pytest.approx(np.abs(repeated).mean())
        assert row[1] == pytest.approx(repeated.std())
        np.testing.assert_allclose(
            row[2:], np.quantile(repeated, [0.05, 0.5, 0.95]), atol=0.08
        )


def test_movement_interval_covers_and_widens_for_dependent_trials(rng):
    hits, widths = 0, {"free": [], "runs": []}
    for i in range(100):
        scale = np.exp(rng.normal(0, 0.4, 40))
        f = movement(
            moving(scale[:, None] * rng.normal(size=(40, 20))),
            variable="turning",
            seed=i,
        )
        row = f.estimate.sel(statistic="mean_absolute")
        hits += (
            float(row.ci_low) < np.sqrt(2 / np.pi) * np.exp(0.08) < float(row.ci_high)
        )
    assert hits >= 87
    log_scale = np.zeros(200)
    for t in range(1, 200):
        log_scale[t] = 0.8 * log_scale[t - 1] + rng.normal(0, 0.3)
    values = np.exp(log_scale)[:, None] * rng.normal(size=(200, 20))
    for name, order in (("runs", np.arange(200)), ("free", rng.permutation(200))):
        f = movement(moving(values[order]), variable="turning")
        row = f.estimate.sel(statistic="mean_absolute")
        widths[name] = float(row.ci_high - row.ci_low)
        assert ("autocorrelated" in codes(f)) == (name == "runs")
    assert widths["runs"] > 1.4 * widths["free"]


def test_missing_samples_and_units_are_told(rng):
    values = rng.normal(size=(30, 20))
    values[3:5] = np.nan
    f = movement(moving(values), variable="turning")
    assert {"missing", "no_units"} <= codes(f)
    assert np.isnan(f.tables["trial"].estimate.values[3])
    assert "circular" in codes(
        movement(moving(values, circular=True), variable="turning")
    )


def test_movement_of_a_perturbed_recording_is_refused(rng):
    recording = marr.from_arrays(
        {"V1": rng.normal(size=(20, 30, 4))},
        variables={"turning": rng.normal(size=(20, 30))},
    )
    movement(recording, variable="turning")
    with pytest.raises(EvidenceError, match="perturbation"):
        movement(recording.perturb(marr.Ablate("V1")), variable="turning")


def test_movement_refuses_what_was_not_measured(rng):
    system = moving(rng.normal(size=(20, 5)))
    with pytest.raises(EvidenceError, match=r"not measured.*turning"):
        movement(system, variable="turnin")
    with pytest.raises(StatisticsError, match="at least 5"):
        movement(system.select([0, 1, 2]), variable="turning")
    with pytest.raises(ContractError, match="infinite"):
        movement(moving(np.full((20, 5), np.inf)), variable="turning")
    with pytest.raises(ContractError, match="numbers"):
        movement(moving(np.zeros((6, 2)), {"word": list("abcdef")}), variable="word")


@pytest.mark.parametrize("period", [2 * np.pi, 360.0, None])
def test_errors_wrap(period):
    assert circular_error(np.array([0.2]), np.array([0.1]), period)[0] == pytest.approx(
        0.1
    )
    if period is not None:
        late = circular_error(np.array([0.01]), np.array([period - 0.02]), period)
        assert late[0] == pytest.approx(0.03)


def test_error_of_a_report_with_known_noise(rng):
    true = rng.uniform(-np.pi, np.pi, (60, 50))
    said = true + 0.3 + rng.normal(0, 0.2, true.shape)
    said = (said + np.pi) % (2 * np.pi) - np.pi
    f = estimation_error(
        pointing(said, true, units="rad"), estimate="said", target="true"
    )
    row = f.estimate.sel(statistic="bias")
    assert float(row.ci_low) < 0.3 < float(row.ci_high)
    size = f.estimate.sel(statistic="mean_absolute")
    draws = np.abs(0.3 + np.random.default_rng(1).normal(0, 0.2, 100_000))
    assert float(size.estimate) == pytest.approx(draws.mean(), abs=0.01)
    assert float(size.null_mean) == pytest.approx(np.pi / 2, abs=0.05)
    assert float(size.p_value) == pytest.approx(1 / 501)
    assert f.estimate.estimate.attrs["better"] == "lower"
    assert f.tables["time"].sizes["time"] == 50
    assert f.figure() is not None


def test_a_report_of_nothing_is_at_chance():
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        f = estimation_error(
            pointing(rng.uniform(-np.pi, np.pi, (20, 3)), rng.uniform(-np.pi, np.pi, (20, 3))),
            estimate="said", target="true", n_permutations=99, seed=seed,
        )  # fmt: skip
        p.append(float(f.estimate.p_value.sel(statistic="mean_absolute")))
    assert np.mean(np.array(p) <= 0.05) < 0.17
    assert np.mean(p) == pytest.approx(0.5, abs=0.13)


def test_degrees_columns_and_levels(rng):
    true = rng.uniform(0, 360, 120)
    said = (true + rng.normal(0, 10, 120)) % 360
    table = pd.DataFrame({"true": true, "said": said, "arm": np.arange(120) % 2})
    system = marr.from_arrays({}, table)
    f = estimation_error(system, estimate="said", target="true", period=360.0, by="arm")
    assert f.estimate.estimate.dims == ("arm", "statistic")
    sizes = f.estimate.estimate.sel(statistic="mean_absolute")
    assert np.allclose(sizes, 8, atol=2)
    assert "time" not in f.tables
    assert "no_units" in codes(f)
    degrees = pointing(said[:, None], true[:, None], units="deg")
    g = estimation_error(degrees, estimate="said", target="true")
    assert float(g.estimate.null_mean.sel(statistic="mean_absolute")) == pytest.approx(
        90, abs=8
    )


def test_a_report_a_trial_is_compared_with_the_truth_at_its_time(rng):
    true = rng.uniform(-np.pi, np.pi, (40, 12))
    true[3, 8:] = np.nan
    last = true[:, -1].copy()
    last[3] = true[3, 7]
    system = pointing(true, true, {"final": last, "first": true[:, 0]})
    exact = estimation_error(system, estimate="final", target="true")
    assert float(exact.estimate.estimate.sel(statistic="mean_absolute")) == 0
    assert "time" not in exact.tables
    exact = estimation_error(system, estimate="first", target="true", at=0)
    assert float(exact.estimate.estimate.sel(statistic="mean_absolute")) == 0
    off = estimation_error(system, estimate="first", target="true")
    assert float(off.estimate.estimate.sel(statistic="mean_absolute")) > 1
    with pytest.raises(OptionError, match="at must be"):
        estimation_error(system, estimate="first", target="true", at=12)


def test_plain_errors_without_a_circle(rng):
    true = rng.normal(size=(30, 10))
    f = estimation_error(
        pointing(true + 2, true), estimate="said", target="true", circular=False
    )
    assert float(f.estimate.estimate.sel(statistic="bias")) == pytest.approx(2)
    assert float(f.estimate.estimate.sel(statistic="median_absolute")) == pytest.approx(
        2
    )


def test_error_summary_weights_are_resamples(rng):
    errors = rng.normal(0.1, 0.5, (12, 30))
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=2).astype(float)
    got = error_summary(errors, weights, 2 * np.pi)
    for row, counts in zip(got, weights.astype(int), strict=True):
        repeated = np.repeat(errors, counts, axis=0)
        assert row[0] == pytest.approx(np.abs(repeated).mean())
        assert row[1] == pytest.approx(np.median(np.abs(repeated)), abs=0.01)
        mean = np.angle(np.exp(1j * repeated).mean())
        assert row[2] == pytest.approx(mean)


def test_bias_interval_is_unwrapped_at_the_cut(rng):
    true = rng.uniform(-np.pi, np.pi, (40, 20))
    f = estimation_error(
        pointing(true + np.pi - 0.01 + rng.normal(0, 0.3, true.shape), true),
        estimate="said", target="true",
    )  # fmt: skip
    row = f.estimate.sel(statistic="bias")
    assert float(row.ci_high - row.ci_low) < 0.2
    assert abs(float(row.estimate)) == pytest.approx(np.pi, abs=0.05)


def test_an_animal_that_reports_nothing_is_refused_in_words(rng):
    mouse = moving(rng.normal(size=(20, 5)), {"heading": np.zeros(20)})
    with pytest.raises(EvidenceError, match="a report of heading was not measured"):
        estimation_error(mouse, estimate="reported_heading", target="heading")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"target": "tru"}, EvidenceError, "true"),
        ({"null": "block"}, OptionError, "free"),
        ({"period": -1.0}, OptionError, "above 0"),
        ({"period": 3.0, "circular": False}, OptionError, "circular=True"),
    ],
)
def test_bad_options(options, error, words, rng):
    system = pointing(rng.normal(size=(20, 5)), rng.normal(size=(20, 5)))
    with pytest.raises(error, match=words):
        estimation_error(system, **({"estimate": "said", "target": "true"} | options))


def test_reports_over_other_times_are_refused(rng):
    variables = {
        "said": xr.DataArray(rng.normal(size=(9, 5)), dims=("trial", "time")),
        "true": xr.DataArray(rng.normal(size=(9, 6)), dims=("trial", "time")),
    }
    system = marr.from_arrays({}, pd.DataFrame(index=range(9)), variables=variables)
    with pytest.raises(ContractError, match="share their times"):
        estimation_error(system, estimate="said", target="true")
