"""Refitting ridge readouts without some units, in closed form.

In the training set of a fold let ``P = (Z'WZ + penalty * sum(w) * I)^-1`` and
``b = P Z'WY`` (activity Z standardized, weights W, targets centered). The readout fitted
anew without the subspace spanned by the columns of V predicts, for a row z::

    z b - (z P V) (V' P V)^-1 (V' b)

so all removals of a fold share one inverse. A single unit j is V = e_j, for which this is
``z b - (z P)_j b_j / P_jj``, the leave-one-out formula of regression turned from
observations to variables (Cook & Weisberg 1982).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from marr.measures._readout_kernel import Moments, Readouts, training_set

__all__ = ["remove_subspaces", "remove_units"]

_CHUNK = 1 << 22  # numbers of the largest temporary array, about 32 MB

ScoreRows = Callable[[ndarray, ndarray], ndarray]
"""From predictions (sets, rows, outputs) and row numbers to scores (sets, rows)."""


def remove_units(
    x: Float[ndarray, "rows units"],
    folds: Int[ndarray, " rows"],
    moments: Moments,
    readouts: Readouts,
    score: ScoreRows,
) -> Float[ndarray, "units rows"]:
    """Score each row after refitting without each unit in turn.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_units)
        Activity.
    folds : ndarray of int of shape (n_rows,)
        Fold of each row; its readout did not see it.
    moments : Moments
        Of `x` and the targets, as the readouts were fitted.
    readouts : Readouts
        Fitted on all units; their penalties are kept.
    score : callable
        Scores predictions.

    Returns
    -------
    ndarray of shape (n_units, n_rows)
    """
    n_units, n_outputs = readouts.coef.shape[1:]
    out = np.empty((n_units, x.shape[0]))
    for rows, z, inverse, fold in _folds(x, folds, moments, readouts):
        full = z @ readouts.coef[fold] + readouts.intercept[fold]
        reach = z @ inverse
        drop = readouts.coef[fold] / np.diag(inverse)[:, None]
        chunk = max(1, _CHUNK // max(len(rows) * n_outputs, 1))
        for start in range(0, n_units, chunk):
            part = slice(start, start + chunk)
            change = reach.T[part, :, None] * drop[part, None, :]
            out[part, rows] = score(full[None] - change, rows)
    return out


def remove_subspaces(
    x: Float[ndarray, "rows units"],
    folds: Int[ndarray, " rows"],
    moments: Moments,
    readouts: Readouts,
    bases: Sequence[Float[ndarray, "units _"]],
    score: ScoreRows,
) -> Float[ndarray, "sets rows"]:
    """Score each row after refitting without each subspace of standardized activity.

    Parameters
    ----------
    x, folds, moments, readouts, score
        As in `remove_units`.
    bases : sequence of ndarray of shape (n_units, k)
        Linearly independent columns; unit vectors to remove a set of units.

    Returns
    -------
    ndarray of shape (n_sets, n_rows)
    """
    out = np.empty((len(bases), x.shape[0]))
    for rows, z, inverse, fold in _folds(x, folds, moments, readouts):
        full = z @ readouts.coef[fold] + readouts.intercept[fold]
        for i, basis in enumerate(bases):
            spread = inverse @ basis
            drop = np.linalg.solve(basis.T @ spread, basis.T @ readouts.coef[fold])
            out[i, rows] = score((full - (z @ spread) @ drop)[None], rows)[0]
    return out


def _folds(
    x: Float[ndarray, "rows units"],
    folds: Int[ndarray, " rows"],
    moments: Moments,
    readouts: Readouts,
) -> Iterator[tuple[ndarray, ndarray, ndarray, int]]:
    """Rows of each fold, standardized, with the inverse of its training set."""
    for fold in np.unique(folds).tolist():
        rows = np.flatnonzero(folds == fold)
        train = training_set(moments, np.array([fold]))
        ridge = train.gram + readouts.penalty[fold] * train.weight * np.eye(x.shape[1])
        z = (x[rows] - readouts.mean[fold]) / readouts.scale[fold]
        yield rows, z, np.linalg.inv(ridge), fold
