"""Rates of decoding on simulated studies: `python benchmarks/calibration_decode.py`.

False positives at 5 % over studies without signal, the power beside them, and how often
intervals hold the score that probes of as many other trials have on average. Studies stand
where times would: one run of the kernel decodes them all, as `decode` would each.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch

import marr
from marr.representation._draws import make_draws
from marr.representation._layout import Layout
from marr.representation._plan import make_plan
from marr.representation._probes._core import CellResult, Settings, run_cell
from marr.representation._probes._maps import estimate_table, make_map
from marr.representation._targets import Target, resolve_target
from marr.stats import permutation_p

EFFECTS = (0.0, 0.5, 1.0)
N_UNITS = 6


def run(
    x: np.ndarray, column: np.ndarray, kind: str, probe: str, n_permutations: int
) -> tuple[CellResult, Target, object, Layout]:
    """Decode a column of the trial table in every study of x (studies, trials, units)."""
    n = x.shape[1]
    trials = pd.DataFrame({"target": column})
    system = marr.from_arrays({"A": np.arange(n)[:, None]}, trials=trials)
    target = resolve_target(system, "target", kind=kind)
    plan = make_plan(
        system, target, n_folds=5, null="auto", n_permutations=n_permutations,
        design=None, seed=0,
    )  # fmt: skip
    draws = make_draws(
        target, plan, None, n_permutations=n_permutations, groups=None, seed=0
    )
    penalty = 0.003 if probe == "mlp" else 0.1
    settings = Settings(kind, (penalty,), targets_too=False, probe=probe)
    layout = Layout((), np.arange(n), None, None, None, None, "", by_site=True)
    x = (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))
    return run_cell(x, layout, draws, plan.folds, None, settings), target, plan, layout


def columns(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Return a target of each kind."""
    return {
        "categorical": rng.permutation(np.arange(n) % 2),
        "ordinal": rng.integers(0, 4, n),
        "continuous": rng.normal(size=n),
    }


PROBES = (
    ("categorical", "lda"),
    ("categorical", "logistic"),
    ("categorical", "svm"),
    ("categorical", "mlp"),
    ("ordinal", "ridge"),
    ("continuous", "ridge"),
)


def tests(n: int, seed: int, kind: str, probe: str) -> dict[str, tuple[float, int]]:
    """Return how often p <= 0.05 at each effect."""
    rng, found = np.random.default_rng(seed), {}
    column = columns(rng, 40)[kind]
    spread = (column - column.mean()) / column.std()
    for effect in EFFECTS:
        x = rng.normal(size=(n, 40, N_UNITS))
        x[..., 0] += effect * spread
        result, *_ = run(x, column, kind, probe, 39)
        p = permutation_p(result.score[0], result.score[1:], tail="greater")
        name = "null" if effect == 0 else f"power at effect {effect:g}"
        found[f"{name}: {probe}, {kind}"] = float((p <= 0.05).mean()), n
    return found


def coverage(n: int, seed: int, kind: str, n_trials: int) -> dict[str, float]:
    """Return how often intervals hold the average score, by what they are about.

    Only those about training promise to.
    """
    rng, found = np.random.default_rng(seed), {}
    column = columns(rng, n_trials)[kind]
    spread = (column - column.mean()) / column.std()
    for effect in EFFECTS:
        x = rng.normal(size=(n, n_trials, N_UNITS))
        x[..., 0] += effect * spread
        result, target, plan, layout = run(x, column, kind, "", 0)
        for name in ("held by interval='probes'", "coverage, interval='training'"):
            training = name.startswith("coverage")
            made = make_map(
                [[result]], layout, plan, [target], seed=0, training=training
            )
            table = estimate_table(made, "max")
            truth = table["estimate"].mean()
            inside = (table["ci_low"] <= truth) & (truth <= table["ci_high"])
            what = f"{name}: {kind}, {n_trials} trials, effect {effect:g}"
            found[what] = float(inside.mean())
    return found


def studies(n: int, seed: int) -> dict[str, float | tuple[float, int]]:
    """Return all rates over n studies each; a twentieth of them for networks."""
    rates: dict[str, float | tuple[float, int]] = {}
    for kind, probe in PROBES:
        few = max(40, n // 20) if probe == "mlp" else n
        rates |= tests(few, seed, kind, probe)
    for kind in ("categorical", "ordinal", "continuous"):
        for n_trials in (60, 200):
            rates |= coverage(n, seed, kind, n_trials)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name, value in studies(given.studies, given.seed).items():
        rate, n = value if isinstance(value, tuple) else (value, given.studies)
        print(f"{name:<68}{rate:.3f}  ({n})")


if __name__ == "__main__":
    main()
