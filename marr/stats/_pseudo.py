"""Pseudo-sessions: the random part of a design drawn anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

__all__ = ["block_sequence", "pseudo_sessions"]


def pseudo_sessions(
    generator: Callable[[np.random.Generator], npt.ArrayLike],
    *,
    n_sessions: int,
    seed: int,
) -> npt.NDArray[Any]:
    """Draw the randomized variable of a session again and again.

    The statistic of each draw against the *real* activity is a null that keeps drift,
    autocorrelation and everything else about the recording: only the assignment, which
    the experimenter drew at random, is drawn again.

    Parameters
    ----------
    generator : callable
        From a `numpy.random.Generator` to the values of one session, shape (n, ...); the
        same random procedure that made the real session (see `block_sequence`).
    n_sessions : int
        Number of draws.
    seed : int
        Seed; draw i has its own stream, whatever the number of draws.

    Returns
    -------
    array of shape (n_sessions, n, ...)

    Raises
    ------
    ContractError
        If draws differ in shape.
    """
    n_sessions = check_count("n_sessions", n_sessions)
    streams = np.random.SeedSequence(seed).spawn(n_sessions)
    drawn = [np.asarray(generator(np.random.default_rng(s))) for s in streams]
    shapes = {d.shape for d in drawn}
    if len(shapes) > 1:
        msg = (
            f"generator must return one shape; got {sorted(shapes)}. Cut each draw to "
            f"the number of trials of the real session."
        )
        raise ContractError(msg)
    return np.stack(drawn)


def block_sequence(
    n_trials: int,
    *,
    values: Sequence[float],
    shortest: int,
    longest: int,
    mean_length: float,
    first: Sequence[float] = (),
    n_first: int = 0,
) -> Callable[[np.random.Generator], npt.NDArray[np.float64]]:
    """Make a generator of alternating blocks for `pseudo_sessions`.

    Block lengths are exponential with `mean_length`, drawn again until they lie in
    [`shortest`, `longest`], as in the International Brain Laboratory's task; the first
    block value is drawn at random and each next one differs from the one before.

    Parameters
    ----------
    n_trials : int
        Trials of the session.
    values : sequence of float
        Block values, at least two (for instance the probability of a left stimulus).
    shortest, longest : int
        Bounds of a block's length in trials.
    mean_length : float
        Scale of the exponential, in trials, before the bounds.
    first : sequence of float
        Value of an opening block, at most one (for instance 0.5).
    n_first : int
        Trials of that opening block.

    Returns
    -------
    callable
        From a `numpy.random.Generator` to an array of shape (n_trials,).
    """
    options = np.asarray(values, np.float64)
    n_trials = check_count("n_trials", n_trials)
    if len(options) < 2 or len(first) > 1 or not 1 <= shortest <= longest:
        msg = (
            f"blocks need two values or more, at most one opening value, and 1 <= "
            f"shortest <= longest; got values={list(values)}, first={list(first)}, "
            f"shortest={shortest}, longest={longest}."
        )
        raise OptionError(msg)
    if not mean_length > 0:
        msg = f"mean_length must be positive; got {mean_length!r}."
        raise OptionError(msg)

    def draw(rng: np.random.Generator) -> npt.NDArray[np.float64]:
        out = [np.repeat(np.asarray(first, np.float64), n_first)]
        filled, last = len(out[0]), int(rng.integers(len(options)))
        while filled < n_trials:
            length = _bounded(rng, mean_length, shortest, longest)
            out.append(np.full(length, options[last]))
            filled += length
            last = (last + int(rng.integers(1, len(options)))) % len(options)
        return np.concatenate(out)[:n_trials]

    return draw


def _bounded(rng: np.random.Generator, scale: float, low: int, high: int) -> int:
    """Exponential length within bounds, by inversion (rejection gives the same law)."""
    share = rng.random() * -np.expm1(-(high + 1 - low) / scale)
    return min(high, low + int(-scale * np.log1p(-share)))
