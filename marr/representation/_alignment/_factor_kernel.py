"""Coordinates of rows in which an alignment is one singular value problem.

A system of n rows is brought to n x r coordinates once (r at most n). What measures allow
to differ (rotation, partial or full whitening) is done there; the best alignment of two
systems is then the nuclear norm of the r x r' product of their coordinates.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

__all__ = [
    "angle",
    "canonical",
    "economy",
    "economy_of_gram",
    "held_out_cosine",
    "matched_units",
    "nuclear",
    "nuclear_norm",
    "partial_whitening",
    "projection_weighted",
    "variance_components",
]

TOLERANCE = 1e-13
"""Share of the largest eigenvalue below which a direction counts as none."""

ROUNDING = 1e-13
"""Distance of a cosine from 1 that is not told from 0."""

Coordinates = Float[ndarray, "rows dims"]


def angle(cosine: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Angle of a cosine, in radians; 0 within rounding of 1 (below 5e-7)."""
    return np.asarray(
        np.where(1.0 - cosine < ROUNDING, 0.0, np.arccos(np.clip(cosine, -1.0, 1.0)))
    )


def economy_of_gram(
    k: Float[ndarray, "rows rows"],
) -> Float[ndarray, "rows dims"]:
    """Coordinates with the given inner products, at most one dimension a row."""
    values, vectors = np.linalg.eigh(k)
    kept = values > TOLERANCE * max(float(values[-1]), 1e-300)
    return vectors[:, kept] * np.sqrt(values[kept])


def economy(x: Float[ndarray, "rows units"]) -> tuple[ndarray, ndarray]:
    """Left singular vectors and singular values of centered rows, without null ones."""
    centered = x - x.mean(axis=0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    kept = s > np.sqrt(TOLERANCE) * max(float(s[0]) if s.size else 0.0, 1e-300)
    return u[:, kept], s[kept]


def canonical(x: Float[ndarray, "rows units"]) -> ndarray:
    """Orthonormal coordinates: what is left when every invertible linear map is free."""
    return economy(x)[0]


def variance_components(x: Float[ndarray, "rows units"], fraction: float) -> ndarray:
    """Orthonormal coordinates of the first components that hold a share of variance."""
    u, s = economy(x)
    share = np.cumsum(s**2) / max(float((s**2).sum()), 1e-300)
    return u[:, : int(np.searchsorted(share, fraction - 1e-12)) + 1]


def partial_whitening(x: Float[ndarray, "rows units"], alpha: float) -> ndarray:
    """Whiten in part: singular values s become alpha s + 1 - alpha, variance kept.

    alpha = 1 leaves rows as they are (up to rotation), alpha = 0 whitens them.
    """
    centered = x - x.mean(axis=0)
    if alpha == 1:
        return centered
    if alpha == 0 or x.shape[1] >= len(x):
        u, s = economy(x)
        changed = alpha * s + (1 - alpha)
        return u * (changed * np.sqrt((s**2).sum() / (changed**2).sum()))
    _, s, vt = np.linalg.svd(np.linalg.qr(centered, mode="r"))
    kept = s > np.sqrt(TOLERANCE) * max(float(s[0]), 1e-300)
    s, vt = s[kept], vt[kept]
    changed = alpha * s + (1 - alpha)
    return centered @ (
        vt.T * (changed / s * np.sqrt((s**2).sum() / (changed**2).sum()))
    )


def nuclear(a: Coordinates, b: Float[ndarray, "rows others"]) -> float:
    """Sum of the singular values of a'b: the largest <a Q, b> over rotations Q."""
    return nuclear_norm(a.T @ b)


def nuclear_norm(c: Float[ndarray, "dims others"]) -> float:
    """Sum of singular values, by eigenvalues where these lose nothing.

    Eigenvalues of cc' cost two thirds; they are used where the error of their roots, at
    most about 1e-15 of the largest over twice a root each, is below 1e-13 of the sum.
    """
    if min(c.shape) >= 24:
        c = c if c.shape[0] <= c.shape[1] else c.T
        values = np.linalg.eigvalsh(c @ c.T)
        if values[0] > 1e-12 * values[-1]:
            roots = np.sqrt(values)
            total = float(roots.sum())
            if float(values[-1] * (0.5e-15 / roots).sum()) < 1e-13 * total:
                return total
    return float(np.linalg.svd(c, compute_uv=False).sum())


def projection_weighted(
    a: Coordinates,
    b: Float[ndarray, "rows others"],
    columns: Float[ndarray, "rows units"],
) -> float:
    """Mean canonical correlation weighted by how much of a each variate accounts for.

    `a` and `b` are orthonormal; weights are the summed absolute products of the
    canonical variates of a with its raw centered columns (Morcos et al. 2018).
    """
    left, correlations, _ = np.linalg.svd(a.T @ b, full_matrices=False)
    weight = np.abs((a @ left).T @ columns).sum(axis=1)
    return float((weight * correlations).sum() / weight.sum())


def matched_units(
    a: Float[ndarray, "rows units"], b: Float[ndarray, "rows others"]
) -> float:
    """Largest sum of products of units matched one to one; spare units go unmatched."""
    products = a.T @ b
    rows, columns = linear_sum_assignment(products, maximize=True)
    return float(products[rows, columns].sum())


def held_out_cosine(
    a: Float[ndarray, "rows units"],
    b: Float[ndarray, "rows others"],
    fold: Int[ndarray, " rows"],
    alpha: float,
) -> float:
    """Mean over folds of the cosine of held-out rows under the rotation of the others.

    Means, whitening and rotation are fitted on the other folds. Directions in which the
    fitted rows have no common variance are not rotated into each other.
    """
    found = []
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        x, x_test = _fitted_whitening(a[train], a[test], alpha)
        y, y_test = _fitted_whitening(b[train], b[test], alpha)
        u, s, vt = np.linalg.svd(x.T @ y, full_matrices=False)
        kept = s > 1e-10 * max(float(s[0]), 1e-300)
        size = np.linalg.norm(x_test) * np.linalg.norm(y_test)
        product = ((x_test @ u[:, kept]) * (y_test @ vt[kept].T)).sum()
        found.append(float(product) / max(float(size), 1e-300))
    return float(np.mean(found))


def _fitted_whitening(
    train: ndarray, test: ndarray, alpha: float
) -> tuple[ndarray, ndarray]:
    """Center and whiten in part by the training rows alone."""
    mean = train.mean(axis=0)
    train, test = train - mean, test - mean
    if alpha == 1:
        return train, test
    _, s, vt = np.linalg.svd(train, full_matrices=False)
    kept = s > np.sqrt(TOLERANCE) * max(float(s[0]), 1e-300)
    whitening = vt[kept].T * (alpha + (1 - alpha) / s[kept])
    return train @ whitening, test @ whitening
