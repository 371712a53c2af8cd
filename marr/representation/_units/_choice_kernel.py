"""Choice probability: balanced z-scores within stimuli, area under the curve."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from marr.representation._units._curve_kernel import bin_sums

__all__ = ["area", "balanced_scores", "within_area"]


def balanced_scores(
    x: Float[ndarray, "rows units"],
    stimulus: Int[ndarray, " rows"],
    choice: Bool[ndarray, " rows"],
    n_stimuli: int,
) -> Float[ndarray, "rows units"]:
    """Z-score within stimuli by the mean and spread of equally frequent choices.

    With means m1, m2 and variances v1, v2 of the two choices the mean is
    ``(m1 + m2) / 2`` and the variance ``(v1 + v2) / 2 + (m1 - m2)^2 / 4``: plain
    z-scores are pulled toward the mean of the more frequent choice, which lowers the
    choice probability (Kang and Maunsell 2012). Every stimulus needs both choices.
    """
    cell = 2 * stimulus + choice
    count = np.bincount(cell, minlength=2 * n_stimuli)[:, None]
    safe = np.maximum(count, 1)
    mean = bin_sums(cell, x, 2 * n_stimuli) / safe
    variance = bin_sums(cell, (x - mean[cell]) ** 2, 2 * n_stimuli) / safe
    pair = mean.reshape(n_stimuli, 2, -1)
    spread = variance.reshape(n_stimuli, 2, -1).mean(axis=1)
    spread = spread + (pair[:, 0] - pair[:, 1]) ** 2 / 4
    center = pair.mean(axis=1)
    flat = spread <= 1e-24 * np.maximum(center**2, 1e-300)
    scale = np.where(flat, 1.0, np.sqrt(np.where(flat, 1.0, spread)))
    return np.where(flat[stimulus], 0.0, ((x - center[stimulus]) / scale[stimulus]))


def area(
    z: Float[ndarray, "rows units"], choice: Bool[ndarray, " rows"]
) -> Float[ndarray, " units"]:
    """Return the area under the ROC curve: chance that a trial of one choice scores higher."""
    n1, n0 = int(choice.sum()), int((~choice).sum())
    total = _ranks(z)[choice].sum(axis=0)
    return (total - n1 * (n1 + 1) / 2) / (n1 * n0)


def within_area(
    x: Float[ndarray, "rows units"],
    stimulus: Int[ndarray, " rows"],
    choice: Bool[ndarray, " rows"],
) -> Float[ndarray, " units"]:
    """Return the area within each stimulus, averaged by the number of pairs of trials."""
    total, weight = np.zeros(x.shape[1]), 0
    for s in np.unique(stimulus):
        here = stimulus == s
        pairs = int(choice[here].sum()) * int((~choice[here]).sum())
        if pairs:
            total += pairs * area(x[here], choice[here])
            weight += pairs
    return total / max(weight, 1)


def _ranks(z: ndarray) -> ndarray:
    """Ranks along rows, ties at their mean."""
    n = len(z)
    order = np.argsort(z, axis=0, kind="stable")
    ordered = np.take_along_axis(z, order, axis=0)
    new = np.ones(z.shape, bool)
    new[1:] = ordered[1:] != ordered[:-1]
    at = np.arange(1, n + 1)[:, None]
    first = np.maximum.accumulate(np.where(new, at, 0), axis=0)
    last = np.full(z.shape, n)
    last[:-1] = np.where(new[1:], at[:-1], n)
    last = np.minimum.accumulate(last[::-1], axis=0)[::-1]
    out = np.empty(z.shape)
    np.put_along_axis(out, order, (first + last) / 2, axis=0)
    return out
