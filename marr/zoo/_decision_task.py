"""The mouse's two-choice task as input to networks: generated and real trials.

Each trial takes seven steps. At step 0 a cue says which side was correct on the
previous trial; at steps 3 to 5 the contrast left and right is seen through noise; at
step 6 the network answers. State is kept from trial to trial, so the block, which is
never shown, can be inferred from the cues.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, StatisticsError

__all__ = [
    "CONTRASTS",
    "FEATURES",
    "INPUT_NOISE",
    "N_STEPS",
    "RESPONSE_STEP",
    "SEQUENCE_LENGTH",
    "STIMULUS_STEPS",
    "block_probabilities",
    "cut_sequences",
    "decision_batch",
    "decision_inputs",
    "trial_inputs",
]

CONTRASTS = (0.0, 0.0625, 0.125, 0.25, 1.0)
"""Contrasts of the task, drawn with equal probability."""

FEATURES = ("was_left", "was_right", "left", "right")
"""Input features: the side that was correct on the previous trial; the contrasts."""

N_STEPS = 7
"""Steps of a trial."""

CUE_STEP = 0
STIMULUS_STEPS = (3, 4, 5)
RESPONSE_STEP = 6

INPUT_NOISE = 0.18
"""Standard deviation of the noise on each contrast at each stimulus step.

Averaged over three steps it is 0.10, so that the ideal observer's choices are graded
between contrasts of 0.0625 and 0.25, as a mouse's are.
"""

SEQUENCE_LENGTH = 90
"""Trials of a sequence, in training and (about) in evaluation."""

BLOCK_BIAS = 0.8
BLOCK_LENGTHS = (20, 100)
BLOCK_SCALE = 60.0
UNBIASED_TRIALS = 90


def block_probabilities(n_trials: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the probability that the left side is correct, trial by trial.

    A session opens with 90 trials at 0.5; then blocks of 0.2 and 0.8 alternate, whose
    lengths are exponential (scale 60) truncated to 20 to 100 trials.

    Returns
    -------
    array of shape (n_trials,)
        0.2, 0.5 or 0.8.
    """
    shortest, longest = BLOCK_LENGTHS
    n_blocks = n_trials // shortest + 1
    lengths = rng.exponential(BLOCK_SCALE, size=12 * n_blocks)
    lengths = lengths[(lengths >= shortest) & (lengths <= longest)][:n_blocks]
    first = int(rng.integers(2))
    sides = np.array([1 - BLOCK_BIAS, BLOCK_BIAS])[
        (np.arange(len(lengths)) + first) % 2
    ]
    blocks = np.repeat(np.round(sides, 1), lengths.astype(int))
    return np.concatenate([np.full(UNBIASED_TRIALS, 0.5), blocks])[:n_trials]


