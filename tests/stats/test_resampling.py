from __future__ import annotations

import numpy as np
import pytest

from marr.errors import StatisticsError
from marr.stats import (
    bootstrap_indices,
    bootstrap_weights,
    hierarchical_bootstrap,
    hierarchical_weights,
    jackknife,
    subsample_indices,
)

GROUP = np.array([0, 0, 1, 1, 1, 2])


def test_weights_are_counts_of_draws():
    weights = bootstrap_weights(10, n_resamples=4000, seed=0)
    assert np.all(weights.sum(1) == 10)
    assert weights.var() == pytest.approx(0.9, rel=0.03)  # multinomial, 1 - 1/n
    assert np.array_equal(weights, bootstrap_weights(10, n_resamples=4000, seed=0))


def test_groups_are_drawn_whole():
    weights = bootstrap_weights(6, n_resamples=50, seed=0, groups=GROUP)
    assert np.all(weights[:, 0] == weights[:, 1])
    assert np.all(weights[:, [0, 2, 5]].sum(1) == 3)
    drawn = bootstrap_indices(6, n_resamples=50, seed=0, groups=GROUP)
    for row in drawn:
        count = np.bincount(row, minlength=6)
        assert count[2] == count[3] == count[4]


def test_strata_keep_their_size():
    weights = bootstrap_weights(6, n_resamples=50, seed=0, within=GROUP)
    assert np.all(weights[:, 2:5].sum(1) == 3)
    assert np.all(weights[:, 5] == 1)


def test_indices_are_uniform():
    drawn = bootstrap_indices(5, n_resamples=4000, seed=0)
    assert drawn.shape == (4000, 5)
    assert np.bincount(drawn.ravel()) / 20_000 == pytest.approx(0.2, abs=0.012)


def test_hierarchical_weights_make_members_equal():
    weights = hierarchical_weights(GROUP, n_resamples=3000, seed=0)
    assert weights.sum(1) == pytest.approx(1)
    per_member = np.stack([weights[:, g == GROUP].sum(1) for g in range(3)], axis=1)
    assert np.all(np.isclose(per_member * 3, np.round(per_member * 3)))
    assert per_member.mean(0) == pytest.approx(1 / 3, abs=0.02)
    kept = hierarchical_weights(GROUP, n_resamples=20, seed=0, resample_trials=False)
    assert np.all(kept[:, 2] == kept[:, 3])


def test_hierarchical_bootstrap_equals_drawing_step_by_step(rng):
    animal = np.repeat([0, 1, 2], [6, 4, 8])
    session = np.repeat(np.arange(6), [3, 3, 2, 2, 4, 4])
    values = rng.normal(size=18) + animal
    draws = hierarchical_bootstrap(values, [animal, session], n_resamples=4000, seed=0)
    slow = []
    for _ in range(4000):
        means = []
        for a in rng.integers(0, 3, 3):
            inside = np.unique(session[animal == a])
            one = [
                rng.choice(values[session == s], np.sum(session == s)).mean()
                for s in rng.choice(inside, len(inside))
            ]
            means.append(np.mean(one))
        slow.append(np.mean(means))
    assert draws.mean() == pytest.approx(np.mean(slow), abs=0.05)
    assert draws.std() == pytest.approx(np.std(slow), rel=0.06)


def test_jackknife_of_the_mean_is_its_standard_error(rng):
    values = rng.normal(size=(30, 2))
    fast, slow = jackknife(values), jackknife(values, lambda d: d.mean(0))
    assert fast.standard_error == pytest.approx(values.std(0, ddof=1) / np.sqrt(30))
    for a, b in zip(fast, slow, strict=True):
        assert a == pytest.approx(b, abs=1e-12)


def test_jackknife_removes_the_bias_of_the_plug_in_variance(rng):
    values = rng.normal(size=25)
    left = jackknife(values, lambda d: d.var())
    assert left.estimate - left.bias == pytest.approx(values.var(ddof=1))


def test_jackknife_leaves_out_groups(rng):
    values = rng.normal(size=6)
    left = jackknife(values, groups=GROUP)
    assert left.replicates[1] == pytest.approx(values[[0, 1, 5]].mean())


def test_subsamples_are_drawn_without_replacement(rng):
    drawn = subsample_indices(
        12, n_resamples=30, seed=0, groups=np.repeat([0, 1, 2, 3], 3)
    )
    assert all(len(np.unique(row)) == 6 for row in drawn)
    half = np.stack(subsample_indices(40, n_resamples=4000, seed=0))
    values = rng.normal(size=40)
    spread = values[half].mean(1).std()
    assert spread == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=0.05)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bootstrap_weights(4, n_resamples=2, seed=0, groups=[1] * 4), "groups"),
        (
            lambda: bootstrap_weights(
                4, n_resamples=2, seed=0, groups=[0, 0, 1, 1], within=[0, 1, 1, 1]
            ),
            "span strata",
        ),
        (lambda: hierarchical_weights([0, 0], n_resamples=2, seed=0), "levels"),
        (lambda: jackknife([1.0]), "at least 2"),
        (lambda: subsample_indices(4, n_resamples=1, seed=0, fraction=1), "not all"),
    ],
)
def test_too_little_to_resample_is_refused(call, said):
    with pytest.raises(StatisticsError, match=said):
        call()
