"""How did it move: size and spread of a continuous behavioral variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import StatisticsError
from marr.findings import FigureSpec, Note
from marr.stats import percentile_interval

from ._answers import clusters_of, sentence_case
from ._continuous import (
    Series,
    dependence_notes,
    dependent_units,
    read_series,
    resampling_weights,
    trial_table,
)
from ._psychometric_tables import nice_grid
from ._series_kernel import MOVEMENT, movement_summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from marr.systems import System

__all__ = ["movement"]


@analysis(
    level="behavior",
    citations=("efron1987",),
    needs="a continuous behavioral variable",
)
def movement(system: System, *, variable: str, seed: int = 0) -> Draft:
    """Size, spread and distribution of a continuous behavioral variable.

    Parameters
    ----------
    system : System or Cohort
        With the variable in `system.variables`, of shape (trial, time), or as a column.
    variable : str
        Its name, e.g. "angular_velocity".
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Finding
        `estimate` has dim (statistic): mean_absolute, sd, q05, median, q95, in the
        variable's own units. Tables: "trial" (mean absolute value of each trial, with
        the half it belongs to) and "density" (share of samples by value).

    Raises
    ------
    EvidenceError
        The variable was not measured, or not on the perturbed system.
    StatisticsError
        Fewer than five trials.

    Notes
    -----
    This describes what was done; it says nothing of what the system was after. Not for
    angles themselves (their mean and quantiles depend on where the circle is cut):
    use their rate of change.

    Examples
    --------
    >>> import numpy as np, pandas as pd, marr
    >>> speed = np.random.default_rng(0).normal(size=(20, 50))
    >>> mouse = marr.from_arrays(
    ...     {}, pd.DataFrame(index=range(20)), variables={"turning": speed}
    ... )
    >>> finding = marr.behavior.movement(mouse, variable="turning")
    >>> bool(abs(float(finding.estimate.estimate.sel(statistic="sd")) - 1) < 0.1)
    True
    """
    series = read_series(
        system,
        variable,
        argument="variable",
        own=True,
        lacking=f"movement ({variable})",
    )
    values = series.values
    some = ~np.isnan(values).all(axis=1)
    n = int(some.sum())
    if n == 0:
        msg = f"variable: {variable!r} of {system.name!r} is missing on every trial."
        raise StatisticsError(msg)
    units = series.units or "units not stated"
    per_trial = _trial_table(system, values, units)
    clusters, column = clusters_of(system, variable)
    whole, resampled = dependent_units(
        per_trial["estimate"].values[some],
        None if clusters is None else clusters[some],
        column,
    )
    draws = movement_summary(
        values[some], resampling_weights(n, whole, seed, "movement")
    )
    n_units = n if whole is None else len(np.unique(whole))
    missing = int(np.isnan(values).sum())
    return Draft(
        estimate=_estimate(
            movement_summary(values[some], np.ones((1, n)))[0],
            draws,
            n_units,
            units,
            variable,
        ),
        summary=_summarizer(variable, units),
        question=f"How does the system move ({variable})?",
        methods=_methods(variable, units, resampled, seed),
        tables={"trial": per_trial, "density": _density(values, variable, units)},
        figures=(_figure(variable, units),),
        notes=[
            *_unit_notes(series, variable),
            *dependence_notes(missing, values.size, resampled),
        ],
        generalizes_over=resampled,
    )


def _estimate(
    point: np.ndarray, draws: np.ndarray, n_units: int, units: str, variable: str
) -> xr.Dataset:
    interval = percentile_interval(draws, n_units=n_units)
    table = xr.Dataset(
        {
            "estimate": ("statistic", point),
            "ci_low": ("statistic", np.asarray(interval.low)),
            "ci_high": ("statistic", np.asarray(interval.high)),
        },
        coords={"statistic": list(MOVEMENT)},
    )
    table["estimate"].attrs.update(long_name=variable, units=units)
    table.attrs["headline"] = {
        "table": "estimate",
        "select": {"statistic": "mean_absolute"},
        "quantity": f"mean absolute {variable.replace('_', ' ')} ({units})",
    }
    return table


def _trial_table(system: System, values: np.ndarray, units: str) -> xr.Dataset:
    table = trial_table(system, values, what="value")
    table["estimate"].attrs.update(long_name="mean absolute value", units=units)
    return table


def _density(values: np.ndarray, variable: str, units: str) -> xr.Dataset:
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, [0.005, 0.995])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = nice_grid(float(low), float(high), 40)
    share = np.histogram(known, edges)[0] / len(known)
    table = xr.Dataset(
        {"estimate": ("value", share)},
        coords={"value": np.round((edges[1:] + edges[:-1]) / 2, 12)},
        attrs={"reduction": "all trials and times"},
    )
    table["value"].attrs.update(long_name=variable, units=units)
    table["estimate"].attrs.update(long_name="share of samples", units="proportion")
    return table


def _summarizer(variable: str, units: str) -> Callable[[xr.Dataset], str]:
    def summary(estimate: xr.Dataset) -> str:
        row = {
            n: estimate.sel(statistic=n) for n in ("mean_absolute", "sd", "q05", "q95")
        }
        size = row["mean_absolute"]
        return (
            f"{sentence_case(variable.replace('_', ' '))} was {float(size['estimate']):.3g} "
            f"[{float(size['ci_low']):.3g}, {float(size['ci_high']):.3g}] {units} in absolute mean, "
            f"sd {float(row['sd']['estimate']):.3g}; nine tenths of the time between "
            f"{float(row['q05']['estimate']):.3g} and {float(row['q95']['estimate']):.3g}."
        )

    return summary


def _methods(variable: str, units: str, resampled: str, seed: int) -> str:
    return (
        f"Mean absolute value, standard deviation and quantiles of {variable} ({units}) over "
        f"all trials and times; 95 % intervals by a bootstrap of {resampled} (1,000 resamples, "
        f"percentiles widened for their number, seed {seed})."
    )


def _unit_notes(series: Series, variable: str) -> list[Note]:
    notes = []
    if not series.units:
        notes.append(Note(
            "no_units", f"The data do not state the units of {variable}.",
            "Give the variable attrs['units'].",
        ))  # fmt: skip
    if series.circular:
        notes.append(Note(
            "circular",
            f"{variable} is marked as an angle: its mean and quantiles depend on where the circle is cut.",
            "Describe its rate of change instead.",
        ))  # fmt: skip
    return notes


def _figure(variable: str, units: str) -> FigureSpec:
    return FigureSpec(
        kind="line",
        table="density",
        x="value",
        caption=f"Distribution of {variable} over all trials and times (middle 99 %).",
        x_label=f"{variable} ({units})",
        y_label="share of samples",
        description=f"Line of the share of samples against {variable}.",
    )
