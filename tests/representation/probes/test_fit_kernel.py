"""The array entry: any splits and targets, each as scikit-learn fits it alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from marr.representation._probes._fit_kernel import encode_targets, fit_predict
from marr.representation._probes._probe_kernel import METHODS


def folds_of(n, k=5):
    test = np.arange(n) % k == np.arange(k)[:, None]
    return ~test, test


@pytest.mark.parametrize("n_units", [7, 90])
def test_ridge_of_any_splits_is_scikit_learns(rng, n_units):
    """Overlapping, unequal and partial sets of rows, in the units of the activity."""
    x = 5 + 3 * rng.normal(size=(2, 80, n_units))
    y = x[:, :, 0].mean(0) + rng.normal(size=80)
    train = rng.random((6, 80)) < np.linspace(0.3, 0.9, 6)[:, None]
    test = rng.random((6, 80)) < 0.4
    found = fit_predict(x, y, train, test, kind="continuous", penalties=[0.3])
    for k in range(6):
        for t in range(2):
            model = make_pipeline(StandardScaler(), Ridge(0.3 * train[k].sum()))
            expected = model.fit(x[t, train[k]], y[train[k]]).predict(x[t])
            got = found.predicted[k, t, :, 0, 0]
            np.testing.assert_allclose(got[test[k]], expected[test[k]], atol=1e-10)
            assert np.isnan(got[~test[k]]).all()
            line = x[t] @ found.weights[k, t, :, 0] + found.intercept[k, t, 0]
            np.testing.assert_allclose(line[:, 0], expected, atol=1e-10)


@pytest.mark.parametrize("probe", ["lda", "logistic", "svm"])
def test_many_targets_are_each_as_alone(rng, probe):
    labels = rng.integers(0, 3, size=(60, 4))
    x = rng.normal(size=(2, 60, 6)) + labels[:, [1]]
    train, test = folds_of(60)
    options = {"probe": probe, "penalties": [0.01, 1.0]}
    together = fit_predict(x, labels, train, test, **options)
    for j in range(4):
        alone = fit_predict(x, labels[:, j], train, test, **options)
        np.testing.assert_array_equal(together.penalty[..., j], alone.penalty[..., 0])
        np.testing.assert_allclose(together.pooled[:, j], alone.pooled[:, 0])
        np.testing.assert_allclose(
            together.weights[..., j, :], alone.weights[..., 0, :], atol=2e-3
        )


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("n_units", "penalty"), [(8, 1e-3), (8, 1.0), (150, 1e-2)])
def test_logistic_loss_is_scikit_learns(rng, n_classes, n_units, penalty):
    """Within 1e-5 of the converged loss; classes weigh alike."""
    labels = rng.integers(0, n_classes, 120)
    x = rng.normal(size=(1, 120, n_units))
    x[0, :, 0] += labels
    train, test = folds_of(120, 3)
    found = fit_predict(x, labels, train, test, probe="logistic", penalties=[penalty])
    assert found.settled.all()
    for k in range(3):
        c, n = labels[train[k]], train[k].sum()
        z = StandardScaler().fit(x[0, train[k]])
        weight = n / n_classes / np.bincount(c)[c] / n
        model = LogisticRegression(
            C=1 / (penalty * n), class_weight="balanced", tol=1e-10, max_iter=100_000
        ).fit(z.transform(x[0, train[k]]), c)

        def loss(scores, size, c=c, weight=weight):
            lines = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
            return -weight @ lines[np.arange(len(c)), c] + penalty / 2 * size

        outputs = (x[0] @ found.weights[k, 0, :, 0] + found.intercept[k, 0, 0])[
            train[k]
        ]
        inner = found.weights[k, 0, :, 0] * z.scale_[:, None]
        size = (inner**2).sum() * (2 if n_classes == 2 else 1)  # one vector for two
        theirs = model.decision_function(z.transform(x[0, train[k]]))
        theirs = np.stack([-theirs, theirs], 1) / 2 if n_classes == 2 else theirs
        assert loss(outputs, size) == pytest.approx(
            loss(theirs, (model.coef_**2).sum()), rel=1e-5
        )


@pytest.mark.parametrize(("n_units", "penalty"), [(8, 1e-3), (8, 1.0), (150, 1e-3)])
def test_support_vector_objective_is_not_above_scikit_learns(rng, n_units, penalty):
    labels = rng.integers(0, 2, 120)
    x = rng.normal(size=(1, 120, n_units))
    x[0, :, 0] += labels
    train, test = folds_of(120, 3)
    found = fit_predict(x, labels, train, test, probe="svm", penalties=[penalty])
    assert found.settled.all()
    for k in range(3):
        c, n = labels[train[k]] == 1, train[k].sum()
        z = StandardScaler().fit(x[0, train[k]])
        share = {True: n / 2 / c.sum(), False: n / 2 / (~c).sum()}
        model = LinearSVC(
            C=1 / (penalty * n), dual=False, tol=1e-9, max_iter=100_000,
            class_weight=share, intercept_scaling=1e3,
        ).fit(z.transform(x[0, train[k]]), c)  # fmt: skip

        def objective(scores, inner, c=c, share=share, n=n):
            short = np.maximum(0, 1 - np.where(c, 1, -1) * scores)
            weight = np.where(c, share[True], share[False]) / n
            return weight @ short**2 + penalty / 2 * (inner**2).sum()

        outputs = x[0] @ found.weights[k, 0, :, 0, 1] + found.intercept[k, 0, 0, 1]
        ours = objective(outputs[train[k]], found.weights[k, 0, :, 0, 1] * z.scale_)
        theirs = objective(
            model.decision_function(z.transform(x[0, train[k]])), model.coef_[0]
        )
        assert ours <= theirs * (1 + 1e-6)
        assert ours >= theirs * (1 - 2e-3)  # its intercept is penalized a little


def test_nuisances_are_taken_out_inside_the_fold(rng):
    """A logistic probe on residuals of the training regression, made by hand."""
    design = rng.normal(size=(1, 90, 2))
    labels = (design[0, :, 0] + rng.normal(size=90) > 0).astype(int)
    x = design @ rng.normal(size=(2, 5)) + rng.normal(size=(1, 90, 5))
    train, test = folds_of(90, 3)
    options = {"probe": "logistic", "penalties": [0.1]}
    found = fit_predict(x, labels, train, test, design=design, **options)
    for k in range(3):
        line = LinearRegression().fit(design[0, train[k]], x[0, train[k]])
        rest = x - line.predict(design[0])
        by_hand = fit_predict(rest, labels, train[[k]], test[[k]], **options)
        np.testing.assert_allclose(
            found.predicted[k, 0, test[k]], by_hand.predicted[0, 0, test[k]], atol=1e-3
        )


def exclusive_or(rng, n=300):
    a, b = rng.integers(0, 2, size=(2, n))
    x = 0.3 * rng.normal(size=(2, n, 6))
    x[1, :, 0] += a
    x[1, :, 1] += b
    return x, a ^ b


def test_only_a_network_reads_an_exclusive_or(rng):
    x, labels = exclusive_or(rng)
    train, test = folds_of(300)
    score = {
        probe: fit_predict(x, labels, train, test, probe=probe).pooled[:, 0]
        for probe in ("lda", "logistic", "svm", "mlp")
    }
    for probe in ("lda", "logistic", "svm"):
        assert abs(score[probe][1] - 0.5) < 0.1
    assert score["mlp"][1] > 0.85
    assert abs(score["mlp"][0] - 0.5) < 0.1


def test_a_network_is_the_same_alone_and_by_seed(rng):
    x, labels = exclusive_or(rng, 120)
    train, test = folds_of(120)
    many = np.stack([labels, rng.permutation(labels)], axis=1)
    a, b, other = (
        fit_predict(x, many, train, test, probe="mlp", seed=s) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(a.predicted, b.predicted)
    assert np.nanmax(np.abs(a.predicted - other.predicted)) > 0
    alone = fit_predict(x[1:], labels, train, test, probe="mlp", seed=0)
    np.testing.assert_allclose(a.predicted[:, 1:, :, :1], alone.predicted, atol=1e-3)


def test_a_network_reads_numbers_and_angles(rng):
    x = rng.normal(size=(1, 300, 4))
    train, test = folds_of(300)
    bowl = fit_predict(x, x[0, :, 0] ** 2, train, test, kind="continuous", probe="mlp")
    assert bowl.pooled[0, 0] > 0.5
    angle = np.arctan2(x[0, :, 0], x[0, :, 1])
    found = fit_predict(
        x, angle, train, test, kind="circular", probe="mlp", across=True
    )
    assert found.pooled[0, 0] > 0.9
    np.testing.assert_allclose(found.across[0, 0], found.pooled[0], atol=1e-9)
    assert found.weights is None


@pytest.mark.parametrize("probe", ["lda", "logistic", "svm"])
def test_generalization_has_the_map_on_its_diagonal(rng, probe):
    labels = rng.integers(0, 2, size=(60, 3))
    x = rng.normal(size=(4, 60, 5)) + 0.5 * labels[:, [0]]
    found = fit_predict(
        x, labels, *folds_of(60), probe=probe, penalties=[0.1], across=True
    )
    np.testing.assert_allclose(np.diagonal(found.across).T, found.pooled, atol=1e-12)


def test_cross_condition_splits_give_below_chance_where_the_code_flips(rng):
    label, context = np.tile([0, 1], 50), np.repeat([0, 1], 50)
    x = rng.normal(size=(1, 100, 3))
    x[0, :, 0] += 3 * np.where(context == 0, 1, -1) * (label - 0.5)
    train = np.stack([context == 0, context == 1])
    found = fit_predict(x, label, train, ~train, penalties=[0.1])
    assert (found.score < 0.2).all()
    same = fit_predict(x, label, train, train, penalties=[0.1])
    assert (same.score > 0.8).all()


def test_a_class_that_training_lacks_is_never_predicted(rng):
    labels = np.array([0, 1] * 20 + [2] * 10)
    x = rng.normal(size=(1, 50, 4)) + labels[:, None]
    train, test = (labels < 2)[None], np.ones((1, 50), bool)
    for probe in ("lda", "logistic", "svm", "mlp"):
        found = fit_predict(
            x,
            labels,
            train,
            test,
            probe=probe,
            penalties=[0.1],
            inner=np.arange(50) % 5,
        )
        outputs = found.predicted[0, 0, :, 0]
        assert (outputs.argmax(axis=1) < 2).all(), probe
        expected = balanced_accuracy_score(labels, outputs.argmax(axis=1))
        assert found.score[0, 0, 0] == pytest.approx(expected)


def test_ordered_categories_are_scored_by_rank(rng):
    level = rng.integers(0, 4, 200)
    x = rng.normal(size=(2, 200, 5))
    x[1, :, 0] += 2 * np.exp(level / 2)  # monotone, not linear
    found = fit_predict(x, level, *folds_of(200), kind="ordinal")
    assert found.pooled[1, 0] > 0.8
    assert abs(found.pooled[0, 0]) < 0.25
    codes = encode_targets(np.array([3, 1, 1, 2]), "ordinal")
    np.testing.assert_allclose(codes[0, :, 0, 0], [0.375, -0.25, -0.25, 0.125])


def test_penalties_need_inner_folds_where_tests_overlap(rng):
    rows = np.ones((2, 20), bool)
    with pytest.raises(ValueError, match="inner"):
        fit_predict(rng.normal(size=(1, 20, 2)), np.arange(20) % 2, rows, rows)


def test_every_probe_has_settings():
    for name, method in METHODS.items():
        assert method.kinds, name
        assert method.penalties, name
        assert method.n_permutations >= 19, name
