"""Rows of a site for dictionaries: one a trial and valid time, units in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, StatisticsError
from marr.representation._rows import CHUNK, trial_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import xarray as xr

    from marr.systems import System

__all__ = ["Sample", "chunks", "sample_rows", "unit_order"]

FEWEST = 20
"""Fewer rows than this are refused."""


@dataclass(frozen=True)
class Sample:
    """Rows that were read into memory.

    Attributes
    ----------
    x : array of shape (n_rows, n_units)
        Activity.
    trial : int array of shape (n_rows,)
        Trial (position) of each row.
    units : tuple of str
        Ids of the units, in the order of the columns (sorted, unless they were given).
    n_all : int
        Rows that there are.
    """

    x: npt.NDArray[np.floating]
    trial: npt.NDArray[np.intp]
    units: tuple[str, ...]
    n_all: int


def unit_order(system: System, site: str) -> list[str]:
    """Return units sorted by id, so that the order in which they came is no matter."""
    return sorted(system.activity(site)["unit_id"].values.astype(str).tolist())


def chunks(
    system: System, site: str, units: list[str], width: int = 1
) -> Iterator[
    tuple[slice, npt.NDArray[np.floating], npt.NDArray[np.intp], npt.NDArray[np.intp]]
]:
    """Yield activity part by part along trials.

    Parameters
    ----------
    system, site
        Where the activity is.
    units : list of str
        Order of the units.
    width : int
        Numbers that will be made of each row.

    Yields
    ------
    trials : slice
        Which trials.
    x : array of shape (n_rows, n_units)
        Their valid rows.
    trial, time : int arrays of shape (n_rows,)
        Trial (position in the part) and time bin of each row.
    """
    array = system.activity(site)
    place = {u: i for i, u in enumerate(array["unit_id"].values.astype(str))}
    order = [place[u] for u in units]
    step = max(1, CHUNK // (width * array.sizes.get("time", 1)))
    for rows, part in trial_chunks(array):
        for start in range(0, rows.stop - rows.start, step):
            stop = min(start + step, rows.stop - rows.start)
            x, trial, time = _valid_rows(part.isel(trial=slice(start, stop)), site)
            yield slice(rows.start + start, rows.start + stop), x[:, order], trial, time


def _valid_rows(
    part: xr.DataArray, site: str
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    values = np.asarray(part.values)
    values = values if values.dtype == np.float32 else values.astype(float)
    if values.ndim == 2:
        values = values[:, None]
    valid = np.ones(values.shape[:2], bool)
    if "valid" in part.coords:
        valid = np.asarray(part["valid"].values, dtype=bool)
    trial, time = np.nonzero(valid)
    x = values[trial, time]
    if not np.isfinite(x).all():
        msg = (
            f"activity of {site!r} holds NaN or infinite values in valid bins. Drop "
            "these trials or units with select(), or mark bins with valid=."
        )
        raise ContractError(msg)
    return x, trial, time


def sample_rows(
    system: System,
    site: str,
    *,
    max_rows: int,
    seed: int,
    units: list[str] | None = None,
) -> Sample:
    """Read all rows of a site, or `max_rows` of them drawn at random.

    Raises
    ------
    StatisticsError
        If there are too few rows, or if they do not vary.
    """
    units = unit_order(system, site) if units is None else units
    array = system.activity(site)
    n_all = len(system.trial_index) * array.sizes.get("time", 1)
    if "valid" in array.coords and "time" in array.dims:
        n_all = int(array["valid"].values.sum())
    keep = None
    if n_all > max_rows:
        keep = np.zeros(n_all, bool)
        drawn = np.random.default_rng(seed).choice(n_all, max_rows, replace=False)
        keep[drawn] = True
    parts, trials, start = [], [], 0
    for rows, x, trial, _ in chunks(system, site, units):
        chosen = slice(None) if keep is None else keep[start : start + len(x)]
        parts.append(x[chosen])
        trials.append(trial[chosen] + rows.start)
        start += len(x)
    x = np.concatenate(parts)
    if len(x) < FEWEST:
        msg = (
            f"site {site!r} of {system.name!r} has {len(x)} rows (trials times valid "
            f"bins); a dictionary needs at least {FEWEST}."
        )
        raise StatisticsError(msg)
    if not (
        np.ptp(x, axis=0) > 1e-12 * np.maximum(np.abs(x).max(axis=0), 1e-300)
    ).any():
        msg = f"site {site!r} of {system.name!r} does not vary; it has no features."
        raise StatisticsError(msg)
    return Sample(x, np.concatenate(trials), tuple(units), n_all)
