from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from marr.errors import ContractError, OptionError, StatisticsError
from marr.stats import folds, logistic_fold_probabilities, logistic_weights, softmax


def sample(rng, n, p, n_classes):
    x = rng.normal(size=(n, p)) * rng.uniform(0.5, 2, p) + 3
    label = (x[:, :n_classes] - 3 + rng.normal(size=(n, n_classes))).argmax(1)
    return x, np.array(["left", "right", "up", "down"])[label]


def oracle(penalty):
    return LogisticRegression(
        C=1 / penalty, tol=1e-12, max_iter=5000, solver="newton-cholesky"
    )


@pytest.mark.parametrize("penalty", [0.1, 10])
@pytest.mark.parametrize(("n", "p", "k"), [(120, 8, 2), (120, 8, 4), (40, 90, 3)])
def test_weights_equal_sklearn(rng, n, p, k, penalty):
    x, label = sample(rng, n, p, k)
    fitted = logistic_weights(x, label, penalty)
    theirs = oracle(penalty).fit(x, label)
    assert fitted.converged
    assert fitted.classes.tolist() == theirs.classes_.tolist()
    ours = softmax(x @ fitted.weights + fitted.intercept)
    assert ours == pytest.approx(theirs.predict_proba(x), abs=1e-6)
    if k == 2:
        one = fitted.weights[:, 1] - fitted.weights[:, 0]
        assert one == pytest.approx(theirs.coef_[0], abs=1e-5)
    else:
        assert pytest.approx(theirs.coef_, abs=1e-5) == fitted.weights.T


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(("n", "p", "k"), [(90, 6, 3), (60, 80, 2)])
def test_folds_and_shuffles_equal_separate_fits(rng, n, p, k, standardize):
    x, label = sample(rng, n, p, k)
    fold = folds(n, n_folds=3, labels=label)
    both = np.stack([label, rng.permutation(label)], axis=1)
    xs = np.stack([x, x[:, ::-1] ** 2])
    got = logistic_fold_probabilities(xs, both, fold, 2.0, standardize=standardize)
    assert got.shape == (2, n, 2, k)
    assert got.sum(-1) == pytest.approx(1)
    for f in range(3):
        train = fold != f
        z = xs[1]
        if standardize:
            z = (z - z[train].mean(0)) / z[train].std(0)
        for s in range(2):
            theirs = oracle(2.0).fit(z[train], both[train, s])
            wanted = theirs.predict_proba(z[~train])
            assert got[1, ~train, s] == pytest.approx(wanted, abs=2e-4)
    one = logistic_fold_probabilities(x, label, fold, 2.0, standardize=standardize)
    assert one == pytest.approx(got[0, :, 0], abs=1e-4)


def test_separable_classes_have_a_finite_solution():
    x = np.r_[np.linspace(-2, -1, 10), np.linspace(1, 2, 10)][:, None]
    fitted = logistic_weights(x, np.repeat([0, 1], 10), 1e-3)
    assert fitted.converged
    theirs = oracle(1e-3).fit(x, np.repeat([0, 1], 10))
    assert fitted.weights[0, 1] * 2 == pytest.approx(theirs.coef_[0, 0], rel=1e-4)


def test_no_convergence_is_said():
    rng = np.random.default_rng(0)
    x, label = sample(rng, 60, 30, 3)
    assert not logistic_weights(x, label, 1e-6, max_iterations=1).converged


def test_the_order_of_units_and_classes_does_not_matter(rng):
    x, label = sample(rng, 80, 6, 3)
    order = rng.permutation(6)
    a, b = logistic_weights(x, label, 1.0), logistic_weights(x[:, order], label, 1.0)
    assert a.weights[order] == pytest.approx(b.weights, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda x, y: logistic_weights(x, y, 0.0), OptionError, "positive"),
        (lambda x, y: logistic_weights(x, y * 0, 1.0), StatisticsError, "two classes"),
        (lambda x, y: logistic_weights(x, y[:-1], 1.0), ContractError, "labels"),
        (
            lambda x, y: logistic_weights(x, np.where(y, np.nan, 1.0), 1.0),
            ContractError,
            "missing",
        ),
        (
            lambda x, y: logistic_fold_probabilities(x, y, y, 1.0),
            StatisticsError,
            "lacks",
        ),
    ],
)
def test_bad_input_is_refused(rng, call, error, said):
    with pytest.raises(error, match=said):
        call(rng.normal(size=(20, 3)), np.arange(20) % 2)
