"""Time the analyses of single units against loops: `python benchmarks/bench_units.py`.

Prints CPU seconds of marr, of the plain way, their ratio, and the largest difference
where both compute the same number. Plain ways: scikit-learn's PoissonRegressor and
LassoCV one unit at a time; one tuning curve a unit and shuffle by numpy masks; numpy's
corrcoef of every shifted copy; rank-based areas one unit and shuffle at a time (scikit-
learn). Of demixed PCA no peer can be installed: the plain way is a transcription of
Kobak et al. (2016), one singular value decomposition of the augmented data a
marginalization.
"""

from __future__ import annotations

import argparse
import os
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _timing import timed
from sklearn.linear_model import LassoCV, PoissonRegressor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit

import marr
from marr.representation import tuning
from marr.representation._units._choice_kernel import area
from marr.representation._units._curve_kernel import bin_sums
from marr.representation._units._demix_kernel import (
    cell_means,
    demixed_axes,
    marginalize,
)
from marr.representation._units._glm_kernel import (
    partial_statistics,
    poisson_fit,
    residual_maker,
)
from marr.representation._units._mixed_fit import lasso_cv
from marr.representation._units._mixed_kernel import lasso_penalties
from marr.representation._units._pairwise_kernel import shifted_correlations


def show(
    job: str, ours: float, plain: float, difference: float, note: str = ""
) -> None:
    apart = "      -" if np.isnan(difference) else f"{difference:.0e}"
    print(f"{job:<52}{ours:>9.3f}{plain:>10.2f}{plain / ours:>8.0f}x  {apart}  {note}")


