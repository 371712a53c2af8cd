"""Rates of distances and searchlights on simulated studies: `python benchmarks/calibration_rdm.py`.

False positives where conditions do not differ (or models are unrelated), power where
they do, coverage of the jackknife intervals.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist

import marr
from marr.representation import rdm
from marr.representation._rsa._rdm_kernel import upper
from marr.representation._rsa._row_blocks import ArrayBlocks
from marr.representation._rsa._searchlight_job import Search, ball_rdms, infer
from marr.representation._rsa._searchlight_kernel import balls, jackknifed_similarity

N_CONDITIONS, N_RUNS = 4, 6


def runs(
    rng: np.random.Generator,
    *,
    n_units: int = 10,
    unequal: bool = False,
    counts: bool = False,
    spread: float = 0.0,
    n_times: int = 0,
) -> marr.Recording:
    """Return conditions in runs that drift, with correlated noise."""
    each = [1, 2, 3, 4] if unequal else [2] * N_CONDITIONS
    codes = np.concatenate(
        [
            np.repeat(np.arange(N_CONDITIONS), rng.permutation(each))
            for _ in range(N_RUNS)
        ]
    )
    run = np.repeat(np.arange(N_RUNS), sum(each))
    shape = (len(codes), n_times, n_units) if n_times else (len(codes), n_units)
    mix = np.eye(n_units) + 0.3 * rng.normal(size=(n_units, n_units)) / np.sqrt(n_units)
    means = spread * rng.normal(size=(N_CONDITIONS, n_units))
    drift = rng.normal(size=(N_RUNS, n_units))
    where = (slice(None), None) if n_times else slice(None)
    x = rng.normal(size=shape) @ mix + (means[codes] + drift[run])[where]
    if counts:
        x = rng.poisson(np.exp(0.3 * x))
    table = pd.DataFrame({"condition": codes, "session": run})
    extra = {"time": np.arange(n_times)} if n_times else {}
    return marr.from_arrays({"A": x}, trials=table, **extra)


def called(n: int, seed: int, distance: str, *, over: tuple[str, ...], **data: object):
    """Share of studies in which some pair is called, after correction."""
    rng, found = np.random.default_rng(seed), 0
    for i in range(n):
        p = rdm(
            runs(rng, **data), distance=distance, over=over, n_permutations=39, seed=i
        ).estimate["p_corrected"]
        found += bool((p <= 0.05).any())
    return found / n, n


def covered(n: int, seed: int, spread: float, **data: object) -> tuple[float, int]:
    """Share of jackknife intervals that hold the true distance (no noise scaling)."""
    rng, held = np.random.default_rng(seed), []
    for _ in range(n):
        means = spread * rng.normal(size=(N_CONDITIONS, 10))
        system = runs(rng, **data)
        codes = system.trials["condition"].to_numpy()
        moved = marr.from_arrays(
            {"A": system.activity("A").values + means[codes]}, trials=system.trials
        )
        at = rdm(moved, noise="identity", n_permutations=0).estimate
        truth = pdist(means, "sqeuclidean") / 10
        low, high = (upper(at[k].values[0]) for k in ("ci_low", "ci_high"))
        held.append((low <= truth) & (truth <= high))
    return float(np.mean(held)), n  # pairs of a study share their noise


def lights(
    n: int, seed: int, *, n_conditions: int, related: float
) -> tuple[float, int]:
    """Share of studies in which some of 25 balls follows a model, after correction."""
    rng, found = np.random.default_rng(seed), 0
    codes, run = (
        np.tile(np.arange(n_conditions), 4),
        np.repeat(np.arange(4), n_conditions),
    )
    place = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1).reshape(-1, 2)
    within = balls(place, 1.5)
    for i in range(n):
        latent = rng.normal(size=(n_conditions, 2))
        other = rng.normal(size=(n_conditions, 2))
        source = related * latent + (1 - related) * other
        means = source @ rng.normal(size=(2, 25)) + 0.3 * rng.normal(
            size=(n_conditions, 25)
        )
        x = means[codes] + rng.normal(size=(len(codes), 25))
        search = Search(
            within, codes, run, n_conditions, "crossnobis", "diagonal", "spearman"
        )
        (values,), _ = ball_rdms(search, ArrayBlocks(x), [codes])
        model = pdist(latent, "sqeuclidean")[None]
        p = infer(search, [values], model, n_permutations=199, seed=i).columns
        found += bool((p["p_corrected"] <= 0.05).any())
    return found / n, n


def jackknifed(n: int, seed: int, *, n_conditions: int) -> tuple[float, int]:
    """Share of intervals over conditions that hold the similarity of the population."""
    from scipy.special import stdtrit
    from scipy.stats import spearmanr

    rng, held = np.random.default_rng(seed), 0
    mixing = rng.normal(size=(2, 9))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        latent = rng.normal(size=(count, 2))
        pattern = latent @ mixing + 1.5 * rng.normal(size=(count, 9))
        return pdist(pattern, "sqeuclidean"), pdist(latent, "sqeuclidean")

    truth = spearmanr(*draw(1500)).statistic
    for _ in range(n):
        ball, model = draw(n_conditions)
        seen = spearmanr(ball, model).statistic
        left = jackknifed_similarity(ball[None], model[None], n_conditions, "spearman")
        error = np.sqrt((n_conditions - 1) * left.var())
        held += abs(seen - truth) <= stdtrit(n_conditions - 1, 0.975) * error
    return held / n, n


def studies(n: int, seed: int) -> dict[str, float | tuple[float, int]]:
    """Return all rates; those over time on a fifth of the studies."""
    site, time = ("site",), ("site", "time")
    few = max(1, n // 5)
    return {
        "null crossnobis, 1 to 4 trials a run, family": called(
            n, seed, "crossnobis", over=site, unequal=True
        ),
        "null crossnobis, more units than trials, family": called(
            n, seed, "crossnobis", over=site, n_units=80
        ),
        "null mahalanobis, family": called(n, seed, "mahalanobis", over=site),
        "null poisson_cv, family": called(
            n, seed, "poisson_cv", over=site, counts=True
        ),
        "null crossnobis over 8 times, family": called(
            few, seed, "crossnobis", over=time, n_times=8
        ),
        "power crossnobis, conditions .5 apart, some pair": called(
            few, seed, "crossnobis", over=site, spread=0.5
        ),
        "coverage crossnobis, true distance 0": covered(n, seed, 0.0),
        "coverage crossnobis, distances about 1": covered(n, seed, 0.7),
        "coverage crossnobis, 1 to 4 trials a run": covered(n, seed, 0.7, unequal=True),
        "null searchlight, 8 conditions, family": lights(
            n, seed, n_conditions=8, related=0.0
        ),
        "null searchlight, 16 conditions, family": lights(
            n, seed, n_conditions=16, related=0.0
        ),
        "power searchlight, 8 conditions": lights(
            few, seed, n_conditions=8, related=0.7
        ),
        "power searchlight, 16 conditions": lights(
            few, seed, n_conditions=16, related=0.7
        ),
        "coverage searchlight, 8 conditions": jackknifed(n, seed, n_conditions=8),
        "coverage searchlight, 16 conditions": jackknifed(n, seed, n_conditions=16),
        "coverage searchlight, 40 conditions": jackknifed(n, seed, n_conditions=40),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, (rate, n) in studies(options.studies, options.seed).items():
        print(f"{name:<60}{rate:>7.3f}  n {n}")


if __name__ == "__main__":
    main()
