"""Rates of the geometry analyses over simulated studies: `python benchmarks/calibration_geometry.py`.

`false` is the share of studies without an effect that are significant at 0.05 (at most
0.05 plus binomial error is due), `covered` the share of 95 % intervals that hold the
truth: the population's value where there is a formula, else the mean over all studies.
"""

from __future__ import annotations

import argparse
import os
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import marr
from marr.representation import (
    dimensionality,
    geometry,
    manifold_capacity,
    subspace_overlap,
)


def system(x: np.ndarray, **columns: Any) -> marr.Recording:
    return marr.from_arrays({"A": x}, pd.DataFrame(columns))


def held(low: list[float], high: list[float], truth: float) -> float:
    a, b = np.array(low), np.array(high)
    return float(((a <= truth) & (truth <= b)).mean())


def dimension(n_studies: int, seed: int, n_trials: int = 60) -> dict[str, float]:
    """Participation ratio of a planted spectrum, and of independent units."""
    rng = np.random.default_rng(seed)
    spread = np.exp(-np.arange(20) / 4)
    truth = spread.sum() ** 2 / (spread**2).sum()
    low, high, value, p, p_nn = [], [], [], [], []
    options = {"n_subsamples": 3, "neighbors": 10}
    for i in range(n_studies):
        turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
        x = rng.normal(size=(n_trials, 20)) * np.sqrt(spread) @ turn
        found = dimensionality(
            system(x, a=np.arange(n_trials)),
            method="participation_ratio",
            n_permutations=0,
            seed=i,
            **options,
        ).estimate
        low.append(float(found["ci_low"].values[0, 0]))
        high.append(float(found["ci_high"].values[0, 0]))
        value.append(float(found["estimate"].values[0, 0]))
        x = rng.normal(size=(n_trials, 20)) * np.exp(rng.normal(size=20))
        found = dimensionality(
            system(x, a=np.arange(n_trials)),
            method=("participation_ratio", "two_nn"),
            n_permutations=39,
            seed=i,
            **options,
        ).estimate
        p.append(float(found["p_value"].values[0, 0]))
        p_nn.append(float(found["p_value"].values[0, 1]))
    return {
        "ratio to truth": float(np.mean(value)) / truth,
        "covered": held(low, high, truth),
        "false": float(np.mean(np.array(p) <= 0.05)),
        "false, two_nn": float(np.mean(np.array(p_nn) <= 0.05)),
    }


