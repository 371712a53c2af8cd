"""Continuous behavior by name: columns or (trial, time) variables of a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.errors import ContractError, EvidenceError, StatisticsError, nearest
from marr.findings import Note
from marr.stats import bootstrap_weights

from ._answers import check_own, own_column

if TYPE_CHECKING:
    from marr.systems import System

__all__ = [
    "Series",
    "dependence_notes",
    "dependent_units",
    "read_series",
    "resampling_weights",
    "trial_table",
]

_FEWEST = 5  # trials without which nothing is resampled


@dataclass(frozen=True)
class Series:
    """A continuous quantity.

    Attributes
    ----------
    values : array of shape (n_trials, n_times)
        NaN where it was not measured; one column for a value a trial.
    time : array of shape (n_times,), or None
        Time coordinates, None for a value a trial.
    units : str
        As stated by the data, "" if not.
    time_unit : str
    circular : bool
        Whether the data mark it as an angle.
    """

    values: np.ndarray
    time: np.ndarray | None
    units: str
    time_unit: str
    circular: bool


def read_series(
    system: System, name: str, *, argument: str, own: bool, lacking: str
) -> Series:
    """Read a column or a (trial, time) variable.

    Parameters
    ----------
    system : System
    name : str
        Column of the trial table or name of a variable.
    argument : str
        Name of the argument in the caller's signature.
    own : bool
        Whether it must be behavior of this very system: refused on a perturbed
        recording, whose behavior nobody saw.
    lacking : str
        What was then not measured, for the message.

    Raises
    ------
    EvidenceError
        It was not measured in this system, or is not its own.
    ContractError
        It is not numeric, or infinite.
    """
    if own and system.perturbations and not system.runs:
        msg = (
            f"{argument}: nobody saw {system.name!r} behave under its perturbation; {name!r} is of "
            "the intact recording. Analyze the intact one."
        )
        raise EvidenceError(msg)
    if name in system.variables:
        if own:
            check_own(system, name, argument=argument)
        array = system.variables[name]
        values = _floats(array.values, name, argument)
        time = (
            array["time"].values
            if "time" in array.coords
            else np.arange(values.shape[1])
        )
        attrs: dict[str, Any] = dict(array.attrs)
        clock = str(array["time"].attrs.get("units", attrs.get("time_unit", "")))
        if not clock and system.sites:
            clock = str(system.activity(system.sites[0]).attrs.get("time_unit", ""))
        return Series(
            values, np.asarray(time), str(attrs.get("units", attrs.get("unit", ""))), clock,
            bool(attrs.get("circular", False)),
        )  # fmt: skip
    columns = list(system.trials.columns)
    aliased = any(f"{p}_{name}" in columns for p in ("intact", "reference"))
    if name not in columns and not aliased:
        known = [*columns, *system.variables]
        hint = nearest(name, known)
        suggestion = f" Did you mean {hint!r}?" if hint else ""
        msg = (
            f"{argument}: {system.name!r} has no column or variable {name!r}: {lacking} was not "
            f"measured. There is {known[:12]}.{suggestion}"
        )
        raise EvidenceError(msg)
    read = own_column(system, name, argument=argument) if own else system.column(name)
    return Series(
        _floats(read.to_numpy(), name, argument)[:, None], None, "", "", circular=False
    )


def _floats(values: np.ndarray, name: str, argument: str) -> np.ndarray:
    if values.dtype.kind not in "fiu":
        msg = f"{argument}: {name!r} must hold numbers; got {values.dtype}."
        raise ContractError(msg)
    out = values.astype(float)
    if np.isinf(out).any():
        msg = f"{argument}: {name!r} holds {int(np.isinf(out).sum())} infinite values; mark them NaN."
        raise ContractError(msg)
    return out


def resampling_weights(
    n: int, clusters: np.ndarray | None, seed: int, what: str, n_resamples: int = 1000
) -> np.ndarray:
    """Bootstrap weights (n_resamples, n), whole clusters together where there are two."""
    if n < _FEWEST:
        msg = f"{what} needs at least {_FEWEST} trials for an interval; got {n}."
        raise StatisticsError(msg)
    if clusters is not None and len(np.unique(clusters)) < 2:
        clusters = None
    return bootstrap_weights(n, n_resamples=n_resamples, seed=seed, groups=clusters)


def dependent_units(
    per_trial: np.ndarray, clusters: np.ndarray | None, column: str | None
) -> tuple[np.ndarray | None, str]:
    """Return what is resampled whole, and its name.

    Parameters
    ----------
    per_trial : array of shape (n_trials,)
        One value a trial, in order; its lag-1 correlation tells whether neighbors
        depend on each other.
    clusters : array of int of shape (n_trials,), or None
        Sessions or sequences, taken where there are two or more.
    column : str or None
        Their column.

    Returns
    -------
    units : array of int of shape (n_trials,), or None
        Clusters, or runs of neighboring trials of length
        ``(2 r / (1 - r**2)) ** (2 / 3) * n ** (1 / 3)``; None for single trials.
    name : str
        For sentences: "sessions", "runs of 5 neighboring trials", "trials".

    References
    ----------
    Carlstein (1986), Annals of Statistics 14, 1171-1179 (length of the runs).
    """
    if clusters is not None and len(np.unique(clusters)) > 1:
        return clusters, f"{column}s"
    n = len(per_trial)
    lag = _lag_correlation(per_trial)
    if n < 20 or lag < max(0.2, 2 / np.sqrt(n)):
        return None, "trials"
    lag = min(lag, 0.95)
    length = int(np.ceil((2 * lag / (1 - lag**2)) ** (2 / 3) * n ** (1 / 3)))
    length = min(length, n // 5)
    return np.arange(n) // length, f"runs of {length} neighboring trials"


def _lag_correlation(values: np.ndarray) -> float:
    before, after = values[:-1], values[1:]
    known = ~np.isnan(before) & ~np.isnan(after)
    if known.sum() < 10 or before[known].std() == 0 or after[known].std() == 0:
        return 0.0
    return float(np.corrcoef(before[known], after[known])[0, 1])


def dependence_notes(n_missing: int, n_values: int, resampled: str) -> list[Note]:
    """Return notes on missing samples and on trials that depend on their neighbors."""
    notes = []
    if n_missing:
        notes.append(Note(
            "missing", f"{n_missing} of {n_values} samples are missing and were left out.",
            "Check that they are not missing where the behavior differs.",
        ))  # fmt: skip
    if resampled.startswith("runs"):
        notes.append(Note(
            "autocorrelated",
            f"Neighboring trials resemble each other, so {resampled} were resampled.",
            "The interval holds for other stretches of this recording.",
        ))  # fmt: skip
    return notes


def trial_table(system: System, values: np.ndarray, *, what: str) -> xr.Dataset:
    """Return the mean absolute value of each trial over its known times, with halves.

    Parameters
    ----------
    system : System
        Whose trials these are.
    values : array of shape (n_trials, n_times)
        NaN where nothing is known.
    what : str
        "value" or "error", for the table's note on what was reduced.
    """
    seen = ~np.isnan(values)
    count = seen.sum(axis=1)
    total = np.where(seen, np.abs(values), 0.0).sum(axis=1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return xr.Dataset(
        {"estimate": ("trial", mean)},
        coords={
            "trial": system.trial_index.to_numpy(),
            "half": ("trial", system.halves),
        },
        attrs={"reduction": f"mean absolute {what} over time"},
    )
