"""How often RSA inference errs in simulated studies; `benchmarks/calibration_rsa.py` in small.

Two models are equal over the population of conditions, never in a sample of them; a
third has nothing to do with the data.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from marr.representation._rsa._bootstrap_kernel import contrast_variance
from marr.representation._rsa._crossval_kernel import Part
from marr.representation._rsa._inference import infer, make_plan
from marr.representation._rsa._permutation_kernel import permuted_similarity

FIXED = [Part("fixed", i, i + 1) for i in range(3)]
CONTRASTS = np.array([[1.0, -1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]])


def simulate(rng, n, n_subjects, effect=0.0):
    features = rng.normal(size=(4, n))
    left, right = np.triu_indices(n, k=1)
    apart = np.abs(features[:, left] - features[:, right])
    gains = np.array([1 + effect, 1 - effect])
    weights = gains + 0.3 * rng.normal(size=(n_subjects, 2))
    data = weights @ apart[:2] + 0.7 * apart[2]
    data += rng.normal(size=data.shape)
    return np.concatenate([apart[[0, 1, 3]], data])


def plan_of(rng, n, n_subjects, comparator="correlation", **changed):
    options = {"flexible": False, "n_resamples": 400, **changed}
    return make_plan(
        n,
        n_subjects,
        generalize=("conditions", "subjects"),
        comparator=comparator,
        seed=int(rng.integers(2**31)),
        **options,
    )


def study(rng, n, n_subjects, comparator="correlation", effect=0.0):
    """Return p of a difference, p against 0 by two nulls, estimate, reach, p of t test."""
    values = simulate(rng, n, n_subjects, effect)
    plan = plan_of(rng, n, n_subjects, comparator)
    cell = infer(values, None, FIXED, plan)
    estimate = CONTRASTS @ cell.estimate
    error = np.sqrt(contrast_variance(cell.spread, CONTRASTS, n_subjects, n))
    t = estimate / error
    moves = rng.permuted(np.tile(np.arange(n), (200, 1)), axis=1)
    null = permuted_similarity(values[2:3], values[3:], moves, comparator)
    each = cell.by_subject
    return np.array(
        [
            2 * stats.t.sf(abs(t[0]), plan.dof),
            stats.t.sf(t[1], plan.dof),
            (1 + (null >= estimate[1]).sum()) / 201,
            estimate[2],
            stats.t.ppf(0.975, plan.dof) * error[2],
            stats.ttest_rel(each[:, 0], each[:, 1]).pvalue,
        ]
    )


def studies(count, *size, seed=0, **how):
    rng = np.random.default_rng(seed)
    return np.array([study(rng, *size, **how) for _ in range(count)])


def at_most(rate, count, level=0.05):
    """Whether a rate is above a level by no more than chance (three standard errors)."""
    return rate <= level + 3 * np.sqrt(level * (1 - level) / count)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_subjects"), [(20, 10), (40, 10)])
def test_false_positives_and_coverage(n, n_subjects):
    count = 2000
    found = studies(count, n, n_subjects)
    rates = (found[:, [0, 1, 2, 5]] < 0.05).mean(axis=0)
    assert at_most(rates[0], count)
    assert at_most(rates[1], count)
    assert rates[0] > 0.02  # conservative, not idle
    error = np.sqrt(0.05 * 0.95 / count)
    assert abs(rates[2] - 0.05) < 3 * error + 1 / 201  # permutation: exact
    assert rates[3] > 0.15  # a t test over subjects, read as if it held for conditions
    inside = np.abs(found[:, 3] - found[:, 3].mean()) <= found[:, 4]
    assert at_most(1 - inside.mean(), count)


@pytest.mark.slow
@pytest.mark.parametrize(
    "comparator", ["cosine", "whitened_cosine", "whitened_correlation"]
)
def test_false_positives_of_other_comparators(comparator):
    count = 2000
    found = studies(count, 20, 10, comparator=comparator)
    assert at_most((found[:, 0] < 0.05).mean(), count)


@pytest.mark.slow
def test_power_grows_with_effect_and_conditions():
    power = [
        (studies(300, n, 10, effect=e)[:, 0] < 0.05).mean()
        for n, e in ((20, 0.0), (20, 0.3), (20, 0.5), (40, 0.3))
    ]
    assert power[0] < power[1] < power[2]
    assert power[1] < power[3]
    assert power[2] > 0.7


@pytest.mark.slow
def test_flexible_models_of_noise_are_not_found():
    """Sums of three unrelated matrices, fitted inside the bootstrap."""
    rng, count, parts = np.random.default_rng(5), 400, [Part("weighted", 0, 3)]
    p = np.empty(count)
    for i in range(count):
        values = simulate(rng, 20, 6)
        noise = [simulate(rng, 20, 1)[0] for _ in range(3)]
        plan = plan_of(rng, 20, 6, flexible=True, n_resamples=150)
        cell = infer(np.concatenate([noise, values[3:]]), None, parts, plan)
        variance = contrast_variance(cell.spread, np.eye(1, 3), 6, 20)
        error = np.sqrt(variance + cell.fold_noise[0, 0])
        p[i] = stats.t.sf(cell.estimate[0] / error[0], plan.dof)
    assert at_most((p < 0.05).mean(), count)


def test_a_few_studies():
    """What the slow tests do, so that they cannot rot."""
    found = studies(150, 20, 6, seed=3)
    assert at_most((found[:, 0] < 0.05).mean(), 150)
    assert at_most((found[:, 1] < 0.05).mean(), 150)
    assert (found[:, 5] < 0.05).mean() > 0.1
