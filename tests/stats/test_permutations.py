from __future__ import annotations

import numpy as np
import pytest

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats import (
    PERMUTATION_SCHEMES,
    block_sequence,
    permutation_p,
    permutations,
    pseudo_sessions,
    session_swap,
    shift_permutations,
)

GROUP = np.repeat([0, 1, 2, 3], [4, 4, 4, 4])


@pytest.mark.parametrize("scheme", PERMUTATION_SCHEMES)
def test_every_scheme_permutes_and_repeats_by_seed(scheme):
    given = {"within": GROUP} if scheme == "within" else {}
    given |= {"blocks": GROUP} if scheme == "block" else {}
    drawn = permutations(16, n_permutations=50, seed=3, scheme=scheme, **given)
    assert drawn.shape == (50, 16)
    assert np.array_equal(np.sort(drawn, axis=1), np.tile(np.arange(16), (50, 1)))
    again = permutations(16, n_permutations=50, seed=3, scheme=scheme, **given)
    assert np.array_equal(drawn, again)
    other = permutations(16, n_permutations=50, seed=4, scheme=scheme, **given)
    assert not np.array_equal(drawn, other)


def test_every_order_is_equally_likely(close_to):
    drawn = permutations(3, n_permutations=12_000, seed=0)
    counts = np.unique(drawn @ [9, 3, 1], return_counts=True)[1]
    assert len(counts) == 6
    assert all(close_to(c / 12_000, 1 / 6, 12_000) for c in counts)
    inside = permutations(4, n_permutations=12_000, seed=0, within=[0, 1, 0, 1])
    kinds, counts = np.unique(inside, axis=0, return_counts=True)
    assert {tuple(k) for k in kinds.tolist()} == {
        (0, 1, 2, 3),
        (2, 1, 0, 3),
        (0, 3, 2, 1),
        (2, 3, 0, 1),
    }
    assert all(close_to(c / 12_000, 1 / 4, 12_000) for c in counts)


def test_within_keeps_every_group():
    drawn = permutations(16, n_permutations=20, seed=0, within=GROUP, scheme="within")
    assert np.all(GROUP[drawn] == GROUP)


