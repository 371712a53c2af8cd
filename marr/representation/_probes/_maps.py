"""From scores of the data and of shuffles to a map with intervals and p-values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from marr.representation._probes._score_kernel import KINDS
from marr.stats import (
    bootstrap_weights,
    cluster_correction,
    fdr,
    max_statistic,
    percentile_interval,
    permutation_p,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from marr.representation._layout import Layout
    from marr.representation._plan import Plan
    from marr.representation._probes._core import CellResult
    from marr.representation._targets import Target

__all__ = [
    "CORRECTIONS",
    "ScoreMap",
    "estimate_table",
    "make_map",
    "map_table",
    "square_table",
]

FloatArray = Any
N_RESAMPLES = 1000


def _max(
    observed: FloatArray, null: FloatArray, _p: FloatArray, _axes: Sequence[int]
) -> FloatArray:
    return max_statistic(observed, null, tail="greater")


def _cluster(
    observed: FloatArray, null: FloatArray, _p: FloatArray, axes: Sequence[int]
) -> FloatArray:
    return cluster_correction(observed, null, tail="greater", axes=axes)


def _fdr(
    _observed: FloatArray, _null: FloatArray, p: FloatArray, _axes: Sequence[int]
) -> FloatArray:
    return fdr(p)


CORRECTIONS: dict[str, Callable[..., FloatArray]] = {
    "max": _max,
    "cluster": _cluster,
    "fdr": _fdr,
}
"""Corrections over the map: permutation maximum, clusters over time, false discovery."""


@dataclass(frozen=True)
class ScoreMap:
    """Scores over (site, time) with their shuffles and resamples.

    Attributes
    ----------
    score : array of shape (n_sites, n_times)
        Score of the data.
    null : array of shape (n_shuffles, n_sites, n_times)
        Scores of the shuffles.
    resampled : array of shape (n_resamples, n_sites, n_times)
        Bootstrap draws of the score.
    extra : dict of str to array of shape (n_sites, n_times)
        Further descriptions of the data.
    """

    score: npt.NDArray[np.float64]
    null: npt.NDArray[np.float64]
    resampled: npt.NDArray[np.float64]
    extra: dict[str, npt.NDArray[np.float64]]
    n_units: int

    def mean(self, axis: int) -> ScoreMap:
        """Average over sites (0) or times (1); the averaged axis stays, of length 1."""
        return ScoreMap(
            self.score.mean(axis=axis, keepdims=True),
            self.null.mean(axis=axis + 1, keepdims=True),
            self.resampled.mean(axis=axis + 1, keepdims=True),
            {},
            self.n_units,
        )


def make_map(
    results: Sequence[CellResult],
    layout: Layout,
    plan: Plan,
    target: Target,
    *,
    seed: int,
) -> ScoreMap:
    """Collect the cells; resample trials with folds and probes as they are."""
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)
    n_units = int(units.max()) + 1
    weights = bootstrap_weights(n_units, n_resamples=N_RESAMPLES, seed=seed)
    row_unit = units[layout.row_trial]
    combine = KINDS[target.kind].combine
    draws, extras = [], []
    for result in results:
        part, whole = (
            _by_unit(v, row_unit, n_units) for v in (result.part, result.whole)
        )
        drawn = combine(
            torch.from_numpy(np.tensordot(weights, part, axes=(1, 0))),
            torch.from_numpy(np.tensordot(weights, whole, axes=(1, 0))),
        )
        draws.append(drawn.numpy())
        extras.append(_extra(result, target, weights, row_unit))
    score = np.stack([r.score[0] for r in results])
    null = np.stack([r.score[1:] for r in results], axis=1)
    extra = {k: np.stack([e[k] for e in extras]) for k in extras[0]}
    return ScoreMap(score, null, np.stack(draws, axis=1), extra, n_units)


def _by_unit(
    values: npt.NDArray[np.float64], row_unit: npt.NDArray[np.intp], n_units: int
) -> npt.NDArray[np.float64]:
    """Sum (times, rows, strata) over the rows of each unit: (units, times, strata)."""
    total = np.zeros((n_units, values.shape[0], values.shape[2]))
    np.add.at(total, row_unit, np.moveaxis(values, 1, 0))
    return total


def _extra(
    result: CellResult,
    target: Target,
    weights: npt.NDArray[np.float64],
    row_unit: npt.NDArray[np.intp],
) -> dict[str, npt.NDArray[np.float64]]:
    """Describe the data by further numbers, each of shape (n_times,)."""
    if target.kind == "circular":
        error = np.degrees(np.arccos(np.clip(result.part[..., 0], -1.0, 1.0)))
        found = [_median_interval(e, weights, row_unit) for e in error]
        names = ("median_error", "median_error_low", "median_error_high")
        return dict(zip(names, np.array(found).T, strict=True))
    if target.kind == "continuous":
        pairs = zip(result.predicted[..., 0], result.truth[..., 0], strict=True)
        return {"correlation": np.array([_correlation(a, b) for a, b in pairs])}
    hits, rows = result.part.sum(axis=(1, 2)), result.whole.sum(axis=(1, 2))
    return {"accuracy": hits / rows}


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length > 0 else 0.0


def _median_interval(
    error: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    row_unit: npt.NDArray[np.intp],
) -> tuple[float, float, float]:
    order = np.argsort(error)
    medians = np.empty(len(weights))
    for i, weight in enumerate(weights):
        cumulative = weight[row_unit[order]].cumsum()
        medians[i] = error[order[np.searchsorted(cumulative, cumulative[-1] / 2)]]
    low, high = percentile_interval(medians, n_units=weights.shape[1])
    return float(np.median(error)), float(low), float(high)


def estimate_table(scores: ScoreMap, correction: str) -> dict[str, FloatArray]:
    """Return estimate, interval, p-values and null mean over (site, time)."""
    low, high = percentile_interval(scores.resampled, n_units=scores.n_units)
    table = {"estimate": scores.score, "ci_low": low, "ci_high": high}
    if len(scores.null):
        p = permutation_p(scores.score, scores.null, tail="greater")
        table["p_value"] = p
        table["p_corrected"] = CORRECTIONS[correction](
            scores.score, scores.null, p, [1]
        )
        table["null_mean"] = scores.null.mean(axis=0)
    return {**table, **scores.extra}


def map_table(
    columns: dict[str, FloatArray],
    layout: Layout,
    attrs: dict[str, Any],
    *,
    drop: Sequence[str] = (),
) -> xr.Dataset:
    """Label columns over (site, time); axes that the layout lacks are dropped."""
    dims = [
        d
        for d, there in (("site", layout.by_site), ("time", layout.times is not None))
        if there and d not in drop
    ]
    shape = {"site": len(layout.cells), "time": columns["estimate"].shape[1]}
    data = {
        name: (dims, np.asarray(values).reshape([shape[d] for d in dims]))
        for name, values in columns.items()
    }
    coords: dict[str, Any] = {}
    if "site" in dims:
        coords["site"] = [c.label for c in layout.cells]
    if "time" in dims:
        coords["time"] = ("time", layout.times, {"units": layout.time_unit})
    table = xr.Dataset(data, coords=coords)
    table["estimate"].attrs.update(attrs)
    if "median_error" in table:
        table["median_error"].attrs.update(
            long_name="median absolute angular error", units="deg", chance=90.0
        )
    return table


def square_table(
    results: Sequence[CellResult],
    layout: Layout,
    correction: str,
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Return scores by training and test time."""
    across = np.stack([np.asarray(r.across) for r in results], axis=1)
    observed, null = across[0], across[1:]
    columns: dict[str, FloatArray] = {"estimate": observed}
    if len(null):
        p = permutation_p(observed, null, tail="greater")
        columns["p_value"] = p
        columns["p_corrected"] = CORRECTIONS[correction](observed, null, p, [1, 2])
        columns["null_mean"] = null.mean(axis=0)
    dims = ["site", "train_time", "test_time"]
    coords: dict[str, Any] = {
        d: (d, layout.times, {"units": layout.time_unit}) for d in dims[1:]
    }
    coords["site"] = [c.label for c in layout.cells]
    table = xr.Dataset({k: (dims, v) for k, v in columns.items()}, coords=coords)
    table["estimate"].attrs.update(attrs)
    table.attrs["reduction"] = "none; each pair of training and test time"
    return table if layout.by_site else table.isel(site=0, drop=True)
