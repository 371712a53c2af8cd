"""Alignment of every system and site with every other, a map and a tree of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.errors import ContractError, StatisticsError
from marr.findings import Note
from marr.representation._alignment import _embedding_kernel as maps
from marr.representation._alignment._align_job import sample_rows
from marr.representation._alignment._align_tables import measure_table
from marr.representation._alignment._design import (
    Design,
    any_serial,
    make_design,
    row_groups,
)
from marr.representation._alignment._values import interval, refit_neighbors
from marr.representation._rows import RowMatch, match_rows
from marr.stats import max_statistic, permutation_p
from marr.systems import Cohort, System, site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._alignment._measure import AlignmentMeasure
    from marr.representation._alignment._sample import Sample

__all__ = ["PairsJob", "all_systems", "pair_tables", "prepare_pairs"]

Array = Any


@dataclass(frozen=True)
class PairsJob:
    """Items (a site of a system each) that are compared.

    Attributes
    ----------
    systems : tuple of System
        All systems.
    names : list of str
        Label of each item.
    owner, site : list
        Position of its system, and its site.
    """

    systems: tuple[System, ...]
    names: list[str]
    owner: list[int]
    site: list[str]
    samples: list[Sample]
    measure: AlignmentMeasure
    match: RowMatch
    n: int
    design: Design
    notes: tuple[Note, ...]


def all_systems(
    system: System | Cohort, others: Sequence[System | Cohort]
) -> tuple[System, ...]:
    """Return all systems, cohorts opened; names must differ."""
    found: list[System] = []
    for item in (system, *others):
        if not isinstance(item, (System, Cohort)):
            msg = f"others must hold systems or cohorts; got {type(item).__name__}."
            raise ContractError(msg)
        found += list(item.members) if isinstance(item, Cohort) else [item]
    names = [s.name for s in found]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        msg = f"systems must have different names; got {twice} more than once."
        raise ContractError(msg)
    return tuple(found)


def prepare_pairs(
    systems: tuple[System, ...],
    measure: AlignmentMeasure,
    *,
    sites: str | Sequence[str] | None,
    on: str,
    bins: int | Sequence[float] | None,
    time: str | tuple[float, float],
    null: str,
    n_permutations: int,
    n_resamples: int,
    seed: int,
) -> PairsJob:
    """Match rows of all systems, read activity, decide on folds, parts and null."""
    wanted = [site_list(s, sites) for s in systems]
    match = match_rows(systems, on=on, bins=bins)
    samples, rows, _, notes = sample_rows(systems, wanted, match, [measure], time)
    (measure,), fewer = refit_neighbors([measure], len(rows))
    if fewer:
        text = f"With {len(rows)} rows: {'; '.join(fewer)}."
        notes.append(Note("fewer_neighbors", text, "Use more rows."))
    measure.check_rows(len(rows))
    owner = [i for i, names in enumerate(wanted) for _ in names]
    site = [name for names in wanted for name in names]
    if len(site) < 2:
        msg = (
            f"a matrix compares at least two sites; got {site}. Give more sites, or "
            "further systems: others=[...]."
        )
        raise StatisticsError(msg)
    flat = [s for side in samples for s in side[0]]
    for sample in flat[1:]:
        measure.check_units(flat[0].n_units, sample.n_units)
    groups, column = row_groups(systems[0], match, match.codes[0])
    design = make_design(
        len(rows),
        groups=None if groups is None else groups[rows],
        column=column,
        dependent=on == "trial" and any_serial([side[0] for side in samples]),
        null=null,
        n_permutations=n_permutations,
        n_parts=n_resamples,
        seed=seed,
        circular=match.circular and len(rows) == len(match.labels),
    )
    for sample in flat:
        object.__setattr__(sample, "fold", design.fold)
    said = [*match.notes, *notes, *design.notes]
    return PairsJob(
        systems, _labels(systems, owner, site), owner, site, flat, measure, match,
        len(rows), design, tuple(said),
    )  # fmt: skip


def _labels(
    systems: Sequence[System], owner: Sequence[int], site: Sequence[str]
) -> list[str]:
    """Name items by what differs between them."""
    if len(systems) == 1:
        return list(site)
    if len(set(site)) == 1:
        return [systems[i].name for i in owner]
    return [f"{systems[i].name}: {s}" for i, s in zip(owner, site, strict=True)]


def _square(job: PairsJob, samples: Sequence[Sample], orders: Array = None) -> Array:
    """Return values of all pairs, ([orders,] items, items); mirrored where symmetric."""
    engine = job.measure.engine()
    ready = [engine.prepare(s) for s in samples]
    full = job.measure.family in ("kernel", "rsa") or not job.measure.symmetric
    n = len(ready)
    if full:
        found = (
            engine.compare(ready, ready)[None]
            if orders is None
            else engine.shuffled(ready, ready, orders)
        )
    else:
        found = np.empty((1 if orders is None else len(orders), n, n))
        for i in range(n):
            rest = ready[i:]
            found[:, i, i:] = (
                engine.compare(ready[i : i + 1], rest)
                if orders is None
                else engine.shuffled(ready[i : i + 1], rest, orders)[:, 0]
            )
    if job.measure.symmetric:
        upper = np.triu(np.ones((n, n), bool), k=1)
        found = np.where(upper.T, found.transpose(0, 2, 1), found)
    return found[0] if orders is None else found


def dissimilarity(measure: AlignmentMeasure, values: Array) -> Array:
    """Return distances for the map and the tree: angles of scores, or 1 less them."""
    if measure.kind == "distance":
        d = values
    elif measure.high == 1 and measure.low in (0.0, -1.0):
        d = np.arccos(np.clip(values, -1.0, 1.0))
    else:
        d = np.maximum(1.0 - values, 0.0)
    d = (d + d.swapaxes(-1, -2)) / 2
    n = d.shape[-1]
    return np.where(np.eye(n, dtype=bool), 0.0, d)


def pair_tables(
    job: PairsJob, *, linkage: str, n_dims: int
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return the matrix in the order of its tree, and the tables of map and tree."""
    values = _square(job, job.samples)
    columns = {"estimate": values}
    replicates = None
    if job.design.n_parts:
        kept = [np.flatnonzero(job.design.part != p) for p in range(job.design.n_parts)]
        replicates = np.stack(
            [_square(job, [s.keep(rows) for s in job.samples]) for rows in kept]
        )
        columns["ci_low"], columns["ci_high"] = interval(
            values, replicates, job.measure.low, job.measure.high
        )
    if len(job.design.orders):
        columns |= _tested(job, values)
    distances = dissimilarity(job.measure, values)
    merges = maps.tree(distances, linkage)
    order = maps.leaf_order(merges)
    items = _item_table(job, columns, distances, merges, n_dims)
    tables = {
        "item": items.isel(item=order),
        "merge": _merge_table(job, merges, replicates, linkage),
        "metadata": measure_table([job.measure]),
    }
    if len(job.systems) > 1:
        tables["member"] = _member_table(job, values, replicates)
    return _matrix(job, columns, order), tables


