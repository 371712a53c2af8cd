"""False-positive rates of every null, on at least 2,000 simulations each.

Where a procedure is known to be too liberal, a test shows that it is, so that the
tests of the right procedure could fail.
"""

from __future__ import annotations

import numpy as np
import pytest

from marr.stats import (
    block_sequence,
    cluster_correction,
    correlation,
    fdr,
    folds,
    freedman_lane,
    holm,
    max_statistic,
    partial_correlation,
    permutation_p,
    permutations,
    pseudo_sessions,
    ridge_fold_predictions,
    session_swap,
)

ALPHA = 0.05


def rejections(x, y, shuffled, tail="two"):
    """Share of pairs (columns of x and y) whose correlation is significant."""
    x, y = ((v - v.mean(0)) / np.linalg.norm(v - v.mean(0), axis=0) for v in (x, y))
    pairs = zip(np.ascontiguousarray(x.T), np.ascontiguousarray(y.T), strict=True)
    null = np.stack([b[shuffled] @ a for a, b in pairs], axis=1)
    p = permutation_p((x * y).sum(0), null, tail=tail)
    return float((p <= ALPHA).mean())


def correlation_table(rows, columns):
    """Correlation of every row with every column."""
    rows = rows - rows.mean(1, keepdims=True)
    columns = columns - columns.mean(0)
    norm = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(columns, axis=0)
    return rows @ columns / norm


@pytest.mark.parametrize("tail", ["two", "greater", "less"])
def test_permutation_p_is_uniform(close_to, rng, tail):
    n = 4000
    x, y = rng.exponential(size=(20, n)), rng.normal(size=(20, n))
    shuffled = permutations(20, n_permutations=399, seed=0)
    null = np.stack([correlation(x, y[row]) for row in shuffled])
    p = permutation_p(correlation(x, y), null, tail=tail)
    for level in (0.01, 0.05, 0.1, 0.25, 0.5, 0.75):
        assert close_to((p <= level + 1e-9).mean(), level, n, 4)


@pytest.mark.parametrize("n", [500, 1000])
def test_shifts_hold_for_autocorrelated_pairs(at_most, autoregressive, rng, n):
    """Two independent AR(.95) series; leaving out near lags is not safe."""
    x, y = autoregressive(0.95, n, 2000, rng), autoregressive(0.95, n, 2000, rng)
    free = permutations(n, n_permutations=99, seed=0)
    assert rejections(x, y, free) > 0.5
    shifted = permutations(n, n_permutations=299, seed=0, scheme="shift")
    assert at_most(rejections(x, y, shifted), ALPHA, 2000)
    if n == 500:
        far = permutations(n, n_permutations=299, seed=0, scheme="shift", min_lag=50)
        assert rejections(x, y, far) > 0.09


def test_shifts_see_what_is_coupled(autoregressive, rng):
    x = autoregressive(0.95, 500, 200, rng)
    y = x + 2 * autoregressive(0.95, 500, 200, rng)
    shifted = permutations(500, n_permutations=299, seed=0, scheme="shift")
    assert rejections(x, y, shifted) > 0.35


def test_shifts_within_sessions_hold(at_most, autoregressive, rng):
    session = np.repeat(np.arange(4), 150)
    series = [autoregressive(0.9, 150, 8000, rng) for _ in range(2)]
    x, y = (s.reshape(150, 4, 2000).swapaxes(0, 1).reshape(600, -1) for s in series)
    offset = rng.normal(size=(2, 4, 2000))  # sessions also differ in mean
    x, y = x + 3 * offset[0][session], y + 3 * offset[1][session]
    shifted = permutations(
        600, n_permutations=199, seed=0, scheme="shift", within=session
    )
    inside = [
        v - np.stack([v[session == s].mean(0) for s in range(4)])[session]
        for v in (x, y)
    ]
    assert at_most(rejections(*inside, shifted), ALPHA, 2000)


def test_session_swap_holds_for_slow_drift(at_most, rng):
    """Random walks, the worst case for any shift: whole sessions are exchanged."""
    session = np.repeat(np.arange(8), 40)
    walks = rng.normal(size=(2, 8, 40, 2000)).cumsum(axis=2).reshape(2, 320, -1)
    swapped = session_swap(session, n_permutations=199, seed=0)
    assert at_most(rejections(*walks, swapped), ALPHA, 2000)
    free = permutations(320, n_permutations=99, seed=0)
    assert rejections(*walks, free) > 0.5


