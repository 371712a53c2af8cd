"""Time dimension, geometry and capacity: `python benchmarks/bench_geometry.py`.

Prints CPU seconds of marr, of the plain way (a part is timed and multiplied up where it
says so), their ratio, and the largest difference where both compute the same number.
Plain ways: scikit-dimension, if installed; scikit-learn's discriminant analysis fitted to
each dichotomy, fold, held-out pair and shuffle; the quadratic program of each random
direction by a general solver.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import warnings
from itertools import combinations
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _timing import timed
from scipy.optimize import minimize
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import marr
from marr.representation import geometry
from marr.representation._geometry import _capacity_kernel as capacity
from marr.representation._geometry import _dichotomy_kernel as kernel
from marr.representation._geometry import _dimension_kernel as dimension
from marr.representation._geometry import _neighbor_kernel as near


def show(
    job: str, ours: float, plain: float, difference: float, note: str = ""
) -> None:
    apart = "      -" if np.isnan(difference) else f"{difference:.0e}"
    print(f"{job:<56}{ours:>8.3f}{plain:>10.2f}{plain / ours:>9.0f}x  {apart}  {note}")


def neighbors(n: int, p: int) -> None:
    """TwoNN and maximum likelihood of the same points."""
    if importlib.util.find_spec("skdim") is None:
        print("neighbors: scikit-dimension is not installed, skipped")
        return
    import skdim

    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)) @ rng.normal(size=(6, p)) + 0.1 * rng.normal(size=(n, p))  # fmt: skip
    ours, found = timed(lambda: near.two_nn(near.neighbor_distances(x, 2)[0], 0.1))
    plain, peer = timed(lambda: skdim.id.TwoNN().fit(x).dimension_)
    show(f"TwoNN, {n} x {p}", ours, plain, abs(found - peer))
    ours, found = timed(lambda: near.levina_bickel(near.neighbor_distances(x, 20)[0]))
    plain, peer = timed(
        lambda: skdim.id.MLE(unbiased=True).fit(x, n_neighbors=20).dimension_
    )
    show(f"maximum likelihood, 20 neighbors, {n} x {p}", ours, plain, abs(found - peer))


def ratios(n: int, p: int, n_groups: int) -> None:
    """Participation ratio without bias, and without each group of trials."""
    rng = np.random.default_rng(1)
    x, group = rng.normal(size=(n, p)), np.arange(n) % n_groups
    ours, found = timed(lambda: dimension.left_out_moments(x, group))

    def plain_way() -> list[Any]:
        return [dimension.moments(x[group != g]) for g in range(3)]

    plain, peer = timed(plain_way)
    apart = max(abs(a.ratio() - b.ratio()) for a, b in zip(found, peer, strict=False))
    job = f"jackknife of the ratio, {n_groups} groups, {n} x {p}"
    show(job, ours, plain * n_groups / 3, apart, "plain: anew for each group, scaled")


def dichotomies(n: int, p: int, n_variables: int, n_shuffles: int) -> None:
    """Every dichotomy, fold, held-out pair, shuffle and weighting of one site."""
    rng = np.random.default_rng(2)
    k = 2**n_variables
    codes = rng.permutation(np.arange(n) % k)
    signs = np.stack([(codes >> i) & 1 for i in range(n_variables)], axis=1) * 2.0 - 1
    x = signs @ rng.normal(size=(n_variables, p)) + 3 * rng.normal(size=(n, p))
    names = list("abcd"[:n_variables])
    system = marr.from_arrays({"A": x}, pd.DataFrame(dict(zip(names, signs.T, strict=True))))  # fmt: skip
    ours, _ = timed(
        lambda: geometry(
            system, variables=names, n_permutations=n_shuffles, n_resamples=20
        )
    )
    table, _ = kernel.balanced_dichotomies(k, 10_000, 0)
    fold = np.arange(n) % 5
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")

    def fit(sign: np.ndarray, rows: np.ndarray) -> Any:
        return model.fit(x[rows], sign[codes[rows]])

    few = table[: min(3, len(table))]

    def decode() -> None:
        for sign in few:
            for f in range(5):
                fit(sign, fold != f).score(x[fold == f], sign[codes[fold == f]])

    seconds, _ = timed(decode)
    pairs = [(a, b) for a, b in combinations(range(k), 2) if few[0][a] * few[0][b] < 0]

    def generalize() -> None:
        for pair in pairs[:4]:
            rows = ~np.isin(codes, pair)
            fit(few[0], rows).score(x[~rows], few[0][codes[~rows]])

    held, _ = timed(generalize)
    # accuracies of data, shuffles and weightings; held-out pairs in five folds
    plain = seconds / len(few) * len(table) * (1 + n_shuffles + 20)
    plain += held / 4 * len(pairs) * 5 * len(table)
    plain += held / 4 * (k // 2) * 5 * n_variables * (n_shuffles + 20)
    job = f"{len(table)} dichotomies of {k}, {n_shuffles} shuffles, {n} x {p}"
    show(job, ours, plain, np.nan, "plain: a loop of fits, scaled from a few")


def cones(n_manifolds: int, n_points: int, p: int, n_draws: int) -> None:
    """Statistical dimension of each manifold on its own."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(n_manifolds), n_points)
    points = rng.normal(size=(n_manifolds, 1, p)) + 0.5 * rng.normal(size=(n_manifolds, n_points, p))  # fmt: skip
    points = points.reshape(-1, p) - points.mean(axis=(0, 1))
    directions = rng.normal(size=(n_draws, p))
    ours, found = timed(lambda: capacity.independent(points, labels, directions))
    own = points[labels == 0]

    def program(t: np.ndarray) -> float:
        """Distance of the direction from those that have all points on one side."""
        done = minimize(
            lambda v: ((v - t) ** 2).sum(),
            np.zeros(p),
            jac=lambda v: 2 * (v - t),
            constraints={
                "type": "ineq",
                "fun": lambda v: -own @ v,
                "jac": lambda _: -own,
            },
            method="SLSQP",
            options={"ftol": 1e-10, "maxiter": 500},
        )
        return float(done.fun)

    few = 3
    plain, peer = timed(lambda: [program(t) for t in directions[:few]])
    apart = np.abs(found.dimensions[:few, 0] - peer).max()
    job = f"{n_manifolds} manifolds of {n_points} points, {n_draws} directions, {p} units"  # fmt: skip
    plain *= n_manifolds * n_draws / few
    show(job, ours, plain, apart, "plain: SLSQP, scaled from 3 programs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    warnings.simplefilter("ignore")
    print(f"{'job':<56}{'marr':>8}{'plain':>10}{'ratio':>10}  difference")
    neighbors(500 if small else 2000, 100)
    ratios(300 if small else 1000, 500, 50)
    dichotomies(200, 50, 3, 20 if small else 200)
    if not small:
        dichotomies(320, 50, 4, 20)
    cones(8, 30, 40, 50 if small else 200)


if __name__ == "__main__":
    main()
