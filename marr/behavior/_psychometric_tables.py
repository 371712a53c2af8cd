"""Labelled tables of a psychometric finding."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from marr.stats import binomial_interval, holm

from ._answers import short
from ._cluster_kernel import robust_error, stretch_factor, t_test
from ._condition_fit import ConditionFit, null_value
from ._summary_kernel import difference

__all__ = [
    "contrast_table",
    "curve_table",
    "data_table",
    "estimate_table",
    "fit_table",
    "headline_mark",
    "nice_grid",
    "stimulus_bins",
]

CONTRASTED = ("bias", "threshold", "slope")
_COLUMNS = ("estimate", "ci_low", "ci_high", "p_value", "mean", "map")
Fits = list[ConditionFit | None]


def nice_grid(low: float, high: float, n: int) -> np.ndarray:
    """Return about `n` multiples of a round step from `low` to `high`.

    Grids of systems with a like range share their points, so that curves of a cohort
    can be averaged.
    """
    raw = (high - low) / n
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(s * power for s in (1.0, 2.0, 5.0, 10.0) if s * power >= raw * 0.999)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return np.asarray(np.round(np.arange(first, last + 1) * step, 12))


def stimulus_bins(x: np.ndarray, n_most: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin of each trial and the stimulus that labels each bin.

    Parameters
    ----------
    x : array of shape (n_trials,)
        Stimuli.
    n_most : int
        With at most so many levels each level is a bin; else bins of equal width.

    Returns
    -------
    bins : array of int of shape (n_trials,)
    centers : array of shape (n_bins,)
    """
    levels, index = np.unique(x, return_inverse=True)
    if len(levels) <= n_most:
        return index.reshape(-1), levels
    marks = nice_grid(float(levels[0]), float(levels[-1]), 10)
    step = marks[1] - marks[0]
    number = np.round(x / step).astype(np.int64)
    used, index = np.unique(number, return_inverse=True)
    return index.reshape(-1), np.round(used * step, 12)


def _axis(by: str | None, levels: list[object]) -> dict[str, object]:
    return {} if by is None else {by: (by, np.array(levels))}


