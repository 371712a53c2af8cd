"""Dissimilarity of conditions in the activity of a site."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError, check_option
from marr.findings import FigureSpec, Note
from marr.representation._conditions import resolve_conditions
from marr.representation._rsa._rdm_job import (
    SiteRdm,
    labelled,
    plan_rdm,
    site_rdm,
    site_rows,
)
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._conditions import Conditions
    from marr.representation._plan import Plan
    from marr.systems import System

__all__ = ["rdm"]

DISTANCE_WORDS = {
    "crossnobis": (
        "cross-validated squared Mahalanobis distance over the number of units (products "
        "of different folds only, so 0 in expectation for equal conditions; noise "
        "covariance from the other folds, shrunk towards a diagonal)"
    ),
    "euclidean": "squared Euclidean distance of condition means over the number of units",
    "correlation": "1 minus the correlation over units of condition means",
    "cosine": "1 minus the cosine of the angle between condition means",
}


@analysis(
    level="representation",
    citations=("kriegeskorte2008", "walther2016"),
    needs="activity and conditions",
)
def rdm(
    system: System,
    *,
    on: str = "condition",
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    distance: str = "crossnobis",
    time: str | tuple[float, float] = "mean",
    n_folds: int | None = None,
    n_permutations: int = 200,
    null: str = "auto",
    seed: int = 0,
) -> Draft:
    """Compute the dissimilarity of each pair of conditions at each site.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    on : str
        Column of the trial table, or continuous variable, that makes the conditions.
    bins : int or sequence of float, optional
        Cut numbers into equal bins, or at these edges; angles around the whole circle.
        Conditions are then labelled by the centers.
    sites : str or sequence of str, optional
        Sites; all by default.
    distance : {"crossnobis", "euclidean", "correlation", "cosine"}
        Which distance. Only crossnobis is free of the noise that pushes distances up.
    time : "mean" or (float, float)
        Average over all valid bins, or those from start up to stop. Where conditions
        change within trials every bin is a row of its own.
    n_folds : int, optional
        Folds (whole trials, whole groups); as many as conditions are repeated, up to
        ten, by default.
    n_permutations : int
        Shuffles of the conditions; 0 makes no test.
    null : str
        As in `decode`.
    seed : int
        Seed of folds, shuffles and splits.

    Returns
    -------
    Finding
        Over (site, condition_a, condition_b): distance, jackknife interval over folds,
        p-values against shuffled conditions, the mean of those (the floor, `null_mean`)
        and the excess over it. Tables: "half" (the same distances on two halves of the
        trials), "reliability" (split-half, of the whole by Spearman-Brown), "counts".

    Raises
    ------
    MarrError
        Unknown site, column or option; one condition; crossnobis without repeats.

    Notes
    -----
    Not for comparing distances between sites with other numbers of units or noise:
    compare the pattern of distances (`compare_rdms`).

    References
    ----------
    Kriegeskorte et al. (2008). Representational similarity analysis.
    Walther et al. (2016). Reliability of dissimilarity measures.
    """
    check_option("distance", distance, DISTANCE_WORDS)
    _check_options(time, n_folds, n_permutations)
    names = site_list(system, sites)
    conditions = resolve_conditions(system, on, bins)
    plan = plan_rdm(
        system,
        conditions,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        seed=seed,
    )
    if plan is None and distance == "crossnobis":
        msg = (
            f"crossnobis needs at least two trials of each condition of {on!r}; some have "
            "one. Use distance='euclidean' or 'correlation', or coarser conditions."
        )
        raise StatisticsError(msg)
    window = None if isinstance(time, str) else (float(time[0]), float(time[1]))
    halves = system.halves
    found = [
        site_rdm(
            site_rows(system, name, conditions, window),
            conditions,
            plan,
            halves,
            distance,
            seed=seed,
        )
        for name in names
    ]
    estimate = labelled(found, names, conditions)
    _check_defined(estimate, distance)
    estimate["estimate"].attrs.update(
        long_name=f"dissimilarity of {on} ({distance})",
        units=_units(distance),
        better="higher",
        null=0.0,
    )
    return Draft(
        estimate=estimate,
        summary=partial(_summary, on=on, distance=distance),
        question=f"How different are the conditions of {on} in the activity of {', '.join(names)}?",
        methods=_methods(distance, conditions, plan, n_permutations),
        tables=_tables(found, names, conditions),
        figures=_figures(on, distance, "rad" if conditions.circular else ""),
        notes=_notes(found, names, plan, conditions),
        citations=["schafer2005"] if distance == "crossnobis" else [],
        generalizes_over="the trials given"
        if plan is None
        else f"{plan.n_folds} folds of trials",
        parameters={"null": None if plan is None else plan.scheme},
    )


def _check_options(
    time: str | tuple[float, float], n_folds: int | None, n_permutations: int
) -> None:
    fits = time == "mean" if isinstance(time, str) else time[0] < time[1]
    if not fits:
        msg = f"time must be 'mean' or (start, stop) with start < stop; got {time!r}."
        raise OptionError(msg)
    if n_folds is not None and (int(n_folds) != n_folds or n_folds < 2):
        msg = f"n_folds must be a whole number of at least 2 or None; got {n_folds!r}."
        raise OptionError(msg)
    if int(n_permutations) != n_permutations or n_permutations < 0:
        msg = f"n_permutations must be 0 or more; got {n_permutations!r}."
        raise OptionError(msg)


def _check_defined(estimate: xr.Dataset, distance: str) -> None:
    """Refuse a site at which no two conditions have a distance."""
    pairs = np.triu_indices(estimate.sizes["condition_a"], k=1)
    for site in estimate["site"].values.tolist():
        if np.isnan(estimate["estimate"].sel(site=site).values[pairs]).all():
            msg = (
                f"no two conditions have a {distance} distance at site {site!r}: its "
                "mean patterns do not vary over units, or conditions share fewer than "
                "two folds. Use distance='euclidean', other sites=, or coarser conditions."
            )
            raise StatisticsError(msg)


def _units(distance: str) -> str:
    return {
        "crossnobis": "squared noise standard deviations a unit",
        "euclidean": "squared activity a unit",
    }.get(distance, "")


def _summary(estimate: xr.Dataset, on: str, distance: str) -> str:
    n = estimate.sizes["condition_a"]
    rows, columns = np.triu_indices(n, k=1)
    parts = []
    for site in estimate["site"].values:
        at = estimate.sel(site=site)
        values = at["estimate"].values[rows, columns]
        text = f"{site}: median {distance} distance {np.nanmedian(values):.3g}"
        if "p_corrected" in at:
            p = at["p_corrected"].values[rows, columns]
            text += (
                f", {int((p < 0.05).sum())} of {len(p)} pairs of {on} apart (corrected)"
            )
        parts.append(text)
    return "; ".join(parts) + "."


def _methods(
    distance: str, conditions: Conditions, plan: Plan | None, n_permutations: int
) -> str:
    rows = "time bins" if conditions.timed else "trials"
    text = (
        f"Dissimilarity of {len(conditions.labels)} conditions ({conditions.name}) from "
        f"means over {rows}: {DISTANCE_WORDS[distance]}."
    )
    if plan is None:
        return (
            text + " Conditions are not repeated, so there is no interval and no test."
        )
    text += (
        f" Intervals: jackknife (95 %) over {plan.n_folds} folds of whole trials."
        " Reliability: rank correlation of random halves of the trials, Spearman-Brown "
        "corrected."
    )
    if n_permutations:
        text += (
            f" P-values: {len(plan.indices)} shuffles of the conditions ({plan.scheme}), "
            "one-sided, corrected over pairs by the permutation maximum; their mean is "
            "the floor of a distance without any difference."
        )
        if distance == "crossnobis":
            text += " For the test, noise is what varies within folds in all."
    return text


def _tables(
    found: Sequence[SiteRdm], sites: Sequence[str], conditions: Conditions
) -> dict[str, xr.Dataset]:
    base = labelled(found, sites, conditions)
    coords = {k: base[k] for k in ("site", "condition_a", "condition_b")}
    dims = ["half", "site", "condition_a", "condition_b"]
    halves = np.stack([f.halves for f in found], axis=1)
    counts = np.bincount(
        conditions.codes[conditions.codes >= 0], minlength=len(conditions.labels)
    )
    reliability = xr.Dataset(
        {
            "estimate": ("site", [f.reliability for f in found]),
            "split_half": ("site", [f.split_half for f in found]),
        },
        coords={"site": list(sites)},
        attrs={"reduction": "rank correlation of distances of random halves of trials"},
    )
    reliability["estimate"].attrs.update(
        long_name="split-half reliability (Spearman-Brown)", units="", better="higher"
    )
    return {
        "half": xr.Dataset(
            {"half_estimate": (dims, halves)}, coords={"half": [0, 1], **coords}
        ),
        "reliability": reliability,
        "counts": xr.Dataset(
            {"n_rows": ("condition", counts)}, coords={"condition": conditions.labels}
        ),
    }


def _figures(on: str, distance: str, units: str) -> list[FigureSpec]:
    label = f"{on} ({units})" if units else on
    return [
        FigureSpec(
            "matrix",
            x="condition_b",
            y="condition_a",
            color_label=f"{distance} distance",
            caption=f"Dissimilarity of {on} ({distance}), one matrix a site.",
            x_label=label,
            y_label=label,
            description=f"Square map of the {distance} distance of each pair of {on}.",
        )
    ]


def _notes(
    found: Sequence[SiteRdm],
    sites: Sequence[str],
    plan: Plan | None,
    conditions: Conditions,
) -> list[Note]:
    notes = [] if plan is None else list(plan.notes)
    if plan is None:
        text = "Some conditions have a single trial: no interval, test or reliability."
        notes.append(
            Note("unrepeated", text, "Repeat conditions, or use coarser ones.")
        )
    outside = int((conditions.codes < 0).sum())
    if outside:
        text = (
            f"{outside} of {conditions.codes.size} values of {conditions.name} are missing "
            "or outside the bins and were left out."
        )
        advice = "Check that they are not missing where the activity differs."
        notes.append(Note("left_out", text, advice))
    rows, columns = np.triu_indices(len(conditions.labels), k=1)
    named = list(zip(sites, found, strict=True))
    missing = {
        s: np.isnan(f.columns["estimate"][rows, columns]).sum() for s, f in named
    }
    constant = {s: f.n_constant for s, f in named}
    if any(missing.values()):
        text = f"Some of the {len(rows)} pairs have no distance: {_counted(missing)}."
        advice = "They share fewer than two folds, or a mean has no length."
        notes.append(Note("missing_pairs", text, advice))
    if any(constant.values()):
        text = f"Constant units were left out: {_counted(constant)}."
        notes.append(Note("constant_units", text))
    weak = [f"{s} ({f.reliability:.2f})" for s, f in named if not f.reliability > 0.3]
    if plan is not None and weak:
        text = f"Distances are hardly reliable at {', '.join(weak)}."
        advice = "Comparisons with other matrices can hardly succeed; more trials help."
        notes.append(Note("unreliable", text, advice))
    return notes


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{site} {int(n)}" for site, n in counts.items() if n)
