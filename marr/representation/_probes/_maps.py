"""From scores of the data and of shuffles to a map with intervals and p-values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from marr.representation._probes._describe import describe
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
    "by_unit",
    "estimate_table",
    "make_map",
    "map_table",
    "square_table",
]

FloatArray = Any
N_RESAMPLES = 1000
BOUNDS = {
    "categorical": (0.0, 1.0),
    "ordinal": (-1.0, 1.0),
    "continuous": (-np.inf, 1.0),
    "circular": (-1.0, 1.0),
}


def _max(
    observed: FloatArray, null: FloatArray, _p: FloatArray, _axes: Sequence[int]
) -> FloatArray:
    if len(observed) > 1:  # targets of other chance and spread: on one scale
        both = np.concatenate([observed[None], null])
        spread = np.maximum(both.std(axis=0), 1e-12)
        observed, null = ((v - both.mean(axis=0)) / spread for v in (observed, null))
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
    """Scores over (target, site, time) with their shuffles and resamples.

    Attributes
    ----------
    score : array of shape (n_targets, n_sites, n_times)
        Score of the data.
    null : array of shape (n_shuffles, n_targets, n_sites, n_times)
        Scores of the shuffles.
    resampled : array of shape (n_resamples, n_targets, n_sites, n_times)
        Bootstrap draws of the score.
    extra : dict of str to array of shape (n_targets, n_sites, n_times)
        Further descriptions of the data.
    n_units : int
        Number of units that the bootstrap drew from.
    widen : float
        Factor of the distance from the score to the ends of its interval.
    bounds : tuple of float
        Least and largest score there can be.
    """

    score: npt.NDArray[np.float64]
    null: npt.NDArray[np.float64]
    resampled: npt.NDArray[np.float64]
    extra: dict[str, npt.NDArray[np.float64]]
    n_units: int
    widen: float = 1.0
    bounds: tuple[float, float] = (-np.inf, np.inf)

    def mean(self, axis: int) -> ScoreMap:
        """Average over sites (1) or times (2); the averaged axis stays, of length 1."""
        return ScoreMap(
            self.score.mean(axis=axis, keepdims=True),
            self.null.mean(axis=axis + 1, keepdims=True),
            self.resampled.mean(axis=axis + 1, keepdims=True),
            {},
            self.n_units,
            self.widen,
            self.bounds,
        )


def make_map(
    results: Sequence[Sequence[CellResult]],
    layout: Layout,
    plan: Plan,
    targets: Sequence[Target],
    *,
    seed: int,
    training: bool = False,
) -> ScoreMap:
    """Collect results by target and cell; resample trials with probes as they are.

    `training` widens intervals for what other training trials would change (Nadeau and
    Bengio 2003): with K folds the variance of the mean over them is not 1 / K of that of
    one, as if folds were independent, but 1 / K + 1 / (K - 1), since probes share most of
    their training rows.
    """
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)
    n_units = int(units.max()) + 1
    weights = bootstrap_weights(n_units, n_resamples=N_RESAMPLES, seed=seed)
    row_unit = units[layout.row_trial]
    combine = KINDS[targets[0].kind].combine

    def resample(result: CellResult) -> npt.NDArray[np.float64]:
        part, whole = (
            np.tensordot(weights, by_unit(v, row_unit, n_units), axes=(1, 0))
            for v in (result.part, result.whole)
        )
        drawn = combine(torch.from_numpy(part), torch.from_numpy(whole))
        return np.asarray(drawn.numpy())

    extras = [
        [describe(r, target, layout, weights, row_unit) for r in cells]
        for target, cells in zip(targets, results, strict=True)
    ]
    return ScoreMap(
        np.array([[r.score[0] for r in cells] for cells in results]),
        np.moveaxis(
            np.array([[r.score[1:] for r in cells] for cells in results]), 2, 0
        ),
        np.moveaxis(np.array([[resample(r) for r in c] for c in results]), 2, 0),
        {k: np.array([[e[k] for e in c] for c in extras]) for k in extras[0][0]},
        n_units,
        np.sqrt(1.0 + plan.n_folds / (plan.n_folds - 1)) if training else 1.0,
        BOUNDS[targets[0].kind],
    )


def by_unit(
    values: npt.NDArray[np.float64], row_unit: npt.NDArray[np.intp], n_units: int
) -> npt.NDArray[np.float64]:
    """Sum (times, rows, strata) over the rows of each unit: (units, times, strata)."""
    total = np.zeros((n_units, values.shape[0], values.shape[2]))
    np.add.at(total, row_unit, np.moveaxis(values, 1, 0))
    return total


def estimate_table(scores: ScoreMap, correction: str) -> dict[str, FloatArray]:
    """Return estimate, interval, p-values and null mean over (target, site, time)."""
    ends = percentile_interval(scores.resampled, n_units=scores.n_units)
    low, high = ends
    if scores.widen != 1.0:
        score, bounds = scores.score, scores.bounds
        low, high = (
            np.clip(score + scores.widen * (end - score), *bounds) for end in ends
        )
    table = {"estimate": scores.score, "ci_low": low, "ci_high": high}
    if len(scores.null):
        p = permutation_p(scores.score, scores.null, tail="greater")
        table["p_value"] = p
        table["p_corrected"] = CORRECTIONS[correction](
            scores.score, scores.null, p, [2]
        )
        table["null_mean"] = scores.null.mean(axis=0)
    return {**table, **scores.extra}


def map_table(
    columns: dict[str, FloatArray],
    layout: Layout,
    attrs: dict[str, Any],
    *,
    names: Sequence[str] | None = None,
    drop: Sequence[str] = (),
) -> xr.Dataset:
    """Label columns over (target, site, time); axes that are not there are dropped.

    `names` are those of several targets; a single one that stands alone has no axis.
    """
    there = {
        "target": names is not None,
        "site": layout.by_site,
        "time": layout.times is not None,
    }
    dims = [d for d, yes in there.items() if yes and d not in drop]
    full = columns["estimate"].shape
    shape = dict(zip(("target", "site", "time"), full, strict=True))
    data = {
        name: (dims, np.asarray(values).reshape([shape[d] for d in dims]))
        for name, values in columns.items()
    }
    coords: dict[str, Any] = {}
    if "target" in dims:
        coords["target"] = list(names or ())
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
    if "category_error" in table:
        table["category_error"].attrs.update(
            long_name="mean absolute error of the category", units="categories"
        )
    return table


def square_table(
    results: Sequence[Sequence[CellResult]],
    layout: Layout,
    correction: str,
    attrs: dict[str, Any],
    *,
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return scores by training and test time."""
    across = np.array([[np.asarray(r.across) for r in cells] for cells in results])
    across = np.moveaxis(across, 2, 0)  # (draws, targets, sites, times, times)
    observed, null = across[0], across[1:]
    columns: dict[str, FloatArray] = {"estimate": observed}
    if len(null):
        p = permutation_p(observed, null, tail="greater")
        columns["p_value"] = p
        columns["p_corrected"] = CORRECTIONS[correction](observed, null, p, [2, 3])
        columns["null_mean"] = null.mean(axis=0)
    dims = ["target", "site", "train_time", "test_time"]
    coords: dict[str, Any] = {
        d: (d, layout.times, {"units": layout.time_unit}) for d in dims[2:]
    }
    coords["site"] = [c.label for c in layout.cells]
    if names is not None:
        coords["target"] = list(names)
    table = xr.Dataset({k: (dims, v) for k, v in columns.items()}, coords=coords)
    table["estimate"].attrs.update(attrs)
    table.attrs["reduction"] = "none; each pair of training and test time"
    alone = {"target": names is None, "site": not layout.by_site}
    return table.isel({d: 0 for d, yes in alone.items() if yes}, drop=True)
