"""Time a full psychometric posterior against psignifit 4 (same priors, same data).

    python benchmarks/bench_psychometric.py

Prints CPU seconds and ratios; without psignifit, marr's own times only. The target is
under a second and at least 30 times faster, with the ends of intervals within 2 % of
their width of a run with ten times the draws.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from marr.behavior._curve_kernel import make_cells, make_prior, psi
from marr.behavior._posterior_kernel import find_map, sample
from marr.behavior._problem_kernel import Problem
from marr.behavior._summary_kernel import equal_tails

LEVELS = np.array([-1, -0.5, -0.25, -0.125, -0.0625, 0, 0.0625, 0.125, 0.25, 0.5, 1.0])
TRUTH = np.array([[0.05, 0.6, 0.05, 0.08, 0.0]])


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.choice(LEVELS, n)
    return x, (rng.random(n) < psi(x, TRUTH, "logistic")[0][0]).astype(float)


def marr_fit(x: np.ndarray, y: np.ndarray, seed: int = 0, effective: float = 12_000.0):
    cells = make_cells(x, y)
    problem = Problem(cells, make_prior(LEVELS), "logistic", "free", (0.0, 0.0), True)
    most = 8 if effective < 50_000 else 40
    draws = sample(problem, seed=seed, effective=effective, max_rounds=most)
    mode, value, _ = find_map(problem, draws)
    return problem, draws, mode, value


def cpu(function, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - start) / repeats


def end_error(x: np.ndarray, y: np.ndarray) -> float:
    """Largest error of an interval end over its width, against ten times the draws."""
    _, reference, _, _ = marr_fit(x, y, seed=99, effective=120_000.0)
    worst = 0.0
    for seed in range(5):
        _, draws, _, _ = marr_fit(x, y, seed=seed)
        for i in (0, 1):
            exact = np.array(equal_tails(reference.theta[:, i], reference.weights))
            got = np.array(equal_tails(draws.theta[:, i], draws.weights))
            worst = max(worst, float(np.abs(got - exact).max() / np.ptp(exact)))
    return worst


def main() -> None:
    try:
        import psignifit
    except ImportError:
        psignifit = None
    for n in (600, 2000, 8000):
        x, y = data(n)
        own = cpu(lambda x=x, y=y: marr_fit(x, y), 5)
        problem, draws, _, value = marr_fit(x, y)
        line = (
            f"{n:5d} trials: marr {own:.3f} s (effective draws {draws.effective:.0f})"
        )
        if psignifit is not None:
            hits, total = problem.cells.by_level()
            table = np.stack([problem.cells.levels, hits, total], axis=1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                start = time.process_time()
                peer = psignifit.psignifit(
                    table, experiment_type="yes/no", sigmoid="logistic", verbose=False
                )
                theirs = time.process_time() - start
            at = peer.parameter_estimate_MAP
            names = ("threshold", "width", "gamma", "lambda", "eta")
            point = np.array([[at[k] for k in names]])
            point[:, 2:] = np.clip(point[:, 2:], 0, 0.5)
            gain = value - problem.log_posterior(point)[0]
            line += (
                f"; psignifit {theirs:.1f} s; ratio {theirs / own:.0f}x; "
                f"log posterior at the mode {gain:+.1e} nats higher"
            )
        print(line)
    print(
        f"interval ends: at most {100 * end_error(*data(600)):.1f} % of the width off"
    )


if __name__ == "__main__":
    main()
