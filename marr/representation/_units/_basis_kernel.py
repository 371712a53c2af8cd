"""Smooth bases for a variable: raised cosines and cubic splines, around a circle too."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import BSpline

__all__ = ["BASES", "cosine_basis", "spline_basis"]


def cosine_basis(
    values: Float[ndarray, " rows"],
    n_basis: int,
    reach: tuple[float, float],
    *,
    circular: bool,
) -> Float[ndarray, "rows bumps"]:
    """Return raised cosines, evenly spaced, each four spacings wide; they sum to 2."""
    if circular:
        spacing = 2 * np.pi / n_basis
        centers = spacing * np.arange(n_basis)
        away = (values[:, None] - centers + np.pi) % (2 * np.pi) - np.pi
    else:
        spacing = (reach[1] - reach[0]) / (n_basis - 3)
        centers = reach[0] + spacing * (np.arange(n_basis) - 1)
        away = np.clip(values, *reach)[:, None] - centers
    bump = 0.5 * (1 + np.cos(np.pi * away / (2 * spacing)))
    return np.where(np.abs(away) < 2 * spacing, bump, 0.0)


def spline_basis(
    values: Float[ndarray, " rows"],
    n_basis: int,
    reach: tuple[float, float],
    *,
    circular: bool,
) -> Float[ndarray, "rows splines"]:
    """Return cubic B-splines on even knots; they sum to 1."""
    if circular:
        spacing = 2 * np.pi / n_basis
        knots = spacing * np.arange(-3, n_basis + 4)
        at = values % (2 * np.pi)
    else:
        spacing = (reach[1] - reach[0]) / (n_basis - 3)
        knots = reach[0] + spacing * np.arange(-3, n_basis + 1)
        at = np.clip(values, *reach)
    # a value on the last knot belongs to the last piece
    at = np.minimum(at, np.nextafter(knots[-4], -np.inf))
    made = BSpline.design_matrix(at, knots, 3).toarray()
    if not circular:
        return made
    wrapped = made[:, :n_basis].copy()
    wrapped[:, :3] += made[:, n_basis:]
    return wrapped


BASES = {"cosine": cosine_basis, "spline": spline_basis}
"""Bases of smooth tuning models, by name."""