def signal(n_studies: int, seed: int) -> dict[str, float]:
    """Participation ratio of eight conditions under noise, from six repeats."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(8, 30)) * np.r_[3, 2, 1, np.full(27, 0.3)]
    values = np.linalg.eigvalsh(np.cov(means.T))
    truth = values.sum() ** 2 / (values**2).sum()
    code = np.tile(np.arange(8), 6)
    low, high, value, raw = [], [], [], []
    for i in range(n_studies):
        order = rng.permutation(len(code))
        x = means[code] + rng.normal(size=(48, 30))
        table = system(x[order], condition=code[order])
        options = {"on": "condition", "method": "participation_ratio", "seed": i}
        found = dimensionality(
            table, noise="cross_validated", n_permutations=0, **options
        ).estimate
        plain = dimensionality(table, n_permutations=0, **options).estimate
        low.append(float(found["ci_low"].values[0, 0]))
        high.append(float(found["ci_high"].values[0, 0]))
        value.append(float(found["estimate"].values[0, 0]))
        raw.append(float(plain["estimate"].values[0, 0]))
    return {
        "ratio to truth": float(np.median(value)) / truth,
        "ratio to truth, raw": float(np.median(raw)) / truth,
        "covered": held(low, high, truth),
    }


def code(
    rng: np.random.Generator, n: int, coded: tuple[float, ...], n_units: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return activity that codes two variables and their exclusive-or linearly."""
    a = rng.permutation(np.arange(4 * (n // 4))) % 4
    signs = np.stack([a % 2, a // 2], axis=1) * 2.0 - 1
    signs = np.column_stack([signs, signs.prod(axis=1)])
    ways = rng.normal(size=(3, n_units)) / np.sqrt(n_units)
    x = signs * np.array(coded) @ ways + rng.normal(size=(len(a), n_units))
    return x, {"a": signs[:, 0], "b": signs[:, 1]}


def abstraction(n_studies: int, seed: int, n_units: int = 12) -> dict[str, float]:
    """Decoding of what is not coded beside what is; CCGP of random geometry; coverage."""
    rng = np.random.default_rng(seed)
    wrong: dict[str, list[float]] = {"decoding": [], "ccgp": [], "xor": [], "shattering": []}  # fmt: skip
    spans: dict[str, list[tuple[float, float, float]]] = {"decoding": [], "ccgp": []}
    options = {"variables": ["a", "b"], "n_permutations": 39, "n_resamples": 40}
    fixed = rng.normal(size=(3, n_units)) / np.sqrt(n_units)
    for i in range(n_studies):
        x, table = code(rng, 60, (0.0, 3.0, 0.0), n_units)
        found = geometry(system(x, **table), seed=i, **options).estimate
        p = found["p_value"].values[0]
        names = found["quantity"].values.tolist()
        wrong["decoding"].append(p[names.index("decoding: a")])
        wrong["xor"].append(p[names.index("decoding: a xor b")])
        means = rng.normal(size=(4, n_units))
        at = (table["a"] > 0) + 2 * (table["b"] > 0)
        x = means[at] + rng.normal(size=(len(at), n_units))
        found = geometry(system(x, **table), seed=i, **options).estimate
        wrong["ccgp"].append(found["p_value"].values[0, names.index("CCGP: a")])
        x = rng.normal(size=x.shape)
        found = geometry(system(x, **table), seed=i, **options).estimate
        wrong["shattering"].append(
            found["p_value"].values[0, names.index("separable share")]
        )
        signs = np.stack([table["a"], table["b"], table["a"] * table["b"]], axis=1)
        x = signs * [2.0, 2.0, 1.0] @ fixed + rng.normal(size=(len(at), n_units))
        found = geometry(
            system(x, **table), seed=i, **{**options, "n_permutations": 0}
        ).estimate
        for key, label in (("decoding", "decoding: a"), ("ccgp", "CCGP: a")):
            cell = found.sel(site="A", quantity=label)
            spans[key].append(
                tuple(float(cell[k]) for k in ("estimate", "ci_low", "ci_high"))
            )
    rates = {f"false, {k}": float(np.mean(np.array(v) <= 0.05)) for k, v in wrong.items()}  # fmt: skip
    for key, rows in spans.items():
        value, low, high = np.array(rows).T
        rates[f"covered, {key}"] = held(list(low), list(high), float(value.mean()))
        rates[f"mean, {key}"] = float(value.mean())
        rates[f"half width over sd, {key}"] = float(
            ((high - low) / 2).mean() / value.std()
        )
    return rates


def overlap(n_studies: int, seed: int) -> dict[str, float]:
    """Subspaces drawn at random; coverage of the expected overlap."""
    rng = np.random.default_rng(seed)
    wrong, rows, fair = [], [], []
    spread = np.exp(-np.arange(20) / 6)
    options = {"of": ["a", "b"], "n_splits": 10}
    fixed = rng.normal(size=(2, 20))
    fixed[1] += 0.7 * fixed[0]
    raw = fixed.copy()
    fixed /= np.sqrt(4 + (fixed**2).sum(axis=0) / 4)  # as the analysis sees them
    cosine = fixed[0] @ fixed[1] / np.sqrt((fixed[0] ** 2).sum() * (fixed[1] ** 2).sum())  # fmt: skip
    fixed = raw
    for i in range(n_studies):
        a, b = rng.integers(0, 2, (2, 80))
        ways = rng.normal(size=(2, 20)) * np.sqrt(spread) * 2
        x = np.stack([a, b], 1) @ ways + rng.normal(size=(80, 20)) * np.sqrt(spread)
        found = subspace_overlap(
            system(x, a=a, b=b), n_permutations=39, seed=i, **options
        )
        wrong.append(float(found.estimate["p_value"].values[0, 0]))
        x = np.stack([a, b], 1) @ fixed + 2 * rng.normal(size=(80, 20))
        found = subspace_overlap(
            system(x, a=a, b=b), n_permutations=0, seed=i, **options
        )
        cell = found.estimate.isel(site=0, comparison=0)
        rows.append(
            [float(cell[k]) for k in ("estimate", "ci_low", "ci_high", "corrected")]
        )
        fair.append(rows[-1][3])
    value, low, high, _ = np.array(rows).T
    return {
        "false": float(np.mean(np.array(wrong) <= 0.05)),
        "covered": held(list(low), list(high), float(value.mean())),
        "overlap": float(value.mean()),
        "corrected": float(np.mean(fair)),
        "planted": float(cosine**2),
    }


def capacity(n_studies: int, seed: int) -> dict[str, float]:
    """Labels without meaning; coverage of the expected capacity; points."""
    rng = np.random.default_rng(seed)
    wrong, rows, points = [], [], []
    options = {"n_projections": 60, "n_simulated": 0}
    means = rng.normal(size=(6, 20))
    code = np.repeat(np.arange(6), 10)
    for i in range(n_studies):
        order = rng.permutation(60)
        x = rng.normal(size=(60, 20))
        found = manifold_capacity(
            system(x, condition=code[order]), n_permutations=39, seed=i, **options
        ).estimate
        wrong.append(float(found["p_value"].values[0, 0]))
        x = means[code[order]] + 0.7 * rng.normal(size=(60, 20))
        found = manifold_capacity(
            system(x, condition=code[order]), n_permutations=0, seed=i, **options
        ).estimate
        rows.append([float(found[k].values[0, 0]) for k in ("estimate", "ci_low", "ci_high")])  # fmt: skip
        x = rng.normal(size=(6, 20))[code[order]] + 1e-6 * rng.normal(size=(60, 20))
        found = manifold_capacity(
            system(x, condition=code[order]), n_permutations=0, seed=i, **options
        ).estimate
        points.append(float(found["estimate"].values[0, 0]))
    value, low, high = np.array(rows).T
    return {
        "false": float(np.mean(np.array(wrong) <= 0.05)),
        "covered": held(list(low), list(high), float(value.mean())),
        "capacity": float(value.mean()),
        "capacity of points": float(1 / np.mean(1 / np.array(points))),
    }


STUDIES = {
    "dimension": dimension,
    "signal": signal,
    "abstraction": abstraction,
    "overlap": overlap,
    "capacity": capacity,
}


def studies(n: int, seed: int = 0) -> dict[str, float]:
    """Return every rate, by the name of the simulation and of the rate."""
    warnings.simplefilter("ignore")
    return {
        f"{name}: {rate}": value
        for name, simulate in STUDIES.items()
        for rate, value in simulate(n, seed).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2000, help="studies of each kind")
    parser.add_argument("--only", choices=list(STUDIES), help="one simulation")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, simulate in STUDIES.items():
        if chosen.only in (None, name):
            for rate, value in simulate(chosen.n, 0).items():
                print(f"{name:<14}{rate:<28}{value:.3f}", flush=True)


if __name__ == "__main__":
    main()