def test_pseudo_sessions_hold_where_drift_meets_a_random_design(close_to, rng):
    """Drifting activity against a block design that was drawn at random."""

    design = block_sequence(120, values=(0, 1), shortest=8, longest=30, mean_length=15)
    drift = rng.normal(size=(120, 2000)).cumsum(axis=0)
    real = pseudo_sessions(design, n_sessions=2000, seed=1).T
    null = pseudo_sessions(design, n_sessions=199, seed=2)
    p = permutation_p(correlation(drift, real), correlation_table(null, drift))
    assert close_to((p <= ALPHA).mean(), ALPHA, 2000)
    free = permutations(120, n_permutations=99, seed=0)
    assert rejections(drift, real, free) > 0.3


@pytest.mark.parametrize("tail", ["two", "greater"])
def test_maximum_bounds_any_false_positive(close_to, rng, tail):
    """20 dependent cells of unlike scale, 24 trials in two classes."""
    label = np.repeat([-1.0, 1.0], 12)
    signs = label[permutations(24, n_permutations=199, seed=0)]
    mix = rng.normal(size=(20, 20)) / 4 + np.diag(np.linspace(0.5, 5, 20))
    any_hit, any_plain = 0, 0
    for _ in range(2000):
        cells = rng.normal(size=(24, 20)) @ mix
        observed, null = label @ cells, signs @ cells
        any_hit += (max_statistic(observed, null, tail=tail) <= ALPHA).any()
        any_plain += (permutation_p(observed, null, tail=tail) <= ALPHA).any()
    assert close_to(any_hit / 2000, ALPHA, 2000)
    assert any_plain / 2000 > 0.4


@pytest.mark.parametrize(
    ("threshold", "tail"), [(None, "greater"), (None, "two"), (6.0, "greater")]
)
def test_clusters_bound_any_false_cluster(close_to, rng, threshold, tail):
    """Smooth time courses at two sites, 20 trials in two classes."""
    label = np.repeat([-1.0, 1.0], 10)
    signs = label[permutations(20, n_permutations=199, seed=0)]
    hits = 0
    for _ in range(2000):
        noise = rng.normal(size=(20, 2, 44)).cumsum(axis=2)
        smooth = noise[..., 4:] - noise[..., :-4]
        observed = np.tensordot(label, smooth, 1)
        null = np.tensordot(signs, smooth, 1)
        p = cluster_correction(observed, null, threshold=threshold, tail=tail, axes=[1])
        hits += (p <= ALPHA).any()
    assert close_to(hits / 2000, ALPHA, 2000)


def test_fdr_and_holm_hold_their_rates(at_most, rng):
    n, m, n_false = 3000, 40, 10
    z = rng.normal(size=(n, m))
    z[:, :n_false] += 3
    p = _upper(z)
    share, some, plain, found = 0.0, 0, 0.0, 0.0
    for row in p:
        called = fdr(row) <= ALPHA
        wrong = called[n_false:].sum()
        share += wrong / max(1, called.sum())
        found += called[:n_false].mean()
        some += (holm(row)[n_false:] <= ALPHA).any()
        naive = row <= ALPHA
        plain += naive[n_false:].sum() / max(1, naive.sum())
    assert share / n == pytest.approx(ALPHA * (m - n_false) / m, abs=0.006)
    assert at_most(some / n, ALPHA, n)
    assert plain / n > 0.1
    assert found / n > 0.6


def test_fdr_under_dependence(at_most, rng):
    """Equicorrelated tests (BH), and tests correlated negatively in blocks (BY)."""
    n, m = 2000, 20
    common = rng.normal(size=(n, 1))
    positive = np.sqrt(0.5) * common + np.sqrt(0.5) * rng.normal(size=(n, m))
    signs = np.where(np.arange(m) % 2, 1, -1)
    both = np.sqrt(0.5) * signs * common + np.sqrt(0.5) * rng.normal(size=(n, m))
    called = np.mean([(fdr(row) <= ALPHA).any() for row in _upper(positive)])
    assert at_most(called, ALPHA, n)
    called = np.mean([(fdr(r, method="by") <= ALPHA).any() for r in _upper(both)])
    assert at_most(called, ALPHA, n)


