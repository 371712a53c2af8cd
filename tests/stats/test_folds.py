from __future__ import annotations

import numpy as np
import pytest

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats import blocked_folds, fold_caveats, folds, halves


def table(fold, label):
    return np.array(
        [
            [np.sum((fold == f) & (label == c)) for c in np.unique(label)]
            for f in np.unique(fold)
        ]
    )


def test_trials_are_dealt_evenly_and_shuffled():
    fold = folds(23, n_folds=5)
    assert np.ptp(np.bincount(fold)) == 1
    assert not np.array_equal(fold, np.sort(fold))
    assert np.array_equal(fold, folds(23, n_folds=5))
    assert not np.array_equal(fold, folds(23, n_folds=5, seed=1))


def test_classes_are_balanced_over_folds(rng):
    label = rng.choice(["a", "b", "c"], 97, p=[0.7, 0.2, 0.1])
    counts = table(folds(97, labels=label), label)
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(1)) <= 1


def test_contiguous_folds_are_runs():
    fold = folds(20, n_folds=4, contiguous=True)
    assert fold.tolist() == sorted(fold.tolist())
    group = np.repeat([7, 3, 5, 1, 9, 2], [3, 3, 4, 3, 4, 3])
    by_group = folds(20, n_folds=3, groups=group, contiguous=True)
    assert by_group.tolist() == sorted(by_group.tolist())
    assert len(np.unique(np.stack([group, by_group]), axis=1).T) == 6


@pytest.mark.parametrize("with_labels", [False, True])
def test_groups_stay_whole_and_folds_are_of_similar_size(rng, with_labels):
    group = np.sort(rng.integers(0, 30, 400))
    label = rng.integers(0, 2, 400) if with_labels else None
    fold = folds(400, groups=group, labels=label)
    assert len(np.unique(np.stack([group, fold]), axis=1).T) == len(np.unique(group))
    assert np.bincount(fold).min() > 50
    if label is not None:
        share = table(fold, label) / np.bincount(fold)[:, None]
        assert np.ptp(share[:, 0]) < 0.15


def test_blocked_labels_leave_out_blocks_of_each_class():
    group = np.repeat(np.arange(8), [5, 9, 4, 7, 6, 5, 8, 6])
    label = np.repeat(list("LRLRLRLR"), [5, 9, 4, 7, 6, 5, 8, 6])
    fold = folds(50, n_folds=5, groups=group, labels=label)
    assert fold.max() + 1 == 4  # four blocks of each class
    assert table(fold, label).min() > 0
    assert len(np.unique(np.stack([group, fold]), axis=1).T) == 8
    assert "4 folds instead of 5" in fold_caveats(fold, n_folds=5)[0]
    two = blocked_folds(label, group, n_folds=2, contiguous=True)
    assert two.tolist() == sorted(two.tolist())
    assert table(two, label).min() > 0


def test_blocks_left_over_are_paired_too():
    """Six blocks of each class over five folds: one fold gets two of each."""
    group, label = np.repeat(np.arange(12), 5), np.repeat(np.arange(12) % 2, 5)
    for seed in range(20):
        counts = table(folds(60, groups=group, labels=label, seed=seed), label)
        assert np.all(counts[:, 0] == counts[:, 1])
        assert sorted(counts[:, 0].tolist()) == [5, 5, 5, 5, 10]


def test_one_trial_a_group_is_the_same_as_no_groups(rng):
    label = rng.integers(0, 2, 40)
    fold = folds(40, groups=np.arange(40), labels=label)
    assert fold.max() + 1 == 5
    assert np.ptp(table(fold, label), axis=0).max() <= 1


def test_halves_are_balanced_even_for_designs_that_alternate():
    half = halves(64)
    assert half.sum() == 32
    for period in (2, 4, 8):
        phase = np.arange(64) % period
        assert all(half[phase == p].mean() == 0.5 for p in range(period))
    sizes = [30, 5, 22, 9, 14, 31, 3, 18]
    group = np.repeat(np.arange(8), sizes)
    by_group = halves(len(group), groups=group)
    assert len(np.unique(np.stack([group, by_group]), axis=1).T) == 8
    assert abs(by_group.mean() - 0.5) < 0.15
    assert np.array_equal(by_group, halves(len(group), groups=group))


def test_caveats_name_split_groups_and_lopsided_classes():
    group, label = np.repeat([0, 1, 2, 3], 5), np.repeat([0, 1, 0, 1], 5)
    assert fold_caveats(group, groups=group, labels=label)[0].startswith("Some folds")
    assert "below chance" in fold_caveats(group, labels=label)[-1]
    split = np.arange(20) % 2
    assert "split over folds" in fold_caveats(split, groups=group)[0]
    assert fold_caveats(split, labels=label, groups=np.arange(20)) == ()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: folds(3), StatisticsError, "only 3 trials"),
        (lambda: folds(9, n_folds=1), OptionError, "n_folds"),
        (
            lambda: folds(9, n_folds=4, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2]),
            StatisticsError,
            "only 3 groups",
        ),
        (lambda: folds(9, labels=["a"] * 9), StatisticsError, "'a' only"),
        (lambda: folds(9, labels=["a"] * 8 + ["b"]), StatisticsError, "single trial"),
        (lambda: folds(9, labels=[0.0] * 8 + [np.nan]), ContractError, "missing"),
        (lambda: folds(9, labels=[0, 1]), ContractError, r"shape \(9,\)"),
        (
            lambda: folds(6, groups=[0, 0, 1, 1, 2, 2], labels=[0, 0, 1, 1, 0, 0]),
            StatisticsError,
            "one group",
        ),
        (
            lambda: folds(8, n_folds=2, labels=[0] * 4 + [1] * 4, contiguous=True),
            StatisticsError,
            "lacks that class",
        ),
        (
            lambda: blocked_folds([0, 1, 0, 1], [0, 0, 1, 1]),
            StatisticsError,
            "constant",
        ),
        (lambda: halves(1), StatisticsError, "two halves"),
        (
            lambda: halves(4, groups=[1, 1, 1, 1]),
            StatisticsError,
            "two trials or groups",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()
