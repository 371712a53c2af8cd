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
from marr.representation import tuning

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
