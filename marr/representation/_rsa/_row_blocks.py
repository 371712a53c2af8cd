"""Rows of a site, handed out in blocks of units, so that no more is held at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, StatisticsError
from marr.representation._rows import trial_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import xarray as xr

__all__ = [
    "BLOCK",
    "ArrayBlocks",
    "RowBlocks",
    "SiteBlocks",
    "SomeRows",
    "as_blocks",
    "valid_bins",
]

BLOCK = 1_000_000
"""Numbers in a block of units that is computed on, at most."""

READ = 8_000_000
"""Numbers of rows that are read, and held, at once."""


class RowBlocks(ABC):
    """Rows of shape (n_rows, n_units), a block of units at a time.

    Constant units are left out. Each call of `blocks` reads anew, unless there is a
    single block.
    """

    n_rows: int
    n_units: int  # constant ones included
    n_varying: int | None = None  # known once all blocks were read
    where: str = "the activity"

    @abstractmethod
    def parts(self) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
        """Yield units and their rows, at most `BLOCK` numbers at a time."""

    def blocks(
        self,
    ) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
        """Yield positions of units that vary, and their rows.

        Raises
        ------
        ContractError
            If a value is not finite.
        StatisticsError
            If no unit varies.
        """
        found = 0
        for units, x in self.parts():
            if not np.isfinite(x).all():
                msg = (
                    f"{self.where} holds NaN or infinite values in the bins analyzed. "
                    "Drop these trials or units with select(), or mark bins with valid=."
                )
                raise ContractError(msg)
            spread, size = x.std(axis=0), np.abs(x).max(axis=0)
            varying = np.flatnonzero(spread > 1e-12 * np.maximum(size, 1e-300))
            found += len(varying)
            if len(varying):
                kept = x if len(varying) == x.shape[1] else x[:, varying]
                yield varying + units.start, kept
        if not found:
            msg = f"every unit of {self.where} is constant; there are no distances."
            raise StatisticsError(msg)
        self.n_varying = found

    def gather(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Return all units that vary, and their rows, at once."""
        pieces = list(self.blocks())
        if len(pieces) == 1:
            return pieces[0]
        return (
            np.concatenate([units for units, _ in pieces]),
            np.concatenate([x for _, x in pieces], axis=1),
        )


def unit_slices(n_rows: int, n_units: int, size: int) -> Iterator[slice]:
    """Yield slices of units with at most `size` numbers."""
    step = max(1, size // max(1, n_rows))
    for start in range(0, n_units, step):
        yield slice(start, min(start + step, n_units))


@dataclass
class ArrayBlocks(RowBlocks):
    """Rows in memory."""

    x: npt.NDArray[np.float64]
    where: str = "the activity"

    def __post_init__(self) -> None:
        """Take the shape of the array."""
        self.n_rows, self.n_units = self.x.shape

    def parts(self) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
        """Yield units and their rows."""
        for units in unit_slices(self.n_rows, self.n_units, BLOCK):
            yield units, np.asarray(self.x[:, units], dtype=float)


@dataclass
class SomeRows(RowBlocks):
    """Some of the rows, with the units that vary over all of them."""

    whole: RowBlocks
    rows: npt.NDArray[np.intp]

    def __post_init__(self) -> None:
        """Take the shape and the name of the whole."""
        self.n_rows, self.n_units = len(self.rows), self.whole.n_units
        self.where = self.whole.where

    def parts(self) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
        """Yield units and their rows."""
        for units, x in self.whole.parts():
            yield units, x[self.rows]

    def blocks(
        self,
    ) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
        """Yield positions of units that vary, and their rows."""
        for units, x in self.whole.blocks():
            yield units, x[self.rows]
        self.n_varying = self.whole.n_varying


@dataclass
class SiteBlocks(RowBlocks):
    """Rows of a site, read when they are asked for.

    Attributes
    ----------
    array : DataArray
        Activity, dims (trial, [time,] unit); may be lazy.
    inside : bool array of shape (n_times,) or None
        Bins that count; None without a time axis.
    timed : bool
        Every valid bin is a row; else a trial is one, the mean over its bins.
    """

    array: xr.DataArray
    inside: npt.NDArray[np.bool_] | None
    timed: bool
    where: str = "the activity"

    def __post_init__(self) -> None:
        """Count rows; keep a single block once it was read."""
        self.n_units = self.array.sizes["unit"]
        valid = valid_bins(self.array, self.inside)
        self.n_rows = (
            int(valid.sum())
            if self.timed and valid is not None
            else self.array.sizes["trial"]
        )
        self._only: npt.NDArray[np.float64] | None = None

    def parts(self) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
        """Yield units and their rows, read by trial."""
        slices = list(unit_slices(self.n_rows, self.n_units, READ))
        for units in slices:
            x = self._only if self._only is not None else self._read(units)
            if len(slices) == 1:
                self._only = x
            for some in unit_slices(self.n_rows, x.shape[1], BLOCK):
                yield (
                    slice(units.start + some.start, units.start + some.stop),
                    x[:, some],
                )

    def _read(self, units: slice) -> npt.NDArray[np.float64]:
        whole = len(range(*units.indices(self.n_units))) == self.n_units
        array = self.array if whole else self.array.isel(unit=units)
        x = np.empty((self.n_rows, array.sizes["unit"]))
        start = 0
        for _, part in trial_chunks(array):
            rows = part_rows(part, self.inside, timed=self.timed)
            x[start : start + len(rows)] = rows
            start += len(rows)
        return x


def as_blocks(x: npt.NDArray[np.float64] | RowBlocks) -> RowBlocks:
    """Return rows as blocks."""
    return x if isinstance(x, RowBlocks) else ArrayBlocks(x)


def valid_bins(
    array: xr.DataArray, inside: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    """Return which bins of each trial count, shape (n_trials, n_times), or None."""
    if inside is None:
        return None
    valid = np.broadcast_to(inside, (array.sizes["trial"], len(inside)))
    if "valid" in array.coords:
        valid = valid & array["valid"].values.astype(bool)
    return valid


def part_rows(
    part: xr.DataArray, inside: npt.NDArray[np.bool_] | None, *, timed: bool
) -> npt.NDArray[np.float64]:
    """Return the rows of some trials: their valid bins, or the mean over these."""
    if inside is None:
        return np.asarray(part.values, dtype=float)
    bins = np.flatnonzero(inside)
    near = part.isel(time=slice(int(bins[0]), int(bins[-1]) + 1)) if len(bins) else part
    valid = valid_bins(near, inside[bins[0] : bins[-1] + 1] if len(bins) else inside)
    values = np.asarray(near.values, dtype=float)
    if valid is None or (valid.all() and not timed):
        return np.asarray(values.mean(axis=1))
    if timed:
        return values[np.nonzero(valid)]
    total = np.where(valid[..., None], values, 0.0).sum(axis=1)
    return np.asarray(total / valid.sum(axis=1)[:, None])
