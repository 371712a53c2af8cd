"""Dimension of sites: planted truth, nulls, intervals, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

import marr
from marr.errors import OptionError, StatisticsError
from marr.representation import dimensionality
from marr.representation._geometry._dimension_kernel import fixed_moments
from marr.representation._geometry._dimension_methods import DIMENSION_METHODS

FEW = {"n_permutations": 30, "n_subsamples": 10}


def recording(n=120, **columns):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(30, 5)))[0]
    sites = {
        "five": rng.normal(size=(n, 5)) @ turn.T,
        "one": rng.normal(size=(n, 1)) @ rng.normal(size=(1, 30)),
        "free": rng.normal(size=(n, 30)),
    }
    table = pd.DataFrame({"condition": np.tile(np.arange(8), n // 8), **columns})
    return marr.from_arrays(sites, table)


@pytest.fixture(scope="module")
def found():
    return dimensionality(recording(), method=list(DIMENSION_METHODS), **FEW)


def test_planted_dimensions_by_every_measure(found):
    five, one = (found.estimate["estimate"].sel(site=s) for s in ("five", "one"))
    assert float(five.sel(measure="participation_ratio")) == pytest.approx(5, rel=0.1)
    for method in ("parallel_analysis", "pca_threshold", "local_pca"):
        assert float(five.sel(measure=method)) == pytest.approx(5, abs=0.5), method
        assert float(one.sel(measure=method)) == 1, method
    assert float(one.sel(measure="participation_ratio")) == pytest.approx(1)
    assert float(one.sel(measure="mle")) == pytest.approx(1, rel=0.15)


def test_correlated_units_stand_out_and_independent_ones_do_not(found):
    p = found.estimate["p_corrected"]
    plain = ["participation_ratio", "two_nn", "mle"]
    assert (p.sel(site="five", measure=plain) < 0.05).all()
    assert (p.sel(site="free") > 0.05).all()
    excess = found.estimate["excess"]
    assert (excess.sel(site="five", measure=plain) < -5).all()
    assert float(excess.sel(site="free", measure="participation_ratio")) == (
        pytest.approx(0, abs=1.5)
    )


def test_tables_and_figures(found):
    spectrum = found.tables["spectrum"].sel(site="five")
    above = spectrum["estimate"] > spectrum["null_high"]
    assert int(above.sum()) == 5
    assert float(spectrum["estimate"].sum()) == pytest.approx(1)
    scale = found.tables["scale"]["estimate"].sel(measure="participation_ratio")
    assert float(scale.sel(site="five", fraction=0.25)) == pytest.approx(5, rel=0.2)
    half = found.tables["half"]["half_estimate"]
    assert half.dims == ("half", "site", "measure")
    assert found.tables["size"]["n_units"].values.tolist() == [30, 30, 30]
    assert len(found.figures) == 3
    assert "five: 4.9 dimensions" in found.summary or "five: 5" in found.summary


def test_slow_units_that_know_nothing_of_each_other_are_shifted_not_shuffled():
    rng, wrong = np.random.default_rng(1), {"auto": 0, "shuffle": 0}
    for i in range(25):
        x = lfilter([1.0], [1.0, -0.85], rng.normal(size=(150, 12)), axis=0)[50:]
        system = marr.from_arrays({"A": x}, pd.DataFrame({"a": np.arange(100)}))
        for null in wrong:
            p = dimensionality(
                system,
                method="participation_ratio",
                null=null,
                n_permutations=39,
                seed=i,
            ).estimate["p_value"]
            wrong[null] += float(p.values[0, 0]) <= 0.05
    assert wrong["shuffle"] > 12
    assert wrong["auto"] <= 4


def conditions(noise, n_repeats, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(10, 40)) * np.r_[3, 2, 1, np.full(37, 0.2)]
    code = rng.permutation(np.tile(np.arange(10), n_repeats))
    x = means[code] + noise * rng.normal(size=(len(code), 40))
    table = pd.DataFrame({"condition": code})
    return marr.from_arrays({"A": x}, table), fixed_moments(means).ratio()


def test_signal_of_conditions_without_their_noise():
    system, truth = conditions(1.5, 8)
    options = {"on": "condition", "method": "participation_ratio", **FEW}
    raw = dimensionality(system, **options)
    clean = dimensionality(system, noise="cross_validated", **options)
    value, low, high = (
        float(clean.estimate[k].values[0, 0]) for k in ("estimate", "ci_low", "ci_high")
    )
    assert low <= truth <= high
    assert value == pytest.approx(truth, rel=0.25)
    assert float(raw.estimate["estimate"].values[0, 0]) > 1.4 * truth
    assert any("cross_validated" in n.advice for n in raw.notes)
    sampled = dimensionality(
        system, noise="cross_validated", rows="sampled", **options
    ).estimate
    assert (sampled["estimate"].values > value).all()  # of more conditions than ten


def test_repeats_that_are_too_few_are_refused_with_their_number():
    system, _ = conditions(1.0, 3)
    options = {"on": "condition", "noise": "cross_validated", **FEW}
    options["method"] = "participation_ratio"
    with pytest.raises(StatisticsError, match=r"needs 4 repeats.*there are 3"):
        dimensionality(system, **options)
    assert dimensionality(system, rows="sampled", **options).estimate is not None
    four, _ = conditions(1.0, 4)
    found = dimensionality(four, **options)
    assert np.isnan(found.estimate["ci_low"]).all()
    assert "no_interval" in {n.code for n in found.notes}
    once, _ = conditions(1.0, 1)
    with pytest.raises(StatisticsError, match="there are 1"):
        dimensionality(once, rows="sampled", **options)
    plain = dimensionality(once, on="condition", method="participation_ratio", **FEW)
    assert np.isnan(plain.estimate["ci_low"]).all()
    assert "not repeated" in plain.methods


def test_a_constant_unit_and_copies_are_said():
    rng = np.random.default_rng(2)
    x = rng.poisson(0.3, size=(80, 4)).astype(float)
    x = np.column_stack([x, np.full(80, 2.0)])
    system = marr.from_arrays({"A": x}, pd.DataFrame({"a": np.arange(80)}))
    found = dimensionality(system, method=["participation_ratio", "two_nn"], **FEW)
    assert {"constant_units", "copies"} <= {n.code for n in found.notes}
    assert int(found.tables["size"]["n_units"][0]) == 4


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"method": ()}, OptionError, "names no measure"),
        ({"method": "two_n"}, OptionError, "Did you mean 'two_nn'"),
        ({"noise": "cross_validated", "method": "mle"}, OptionError, "products of rep"),
        ({"noise": "cross_validated", "method": "participation_ratio"}, OptionError, "own only repeat"),
        ({"rows": "fixed"}, OptionError, "trials are a sample"),
        ({"neighbors": 2}, OptionError, "neighbors must be"),
        ({"discard": 1.0}, OptionError, "discard must be a share"),
        ({"time": (1, 0)}, OptionError, "time must be"),
        ({"on": "condition", "rows": "sampled", "sites": "five", "bins": [0, 2, 4, 9]}, StatisticsError, "3 conditions.*too few"),
    ],
)  # fmt: skip
def test_bad_input(options, error, match):
    with pytest.raises(error, match=match):
        dimensionality(recording(), **options)


def test_too_few_trials_or_units():
    x = np.random.default_rng(3).normal(size=(5, 4))
    system = marr.from_arrays({"A": x}, pd.DataFrame({"a": range(5)}))
    with pytest.raises(StatisticsError, match="5 trials are too few"):
        dimensionality(system)
    flat = np.column_stack([np.arange(40.0), np.ones(40)])
    system = marr.from_arrays({"A": flat}, pd.DataFrame({"a": range(40)}))
    with pytest.raises(StatisticsError, match="1 of 2 units of site 'A' vary"):
        dimensionality(system)


def test_more_units_than_trials_cost_no_units_by_units_array():
    import tracemalloc

    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 8_000))
    system = marr.from_arrays({"A": x}, pd.DataFrame({"a": range(60)}))
    tracemalloc.start()
    dimensionality(system, method="participation_ratio", n_permutations=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * 8 * 8_000**2
