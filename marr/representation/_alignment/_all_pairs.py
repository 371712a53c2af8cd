"""Alignment of many systems and sites with each other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError, check_option
from marr.findings import FigureSpec, Note
from marr.representation._alignment._align import check_resamples
from marr.representation._alignment._align_text import (
    measure_notes,
    methods_of_measures,
    null_words,
    row_words,
    shown,
)
from marr.representation._alignment._all_pairs_job import (
    all_systems,
    pair_tables,
    prepare_pairs,
)
from marr.representation._alignment._registry import resolve_measures
from marr.stats._checks import check_count
from marr.systems import Cohort

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from marr.representation._alignment._all_pairs_job import PairsJob
    from marr.representation._alignment._measure import AlignmentMeasure
    from marr.systems import System

__all__ = ["alignment_matrix"]

CITATIONS = ("sucholutsky2023", "borg2005")
LINKAGES = ("average", "complete", "single")


@analysis(
    level="representation", citations=CITATIONS, needs="activity", whole_cohort=True
)
def alignment_matrix(
    system: System | Cohort,
    *,
    others: Sequence[System | Cohort] = (),
    sites: str | Sequence[str] | None = None,
    measure: str | AlignmentMeasure = "cka",
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
    time: str | tuple[float, float] = "mean",
    linkage: str = "average",
    n_dims: int = 2,
    null: str = "auto",
    n_permutations: int = 100,
    n_resamples: int = 20,
    seed: int = 0,
) -> Draft:
    """Measure how alike many systems and sites are, all with all; map and cluster them.

    Parameters
    ----------
    system : System or Cohort
        A cohort's members are compared with each other; of one system, its sites.
    others : sequence of System or Cohort
        Further systems.
    sites : str or sequence of str, optional
        Sites of each system; all by default.
    measure : str or AlignmentMeasure
        Key of `ALIGNMENT_MEASURES`, or a configured entry.
    on : str
        How rows correspond, as in `align`; only rows that all systems have are used.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`.
    time : "mean" or (float, float)
        Average over time, or over a window.
    linkage : {"average", "complete", "single"}
        How the tree joins clusters.
    n_dims : int
        Dimensions of the map.
    null : {"auto", "free", "within", "block", "shift", "rotation"}
        As in `align`.
    n_permutations : int
        Orders of rows, the same for all pairs; 0 makes no test.
    n_resamples : int
        Parts of the rows that are left out in turn; 0 makes no interval.
    seed : int
        Seed.

    Returns
    -------
    Finding
        Over (item_a, item_b), in the order of the tree: `estimate`, interval, p-values
        corrected over pairs, `null_mean`. Tables: "item" (position on the map by metric
        and classical scaling, cluster, mean alignment with the others), "merge" (the
        tree, and how often each merge recurs without a part of the rows), "member" (each
        system with the others), "metadata".

    Raises
    ------
    MarrError
        Fewer than two sites in all; rows that not all systems have (named); what
        `align` refuses.

    Notes
    -----
    Scores between -1 and 1 become angles for map and tree; of asymmetric measures both
    directions are averaged there. Clusters are the cut of the tree with the largest mean
    silhouette; a silhouette below about 0.25 says that there are none.

    References
    ----------
    Borg & Groenen (2005). Modern multidimensional scaling.
    Williams et al. (2021). Generalized shape metrics on neural representations.
    """
    check_option("linkage", linkage, LINKAGES)
    n_dims = check_count("n_dims", n_dims, minimum=1)
    (entry, *more), _ = resolve_measures(measure)
    if more:
        msg = "measure must be one measure; call once a measure, or use align for several."
        raise OptionError(msg)
    if time == "keep":
        msg = (
            "time='keep' is for align; a matrix takes 'mean' or a window (start, stop)."
        )
        raise OptionError(msg)
    _check_window(time)
    systems = all_systems(system, others)
    job = prepare_pairs(
        systems,
        entry,
        sites=sites,
        on=on,
        bins=bins,
        time=time,
        null=null,
        n_permutations=check_count("n_permutations", n_permutations, minimum=0),
        n_resamples=check_resamples(n_resamples),
        seed=seed,
    )
    estimate, tables = pair_tables(job, linkage=linkage, n_dims=n_dims)
    estimate.attrs["headline"] = _headline(estimate, job)
    who = _who(system, systems)
    n_first = len(system.members) if isinstance(system, Cohort) else 1
    return Draft(
        estimate=estimate,
        summary=partial(_summary, item=tables["item"], who=who, job=job),
        question=f"Which of {who} represent {row_words(on, job.n)} alike?",
        methods=_methods(job, linkage, tables["item"]),
        tables=tables,
        figures=_figures(job, n_dims),
        notes=_notes(job, tables["item"]),
        citations=list(
            dict.fromkeys(
                [*entry.citations, *(["phipson2010"] if n_permutations else [])]
            )
        ),
        generalizes_over=_over(job, who),
        parameters={"null": job.design.scheme, "n_rows": job.n},
        others=systems[n_first:],
    )


def _over(job: PairsJob, who: str) -> str:
    """Return over what intervals generalize."""
    rows = row_words(job.match.on, job.n)
    name = rows if job.design.part_name in ("rows", "") else job.design.part_name
    return f"{name}, for these {who}"


def _check_window(time: object) -> None:
    if time != "mean" and not (isinstance(time, (tuple, list)) and len(time) == 2):
        msg = f"time must be 'mean' or a window (start, stop); got {time!r}."
        raise OptionError(msg)


def _who(system: System | Cohort, systems: Sequence[System]) -> str:
    if isinstance(system, Cohort) and len(systems) == len(system.members):
        return f"{len(systems)} {system.member_kind}"
    if len(systems) == 1:
        return f"the sites of {systems[0].name}"
    return f"{len(systems)} systems"


def _upper(estimate: xr.Dataset) -> tuple[int, int]:
    """Return the place of the most alike pair of different items."""
    values = estimate["estimate"].values.copy()
    sign = -1.0 if estimate["estimate"].attrs["better"] == "lower" else 1.0
    ranked = sign * values
    np.fill_diagonal(ranked, -np.inf)
    i, j = np.unravel_index(int(np.nanargmax(ranked)), ranked.shape)
    return int(i), int(j)


def _headline(estimate: xr.Dataset, job: PairsJob) -> dict[str, object]:
    i, j = _upper(estimate)
    names = estimate["item_a"].values
    select = {"item_a": str(names[i]), "item_b": str(names[j])}
    return {"table": "estimate", "select": select, "quantity": job.measure.long_name}


def _summary(estimate: xr.Dataset, *, item: xr.Dataset, who: str, job: PairsJob) -> str:
    i, j = _upper(estimate)
    cell = estimate.isel(item_a=i, item_b=j)
    names = estimate["item_a"].values
    text = (
        f"Of {who}, {names[i]} and {names[j]} are most alike: {job.measure.long_name} "
        f"{shown(cell['estimate'])}"
    )
    if "ci_low" in cell:
        text += f" [{shown(cell['ci_low'])}, {shown(cell['ci_high'])}]"
    text += f" over {row_words(job.match.on, job.n)}"
    if "null_mean" in cell:
        text += (
            f" (independent data {shown(cell['null_mean'])}, "
            f"p = {float(cell['p_corrected']):.2g})"
        )
    k, width = int(item.attrs["n_clusters"]), float(item.attrs["silhouette"])
    clear = "" if width >= 0.25 else ", hardly apart"
    return f"{text}; {k} clusters{clear} (silhouette {shown(width)})."


def _methods(job: PairsJob, linkage: str, item: xr.Dataset) -> str:
    text = (
        f"Patterns of {row_words(job.match.on, job.n)} of {len(job.names)} sites were "
        f"compared all with all by {methods_of_measures([job.measure])}."
    )
    if job.design.n_parts:
        text += (
            f" Interval: delete-group jackknife (95 %, {job.design.n_parts} parts: "
            f"{job.design.part_name})."
        )
    text += null_words(job.design.scheme, len(job.design.orders))
    how = "distances" if job.measure.kind == "distance" else "angles of the scores"
    if job.measure.kind == "score" and job.measure.high != 1:
        how = "1 less the scores"
    return text + (
        f" Map: metric scaling of {how} by majorization (stress "
        f"{float(item.attrs['stress']):.2f}), from classical scaling. Tree: {linkage} "
        "linkage, cut where the mean silhouette is largest."
    )


def _notes(job: PairsJob, item: xr.Dataset) -> list[Note]:
    widths = [s.n_units for s in job.samples]
    notes = measure_notes([job.measure], job.n, widths)
    if float(item.attrs["stress"]) > 0.2:
        text = f"The map holds distances poorly (stress {float(item.attrs['stress']):.2f})."
        notes.append(Note("high_stress", text, "Read the matrix, or use more n_dims."))
    if len(job.systems) < len(job.names):
        text = (
            "Sites of one system were measured on the same trials; noise they share "
            "counts as alignment."
        )
        notes.append(Note("shared_trials", text))
    return [*notes, *job.notes]


def _figures(job: PairsJob, n_dims: int) -> list[FigureSpec]:
    name = job.measure.long_name
    label = f"{name[0].upper()}{name[1:]}"
    figures = [
        FigureSpec(
            "matrix",
            x="item_b",
            y="item_a",
            color_label=name,
            caption=f"{label} of all pairs, in the order of their tree.",
            x_label=" ",
            y_label=" ",
            description=f"Square heat map of the {name} of all pairs.",
        )
    ]
    if n_dims > 1:
        figures.append(
            FigureSpec(
                "scatter",
                table="item",
                x="position_1",
                y="position_2",
                group="cluster",
                x_label="first dimension",
                y_label="second dimension",
                caption="Map of the sites: near means alike. Colors are clusters.",
                description="Scatter of the sites in two dimensions, by cluster.",
            )
        )
    return figures
