"""Activity of a site as rows, read a few units at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from marr.errors import ContractError, StatisticsError
from marr.representation._rows import trial_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import xarray as xr

    from marr.systems import System

__all__ = ["Reader", "averaged"]

CHUNK = 1_000_000
"""Numbers of activity (after averaging over time) that are held at once."""


@dataclass(frozen=True)
class Reader:
    """Units of a site, part by part.

    Attributes
    ----------
    system, site
        What is read.
    codes : int array of shape (n_trials,) or (n_trials, n_times)
        Label of each trial or bin, -1 for none.
    time : str or (float, float)
        "mean", a window, or "keep".
    """

    system: System
    site: str
    codes: npt.NDArray[np.intp]
    time: str | tuple[float, float]
    cache: dict[str, xr.DataArray] = field(default_factory=dict, compare=False)

    @property
    def array(self) -> xr.DataArray:
        """Activity, not read yet if it is lazy."""
        if "activity" not in self.cache:
            self.cache["activity"] = self.system.activity(self.site)
        return self.cache["activity"]

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.array.sizes["unit"])

    @property
    def timed(self) -> bool:
        """Whether parts have a time axis."""
        return self.codes.ndim == 2 or (
            isinstance(self.time, str)
            and self.time == "keep"
            and "time" in self.array.dims
        )

    def parts(
        self, *, floats: int = CHUNK
    ) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
        """Yield a slice of the units and their activity, (n_trials, [n_times,] units).

        Without a time axis it is the mean over the valid bins (of the window).
        """
        bins = self.array.sizes["time"] if self.timed else 1
        step = max(1, floats // (len(self.codes) * bins))
        for start in range(0, self.n_units, step):
            units = slice(start, min(start + step, self.n_units))
            yield units, self._read(units)

    def _read(self, units: slice) -> npt.NDArray[np.float64]:
        array = self.array.isel(unit=units)
        used = self.codes >= 0
        found = []
        for rows, part in trial_chunks(array):
            values = part.values  # as stored: averages are taken in double precision
            good = used[rows]
            if "time" in part.dims and not self.timed:
                values = self._mean(values, part, good)
            elif "time" in part.dims and "valid" in part.coords:
                valid = part["valid"].values.astype(bool)
                values = np.where(valid[..., None], values, 0.0)
            found.append(np.asarray(values, dtype=float))
            self._check_finite(found[-1], good)
        return np.concatenate(found)

    def _mean(
        self,
        values: npt.NDArray[Any],
        part: xr.DataArray,
        good: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.float64]:
        weight = np.ones(values.shape[:2], bool)
        if not isinstance(self.time, str):
            times = part["time"].values
            weight &= (times >= self.time[0]) & (times < self.time[1])
        if "valid" in part.coords:
            weight &= part["valid"].values.astype(bool)
        if not weight[good].any(axis=1).all():
            msg = (
                f"time={self.time!r}: some trials of site {self.site!r} have no valid "
                "bin there. Choose a wider window, or drop these trials with select()."
            )
            raise StatisticsError(msg)
        if weight.all():
            return np.asarray(values.mean(axis=1, dtype=float))
        total = np.where(weight[..., None], values, 0).sum(axis=1, dtype=float)
        mean: npt.NDArray[np.float64] = (
            total / np.maximum(weight.sum(axis=1), 1)[:, None]
        )
        return mean

    def _check_finite(
        self, values: npt.NDArray[np.float64], good: npt.NDArray[np.bool_]
    ) -> None:
        if not np.isfinite(values[good]).all():
            msg = (
                f"activity of {self.site!r} holds NaN or infinite values in the rows "
                "analyzed. Drop these trials or units with select(), or mark bins with "
                "valid=."
            )
            raise ContractError(msg)

    def averager(
        self, n_labels: int, use: npt.NDArray[np.bool_] | None = None
    ) -> tuple[sparse.csr_array, npt.NDArray[np.bool_]]:
        """Return the matrix from trials (or bins) to the mean of each label.

        Also which labels have any trial of those in `use`.
        """
        codes = self.codes
        if use is not None:
            codes = np.where(use.reshape(-1, *[1] * (codes.ndim - 1)), codes, -1)
        if codes.ndim == 2 and "valid" in self.array.coords:
            codes = np.where(self.array["valid"].values.astype(bool), codes, -1)
        flat = codes.reshape(-1)
        (at,) = np.nonzero(flat >= 0)
        count = np.bincount(flat[at], minlength=n_labels)
        weight = 1.0 / np.maximum(count, 1)[flat[at]]
        shape = (n_labels, len(flat))
        return sparse.csr_array((weight, (flat[at], at)), shape=shape), count > 0


def averaged(
    matrix: sparse.csr_array, values: npt.NDArray[np.float64], *, bins: bool
) -> npt.NDArray[np.float64]:
    """Return means of labels, (n_labels, [n_bins,] units).

    `bins` says that labels are of time bins, so that the time axis goes as well.
    """
    if bins:
        return np.asarray(matrix @ values.reshape(-1, values.shape[-1]))
    flat = matrix @ values.reshape(len(values), -1)
    return np.asarray(flat.reshape(matrix.shape[0], *values.shape[1:]))
