"""Cross-validated linear decoding of a variable from activity, over sites and times."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError, check_option
from marr.representation._layout import check_over
from marr.representation._nuisances import control_names
from marr.representation._probes._decode_figures import decode_figures
from marr.representation._probes._decode_notes import (
    gate_notes,
    map_notes,
    option_notes,
)
from marr.representation._probes._decode_text import (
    methods_text,
    question_text,
    summarize,
)
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._probes._decode_job import Job
    from marr.systems import System

__all__ = ["decode"]

CITATIONS = ("haufe2014",)
PROBE_CITATIONS = {
    "lda": ("hoerl1970", "friedman1989"),
    "ridge": ("hoerl1970",),
    "logistic": ("cox1958",),
    "svm": ("cortes1995",),
    "mlp": ("kingma2015",),
}
CORRECTIONS = ("max", "cluster", "fdr")


@analysis(level="representation", citations=CITATIONS, needs="activity")
def decode(
    system: System,
    target: str | Sequence[str],
    *,
    probe: str | None = None,
    sites: str | Sequence[str] | None = None,
    over: str | Sequence[str] = ("site", "time"),
    kind: str | None = None,
    control: str | Sequence[str] = (),
    n_folds: int = 5,
    penalty: float | None = None,
    n_permutations: int | None = None,
    null: str = "auto",
    correction: str = "max",
    interval: str = "probes",
    cross_temporal: bool = False,
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Decode variables from activity by cross-validated probes.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    target : str or sequence of str
        Column of the trial table or continuous variable. Text, booleans, integers with
        at most ten values and floats with two are categories; variables marked
        ``circular`` are angles in radians; the rest is continuous. Several of one kind
        (e.g. the labels of a multi-label design) are decoded together: they share folds,
        shuffles and factorizations, and the estimate gets the axis "target".
    probe : {"lda", "ridge", "logistic", "svm", "mlp"}, optional
        Linear discriminants, logistic regression or a linear support vector machine for
        categories; ridge regression for the rest; a network with one hidden layer for
        any. By default "lda" for categories and "ridge" for the rest.
    sites : str or sequence of str, optional
        Sites; all by default.
    over : {"site", "time"} or sequence of them
        Axes of the map. Without "site" the units of all sites are pooled; without
        "time" a per-trial target is decoded from the time mean, and a target that
        varies within trials from the bins of all trials, with folds by trial. An axis
        that the activity lacks is left out.
    kind : {"categorical", "ordinal", "continuous", "circular"}, optional
        Kind of the target, if the rule above guesses wrong. Ordinal targets (numbers, or
        an ordered categorical column) are read out as the mean rank of their category.
    control : str or sequence of str
        Nuisances (columns or variables), regressed out inside the fold: from activity,
        and for all but categories from the target as well. Linear effects only: what a
        nuisance does otherwise stays in (add its square, or bins of it, as columns).
    n_folds : int
        Number of folds; fewer where there are fewer groups of dependent trials.
    penalty : float, optional
        Penalty relative to the number of training rows, on standardized units; of
        "logistic" and "svm" it is 1 / (C * rows) of scikit-learn. By default chosen
        inside the training folds, anew for every shuffle. Weight decay of "mlp".
    n_permutations : int, optional
        Shuffles; 0 makes no test. By default 200, and 39 for "mlp", whose every shuffle
        trains networks anew.
    null : {"auto", "free", "within", "block", "shift", "conditional"}
        How shuffles are made; by default by what the targets look like (see Notes).
    correction : {"max", "cluster", "fdr"}
        How p-values are corrected over the map.
    interval : {"probes", "training"}
        What intervals are about: the score of the fitted probes, or also how probes
        trained on other trials would score, which is wider (see Notes).
    cross_temporal : bool
        Also test the probe of each time at each other time (table "time_time").
    seed : int
        Seed of folds, shuffles and resamples.
    device : str, optional
        Where torch computes; the CPU by default.

    Returns
    -------
    Finding
        Score over (target, site, time): balanced accuracy; rank correlation (with
        `category_error`, the mean absolute error in categories); out-of-fold R²; or mean
        cosine of the angular error (with `median_error` in degrees). Tables: "unit"
        (pattern, weight, spread, halves), "baseline" (what is possible without activity),
        "site" and "time" (averages of a map), "time_time", "null" (patterns of the units
        for each shuffle of the labels, which a link "used" must beat).

    Raises
    ------
    MarrError
        Unknown site, column or option; one class, constant target, too few trials.

    Notes
    -----
    Linear discriminants have a ridge-regularized within-class covariance and equal
    priors; the other classifiers weigh classes alike. So unequal classes do not move the
    criterion. A network reads what is not linearly decodable as well; what it can read
    need not be in a format that other areas or layers can use.

    Ordinal scores are Spearman correlations of out-of-fold predictions with categories,
    ranked within each held-out fold, where no difference between folds can help.

    Intervals hold the fitted probes as they are: they say how certain the score of these
    probes is. The score that probes of as many other trials have on average they cover in
    85 to 93 % of simulated studies (60 to 200 trials, five folds), since folds share most
    of their training trials. With ``interval="training"`` the variance is corrected for
    that (Nadeau and Bengio 2003), and they cover it in 96 to 99 %.

    Null "auto": targets that are constant within groups (`system.group_column`) move
    with their group; autocorrelated targets, and those that vary within trials, are
    shifted around the circle of trials; categories with `control` are drawn from a
    logistic model of the nuisances; others are shuffled within groups, or within folds.
    Shifts with `control` of categories do not keep the relation of the two.

    Not for labels that equal the block they were recorded in: activity that drifts tells
    them apart. Labels that are constant within blocks need several blocks of each class.

    Decodable is not used: a probe says what could be read out, not what is. For that see
    `marr.implementation.ablate` and the link "used".

    References
    ----------
    Friedman (1989). Regularized discriminant analysis.
    Nadeau and Bengio (2003). Inference for the generalization error.
    Haufe et al. (2014). On the interpretation of weight vectors.
    """
    axes, names = check_over(over), control_names(control, target)
    _check_numbers(n_folds, penalty, n_permutations)
    check_option("correction", correction, CORRECTIONS)
    check_option("interval", interval, ("probes", "training"))
    from marr.representation._probes import _decode_job as jobs

    job = jobs.prepare(
        system,
        target,
        probe=probe,
        sites=sites,
        over=axes,
        kind=kind,
        control=names,
        n_folds=n_folds,
        penalty=penalty,
        n_permutations=n_permutations,
        null=null,
        seed=seed,
        device=device,
    )
    if cross_temporal:
        _check_times(job)
    estimate, tables, notes = jobs.score_tables(
        job, correction, cross_temporal=cross_temporal, interval=interval
    )
    return Draft(
        estimate=estimate,
        summary=partial(summarize, targets=job.targets, unit=job.layout.time_unit),
        question=question_text(job.targets, job.layout),
        methods=methods_text(job, correction, interval),
        tables=tables,
        figures=decode_figures(
            job.targets, job.layout, square=cross_temporal, together=job.together
        ),
        notes=[
            *gate_notes(system),
            *job.plan.notes,
            *job.layout.notes,
            *map_notes(estimate, job.targets, tables.get("baseline")),
            *option_notes(job, n_permutations),
            *notes,
        ],
        citations=_citations(job, correction, interval, cross_temporal=cross_temporal),
        generalizes_over=job.plan.unit_name,
        parameters={
            "kind": job.target.kind,
            "probe": job.probe,
            **({"n_permutations": job.n_shuffles} if n_permutations is None else {}),
            "null": job.plan.scheme,
            "n_folds": job.plan.n_folds,
        },
    )


