"""Partial least squares in the space of rows: nothing iterates, nothing stops early.

Weights of a component are the features' covariance with the targets along its leading
direction, which is the top eigenvector of ``y' K y`` with the Gram matrix K of the
features (PLS2: all targets share their components). Rosipal and Trejo (2001).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import linalg

__all__ = ["PlsScores", "pls_errors", "pls_predictions", "pls_scores"]

DONE = 1e-20
"""Share of the features' squares below which nothing is left to explain."""


class PlsScores(NamedTuple):
    """Orthonormal scores of training rows, and scores of the others.

    Attributes
    ----------
    train : array of shape (n_train, n_components)
        Scores of the training rows.
    rest : array of shape (n_rest, n_components)
        Scores of the other rows; a prediction is ``rest @ train.T @ (y - mean)``.
    """

    train: Float[ndarray, "train k"]
    rest: Float[ndarray, "rest k"]


def pls_scores(
    gram: Float[ndarray, "n n"],
    train: Bool[ndarray, " n"],
    y_train: Float[ndarray, "train c"],
    n_components: int,
) -> PlsScores:
    """Return the scores of up to `n_components` components, nested.

    Fewer come back where features or targets have no more.
    """
    inside, across = gram[np.ix_(train, train)], gram[np.ix_(~train, train)]
    mean = inside.mean(axis=0)
    across = across - mean - across.mean(axis=1, keepdims=True) + mean.mean()
    inside = inside - mean - mean[:, None] + mean.mean()
    y = _compressed(y_train - y_train.mean(axis=0))
    kernel, size = inside.copy(), np.trace(inside)
    spread = (y**2).sum()
    scores: list[ndarray] = []
    weights: list[ndarray] = []
    for _ in range(min(n_components, len(inside) - 1)):
        if not (y**2).sum() > DONE * spread or not np.trace(kernel) > 1e-13 * size:
            break
        u = y @ _leading(y.T @ kernel @ y)
        t = kernel @ u
        for s in scores:  # deflation leaves rounding errors behind
            t -= s * (s @ t)
        length = np.linalg.norm(t)
        if not length > 0:
            break
        t /= length
        scores.append(t)
        weights.append(u)
        pulled = kernel @ t
        kernel += np.outer(t, t * (t @ pulled) - pulled) - np.outer(pulled, t)
        y = y - np.outer(t, t @ y)
    if not scores:
        return PlsScores(inside[:, :0], across[:, :0])
    t_all, u_all = np.stack(scores, axis=1), np.stack(weights, axis=1)
    turn = np.triu(t_all.T @ inside @ u_all)
    rest = np.linalg.solve(turn.T, (across @ u_all).T).T
    return PlsScores(t_all, np.ascontiguousarray(rest))


def pls_predictions(
    scores: PlsScores,
    y_train: Float[ndarray, "train c"],
    n_components: ndarray,
) -> Float[ndarray, "rest c"]:
    """Predictions minus the training mean; each column uses its first components."""
    loads = scores.train.T @ (y_train - y_train.mean(axis=0))
    used = np.arange(len(loads))[:, None] < n_components
    return np.asarray(scores.rest @ (loads * used))


def pls_errors(
    scores: PlsScores,
    y_train: Float[ndarray, "train c"],
    y_rest: Float[ndarray, "rest c"],
    second: Bool[ndarray, " rest"],
    n_components: int,
) -> Float[ndarray, "2 k_plus c"]:
    """Squared errors with 0 to `n_components` components, in two sets of rows."""
    mean = y_train.mean(axis=0)
    loads = scores.train.T @ (y_train - mean)
    left = y_rest - mean
    out = np.empty((2, n_components + 1, left.shape[1]))
    for k in range(n_components + 1):
        if 0 < k <= len(loads):
            left = left - np.outer(scores.rest[:, k - 1], loads[k - 1])
        squares = left**2
        out[0, k], out[1, k] = squares[~second].sum(axis=0), squares[second].sum(axis=0)
    return out


def _compressed(y: ndarray) -> ndarray:
    """Return at most as many columns as rows with the same ``y y'``."""
    n, c = y.shape
    if c <= n:
        return y.copy()
    values, vectors = np.linalg.eigh(y @ y.T)
    keep = values > 1e-14 * max(values[-1], 1e-300)
    return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))


def _leading(square: ndarray) -> ndarray:
    """Return the top eigenvector of a symmetric matrix, its largest entry positive."""
    last = len(square) - 1
    vector = linalg.eigh(square, subset_by_index=[last, last])[1][:, 0]
    return np.asarray(vector * np.sign(vector[np.abs(vector).argmax()]))