def _upper(z):
    from scipy.special import ndtr

    return ndtr(-z)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_freedman_lane_has_its_size_where_plain_permutation_does_not(
    close_to, rng, method
):
    """x and y share a cause z and nothing else; errors are skewed."""
    hits = plain = 0
    for _ in range(2000):
        z = rng.normal(size=(25, 2))
        x = z @ [2, 0] + rng.exponential(size=25)
        y = z @ [2, 1] + rng.exponential(size=25)
        test = freedman_lane(x, y, z, n_permutations=199, seed=1, method=method)
        hits += test.p_value <= ALPHA
        null = correlation(x, y[permutations(25, n_permutations=99, seed=2)].T)
        plain += permutation_p(correlation(x, y), null) <= ALPHA
    # ranks are not exactly linear in z
    assert close_to(hits / 2000, ALPHA, 2000, 4.5 if method == "spearman" else 3.5)
    assert plain / 2000 > 0.9


def test_partial_correlation_within_groups_keeps_its_size(close_to, rng):
    group = np.repeat(np.arange(5), 6)
    dummies = (group[:, None] == np.arange(5))[:, 1:].astype(float)
    hits = 0
    for _ in range(2000):
        x = 2 * rng.normal(size=5)[group] + rng.normal(size=30)
        y = 2 * rng.normal(size=5)[group] + rng.normal(size=30)
        test = freedman_lane(x, y, dummies, n_permutations=199, seed=1, within=group)
        hits += test.p_value <= ALPHA
    assert close_to(hits / 2000, ALPHA, 2000)
    assert test.statistic == pytest.approx(partial_correlation(x, y, dummies))


def blocked_noise(rng, n_blocks, n_simulations, n_trials=12, n_units=8):
    """No signal; each block of one label has a random offset."""
    block = np.repeat(np.arange(n_blocks), n_trials)
    label = np.where(block % 2, 1.0, -1.0)
    offset = rng.normal(size=(n_simulations, n_blocks, 1, n_units))
    noise = rng.normal(size=(n_simulations, n_blocks, n_trials, n_units))
    return (offset + noise).reshape(n_simulations, len(block), n_units), label, block


def accuracy(x, label, fold):
    predicted = ridge_fold_predictions(x, label, fold, 1.0)
    return ((predicted > 0) == (label > 0)).mean(-1)


def test_labels_constant_within_blocks_are_not_decodable_from_drift(rng):
    """Shuffled folds decode noise, one block left out falls below chance."""
    x, label, block = blocked_noise(rng, 8, 2000)
    shuffled = accuracy(x, label, folds(96, labels=label))
    one_out = accuracy(x, label, block)
    ours = accuracy(x, label, folds(96, labels=label, groups=block))
    assert shuffled.mean() > 0.75
    assert one_out.mean() < 0.45
    assert abs(ours.mean() - 0.5) < 4 * ours.std() / np.sqrt(2000)


def test_blocks_permuted_within_folds_have_their_size(at_most, rng):
    x, label, block = blocked_noise(rng, 12, 2000)
    fold = folds(144, labels=label, groups=block)
    rate = {}
    for name, given in {
        "block": {"scheme": "block", "blocks": block, "within": fold},
        "free": {"scheme": "free"},
    }.items():
        shuffled = permutations(144, n_permutations=99, seed=0, **given)
        targets = np.column_stack([label, label[shuffled].T])
        predicted = ridge_fold_predictions(x, targets, fold, 1.0)
        score = ((predicted > 0) == (targets > 0)).mean(1).T
        p = permutation_p(score[0], score[1:], tail="greater")
        rate[name] = (p <= ALPHA).mean()
    assert at_most(rate["block"], ALPHA, 2000)
    assert rate["free"] > 0.2


def test_decoding_null_of_independent_trials(at_most, rng):
    """Labels permuted within folds stay balanced over them."""
    label = np.repeat([-1.0, 1.0], 20)
    fold = folds(40, labels=label)
    x = rng.normal(size=(2000, 40, 10))
    shuffled = permutations(40, n_permutations=99, seed=0, within=fold)
    targets = np.column_stack([label, label[shuffled].T])
    predicted = ridge_fold_predictions(x, targets, fold, 1.0)
    score = ((predicted > 0) == (targets > 0)).mean(1).T
    assert score[1:].mean() == pytest.approx(0.5, abs=0.003)
    p = permutation_p(score[0], score[1:], tail="greater")
    assert at_most((p <= ALPHA).mean(), ALPHA, 2000)
