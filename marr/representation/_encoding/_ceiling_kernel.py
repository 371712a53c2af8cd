"""How much of the variance of rows repeats itself: the ceiling of any model.

With ``m`` the mean and ``n`` the number of repeats of a stimulus, the variance of means
over stimuli holds the signal and ``noise / n``. What is left after taking the noise out
is the average covariance of halves over all random halves of the repeats, so that its
share is the split-half reliability with the Spearman-Brown correction, in closed form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import special

__all__ = ["CeilingParts", "ceiling_parts", "repeat_means"]


class CeilingParts(NamedTuple):
    """Ceiling of R² of each unit, its interval, and the test against 0.

    Attributes
    ----------
    ceiling, low, high : array of shape (n_units,)
        Signal variance over row variance; 95 % interval by the F distribution.
    p_value : array of shape (n_units,)
        Test of the stimuli's variance against the noise.
    """

    ceiling: Float[ndarray, " units"]
    low: Float[ndarray, " units"]
    high: Float[ndarray, " units"]
    p_value: Float[ndarray, " units"]


def repeat_means(
    stimulus: Int[ndarray, " trials"], group: Int[ndarray, " trials"] | None
) -> tuple[Int[ndarray, " trials"], Int[ndarray, " repeats"], Int[ndarray, " repeats"]]:
    """Return the repeat of each trial (-1 for none), its stimulus and its group.

    Trials of one stimulus within one group (run) are one repeat, since they may share
    noise. Without groups every trial is a repeat, of group -1.
    """
    code = np.full(len(stimulus), -1)
    known = stimulus >= 0
    if group is None:
        code[known] = np.arange(known.sum())
        return code, stimulus[known].astype(np.int64), np.full(known.sum(), -1)
    pairs = np.stack([stimulus[known], group[known]])
    found, inverse = np.unique(pairs, axis=1, return_inverse=True)
    code[known] = inverse.reshape(-1)
    return code, found[0].astype(np.int64), found[1].astype(np.int64)


def ceiling_parts(
    repeats: Float[ndarray, "repeats bins units"],
    stimulus: Int[ndarray, " repeats"],
    group: Int[ndarray, " repeats"],
    row_stimulus: Int[ndarray, " rows"],
    row_fold: Int[ndarray, " rows"],
    row_variance: Float[ndarray, " units"],
) -> CeilingParts:
    """Return ceilings from repeats.

    Parameters
    ----------
    repeats : array of shape (n_repeats, n_bins, n_units)
        Activity of each repeat.
    stimulus, group : int arrays of shape (n_repeats,)
        Stimulus (0 to n - 1, all present) and group of each; group -1 for none.
    row_stimulus, row_fold : int array of shape (n_rows,)
        Stimulus of each row that is predicted, and the fold within which rows are
        centered (one fold for none).
    row_variance : array of shape (n_units,)
        Variance of the rows (over their number), centered likewise.
    """
    n_stimuli, n_bins = int(stimulus.max()) + 1, repeats.shape[1]
    count = np.bincount(stimulus, minlength=n_stimuli).astype(float)
    sums = np.zeros((n_stimuli, *repeats.shape[1:]))
    np.add.at(sums, stimulus, repeats)
    mean = sums / count[:, None, None]
    left = repeats - mean[stimulus]
    lost = 0
    if (group >= 0).any():
        codes = np.unique(group, return_inverse=True)[1].reshape(-1)
        shared = np.zeros((int(codes.max()) + 1, *repeats.shape[1:]))
        np.add.at(shared, codes, left)
        shared /= np.bincount(codes)[:, None, None]
        left, lost = left - shared[codes], len(shared) - 1
    degrees = float((count - 1).sum() - lost)
    noise = (left**2).sum(axis=(0, 1)) / (degrees * n_bins)  # of one repeat
    seen, kept = np.zeros(repeats.shape[2]), 0.0
    for fold in np.unique(row_fold):
        of = row_stimulus[row_fold == fold]
        rows = mean[of]
        seen += ((rows - rows.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))
        times = np.bincount(of, minlength=n_stimuli)
        kept += n_bins * (1 / count[of]).sum() - (times**2 / count).sum() / len(of)
    n_rows = len(row_stimulus) * n_bins
    bias = noise * kept / n_rows
    return _tested(seen / n_rows, bias, row_variance, degrees, n_stimuli - 1)


def _tested(
    seen: ndarray, bias: ndarray, row_variance: ndarray, degrees: float, between: int
) -> CeilingParts:
    """Return the share of signal with its interval, from the ratio of variances."""
    known = row_variance > 0
    safe = np.where(known, row_variance, 1.0)
    scale = seen / safe
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(bias > 0, seen / np.where(bias > 0, bias, 1.0), np.inf)
    bounds = [special.fdtri(between, degrees, q) for q in (0.975, 0.025)]
    low, high = (scale * (1 - b / f) for b in bounds)
    ceiling, p = scale * (1 - 1 / f), special.fdtrc(between, degrees, f)
    found = [np.clip(v, 0.0, 1.0) for v in (ceiling, low, high)]
    ceiling, low, high = (np.where(known, v, np.nan) for v in found)
    return CeilingParts(ceiling, low, high, np.where(known, p, np.nan))
