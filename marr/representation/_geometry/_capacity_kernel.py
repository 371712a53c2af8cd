"""Capacity of manifolds: how many can be told apart by a hyperplane, per dimension.

A manifold is a set of points with one label. A dichotomy gives each manifold a sign. In a
random projection to n dimensions the two sides can be separated (by a hyperplane with an
offset) unless the null space of the projection meets the cone of differences between the
sides. The expected smallest n is the statistical dimension of this cone plus one half
(Amelunxen et al. 2014), so that

    capacity = P / (mean over dichotomies of the smallest n + 1/2),

which is exactly 2 for points in general position, at any number of them (Cover 1965). With
all points of all manifolds in one cone, correlations between manifolds count (Wakhloo et
al. 2023). With one cone a manifold, seen from the mean of all, it is the mean-field
capacity of independent manifolds (Chung et al. 2018).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import nnls

__all__ = [
    "Independent",
    "independent",
    "joint_dimensions",
    "random_signs",
    "smallest_separating",
]

Points = Float[ndarray, "points r"]
Labels = Int[ndarray, " points"]
HEAVY = 1e3
"""Weight that keeps the two sides of a cone of differences in balance."""


class Independent(NamedTuple):
    """Mean-field numbers of each manifold."""

    dimensions: Float[ndarray, "draws manifolds"]  # squared length of the projection
    radius: Float[ndarray, " manifolds"]
    dimension: Float[ndarray, " manifolds"]


def random_signs(
    n_draws: int, n_manifolds: int, rng: np.random.Generator
) -> Float[ndarray, "draws manifolds"]:
    """Draw labels of manifolds: every dichotomy is as likely, constant ones too."""
    return rng.integers(0, 2, size=(n_draws, n_manifolds)) * 2.0 - 1.0


def joint_dimensions(
    points: Points,
    labels: Labels,
    signs: Float[ndarray, "draws manifolds"],
    directions: Float[ndarray, "draws r"],
) -> Float[ndarray, " draws"]:
    """Smallest dimension of each dichotomy, as seen from one random direction.

    The squared length of a Gaussian direction projected onto the cone of differences;
    its mean over directions is the cone's statistical dimension. Constant dichotomies
    need no dimension.
    """
    scale = np.sqrt((points**2).sum(axis=1).mean())
    points = points / scale
    out = np.zeros(len(signs))
    for i, (sign, direction) in enumerate(zip(signs, directions, strict=True)):
        side = sign[labels]
        if (side == side[0]).all():
            continue
        cone = np.concatenate([(points * side[:, None]).T, HEAVY * side[None]])
        weight, _ = nnls(cone, np.append(direction, 0.0))
        out[i] = ((cone[:-1] @ weight) ** 2).sum() + 0.5
    return out


def independent(
    points: Points,
    labels: Labels,
    directions: Float[ndarray, "draws r"],
) -> Independent:
    """Statistical dimension, radius and dimension of each manifold on its own.

    Radius and dimension are those of the anchor points: the point of the manifold (or a
    mean of several) that bears a projection; the radius relative to the distance of the
    manifold's center from the origin, the dimension as the squared length of the
    direction along the anchor's deviation from the center (Chung et al. 2018).
    """
    n = int(labels.max()) + 1
    sizes = np.zeros((len(directions), n))
    radius, dimension = np.zeros(n), np.zeros(n)
    for k in range(n):
        own = points[labels == k]
        center = own.mean(axis=0)
        far, along = [], []
        for i, direction in enumerate(directions):
            weight, _ = nnls(own.T, direction)
            if not weight.any():
                continue
            projected = weight @ own
            sizes[i, k] = (projected**2).sum()
            off = projected / weight.sum() - center
            length = (off**2).sum()
            far.append(length)
            along.append((direction @ off) ** 2 / length if length > 0 else 0.0)
        radius[k] = np.sqrt(np.mean(far) / (center**2).sum()) if far else np.nan
        dimension[k] = np.mean(along) if along else np.nan
    return Independent(sizes, radius, dimension)


def smallest_separating(
    points: Points,
    labels: Labels,
    signs: Float[ndarray, "draws manifolds"],
    rng: np.random.Generator,
) -> Float[ndarray, " draws"]:
    """Smallest number of random dimensions in which each dichotomy is separable.

    By bisection along nested random projections. One more than the dimensions of the
    points where all of them do not separate.
    """
    scale = np.sqrt((points**2).sum(axis=1).mean())
    out = np.zeros(len(signs))
    for i, sign in enumerate(signs):
        side = sign[labels]
        if (side == side[0]).all():
            continue
        turn = np.linalg.qr(rng.normal(size=(points.shape[1], points.shape[1])))[0]
        seen = points @ turn / scale
        low, high = 0, points.shape[1] + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (low, middle) if _separable(seen[:, :middle], side) else (middle, high)
            )
        out[i] = high
    return out


def _separable(points: Points, side: Float[ndarray, " points"]) -> bool:
    """Tell whether the hulls of two sides are apart.

    They meet where some weights of the points balance the sides and sum to zero.
    """
    table = np.concatenate(
        [(points * side[:, None]).T, side[None], np.ones((1, len(side)))]
    )
    goal = np.zeros(len(table))
    goal[-1] = 1.0
    _, residual = nnls(table, goal)
    return bool(residual > 1e-6)
