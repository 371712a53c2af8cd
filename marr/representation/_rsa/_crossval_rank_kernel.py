"""Score fitted models by ranks: predictions differ from fold to fold, so one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from marr.representation._rsa._rank_kernel import midranks, rank_agreement

__all__ = ["rank_scores"]

Values = Float[ndarray, "rows pairs"]


def rank_scores(
    values: Values,
    parts: Sequence[Any],
    weights: Sequence[ndarray],
    whole: Float[ndarray, "resamples conditions"],
    test: Float[ndarray, "samples conditions"],
    drawn: Float[ndarray, "samples subjects"],
    left_out: Bool[ndarray, "samples subjects"],
    comparator: str,
) -> Float[ndarray, "samples outcomes"]:
    """Rank predictions and subjects on the test pairs of each fold, and compare.

    Parameters
    ----------
    values : array of shape (n_rows, n_pairs)
        Components of all models, then subjects.
    parts : sequence of Part
        The models.
    weights : sequence of arrays of shape (n_samples, n_components)
        Fitted weights of each model.
    whole : array of shape (n_resamples, n_conditions)
        The resamples; every one has as many folds.
    test : array of shape (n_samples, n_conditions)
        How often each condition is in the test set.
    drawn : array of shape (n_samples, n_subjects)
        How often each subject was drawn.
    left_out : bool array of shape (n_samples, n_subjects)
        Subjects that are scored, and are not in the lower pool.
    comparator : str
        One of `RANK_COMPARATORS`.

    Returns
    -------
    array of shape (n_samples, n_models + 2)
    """
    left, right = np.triu_indices(test.shape[1], k=1)
    n_subjects, per = drawn.shape[1], len(test) // len(whole)
    subjects = values[len(values) - n_subjects :]
    out = np.empty((len(test), len(parts) + 2))
    ranks_of_all = np.empty((n_subjects, 0))
    for i, count in enumerate(test):
        if n_subjects > 1 and i % per == 0:
            ranks_of_all = _whole_ranks(subjects, whole[i // per], left, right)
        weight = count[left] * count[right]
        use = np.flatnonzero(weight)
        weight = weight[use]
        predicted = [
            theta[i] @ values[start:stop, use]
            for (_, start, stop), theta in zip(parts, weights, strict=True)
        ]
        ranks = midranks(np.stack([*predicted, *subjects[:, use]]), weight)
        own = ranks[len(parts) :]
        scored = np.where(left_out[i], drawn[i], 0.0)
        scored = scored / scored.sum()
        rows = list(ranks[: len(parts)])
        bounds = [np.nan, np.nan]
        if n_subjects > 1:
            kept = np.where(left_out[i], 0.0, drawn[i])
            pools = np.stack([kept @ own, drawn[i] @ ranks_of_all[:, use]])
            rows += list(midranks(pools, weight))
            bounds = []
        found = rank_agreement(np.stack(rows), own, weight, comparator, paired=False)
        out[i] = [*(np.nan_to_num(found) @ scored), *bounds]
    return out


def _whole_ranks(
    subjects: Values, count: ndarray, left: ndarray, right: ndarray
) -> Values:
    """Return midranks of the subjects in a whole resample; 0 for pairs not drawn."""
    weight = count[left] * count[right]
    use = np.flatnonzero(weight)
    ranks = np.zeros(subjects.shape)
    ranks[:, use] = midranks(subjects[:, use], weight[use])
    return ranks