def _check_times(job: Job) -> None:
    if job.layout.times is None:
        msg = (
            f"cross_temporal needs a map over time; {job.system.name!r} has no time axis "
            "at these sites, or 'time' is not in over=."
        )
        raise OptionError(msg)


def _check_numbers(
    n_folds: int, penalty: float | None, n_permutations: int | None
) -> None:
    check_count("n_folds", n_folds, minimum=2)
    if penalty is not None and not (np.isfinite(penalty) and penalty > 0):
        msg = f"penalty must be a positive number or None; got {penalty!r}."
        raise OptionError(msg)
    if n_permutations is not None and n_permutations < 0:
        msg = f"n_permutations must be 0 or more; got {n_permutations!r}."
        raise OptionError(msg)


def _citations(
    job: Job, correction: str, interval: str, *, cross_temporal: bool
) -> list[str]:
    found = {"max": ["nichols2002"], "cluster": ["maris2007"], "fdr": ["benjamini1995"]}
    keys = list(PROBE_CITATIONS[job.probe])
    keys += [] if job.n_shuffles == 0 else ["phipson2010", *found[correction]]
    keys += ["nadeau2003"] if interval == "training" else []
    keys += ["king2014"] if cross_temporal else []
    keys += ["harris2020"] if job.plan.scheme == "shift" else []
    keys += ["candes2018"] if job.plan.scheme == "conditional" else []
    keys += ["freedman1983"] if job.settings.targets_too else []
    return keys
