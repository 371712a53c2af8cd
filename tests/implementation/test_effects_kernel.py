"""Means, intervals and sign-flip p-values of losses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from marr.implementation._effects_kernel import (
    bootstrap_interval_of_means,
    collapse,
    mean_losses,
    sign_flip_floor,
    sign_flip_p,
)

N_SIMULATIONS = 2000


def test_collapse_sums_and_counts_skip_undefined_trials():
    losses = np.array([[1.0, np.nan, 3.0, 4.0], [np.nan, np.nan, 5.0, np.nan]])
    sums, counts = collapse(losses, np.array([1, 1, 0, 1]))
    assert sums.tolist() == [[3.0, 5.0], [5.0, 0.0]]
    assert counts.tolist() == [[1.0, 2.0], [1.0, 0.0]]
    assert mean_losses(losses).tolist() == [pytest.approx(8 / 3), 5.0]


def test_a_member_without_trials_has_no_mean():
    assert np.isnan(mean_losses(np.full((1, 3), np.nan))[0])


def test_all_sign_patterns_are_taken_when_they_are_few():
    sums = np.array([[1.0, 2.0, 3.0, 4.0]])
    p, corrected = sign_flip_p(sums, n_permutations=1000, seed=0)
    assert p[0] == corrected[0] == pytest.approx(2 / 16)  # all plus and all minus
    assert sign_flip_floor(4, 1000) == 2 / 16
    assert sign_flip_floor(200, 999) == 1 / 1000


def test_no_difference_has_p_one():
    p, corrected = sign_flip_p(np.zeros((2, 30)), n_permutations=100, seed=0)
    assert p.tolist() == corrected.tolist() == [1.0, 1.0]


def test_sign_flips_reject_at_the_nominal_rate(rng):
    losses = rng.standard_t(3, size=(N_SIMULATIONS, 40))
    p, _ = sign_flip_p(losses, n_permutations=499, seed=1)
    low, high = binom.ppf([0.001, 0.999], N_SIMULATIONS, 0.05)
    assert low <= (p <= 0.05).sum() <= high


def test_sign_flips_of_whole_groups_hold_the_rate_where_single_trials_do_not(rng):
    n_groups, size = 12, 10
    shared = rng.normal(size=(N_SIMULATIONS, n_groups)).repeat(size, axis=1)
    losses = shared + rng.normal(size=shared.shape)
    groups = np.arange(n_groups).repeat(size)
    by_group, _ = sign_flip_p(collapse(losses, groups)[0], n_permutations=499, seed=1)
    by_trial, _ = sign_flip_p(losses, n_permutations=199, seed=1)
    low, high = binom.ppf([0.001, 0.999], N_SIMULATIONS, 0.05)
    assert low <= (by_group <= 0.05).sum() <= high
    assert (by_trial <= 0.05).mean() > 0.3


def test_max_t_holds_the_family_over_members_of_unequal_spread(rng):
    n_families, n_members = 2000, 8
    scale = 10.0 ** np.arange(n_members)[:, None]
    false = 0
    for seed in range(n_families):
        losses = rng.normal(size=(n_members, 24)) * scale
        false += (sign_flip_p(losses, n_permutations=99, seed=seed)[1] <= 0.05).any()
    low, high = binom.ppf([0.001, 0.999], n_families, 0.05)
    assert low <= false <= high


def test_max_t_finds_the_one_that_differs(rng):
    losses = rng.normal(size=(20, 60))
    losses[7] += 1.0
    alone, corrected = sign_flip_p(losses, n_permutations=999, seed=0)
    assert corrected.argmin() == 7
    assert corrected[7] < 0.01
    assert (corrected >= alone).all()
    assert corrected.sum() > alone.sum()


def test_intervals_cover_the_mean_by_groups(rng):
    n_groups, size = 40, 5
    shared = rng.normal(size=(N_SIMULATIONS, n_groups)).repeat(size, axis=1)
    losses = 0.5 + shared + rng.normal(size=shared.shape)
    losses[:, ::7] = np.nan
    sums, counts = collapse(losses, np.arange(n_groups).repeat(size))
    low, high = bootstrap_interval_of_means(sums, counts, n_resamples=400, seed=0)
    covered = ((low <= 0.5) & (high >= 0.5)).mean()
    assert 0.92 <= covered <= 0.965  # percentile intervals run a little short


def test_one_group_gives_no_interval():
    low, high = bootstrap_interval_of_means(np.ones((1, 1)), np.ones((1, 1)))
    assert np.isnan([low[0], high[0]]).all()
