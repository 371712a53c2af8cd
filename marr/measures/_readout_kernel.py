"""Ridge readouts, one a fold, from the moments of each fold.

Activity x has shape (rows, units), targets y (rows, outputs); a row is a trial or a
time bin of a trial. Within a training set units are centered and scaled by its own
weighted mean and standard deviation; the penalty multiplies the summed weight, so that
it means the same for any number of rows::

    coef = (Z'WZ + penalty * sum(w) * I)^-1 Z'WY,   Z = (x - mean) / scale

All training sets come from one pass over the data: sums and cross-products of a fold
are subtracted from the total.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "PENALTIES",
    "Moments",
    "Readouts",
    "Training",
    "fit_readouts",
    "fold_moments",
    "predict",
    "training_set",
]

PENALTIES = tuple(float(10.0**k) for k in range(-4, 3))
"""Penalties tried by default, relative to the summed weight of the training set."""


class Moments(NamedTuple):
    """Weighted moments of [x, y] by fold, around `center`."""

    n_units: int
    center: Float[ndarray, " columns"]
    weight: Float[ndarray, " folds"]
    sums: Float[ndarray, "folds columns"]
    products: Float[ndarray, "folds columns columns"]


class Training(NamedTuple):
    """Standardized normal equations of one training set."""

    weight: float
    mean: Float[ndarray, " columns"]
    scale: Float[ndarray, " units"]
    gram: Float[ndarray, "units units"]
    cross: Float[ndarray, "units outputs"]


class Readouts(NamedTuple):
    """One readout a fold, fitted on the other folds."""

    mean: Float[ndarray, "folds units"]
    scale: Float[ndarray, "folds units"]
    coef: Float[ndarray, "folds units outputs"]
    intercept: Float[ndarray, "folds outputs"]
    penalty: Float[ndarray, " folds"]


def fold_moments(
    x: Float[ndarray, "rows units"],
    y: Float[ndarray, "rows outputs"],
    weights: Float[ndarray, " rows"],
    folds: Int[ndarray, " rows"],
) -> Moments:
    """Weighted sums and cross-products of [x, y] in each fold."""
    columns = np.concatenate([x, y], axis=1)
    center = columns.mean(axis=0)
    columns -= center
    n_folds, n_columns = int(folds.max()) + 1, columns.shape[1]
    weight = np.bincount(folds, weights=weights, minlength=n_folds)
    sums = np.zeros((n_folds, n_columns))
    products = np.zeros((n_folds, n_columns, n_columns))
    for fold in range(n_folds):
        rows = folds == fold
        part, weighted = columns[rows], columns[rows] * weights[rows, None]
        sums[fold] = weighted.sum(axis=0)
        products[fold] = part.T @ weighted
    return Moments(x.shape[1], center, weight, sums, products)


def training_set(moments: Moments, held_out: Int[ndarray, " held"]) -> Training:
    """Return the normal equations of all folds but the held-out ones."""
    weight = moments.weight.sum() - moments.weight[held_out].sum()
    shift = (moments.sums.sum(0) - moments.sums[held_out].sum(0)) / weight
    products = moments.products.sum(0) - moments.products[held_out].sum(0)
    centered = products - weight * np.outer(shift, shift)
    n_units = moments.n_units
    variance = np.diag(centered)[:n_units] / weight
    overall = np.diag(moments.products.sum(0))[:n_units] / moments.weight.sum()
    constant = variance <= 1e-12 * np.maximum(overall, 1e-300)
    scale = np.where(constant, 1.0, np.sqrt(np.where(constant, 1.0, variance)))
    gram = centered[:n_units, :n_units] / np.outer(scale, scale)
    cross = centered[:n_units, n_units:] / scale[:, None]
    gram[constant], gram[:, constant], cross[constant] = 0.0, 0.0, 0.0
    return Training(float(weight), shift + moments.center, scale, gram, cross)


def fit_readouts(moments: Moments, penalties: Float[ndarray, " penalties"]) -> Readouts:
    """Fit one readout a fold; among several penalties the inner folds choose.

    For the readout of a fold, every other fold in turn is predicted from the rest, and
    the penalty with the least squared error is kept: the fold itself has no say.
    """
    n_folds, n_units = len(moments.weight), moments.n_units
    n_outputs = moments.sums.shape[1] - n_units
    chosen = _chosen_penalties(moments, penalties)
    mean, scale = np.zeros((n_folds, n_units)), np.ones((n_folds, n_units))
    coef = np.zeros((n_folds, n_units, n_outputs))
    intercept = np.zeros((n_folds, n_outputs))
    for fold in range(n_folds):
        train = training_set(moments, np.array([fold]))
        ridge = train.gram + chosen[fold] * train.weight * np.eye(n_units)
        coef[fold] = np.linalg.solve(ridge, train.cross)
        mean[fold], scale[fold] = train.mean[:n_units], train.scale
        intercept[fold] = train.mean[n_units:]
    return Readouts(mean, scale, coef, intercept, chosen)


def predict(
    readouts: Readouts, x: Float[ndarray, "rows units"], folds: Int[ndarray, " rows"]
) -> Float[ndarray, "rows outputs"]:
    """Predict each row by the readout of its fold."""
    out = np.zeros((x.shape[0], readouts.coef.shape[2]))
    for fold in np.unique(folds):
        rows = folds == fold
        z = (x[rows] - readouts.mean[fold]) / readouts.scale[fold]
        out[rows] = z @ readouts.coef[fold] + readouts.intercept[fold]
    return out


def _chosen_penalties(
    moments: Moments, penalties: Float[ndarray, " penalties"]
) -> Float[ndarray, " folds"]:
    n_folds = len(moments.weight)
    if len(penalties) == 1 or n_folds < 3:
        return np.full(n_folds, penalties[len(penalties) // 2])
    errors = np.zeros((n_folds, len(penalties)))
    for a in range(n_folds):
        for b in range(a + 1, n_folds):
            train = training_set(moments, np.array([a, b]))
            values, vectors = np.linalg.eigh(train.gram)
            turned = vectors.T @ train.cross
            for k, penalty in enumerate(penalties):
                shrunk = np.maximum(values, 0.0) + penalty * train.weight
                coef = vectors @ (turned / shrunk[:, None])
                errors[a, k] += _held_out_error(moments, b, train, coef)
                errors[b, k] += _held_out_error(moments, a, train, coef)
    return np.asarray(penalties[np.argmin(errors, axis=1)])


def _held_out_error(
    moments: Moments, fold: int, train: Training, coef: Float[ndarray, "units outputs"]
) -> float:
    """Weighted squared error of a readout on a fold, from the fold's moments."""
    n_outputs = coef.shape[1]
    combine = np.concatenate([-coef / train.scale[:, None], np.eye(n_outputs)])
    offset = (train.mean - moments.center) @ combine
    squares = np.einsum(
        "io,ij,jo->", combine, moments.products[fold], combine, optimize=True
    )
    linear = float(offset @ (moments.sums[fold] @ combine))
    weight = float(moments.weight[fold])
    return float(squares) - 2.0 * linear + weight * float(offset @ offset)
