"""Compare dissimilarities in many resamples of conditions at once, by weights.

A resample that draws condition i m_i times is the original matrix with pair weights
m_i m_j; two copies of one condition make no pair. Every comparator that is a cosine in
some inner product then needs weighted sums of products of rows only, which one matrix
product gives for all resamples. Rows hold dissimilarities of pairs (strict upper
triangle, row by row): models first, then subjects.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

__all__ = [
    "COMPARATORS",
    "GRAM_COMPARATORS",
    "RANK_COMPARATORS",
    "Metric",
    "pair_weights",
    "pooled_ceilings",
    "product_metric",
    "similarity",
    "weighted_sums",
]

GRAM_COMPARATORS = ("cosine", "correlation", "whitened_cosine", "whitened_correlation")
"""Cosines in an inner product of pairs."""
RANK_COMPARATORS = ("spearman", "rho-a", "tau-a")
"""Comparators of ranks, which change with the resample."""
COMPARATORS = (*GRAM_COMPARATORS, *RANK_COMPARATORS)

PAIR_CHUNK = 8192
RESAMPLE_CHUNK = 1024

PairRows = Float[ndarray, "rows pairs"]
Counts = Float[ndarray, "resamples conditions"]


class Sums(NamedTuple):
    """Weighted sums over pairs, for each resample."""

    products: Float[ndarray, "resamples rows rows"]
    sums: Float[ndarray, "resamples rows"]
    total: Float[ndarray, " resamples"]


class Metric(NamedTuple):
    """Inner products of rows, and the length by which a row is scaled when pooled.

    Rows are pooled at equal root mean square (standard deviation for correlations),
    also where they are compared in a whitened space.
    """

    inner: Float[ndarray, "resamples rows rows"]
    length: Float[ndarray, "resamples rows"]


def pair_weights(
    counts: Counts, rows: Int[ndarray, " pairs"], columns: Int[ndarray, " pairs"]
) -> Float[ndarray, "pairs resamples"]:
    """Return how often each pair of conditions occurs in each resample."""
    by_condition = np.ascontiguousarray(counts.T)
    return by_condition[rows] * by_condition[columns]


def weighted_sums(
    values: PairRows, counts: Counts, need: Bool[ndarray, "rows rows"] | None = None
) -> Sums:
    """Return weighted sums and products of rows for every resample.

    Memory does not grow with the number of pairs, which are taken in parts.

    Parameters
    ----------
    values : array of shape (n_rows, n_pairs)
        Dissimilarities.
    counts : array of shape (n_resamples, n_conditions)
        How often each condition was drawn.
    need : bool array of shape (n_rows, n_rows), optional
        Which products are wanted (symmetric); the others are NaN.
    """
    n_rows, n_resamples = len(values), len(counts)
    wanted = np.ones((n_rows, n_rows), bool) if need is None else need
    first, second = np.nonzero(np.triu(wanted))
    left, right = np.triu_indices(counts.shape[1], k=1)
    out = np.zeros((len(first) + n_rows + 1, n_resamples))
    for start in range(0, len(left), PAIR_CHUNK):
        part = slice(start, start + PAIR_CHUNK)
        x = values[:, part]
        features = np.concatenate([x[first] * x[second], x, np.ones((1, x.shape[1]))])
        for b in range(0, n_resamples, RESAMPLE_CHUNK):
            some = slice(b, b + RESAMPLE_CHUNK)
            out[:, some] += features @ pair_weights(
                counts[some], left[part], right[part]
            )
    products = np.full((n_resamples, n_rows, n_rows), np.nan)
    products[:, first, second] = products[:, second, first] = out[: len(first)].T
    return Sums(products, np.ascontiguousarray(out[len(first) : -1].T), out[-1])


def product_metric(sums: Sums, *, centered: bool) -> Metric:
    """Return the inner products of cosine, or, centered, of correlation."""
    inner = sums.products
    if centered:
        total = np.maximum(sums.total, 1.0)[:, None, None]
        inner = inner - sums.sums[:, :, None] * (sums.sums[:, None, :] / total)
    return Metric(inner, _root(np.diagonal(inner, axis1=1, axis2=2)))


def _root(squares: ndarray) -> ndarray:
    """Square root of what cannot be negative; NaN for nothing."""
    return np.sqrt(np.where(squares > 0, squares, np.nan))


def similarity(
    metric: Metric, n_models: int, n_subjects: int
) -> Float[ndarray, "resamples models subjects"]:
    """Return how similar each model is to each subject; NaN where one is constant."""
    size = _root(np.diagonal(metric.inner, axis1=1, axis2=2))
    last = n_models + n_subjects
    cross = metric.inner[:, :n_models, n_models:last]
    return cross / (size[:, :n_models, None] * size[:, None, n_models:last])


def pooled_ceilings(
    inner: Float[ndarray, "resamples subjects subjects"],
    length: Float[ndarray, "resamples subjects"],
    draws: Float[ndarray, "resamples subjects"],
    scored: Float[ndarray, "resamples subjects"] | None = None,
    left_out: Bool[ndarray, "resamples subjects"] | None = None,
) -> Float[ndarray, "resamples 2"]:
    """Return the lower and upper bound of what the true model would reach.

    Upper: each subject against the pool of all, which holds itself. Lower: against the
    pool without any copy of itself, or, with `left_out`, without those subjects.

    Parameters
    ----------
    inner, length
        Inner products of subjects, and the lengths that scale them when pooled.
    draws : array of shape (n_resamples, n_subjects)
        How often each subject was drawn.
    scored : array of shape (n_resamples, n_subjects), optional
        Weights of the average over subjects; by default each drawn subject counts once.
    left_out : bool array of shape (n_resamples, n_subjects), optional
        Subjects that are left out of the lower pool together.
    """
    weight = np.where(draws > 0, draws / length, 0.0)
    own = np.diagonal(inner, axis1=1, axis2=2)
    each = (draws > 0).astype(float) if scored is None else scored
    towards = np.einsum("brs,bs->br", inner, weight)
    total = np.einsum("bs,bs->b", towards, weight)
    upper = towards / (_root(total)[:, None] * _root(own))
    if left_out is None:
        num = towards - weight * own
        squared = total[:, None] - 2 * weight * towards + weight**2 * own
    else:
        kept = np.where(left_out, 0.0, weight)
        num = np.einsum("brs,bs->br", inner, kept)
        squared = np.einsum("bs,bs->b", num, kept)[:, None]
    lower = num / (_root(squared) * _root(own))
    bounds = np.stack([lower, upper], axis=-1)
    counted = np.where((each > 0)[..., None], bounds * each[..., None], 0.0)
    return counted.sum(axis=1) / each.sum(axis=1)[:, None]
