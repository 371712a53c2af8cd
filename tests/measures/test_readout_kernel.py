"""Ridge readouts from fold moments against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from marr.measures._readout_kernel import (
    PENALTIES,
    fit_readouts,
    fold_moments,
    predict,
)


def problem(rng, n_rows=100, n_units=7):
    x = rng.normal(size=(n_rows, n_units)) * rng.uniform(0.1, 10, n_units) - 4
    y = x[:, :2] / 3 + rng.normal(size=(n_rows, 2))
    return x, y, rng.uniform(0.2, 3, n_rows), np.arange(n_rows) % 5


def by_hand(x, y, weights, train, test, penalty):
    w = weights[train]
    mean = np.average(x[train], axis=0, weights=w)
    scale = np.sqrt(np.average((x[train] - mean) ** 2, axis=0, weights=w))
    model = Ridge(alpha=penalty * w.sum(), solver="cholesky")
    model.fit((x[train] - mean) / scale, y[train], sample_weight=w)
    return model.predict((x[test] - mean) / scale)


@pytest.mark.parametrize("penalty", [1e-4, 0.1, 10.0])
def test_each_fold_is_predicted_as_scikit_learn_does(rng, penalty):
    x, y, weights, folds = problem(rng)
    readouts = fit_readouts(fold_moments(x, y, weights, folds), np.array([penalty]))
    predicted = predict(readouts, x, folds)
    for fold in range(5):
        expected = by_hand(x, y, weights, folds != fold, folds == fold, penalty)
        np.testing.assert_allclose(predicted[folds == fold], expected, atol=1e-10)


def test_the_penalty_is_chosen_by_the_inner_folds_alone(rng):
    x, y, weights, folds = problem(rng)
    y += 3 * rng.normal(size=y.shape)
    readouts = fit_readouts(fold_moments(x, y, weights, folds), np.array(PENALTIES))
    for fold in range(5):
        errors = []
        for penalty in PENALTIES:
            error = 0.0
            for inner in set(range(5)) - {fold}:
                train, test = ~np.isin(folds, [fold, inner]), folds == inner
                off = by_hand(x, y, weights, train, test, penalty) - y[test]
                error += (weights[test, None] * off**2).sum()
            errors.append(error)
        assert readouts.penalty[fold] == PENALTIES[int(np.argmin(errors))]


def test_rows_without_weight_are_predicted_but_not_learned_from(rng):
    x, y, weights, folds = problem(rng)
    weights[:40] = 0
    before = predict(
        fit_readouts(fold_moments(x, y, weights, folds), np.array([0.1])), x, folds
    )
    y[:40] = 1e3
    after = predict(
        fit_readouts(fold_moments(x, y, weights, folds), np.array([0.1])), x, folds
    )
    np.testing.assert_allclose(before, after, atol=1e-8)


def test_a_constant_unit_has_no_say(rng):
    x, y, weights, folds = problem(rng)
    x[:, 3] = 1e4
    readouts = fit_readouts(fold_moments(x, y, weights, folds), np.array([0.1]))
    assert (readouts.coef[:, 3] == 0).all()
