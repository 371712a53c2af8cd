"""Distances of conditions as a function of which row belongs to which condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.representation._rdm_kernel import (
    MEAN_DISTANCES,
    FoldPair,
    condition_means,
    crossnobis_pairs,
    mean_of_pairs,
    noise_residuals,
    precision,
    shrinkage,
    whitened,
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
            [self.distances(np.where(self.fold == k, -1, codes)) for k in np.unique(self.fold)]
        )


@dataclass(frozen=True)
class CrossGeometry(Geometry):
    """Products of condition differences in different folds."""

    x: npt.NDArray[np.float64]
    fold: npt.NDArray[np.intp]
    n_conditions: int
    pairs: list[FoldPair]

    def distances(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return crossnobis distances."""
        return mean_of_pairs(self._products(codes))

    def left_out(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return the distances without each fold in turn."""
        products = self._products(codes)
        within = np.array([p.folds for p in self.pairs])
        return np.stack(
            [
                mean_of_pairs(products[(within != k).all(axis=1)])
                for k in np.unique(self.fold)
            ]
        )

    def _products(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        return crossnobis_pairs(
            self.x, self.pairs, codes, self.fold, self.n_conditions
        )


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
    few_units = x.shape[1] <= len(x) - np.sort(np.bincount(fold))[-2:].sum() * (n_folds > 2)
    pairs = []
    for a in range(n_folds):
        for b in range(a + 1, n_folds):
            other = np.flatnonzero((fold != a) & (fold != b) if n_folds > 2 else fold >= 0)
            residuals, dof = noise_residuals(
                centered[other], codes[other], fold[other], by_cell=n_folds == 2
            )
            if dof < 2 or np.median((residuals**2).sum(axis=0)) <= 1e-20:
                msg = (
                    "crossnobis needs noise within conditions, in folds apart from those "
                    f"compared, for its covariance; with {n_folds} folds there is none "
                    "(too few repeats, or identical ones). Use distance='euclidean' or "
                    "'correlation', or more repeats."
                )
                raise StatisticsError(msg)
            noise = shrinkage(residuals, dof)
            if few_units:
                pairs.append(FoldPair((a, b), precision(noise), None))
                continue
            first, second = np.flatnonzero(fold == a), np.flatnonzero(fold == b)
            features = whitened(centered[np.concatenate([first, second])], noise)
            n = len(first)
            pairs.append(FoldPair((a, b), None, (features[:n], features[n:])))
    return CrossGeometry(centered, fold, n_conditions, pairs)
