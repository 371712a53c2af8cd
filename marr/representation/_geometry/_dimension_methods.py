"""Measures of dimension, their options, and the rows they are taken of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._geometry import _dimension_kernel as pr

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["DIMENSION_METHODS", "FEWEST_ROWS", "Method", "Points", "Settings"]

FEWEST_ROWS = 6
"""Fewer rows have no unbiased moments without one of them."""


@dataclass(frozen=True)
class Settings:
    """Options of the measures."""

    neighbors: int
    discard: float
    variance: float
    n_permutations: int
    n_subsamples: int
    shift: bool
    seed: int


@dataclass(frozen=True)
class Method:
    """A measure of dimension.

    Attributes
    ----------
    words : str
        For the methods sentence.
    tail : str
        Where data with correlated units lie against independent units.
    citations : tuple of str
    ratio : bool
        Whether it is a participation ratio: one that products of repeats can give.
    """

    words: str
    tail: str
    citations: tuple[str, ...]
    ratio: bool = False


DIMENSION_METHODS: dict[str, Method] = {
    "participation_ratio": Method(
        "participation ratio (tr C)² / tr C², numerator and denominator without bias",
        "less",
        ("gao2017", "himeno2014"),
        ratio=True,
    ),
    "population_participation_ratio": Method(
        "participation ratio of the population that the units are a sample of (pairs of "
        "a unit with itself left out)",
        "less",
        ("gao2017", "himeno2014"),
        ratio=True,
    ),
    "two_nn": Method(
        "TwoNN (ratio of the two nearest distances)", "less", ("facco2017",)
    ),
    "mle": Method(
        "maximum likelihood from the nearest distances, inverse estimates averaged",
        "less",
        ("levina2004", "mackay2005"),
    ),
    "local_pca": Method(
        "components of neighborhoods above 5 % of their largest, averaged",
        "less",
        ("fukunaga1971",),
    ),
    "pca_threshold": Method(
        "number of principal components that hold the stated share of variance",
        "less",
        (),
    ),
    "parallel_analysis": Method(
        "number of leading principal components above 95 % of those of the null",
        "greater",
        ("horn1965",),
    ),
}
"""Measures of dimension by name."""


@dataclass(frozen=True)
class Points:
    """Rows of a site.

    Attributes
    ----------
    views : array of shape (n_views, n_rows, n_units)
        One view, or one mean a fold whose products leave noise out.
    groups : int array of shape (n_rows,) or None
        Rows left out together, where rows are a sample.
    without : tuple of array, each of the shape of `views` but for the views
        The same rows without one fold of trials each, where rows are all there is.
    halves : tuple of array of shape (n_rows, n_units), or ()
        The rows of two halves of the trials.
    """

    views: npt.NDArray[np.float64]
    groups: npt.NDArray[np.intp] | None
    without: tuple[npt.NDArray[np.float64], ...] = ()
    halves: tuple[npt.NDArray[np.float64], ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether the rows are all there is."""
        return self.groups is None

    @property
    def crossed(self) -> bool:
        """Whether products of different repeats are taken."""
        return len(self.views) > 1

    def moments(self) -> pr.Moments:
        """Moments of the covariance of the rows."""
        if self.crossed:
            of = pr.fixed_signal_moments if self.fixed else pr.signal_moments
            return of(self.views)
        of_rows = pr.fixed_moments if self.fixed else pr.moments
        return of_rows(self.views[0])

    def left_out(self) -> list[pr.Moments]:
        """Moments without each group of rows, or each fold of trials, in turn."""
        if self.groups is None:
            return [replace(self, views=v, without=()).moments() for v in self.without]
        if self.crossed:
            parts = (self.views[:, self.groups != g] for g in np.unique(self.groups))
            return [pr.signal_moments(v) for v in parts]
        return pr.left_out_moments(self.views[0], self.groups)
