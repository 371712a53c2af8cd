"""How often a dictionary finds what is not there: `python benchmarks/calibration_dictionary.py`.

Nulls: Gaussian activity with a covariance of its own, as independent rows and as trials of
dependent time bins; sparse autoencoders are trained in each (a twentieth of the studies).
Power: the same with sparse features in superposition. Coverage: the explained variance that a
given dictionary has over the population.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import marr
from marr.representation import Dictionary, dictionary

QUICK = {
    "site": "A",
    "n_features": 24,
    "k": 2,
    "n_epochs": 100,
    "batch_size": 256,
    "n_null": 1,
}
UNITS = 8


def gaussian(seed: int, *, correlated: bool) -> Any:
    """Return 120 trials of 6 bins of Gaussian activity."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(UNITS, UNITS))
    x = rng.normal(size=(120, 6, UNITS))
    if correlated:
        x = (x + 2 * rng.normal(size=(120, 1, UNITS))) / 5**0.5
    return marr.from_arrays({"A": x @ mixing})


def sparse(seed: int, noise: float) -> Any:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(16, UNITS))
    values = (rng.random((720, 16)) < 0.1) * rng.uniform(0.5, 1.5, (720, 16))
    x = values @ directions + noise * rng.normal(size=(720, UNITS))
    return marr.from_arrays({"A": x.reshape(120, 6, UNITS)})


def rejected(system: Any, seed: int) -> bool:
    found = dictionary(system, **QUICK, seed=seed)
    return float(found.estimate["p_value"]) < 0.05


def coverage(n: int, seed: int) -> dict[str, Any]:
    """Intervals of a given dictionary, of 40 trials of dependent bins, or in 8 groups."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    decoder = rng.normal(size=(24, UNITS))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    d = Dictionary(kind="topk", k=2, encoder=decoder.T.copy(), decoder=decoder)
    mixing = rng.normal(size=(UNITS, UNITS))

    def rows(n_groups: int, n_trials: int, shared: float) -> np.ndarray:
        shape = (n_groups, n_trials, 4, UNITS)
        x = rng.normal(size=shape) + rng.normal(size=(n_groups, n_trials, 1, UNITS))
        return (x + shared * rng.normal(size=(n_groups, 1, 1, UNITS))) @ mixing

    out = {}
    for name, n_groups, n_trials, shared in (
        ("40 trials", 1, 40, 0.0),
        ("20 groups of 5 trials", 20, 5, 1.0),
    ):
        large = rows(40_000 // n_trials // 4, n_trials, shared).reshape(-1, UNITS)
        left = large - d.decode(d.encode(large))
        truth = 1 - (left**2).sum() / ((large - large.mean(axis=0)) ** 2).sum()
        hits = 0
        for _ in range(n):
            x = rows(n_groups, n_trials, shared).reshape(-1, 4, UNITS)
            block = np.repeat(np.arange(n_groups), n_trials)
            table = pd.DataFrame({"block": block}) if n_groups > 1 else None
            system = marr.from_arrays({"A": x}, table)
            found = dictionary(
                system, site="A", dictionary=d, null="random", n_null=1, n_seeds=2
            ).estimate
            hits += float(found["ci_low"]) <= truth <= float(found["ci_high"])
        out[f"coverage of explained variance, {name}"] = hits / n
    return out


def studies(n: int, seed: int) -> dict[str, Any]:
    """Return rates over simulated studies."""
    torch.set_num_threads(1)
    few = max(1, n // 20)
    out: dict[str, Any] = {}
    for name, correlated in (("independent rows", False), ("dependent bins", True)):
        hits = [
            rejected(gaussian(seed + i, correlated=correlated), i) for i in range(few)
        ]
        out[f"null, Gaussian activity, {name}"] = (float(np.mean(hits)), few)
    for noise in (0.6, 0.3, 0.05):
        hits = [rejected(sparse(seed + i, noise), i) for i in range(max(1, few // 2))]
        out[f"power, sparse features, noise {noise}"] = (
            float(np.mean(hits)),
            len(hits),
        )
    return out | coverage(n, seed)


if __name__ == "__main__":
    for key, value in studies(2000, 0).items():
        print(f"{key:<60}{value}")
