"""How alike two systems represent the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marr._analysis import Draft, analysis
from marr.errors import OptionError
from marr.representation._alignment import _align_text as text
from marr.representation._alignment._align_figures import align_figures
from marr.representation._alignment._align_job import (
    align_tables,
    check_b,
    prepare_align,
)
from marr.representation._alignment._registry import resolve_measures
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._alignment._align_job import Job
    from marr.representation._alignment._measure import AlignmentMeasure
    from marr.systems import System

__all__ = ["align"]

CITATIONS = ("sucholutsky2023",)


@analysis(level="representation", citations=CITATIONS, needs="activity")
def align(
    system: System,
    b: System | None,
    *,
    measure: str | AlignmentMeasure | Sequence[str | AlignmentMeasure] = "cka",
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
    sites_a: str | Sequence[str] | None = None,
    sites_b: str | Sequence[str] | None = None,
    time: str | tuple[float, float] = "mean",
    behavior: str | None = None,
    null: str = "auto",
    n_permutations: int = 200,
    n_resamples: int = 20,
    seed: int = 0,
) -> Draft:
    """Measure how alike two systems represent the same rows, site by site.

    Parameters
    ----------
    system : System or Cohort
        First system, a. The members of a Cohort are compared with b one by one.
    b : System or None
        Second system; None compares the sites of the first with each other.
    measure : str, AlignmentMeasure, or sequence of them
        Keys of `ALIGNMENT_MEASURES` (or a configured entry). Several are shown side by
        side: they differ in what they let vary.
    on : str
        How rows correspond: "trial", or a column or variable whose values (or `bins`)
        are the rows, over whose repeats activity is averaged.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`.
    sites_a : str or sequence of str, optional
        Sites of a; all by default.
    sites_b : str or sequence of str, optional
        Sites of b; all by default.
    time : "mean", "keep" or (float, float)
        Average over time or a window, or compare bin with bin.
    behavior : str, optional
        Column, e.g. "choice": agreement of both systems on the same rows (table
        "behavior"), since alike codes and alike behavior are two things.
    null : {"auto", "free", "within", "block", "shift", "rotation"}
        How rows of b are reordered. "auto" shifts trials where both systems are
        autocorrelated, keeps other trials within groups, and exchanges conditions.
        "rotation" turns and mirrors bins of an angle: alike beyond what any two rings
        share (two perfect rings have p = 1).
    n_permutations : int
        Orders; 0 makes no test.
    n_resamples : int
        Parts of the rows that are left out in turn for the interval; 0 makes none.
    seed : int
        Seed of folds, orders, parts and halves.

    Returns
    -------
    Finding
        Over ([measure,] site_a, site_b[, time]): `estimate`, interval, p-values,
        `null_mean` (what independent data of this size give), `relative` (0 there, 1 for
        identical), and with repeated rows `ceiling` of scores or `floor` of distances
        (halves of each system against each other) and `halves`. `excess` is above
        independent data for scores, above the floor for distances. Tables: "metadata"
        (what each measure is), "relative" (several measures on one scale), "behavior".

    Raises
    ------
    MarrError
        Unknown measure, site or column; rows that do not correspond (the missing ones are
        named); too few rows; patterns without variance; other numbers of units where a
        measure needs equal ones.

    Notes
    -----
    The interval leaves out parts of the rows: it generalizes over rows as far as these
    are a sample, and does not hold the bias of measures marked `biased`, which make
    independent data look alike when units outnumber rows. Trials of one value of `on`
    are averaged first, so noise lowers every measure; see `ceiling`.

    Not for systems whose rows do not correspond: every measure here pairs rows.

    References
    ----------
    Sucholutsky et al. (2023). Getting aligned on representational alignment.

    Examples
    --------
    >>> import numpy as np, marr
    >>> x = np.random.default_rng(0).normal(size=(40, 6))
    >>> a, b = (marr.from_arrays({"s": v}, name=n) for v, n in ((x, "a"), (2 * x, "b")))
    >>> found = marr.representation.align(a, b, n_permutations=50)
    >>> round(float(found.estimate["estimate"].item()), 3)
    1.0
    """
    other = check_b(b)
    measures, several = resolve_measures(measure)
    check_time(time)
    job = prepare_align(
        system,
        other,
        measures,
        several=several,
        on=on,
        bins=bins,
        sites_a=sites_a,
        sites_b=sites_b,
        time=time,
        null=null,
        n_permutations=check_count("n_permutations", n_permutations, minimum=0),
        n_resamples=check_resamples(n_resamples),
        seed=seed,
    )
    estimate, tables, notes = align_tables(job, behavior, seed)
    words = {m.name: m.long_name for m in job.measures}
    estimate.attrs["one_system"] = job.same
    estimate.attrs["headline"] = text.align_headline(estimate, words)
    return Draft(
        estimate=estimate,
        summary=text.summarizer(job, estimate, tables.get("behavior")),
        question=text.question_text(job),
        methods=text.methods_text(job),
        tables=tables,
        figures=align_figures(job, estimate),
        notes=[*text.align_notes(job), *job.notes, *notes],
        citations=_citations(job.measures, job.design.scheme, n_permutations),
        generalizes_over=_over(job),
        parameters={"null": job.design.scheme, "n_rows": job.n},
        others=job.systems[1:],
    )


def _over(job: Job) -> str:
    """Return over what the interval generalizes."""
    rows = text.row_words(job.match.on, job.n)
    if not job.design.n_parts:
        return f"nothing beyond these {rows}"
    return rows if job.design.part_name == "rows" else job.design.part_name


def check_time(time: object) -> None:
    """Raise OptionError unless `time` is "mean", "keep" or a window."""
    window = isinstance(time, (tuple, list)) and len(time) == 2
    if time not in ("mean", "keep") and not window:
        msg = f"time must be 'mean', 'keep' or a window (start, stop); got {time!r}."
        raise OptionError(msg)


def check_resamples(n: int) -> int:
    """Return the number of parts; 0, or at least five."""
    n = check_count("n_resamples", n, minimum=0)
    if 0 < n < 5:
        msg = f"n_resamples must be 0 or at least 5 parts of the rows; got {n}."
        raise OptionError(msg)
    return n


def _citations(
    measures: Sequence[AlignmentMeasure], scheme: str, n_permutations: int
) -> list[str]:
    keys = [key for m in measures for key in m.citations]
    if n_permutations:
        keys += ["phipson2010", "nichols2002"]
        keys += ["harris2020"] if scheme == "shift" else []
    return list(dict.fromkeys(keys))
