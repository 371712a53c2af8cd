"""What single units are tuned to: curves, smooth models, nuisances."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import ContractError, OptionError, check_option
from marr.representation._plan import NULLS
from marr.representation._targets import control_names
from marr.representation._units import _tuning_text as words
from marr.representation._units._basis_kernel import BASES
from marr.representation._units._data import constant_note
from marr.representation._units._tuning_design import make_design
from marr.representation._units._tuning_fit import family_of
from marr.representation._units._tuning_job import (
    estimate_table,
    run_job,
    tuning_tables,
)
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._units._tuning_job import TuningJob
    from marr.systems import System

__all__ = ["tuning"]

MODELS = ("curve", "poisson_glm", "gaussian")
CITATIONS = ("skaggs1993", "phipson2010")


@analysis(level="representation", citations=CITATIONS, needs="activity")
def tuning(
    system: System,
    variable: str,
    *,
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    model: str = "curve",
    control: str | Sequence[str] = (),
    time: tuple[float, float] | None = None,
    basis: str = "cosine",
    n_basis: int = 8,
    penalty: float | None = None,
    n_folds: int = 5,
    n_permutations: int = 200,
    null: str = "auto",
    correction: str = "max",
    seed: int = 0,
) -> Draft:
    """Find what each unit is tuned to, and how much of its activity that explains.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    variable : str
        Column of the trial table or continuous variable. Rows are trials, or time bins
        for a variable that changes within trials.
    bins : int or sequence of float, optional
        Bins of the curves, as many or at these edges; 18 around a circle and 10 for
        numbers with more than ten different values by default.
    sites : str or sequence of str, optional
        Sites; all by default.
    model : {"curve", "poisson_glm", "gaussian"}
        "curve": the mean in each bin. "poisson_glm": Poisson regression on a smooth
        basis, for counts. "gaussian": ridge regression on it, for any activity.
    control : str or sequence of str
        Nuisances: further regressors of every model. The estimate is then what the
        variable explains beyond them.
    time : (float, float), optional
        Window of the activity, start included and end not.
    basis : {"cosine", "spline"}
        Smooth basis of a number or an angle: raised cosines or cubic splines.
    n_basis : int
        Number of functions of the basis, at least 5.
    penalty : float, optional
        Ridge penalty (of the mean log-likelihood); by default chosen for each unit in
        the training folds.
    n_folds : int
        Number of folds; fewer where there are fewer groups of dependent trials.
    n_permutations : int
        Shuffles; 0 makes no test.
    null : {"auto", "free", "within", "block", "shift"}
        How shuffles are made, as in `decode`.
    correction : {"max", "fdr"}
        How p-values are corrected over units.
    seed : int
        Seed of folds, shuffles and resamples.

    Returns
    -------
    Finding
        Over unit: the held-out share of variance (or deviance) that the variable
        explains. Tables: "unit" (besides that preferred value and width with jackknife
        intervals, peak, trough; for angles mean direction; for activity that is never
        negative depth, vector length, selectivity, Skaggs information in bits a spike
        and its excess over shuffles; halves), "curve" (unit, bin; `fitted` is the
        model's), "unique" (with nuisances: what each regressor explains alone).

    Raises
    ------
    MarrError
        Unknown name or option, a constant variable, empty bins, negative activity under
        a Poisson model.

    Notes
    -----
    Not for saying that a unit codes the variable and nothing else: what varies with it
    (speed with position) tunes a unit as well; name it in `control`. Nuisances enter
    linearly (a Poisson model: in the logarithm of the rate), so a curved effect of theirs
    is left to a variable that goes with them; give its square as a column too. Depth, vector
    length and information are positive for any unit by noise alone: compare with
    `information_null`, or read the estimate, which noise does not raise.

    References
    ----------
    Skaggs et al. (1993). An information-theoretic approach to deciphering the
    hippocampal code.
    """
    names = control_names(control, variable)
    _check(model, null, correction, basis)
    _check_numbers(n_basis, penalty, n_folds, n_permutations)
    design = make_design(
        system,
        variable,
        bins=bins,
        sites=sites,
        time=time,
        model=model,
        control=names,
        basis=basis,
        n_basis=n_basis,
    )
    if model == "poisson_glm" and (design.rows.x < 0).any():
        msg = (
            "model='poisson_glm' is for counts and rates, but activity goes down to "
            f"{design.rows.x.min():.3g}. Use model='gaussian'."
        )
        raise ContractError(msg)
    job = run_job(
        system,
        variable,
        design,
        family_of(model, smooth=design.smooth, penalty=penalty),
        n_folds=n_folds,
        n_permutations=n_permutations,
        null=null,
        correction=correction,
        seed=seed,
    )
    return _draft(job, model, basis, names)


def _draft(job: TuningJob, model: str, basis: str, names: tuple[str, ...]) -> Draft:
    design, variable = job.design, job.design.conditions.name
    name = words.score_name(model, controlled=bool(design.nuisances))
    estimate = estimate_table(job)
    estimate["estimate"].attrs.update(
        long_name=f"{name}: {variable}", units="", better="higher", chance=0.0
    )
    places = ", ".join(dict.fromkeys(design.rows.sites.tolist()))
    return Draft(
        estimate=estimate,
        summary=partial(words.summarize, variable=variable),
        question=f"Which units of {places} vary with {variable}, and how?",
        methods=words.methods(job, model, basis, names),
        tables=tuning_tables(job, estimate),
        figures=words.figures(job, variable, name),
        notes=[
            *job.plan.notes,
            *design.notes,
            *constant_note(design.rows),
            *words.notes(job),
        ],
        citations=_citations(job, model),
        generalizes_over=job.plan.unit_name,
        parameters={"null": job.plan.scheme, "n_folds": job.plan.n_folds},
    )


def _check(model: str, null: str, correction: str, basis: str) -> None:
    check_option("model", model, MODELS)
    check_option("null", null, [k for k in NULLS if k != "conditional"])
    check_option("correction", correction, ("max", "fdr"))
    check_option("basis", basis, BASES)


def _check_numbers(
    n_basis: int, penalty: float | None, n_folds: int, n_permutations: int
) -> None:
    check_count("n_basis", n_basis, minimum=5)
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    if penalty is not None and not (np.isfinite(penalty) and penalty > 0):
        msg = f"penalty must be a positive number or None; got {penalty!r}."
        raise OptionError(msg)


def _citations(job: TuningJob, model: str) -> list[str]:
    keys = ["nelder1972"] if model == "poisson_glm" else []
    if job.tests is None:
        return keys
    keys.append({"max": "nichols2002", "fdr": "benjamini1995"}[job.correction])
    keys += ["harris2020"] if job.plan.scheme == "shift" else []
    keys += ["freedman1983"] if job.design.nuisances else []
    return keys
