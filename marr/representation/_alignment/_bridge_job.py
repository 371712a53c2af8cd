"""Fit a shared space on some rows, and score it on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.representation._alignment._bridge_kernel import (
    METHODS,
    components_for,
    rotated,
    smooth_map,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["SCORES", "Fitted", "HeldOut", "fit_maps", "held_out", "score_rows"]

SCORES = ("correlation", "r2", "identification")
"""In the shared space; of the activity, from the others; which row it was."""

Array = Any


@dataclass(frozen=True)
class Fitted:
    """Maps of all systems, and what was taken out and divided by before.

    Attributes
    ----------
    means : list of array of shape (n_units,)
    scales : list of float
        Root mean square of each system's centered training rows.
    maps : list of array of shape (n_units, k)
    """

    means: list[npt.NDArray[np.float64]]
    scales: list[float]
    maps: list[npt.NDArray[np.float64]]

    def project(self, i: int, x: Array) -> Array:
        """Return rows (..., n_units) of system i in the shared space."""
        return (x - self.means[i]) / self.scales[i] @ self.maps[i]


def fit_maps(
    xs: Sequence[Array], rows: Array, method: str, n_components: int | None
) -> Fitted:
    """Fit maps on some of the rows; systems count alike whatever their size."""
    means = [x[rows].mean(axis=0) for x in xs]
    centered = [x[rows] - m for x, m in zip(xs, means, strict=True)]
    scales = [max(float(np.sqrt((c**2).mean() * c.shape[1])), 1e-300) for c in centered]
    small = [rotated(c / s) for c, s in zip(centered, scales, strict=True)]
    coordinates = [c for c, _ in small]
    k = components_for(coordinates) if n_components is None else n_components
    maps = METHODS[method](coordinates, k)
    return Fitted(means, scales, [b @ w for (_, b), w in zip(small, maps, strict=True)])


@dataclass(frozen=True)
class HeldOut:
    """Sums over held-out rows, one a row.

    Attributes
    ----------
    cross, own, others : arrays of shape (n_systems, n_rows)
        Products in the shared space, of a system and the mean of the others.
    error, total : arrays of shape (n_systems, n_rows)
        Squared error of the activity predicted from the others, and squared deviation.
    hit, guess : arrays of shape (n_systems, n_rows)
        Whether the row was identified, and the chance of that.
    """

    cross: Array
    own: Array
    others: Array
    error: Array
    total: Array
    hit: Array
    guess: Array


def held_out(
    xs: Sequence[Array], fold: Array, method: str, n_components: int | None
) -> HeldOut:
    """Fit on all folds but one, and score that one, in turn."""
    n_systems, n_rows = len(xs), len(fold)
    sums = {k: np.zeros((n_systems, n_rows)) for k in HeldOut.__dataclass_fields__}
    for f in np.unique(fold):
        test = fold == f
        fitted = fit_maps(xs, ~test, method, n_components)
        shared = [fitted.project(i, x) for i, x in enumerate(xs)]
        for i, x in enumerate(xs):
            rest = np.mean([z for j, z in enumerate(shared) if j != i], axis=0)
            own, others = shared[i][test], rest[test]
            sums["cross"][i, test] = (own * others).sum(axis=1)
            sums["own"][i, test] = (own**2).sum(axis=1)
            sums["others"][i, test] = (others**2).sum(axis=1)
            back = smooth_map(rest[~test], (x[~test] - fitted.means[i]))
            wanted = x[test] - fitted.means[i]
            sums["error"][i, test] = ((wanted - others @ back) ** 2).sum(axis=1)
            sums["total"][i, test] = (wanted**2).sum(axis=1)
            sums["hit"][i, test] = _identified(own, others)
            sums["guess"][i, test] = 1.0 / test.sum()
    return HeldOut(**sums)


def _identified(own: Array, others: Array) -> Array:
    """Tell for which rows the nearest of the others' rows is the same row."""
    size = np.linalg.norm(own, axis=1)[:, None] * np.linalg.norm(others, axis=1)
    cosine = own @ others.T / np.maximum(size, 1e-300)
    return (cosine.argmax(axis=1) == np.arange(len(own))).astype(float)


def score_rows(found: HeldOut, weights: Array | None = None) -> Array:
    """Return scores, (n_systems, 3), or (n_resamples, n_systems, 3) for row weights."""
    w = np.ones((1, found.cross.shape[1])) if weights is None else weights
    s = {k: w @ getattr(found, k).T for k in HeldOut.__dataclass_fields__}
    correlation = s["cross"] / np.maximum(np.sqrt(s["own"] * s["others"]), 1e-300)
    r2 = 1.0 - s["error"] / np.maximum(s["total"], 1e-300)
    hit = s["hit"] / np.maximum(w.sum(axis=1, keepdims=True), 1e-300)
    scores = np.stack([correlation, r2, hit], axis=-1)
    return scores[0] if weights is None else scores
