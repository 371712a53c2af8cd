"""How often RSA inference errs, and what it finds: `python benchmarks/calibration_rsa.py`.

Simulated studies: conditions are drawn from a population with four independent features;
subjects weigh the distances of two of them, alike on average, and their own noise is
added. Models are the distances of single features. So the first two models are equally
good over the population (though never in a sample of conditions), and the last has
nothing to do with the data. Rates at a nominal 5 %:

- pairs: models 1 and 2 differ (two-sided), by several variances;
- zero: the unrelated model is above 0 (one-sided);
- coverage: of the mean over studies of the same size, by the interval of model 1;
- power: models 1 and 2 truly differ, by the dual bootstrap.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from marr.representation._rsa._bootstrap_kernel import contrast_variance
from marr.representation._rsa._crossval_kernel import Part
from marr.representation._rsa._evaluate_kernel import evaluate
from marr.representation._rsa._inference import infer, make_plan
from marr.representation._rsa._permutation_kernel import permuted_similarity
from marr.stats import bca_interval

GRID = ((20, 10), (40, 10), (40, 20), (92, 20))
N_MODELS = 3
CONTRASTS = np.array([[1.0, -1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]])


def simulate(
    rng: np.random.Generator,
    n_conditions: int,
    n_subjects: int,
    *,
    effect: float = 0.0,
    noise: float = 1.0,
    spread: float = 0.3,
) -> np.ndarray:
    """Return dissimilarities of three models, then subjects, (3 + n_subjects, n_pairs)."""
    features = rng.normal(size=(4, n_conditions))
    left, right = np.triu_indices(n_conditions, k=1)
    apart = np.abs(features[:, left] - features[:, right])
    weights = np.array([1 + effect, 1 - effect]) + spread * rng.normal(
        size=(n_subjects, 2)
    )
    data = weights @ apart[:2] + 0.7 * apart[2]
    data += noise * rng.normal(size=data.shape)
    return np.concatenate([apart[[0, 1, 3]], data])


def one(
    rng: np.random.Generator,
    n_conditions: int,
    n_subjects: int,
    *,
    comparator: str = "correlation",
    n_resamples: int = 400,
    alternatives: bool = True,
    **how: float,
) -> dict[str, float]:
    """Return the p-values (and interval) of one study by each method."""
    values = simulate(rng, n_conditions, n_subjects, **how)
    parts = [Part("fixed", i, i + 1) for i in range(N_MODELS)]
    plan = make_plan(
        n_conditions,
        n_subjects,
        generalize=("conditions", "subjects"),
        comparator=comparator,
        flexible=False,
        n_resamples=n_resamples,
        seed=int(rng.integers(2**31)),
    )
    cell = infer(values, None, parts, plan)
    estimate = CONTRASTS @ cell.estimate
    sizes = (n_subjects, n_conditions)
    error = np.sqrt(contrast_variance(cell.spread, CONTRASTS, *sizes))
    t = estimate / error
    found = {
        "pairs dual": 2 * stats.t.sf(abs(t[0]), plan.dof),
        "zero dual": stats.t.sf(t[1], plan.dof),
        "model": estimate[2],
        "model reach": stats.t.ppf(0.975, plan.dof) * error[2],
    }
    if not alternatives:
        return found
    moves = rng.permuted(np.tile(np.arange(n_conditions), (n_resamples, 1)), axis=1)
    null = permuted_similarity(values[2:3], values[N_MODELS:], moves, comparator)
    found["zero permutation"] = (1 + (null >= estimate[1]).sum()) / (1 + n_resamples)
    found |= {
        f"pairs {k}": v for k, v in _others(values, cell, plan, comparator).items()
    }
    subject = cell.by_subject
    found["pairs t over subjects"] = stats.ttest_rel(
        subject[:, 0], subject[:, 1]
    ).pvalue
    found["zero t over subjects"] = stats.ttest_1samp(
        subject[:, 2], 0, alternative="greater"
    ).pvalue
    return found


def _others(values, cell, plan, comparator):
    """Return p-values of models 1 and 2 alike by other variances and intervals."""
    n, s = plan.n_conditions, plan.n_subjects
    c = CONTRASTS[0]
    estimate = c @ cell.estimate
    both, _, conditions = (c @ v @ c for v in cell.spread)
    dropped = np.ones((n, n)) - np.eye(n)
    left = evaluate(values, N_MODELS, dropped, [np.ones((n, s))], comparator).similarity
    each = cell.by_subject[:, 0] - cell.by_subject[:, 1]
    over_conditions = (left[:, 0] - left[:, 1]).mean(axis=1)
    over_subjects = (each.sum() - each) / (s - 1)
    jackknife = sum(
        (len(v) - 1) / len(v) * ((v - v.mean()) ** 2).sum()
        for v in (over_conditions, over_subjects)
    )

    def t(variance, dof):
        return 2 * stats.t.sf(abs(estimate) / np.sqrt(variance), dof)

    draws = cell.draws @ c
    draws = draws[np.isfinite(draws)]
    below = np.clip((draws <= 0).mean(), 1 / len(draws), 1 - 1 / len(draws))
    # accelerated by the jackknife over both kinds of units
    pseudo = np.concatenate(
        [over_conditions - over_conditions.mean(), over_subjects - over_subjects.mean()]
    )
    bca = bca_interval(estimate, draws, estimate + pseudo)
    return {
        "two-factor": t(both, plan.dof),
        "conditions only": t(conditions * n / (n - 1), n - 1),
        "jackknife": t(jackknife, plan.dof),
        "percentile": 2 * min(below, 1 - below),
        "BCa": 0.0 if bca.low > 0 or bca.high < 0 else 1.0,
    }


def studies(
    n: int,
    seed: int = 0,
    *,
    n_conditions: int = 20,
    n_subjects: int = 10,
    alternatives: bool = True,
    comparator: str = "correlation",
    **how: float,
) -> dict[str, float]:
    """Return rates over simulated studies."""
    rng = np.random.default_rng([seed, n_conditions, n_subjects])
    found = [
        one(
            rng,
            n_conditions,
            n_subjects,
            alternatives=alternatives,
            comparator=comparator,
            **how,
        )
        for _ in range(n)
    ]
    rates = {
        k: float(np.mean([f[k] < 0.05 for f in found]))
        for k in found[0]
        if not k.startswith("model")
    }
    model = np.array([f["model"] for f in found])
    reach = np.array([f["model reach"] for f in found])
    rates["coverage"] = float((np.abs(model - model.mean()) <= reach).mean())
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    n = parser.parse_args().studies
    error = np.sqrt(0.05 * 0.95 / n)
    print(f"{n} studies a row; standard error of a rate of 0.05: {error:.3f}")
    for n_conditions, n_subjects in GRID:
        start = time.process_time()
        size = {"n_conditions": n_conditions, "n_subjects": n_subjects}
        rates = studies(n, **size)
        seconds = (time.process_time() - start) / n
        print(
            f"\n{n_conditions} conditions, {n_subjects} subjects ({seconds:.3f} s a study)"
        )
        for name, rate in rates.items():
            print(f"  {name:<28}{rate:>8.4f}")
        power = [
            studies(max(200, n // 5), 1, alternatives=False, effect=e, **size)[
                "pairs dual"
            ]
            for e in (0.1, 0.2, 0.3, 0.5)
        ]
        print("  power at effects .1 .2 .3 .5  " + "  ".join(f"{p:.3f}" for p in power))
    print("\nother comparators, 20 conditions, 10 subjects")
    for comparator in ("cosine", "whitened_cosine", "whitened_correlation"):
        rates = studies(n, alternatives=False, comparator=comparator)
        print(f"  {comparator:<28}{rates['pairs dual']:>8.4f}")
    noisy = studies(n, alternatives=False, noise=3.0)
    print(f"  {'correlation, 3 x the noise':<28}{noisy['pairs dual']:>8.4f}")
    print("\nspearman, 20 conditions, 10 subjects")
    rates = studies(max(200, n // 10), alternatives=False, comparator="spearman")
    print(f"  {'spearman':<28}{rates['pairs dual']:>8.4f}")


if __name__ == "__main__":
    main()
