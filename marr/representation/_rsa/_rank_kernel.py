"""Rank comparators of weighted pairs: Spearman, rho-a, tau-a.

A pair of conditions that was drawn w times is w tied values. Everything is computed on
the distinct pairs of a resample with their weights; nothing is expanded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from marr.representation._rsa._concordance_kernel import tau_a

__all__ = ["Ranked", "midranks", "rank_agreement", "ranked_resamples"]

Values = Float[ndarray, "rows pairs"]
Weights = Float[ndarray, " pairs"]


class Ranked(NamedTuple):
    """Similarities in each resample, and ceilings for each way to draw subjects."""

    similarity: Float[ndarray, "samples models subjects"]
    ceilings: list[Float[ndarray, "resamples 2"]]


def midranks(values: Values, weights: Weights) -> Values:
    """Return the mean rank of values that occur `weights` times each."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    weight = weights[order]
    after = np.cumsum(weight, axis=1)
    starts = np.ones(values.shape, bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    if starts.all():
        ranks = after - 0.5 * (weight - 1.0)
    else:
        place = np.arange(values.shape[1])
        first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
        ends = np.ones(values.shape, bool)
        ends[:, :-1] = starts[:, 1:]
        last = np.where(ends, place, values.shape[1])[:, ::-1]
        last = np.minimum.accumulate(last, axis=1)[:, ::-1]
        before = np.take_along_axis(after - weight, first, axis=1)
        ranks = 0.5 * (before + np.take_along_axis(after, last, axis=1) + 1.0)
    out = np.empty_like(values)
    np.put_along_axis(out, order, ranks, axis=1)
    return out


def rank_agreement(
    x: Values,
    y: Float[ndarray, "others pairs"],
    weights: Weights,
    comparator: str,
    *,
    paired: bool,
) -> ndarray:
    """Compare ranked rows: each x with each y, or, paired, with its own.

    Parameters
    ----------
    x, y : array of shape (n_x, n_pairs), (n_y, n_pairs)
        Midranks.
    weights : array of shape (n_pairs,)
        How often each pair occurs.
    comparator : {"spearman", "rho-a", "tau-a"}
        rho-a is the expectation of Spearman's correlation when ties are broken at
        random; tau-a counts concordant less discordant pairs over all pairs.
    paired : bool
        Whether x and y are compared row by row.

    Returns
    -------
    array of shape (n_x, n_y), or (n_x,)
    """
    if comparator == "tau-a":
        if paired:
            return tau_a(x, y, weights)
        rows, columns = np.indices((len(x), len(y))).reshape(2, -1)
        return tau_a(x[rows], y[columns], weights).reshape(len(x), len(y))
    total = weights.sum()
    middle = (total + 1.0) / 2.0
    a, b = (x - middle) * weights, y - middle
    product = np.einsum("rp,rp->r", a, b) if paired else a @ b.T
    if comparator == "rho-a":
        return np.asarray(12.0 * product / (total**3 - total))
    size_x = np.sqrt(np.einsum("rp,rp->r", a, x - middle))
    size_y = np.sqrt(np.einsum("rp,rp,p->r", b, b, weights))
    size = size_x * size_y if paired else size_x[:, None] * size_y
    return np.asarray(product / np.where(size > 0, size, np.nan))


def ranked_resamples(
    values: Values,
    n_models: int,
    counts: Float[ndarray, "samples conditions"],
    draws: Sequence[Float[ndarray, "resamples subjects"]],
    comparator: str,
) -> Ranked:
    """Compare models with subjects in every resample, with both bounds of the ceiling.

    Parameters
    ----------
    values : array of shape (n_rows, n_pairs)
        Dissimilarities, models first.
    n_models : int
        Number of models.
    counts : array of shape (n_samples, n_conditions), n_resamples or 1
        How often each condition was drawn.
    draws : sequence of arrays of shape (n_resamples, n_subjects)
        Ways to draw subjects.
    comparator : str
        One of `RANK_COMPARATORS`.
    """
    left, right = np.triu_indices(counts.shape[1], k=1)
    n_resamples, n_subjects = len(draws[0]), draws[0].shape[1]
    codes = dense_ranks(values)
    similarities = np.empty((len(counts), n_models, n_subjects))
    ceilings = [np.empty((n_resamples, 2)) for _ in draws]
    for b, count in enumerate(counts):
        weight = count[left] * count[right]
        use = np.flatnonzero(weight)
        weight = weight[use]
        ranks = midranks(codes[:, use], weight)
        models, subjects = ranks[:n_models], ranks[n_models:]
        similarities[b] = rank_agreement(
            models, subjects, weight, comparator, paired=False
        )
        alike = range(n_resamples) if len(counts) < n_resamples else (b,)
        for out, drawn in zip(ceilings, draws, strict=True):
            for i in alike:
                out[i] = _ceiling(subjects, drawn[i], weight, comparator)
    return Ranked(similarities, ceilings)


def dense_ranks(values: Values) -> Values:
    """Replace values by their rank among distinct ones: equal values stay equal."""
    return np.stack(
        [np.unique(v, return_inverse=True)[1].reshape(-1).astype(float) for v in values]
    )


def _ceiling(
    subjects: Values, draws: Float[ndarray, " subjects"], weights: Weights, kind: str
) -> Float[ndarray, " 2"]:
    """Compare each drawn subject with the mean rank of the others, and of all."""
    drawn = np.flatnonzero(draws)
    if len(drawn) < 2:
        return np.full(2, np.nan)
    total = draws @ subjects
    others = total - draws[drawn, None] * subjects[drawn]
    pools = midranks(np.concatenate([others, total[None]]), weights)
    own = subjects[drawn]
    lower = rank_agreement(pools[:-1], own, weights, kind, paired=True)
    upper = rank_agreement(pools[-1:], own, weights, kind, paired=False)
    return np.array([lower.mean(), upper.mean()])
