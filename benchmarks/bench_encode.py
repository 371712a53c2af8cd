"""Time encoding models against himalaya and scikit-learn: `python benchmarks/bench_encode.py`.

Prints CPU seconds of marr and of the peer on the same folds and penalties, their ratio,
and the largest difference of the held-out predictions. himalaya's fastest solver for more
features than rows (KernelRidgeCV) is run once for each outer fold, on the same inner
folds; scikit-learn's PLSRegression iterates, and is compared at its default tolerance
and, for the difference, at a tight one.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _timing import timed
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import PredefinedSplit

import marr
from marr.representation import encode
from marr.representation._encoding._design import as_tensor, make_design, training_sets
from marr.representation._encoding._features import Band
from marr.representation._encoding._frame import Frame
from marr.representation._encoding._models import RidgeMap
from marr.representation._encoding._pls_kernel import pls_predictions, pls_scores

PENALTIES = np.logspace(-1, 6, 10)
HIMALAYA = importlib.util.find_spec("himalaya") is not None


def show(job: str, ours: float, plain: float, apart: float, note: str = "") -> None:
    ratio = plain / ours
    print(f"{job:<52}{ours:>8.2f}{plain:>10.2f}{ratio:>8.1f}x  {apart:.0e}  {note}")


def alone(job: str, ours: float, note: str) -> None:
    print(f"{job:<52}{ours:>8.2f}  {note}")


def planted(n: int, p: int, t: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p))
    y = 0.7 * x @ rng.normal(size=(p, t)) / np.sqrt(p) + rng.normal(size=(n, t))
    return x, y, rng.permutation(np.arange(n) % 5)


def ridge_of(
    arrays: list[Any], folds: Any, mixtures: Any = ((),), penalties: Any = PENALTIES
) -> RidgeMap:
    n = len(folds)
    frame = Frame(n, np.arange(n))
    bands = tuple(Band(str(i), x.shape[1], frame, x) for i, x in enumerate(arrays))
    trains, pairs = training_sets(folds)
    design = make_design(bands, np.arange(n), trains, standardize=False, device=None)
    design.relative = False
    return RidgeMap(
        design, torch.from_numpy(folds), pairs, as_tensor(penalties, None), mixtures
    )


def predictions(model: RidgeMap, fitted: Any) -> Any:
    return (fitted.deviation + fitted.base[model.folds]).numpy()


def ridge(n: int, p: int, t: int) -> None:
    """Held-out predictions, one penalty a target, chosen in inner folds."""
    x, y, folds = planted(n, p, t)

    def ours() -> Any:
        model = ridge_of([x], folds)
        return predictions(model, model.fit(torch.from_numpy(y)))

    seconds, found = timed(ours)
    job = f"ridge {n} x {p} -> {t}, 5 x 4 folds, 10 penalties"
    if not HIMALAYA:
        alone(job, seconds, "(himalaya is not installed)")
        return
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV

    def peer(kernel: bool) -> Any:
        out = np.zeros_like(y)
        for f in range(5):
            train = folds != f
            inner = PredefinedSplit(np.unique(folds[train], return_inverse=True)[1])
            same = {"alphas": PENALTIES, "cv": inner, "fit_intercept": True}
            model = (
                KernelRidgeCV(kernel="linear", warn=False, **same)
                if kernel
                else RidgeCV(**same)
            )
            out[~train] = model.fit(x[train], y[train]).predict(x[~train])
        return out

    for kernel, name in ((True, "KernelRidgeCV"), (False, "RidgeCV")):
        if kernel or p < n:
            plain, expected = timed(lambda k=kernel: peer(k))
            apart = np.abs(found - expected).max()
            show(job, seconds, plain, apart, f"himalaya {name}")


def banded(n: int, p: int, t: int, n_mixtures: int) -> None:
    """Two bands, the same mixtures for both."""
    x, y, folds = planted(n, p, t)
    arrays = [x[:, : p // 2], x[:, p // 2 :]]
    share = np.linspace(0.02, 0.98, n_mixtures)
    mixtures = tuple((float(s), float(1 - s)) for s in share)

    def ours() -> Any:
        model = ridge_of(arrays, folds, mixtures)
        return predictions(model, model.fit(torch.from_numpy(y)))

    seconds, found = timed(ours)
    job = f"banded ridge, the same, 2 bands, {n_mixtures} mixtures"
    if not HIMALAYA:
        alone(job, seconds, "(himalaya is not installed)")
        return
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    def peer() -> Any:
        out = np.zeros_like(y)
        for f in range(5):
            train = folds != f
            inner = PredefinedSplit(np.unique(folds[train], return_inverse=True)[1])
            z = [a - a[train].mean(axis=0) for a in arrays]
            deltas, dual, _, shift = solve_multiple_kernel_ridge_random_search(
                np.stack([a[train] @ a[train].T for a in z]),
                y[train],
                n_iter=np.array(mixtures),
                alphas=PENALTIES,
                cv=inner,
                fit_intercept=True,
                return_weights="dual",
                progress_bar=False,
            )
            weights = np.exp(np.asarray(deltas))
            for a, w in zip(z, weights, strict=True):
                out[~train] += (a[~train] @ a[train].T @ np.asarray(dual)) * w
            out[~train] += np.asarray(shift)
        return out

    plain, expected = timed(peer)
    show(job, seconds, plain, np.abs(found - expected).max(), "himalaya random search")


def pls(n: int, p: int, t: int, n_splits: int) -> None:
    """25 components of all targets together."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=(n, 30))
    x = latent @ rng.normal(size=(30, p)) + 3 * rng.normal(size=(n, p))
    y = latent @ rng.normal(size=(30, t)) + 3 * rng.normal(size=(n, t))
    tests = [rng.permutation(n) < n // 10 for _ in range(n_splits)]
    number = np.full(t, 25)

    def ours() -> Any:
        gram = x @ x.T
        return [
            pls_predictions(pls_scores(gram, ~s, y[~s], 25), y[~s], number)
            + y[~s].mean(axis=0)
            for s in tests
        ]

    def peer(tolerance: float, splits: list[Any]) -> Any:
        return [
            PLSRegression(25, scale=False, tol=tolerance, max_iter=100_000)
            .fit(x[~s], y[~s])
            .predict(x[s])
            for s in splits
        ]

    seconds, found = timed(ours)
    plain, loose = timed(lambda: peer(1e-6, tests))
    tight = peer(1e-14, tests[:1])
    off = np.abs(loose[0] - tight[0]).max()
    job = f"PLS-25, {n} x {p} -> {t}, {n_splits} splits"
    note = f"scikit-learn; its default stops {off:.0e} early"
    show(job, seconds, plain, np.abs(found[0] - tight[0]).max(), note)


def whole(n_permutations: int) -> None:
    """The analysis as it is called: intervals, null, ceilings, halves."""
    brain = marr.datasets.category_fmri()
    encode(brain, "condition", n_permutations=1)
    seconds, _ = timed(
        lambda: encode(brain, "condition", n_permutations=n_permutations)
    )
    job = f"encode, 96 blocks x 530 voxels, {n_permutations} shuffles"
    alone(job, seconds, "no peer has intervals, null and ceiling")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{'job':<52}{'marr':>8}{'plain':>10}{'ratio':>9}  difference")
    ridge(600, 1500, 500)
    if not small:
        ridge(600, 1500, 5000)
        ridge(1500, 400, 2000)
    banded(600, 1500, 200 if small else 1000, 5 if small else 10)
    pls(640, 1000 if small else 4096, 60, 2 if small else 10)
    whole(20 if small else 200)


if __name__ == "__main__":
    main()
