"""Comparison of the geometry of two systems, or of two sites."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import plain_parameter
from marr._option_types import checked
from marr.errors import check_option
from marr.findings import FigureSpec, Finding, Note, provenance, weaker_grade
from marr.representation._rsa._compare_job import NAMES, compare, prepare_comparison
from marr.representation._rsa._matched import match_conditions
from marr.stats._checks import check_count

if TYPE_CHECKING:
    import xarray as xr

    from marr.representation._rsa._compare_job import Comparison

__all__ = ["compare_rdms"]

NULLS = ("auto", "free", "rotation")


@checked
def compare_rdms(
    a: Finding,
    b: Finding,
    *,
    control: Any = None,
    comparator: str = "spearman",
    null: str = "auto",
    n_permutations: int = 2000,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Finding:
    """Compare the geometry of two findings of `rdm` over shared conditions.

    Parameters
    ----------
    a, b : Finding
        Dissimilarities over the same conditions (matched by label).
    control : "angular", array of shape (n_conditions, n_conditions), Finding, or list
        What is partialed out of both. "angular" takes out every function of the angle
        between conditions, so that what any ring shares is gone.
    comparator : str
        "spearman", "pearson" (controls go with these two), "cosine", "kendall" (tau-b),
        or, as in `rsa`, "rho-a", "tau-a", "whitened_cosine", "whitened_correlation".
    null : {"auto", "free", "rotation"}
        Permutations of conditions. "auto" is "free", but "rotation" (all rotations and
        reflections) for conditions on a circle with `control`, whose residuals are
        alike between neighbors: free permutation rejects a third of independent rings.
    n_permutations, n_resamples : int
        Free permutations (of the conditions of `a`); bootstrap resamples.
    seed : int
        Seed of both.

    Returns
    -------
    Finding
        Over (site_a, site_b), or a single number: similarity, percentile interval over
        resampled conditions, one-sided p-value, `ceiling` from the reliability of both.
        The table "pair" holds the distances.

    Raises
    ------
    MarrError
        Other conditions, fewer than five, a control that does not fit.

    Notes
    -----
    The interval generalizes over conditions, as far as these are a sample; conditions on
    a grid are not, and with fewer than about twenty it is wide and only approximate. The
    ceiling is the highest correlation that noise in both matrices allows in expectation.

    References
    ----------
    Dekker, Krackhardt & Snijders (2007). Sensitivity of MRQAP tests.
    Nili et al. (2014). A toolbox for representational similarity analysis.
    """
    started = time.perf_counter()
    check_option("comparator", comparator, NAMES)
    check_option("null", null, NULLS)
    check_count("n_permutations", n_permutations)
    check_count("n_resamples", n_resamples)
    job = prepare_comparison(
        match_conditions(a, b),
        control=control,
        comparator=comparator,
        null=null,
        n_permutations=n_permutations,
        n_resamples=n_resamples,
        seed=seed,
    )
    estimate, pairs = compare(job)
    shown = _control_name(control)
    return Finding(
        analysis="representation.compare_rdms",
        level="+".join(dict.fromkeys([*a.level.split("+"), *b.level.split("+")])),
        evidence=weaker_grade(a.evidence, b.evidence),
        system=" and ".join(dict.fromkeys([a.system, b.system])),
        question=_question(a, b, shown),
        summary=_summary(estimate, shown),
        estimate=estimate,
        tables={"pair": pairs},
        figures=_figures(estimate, job, a, b),
        methods=_methods(job, shown),
        citations=(
            "kriegeskorte2008",
            "nili2014",
            *(["dekker2007"] if shown else []),
        ),
        notes=(*_shared_trials(a, b), *_averaged(a, b), *_notes(job)),
        generalizes_over=f"conditions (n = {len(job.pair.labels)})",
        parameters={
            "a": f"finding {a.id}",
            "b": f"finding {b.id}",
            "comparator": comparator,
            "between": _between(job),
            "beyond": "beyond the control" if shown else "",
            "control": plain_parameter(control),
            "null": job.scheme,
            "n_permutations": len(job.moves),
            "n_resamples": n_resamples,
            "seed": seed,
        },
        provenance=provenance(
            seed=seed,
            systems=[s for f in (a, b) for s in f.provenance.get("systems", [])],
            data_hash=hashlib.sha256(f"{a.id}{b.id}".encode()).hexdigest(),
            seconds=time.perf_counter() - started,
        ),
        trial_hashes=np.concatenate([a.trial_hashes, b.trial_hashes]),
    )


def _between(job: Comparison) -> str:
    """Return the sites compared, where each side has one."""
    sites_a, sites_b = job.pair.sites_a, job.pair.sites_b
    one = len(sites_a) == len(sites_b) == 1
    return f"{sites_a[0]} and {sites_b[0]}" if one else ""


def _control_name(control: Any) -> str:
    """Return what was partialed out, in words; "" for nothing."""
    if control is None or (isinstance(control, (list, tuple)) and not len(control)):
        return ""
    given = control if isinstance(control, (list, tuple)) else [control]
    names = [
        "every function of the angle between conditions"
        if isinstance(c, str)
        else f"the dissimilarities of {c.system}"
        if isinstance(c, Finding)
        else "a given matrix"
        for c in given
    ]
    return " and ".join(names)


def _question(a: Finding, b: Finding, control: str) -> str:
    who = (
        f"{a.system} and {b.system}"
        if a.system != b.system
        else f"two findings of {a.system}"
    )
    beyond = f" beyond {control}" if control else ""
    return f"Do {who} have the same geometry over conditions{beyond}?"


def _summary(estimate: xr.Dataset, control: str) -> str:
    flat = estimate.stack(cell=[...]) if estimate["estimate"].dims else estimate
    values = np.atleast_1d(flat["estimate"].values)
    best = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
    at = flat.isel(cell=best) if "cell" in flat.dims else flat
    name = estimate["estimate"].attrs["long_name"]
    where = [str(at[d].item()) for d in ("site_a", "site_b") if d in at.coords]
    prefix = f"{' with '.join(where)}: " if where else ""
    ceiling = float(at["ceiling"])
    noise = (
        f", noise ceiling {ceiling:.2f}"
        if np.isfinite(ceiling)
        else ", noise ceiling unknown"
    )
    p = float(at["p_corrected"])
    verdict = "Geometries agree" if p < 0.05 else "No agreement of geometries was seen"
    beyond = f" beyond {control}" if control else ""
    return (
        f"{verdict}{beyond}: {prefix}{name} {values[best]:.2f} "
        f"[{float(at['ci_low']):.2f}, {float(at['ci_high']):.2f}], p = {p:.2g}{noise}."
    )


def _methods(job: Comparison, control: str) -> str:
    how = (
        "all rotations and reflections of the circle of conditions"
        if job.scheme == "rotation"
        else f"{len(job.moves)} permutations of conditions (rows and columns together)"
    )
    text = (
        f"Dissimilarities of {len(job.pair.labels)} shared conditions were compared by "
        f"{NAMES[job.comparator]} over pairs"
    )
    if control:
        text += (
            f", {control} partialed out of both; permuted residuals were residualized "
            "again (double semi-partialing)"
        )
    return text + (
        f". P-value: {how}, one-sided. Interval: percentile bootstrap (95 %) over "
        "conditions, pairs of a condition with its own copy left out. Noise ceiling: "
        "geometric mean of the split-half reliabilities of both (Spearman-Brown), "
        "computed in the same way."
    )


def _figures(
    estimate: xr.Dataset, job: Comparison, a: Finding, b: Finding
) -> tuple[FigureSpec, ...]:
    name = estimate["estimate"].attrs["long_name"]
    if estimate["estimate"].ndim == 2:
        return (
            FigureSpec(
                "map",
                x="site_b",
                y="site_a",
                diverging=True,
                color_label=name,
                caption=f"{name.capitalize()} of each pair of sites.",
                x_label=b.system,
                y_label=a.system,
                description=f"Heat map of the {name} by site of a and site of b.",
            ),
        )
    if estimate["estimate"].ndim == 1:
        dim = str(estimate["estimate"].dims[0])
        return (
            FigureSpec(
                "points",
                x=dim,
                reference=0.0,
                y_label=name,
                x_label="site",
                caption=f"{name.capitalize()} of each site, 95 % interval.",
                description=f"Dots with intervals of the {name} by site.",
            ),
        )
    left = "_left" if job.controls is not None else ""
    after = ", after controls" if left else ""
    return (
        FigureSpec(
            "scatter",
            table="pair",
            x=f"a{left}",
            y=f"b{left}",
            caption=f"Dissimilarity of each pair of conditions in both{after}.",
            x_label=f"dissimilarity, {a.system}{after}",
            y_label=f"dissimilarity, {b.system}{after}",
            description="Scatter of the dissimilarities of one against the other.",
        ),
    )


def _shared_trials(a: Finding, b: Finding) -> tuple[Note, ...]:
    shared = len(np.intersect1d(a.trial_hashes, b.trial_hashes))
    if not shared:
        return ()
    text = f"Both matrices use {shared} of the same trials, whose noise they may share."
    return (Note("shared_trials", text, "Select disjoint trials to exclude this."),)


def _averaged(a: Finding, b: Finding) -> tuple[Note, ...]:
    """Say of cohorts that means over members do not generalize over them."""
    cohorts = [f.system for f in (a, b) if "member" in f.tables]
    if not cohorts:
        return ()
    names = " and ".join(dict.fromkeys(cohorts))
    text = f"Distances of {names} are means over members; nothing here generalizes over members."
    advice = "marr.representation.rsa(cohort, models={'name': finding}) does."
    return (Note("members_averaged", text, advice),)


def _notes(job: Comparison) -> tuple[Note, ...]:
    notes, n = list(job.pair.notes), len(job.pair.labels)
    floor = 1.0 / (1 + len(job.moves))
    if floor > 0.02:
        text = f"There are {len(job.moves)} permutations, so p is at least {floor:.2g}."
        notes.append(Note("coarse_null", text, "Finer bins allow smaller p-values."))
    numbers = job.pair.labels.dtype.kind == "f"
    if job.scheme == "free" and job.controls is not None and numbers:
        text = (
            "Conditions are ordered numbers whose neighbors are alike; free permutation "
            "of their residuals rejects too often."
        )
        notes.append(Note("ordered_conditions", text, "Treat a p near .05 as none."))
    if n < 20:
        text = f"With {n} conditions the interval over conditions is approximate."
        notes.append(Note("few_conditions", text, "Use more conditions if there are."))
    return tuple(notes)
