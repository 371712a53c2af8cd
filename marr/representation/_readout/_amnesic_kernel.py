"""Subspaces in which a variable lies, and activity without them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["random_subspaces", "variable_subspace", "without_subspace"]


def variable_subspace(
    x: Float[ndarray, "rows units"], z: Float[ndarray, "rows columns"]
) -> Float[ndarray, "units rank"]:
    """Return an orthonormal basis of all directions that covary with the columns.

    Activity without it has zero covariance with every column, so no linear probe does
    better than a constant on these rows (mean projection).

    Parameters
    ----------
    x : array of shape (n_rows, n_units)
        Activity.
    z : array of shape (n_rows, n_columns)
        The variable as columns: one-hot classes, the number, or cosine and sine.
    """
    product = (x - x.mean(axis=0)).T @ (z - z.mean(axis=0))
    basis, size, _ = np.linalg.svd(product, full_matrices=False)
    return np.asarray(basis[:, size > 1e-9 * max(float(size[0]), 1e-300)])


def without_subspace(
    x: Float[ndarray, "rows units"],
    basis: Float[ndarray, "units rank"],
    mean: Float[ndarray, " units"],
) -> Float[ndarray, "rows units"]:
    """Return activity whose part along the basis is that of the mean."""
    return np.asarray(x - ((x - mean) @ basis) @ basis.T)


def random_subspaces(
    x: Float[ndarray, "rows units"], rank: int, n: int, *, seed: int
) -> Float[ndarray, "n units rank"]:
    """Return bases of random directions, drawn as the activity itself varies.

    Directions are random mixtures of centered rows, so they hold as much of the activity
    as a random direction of the same covariance does.
    """
    rng = np.random.default_rng([seed, 41])
    centered = x - x.mean(axis=0)
    drawn = rng.normal(size=(n, rank, len(x))) @ centered
    return np.stack([np.linalg.qr(d.T)[0] for d in drawn])
