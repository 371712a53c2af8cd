"""Distances of conditions as a function of which row belongs to which condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.representation._rsa._poisson_kernel import poisson_cross_sums, poisson_sums
from marr.representation._rsa._rdm_kernel import (
    condition_means,
    cross_products,
    fold_weights,
    kernel_distances,
    mean_of_pairs,
    unit_distances,
)
from marr.representation._rsa._row_blocks import RowBlocks, as_blocks
from marr.representation._rsa._whitening import (
    Gram,
    RowKernel,
    given_rows,
    plain,
    whiten,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "CROSS",
    "DISTANCES",
    "WHITENED",
    "CrossGeometry",
    "Geometry",
    "KernelGeometry",
    "PoissonGeometry",
    "make_geometry",
]

DISTANCES = {
    "crossnobis": (
        "cross-validated squared Mahalanobis distance over the number of units (products "
        "of different folds only, so 0 in expectation for equal conditions)"
    ),
    "mahalanobis": (
        "squared Mahalanobis distance of condition means over the number of units"
    ),
    "euclidean": "squared Euclidean distance of condition means over the number of units",
    "correlation": "1 minus the correlation over units of condition means",
    "cosine": "1 minus the cosine of the angle between condition means",
    "poisson": (
        "symmetrized Kullback-Leibler divergence of Poisson rates over the number of "
        "units (rates pulled towards 1 with the weight of a tenth of an observation)"
    ),
    "poisson_cv": (
        "cross-validated symmetrized Kullback-Leibler divergence of Poisson rates over "
        "the number of units (rates of the other folds, logarithms of the held-out one, "
        "mean over held-out folds, so 0 in expectation for equal conditions; rates pulled "
        "towards 1 with the weight of a tenth of an observation)"
    ),
}
"""Distances in words."""

CROSS = ("crossnobis", "poisson_cv")
"""Distances that are cross-validated over folds."""
WHITENED = ("crossnobis", "mahalanobis")
"""Distances that take a noise covariance."""
FLAT = {"factors": 1e-24, "gram": 1e-12}
"""Share of its squared length below which a centered pattern has none."""


class Geometry(ABC):
    """Rows of a site; conditions are given with each call, -1 for a row left out."""

    fold: npt.NDArray[np.intp]
    n_conditions: int

    @property
    @abstractmethod
    def n_units(self) -> int:
        """Number of units that vary."""

    @abstractmethod
    def many(
        self, sets: Sequence[npt.NDArray[np.intp]]
    ) -> list[npt.NDArray[np.float64]]:
        """Return distances of shape (n_conditions, n_conditions) for each set of codes."""

    def distances(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return distances of shape (n_conditions, n_conditions)."""
        return self.many([codes])[0]

    def left_out(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the distances without each fold in turn."""
        sets = [np.where(self.fold == k, -1, codes) for k in np.unique(self.fold)]
        return np.stack(self.many(sets))


@dataclass(frozen=True)
class KernelGeometry(Geometry):
    """Distances of condition means, from inner products of rows."""

    kernel: RowKernel
    fold: npt.NDArray[np.intp]
    n_conditions: int
    distance: str

    @property
    def n_units(self) -> int:
        """Number of units that vary."""
        return self.kernel.n_units

    def many(
        self, sets: Sequence[npt.NDArray[np.intp]]
    ) -> list[npt.NDArray[np.float64]]:
        """Return distances for each set of codes."""
        return [self._one(codes) for codes in sets]

    def _one(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        inner = self.kernel.between(codes, self.n_conditions)
        if self.distance in ("euclidean", "mahalanobis"):
            return kernel_distances(inner, self.n_units)
        whole = np.diag(inner).copy()
        if self.kernel.row_mean is not None:
            mean = condition_means(
                self.kernel.row_mean[:, None], codes, self.n_conditions
            )
            whole += self.n_units * mean[:, 0] ** 2
        flat = FLAT["gram" if isinstance(self.kernel, Gram) else "factors"]
        return unit_distances(inner, whole, flat)


@dataclass(frozen=True)
class CrossGeometry(Geometry):
    """Products of condition differences in different folds."""

    kernel: RowKernel
    fold: npt.NDArray[np.intp]
    n_conditions: int

    @property
    def n_units(self) -> int:
        """Number of units that vary."""
        return self.kernel.n_units

    def many(
        self, sets: Sequence[npt.NDArray[np.intp]]
    ) -> list[npt.NDArray[np.float64]]:
        """Return distances for each set of codes."""
        return [mean_of_pairs(*self._products(codes)) for codes in sets]

    def left_out(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the distances without each fold in turn."""
        products, weights = self._products(codes)
        n_folds = int(self.fold.max()) + 1
        pairs = np.stack(np.triu_indices(n_folds, k=1), axis=1)
        kept = [(pairs != k).all(axis=1) for k in np.unique(self.fold)]
        return np.stack([mean_of_pairs(products[k], weights[k]) for k in kept])

    def _products(
        self, codes: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        n, n_folds = self.n_conditions, int(self.fold.max()) + 1
        cells = np.where(codes >= 0, self.fold * n + codes, -1)
        counts = np.bincount(cells[cells >= 0], minlength=n_folds * n)
        inner = self.kernel.between(cells, n_folds * n) / self.n_units
        weights = fold_weights(counts.reshape(n_folds, n))
        return cross_products(inner, n_folds), weights


@dataclass(frozen=True)
class PoissonGeometry(Geometry):
    """Divergences of Poisson rates: blocks of units are read once for all sets."""

    blocks: RowBlocks
    fold: npt.NDArray[np.intp]
    n_conditions: int
    cross: bool

    @property
    def n_units(self) -> int:
        """Number of units that vary."""
        known = self.blocks.n_varying
        if known is None:
            return sum(len(units) for units, _ in self.blocks.blocks())
        return known

    def many(
        self, sets: Sequence[npt.NDArray[np.intp]]
    ) -> list[npt.NDArray[np.float64]]:
        """Return distances for each set of codes."""
        n, n_folds, n_units = self.n_conditions, int(self.fold.max()) + 1, 0
        sums: list[npt.NDArray[np.float64]] = [np.zeros((n, n))] * len(sets)
        for units, x in self.blocks.blocks():
            n_units += len(units)
            if x.min() < 0:
                msg = (
                    f"Poisson distances need counts or rates of at least 0; "
                    f"{self.blocks.where} holds {x.min():.3g}. Use distance='crossnobis' "
                    "or 'euclidean'."
                )
                raise StatisticsError(msg)
            for i, codes in enumerate(sets):
                sums[i] = sums[i] + (
                    poisson_cross_sums(x, codes, self.fold, n, n_folds)
                    if self.cross
                    else poisson_sums(x, codes, n)
                )
        if self.cross:
            return [mean_of_pairs(s / n_units) for s in sums]
        return [np.maximum(s, 0.0) / n_units for s in sums]


def make_geometry(
    x: npt.NDArray[np.float64] | RowBlocks,
    codes: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    n_conditions: int,
    distance: str,
    *,
    noise: str | npt.NDArray[np.float64] = "folds",
    intensity: float | None = None,
) -> Geometry:
    """Prepare the distances of a site.

    Parameters
    ----------
    x : array of shape (n_rows, n_units), or RowBlocks
        Rows.
    codes, fold : int array of shape (n_rows,)
        Condition (-1 for none) and fold of each row.
    n_conditions : int
        Number of conditions.
    distance : str
        Key of `DISTANCES`.
    noise : {"folds", "diagonal", "identity"} or array of shape (n_units, n_units)
        Noise covariance of crossnobis and mahalanobis.
    intensity : float, optional
        Shrinkage of the covariance; estimated by default.

    Raises
    ------
    StatisticsError
        If there is no noise to estimate a covariance from.
    """
    blocks = as_blocks(x)
    if distance in ("poisson", "poisson_cv"):
        return PoissonGeometry(blocks, fold, n_conditions, distance == "poisson_cv")
    if distance not in WHITENED:
        center = {"correlation": "row", "cosine": "none"}.get(distance, "unit")
        return KernelGeometry(
            plain(blocks, center=center), fold, n_conditions, distance
        )
    cross = distance == "crossnobis"
    kernel = (
        whiten(blocks, codes, fold, noise=noise, intensity=intensity, cross=cross)
        if isinstance(noise, str)
        else given_rows(blocks, noise)[0]
    )
    if cross:
        return CrossGeometry(kernel, fold, n_conditions)
    return KernelGeometry(kernel, fold, n_conditions, distance)
