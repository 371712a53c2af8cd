"""Refits without units, in closed form, against refits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from marr.implementation._removal_kernel import remove_subspaces, remove_units
from marr.measures._readout_kernel import fit_readouts, fold_moments, predict
from marr.stats import leave_one_unit_out


def problem(rng, n_rows=120, n_units=9):
    x = rng.normal(size=(n_rows, n_units)) * rng.uniform(0.2, 5, n_units) + 3
    x[:, 1] = x[:, 0] + 0.01 * rng.normal(size=n_rows)  # nearly the same unit
    y = np.stack([x[:, 0] + rng.normal(size=n_rows), x[:, 2] - x[:, 3]], axis=1)
    folds = np.arange(n_rows) % 4
    weights = rng.uniform(0.5, 2, n_rows)
    return x, y, weights, folds


def refit(x, y, weights, folds, penalties):
    """Ridge fitted anew in each fold, by scikit-learn."""
    out = np.zeros_like(y)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        w = weights[train]
        mean = np.average(x[train], axis=0, weights=w)
        scale = np.sqrt(np.average((x[train] - mean) ** 2, axis=0, weights=w))
        model = Ridge(alpha=penalties[fold] * w.sum(), solver="cholesky")
        model.fit((x[train] - mean) / scale, y[train], sample_weight=w)
        out[test] = model.predict((x[test] - mean) / scale)
    return out


def keep(predicted, rows):
    return predicted[..., 0] + 1000 * predicted[..., 1]  # both outputs in one number


def fitted(x, y, weights, folds, penalty=1e-3):
    moments = fold_moments(x, y, weights, folds)
    return moments, fit_readouts(moments, np.array([penalty]))


def test_one_unit_at_a_time_equals_refitting(rng):
    x, y, weights, folds = problem(rng)
    moments, readouts = fitted(x, y, weights, folds)
    closed = remove_units(x, folds, moments, readouts, keep)
    for unit in range(x.shape[1]):
        anew = refit(np.delete(x, unit, axis=1), y, weights, folds, readouts.penalty)
        np.testing.assert_allclose(
            closed[unit], keep(anew, None), rtol=0, atol=1e-10 * 1e3
        )


def test_sets_of_units_equal_refitting(rng):
    x, y, weights, folds = problem(rng)
    moments, readouts = fitted(x, y, weights, folds)
    sets = [[0, 1], [2, 5, 8], list(range(8))]
    bases = [np.eye(9)[:, units] for units in sets]
    closed = remove_subspaces(x, folds, moments, readouts, bases, keep)
    for row, units in zip(closed, sets, strict=True):
        anew = refit(np.delete(x, units, axis=1), y, weights, folds, readouts.penalty)
        np.testing.assert_allclose(row, keep(anew, None), rtol=0, atol=1e-10 * 1e3)


def test_without_any_unit_the_training_mean_is_left(rng):
    x, y, weights, folds = problem(rng)
    moments, readouts = fitted(x, y, weights, folds)
    closed = remove_subspaces(x, folds, moments, readouts, [np.eye(9)], keep)
    np.testing.assert_allclose(
        closed[0], keep(readouts.intercept[folds], None), atol=1e-6
    )


def test_a_turned_direction_equals_refitting_in_turned_coordinates(rng):
    x, y, weights, folds = problem(rng)
    weights = np.ones_like(weights)
    direction = rng.normal(size=(9, 1))
    moments, readouts = fitted(x, y, weights, folds, penalty=0.1)
    closed = remove_subspaces(x, folds, moments, readouts, [direction], keep)
    turned, _ = np.linalg.qr(
        np.concatenate([direction, rng.normal(size=(9, 8))], axis=1)
    )
    for fold in range(4):
        train, test = folds != fold, folds == fold
        z = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
        rest = z @ turned[:, 1:]
        model = Ridge(alpha=0.1 * train.sum()).fit(rest[train], y[train])
        np.testing.assert_allclose(
            closed[0, test], keep(model.predict(rest[test]), None), atol=1e-7
        )


def test_the_two_closed_forms_of_the_package_agree(rng):
    x, y, _, folds = problem(rng)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    weights = np.ones(len(x))
    moments, readouts = fitted(x, y, weights, folds, penalty=0.01)
    closed = remove_units(x, folds, moments, readouts, lambda p, rows: p[..., 0])
    penalty = 0.01 * (folds != 0).sum()  # the folds are of one size
    other = leave_one_unit_out(x, y, folds, penalty, standardize=True)
    np.testing.assert_allclose(closed, np.asarray(other)[..., 0], atol=1e-9)


def test_a_constant_unit_changes_nothing(rng):
    x, y, weights, folds = problem(rng)
    x[:, 4] = 7.0
    moments, readouts = fitted(x, y, weights, folds)
    closed = remove_units(x, folds, moments, readouts, keep)
    assert closed[4] == pytest.approx(keep(predict(readouts, x, folds), None), abs=1e-9)
