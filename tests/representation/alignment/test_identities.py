"""Measures against each other, against their definitions, and against planted numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from scipy.stats import ortho_group, pearsonr, spearmanr
from sklearn.linear_model import Ridge

from marr.representation import ALIGNMENT_MEASURES
from marr.representation._alignment import _factor_kernel as factors
from marr.representation._alignment import _gram_kernel as grams
from marr.representation._alignment._predict_kernel import (
    PENALTIES,
    fold_fits,
    held_out_scores,
)
from marr.representation._alignment._topology_kernel import (
    divergence,
    lite_divergence,
    scaled_distances,
)
from marr.stats import folds

M = ALIGNMENT_MEASURES


@pytest.fixture
def pair(rng):
    shared = rng.normal(size=(40, 3))
    made = [shared @ rng.normal(size=(3, p)) + rng.normal(size=(40, p)) for p in (6, 9)]
    return made[0] + 2, made[1] - 1


def centered(x):
    return x - x.mean(axis=0)


def distances(x):
    return ((x[:, None] - x) ** 2).sum(axis=-1)


# -- kernels ---------------------------------------------------------------------------


def test_biased_cka_is_its_definition_and_the_cosine_of_centered_distances(pair):
    a, b = (centered(x) for x in pair)
    expected = np.linalg.norm(a.T @ b) ** 2
    expected /= np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    assert M["cka_biased"](*pair) == pytest.approx(expected, abs=1e-12)
    x, y = (grams.center(distances(v)).ravel() for v in pair)
    cosine = x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
    assert cosine == pytest.approx(expected, abs=1e-12)
    assert M["cka_angular"](*pair) == pytest.approx(np.arccos(expected), abs=1e-12)


def test_biased_cka_is_whitened_cosine_similarity_of_distances(pair):
    """With V the covariance of distances of independent noise (Diedrichsen et al. 2021)."""
    n = 12
    a, b = (distances(x[:n])[np.triu_indices(n, 1)] for x in pair)
    i, j = np.triu_indices(n, 1)
    contrast = np.zeros((len(i), n))
    contrast[np.arange(len(i)), i], contrast[np.arange(len(i)), j] = 1, -1
    inverse = np.linalg.inv((contrast @ contrast.T) ** 2)
    cosine = a @ inverse @ b / np.sqrt((a @ inverse @ a) * (b @ inverse @ b))
    assert M["cka_biased"](pair[0][:n], pair[1][:n]) == pytest.approx(cosine, abs=1e-9)


def unbiased_hsic(k, other):
    n = len(k)
    k, other = (m - np.diag(np.diag(m)) for m in (k, other))
    one = np.ones(n)
    return (
        np.trace(k @ other)
        + one @ k @ one * (one @ other @ one) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * one @ k @ other @ one
    ) / (n * (n - 3))


@pytest.mark.parametrize("name", ["cka", "cka_rbf"])
def test_debiased_cka_is_the_ratio_of_unbiased_estimators(pair, name):
    kernels = [x @ x.T for x in pair]
    if name == "cka_rbf":
        d = [distances(x) for x in pair]
        kernels = [np.exp(-v / (2 * np.median(v[v > 0]))) for v in d]
    k, other = kernels
    size = np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(other, other))
    assert M[name](*pair) == pytest.approx(unbiased_hsic(k, other) / size, abs=1e-10)


def test_by_rows_and_by_units_agree(rng):
    """Both ways of the linear kernel, and both forms of its null."""
    a, b = rng.normal(size=(2, 30, 8))
    wide = np.hstack([b, np.zeros((30, 40))])  # the same geometry, more units than rows
    for name in ("cka", "cka_biased"):
        assert M[name](a, b) == pytest.approx(M[name](a, wide), abs=1e-12)


def test_distances_follow_from_the_gram_matrix(pair):
    np.testing.assert_allclose(
        grams.squared_distances(grams.gram(pair[0])), distances(pair[0]), atol=1e-10
    )


@pytest.mark.parametrize(("n", "p", "q"), [(50, 500, 500), (60, 20, 200)])
def test_independent_systems_of_few_rows(n, p, q):
    """Biased: the root of pq / ((n + p)(n + q)), 0.909 of 50 rows and 500 units."""
    rng = np.random.default_rng(0)
    found = {name: [] for name in ("cka_biased", "cka")}
    for _ in range(20):
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
        for name, values in found.items():
            values.append(M[name](x, y))
    expected = np.sqrt(p * q / ((n + p) * (n + q)))
    assert np.mean(found["cka_biased"]) == pytest.approx(expected, abs=0.005)
    assert np.mean(found["cka"]) == pytest.approx(0.0, abs=0.02)


# -- shapes and canonical correlations -------------------------------------------------


def test_canonical_correlations_by_their_definition(pair):
    a, b = (centered(x) for x in pair)
    s_aa, s_bb, s_ab = a.T @ a, b.T @ b, a.T @ b
    m = np.linalg.solve(s_aa, s_ab) @ np.linalg.solve(s_bb, s_ab.T)
    rho = np.sqrt(np.sort(np.linalg.eigvals(m).real)[::-1])
    assert M["cca"](*pair) == pytest.approx(rho.mean(), abs=1e-10)
    known = M["cca"](pair[0], pair[0] @ np.diag(np.arange(1.0, 7)))
    assert known == pytest.approx(1.0)


def test_svcca_is_components_then_canonical_correlations(pair):
    kept = []
    for x in pair:
        u, s, _ = np.linalg.svd(centered(x), full_matrices=False)
        share = np.cumsum(s**2) / (s**2).sum()
        k = int(np.argmax(share >= 0.99)) + 1
        assert share[k - 1] >= 0.99 > (share[k - 2] if k > 1 else 0)
        kept.append(u[:, :k] * s[:k])
    assert M["svcca"](*pair) == pytest.approx(M["cca"](*kept), abs=1e-10)


def test_one_strong_component_is_not_all_that_svcca_keeps(rng):
    """A fraction of variance against 0.99, not a cumulative fraction against the total."""
    x = rng.normal(size=(60, 10)) * np.linspace(3, 1, 10)
    assert M["svcca"](x, x[:, :1] + 0.01 * rng.normal(size=(60, 1))) < 1
    u, _ = factors.economy(x)
    assert factors.variance_components(x, 0.99).shape[1] >= 9
    assert factors.variance_components(x, 1.0).shape == u.shape


def test_projection_weighting_by_its_definition(pair):
    """Weights from the canonical variates of the first system and its raw columns."""
    a, b = (centered(x) for x in pair)
    inner = [np.linalg.inv(sqrtm(v.T @ v).real) for v in (a, b)]
    left, rho, _ = np.linalg.svd(inner[0] @ a.T @ b @ inner[1], full_matrices=False)
    variates = a @ inner[0] @ left
    weight = np.abs(variates.T @ a).sum(axis=1)
    expected = (weight * rho).sum() / weight.sum()
    assert M["pwcca"](*pair) == pytest.approx(expected, abs=1e-9)
    assert M["pwcca"](*pair[::-1]) != pytest.approx(expected, abs=1e-3)


def test_procrustes_bures_and_their_angles(pair):
    a, b = (centered(x) for x in pair)
    k, other = a @ a.T, b @ b.T
    root = sqrtm(k + 1e-12 * np.eye(len(k))).real
    fidelity = np.trace(sqrtm(root @ other @ root).real)
    nbs = fidelity / np.sqrt(np.trace(k) * np.trace(other))
    assert M["nbs"](*pair) == pytest.approx(nbs, abs=1e-5)
    exact = M["nbs"](*pair)
    assert M["procrustes"](*pair) == pytest.approx(np.arccos(exact), abs=1e-12)
    assert M["bures"](*pair) == pytest.approx(np.sqrt(2 - 2 * exact), abs=1e-12)
    size = np.trace(k) + np.trace(other)
    bures = np.sqrt(size - 2 * exact * np.sqrt(np.trace(k) * np.trace(other)))
    assert M["procrustes_euclidean"](*pair) == pytest.approx(bures, abs=1e-10)


def plain_shape(x, y, alpha):
    """The published metric: whiten raw data of both, rotate, take the angle."""
    white = []
    for v in (centered(x), centered(y)):
        lam, vectors = np.linalg.eigh(v.T @ v)
        lam = np.maximum(lam, 1e-7)
        d = alpha + (1 - alpha) / np.sqrt(lam)
        new = (alpha * np.sqrt(lam) + 1 - alpha) ** 2
        z = (vectors * d * np.sqrt(lam.sum() / new.sum())) @ vectors.T
        white.append(v @ z)
    u, _, vt = np.linalg.svd(white[0].T @ white[1], full_matrices=False)
    p, q = white[0] @ u, white[1] @ vt.T
    sizes = np.linalg.norm(white[0]) * np.linalg.norm(white[1])
    return np.arccos((p * q).sum() / sizes)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(40, 6), (30, 30), (25, 60)])
def test_shape_metric_is_the_published_one(rng, alpha, shape):
    if alpha == 0 and shape[1] >= shape[0]:
        pytest.skip("whitened, such systems are all alike")
    x = rng.normal(size=shape)
    y = x + rng.normal(size=shape)
    found = M["shape_partial"].configured(alpha=alpha)(x, y)
    assert found == pytest.approx(plain_shape(x, y, alpha), abs=1e-6)


def test_whitened_shape_is_the_mean_canonical_correlation(rng):
    a, b = rng.normal(size=(2, 40, 6))
    assert np.cos(M["shape_linear"](a, b)) == pytest.approx(M["cca"](a, b), abs=1e-12)


def test_nuclear_norm_by_eigenvalues_and_by_singular_values(rng):
    full = rng.normal(size=(40, 60))
    poor = full.copy()
    poor[20:] = 0.0
    for c in (full, full.T, poor, full @ np.diag(np.logspace(0, -9, 60))):
        exact = np.linalg.svd(c, compute_uv=False).sum()
        assert factors.nuclear_norm(c) == pytest.approx(exact, rel=1e-12)


def test_permutation_finds_shuffled_units(rng):
    x = rng.normal(size=(50, 8))
    entry = M["shape_permutation"]
    assert entry(x, x[:, rng.permutation(8)]) == pytest.approx(0.0, abs=1e-6)
    assert entry(x, x @ ortho_group.rvs(8, random_state=1)) > 0.2
    y = rng.normal(size=(50, 5))
    a, b = (centered(v) / np.linalg.norm(centered(v)) for v in (x, y))
    padded = np.hstack([b, np.zeros((50, 3))])
    i, j = linear_sum_assignment(a.T @ padded, maximize=True)
    assert entry(x, y) == pytest.approx(np.arccos((a[:, i] * padded[:, j]).sum()))


def test_held_out_rotation(rng):
    """A rotation holds for new rows; of independent systems nothing does."""
    x = rng.normal(size=(60, 8))
    entry = M["shape_held_out"]
    assert entry(x, x @ ortho_group.rvs(8, random_state=1)) == pytest.approx(
        0, abs=1e-6
    )
    y = rng.normal(size=(60, 8))
    fold = folds(60, n_folds=5, seed=0)
    cosines = []
    for f in range(5):
        train, test = fold != f, fold == f
        a, b = x - x[train].mean(0), y - y[train].mean(0)
        u, _, vt = np.linalg.svd(a[train].T @ b[train])
        p, q = a[test] @ u, b[test] @ vt.T
        cosines.append((p * q).sum() / np.linalg.norm(p) / np.linalg.norm(q))
    assert entry(x, y) == pytest.approx(np.arccos(np.mean(cosines)), abs=1e-9)


# -- dissimilarities, prediction, neighbors ----------------------------------------------


def test_rsa_by_its_definition(pair):
    upper = np.triu_indices(40, 1)
    a, b = (1 - np.corrcoef(x)[upper] for x in pair)
    assert M["rsa"](*pair) == pytest.approx(pearsonr(a, b)[0], abs=1e-12)
    assert M["rsa_spearman"](*pair) == pytest.approx(spearmanr(a, b)[0], abs=1e-12)
    c, d = (distances(x)[upper] for x in pair)
    assert M["rsa_euclidean"](*pair) == pytest.approx(pearsonr(c, d)[0], abs=1e-12)


@pytest.mark.parametrize("p", [5, 80])
def test_predictivity_is_ridge_with_its_penalty_by_generalized_validation(rng, p):
    x = rng.normal(size=(50, p))
    y = x[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(50, 4))
    fold = folds(50, n_folds=5, seed=0)
    expected = np.zeros((5, 4))
    for f in range(5):
        train, test = fold != f, fold == f
        a, b = centered(x[train]), centered(y[train])
        s = np.linalg.svd(a, compute_uv=False)
        s = s[s > 1e-7 * s[0]]
        for t in range(4):
            models = []
            for penalty in PENALTIES * (s**2).mean():
                model = Ridge(penalty, fit_intercept=True).fit(x[train], y[train, t])
                left = ((y[train, t] - model.predict(x[train])) ** 2).sum()
                freedom = len(b) - 1 - (s**2 / (s**2 + penalty)).sum()
                models.append((left / freedom**2, penalty, model))
            best = min(models, key=lambda m: m[0])[2]
            expected[f, t] = np.corrcoef(best.predict(x[test]), y[test, t])[0, 1]
    found = held_out_scores(fold_fits(x, fold), y, "pearson")
    np.testing.assert_allclose(found, expected.mean(axis=0), atol=1e-6)
    assert M["predictivity"](x, y) == pytest.approx(np.median(found))
    assert M["predictivity_reverse"](y, x) == pytest.approx(np.median(found))


def test_predictivity_reaches_the_signal(rng):
    """R² of signal over noise 4 is 0.8; of independent units about 0, not above."""
    x = rng.normal(size=(400, 6))
    y = 2 * x @ ortho_group.rvs(6, random_state=1) + rng.normal(size=(400, 6))
    assert M["predictivity_r2"](x, y) == pytest.approx(0.8, abs=0.03)
    assert M["predictivity"](x, y) == pytest.approx(np.sqrt(0.8), abs=0.03)
    assert M["predictivity_r2"](x, rng.normal(size=(400, 6))) < 0.02


def test_mutual_neighbors_by_hand(rng):
    x, y = rng.normal(size=(2, 60, 4))
    k, share = 5, []
    for i in range(60):
        near = [
            set(np.argsort(np.where(np.arange(60) == i, np.inf, distances(v)[i]))[:k])
            for v in (x, y)
        ]
        share.append(len(near[0] & near[1]) / k)
    entry = M["mutual_knn"].configured(k=k)
    assert entry(x, y) == pytest.approx(np.mean(share))
    rng = np.random.default_rng(1)
    found = [entry(*rng.normal(size=(2, 60, 4))) for _ in range(40)]
    assert np.mean(found) == pytest.approx(k / 59, abs=0.01)


def test_neighbor_kernel_alignment_by_its_definition(rng):
    """Masked kernels in the unbiased estimator; over all rows it is debiased CKA."""
    x, y = rng.normal(size=(2, 30, 4))
    y = y + x
    near = M["cknna"].configured(k=28)
    everything = M["cknna"].configured(k=28)(x, x)
    assert everything == pytest.approx(1.0)
    assert near(x, y) == pytest.approx(M["cka"](x, y), abs=0.1)
    kernels = [centered(v) @ centered(v).T for v in (x, y)]
    masks = []
    for k in kernels:
        apart = k - np.diag(np.full(30, np.inf))
        mask = np.zeros((30, 30))
        np.put_along_axis(mask, np.argsort(-apart, axis=1)[:, :7], 1.0, axis=1)
        masks.append(mask)

    def hsic(a, b):
        n = len(a)
        total = a.sum() * b.sum() / ((n - 1) * (n - 2))
        return (a * b.T).sum() + total - 2 * (a @ b).sum() / (n - 2)

    both = masks[0] * masks[1]
    own = [hsic(m * k, m * k) for m, k in zip(masks, kernels, strict=True)]
    expected = hsic(both * kernels[0], both * kernels[1]) / np.sqrt(own[0] * own[1])
    assert M["cknna"].configured(k=7)(x, y) == pytest.approx(expected, abs=1e-10)


# -- topology --------------------------------------------------------------------------


def test_divergence_of_three_points_by_hand():
    """One edge is shorter in v: a bar from there to where w closes the same edge."""
    w = np.array([[0, 1.0, 2.0], [1.0, 0, 3.0], [2.0, 3.0, 0]])
    v = np.array([[0, 1.0, 2.0], [1.0, 0, 0.5], [2.0, 0.5, 0]])
    # relative to w: edge 12 enters at 0.5; it is closed by the triangle at 2 (max of min)
    assert divergence(w, v) == pytest.approx((1.5 + 0.0) / 2)
    assert lite_divergence(w, v) == pytest.approx((3.0 - 1.5 + 1.5 - 1.5) / 2)


def test_divergence_sees_a_cluster_that_splits(rng):
    x = np.concatenate([rng.normal(size=(20, 2)), rng.normal([20, 0], size=(20, 2))])
    same = x + 0.01 * rng.normal(size=x.shape)
    mixed = x[rng.permutation(40)]
    for name in ("rtd", "rtd_lite"):
        assert M[name](x, same) < 0.1 * M[name](x, mixed)


def test_lite_divergence_never_exceeds_the_divergence(rng):
    for _ in range(10):
        x, y = rng.normal(size=(2, 15, 2))
        w, v = (scaled_distances(distances(z), 0.9) for z in (x, y))
        assert lite_divergence(w, v) <= divergence(w, v) + 1e-9


def test_repeated_rows_and_ties(rng):
    """Distances of 0 and equal distances are no special case."""
    x = np.repeat(rng.integers(0, 3, (8, 2)).astype(float), 2, axis=0)
    y = rng.integers(0, 3, (16, 2)).astype(float)
    assert M["rtd"](x, x) == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(M["rtd"](x, y))
    assert 0 <= M["rtd_lite"](x, y) <= M["rtd"](x, y) + 1e-9
