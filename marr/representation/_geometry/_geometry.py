"""Geometry of task variables: abstraction, parallel coding, and what can be separated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError, check_option
from marr.findings import Note
from marr.representation._geometry._cloud import (
    check_time,
    condition_counts,
    constant_note,
    known_column,
    site_cloud,
)
from marr.representation._geometry._design import (
    Design,
    crossed_design,
    single_design,
)
from marr.representation._geometry._geometry_job import Job, site_geometry
from marr.representation._geometry._geometry_text import (
    figures,
    labelled,
    methods_text,
    plane_table,
    split_table,
    summary,
)
from marr.representation._geometry._splits import make_splits, quantities
from marr.representation._plan import make_plan
from marr.stats._checks import check_count
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from marr.representation._geometry._geometry_job import SiteGeometry
    from marr.representation._geometry._splits import Splits
    from marr.representation._plan import Plan
    from marr.systems import System

__all__ = ["geometry"]

HELD_OUT = ("contexts", "pairs")
FEWEST_TRIALS = 4
"""Of each condition."""
FEW_TRIALS = 10
"""Fewer than this of a condition are noted."""


@analysis(
    level="representation",
    citations=("bernardi2020", "rigotti2013", "ledoit2004", "phipson2010"),
    needs="activity and binary task variables",
)
def geometry(
    system: System,
    *,
    variables: str | Sequence[str] = (),
    on: str | None = None,
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: str | tuple[float, float] = "mean",
    held_out: str = "contexts",
    n_folds: int = 5,
    max_dichotomies: int = 6435,
    null: str = "auto",
    n_permutations: int = 200,
    n_resamples: int = 100,
    seed: int = 0,
) -> Draft:
    """Measure the geometry of conditions at each site.

    Per binary variable: decoding, cross-condition generalization performance (CCGP,
    decoding of conditions that took no part in the fit) and parallelism of the coding
    directions; per pair of variables: decoding of their exclusive-or; over all balanced
    dichotomies of the conditions: mean decoding, and the share that is separable.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    variables : str or sequence of str
        Columns with two values; conditions are all their combinations.
    on : str, optional
        Column that makes the conditions instead; variables, if any, must be constant
        within each.
    bins : int or sequence of float, optional
        Cut the numbers of `on`, as in `rdm`.
    sites : str or sequence of str, optional
        Sites; all by default.
    time : "mean" or (float, float)
        Average over all valid bins, or those from start up to stop.
    held_out : {"contexts", "pairs"}
        What CCGP of a variable holds out: in turn each combination of the other
        variables, or every pair of conditions on different sides (that of other
        dichotomies is always over pairs).
    n_folds : int
        Folds of trials (whole groups where there are groups).
    max_dichotomies : int
        Balanced dichotomies at most; a random sample of so many where there are more.
    null : str
        As in `decode`, for the shuffles of the conditions.
    n_permutations : int
        Shuffles of the labels, and random arrangements of the conditions; 0 makes no
        test.
    n_resamples : int
        Weightings of the trials behind each interval; as few as 20 are taken where there
        are many units and trials.
    seed : int
        Seed of everything random.

    Returns
    -------
    Finding
        Over (site, quantity), with coordinates `measure` and `variable`: estimate,
        interval, p-values, mean of the null, and for CCGP and parallelism what noise
        leaves possible (`ceiling`). Table "dichotomy" (site, dichotomy): accuracy,
        worst condition, separable or not, CCGP and parallelism of each, with its name
        if it equals a variable or an exclusive-or.

    Raises
    ------
    MarrError
        Variables that are not crossed (the missing combination is named) or not binary,
        conditions with too few trials, one condition.

    Notes
    -----
    CCGP below 0.5 is a result (a code that turns around with context) and is not
    clipped. A dichotomy is separable where held-out trials of *every* condition are
    classified better than chance, so a dichotomy of which six in eight conditions can
    be had does not count. The classifier is linear discriminant analysis with one noise
    covariance; not for conditions whose noise differs much. Shares depend on noise and
    on trials a condition: compare sites with the same of both. Few conditions
    leave little room for a test of CCGP: a random arrangement of four generalizes, or
    turns around, by chance quite often, even where the interval excludes 0.5.

    References
    ----------
    Bernardi et al. (2020). The geometry of abstraction in the hippocampus and
    prefrontal cortex. Rigotti et al. (2013). The importance of mixed selectivity in
    complex cognitive tasks.
    """
    names = (variables,) if isinstance(variables, str) else tuple(variables)
    _check_options(held_out, time)
    _check_counts(n_folds, max_dichotomies, n_permutations, n_resamples)
    found_sites = site_list(system, sites)
    design, system, notes = _design(system, names, on, bins)
    counts = condition_counts(
        design.codes, design.labels, least=FEWEST_TRIALS, what="geometry"
    )
    plan = make_plan(
        system,
        design.as_conditions().as_target(),
        n_folds=min(n_folds, int(counts.min())),
        null=null,
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    _check_training(design, plan)
    splits = make_splits(design, max_dichotomies, seed)
    job = Job(design, splits, plan, held_out, n_permutations, n_resamples, seed)
    found, constant = _found(system, found_sites, time, job)
    wanted = quantities(design, splits)
    estimate = labelled(found, found_sites, wanted, plan)
    table = split_table(found, found_sites, splits, plan)
    return Draft(
        estimate=estimate,
        summary=partial(summary, n_trials=len(design.codes), total=splits.total),
        question=_question(design, found_sites),
        methods=methods_text(job, counts, found),
        tables={"dichotomy": table, "plane": plane_table(table)},
        figures=figures(design),
        notes=[*notes, *_caveats(design, splits, counts, seed), *constant_note(constant), *plan.notes],
        citations=["nichols2002"] if n_permutations else [],
        generalizes_over=plan.unit_name,
        parameters={"null": plan.scheme, "n_folds": plan.n_folds},
    )  # fmt: skip


def _found(
    system: System,
    sites: Sequence[str],
    time: str | tuple[float, float],
    job: Job,
) -> tuple[list[SiteGeometry], dict[str, int]]:
    """Return the numbers of each site, and how many of its units are constant."""
    found, constant = [], {}
    for stream, site in enumerate(sites):
        cloud = site_cloud(system, site, time)
        constant[site] = cloud.n_constant
        found.append(site_geometry(cloud.x, job, stream=stream))
    return found, constant


def _check_options(held_out: str, time: str | tuple[float, float]) -> None:
    check_option("held_out", held_out, HELD_OUT)
    check_time(time)


def _check_counts(
    n_folds: int, max_dichotomies: int, n_permutations: int, n_resamples: int
) -> None:
    check_count("n_folds", n_folds, minimum=2)
    check_count("max_dichotomies", max_dichotomies, minimum=1)
    check_count("n_permutations", n_permutations, minimum=0)
    check_count("n_resamples", n_resamples, minimum=10)


def _caveats(
    design: Design, splits: Splits, counts: npt.NDArray[np.intp], seed: int
) -> list[Note]:
    """Return notes on few trials, and on dichotomies that were sampled."""
    notes, rarest = [], int(counts.argmin())
    if counts[rarest] < FEW_TRIALS:
        text = f"The rarest condition ({design.labels[rarest]}) has {counts[rarest]} trials."
        advice = "Shares of separable dichotomies are low then."
        notes.append(Note("few_trials", text, advice))
    if splits.sampled:
        text = (
            f"{int(splits.counted.sum())} of {splits.total:,} balanced dichotomies were "
            f"drawn at random (seed {seed})."
        )
        notes.append(Note("sampled_dichotomies", text, "max_dichotomies= takes more."))
    return notes


def _design(
    system: System,
    names: tuple[str, ...],
    on: str | None,
    bins: int | Sequence[float] | None,
) -> tuple[Design, System, list[Note]]:
    """Return the conditions, and the system with trials of these only."""
    notes: list[Note] = []
    for name in names:
        known_column(system, name, "variables")
    if on is None:
        if bins is not None:
            msg = "bins cut the column of on=, which is not given."
            raise OptionError(msg)
        if len(set(names)) < 2:
            msg = (
                f"variables must name at least two binary columns; got {list(names)}. "
                "Conditions can also come from one column: on='condition'."
            )
            raise OptionError(msg)
        if len(set(names)) < len(names):
            msg = f"variables names one twice: {list(names)}."
            raise OptionError(msg)
        return crossed_design(system, names), system, notes
    design = single_design(system, on, bins, names)
    if design.n_conditions < 4:
        msg = (
            f"on={on!r} makes {design.n_conditions} conditions; a geometry of "
            "dichotomies needs at least four. Use decode() or rdm() for fewer."
        )
        raise StatisticsError(msg)
    known = design.codes >= 0
    if not known.all():
        text = f"{int((~known).sum())} of {len(known)} trials have no value of {on} and were left out."
        notes.append(Note("left_out", text, "Check that they are not special."))
        system = system.select(known)
        design = single_design(system, on, bins, names)
    return design, system, notes


def _check_training(design: Design, plan: Plan) -> None:
    """Refuse folds whose training trials lack a condition."""
    for f in range(plan.n_folds):
        inside = set(design.codes[plan.folds != f].tolist())
        lost = [design.labels[k] for k in range(design.n_conditions) if k not in inside]
        if lost:
            msg = (
                f"all trials of {lost[0]} lie in one fold of whole groups "
                f"({plan.group_column}), so nothing is left to fit with. Use fewer "
                "folds, or conditions that occur in several groups."
            )
            raise StatisticsError(msg)


def _question(design: Design, sites: Sequence[str]) -> str:
    where = ", ".join(sites)
    if not design.names:
        return f"Which splits of {design.source} can be read out linearly at {where}?"
    named = ", ".join(design.names)
    return f"Are {named} coded in an abstract format at {where}?"
