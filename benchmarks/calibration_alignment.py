"""How often alignment is wrong: `python benchmarks/calibration_alignment.py`.

Nulls: two independent systems, more units than rows on one side; slow drifts; groups of
trials with means of their own. Power: systems that share a part of their variance. Coverage:
the population value of debiased CKA of Gaussian systems, in the middle and at its borders
(0, independent; 1, a rotation), and a true excess of 0 of the Procrustes distance between
noisy copies of one representation over that of each to itself.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.stats import ortho_group

import marr
from marr.representation import ALIGNMENT_MEASURES, align
from marr.representation._alignment._design import any_serial, make_design
from marr.representation._alignment._sample import Sample
from marr.representation._alignment._values import Sides, measured

DEAR = ("rtd", "shape_held_out", "predictivity", "predictivity_reverse", "predictivity_r2",
        "cknna", "pwcca")  # fmt: skip
"""Measures of which a fifth of the studies is made."""


def entries(names: Any) -> list[Any]:
    found = [ALIGNMENT_MEASURES[n] for n in names]
    return [m.configured(k=5) if "k" in m.options else m for m in found]


def compared(x: np.ndarray, y: np.ndarray, measures: list[Any], design: Any) -> Any:
    """Return the columns of one study, each (n_measures,)."""
    sides = Sides(*(
        [[Sample("s", v, design.fold, None, v.shape[1])]] for v in (x, y)
    ))  # fmt: skip
    own = np.zeros((len(measures), 1, 1, 1), bool)
    return {k: v[:, 0, 0, 0] for k, v in measured(measures, sides, design, own).items()}


def design_of(
    n: int, seed: int, *, orders: int = 39, parts: int = 0, **more: Any
) -> Any:
    options = {"groups": None, "column": None, "dependent": False, **more}
    return make_design(
        n, null="auto", n_permutations=orders, n_parts=parts, seed=seed, **options
    )


def nulls(n: int, seed: int) -> dict[str, Any]:
    """Two independent systems of 24 rows, 6 and 40 units."""
    out: dict[str, Any] = {}
    cheap = [m for m in ALIGNMENT_MEASURES if m not in DEAR]
    for names, studies in ((cheap, n), (DEAR, n // 5)):
        measures = entries(names)
        hits = np.zeros(len(measures))
        for i in range(studies):
            rng = np.random.default_rng([seed, i])
            x = rng.normal(size=(24, 6))
            y = rng.normal(size=(24, 40)) * np.linspace(2, 0.1, 40)
            equal = rng.normal(size=(24, 6))
            design = design_of(24, i)
            p = np.concatenate([
                compared(x, equal if m.equal_units else y, [m], design)["p_value"]
                for m in measures
            ])  # fmt: skip
            hits += p <= 0.05
        for name, k in zip(names, hits, strict=True):
            out[f"null, independent, 6 and 40 units: {name}"] = (k / studies, studies)
    return out


def walk(rng: np.random.Generator, n: int, p: int, memory: float) -> np.ndarray:
    x = rng.normal(size=(n, p))
    for i in range(1, n):
        x[i] += memory * x[i - 1]
    return x


def drifts(n: int, seed: int) -> dict[str, Any]:
    """Independent slow drifts, as `align` treats them, and exchanged freely."""
    out: dict[str, Any] = {}
    for memory in (0.8, 0.95):
        hits = np.zeros(2)
        for i in range(n):
            rng = np.random.default_rng([seed, 1, i])
            x, y = (walk(rng, 200, 4, memory) for _ in range(2))
            fold = np.zeros(200, np.intp)
            slow = any_serial([[Sample("s", v, fold)] for v in (x, y)])
            for j, dependent in enumerate((slow, False)):
                design = design_of(200, i, orders=79, dependent=dependent)
                p = compared(x, y, entries(["cka"]), design)["p_value"][0]
                hits[j] += p <= 0.05
        short = "(border) " * (
            memory > 0.9
        )  # ten memories long: the seam of the circle
        out[f"{short}null, drifts of memory {memory:g}, 200 trials: cka"] = hits[0] / n
        out[f"(exchanged freely, memory {memory:g}: cka)"] = hits[1] / n
    return out


def grouped(n: int, seed: int) -> dict[str, Any]:
    """Groups of trials with means of their own on both sides, orders within groups."""
    hits, group = 0, np.repeat(np.arange(8), 6)
    for i in range(n):
        rng = np.random.default_rng([seed, 2, i])
        x, y = (
            rng.normal(size=(48, 5)) + 2 * rng.normal(size=(8, 5))[group]
            for _ in range(2)
        )
        design = design_of(48, i, groups=group, column="session")
        hits += compared(x, y, entries(["cka"]), design)["p_value"][0] <= 0.05
    return {"null, 8 groups with their own means: cka": hits / n}


def power(n: int, seed: int) -> dict[str, Any]:
    """40 rows, 20 units on both sides that share a part of their variance."""
    names = ("cka", "cka_biased", "procrustes", "cca", "mutual_knn", "rsa_spearman")
    measures, out = entries(names), {}
    for share in (0.05, 0.1, 0.2, 0.4):
        hits = np.zeros(len(names))
        for i in range(n):
            rng = np.random.default_rng([seed, 3, i])
            z = rng.normal(size=(40, 20))
            x, y = (
                np.sqrt(share) * z @ ortho_group.rvs(20, random_state=rng)
                + np.sqrt(1 - share) * rng.normal(size=(40, 20))
                for _ in range(2)
            )
            hits += compared(x, y, measures, design_of(40, i))["p_value"] <= 0.05
        for name, k in zip(names, hits, strict=True):
            out[f"power, {share:g} of the variance shared: {name}"] = (k / n, n)
    return out


def population(share: float, p: int, q: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return loadings of shared latents, and the CKA of the population."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, p)) * np.sqrt(share / 5)
    b = rng.normal(size=(5, q)) * np.sqrt(share / 5)
    s_xx = a.T @ a + (1 - share) * np.eye(p)
    s_yy = b.T @ b + (1 - share) * np.eye(q)
    size = np.linalg.norm(s_xx) * np.linalg.norm(s_yy)
    return a, b, float(np.linalg.norm(a.T @ b) ** 2 / size)


def coverage(n: int, seed: int) -> dict[str, Any]:
    """Debiased CKA against its population value."""
    out: dict[str, Any] = {}
    cases = [
        (0.5, 40, 10),
        (0.5, 100, 10),
        (0.5, 40, 100),
        (0.2, 60, 30),
        (0.0, 60, 20),
    ]
    for share, rows, units in cases:
        a, b, value = population(share, units, units)
        hits = 0
        for i in range(n):
            rng = np.random.default_rng([seed, 4, i])
            z = rng.normal(size=(rows, 5))
            x, y = (
                z @ w + np.sqrt(1 - share) * rng.normal(size=(rows, units))
                for w in (a, b)
            )
            design = design_of(rows, i, orders=0, parts=20)
            found = compared(x, y, entries(["cka"]), design)
            hits += found["ci_low"][0] <= value <= found["ci_high"][0]
        key = f"coverage of CKA {value:.2f}, {rows} rows, {units} units"
        out[key if share else f"(border) {key}"] = (hits / n, n)
    return out


def noisy(rng: np.random.Generator, mean: np.ndarray, noise: float, name: str) -> Any:
    stimulus = np.repeat(np.arange(len(mean)), 4)
    x = mean[stimulus] + noise * rng.normal(size=(len(stimulus), mean.shape[1]))
    return marr.from_arrays({"s": x}, pd.DataFrame({"stimulus": stimulus}), name=name)


def excess(n: int, seed: int) -> dict[str, Any]:
    """Procrustes distance of noisy copies in excess of that of each to itself: truly 0."""
    out: dict[str, Any] = {}
    for noise in ((1.0, 1.0), (2.0, 2.0), (0.5, 2.0)):
        hits = 0
        for i in range(n):
            rng = np.random.default_rng([seed, 5, i])
            mean = rng.normal(size=(30, 8))
            turned = mean @ ortho_group.rvs(8, random_state=rng)
            a, b = noisy(rng, mean, noise[0], "a"), noisy(rng, turned, noise[1], "b")
            found = align(
                a, b, on="stimulus", measure="procrustes", n_permutations=0,
                n_resamples=15, seed=i,
            ).estimate  # fmt: skip
            hits += bool(
                (found["excess_low"] <= 0).item() and (found["excess_high"] >= 0).item()
            )
        key = (
            f"coverage of a Procrustes excess of 0, noise {noise[0]:g} and {noise[1]:g}"
        )
        out[key if noise[0] == noise[1] else f"(border) {key}"] = (hits / n, n)
    return out


def studies(n: int, seed: int) -> dict[str, Any]:
    """Return rates by name; a pair where fewer studies than `n` were made."""
    return {
        **nulls(n, seed),
        **drifts(n, seed),
        **grouped(n, seed),
        **power(max(n // 4, 100), seed),
        **coverage(n, seed),
        **excess(max(n // 4, 100), seed),
    }


def main() -> None:
    for key, value in studies(2000, 0).items():
        rate, n = value if isinstance(value, tuple) else (value, 2000)
        print(f"{key:<72}{rate:>7.3f}  n {n}")


if __name__ == "__main__":
    main()
