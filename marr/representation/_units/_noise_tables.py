"""Tables of noise correlations: pairs, what they relate to, two windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._units._data import pair_coords
from marr.representation._units._noise_kernel import swapped_differences
from marr.representation._units._pairwise_kernel import (
    pair_correlations,
    resampled_correlations,
)
from marr.stats import max_statistic, percentile_interval, permutation_p

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._units._noise import NoiseJob

    FloatArray = npt.NDArray[np.float64]

__all__ = ["difference_table", "null_table", "pair_table", "relation_table"]


def _coords(job: NoiseJob) -> dict[str, Any]:
    i, j = np.triu_indices(len(job.rows.labels), k=1)
    return {
        **pair_coords(job.rows.labels),
        "site_a": ("pair", job.rows.sites[i]),
        "site_b": ("pair", job.rows.sites[j]),
    }


def _interval(
    job: NoiseJob, drawn: FloatArray, value: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return percentile limits, widened for the condition means that were estimated."""
    n, used = len(job.z), len(np.unique(job.codes))
    wider = np.sqrt(n / max(n - used, 1))
    low, high = percentile_interval(drawn, n_units=job.weights.shape[1])
    low, high = value + wider * (low - value), value + wider * (high - value)
    return np.fmin(low, value), np.fmax(high, value)


def pair_table(job: NoiseJob) -> xr.Dataset:
    """Return the noise correlation of each pair."""
    low, high = _interval(job, job.drawn, job.observed)
    columns = {
        "estimate": job.observed,
        "ci_low": np.maximum(low, -1.0),
        "ci_high": np.minimum(high, 1.0),
        "p_value": permutation_p(job.observed, job.null, tail="two"),
        "p_corrected": max_statistic(job.observed, job.null, tail="two"),
        "null_mean": job.null.mean(axis=0),
        "signal": job.signal,
    }
    if (job.rows.x >= 0).all():
        columns["activity"] = _activity(job)
    table = xr.Dataset({k: ("pair", v) for k, v in columns.items()}, _coords(job))
    table["estimate"].attrs.update(
        long_name="noise correlation", units="", better="higher", null=0.0
    )
    table["signal"].attrs["long_name"] = "signal correlation between halves"
    return table


def _activity(job: NoiseJob) -> FloatArray:
    mean = job.rows.x.mean(axis=0)
    i, j = np.triu_indices(len(mean), k=1)
    return np.asarray(np.sqrt(mean[i] * mean[j]))


def null_table(job: NoiseJob) -> xr.Dataset:
    """Return the correlations of every draw of the null."""
    table = xr.Dataset(
        {"estimate": (("draw", "pair"), job.null)},
        coords={"draw": np.arange(len(job.null)), **pair_coords(job.rows.labels)},
    )
    table["estimate"].attrs["long_name"] = "noise correlation"
    table.attrs["reduction"] = "none; correlations after units were exchanged alone"
    return table


def relation_table(job: NoiseJob) -> xr.Dataset:
    """Return what the pairs say together, each quantity with its own null."""
    i, j = np.triu_indices(len(job.rows.labels), k=1)
    same = job.rows.sites[i] == job.rows.sites[j]
    masks = {"mean over pairs": np.ones(len(i), bool)}
    if not same.all():
        masks |= {"mean within sites": same, "mean between sites": ~same}
    found = {k: _summary(job, m) for k, m in masks.items() if m.any()}
    usable = np.isfinite(job.signal)
    if usable.sum() >= 4:
        found["correlation with signal correlation"] = _relation(
            job, job.signal, usable
        )
    if (job.rows.x >= 0).all() and len(i) >= 4:
        every = np.ones(len(i), bool)
        found["correlation with activity"] = _relation(job, _activity(job), every)
    largest = np.abs(job.observed).max()
    bar = np.abs(job.null).max(axis=1)
    found["largest absolute"] = {
        "estimate": float(largest),
        "ci_low": np.nan,
        "ci_high": np.nan,
        "p_value": float(permutation_p(largest, bar, tail="greater")),
        "null_mean": float(bar.mean()),
    }
    names = list(found)
    table = xr.Dataset(
        {k: ("quantity", [found[n][k] for n in names]) for k in found[names[0]]},
        coords={"quantity": names},
    )
    table["estimate"].attrs["long_name"] = "over pairs"
    table.attrs["reduction"] = "over pairs, as named"
    return table


def _summary(job: NoiseJob, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    value = np.asarray(job.observed[mask].mean())
    return _row(
        job, value, job.drawn[:, mask].mean(axis=1), job.null[:, mask].mean(axis=1)
    )


def _row(
    job: NoiseJob, value: FloatArray, drawn: FloatArray, null: FloatArray
) -> dict[str, float]:
    low, high = _interval(job, drawn, value)
    return {
        "estimate": float(value),
        "ci_low": float(low),
        "ci_high": float(high),
        "p_value": float(permutation_p(value, null, tail="two")),
        "null_mean": float(null.mean()),
    }


def _relation(
    job: NoiseJob, other: FloatArray, mask: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Correlate noise correlations with another property of the pairs."""
    z = other[mask] - other[mask].mean()
    z = z / max(float(np.sqrt((z**2).sum())), 1e-300)

    def r(values: FloatArray) -> FloatArray:
        centered = values[..., mask] - values[..., mask].mean(axis=-1, keepdims=True)
        length = np.sqrt((centered**2).sum(axis=-1))
        return np.asarray((centered @ z) / np.where(length > 0, length, 1.0))

    row = _row(job, r(job.observed), r(job.drawn), r(job.null))
    return {
        **row,
        "ci_low": max(row["ci_low"], -1.0),
        "ci_high": min(row["ci_high"], 1.0),
    }


def difference_table(
    job: NoiseJob, before: FloatArray, n_null: int, seed: int
) -> xr.Dataset:
    """Return how much the correlation of each pair differs from that in another window."""
    other = pair_correlations(before)
    value = job.observed - other
    drawn = job.drawn - resampled_correlations(before, job.unit_of, job.weights)
    null = swapped_differences(job.z, before, job.unit_of, n_null, seed)
    low, high = _interval(job, drawn, value)
    columns = {
        "estimate": value,
        "ci_low": low,
        "ci_high": high,
        "p_value": permutation_p(value, null, tail="two"),
        "p_corrected": max_statistic(value, null, tail="two"),
        "ongoing": other,
    }
    table = xr.Dataset({k: ("pair", v) for k, v in columns.items()}, _coords(job))
    mean, mean_null = np.asarray(value.mean()), null.mean(axis=1)
    row = _row(job, mean, drawn.mean(axis=1), mean_null)
    table["mean_difference"] = row["estimate"]
    table["mean_difference_low"] = row["ci_low"]
    table["mean_difference_high"] = row["ci_high"]
    table["mean_difference_p"] = row["p_value"]
    table["estimate"].attrs["long_name"] = "difference of noise correlations"
    table.attrs["reduction"] = "none; first window minus the ongoing one"
    return table
