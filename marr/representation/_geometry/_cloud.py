"""Activity of a site as a cloud of points: one a trial, units in the order of their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.errors import OptionError, StatisticsError
from marr.findings import Note
from marr.representation._rows import site_patterns
from marr.systems import System, site_list, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = [
    "Cloud",
    "check_time",
    "condition_counts",
    "constant_note",
    "grouped_units",
    "known_column",
    "site_cloud",
    "varying",
    "words",
]


@dataclass(frozen=True)
class Cloud:
    """Points of one site.

    Attributes
    ----------
    x : array of shape (n_trials, n_units)
        Activity of the units that vary, sorted by label, so that what is drawn at random
        for a unit does not depend on the order in which units come.
    units : array of str
        Their labels.
    n_constant : int
        Units that do not vary, left out.
    """

    x: npt.NDArray[np.float64]
    units: npt.NDArray[np.str_]
    n_constant: int


def words(labels: npt.ArrayLike) -> list[str]:
    """Return labels as words, whole numbers without a decimal point."""
    return [
        f"{v:g}" if isinstance(v, float) else str(v)
        for v in np.asarray(labels).tolist()
    ]


def varying(x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which columns vary over rows by more than rounding."""
    size = np.abs(x).max(axis=0)
    return np.asarray(x.std(axis=0) > 1e-12 * np.maximum(size, 1e-300))


def site_cloud(
    system: System, site: str, time: str | tuple[float, float], *, fewest: int = 1
) -> Cloud:
    """Return the activity of each trial at a site.

    Parameters
    ----------
    system : System
        Whose activity is read.
    site : str
        Site.
    time : "mean" or (float, float)
        Average over all valid bins, or those of a window.
    fewest : int
        Units that must vary.

    Raises
    ------
    StatisticsError
        If fewer units vary.
    """
    n = len(system.trial_index)
    x = site_patterns(system, site, np.arange(n), n, time=time)
    labels = system.activity(site_list(system, site)[0])["unit"].values.astype(str)
    order = np.argsort(labels, kind="stable")
    x, labels = x[:, order], labels[order]
    kept = varying(x)
    if kept.sum() < fewest:
        msg = (
            f"{int(kept.sum())} of {len(kept)} units of site {site!r} vary over trials; "
            f"at least {fewest} must. Choose other sites=, or another time=."
        )
        raise StatisticsError(msg)
    return Cloud(np.ascontiguousarray(x[:, kept]), labels[kept], int((~kept).sum()))


def constant_note(clouds: dict[str, int]) -> list[Note]:
    """Return a note on constant units by site, if there are any."""
    shown = ", ".join(f"{site} {n}" for site, n in clouds.items() if n)
    if not shown:
        return []
    return [Note("constant_units", f"Constant units were left out: {shown}.")]


def check_time(time: str | tuple[float, float], argument: str = "time") -> None:
    """Refuse what is neither "mean" nor a window."""
    fits = time == "mean" if isinstance(time, str) else _is_window(time)
    if not fits:
        msg = f"{argument} must be 'mean' or (start, stop) with start < stop; got {time!r}."
        raise OptionError(msg)


def _is_window(time: object) -> bool:
    try:
        start, stop = time  # type: ignore[misc]
        return bool(float(start) < float(stop))  # type: ignore[has-type]
    except (TypeError, ValueError):
        return False


def known_column(system: System, name: str, argument: str) -> npt.NDArray[np.object_]:
    """Return a column with one known value a trial.

    Raises
    ------
    OptionError
        Unknown name (the nearest is suggested), or a variable with a time axis.
    StatisticsError
        If values are missing.
    """
    array = target_values(system, name, argument=argument)
    if array.ndim != 1:
        msg = (
            f"{argument}: {name!r} varies within trials; use a column with one value a "
            "trial."
        )
        raise OptionError(msg)
    missing = int(pd.isna(array.values).sum())
    if missing:
        msg = (
            f"{argument}: {name!r} has {missing} missing values. Drop these trials: "
            f"system.select(system.trials[{name!r}].notna())."
        )
        raise StatisticsError(msg)
    return np.array(array.values.tolist(), dtype=object)


def condition_counts(
    codes: npt.NDArray[np.intp], labels: Sequence[str], *, least: int, what: str
) -> npt.NDArray[np.intp]:
    """Return trials a condition; refuse too few, with their numbers."""
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    few = [
        f"{labels[k]} ({counts[k]})" for k in np.flatnonzero(counts < least).tolist()
    ]
    if few:
        shown = ", ".join(few[:5]) + (
            f" and {len(few) - 5} more" if len(few) > 5 else ""
        )
        msg = (
            f"{what} needs at least {least} trials of each condition; too few of {shown}. "
            "Record more, leave these out with select(), or use coarser conditions."
        )
        raise StatisticsError(msg)
    return np.asarray(counts, dtype=np.intp)


def grouped_units(
    units: npt.NDArray[np.intp], most: int, *, seed: int
) -> npt.NDArray[np.intp]:
    """Put resampling units into at most `most` random groups of like size."""
    codes = np.unique(units, return_inverse=True)[1].reshape(-1)
    n = int(codes.max()) + 1
    if n <= most:
        return np.asarray(codes, dtype=np.intp)
    group = np.empty(n, np.intp)
    group[np.random.default_rng(seed).permutation(n)] = np.arange(n) % most
    return np.asarray(group[codes], dtype=np.intp)
