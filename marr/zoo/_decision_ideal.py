"""The best that can be done in the decision task: an exact Bayesian observer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from marr.zoo._decision_task import (
    BLOCK_BIAS,
    CONTRASTS,
    INPUT_NOISE,
    STIMULUS_STEPS,
)

__all__ = ["ideal_decisions"]

HAZARD = 1 / 51.1
"""Rate of block changes: one in the mean length of a block."""


def ideal_decisions(inputs: np.ndarray, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the choices of an observer who knows the task and its noise.

    The observer weighs the noisy contrasts by their likelihood and combines them with
    a belief about the block, which it updates from the correct sides (two blocks,
    constant hazard). It sees exactly the inputs of the networks; none can do better
    than it by more than chance and the constant hazard allow.

    Parameters
    ----------
    inputs, trials : array of shape (n_trials, n_steps, n_features) and DataFrame
        As returned by `decision_inputs`.

    Returns
    -------
    DataFrame
        One row a trial: `choice` (-1, 1), `prior_right` (belief before the stimulus
        that right is correct) and `evidence` (log likelihood ratio of right).

    References
    ----------
    Findling et al., "Brain-wide representations of prior information in mouse
    decision-making", 2023, for the same observer on the same task.
    """
    evidence = _evidence(inputs[:, list(STIMULUS_STEPS), 2:].mean(axis=1))
    prior = np.empty(len(trials))
    target = trials["target"].to_numpy()
    for rows in trials.reset_index(drop=True).groupby("sequence").indices.values():
        prior[rows] = _beliefs(target[rows] > 0)
    log_odds = evidence + np.log(prior) - np.log1p(-prior)
    return pd.DataFrame(
        {
            "choice": np.where(log_odds > 0, 1, -1),
            "prior_right": prior,
            "evidence": evidence,
        },
        index=trials.index,
    )


def _evidence(sides: np.ndarray) -> np.ndarray:
    """Log likelihood ratio of right, of contrasts (trial, 2) averaged over steps."""
    variance = INPUT_NOISE**2 / len(STIMULUS_STEPS)
    contrasts = np.array(CONTRASTS)

    def likelihood(shown: np.ndarray, empty: np.ndarray) -> np.ndarray:
        squares = (shown[:, None] - contrasts) ** 2 + empty[:, None] ** 2
        return np.asarray(np.logaddexp.reduce(-squares / (2 * variance), axis=1))

    left, right = sides[:, 0], sides[:, 1]
    return likelihood(right, left) - likelihood(left, right)


def _beliefs(right: np.ndarray) -> np.ndarray:
    """Probability of right before each trial, from the correct sides so far."""
    block, beliefs = 0.5, np.empty(len(right))
    for i, was_right in enumerate(right):
        beliefs[i] = block * BLOCK_BIAS + (1 - block) * (1 - BLOCK_BIAS)
        gain = BLOCK_BIAS if was_right else 1 - BLOCK_BIAS
        block = block * gain / (block * gain + (1 - block) * (1 - gain))
        block = block * (1 - HAZARD) + (1 - block) * HAZARD
    return beliefs
