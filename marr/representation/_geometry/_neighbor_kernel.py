"""Intrinsic dimension from nearest neighbors, and numbers of principal components."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

__all__ = [
    "above_null",
    "components_for",
    "levina_bickel",
    "local_components",
    "neighbor_distances",
    "spectrum",
    "two_nn",
]

Rows = Float[ndarray, "rows units"]
BLOCK = 4096
SHORT = 0.01
"""Squared distances below this share of the rows' squared lengths lose digits."""


def neighbor_distances(
    x: Rows, k: int
) -> tuple[Float[ndarray, "rows k"], Int[ndarray, "rows k"]]:
    """Distances to the k nearest other rows, in order, and which rows they are.

    From one product of the rows; distances that are short beside the rows themselves
    are computed from differences, so that they keep their digits.
    """
    x = x - x.mean(axis=0)
    own = (x**2).sum(axis=1)
    d2 = np.maximum(own[:, None] + own - 2 * (x @ x.T), 0.0)
    np.fill_diagonal(d2, np.inf)
    found = np.argpartition(d2, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(d2, found, axis=1)
    rows, columns = np.nonzero(near < SHORT * (own[:, None] + own[found]))
    for start in range(0, len(rows), BLOCK):
        i, j = rows[start : start + BLOCK], columns[start : start + BLOCK]
        near[i, j] = ((x[found[i, j]] - x[i]) ** 2).sum(axis=1)
    order = np.argsort(near, axis=1, kind="stable")
    distances = np.sqrt(np.take_along_axis(near, order, axis=1))
    return distances, np.take_along_axis(found, order, axis=1)


def two_nn(distances: Float[ndarray, "rows k"], discard: float) -> float:
    """Dimension from the ratio of the two nearest distances (Facco et al. 2017).

    The slope through the origin of -log(1 - F) against log(ratio), without the share
    `discard` of largest ratios; rows with a copy are left out.
    """
    first, second = distances[:, 0], distances[:, 1]
    apart = first > 0
    n = int(apart.sum())
    kept = int(n * (1 - discard))
    if kept < 3:
        return np.nan
    ratio = np.log(np.sort(second[apart] / first[apart])[:kept])
    share = np.minimum(np.arange(1, kept + 1) / n, 1 - 0.5 / n)
    total = (ratio**2).sum()
    return float(-(np.log1p(-share) * ratio).sum() / total) if total > 0 else np.nan


def levina_bickel(distances: Float[ndarray, "rows k"]) -> float:
    """Maximum-likelihood dimension from the k nearest distances (Levina, Bickel 2004).

    Inverse estimates of the points are averaged (MacKay and Ghahramani 2005), each with
    k - 2, which is unbiased in a space of constant density.
    """
    k = distances.shape[1]
    near = distances[distances[:, 0] > 0]
    if not len(near):
        return np.nan
    total = np.log(near[:, -1:] / near).sum(axis=1).mean()
    return float((k - 2) / total) if total > 0 else np.nan


def local_components(
    x: Rows, neighbors: ndarray, share: float, *, most: int = 500
) -> float:
    """Mean number of components of a neighborhood above a share of its largest.

    Local principal components (Fukunaga and Olsen 1971), at up to `most` evenly spaced
    rows.
    """
    at = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).astype(int))
    counts = []
    for i in at:
        near = x[np.append(neighbors[i], i)]
        near = near - near.mean(axis=0)
        small = near @ near.T if len(near) <= near.shape[1] else near.T @ near
        values = np.linalg.eigvalsh(small)
        counts.append((values > share * values[-1]).sum())
    return float(np.mean(counts))


def spectrum(x: Rows) -> Float[ndarray, " components"]:
    """Eigenvalues of the covariance of rows, largest first."""
    x = x - x.mean(axis=0)
    k = x @ x.T if len(x) <= x.shape[1] else x.T @ x
    values = np.linalg.eigvalsh(k)[::-1] / (len(x) - 1)
    return np.maximum(values[: min(len(x) - 1, x.shape[1])], 0.0)


def components_for(values: Float[ndarray, " components"], share: float) -> float:
    """Components that hold a share of the variance."""
    total = np.cumsum(values)
    return float(np.searchsorted(total, share * total[-1] * (1 - 1e-12)) + 1)


def above_null(
    values: Float[ndarray, " components"], bar: Float[ndarray, " components"]
) -> float:
    """Leading components above the bar; the first that is not ends the count."""
    above: Bool[ndarray, " components"] = values > bar
    return float(len(above) if above.all() else np.argmin(above))
