"""Words and figures of tuning findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note

if TYPE_CHECKING:
    import xarray as xr

    from marr.representation._units._tuning_job import TuningJob

__all__ = ["figures", "methods", "notes", "score_name", "summarize"]

NULL_WORDS = {
    "free": "shuffled over the trials of each fold",
    "within": "shuffled over the trials of each group",
    "block": "exchanged between whole groups",
    "shift": "shifted around the circle of trials",
}
CORRECTION_WORDS = {
    "max": "corrected over units by the permutation maximum",
    "fdr": "corrected over units by the Benjamini-Hochberg false discovery rate",
}


def score_name(model: str, *, controlled: bool) -> str:
    """Return what the estimate is called."""
    score = "deviance explained (D²)" if model == "poisson_glm" else "R²"
    return f"held-out {score}" + (", beyond nuisances" if controlled else "")


def summarize(estimate: xr.Dataset, variable: str) -> str:
    """Return how many units are tuned, by site, and the best of them."""
    values = estimate["estimate"].values
    best = int(np.nanargmax(values))
    at = estimate.isel(unit=best)
    name = str(estimate["unit"].values[best])
    shown = (
        f"largest held-out share {values[best]:.2f} [{float(at['ci_low']):.2f}, "
        f"{float(at['ci_high']):.2f}], unit {name}"
    )
    if "p_corrected" not in estimate:
        return f"{len(values)} units: {shown}; no test was made."
    tuned = estimate["p_corrected"].values < 0.05
    sites = estimate["site"].values.astype(str)
    if tuned.any():
        parts = [
            f"{int(tuned[sites == s].sum())} of {int((sites == s).sum())} of {s}"
            for s in dict.fromkeys(sites.tolist())
        ]
        where = f"; {', '.join(parts)}" if len(parts) > 1 else ""
        return (
            f"{int(tuned.sum())} of {len(values)} units vary with {variable} "
            f"(corrected p < 0.05{where}); {shown}."
        )
    return f"No unit of {len(values)} was seen to vary with {variable}; {shown}."


def methods(job: TuningJob, model: str, basis: str, control: tuple[str, ...]) -> str:
    """Return how it was done."""
    design, plan = job.design, job.plan
    name = design.conditions.name
    rows = "time bins" if design.rows.bins is not None else "trials"
    n_bins = len(design.conditions.labels)
    how = {
        "curve": f"mean activity in {n_bins} bins of {name}",
        "gaussian": "ridge regression on a smooth basis",
        "poisson_glm": "Poisson regression with a ridge penalty",
    }[model]
    if model != "curve":
        columns = design.grid.shape[1]
        kind = f"{columns} {basis} functions" if design.smooth else f"{n_bins} classes"
        how += f" of {name} ({kind}; penalty of each unit chosen in the training folds)"
    text = (
        f"Activity of {len(design.rows.units)} units in {len(design.rows.x)} {rows} was "
        f"explained by {how}"
    )
    if control:
        text += f", with {', '.join(control)} as further regressors"
    text += (
        f". Scores are held out in {plan.n_folds} folds of trials: the fall in loss "
        "against "
        + ("the model without it" if control else "the mean of the training folds")
        + ", over the loss of that mean. Intervals: percentile bootstrap (95 %) over "
        f"{plan.unit_name}, predictions as they are."
    )
    if job.tests is not None:
        text += (
            f" P-values: {len(plan.indices)} draws in which {name} was "
            f"{NULL_WORDS[plan.scheme]}"
            + (" after the nuisances were regressed out of it" if control else "")
            + "; statistic: "
            + ("the score" if model == "poisson_glm" else "the sum of squares")
            + f" that {name} explains, one-sided, {CORRECTION_WORDS[job.correction]}."
        )
    if design.ordered:
        text += (
            " Preferred value and width (full width at half height) are those of a "
            + ("von Mises" if design.conditions.circular else "Gaussian")
            + " bump fitted to the curve, with jackknife intervals over folds."
        )
    return text


def figures(job: TuningJob, variable: str, name: str) -> list[FigureSpec]:
    """Return the figures: one dot a unit, and all curves as a map."""
    order = ", ordered by what they prefer" if job.design.ordered else ""
    return [
        FigureSpec(
            "points",
            x="unit",
            reference=0.0,
            reference_label="nothing explained",
            caption=f"How much of each unit's activity {variable} explains, held out, "
            "95 % interval.",
            x_label="unit",
            y_label=name,
            description=f"Dots with intervals: share of activity that {variable} "
            "explains, one a unit.",
        ),
        FigureSpec(
            "map",
            table="curve",
            x="bin",
            y="unit",
            color="relative",
            caption=f"Tuning curves, each over its own maximum{order}.",
            x_label=variable + (" (rad)" if job.design.conditions.circular else ""),
            y_label="unit",
            color_label="activity / maximum",
            description=f"Map of the activity of each unit over {variable}.",
        ),
    ]


def notes(job: TuningJob) -> list[Note]:
    """Return caveats of the fit."""
    found = []
    design = job.design
    if not job.found.converged.all():
        text = (
            f"{int((~job.found.converged).sum())} units did not converge in some fold."
        )
        found.append(Note("not_converged", text, "Raise penalty=, or use fewer bins."))
    if (design.rows.x < 0).any():
        text = (
            "Activity is negative somewhere, so depth, vector length and information "
            "(which take it as a rate) are left out."
        )
        found.append(Note("signed_activity", text))
    counts = np.bincount(design.codes, minlength=len(design.conditions.labels))
    if counts.min() < 5:
        text = f"The rarest bin of {design.conditions.name} holds {counts.min()} rows."
        found.append(Note("rare_bins", text, "Use fewer bins."))
    if any(h is None for h in job.halves):
        text = "One half of the trials fills fewer than two folds: it has no estimate."
        found.append(Note("no_halves", text, "Links cannot be cross-fit."))
    return found
