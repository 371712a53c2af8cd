"""Rates of the analyses of single units on simulated studies: `python benchmarks/calibration_units.py`.

Each function simulates studies whose truth is known and returns rates: how often
nothing was called something (to be at most 5 %), how often an interval held the truth
(to be at least 95 %), how often something was found (power).
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import lfilter

import marr
from marr.representation import (
    choice_probability,
    demix,
    heterogeneity,
    mixed_selectivity,
    noise_correlations,
    targeted_axes,
    tuning,
)

TWO_PI = 2 * np.pi


def slow(rng: np.random.Generator, shape: tuple[int, int], rho: float) -> np.ndarray:
    """Return independent first-order series of unit variance, one a column."""
    noise = rng.normal(size=shape)
    start = rho * rng.normal(size=(1, shape[1]))
    gain = np.sqrt(1 - rho**2)
    return lfilter([gain], [1, -rho], noise, axis=0, zi=start)[0]


def _angle_session(rng: np.random.Generator, gain: float) -> marr.Recording:
    """Return 40 epochs of 20 bins: a wandering angle and 10 units with slow rates."""
    n, t, u = 40, 20, 10
    angle = np.cumsum(0.3 * slow(rng, (n * t, 1), 0.8)[:, 0]) + rng.uniform(0, TWO_PI)
    prefers = rng.uniform(0, TWO_PI, u)
    drive = gain * (np.cos(angle[:, None] - prefers) - 1) + 0.5 * slow(
        rng, (n * t, u), 0.9
    )
    counts = rng.poisson(np.exp(drive)).reshape(n, t, u)
    heading = xr.DataArray(
        (angle % TWO_PI).reshape(n, t), dims=("trial", "time"), attrs={"circular": True}
    )
    return marr.from_arrays({"adn": counts}, variables={"heading": heading})


def tuning_of_slow_units(n: int, seed: int, gain: float = 0.0) -> dict[str, float]:
    """Units and angle are autocorrelated, and independent where the gain is 0."""
    rng, p, corrected = np.random.default_rng(seed), [], []
    for _ in range(n):
        found = tuning(
            _angle_session(rng, gain), "heading", bins=8, n_permutations=99
        ).estimate
        p.append(found["p_value"].values)
        corrected.append(found["p_corrected"].values.min())
    return {
        "units called (uncorrected)": float(np.mean(np.array(p) <= 0.05)),
        "studies with a unit called (corrected)": float(
            np.mean(np.array(corrected) <= 0.05)
        ),
    }


def tuning_beyond_a_nuisance(
    n: int, seed: int, model: str = "gaussian", gain: float = 0.0
) -> dict[str, float]:
    """Units follow a nuisance that follows the variable; beyond it nothing if gain is 0."""
    rng, p, naive = np.random.default_rng(seed), [], []
    for _ in range(n):
        nuisance = rng.normal(size=200)
        x = 0.7 * nuisance + rng.normal(size=200)
        drive = 0.4 * nuisance[:, None] + gain * x[:, None] + np.zeros(5)
        counts = rng.poisson(np.exp(drive))
        activity = (
            counts if model == "poisson_glm" else drive + rng.normal(size=(200, 5))
        )
        system = marr.from_arrays(
            {"V1": activity}, pd.DataFrame({"x": x, "nuisance": nuisance})
        )
        call = {"model": model, "bins": 6, "n_permutations": 99}
        p.append(tuning(system, "x", control="nuisance", **call).estimate["p_value"])
        naive.append(tuning(system, "x", **call).estimate["p_value"])
    return {
        "units called": float(np.mean(np.array(p) <= 0.05)),
        "units called without control": float(np.mean(np.array(naive) <= 0.05)),
    }


def preferred_direction(n: int, seed: int) -> dict[str, float]:
    """How often intervals hold the planted direction and width of von Mises units."""
    rng, hit, wide = np.random.default_rng(seed), [], []
    width = 2 * np.arccos(1 - np.log(2) / 3.0)
    for _ in range(n):
        angle = rng.uniform(0, TWO_PI, 300)
        prefers = rng.uniform(0, TWO_PI, 8)
        rate = 0.5 + 6 * np.exp(3.0 * (np.cos(angle[:, None] - prefers) - 1))
        value = xr.DataArray(
            np.repeat(angle[:, None], 2, 1),
            dims=("trial", "time"),
            attrs={"circular": True},
        )
        counts = rng.poisson(rate)[:, None, :].repeat(2, 1)
        system = marr.from_arrays({"adn": counts}, variables={"heading": value})
        units = tuning(system, "heading", bins=24, n_permutations=0).tables["unit"]
        away = (units["preferred"].values - prefers + np.pi) % TWO_PI - np.pi
        reach = units["preferred_high"].values - units["preferred"].values
        hit.append(np.abs(away) <= reach)
        wide.append((units["width_low"] <= width) & (width <= units["width_high"]))
    return {
        "intervals that hold the direction": float(np.mean(hit)),
        "intervals that hold the width": float(np.mean(wide)),
    }


def _crossed(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return two crossed variables of two classes, in random order."""
    goal, choice = np.repeat([0, 1], n // 2), np.tile([0, 1], n // 2)
    table = pd.DataFrame({"goal": goal, "choice": choice})
    return table.iloc[rng.permutation(n)].reset_index(drop=True)


def mixed(n: int, seed: int, kind: str = "independent") -> dict[str, float]:
    """Tuning of 40 units to two variables, at four levels of noise."""
    rng, p, r, raw = np.random.default_rng(seed), [], [], []
    for i in range(n):
        table = _crossed(rng, 60)
        weights = rng.normal(size=(40, 2))
        if kind == "pure":
            weights *= np.eye(2)[np.arange(40) % 2]
        signal = (2 * table.to_numpy() - 1) @ weights.T
        x = signal + (0.2, 0.7, 1.5, 3.0)[i % 4] * rng.normal(size=signal.shape)
        found = mixed_selectivity(
            marr.from_arrays({"net": x}, table),
            variables=["goal", "choice"],
            n_permutations=0,
            seed=i,
        ).estimate
        p.append(float(found["p_value"][0]))
        r.append(float(found["estimate"][0]))
        raw.append(float(found["raw_p"][0]))
    return {
        "called against matched populations": float(np.mean(np.array(p) <= 0.05)),
        "called by raw variances": float(np.mean(np.array(raw) <= 0.05)),
        "r below -0.3, whatever the tuning": float(np.mean(np.array(r) < -0.3)),
    }


def noise(n: int, seed: int, rho: float = 0.0, shared: float = 0.0) -> dict[str, float]:
    """Two units in 200 trials of five stimuli; with drift rho and shared noise."""
    rng, p, covered = np.random.default_rng(seed), [], []
    for i in range(n):
        own = slow(rng, (200, 3), rho)
        x = np.sqrt(1 - shared) * own[:, :2] + np.sqrt(shared) * own[:, 2:]
        table = pd.DataFrame({"stimulus": rng.permutation(np.arange(200) % 5)})
        system = marr.from_arrays({"V1": x}, table)
        found = noise_correlations(system, on="stimulus", n_null=99, seed=i).estimate
        p.append(float(found["p_value"][0]))
        covered.append(
            float(found["ci_low"][0]) <= shared <= float(found["ci_high"][0])
        )
    return {
        "pairs called": float(np.mean(np.array(p) <= 0.05)),
        "intervals that hold the correlation": float(np.mean(covered)),
    }


def axes(n: int, seed: int, gain: float = 0.0) -> dict[str, float]:
    """Demixed components and targeted axes of 8 units in 60 trials of 4 bins."""
    rng = np.random.default_rng(seed)
    variance, accuracy, targeted = [], [], []
    for i in range(n):
        table = _crossed(rng, 60)
        drive = gain * np.outer(2 * table["goal"] - 1, rng.normal(size=8))
        x = drive[:, None] + rng.normal(size=(60, 4, 8))
        system = marr.from_arrays({"pfc": x}, table)
        call = {"variables": ["goal", "choice"], "n_permutations": 19, "seed": i}
        found = demix(system, n_components=1, penalty=1e-3, **call)
        variance.append(found.estimate["p_value"].values[1:3])
        accuracy.append(found.tables["accuracy"]["p_value"].values[:2].ravel())
        targeted.append(targeted_axes(system, **call).estimate["p_value"].values)
    parts = {"variance": variance, "accuracy": accuracy, "targeted axis": targeted}
    return {
        f"{name} called": float(np.mean(np.array(p) <= 0.0501))
        for name, p in parts.items()
    }


def kinds(n: int, seed: int, groups: int = 1) -> dict[str, float]:
    """Twelve units in equal groups of one tuning each, 10 trials of 8 directions."""
    rng, p, covered = np.random.default_rng(seed), [], []
    angle = np.arange(8) * TWO_PI / 8
    prefers = np.arange(12) % groups * TWO_PI / groups
    curves = np.exp(3 * (np.cos(angle - prefers[:, None]) - 1))
    for i in range(n):
        direction = rng.permutation(np.tile(np.arange(8), 10))
        x = curves.T[direction] + 0.3 * rng.normal(size=(80, 12))
        system = marr.from_arrays({"s": x}, pd.DataFrame({"direction": direction}))
        found = heterogeneity(
            system, "direction", n_null=39, n_splits=4, seed=i
        ).estimate
        at = found.sel(scope="s", measure="hill q2")
        truth = 12**2 / np.clip(np.corrcoef(curves), 0, 1).sum()
        p.append(float(at["p_value"]))
        covered.append(
            float(at["ci_low"]) <= truth + 1e-9 <= float(at["ci_high"]) + 2e-9
        )
    return {
        "called more than one kind": float(np.mean(np.array(p) <= 0.0501)),
        "intervals that hold the number": float(np.mean(covered)),
    }


def choices(n: int, seed: int) -> dict[str, float]:
    """A unit that follows the stimulus, one that shares the decision's noise."""
    rng, p, covered = np.random.default_rng(seed), [], []
    for i in range(n):
        stimulus = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], 150)
        private = rng.normal(size=(150, 3))
        choice = (stimulus + 0.3 + private[:, 0] > 0).astype(int)
        x = np.column_stack(
            [2 * stimulus + private[:, 1], private[:, 0] + private[:, 2]]
        )
        table = pd.DataFrame({"stimulus": stimulus, "choice": choice})
        system = marr.from_arrays({"lip": x}, table)
        found = choice_probability(
            system, stimulus="stimulus", n_permutations=99, seed=i
        ).estimate
        p.append(found["p_value"].values)
        covered.append(float(found["ci_low"][0]) <= 0.5 <= float(found["ci_high"][0]))
    called = (np.array(p) <= 0.05).mean(axis=0)
    return {
        "called that follows the stimulus only": float(called[0]),
        "called that shares noise (power)": float(called[1]),
        "intervals that hold one half": float(np.mean(covered)),
    }


