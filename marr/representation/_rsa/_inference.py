"""Inference on one set of dissimilarity matrices: estimates and their resamples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._rsa._bootstrap_kernel import (
    SpreadOf,
    fold_noise,
    repeat_covariance,
)
from marr.representation._rsa._crossval_kernel import (
    Folds,
    cross_validate,
    draw_folds,
    fit_all,
)
from marr.representation._rsa._evaluate_kernel import (
    evaluate,
    resample_metric,
    split_half_ceiling,
)
from marr.representation._rsa._matched import FEWEST, complete_conditions
from marr.representation._rsa._rdm_kernel import upper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from marr.representation._rsa._crossval_kernel import Part

__all__ = ["Cell", "Plan", "default_folds", "infer", "make_plan"]

FULL_REPEATS = 10
"""Assignments of folds behind an estimate."""


@dataclass(frozen=True)
class Plan:
    """What is resampled, how often, and what is left out in cross-validation.

    Attributes
    ----------
    conditions, subjects : bool
        Over what to generalize.
    counts : array of shape (n_resamples, n_conditions)
        How often each condition was drawn.
    draws : array of shape (n_resamples, n_subjects)
        How often each subject was drawn.
    usable : bool array of shape (n_resamples,)
        Resamples with enough distinct conditions and subjects.
    n_folds, n_subject_folds, n_repeats : int
        Cross-validation; one fold where no model is fitted.
    comparator : str
    seed : int
    """

    conditions: bool
    subjects: bool
    counts: npt.NDArray[np.float64]
    draws: npt.NDArray[np.float64]
    usable: npt.NDArray[np.bool_]
    n_folds: int
    n_subject_folds: int
    n_repeats: int
    comparator: str
    seed: int

    @property
    def n_conditions(self) -> int:
        """Return the number of conditions."""
        return self.counts.shape[1]

    @property
    def n_subjects(self) -> int:
        """Return the number of subjects."""
        return self.draws.shape[1]

    @property
    def dof(self) -> int:
        """Return the degrees of freedom: the smaller sample less one."""
        sizes = [self.n_conditions] * self.conditions + [
            self.n_subjects
        ] * self.subjects
        return min(sizes) - 1

    @property
    def flexible(self) -> bool:
        """Return whether models are fitted."""
        return self.n_folds > 1


@dataclass(frozen=True)
class Cell:
    """Numbers of one site and time. Outcomes: models, lower and upper ceiling.

    Attributes
    ----------
    estimate : array of shape (n_outcomes,)
        NaN for ceilings that cannot be had.
    spread : SpreadOf
        Covariances over outcomes.
    fold_noise : array of shape (n_outcomes, n_outcomes)
        What the assignments of folds behind the estimate add to its covariance.
    draws : array of shape (n_resamples, n_outcomes)
        Outcomes in the bootstrap that generalizes as asked for.
    by_subject : array of shape (n_subjects, n_models)
    weights : list of arrays of shape (n_components,)
        Of each model, fitted to all data; of matrices of equal spread.
    weight_draws : list of arrays of shape (n_resamples, n_components)
    """

    estimate: npt.NDArray[np.float64]
    spread: SpreadOf
    fold_noise: npt.NDArray[np.float64]
    draws: npt.NDArray[np.float64]
    by_subject: npt.NDArray[np.float64]
    weights: list[npt.NDArray[np.float64]]
    weight_draws: list[npt.NDArray[np.float64]]


def default_folds(n: int, steps: Sequence[int]) -> int:
    """Return 2 folds, and one more for each of `steps` that a sample of n reaches."""
    distinct = (1 - np.exp(-1)) * n
    return 2 + sum(bool(distinct >= s) for s in steps)


def make_plan(
    n_conditions: int,
    n_subjects: int,
    *,
    generalize: Sequence[str],
    comparator: str,
    flexible: bool,
    n_resamples: int,
    seed: int,
) -> Plan:
    """Draw the resamples, which all sites and times share."""
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> npt.NDArray[np.float64]:
        return rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(float)

    counts = drawn(n_conditions)
    draws = drawn(n_subjects) if n_subjects > 1 else np.ones((n_resamples, 1))
    folds = default_folds(n_conditions, (12, 24, 40)) if flexible else 1
    parts = default_folds(n_subjects, (6, 12, 20)) if flexible and n_subjects > 1 else 1
    conditions, subjects = "conditions" in generalize, "subjects" in generalize
    usable: npt.NDArray[np.bool_] = np.ones(n_resamples, bool)
    if conditions:
        usable &= (counts > 0).sum(axis=1) >= 3 * folds
    if subjects:
        usable &= (draws > 0).sum(axis=1) >= max(2, parts)
    return Plan(
        conditions,
        subjects,
        counts,
        draws,
        usable,
        folds,
        parts,
        2 if flexible else 1,
        comparator,
        seed,
    )


def infer(
    values: npt.NDArray[np.float64],
    halves: npt.NDArray[np.float64] | None,
    parts: Sequence[Part],
    plan: Plan,
) -> Cell:
    """Compare models with subjects, with everything that inference takes.

    Parameters
    ----------
    values : array of shape (n_components + n_subjects, n_pairs)
        Dissimilarities: components of all models, then subjects.
    halves : array of shape (2, n_conditions, n_conditions), optional
        Distances of a single subject, in two halves of the trials; NaN where unknown.
    parts : sequence of Part
        Models.
    plan : Plan
        Resamples.
    """
    if plan.flexible:
        by_subject, estimate = _left_out(values, parts, plan)
        boots = _fitted_boots(values, parts, plan)
    else:
        full = evaluate(
            values,
            len(parts),
            np.ones((1, plan.n_conditions)),
            [np.ones((1, plan.n_subjects))],
            plan.comparator,
        )
        by_subject = full.similarity[0].T
        estimate = np.append(by_subject.mean(axis=0), full.ceilings[0][0])
        boots = _fixed_boots(values, len(parts), plan)
    if plan.n_subjects == 1:
        _add_split_half(estimate, boots, halves, plan)
    spread = SpreadOf(
        *(None if b is None else _existing(repeat_covariance, b) for b in boots)
    )
    chosen = next(b for b in boots if b is not None)
    weights, weight_draws = _weights(values, parts, plan) if plan.flexible else ([], [])
    noise = _existing(fold_noise, chosen) / FULL_REPEATS
    return Cell(
        estimate, spread, noise, chosen.mean(axis=2), by_subject, weights, weight_draws
    )


def _existing(
    covariance: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    draws: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return a covariance; outcomes that never exist have none."""
    exists = np.asarray(np.isfinite(draws).any(axis=(0, 2)))
    out = np.full((len(exists), len(exists)), np.nan)
    out[np.ix_(exists, exists)] = covariance(draws[:, exists])
    return out


