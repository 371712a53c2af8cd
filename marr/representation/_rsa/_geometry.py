"""Distances of conditions as a function of which row belongs to which condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.representation._rsa._rdm_kernel import (
    MEAN_DISTANCES,
    Shrinkage,
    Whitening,
    condition_means,
    crossnobis_pairs,
    mean_of_pairs,
    noise_residuals,
    precision,
    shrinkage,
    whitened_products,
)

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Geometry", "make_geometry"]


class Geometry(ABC):
    """Rows of a site; conditions are given with each call, -1 for a row left out."""

    n_conditions: int

    @abstractmethod
    def distances(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return distances of shape (n_conditions, n_conditions)."""

    @abstractmethod
    def left_out(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the distances without each fold in turn."""


@dataclass(frozen=True)
class MeanGeometry(Geometry):
    """Distances of condition means."""

    x: npt.NDArray[np.float64]
    fold: npt.NDArray[np.intp]
    n_conditions: int
    distance: str

    def distances(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return distances of the means of all rows."""
        means = condition_means(self.x, codes, self.n_conditions)
        return MEAN_DISTANCES[self.distance](means)

    def left_out(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the distances without each fold in turn."""
        return np.stack(
            [
                self.distances(np.where(self.fold == k, -1, codes))
                for k in np.unique(self.fold)
            ]
        )


@dataclass(frozen=True)
class CrossGeometry(Geometry):
    """Products of condition differences in different folds."""

    x: npt.NDArray[np.float64]
    fold: npt.NDArray[np.intp]
    n_conditions: int
    white: Whitening

    def distances(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return crossnobis distances."""
        return mean_of_pairs(self._products(codes))

    def left_out(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the distances without each fold in turn."""
        products = self._products(codes)
        within = np.array(self.white.pairs)
        return np.stack(
            [
                mean_of_pairs(products[(within != k).all(axis=1)])
                for k in np.unique(self.fold)
            ]
        )

    def _products(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        return crossnobis_pairs(self.x, self.white, codes, self.fold, self.n_conditions)


def make_geometry(
    x: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    n_conditions: int,
    distance: str,
) -> Geometry:
    """Prepare the distances of a site.

    For crossnobis the rows of each pair of folds are whitened by the noise of the other
    folds (with two folds by the noise within conditions of these two): whitening by the
    noise of the same rows would push the distances up.

    Raises
    ------
    StatisticsError
        If there is no noise to estimate a covariance from.
    """
    if distance != "crossnobis":
        return MeanGeometry(x, fold, n_conditions, distance)
    n_folds = int(fold.max()) + 1
    centered = x - x.mean(axis=0)
    pairs = [(a, b) for a in range(n_folds) for b in range(a + 1, n_folds)]
    largest = np.sort(np.bincount(fold))[-2:].sum() if n_folds > 2 else 0
    precisions: list[npt.NDArray[np.float64]] = []
    products = np.zeros((len(x), len(x))) if x.shape[1] > len(x) - largest else None
    for a, b in pairs:
        other = np.flatnonzero((fold != a) & (fold != b) if n_folds > 2 else fold >= 0)
        noise = _noise(centered[other], codes[other], fold[other], n_folds)
        if products is None:
            precisions.append(precision(noise))
            continue
        first, second = np.flatnonzero(fold == a), np.flatnonzero(fold == b)
        block = whitened_products(centered[first], centered[second], noise)
        products[np.ix_(first, second)] = block
    white = Whitening(pairs, np.stack(precisions) if precisions else None, products)
    return CrossGeometry(centered, fold, n_conditions, white)


def _noise(
    x: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    n_folds: int,
) -> Shrinkage:
    """Estimate the noise of some rows, or say that there is none."""
    residuals, dof = noise_residuals(x, codes, fold, by_cell=n_folds == 2)
    if dof < 2 or np.median((residuals**2).sum(axis=0)) <= 1e-20:
        msg = (
            "crossnobis needs noise within conditions, in folds apart from those "
            f"compared, for its covariance; with {n_folds} folds there is none (too few "
            "repeats, or identical ones). Use distance='euclidean' or 'correlation', or "
            "more repeats."
        )
        raise StatisticsError(msg)
    return shrinkage(residuals, dof)
