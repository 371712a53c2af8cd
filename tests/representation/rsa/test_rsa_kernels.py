"""Kernels of RSA inference against plain resampling, scipy and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from marr.representation._rsa._bootstrap_kernel import (
    SpreadOf,
    contrast_variance,
    fold_noise,
    max_t,
    repeat_covariance,
    t_tail,
)
from marr.representation._rsa._comparator_kernel import (
    COMPARATORS,
    GRAM_COMPARATORS,
    RANK_COMPARATORS,
    weighted_sums,
)
from marr.representation._rsa._concordance_kernel import tau_a
from marr.representation._rsa._crossval_kernel import (
    Folds,
    Part,
    cross_validate,
    draw_folds,
)
from marr.representation._rsa._evaluate_kernel import (
    evaluate,
    needed,
    resample_metric,
    split_half_ceiling,
)
from marr.representation._rsa._flexible_kernel import (
    fit_interpolated,
    fit_nonnegative,
    fit_selected,
    fit_weighted,
)
from marr.representation._rsa._permutation_kernel import permuted_similarity
from marr.representation._rsa._rank_kernel import midranks

N, S, M = 11, 5, 2
P = N * (N - 1) // 2


@pytest.fixture
def values(rng):
    base = rng.random(P) + 0.2
    models = base + rng.random((M, P))
    models[1] = np.round(models[1] * 3)  # a model with ties
    return np.concatenate([models, base + 0.4 * rng.random((S, P))])


@pytest.fixture
def resamples(rng):
    return rng.integers(0, N, (6, N)), rng.integers(0, S, (6, S))


def counted(drawn, n):
    return np.stack([np.bincount(d, minlength=n) for d in drawn]).astype(float)


def expanded(row, drawn):
    """Return the matrix of a resample and which cells are pairs of two conditions."""
    square = np.zeros((N, N))
    square[np.triu_indices(N, 1)] = row
    square += square.T
    inner = square[np.ix_(drawn, drawn)]
    known = drawn[:, None] != drawn
    return inner, known


def plain_pairs(row, drawn):
    inner, known = expanded(row, drawn)
    upper = np.triu_indices(len(drawn), 1)
    return inner[upper][known[upper]]


def plain_whitened(row, drawn, *, centered):
    """Return the residual of the kernel after projecting out what is not known."""
    inner, known = expanded(row, drawn)
    n = len(drawn)
    if centered:
        inner = inner - inner[known].mean()
    rows = [(i, j) for i in range(n) for j in range(n) if known[i, j] or i == j]
    design = np.zeros((len(rows), n))
    kernel = np.zeros(len(rows))
    for r, (i, j) in enumerate(rows):
        design[r, i] += 0.5
        design[r, j] += 0.5
        kernel[r] = 0.0 if i == j else -0.5 * inner[i, j]
    return kernel - design @ np.linalg.lstsq(design, kernel, rcond=None)[0]


def plain(x, y, drawn, comparator):
    """Compare two rows in a resample, the slow way."""
    if comparator.startswith("whitened"):
        how = {"centered": comparator.endswith("correlation")}
        a, b = plain_whitened(x, drawn, **how), plain_whitened(y, drawn, **how)
        return a @ b / np.sqrt((a @ a) * (b @ b))
    a, b = plain_pairs(x, drawn), plain_pairs(y, drawn)
    if comparator == "cosine":
        return a @ b / np.sqrt((a @ a) * (b @ b))
    if comparator == "correlation":
        return np.corrcoef(a, b)[0, 1]
    if comparator == "spearman":
        return stats.spearmanr(a, b).statistic
    n = len(a)
    if comparator == "rho-a":
        ranks = [stats.rankdata(v) - (n + 1) / 2 for v in (a, b)]
        return 12 * (ranks[0] @ ranks[1]) / (n**3 - n)
    signs = [np.sign(v[:, None] - v) for v in (a, b)]
    return (signs[0] * signs[1]).sum() / (n * (n - 1))


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_weights_are_resampling(values, resamples, comparator):
    conditions, people = resamples
    found = evaluate(
        values, M, counted(conditions, N), [counted(people, S)], comparator
    ).similarity
    for b, drawn in enumerate(conditions):
        for m in range(M):
            for s in range(S):
                expected = plain(values[m], values[M + s], drawn, comparator)
                assert found[b, m, s] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("comparator", ["cosine", "correlation", "spearman", "tau-a"])
def test_ceilings_leave_all_copies_out(values, resamples, comparator):
    """Against pooled matrices that are made and compared one by one."""
    conditions, people = resamples
    found = evaluate(
        values, M, counted(conditions, N), [counted(people, S)], comparator
    ).ceilings[0]
    scale = {
        "cosine": lambda v: v / np.sqrt((v**2).mean()),
        "correlation": lambda v: (v - v.mean()) / v.std(),
    }.get(comparator, stats.rankdata)
    compare = {
        "cosine": lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)),
        "correlation": lambda a, b: np.corrcoef(a, b)[0, 1],
        "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
        "tau-a": lambda a, b: float(tau_a(a[None], b[None], np.ones(len(a)))[0]),
    }[comparator]
    for b, (drawn, who) in enumerate(zip(conditions, people, strict=True)):
        rows = [plain_pairs(values[M + s], drawn) for s in range(S)]
        pool = np.mean([scale(rows[s]) for s in who], axis=0)
        lower, upper = [], []
        for s in np.unique(who):
            others = np.mean([scale(rows[r]) for r in who if r != s], axis=0)
            lower.append(compare(others, rows[s]))
            upper.append(compare(pool, rows[s]))
        np.testing.assert_allclose(
            found[b], [np.mean(lower), np.mean(upper)], atol=1e-12
        )


def test_one_subject_drawn_has_no_ceiling(values):
    alone = np.zeros((1, S))
    alone[0, 2] = S
    for comparator in ("cosine", "spearman"):
        found = evaluate(values, M, np.ones((1, N)), [alone], comparator)
        assert np.isnan(found.ceilings[0][0, 0])


def test_whitened_cosine_is_cka(rng):
    """Of squared Euclidean distances, by the kernels of the patterns."""
    x, y = rng.normal(size=(2, N, 7))
    upper = np.triu_indices(N, 1)
    rows = [((v[:, None] - v) ** 2).sum(-1)[upper] for v in (x, y)]
    one = np.ones((1, 1))
    found = evaluate(np.stack(rows), 1, np.ones((1, N)), [one], "whitened_cosine")
    kernels = [v @ v.T for v in (x - x.mean(0), y - y.mean(0))]
    a, b = (k.ravel() for k in kernels)
    expected = a @ b / np.sqrt((a @ a) * (b @ b))
    assert found.similarity[0, 0, 0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [99, 100, 101])
def test_whitened_at_a_hundred_conditions(rng, n):
    """Where a peer's sparse matrices fail: missing cells at 100 conditions and more."""
    left, right = np.triu_indices(n, 1)
    rows = rng.random((2, len(left))) + 0.1
    drawn = rng.integers(0, n, n)
    counts = np.bincount(drawn, minlength=n)[None].astype(float)
    found = evaluate(rows, 1, counts, [np.ones((1, 1))], "whitened_cosine")
    m = counts[0]
    weight = np.sqrt(m[left] * m[right])
    design = np.zeros(
        (len(left) + n, n)
    )  # distinct pairs, both triangles, and diagonal
    at = np.arange(len(left))
    design[at, left] += 0.5 * weight * np.sqrt(2)
    design[at, right] += 0.5 * weight * np.sqrt(2)
    design[len(left) + np.arange(n), np.arange(n)] = np.sqrt(m)
    kernel = np.zeros((len(left) + n, 2))
    kernel[: len(left)] = (-0.5 * rows * weight * np.sqrt(2)).T
    a, b = (kernel - design @ np.linalg.lstsq(design, kernel, rcond=None)[0]).T
    expected = a @ b / np.sqrt((a @ a) * (b @ b))
    assert found.similarity[0, 0, 0] == pytest.approx(expected, abs=1e-10)


