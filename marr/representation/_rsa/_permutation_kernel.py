"""Mean similarity of models whose conditions are permuted: an exact test of no relation.

Each comparator but tau-a is a sum over pairs of the model's value times a value that
depends on the subjects alone, so that a permutation is one gather and one product.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from marr.representation._rsa._comparator_kernel import RANK_COMPARATORS
from marr.representation._rsa._rank_kernel import midranks, rank_agreement

__all__ = ["permuted_similarity"]

CHUNK = 4_000_000

Values = Float[ndarray, "rows pairs"]


def permuted_similarity(
    models: Values,
    subjects: Float[ndarray, "subjects pairs"],
    permutations: Int[ndarray, "permutations conditions"],
    comparator: str,
) -> Float[ndarray, "permutations rows"]:
    """Return the mean similarity with subjects after permuting a model's conditions.

    Parameters
    ----------
    models : array of shape (n_models, n_pairs)
        Dissimilarities.
    subjects : array of shape (n_subjects, n_pairs)
        Dissimilarities.
    permutations : int array of shape (n_permutations, n_conditions)
        Orders of conditions; the same for all models.
    comparator : str
        One of `COMPARATORS`.
    """
    n = permutations.shape[1]
    left, right = np.triu_indices(n, k=1)
    position = np.zeros((n, n), np.intp)
    position[left, right] = position[right, left] = np.arange(len(left))
    ones = np.ones(len(left))
    if comparator in RANK_COMPARATORS:
        models, subjects = midranks(models, ones), midranks(subjects, ones)
    if comparator == "tau-a":
        return np.stack(
            [
                rank_agreement(
                    models[:, position[p[left], p[right]]],
                    subjects,
                    ones,
                    comparator,
                    paired=False,
                ).mean(axis=1)
                for p in permutations
            ]
        )
    given, towards = _linear(models, subjects, comparator, n)
    step = max(1, CHUNK // (len(left) * len(models)))
    out = np.empty((len(permutations), len(models)))
    for start in range(0, len(permutations), step):
        some = permutations[start : start + step]
        moved = given[:, position[some[:, left], some[:, right]]]
        out[start : start + step] = (moved @ towards).T
    return out


def _linear(
    models: Values,
    subjects: Float[ndarray, "subjects pairs"],
    comparator: str,
    n: int,
) -> tuple[Values, Float[ndarray, " pairs"]]:
    """Return scaled models, and what their pairs are multiplied by."""
    if comparator not in ("cosine", "whitened_cosine"):
        models = models - models.mean(axis=1, keepdims=True)
        subjects = subjects - subjects.mean(axis=1, keepdims=True)
    if comparator == "rho-a":
        p = models.shape[1]
        return models, 12.0 * subjects.mean(axis=0) / (p**3 - p)
    weighed, own = subjects, models
    if comparator.startswith("whitened"):
        weighed, own = _whiten(subjects, n), _whiten(models, n)
    size = np.sqrt((weighed * subjects).sum(axis=1, keepdims=True))
    length = np.sqrt((own * models).sum(axis=1, keepdims=True))
    return models / length, (weighed / size).mean(axis=0)


def _whiten(values: Values, n: int) -> Values:
    """Multiply by the inverse covariance of distances (double centering), as pairs."""
    left, right = np.triu_indices(n, k=1)
    kernel = np.zeros((len(values), n, n))
    kernel[:, left, right] = kernel[:, right, left] = -0.5 * values
    mean = kernel.mean(axis=2)
    centered = (
        kernel - mean[:, :, None] - mean[:, None, :] + mean.mean(axis=1)[:, None, None]
    )
    return -centered[:, left, right]
