"""Time RSA inference against rsatoolbox: `python benchmarks/bench_rsa.py`.

Prints CPU seconds of marr for all resamples (the best of three, under a second), of
rsatoolbox (timed on a few resamples and multiplied up), their ratio, and the largest
difference of all similarities and ceilings on the resamples (and folds) that both were
given. Without rsatoolbox it prints marr alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import tracemalloc
import warnings
from typing import TYPE_CHECKING, Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _timing import timed

from marr.representation._rsa._bootstrap_kernel import contrast_variance
from marr.representation._rsa._crossval_kernel import (
    Folds,
    Part,
    cross_validate,
    draw_folds,
)
from marr.representation._rsa._evaluate_kernel import evaluate
from marr.representation._rsa._inference import infer, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

PEER = importlib.util.find_spec("rsatoolbox") is not None
NAMES = {
    "cosine": "cosine",
    "correlation": "corr",
    "whitened_cosine": "cosine_cov",
    "whitened_correlation": "corr_cov",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "tau-a": "tau-a",
}
N_SUBJECTS, N_MODELS = 20, 5


def best(function: Callable[[], Any]) -> tuple[float, Any]:
    """Time a short job three times, since pages and clocks warm up."""
    seconds, result = timed(function)
    if seconds < 1.0:
        seconds = min(seconds, timed(function)[0], timed(function)[0])
    return seconds, result


def show(job: str, ours: float, peer: float, difference: float, note: str = "") -> None:
    if np.isnan(peer):
        print(f"{job:<58}{ours:>9.3f}         -        -        -  {note}", flush=True)
        return
    print(
        f"{job:<58}{ours:>9.3f}{peer:>10.0f}{peer / ours:>8.0f}x  {difference:.0e}  {note}",
        flush=True,
    )


def matrices(n: int, n_models: int, n_subjects: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    p = n * (n - 1) // 2
    base = rng.random(p) + 0.3
    models = base + 2 * rng.random((n_models, 1)) * rng.random((n_models, p))
    return np.concatenate([models, base + 0.5 * rng.random((n_subjects, p))])


def draw(n: int, n_subjects: int, n_resamples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return (
        rng.integers(0, n, (n_resamples, n)),
        rng.integers(0, n_subjects, (n_resamples, n_subjects)),
    )


def counted(drawn: np.ndarray) -> np.ndarray:
    n = drawn.shape[1]
    return np.stack([np.bincount(d, minlength=n) for d in drawn]).astype(float)


def three_bootstraps(
    values: np.ndarray, n_models: int, drawn: tuple[np.ndarray, ...], comparator: str
) -> np.ndarray:
    """Return models and ceilings in the three bootstraps, (resamples, outcomes, 3)."""
    counts, draws = counted(drawn[0]), counted(drawn[1])
    n_subjects = draws.shape[1]
    still = np.ones((1, counts.shape[1]))
    moved = evaluate(values, n_models, counts, [draws, np.ones_like(draws)], comparator)
    fixed = evaluate(values, n_models, still, [draws], comparator)
    means = [
        np.einsum("bms,bs->bm", moved.similarity, draws) / n_subjects,
        np.einsum("ms,bs->bm", fixed.similarity[0], draws) / n_subjects,
        moved.similarity.mean(axis=2),
    ]
    bounds = [moved.ceilings[0], fixed.ceilings[0], moved.ceilings[1]]
    return np.stack(
        [np.concatenate(pair, axis=1) for pair in zip(means, bounds, strict=True)], -1
    )


def peer_bootstrap(
    models: list[Any],
    data: np.ndarray,
    method: str,
    drawn: tuple[np.ndarray, ...],
    **options: Any,
) -> tuple[float, Any, list[Any]]:
    """Run rsatoolbox on given resamples; return seconds, result, and its folds."""
    import rsatoolbox
    from rsatoolbox.inference import evaluate as evaluation

    fed = iter([d for pair in zip(drawn[1], drawn[0], strict=True) for d in pair])
    sets, folds = evaluation.sets_k_fold, []

    def record(sample: Any, **kwargs: Any) -> Any:
        made = sets(sample, **kwargs)
        folds.append(
            [
                (np.array(t[1], int), np.unique(t[0].rdm_descriptors["index"]))
                for t in made[1]
            ]
        )
        return made

    with (
        mock.patch("numpy.random.randint", side_effect=lambda *_, **__: next(fed)),
        mock.patch.object(evaluation, "sets_k_fold", record),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        seconds, result = timed(
            lambda: rsatoolbox.inference.eval_dual_bootstrap(
                models,
                rsatoolbox.rdm.RDMs(data),
                method=method,
                N=len(drawn[0]),
                **options,
            )
        )
    return seconds, result, folds


def fixed_models(comparator: str, n: int, n_resamples: int, n_peer: int) -> None:
    """Dual bootstrap with both ceilings of five fixed models."""
    values = matrices(n, N_MODELS, N_SUBJECTS)
    drawn = draw(n, N_SUBJECTS, n_resamples)
    ours, mine = best(lambda: three_bootstraps(values, N_MODELS, drawn, comparator))
    job = f"dual, {comparator}, {n} conditions, {n_resamples} resamples"
    if not PEER or n_peer == 0:
        show(job, ours, np.nan, np.nan)
        return
    import rsatoolbox

    models = [
        rsatoolbox.model.ModelFixed(str(i), rsatoolbox.rdm.RDMs(v[None]))
        for i, v in enumerate(values[:N_MODELS])
    ]
    few = (drawn[0][:n_peer], drawn[1][:n_peer])
    try:
        seconds, result, _ = peer_bootstrap(
            models, values[N_MODELS:], NAMES[comparator], few
        )
    except Exception as error:  # noqa: BLE001 - any crash of the peer is told
        show(job, ours, np.nan, np.nan, f"rsatoolbox: {type(error).__name__}")
        return
    theirs = np.concatenate(
        [
            result.evaluations[:, :, 0, 0],
            result.noise_ceiling[:, :, 0].transpose(1, 0, 2),
        ],
        axis=1,
    )
    difference = np.abs(mine[:n_peer] - theirs).max()
    note = f"rsatoolbox scaled from {n_peer}"
    show(job, ours, seconds / n_peer * n_resamples, difference, note)


def flexible_model(comparator: str, n: int, n_resamples: int, n_peer: int) -> None:
    """Six weighted matrices and a fixed one, 36 folds a resample (3 x 2 x 2 x 3)."""
    k, sizes = 6, (2, 3, 2)
    values = matrices(n, k + 1, N_SUBJECTS)
    parts = [Part("weighted", 0, k), Part("fixed", k, k + 1)]
    drawn = draw(n, N_SUBJECTS, n_resamples)
    counts, draws = counted(drawn[0]), counted(drawn[1])
    ways = [
        (counts, draws),
        (np.ones_like(counts), draws),
        (counts, np.ones_like(draws)),
    ]

    def run() -> None:
        rng = np.random.default_rng(2)
        for count, drawn_subjects in ways:
            folds = draw_folds(count, drawn_subjects, *sizes, rng)
            cross_validate(values, parts, count, drawn_subjects, folds, comparator)

    ours, _ = timed(run)
    job = f"dual, weighted 6 of {comparator}, {n} conditions, {n_resamples}"
    if not PEER:
        show(job, ours, np.nan, np.nan)
        return
    import rsatoolbox

    matrix = rsatoolbox.rdm.RDMs
    models = [
        rsatoolbox.model.ModelWeighted("sum", matrix(values[:k])),
        rsatoolbox.model.ModelFixed("fixed", matrix(values[k : k + 1])),
    ]
    fits = [rsatoolbox.model.fitter.fit_regress, rsatoolbox.model.fitter.fit_mock]
    seconds, result, folds = peer_bootstrap(
        models,
        values[k + 1 :],
        NAMES[comparator],
        (drawn[0][:n_peer], drawn[1][:n_peer]),
        fitter=fits,
        k_pattern=3,
        k_rdm=2,
        n_cv=2,
    )
    difference = 0.0
    for w, (count, drawn_subjects) in enumerate(ways):
        given = _given_folds(folds, w, n_peer, n)
        mine = cross_validate(
            values, parts, count[:n_peer], drawn_subjects[:n_peer], given, comparator
        )
        theirs = result.evaluations[..., w].mean(axis=2)
        difference = max(difference, np.abs(mine[:, :2] - theirs).max())
    note = f"its regression fitter, scaled from {n_peer}"
    show(job, ours, seconds / n_peer * n_resamples, difference, note)


def _given_folds(folds: list[Any], way: int, n_resamples: int, n: int) -> Folds:
    conditions = np.zeros((n_resamples, 2, 6, n), bool)
    subjects = np.zeros((n_resamples, 2, 6, 1, N_SUBJECTS), bool)
    for b in range(n_resamples):
        for repeat in range(2):
            for f, (tested, who) in enumerate(folds[(b * 2 + repeat) * 3 + way]):
                conditions[b, repeat, f, tested] = True
                subjects[b, repeat, f, 0, who.astype(int)] = True
    return Folds(conditions, subjects)


def whole_inference(n: int, n_resamples: int) -> None:
    """Everything behind one call but the distances: estimates, resamples, variances."""
    values = matrices(n, N_MODELS, N_SUBJECTS)
    parts = [Part("fixed", i, i + 1) for i in range(N_MODELS)]

    def run() -> np.ndarray:
        plan = make_plan(
            n,
            N_SUBJECTS,
            generalize=("conditions", "subjects"),
            comparator="correlation",
            flexible=False,
            n_resamples=n_resamples,
            seed=0,
        )
        cell = infer(values, None, parts, plan)
        return contrast_variance(cell.spread, np.eye(N_MODELS + 2), N_SUBJECTS, n)

    ours, _ = timed(run)
    show(
        f"one inference, {n} conditions, {n_resamples} resamples", ours, np.nan, np.nan
    )


def memory(comparator: str) -> None:
    """Peak memory beyond the data, as pairs of conditions grow ninefold too."""
    for n in (300, 900):
        values = matrices(n, N_MODELS, N_SUBJECTS)
        drawn = draw(n, N_SUBJECTS, 200)
        tracemalloc.start()
        three_bootstraps(values, N_MODELS, drawn, comparator)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        size = values.nbytes / 2**20
        print(f"{comparator}, {n} conditions: peak {peak:.0f} MiB, data {size:.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    warnings.simplefilter("ignore")
    n, b = (40, 200) if small else (92, 1000)
    print(f"{'job':<58}{'marr':>9}{'peer':>10}{'ratio':>9}  difference")
    for comparator, n_peer in (
        ("cosine", 20),
        ("correlation", 20),
        ("whitened_cosine", 3),
        ("whitened_correlation", 3),
        ("spearman", 5),
        ("rho-a", 3),
    ):
        fixed_models(comparator, n, b, 3 if small else n_peer)
    fixed_models("tau-a", n, 20, 2)
    for comparator in ("cosine", "correlation"):
        flexible_model(comparator, n, b, 2 if small else 5)
    whole_inference(n, b)
    if small:
        return
    fixed_models("correlation", 300, b, 2)
    fixed_models("whitened_cosine", 120, b, 1)
    fixed_models("correlation", 1000, b, 1)
    fixed_models("whitened_cosine", 1000, b, 0)
    memory("correlation")
    memory("whitened_cosine")


if __name__ == "__main__":
    main()
