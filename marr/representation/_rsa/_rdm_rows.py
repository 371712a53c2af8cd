"""Activity of a site as rows of conditions: whole trials, time bins, or windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.findings import Note
from marr.representation._rows import trial_chunks
from marr.representation._rsa._row_blocks import (
    READ,
    ArrayBlocks,
    RowBlocks,
    SiteBlocks,
    part_rows,
    valid_bins,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._conditions import Conditions
    from marr.systems import System

__all__ = ["Rows", "Windows", "make_windows", "site_rows", "window_rows"]


@dataclass(frozen=True)
class Rows:
    """Activity of a site as rows, with the trial and time bin of each.

    Attributes
    ----------
    blocks : RowBlocks
        Rows of shape (n_rows, n_units), a block of units at a time.
    trial : int array of shape (n_rows,)
    bins : int array of shape (n_rows,) or None
    """

    blocks: RowBlocks
    trial: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp] | None

    def pick(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the condition of each row, from codes by trial (and bin)."""
        return codes[self.trial] if self.bins is None else codes[self.trial, self.bins]


@dataclass(frozen=True)
class Windows:
    """Windows of time.

    Attributes
    ----------
    centers : array of shape (n_windows,)
        Mean time of the bins of each.
    inside : bool array of shape (n_windows, n_times)
        Bins of each.
    attrs : dict
        Attributes of the time axis.
    notes : tuple of Note
        Windows that were left out.
    """

    centers: npt.NDArray[np.float64]
    inside: npt.NDArray[np.bool_]
    attrs: dict[str, Any]
    notes: tuple[Note, ...]


def site_rows(
    system: System,
    site: str,
    conditions: Conditions,
    window: tuple[float, float] | None,
) -> Rows:
    """Return rows: time means of trials, or valid bins where conditions change."""
    array = system.activity(site)
    inside = None
    if "time" in array.dims:
        times = array["time"].values
        inside = np.ones(len(times), bool)
        if window is not None:
            inside = (times >= window[0]) & (times < window[1])
    elif window is not None:
        raise ContractError(_no_time(site))
    valid = valid_bins(array, inside)
    if valid is not None and not valid.any(axis=1).all():
        msg = (
            f"time={window or 'mean'!r}: some trials of site {site!r} have no valid bin "
            "there. Choose a wider window, or drop these trials with select()."
        )
        raise StatisticsError(msg)
    trial: npt.NDArray[np.intp] = np.arange(array.sizes["trial"])
    bins = None
    if conditions.timed:
        if valid is None:
            msg = (
                f"on={conditions.name!r} varies within trials, but site {site!r} has no "
                "time axis; use a column with one value a trial."
            )
            raise ContractError(msg)
        trial, bins = np.nonzero(valid)
    blocks = SiteBlocks(array, inside, conditions.timed, f"site {site!r}")
    return Rows(blocks, trial, bins)


def make_windows(
    system: System,
    sites: Sequence[str],
    time: tuple[float, float] | None,
    width: float | None,
) -> Windows:
    """Cut time into windows that all sites and trials have.

    Parameters
    ----------
    system : System
        Where activity comes from.
    sites : sequence of str
        Sites; they must share their time axis.
    time : (float, float) or None
        From start up to stop; all by default.
    width : float or None
        Width of a window; every bin is one by default.
    """
    arrays = [system.activity(s) for s in sites]
    if "time" not in arrays[0].dims:
        raise ContractError(_no_time(sites[0]))
    times = arrays[0]["time"].values.astype(float)
    for site, array in zip(sites[1:], arrays[1:], strict=True):
        other = array["time"].values.astype(float)
        if other.shape != times.shape or not np.allclose(other, times):
            msg = (
                f"sites {sites[0]!r} and {site!r} have other time axes. Analyze them in "
                "separate calls with sites=[...]."
            )
            raise ContractError(msg)
    start, stop = time or (times.min(), np.inf)
    used = (times >= start) & (times < stop)
    place = np.arange(len(times))
    if width is not None:
        place = np.floor((times - start) / width + 1e-9).astype(int)
    codes = list(dict.fromkeys(place[used].tolist()))
    inside = np.array([used & (place == c) for c in codes]).reshape(-1, len(times))
    complete = np.array([_complete(arrays, w) for w in inside], dtype=bool)
    if not complete.any():
        msg = (
            f"time={time or 'all'!r}: no window has a valid bin on every trial. Choose "
            "other times, a wider window=, or drop trials with select()."
        )
        raise StatisticsError(msg)
    notes: tuple[Note, ...] = ()
    if not complete.all():
        n = int((~complete).sum())
        text = (
            f"{n} of {len(codes)} time windows are missing on some trials and left out."
        )
        notes = (Note("incomplete_bins", text),)
    inside = inside[complete]
    centers = np.array([times[w].mean() for w in inside])
    unit = arrays[0].attrs.get("time_unit")
    return Windows(centers, inside, {"units": unit} if unit else {}, notes)


def _complete(arrays: Sequence[xr.DataArray], inside: npt.NDArray[np.bool_]) -> bool:
    valid = [valid_bins(a, inside) for a in arrays]
    return all(v is not None and bool(v.any(axis=1).all()) for v in valid)


def window_rows(array: xr.DataArray, windows: Windows, where: str) -> Iterator[Rows]:
    """Yield the rows of each window; neighboring windows are read together."""
    n_trials, n_units = array.sizes["trial"], array.sizes["unit"]
    trial = np.arange(n_trials)
    step = READ // max(1, n_trials * n_units)
    if step == 0:  # one window is more than is held at once
        for inside in windows.inside:
            yield Rows(SiteBlocks(array, inside, timed=False, where=where), trial, None)
        return
    for start in range(0, len(windows.inside), step):
        group = windows.inside[start : start + step]
        x = np.empty((len(group), n_trials, n_units))
        used = np.flatnonzero(group.any(axis=0))
        near = array.isel(time=slice(int(used[0]), int(used[-1]) + 1))
        masks = group[:, used[0] : used[-1] + 1]
        for rows, part in trial_chunks(near):
            loaded = part.load()
            for i, inside in enumerate(masks):
                x[i, rows] = part_rows(loaded, inside, timed=False)
        for values in x:
            yield Rows(ArrayBlocks(values, where), trial, None)


def check_window(window: float | None, *, by_time: bool) -> None:
    """Check the width of windows."""
    if window is None:
        return
    if not by_time:
        msg = "window= cuts time into windows; it goes with over=('site', 'time')."
        raise OptionError(msg)
    if not window > 0:
        msg = f"window must be a width above 0, or None for every bin; got {window!r}."
        raise OptionError(msg)


def _no_time(site: str) -> str:
    return (
        f"site {site!r} has no time axis. Leave 'time' out of over=, and time='mean'."
    )
