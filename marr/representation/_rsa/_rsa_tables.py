"""Labelled estimate and tables of an analysis of representational similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._rsa._rsa_job import Family, Tested, permuted, tested_family
from marr.stats import percentile_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._rsa._rsa_job import Job

__all__ = ["COMPARATOR_WORDS", "labelled_estimate", "labelled_tables"]

COMPARATOR_WORDS = {
    "cosine": "cosine similarity",
    "correlation": "correlation",
    "whitened_cosine": "whitened cosine similarity",
    "whitened_correlation": "whitened correlation",
    "spearman": "rank correlation",
    "rho-a": "rank correlation (rho-a)",
    "tau-a": "Kendall's tau-a",
}


def _names(job: Job) -> list[str]:
    return [m.name for m in job.models]


def _dims(job: Job) -> tuple[list[str], dict[str, Any]]:
    """Return the dimensions of cells with their labels."""
    data = job.rows.subjects
    coords: dict[str, Any] = {"site": list(data.sites)}
    if data.times is None:
        return ["site"], coords
    coords["time"] = data.times
    return ["site", "time"], coords


def _shaped(job: Job, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values of shape (n_cells, ...) by site, or by site and time."""
    lead = job.shape if job.rows.subjects.times is not None else job.shape[:1]
    return np.asarray(values).reshape(*lead, *np.shape(values)[1:])


def _columns(
    job: Job, found: Tested, dims: list[str], pick: Any = None
) -> dict[str, tuple[list[str], npt.NDArray[Any]]]:
    columns = {
        "estimate": found.estimate,
        "ci_low": found.low,
        "ci_high": found.high,
        "standard_error": found.error,
        "p_value": found.p,
        "p_corrected": found.corrected,
    }
    return {
        k: (dims, _shaped(job, v if pick is None else pick(k, v)))
        for k, v in columns.items()
    }


def labelled_estimate(
    job: Job, correction: str, null: str, n_permutations: int
) -> xr.Dataset:
    """Return the similarity of each model, tested against 0, with the ceiling."""
    n = len(job.models)
    zero = Family(np.eye(n, n + 2), two_sided=False)
    found = tested_family(job, zero, correction, bounded=True)
    lead, coords = _dims(job)
    columns = _columns(job, found, [*lead, "model"])
    if null == "permutation":
        for key, values in permuted(job, n_permutations).items():
            columns[key] = ([*lead, "model"], _shaped(job, values))
    ceilings = np.stack([c.estimate[-2:] for c in job.cells])
    for i, key in enumerate(("ceiling", "ceiling_upper")):
        same = np.repeat(ceilings[:, i : i + 1], n, axis=1)  # so that figures find it
        columns[key] = ([*lead, "model"], _shaped(job, same))
    table = xr.Dataset(columns, coords={**coords, "model": _names(job)})
    table["estimate"].attrs.update(
        long_name=f"{COMPARATOR_WORDS[job.plan.comparator]} with the data",
        units="",
        chance=0.0,
        better="higher",
    )
    return table


def labelled_tables(job: Job, correction: str) -> dict[str, xr.Dataset]:
    """Return differences, ceilings, covariances, members and weights."""
    tables = {"ceiling": _ceiling(job, correction)}
    if len(job.models) > 1:
        tables["difference"] = _difference(job, correction)
    tables["covariance"] = _covariance(job)
    if job.plan.n_subjects > 1:
        tables["member"] = _member(job)
    if job.plan.flexible:
        tables["weights"] = _weights(job)
    return tables


def _ceiling(job: Job, correction: str) -> xr.Dataset:
    """Model minus lower ceiling, and both bounds with intervals."""
    n = len(job.models)
    gap = np.eye(n, n + 2)
    gap[:, n] = -1.0
    found = tested_family(job, Family(gap, two_sided=True), correction, bounded=False)
    lead, coords = _dims(job)
    columns = _columns(job, found, [*lead, "model"])
    own = Family(np.eye(n + 2)[-2:], two_sided=False)
    bounds = tested_family(job, own, "fdr", bounded=True)
    for i, key in enumerate(("lower", "upper")):
        for suffix, values in (
            ("", bounds.estimate),
            ("_ci_low", bounds.low),
            ("_ci_high", bounds.high),
        ):
            columns[f"{key}{suffix}"] = (lead, _shaped(job, values[:, i]))
    table = xr.Dataset(columns, coords={**coords, "model": _names(job)})
    table["estimate"].attrs.update(
        long_name="model less lower noise ceiling", units="", null=0.0, better="higher"
    )
    return table


