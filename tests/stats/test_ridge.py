from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats import (
    apply_fold_weights,
    folds,
    permutations,
    ridge_cv_predictions,
    ridge_fold_predictions,
    ridge_fold_weights,
    ridge_penalties,
    ridge_weights,
)

SHAPES = [(60, 10), (40, 90), (30, 24)]  # primal, dual, more units than training trials


def scaled(x, train, standardize):
    if not standardize:
        return x
    spread = x[train].std(0)
    return (x - x[train].mean(0)) / np.where(spread > 0, spread, 1)


def refit(x, y, fold, penalty, standardize=False):
    out = np.empty((len(x), y.shape[1]))
    for f in np.unique(fold):
        train = fold != f
        z = scaled(x, train, standardize)
        out[~train] = Ridge(alpha=penalty).fit(z[train], y[train]).predict(z[~train])
    return out


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_predictions_equal_sklearn_fold_by_fold(rng, n, p, standardize):
    x = rng.normal(size=(2, 3, n, p)) * rng.uniform(0.1, 10, p) + 5
    x[..., 0] = 4.0  # a constant unit
    y, fold = rng.normal(size=(n, 4)) + 3, folds(n)
    got = ridge_fold_predictions(x, y, fold, [0.1, 30.0], standardize=standardize)
    assert got.shape == (2, 3, 2, n, 4)
    for i, penalty in enumerate([0.1, 30.0]):
        wanted = refit(x[1, 2], y, fold, penalty, standardize)
        assert got[1, 2, i] == pytest.approx(wanted, abs=1e-9)
    one = ridge_fold_predictions(x[1, 2], y[:, 0], fold, 30.0, standardize=standardize)
    assert one == pytest.approx(got[1, 2, 1, :, 0], abs=1e-12)


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_weights_predict_what_predictions_say(rng, n, p):
    x, y, fold = rng.normal(size=(3, n, p)), rng.normal(size=(n, 2)), folds(n)
    fitted = ridge_fold_weights(x, y, fold, 2.0, standardize=True)
    assert fitted.weights.shape == (5, 3, p, 2)
    wanted = ridge_fold_predictions(x, y, fold, 2.0, standardize=True)
    assert apply_fold_weights(x, fitted, fold) == pytest.approx(wanted, abs=1e-10)
    whole = ridge_weights(x, y, 2.0)
    theirs = Ridge(alpha=2.0).fit(x[1], y)
    assert whole.weights[1] == pytest.approx(theirs.coef_.T, abs=1e-10)
    assert whole.intercept[1] == pytest.approx(theirs.intercept_, abs=1e-10)


def test_weights_of_one_time_apply_to_another(rng):
    x, y, fold = rng.normal(size=(2, 50, 8)), rng.normal(size=(50, 1)), folds(50)
    fitted = ridge_fold_weights(x[0], y, fold, 1.0)
    across = apply_fold_weights(x, fitted, fold)
    assert across.shape == (2, 50, 1)
    train = fold != 3
    theirs = Ridge(alpha=1.0).fit(x[0][train], y[train]).predict(x[1][~train])
    assert across[1, ~train, 0] == pytest.approx(theirs.ravel(), abs=1e-10)


def test_targets_may_differ_by_problem(rng):
    x, y, fold = rng.normal(size=(3, 40, 5)), rng.normal(size=(3, 40, 2)), folds(40)
    both = ridge_fold_predictions(x, y, fold, 1.0)
    assert both[2] == pytest.approx(ridge_fold_predictions(x[2], y[2], fold, 1.0))
    assert ridge_fold_predictions(x[0], y, fold, 1.0).shape == (3, 40, 2)


def test_parts_do_not_change_the_numbers(rng, monkeypatch):
    for p in (6, 70):
        x, y, fold = rng.normal(size=(7, 40, p)), rng.normal(size=(40, 2)), folds(40)
        wanted = ridge_fold_predictions(x, y, fold, [1.0, 2.0])
        monkeypatch.setattr("marr.stats._linear._PART", 20_000)
        assert np.array_equal(ridge_fold_predictions(x, y, fold, [1.0, 2.0]), wanted)


def test_unpenalized_fit_recovers_exact_weights(rng):
    x = rng.normal(size=(50, 4))
    y = x @ [[1.0], [2.0], [-3.0], [0.5]] + 7
    assert ridge_fold_predictions(x, y, folds(50), 0.0) == pytest.approx(y)
    with pytest.raises(StatisticsError, match="singular"):
        ridge_fold_predictions(rng.normal(size=(20, 30)), y[:20], folds(20), 0.0)