def _tested(job: PairsJob, values: Array) -> dict[str, Array]:
    sign, n = job.measure.sign, len(values)
    null = _square(job, job.samples, job.design.orders)
    shown = np.where(np.eye(n, dtype=bool), np.nan, sign * values)
    if job.measure.symmetric:
        shown = np.where(np.tri(n, dtype=bool), np.nan, shown)
    corrected = max_statistic(shown, sign * null, tail="greater")
    if job.measure.symmetric:
        corrected = np.where(np.tri(n, dtype=bool), corrected.T, corrected)
    p = permutation_p(sign * values, sign * null, tail="greater")
    own = np.eye(n, dtype=bool)
    return {
        "p_value": p,
        "p_corrected": np.where(own, p, corrected),
        "null_mean": null.mean(axis=0),
    }


def _coords(job: PairsJob, dim: str) -> dict[str, Any]:
    owners = [job.systems[i].name for i in job.owner]
    suffix = dim.removeprefix("item")
    return {
        dim: job.names,
        f"system{suffix}": (dim, owners),
        f"site{suffix}": (dim, job.site),
    }


def _matrix(job: PairsJob, columns: dict[str, Array], order: Array) -> xr.Dataset:
    dims = ["item_a", "item_b"]
    coords = {**_coords(job, "item_a"), **_coords(job, "item_b")}
    table = xr.Dataset({k: (dims, v) for k, v in columns.items()}, coords=coords)
    attrs: dict[str, Any] = {
        "long_name": job.measure.long_name,
        "units": "rad" if job.measure.angular else "",
        "better": job.measure.better,
    }
    table["estimate"].attrs = attrs
    return table.isel(item_a=order, item_b=order)


