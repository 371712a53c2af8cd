"""Tables of demixed components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import special

from marr.representation._units._demix_kernel import cell_means, marginalize
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._units._demix_job import DemixJob

    FloatArray = npt.NDArray[np.float64]

__all__ = ["component_table", "demix_tables"]

N_RESAMPLES = 500


def component_table(job: DemixJob) -> xr.Dataset:
    """Return the share of variance of each component, over the floor of shuffles."""
    value = job.share.sum(axis=1)
    k = len(job.jackknife)
    error = np.sqrt((k - 1) * job.jackknife.sum(axis=2).var(axis=0))
    reach = special.stdtrit(k - 1, 0.975) * error
    own = np.array(
        [job.share[i, list(job.sizes).index(key)] for i, key in enumerate(job.owners)]
    )
    columns: dict[str, Any] = {
        "estimate": value,
        "ci_low": np.maximum(value - reach, 0.0),
        "ci_high": np.minimum(value + reach, 1.0),
        "purity": own / np.where(value > 0, value, 1.0),
    }
    if len(job.null_share):
        columns |= _tests(job, value)
    table = xr.Dataset(
        {name: ("component", v) for name, v in columns.items()},
        coords={
            "component": job.labels,
            "marginalization": ("component", [job.part(key) for key in job.owners]),
        },
    )
    table["estimate"].attrs.update(
        long_name="share of the variance of condition averages",
        units="",
        better="higher",
    )
    return table


def _tests(job: DemixJob, value: FloatArray) -> dict[str, FloatArray]:
    """Test components with conditions against shuffles; time is not tested."""
    tested, null = job.conditional, job.null_share
    nothing = np.full(len(value), np.nan)
    out = {k: nothing.copy() for k in ("p_value", "p_corrected", "null_mean", "excess")}
    at, drawn = value[tested], null[:, tested]
    out["p_value"][tested] = permutation_p(at, drawn, tail="greater")
    out["p_corrected"][tested] = max_statistic(at, drawn, tail="greater")
    out["null_mean"][tested] = drawn.mean(axis=0)
    out["excess"][tested] = at - drawn.mean(axis=0)
    return out


def demix_tables(
    job: DemixJob, halves: npt.NDArray[np.int8], seed: int
) -> dict[str, Any]:
    """Return the tables of a demixing."""
    tables = {
        "marginal": _marginal_table(job),
        "variance": _variance_table(job, halves),
        "trajectory": _trajectory_table(job),
        "weights": _weight_table(job),
    }
    if job.conditional.any():
        tables["accuracy"] = _accuracy_table(job, seed)
    return tables


def _marginal_table(job: DemixJob) -> xr.Dataset:
    """Return what each component explains of each marginalization."""
    parts = [job.part(k) for k in job.sizes]
    table = xr.Dataset(
        {"estimate": (("component", "part"), job.share)},
        coords={"component": job.labels, "part": parts},
    )
    table["estimate"].attrs["long_name"] = "share of the variance of condition averages"
    table.attrs["reduction"] = "none; a demixed component explains one part only"
    return table


def _variance_table(job: DemixJob, halves: npt.NDArray[np.int8]) -> xr.Dataset:
    """Return how much of the variance each part holds: plain, and free of noise."""
    parts = job.whole.parts
    plain = np.array([(v**2).sum() for v in parts.values()])
    columns = {"estimate": plain / max(plain.sum(), 1e-300)}
    y, codes, cells = job.tensor.y, job.cells.codes, job.cells
    table = np.stack(
        [np.bincount(codes[halves == h], minlength=cells.n) for h in (0, 1)]
    )
    if (table > 0).all():
        both = [
            marginalize(
                cell_means(y[halves == h], codes[halves == h], cells.n)[0], cells.shape
            )
            for h in (0, 1)
        ]
        shared = np.array([(both[0][k] * both[1][k]).sum() for k in parts])
        columns["signal"] = shared / max(float(shared.sum()), 1e-300)
    out = xr.Dataset(
        {k: ("part", v) for k, v in columns.items()},
        coords={"part": [job.part(k) for k in parts]},
    )
    out["estimate"].attrs["long_name"] = "share of the variance of condition averages"
    out.attrs["reduction"] = (
        "all components; signal: products of two halves of the trials"
    )
    return out


def _trajectory_table(job: DemixJob) -> xr.Dataset:
    """Return the condition averages seen through each decoder."""
    decoders = np.concatenate([a.decoder for a in job.whole.axes.values()])
    means = job.whole.means - job.whole.means.mean(axis=(0, 1))
    seen = np.einsum("ctu,ku->kct", means, decoders)
    coords: dict[str, Any] = {"component": job.labels, "condition": job.cells.labels}
    dims: tuple[str, ...] = ("component", "condition", "time")
    if job.tensor.times is None:
        seen, dims = seen[..., 0], dims[:2]
    else:
        coords["time"] = ("time", job.tensor.times, {"units": job.tensor.time_unit})
    table = xr.Dataset({"estimate": (dims, seen)}, coords=coords)
    table["estimate"].attrs["long_name"] = "demixed activity"
    table.attrs["reduction"] = "averages of the trials that the axes were fitted to"
    return table


def _weight_table(job: DemixJob) -> xr.Dataset:
    axes = list(job.whole.axes.values())
    decoder = job.tensor.by_unit(np.concatenate([a.decoder for a in axes]))
    encoder = job.tensor.by_unit(np.concatenate([a.encoder.T for a in axes]))
    table = xr.Dataset(
        {
            "decoder": (("component", "unit"), decoder),
            "encoder": (("component", "unit"), encoder),
        },
        coords={"component": job.labels, "unit": job.tensor.units},
    )
    table.attrs["reduction"] = "per standard deviation of the unit"
    return table


def _accuracy_table(job: DemixJob, seed: int) -> xr.Dataset:
    """Return how well held-out trials are told by each component, at each time."""
    tested = job.conditional
    value = job.accuracy[tested]
    low, high = _accuracy_interval(job, seed)
    keys = [key for key in job.owners if key]
    chance = [1 / float(np.prod([job.cells.shape[i] for i in key])) for key in keys]
    columns = {
        "estimate": value,
        "ci_low": np.minimum(low, value),
        "ci_high": np.maximum(high, value),
        "chance": np.tile(np.array(chance)[:, None], (1, value.shape[1])),
    }
    if len(job.null_accuracy):
        null = job.null_accuracy[:, tested]
        columns["p_value"] = permutation_p(value, null, tail="greater")
        columns["p_corrected"] = max_statistic(value, null, tail="greater")
        columns["null_mean"] = null.mean(axis=0)
    labels = np.array(job.labels)[tested].tolist()
    coords: dict[str, Any] = {"component": labels}
    dims: tuple[str, ...] = ("component",)
    if job.tensor.times is None:
        columns = {k: v[:, 0] for k, v in columns.items()}
    else:
        dims = ("component", "time")
        coords["time"] = ("time", job.tensor.times, {"units": job.tensor.time_unit})
    table = xr.Dataset({k: (dims, v) for k, v in columns.items()}, coords=coords)
    table["estimate"].attrs["long_name"] = "balanced accuracy of held-out trials"
    table.attrs["reduction"] = "nearest class mean along one component"
    return table


def _accuracy_interval(job: DemixJob, seed: int) -> tuple[FloatArray, FloatArray]:
    """Resample trials (or what they depend on) with their hits."""
    units = np.unique(job.plan.units, return_inverse=True)[1].reshape(-1)
    n_units, n = int(units.max()) + 1, job.cells.n
    weights = bootstrap_weights(n_units, n_resamples=N_RESAMPLES, seed=seed)[:, units]
    hits = job.by_trial[:, :, job.conditional]
    drawn = []
    for c in range(n):
        rows = job.cells.codes == c
        w = weights[:, rows]
        total = w.sum(axis=1)[:, None, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append(np.tensordot(w, hits[rows], axes=(1, 0)) / total)
    seen = np.array(drawn)
    known = np.isfinite(seen)
    mean = np.where(known, seen, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    low, high = percentile_interval(mean, n_units=n_units)
    return low.T, high.T