def test_a_unit_constant_in_training_only_is_left_out(rng):
    x, y, fold = rng.normal(size=(20, 3)), rng.normal(size=(20, 1)), np.arange(20) % 4
    x[:, 2] = fold == 1
    got = ridge_fold_predictions(x, y, fold, 1e-6, standardize=True)
    without = ridge_fold_predictions(x[:, :2], y, fold, 1e-6, standardize=True)
    assert got[fold == 1] == pytest.approx(without[fold == 1])


@pytest.mark.parametrize(("n", "p"), [(48, 6), (30, 50)])
def test_chosen_penalty_is_that_of_nested_cross_validation(rng, n, p):
    x, y = rng.normal(size=(2, n, p)), rng.normal(size=(n, 3))
    y[:, 0] += x[1, :, 0]
    fold, grid = folds(n, n_folds=4), np.array([0.1, 1.0, 10.0, 100.0, 1000.0])
    got = ridge_cv_predictions(x, y, fold, grid)
    for f in range(4):
        error = np.zeros((5, 3))
        for g in set(range(4)) - {f}:
            train, test = (fold != f) & (fold != g), fold == g
            for i, penalty in enumerate(grid):
                fitted = Ridge(alpha=penalty).fit(x[1][train], y[train])
                error[i] += ((y[test] - fitted.predict(x[1][test])) ** 2).sum(0)
        chosen = grid[error.argmin(0)]
        assert got.penalties[f, 1] == pytest.approx(chosen)
        for t, penalty in enumerate(chosen):
            fitted = Ridge(alpha=penalty).fit(x[1][fold != f], y[fold != f, t])
            wanted = fitted.predict(x[1][fold == f])
            assert got.predictions[1, fold == f, t] == pytest.approx(wanted, abs=1e-9)


def test_shared_penalty_and_default_grid(rng):
    x = 7 * rng.normal(size=(60, 10))
    y = x[:, :2] + rng.normal(size=(60, 2)) * [1, 50]
    together = ridge_cv_predictions(x, y, folds(60), shared=True)
    assert np.all(together.penalties[..., 0] == together.penalties[..., 1])
    grid = ridge_penalties(x)
    assert grid[3] == pytest.approx(60 * x.var(0).mean())
    assert set(together.penalties.ravel()) <= set(grid)
    assert ridge_penalties(x, standardize=True)[3] == pytest.approx(60)
    assert ridge_cv_predictions(x, y[:, 0], folds(60)).predictions.shape == (60,)


def test_shuffles_are_columns(rng):
    x, y, fold = rng.normal(size=(40, 5)), rng.normal(size=40), folds(40)
    shuffled = permutations(40, n_permutations=3, seed=0)
    got = ridge_fold_predictions(x, y[shuffled].T, fold, 1.0)
    wanted = refit(x, y[shuffled].T, fold, 1.0)
    assert got == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda x, y, f: ridge_fold_predictions(x, y[:-1], f, 1.0),
            ContractError,
            "same",
        ),
        (
            lambda x, y, f: ridge_fold_predictions(x * np.nan, y, f, 1.0),
            ContractError,
            "NaN",
        ),
        (
            lambda x, y, f: ridge_fold_predictions(x, y, f[:-1], 1.0),
            ContractError,
            "fold",
        ),
        (
            lambda x, y, f: ridge_fold_predictions(x, y, f * 0, 1.0),
            StatisticsError,
            "two",
        ),
        (lambda x, y, f: ridge_fold_predictions(x, y, f, -1.0), OptionError, "penalty"),
        (lambda x, y, f: ridge_cv_predictions(x, y, f % 2), StatisticsError, "three"),
        (
            lambda x, y, f: apply_fold_weights(
                x[:, :2], ridge_fold_weights(x, y, f, 1.0), f
            ),
            ContractError,
            "3 units",
        ),
        (
            lambda x, y, f: ridge_fold_predictions(
                np.stack([x, x]), np.stack([y] * 3)[..., None], f, 1.0
            ),
            ContractError,
            "broadcast",
        ),
    ],
)
def test_bad_input_is_refused(rng, call, error, said):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    with pytest.raises(error, match=said):
        call(x, y, np.arange(20) % 4)
