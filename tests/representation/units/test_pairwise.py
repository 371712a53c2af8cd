"""pairwise_correlations: numpy's numbers, a shift null at its level, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import marr
from marr.representation import pairwise_correlations
from marr.representation._units._pairwise_kernel import (
    pair_correlations,
    resampled_correlations,
    shifted_correlations,
)
from marr.stats import permutation_p


def autoregressive(rng, n, p, rho=0.9):
    x = rng.normal(size=(n, p))
    for i in range(1, n):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * x[i]
    return x


def system_of(rng, n_trials=30, n_times=10):
    x = rng.normal(size=(n_trials, n_times, 5))
    x[..., 1] += x[..., 0]
    return marr.from_arrays({"adn": x, "one": x[..., :1]}, units={"adn": list("abcde")})


def test_correlations_are_numpys(rng):
    system = system_of(rng)
    found = pairwise_correlations(system, site="adn", n_null=50)
    x = system.activity("adn").values.reshape(-1, 5)
    expected = np.corrcoef(x.T)[np.triu_indices(5, k=1)]
    np.testing.assert_allclose(found.estimate["estimate"], expected, atol=1e-12)
    assert found.estimate["pair"].values[0] == "adn:a|adn:b"
    assert found.estimate["unit_b"].values[0] == "adn:b"
    assert found.tables["null"]["estimate"].dims == ("draw", "pair")
    assert found.tables["null"].sizes == {"draw": 50, "pair": 10}


def test_a_planted_pair_is_found_and_no_other(rng):
    found = pairwise_correlations(system_of(rng), site="adn")
    p = found.estimate["p_corrected"].values
    assert p[0] < 0.05
    assert (p[1:] > 0.05).all()
    assert "1 of 10 pairs" in found.summary


def test_a_shift_of_all_units_alike_changes_nothing(rng):
    x = rng.normal(size=(50, 4))
    same = shifted_correlations(x, np.full((1, 4), 7))
    np.testing.assert_allclose(same[0], pair_correlations(x))


def test_resampling_trials_equals_repeating_them(rng):
    x, trial = rng.normal(size=(60, 3)), np.repeat(np.arange(12), 5)
    counts = rng.multinomial(12, np.full(12, 1 / 12), size=3).astype(float)
    found = resampled_correlations(x, trial, counts)
    for row, count in zip(found, counts, strict=True):
        rows = np.concatenate(
            [
                np.flatnonzero(trial == t)
                for t in np.repeat(np.arange(12), count.astype(int))
            ]
        )
        np.testing.assert_allclose(row, np.corrcoef(x[rows].T)[np.triu_indices(3, k=1)])


def test_independent_autocorrelated_units_are_rejected_at_the_level(rng):
    """2,000 pairs that share nothing; a free shuffle would reject a third of them."""
    p_shift, p_free = [], []
    for _ in range(20):
        x = autoregressive(rng, 300, 15)
        observed = pair_correlations(x)
        shifts = rng.integers(15, 286, size=(99, 15))
        null = shifted_correlations(x, shifts)
        p_shift.append(permutation_p(observed, null, tail="two"))
        free = np.stack([pair_correlations(rng.permuted(x, axis=0)) for _ in range(99)])
        p_free.append(permutation_p(observed, free, tail="two"))
    rate = np.mean(np.concatenate(p_shift) <= 0.05)
    assert 0.02 < rate < 0.08  # 2,100 dependent pairs
    assert np.mean(np.concatenate(p_free) <= 0.05) > 0.25


def test_static_activity_correlates_over_trials(rng):
    x = rng.normal(size=(60, 4))
    found = pairwise_correlations(marr.from_arrays({"V1": x}), site="V1", n_null=20)
    np.testing.assert_allclose(found.estimate["estimate"], pair_correlations(x))


def test_invalid_bins_and_constant_units_are_left_out(rng):
    x = rng.normal(size=(20, 6, 4))
    valid = rng.random((20, 6)) > 0.2
    x[~valid] = np.nan
    x[..., 3] = 1.0
    system = marr.from_arrays({"V1": x}, valid=valid)
    found = pairwise_correlations(system, site="V1", n_null=20)
    assert found.estimate.sizes["pair"] == 3
    np.testing.assert_allclose(
        found.estimate["estimate"], pair_correlations(x[valid][:, :3])
    )
    assert any(n.code == "constant_units" for n in found.notes)


def test_same_seed_and_round_trip(rng):
    system = system_of(rng)
    a, b = (pairwise_correlations(system, site="adn", n_null=20) for _ in range(2))
    assert a.id == b.id == marr.Finding.from_dict(a.to_dict()).id
    assert len(a.figure().data) > 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"site": "adm"}, "adn"),
        ({"site": "one"}, "two"),
        ({"site": "adn", "n_null": 0}, "n_null"),
    ],
)
def test_bad_input_is_named(rng, given, words):
    with pytest.raises(marr.MarrError, match=words):
        pairwise_correlations(system_of(rng), **given)


def test_too_few_rows_are_refused(rng):
    with pytest.raises(marr.MarrError, match="too few"):
        pairwise_correlations(
            marr.from_arrays({"V1": rng.normal(size=(8, 3))}), site="V1"
        )


def shared_slow_signal(rng, n_trials, n_times, rho):
    """Two units whose true correlation is .5, continuous over trials."""
    x = autoregressive(rng, n_trials * n_times, 3, rho)
    both = np.sqrt(0.5) * (x[:, :2] + x[:, 2:])
    return both.reshape(n_trials, n_times, 2)


def test_a_continuous_session_is_resampled_in_runs_of_trials(rng):
    """At rho .99 and 20 bins a trial, trials gave 57 % coverage, runs 83 %."""
    slow = marr.from_arrays({"adn": shared_slow_signal(rng, 60, 20, 0.97)})
    found = pairwise_correlations(slow, site="adn", n_null=20)
    assert found.generalizes_over == "20 runs of neighboring trials"
    assert "20 runs" in found.methods
    independent = pairwise_correlations(system_of(rng, 60), site="adn", n_null=20)
    assert independent.generalizes_over == "trials"
    short = marr.from_arrays({"adn": shared_slow_signal(rng, 36, 20, 0.995)})
    noted = pairwise_correlations(short, site="adn", n_null=20)
    assert any(n.code == "serial_trials" for n in noted.notes)


def test_groups_are_resampled_whole(rng):
    x = rng.normal(size=(40, 5, 3))
    table = pd.DataFrame({"block": np.repeat(np.arange(8), 5)})
    found = pairwise_correlations(
        marr.from_arrays({"adn": x}, table), site="adn", n_null=20
    )
    assert found.generalizes_over == "groups of trials (block)"
