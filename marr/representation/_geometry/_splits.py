"""Two-way splits of conditions, and the numbers that a site gets from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._geometry._design import named_splits
from marr.representation._geometry._dichotomy_kernel import balanced_dichotomies

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._geometry._design import Design

__all__ = ["Quantity", "Splits", "make_splits", "quantities"]


@dataclass(frozen=True)
class Splits:
    """Two-way splits of the conditions.

    Attributes
    ----------
    signs : array of shape (n_splits, n_conditions)
        Those with a name first.
    names : tuple of str
        Name of each split, "" without one.
    counted : bool array of shape (n_splits,)
        Those that shattering counts: all balanced ones, or a random sample.
    total : int
        Number of balanced splits that exist.
    """

    signs: npt.NDArray[np.float64]
    names: tuple[str, ...]
    counted: npt.NDArray[np.bool_]
    total: int

    @property
    def sampled(self) -> bool:
        """Whether only some of the balanced splits are looked at."""
        return int(self.counted.sum()) < self.total


def make_splits(design: Design, most: int, seed: int) -> Splits:
    """Return the balanced splits of the conditions, and those that have a name."""
    named = named_splits(design)
    found, total = balanced_dichotomies(design.n_conditions, most, seed)
    drawn = {tuple(row) for row in found.tolist()}
    keys = {tuple((s * -s[-1]).tolist()) for s in named.values()}
    rest = np.array([row for row in found.tolist() if tuple(row) not in keys])
    rows = [*named.values(), *rest]
    counted = [tuple((s * -s[-1]).tolist()) in drawn for s in named.values()]
    return Splits(
        np.array(rows),
        (*named, *[""] * len(rest)),
        np.array(counted + [True] * len(rest)),
        total,
    )


@dataclass(frozen=True)
class Quantity:
    """One number of a site: what is measured, of which variable, against which null."""

    label: str
    measure: str
    variable: str
    null: str  # "labels" or "geometry"


def quantities(design: Design, splits: Splits) -> list[Quantity]:
    """Return the numbers that a site gets, in order."""
    found = [Quantity(f"decoding: {n}", "decoding", n, "labels") for n in design.names]
    if design.n_conditions >= 4:
        found += [Quantity(f"CCGP: {n}", "ccgp", n, "geometry") for n in design.names]
    if design.crossed:
        found += [
            Quantity(f"parallelism: {n}", "parallelism", n, "geometry")
            for n in design.names
        ]
        found += [
            Quantity(f"decoding: {n}", "xor", n, "labels")
            for n in splits.names
            if n.count(" xor ") == 1
        ]
    found.append(Quantity("decoding: mean of all", "mean", "all", "labels"))
    found.append(Quantity("separable share", "shattering", "all", "labels"))
    return found
