"""Numbers of an alignment with their labels, on their own scales and on a common one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._alignment._registry import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._alignment._align_job import Job
    from marr.representation._alignment._measure import AlignmentMeasure

__all__ = ["labelled", "measure_table", "relative_table"]

Array = Any


def labelled(columns: dict[str, Array], job: Job) -> xr.Dataset:
    dims = ["measure", "time", "site_a", "site_b"]
    coords: dict[str, Any] = {
        "measure": [m.name for m in job.measures],
        "site_a": list(job.sites_a),
        "site_b": list(job.sites_b),
    }
    if job.times is not None:
        unit = str(job.systems[0].activity(job.sites_a[0]).attrs.get("time_unit", ""))
        coords["time"] = ("time", job.times, {"time_unit": unit} if unit else {})
    table = xr.Dataset({k: (dims, v) for k, v in columns.items()}, coords=coords)
    if job.times is None:
        table = table.isel(time=0, drop=True)
    else:
        table = table.transpose("measure", "site_a", "site_b", "time")
    kinds = {m.kind for m in job.measures}
    first = job.measures[0]
    attrs: dict[str, Any] = {
        "long_name": "alignment" if job.several else first.long_name,
        "units": _units(job.measures),
    }
    if len(kinds) == 1:
        attrs["better"] = first.better
        if "null_mean" in table:
            null = table["null_mean"]
            attrs["chance"] = float(null.min() if first.kind == "score" else null.max())
    table["estimate"].attrs = attrs
    if not job.several:
        table = table.isel(measure=0, drop=True)
    return table


def _units(measures: Sequence[AlignmentMeasure]) -> str:
    """Return "rad" where all values are angles."""
    return "rad" if all(m.angular for m in measures) else ""


def measure_table(measures: Sequence[AlignmentMeasure]) -> xr.Dataset:
    """Return the metadata of measures as a table, one row a measure."""
    rows = [metadata(m) for m in measures]
    data = {k: ("measure", np.array([r[k] for r in rows])) for k in rows[0]}
    table = xr.Dataset(data, coords={"measure": [m.name for m in measures]})
    table.attrs["reduction"] = "none; what each measure is"
    return table


def relative_table(
    estimate: xr.Dataset, measures: Sequence[AlignmentMeasure]
) -> xr.Dataset:
    """Return all measures on one scale: 0 independent data of this size, 1 identical."""
    perfect = xr.DataArray(
        [1.0 if m.kind == "score" else 0.0 for m in measures],
        dims="measure",
        coords={"measure": estimate["measure"]},
    )
    null = estimate["null_mean"]
    span = (perfect - null).where(np.abs(perfect - null) > 1e-9, np.inf)
    table = xr.Dataset({"estimate": estimate["relative"]})
    if "ci_low" in estimate:
        one, other = ((estimate[k] - null) / span for k in ("ci_low", "ci_high"))
        table["ci_low"] = one.where(one < other, other)
        table["ci_high"] = other.where(one < other, one)
    for name in ("p_value", "p_corrected"):
        table[name] = estimate[name]
    table["estimate"].attrs = {
        "long_name": "alignment between independent data and identity",
        "units": "",
        "better": "higher",
        "chance": 0.0,
    }
    table.attrs["reduction"] = "none; one scale for all measures"
    return table
