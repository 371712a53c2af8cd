"""Ranks, correlations and residuals along the first axis."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["correlate", "midranks", "orthonormal", "residual"]


def midranks(x: Float[ndarray, "n m"]) -> Float[ndarray, "n m"]:
    """Ranks 1 ... n down each column, ties at their mean rank."""
    n, m = x.shape
    order = np.argsort(x, axis=0, kind="stable")
    ordered = np.take_along_axis(x, order, axis=0)
    new = np.ones((n + 1, m), bool)  # where a run of ties begins
    new[1:-1] = ordered[1:] != ordered[:-1]
    at = np.arange(n)[:, None]
    first = np.maximum.accumulate(np.where(new[:-1], at, 0), axis=0)
    last = np.where(new[1:], at, n - 1)[::-1]
    last = np.minimum.accumulate(last, axis=0)[::-1]
    out = np.empty((n, m))
    np.put_along_axis(out, order, (first + last) / 2 + 1, axis=0)
    return out


def orthonormal(z: Float[ndarray, "n k"]) -> Float[ndarray, "n r"]:
    """Orthonormal basis of the constant and the columns of z, of their rank."""
    centered = z - z.mean(0)
    size = np.linalg.norm(centered, axis=0)
    kept = size > 1e-12 * np.linalg.norm(z, axis=0)
    u, s, _ = np.linalg.svd(centered[:, kept] / size[kept], full_matrices=False)
    u = u[:, s > 1e-10 * s[:1].sum()]
    return np.hstack([np.full((len(z), 1), len(z) ** -0.5), u])


def residual(
    x: Float[ndarray, "n m"], basis: Float[ndarray, "n r"]
) -> Float[ndarray, "n m"]:
    """Return what the basis leaves; exactly 0 where it explains everything."""
    left = x - basis @ (basis.T @ x)
    size = np.linalg.norm(x, axis=0)
    left[:, np.linalg.norm(left, axis=0) <= 1e-10 * size] = 0
    return left


def correlate(
    x: Float[ndarray, "n m"], y: Float[ndarray, "n m"]
) -> Float[ndarray, " m"]:
    """Cosine of centered columns, NaN for a constant column."""
    norm = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    cross = np.einsum("nm,nm->m", x, y)
    return np.clip(
        np.where(norm > 0, cross / np.where(norm > 0, norm, 1), np.nan), -1, 1
    )
