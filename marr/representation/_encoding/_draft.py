"""From the options of an encoding to a job, and from a job to what the analysis returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr._analysis import Draft
from marr.errors import check_option
from marr.representation._encoding import _encode_text as text
from marr.representation._encoding._encode_job import Job, Settings
from marr.representation._encoding._features import resolve_features
from marr.representation._encoding._hold_out import plan_rows
from marr.representation._encoding._repeats import CEILINGS, find_repeats
from marr.representation._encoding._run import run_layers, run_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.findings import Note
    from marr.systems import System

__all__ = ["drafted", "prepare"]

CITATIONS = {
    "ridge": "hoerl1970",
    "banded_ridge": "duprelatour2022",
    "pls": "rosipal2001",
    "max": "nichols2002",
    "fdr": "benjamini1995",
}


def prepare(
    system: System,
    features: Any,
    settings: Settings,
    *,
    sites: tuple[str, ...],
    on: str,
    bins: int | Sequence[float] | None,
    time: str | tuple[float, float],
    delays: Sequence[float],
    stimulus: str | None,
    hold_out: str,
    n_folds: int,
    null: str,
    n_permutations: int,
    ceiling: str,
) -> tuple[Job, list[Note]]:
    """Resolve features and rows, decide what is held out, find repeats.

    Options are those of `encode`; returns the job and the notes so far.
    """
    check_option("ceiling", ceiling, CEILINGS)
    found = resolve_features(
        system, features, sites=sites, on=on, bins=bins, time=time, delays=delays
    )
    held = plan_rows(
        system,
        found,
        stimulus=stimulus,
        hold_out=hold_out,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        seed=settings.seed,
    )
    repeats, none = find_repeats(system, found, held.stimulus, ceiling)
    job = Job(system, sites, found, held, repeats, time, settings)
    return job, [*found.notes, *held.notes, *none]


def drafted(job: Job, notes: Sequence[Note], correction: str) -> Draft:
    """Run a job; return its numbers, sentences and figures.

    Parameters
    ----------
    job : Job
        What is asked.
    notes : sequence of Note
        Notes so far.
    correction : {"max", "fdr"}
        How p-values are corrected.
    """
    features, settings = job.features, job.settings
    run = run_layers if features.by_site else run_plain
    estimate, tables, more = run(job, correction)
    cited = [CITATIONS[settings.method], CITATIONS[correction]]
    return Draft(
        estimate=estimate,
        summary=text.summarizer(tables["site"], settings.score),
        question=text.question(job),
        methods=text.methods_text(job, correction),
        tables=tables,
        figures=text.encode_figures(job, estimate),
        notes=[*notes, *text.encode_notes(job, estimate), *more],
        citations=[*cited, *(["schoppe2016"] if job.repeats is not None else [])],
        generalizes_over=text.over(job),
        parameters={
            "features": features.words,
            "method": settings.method,
            "null": job.held.plan.scheme,
            "n_folds": job.held.plan.n_folds,
            "held_out": job.held.what,
        },
        others=features.others,
    )
