"""Time decoding against scikit-learn loops: `python benchmarks/bench_decode.py`.

A map is 12 sites x 64 times of 500 trials x 64 units. Prints CPU seconds of marr, of the plain way (a part is timed and multiplied up where it
says so), their ratio, and the largest difference where both compute the same number.
Plain ways: a scaler and a model for each site, time, fold and penalty in loops; probes of
each time scored at each other time; a nested grid search with permutation_test_score at
each site and time (what `decode` does); rsatoolbox's crossnobis, if installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from _timing import timed
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import marr
from marr.representation import decode
from marr.representation._probes._fit_kernel import fit_predict
from marr.representation._probes._linear_kernel import PENALTIES
from marr.representation._probes._loss_kernel import LOSSES
from marr.representation._probes._margin_kernel import (
    arrange_margins,
    code_classes,
    cold_start,
)
from marr.representation._probes._moments_kernel import Problem
from marr.representation._probes._newton_kernel import descend
from marr.representation._rsa._geometry import make_geometry


def show(
    job: str, ours: float, plain: float, difference: float, note: str = ""
) -> None:
    apart = "      -" if np.isnan(difference) else f"{difference:.0e}"
    print(f"{job:<52}{ours:>8.2f}{plain:>10.1f}{plain / ours:>8.0f}x  {apart}  {note}")


def recording(n: int, n_times: int, n_units: int) -> marr.Recording:
    rng = np.random.default_rng(0)
    choice = rng.permutation(np.arange(n) % 2)
    x = {s: rng.normal(size=(n, n_times, n_units)) for s in ("A", "B")}
    x["A"][:, n_times // 2 :, :5] += choice[:, None, None]
    return marr.from_arrays(x, pd.DataFrame({"choice": choice}))


def map_with_null(n: int, n_times: int, n_units: int, n_shuffles: int) -> None:
    """Two sites, all times, penalty by nested folds, every shuffle likewise."""
    system = recording(n, n_times, n_units)
    ours, _ = timed(lambda: decode(system, "choice", n_permutations=n_shuffles))
    x, y = system.activity("A").values[:, -1], system.trials["choice"].to_numpy()
    folds = StratifiedKFold(5)
    steps = make_pipeline(StandardScaler(), RidgeClassifier())
    alphas = {"ridgeclassifier__alpha": [p * n * 0.8 for p in PENALTIES]}
    search = GridSearchCV(steps, alphas, cv=4)
    few = 2
    seconds, _ = timed(
        lambda: permutation_test_score(
            search, x, y, cv=folds, n_permutations=few, scoring="balanced_accuracy"
        )
    )
    plain = seconds / (1 + few) * (1 + n_shuffles) * 2 * n_times
    job = f"map 2 x {n_times}, {n} trials x {n_units}, {n_shuffles} shuffles"
    show(job, ours, plain, np.nan, "plain way scaled from one cell and 2 shuffles")


SITES, TIMES, ROWS, UNITS, FOLDS = 12, 64, 500, 64, 5
ALPHAS = np.logspace(-4, 2, 10)  # relative to the training rows


def maps(small: bool) -> tuple[Any, Any, Any]:
    """Activity of each site, fold of each row, and what to run of the plain way."""
    rng = np.random.default_rng(1)
    sites = 1 if small else SITES
    x = rng.normal(size=(sites, TIMES, ROWS, UNITS))
    return rng, x, np.arange(ROWS) % FOLDS


def splits_of(fold: Any) -> tuple[Any, Any]:
    test = fold == np.arange(FOLDS)[:, None]
    return ~test, test


def scaled(x: Any, inside: Any) -> tuple[Any, Any]:
    scaler = StandardScaler().fit(x[inside])
    return scaler.transform(x[inside]), scaler.transform(x[~inside])


def ridge_path(small: bool) -> None:
    """The best of ten penalties by five folds, and the refit, at each site and time."""
    rng, x, fold = maps(small)
    y = rng.normal(size=ROWS) + x[0, 3, :, 0]
    whole = np.ones((1, ROWS), bool)
    options = {"kind": "continuous", "penalties": ALPHAS, "inner": fold, "keep": False}
    ours, found = timed(
        lambda: [fit_predict(site, y, whole, whole, **options) for site in x]
    )

    def loop() -> Any:
        best = np.zeros(TIMES)
        for t in range(TIMES):
            error = np.zeros(len(ALPHAS))
            for k in range(FOLDS):
                inside = fold != k
                train, test = scaled(x[0, t], inside)
                for i, alpha in enumerate(ALPHAS):
                    model = Ridge(alpha * inside.sum()).fit(train, y[inside])
                    error[i] += ((model.predict(test) - y[~inside]) ** 2).sum()
            best[t] = ALPHAS[error.argmin()]
        return best

    plain, best = timed(loop)
    apart = np.abs(found[0].penalty[0, :, 0] - best).max()
    job = f"ridge {len(x)} x {TIMES}, {ROWS} x {UNITS}, 10 alphas x 5 folds"
    show(job, ours, plain * len(x), apart, "difference of alphas; target 10x")


def ridge_shuffles(small: bool) -> None:
    """Scores of the labels and 100 shuffles of them, one penalty."""
    rng, x, fold = maps(small)
    y = np.stack([v := rng.normal(size=ROWS), *(rng.permutation(v) for _ in range(100))], 1)  # fmt: skip
    options = {"kind": "continuous", "penalties": [0.1], "keep": False}
    ours, found = timed(
        lambda: [fit_predict(site, y, *splits_of(fold), **options) for site in x]
    )

    def loop() -> Any:
        error, total = np.zeros(y.shape[1]), np.zeros(y.shape[1])
        for d in range(y.shape[1]):
            for k in range(FOLDS):
                inside = fold != k
                train, test = scaled(x[0, 0], inside)
                model = Ridge(0.1 * inside.sum()).fit(train, y[inside, d])
                error[d] += ((model.predict(test) - y[~inside, d]) ** 2).sum()
                total[d] += ((y[~inside, d] - y[inside, d].mean()) ** 2).sum()
        return 1 - error / total

    plain, expected = timed(loop)
    apart = np.abs(found[0].pooled[0] - expected).max()
    job = f"ridge {len(x)} x {TIMES}, one alpha, 100 shuffles"
    note = "plain way scaled from one cell; target 300x"
    show(job, ours, plain * TIMES * len(x), apart, note)


def generalization() -> None:
    """Probes of each time scored at each other time, one site."""
    rng, x, fold = maps(small=True)
    y = rng.normal(size=ROWS)
    options = {"kind": "continuous", "penalties": [0.1], "across": True, "keep": False}
    ours, found = timed(lambda: fit_predict(x[0], y, *splits_of(fold), **options))

    def loop() -> Any:
        error, total = np.zeros((TIMES, TIMES)), 0.0
        for k in range(FOLDS):
            inside = fold != k
            total += ((y[~inside] - y[inside].mean()) ** 2).sum()
            for t in range(TIMES):
                model = make_pipeline(StandardScaler(), Ridge(0.1 * inside.sum()))
                model.fit(x[0, t, inside], y[inside])
                for u in range(TIMES):
                    predicted = model.predict(x[0, u, ~inside])
                    error[t, u] += ((y[~inside] - predicted) ** 2).sum()
        return 1 - error / total

    plain, expected = timed(loop)
    apart = np.abs(found.across[..., 0] - expected).max()
    show(f"ridge {TIMES} x {TIMES} times, one site", ours, plain, apart, "target 40x")


def margins(name: str, small: bool) -> None:
    """The whole path of ten penalties at five folds, classes weighted alike."""
    rng, x, fold = maps(small)
    labels = rng.integers(0, 2, ROWS)
    x[..., :3] += 0.5 * labels[:, None]
    train, _ = splits_of(fold)
    losses = np.zeros((len(ALPHAS), len(x), TIMES, FOLDS))

    def run() -> None:
        for site, values in enumerate(x):
            losses[:, site] = path_losses(values, labels, train, name)

    ours, _ = timed(run)
    few = 1 if small else 2

    def loop() -> Any:
        found = np.zeros((len(ALPHAS), few, FOLDS))
        for t in range(few):
            for k in range(FOLDS):
                inside = fold != k
                rows, _ = scaled(x[0, t], inside)
                for i, alpha in enumerate(ALPHAS):
                    found[i, t, k] = plain_loss(name, rows, labels[inside], alpha)
        return found

    plain, expected = timed(loop)
    apart = (losses[:, 0, :few] / expected - 1).max()
    job = f"{name} {len(x)} x {TIMES}, {ROWS} x {UNITS}, 10 C x 5 folds"
    note = f"relative loss above; plain way scaled from {few} cells; target 5x, 1e-5"
    show(job, ours, plain * TIMES * len(x) / few, apart, note)


def path_losses(x: Any, labels: Any, train: Any, name: str) -> Any:
    """Objective at the end of each step of the path, (penalties, times, folds)."""
    hot = torch.from_numpy(np.eye(2)[labels])[None, :, None]
    masks = torch.from_numpy(train)
    found = []
    for low in range(0, len(x), 16):
        problem = Problem(torch.from_numpy(x[low : low + 16]), hot)
        coded = code_classes(problem, masks, name, balanced=True)
        at = arrange_margins(problem, masks, coded)
        phi, f = cold_start(at, coded)
        values = []
        for alpha in ALPHAS[::-1]:
            state, _ = descend(at, LOSSES[coded.loss], float(alpha), phi, f)
            phi, f = state.phi, state.f
            values.append(state.value[..., 0].numpy())
        found.append(np.stack(values[::-1]))
    return np.concatenate(found, axis=1)


def plain_loss(name: str, rows: Any, labels: Any, alpha: float) -> float:
    """Fit by scikit-learn to a tight tolerance; return the objective."""
    n, options = len(rows), {"class_weight": "balanced", "max_iter": 100_000}
    if name == "logistic":
        model = LogisticRegression(C=1 / (alpha * n), tol=1e-8, **options)
    else:
        options |= {"dual": False, "intercept_scaling": 1e3}
        model = LinearSVC(C=1 / (alpha * n), tol=1e-8, **options)
    model.fit(rows, labels)
    margin = np.where(labels == 1, 1, -1) * model.decision_function(rows)
    loss = (
        np.logaddexp(0, -margin)
        if name == "logistic"
        else np.maximum(0, 1 - margin) ** 2
    )
    weight = (0.5 / np.bincount(labels))[labels]
    return float(weight @ loss + alpha / 2 * (model.coef_**2).sum())


def distances(n_conditions: int, n_units: int, n_runs: int) -> None:
    """Crossnobis distances with shrunk noise, in marr from other folds for each pair."""
    rng = np.random.default_rng(3)
    conditions = np.tile(np.arange(n_conditions), n_runs)
    run = np.repeat(np.arange(n_runs), n_conditions)
    x = rng.normal(size=(len(run), n_units))
    ours, _ = timed(
        lambda: make_geometry(x, conditions, run, n_conditions, "crossnobis").distances(
            conditions
        )
    )
    job = f"crossnobis {n_conditions} x {n_units}, {n_runs} runs"
    if importlib.util.find_spec("rsatoolbox") is None:
        print(f"{job:<52}{ours:>8.2f}  (rsatoolbox is not installed)")
        return
    import rsatoolbox

    described = {"condition": conditions.tolist(), "run": run.tolist()}
    data = rsatoolbox.data.Dataset(x, obs_descriptors=described)

    def peer() -> Any:
        noise = rsatoolbox.data.noise.prec_from_measurements(
            data, obs_desc="condition", method="shrinkage_diag"
        )
        return rsatoolbox.rdm.calc_rdm(
            data,
            method="crossnobis",
            descriptor="condition",
            cv_descriptor="run",
            noise=noise,
        )

    plain, _ = timed(peer)
    show(job, ours, plain, np.nan, "the peer whitens once, by the same folds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{'job':<52}{'marr':>8}{'plain':>10}{'ratio':>9}  difference")
    ridge_path(small)
    ridge_shuffles(small)
    generalization()
    margins("logistic", small)
    margins("hinge", small)
    map_with_null(500, 5 if small else 50, 100, 20 if small else 200)
    distances(30 if small else 92, 200, 8)
    if not small:
        distances(92, 1000, 8)


if __name__ == "__main__":
    main()