def _item_table(
    job: PairsJob,
    columns: dict[str, Array],
    distances: Array,
    merges: Array,
    n_dims: int,
) -> xr.Dataset:
    """Return position, cluster and mean alignment with the others of each item."""
    start, share = maps.classical_scaling(distances, n_dims)
    positions, stress = maps.metric_scaling(distances, start)
    labels, width = maps.clusters(distances, merges)
    n = len(distances)
    off = ~np.eye(n, dtype=bool)
    mean = np.where(off, columns["estimate"], 0.0).sum(axis=1) / (n - 1)
    data: dict[str, Any] = {"estimate": ("item", mean)}
    for k in range(n_dims):
        data[f"position_{k + 1}"] = ("item", positions[:, k])
        data[f"classical_{k + 1}"] = ("item", start[:, k])
    table = xr.Dataset(data, coords=_coords(job, "item"))
    named = list(dict.fromkeys(labels[maps.leaf_order(merges)].tolist()))
    table = table.assign_coords(
        cluster=("item", [str(named.index(c) + 1) for c in labels.tolist()])
    )
    table["estimate"].attrs = {
        "long_name": f"mean {job.measure.long_name} with the others",
        "units": "",
        "better": job.measure.better,
    }
    table.attrs = {
        "reduction": "mean over the other items",
        "stress": stress,
        "not_euclidean": share,
        "silhouette": width,
        "n_clusters": int(labels.max()) + 1,
    }
    return table


def _merge_table(
    job: PairsJob, merges: Array, replicates: Array | None, linkage: str
) -> xr.Dataset:
    """Return the tree: members, height, and how often a merge recurs without a part."""
    found = maps.clades(merges)
    members = [", ".join(job.names[i] for i in sorted(clade)) for clade in found]
    data: dict[str, Any] = {
        "left": ("merge", merges[:, 0].astype(int)),
        "right": ("merge", merges[:, 1].astype(int)),
        "height": ("merge", merges[:, 2]),
        "size": ("merge", merges[:, 3].astype(int)),
        "members": ("merge", np.array(members)),
    }
    if replicates is not None:
        again = [
            set(maps.clades(maps.tree(d, linkage)))
            for d in dissimilarity(job.measure, replicates)
        ]
        support = [np.mean([clade in other for other in again]) for clade in found]
        data["support"] = ("merge", np.array(support, dtype=float))
    table = xr.Dataset(data, coords={"merge": np.arange(len(merges)) + len(job.names)})
    table.attrs["reduction"] = (
        f"none; {linkage} linkage, items 0 to {len(job.names) - 1} in the order "
        f"{job.names}; support: share of leave-part-out trees with the merge"
    )
    return table


def _member_table(job: PairsJob, values: Array, replicates: Array | None) -> xr.Dataset:
    """Return the mean alignment of each system with the same sites of the others."""
    owner = np.array(job.owner)
    site = np.array(job.site)
    same = site[:, None] == site

    def mean(v: Array, i: int) -> Array:
        mask = (owner[:, None] == i) & (owner != i)
        mask &= same if (mask & same).any() else True
        return v[..., mask].mean(axis=-1)

    k = range(len(job.systems))
    estimate = np.array([mean(values, i) for i in k])
    data: dict[str, Any] = {"estimate": ("member", estimate)}
    if replicates is not None:
        left = np.stack([mean(replicates, i) for i in k], axis=1)
        low, high = interval(estimate, left, job.measure.low, job.measure.high)
        data |= {"ci_low": ("member", low), "ci_high": ("member", high)}
    table = xr.Dataset(data, coords={"member": [s.name for s in job.systems]})
    table["estimate"].attrs = {
        "long_name": f"mean {job.measure.long_name} with the other systems",
        "units": "",
        "better": job.measure.better,
    }
    table.attrs["reduction"] = "mean over the other systems, same sites where shared"
    return table
