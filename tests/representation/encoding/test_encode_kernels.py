"""Kernels of encoding models against plain algebra, scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from marr.representation._encoding._ceiling_kernel import ceiling_parts, repeat_means
from marr.representation._encoding._design import (
    as_tensor,
    make_design,
    training_sets,
)
from marr.representation._encoding._encode_score_kernel import (
    column_scores,
    pearson_of,
    product_measure,
    r2_of,
    score_parts,
    summed,
)
from marr.representation._encoding._features import Band
from marr.representation._encoding._frame import Frame
from marr.representation._encoding._models import PlsMap, RidgeMap, mixtures_of
from marr.representation._encoding._pls_kernel import (
    pls_errors,
    pls_predictions,
    pls_scores,
)

PENALTIES = (0.01, 0.3, 10.0, 300.0)
FOLDS = np.random.default_rng(9).permutation(np.arange(60) % 4)


def bands_of(*arrays: np.ndarray) -> tuple[Band, ...]:
    frame = Frame(len(arrays[0]), np.arange(len(arrays[0])))
    return tuple(Band(f"band {i}", x.shape[1], frame, x) for i, x in enumerate(arrays))


def ridge_map(*arrays, standardize=True, relative=True, mixtures=((),), **more):
    trains, pairs = training_sets(FOLDS)
    design = make_design(
        bands_of(*arrays),
        np.arange(len(FOLDS)),
        trains,
        standardize=standardize,
        device=None,
    )
    design.relative = relative
    return RidgeMap(
        design,
        torch.from_numpy(FOLDS),
        pairs,
        as_tensor(np.array(PENALTIES), None),
        mixtures,
        **more,
    )


def planted(n_features: int, n_units: int = 7, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, n_features)) * rng.gamma(2, 1, n_features) + 3
    y = x @ rng.normal(size=(n_features, n_units)) / np.sqrt(n_features)
    return x, y + rng.normal(size=y.shape) + 50


def plain_ridge(x, y, penalties, *, standardize, relative):
    """Nested cross-validation in loops; return predictions and chosen penalties."""
    out, chosen = np.zeros_like(y), np.zeros((4, y.shape[1]), int)

    def fit(train, test, penalty):
        scaler = StandardScaler(with_std=standardize).fit(x[train])
        a, b = scaler.transform(x[train]), scaler.transform(x[test])
        scale = (a**2).sum(axis=1).mean() if relative else 1.0
        return Ridge(penalty * scale).fit(a, y[train]).predict(b)

    for f in range(4):
        error = np.zeros((len(penalties), y.shape[1]))
        for g in set(range(4)) - {f}:
            train, test = (f != FOLDS) & (g != FOLDS), g == FOLDS
            for i, penalty in enumerate(penalties):
                error[i] += ((fit(train, test, penalty) - y[test]) ** 2).sum(axis=0)
        chosen[f] = error.argmin(axis=0)
        for i, penalty in enumerate(penalties):
            mine = chosen[f] == i
            if mine.any():
                found = fit(f != FOLDS, f == FOLDS, penalty)
                out[np.ix_(f == FOLDS, mine)] = found[:, mine]
    return out, chosen


def predictions(fitted) -> np.ndarray:
    base = fitted.base[torch.from_numpy(FOLDS)]
    return (fitted.deviation + base).numpy()


@pytest.mark.parametrize("n_features", [3, 30, 59, 200])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("relative", [True, False])
def test_nested_ridge_equals_loops_of_scikit_learn(n_features, standardize, relative):
    """Few features (errors from products), many (Gram matrix), and in between."""
    x, y = planted(n_features)
    model = ridge_map(x, standardize=standardize, relative=relative)
    fitted = model.fit(torch.from_numpy(y))
    expected, chosen = plain_ridge(
        x, y, PENALTIES, standardize=standardize, relative=relative
    )
    assert np.array_equal(fitted.choice.numpy(), chosen)
    assert len(np.unique(chosen)) > 1
    np.testing.assert_allclose(predictions(fitted), expected, rtol=0, atol=1e-9)


def test_both_sides_agree():
    """The same features, as columns and as Gram matrix."""
    x, y = planted(40)
    wide = np.concatenate([x, np.zeros((60, 100))], axis=1)  # constants make it dual
    a, b = ridge_map(x), ridge_map(wide)
    assert a.design.grams is None
    assert b.design.columns is None
    one, two = (m.fit(torch.from_numpy(y)) for m in (a, b))
    assert torch.equal(one.choice, two.choice)
    np.testing.assert_allclose(predictions(one), predictions(two), rtol=0, atol=1e-10)
    np.testing.assert_allclose(one.inner, two.inner, rtol=0, atol=1e-10)


def test_columns_do_not_mix_and_blocks_do_not_matter():
    x, y = planted(100, n_units=6)
    whole = ridge_map(x).fit(torch.from_numpy(y))
    for i in range(6):
        one = ridge_map(x).fit(torch.from_numpy(y[:, [i]]))
        np.testing.assert_allclose(
            one.deviation[:, 0], whole.deviation[:, i], rtol=0, atol=1e-11
        )


@pytest.mark.parametrize("n_features", [8, 200])
def test_features_constant_inside_a_fold(n_features):
    """A feature that varies in one fold only is nothing to learn from without it."""
    x, y = planted(n_features)
    x[:, 0] = np.where(FOLDS == 2, np.linspace(-40, 40, 60), 1.0)
    x[:, 1] = 7.0
    fitted = ridge_map(x).fit(torch.from_numpy(y))
    assert torch.isfinite(fitted.deviation).all()
    without = ridge_map(x[:, 2:]).fit(torch.from_numpy(y))
    rows = FOLDS == 2
    np.testing.assert_allclose(
        fitted.deviation[rows], without.deviation[rows], rtol=0, atol=1e-9
    )


def test_noise_is_shrunk_to_the_training_mean():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 300)), rng.normal(size=(60, 400))
    model = ridge_map(x)
    fitted = model.fit(torch.from_numpy(y))
    r2 = column_scores(
        torch.from_numpy(y), fitted.deviation, fitted.base, model.folds, False
    )
    assert -0.08 < r2.mean() < 0.01


@pytest.mark.parametrize("sizes", [(5, 6), (80, 90)])
def test_banded_ridge_equals_ridge_on_weighted_features(sizes):
    """For one mixture: each band scaled by the root of its share over its mean square."""
    rng = np.random.default_rng(4)
    a, b = (
        rng.normal(size=(60, p)) * s for p, s in zip(sizes, (1.0, 30.0), strict=True)
    )
    y = a[:, :3] @ rng.normal(size=(3, 5)) + rng.normal(size=(60, 5))
    share = (0.8, 0.2)
    fitted = ridge_map(a, b, mixtures=(share,)).fit(torch.from_numpy(y))
    for f in range(4):
        train = f != FOLDS
        parts = []
        for x, s in zip((a, b), share, strict=True):
            z = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
            parts.append(z * np.sqrt(s / (z[train] ** 2).sum(axis=1).mean()))
        z = np.concatenate(parts, axis=1)
        for i in range(5):
            penalty = PENALTIES[int(fitted.choice[f, i])]
            expected = Ridge(penalty).fit(z[train], y[train, i]).predict(z[~train])
            found = predictions(fitted)[~train, i]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("sizes", [(5, 6), (80, 90)])
@pytest.mark.parametrize("mixtures", [((),), ((0.8, 0.2), (1.0, 0.0), (0.3, 0.7))])
def test_parts_of_bands_sum_to_the_prediction(sizes, mixtures):
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=(60, p)) for p in sizes)
    y = torch.from_numpy(a[:, :3] @ rng.normal(size=(3, 9)) + rng.normal(size=(60, 9)))
    model = ridge_map(a, b, mixtures=mixtures)
    fitted = model.fit(y)
    parts = model.band_deviations(y, fitted)
    np.testing.assert_allclose(sum(parts), fitted.deviation, rtol=0, atol=1e-10)
    shares = [
        product_measure(y, fitted.deviation, p, fitted.base, model.folds) for p in parts
    ]
    r2 = column_scores(y, fitted.deviation, fitted.base, model.folds, False)
    np.testing.assert_allclose(sum(shares), r2, rtol=0, atol=1e-12)


def test_banded_ridge_finds_the_band_that_matters():
    rng = np.random.default_rng(5)
    good, bad = rng.normal(size=(60, 5)), rng.normal(size=(60, 200))
    y = good @ rng.normal(size=(5, 8)) + 0.7 * rng.normal(size=(60, 8))
    mixtures = mixtures_of(2, n_mixtures=9, seed=0)
    columns = torch.from_numpy(y)
    scores = []
    for how in (mixtures, ((),)):
        model = ridge_map(good, bad, mixtures=how)
        fitted = model.fit(columns)
        scores.append(
            column_scores(columns, fitted.deviation, fitted.base, model.folds, False)
        )
        if how is mixtures:
            assert model.shares(fitted.choice)[..., 0].mean() > 0.8
    assert float(scores[0].mean()) > float(scores[1].mean()) + 0.3


@pytest.mark.parametrize(("n_bands", "n"), [(1, 25), (2, 11), (3, 25), (5, 40)])
def test_mixtures_are_shares(n_bands, n):
    found = np.array(mixtures_of(n_bands, n_mixtures=n, seed=1))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (found >= 0).all()
    assert found.shape == (1 if n_bands == 1 else n, n_bands)
    if n_bands > 1:
        assert {tuple(row) for row in np.eye(n_bands)} <= {tuple(r) for r in found}
    assert mixtures_of(n_bands, n_mixtures=n, seed=1) == tuple(map(tuple, found))


# -- partial least squares ------------------------------------------------------------


@pytest.mark.parametrize("n_units", [1, 6, 300])
def test_pls_equals_a_converged_scikit_learn(n_units):
    rng = np.random.default_rng(6)
    latent = rng.normal(size=(60, 8))
    x = latent @ rng.normal(size=(8, 90)) + rng.normal(size=(60, 90))
    y = latent @ rng.normal(size=(8, n_units)) + rng.normal(size=(60, n_units))
    train = FOLDS != 1
    scores = pls_scores(x @ x.T, train, y[train], 7)
    np.testing.assert_allclose(scores.train.T @ scores.train, np.eye(7), atol=1e-12)
    errors = pls_errors(scores, y[train], y[~train], np.zeros((~train).sum(), bool), 7)
    for k in (1, 4, 7):
        peer = PLSRegression(k, scale=False, tol=1e-14, max_iter=200_000)
        expected = peer.fit(x[train], y[train]).predict(x[~train]).reshape(-1, n_units)
        found = pls_predictions(scores, y[train], np.full(n_units, k))
        found = found + y[train].mean(axis=0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(
            errors[0, k], ((y[~train] - expected) ** 2).sum(axis=0), rtol=1e-3
        )
    assert (errors[1] == 0).all()


def test_pls_stops_where_nothing_is_left():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 3))
    y = x @ rng.normal(size=(3, 4))
    train = FOLDS != 0
    scores = pls_scores(x @ x.T, train, y[train], 20)
    assert scores.train.shape[1] <= 4
    found = pls_predictions(scores, y[train], np.full(4, 20)) + y[train].mean(axis=0)
    np.testing.assert_allclose(found, y[~train], atol=1e-8)
    nothing = pls_scores(x @ x.T, train, np.ones((train.sum(), 2)), 5)
    assert nothing.train.shape[1] == 0
    assert (
        pls_predictions(nothing, np.ones((train.sum(), 2)), np.full(2, 5)) == 0
    ).all()


def test_pls_chooses_components_in_inner_folds():
    rng = np.random.default_rng(8)
    latent = rng.normal(size=(60, 2))
    x = latent @ rng.normal(size=(2, 80)) + 0.3 * rng.normal(size=(60, 80))
    y = latent @ rng.normal(size=(2, 10)) + rng.normal(size=(60, 10))
    trains, pairs = training_sets(FOLDS)
    design = make_design(
        bands_of(x), np.arange(60), trains, standardize=True, device=None
    )
    model = PlsMap(design, torch.from_numpy(FOLDS), pairs, 12, True)
    fitted = model.fit(torch.from_numpy(y))
    assert np.median(model.strength(fitted.choice)) <= 4
    fixed = PlsMap(design, torch.from_numpy(FOLDS), pairs, 12, False)
    twelve = fixed.fit(torch.from_numpy(y))
    truth = torch.from_numpy(y)
    a, b = (
        column_scores(truth, f.deviation, f.base, model.folds, False).mean()
        for f in (fitted, twelve)
    )
    assert a > b + 0.05


# -- scores and ceilings ----------------------------------------------------------------


def test_scores_equal_their_definitions():
    rng = np.random.default_rng(10)
    y, said = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    base = rng.normal(size=(4, 3))
    y[:, 2] = said[:, 2]
    fold = torch.from_numpy(FOLDS)
    parts = score_parts(*map(torch.from_numpy, (y, said, base)), fold)
    left = y - base[FOLDS]
    expected = 1 - ((left - said) ** 2).sum(axis=0) / (left**2).sum(axis=0)
    np.testing.assert_allclose(r2_of(parts)[0], expected)
    within = [
        np.concatenate(
            [(v - v.mean(axis=0)) for v in (a[f == FOLDS] for f in range(4))]
        )
        for a in (left, said)
    ]
    r = [np.corrcoef(within[0][:, i], within[1][:, i])[0, 1] for i in range(3)]
    np.testing.assert_allclose(pearson_of(parts)[0], r)
    for pearson, of in ((False, r2_of), (True, pearson_of)):
        alone = column_scores(*map(torch.from_numpy, (y, said, base)), fold, pearson)
        np.testing.assert_allclose(alone, of(parts)[0])
    units = torch.from_numpy(np.arange(60) // 3)
    weights = torch.ones((2, 20), dtype=torch.double)
    np.testing.assert_allclose(r2_of(summed(parts, units), weights)[1], expected)


def test_constant_units_have_no_score():
    y = torch.full((60, 1), 3.7, dtype=torch.double)
    base, zero = torch.full((4, 1), 3.7, dtype=torch.double), torch.zeros_like(y)
    fold = torch.from_numpy(FOLDS)
    parts = score_parts(y, zero, base, fold)
    assert torch.isnan(r2_of(parts)).all()
    assert torch.isnan(pearson_of(parts)).all()
    assert torch.isnan(column_scores(y, zero, base, fold, True)).all()


def test_a_constant_prediction_has_correlation_0():
    y = torch.from_numpy(np.random.default_rng(0).normal(size=(60, 2)))
    zero, base = torch.zeros_like(y), torch.zeros((4, 2), dtype=torch.double)
    fold = torch.from_numpy(FOLDS)
    assert (pearson_of(score_parts(y, zero, base, fold)) == 0).all()
    assert (r2_of(score_parts(y, zero, base, fold)) == 0).all()


def simulate(n_stimuli, n_repeats, signal, rng, n_units=400):
    stimulus = np.repeat(np.arange(n_stimuli), n_repeats)
    mean = signal * rng.normal(size=(n_stimuli, 1, n_units))
    return stimulus, mean[stimulus] + rng.normal(size=(len(stimulus), 1, n_units))


@pytest.mark.parametrize("trials", [True, False])
def test_the_ceiling_is_the_share_of_signal(trials):
    """SNR / (1 + SNR) for single trials, n SNR / (1 + n SNR) for means of n."""
    rng = np.random.default_rng(11)
    stimulus, y = simulate(80, 4, 0.8, rng)
    none, one = np.full(len(stimulus), -1), np.zeros
    if trials:
        rows, of, truth = y[:, 0], stimulus, 0.64 / 1.64
    else:
        rows = y[:, 0].reshape(80, 4, -1).mean(axis=1)
        of, truth = np.arange(80), 0.64 / (0.64 + 0.25)
    found = ceiling_parts(
        y, stimulus, none, of, one(len(of), int), ((rows - rows.mean(0)) ** 2).mean(0)
    )
    assert found.ceiling.mean() == pytest.approx(truth, abs=0.01)
    assert (found.p_value < 1e-3).mean() > 0.99
    if not trials:
        inside = (found.low <= truth) & (truth <= found.high)
        assert 0.92 < inside.mean() < 0.98


def test_the_ceiling_equals_the_average_over_random_halves():
    """Average covariance of random halves over the variance of means: Spearman-Brown."""
    rng = np.random.default_rng(12)
    stimulus, y = simulate(12, 4, 1.0, rng, n_units=3)
    rows = y[:, 0].reshape(12, 4, 3)
    mean = rows.mean(axis=1)
    found = ceiling_parts(
        y, stimulus, np.full(48, -1), np.arange(12), np.zeros(12, int), mean.var(axis=0)
    )
    covariance = np.zeros(3)
    for _ in range(20_000):
        order = np.argsort(rng.random((12, 4)), axis=1)[..., None]
        shuffled = np.take_along_axis(rows, order, axis=1)
        a, b = shuffled[:, :2].mean(axis=1), shuffled[:, 2:].mean(axis=1)
        covariance += ((a - a.mean(0)) * (b - b.mean(0))).sum(axis=0) / 11
    expected = covariance / 20_000 / mean.var(axis=0, ddof=1)
    np.testing.assert_allclose(found.ceiling, expected, atol=0.01)


def test_no_signal_no_ceiling():
    rng = np.random.default_rng(13)
    stimulus, y = simulate(30, 3, 0.0, rng, n_units=2000)
    mean = y[:, 0].reshape(30, 3, -1).mean(axis=1)
    found = ceiling_parts(
        y, stimulus, np.full(90, -1), np.arange(30), np.zeros(30, int), mean.var(axis=0)
    )
    assert 0.035 < (found.p_value < 0.05).mean() < 0.065
    assert (found.ceiling >= 0).all()


def test_noise_shared_within_runs_is_no_signal():
    """A run's offset moves all its stimuli; trials of one stimulus in a run are one repeat."""
    rng = np.random.default_rng(14)
    stimulus = np.tile(np.repeat(np.arange(10), 2), 6)  # twice in each of 6 runs
    run = np.repeat(np.arange(6), 20)
    shared = rng.normal(size=(6, 10, 500))[run, stimulus]  # of a stimulus in a run
    y = shared + 3 * rng.normal(size=(6, 500))[run] + 0.5 * rng.normal(size=(120, 500))
    code, of, group = repeat_means(stimulus, run)
    means = np.zeros((60, 500))
    np.add.at(means, code, y)
    means /= 2
    rows = np.stack([means[of == s].mean(axis=0) for s in range(10)])
    found = ceiling_parts(
        means[:, None], of, group, np.arange(10), np.zeros(10, int), rows.var(axis=0)
    )
    assert 0.03 < (found.p_value < 0.05).mean() < 0.07
    wrong = ceiling_parts(
        y[:, None],
        stimulus,
        np.full(120, -1),
        np.arange(10),
        np.zeros(10, int),
        rows.var(axis=0),
    )
    assert wrong.ceiling.mean() < found.ceiling.mean()  # run offsets taken for noise


def test_the_ceiling_within_folds_leaves_their_offsets_out():
    """For correlations: rows are centered within folds, so is the variance."""
    rng = np.random.default_rng(15)
    stimulus = np.tile(np.arange(8), 12)
    fold = np.repeat(np.arange(4), 24)
    signal = rng.normal(size=(8, 300))
    y = signal[stimulus] + rng.normal(size=(96, 300))
    y += 5 * rng.normal(size=(4, 300))[fold]
    left = np.concatenate([y[fold == f] - y[fold == f].mean(axis=0) for f in range(4)])
    run = np.repeat(np.arange(12), 8)
    found = ceiling_parts(
        y[:, None], stimulus, run, stimulus, fold, (left**2).mean(axis=0)
    )
    truth = signal.var(axis=0) / (signal.var(axis=0) + 23 / 24)
    assert found.ceiling.mean() == pytest.approx(truth.mean(), abs=0.01)
    raw = ceiling_parts(
        y[:, None], stimulus, run, stimulus, np.zeros(96, int), y.var(axis=0)
    )
    assert raw.ceiling.mean() < 0.15