def _fill(fits: Fits, values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Stack arrays of the fitted conditions, NaN where a condition was not fitted."""
    out = np.full((len(fits), *shape), np.nan)
    fitted = [i for i, fit in enumerate(fits) if fit is not None]
    for i, value in zip(fitted, values, strict=True):
        out[i] = value
    return out


def _labelled(
    array: np.ndarray, by: str | None, dim: str
) -> tuple[tuple[str, ...], np.ndarray]:
    return ((dim,), array[0]) if by is None else ((by, dim), array)


def estimate_table(
    fits: Fits,
    names: list[str],
    units: dict[str, str],
    by: str | None,
    levels: list[object],
) -> xr.Dataset:
    """Return parameters with intervals, dims (parameter) or (by, parameter)."""
    data = {}
    for column in _COLUMNS:
        rows = [
            np.array([fit.rows[name][column] for name in names])
            for fit in fits
            if fit is not None
        ]
        data[column] = _fill(fits, rows, (len(names),))
    data["p_corrected"] = holm(data["p_value"])
    nulls = np.array([null_value(n) for n in names])
    data["null_mean"] = np.broadcast_to(nulls, data["p_value"].shape).copy()
    data["null_mean"][np.isnan(data["p_value"])] = np.nan
    order = (
        "estimate",
        "ci_low",
        "ci_high",
        "p_value",
        "p_corrected",
        "null_mean",
        "mean",
        "map",
    )
    table = xr.Dataset(
        {k: _labelled(data[k], by, "parameter") for k in order},
        coords={
            **_axis(by, levels),
            "parameter": np.array(names),
            "units": ("parameter", np.array([units[n] for n in names])),
        },
    )
    table["estimate"].attrs.update(
        long_name="psychometric parameter (posterior median)",
        units="see coordinate units",
    )
    table["map"].attrs["long_name"] = "posterior mode (all parameters together)"
    table["mean"].attrs["long_name"] = "posterior mean"
    return table


def curve_table(
    fits: Fits,
    grid: np.ndarray,
    by: str | None,
    levels: list[object],
    labels: dict[str, str],
) -> xr.Dataset:
    """Return the fitted curve, dims (stimulus) or (by, stimulus)."""
    stacked = _fill(fits, [f.curve for f in fits if f is not None], (3, len(grid)))
    table = xr.Dataset(
        {
            key: _labelled(stacked[:, i], by, "stimulus")
            for i, key in enumerate(("estimate", "ci_low", "ci_high"))
        },
        coords={**_axis(by, levels), "stimulus": grid},
    )
    return _name_axes(table, labels)


def data_table(
    y: np.ndarray,
    bins: np.ndarray,
    codes: np.ndarray,
    centers: np.ndarray,
    by: str | None,
    levels: list[object],
    labels: dict[str, str],
) -> xr.Dataset:
    """Return observed proportions with Wilson intervals; NaN where no trial was given."""
    shape = (len(levels), len(centers))
    cell = codes * len(centers) + bins
    n = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    hits = np.bincount(cell, y, minlength=shape[0] * shape[1]).reshape(shape)
    interval = binomial_interval(hits, n)
    seen = n > 0
    proportion = np.where(seen, hits / np.maximum(n, 1), np.nan)
    table = xr.Dataset(
        {
            "estimate": _labelled(proportion, by, "stimulus"),
            "ci_low": _labelled(np.where(seen, interval.low, np.nan), by, "stimulus"),
            "ci_high": _labelled(np.where(seen, interval.high, np.nan), by, "stimulus"),
            "n": _labelled(n.astype(np.int64), by, "stimulus"),
        },
        coords={**_axis(by, levels), "stimulus": centers},
    )
    return _name_axes(table, labels)


def _name_axes(table: xr.Dataset, labels: dict[str, str]) -> xr.Dataset:
    table["stimulus"].attrs["long_name"] = labels["stimulus"]
    table["estimate"].attrs.update(long_name=labels["answer"], units="probability")
    return table


def contrast_table(
    fits: Fits, levels: list[object], by: str, units: dict[str, str]
) -> xr.Dataset | None:
    """Return differences between conditions, dims (comparison, parameter); None if no pair.

    Each pair is named "later - earlier" in the order of the levels. Posteriors of two
    conditions share no trials, so their draws are independent.
    """
    there = [i for i, fit in enumerate(fits) if fit is not None]
    pairs = list(combinations(there, 2))
    if not pairs:
        return None
    known = fits[there[0]]
    names = [n for n in CONTRASTED if known is not None and n in known.rows]
    values = np.full((len(pairs), len(names), 4), np.nan)
    for row, (i, j) in enumerate(pairs):
        a, b = fits[j], fits[i]
        if a is None or b is None:
            continue
        for column, name in enumerate(names):
            values[row, column] = _contrast(a, b, name)
    dims = ("comparison", "parameter")
    table = xr.Dataset(
        {
            key: (dims, values[..., k])
            for k, key in enumerate(("estimate", "ci_low", "ci_high", "p_value"))
        },
        coords={
            "comparison": [
                f"{short(levels[j])} - {short(levels[i])}" for i, j in pairs
            ],
            "parameter": np.array(names),
            "units": ("parameter", np.array([units[n] for n in names])),
        },
        attrs={"reduction": f"difference between levels of {by}, later minus earlier"},
    )
    table["p_corrected"] = (dims, holm(values[..., 3]))
    table["estimate"].attrs.update(
        long_name=f"difference between levels of {by}",
        units="see coordinate units",
        null=0.0,
    )
    return table


def _contrast(
    a: ConditionFit, b: ConditionFit, name: str
) -> tuple[float, float, float, float]:
    """Return median, low, high and p of the difference of one parameter."""
    first, second = a.draws[name], b.draws[name][::-1]
    effective = min(a.effective, b.effective)
    middle, low, high, p = difference(first, second, effective)
    if a.spread is None or b.spread is None:
        return middle, low, high, p
    # clusters that hold trials of both conditions move both: their moves are paired
    there = a.spread.there | b.spread.there
    moves = (a.spread.moves[name] - b.spread.moves[name])[None]
    error = robust_error(moves, there)
    counts = [int(c.spread.there.sum()) for c in (a, b) if c.spread is not None]
    n = min((k for k in counts if k > 1), default=0)
    factor = float(stretch_factor(error, (first - second).std()[None], n)[0])
    wide = middle + factor * (first - second - middle)
    _, low, high, p = difference(wide, np.zeros_like(wide), effective)
    return middle, low, high, max(p, t_test(middle, float(error[0]), n))


def fit_table(fits: Fits, by: str | None, levels: list[object]) -> xr.Dataset:
    """Return how each fit went: trials, deviance, checks, effective draws."""
    there = [f for f in fits if f is not None]
    columns = {
        "n_trials": [float(f.n_trials) for f in there],
        "deviance": [f.check.deviance for f in there],
        "deviance_p": [f.check.deviance_p for f in there],
        "cluster_spread": [f.check.spread for f in there],
        "cluster_spread_p": [f.check.spread_p for f in there],
        "effective_draws": [f.effective for f in there],
        "rounds": [float(f.n_rounds) for f in there],
    }
    data = {k: _fill(fits, [np.array(v) for v in c], ()) for k, c in columns.items()}
    dims = () if by is None else (by,)
    return xr.Dataset(
        {k: (dims, v[0] if by is None else v) for k, v in data.items()},
        coords=_axis(by, levels),
    )


def headline_mark(
    contrast: xr.Dataset | None, stimulus: str, by: str | None
) -> dict[str, Any] | None:
    """Return the one number of the fit to show first.

    Without conditions the threshold; with conditions the difference of the bias (or
    threshold) between the last and the first; None where no pair was fitted.
    """
    if by is None:
        return {
            "table": "estimate",
            "select": {"parameter": "threshold"},
            "quantity": f"threshold ({stimulus})",
        }
    if contrast is None:
        return None
    pairs = [str(c) for c in contrast["comparison"].values]
    first = pairs[0].split(" - ")[-1]
    widest = [c for c in pairs if c.split(" - ")[-1] == first][-1]
    named = [str(p) for p in contrast["parameter"].values]
    parameter = "bias" if "bias" in named else "threshold"
    what = f"choices at {stimulus} 0" if parameter == "bias" else "threshold"
    return {
        "table": "contrast",
        "reference": 0.0,
        "select": {"comparison": widest, "parameter": parameter},
        "quantity": f"shift of {what}, {by} {widest.replace(' - ', ' minus ')}",
    }
