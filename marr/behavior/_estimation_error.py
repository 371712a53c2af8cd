"""How far is a continuous report from the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import StatisticsError, check_option
from marr.stats import holm, percentile_interval, permutation_p, permutations

from ._answers import clusters_of, conditions
from ._continuous import (
    dependence_notes,
    dependent_units,
    resampling_weights,
    trial_table,
)
from ._estimation_text import figures, methods_text, pair_notes, summarizer
from ._report_pair import Pair, read_pair
from ._series_kernel import ERROR, circular_error, error_summary, shuffled_error

if TYPE_CHECKING:
    from marr.systems import System

__all__ = ["estimation_error"]

NULLS = ("free", "shift")


@analysis(
    level="behavior",
    citations=("efron1987", "phipson2010"),
    needs="a continuous report and its true value",
)
def estimation_error(
    system: System,
    *,
    estimate: str,
    target: str,
    circular: bool = True,
    period: float | None = None,
    at: str | int = "last",
    by: str | None = None,
    n_permutations: int = 500,
    null: str = "free",
    seed: int = 0,
) -> Draft:
    """Error of a continuous report: absolute, median, bias, and its chance level.

    Parameters
    ----------
    system : System or Cohort
        Whose report, e.g. a network that says where it is heading.
    estimate : str
        The report: a variable of shape (trial, time) or a column.
    target : str
        The truth, likewise.
    circular : bool
        Whether both are angles.
    period : float, optional
        Length of the circle; by default 2 pi, or 360 where the data say degrees.
    at : "last" or int
        Which time of a truth over time a report of one value a trial is about.
    by : str, optional
        Column whose levels are scored by themselves.
    n_permutations : int
        Shuffles of the targets over trials, for chance.
    null : {"free", "shift"}
        How targets are shuffled; "shift" moves them around a circle of trials, for
        trials that depend on their neighbors.
    seed : int
        Seed of resampling and shuffles.

    Returns
    -------
    Finding
        `estimate` has dims (statistic) or (`by`, statistic): mean_absolute,
        median_absolute, bias (circular mean of estimate minus target). `null_mean` is
        the error of shuffled targets; p-values test errors below it. Tables: "trial"
        and, for reports over time, "time".

    Raises
    ------
    EvidenceError
        The report or its truth was not measured in this system.
    ContractError
        Both run over time, but over different times.
    StatisticsError
        Fewer than five trials.

    Examples
    --------
    >>> import numpy as np, pandas as pd, marr
    >>> rng = np.random.default_rng(0)
    >>> true = rng.uniform(-np.pi, np.pi, (30, 40))
    >>> said = true + rng.normal(0, 0.1, true.shape)
    >>> net = marr.from_arrays({}, pd.DataFrame(index=range(30)),
    ...                        variables={"said": said, "true": true})
    >>> finding = marr.behavior.estimation_error(net, estimate="said", target="true")
    >>> bool(abs(float(finding.estimate.estimate.sel(statistic="mean_absolute")) - 0.08) < 0.01)
    True
    """
    check_option("null", null, NULLS)
    pair = read_pair(system, estimate, target, circular=circular, period=period, at=at)
    codes, levels = conditions(
        system, by, reserved=("statistic", "trial", "time", "member")
    )
    errors = circular_error(pair.estimate, pair.target, pair.period)
    some = ~np.isnan(errors).all(axis=1) & (codes >= 0)
    if not some.any():
        msg = f"{estimate!r} and {target!r} of {system.name!r} are never both known."
        raise StatisticsError(msg)
    per_trial = _trial_table(system, errors, pair)
    clusters, column = clusters_of(system, by)
    whole, resampled = dependent_units(per_trial["estimate"].values, clusters, column)
    rows = [some & (codes == code) for code in range(len(levels))]
    values = np.full((len(rows), len(ERROR), 5), np.nan)
    for i, row in enumerate(rows):
        if row.sum() >= 5 or by is None:
            values[i] = _score(pair, errors, row, whole, n_permutations, null, seed)
    tables = {"trial": per_trial}
    if pair.time is not None:
        tables["time"] = _time_table(errors, some, whole, pair, seed)
    missing = int(np.isnan(errors).sum())
    return Draft(
        estimate=_estimate_table(values, by, levels, pair),
        summary=summarizer(estimate, target, pair.units, by),
        question=f"How far is {estimate} from {target}?",
        methods=methods_text(
            estimate, target, pair, resampled, n_permutations, null, seed
        ),
        tables=tables,
        figures=figures(estimate, target, pair, by),
        notes=[
            *pair_notes(pair, rows, levels, by),
            *dependence_notes(missing, errors.size, resampled),
        ],
        generalizes_over=resampled,
    )


def _score(
    pair: Pair,
    errors: np.ndarray,
    row: np.ndarray,
    clusters: np.ndarray | None,
    n_permutations: int,
    null: str,
    seed: int,
) -> np.ndarray:
    """Return (3 statistics, 5): estimate, low, high, p, chance."""
    n = int(row.sum())
    group = None if clusters is None else clusters[row]
    weights = resampling_weights(n, group, seed, "estimation_error")
    point = error_summary(errors[row], np.ones((1, n)), pair.period)[0]
    draws = error_summary(errors[row], weights, pair.period)
    n_units = n if group is None else max(2, len(np.unique(group)))
    interval = percentile_interval(_around(draws, point, pair.period), n_units=n_units)
    order = permutations(n, n_permutations=n_permutations, seed=seed, scheme=null)
    chance = shuffled_error(pair.estimate[row], pair.target[row], order, pair.period)
    out = np.full((len(ERROR), 5), np.nan)
    out[:, 0], out[:, 1], out[:, 2] = point, interval.low, interval.high
    out[:2, 3] = permutation_p(point[:2], chance, tail="less")
    out[:2, 4] = chance.mean(axis=0)
    out[2, 4] = 0.0
    return out


def _around(draws: np.ndarray, point: np.ndarray, period: float | None) -> np.ndarray:
    """Unwrap bootstrap draws of a circular bias around its estimate."""
    out = draws.copy()
    out[:, 2] = point[2] + circular_error(
        draws[:, 2], np.full(len(draws), point[2]), period
    )
    return out


def _estimate_table(
    values: np.ndarray, by: str | None, levels: list[object], pair: Pair
) -> xr.Dataset:
    dims = ("statistic",) if by is None else (by, "statistic")
    columns = ("estimate", "ci_low", "ci_high", "p_value", "null_mean")
    coords: dict[str, object] = {"statistic": list(ERROR)}
    if by is not None:
        coords[by] = np.array(levels)
    table = xr.Dataset(
        {
            k: (dims, values[0, :, i] if by is None else values[..., i])
            for i, k in enumerate(columns)
        },
        coords=coords,
    )
    table["p_corrected"] = (dims, holm(table["p_value"].values))
    table["estimate"].attrs.update(
        long_name="error of the report", units=pair.units, better="lower"
    )
    if by is None:
        table.attrs["headline"] = {
            "table": "estimate",
            "select": {"statistic": "mean_absolute"},
            "quantity": f"mean absolute error ({pair.units})",
        }
    return table


def _trial_table(system: System, errors: np.ndarray, pair: Pair) -> xr.Dataset:
    table = trial_table(system, errors, what="error")
    table["estimate"].attrs.update(
        long_name="absolute error", units=pair.units, better="lower"
    )
    return table


def _time_table(
    errors: np.ndarray,
    some: np.ndarray,
    clusters: np.ndarray | None,
    pair: Pair,
    seed: int,
) -> xr.Dataset:
    size = np.abs(errors[some])
    seen = ~np.isnan(size)
    filled = np.where(seen, size, 0.0)
    group = None if clusters is None else clusters[some]
    weights = resampling_weights(len(size), group, seed, "estimation_error")
    n_units = len(size) if group is None else max(2, len(np.unique(group)))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / seen.sum(axis=0)
        draws = (weights @ filled) / (weights @ seen)
    known = seen.any(axis=0)
    interval = percentile_interval(draws[:, known], n_units=n_units)
    bounds = np.full((2, len(mean)), np.nan)
    bounds[0, known], bounds[1, known] = interval.low, interval.high
    table = xr.Dataset(
        {
            "estimate": ("time", mean),
            "ci_low": ("time", bounds[0]),
            "ci_high": ("time", bounds[1]),
        },
        coords={"time": pair.time},
        attrs={"reduction": "mean over trials"},
    )
    table["time"].attrs["time_unit"] = pair.time_unit
    table["estimate"].attrs.update(
        long_name="mean absolute error", units=pair.units, better="lower"
    )
    return table
