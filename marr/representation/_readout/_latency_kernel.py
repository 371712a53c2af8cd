"""The first time at which a curve has risen a fraction of the way to its peak."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["fractional_peak"]


def fractional_peak(
    score: Float[ndarray, " times"],
    times: Float[ndarray, " times"],
    fraction: float,
    baseline: float,
) -> float:
    """Return the latency, interpolated between bins; the first time if it starts above.

    The last crossing before the peak counts, so that an early blip does not.

    Parameters
    ----------
    score : array of shape (n_times,)
        The curve.
    times : array of shape (n_times,)
        Increasing.
    fraction : float
        Of the way from `baseline` to the peak.
    baseline : float
        Where the way begins.

    Returns
    -------
    float
        NaN if the peak does not exceed the baseline.
    """
    peak = int(np.argmax(score))
    if not score[peak] > baseline:
        return float("nan")
    level = baseline + fraction * (score[peak] - baseline)
    below = np.flatnonzero(score[:peak] < level)
    if len(below) == 0:
        return float(times[0])
    i = int(below[-1])
    part = (level - score[i]) / (score[i + 1] - score[i])
    return float(times[i] + part * (times[i + 1] - times[i]))