Boots = list["npt.NDArray[np.float64] | None"]


def _settings(plan: Plan) -> list[tuple[bool, bool]]:
    """Return which of the bootstraps over (both, subjects, conditions) are made."""
    both = plan.conditions and plan.subjects
    made = [both, plan.subjects, plan.conditions]
    kinds = [(True, True), (False, True), (True, False)]
    return [k if m else (False, False) for k, m in zip(kinds, made, strict=True)]


def _fixed_boots(values: npt.NDArray[np.float64], n_models: int, plan: Plan) -> Boots:
    """Return draws of outcomes in each bootstrap, of shape (n_usable, n_outcomes, 1)."""
    counts, draws = plan.counts[plan.usable], plan.draws[plan.usable]
    ones = np.ones_like(draws)
    out: Boots = [None, None, None]
    wanted = _settings(plan)
    moved = [i for i, (c, _) in enumerate(wanted) if c]
    if moved:
        ways = [draws if wanted[i][1] else ones for i in moved]
        found = evaluate(values, n_models, counts, ways, plan.comparator)
        for i, way, ceiling in zip(moved, ways, found.ceilings, strict=True):
            out[i] = _outcomes(found.similarity, way, ceiling)
    if wanted[1][1]:
        still = np.ones((1, plan.n_conditions))
        found = evaluate(values, n_models, still, [draws], plan.comparator)
        out[1] = _outcomes(found.similarity, draws, found.ceilings[0])
    return out


