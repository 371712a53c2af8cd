"""Similarity of models with subjects, and noise ceilings, by any comparator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from marr.representation._rsa._comparator_kernel import (
    RANK_COMPARATORS,
    Metric,
    pooled_ceilings,
    product_metric,
    similarity,
    weighted_sums,
)
from marr.representation._rsa._rank_kernel import Ranked, ranked_resamples
from marr.representation._rsa._whitened_kernel import whitened_metric

__all__ = ["evaluate", "needed", "resample_metric", "split_half_ceiling"]

Values = Float[ndarray, "rows pairs"]
Counts = Float[ndarray, "resamples conditions"]


def resample_metric(
    values: Values,
    counts: Counts,
    comparator: str,
    need: Bool[ndarray, "rows rows"] | None = None,
) -> Metric:
    """Return the inner products of a comparator; ranks are fitted as correlations."""
    centered = comparator not in ("cosine", "whitened_cosine")
    if comparator.startswith("whitened"):
        return whitened_metric(values, counts, need, centered=centered)
    return product_metric(weighted_sums(values, counts, need), centered=centered)


def needed(n_models: int, n_subjects: int) -> Bool[ndarray, "rows rows"]:
    """Return which products of rows a comparison of fixed models takes."""
    n = n_models + n_subjects
    need = np.ones((n, n), bool)
    need[:n_models, :n_models] = np.eye(n_models, dtype=bool)
    return need


def evaluate(
    values: Values,
    n_models: int,
    counts: Float[ndarray, "samples conditions"],
    draws: Sequence[Float[ndarray, "resamples subjects"]],
    comparator: str,
) -> Ranked:
    """Compare models with subjects in every resample of conditions.

    Parameters
    ----------
    values : array of shape (n_rows, n_pairs)
        Dissimilarities: models, then subjects.
    n_models : int
        Number of models.
    counts : array of shape (n_samples, n_conditions), n_resamples or 1
        How often each condition was drawn; one row where it is always the same.
    draws : sequence of arrays of shape (n_resamples, n_subjects)
        Ways to draw subjects, each with ceilings of its own.
    comparator : str
        One of `COMPARATORS`.
    """
    if comparator in RANK_COMPARATORS:
        return ranked_resamples(values, n_models, counts, draws, comparator)
    n_subjects = len(values) - n_models
    metric = resample_metric(values, counts, comparator, needed(n_models, n_subjects))
    inner, length = metric.inner[:, n_models:, n_models:], metric.length[:, n_models:]
    ceilings = []
    for drawn in draws:
        shape = (len(drawn), *inner.shape[1:])
        ceilings.append(
            pooled_ceilings(
                np.broadcast_to(inner, shape),
                np.broadcast_to(length, shape[:2]),
                drawn,
            )
        )
    return Ranked(similarity(metric, n_models, n_subjects), ceilings)


def split_half_ceiling(
    values: Float[ndarray, "2 pairs"], counts: Counts, comparator: str
) -> Float[ndarray, "resamples 2"]:
    """Return bounds for a single subject, from two halves of its trials.

    Lower: one half against the other. Upper: the square root of the reliability of
    the whole (Spearman-Brown), which the true distances would reach; 0 where halves
    do not agree.
    """
    one = np.ones((len(counts), 1))
    half = evaluate(values, 1, counts, [one], comparator).similarity[:, 0, 0]
    positive = np.maximum(half, 0.0)
    return np.stack([half, np.sqrt(2 * positive / (1 + positive))], axis=-1)
