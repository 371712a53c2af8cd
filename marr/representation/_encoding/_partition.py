"""Which band explains what: variance that a band alone explains, and what bands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._encoding._design import as_tensor
from marr.representation._encoding._encode_score_kernel import (
    product_measure,
    r2_of,
    score_parts,
    summed,
)
from marr.representation._encoding._encode_tables import unit_coords
from marr.representation._encoding._models import RidgeMap
from marr.representation._encoding._site_scores import (
    interval_of,
    plain,
    row_units,
    site_parts,
    thinning,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._encoding._encode_job import Job, Model
    from marr.representation._encoding._site_scores import SiteScores

__all__ = ["partition_tables"]

ESTIMATOR = "held-out R² of all bands minus held-out R² of all bands but this one"
Array = Any


def partition_tables(
    job: Job, full: Model, scores: Sequence[SiteScores]
) -> dict[str, xr.Dataset]:
    """Return the tables "partition" (band, unit) and "band" (band, site).

    Parameters
    ----------
    job : Job
        What was asked.
    full : Model
        The map from all bands.
    scores : sequence of SiteScores
        One a site, for the labels of the units.

    Notes
    -----
    The unique part is a difference of two fits, each with penalties of its own, so that
    it can be below 0 where a band only adds noise. The shared part is what is left of
    the R² of all bands after their unique parts: 0 for bands that are orthogonal, all of
    it for bands that say the same.
    """
    bands = job.features.sets["features"]
    names = [b.name for b in bands]
    folds = job.held.plan.folds[job.features.frame.label]
    every = frozenset(range(len(bands)))
    subsets = {every - {b} for b in every} | {frozenset({b}) for b in every}
    models = {
        s: job.model(tuple(bands[b] for b in sorted(s)), job.rows, folds)
        for s in sorted(subsets, key=sorted)
    }
    models[every] = full
    parts = [_site(job, site, models, every) for site in job.sites]
    units = {
        key: np.concatenate([p[0][key] for p in parts], axis=-1) for key in parts[0][0]
    }
    dims = {"shared": ("unit",), "together": ("unit",)}
    partition = xr.Dataset(
        {k: (dims.get(k, ("band", "unit")), v) for k, v in units.items()},
        coords={"band": names, **unit_coords(scores)},
        attrs={"reduction": ESTIMATOR},
    )
    medians = {
        key: np.stack([p[1][key] for p in parts], axis=-1) for key in parts[0][1]
    }
    over = {"shared": ("site",), "together": ("site",)}
    table = xr.Dataset(
        {k: (over.get(k, ("band", "site")), v) for k, v in medians.items()},
        coords={"band": names, "site": list(job.sites)},
        attrs={"reduction": f"median over units; {ESTIMATOR}"},
    )
    for data in (partition, table):
        data["estimate"].attrs.update(
            long_name="unique variance (R²)", units="", better="higher", chance=0.0
        )
        data["alone"].attrs["long_name"] = "held-out R² of the band alone"
        if "product" in data:
            data["product"].attrs["long_name"] = (
                "product measure: the band's part of the R² of all bands"
            )
        data["shared"].attrs["long_name"] = "shared variance: all minus unique parts"
        data["together"].attrs["long_name"] = "held-out R² of all bands"
    return {"partition": partition, "band": table}


def _site(
    job: Job, site: str, models: dict[frozenset[int], Model], every: frozenset[int]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return values of units, and medians over units with their interval."""
    n = int(job.held.plan.units.max()) + 1
    found: list[dict[str, Array]] = []
    draws: list[Array] = []
    for _, y in site_parts(job, site, joint=any(m.joint for m in models.values())):
        r2 = {s: _r2(job, model, y) for s, model in models.items()}
        whole, whole_draws = r2[every]
        unique = np.stack([whole - r2[every - {b}][0] for b in sorted(every)])
        drawn = np.stack(
            [whole_draws - r2[every - {b}][1] for b in sorted(every)], axis=1
        )
        low, high = interval_of(drawn, n)
        found.append(
            {
                "estimate": unique,
                "ci_low": np.minimum(low, unique),
                "ci_high": np.maximum(high, unique),
                "alone": np.stack([r2[frozenset({b})][0] for b in sorted(every)]),
                "shared": whole - unique.sum(axis=0),
                "together": whole,
                **_products(job, models[every], y),
            }
        )
        draws.append(drawn[..., :: thinning(job, site)])
    units = {k: np.concatenate([f[k] for f in found], axis=-1) for k in found[0]}
    return units, _medians(units, np.concatenate(draws, axis=-1), n)


def _products(
    job: Job, full: Model, y: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the product measure of each band, for ridge."""
    if not isinstance(full, RidgeMap):
        return {}
    columns = as_tensor(y, job.settings.device)
    fitted = full.fit(columns)
    shares = [
        product_measure(columns, fitted.deviation, band, fitted.base, full.folds)
        for band in full.band_deviations(columns, fitted)
    ]
    return {"product": np.stack([plain(s) for s in shares])}


def _medians(units: dict[str, Array], drawn: Array, n: int) -> dict[str, Array]:
    known = np.isfinite(units["together"])
    names = [k for k in units if not k.startswith("ci_")]
    if not known.any():
        empty = {k: np.full(units[k].shape[:-1], np.nan) for k in names}
        return {**empty, "ci_low": empty["estimate"], "ci_high": empty["estimate"]}
    middle = {k: np.median(units[k][..., known], axis=-1) for k in names}
    kept = np.isfinite(drawn).all(axis=(0, 1))
    medians = np.median(drawn[..., kept], axis=-1)
    if drawn.shape[-1] < len(known):  # of a part: centered on that of all
        medians += middle["estimate"] - np.median(medians, axis=0)
    low, high = interval_of(medians, n)
    return {
        **middle,
        "ci_low": np.minimum(low, middle["estimate"]),
        "ci_high": np.maximum(high, middle["estimate"]),
    }


def _r2(
    job: Job, model: Model, y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return R² of some units, and of each resample."""
    columns = as_tensor(y, job.settings.device)
    fitted = model.fit(columns)
    parts = score_parts(columns, fitted.deviation, fitted.base, model.folds)
    parts = summed(parts, row_units(job, columns.device))
    weights = as_tensor(job.weights, job.settings.device)
    return plain(r2_of(parts)[0]), plain(r2_of(parts, weights))
