from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats import (
    binomial_interval,
    bootstrap_interval,
    hierarchical_bootstrap,
    jackknife_interval,
    percentile_interval,
    t_interval,
)

N_SIMULATIONS = 4000


def covered(interval, truth):
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("method", ["percentile", "bca", "studentized"])
@pytest.mark.parametrize("n", [15, 40])
def test_bootstrap_covers_at_nominal_rate(close_to, rng, n, method, level):
    values = rng.normal(size=(n, N_SIMULATIONS))
    interval = bootstrap_interval(values, method=method, level=level)
    # quantiles of 2,000 resamples shift the level itself by up to half a percent
    assert abs(covered(interval, 0) - level) < 0.005 + 3.5 * np.sqrt(
        level * (1 - level) / N_SIMULATIONS
    )


def test_bootstrap_of_groups_covers_where_trials_do_not(rng):
    group = np.repeat(np.arange(20), 6)
    values = rng.normal(size=(20, 1, 2000)) + 0.5 * rng.normal(size=(20, 6, 2000))
    values = values.reshape(120, -1)
    for method in ("percentile", "studentized"):
        by_group = bootstrap_interval(values, groups=group, method=method)
        assert 0.93 < covered(by_group, 0) < 0.97
    assert covered(bootstrap_interval(values), 0) < 0.7


def test_skewed_data_need_the_studentized_bootstrap(rng):
    values = rng.exponential(size=(20, N_SIMULATIONS))
    percentile = covered(bootstrap_interval(values), 1)
    studentized = covered(bootstrap_interval(values, method="studentized"), 1)
    assert 0.91 < percentile < 0.94
    assert 0.93 < studentized < 0.96


def test_hierarchical_bootstrap_never_covers_too_little(at_most, rng):
    member = np.repeat(np.arange(15), 8)
    for noise in (0.3, 3.0):
        values = rng.normal(size=(15, 1, 2000)) + noise * rng.normal(size=(15, 8, 2000))
        draws = hierarchical_bootstrap(
            values.reshape(120, -1), member, n_resamples=1000
        )
        missed = 1 - covered(percentile_interval(draws, n_units=15), 0)
        assert at_most(missed, 0.06, 2000)


def test_bca_equals_scipy(rng):
    values = rng.exponential(size=40)
    ours = bootstrap_interval(values, np.median, n_resamples=4000, method="bca")
    theirs = stats.bootstrap(
        (values,),
        np.median,
        n_resamples=4000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.06)
    assert ours.high == pytest.approx(theirs.high, abs=0.06)


def test_a_function_of_the_data_gives_what_weights_give(rng):
    values = rng.normal(size=(40, 3))
    fast = bootstrap_interval(values, n_resamples=8000)
    slow = bootstrap_interval(values, lambda d: d.mean(0), n_resamples=8000)
    assert np.stack(fast) == pytest.approx(np.stack(slow), abs=0.03)
    assert np.array_equal(fast.low, bootstrap_interval(values, n_resamples=8000).low)


def test_strata_take_their_spread_out(rng):
    condition = np.repeat([0, 1], 30)
    values = 10.0 * condition + rng.normal(size=60)
    plain = bootstrap_interval(values)
    within = bootstrap_interval(values, within=condition)
    assert within.high - within.low < 0.3 * (plain.high - plain.low)


def test_constant_values_give_a_point():
    for method in ("percentile", "bca", "studentized"):
        low, high = bootstrap_interval(np.full(9, 2.5), method=method)
        assert low == pytest.approx(2.5)
        assert high == pytest.approx(2.5)


def test_t_interval_equals_scipy_and_leaves_out_nan(rng):
    values = rng.normal(size=(12, 3))
    values[:4, 1] = np.nan
    values[1:, 2] = np.nan
    low, high = t_interval(values, level=0.9)
    theirs = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.9)
    assert (low[0], high[0]) == pytest.approx(tuple(theirs))
    fewer = stats.ttest_1samp(values[4:, 1], 0).confidence_interval(0.9)
    assert (low[1], high[1]) == pytest.approx(tuple(fewer))
    assert np.isnan(low[2])
    assert t_interval(values.T, axis=1).low.shape == (3,)


@pytest.mark.parametrize("method", ["wilson", "exact"])
def test_binomial_equals_scipy(method):
    for k, n in [(0, 7), (3, 7), (7, 7), (40, 41), (500, 1000)]:
        low, high = binomial_interval(k, n, method=method)
        theirs = stats.binomtest(k, n).proportion_ci(method=method)
        assert (float(low), float(high)) == pytest.approx(tuple(theirs), abs=1e-12)


@pytest.mark.parametrize("method", ["wilson", "exact", "jeffreys"])
def test_binomial_coverage_is_exact_over_the_distribution(method):
    n, share = 30, np.linspace(0.05, 0.95, 91)[:, None]
    k = np.arange(n + 1)
    low, high = binomial_interval(k, n, method=method)
    inside = (low <= share) & (share <= high)
    rate = (stats.binom.pmf(k, n, share) * inside).sum(1)
    if method == "exact":
        assert rate.min() >= 0.95
    assert rate.min() > 0.86
    assert rate.mean() == pytest.approx(0.95, abs=0.025)


def test_no_trials_say_nothing():
    low, high = binomial_interval(0, 0)
    assert (low, high) == (0, 1)


def test_jackknife_interval_of_a_variance_covers(rng):
    values = rng.normal(size=(60, 2000))
    interval = jackknife_interval(values, lambda d: d.var(0))
    assert 0.915 < covered(interval, 1) < 0.96


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: bootstrap_interval([1.0, np.nan]), ContractError, "1 NaN"),
        (lambda: bootstrap_interval([1.0]), StatisticsError, "at least 2"),
        (lambda: bootstrap_interval([1.0, 2], level=95), OptionError, "0.95"),
        (lambda: bootstrap_interval([1.0, 2], method="basic"), OptionError, "method"),
        (
            lambda: bootstrap_interval([1.0, 2], np.median, method="studentized"),
            OptionError,
            "mean only",
        ),
        (lambda: binomial_interval(3, 2), ContractError, "between 0 and n"),
        (lambda: binomial_interval(3, 4, method="wald"), OptionError, "wilson"),
    ],
)
def test_bad_requests_are_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()
