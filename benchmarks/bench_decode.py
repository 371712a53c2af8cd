"""Time decoding against scikit-learn loops: `python benchmarks/bench_decode.py`.

Prints CPU seconds of marr, of the plain way (a part is timed and multiplied up where it
says so), their ratio, and the largest difference where both compute the same number.
Plain ways: a nested grid search with permutation_test_score at each site and time; probes
of each time scored at each other time in a loop; rsatoolbox's crossnobis, if installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
import warnings
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    PredefinedSplit,
    StratifiedKFold,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import marr
from marr.representation import decode
from marr.representation._probes._fit_kernel import fit_predict
from marr.representation._probes._linear_kernel import PENALTIES
from marr.representation._rsa._geometry import make_geometry

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


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


def splits_of(n: int) -> tuple[Any, Any, Any]:
    fold = np.arange(n) % 5
    test = fold == np.arange(5)[:, None]
    return fold, ~test, test


def fixed_penalty(n: int, n_times: int, n_units: int) -> None:
    """Out-of-fold predictions of a number at each time, one penalty."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n_times, n, n_units)), rng.normal(size=n)
    fold, train, test = splits_of(n)
    options = {"kind": "continuous", "penalties": [0.1]}
    ours, found = timed(lambda: fit_predict(x, y, train, test, **options))

    def loop() -> Any:
        out = np.zeros((n_times, n))
        for t in range(n_times):
            for inside, held in PredefinedSplit(fold).split():
                model = make_pipeline(StandardScaler(), Ridge(0.1 * len(inside)))
                model.fit(x[t, inside], y[inside])
                out[t, held] = model.predict(x[t, held])
        return out

    plain, expected = timed(loop)
    predicted = np.nansum(found.predicted[..., 0, 0], axis=0)
    difference = np.abs(predicted - expected).max()
    show(f"predictions at {n_times} times, {n} x {n_units}", ours, plain, difference)


def generalization(n: int, n_times: int, n_units: int) -> None:
    """Probes of each time scored at each other time."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(n_times, n, n_units)), rng.normal(size=n)
    fold, train, test = splits_of(n)
    options = {"kind": "continuous", "penalties": [0.1], "across": True, "keep": False}
    ours, found = timed(lambda: fit_predict(x, y, train, test, **options))

    def loop() -> Any:
        error, total = np.zeros((n_times, n_times)), 0.0
        for inside, held in PredefinedSplit(fold).split():
            total += ((y[held] - y[inside].mean()) ** 2).sum()
            for t in range(n_times):
                model = make_pipeline(StandardScaler(), Ridge(0.1 * len(inside)))
                model.fit(x[t, inside], y[inside])
                for u in range(n_times):
                    error[t, u] += ((y[held] - model.predict(x[u, held])) ** 2).sum()
        return 1 - error / total

    plain, expected = timed(loop)
    difference = np.abs(found.across[..., 0] - expected).max()
    show(f"{n_times} x {n_times} times, {n} x {n_units}", ours, plain, difference)


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
    fixed_penalty(500, 10 if small else 50, 100)
    generalization(500, 10 if small else 30, 100)
    map_with_null(500, 5 if small else 50, 100, 20 if small else 200)
    distances(30 if small else 92, 200, 8)
    if not small:
        distances(92, 1000, 8)


if __name__ == "__main__":
    main()