def test_blocks_move_whole_and_in_order():
    drawn = permutations(16, n_permutations=20, seed=0, blocks=GROUP, scheme="block")
    runs = drawn.reshape(20, 4, 4)
    assert np.all(np.diff(runs, axis=2) == 1)
    inside = permutations(
        16, n_permutations=20, seed=0, blocks=GROUP, within=GROUP // 2, scheme="block"
    )
    assert np.all((GROUP // 2)[inside] == GROUP // 2)
    assert np.any(GROUP[inside] != GROUP)


def test_uneven_blocks_keep_labels_constant_within_blocks():
    block = np.repeat([0, 1, 2], [2, 5, 3])
    label = np.array(["a", "b", "c"])[block]
    for row in permutations(
        10, n_permutations=20, seed=0, blocks=block, scheme="block"
    ):
        shuffled = label[row]
        assert sorted(shuffled[[0, 2, 7]]) == ["a", "b", "c"]
        assert all(len(set(shuffled[block == b])) == 1 for b in range(3))


def test_shifts_are_circular_all_different_and_within_series():
    drawn = shift_permutations(50, n_permutations=49, seed=0)
    assert sorted(drawn[:, 0].tolist()) == list(range(1, 50))
    assert np.all((drawn - drawn[:, :1]) % 50 == np.arange(50))
    far = shift_permutations(50, n_permutations=20, seed=0, min_lag=15)
    assert far[:, 0].min() >= 15
    assert far[:, 0].max() <= 35
    both = shift_permutations(16, n_permutations=30, seed=0, within=GROUP)
    assert np.all(GROUP[both] == GROUP)
    assert len(np.unique(both[:, ::4] % 4, axis=0)) > 4  # each by its own lag


def test_more_shifts_than_lags_do_not_lower_the_smallest_p():
    series = np.arange(20) == 3
    drawn = shift_permutations(20, n_permutations=2000, seed=0)
    p = permutation_p(1.0, series[drawn][:, 3].astype(float), tail="greater")
    assert p == pytest.approx(1 / 20, abs=0.02)


def test_session_swap_takes_whole_sessions():
    drawn = session_swap(GROUP, n_permutations=10, seed=0)
    assert np.all(np.diff(drawn.reshape(10, 4, 4), axis=2) == 1)


def test_permutation_p_counts_the_data_and_keeps_shape():
    null = np.arange(99.0)
    assert permutation_p(98.0, null, tail="greater") == 0.02
    assert permutation_p(200.0, null, tail="greater") == 0.01
    assert permutation_p(-1.0, null, tail="less") == 0.01
    assert permutation_p(200.0, null) == 0.02
    assert permutation_p(49.0, null) == 1
    p = permutation_p([[0.0, np.nan]], np.zeros((9, 1, 2)))
    assert p.shape == (1, 2)
    assert np.isnan(p[0, 1])
    missing = np.where(np.arange(99) < 9, np.nan, -1.0)
    assert permutation_p(0.0, missing, tail="greater") == 0.1


def test_ties_that_differ_by_rounding_are_ties():
    observed = 0.1 + 0.2
    assert permutation_p(observed, np.full(9, 0.3), tail="greater") == 1


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda: permutations(5, n_permutations=1, seed=0, scheme="blok"),
            OptionError,
            "Did you mean 'block'",
        ),
        (
            lambda: permutations(5, n_permutations=1, seed=0, scheme="block"),
            OptionError,
            "needs blocks",
        ),
        (
            lambda: permutations(5, n_permutations=1, seed=0, scheme="within"),
            OptionError,
            "needs within",
        ),
        (lambda: permutations(5, n_permutations=0, seed=0), OptionError, "at least 1"),
        (
            lambda: permutations(3, n_permutations=1, seed=0, within=[0, 1, 2]),
            StatisticsError,
            "nothing can be exchanged",
        ),
        (
            lambda: permutations(
                4,
                n_permutations=1,
                seed=0,
                blocks=[0, 0, 1, 1],
                within=[0, 1, 1, 1],
                scheme="block",
            ),
            StatisticsError,
            "span groups",
        ),
        (
            lambda: shift_permutations(10, n_permutations=1, seed=0, min_lag=6),
            StatisticsError,
            "at most 5",
        ),
        (
            lambda: session_swap([1, 1], n_permutations=1, seed=0),
            StatisticsError,
            "blocks",
        ),
        (
            lambda: permutation_p([1.0, 2.0], np.zeros((9, 3))),
            ContractError,
            "null must",
        ),
        (lambda: permutation_p(1.0, []), StatisticsError, "no permutation"),
        (lambda: permutation_p(1.0, [0.0], tail="both"), OptionError, "tail"),
    ],
)
def test_what_makes_no_null_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_pseudo_sessions_have_the_blocks_of_the_design():
    make = block_sequence(
        400,
        values=(0.2, 0.8),
        shortest=20,
        longest=100,
        mean_length=60,
        first=(0.5,),
        n_first=90,
    )
    drawn = pseudo_sessions(make, n_sessions=200, seed=1)
    assert drawn.shape == (200, 400)
    assert np.all(drawn[:, :90] == 0.5)
    assert drawn[:, 90].mean() == pytest.approx(0.5, abs=0.08)
    lengths = []
    for row in drawn:
        ends = np.flatnonzero(np.diff(row)) + 1
        lengths += np.diff(ends).tolist()
    assert min(lengths) >= 20
    assert max(lengths) <= 100
    assert np.array_equal(drawn[:5], pseudo_sessions(make, n_sessions=5, seed=1))


def test_block_lengths_follow_the_bounded_exponential():
    make = block_sequence(
        40_000, values=(0, 1), shortest=20, longest=100, mean_length=60
    )
    ends = np.flatnonzero(np.diff(make(np.random.default_rng(0))))
    rng = np.random.default_rng(1)
    kept = rng.exponential(60, 200_000)
    kept = np.floor(kept[(kept >= 20) & (kept < 101)])
    error = np.diff(ends).std() / np.sqrt(len(ends))
    assert np.diff(ends).mean() == pytest.approx(kept.mean(), abs=4 * error)


def test_bad_designs_are_refused():
    with pytest.raises(OptionError, match="two values"):
        block_sequence(10, values=[1], shortest=1, longest=2, mean_length=1)
    with pytest.raises(OptionError, match="mean_length"):
        block_sequence(10, values=[0, 1], shortest=1, longest=2, mean_length=0)
    with pytest.raises(ContractError, match="one shape"):
        pseudo_sessions(lambda r: np.zeros(int(r.integers(1, 9))), n_sessions=9, seed=0)