STUDIES = {
    "tuning: slow units, independent angle": tuning_of_slow_units,
    "tuning: slow units, gain .3 (power)": lambda n, seed: tuning_of_slow_units(
        n, seed, 0.3
    ),
    "tuning beyond a nuisance, gaussian": tuning_beyond_a_nuisance,
    "tuning beyond a nuisance, Poisson": lambda n, seed: tuning_beyond_a_nuisance(
        n, seed, "poisson_glm"
    ),
    "tuning beyond a nuisance, gain .15 (power)": lambda n, seed: (
        tuning_beyond_a_nuisance(n, seed, gain=0.15)
    ),
    "tuning: preferred direction": preferred_direction,
    "mixed selectivity, independent tuning": mixed,
    "mixed selectivity, pure units (power)": lambda n, seed: mixed(n, seed, "pure"),
    "noise correlation 0": noise,
    "noise correlation 0, drifting units": lambda n, seed: noise(n, seed, rho=0.9),
    "noise correlation .3 (power)": lambda n, seed: noise(n, seed, shared=0.3),
    "axes without effect": axes,
    "axes, gain .3 of one variable (power)": lambda n, seed: axes(n, seed, 0.3),
    "kinds: homogeneous": kinds,
    "kinds: three groups (power)": lambda n, seed: kinds(n, seed, 3),
    "choice probability": choices,
}


def studies(n: int, seed: int) -> dict[str, float]:
    """Return the rates of all simulations, `n` studies each."""
    return {
        f"{name}: {key}": rate
        for name, simulate in STUDIES.items()
        for key, rate in simulate(n, seed).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--n", type=int, default=2000, help="studies in each simulation"
    )
    parser.add_argument("--only", default="", help="part of a simulation's name")
    options = parser.parse_args()
    for name, simulate in STUDIES.items():
        if options.only in name:
            for key, rate in simulate(options.n, 0).items():
                print(f"{name:<48}{key:<44}{rate:>7.3f}", flush=True)


if __name__ == "__main__":
    main()
