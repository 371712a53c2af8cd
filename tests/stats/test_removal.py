"""Removing units in closed form equals deleting them and fitting anew."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from marr.errors import ContractError, OptionError
from marr.stats import (
    folds,
    leave_one_unit_out,
    leave_units_out,
    ridge_fold_predictions,
)


def refit(x, y, fold, penalty, standardize):
    """One scikit-learn fit a fold, nothing shared with the code under test."""
    out = np.empty((len(x), y.shape[1]))
    for f in np.unique(fold):
        train = fold != f
        z = x - x[train].mean(0)
        if standardize:
            spread = x[train].std(0)
            z = z / np.where(spread > 0, spread, 1)
        ridge = Ridge(alpha=penalty, solver="svd").fit(z[train], y[train])
        out[~train] = ridge.predict(z[~train])
    return out


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", [1e-2, 1.0, 1e4])
@pytest.mark.parametrize(("n", "p"), [(80, 12), (40, 60), (30, 24)])
def test_each_unit_removed_equals_the_refit(rng, n, p, penalty, standardize):
    x = rng.normal(size=(n, p)) * rng.uniform(0.3, 3, p) + 2
    x[:, 1] = x[:, 0] + 0.1 * rng.normal(size=n)  # two units that say the same
    x[:, 2] = 1.5  # a constant one
    y = rng.normal(size=(n, 3)) + x[:, :1]
    fold = folds(n, groups=np.arange(n) // 2)
    got = leave_one_unit_out(x, y, fold, penalty, standardize=standardize)
    assert got.shape == (p, n, 3)
    for u in range(p):
        wanted = refit(np.delete(x, u, 1), y, fold, penalty, standardize)
        assert np.abs(got[u] - wanted).max() < 1e-10
    full = ridge_fold_predictions(x, y, fold, penalty, standardize=standardize)
    assert got[2] == pytest.approx(full, abs=1e-10)  # the constant unit did nothing


@pytest.mark.parametrize(("n", "p"), [(80, 12), (40, 60)])
def test_sets_removed_equal_the_refit(rng, n, p):
    x, y, fold = rng.normal(size=(n, p)), rng.normal(size=(n, 2)), folds(n)
    mask = np.arange(p) > p // 2
    got = leave_units_out(
        x, y, fold, 3.0, units=[[0, 4, 7], [], mask, [5], [4, 0, 7, 4]]
    )
    for i, gone in enumerate([[0, 4, 7], [], mask]):
        wanted = refit(np.delete(x, gone, 1), y, fold, 3.0, False)
        assert np.abs(got[i] - wanted).max() < 1e-10
    assert got[3] == pytest.approx(leave_one_unit_out(x, y, fold, 3.0)[5], abs=1e-11)
    assert np.array_equal(got[4], got[0])
    everything = leave_units_out(x, y, fold, 3.0, units=[np.ones(p, bool)])
    for f in range(5):
        train_mean = y[fold != f].mean(0)
        assert everything[0, fold == f] == pytest.approx(
            np.tile(train_mean, ((fold == f).sum(), 1)), abs=1e-8
        )


def test_one_target_keeps_its_axis(rng):
    x, y, fold = rng.normal(size=(20, 4)), rng.normal(size=20), folds(20)
    assert leave_one_unit_out(x, y, fold, 1.0).shape == (4, 20, 1)


def test_a_needed_unit_costs_and_a_copy_protects(rng):
    signal = rng.normal(size=200)
    x = 0.3 * rng.normal(size=(200, 6))
    x[:, 0] += signal
    y, fold = signal[:, None], folds(200)

    def loss(z):
        removed = ((leave_one_unit_out(z, y, fold, 1.0) - y) ** 2).mean((1, 2))
        return removed - ((ridge_fold_predictions(z, y, fold, 1.0) - y) ** 2).mean()

    alone = loss(x)
    assert alone[0] > 0.5
    assert np.abs(alone[1:]).max() < 0.05
    copied = loss(np.column_stack([x, signal + 0.3 * rng.normal(size=200)]))
    assert copied[0] < 0.1


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"penalty": 0}, OptionError, "positive"),
        ({"units": [[9]]}, OptionError, "0 to 3"),
        ({"units": [[0.5]]}, OptionError, "indices"),
        ({"x": np.ones((2, 20, 4))}, ContractError, "Loop over sites"),
    ],
)
def test_bad_input_is_refused(rng, given, error, said):
    call = {"x": rng.normal(size=(20, 4)), "penalty": 1.0, "units": [[0]]} | given
    with pytest.raises(error, match=said):
        leave_units_out(
            call["x"],
            rng.normal(size=20),
            folds(20),
            call["penalty"],
            units=call["units"],
        )
