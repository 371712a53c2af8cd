"""Run an encoding: one set of features, or each site of another system in turn."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.findings import Note
from marr.representation._encoding._encode_tables import (
    attrs_of,
    median_table,
    p_columns,
    unit_table,
)
from marr.representation._encoding._partition import partition_tables
from marr.representation._encoding._site_scores import (
    SiteScores,
    half_scores,
    run_site,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._encoding._encode_job import Job, Model
    from marr.representation._encoding._features import Band

__all__ = ["run_layers", "run_plain"]

Tables = tuple[xr.Dataset, dict[str, xr.Dataset], list[Note]]
Array = Any


def run_plain(job: Job, correction: str) -> Tables:
    """Return the estimate over units, tables and notes, for one set of features."""
    bands = job.features.sets["features"]
    folds = job.held.plan.folds[job.features.frame.label]
    model = job.model(bands, job.rows, folds)
    pick = np.zeros(model.n_folds, dtype=np.intp)
    scores = [run_site(job, s, [model], pick, with_null=True) for s in job.sites]
    halves, notes = _halves(job, {"features": bands}, inner=False)
    table = unit_table(job, scores, halves[:, 0, 0])
    null = np.concatenate([s.null for s in scores], axis=1)
    if len(null):
        table = table.assign(
            {
                k: ("unit", v)
                for k, v in p_columns(
                    table["estimate"].values, null, correction
                ).items()
            }
        )
    if len(bands) > 1 and scores[0].shares.shape[1]:
        shares = np.concatenate([s.shares for s in scores])
        table = table.assign(share=(("unit", "band"), shares))
        table = table.assign_coords(band=[b.name for b in bands])
    medians = median_table(job, [scores], correction)
    site = xr.Dataset(
        {k: ("site", v[0]) for k, v in medians.items()},
        coords={"site": list(job.sites)},
        attrs={"reduction": "median over units"},
    )
    site = _with_ceilings(site, table)
    site["estimate"].attrs.update(attrs_of(job.settings.score))
    table.attrs["reduction"] = "none"
    tables = {"site": site, "unit": table}
    if len(bands) > 1:
        tables |= partition_tables(job, model, scores)
    flat = table.drop_dims([d for d in ("half", "band") if d in table.dims])
    return flat, tables, [*notes, *_edge_notes(job, table, model)]


def run_layers(job: Job, correction: str) -> Tables:
    """Return the estimate over (feature site, unit), tables and notes."""
    names = list(job.features.sets)
    folds = job.held.plan.folds[job.features.frame.label]
    several = len(names) > 1
    scores: list[list[SiteScores]] = []
    for name in names:
        model = job.model(job.features.sets[name], job.rows, folds, inner=several)
        pick = np.zeros(model.n_folds, dtype=np.intp)
        scores.append(
            [run_site(job, s, [model], pick, with_null=True) for s in job.sites]
        )
    halves, notes = _halves(job, job.features.sets, inner=several)
    parts = [
        unit_table(job, row, halves[:, i, 0]).drop_dims("half")
        for i, row in enumerate(scores)
    ]
    whole = xr.concat(
        parts,
        dim=xr.Variable("feature_site", names),
        data_vars=[str(k) for k in parts[0] if not str(k).startswith("ceiling")],
        coords="minimal",
        compat="override",
        combine_attrs="override",
        join="exact",
    )
    null = np.stack(
        [np.concatenate([s.null for s in row], axis=1) for row in scores], 1
    )
    if len(null):
        found = p_columns(whole["estimate"].values, null, correction)
        whole = whole.assign(
            {k: (("feature_site", "unit"), v) for k, v in found.items()}
        )
    medians = median_table(job, scores, correction)
    layer = xr.Dataset(
        {k: (("feature_site", "site"), v) for k, v in medians.items()},
        coords={"feature_site": names, "site": list(job.sites)},
        attrs={"reduction": "median over units"},
    )
    layer["estimate"].attrs.update(attrs_of(job.settings.score))
    unit, site = _selected(job, scores, halves, folds, several=several)
    return whole, {"site": site, "layer": layer, "unit": unit}, notes


def _selected(
    job: Job,
    scores: list[list[SiteScores]],
    halves: Array,
    folds: npt.NDArray[np.intp],
    *,
    several: bool,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return scores with the feature site chosen without the fold that is scored."""
    names = list(job.features.sets)
    found, picks = [], []
    for j, site in enumerate(job.sites):
        pick = _best(np.stack([row[j].inner for row in scores])) if several else None
        used = [0] if pick is None else sorted(set(pick.tolist()))
        picks.append(np.zeros(int(folds.max()) + 1, int) if pick is None else pick)
        if len(used) == 1:
            found.append(scores[used[0]][j])
            continue
        models: list[Model] = [
            job.model(job.features.sets[names[u]], job.rows, folds) for u in used
        ]
        at = np.searchsorted(used, picks[-1])
        found.append(run_site(job, site, models, at, with_null=False))
    sizes = [s.units.size for s in found]
    starts = np.cumsum([0, *sizes])
    half = np.concatenate(
        [_half_of(halves[..., a:b], several=several) for a, b in pairwise(starts)],
        axis=1,
    )
    unit = unit_table(job, found, half)
    unit.attrs["reduction"] = "feature site chosen for each fold on the other folds"
    medians = median_table(job, [_without_null(found)], "max")
    often = [np.bincount(p, minlength=len(names)) for p in picks]
    site_table = xr.Dataset(
        {
            **{k: ("site", v[0]) for k, v in medians.items()},
            "chosen": ("site", [names[int(o.argmax())] for o in often]),
            "chosen_share": ("site", [o.max() / o.sum() for o in often]),
        },
        coords={"site": list(job.sites)},
        attrs={
            "reduction": "median over units; feature site chosen for each fold on the "
            "other folds"
        },
    )
    site_table = _with_ceilings(site_table, unit)
    site_table["estimate"].attrs.update(attrs_of(job.settings.score))
    return unit, site_table