def _difference(job: Job, correction: str) -> xr.Dataset:
    """Differences of models a and b, row less column."""
    n = len(job.models)
    first, second = np.triu_indices(n, k=1)
    contrasts = np.zeros((len(first), n + 2))
    contrasts[np.arange(len(first)), first] = 1.0
    contrasts[np.arange(len(first)), second] = -1.0
    found = tested_family(
        job, Family(contrasts, two_sided=True), correction, bounded=False
    )

    def square(key: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        diagonal = 1.0 if key.startswith("p_") else 0.0
        out = np.full((len(values), n, n), diagonal)
        out[:, first, second] = values
        mirrored = {"ci_low": found.high, "ci_high": found.low}.get(key, values)
        signed = key in ("estimate", "ci_low", "ci_high")
        out[:, second, first] = -mirrored if signed else values
        return out

    lead, coords = _dims(job)
    columns = _columns(job, found, [*lead, "model_a", "model_b"], square)
    names = {"model_a": _names(job), "model_b": _names(job)}
    table = xr.Dataset(columns, coords={**coords, **names})
    table["estimate"].attrs.update(
        long_name="model a less model b", units="", null=0.0, better="higher"
    )
    return table


def _covariance(job: Job) -> xr.Dataset:
    """Covariance of the estimates: from the variances of single ones and differences."""
    n = len(job.models) + 2
    first, second = np.triu_indices(n, k=1)
    pairs = np.zeros((len(first), n))
    pairs[np.arange(len(first)), first] = 1.0
    pairs[np.arange(len(first)), second] = -1.0
    both = Family(np.concatenate([np.eye(n), pairs]), two_sided=True)
    variance = tested_family(job, both, "fdr", bounded=False).error ** 2
    out = np.zeros((len(variance), n, n))
    out[:, np.arange(n), np.arange(n)] = variance[:, :n]
    shared = (variance[:, first] + variance[:, second] - variance[:, n:]) / 2
    out[:, first, second] = out[:, second, first] = shared
    lead, coords = _dims(job)
    names = [*_names(job), "lower ceiling", "upper ceiling"]
    dims = [*lead, "outcome_a", "outcome_b"]
    table = xr.Dataset(
        {"covariance": (dims, _shaped(job, out))},
        coords={**coords, "outcome_a": names, "outcome_b": names},
    )
    table["covariance"].attrs.update(long_name="covariance of estimates", units="")
    return table


def _member(job: Job) -> xr.Dataset:
    lead, coords = _dims(job)
    values = np.stack([c.by_subject for c in job.cells])
    table = xr.Dataset(
        {"estimate": ([*lead, "member", "model"], _shaped(job, values))},
        coords={
            **coords,
            "member": list(job.rows.subjects.names),
            "model": _names(job),
        },
        attrs={"reduction": "none; one row a member"},
    )
    table["estimate"].attrs.update(
        long_name=f"{COMPARATOR_WORDS[job.plan.comparator]} with the member",
        units="",
        chance=0.0,
        better="higher",
    )
    return table


def _weights(job: Job) -> xr.Dataset:
    """Weights of the components of flexible models, absolute values adding up to one."""
    columns: dict[str, list[npt.NDArray[Any]]] = {
        k: [] for k in ("estimate", "ci_low", "ci_high", "raw")
    }
    names: list[tuple[str, str]] = []
    for i, (model, part) in enumerate(zip(job.models, job.parts, strict=True)):
        if model.kind == "fixed":
            continue
        names += [(model.name, r.name) for r in model.rdms]
        for column in columns.values():
            column.append(np.empty((len(job.cells), len(model.rdms))))
        for c, cell in enumerate(job.cells):
            share, drawn = _share(cell.weights[i]), _share(cell.weight_draws[i])
            low, high = percentile_interval(drawn)
            raw = cell.weights[i] / job.scales[part.start : part.stop]
            length = np.sqrt((raw**2).sum())
            for key, value in (
                ("estimate", share),
                ("ci_low", low),
                ("ci_high", high),
                ("raw", raw / length if length > 0 else raw),
            ):
                columns[key][-1][c] = value
    lead, coords = _dims(job)
    table = xr.Dataset(
        {
            k: ([*lead, "component"], _shaped(job, np.concatenate(v, axis=1)))
            for k, v in columns.items()
        },
        coords={
            **coords,
            "component": [f"{m}: {p}" for m, p in names],
            "model": ("component", [m for m, _ in names]),
            "part": ("component", [p for _, p in names]),
        },
    )
    table["estimate"].attrs.update(
        long_name="share of the fitted weights (of matrices of equal spread)", units=""
    )
    table["raw"].attrs.update(
        long_name="weights of the matrices as given, of unit length", units=""
    )
    return table


def _share(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = np.abs(weights).sum(axis=-1, keepdims=True)
    return np.where(total > 0, weights / np.where(total > 0, total, 1.0), 0.0)
