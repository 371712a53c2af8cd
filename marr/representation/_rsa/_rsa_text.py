"""What an analysis of representational similarity says: sentences, notes, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note
from marr.representation._rsa._rsa_tables import COMPARATOR_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from marr.representation._rsa._inference import Plan
    from marr.representation._rsa._models import Model
    from marr.representation._rsa._rsa_job import Job

__all__ = [
    "figures",
    "generalizes_over",
    "methods",
    "notes",
    "question",
    "summary",
]

FIT_WORDS = {
    "weighted": "weighted sum",
    "nonnegative": "weighted sum, weights of at least 0",
    "interpolated": "mixture of two neighbors in order",
    "selected": "best of several",
}


def question(name: str, models: Sequence[Model]) -> str:
    """Return the question that is answered."""
    names = [m.name for m in models]
    which = ", ".join(names) if len(names) <= 4 else f"{len(names)} models"
    asks = "Does" if len(names) == 1 else "Which of"
    end = "explain" if len(names) == 1 else "explains"
    return f"{asks} {which} {end} the geometry of {name}, as far as noise allows?"


def generalizes_over(plan: Plan, kind: str) -> str:
    """Return over what the intervals generalize."""
    if plan.conditions and plan.subjects:
        return f"{plan.n_conditions} conditions and {plan.n_subjects} {kind}"
    if plan.conditions:
        return f"conditions (n = {plan.n_conditions})"
    return f"{kind} (n = {plan.n_subjects})"


def summary(
    estimate: xr.Dataset, tables: dict[str, xr.Dataset], job: Job, kind: str
) -> str:
    """Return the answer in one or two sentences."""
    values = estimate["estimate"].values
    best = np.unravel_index(int(np.nanargmax(values)), values.shape)
    at = estimate.isel(dict(zip(estimate["estimate"].dims, best, strict=True)))
    where = f" of {at['site'].item()}" if job.shape[0] > 1 else ""
    if "time" in estimate.dims:
        units = at["time"].attrs.get("units", "")
        where += f" at {float(at['time']):g} {units}".rstrip()
    name, p = str(at["model"].item()), float(at["p_corrected"])
    verdict = "explains" if p < 0.05 else "is not seen to explain"
    text = (
        f"{name} {verdict} the geometry{where} best"
        if len(job.models) > 1 and p < 0.05
        else f"{name} {verdict} the geometry{where}"
    )
    low, high = float(at["ci_low"]), float(at["ci_high"])
    text += (
        f": {COMPARATOR_WORDS[job.plan.comparator]} {float(at['estimate']):.2f} "
        f"[{low:.2f}, {high:.2f}], corrected p = {p:.2g}{_ceiling_words(at, tables)}"
        f" ({_sizes(job, kind)})."
    )
    return text + _rivals(tables, at, name)


def _sizes(job: Job, kind: str) -> str:
    n = f"{job.plan.n_conditions} conditions"
    return n if job.plan.n_subjects == 1 else f"{n}, {job.plan.n_subjects} {kind}"


def _ceiling_words(at: xr.Dataset, tables: dict[str, xr.Dataset]) -> str:
    low, high = float(at["ceiling"]), float(at["ceiling_upper"])
    if not (np.isfinite(low) and np.isfinite(high)):
        return ", noise ceiling unknown"
    where = {d: at[d].item() for d in ("site", "time") if d in at.coords}
    gap = tables["ceiling"].sel({**where, "model": at["model"].item()})
    below = float(gap["estimate"]) < 0 and float(gap["p_corrected"]) < 0.05
    words = "below" if below else "not below"
    return f", {words} the noise ceiling of {low:.2f} to {high:.2f}"


def _rivals(tables: dict[str, xr.Dataset], at: xr.Dataset, name: str) -> str:
    if "difference" not in tables:
        return ""
    where = {d: at[d].item() for d in ("site", "time") if d in at.coords}
    row = tables["difference"].sel({**where, "model_a": name})
    others = row.where(row["model_b"] != name, drop=True)
    beaten = int(((others["p_corrected"] < 0.05) & (others["estimate"] > 0)).sum())
    return (
        f" It is above {beaten} of {others.sizes['model_b']} other models (corrected)."
    )


def methods(job: Job, distance: str, null: str, correction: str, kind: str) -> str:
    """Return the methods in sentences."""
    plan = job.plan
    text = (
        f"Dissimilarities ({distance}) of {plan.n_conditions} conditions in "
        f"{_who(plan, kind)} were compared with {len(job.models)} "
        f"{'model' if len(job.models) == 1 else 'models'} by "
        f"{COMPARATOR_WORDS[plan.comparator]} over pairs of conditions, matched by label."
    )
    text += f" {_resampling(plan, kind)}"
    if plan.flexible:
        text += f" {_fitting(job)}"
    text += f" {_ceilings(plan)}"
    against = (
        f"against {len(plan.counts)} permutations of the model's conditions"
        if null == "permutation"
        else "against 0"
    )
    how = (
        "the maximum of correlated t statistics (correlations from the bootstrap)"
        if correction == "max"
        else "the false discovery rate (Benjamini-Hochberg)"
    )
    return text + (
        f" Tests: models {against} (one-sided), against each other and against the lower "
        f"ceiling (two-sided), by t with {plan.dof} degrees of freedom; each family was "
        f"corrected over models, sites and times by {how}."
    )


def _who(plan: Plan, kind: str) -> str:
    return "one subject" if plan.n_subjects == 1 else f"{plan.n_subjects} {kind}"


def _resampling(plan: Plan, kind: str) -> str:
    n = int(plan.usable.sum())
    copies = "pairs of a condition with its own copy were left out"
    if plan.conditions and plan.subjects:
        return (
            f"Variances: corrected dual bootstrap ({n} resamples of conditions, of {kind}, "
            f"and of both), where {copies}; intervals: 95 %, Student's t."
        )
    if plan.conditions:
        return (
            f"Variances: bootstrap over conditions ({n} resamples), where {copies}; "
            "intervals: 95 %, Student's t."
        )
    return (
        f"Variances: bootstrap over {kind} ({n} resamples), conditions fixed; intervals: "
        "95 %, Student's t."
    )


def _fitting(job: Job) -> str:
    plan = job.plan
    kinds = dict.fromkeys(m.kind for m in job.models if m.kind != "fixed")
    words = "; ".join(FIT_WORDS[k] for k in kinds)
    who = "subjects" if plan.n_subjects > 1 else ""
    sides = " and ".join(["conditions", *([who] if who else [])])
    ranks = (
        " by correlation" if plan.comparator in ("spearman", "rho-a", "tau-a") else ""
    )
    split = f"{plan.n_folds} folds of conditions"
    if plan.n_subject_folds > 1:
        split += f" x {plan.n_subject_folds} of subjects"
    return (
        f"Flexible models ({words}) were fitted{ranks} to other {sides} than they were "
        f"scored on ({split} inside each resample, {plan.n_repeats} assignments, whose "
        "noise was taken out of the variance); fixed models were scored on the same folds."
    )


def _ceilings(plan: Plan) -> str:
    if plan.n_subjects == 1:
        return (
            "Noise ceiling, from two halves of the trials: lower, one half against the "
            "other; upper, the square root of the reliability of the whole "
            "(Spearman-Brown)."
        )
    pooled = {
        "spearman": "mean ranks",
        "rho-a": "mean ranks",
        "tau-a": "mean ranks",
        "cosine": "the mean at equal root mean square",
        "whitened_cosine": "the mean at equal root mean square",
    }.get(plan.comparator, "the mean of z scores")
    return (
        f"Noise ceiling: each subject against {pooled} of the others (lower) and of all "
        "(upper)."
    )


def notes(job: Job, estimate: xr.Dataset, null: str) -> list[Note]:
    """Return what a reader must know."""
    plan = job.plan
    found = [*_scope_notes(plan), *_sample_notes(plan, null)]
    if plan.comparator in ("cosine", "whitened_cosine") and null == "bootstrap":
        text = (
            "Distances are mostly positive, and so is their cosine with any model: a p-value "
            "against 0 says that there is signal, not that the model fits."
        )
        advice = "Compare models, use comparator='correlation', or null='permutation'."
        found.append(Note("zero_is_not_chance", text, advice))
    if job.identical:
        pairs = ", ".join(f"{a} and {b}" for a, b in job.identical)
        text = f"These models have the same distances up to scale: {pairs}."
        found.append(Note("identical_models", text, "Leave one of them out."))
    if not np.isfinite(estimate["ceiling"].values).all():
        text = "There is no noise ceiling: some conditions are not repeated in both halves."
        found.append(
            Note("no_ceiling", text, "Repeat conditions, or use coarser ones.")
        )
    empty = [
        m.name
        for i, m in enumerate(job.models)
        if m.kind == "nonnegative" and any(not c.weights[i].any() for c in job.cells)
    ]
    if empty:
        text = f"No component of {', '.join(empty)} helps: all weights are 0, and so is the similarity."
        advice = "Its components are unlike the data; weights may be negative: nonnegative=False."
        found.append(Note("zero_weights", text, advice))
    return found


def _scope_notes(plan: Plan) -> list[Note]:
    if not plan.conditions:
        text = (
            "Intervals and p-values hold for these conditions only. Read as if they held for "
            "other conditions, such tests are wrong in 20 to 40 % of studies, not 5 %."
        )
        advice = "generalize=('conditions', 'subjects')."
        return [Note("conditions_fixed", text, advice)]
    if not plan.subjects and plan.n_subjects > 1:
        text = "Intervals and p-values hold for these subjects only."
        advice = "generalize=('conditions', 'subjects')."
        return [Note("subjects_fixed", text, advice)]
    return []


def _sample_notes(plan: Plan, null: str) -> list[Note]:
    found = []
    if plan.conditions and plan.n_conditions < 20:
        text = (
            f"With {plan.n_conditions} conditions the bootstrap is conservative, most of all "
            "against 0: it finds fewer than 5 % false positives, and misses true differences."
        )
        advice = "Use more conditions if there are."
        if null == "bootstrap" and not plan.flexible:
            advice = "null='permutation' tests against 0 at the nominal level."
        found.append(Note("few_conditions", text, advice))
    if plan.subjects and plan.n_subjects < 5:
        text = f"With {plan.n_subjects} subjects there are {plan.dof} degrees of freedom: intervals are wide."
        found.append(Note("few_subjects", text, "Add subjects."))
    lost = 1.0 - plan.usable.mean()
    if lost > 0.05:
        text = f"{lost:.0%} of the resamples held too few different conditions or subjects and were left out."
        found.append(Note("lost_resamples", text, "More conditions or subjects."))
    return found


def figures(job: Job) -> list[FigureSpec]:
    """Return models with intervals and ceiling; differences; weights."""
    name = COMPARATOR_WORDS[job.plan.comparator]
    label = f"{name} with the data"
    several = "site" if job.shape[0] > 1 else None
    if job.rows.subjects.times is None:
        first = FigureSpec(
            "points",
            x="model",
            group=several,
            reference=0.0,
            reference_label="0",
            y_label=label,
            x_label="model",
            caption=f"{name.capitalize()} of each model, 95 % interval; gray: noise ceiling.",
            description=f"Dots with intervals of the {name} by model, with the noise ceiling.",
            band_low="ceiling",
            band_high="ceiling_upper",
        )
    else:
        first = FigureSpec(
            "line",
            x="time",
            group="model",
            reference=0.0,
            reference_label="0",
            y_label=label,
            caption=f"{name.capitalize()} of each model over time, 95 % band; gray: noise ceiling.",
            description=f"Lines with bands of the {name} over time, with the noise ceiling.",
            band_low="ceiling",
            band_high="ceiling_upper",
        )
    found = [first]
    if len(job.models) > 2 and job.rows.subjects.times is None:
        found.append(
            FigureSpec(
                "map",
                table="difference",
                x="model_b",
                y="model_a",
                diverging=True,
                color_label="row less column",
                caption="Differences between models, row less column.",
                x_label="model b",
                y_label="model a",
                description="Square map of the difference of each pair of models.",
            )
        )
    if job.plan.flexible and job.rows.subjects.times is None:
        found.append(
            FigureSpec(
                "points",
                table="weights",
                x="component",
                group=several,
                reference=0.0,
                reference_label="0",
                y_label="share of weights",
                x_label="component",
                caption="Fitted weights of the components, 95 % interval over resamples.",
                description="Dots with intervals of the weights by component.",
            )
        )
    return found
