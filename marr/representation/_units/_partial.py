"""What a variable explains beyond others, in the data and after shuffles of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.representation._units._glm_kernel import (
    partial_statistics,
    residual_maker,
    score_statistics,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._units._data import UnitRows

    FloatArray = npt.NDArray[np.float64]

__all__ = ["partial_draws", "residual_basis", "with_one"]


def with_one(x: FloatArray) -> FloatArray:
    """Return a design with a first column of ones."""
    return np.column_stack([np.ones(len(x)), x])


def residual_basis(rows: UnitRows, basis: FloatArray, others: FloatArray) -> FloatArray:
    """Regress other regressors out of a basis, and bring it back by trial (and bin).

    Parameters
    ----------
    rows : UnitRows
        Rows of the analysis.
    basis : array of shape (n_trials, [n_times,] n_columns)
        Regressors of the variable; what is in no row keeps its deviation from the mean.
    others : array of shape (n_rows, n_others)
        Regressors that are taken out.
    """
    q = residual_maker(with_one(others))
    at = rows.pick(basis)
    left = at - q @ (q.T @ at)
    out = basis - at.mean(axis=0)
    if rows.bins is None or basis.ndim == 2:
        out[rows.trial] = left
    else:
        out[rows.trial, rows.bins] = left
    return np.asarray(out)


def partial_draws(
    rows: UnitRows,
    basis: FloatArray,
    others: FloatArray,
    indices: npt.NDArray[np.intp],
    rate: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the partial statistic of each unit for the data and for shuffles.

    Parameters
    ----------
    rows : UnitRows
        Activity.
    basis : array of shape (n_trials, [n_times,] n_columns)
        Regressors of the variable, others already regressed out (`residual_basis`).
    others : array of shape (n_rows, n_others)
        Regressors that are held constant.
    indices : int array of shape (n_draws, n_trials)
        Trial whose basis each trial receives.
    rate : array of shape (n_rows, n_units), optional
        Of a Poisson model of the others: the statistic is then its score test; by
        default the share of squares.

    Returns
    -------
    observed of shape (n_units,) and draws of shape (n_draws, n_units)
    """
    z = with_one(others)
    flat = rows.constant
    if rate is not None:
        residual = rows.x - rate

        def statistic(made: FloatArray) -> FloatArray:
            found = score_statistics(rows.pick(made), z, residual, rate)
            return np.where(flat, 0.0, found)

    else:
        q = residual_maker(z)
        residual = rows.x - q @ (q.T @ rows.x)
        scale = np.maximum((residual**2).sum(axis=0), 1e-300)

        def statistic(made: FloatArray) -> FloatArray:
            found, _ = partial_statistics(rows.pick(made), q, residual, scale)
            return np.where(flat, 0.0, found)

    drawn = [statistic(basis[index]) for index in indices]
    return statistic(basis), np.array(drawn).reshape(len(indices), rows.x.shape[1])
