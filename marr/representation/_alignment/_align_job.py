"""The numbers of an alignment of two systems, on labelled axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError
from marr.findings import Note
from marr.representation._alignment._agreement import agreement_table
from marr.representation._alignment._align_tables import (
    labelled,
    measure_table,
    relative_table,
)
from marr.representation._alignment._design import (
    Design,
    any_serial,
    make_design,
    row_groups,
)
from marr.representation._alignment._halves import halves
from marr.representation._alignment._patterns import (
    complete_rows,
    load_site,
    samples_of,
)
from marr.representation._alignment._values import Sides, measured, refit_neighbors
from marr.representation._rows import RowMatch, match_rows
from marr.systems import Cohort, System, site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._alignment._measure import AlignmentMeasure
    from marr.representation._alignment._sample import Sample

__all__ = [
    "Job",
    "align_tables",
    "check_b",
    "prepare_align",
    "sample_rows",
]

Array = Any


@dataclass(frozen=True)
class Job:
    """What is compared, and how.

    Attributes
    ----------
    systems : tuple of System
        a, and b where it is another system.
    sites_a, sites_b : tuple of str
        Sites of both sides.
    rows : int array
        Positions (in `match.labels`) of the rows used.
    """

    systems: tuple[System, ...]
    sites_a: tuple[str, ...]
    sites_b: tuple[str, ...]
    measures: tuple[AlignmentMeasure, ...]
    several: bool
    match: RowMatch
    rows: npt.NDArray[np.intp]
    sides: Sides
    times: npt.NDArray[Any] | None
    design: Design
    own: Array
    time: str | tuple[float, float]
    notes: tuple[Note, ...]

    @property
    def same(self) -> bool:
        """Whether sites of one system are compared."""
        return len(self.systems) == 1

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows)


def check_b(b: Any) -> System | None:
    """Return the second system, or None; anything else is refused with the way out."""
    if b is None or isinstance(b, System):
        return b
    if isinstance(b, Cohort):
        msg = (
            f"b must be one System; got the Cohort {b.name!r}. Compare with one member "
            f"(b[{b.members[0].name!r}]), or all with all: "
            "marr.representation.alignment_matrix(cohort)."
        )
        raise ContractError(msg)
    msg = f"b must be a System or None (the sites of a); got {type(b).__name__}."
    raise ContractError(msg)


def sample_rows(
    systems: Sequence[System],
    sites: Sequence[Sequence[str]],
    match: RowMatch,
    measures: Sequence[AlignmentMeasure],
    time: str | tuple[float, float],
) -> tuple[list[list[list[Sample]]], npt.NDArray[np.intp], Any, list[Note]]:
    """Read all sites.

    Returns
    -------
    list by system, time bin and site of Sample; rows used; times or None; notes
        Samples carry no folds yet (zeros).
    """
    whole = any("orthogonal" not in m.invariances for m in measures)
    n = len(match.labels)
    loaded = [
        [load_site(s, name, code, n, time=time, whole=whole) for name in names]
        for s, names, code in zip(systems, sites, match.codes, strict=True)
    ]
    flat = [x for side in loaded for x in side]
    bins, rows, notes = complete_rows(flat)
    times = None if flat[0].times is None else flat[0].times[bins]
    fold = np.zeros(len(rows), dtype=np.intp)
    samples = [
        [
            list(of_bin)
            for of_bin in zip(
                *(samples_of(x, bins, rows, fold) for x in side), strict=True
            )
        ]
        for side in loaded
    ]
    return samples, rows, times, notes


def prepare_align(
    a: System,
    b: System | None,
    measures: tuple[AlignmentMeasure, ...],
    *,
    several: bool,
    on: str,
    bins: int | Sequence[float] | None,
    sites_a: str | Sequence[str] | None,
    sites_b: str | Sequence[str] | None,
    time: str | tuple[float, float],
    null: str,
    n_permutations: int,
    n_resamples: int,
    seed: int,
) -> Job:
    """Match rows, read activity, decide on folds, parts and null."""
    systems = (a,) if b is None else (a, b)
    names_a = site_list(a, sites_a)
    names_b = site_list(systems[-1], sites_b if sites_b is not None or b else names_a)
    match = match_rows(systems, on=on, bins=bins)
    same = b is None and names_b == names_a
    wanted = [names_a] if same else [names_a, names_b]
    doubled = systems if len(systems) == len(wanted) else (a, a)
    paired = RowMatch(
        match.on,
        match.labels,
        (match.codes[0], match.codes[-1])[: len(wanted)],
        match.circular,
    )
    samples, rows, times, notes = sample_rows(doubled, wanted, paired, measures, time)
    measures, fewer = refit_neighbors(measures, len(rows))
    if fewer:
        text = f"With {len(rows)} rows: {'; '.join(fewer)}."
        notes.append(Note("fewer_neighbors", text, "Use more rows."))
    sides = Sides(samples[0], samples[-1])
    _check_sizes(measures, sides)
    groups, column = row_groups(a, match, match.codes[0])
    groups = None if groups is None else groups[rows]
    ordered = on == "trial" and any_serial([side[0] for side in samples])
    design = make_design(
        len(rows),
        groups=groups,
        column=column,
        dependent=ordered,
        null=null,
        n_permutations=n_permutations,
        n_parts=n_resamples,
        seed=seed,
        circular=match.circular and len(rows) == len(match.labels),
    )
    sides = _with_folds(sides, design.fold)
    own = np.zeros((len(measures), *sides.shape), bool)
    if b is None:
        own |= np.array([[x == y for y in names_b] for x in names_a])
    return Job(
        systems, names_a, names_b, measures, several, match, rows, sides, times, design,
        own, time, (*match.notes, *notes, *design.notes),
    )  # fmt: skip


def _check_sizes(measures: Sequence[AlignmentMeasure], sides: Sides) -> None:
    n = len(sides.a[0][0])
    for measure in measures:
        measure.check_rows(n)
        for a in sides.a[0]:
            for b in sides.b[0]:
                measure.check_units(a.n_units, b.n_units)


def _with_folds(sides: Sides, fold: npt.NDArray[np.intp]) -> Sides:
    """Return the samples with their folds, keeping what was computed."""
    seen: set[int] = set()
    for side in (sides.a, sides.b):
        for bin_ in side:
            for sample in bin_:
                if id(sample) not in seen:
                    seen.add(id(sample))
                    object.__setattr__(sample, "fold", fold)
    return sides


def align_tables(
    job: Job, behavior: str | None, seed: int
) -> tuple[xr.Dataset, dict[str, xr.Dataset], list[Note]]:
    """Return the estimate, the tables and notes on halves."""
    columns = measured(job.measures, job.sides, job.design, job.own)
    used = RowMatch(
        job.match.on,
        job.match.labels[job.rows],
        tuple(_kept(code, job.rows, len(job.match.labels)) for code in job.match.codes),
    )
    found, notes = halves(
        job.systems,
        (job.sites_a, job.sites_b)[: len(job.systems)]
        if not job.same or job.sites_a == job.sites_b
        else (tuple(dict.fromkeys([*job.sites_a, *job.sites_b])),),
        used,
        job.measures,
        job.design,
        time=job.time,
        seed=seed,
    )
    if job.same and job.sites_a != job.sites_b:
        found = _picked(found, job)
    columns |= _with_excess(found, columns, job)
    tables = {"metadata": measure_table(job.measures)}
    if behavior is not None:
        if job.same:
            msg = "behavior= compares two systems; give another system as b."
            raise OptionError(msg)
        tables["behavior"] = agreement_table(
            job.systems, behavior, job.match, job.rows, job.design
        )
    estimate = labelled(columns, job)
    if job.several and "relative" in estimate:
        tables["relative"] = relative_table(estimate, job.measures)
    return estimate, tables, notes


def _kept(
    codes: npt.NDArray[np.intp], rows: npt.NDArray[np.intp], n: int
) -> npt.NDArray[np.intp]:
    place = np.full(n + 1, -1, dtype=np.intp)
    place[rows] = np.arange(len(rows))
    return place[codes]


def _picked(found: dict[str, Array], job: Job) -> dict[str, Array]:
    """Take the sites of both sides out of values over all sites of one system."""
    every = list(dict.fromkeys([*job.sites_a, *job.sites_b]))
    i, j = ([every.index(s) for s in names] for names in (job.sites_a, job.sites_b))
    return {k: v[..., i, :][..., j] for k, v in found.items()}


def _with_excess(
    found: dict[str, Array], columns: dict[str, Array], job: Job
) -> dict[str, Array]:
    """Add the excess of scores over independent data to that of distances over floors."""
    score = np.array([m.kind == "score" for m in job.measures]).reshape(-1, 1, 1, 1)
    if "null_mean" not in columns or not score.any():
        return found
    out = dict(found)
    ends = {"excess": "estimate", "excess_low": "ci_low", "excess_high": "ci_high"}
    for name, source in ends.items():
        if source in columns:
            above = columns[source] - columns["null_mean"]
            out[name] = np.where(score, above, found.get(name, np.nan))
    return out
