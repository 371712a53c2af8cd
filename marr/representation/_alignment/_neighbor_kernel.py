"""Measures of neighborhoods: who is near whom in both systems."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from marr.representation._alignment._gram_kernel import (
    neighbors,
    permuted,
    squared_distances,
)

__all__ = ["cknna", "local_kernel", "neighbor_matrix"]

Square = Float[ndarray, "rows rows"]
Near = Bool[ndarray, "rows rows"]


def neighbor_matrix(k: Square, n_neighbors: int) -> Square:
    """Neighbors as a matrix whose product with another is the shared fraction."""
    near = neighbors(squared_distances(k), n_neighbors)
    return near / np.sqrt(len(k) * n_neighbors)


def local_kernel(k: Square, n_neighbors: int) -> tuple[ndarray, ndarray, float]:
    """Kernel, the k rows with the largest products with each row, and its own HSIC."""
    largest = k.max() - k
    near = neighbors(largest, n_neighbors)
    return k, near, _hsic(k * near, k * near)


def cknna(
    k: Square,
    near_k: Near,
    own_k: float,
    other: Square,
    near_other: Near,
    own_other: float,
    order: Int[ndarray, " rows"] | None,
) -> float:
    """Centered kernel nearest-neighbor alignment (Huh et al. 2024), unbiased HSIC."""
    if order is not None:
        other, near_other = permuted(other, order), permuted(near_other, order)
    both = near_k & near_other
    size = max(own_k, 0.0) * max(own_other, 0.0)
    return _hsic(k * both, other * both) / np.sqrt(size) if size > 0 else np.nan


def _hsic(a: Square, b: Square) -> float:
    """Unbiased HSIC up to a factor, of matrices with an empty diagonal."""
    n = len(a)
    cross = float((a * b.T).sum())
    total = float(a.sum() * b.sum()) / ((n - 1) * (n - 2))
    return cross + total - 2 * float(a.sum(axis=0) @ b.sum(axis=1)) / (n - 2)