def _without_null(found: list[SiteScores]) -> list[SiteScores]:
    return [replace(s, null=s.null[:0]) for s in found]


def _best(inner: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the best set of each fold by the median over units of its inner R²."""
    known = np.isfinite(inner).all(axis=(0, 1))
    if not known.any():
        return np.zeros(inner.shape[1], dtype=np.intp)
    middle = np.median(inner[..., known], axis=-1)
    return np.asarray(middle.argmax(axis=0), dtype=np.intp)


def _half_of(halves: Array, *, several: bool) -> Array:
    """Return the score on each half of the set that this half itself prefers."""
    if not several:
        return halves[:, 0, 0]
    out = []
    for half in halves:  # (sets, 2, units)
        inner = half[:, 1]
        known = np.isfinite(inner).all(axis=0)
        best = int(np.median(inner[:, known], axis=1).argmax()) if known.any() else 0
        out.append(half[best, 0])
    return np.stack(out)


def _halves(
    job: Job, sets: dict[str, tuple[Band, ...]], *, inner: bool
) -> tuple[Array, list[Note]]:
    """Return scores of halves, (2, n_sets, 2, n_units): score and inner R²."""
    found = []
    missing = False
    for half in (0, 1):
        _, rows, folds = job.half(half)
        able = job.able(folds, inner=inner)
        missing |= not able
        per_set = []
        for bands in sets.values():
            model = job.model(bands, rows, folds, inner=inner) if able else None
            per_set.append(
                np.concatenate(
                    [half_scores(job, s, [model], half)[0] for s in job.sites], axis=-1
                )
            )
        found.append(np.stack(per_set))
    notes = []
    if missing:
        text = (
            "A half of the trials does not fill the folds: half estimates are missing."
        )
        advice = "Links cannot be cross-fit with this finding."
        notes.append(Note("no_halves", text, advice))
    return np.stack(found), notes


def _with_ceilings(site: xr.Dataset, units: xr.Dataset) -> xr.Dataset:
    """Add medians of the ceiling and of scores divided by it."""
    if "ceiling" not in units:
        return site
    columns: dict[str, list[float]] = {"ceiling": [], "ceiled": [], "n_reliable": []}
    for name in site["site"].values:
        here = units["site"].values == name
        ratio = units["ceiled"].values[here]
        known = np.isfinite(ratio)
        ceiling = units["ceiling"].values[here]
        ceiling = ceiling[np.isfinite(ceiling)]
        columns["ceiling"].append(float(np.median(ceiling)) if ceiling.size else np.nan)
        columns["ceiled"].append(
            float(np.median(ratio[known])) if known.any() else np.nan
        )
        columns["n_reliable"].append(float(known.sum()))
    return site.assign({k: ("site", v) for k, v in columns.items()})


def _edge_notes(job: Job, table: xr.Dataset, model: Model) -> list[Note]:
    """Tell where the best penalty may lie outside the candidates."""
    grid = job.settings.penalties
    many = model.design.grams is not None  # else the smallest is next to none
    if (
        "penalty" not in table
        or len(grid) < 2
        or "p_corrected" not in table
        or not many
    ):
        return []
    seen = table["p_corrected"].values < 0.05
    low = seen & (table["penalty"].values <= min(grid))
    if seen.sum() == 0 or low.sum() <= 0.1 * seen.sum():
        return []
    text = (
        f"{int(low.sum())} of {int(seen.sum())} predicted units choose the smallest "
        "penalty."
    )
    return [Note("penalty_at_edge", text, "Offer smaller ones with penalties=.")]
