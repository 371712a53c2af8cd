"""Keeping track of heading: generated and real turning as input to networks.

At the first bin a network is told where the head points; from then on only how fast it
turns. It reports the heading at every bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, check_known

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = [
    "HEADING_FEATURES",
    "N_BINS",
    "VELOCITY_UNIT",
    "angle_between",
    "heading_inputs",
    "turning",
]

HEADING_FEATURES = ("velocity", "start_cos", "start_sin")
"""Input features: turning since the bin before; the heading, at the first bin only."""

N_BINS = 50
"""Bins of a generated path: 5 s in bins of 0.1 s."""

VELOCITY_UNIT = 1 / 3
"""Turning, in radians a bin, that the networks see as 1."""

# A mouse in an open field (A2929-200711, 529 s in bins of 0.1 s) turned with median
# speed 1.5 degrees a bin, quantiles .75/.9/.95/.99 at 4.7, 10, 15 and 31, kurtosis 30,
# autocorrelation .44, .13, .07 at lags of 1 to 3 bins. The process below has about the
# same (1.8; 4.6, 9.9, 15, 36; kurtosis 22; .42, .16, .07). No recorded path is used.
PERSISTENCE = 0.45
MOOD_PERSISTENCE = 0.9
MOOD_SPREAD = 1.05
TURN_SCALE = float(np.radians(2.9))
LARGEST_TURN = 1.2
WARM_UP = 30


def turning(n_paths: int, rng: Generator, *, n_bins: int = N_BINS) -> np.ndarray:
    """Generate turning with the statistics of a mouse's.

    A first-order autoregressive velocity times a slowly varying scale, which makes the
    tails heavy: the mouse sits still for a while, then turns fast.

    Returns
    -------
    array of shape (n_paths, n_bins)
        Radians a bin.
    """
    n = WARM_UP + n_bins
    push = rng.standard_normal((n, n_paths)) * np.sqrt(1 - PERSISTENCE**2)
    drift = rng.standard_normal((n, n_paths)) * np.sqrt(1 - MOOD_PERSISTENCE**2)
    velocity, mood = np.zeros(n_paths), rng.standard_normal(n_paths)
    path = np.empty((n, n_paths))
    for i in range(n):
        velocity = PERSISTENCE * velocity + push[i]
        mood = MOOD_PERSISTENCE * mood + drift[i]
        path[i] = velocity * np.exp(MOOD_SPREAD * mood)
    return np.clip(TURN_SCALE * path[WARM_UP:].T, -LARGEST_TURN, LARGEST_TURN)


def heading_inputs(recording: Any, *, variable: str = "heading") -> np.ndarray:
    """Turn headings into input for the heading networks.

    Parameters
    ----------
    recording : System or array of shape (n_trials, n_bins)
        Headings in radians, one row an epoch; of a System, its continuous variable
        `variable`. The networks were trained on bins of 0.1 s and epochs of 5 s.
    variable : str
        Name of the variable.

    Returns
    -------
    float32 array of shape (n_trials, n_bins, 3)
        Features are `HEADING_FEATURES`: turning since the bin before (the shorter way
        round, in units of `VELOCITY_UNIT`; 0 at the first bin), and the cosine and sine
        of the heading at the first bin, 0 later.

    Raises
    ------
    ContractError
        If the headings are not (trial, time), hold NaN, or look like degrees.
    OptionError
        If the system has no such variable.

    Examples
    --------
    >>> heading_inputs([[0.0, 0.5, 1.0]])[0].tolist()
    [[0.0, 1.0, 0.0], [1.5, 0.0, 0.0], [1.5, 0.0, 0.0]]
    """
    if hasattr(recording, "variables"):
        check_known("variable", variable, recording.variables, what="variable")
        recording = recording.variables[variable]
    heading = np.asarray(recording, dtype=np.float64)
    if heading.ndim != 2 or heading.shape[1] < 2:
        msg = (
            "headings must have shape (n_trials, n_bins) with at least 2 bins; got "
            f"{heading.shape}."
        )
        raise ContractError(msg)
    if not np.isfinite(heading).all():
        rows = np.flatnonzero(~np.isfinite(heading).all(axis=1))
        msg = (
            f"headings hold NaN on {len(rows)} of {len(heading)} trials, first at row "
            f"{rows[0]}. Leave these epochs out: recording.select(...)."
        )
        raise ContractError(msg)
    if np.ptp(heading, axis=1).max() > 60:
        msg = (
            f"headings must be in radians; got values from {heading.min():.1f} to "
            f"{heading.max():.1f}. Use numpy.radians(...)."
        )
        raise ContractError(msg)
    inputs = np.zeros((*heading.shape, len(HEADING_FEATURES)), np.float32)
    inputs[:, 1:, 0] = angle_between(heading[:, 1:], heading[:, :-1]) / VELOCITY_UNIT
    inputs[:, 0, 1] = np.cos(heading[:, 0])
    inputs[:, 0, 2] = np.sin(heading[:, 0])
    return inputs


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the signed angle from `b` to `a`, in radians within -pi to pi."""
    return np.asarray((a - b + np.pi) % (2 * np.pi) - np.pi)
