"""Alignment of systems with themselves across repeats: ceilings, floors and excess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import StatisticsError
from marr.findings import Note
from marr.representation._alignment._patterns import (
    complete_rows,
    load_site,
    samples_of,
)
from marr.representation._alignment._values import Sides, interval, values
from marr.stats import random_halves, spearman_brown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._alignment._design import Design
    from marr.representation._alignment._measure import AlignmentMeasure
    from marr.representation._rows import RowMatch
    from marr.systems import System

__all__ = ["N_SPLITS", "half_masks", "halves"]

N_SPLITS = 4
"""Random splits of the repeats that are averaged."""

Array = Any


def halves(
    systems: Sequence[System],
    sites: Sequence[Sequence[str]],
    match: RowMatch,
    measures: Sequence[AlignmentMeasure],
    design: Design,
    *,
    time: str | tuple[float, float],
    seed: int,
) -> tuple[dict[str, Array], list[Note]]:
    """Compare halves of the repeats, between systems and within each.

    Returns
    -------
    dict
        `ceiling` of scores: geometric mean of both systems' alignment with themselves
        (for kernels and RSA that of all repeats, by Spearman-Brown; else of halves);
        `floor` of distances: what noise alone leaves between them (`measure.floor`); `halves`: alignment of half of one with half of
        the other; for distances `excess`, `halves` less `floor`, with an interval over
        rows. Empty where rows were measured once. Shapes (n_measures, n_times, n_a, n_b).
    list of Note
        What stood in the way.
    """
    counts = [match.counts(i) for i in range(len(systems))]
    repeated = np.logical_and.reduce([c >= 2 for c in counts])
    least = max(m.least_rows for m in measures)
    if match.on == "trial" or repeated.sum() < least:
        return {}, _once(measures, match, int(repeated.sum()), least)
    place = np.append(np.where(repeated, np.cumsum(repeated) - 1, -1), -1)
    codes = [place[c] for c in match.codes]
    masks = [
        half_masks(code, s.groups(), seed=seed)  # alike for the same trials
        for s, code in zip(systems, codes, strict=True)
    ]
    n, part = int(repeated.sum()), design.part[repeated]
    whole = any("orthogonal" not in m.invariances for m in measures)
    found: list[Array] = []
    for split in range(N_SPLITS):
        loaded = [
            [
                load_site(
                    s, site, code, n, time=time, whole=whole, use=mask[split] == h
                )
                for site in names
            ]
            for s, names, code, mask in zip(systems, sites, codes, masks, strict=True)
            for h in (True, False)
        ]
        try:
            bins, rows, _ = complete_rows([x for side in loaded for x in side])
        except StatisticsError:
            continue
        if len(rows) < least:
            continue
        fold = design.fold[repeated][rows]
        quarters = [
            [
                list(bin_)
                for bin_ in zip(
                    *(samples_of(x, bins, rows, fold) for x in side), strict=True
                )
            ]
            for side in loaded
        ]
        found.append(_split_values(measures, quarters, part[rows]))
    if not found:
        return {}, _once(measures, match, 0, least)
    mean = np.mean([f[0] for f in found], axis=0)
    return _columns(measures, mean, _mean_parts([f[1] for f in found])), []


def _once(
    measures: Sequence[AlignmentMeasure], match: RowMatch, n: int, least: int
) -> list[Note]:
    if all(m.kind == "score" for m in measures):
        return []
    repeats = (
        "Rows are single trials"
        if match.on == "trial"
        else f"Only {n} rows were measured twice or more in every system ({least} are the least)"
    )
    text = (
        f"{repeats}, so the distance of a system to itself (the floor) is unknown: read "
        "distances against that of independent data (null_mean)."
    )
    return [Note("no_floor", text, "Repeat stimuli, and join by them: on='stimulus'.")]


def half_masks(
    codes: npt.NDArray[np.intp], groups: npt.NDArray[np.intp] | None, *, seed: int
) -> npt.NDArray[np.bool_]:
    """Return trials of the first half in each split, shape (n_splits, n_trials).

    Whole groups of dependent trials where each row occurs in at least four of them; else
    trials, balanced within rows.
    """
    n = len(codes)
    options: dict[str, Any] = {"n_splits": N_SPLITS, "seed": seed}
    if groups is not None and _often_enough(codes, groups):
        return np.asarray(random_halves(n, groups=groups, **options))
    if codes.ndim == 2:
        return np.asarray(random_halves(n, **options))
    used = np.flatnonzero(codes >= 0)
    within = np.unique(codes[used], return_inverse=True)[1].reshape(-1)
    out = np.zeros((N_SPLITS, n), bool)
    out[:, used] = random_halves(len(used), within=within, **options)
    return out


def _often_enough(codes: npt.NDArray[np.intp], groups: npt.NDArray[np.intp]) -> bool:
    if codes.ndim == 2:
        return int(groups.max()) + 1 >= 4
    pairs = np.unique(np.stack([codes, groups])[:, codes >= 0], axis=1)
    return bool(np.bincount(pairs[0]).min() >= 4)


def _split_values(
    measures: Sequence[AlignmentMeasure],
    quarters: Sequence[Any],
    part: npt.NDArray[np.intp],
) -> tuple[Array, Array]:
    """Return values of all rows, and of all but each part (None for scores alone)."""
    whole = _three(measures, quarters)
    kept = [np.flatnonzero(part != p) for p in range(int(part.max(initial=-1)) + 1)]
    least = max(m.least_rows for m in measures)
    enough = kept and min(map(len, kept)) >= least
    if not enough or all(m.kind == "score" for m in measures):
        return whole, None
    parts = [
        _three(
            measures,
            [[[s.keep(rows) for s in bin_] for bin_ in side] for side in quarters],
        )
        for rows in kept
    ]
    return whole, np.stack(parts)


def _three(measures: Sequence[AlignmentMeasure], quarters: Sequence[Any]) -> Array:
    """Return between halves of both, within a, within b: (3, measures, times, a, b)."""
    (a1, a2), (b1, b2) = quarters[:2], quarters[-2:]
    cross = (values(measures, Sides(a1, b2)) + values(measures, Sides(a2, b1))) / 2
    own_a, own_b = _within(measures, a1, a2), _within(measures, b1, b2)
    return np.stack(np.broadcast_arrays(cross, own_a[..., None], own_b[..., None, :]))


def _within(measures: Sequence[AlignmentMeasure], x: Any, y: Any) -> Array:
    """Return the alignment of each site with itself: (measures, times, sites)."""
    found = [
        values(measures, Sides([[a[i]] for a in x], [[b[i]] for b in y]))[..., 0, 0]
        for i in range(len(x[0]))
    ]
    return np.stack(found, axis=-1)


def _mean_parts(parts: Sequence[Any]) -> Array:
    """Average leave-part-out values over splits where all have them."""
    known = [p for p in parts if p is not None]
    same = known and len({p.shape for p in known}) == 1 and len(known) == len(parts)
    return np.mean(known, axis=0) if same else None


def _reliability(measures: Sequence[AlignmentMeasure], own: Array) -> Array:
    """Return the alignment of a system with itself, of all repeats where that is known.

    For correlation-like scores of pairs of rows halves are stepped up (Spearman-Brown).
    """
    r = np.maximum(own, 0.0)
    stepped = np.array([m.family in ("kernel", "rsa") for m in measures])
    return np.where(stepped.reshape(-1, 1, 1, 1), spearman_brown(r), r)


def _floor(measures: Sequence[AlignmentMeasure], own_a: Array, own_b: Array) -> Array:
    """Return what noise alone leaves between two systems, measure by measure."""
    triples = zip(measures, own_a, own_b, strict=True)
    return np.stack([m.floor(a, b) for m, a, b in triples])


def _columns(
    measures: Sequence[AlignmentMeasure], whole: Array, parts: Array
) -> dict[str, Array]:
    score = np.array([m.kind == "score" for m in measures]).reshape(-1, 1, 1, 1)
    cross, own_a, own_b = whole
    columns = {"halves": cross.copy()}
    if score.any():
        ceiling = np.sqrt(_reliability(measures, own_a) * _reliability(measures, own_b))
        columns["ceiling"] = np.where(score, ceiling, np.nan)
    if not score.all():
        floor = _floor(measures, own_a, own_b)
        columns["floor"] = np.where(score, np.nan, floor)
        excess = cross - floor
        columns["excess"] = np.where(score, np.nan, excess)
        if parts is not None:
            left = parts[:, 0] - np.stack(
                [_floor(measures, a, b) for a, b in parts[:, 1:]]
            )
            low, high = interval(excess, left, -np.inf, np.inf)
            columns["excess_low"] = np.where(score, np.nan, low)
            columns["excess_high"] = np.where(score, np.nan, high)
    return columns