def _outcomes(
    similarity: npt.NDArray[np.float64],
    draws: npt.NDArray[np.float64],
    ceiling: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    shape = (len(draws), *similarity.shape[1:])
    mean = np.einsum("bms,bs->bm", np.broadcast_to(similarity, shape), draws)
    mean /= draws.sum(axis=1, keepdims=True)
    return np.concatenate([mean, ceiling], axis=1)[..., None]


def _fitted_boots(
    values: npt.NDArray[np.float64], parts: Sequence[Part], plan: Plan
) -> Boots:
    """Return draws of cross-validated outcomes, (n_usable, n_outcomes, n_repeats)."""
    rng = np.random.default_rng([plan.seed, 1])
    out: Boots = []
    for conditions, subjects in _settings(plan):
        if not conditions and not subjects:
            out.append(None)
            continue
        counts, draws = plan.counts[plan.usable], plan.draws[plan.usable]
        counts = counts if conditions else np.ones_like(counts)
        draws = draws if subjects else np.ones_like(draws)
        sizes = (plan.n_repeats, plan.n_folds, plan.n_subject_folds)
        folds = draw_folds(counts, draws, *sizes, rng)
        out.append(cross_validate(values, parts, counts, draws, folds, plan.comparator))
    return out


def _left_out(
    values: npt.NDArray[np.float64], parts: Sequence[Part], plan: Plan
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Score each subject by models fitted to the others, on conditions left out."""
    n, n_subjects = plan.n_conditions, plan.n_subjects
    rng = np.random.default_rng([plan.seed, 2])
    everyone = np.ones((n_subjects, n_subjects))
    one = np.ones((1, n))
    drawn = draw_folds(one, everyone[:1], FULL_REPEATS, plan.n_folds, 1, rng)
    conditions = np.repeat(drawn.conditions, n_subjects, axis=0)
    shape = (*conditions.shape[:3], 1, n_subjects)
    tested = np.eye(n_subjects, dtype=bool)[:, None, None, None]
    folds = Folds(conditions, np.broadcast_to(tested, shape))
    counts = np.repeat(one, n_subjects, axis=0)
    scores = cross_validate(values, parts, counts, everyone, folds, plan.comparator)
    by_subject = scores.mean(axis=2)
    return by_subject[:, :-2], by_subject.mean(axis=0)


def _add_split_half(
    estimate: npt.NDArray[np.float64],
    boots: Boots,
    halves: npt.NDArray[np.float64] | None,
    plan: Plan,
) -> None:
    """Fill in the ceilings of a single subject, in place."""
    if halves is None:
        return
    kept = complete_conditions(halves)
    pairs = upper(halves[:, kept][:, :, kept])
    if len(kept) < max(FEWEST, plan.n_conditions / 2) or not _vary(pairs):
        return
    still = np.ones((1, len(kept)))
    estimate[-2:] = split_half_ceiling(pairs, still, plan.comparator)[0]
    counts = plan.counts[plan.usable][:, kept]
    for draws in boots:
        if draws is not None:
            bounds = split_half_ceiling(pairs, counts, plan.comparator)
            draws[:, -2:] = bounds[..., None]


def _vary(halves: npt.NDArray[np.float64]) -> bool:
    return bool((np.ptp(halves, axis=1) > 0).all())


def _weights(
    values: npt.NDArray[np.float64], parts: Sequence[Part], plan: Plan
) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.float64]]]:
    """Fit every model to all data, and to every resample; no conditions left out."""
    need = np.eye(len(values), dtype=bool)
    need[: -plan.n_subjects] = need[:, : -plan.n_subjects] = True
    used = plan.counts[plan.usable]
    counts = used if plan.conditions else np.ones_like(used)
    draws = plan.draws[plan.usable]
    draws = draws if plan.subjects else np.ones_like(draws)
    still, everyone = np.ones((1, plan.n_conditions)), np.ones((1, plan.n_subjects))
    metric = resample_metric(
        values, np.concatenate([still, counts]), plan.comparator, need
    )
    found = fit_all(metric, parts, np.concatenate([everyone, draws]))
    return [w[0] for w in found], [w[1:] for w in found]
