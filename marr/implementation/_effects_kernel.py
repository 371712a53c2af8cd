"""Losses under ablation: means, bootstrap intervals, sign-flip p-values.

Every function takes losses of shape (members, trials), NaN where a measure is not
defined on a trial, and the unit of dependence of each trial as an integer. Trials of
one unit of dependence are resampled and flipped together.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "bootstrap_interval_of_means",
    "bootstrap_means",
    "collapse",
    "exact_signs",
    "mean_losses",
    "random_signs",
    "sign_flip_floor",
    "sign_flip_p",
]

_CHUNK = 1 << 23  # numbers held at once by a product with resampling weights


def mean_losses(losses: Float[ndarray, "members trials"]) -> Float[ndarray, " members"]:
    """Mean over the trials on which the measure is defined (NaN where there is none)."""
    sums, counts = collapse(losses, np.zeros(losses.shape[1], dtype=int))
    return _ratio(sums[:, 0], counts[:, 0])


def collapse(
    losses: Float[ndarray, "members trials"], groups: Int[ndarray, " trials"]
) -> tuple[Float[ndarray, "members groups"], Float[ndarray, "members groups"]]:
    """Sum and count the defined trials in each unit of dependence.

    Parameters
    ----------
    losses : ndarray of shape (n_members, n_trials)
        NaN where not defined.
    groups : ndarray of int of shape (n_trials,)
        0 ... n_groups - 1.

    Returns
    -------
    sums, counts : ndarray of shape (n_members, n_groups)
        Without any trial one empty group.
    """
    if not groups.size:
        return np.zeros((losses.shape[0], 1)), np.zeros((losses.shape[0], 1))
    n_groups = int(groups.max()) + 1
    defined = np.isfinite(losses)
    order = np.argsort(groups, kind="stable")
    present, starts = np.unique(groups[order], return_index=True)
    sums = np.zeros((losses.shape[0], n_groups))
    counts = np.zeros((losses.shape[0], n_groups))
    filled = np.where(defined, losses, 0.0)[:, order]
    sums[:, present] = np.add.reduceat(filled, starts, axis=1)
    counts[:, present] = np.add.reduceat(
        defined[:, order].astype(np.float64), starts, axis=1
    )
    return sums, counts


def bootstrap_means(
    sums: Float[ndarray, "members groups"],
    counts: Float[ndarray, "members groups"],
    *,
    n_resamples: int,
    seed: int,
) -> Float[ndarray, "resamples members"]:
    """Means over resamples of the units of dependence, drawn with replacement."""
    n_groups = sums.shape[1]
    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK // max(n_groups, 1))
    out = np.empty((n_resamples, sums.shape[0]))
    share = np.full(n_groups, 1.0 / n_groups)
    for start in range(0, n_resamples, chunk):
        n = min(chunk, n_resamples - start)
        weights = rng.multinomial(n_groups, share, size=n).astype(np.float64)
        out[start : start + n] = _ratio(weights @ sums.T, weights @ counts.T)
    return out


def bootstrap_interval_of_means(
    sums: Float[ndarray, "members groups"],
    counts: Float[ndarray, "members groups"],
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[Float[ndarray, " members"], Float[ndarray, " members"]]:
    """Percentile interval of each member's mean loss (Efron & Tibshirani 1993)."""
    means = bootstrap_means(sums, counts, n_resamples=n_resamples, seed=seed)
    tail = (1.0 - level) / 2.0
    out = np.full((2, sums.shape[0]), np.nan)
    usable = (counts > 0).sum(axis=1) > 1
    if usable.any():
        out[:, usable] = np.nanquantile(means[:, usable], [tail, 1.0 - tail], axis=0)
    return out[0], out[1]


def random_signs(
    n_groups: int, n_permutations: int, seed: int
) -> Float[ndarray, "permutations groups"]:
    """Signs drawn at random, one for each unit of dependence."""
    rng = np.random.default_rng(seed)
    flips = rng.integers(0, 2, size=(n_permutations, n_groups), dtype=np.int8)
    return 1.0 - 2.0 * flips


def exact_signs(n_groups: int) -> Float[ndarray, "permutations groups"]:
    """All sign patterns but the observed one (all plus): 2**n_groups - 1 rows."""
    codes = np.arange(1, 2**n_groups)[:, None]
    bits = (codes >> np.arange(n_groups)[None, :]) & 1
    return 1.0 - 2.0 * bits


def sign_flip_floor(n_groups: int, n_permutations: int) -> float:
    """Smallest two-sided p-value that the sign-flip test can give."""
    if n_groups < 62 and 2**n_groups - 1 <= n_permutations:
        return 2.0 ** (1 - n_groups)
    return 1.0 / (1.0 + n_permutations)


def sign_flip_p(
    sums: Float[ndarray, "members groups"], *, n_permutations: int, seed: int
) -> tuple[Float[ndarray, " members"], Float[ndarray, " members"]]:
    """Two-sided p-values of zero mean loss, alone and corrected over the members.

    Under the null a unit of dependence is as likely to lose as to gain. The statistic of
    a member is ``|sum_g s_g x_g| / sqrt(sum_g x_g**2)``, a monotone function of its t;
    the correction compares it with the largest statistic over members under the same
    signs (max-t; Nichols & Holmes 2002; Winkler et al. 2014). With few units of
    dependence all sign patterns are taken.

    Parameters
    ----------
    sums : ndarray of shape (n_members, n_groups)
        Summed losses of each unit of dependence.

    Returns
    -------
    p_value, p_corrected : ndarray of shape (n_members,)
    """
    n_groups = sums.shape[1]
    if n_groups < 62 and 2**n_groups - 1 <= n_permutations:
        signs = exact_signs(n_groups)
    else:
        signs = random_signs(n_groups, n_permutations, seed)
    norm = np.sqrt((sums**2).sum(axis=1))
    scaled = np.where(
        norm[:, None] > 0, sums / np.where(norm > 0, norm, 1.0)[:, None], 0
    )
    observed = np.abs(scaled.sum(axis=1))
    alone = np.zeros(sums.shape[0])
    family = np.zeros(sums.shape[0])
    chunk = max(1, _CHUNK // max(n_groups, sums.shape[0], 1))
    for start in range(0, signs.shape[0], chunk):
        null = np.abs(signs[start : start + chunk] @ scaled.T)
        alone += (null >= observed - 1e-10).sum(axis=0)
        largest = np.sort(null.max(axis=1)) if null.size else np.zeros(0)
        family += largest.size - np.searchsorted(largest, observed - 1e-10)
    n = 1.0 + signs.shape[0]
    return (1.0 + alone) / n, (1.0 + family) / n


def _ratio(
    top: Float[ndarray, " ..."], bottom: Float[ndarray, " ..."]
) -> Float[ndarray, " ..."]:
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
