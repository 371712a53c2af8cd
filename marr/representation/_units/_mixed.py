"""Mixed selectivity: how many variables a unit follows, and whether more than chance."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import StatisticsError, check_option
from marr.representation._plan import Plan, make_plan
from marr.representation._units import _mixed_text as words
from marr.representation._units._coding import Coding, code_variables, variable_names
from marr.representation._units._data import constant_note
from marr.representation._units._mixed_fit import (
    INTERACTION,
    METHODS,
    explained_by_variable,
)
from marr.representation._units._mixed_tables import (
    MixedJob,
    category_table,
    pairing_table,
    selectivity_table,
    unit_table,
)
from marr.representation._units._partial import partial_draws, residual_basis
from marr.stats import (
    folds,
    permutation_p,
)
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["mixed_selectivity"]

CITATIONS = ("rigotti2013", "phipson2010", "benjamini1995")
FEWEST_UNITS = 4


@analysis(level="representation", citations=CITATIONS, needs="activity")
def mixed_selectivity(
    system: System,
    *,
    variables: Sequence[str],
    sites: str | Sequence[str] | None = None,
    time: tuple[float, float] | None = None,
    method: str = "drop",
    n_folds: int = 5,
    n_permutations: int = 200,
    seed: int = 0,
) -> Draft:
    """Ask whether units follow variables together, apart, or as independent tuning does.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    variables : sequence of str
        At least two columns or continuous variables. Text and numbers with at most ten
        different values are classes, other numbers enter linearly, angles as cosine and
        sine.
    sites : str or sequence of str, optional
        Sites whose units are taken together; all by default.
    time : (float, float), optional
        Window of the activity, start included and end not.
    method : {"drop", "lasso"}
        How the share of a variable is found: by leaving it out and fitting anew (ridge),
        or by zeroing its coefficients in a lasso (3 folds, 2 repeats, penalty by 5 folds
        within), as in Achterberg et al. 2023.
    n_folds : int
        Number of folds for "drop".
    n_permutations : int
        Shuffles behind the categories of units; 0 makes none.
    seed : int
        Seed of folds, shuffles and resamples.

    Returns
    -------
    Finding
        Over pairing ("a × b"): correlation over units of the variance that a and b
        explain, against a matched population whose tuning to a and b is independent
        (`null_mean`, `excess`, `p_value`); besides, `plain_r` (of the shares as they
        are), `raw_r` and `raw_p` (of the signal variances in units of activity),
        `total_share` (mean) and `null_total_share`. Tables: "unit" (total share,
        `share_<variable>`, `share_interaction`, category, halves), "selectivity" (unit,
        variable) with intervals and p-values, "category" (how many units).

    Raises
    ------
    MarrError
        Unknown name or option, a constant variable, fewer than four units.

    Notes
    -----
    Shares of one variance compete: where variables explain nearly all of it, the shares
    of two correlate by -1 whatever the tuning. The verdict is therefore taken against the
    matched population only, in which each variable's signal, in units of the noise of
    its unit, is dealt to another unit. Units that differ in how reliable they are follow
    everything well or nothing well: that alone puts the correlation above the matched
    population, and is not nonlinear mixing (see `share_interaction`).

    References
    ----------
    Rigotti et al. (2013). The importance of mixed selectivity in complex cognitive tasks.
    """
    names = variable_names(system, variables, 2)
    check_option("method", method, METHODS)
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    coding = code_variables(system, names, sites=sites, time=time)
    n_units = int((~coding.rows.constant).sum())
    if n_units < FEWEST_UNITS:
        msg = (
            f"{n_units} units vary; a correlation over units needs at least "
            f"{FEWEST_UNITS}. Take more sites together."
        )
        raise StatisticsError(msg)
    job = _run(system, coding, method, n_folds, n_permutations, seed)
    estimate = pairing_table(job)
    units = unit_table(job)
    tables = {"unit": units, "selectivity": selectivity_table(job)}
    if job.p:
        tables["category"] = category_table(units)
    return Draft(
        estimate=estimate,
        summary=words.summarize,
        question=f"Do the same units follow {' and '.join(names)}?",
        methods=words.methods(job),
        tables=tables,
        figures=words.figures(names),
        notes=[
            *job.plan.notes,
            *constant_note(coding.rows),
            *words.notes(estimate, n_units),
        ],
        citations=["achterberg2023"] if method == "lasso" else [],
        generalizes_over=f"units (n = {n_units})",
        parameters={"n_folds": job.plan.n_folds, "null": job.plan.scheme},
    )


def _run(
    system: System,
    coding: Coding,
    method: str,
    n_folds: int,
    n_permutations: int,
    seed: int,
) -> MixedJob:
    def plan_of(names: Sequence[str], n: int) -> Plan:
        return make_plan(
            system,
            coding.target(names),
            n_folds=3 if method == "lasso" else n_folds,
            null="auto",
            n_permutations=n,
            design=None,
            seed=seed,
        )

    names = list(coding.blocks)
    plan = plan_of(names, n_permutations)
    trial = coding.rows.trial
    resampled = np.unique(plan.units, return_inverse=True)[1].reshape(-1)[trial]
    repeats = [plan.folds[trial]]
    if method == "lasso":
        repeats.append(_other_folds(system, plan, seed + 1)[trial])
    half = system.halves[trial]
    score = partial(explained_by_variable, coding, repeats, resampled, method=method)
    found = score()
    if found is None:
        msg = (
            f"{len(trial)} rows are too few for {plan.n_folds} folds. Use more trials."
        )
        raise StatisticsError(msg)
    pair = [score(keep=half == h) for h in (0, 1)]
    p = {}
    if n_permutations:
        p = {n: _p_value(coding, n, plan_of([n], n_permutations)) for n in names}
        p[INTERACTION] = _p_value(coding, INTERACTION, plan)
    return MixedJob(coding, plan, found, (pair[0], pair[1]), p, method, seed)


def _other_folds(system: System, plan: Plan, seed: int) -> npt.NDArray[np.intp]:
    groups = system.groups()
    if groups is not None and int(groups.max()) + 1 < plan.n_folds:
        groups = None
    found = folds(len(plan.folds), n_folds=plan.n_folds, groups=groups, seed=seed)
    return np.asarray(found, dtype=np.intp)


def _p_value(coding: Coding, name: str, plan: Plan) -> FloatArray:
    """Test what one variable (or the interaction) explains beyond the others."""
    rows = coding.rows
    if name == INTERACTION:
        basis = coding.products()
        others = [coding.columns(n) for n in coding.blocks]
    else:
        basis = coding.blocks[name]
        others = [coding.columns(n) for n in coding.blocks if n != name]
    held = np.concatenate(others, axis=1)
    left = residual_basis(rows, basis, held)
    observed, null = partial_draws(rows, left, held, plan.indices)
    p = permutation_p(observed, null, tail="greater")
    return np.where(rows.constant, 1.0, p)
