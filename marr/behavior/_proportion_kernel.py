"""Proportions of correct trials: interval, test against a bar, held-out rules."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import binomtest

from marr.stats import binomial_interval, bootstrap_interval

__all__ = ["against", "held_out_rule", "proportion"]

_EXACT_UP_TO = 12  # clusters of which all sign flips are tried
_N_FLIPS = 4999


def proportion(
    correct: Float[np.ndarray, " trials"],
    clusters: Int[np.ndarray, " trials"] | None,
    seed: int,
) -> tuple[float, float, float]:
    """Proportion of ones with its 95 % interval.

    Parameters
    ----------
    correct : array of shape (n_trials,)
        0 and 1.
    clusters : array of shape (n_trials,), optional
        Clusters to resample as wholes.
    seed : int

    Returns
    -------
    estimate, low, high : float
        Wilson's interval, or the hull of it and the cluster bootstrap's.
    """
    n, k = len(correct), float(correct.sum())
    wilson = binomial_interval(k, n)
    low, high = float(wilson.low), float(wilson.high)
    if clusters is not None and len(np.unique(clusters)) > 1:
        drawn = bootstrap_interval(correct, groups=clusters, seed=seed)
        low, high = min(low, float(drawn.low)), max(high, float(drawn.high))
    return k / n, max(low, 0.0), min(high, 1.0)


def against(
    correct: Float[np.ndarray, " trials"],
    bar: Float[np.ndarray, " trials"],
    clusters: Int[np.ndarray, " trials"] | None,
    seed: int,
) -> float:
    """Two-sided p-value of the mean of ``correct - bar`` against 0.

    Parameters
    ----------
    correct : array of shape (n_trials,)
        0 and 1.
    bar : array of shape (n_trials,)
        A constant (exact binomial test), or a shortcut's score on each trial (sign test
        of the trials on which they differ).
    clusters : array of shape (n_trials,), optional
        Whole clusters are then flipped in sign: all flips up to 12 clusters, else
        4,999 random ones.
    seed : int

    Returns
    -------
    float
    """
    if clusters is not None and len(np.unique(clusters)) > 1:
        return _flip_clusters(correct - bar, clusters, seed)
    if np.ptp(bar) == 0 and 0 < bar[0] < 1:
        return float(binomtest(int(correct.sum()), len(correct), float(bar[0])).pvalue)
    delta = correct - bar
    plus, minus = int((delta > 0).sum()), int((delta < 0).sum())
    return float(binomtest(plus, plus + minus, 0.5).pvalue) if plus + minus else 1.0


def _flip_clusters(delta: np.ndarray, clusters: np.ndarray, seed: int) -> float:
    _, index = np.unique(clusters, return_inverse=True)
    total = np.bincount(index.reshape(-1), delta)
    n = len(total)
    if n <= _EXACT_UP_TO:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        null = (2.0 * bits - 1.0) @ total
        reached = np.abs(null) >= abs(total.sum()) * (1 - 1e-12)
        return float(reached.mean())
    rng = np.random.default_rng(seed)
    null = rng.choice([-1.0, 1.0], size=(_N_FLIPS, n)) @ total
    reached = np.abs(null) >= abs(total.sum()) * (1 - 1e-12)
    return float((1 + reached.sum()) / (1 + _N_FLIPS))


def held_out_rule(
    cue: Int[np.ndarray, " trials"],
    right: Int[np.ndarray, " trials"],
    groups: Int[np.ndarray, " trials"],
) -> Float[np.ndarray, " trials"]:
    """Score of the rule "give the answer that is commonest with this cue".

    Parameters
    ----------
    cue : array of shape (n_trials,)
        What the rule looks at; any integers.
    right : array of shape (n_trials,)
        Right answer, numbered from 0.
    groups : array of shape (n_trials,)
        The rule for a trial is made from the other groups only.

    Returns
    -------
    array of shape (n_trials,)
        1 where the rule is right, 0 where wrong, 1 over the number of answers that
        are equally common (none seen: any of them).
    """
    _, cue_code = np.unique(cue, return_inverse=True)
    cue_code = cue_code.reshape(-1)
    n_cues, n_answers = int(cue_code.max()) + 1, int(right.max()) + 1
    cell = cue_code * n_answers + right
    whole = np.bincount(cell, minlength=n_cues * n_answers).reshape(n_cues, n_answers)
    _, group_code = np.unique(groups, return_inverse=True)
    pairs, pair = np.unique(
        np.stack([group_code.reshape(-1), cue_code]), axis=1, return_inverse=True
    )
    pair = pair.reshape(-1)
    own = np.bincount(pair * n_answers + right, minlength=pairs.shape[1] * n_answers)
    left = whole[cue_code] - own.reshape(-1, n_answers)[pair]
    best = left == left.max(axis=1, keepdims=True)
    return np.where(best[np.arange(len(right)), right], 1.0 / best.sum(axis=1), 0.0)
