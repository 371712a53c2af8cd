"""RSA inference against rsatoolbox on the same resamples, where it is installed."""

from __future__ import annotations

import contextlib
import io
from unittest import mock

import numpy as np
import pytest

from marr.representation._rsa._bootstrap_kernel import SpreadOf, contrast_variance
from marr.representation._rsa._crossval_kernel import (
    Folds,
    Part,
    cross_validate,
    fit_all,
)
from marr.representation._rsa._evaluate_kernel import evaluate, resample_metric

rsa = pytest.importorskip("rsatoolbox", reason="rsatoolbox is not installed")
evaluation = pytest.importorskip("rsatoolbox.inference.evaluate")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the peer

NAMES = {
    "cosine": "cosine",
    "correlation": "corr",
    "whitened_cosine": "cosine_cov",
    "whitened_correlation": "corr_cov",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "tau-a": "tau-a",
}
N, S, M, B = 17, 6, 3, 4


@pytest.fixture
def values(rng):
    p = N * (N - 1) // 2
    base = rng.random(p) + 0.2
    models = base + rng.random((M, 1)) * rng.random((M, p))
    models[-1] = np.round(models[-1] * 4)  # with ties
    return np.concatenate([models, base + 0.5 * rng.random((S, p))])


@pytest.fixture
def drawn(rng):
    return rng.integers(0, N, (B, N)), rng.integers(0, S, (B, S))


def rdms(rows):
    return rsa.rdm.RDMs(np.asarray(rows))


def counts_of(drawn, n):
    return np.stack([np.bincount(d, minlength=n) for d in drawn]).astype(float)


