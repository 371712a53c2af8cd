"""Flexible models, cross-validated over conditions and subjects inside each resample.

Leaving conditions out is a change of weights too: training and test sets are resamples
in which the others were drawn 0 times. Copies of a condition, and of a subject, are
always on the same side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from marr.representation._rsa._comparator_kernel import (
    RANK_COMPARATORS,
    Metric,
    pooled_ceilings,
)
from marr.representation._rsa._crossval_rank_kernel import rank_scores
from marr.representation._rsa._evaluate_kernel import resample_metric
from marr.representation._rsa._flexible_kernel import FITS

__all__ = ["Folds", "Part", "cross_validate", "draw_folds", "fit_all"]

COLUMNS = 2048

Values = Float[ndarray, "rows pairs"]
Counts = Float[ndarray, "resamples conditions"]
Draws = Float[ndarray, "resamples subjects"]


class Part(NamedTuple):
    """Which rows belong to a model, and how they combine ("fixed" or a key of FITS)."""

    kind: str
    start: int
    stop: int


class Folds(NamedTuple):
    """What is tested in each fold; the rest trains.

    Attributes
    ----------
    conditions : bool array of shape (n_resamples, n_repeats, n_folds, n_conditions)
        Conditions tested.
    subjects : bool array (n_resamples, n_repeats, n_folds, n_subject_folds, n_subjects)
        Subjects tested in each fold. The others train, or all, where all are tested.
    """

    conditions: Bool[ndarray, "resamples repeats folds conditions"]
    subjects: Bool[ndarray, "resamples repeats folds subject_folds subjects"]


def draw_folds(
    counts: Counts,
    draws: Draws,
    n_repeats: int,
    n_folds: int,
    n_subject_folds: int,
    rng: np.random.Generator,
) -> Folds:
    """Assign the distinct conditions and subjects of each resample to folds of one size."""
    conditions = _assign(counts, n_repeats, n_folds, rng)
    subjects = _assign(draws, n_repeats, n_subject_folds, rng)
    shape = (*conditions.shape[:3], *subjects.shape[2:])
    return Folds(conditions, np.broadcast_to(subjects[:, :, None], shape))


def _assign(
    counts: Float[ndarray, "resamples units"],
    n_repeats: int,
    n_folds: int,
    rng: np.random.Generator,
) -> Bool[ndarray, "resamples repeats folds units"]:
    keys = rng.random((len(counts), n_repeats, counts.shape[1]))
    keys = np.where(counts[:, None] > 0, keys, np.inf)
    place = np.argsort(np.argsort(keys, axis=-1), axis=-1) % n_folds
    chosen = place[:, :, None] == np.arange(n_folds)[:, None]
    return chosen & (counts[:, None, None] > 0)


def _needed(
    parts: Sequence[Part], n_rows: int, n_subjects: int, *, test: bool
) -> Bool[ndarray, "rows rows"]:
    """Return which products of rows are wanted."""
    need = np.eye(n_rows, dtype=bool)
    first = n_rows - n_subjects
    for part in parts:
        rows = slice(part.start, part.stop)
        if part.kind == "fixed" and not test:
            continue
        need[rows, rows] = True
        need[rows, first:] = need[first:, rows] = True
    if test:
        need[first:, first:] = True
    return need


def fit_all(
    metric: Metric,
    parts: Sequence[Part],
    draws: Float[ndarray, "samples subjects"],
) -> list[Float[ndarray, "samples components"]]:
    """Fit every flexible model to the subjects drawn; weights of fixed ones are 1."""
    first = metric.inner.shape[1] - draws.shape[1]
    own = np.diagonal(metric.inner, axis1=1, axis2=2)[:, first:]
    scale = np.where(
        (draws > 0) & (own > 0), draws / np.sqrt(np.maximum(own, 1e-300)), 0
    )
    out = []
    for kind, start, stop in parts:
        if kind == "fixed":
            out.append(np.ones((len(draws), 1)))
            continue
        towards = np.einsum("lks,ls->lk", metric.inner[:, start:stop, first:], scale)
        out.append(FITS[kind](metric.inner[:, start:stop, start:stop], towards))
    return out


def cross_validate(
    values: Values,
    parts: Sequence[Part],
    counts: Counts,
    draws: Draws,
    folds: Folds,
    comparator: str,
) -> Float[ndarray, "resamples outcomes repeats"]:
    """Fit on training conditions and subjects, score on those left out.

    Parameters
    ----------
    values : array of shape (n_rows, n_pairs)
        Dissimilarities: components of all models, then subjects.
    parts : sequence of Part
        The models.
    counts : array of shape (n_resamples, n_conditions)
        How often each condition was drawn.
    draws : array of shape (n_resamples, n_subjects)
        How often each subject was drawn.
    folds : Folds
        What is left out when.
    comparator : str
        One of `COMPARATORS`; for ranks, models are fitted by correlation.

    Returns
    -------
    array of shape (n_resamples, n_models + 2, n_repeats)
        Mean over folds: similarity of each model, lower and upper ceiling.
    """
    n_resamples, n_repeats, n_folds = folds.conditions.shape[:3]
    out = np.empty((n_resamples, n_repeats, len(parts) + 2))
    step = max(1, COLUMNS // (n_repeats * n_folds))
    for start in range(0, n_resamples, step):
        some = slice(start, start + step)
        tested = folds.conditions[some]
        count = np.broadcast_to(counts[some, None, None], tested.shape)
        shape = (-1, counts.shape[1])
        train = np.where(tested, 0.0, count).reshape(shape)
        test = np.where(tested, count, 0.0).reshape(shape)
        scores = _fold_scores(
            values,
            parts,
            (counts[some], train, test),
            draws[some],
            folds.subjects[some],
            comparator,
        )
        out[some] = scores.reshape(*tested.shape[:3], -1).mean(axis=2)
    return out.transpose(0, 2, 1)


def _fold_scores(
    values: Values,
    parts: Sequence[Part],
    counts: tuple[ndarray, ndarray, ndarray],
    draws: Draws,
    subjects: Bool[ndarray, "resamples repeats folds subject_folds subjects"],
    comparator: str,
) -> Float[ndarray, "samples outcomes"]:
    """Return scores of each fold, averaged over subject folds."""
    whole, train, test = counts
    n_rows, n_subjects = len(values), draws.shape[1]
    per = len(train) // len(draws)
    drawn = np.repeat(draws, per, axis=0)
    left_out = subjects.reshape(len(train), -1, n_subjects)
    need = _needed(parts, n_rows, n_subjects, test=False)
    trained = resample_metric(values, train, comparator, need)
    ranked = comparator in RANK_COMPARATORS
    lengths, tested = None, None
    if not ranked:
        need = _needed(parts, n_rows, n_subjects, test=True)
        tested = resample_metric(values, test, comparator, need)
        base = comparator.removeprefix("whitened_")
        own = np.eye(n_rows, dtype=bool)
        lengths = np.repeat(resample_metric(values, whole, base, own).length, per, 0)
    total = np.zeros((len(train), len(parts) + 2))
    n_subject_folds = left_out.shape[1]
    for h in range(n_subject_folds):
        out = left_out[:, h]
        trains = np.where(out, 0.0, drawn)
        nobody = ~trains.any(axis=1, keepdims=True)
        weights = fit_all(trained, parts, np.where(nobody, drawn, trains))
        if tested is None or lengths is None:
            total += rank_scores(
                values, parts, weights, whole, test, drawn, out, comparator
            )
        else:
            total += _scores(tested, lengths, parts, weights, drawn, out)
    return total / n_subject_folds


def _scores(
    tested: Metric,
    lengths: Float[ndarray, "samples rows"],
    parts: Sequence[Part],
    weights: Sequence[ndarray],
    drawn: Float[ndarray, "samples subjects"],
    left_out: Bool[ndarray, "samples subjects"],
) -> Float[ndarray, "samples outcomes"]:
    """Score fitted models, and pooled subjects, on the subjects left out."""
    inner = tested.inner
    first = inner.shape[1] - drawn.shape[1]
    scored = np.where(left_out, drawn, 0.0)
    size = np.sqrt(np.diagonal(inner, axis1=1, axis2=2)[:, first:])
    columns = []
    for similarity in _similarities(inner, parts, weights, first, size):
        part = np.where(scored > 0, similarity * scored, 0.0)
        columns.append(part.sum(axis=1) / scored.sum(axis=1))
    block = inner[:, first:, first:]
    if drawn.shape[1] == 1:
        nothing = np.full(len(inner), np.nan)
        return np.stack([*columns, nothing, nothing], axis=1)
    how = (drawn, scored, left_out)
    lower = pooled_ceilings(block, tested.length[:, first:], *how)[:, 0]
    upper = pooled_ceilings(block, lengths[:, first:], *how)[:, 1]
    return np.stack([*columns, lower, upper], axis=1)


def _similarities(
    inner: ndarray,
    parts: Sequence[Part],
    weights: Sequence[ndarray],
    first: int,
    size: ndarray,
) -> Iterator[Float[ndarray, "samples subjects"]]:
    """Yield the similarity of each fitted model with each subject; 0 for no model."""
    for (_, start, stop), theta in zip(parts, weights, strict=True):
        cross = np.einsum("lks,lk->ls", inner[:, start:stop, first:], theta)
        own = np.einsum("lij,li,lj->l", inner[:, start:stop, start:stop], theta, theta)
        good = own > 0
        length = np.sqrt(np.where(good, own, 1.0))
        yield np.where(good[:, None], cross / (length[:, None] * size), 0.0)
