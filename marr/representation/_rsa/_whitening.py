"""Inner products of rows, whitened by noise that is estimated from them, or given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._rsa._noise_kernel import (
    NoiseSums,
    intensity_of,
    precision,
    shrinkage,
    variance_floor,
    whitened_gram,
)
from marr.representation._rsa._noise_rows import (
    NoiseRows,
    check_noise,
    check_rank,
    noise_rows,
)
from marr.representation._rsa._rdm_kernel import condition_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._rsa._row_blocks import RowBlocks

__all__ = [
    "Factors",
    "Gram",
    "RowKernel",
    "given_rows",
    "plain",
    "whiten",
]

GRAMS = 8_000_000
"""Numbers held in inner products of rows while noise is estimated."""


class RowKernel(ABC):
    """Whitened inner products of rows, from which means of any cells follow."""

    n_units: int
    row_mean: npt.NDArray[np.float64] | None  # what was taken out of centered rows

    @abstractmethod
    def between(
        self, cells: npt.NDArray[np.intp], n_cells: int
    ) -> npt.NDArray[np.float64]:
        """Return inner products of the means of cells; NaN for an empty cell."""


@dataclass(frozen=True)
class Factors(RowKernel):
    """Rows x, and rows y = x W: for fewer units than rows."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    n_units: int
    row_mean: npt.NDArray[np.float64] | None = None

    def between(
        self, cells: npt.NDArray[np.intp], n_cells: int
    ) -> npt.NDArray[np.float64]:
        """Return inner products of the means of cells."""
        means = condition_means(self.x, cells, n_cells)
        same = self.y is self.x
        other = means if same else condition_means(self.y, cells, n_cells)
        product = other @ means.T
        return product if same else np.asarray((product + product.T) / 2)


@dataclass(frozen=True)
class Gram(RowKernel):
    """The (symmetric) inner products themselves: for more units than rows."""

    products: npt.NDArray[np.float64]
    n_units: int
    row_mean: npt.NDArray[np.float64] | None = None

    def between(
        self, cells: npt.NDArray[np.intp], n_cells: int
    ) -> npt.NDArray[np.float64]:
        """Return inner products of the means of cells."""
        half = condition_means(self.products, cells, n_cells)
        return condition_means(np.ascontiguousarray(half.T), cells, n_cells)


def whiten(
    blocks: RowBlocks,
    codes: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    *,
    noise: str,
    intensity: float | None,
    cross: bool,
) -> RowKernel:
    """Return inner products of rows whitened by their noise.

    Parameters
    ----------
    blocks : RowBlocks
        Rows of a site.
    codes, fold : int array of shape (n_rows,)
        Condition (-1 for none) and fold of each row.
    noise : {"folds", "diagonal", "identity"}
        Whole covariance, variances only, or none.
    intensity : float or None
        Shrinkage towards the diagonal; estimated if None.
    cross : bool
        Whether folds are whitened by the noise of the others.

    Raises
    ------
    StatisticsError
        If there is no noise to estimate a covariance from, or if it has no inverse.
    """
    if noise == "identity":
        return plain(blocks)
    jobs = noise_rows(codes, fold, blocks.where, cross=cross)
    if intensity == 0 and noise == "folds":
        check_rank(blocks.n_units, jobs, blocks.where)
    if blocks.n_units > blocks.n_rows:
        return _whiten_gram(blocks, jobs, noise, intensity)
    units, x = blocks.gather()
    x = x - x.mean(axis=0)
    y = np.empty_like(x)
    for job in jobs:
        part = x[job.rows]
        residuals = part - job.basis @ (job.basis.T @ part)
        power, squares = (part**2).sum(axis=0), (residuals**2).sum(axis=0)
        floor = variance_floor(power, len(part))
        check_noise(squares, power, blocks.where)
        if noise == "diagonal":
            y[job.whitened] = x[job.whitened] / np.maximum(squares / job.dof, floor)
            continue
        found = shrinkage(residuals, job.dof, floor=floor, intensity=intensity)
        y[job.whitened] = x[job.whitened] @ precision(found)
    return Factors(x, y, len(units))


