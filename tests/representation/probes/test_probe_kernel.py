"""The batched probes against scikit-learn loops and analytic invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from marr.representation._probes import _probe_kernel as kernel
from marr.representation._probes._fit_kernel import DEFAULT_PROBES
from marr.representation._probes._linear_kernel import choose_penalties
from marr.representation._probes._moments_kernel import Problem, fold_splits
from marr.representation._probes._probe_kernel import METHODS
from marr.representation._probes._score_kernel import KINDS


def tensor(values):
    return torch.from_numpy(np.ascontiguousarray(values, dtype=float))


def problem(x, y, fold, design=None, targets_too=False):
    nuisances = None if design is None else tensor(design)
    case = Problem(tensor(x), tensor(y), nuisances, targets_too)
    return case, fold_splits(torch.from_numpy(fold))


def probe(case, kind, grid):
    method = METHODS[DEFAULT_PROBES[kind]]
    return kernel.probe(*case, KINDS[kind], method, grid)


def across_times(case, kind, models):
    return kernel.across_times(*case, KINDS[kind], models)


def one_hot(labels):
    """(draws, rows) labels to (1, rows, draws, classes)."""
    return np.eye(int(labels.max()) + 1)[labels].transpose(1, 0, 2)[None]


@pytest.fixture
def fold():
    return np.arange(60) % 4


@pytest.mark.parametrize("n_units", [7, 90])
def test_ridge_is_scikit_learns(rng, fold, n_units):
    x, y = rng.normal(size=(3, 60, n_units)), rng.normal(size=(60, 2))
    y[:, 0] += x[1, :, 0]
    found = probe(problem(x, y[None, :, :, None], fold), "continuous", tensor([0.3]))
    for t in range(3):
        expected = np.zeros(60)
        for k in range(4):
            train = fold != k
            model = make_pipeline(StandardScaler(), Ridge(0.3 * train.sum()))
            model.fit(x[t, train], y[train, 0])
            expected[~train] = model.predict(x[t, ~train]) - y[train, 0].mean()
        np.testing.assert_allclose(
            found.kept.predicted[t, :, 0, 0], expected, atol=1e-10
        )


@pytest.mark.parametrize("n_units", [6, 80])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_discriminant_is_scikit_learns(rng, fold, n_units, n_classes):
    """Ridge on the within-class covariance is shrinkage with another name."""
    labels = rng.integers(0, n_classes, 60)
    x = rng.normal(size=(60, n_units)) + rng.normal(size=(n_classes, n_units))[labels]
    found = probe(
        problem(x[None], one_hot(labels[None]), fold),
        "categorical",
        tensor([0.5]),
    )
    predicted = found.kept.predicted[0, :, 0].argmax(-1).numpy()
    for k in range(4):
        train = fold != k
        z = StandardScaler().fit(x[train])
        inside, outside = z.transform(x[train]), z.transform(x[~train])
        within = np.zeros((n_units, n_units))
        for c in range(n_classes):
            part = inside[labels[train] == c]
            within += (part - part.mean(0)).T @ (part - part.mean(0))
        within = within / train.sum() + 0.5 * np.eye(n_units)
        means = np.stack([inside[labels[train] == c].mean(0) for c in range(n_classes)])
        w = np.linalg.solve(within, means.T)
        scores = outside @ w - 0.5 * np.einsum("ci,ic->c", means, w)
        np.testing.assert_array_equal(predicted[~train], scores.argmax(1))
    assert found.score[0, 0] == pytest.approx(
        balanced_accuracy_score(labels, predicted)
    )


def test_discriminant_agrees_with_the_library_class(rng):
    """Shrinkage s of the library is a ridge of s / (1 - s) times the mean variance."""
    labels = np.repeat([0, 1, 2], 30)
    x = rng.normal(size=(90, 5)) + np.array([[0.0], [0.8], [1.6]])[labels]
    fold = np.arange(90) % 3
    train = fold != 0
    z = StandardScaler().fit(x[train]).transform(x)
    within = sum(
        (train & (labels == c)).sum()
        / train.sum()
        * np.cov(z[train & (labels == c)].T, bias=True)
        for c in range(3)
    )
    shrink = 0.2
    library = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=shrink, priors=[1 / 3] * 3
    ).fit(z[train], labels[train])
    penalty = shrink / (1 - shrink) * np.trace(within) / 5
    found = probe(
        problem(x[None], one_hot(labels[None]), fold),
        "categorical",
        tensor([penalty]),
    )
    mine = found.kept.predicted[0, ~train, 0].argmax(-1).numpy()
    # the library shrinks each class before pooling: nearly the same discriminants
    assert (mine == library.predict(z[~train])).mean() > 0.95


def test_penalty_is_chosen_by_inner_folds(rng, fold):
    x, y = rng.normal(size=(1, 60, 12)), rng.normal(size=60)
    y += x[0, :, :3].sum(1)
    grid = [1e-3, 1e-1, 1.0, 10.0]
    case = problem(x, y[None, :, None, None], fold)
    chosen = choose_penalties(*case, tensor(grid), classes=False)
    for k in range(4):
        loss = np.zeros(len(grid))
        for inner in set(range(4)) - {k}:
            train, test = (fold != k) & (fold != inner), fold == inner
            for i, penalty in enumerate(grid):
                model = make_pipeline(StandardScaler(), Ridge(penalty * train.sum()))
                error = y[test] - model.fit(x[0, train], y[train]).predict(x[0, test])
                loss[i] += (error**2).sum()
        assert int(chosen[k, 0, 0]) == loss.argmin()


def test_inner_error_in_components_equals_rows(rng):
    """More held-out rows than units: errors are computed from a QR factor."""
    x, y = rng.normal(size=(2, 200, 5)), rng.normal(size=(1, 200, 3, 2))
    fold = np.arange(200) % 4
    grid = tensor([1e-2, 1.0, 100.0])
    wide = np.concatenate([x, np.zeros((2, 200, 60))], axis=2)  # constant units
    few, many = (
        choose_penalties(*problem(v, y, fold), grid, classes=False) for v in (x, wide)
    )
    np.testing.assert_array_equal(few, many)


def test_nuisances_are_regressed_out_in_the_fold(rng, fold):
    design = rng.normal(size=(60, 2))
    x = rng.normal(size=(60, 5)) + design @ rng.normal(size=(2, 5)) * 3
    y = x[:, 0] + 5 * design[:, 1]
    found = probe(
        problem(x[None], y[None, :, None, None], fold, design[None], targets_too=True),
        "continuous",
        tensor([0.1]),
    )
    truth, expected = np.zeros(60), np.zeros(60)
    for k in range(4):
        train = fold != k
        out_x = LinearRegression().fit(design[train], x[train])
        out_y = LinearRegression().fit(design[train], y[train])
        rest_x, rest_y = x - out_x.predict(design), y - out_y.predict(design)
        model = make_pipeline(StandardScaler(), Ridge(0.1 * train.sum()))
        model.fit(rest_x[train], rest_y[train])
        expected[~train] = model.predict(rest_x[~train])
        truth[~train] = rest_y[~train]
    np.testing.assert_allclose(found.kept.predicted[0, :, 0, 0], expected, atol=1e-9)
    np.testing.assert_allclose(found.kept.truth[0, :, 0, 0], truth, atol=1e-9)


def test_r2_is_around_the_training_mean(rng, fold):
    x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    y += x[:, 0]
    found = probe(
        problem(x[None], y[None, :, None, None], fold),
        "continuous",
        tensor([0.1]),
    )
    base = np.array([y[fold != k].mean() for k in fold])
    predicted = found.kept.predicted[0, :, 0, 0].numpy() + base
    expected = 1 - ((y - predicted) ** 2).sum() / ((y - base) ** 2).sum()
    assert found.score[0, 0] == pytest.approx(expected)
    assert found.score[0, 0] == pytest.approx(r2_score(y, predicted), abs=0.05)


def test_a_shuffle_is_decoded_as_if_alone(rng, fold):
    labels = rng.integers(0, 3, size=(4, 60))
    x = rng.normal(size=(2, 60, 8)) + labels[2][None, :, None]
    grid = tensor([1e-2, 1.0, 100.0])
    together = probe(problem(x, one_hot(labels), fold), "categorical", grid)
    for b in range(4):
        alone = probe(problem(x, one_hot(labels[b : b + 1]), fold), "categorical", grid)
        np.testing.assert_allclose(together.score[:, b], alone.score[:, 0])
        np.testing.assert_array_equal(together.choice[..., b], alone.choice[..., 0])


def test_a_class_without_training_trials_is_never_predicted(rng):
    labels = np.array([0, 1] * 10 + [2] * 4)
    fold = np.array([0, 0, 1, 1] * 5 + [2] * 4)
    x = rng.normal(size=(1, 24, 3)) + labels[None, :, None]
    found = probe(problem(x, one_hot(labels[None]), fold), "categorical", tensor([1.0]))
    assert not (found.kept.predicted[0, fold == 2, 0].argmax(-1) == 2).any()
    assert torch.isfinite(found.score).all()


def test_scale_shift_and_order_of_units_do_not_matter(rng, fold):
    labels = rng.integers(0, 2, 60)
    x = rng.normal(size=(1, 60, 6)) + labels[None, :, None] * 0.5
    other = (x * rng.uniform(0.1, 10, 6) + rng.normal(size=6))[..., ::-1]
    grid = tensor([1e-2, 1.0, 100.0])
    a, b = (
        probe(problem(v, one_hot(labels[None]), fold), "categorical", grid)
        for v in (x, other)
    )
    np.testing.assert_allclose(a.kept.predicted, b.kept.predicted, atol=1e-8)


def test_across_times_has_the_map_on_its_diagonal(rng, fold):
    labels = rng.integers(0, 2, size=(3, 60))
    x = rng.normal(size=(4, 60, 5))
    x[1:3] += labels[0][None, :, None]
    case, grid = problem(x, one_hot(labels), fold), tensor([0.1, 10.0])
    found = probe(case, "categorical", grid)
    square = across_times(case, "categorical", found.models)
    np.testing.assert_allclose(torch.diagonal(square).T, found.score, atol=1e-12)


def test_across_times_with_targets_and_nuisances_by_time(rng, fold):
    x, y = rng.normal(size=(3, 60, 4)), rng.normal(size=(3, 60, 2, 1))
    design = rng.normal(size=(3, 60, 1))
    case = problem(x, y, fold, design, targets_too=True)
    grid = tensor([0.1])
    found = probe(case, "continuous", grid)
    square = across_times(case, "continuous", found.models)
    np.testing.assert_allclose(torch.diagonal(square).T, found.score, atol=1e-12)


def test_angles_are_predicted_and_scored_as_vectors(rng, fold):
    angle = rng.uniform(0, 2 * np.pi, 60)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) * 3 + 1
    y = np.stack([np.cos(angle), np.sin(angle)], 1)[None, :, None]
    found = probe(problem(x[None], y, fold), "circular", tensor([1e-6]))
    assert found.score[0, 0] == pytest.approx(1.0, abs=1e-6)
    turned = probe(problem(x[None], y[..., ::-1], fold), "circular", tensor([1e-6]))
    assert turned.score[0, 0] == pytest.approx(1.0, abs=1e-6)