def test_a_condition_drawn_just_over_half_of_the_time(rng):
    """There the diagonal of the whitening system is 0."""
    n = 6
    rows = rng.random((2, n * (n - 1) // 2)) + 0.1
    counts = np.array([[4.0, 1, 1, 0, 0, 0]])
    metric = resample_metric(rows, counts, "whitened_cosine")
    nearly = resample_metric(rows, counts + 1e-7 * np.eye(6)[:1], "whitened_cosine")
    np.testing.assert_allclose(metric.inner, nearly.inner, rtol=1e-5)


def test_sums_do_not_depend_on_the_parts(rng, monkeypatch):
    rows = rng.random((4, P))
    counts = rng.integers(0, 3, (9, N)).astype(float)
    whole = weighted_sums(rows, counts)
    monkeypatch.setattr("marr.representation._rsa._comparator_kernel.PAIR_CHUNK", 7)
    monkeypatch.setattr("marr.representation._rsa._comparator_kernel.RESAMPLE_CHUNK", 4)
    parts = weighted_sums(rows, counts, needed(2, 2))
    np.testing.assert_allclose(parts.total, whole.total)
    np.testing.assert_allclose(parts.products[:, 2:, :], whole.products[:, 2:, :])
    assert np.isnan(parts.products[:, 0, 1]).all()


def test_midranks_of_repeated_values(rng):
    x = rng.integers(0, 6, (3, 20)).astype(float)
    weight = rng.integers(1, 4, 20).astype(float)
    copies = np.repeat(np.arange(20), weight.astype(int))
    found = midranks(x, weight)
    for row, ranks in zip(x, found, strict=True):
        np.testing.assert_array_equal(ranks[copies], stats.rankdata(row[copies]))


# -- fits ----------------------------------------------------------------------------


@pytest.fixture
def problems(rng):
    x = rng.normal(size=(60, 30, 5))
    y = rng.normal(size=(60, 30)) + 0.3 * x[..., :2].sum(-1)
    x[:, :, 3] = x[:, :, 2] + 0.01 * rng.normal(size=(60, 30))
    inner = np.einsum("nij,nik->njk", x, x)
    return x, y, inner, np.einsum("nij,ni->nj", x, y)


def test_nonnegative_weights(problems):
    x, y, inner, towards = problems
    expected = [optimize.nnls(a, b)[0] for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(fit_nonnegative(inner, towards), expected, atol=1e-8)
    assert not fit_nonnegative(inner, -np.abs(towards) * 0 - 1.0).any()


def test_unconstrained_weights(problems):
    x, y, inner, towards = problems
    expected = [np.linalg.lstsq(a, b)[0] for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(fit_weighted(inner, towards), expected, atol=1e-4)


def test_mixtures_and_choices_are_the_best_ones(problems):
    _, _, inner, towards = problems
    mixed, chosen = fit_interpolated(inner, towards), fit_selected(inner, towards)

    def score(theta, i):
        return theta @ towards[i] / np.sqrt(theta @ inner[i] @ theta)

    for i in range(len(inner)):
        grid = [
            score(np.eye(5)[k] * w + np.eye(5)[k + 1] * (1 - w), i)
            for k in range(4)
            for w in np.linspace(0, 1, 101)
        ]
        assert score(mixed[i], i) >= max(grid) - 1e-12
        assert mixed[i].sum() == pytest.approx(1.0)
        best = [score(e, i) for e in np.eye(5)]
        assert chosen[i].argmax() == int(np.argmax(best))


# -- cross-validation ----------------------------------------------------------------


@pytest.mark.parametrize(
    "comparator", ["cosine", "correlation", "whitened_cosine", "spearman"]
)
def test_fixed_models_on_test_pairs(values, rng, comparator):
    """A fold's score is the plain comparison on the pairs of its test conditions."""
    drawn = np.arange(N)
    tested = np.zeros((1, 1, 1, N), bool)
    tested[..., [0, 2, 3, 7, 9]] = True
    who = np.zeros((1, 1, 1, 1, S), bool)
    who[..., [1, 4]] = True
    parts = [Part("fixed", 0, 1), Part("fixed", 1, 2)]
    found = cross_validate(
        values, parts, np.ones((1, N)), np.ones((1, S)), Folds(tested, who), comparator
    )[0, :, 0]
    only = drawn[tested[0, 0, 0]]
    for m in range(M):
        expected = np.mean(
            [plain(values[m], values[M + s], only, comparator) for s in (1, 4)]
        )
        assert found[m] == pytest.approx(expected, abs=1e-12)
    assert found[M] <= found[M + 1] + 1e-12  # the lower bound


def test_fits_do_not_see_what_is_scored(values, rng):
    """Changing test pairs of training subjects, or other subjects' test cells: no effect."""
    tested = np.zeros((1, 1, 1, N), bool)
    tested[..., :4] = True
    who = np.zeros((1, 1, 1, 1, S), bool)
    who[..., :2] = True
    parts, folds = [Part("weighted", 0, 2)], Folds(tested, who)
    ones = (np.ones((1, N)), np.ones((1, S)))
    before = cross_validate(values, parts, *ones, folds, "cosine")[0, 0, 0]
    changed = values.copy()
    left, right = np.triu_indices(N, 1)
    mixed = (left < 4) != (right < 4)  # one condition on each side: in neither set
    changed[:, mixed] = rng.random((len(values), mixed.sum())) + 5
    inside = (left < 4) & (right < 4)
    changed[M + 2 :, inside] = rng.random((S - 2, inside.sum())) + 5
    outside = (left >= 4) & (right >= 4)
    changed[M : M + 2, outside] = rng.random((2, outside.sum())) + 5
    after = cross_validate(changed, parts, *ones, folds, "cosine")[0, 0, 0]
    assert after == pytest.approx(before, abs=1e-12)


def test_folds_share_no_condition_or_subject(rng):
    counts = rng.multinomial(N, np.full(N, 1 / N), size=20).astype(float)
    draws = rng.multinomial(S, np.full(S, 1 / S), size=20).astype(float)
    folds = draw_folds(counts, draws, 3, 2, 2, rng)
    assert folds.conditions.shape == (20, 3, 2, N)
    assert (folds.conditions.sum(axis=2) == (counts > 0)[:, None]).all()
    assert (folds.subjects.sum(axis=3) == (draws > 0)[:, None, None]).all()
    sizes = folds.conditions.sum(axis=-1)
    assert np.ptp(sizes, axis=-1).max() <= 1


# -- variances and tests -------------------------------------------------------------


def test_dual_variance_is_clipped():
    one = np.eye(1)
    spread = SpreadOf(one * 2.0, one * 0.8, one * 1.0)
    a, b = 10 / 9, 20 / 19
    expected = a * 0.8 + b * 1.0 - a * b * 0.2
    assert contrast_variance(spread, one, 10, 20)[0] == pytest.approx(expected)
    assert contrast_variance(SpreadOf(one * 9, one, one), one, 10, 20) == pytest.approx(
        a
    )
    assert contrast_variance(SpreadOf(one, one, one), one, 10, 20)[0] == pytest.approx(
        1.0
    )
    assert contrast_variance(SpreadOf(None, None, one), one, 1, 20)[0] == pytest.approx(
        b
    )
    assert contrast_variance(SpreadOf(None, one, None), one, 10, 20)[
        0
    ] == pytest.approx(a)


def test_noise_of_folds_is_taken_out(rng):
    """var(signal) = 1, noise of assignments = 4, two assignments."""
    signal = rng.normal(size=(40_000, 1, 1))
    draws = signal + 2 * rng.normal(size=(40_000, 1, 2))
    assert repeat_covariance(draws)[0, 0] == pytest.approx(1.0, abs=0.1)
    assert fold_noise(draws)[0, 0] == pytest.approx(4.0, abs=0.1)
    draws[0] = np.nan
    assert np.isfinite(repeat_covariance(draws)).all()


def test_max_t_between_one_test_and_bonferroni(rng):
    draws = rng.normal(size=(500, 6))
    t = np.array([2.5, 0.3, 1.0, np.nan, 6.0, 2.0])
    alone = t_tail(t, 12, two_sided=True)
    found = max_t(t, draws, 12, two_sided=True)
    assert np.isnan(found[3])
    seen = np.isfinite(t)
    assert (found[seen] >= alone[seen]).all()
    assert (found[seen] <= np.minimum(1, 5 * alone[seen]) + 1e-12).all()
    same = np.repeat(draws[:, :1], 6, axis=1)
    np.testing.assert_allclose(  # tests that are one and the same need no correction
        max_t(t, same, 12, two_sided=True)[[0, 5]], alone[[0, 5]], rtol=0.1
    )


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_permuted_models(values, rng, comparator):
    moves = np.stack([np.arange(N), *(rng.permutation(N) for _ in range(3))])
    found = permuted_similarity(values[:M], values[M:], moves, comparator)
    square = np.zeros((M, N, N))
    square[:, *np.triu_indices(N, 1)] = values[:M]
    square += square.transpose(0, 2, 1)
    for i, move in enumerate(moves):
        moved = square[:, move][:, :, move][:, *np.triu_indices(N, 1)]
        rows = np.concatenate([moved, values[M:]])
        direct = evaluate(rows, M, np.ones((1, N)), [np.ones((1, S))], comparator)
        np.testing.assert_allclose(found[i], direct.similarity[0].mean(1), atol=1e-12)


def test_split_half_ceiling(rng):
    truth = rng.random(P)
    halves = truth + 0.1 * rng.normal(size=(2, P))
    lower, upper = split_half_ceiling(halves, np.ones((1, N)), "correlation")[0]
    r = np.corrcoef(*halves)[0, 1]
    assert lower == pytest.approx(r)
    assert upper == pytest.approx(np.sqrt(2 * r / (1 + r)))


def test_every_comparator_is_of_one_family():
    assert set(GRAM_COMPARATORS) | set(RANK_COMPARATORS) == set(COMPARATORS)