def plain(blocks: RowBlocks, *, center: str = "unit") -> RowKernel:
    """Return inner products of rows as they are.

    Parameters
    ----------
    blocks : RowBlocks
        Rows of a site.
    center : {"unit", "row", "none"}
        Take out the mean of each unit, which changes no difference of rows; the mean of
        each row; or nothing.
    """
    if blocks.n_units <= blocks.n_rows:
        units, x = blocks.gather()
        mean = x.mean(axis=1) if center == "row" else None
        if center != "none":
            x = x - (x.mean(axis=0) if mean is None else mean[:, None])
        return Factors(x, x, len(units), mean)
    products, total, n_units = np.zeros((blocks.n_rows,) * 2), 0.0, 0
    shift: float | None = None
    for units, x in blocks.blocks():
        if center == "row":  # one number off all rows changes nothing but rounding
            shift = float(x.mean()) if shift is None else shift
        taken = {"row": shift, "unit": x.mean(axis=0), "none": 0.0}[center]
        part = x - taken
        if center == "row":
            total = total + part.sum(axis=1)
        products += part @ part.T
        n_units += len(units)
    if center != "row":
        return Gram(products, n_units)
    mean = np.asarray(total) / n_units
    return Gram(products - n_units * np.outer(mean, mean), n_units, mean)


def given_rows(
    blocks: RowBlocks, covariance: npt.NDArray[np.float64]
) -> tuple[RowKernel, npt.NDArray[np.intp]]:
    """Return inner products whitened by a given covariance of all units.

    Raises
    ------
    LinAlgError
        If it is not positive definite.
    """
    units, x = blocks.gather()
    x = x - x.mean(axis=0)
    root = np.linalg.cholesky(covariance[np.ix_(units, units)])
    white = np.linalg.solve(root, x.T).T
    return Factors(white, white, len(units)), units


@dataclass
class _Sums:
    """What the noise of one job needs, added up over blocks of units."""

    gram: npt.NDArray[np.float64]
    fourth: float = 0.0
    squared: float = 0.0


def _whiten_gram(
    blocks: RowBlocks,
    jobs: Sequence[NoiseRows],
    noise: str,
    intensity: float | None,
) -> RowKernel:
    """Whiten inner products of rows: no units-by-units array is made."""
    n = blocks.n_rows
    products, n_units = np.zeros((n, n)), 0
    step = max(1, GRAMS // n**2)
    for start in range(0, len(jobs), step):
        group = jobs[start : start + step]
        sums = [_Sums(np.zeros((n, n))) for _ in group]
        n_units = 0
        for units, raw in blocks.blocks():
            x = raw - raw.mean(axis=0)
            n_units += len(units)
            for job, found in zip(group, sums, strict=True):
                _add_block(found, job, x, noise, blocks.where)
        for job, found in zip(group, sums, strict=True):
            whitened = _solve(found, job, noise, intensity)
            products[job.whitened] = whitened
    return Gram((products + products.T) / 2, n_units)


def _add_block(
    sums: _Sums,
    job: NoiseRows,
    x: npt.NDArray[np.float64],
    noise: str,
    where: str,
) -> None:
    part = x[job.rows]
    power = np.einsum("ru,ru->u", part, part)
    part -= job.basis @ (job.basis.T @ part)
    part *= part
    squares = part.sum(axis=0)
    check_noise(squares, power, where)
    variance = np.maximum(squares / job.dof, variance_floor(power, len(part)))
    if noise == "folds":
        sums.fourth += float((np.einsum("ru,ru->u", part, part) / variance**2).sum())
        sums.squared += float(((squares / variance) ** 2).sum())
        scaled = x / np.sqrt(variance)
        sums.gram += scaled @ scaled.T
    else:
        sums.gram[job.whitened] += (x[job.whitened] / variance) @ x.T


def _solve(
    sums: _Sums, job: NoiseRows, noise: str, intensity: float | None
) -> npt.NDArray[np.float64]:
    """Return the products of the rows that a job whitens with all rows."""
    if noise == "diagonal":
        return sums.gram[job.whitened]
    left = sums.gram[job.rows]
    left -= job.basis @ (job.basis.T @ left)  # residuals with rows
    own = left[:, job.rows]
    own = own - (own @ job.basis) @ job.basis.T
    if intensity is None:
        pairs = NoiseSums(
            float((own**2).sum()) - sums.squared,
            float((np.diag(own) ** 2).sum()) - sums.fourth,
        )
        intensity = intensity_of(pairs, len(job.rows), job.dof)
    rows = job.whitened
    return whitened_gram(
        sums.gram[rows], left[:, rows].T, left.T, own, intensity, job.dof
    )
