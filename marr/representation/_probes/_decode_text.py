"""Words and figures of decoding findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom

from marr.findings import FigureSpec, Note, verb
from marr.stats import binomial_interval

if TYPE_CHECKING:
    import xarray as xr

    from marr.representation._layout import Layout
    from marr.representation._probes._decode_job import Job
    from marr.representation._targets import Target
    from marr.systems import System

__all__ = [
    "decode_figures",
    "gate_notes",
    "map_notes",
    "methods_text",
    "question_text",
    "score_attrs",
    "summarize",
]

SCORE_NAMES = {
    "categorical": "balanced accuracy",
    "continuous": "R² (out of fold)",
    "circular": "mean cosine of the angular error",
}
PROBES = {
    "categorical": (
        "linear discriminant analysis (ridge-regularized within-class covariance, equal "
        "priors), scored by balanced accuracy"
    ),
    "continuous": "ridge regression, scored by R² around the mean of the training folds",
    "circular": (
        "ridge regression of cosine and sine, scored by the mean cosine of the angular "
        "error"
    ),
}
JOINT_WORDS = (
    "shifting what the nuisances leave of the activity around the circle of trials, "
    "against target and nuisances together"
)
NULL_WORDS = {
    "free": "shuffling targets over the trials of each fold",
    "within": "shuffling targets over the trials of each group",
    "block": "exchanging the targets of whole groups",
    "shift": "shifting targets around the circle of trials",
    "conditional": "drawing targets from a logistic model of the nuisances",
}

CORRECTION_WORDS = {
    "max": "corrected over the map by the permutation maximum (family-wise error)",
    "cluster": (
        "corrected by cluster mass along time (family-wise error; the borders of a "
        "cluster are not tested)"
    ),
    "fdr": "corrected by the Benjamini-Hochberg false discovery rate",
}


def score_attrs(target: Target) -> dict[str, Any]:
    """Return what the estimate is."""
    return {
        "long_name": f"{SCORE_NAMES[target.kind]} of {target.name}",
        "units": "",
        "chance": target.chance,
        "better": "higher",
    }


def summarize(estimate: xr.Dataset, target: Target, unit: str) -> str:
    """Return the answer in one or two sentences."""
    flat = estimate if not estimate["estimate"].dims else estimate.stack(cell=[...])
    values = np.atleast_1d(flat["estimate"].values)
    best = int(np.nanargmax(values))
    at = flat.isel(cell=best) if "cell" in flat.dims else flat
    where = _where(at, unit)
    score = SCORE_NAMES[target.kind]
    number = (
        f"{score} {values[best]:.2f} [{float(at['ci_low']):.2f}, "
        f"{float(at['ci_high']):.2f}], chance {target.chance:.2g}"
    )
    if "median_error" in estimate:
        number += (
            f"; median error {float(at['median_error']):.0f}° "
            f"[{float(at['median_error_low']):.0f}, {float(at['median_error_high']):.0f}]"
        )
    if "p_corrected" not in estimate:
        return f"{where[0].upper() + where[1:]}: {number}; no test was made."
    p = np.atleast_1d(flat["p_corrected"].values)
    p_text = f"p = {p[best]:.2g}" + (" corrected" if len(p) > 1 else "")
    if np.isnan(p[best]):  # members of a cohort that agree exactly
        p_text = "p undefined"
    if not p[best] < 0.05:
        return f"{target.name} was not decodable above chance; best {where}: {number}, {p_text}."
    more = ""
    if len(p) > 1:
        above = int(((p < 0.05) & (values > target.chance)).sum())
        more = f" Above chance in {above} of {len(p)} cells."
    carries = verb("descriptive", "acts")
    return f"Activity {where} {carries} {target.name}: {number}, {p_text}.{more}"


def _where(at: xr.Dataset, unit: str) -> str:
    words = []
    if "site" in at.coords:
        words.append(f"of {at['site'].item()}")
    if "time" in at.coords:
        time = f"{at['time'].item():g}"
        counted = unit in ("step", "token")
        words.append(f"at {unit} {time}" if counted else f"at {time} {unit}".rstrip())
    return " ".join(words) or "of all sites together"


def question_text(target: Target, layout: Layout) -> str:
    """Return the question in plain words."""
    where = "where" if layout.by_site and len(layout.cells) > 1 else ""
    when = "when" if layout.times is not None else ""
    words = " and ".join(w for w in (where, when) if w)
    place = ", ".join(c.label for c in layout.cells) if layout.by_site else "all sites"
    if words:
        return (
            f"{words.capitalize()} can {target.name} be read out of activity ({place})?"
        )
    return f"Can {target.name} be read out of the activity of {place}, and how well?"


def methods_text(job: Job, correction: str) -> str:
    """Return how it was done."""
    target, plan, layout = job.target, job.plan, job.layout
    rows = (
        "time bins pooled over trials"
        if layout.row_bin is not None
        else "activity at each time"
        if layout.times is not None
        else "the time mean of each trial"
        if layout.n_bins is not None
        else "the activity of each trial"
    )
    together = (
        f", whole groups ({plan.group_column}) together" if plan.group_column else ""
    )
    penalty = (
        "chosen inside them (from 1e-4 to 1e2 times the number of training rows)"
        if len(job.settings.penalties) > 1
        else f"set to {job.settings.penalties[0]:g} times the number of training rows"
    )
    text = (
        f"{target.name} was decoded from {rows} by {PROBES[target.kind]}, in "
        f"{plan.n_folds}-fold cross-validation by trial{together}. Units were "
        f"standardized inside the training folds; the penalty was {penalty}."
    )
    if job.control:
        both = "activity and target" if job.settings.targets_too else "activity"
        text += (
            f" Nuisances ({', '.join(job.control)}) were regressed out of {both} by the "
            "training folds: the estimand is what activity tells linearly beyond them."
        )
    text += (
        f" Intervals: percentile bootstrap (95 %) over {plan.unit_name}, with folds and "
        "probes as they are."
    )
    if job.n_shuffles:
        text += (
            f" P-values: {job.n_shuffles} draws of a null made by "
            f"{JOINT_WORDS if job.draws.joint else NULL_WORDS[plan.scheme]}, each decoded in the same way; one-sided, "
            f"{CORRECTION_WORDS[correction]}."
        )
    return text + (
        " Per unit: pattern (correlation of the unit with the probe's output; the "
        "estimate) and weight, also on two halves of the trials apart; interval by "
        "jackknife over folds."
    )


def decode_figures(target: Target, layout: Layout, *, square: bool) -> list[FigureSpec]:
    """Return what to draw: the map, generalization over time, units."""
    label = SCORE_NAMES[target.kind]
    time = f"time ({layout.time_unit})" if layout.time_unit else "time"
    shared: dict[str, Any] = {
        "reference": target.chance,
        "reference_label": "chance",
    }
    figures = _map_figures(target, layout, label, time, shared)
    if square:
        figures.append(
            FigureSpec(
                "matrix",
                table="time_time",
                x="test_time",
                y="train_time",
                diverging=True,
                color_label=label,
                caption=f"Probes of {target.name} trained at one time, tested at another.",
                x_label=f"test {time}",
                y_label=f"training {time}",
                description="Square map of scores by training time and test time.",
                **shared,
            )
        )
    figures.append(
        FigureSpec(
            "points",
            table="unit",
            x="unit",
            caption=f"How each unit varies with the readout of {target.name}.",
            x_label="unit",
            y_label="|pattern| (correlation)",
            description="Dots with intervals: standardized pattern of each unit.",
        )
    )
    return figures


def _map_figures(
    target: Target, layout: Layout, label: str, time: str, shared: dict[str, Any]
) -> list[FigureSpec]:
    """Return figures of the estimate: lines over time and a map, or points by site."""
    name = f"{label[0].upper()}{label[1:]} of {target.name}"
    site = "site" if layout.by_site else None
    if layout.times is None:
        return [
            FigureSpec(
                "points",
                x=site or "",
                caption=f"{name}, 95 % interval.",
                x_label="site",
                y_label=label,
                description=f"Dots with intervals: {label} of {target.name} by site.",
                **shared,
            )
        ]
    lines = FigureSpec(
        "line",
        x="time",
        group=site,
        caption=f"{name} over time, 95 % interval.",
        x_label=time,
        y_label=label,
        description=f"Lines of {label} of {target.name} against time, one a site.",
        **shared,
    )
    if not layout.by_site or len(layout.cells) < 2:
        return [lines]
    heat = FigureSpec(
        "map",
        x="time",
        y="site",
        diverging=True,
        color_label=label,
        caption=f"{name} by site and time.",
        x_label=time,
        y_label="site",
        description=f"Heat map of {label} by site and time.",
        **shared,
    )
    return [lines, heat]


def gate_notes(system: System) -> list[Note]:
    """Say so if the behavior is at chance: a code of a failing system explains little."""
    table = system.trials
    if "correct" not in table or table["correct"].isna().all():
        return []
    correct = table["correct"].dropna().astype(float)
    n_choices = table["choice"].nunique() if "choice" in table else 2
    chance = 1.0 / max(n_choices, 2)
    low = float(binomial_interval(correct.sum(), len(correct)).low)
    if low > chance:
        return []
    text = (
        f"{system.name} is right on {correct.mean():.2f} of its trials, not clearly above "
        f"chance ({chance:.2g})."
    )
    advice = "What a failing system encodes says little about how the task is solved."
    return [Note("gate", text, advice)]


def map_notes(
    estimate: xr.Dataset, target: Target, baseline: xr.Dataset | None
) -> list[Note]:
    """Return what a reader must know about the scores."""
    notes = []
    values, high = estimate["estimate"].values, estimate["ci_high"].values
    below = int((high < target.chance).sum()) if target.kind == "categorical" else 0
    if below > binom.ppf(0.975, values.size, 0.025):  # more than luck has it
        text = (
            f"{below} of {values.size} scores are below chance ({target.chance:.2g})."
        )
        advice = (
            "Below-chance decoding comes from folds that lack a class or from blocks whose "
            "drift is confounded with the target; it is not information."
        )
        notes.append(Note("below_chance", text, advice))
    if baseline is not None:
        best = baseline.isel(baseline=int(np.nanargmax(baseline["estimate"].values)))
        if float(best["estimate"]) >= np.nanmax(values):
            text = (
                f"{target.name} is predicted as well without activity, from the "
                f"{best['baseline'].item()} ({float(best['estimate']):.2f})."
            )
            advice = "A shortcut could explain the decoding; name it in control=[...]."
            notes.append(Note("shortcut", text, advice))
    return notes
