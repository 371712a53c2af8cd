"""The contrast of perturbed and control trials under the assignment that was made."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from marr.implementation._contrast_kernel import assignments, contrast, p_floor

N_SIMULATIONS = 2000
N_REDRAWS = 199


def blocks(n_blocks, size):
    return np.arange(n_blocks).repeat(size), np.zeros(n_blocks * size, dtype=int)


def redraw(treated, units, strata, *, shift=False, n=N_REDRAWS, seed=0):
    return assignments(treated, units, strata, shift=shift, n_permutations=n, seed=seed)


def test_whole_blocks_exchange_labels_within_their_stratum():
    units = np.repeat([0, 1, 2, 3], [2, 3, 2, 3])
    strata = np.repeat([0, 1], 5)
    treated = np.isin(units, [0, 3])
    drawn = redraw(treated, units, strata, n=200)
    for block in range(4):
        rows = drawn[:, units == block]
        assert (rows == rows[:, :1]).all()
    by_block = np.stack([drawn[:, units == b][:, 0] for b in range(4)], axis=1)
    assert (by_block[:, :2].sum(axis=1) == 1).all()
    assert (by_block[:, 2:].sum(axis=1) == 1).all()
    assert len(np.unique(by_block, axis=0)) == 4


def test_shift_keeps_the_order_of_labels():
    treated = np.array([1, 1, 0, 0, 0, 1, 0, 0], dtype=bool)
    drawn = redraw(treated, np.arange(8), np.zeros(8, dtype=int), shift=True)
    rolled = {tuple(np.roll(treated, k)) for k in range(8)}
    assert {tuple(row) for row in drawn} <= rolled


def test_sign_and_size_of_the_loss(rng):
    treated = np.arange(400) % 2 == 0
    values = np.where(treated, 0.5, 0.9) + rng.normal(scale=0.1, size=400)
    drawn = redraw(treated, np.arange(400), np.zeros(400, dtype=int))
    estimate, low, high, p = contrast(values, treated, drawn)
    assert estimate == pytest.approx(0.4, abs=0.03)
    assert low < 0.4 < high
    assert p == 1 / (1 + N_REDRAWS)


def test_interval_is_the_set_of_losses_that_the_test_keeps(rng):
    treated = rng.random(30) < 0.4
    values = rng.normal(size=30) - treated
    drawn = redraw(treated, np.arange(30), np.zeros(30, dtype=int), n=399)
    estimate, low, high, _ = contrast(values, treated, drawn)

    def p_value(loss):
        return contrast(values + loss * treated, treated, drawn)[3]

    grid = np.linspace(estimate - 3, estimate + 3, 400)
    kept = np.array([p_value(loss) > 0.05 for loss in grid])
    inside = (low <= grid) & (grid <= high)
    assert (kept != inside).sum() <= 2  # up to the two grid points at the ends


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_blocked_assignment_rejects_at_the_nominal_rate(rng, drift):
    units, strata = blocks(16, 10)
    false = 0
    for seed in range(N_SIMULATIONS):
        labels = rng.permutation(np.arange(16) % 2 == 0)
        values = drift * rng.normal(size=16)[units] + rng.normal(size=160)
        drawn = redraw(labels[units], units, strata, seed=seed)
        false += contrast(values, labels[units], drawn)[3] <= 0.05
    low, high = binom.ppf([0.001, 0.999], N_SIMULATIONS, 0.05)
    assert low <= false <= high


def test_permuting_single_trials_of_drifting_blocks_does_not_hold_the_rate(rng):
    units, strata = blocks(16, 10)
    false = 0
    for seed in range(300):
        labels = rng.permutation(np.arange(16) % 2 == 0)
        values = rng.normal(size=16)[units] + rng.normal(size=160)
        drawn = redraw(labels[units], np.arange(160), strata, seed=seed)
        false += contrast(values, labels[units], drawn)[3] <= 0.05
    assert false / 300 > 0.3


def test_interval_covers_under_blocked_assignment(rng):
    units, strata = blocks(14, 6)
    covered = 0
    for seed in range(N_SIMULATIONS):
        labels = rng.permutation(np.arange(14) % 2 == 0)[units]
        values = rng.normal(size=14)[units] + rng.normal(size=84) - 0.7 * labels
        drawn = redraw(labels, units, strata, seed=seed)
        _, low, high, _ = contrast(values, labels, drawn)
        covered += low <= 0.7 <= high
    lowest, highest = binom.ppf([0.001, 0.999], N_SIMULATIONS, 0.95)
    assert lowest <= covered <= highest + 0.01 * N_SIMULATIONS


def test_too_few_blocks_give_no_bound():
    units, strata = blocks(4, 5)
    treated = units < 2
    drawn = redraw(treated, units, strata)
    _, low, high, p = contrast(np.arange(20.0), treated, drawn)
    assert (low, high) == (-np.inf, np.inf)
    floor = p_floor(treated, units, strata, shift=False, n_permutations=N_REDRAWS)
    assert floor == pytest.approx(1 / 6)
    assert p >= floor