def dual_bootstrap(models, data, method, drawn, **options):
    """Run the peer on given resamples; also return the folds that it drew."""
    fed = iter([d for pair in zip(drawn[1], drawn[0], strict=True) for d in pair])
    plain, sets = np.random.randint, evaluation.sets_k_fold
    recorded = []

    def draw(*args, **kwargs):
        return next(fed) if kwargs.get("size") is not None else plain(*args, **kwargs)

    def record(sample, **kwargs):
        made = sets(sample, **kwargs)
        recorded.append(
            [
                (np.array(t[1], int), np.unique(t[0].rdm_descriptors["index"]))
                for t in made[1]
            ]
        )
        return made

    with (
        mock.patch("numpy.random.randint", draw),
        mock.patch.object(evaluation, "sets_k_fold", record),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        result = rsa.inference.eval_dual_bootstrap(
            models, data, method=method, N=len(drawn[0]), **options
        )
    return result, recorded


def fixed(values):
    return [
        rsa.model.ModelFixed(str(i), rdms(v[None])) for i, v in enumerate(values[:M])
    ]


@pytest.mark.parametrize("comparator", NAMES)
def test_dual_bootstrap(values, drawn, comparator):
    """Similarities and both ceilings in each of the three bootstraps."""
    peer, _ = dual_bootstrap(fixed(values), rdms(values[M:]), NAMES[comparator], drawn)
    counts, draws = counts_of(drawn[0], N), counts_of(drawn[1], S)
    ones = np.ones_like(draws)
    moved = evaluate(values, M, counts, [draws, ones], comparator)
    still = evaluate(values, M, np.ones((1, N)), [draws], comparator)
    mine = [
        (np.einsum("bms,bs->bm", moved.similarity, draws) / S, moved.ceilings[0]),
        (np.einsum("ms,bs->bm", still.similarity[0], draws) / S, still.ceilings[0]),
        (moved.similarity.mean(axis=2), moved.ceilings[1]),
    ]
    for i, (similarity, ceiling) in enumerate(mine):
        theirs = peer.evaluations[:, :, 0, 0, i]
        np.testing.assert_allclose(similarity, theirs, atol=1e-10)
        bounds = peer.noise_ceiling[:, :, 0, i].T
        np.testing.assert_allclose(ceiling, bounds, atol=1e-10)


def test_dual_variances(values, rng):
    drawn = rng.integers(0, N, (40, N)), rng.integers(0, S, (40, S))
    peer, _ = dual_bootstrap(fixed(values), rdms(values[M:]), "corr", drawn)
    spread = SpreadOf(*peer.variances)
    eye = np.eye(M, M + 2)
    pairs = np.array([[1.0, -1, 0, 0, 0], [1, 0, -1, 0, 0], [0, 1, -1, 0, 0]])
    gap = eye - np.eye(M + 2)[M]
    np.testing.assert_allclose(contrast_variance(spread, eye, S, N), peer.model_var)
    np.testing.assert_allclose(contrast_variance(spread, pairs, S, N), peer.diff_var)
    np.testing.assert_allclose(
        contrast_variance(spread, gap, S, N), peer.noise_ceil_var[:, 0]
    )


@pytest.mark.parametrize(
    ("kind", "comparator"),
    [
        ("weighted", "cosine"),
        ("weighted", "correlation"),
        ("selected", "cosine"),
        ("selected", "whitened_cosine"),
        ("fixed", "spearman"),
    ],
)
def test_flexible_models_on_the_same_folds(values, drawn, kind, comparator):
    """Cross-validated inside the resamples, with the ceilings of the folds."""
    made, fit = {
        "weighted": (rsa.model.ModelWeighted, rsa.model.fitter.fit_regress),
        "selected": (rsa.model.ModelSelect, rsa.model.fitter.fit_select),
        "fixed": (rsa.model.ModelFixed, rsa.model.fitter.fit_mock),
    }[kind]
    rows = 1 if kind == "fixed" else M
    model = made("model", rdms(values[:rows]))
    sizes = {"k_pattern": 2, "k_rdm": 2, "n_cv": 2}
    peer, folds = dual_bootstrap(
        [model], rdms(values[M:]), NAMES[comparator], drawn, fitter=fit, **sizes
    )
    counts, draws = counts_of(drawn[0], N), counts_of(drawn[1], S)
    ways = [
        (counts, draws),
        (np.ones_like(counts), draws),
        (counts, np.ones_like(draws)),
    ]
    usable = np.isfinite(peer.evaluations[:, 0, 0, 0, 0])
    assert usable.sum() >= 2
    for w, (count, draw) in enumerate(ways):
        conditions = np.zeros((B, 2, 4, N), bool)
        people = np.zeros((B, 2, 4, 1, S), bool)
        at = iter(folds)
        for b in np.flatnonzero(usable):
            for repeat in range(2):
                three = [next(at) for _ in range(3)]
                for f, (tested, who) in enumerate(three[w]):
                    conditions[b, repeat, f, tested] = True
                    people[b, repeat, f, 0, who.astype(int)] = True
        mine = cross_validate(
            np.concatenate([values[:rows], values[M:]]),
            [Part(kind, 0, rows)],
            count[usable],
            draw[usable],
            Folds(conditions[usable], people[usable]),
            comparator,
        )
        theirs = peer.evaluations[..., w][usable].mean(axis=2)
        np.testing.assert_allclose(mine[:, :1], theirs, atol=1e-9)
        bounds = peer.noise_ceiling[..., w][:, usable].transpose(1, 0, 2)
        np.testing.assert_allclose(mine[:, 1:], bounds, atol=1e-9)


def test_interpolated_model(values):
    """The peer's bounded search comes close to the closed form, never above it."""
    parts = [Part("interpolated", 0, M)]
    model = rsa.model.ModelInterpolate("mixture", rdms(values[:M]))
    theta = rsa.model.fitter.fit_interpolate(model, rdms(values[M:]), method="cosine")
    theirs = rsa.rdm.compare(
        model.predict_rdm(theta), rdms(values[M:]), "cosine"
    ).mean()
    metric = resample_metric(values, np.ones((1, N)), "cosine")
    weights = fit_all(metric, parts, np.ones((1, S)))[0][0]
    mixed = np.concatenate([(weights @ values[:M])[None], values[M:]])
    mine = evaluate(mixed, 1, np.ones((1, N)), [np.ones((1, S))], "cosine")
    assert mine.similarity.mean() >= theirs - 1e-12
    assert mine.similarity.mean() == pytest.approx(theirs, abs=1e-6)