def decision_batch(
    n_sequences: int, n_trials: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Generate sequences of trials, each cut at random out of a session of 900.

    Returns
    -------
    contrast : array of shape (n_sequences, n_trials)
        Signed contrast, positive on the right.
    target : array of shape (n_sequences, n_trials)
        Correct side, -1 left and 1 right.
    block : array of shape (n_sequences, n_trials)
        Probability of left.
    """
    session = max(900, 2 * n_trials)
    starts = rng.integers(0, session - n_trials + 1, size=n_sequences)
    block = np.stack(
        [block_probabilities(session, rng)[a : a + n_trials] for a in starts]
    )
    target = np.where(rng.random(block.shape) < block, -1, 1)
    contrast = target * rng.choice(np.array(CONTRASTS), size=block.shape)
    return contrast, target, block


def trial_inputs(
    contrast: np.ndarray,
    target: np.ndarray,
    previous: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Turn trials into network input, noise included.

    Parameters
    ----------
    contrast, target : arrays of shape (...)
        Signed contrast and correct side (-1, 1).
    previous : array of shape (...)
        Correct side of the previous trial, 0 where there was none.
    rng : numpy.random.Generator
        Draws the noise, once for each trial, step and side.

    Returns
    -------
    float32 array of shape (..., N_STEPS, n_features)
    """
    inputs = np.zeros((*contrast.shape, N_STEPS, len(FEATURES)), np.float32)
    inputs[..., CUE_STEP, 0] = previous < 0
    inputs[..., CUE_STEP, 1] = previous > 0
    sides = np.stack([np.where(target == s, np.abs(contrast), 0) for s in (-1, 1)], -1)
    stimulus = np.repeat(sides[..., None, :], len(STIMULUS_STEPS), axis=-2)
    noise = rng.normal(scale=INPUT_NOISE, size=stimulus.shape)
    inputs[..., list(STIMULUS_STEPS), 2:] = stimulus + noise
    return inputs


def cut_sequences(session: np.ndarray, *, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut each session into sequences of nearly equal length.

    Returns
    -------
    sequence : int array of shape (n_trials,)
        Number of the sequence, counted over all sessions.
    position : int array of shape (n_trials,)
        Place of the trial in its sequence, from 0.
    """
    sequence = np.zeros(len(session), np.int64)
    position = np.zeros(len(session), np.int64)
    start = 0
    for label in pd.unique(pd.Series(session)):
        rows = np.flatnonzero(session == label)
        for part in np.array_split(rows, max(1, round(len(rows) / length))):
            sequence[part] = start
            position[part] = np.arange(len(part))
            start += 1
    return sequence, position


def decision_inputs(
    trials: pd.DataFrame,
    *,
    seed: int = 0,
    length: int = SEQUENCE_LENGTH,
    burn_in: int = 10,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Turn a mouse's trial table into input for the decision networks.

    The networks see what the mouse saw (contrasts, and which side was correct on the
    trial before), never what it chose. Sessions are cut into sequences of about
    `length` trials; a network starts each without knowing the block. The noise is
    drawn once and kept with the trials, so that all networks and all perturbations
    of them meet the same stimuli.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, sessions in the order of time. Columns `contrast` (signed,
        positive on the right), `target` (correct side, -1 or 1) and `session`;
        `probability_left` is used where it exists. Trials at zero contrast
        whose target is missing are dropped; others take it from the contrast.
    seed : int
        Seed of the noise. The same table and seed give the same input.
    length : int
        Trials a sequence, about.
    burn_in : int
        Trials at the start of a sequence that are flagged, because the network has
        not yet seen enough cues to know the block.

    Returns
    -------
    inputs : float32 array of shape (n_trials, N_STEPS, n_features)
        Features are `FEATURES`.
    trials : DataFrame
        The rows that were kept, with columns added: `sequence`, `position`,
        `burn_in`, `abs_contrast`, and, given `probability_left`, `block_side` (the side that the
        block favors: -1, 1, or 0).

    Raises
    ------
    ContractError
        If a column is missing, a contrast is NaN or outside -1 to 1, or a target
        contradicts its contrast.
    StatisticsError
        If no trial is left.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"contrast": [1.0, -0.25], "target": [1, -1],
    ...                       "session": ["a", "a"]})
    >>> inputs, kept = decision_inputs(table, seed=0)
    >>> inputs.shape
    (2, 7, 4)
    """
    if length < 2:
        msg = f"length must be at least 2 trials; got {length}."
        raise OptionError(msg)
    table = _with_targets(trials)
    sequence, position = cut_sequences(table["session"].to_numpy(), length=length)
    table = table.assign(
        sequence=sequence,
        position=position,
        burn_in=position < burn_in,
        abs_contrast=table["contrast"].abs(),
    )
    if "probability_left" in table:
        left = table["probability_left"].to_numpy(np.float64)
        side = np.sign(np.round(0.5 - left, 6))
        table["block_side"] = np.nan_to_num(side).astype(np.int64)
    target = table["target"].to_numpy()
    previous = pd.Series(target).groupby(sequence).shift(1).fillna(0).to_numpy()
    inputs = trial_inputs(
        table["contrast"].to_numpy(np.float64),
        target,
        previous,
        np.random.default_rng(seed),
    )
    return inputs, table


def _with_targets(trials: Any) -> pd.DataFrame:
    """Check the table; complete the targets; drop trials without one."""
    if not isinstance(trials, pd.DataFrame):
        msg = f"trials must be a pandas.DataFrame; got {type(trials).__name__}."
        raise ContractError(msg)
    missing = [c for c in ("contrast", "target", "session") if c not in trials]
    if missing:
        msg = (
            f"trials needs columns 'contrast', 'target' and 'session'; {missing} missing "
            f"among {list(trials.columns)}. Use trials.rename(columns=...)."
        )
        raise ContractError(msg)
    contrast = trials["contrast"].to_numpy(np.float64)
    target = trials["target"].to_numpy(np.float64).copy()
    if not (np.abs(contrast) <= 1).all():
        bad = contrast[~(np.abs(contrast) <= 1)][0]
        msg = f"contrast must lie between -1 and 1, signed and not NaN; got {bad}."
        raise ContractError(msg)
    unknown = ~np.isin(target, (-1, 1))
    target[unknown] = np.sign(contrast[unknown])
    wrong = (contrast != 0) & (np.sign(contrast) != target)
    if wrong.any():
        label = trials.index[wrong][0]
        msg = (
            f"target contradicts contrast on {int(wrong.sum())} trials, first {label!r}: "
            f"contrast {contrast[wrong][0]}, target {target[wrong][0]}. Contrast is "
            "positive on the right, and target is -1 for left and 1 for right."
        )
        raise ContractError(msg)
    known = target != 0
    if not known.any():
        msg = "trials has no trial with a known target: give the correct side, -1 or 1."
        raise StatisticsError(msg)
    table = trials.loc[known].copy()
    table["target"] = target[known].astype(np.int64)
    return table
