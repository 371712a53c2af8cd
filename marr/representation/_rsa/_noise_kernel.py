"""Noise covariance: residuals, shrinkage, and products whitened by it.

Residuals are what conditions and folds leave of rows; their degrees of freedom are the
number of rows less the rank of that design. The correlation is shrunk towards none
(Schaefer and Strimmer 2005). Where units outnumber rows everything comes from inner
products of rows: no units-by-units array is made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import linalg

__all__ = [
    "FLOOR",
    "NoiseSums",
    "Shrinkage",
    "design_basis",
    "intensity_of",
    "noise_residuals",
    "precision",
    "shrinkage",
    "variance_floor",
    "whitened_gram",
    "whitened_products",
]

FLOOR = 1e-8
"""Least intensity of an estimated shrinkage."""

Rows = Float[ndarray, "rows features"]
Codes = Int[ndarray, " rows"]


def design_basis(
    conditions: Codes, folds: Codes, *, by_cell: bool
) -> Float[ndarray, "rows rank"]:
    """Orthonormal basis of the effects of conditions and folds.

    `by_cell` spans the mean of each condition in each fold; otherwise the effects of
    conditions and of folds are added up.
    """
    if by_cell:
        pairs = np.unique(np.stack([folds, conditions]), axis=1, return_inverse=True)
        cells = pairs[1].reshape(-1)
        hits = cells[:, None] == np.arange(int(cells.max(initial=-1)) + 1)
        return np.asarray(hits / np.sqrt(np.maximum(hits.sum(axis=0), 1)))
    columns = [v[:, None] == np.unique(v) for v in (conditions, folds)]
    design = np.concatenate(columns, axis=1).astype(float)
    values, vectors = np.linalg.eigh(design.T @ design)
    good = values > 1e-9 * values.max(initial=0.0)
    return np.asarray(design @ (vectors[:, good] / np.sqrt(values[good])))


def noise_residuals(
    x: Rows, conditions: Codes, folds: Codes, *, by_cell: bool
) -> tuple[Rows, int]:
    """Return what conditions and folds leave of rows, and the degrees of freedom.

    Rows without a condition are left out; `by_cell` as in `design_basis`.
    """
    kept = conditions >= 0
    x, basis = x[kept], design_basis(conditions[kept], folds[kept], by_cell=by_cell)
    return x - basis @ (basis.T @ x), len(x) - basis.shape[1]


class Shrinkage(NamedTuple):
    """Noise: standardized residuals, their scale, and the shrinkage intensity."""

    residuals: Float[ndarray, "rows units"]  # divided by `scale`
    scale: Float[ndarray, " units"]
    intensity: float
    dof: int


class NoiseSums(NamedTuple):
    """Sums over pairs of different units, of standardized residuals z."""

    squared: float  # (sum over rows of z_i z_j) squared
    fourth: float  # sum over rows of (z_i z_j) squared


def intensity_of(sums: NoiseSums, n_rows: int, dof: int) -> float:
    """Share of the correlation that is shrunk away, between 0 and 1.

    The sum of the variances of the correlations over the sum of their squares;
    var(r_ij) = n / dof^3 * sum_k (w_kij - mean w_ij)^2, with w = z_i z_j, r = sum / dof.
    """
    if sums.squared <= 0:
        return 1.0
    spread = n_rows / dof**3 * (sums.fourth - sums.squared / n_rows)
    return float(np.clip(spread * dof**2 / sums.squared, FLOOR, 1.0))


def variance_floor(
    power: Float[ndarray, " features"], n_rows: int
) -> Float[ndarray, " features"]:
    """Least noise variance of each unit: a millionth of its mean square."""
    return np.asarray(np.where(power > 0, 1e-6 * power / n_rows, 1.0))


def shrinkage(
    residuals: Float[ndarray, "rows units"],
    dof: int,
    *,
    floor: Float[ndarray, " units"] | None = None,
    intensity: float | None = None,
) -> Shrinkage:
    """Shrink the noise correlation towards none (Schaefer and Strimmer 2005).

    Parameters
    ----------
    residuals : array of shape (n_rows, n_units)
        What a design leaves of rows.
    dof : int
        Rows less the rank of the design.
    floor : array of shape (n_units,), optional
        Least variance; a millionth of the median by default.
    intensity : float, optional
        0 for the plain covariance, 1 for its diagonal; estimated by default.
    """
    n, p = residuals.shape
    variance = (residuals**2).sum(axis=0) / dof
    least = 1e-6 * np.median(variance) if floor is None else floor
    scale = np.sqrt(np.maximum(variance, least))
    z = residuals / scale
    if intensity is not None:
        return Shrinkage(z, scale, float(intensity), dof)
    squares = z**2
    if p <= n:
        r = z.T @ z
        fourth = squares.T @ squares
        sums = NoiseSums(
            (r**2).sum() - (np.diag(r) ** 2).sum(), fourth.sum() - np.trace(fourth)
        )
    else:
        gram = z @ z.T
        sums = NoiseSums(
            (gram**2).sum() - (squares.sum(axis=0) ** 2).sum(),
            (squares.sum(axis=1) ** 2).sum() - (squares**2).sum(),
        )
    return Shrinkage(z, scale, intensity_of(sums, n, dof), dof)


def precision(noise: Shrinkage) -> Float[ndarray, "units units"]:
    """Return the inverse of the shrunk noise covariance.

    Raises
    ------
    LinAlgError
        If it is not positive definite: without shrinkage, fewer rows than units.
    """
    p = noise.residuals.shape[1]
    weight = (1.0 - noise.intensity) / noise.dof
    covariance = weight * (noise.residuals.T @ noise.residuals)
    covariance[np.diag_indices(p)] += noise.intensity
    inverse = np.linalg.inv(np.linalg.cholesky(covariance)) / noise.scale
    return np.asarray(inverse.T @ inverse)


def whitened_products(
    a: Float[ndarray, "rows_a units"],
    b: Float[ndarray, "rows_b units"],
    noise: Shrinkage,
) -> Float[ndarray, "rows_a rows_b"]:
    """Return a W b', W the inverse of the shrunk noise covariance.

    By Woodbury's identity, for more units than rows: no units-by-units array is made.
    """
    z = noise.residuals
    a, b = a / noise.scale, b / noise.scale
    return whitened_gram(a @ b.T, a @ z.T, b @ z.T, z @ z.T, noise.intensity, noise.dof)


def whitened_gram(
    ab: Float[ndarray, "rows_a rows_b"],
    az: Float[ndarray, "rows_a rows"],
    bz: Float[ndarray, "rows_b rows"],
    zz: Float[ndarray, "rows rows"],
    intensity: float,
    dof: int,
) -> Float[ndarray, "rows_a rows_b"]:
    """Return a W b' from inner products of scaled rows a, b and residuals z."""
    weight = (1.0 - intensity) / (dof * intensity)
    inner = weight * zz
    inner[np.diag_indices(len(inner))] += 1.0
    factor = linalg.cho_factor(inner, lower=True, overwrite_a=True)
    solved = linalg.cho_solve(factor, az.T)
    return np.asarray((ab - weight * (solved.T @ bz.T)) / intensity)
