"""Which rows the noise of each fold comes from, and whether there is any."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marr.errors import StatisticsError
from marr.representation._rsa._noise_kernel import design_basis

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["NoiseRows", "check_noise", "check_rank", "noise_rows"]

NOISE_FREE = 1e-20
"""Share of the variance below which residuals are rounding."""


class NoiseRows(NamedTuple):
    """Rows whose residuals are noise for others.

    Attributes
    ----------
    rows : int array
        Positions of the rows that the noise comes from.
    basis : array of shape (n_rows, rank)
        Orthonormal basis of the effects taken out of them.
    dof : int
        Degrees of freedom left.
    whitened : int array
        Positions of the rows that are whitened by it.
    """

    rows: npt.NDArray[np.intp]
    basis: npt.NDArray[np.float64]
    dof: int
    whitened: npt.NDArray[np.intp]


def noise_rows(
    codes: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    where: str,
    *,
    cross: bool,
) -> list[NoiseRows]:
    """Return where the noise of each fold comes from.

    For cross-validated distances each fold is whitened by the noise of the others (with
    two folds by what varies within conditions of both): whitening both folds of a pair
    by noise of their own rows would push the distances up. Otherwise all rows are
    whitened by the noise of all.

    Raises
    ------
    StatisticsError
        If fewer than two degrees of freedom are left.
    """
    folds = np.unique(fold)
    if not cross:
        jobs = [(codes >= 0, np.arange(len(fold)), False)]
    else:
        pair = len(folds) == 2
        jobs = [
            ((codes >= 0) & (pair | (fold != k)), np.flatnonzero(fold == k), pair)
            for k in folds
        ]
    found = []
    for use, whitened, by_cell in jobs:
        rows = np.flatnonzero(use)
        basis = design_basis(codes[rows], fold[rows], by_cell=by_cell)
        dof = len(rows) - basis.shape[1]
        if dof < 2:
            raise _no_noise(where)
        found.append(NoiseRows(rows, basis, dof, whitened))
    return found


def check_noise(
    squares: npt.NDArray[np.float64],
    power: npt.NDArray[np.float64],
    where: str,
) -> None:
    """Refuse residuals that are rounding.

    Parameters
    ----------
    squares, power : array of shape (n_units,)
        Sums of squares of residuals, and of what they were taken out of.
    where : str
        What is analyzed, in words.
    """
    if np.mean(squares <= NOISE_FREE * power) >= 0.5:
        raise _no_noise(where)


def _no_noise(where: str) -> StatisticsError:
    msg = (
        f"{where} shows no noise within conditions, in folds apart from those compared, "
        "to estimate a covariance from (too few repeats, or identical ones). Use "
        "distance='euclidean' or 'correlation', noise='identity', or more repeats."
    )
    return StatisticsError(msg)


def check_rank(n_units: int, jobs: Sequence[NoiseRows], where: str) -> None:
    """Refuse a covariance without shrinkage that has no inverse."""
    least = min(job.dof for job in jobs)
    if least < n_units:
        msg = (
            f"shrinkage=0 needs more degrees of freedom of the noise than units; "
            f"{where} has {n_units} units and {least} degrees of freedom, "
            "so the covariance has no inverse. Leave shrinkage='auto', or use "
            "noise='diagonal'."
        )
        raise StatisticsError(msg)
