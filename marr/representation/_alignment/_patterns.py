"""Activity of shared rows, read once, whole or as sums over parts of the units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from marr.errors import ContractError, StatisticsError
from marr.findings import Note
from marr.representation._alignment._sample import Sample
from marr.representation._rows import FEWEST, site_patterns
from marr.systems import System, site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

__all__ = ["Loaded", "complete_rows", "load_site", "samples_of"]

WHOLE = 32_000_000
"""Numbers of a site's rows that are kept; more are summed into inner products."""


@dataclass(frozen=True)
class Loaded:
    """Rows of a site.

    Attributes
    ----------
    label : str
        "system, site".
    raw : array of shape (n_times, n_rows, n_units) or None
        Patterns, NaN for rows that were not measured; None where too large.
    products : array of shape (n_times, n_rows, n_rows) or None
        Inner products of rows, each unit less its mean; in place of `raw`.
    known : bool array of shape (n_times, n_rows)
        Rows that were measured.
    n_units : int
        Number of units.
    times : array of shape (n_times,) or None
        Time of each bin, where the axis was kept.
    """

    label: str
    raw: npt.NDArray[np.float64] | None
    products: npt.NDArray[np.float64] | None
    known: npt.NDArray[np.bool_]
    n_units: int
    times: npt.NDArray[Any] | None = None


class _Part:
    """Some units of a system, for readers that ask a system for activity."""

    def __init__(self, system: System, units: slice) -> None:
        self.system, self.units = system, units
        self.name, self.sites = system.name, system.sites

    def activity(self, site: str) -> xr.DataArray:
        """Return the activity of these units."""
        return self.system.activity(site).isel(unit=self.units)

    def check_site(self, site: str, *, argument: str = "site") -> None:
        """Raise unless the site exists."""
        self.system.check_site(site, argument=argument)


def load_site(
    system: System,
    site: str,
    codes: npt.NDArray[np.intp],
    n_rows: int,
    *,
    time: str | tuple[float, float],
    whole: bool,
    use: npt.NDArray[np.bool_] | None = None,
) -> Loaded:
    """Read the patterns of a site, or only their inner products where they are large.

    Parameters
    ----------
    system, site, codes, n_rows, time, use
        As for `site_patterns`.
    whole : bool
        Keep single units however many there are.
    """
    (name,) = site_list(system, site)
    array = system.activity(name)
    n_units = array.sizes["unit"]
    keep = time == "keep" and codes.ndim == 1 and "time" in array.dims
    n_times = array.sizes["time"] if keep else 1
    label = f"{system.name}, {name}"
    times = array["time"].values if keep else None
    options: dict[str, Any] = {"time": time, "use": use}
    if whole or n_rows * n_units * n_times <= WHOLE or n_units <= n_rows:
        x = _times_first(site_patterns(system, name, codes, n_rows, **options))
        known = np.asarray(np.isfinite(x).all(axis=-1))
        return Loaded(label, x, None, known, n_units, times)
    products = np.zeros((n_times, n_rows, n_rows))
    known = np.ones((n_times, n_rows), bool)
    step = max(1, WHOLE // (4 * n_rows * n_times))
    for start in range(0, n_units, step):
        part = cast("System", _Part(system, slice(start, start + step)))
        x = _times_first(site_patterns(part, name, codes, n_rows, **options))
        known &= np.isfinite(x).all(axis=-1)
        mean = np.nanmean(x, axis=1, keepdims=True)
        x = np.where(known[..., None], x - mean, 0.0)
        products += x @ x.transpose(0, 2, 1)
    return Loaded(label, None, products, known, n_units, times)


def _times_first(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return x[None] if x.ndim == 2 else np.moveaxis(x, 1, 0)


def complete_rows(
    sites: Sequence[Loaded],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], list[Note]]:
    """Return time bins and rows that all sites have, and a note of what was left out."""
    shape = sites[0].known.shape
    if any(s.known.shape != shape for s in sites):
        counts = {s.label: s.known.shape[0] for s in sites}
        msg = (
            f"time='keep' compares bin with bin, so all sites must have as many bins; "
            f"got {counts}. Use time='mean' or a window (start, stop)."
        )
        raise ContractError(msg)
    known = np.logical_and.reduce([s.known for s in sites])
    bins = np.flatnonzero(known.any(axis=1))
    full = bins[known[bins].mean(axis=1) > 0.5] if len(bins) > 1 else bins
    rows = np.flatnonzero(known[full].all(axis=0))
    if len(rows) < FEWEST or not len(full):
        msg = (
            f"only {len(rows)} rows were measured at all sites; at least {FEWEST} are "
            "needed. Choose other sites, or a window with time=(start, stop)."
        )
        raise StatisticsError(msg)
    notes = []
    if len(rows) < shape[1]:
        text = f"{shape[1] - len(rows)} of {shape[1]} rows that some site lacks were left out."
        notes.append(Note("missing_rows", text))
    if len(full) < shape[0]:
        text = f"{shape[0] - len(full)} of {shape[0]} time bins that most rows lack were left out."
        notes.append(Note("incomplete_bins", text))
    return full, rows, notes


def samples_of(
    site: Loaded,
    bins: npt.NDArray[np.intp],
    rows: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
) -> list[Sample]:
    """Return one sample a time bin, of the given rows; refuse a site that never varies."""
    out = []
    for t in bins:
        if site.raw is not None:
            x = np.ascontiguousarray(site.raw[t][rows])
            flat = not (np.ptp(x, axis=0) > 1e-12 * np.abs(x).max(initial=0.0)).any()
            sample = Sample(site.label, x, fold, None, site.n_units)
        else:
            k = site.products[t][np.ix_(rows, rows)]  # type: ignore[index]
            k = k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean()
            flat = float(np.trace(k)) <= 0
            sample = Sample(site.label, None, fold, k, site.n_units)
        if flat:
            where = "" if site.times is None else f" at time {site.times[t]}"
            msg = (
                f"{site.label}{where}: all {len(rows)} rows have the same pattern (zero "
                "variance), so there is nothing to align. Choose another site or rows."
            )
            raise StatisticsError(msg)
        out.append(sample)
    return out
