"""Demixed principal components: one axis a variable, and what it explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError
from marr.findings import FigureSpec, Note
from marr.representation._units._coding import variable_names
from marr.representation._units._demix_job import DemixJob, run_demix
from marr.representation._units._demix_tables import component_table, demix_tables
from marr.representation._units._tensor import make_cells, trial_tensor
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from marr.systems import System

__all__ = ["demix"]


@analysis(
    level="representation",
    citations=("kobak2016", "phipson2010", "nichols2002"),
    needs="activity",
)
def demix(
    system: System,
    *,
    variables: str | Sequence[str],
    sites: str | Sequence[str] | None = None,
    time: tuple[float, float] | None = None,
    bins: int | None = None,
    n_components: int = 2,
    penalty: float | None = None,
    n_folds: int = 5,
    n_permutations: int = 100,
    seed: int = 0,
) -> Draft:
    """Find axes of activity that depend on one variable each (demixed PCA).

    Condition averages are split into what depends on time alone, on each variable (with
    time), and on their interactions; each part is reconstructed from activity by
    reduced-rank regression.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    variables : str or sequence of str
        Columns of the trial table; every combination of their classes needs trials.
    sites : str or sequence of str, optional
        Sites whose units are taken together; all by default.
    time : (float, float), optional
        Window of the activity, start included and end not.
    bins : int, optional
        Cut numbers into this many bins; by default numbers with more than ten different
        values are cut into 10, others are classes.
    n_components : int
        Axes of each part.
    penalty : float, optional
        Ridge penalty relative to the variance of a unit; by default chosen by how well
        the axes of training trials reconstruct held-out averages.
    n_folds : int
        Number of folds.
    n_permutations : int
        Shuffles of the conditions over trials; 0 makes no test.
    seed : int
        Seed of folds, shuffles and resamples.

    Returns
    -------
    Finding
        Over component ("choice 1", "time 1", ...): share of the variance of condition
        averages that it explains, with the share of shuffled conditions (`null_mean`)
        and the excess over it; `purity`, how much of that is of its own part. Tables:
        "accuracy" (component, time: held-out trials told by the nearest class mean),
        "marginal" (component, part), "variance" (part; `signal` is free of noise),
        "trajectory" (component, condition, time), "weights" (component, unit).

    Raises
    ------
    MarrError
        Unknown name, a combination without trials, fewer than two units that vary.

    Notes
    -----
    Shares of variance are above zero for noise too: read the excess, or the accuracy.
    Axes of different parts need not be orthogonal. Accuracy of an interaction also
    profits from the variables in it; its share of variance does not. Time by itself is not
    tested: shuffling conditions leaves it as it is.

    References
    ----------
    Kobak et al. (2016). Demixed principal component analysis of neural population data.
    """
    names = variable_names(system, variables, 1)
    _check(n_components, penalty, n_folds, n_permutations)
    cells, keep = make_cells(system, names, bins)
    tensor = trial_tensor(system, sites, time, keep)
    if not keep.all():
        system = system.select(keep)
    job = run_demix(
        system,
        tensor,
        cells,
        n_components=n_components,
        penalty=penalty,
        n_folds=n_folds,
        n_permutations=n_permutations,
        seed=seed,
    )
    places = tensor.places
    return Draft(
        estimate=component_table(job),
        summary=_summary,
        question=f"Which axes of {places} depend on {' and '.join(names)} alone?",
        methods=_methods(job),
        tables=demix_tables(job, system.halves, seed),
        figures=_figures(job),
        notes=[*job.plan.notes, *tensor.notes, *job.notes, *_notes(job)],
        generalizes_over=job.plan.unit_name,
        parameters={"penalty": job.penalty, "null": job.plan.scheme},
    )


def _check(
    n_components: int, penalty: float | None, n_folds: int, n_permutations: int
) -> None:
    check_count("n_components", n_components, minimum=1)
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    if penalty is not None and not (np.isfinite(penalty) and penalty >= 0):
        msg = f"penalty must be a number of at least 0, or None; got {penalty!r}."
        raise OptionError(msg)


def _summary(estimate: xr.Dataset) -> str:
    """Return what the first component of each part explains."""
    names = estimate["component"].values.astype(str)
    firsts = [i for i, name in enumerate(names) if name.endswith(" 1")]
    parts = [f"{names[i]} {float(estimate['estimate'][i]):.1%}" for i in firsts]
    text = f"First components explain: {', '.join(parts)} of the variance"
    if "p_corrected" not in estimate:
        return f"{text}; no test was made."
    p = estimate["p_corrected"].values
    good = [names[i] for i in range(len(names)) if p[i] < 0.05]
    if not good:
        return f"{text}; none more than shuffled conditions have."
    return f"{text}; more than shuffled conditions (corrected p < 0.05): {', '.join(good)}."


def _methods(job: DemixJob) -> str:
    n, t, u = job.tensor.y.shape
    text = (
        f"Demixed principal components of {u} units"
        f"{' (components)' if job.tensor.basis is not None else ''} in {n} trials"
        f"{f' of {t} time bins' if t > 1 else ''}: averages of {job.cells.n} conditions "
        f"({', '.join(job.cells.names)}), each unit over its standard deviation, were "
        "split into marginalizations, each reconstructed by reduced-rank regression with "
        f"noise covariance and ridge penalty {job.penalty:g}. Interval: jackknife over "
        f"{len(job.jackknife)} folds of trials."
    )
    if len(job.null_share):
        text += (
            f" P-values: {len(job.null_share)} shuffles of the conditions over trials "
            f"({job.plan.scheme}), one-sided, corrected by the permutation maximum. "
            "Accuracy: held-out trials, nearest class mean along one component; "
            f"interval by bootstrap over {job.plan.unit_name}."
        )
    return text


def _figures(job: DemixJob) -> list[FigureSpec]:
    timed = job.tensor.times is not None and len(job.tensor.times) > 1
    unit = job.tensor.time_unit
    label = f"time ({unit})" if unit else "time"
    found = [
        FigureSpec(
            "points",
            x="component",
            caption="Share of the variance of condition averages by component, 95 % "
            "interval.",
            x_label="component",
            y_label="share of variance",
            description="Dots with intervals: variance explained by each component.",
        )
    ]
    if timed:
        found += [
            FigureSpec(
                "line",
                table="trajectory",
                x="time",
                group="condition",
                caption="Condition averages along each demixed component.",
                x_label=label,
                y_label="activity along the component",
                description="Lines over time, one a condition, one panel a component.",
            ),
            FigureSpec(
                "line",
                table="accuracy",
                x="time",
                group="component",
                caption="Accuracy of held-out trials along each component, 95 % interval.",
                x_label=label,
                y_label="balanced accuracy",
                description="Lines over time: accuracy of each component.",
            ),
        ]
    return found


def _notes(job: DemixJob) -> list[Note]:
    found = []
    if not job.conditional.all() and len(job.null_share):
        text = "Components of time are not tested: shuffled conditions leave them as they are."
        found.append(Note("time_not_tested", text))
    purity = [
        float(
            job.share[i, list(job.sizes).index(key)] / max(job.share[i].sum(), 1e-300)
        )
        for i, key in enumerate(job.owners)
        if job.share[i].sum() > 0.02
    ]
    if purity and min(purity) < 0.5:
        text = f"A component explains more of another part than of its own ({min(purity):.0%} own)."
        found.append(
            Note("not_demixed", text, "The code may not be separable linearly.")
        )
    return found
