"""Variances from bootstraps over conditions, subjects and both; maximum statistics.

The bootstrap over both counts the noise of cells three times; the dual correction of
Schütt et al. (2023) combines the three bootstraps so that it counts once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import special

__all__ = [
    "SpreadOf",
    "contrast_variance",
    "fold_noise",
    "max_t",
    "repeat_covariance",
    "t_tail",
]

Draws = Float[ndarray, "resamples outcomes repeats"]
Covariance = Float[ndarray, "outcomes outcomes"]


class SpreadOf(NamedTuple):
    """Covariances of outcomes in three bootstraps; None for one that was not made."""

    both: Covariance | None
    subjects: Covariance | None
    conditions: Covariance | None


def repeat_covariance(draws: Draws) -> Covariance:
    """Return the covariance over resamples, without the noise of fold assignments.

    With r repeats of the folds: (r var(mean) - mean var(single)) / (r - 1), which is
    what infinitely many repeats would give. Resamples with a missing outcome are left
    out.
    """
    good = np.isfinite(draws).all(axis=(1, 2))
    kept = draws[good]
    n, n_outcomes, repeats = kept.shape
    if n < 2:
        return np.full((n_outcomes, n_outcomes), np.nan)
    centered = kept - kept.mean(axis=0)
    mean = centered.mean(axis=2)
    of_mean = mean.T @ mean / (n - 1)
    if repeats == 1:
        return of_mean
    single = np.einsum("bir,bjr->ij", centered, centered) / (n - 1) / repeats
    return (repeats * of_mean - single) / (repeats - 1)


def fold_noise(draws: Draws) -> Covariance:
    """Return the covariance that one assignment of folds adds, within resamples."""
    good = np.isfinite(draws).all(axis=(1, 2))
    apart = draws[good] - draws[good].mean(axis=2, keepdims=True)
    n, _, repeats = apart.shape
    return np.einsum("bir,bjr->ij", apart, apart) / max(n * (repeats - 1), 1)


def contrast_variance(
    spread: SpreadOf,
    contrasts: Float[ndarray, "contrasts outcomes"],
    n_subjects: int,
    n_conditions: int,
) -> Float[ndarray, " contrasts"]:
    """Return the variance of sums of outcomes.

    Over both: a V_s + b V_c - a b (V_b - V_s - V_c), with a = S / (S - 1) and
    b = C / (C - 1), not below a V_s or b V_c and not above V_b. Over one of them: its
    bootstrap variance times a, or b.
    """

    def of(covariance: Covariance) -> Float[ndarray, " contrasts"]:
        return np.einsum("ki,ij,kj->k", contrasts, covariance, contrasts)

    b = n_conditions / (n_conditions - 1)
    if spread.subjects is None and spread.conditions is not None:
        return np.maximum(b * of(spread.conditions), 0.0)
    if spread.subjects is None or n_subjects < 2:
        msg = "internal: no bootstrap was made; please report this."
        raise RuntimeError(msg)
    a = n_subjects / (n_subjects - 1)
    if spread.conditions is None or spread.both is None:
        return np.maximum(a * of(spread.subjects), 0.0)
    subjects, conditions, both = (
        of(v) for v in (spread.subjects, spread.conditions, spread.both)
    )
    dual = a * subjects + b * conditions - a * b * (both - subjects - conditions)
    floor = np.maximum(np.maximum(a * subjects, b * conditions), 0.0)
    return np.minimum(np.maximum(dual, floor), np.maximum(both, 0.0))


def t_tail(t: ndarray, dof: int, *, two_sided: bool) -> ndarray:
    """Return the p-value of t, upper tail or two-sided; NaN stays NaN."""
    upper = special.stdtr(dof, -np.abs(t) if two_sided else -t)
    return np.asarray(np.where(np.isnan(t), np.nan, (1 + two_sided) * upper))


def max_t(
    t: Float[ndarray, " contrasts"],
    deviations: Float[ndarray, "resamples contrasts"],
    dof: int,
    *,
    two_sided: bool,
    n_draws: int = 20_000,
    seed: int = 0,
) -> Float[ndarray, " contrasts"]:
    """Return p-values corrected by the largest of correlated t statistics.

    The joint null is a multivariate t whose correlations are those of bootstrap
    deviations: drawn as random sums of them, so that no matrix is inverted.

    Parameters
    ----------
    t : array of shape (n_contrasts,)
        Statistics of the family; NaN are left out.
    deviations : array of shape (n_resamples, n_contrasts)
        Bootstrap draws of the contrasts.
    dof : int
        Degrees of freedom.
    two_sided : bool
        Whether large negative values count.
    n_draws, seed : int
        Monte Carlo draws of the joint null.
    """
    out = np.full(t.shape, np.nan)
    spread = deviations.std(axis=0)
    seen = np.isfinite(t) & (spread > 0)
    if not seen.any():
        return out
    alone = t_tail(t[seen], dof, two_sided=two_sided)
    if seen.sum() == 1:
        out[seen] = alone
        return out
    unit = (deviations[:, seen] - deviations[:, seen].mean(axis=0)) / spread[seen]
    unit /= np.sqrt(len(unit))
    rng = np.random.default_rng(seed)
    largest = np.empty(n_draws)
    for start in range(0, n_draws, 2000):
        size = min(2000, n_draws - start)
        z = rng.standard_normal((size, len(unit))) @ unit
        z /= np.sqrt(rng.chisquare(dof, size) / dof)[:, None]
        largest[start : start + size] = (np.abs(z) if two_sided else z).max(axis=1)
    values = np.abs(t[seen]) if two_sided else t[seen]
    ordered = np.sort(largest)
    above = n_draws - np.searchsorted(ordered, values, side="left")
    drawn = (above + 1) / (n_draws + 1)
    bonferroni = np.minimum(alone * seen.sum(), 1.0)  # finer where draws are few
    out[seen] = np.maximum(np.minimum(bonferroni, drawn), alone)
    return out
