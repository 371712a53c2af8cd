"""Maps and trees of things whose distances are known."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.cluster.hierarchy import cut_tree, leaves_list, linkage
from scipy.spatial.distance import squareform

__all__ = [
    "clades",
    "classical_scaling",
    "clusters",
    "leaf_order",
    "metric_scaling",
    "silhouette",
    "tree",
]

Square = Float[ndarray, "items items"]


def classical_scaling(d: Square, n_dims: int) -> tuple[ndarray, float]:
    """Positions from double-centered squared distances, and the share that is not Euclidean.

    The share is the sum of the sizes of negative eigenvalues over that of all.
    """
    n = len(d)
    j = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * j @ d**2 @ j)
    values, vectors = values[::-1], vectors[:, ::-1]
    size = float(np.abs(values).sum())
    share = float(-values[values < 0].sum() / size) if size > 0 else 0.0
    x = vectors[:, :n_dims] * np.sqrt(np.maximum(values[:n_dims], 0.0))
    if x.shape[1] < n_dims:
        x = np.column_stack([x, np.zeros((n, n_dims - x.shape[1]))])
    sign = np.sign(x[np.abs(x).argmax(axis=0), np.arange(n_dims)])
    return x * np.where(sign == 0, 1.0, sign), share


def metric_scaling(
    d: Square, start: Float[ndarray, "items dims"], *, n_steps: int = 300
) -> tuple[ndarray, float]:
    """Positions of least stress by majorization from a start (SMACOF; Borg, Groenen 2005).

    Returns positions and stress-1, ``sqrt(sum (d - d')^2 / sum d^2)`` over pairs.
    """
    n, x = len(d), start.copy()
    total = float((d**2).sum()) or 1.0
    last = np.inf
    for _ in range(n_steps):
        apart = np.sqrt(((x[:, None] - x) ** 2).sum(axis=-1))
        stress = float(((d - apart) ** 2).sum()) / total
        if last - stress < 1e-12:
            break
        last = stress
        ratio = np.where(apart > 1e-12, d / np.maximum(apart, 1e-12), 0.0)
        b = -ratio
        b[np.diag_indices(n)] += ratio.sum(axis=1)
        x = b @ x / n
    apart = np.sqrt(((x[:, None] - x) ** 2).sum(axis=-1))
    return x, float(np.sqrt(((d - apart) ** 2).sum() / total))


def tree(d: Square, method: str) -> Float[ndarray, "merges four"]:
    """Agglomerative tree in scipy's form: left, right, height, size."""
    return linkage(squareform((d + d.T) / 2, checks=False), method)


def leaf_order(merges: Float[ndarray, "merges four"]) -> Int[ndarray, " items"]:
    """Order in which branches do not cross."""
    return np.asarray(leaves_list(merges), dtype=np.int64)


def silhouette(d: Square, labels: Int[ndarray, " items"]) -> float:
    """Mean silhouette; single members count 0."""
    names = np.unique(labels)
    mean = np.stack(
        [d[:, labels == k].sum(axis=1) / max((labels == k).sum(), 1) for k in names], 1
    )
    size = np.array([(labels == k).sum() for k in names])
    place = np.searchsorted(names, labels)
    rows = np.arange(len(d))
    own = mean[rows, place] * size[place] / np.maximum(size[place] - 1, 1)
    other = mean.copy()
    other[rows, place] = np.inf
    nearest = other.min(axis=1)
    reach = np.maximum(np.maximum(own, nearest), 1e-300)
    return float(np.where(size[place] > 1, (nearest - own) / reach, 0.0).mean())


def clusters(
    d: Square, merges: Float[ndarray, "merges four"]
) -> tuple[Int[ndarray, " items"], float]:
    """Cut with the largest mean silhouette, from 2 clusters to half as many as items."""
    best, width = np.zeros(len(d), dtype=np.int64), -np.inf
    for k in range(2, max(3, len(d) // 2 + 1)):
        labels = cut_tree(merges, n_clusters=k)[:, 0].astype(np.int64)
        found = silhouette(d, labels)
        if found > width + 1e-12:
            best, width = labels, found
    return best, width


def clades(merges: Float[ndarray, "merges four"]) -> list[frozenset[int]]:
    """Members of every merge, in order."""
    n = len(merges) + 1
    members: list[frozenset[int]] = [frozenset([i]) for i in range(n)]
    for left, right in merges[:, :2].astype(int).tolist():
        members.append(members[left] | members[right])
    return members[n:]
