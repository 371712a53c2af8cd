"""Encoding models against himalaya, on the same folds, penalties and mixtures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.model_selection import PredefinedSplit

from marr.representation._encoding._design import (
    as_tensor,
    make_design,
    training_sets,
)
from marr.representation._encoding._encode_score_kernel import (
    column_scores,
    product_measure,
)
from marr.representation._encoding._features import Band
from marr.representation._encoding._frame import Frame
from marr.representation._encoding._models import RidgeMap

kernel_ridge = pytest.importorskip("himalaya.kernel_ridge")
scoring = pytest.importorskip("himalaya.scoring")

FOLDS = np.random.default_rng(0).permutation(np.arange(90) % 5)
PENALTIES = np.logspace(-1, 4, 8)
MIXTURES = ((0.5, 0.5), (0.9, 0.1), (0.1, 0.9), (0.99, 0.01), (0.01, 0.99))


def model_of(*arrays, mixtures=((),)):
    frame = Frame(90, np.arange(90))
    bands = tuple(Band(f"band {i}", x.shape[1], frame, x) for i, x in enumerate(arrays))
    trains, pairs = training_sets(FOLDS)
    design = make_design(bands, np.arange(90), trains, standardize=False, device=None)
    design.relative = False
    return RidgeMap(
        design, torch.from_numpy(FOLDS), pairs, as_tensor(PENALTIES, None), mixtures
    )


def data(sizes, seed=1):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(90, p)) for p in sizes]
    y = sum(
        x[:, :4] @ rng.normal(size=(4, 12)) * w
        for x, w in zip(arrays, (1.0, 0.4), strict=False)
    )
    return arrays, y + 1.5 * rng.normal(size=y.shape) + 4


def inner_folds(f):
    train = f != FOLDS
    codes = np.unique(FOLDS[train], return_inverse=True)[1]
    return train, PredefinedSplit(codes)


@pytest.mark.parametrize("n_features", [20, 300])
def test_ridge_chooses_the_same_penalties_and_predicts_the_same(n_features):
    (x,), y = data([n_features])
    model = model_of(x)
    fitted = model.fit(torch.from_numpy(y))
    found = (fitted.deviation + fitted.base[torch.from_numpy(FOLDS)]).numpy()
    for f in range(5):
        train, inner = inner_folds(f)
        peer = kernel_ridge.KernelRidgeCV(
            alphas=PENALTIES, kernel="linear", cv=inner, fit_intercept=True, warn=False
        ).fit(x[train], y[train])
        np.testing.assert_allclose(PENALTIES[fitted.choice[f]], peer.best_alphas_)
        np.testing.assert_allclose(
            found[~train], peer.predict(x[~train]), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("sizes", [(15, 20), (100, 150)])
def test_banded_ridge_chooses_the_same_mixtures_and_penalties(sizes):
    arrays, y = data(sizes)
    fitted = model_of(*arrays, mixtures=MIXTURES).fit(torch.from_numpy(y))
    found = (fitted.deviation + fitted.base[torch.from_numpy(FOLDS)]).numpy()
    for f in range(5):
        train, inner = inner_folds(f)
        centered = [x - x[train].mean(axis=0) for x in arrays]
        kernels = np.stack([z[train] @ z[train].T for z in centered])
        across = np.stack([z[~train] @ z[train].T for z in centered])
        solve = kernel_ridge.solve_multiple_kernel_ridge_random_search
        deltas, dual, scores, intercept = solve(
            kernels,
            y[train],
            n_iter=np.array(MIXTURES),
            alphas=PENALTIES,
            cv=inner,
            fit_intercept=True,
            return_weights="dual",
            progress_bar=False,
        )
        chosen = np.argmax(np.asarray(scores), axis=0)
        ours = fitted.choice[f].numpy() // len(PENALTIES)
        assert np.array_equal(ours, chosen)
        assert len(np.unique(chosen)) > 1
        weights = np.exp(np.asarray(deltas))
        predicted = np.einsum("bt,bij,jt->it", weights, across, np.asarray(dual))
        np.testing.assert_allclose(
            found[~train], predicted + np.asarray(intercept), rtol=0, atol=1e-8
        )


def test_the_product_measure_is_that_of_himalaya():
    arrays, y = data((15, 20))
    model = model_of(*arrays, mixtures=MIXTURES)
    columns = torch.from_numpy(y)
    fitted = model.fit(columns)
    parts = model.band_deviations(columns, fitted)
    base = fitted.base[torch.from_numpy(FOLDS)]
    ours = np.stack(
        [
            product_measure(columns, fitted.deviation, p, fitted.base, model.folds)
            for p in parts
        ]
    )
    left = columns - base
    left = left - left.mean(dim=0)  # the peer centers the truth over all rows
    shifted = left + base
    again = np.stack(
        [
            product_measure(shifted, fitted.deviation, p, fitted.base, model.folds)
            for p in parts
        ]
    )
    peer = scoring.r2_score_split(
        left.numpy(), np.stack([p.numpy() for p in parts]), include_correlation=True
    )
    np.testing.assert_allclose(again, np.asarray(peer), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours, np.asarray(peer), rtol=0, atol=0.01)
    r2 = column_scores(columns, fitted.deviation, fitted.base, model.folds, False)
    np.testing.assert_allclose(ours.sum(axis=0), r2, atol=1e-12)
