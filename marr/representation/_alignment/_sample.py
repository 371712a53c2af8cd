"""Rows of one system at one site, in the forms that measures ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import StatisticsError
from marr.representation._alignment._factor_kernel import economy_of_gram
from marr.representation._alignment._gram_kernel import center, gram

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """Activity of n rows: raw, or only their inner products where units are too many.

    Attributes
    ----------
    label : str
        System and site, for messages.
    raw : array of shape (n_rows, n_units) or None
        None where only inner products were accumulated.
    fold : int array of shape (n_rows,)
        Cross-validation fold of each row.
    products : array of shape (n_rows, n_rows) or None
        Inner products of the rows, each unit less its mean.
    n_units : int
        Number of units.
    """

    label: str
    raw: npt.NDArray[np.float64] | None
    fold: npt.NDArray[np.intp]
    products: npt.NDArray[np.float64] | None = None
    n_units: int = field(default=0)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.fold)

    @cached_property
    def gram(self) -> npt.NDArray[np.float64]:
        """Inner products of centered rows."""
        if self.products is not None:
            return self.products
        return gram(self.units)

    def gram_into(self, out: npt.NDArray[np.float64]) -> None:
        """Write the inner products into an array, and keep it in place of a copy."""
        if self.products is not None or "gram" in self.__dict__:
            out[:] = self.gram
        else:
            gram(self.units, out)
            self.__dict__["gram"] = out

    @cached_property
    def rows(self) -> npt.NDArray[np.float64]:
        """Coordinates with the same geometry: the units, or at most n dimensions."""
        if self.raw is not None and self.raw.shape[1] <= len(self.raw):
            return self.raw
        return economy_of_gram(self.gram)

    @property
    def units(self) -> npt.NDArray[np.float64]:
        """Raw activity, for measures that look at single units."""
        if self.raw is None:
            msg = (
                f"{self.label}: the activity was too large to keep, so only measures "
                "that do not look at single units can be used. Choose one whose "
                "invariances hold 'orthogonal' (marr.representation.alignment_measures())."
            )
            raise StatisticsError(msg)
        return self.raw

    def keep(self, rows: npt.NDArray[np.intp]) -> Sample:
        """Return some of the rows."""
        products = self.products
        wide = self.raw is None or self.raw.shape[1] > len(self.raw)
        if wide:  # never form a product of all units again
            products = center(self.gram[np.ix_(rows, rows)])
        return Sample(
            self.label,
            None if self.raw is None else self.raw[rows],
            self.fold[rows],
            products,
            self.n_units,
        )
