"""Subspaces that code for something, and how much two of them overlap."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

__all__ = [
    "angles",
    "overlap",
    "random_overlaps",
    "reliable_components",
    "subspaces",
]


def subspaces(
    x: Float[ndarray, "rows units"],
    design: Float[ndarray, "rows columns"],
    profile: Float[ndarray, "profiles columns"],
    weights: Float[ndarray, "sets rows"],
    n_dimensions: int,
) -> Float[ndarray, "sets units d"]:
    """Leading directions of what a design codes, fitted to each set of rows.

    Parameters
    ----------
    x : array
        Activity.
    design : array
        Columns whose effects are fitted jointly by least squares.
    profile : array
        Combinations of the effects whose principal directions are the subspace:
        centered condition means, or what one of several variables adds.
    weights : array
        Rows of each set: 1, or 0 for those left out.
    n_dimensions : int
        Directions kept.
    """
    effects = profile @ _effects(x, design, weights)
    return np.linalg.svd(effects, full_matrices=False)[2][:, :n_dimensions].mT


def _effects(
    x: Float[ndarray, "rows units"],
    design: Float[ndarray, "rows columns"],
    weights: Float[ndarray, "sets rows"],
) -> Float[ndarray, "sets columns units"]:
    weighted = design.T[None] * weights[:, None]
    normal = weighted @ design
    scale = np.trace(normal, axis1=1, axis2=2)[:, None, None] / design.shape[1]
    ridge = 1e-10 * scale * np.eye(design.shape[1])
    return np.linalg.solve(normal + ridge, weighted @ x)


def overlap(
    a: Float[ndarray, "sets units d"], b: Float[ndarray, "sets units e"]
) -> Float[ndarray, " sets"]:
    """Mean squared cosine of the principal angles: 1 same, 0 orthogonal."""
    inner = a.mT @ b
    return (inner**2).sum(axis=(1, 2)) / min(inner.shape[1:])


def angles(
    a: Float[ndarray, "sets units d"], b: Float[ndarray, "sets units e"]
) -> Float[ndarray, "sets least"]:
    """Principal angles in degrees, smallest first (Bjorck and Golub 1973)."""
    cosine = np.linalg.svd(a.mT @ b, compute_uv=False)
    return np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))


def reliable_components(
    x: Float[ndarray, "rows units"],
    design: Float[ndarray, "rows columns"],
    profile: Float[ndarray, "profiles columns"],
    halves: Bool[ndarray, "sets rows"],
    use: Float[ndarray, " rows"],
    share: float,
) -> int:
    """Directions that hold a share of the variance that two halves have in common.

    Directions come from one half; their variance is the product of what the halves have
    along them, so that noise adds nothing (Stringer et al. 2019).
    """
    total, size = np.zeros(1), np.zeros(1)
    for first in (halves, ~halves):
        one = profile @ _effects(x, design, first * use)
        two = profile @ _effects(x, design, ~first * use)
        way = np.linalg.svd(one, full_matrices=False)[2].mT
        total = total + ((one @ way) * (two @ way)).sum(axis=1).mean(axis=0)
        size = size + ((one @ way) ** 2).sum(axis=1).mean(axis=0)
    variance = np.where(total > 1e-9 * size.sum(), total, 0.0)
    if not variance.any():
        return 1
    reached = np.cumsum(variance) / variance.sum()
    return int(np.searchsorted(reached, share) + 1)


def random_overlaps(
    x: Float[ndarray, "rows units"],
    y: Float[ndarray, "rows units"],
    dimensions: tuple[int, int],
    n_draws: int,
    rng: np.random.Generator,
) -> Float[ndarray, " draws"]:
    """Overlaps of random subspaces that follow the covariance of the activity.

    Each is spanned by random combinations of the rows, so that directions of large
    variance are as likely as they are in the data (Elsayed et al. 2016).
    """
    found = np.zeros(n_draws)
    for i in range(n_draws):
        a, b = (
            np.linalg.qr((rng.normal(size=(d, len(rows))) @ rows).T)[0]
            for rows, d in ((x, dimensions[0]), (y, dimensions[1]))
        )
        found[i] = ((a.T @ b) ** 2).sum() / min(dimensions)
    return found
