"""Inference on models of representational geometry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import EvidenceError, OptionError, StatisticsError, check_option
from marr.representation._rsa._comparator_kernel import COMPARATORS
from marr.representation._rsa._inference import make_plan
from marr.representation._rsa._models import FLEXIBLE, resolve_models
from marr.representation._rsa._rsa_job import analyze
from marr.representation._rsa._rsa_tables import labelled_estimate, labelled_tables
from marr.representation._rsa._rsa_text import (
    figures,
    generalizes_over,
    methods,
    notes,
    question,
    summary,
)
from marr.representation._rsa._subjects import (
    Request,
    match_models,
    model_finding,
    subjects,
)
from marr.systems import Cohort

if TYPE_CHECKING:
    from marr.findings import Note
    from marr.representation._rsa._models import Model
    from marr.systems import System

__all__ = ["rsa"]

SCOPES = ("conditions", "subjects")
FEWEST_FOR_FITS = 10
"""A resample of fewer conditions seldom fills two folds."""


@analysis(
    level="representation",
    citations=("kriegeskorte2008", "schutt2023", "nili2014"),
    needs="activity, conditions and models of them",
    whole_cohort=True,
)
def rsa(
    system: System | Cohort,
    *,
    models: Mapping[str, Any],
    on: str = "condition",
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    distance: str = "crossnobis",
    noise: Any = "folds",
    comparator: str = "correlation",
    time: str | tuple[float, float] = "mean",
    window: float | None = None,
    over: str | Sequence[str] = "site",
    generalize: str | Sequence[str] | None = None,
    null: str = "bootstrap",
    n_resamples: int = 1000,
    correction: str = "max",
    seed: int = 0,
) -> Draft:
    """Test models of geometry against data, each other, and the noise ceiling.

    Parameters
    ----------
    system : System or Cohort
        One subject, or several (members), each with the same conditions.
    models : mapping of str to model
        A model is a labelled square matrix (a pandas DataFrame, an xarray DataArray, or
        (matrix, labels)), a finding of `rdm`, a system (its own distances; one model a
        site), or `Weighted`, `Interpolated` or `Selected` of several of these, which
        are fitted to other conditions and subjects than they are scored on. Conditions
        are matched by label.
    on : str
        Column of the trial table, or continuous variable, that makes the conditions.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`; conditions are then labelled by the centers.
    sites : str or sequence of str, optional
        Sites; all (that the members share) by default.
    distance : str
        As in `rdm`. Only cross-validated distances are free of the noise that pushes
        distances up.
    noise : str, array of shape (n_units, n_units), DataFrame, or dict of site to these
        As in `rdm`.
    comparator : str
        "correlation", "cosine", "spearman", "rho-a" (for models with ties), "tau-a"
        (slow), "whitened_cosine" or "whitened_correlation", which allow for the noise
        that distances share, and have more power.
    time : "mean" or (float, float)
        As in `rdm`; with `over` time, the span.
    window : float, optional
        Width of the windows of `over` time; every bin is one by default.
    over : "site" or ("site", "time")
        One inference a site, or one a site and time, corrected over both.
    generalize : {"conditions", "subjects"} or both, optional
        What is resampled: both for a cohort, conditions for a single system.
    null : {"bootstrap", "permutation"}
        What a model is tested against 0 by: its bootstrap error, or permuted conditions
        (fixed models; exact, and more powerful with few conditions).
    n_resamples : int
        Bootstrap resamples (and permutations).
    correction : {"max", "fdr"}
        Over models (pairs), sites and times: maximum of correlated t statistics, or the
        false discovery rate.
    seed : int
        Seed of resamples, folds and permutations.

    Returns
    -------
    Finding
        Over (site, model) or (site, time, model): mean similarity with subjects,
        interval, one-sided p-value against 0, `ceiling` (lower) and `ceiling_upper`.
        Tables: "difference" (model_a, model_b; two-sided), "ceiling" (model less lower
        bound; two-sided), "covariance" of the estimates, "member" of a cohort, and,
        with flexible models, "weights".

    Raises
    ------
    MarrError
        Fewer than six shared conditions, a model without labels or without variation,
        subjects to generalize over in a single system.

    Notes
    -----
    Simulated studies of 20 to 92 conditions and 10 to 20 subjects, at a level of 5 %:
    the corrected dual bootstrap errs in 3 to 5 % about differences of models, and in 1 to
    2 % about a model against 0, where permuted conditions err in 5 %. A t test over
    subjects holds for these conditions only; read as if it held for others, it errs in
    20 to 40 % (`generalize="subjects"` says so). Intervals that resample conditions
    alone, or are bias-corrected and accelerated, err in up to 13 %. See
    benchmarks/calibration_rsa.py.

    With ranks, flexible models are fitted by correlation and scored by rank.

    References
    ----------
    Schütt, Kipnis, Diedrichsen & Kriegeskorte (2023). Statistical inference on
    representational geometries.
    Diedrichsen et al. (2021). Comparing representational geometries using whitened
    unbiased-distance-matrix similarity.
    Nili et al. (2014). A toolbox for representational similarity analysis.
    """
    check_option("comparator", comparator, COMPARATORS)
    check_option("null", null, ["bootstrap", "permutation"])
    check_option("correction", correction, ["max", "fdr"])
    scope = _scope(system, generalize)
    _check_resamples(n_resamples)
    fits = isinstance(models, Mapping) and any(
        isinstance(m, FLEXIBLE) for m in models.values()
    )
    if null == "permutation" and fits:
        msg = "null='permutation' is for fixed models; use null='bootstrap', or fixed models only."
        raise OptionError(msg)
    request = Request(on, bins, distance, noise, _axes(over), time, window, seed)
    said: list[Note] = []
    found, others = resolve_models(models, lambda s: model_finding(s, request, said))
    data = subjects(system, sites, request)
    rows = match_models(found, data)
    if fits and len(rows.labels) < FEWEST_FOR_FITS:
        msg = (
            f"flexible models are cross-validated over conditions, which takes at least "
            f"{FEWEST_FOR_FITS}; got {len(rows.labels)}. Give fixed models."
        )
        raise StatisticsError(msg)
    plan = make_plan(
        len(rows.labels),
        len(data.names),
        generalize=scope,
        comparator=comparator,
        flexible=fits,
        n_resamples=n_resamples,
        seed=seed,
    )
    _check_usable(plan.usable)
    job = analyze(found, rows, plan)
    estimate = labelled_estimate(job, correction, null, n_resamples)
    tables = labelled_tables(job, correction)
    kind = system.member_kind if isinstance(system, Cohort) else "subject"
    return Draft(
        estimate=estimate,
        summary=summary(estimate, tables, job, kind),
        question=question(system.name, found),
        methods=methods(job, distance, null, correction, kind),
        tables=tables,
        figures=figures(job),
        notes=[*said, *data.notes, *rows.notes, *notes(job, estimate, null)],
        citations=["diedrichsen2021"] if comparator.startswith("whitened") else [],
        generalizes_over=generalizes_over(plan, kind),
        parameters={
            "models": {m.name: _described(m) for m in found},
            "generalize": list(scope),
        },
        others=others,
    )


def _scope(system: System | Cohort, generalize: Any) -> tuple[str, ...]:
    """Return over what to generalize."""
    several = isinstance(system, Cohort)
    if generalize is None:
        return SCOPES if several else ("conditions",)
    asked = [generalize] if isinstance(generalize, str) else list(generalize)
    for name in asked or [""]:
        check_option("generalize", name, SCOPES)
    if "subjects" in asked and not several:
        msg = (
            f"generalize={generalize!r} needs several subjects; {system.name!r} is one. "
            "Give a marr.Cohort of subjects, or generalize='conditions'."
        )
        raise EvidenceError(msg)
    return tuple(s for s in SCOPES if s in asked)


def _axes(over: str | Sequence[str]) -> tuple[str, ...]:
    """Return the axes of the results."""
    given = [over] if isinstance(over, str) else list(over)
    for axis in given or [""]:
        check_option("over", axis, ["site", "time"])
    return ("site", "time") if "time" in given else ("site",)


def _check_resamples(n_resamples: int) -> None:
    if n_resamples < 100:
        msg = f"n_resamples must be at least 100, for a variance; got {n_resamples!r}."
        raise OptionError(msg)


def _check_usable(usable: Any) -> None:
    if usable.sum() < 50:
        msg = (
            f"only {int(usable.sum())} of {len(usable)} resamples hold enough different "
            "conditions and subjects. Use more of them, fixed models, or more resamples."
        )
        raise StatisticsError(msg)


def _described(model: Model) -> str:
    """Return what identifies a model's numbers."""
    digest = hashlib.sha256()
    for part in model.rdms:
        digest.update(repr(part.labels.tolist()).encode())
        digest.update(np.ascontiguousarray(part.matrix).tobytes())
    size = len(model.rdms[0].labels)
    return (
        f"{model.kind}, {len(model.rdms)} of {size} x {size}, {digest.hexdigest()[:12]}"
    )
