"""Scores of predictions, one a row: leading axes of the predictions are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["KIND_SCORES", "SCORES", "Score", "row_means", "score_rows"]


class Score(NamedTuple):
    """How predictions are scored: unit of the score, direction, function."""

    unit: str
    better: str
    function: Callable[[ndarray, ndarray], ndarray]


def probability(
    predicted: Float[ndarray, "*lead rows outputs"],
    truth: Float[ndarray, "rows outputs"],
) -> Float[ndarray, "*lead rows"]:
    """Share given to the true class, cut to 0 ... 1 (a linear probability model)."""
    given = (predicted * truth).sum(axis=-1)
    return np.asarray(np.clip(given, 0.0, 1.0))


def correct(
    predicted: Float[ndarray, "*lead rows outputs"],
    truth: Float[ndarray, "rows outputs"],
) -> Float[ndarray, "*lead rows"]:
    """1 where the class with the largest output is the true one, else 0."""
    hit = predicted.argmax(axis=-1) == truth.argmax(axis=-1)
    return hit.astype(np.float64)


def explained(
    predicted: Float[ndarray, "*lead rows outputs"],
    truth: Float[ndarray, "rows outputs"],
) -> Float[ndarray, "*lead rows"]:
    """1 minus the squared error of a target of variance 1 (mean over rows: R2)."""
    return np.asarray(1.0 - ((predicted - truth) ** 2).sum(axis=-1))


def cosine(
    predicted: Float[ndarray, "*lead rows outputs"],
    truth: Float[ndarray, "rows outputs"],
) -> Float[ndarray, "*lead rows"]:
    """Cosine of the angle between predicted and true direction."""
    length = np.sqrt((predicted**2).sum(axis=-1))
    dot = (predicted * truth).sum(axis=-1)
    return np.where(length > 0, dot / np.where(length > 0, length, 1.0), 0.0)


def angle(
    predicted: Float[ndarray, "*lead rows outputs"],
    truth: Float[ndarray, "rows outputs"],
) -> Float[ndarray, "*lead rows"]:
    """Absolute angle between predicted and true direction, in radians."""
    return np.asarray(np.arccos(np.clip(cosine(predicted, truth), -1.0, 1.0)))


SCORES: dict[str, Score] = {
    "probability": Score("probability of the true class", "higher", probability),
    "correct": Score("proportion correct", "higher", correct),
    "explained": Score("share of target variance (R2)", "higher", explained),
    "cosine": Score("cosine of the angular error", "higher", cosine),
    "angle": Score("absolute angular error (rad)", "lower", angle),
}
"""Scores by name."""

KIND_SCORES: dict[str, tuple[str, ...]] = {
    "categorical": ("probability", "correct"),
    "continuous": ("explained",),
    "circular": ("cosine", "angle"),
}
"""Scores that fit each kind of target, the default first."""


def score_rows(
    name: str,
    predicted: Float[ndarray, "*lead rows outputs"],
    truth: Float[ndarray, "rows outputs"],
) -> Float[ndarray, "*lead rows"]:
    """Score each row by name."""
    return SCORES[name].function(predicted, truth)


def row_means(
    scores: Float[ndarray, "*lead rows"],
    trial_of_row: Int[ndarray, " rows"],
    n_trials: int,
) -> Float[ndarray, "*lead trials"]:
    """Mean score of the rows of each trial; NaN for a trial without rows."""
    flat = scores.reshape(-1, scores.shape[-1])
    counts = np.bincount(trial_of_row, minlength=n_trials).astype(np.float64)
    out = np.full((flat.shape[0], n_trials), np.nan)
    for i, row in enumerate(flat):
        sums = np.bincount(trial_of_row, weights=row, minlength=n_trials)
        np.divide(sums, counts, out=out[i], where=counts > 0)
    return out.reshape(*scores.shape[:-1], n_trials)