def poisson(n: int, p: int, units: int) -> None:
    """Poisson regression with a ridge penalty, every unit."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p))
    y = rng.poisson(np.exp(0.2 * x @ rng.normal(size=(p, units)) - 0.5)).astype(float)
    design, free = np.column_stack([np.ones(n), x]), np.r_[True, np.zeros(p, bool)]
    ours, found = timed(lambda: poisson_fit(design, y, free, 0.01)[0])
    few = min(units, 20)

    def loop() -> Any:
        models = [
            PoissonRegressor(alpha=0.01, tol=1e-8, max_iter=1000).fit(x, y[:, u])
            for u in range(few)
        ]
        return np.stack([m.coef_ for m in models], axis=1)

    plain, expected = timed(loop)
    difference = np.abs(found.coef[1:, :few] - expected).max()
    show(f"Poisson regression, {n} x {p}, {units} units", ours, plain * units / few, difference,
         "plain way scaled from 20 units")  # fmt: skip


def curves(n: int, bins: int, units: int, shuffles: int) -> None:
    """Share of squares that binned curves explain, for the data and shuffles."""
    rng = np.random.default_rng(1)
    y, codes = rng.normal(size=(n, units)), rng.integers(0, bins, n)
    orders = [np.roll(np.arange(n), k + 1) for k in range(shuffles)]
    one = np.eye(bins)

    def batched() -> Any:
        q = residual_maker(np.ones((n, 1)))
        residual = y - q @ (q.T @ y)
        scale = (residual**2).sum(axis=0)
        return np.stack(
            [partial_statistics(one[codes[o]], q, residual, scale)[0] for o in orders]
        )

    ours, found = timed(batched)
    few = min(units, 5)

    def loop() -> Any:
        out = np.empty((shuffles, few))
        for s, order in enumerate(orders):
            moved = codes[order]
            for u in range(few):
                curve = np.array([y[moved == b, u].mean() for b in range(bins)])
                left = ((y[:, u] - curve[moved]) ** 2).sum()
                out[s, u] = 1 - left / ((y[:, u] - y[:, u].mean()) ** 2).sum()
        return out

    plain, expected = timed(loop)
    show(f"curves of {bins} bins, {n} rows, {units} units, {shuffles} shuffles", ours,
         plain * units / few, np.abs(found[:, :few] - expected).max(),
         "plain way scaled from 5 units")  # fmt: skip


def lassos(n: int, p: int, units: int) -> None:
    """Lasso, penalty of 30 by 5 folds, every unit."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n, p))
    x -= x.mean(axis=0)
    y = x @ (rng.normal(size=(p, units)) * (rng.random((p, units)) < 0.3))
    y = y + rng.normal(size=(n, units))
    y -= y.mean(axis=0)
    ours, found = timed(lambda: lasso_cv(x, y))
    grid = lasso_penalties(x.T @ y / n, 30)
    cv = PredefinedSplit(np.arange(n) * 5 // n)
    few = min(units, 10)

    def loop() -> Any:
        models = [
            LassoCV(alphas=grid[:, u], cv=cv, tol=1e-8, max_iter=100_000).fit(
                x, y[:, u]
            )
            for u in range(few)
        ]
        return np.stack([m.coef_ for m in models], axis=1)

    plain, expected = timed(loop)
    show(f"lasso by folds, {n} x {p}, {units} units", ours, plain * units / few,
         np.abs(found[:, :few] - expected).max(), "plain way scaled from 10 units")  # fmt: skip


def shifts(n: int, units: int, draws: int) -> None:
    """Correlations of all pairs after each unit was shifted."""
    rng = np.random.default_rng(3)
    x, lags = rng.normal(size=(n, units)), rng.integers(0, n, (draws, units))
    ours, found = timed(lambda: shifted_correlations(x, lags))
    upper = np.triu_indices(units, k=1)

    def loop() -> Any:
        out = []
        for row in lags:
            moved = np.column_stack([np.roll(x[:, u], -row[u]) for u in range(units)])
            out.append(np.corrcoef(moved.T)[upper])
        return np.array(out)

    plain, expected = timed(loop)
    show(
        f"shifted pairs, {n} x {units}, {draws} draws",
        ours,
        plain,
        np.abs(found - expected).max(),
    )


def areas(n: int, units: int, draws: int) -> None:
    """Areas under the curve of all units and shuffles."""
    rng = np.random.default_rng(4)
    z, choices = rng.normal(size=(n, units)), rng.random((draws, n)) < 0.5
    ours, found = timed(lambda: np.stack([area(z, c) for c in choices]))
    few = min(draws, 3)

    def loop() -> Any:
        return np.array(
            [[roc_auc_score(c, z[:, u]) for u in range(units)] for c in choices[:few]]
        )

    plain, expected = timed(loop)
    show(f"areas, {n} trials, {units} units, {draws} shuffles", ours, plain * draws / few,
         np.abs(found[:few] - expected).max(), "plain way scaled from 3 shuffles")  # fmt: skip


def demixed(trials: int, times: int, units: int) -> None:
    """Demixed axes of two crossed variables, by the normal equations and by SVD."""
    rng = np.random.default_rng(5)
    codes = np.arange(trials) % 6
    y = rng.normal(size=(6, times, units))[codes] + rng.normal(
        size=(trials, times, units)
    )
    means, noise = cell_means(y, codes, 6)

    def normal_equations() -> Any:
        parts = marginalize(means, (2, 3))
        return demixed_axes(parts, noise, 0.01, dict.fromkeys(parts, 3))

    ours, found = timed(normal_equations)

    def augmented() -> Any:
        parts = marginalize(means, (2, 3))
        x = sum(parts.values()).reshape(-1, units).T
        total = np.trace(x @ x.T + noise)
        extra = np.sqrt(0.01 * total / units + 1e-12 * total) * np.eye(units)
        wide = np.hstack([x, np.linalg.cholesky(noise), extra])
        inverse = np.linalg.pinv(wide)
        out = {}
        for key, part in parts.items():
            goal = np.hstack([part.reshape(-1, units).T, np.zeros((units, 2 * units))])
            a = goal @ inverse
            u, _, _ = np.linalg.svd(a @ wide, full_matrices=False)
            out[key] = (u[:, :3].T @ a, u[:, :3])
        return out

    plain, expected = timed(augmented)
    worst = max(
        np.abs(f.encoder @ f.decoder - expected[k][1] @ expected[k][0]).max()
        for k, f in found.items()
    )
    show(f"demixed axes, 6 x {times} averages, {units} units", ours, plain, worst)


def whole_session() -> None:
    """The mouse's heading session, 15 units in 5,250 bins, with folds and shuffles."""
    mouse = marr.datasets.mouse_heading()
    for model in ("curve", "poisson_glm"):
        seconds, _ = timed(lambda model=model: tuning(mouse, "heading", model=model))
        print(f"{f'tuning of the heading session, {model}':<52}{seconds:>9.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick look")
    small = parser.parse_args().small
    warnings.simplefilter("ignore")
    print(f"{'job':<52}{'marr':>9}{'plain':>10}{'ratio':>9}  difference")
    bin_sums(
        np.zeros(2, int), np.zeros((2, 1)), 1
    )  # load scipy.sparse before the clock runs
    poisson(2000 if small else 5000, 10, 20 if small else 100)
    curves(1000 if small else 5000, 18, 20 if small else 100, 20 if small else 100)
    lassos(200, 12, 20 if small else 100)
    shifts(1000 if small else 5000, 15, 20 if small else 200)
    areas(400, 20 if small else 100, 20 if small else 200)
    demixed(240, 20 if small else 50, 50 if small else 100)
    whole_session()


if __name__ == "__main__":
    main()
