"""How well the rows of one system predict the units of another, held out.

Ridge regression per fold from one singular value decomposition; each target chooses its
penalty by generalized cross-validation (Golub, Heath and Wahba 1979) inside the training
rows, so shuffles, which are further targets, cost one matrix product and choose theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["FoldFit", "fold_fits", "held_out_scores"]

PENALTIES = np.logspace(-4, 4, 17)
"""Penalties, relative to the mean squared singular value."""


class FoldFit(NamedTuple):
    """Decomposition of the training rows of a fold.

    Attributes
    ----------
    test : bool array of shape (n_rows,)
        Held-out rows.
    u, s : arrays of shape (n_train, r) and (r,)
        Left singular vectors and singular values of centered training rows.
    projected : array of shape (n_test, r)
        Held-out rows, less the training mean, on the right singular vectors.
    """

    test: ndarray
    u: ndarray
    s: ndarray
    projected: ndarray


def fold_fits(
    x: Float[ndarray, "rows units"], fold: Int[ndarray, " rows"]
) -> list[FoldFit]:
    """Decompose the training rows of every fold."""
    fits = []
    for f in np.unique(fold):
        test = fold == f
        mean = x[~test].mean(axis=0)
        u, s, vt = np.linalg.svd(x[~test] - mean, full_matrices=False)
        kept = s > 1e-7 * max(float(s[0]), 1e-300)
        fits.append(FoldFit(test, u[:, kept], s[kept], (x[test] - mean) @ vt[kept].T))
    return fits


def held_out_scores(
    fits: list[FoldFit], y: Float[ndarray, "rows targets"], score: str
) -> Float[ndarray, " targets"]:
    """Score held-out predictions of each target.

    "pearson" is the correlation inside each fold, averaged over folds (0 in a fold where
    target or prediction is constant); "r2" is 1 minus the squared error over that of the
    training mean, pooled over folds.
    """
    total = np.zeros(y.shape[1])
    error = np.zeros((2, y.shape[1]))
    for fit in fits:
        mean = y[~fit.test].mean(axis=0)
        left = y[~fit.test] - mean
        predicted = _predict(fit, left)
        wanted = y[fit.test] - mean
        if score == "pearson":
            total += _correlation(predicted, wanted)
        else:
            error += [((wanted - predicted) ** 2).sum(axis=0), (wanted**2).sum(axis=0)]
    if score == "pearson":
        return total / len(fits)
    return 1.0 - error[0] / np.where(error[1] > 0, error[1], np.inf)


def _predict(fit: FoldFit, left: ndarray) -> ndarray:
    """Predict from ridge weights with the penalty of least generalized error."""
    power = fit.s**2
    penalties = PENALTIES * (power.mean() if power.size else 1.0)
    shrink = power / (power + penalties[:, None])  # (penalties, r)
    g = fit.u.T @ left
    total = (left**2).sum(axis=0)
    rest = np.maximum(total - (2 * shrink - shrink**2) @ g**2, 0.0)
    freedom = np.maximum(len(left) - 1 - shrink.sum(axis=1), 1e-9)
    best = (rest / freedom[:, None] ** 2).argmin(axis=0)
    weights = fit.s[:, None] / (power[:, None] + penalties[best]) * g
    return fit.projected @ weights


def _correlation(x: ndarray, y: ndarray) -> ndarray:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    size = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.where(size > 1e-12, (x * y).sum(axis=0) / np.maximum(size, 1e-12), 0.0)
