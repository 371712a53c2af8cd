"""Rates of encoding models on simulated studies: `python benchmarks/calibration_encode.py`.

A study is a unit with features that have nothing to do with it (or a planted share of
its variance). Units of one simulated recording are independent given the features, so
that each is a study; features are drawn anew for every 100 of them.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import marr
from marr.representation import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    Study = Callable[[np.random.Generator, int], tuple[Any, Any, dict[str, Any]]]

UNITS = 100


def slow(rng: np.random.Generator, n: int, k: int, phi: float = 0.9) -> np.ndarray:
    """Return autoregressive series of unit variance, (n, k)."""
    x = rng.normal(size=(n, k))
    for t in range(1, n):
        x[t] = phi * x[t - 1] + np.sqrt(1 - phi**2) * x[t]
    return x


def plain(n: int, p: int, **options: Any) -> Study:
    def study(rng: np.random.Generator, units: int):
        brain = marr.from_arrays({"a": rng.normal(size=(n, units))})
        return brain, rng.normal(size=(n, p)), options

    return study


def repeats(*, equal: bool, averaged: bool) -> Study:
    """Units answer to stimuli, but not to the features of these."""

    def study(rng: np.random.Generator, units: int):
        counts = np.full(30, 3) if equal else rng.integers(1, 6, 30)
        stimulus = rng.permutation(np.repeat(np.arange(30), counts))
        y = rng.normal(size=(30, units))[stimulus]
        y += rng.normal(size=y.shape)
        brain = marr.from_arrays({"a": y}, pd.DataFrame({"stimulus": stimulus}))
        features = rng.normal(size=(30, 8))
        if averaged:
            return brain, pd.DataFrame(features), {"on": "stimulus"}
        return brain, features[stimulus], {}

    return study


def drifting(rng: np.random.Generator, units: int):
    return marr.from_arrays({"a": slow(rng, 100, units)}), slow(rng, 100, 3), {}


def classes_in_runs(rng: np.random.Generator, units: int):
    run = np.repeat(np.arange(8), 12)
    y = rng.normal(size=(96, units)) + 2 * rng.normal(size=(8, units))[run]
    table = pd.DataFrame({"session": run, "kind": np.tile(list("abcd"), 24)})
    return marr.from_arrays({"a": y}, table), "kind", {}


def constant_in_runs(rng: np.random.Generator, units: int):
    run = np.repeat(np.arange(12), 8)
    y = rng.normal(size=(96, units)) + rng.normal(size=(12, units))[run]
    brain = marr.from_arrays({"a": y}, pd.DataFrame({"session": run}))
    return brain, rng.normal(size=(12, 3))[run], {}


def within_trials(rng: np.random.Generator, units: int):
    y = slow(rng, 8, 40 * units, 0.8).reshape(8, 40, units).swapaxes(0, 1)
    x = slow(rng, 8, 80, 0.8).reshape(8, 40, 2).swapaxes(0, 1)
    return marr.from_arrays({"a": y}), x, {"time": "keep", "delays": (0, 1)}


def two_bands(rng: np.random.Generator, units: int):
    brain = marr.from_arrays({"a": rng.normal(size=(60, units))})
    bands = {"x": rng.normal(size=(60, 5)), "y": rng.normal(size=(60, 8))}
    return brain, bands, {"n_mixtures": 5}


def planted(share: float) -> Study:
    def study(rng: np.random.Generator, units: int):
        x = rng.normal(size=(100, 5))
        signal = x @ rng.normal(size=(5, units))
        signal *= np.sqrt(share / (1 - share)) / signal.std(axis=0)
        y = signal + rng.normal(size=signal.shape)
        return marr.from_arrays({"a": y}), x, {}

    return study


NULLS: dict[str, Study] = {
    "null: 60 rows, 5 features": plain(60, 5),
    "null: 60 rows, 5 features, correlation": plain(60, 5, score="pearson"),
    "null: 60 rows, 100 features": plain(60, 100),
    "null: 25 rows, 40 features": plain(25, 40),
    "null: 60 rows, 20 features, PLS": plain(60, 20, method="pls", n_components=3),
    "null: two bands": two_bands,
    "null: 3 repeats of 30 stimuli": repeats(equal=True, averaged=False),
    "null: 1 to 5 repeats of 30 stimuli": repeats(equal=False, averaged=False),
    "null: 1 to 5 repeats, averaged": repeats(equal=False, averaged=True),
    "null: features and activity drift": drifting,
    "null: classes in runs with offsets": classes_in_runs,
    "null: features constant in runs": constant_in_runs,
    "null: time bins with delays": within_trials,
}
"""Studies without a relation of features and activity."""


def p_values(study: Study, n: int, seed: int, column: str = "p_value") -> np.ndarray:
    """Return p-values of about n studies."""
    found = []
    for i in range(max(1, n // UNITS)):
        rng = np.random.default_rng([seed, i])
        brain, features, options = study(rng, UNITS)
        result = encode(
            brain, features, n_permutations=99, ceiling="none", seed=i, **options
        )
        found.append(result.estimate[column].values)
    return np.concatenate(found)


def family(n: int, seed: int) -> tuple[float, int]:
    """Share of maps of eight noise units with any corrected p below .05."""
    n = max(1, n // 10)
    called = 0
    for i in range(n):
        rng = np.random.default_rng([seed, i, 1])
        mixed = rng.normal(size=(50, 8)) @ (np.eye(8) + 0.5)
        brain = marr.from_arrays({"a": mixed})
        result = encode(brain, rng.normal(size=(50, 4)), n_permutations=99, seed=i)
        called += bool((result.estimate["p_corrected"] < 0.05).any())
    return called / n, n


def ceilings(n: int, seed: int) -> dict[str, tuple[float, int]]:
    """Coverage of the ceiling's interval, and of the test that it differs from 0."""
    truth, inside, called = 0.75, [], []
    for i in range(max(1, n // UNITS)):
        rng = np.random.default_rng([seed, i, 2])
        stimulus = rng.permutation(np.repeat(np.arange(60), 3))
        table = pd.DataFrame({"stimulus": stimulus})
        for signal in (1.0, 0.0):
            y = signal * rng.normal(size=(60, UNITS))[stimulus]
            y += rng.normal(size=y.shape)
            brain = marr.from_arrays({"a": y}, table)
            result = encode(
                brain, pd.DataFrame(rng.normal(size=(60, 2))), on="stimulus",
                n_permutations=0,
            ).estimate  # fmt: skip
            if signal:
                low, high = result["ceiling_low"].values, result["ceiling_high"].values
                inside.append((low <= truth) & (truth <= high))
            else:
                called.append(result["ceiling_p"].values < 0.05)
    covered, wrong = np.concatenate(inside), np.concatenate(called)
    return {
        "coverage of the ceiling, 60 stimuli x 3": (covered.mean(), covered.size),
        "null: ceiling of units without signal": (wrong.mean(), wrong.size),
    }


def interval(n: int, seed: int, share: float) -> tuple[float, int]:
    """Coverage of the mean score over studies by the interval of each study."""
    low, high, score = [], [], []
    for i in range(max(1, n // UNITS)):
        rng = np.random.default_rng([seed, i, 3])
        brain, features, _ = planted(share)(rng, UNITS)
        data = encode(brain, features, n_permutations=0, seed=i).estimate
        low.append(data["ci_low"].values)
        high.append(data["ci_high"].values)
        score.append(data["estimate"].values)
    truth = np.concatenate(score).mean()
    inside = (np.concatenate(low) <= truth) & (truth <= np.concatenate(high))
    return float(inside.mean()), inside.size


def studies(n: int, seed: int) -> dict[str, Any]:
    """Return rates of about n studies each."""
    out: dict[str, Any] = {}
    for name, study in NULLS.items():
        p = p_values(study, n, seed)
        out[name] = (float((p <= 0.05).mean()), p.size)
    out["null: any of 8 units, corrected"] = family(n, seed)
    for share in (0.02, 0.05, 0.1, 0.2):
        p = p_values(planted(share), max(UNITS, n // 5), seed)
        name = f"power: {share:.0%} of the variance, 100 rows, 5 features"
        out[name] = (float((p <= 0.05).mean()), p.size)
    out |= ceilings(n, seed)
    for share in (0.1, 0.5, 0.8):
        out[f"coverage of the mean R², signal {share:.0%}"] = interval(n, seed, share)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, (rate, n) in studies(options.studies, options.seed).items():
        print(f"{name:<60}{rate:>8.4f}  n = {n}", flush=True)


if __name__ == "__main__":
    main()
