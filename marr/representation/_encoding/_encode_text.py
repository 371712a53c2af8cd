"""Sentences and figures of an encoding analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from marr.representation._encoding._encode_job import Job

__all__ = ["encode_figures", "encode_notes", "methods_text", "question", "summarizer"]

METHODS = {
    "ridge": "ridge regression",
    "banded_ridge": "banded ridge regression",
    "pls": "partial least squares",
}
SYMBOLS = {"r2": "R²", "pearson": "r"}


def question(job: Job) -> str:
    """Return what is asked."""
    where = ", ".join(job.sites) if len(job.sites) < 4 else f"{len(job.sites)} sites"
    return f"How well can the units of {where} be predicted from {job.features.words}?"


def summarizer(site: xr.Dataset, score: str) -> Callable[[xr.Dataset], str]:
    """Return the summary as a function of the estimate.

    The interval of the median comes from the table of sites; members of a cohort are
    described by their units alone.
    """

    def summarize(estimate: xr.Dataset) -> str:
        if "member" in estimate.coords:
            return _of_units(estimate, score)
        best = int(np.nanargmax(np.nan_to_num(site["estimate"].values, nan=-np.inf)))
        at = site.isel(site=best)
        n = int(at["n_units"])
        chosen = ""
        if "chosen" in at and "feature_site" in estimate.dims:
            share = float(at["chosen_share"])
            chosen = f"{at['chosen'].item()} (chosen in {share:.0%} of folds) predicts "
        text = (
            f"{chosen}{at['site'].item()}: median {SYMBOLS[score]} "
            f"{float(at['estimate']):.2f} "
            f"[{float(at['ci_low']):.2f}, {float(at['ci_high']):.2f}] over {n} units"
        )
        if "ceiled" in at and np.isfinite(float(at["ceiled"])):
            reliable = int(at["n_reliable"])
            some = f" of the {reliable} that repeat" if reliable < n else ""
            text += f", {float(at['ceiled']):.0%} of the explainable variance{some}"
        return f"{text}; {_count(estimate)}."

    return summarize


def _count(estimate: xr.Dataset) -> str:
    """Return how many units are predicted, in words."""
    if "p_corrected" not in estimate:
        return "not tested"
    p = estimate["p_corrected"].values
    if p.ndim == 2:
        p = np.where(np.isfinite(p), p, 1.0).min(axis=0)
    known = np.isfinite(estimate["estimate"].values)
    known = known.any(axis=0) if known.ndim == 2 else known
    n, seen = int(known.sum()), int((p[known] < 0.05).sum())
    if not seen:
        return "no unit is predicted better than by shuffled features (corrected)"
    verb = "is" if seen == 1 else "are"
    return f"{seen} of {n} units {verb} predicted better than by shuffled features (corrected)"


def _of_units(estimate: xr.Dataset, score: str) -> str:
    values = estimate["estimate"].values.astype(float)
    values = values[np.isfinite(values)]
    return f"median {SYMBOLS[score]} {np.median(values):.2f}; {_count(estimate)}."


def methods_text(job: Job, correction: str) -> str:
    """Return what was done."""
    how, plan, features = job.settings, job.held.plan, job.features
    n_rows = len(features.frame)
    text = (
        f"Activity of each unit in {n_rows} rows ({_rows(job)}) was predicted from "
        f"{features.words} by {METHODS[how.method]}, {plan.n_folds} folds that held out "
        f"{job.held.what}. {_strength(job)}"
    )
    if how.standardize:
        text += " Features were standardized on the training rows."
    text += (
        " R² compares squared errors with those of the training mean."
        if how.score == "r2"
        else " Correlations are over rows centered within folds."
    )
    text += (
        f" Intervals (95 %): held-out predictions resampled over {over(job)}, the "
        "fitted maps as they are."
    )
    n_draws = len(plan.indices)
    if n_draws:
        fix = (
            "the permutation maximum"
            if correction == "max"
            else "the false discovery rate"
        )
        text += (
            f" P-values: {n_draws} shuffles of the features over rows (null "
            f"{plan.scheme!r}), every choice made anew, one-sided, corrected over all "
            f"estimates by {fix}."
        )
    if job.repeats is not None:
        text += (
            " Ceiling: variance between stimuli beyond that between repeats, over the "
            "variance of the rows (the split-half reliability over all random halves, "
            "Spearman-Brown corrected); scores are divided by it where it differs from 0."
        )
    if len(features.bands) > 1:
        text += (
            " Unique variance of a band: R² of all bands minus R² of all others; shared "
            "variance: what remains of the R² of all."
        )
    if features.by_site and len(features.sets) > 1:
        text += " The feature site of each fold was chosen by the inner folds of the others."
    return text


def _rows(job: Job) -> str:
    on = job.features.match.on
    label = "trials" if on == "trial" else f"values of {on}, repeats averaged"
    if job.features.frame.bin is None:
        return label
    lags = len(job.features.frame.delays)
    return f"time bins of {label}" + (
        f"; {lags} delays of features" if lags > 1 else ""
    )


def _strength(job: Job) -> str:
    how = job.settings
    if how.method == "pls":
        if not how.choose_components:
            return f"{how.n_components} components, all units of a site together."
        return (
            f"Components, shared by the units of a site, were up to {how.n_components}; "
            "their number was chosen for each unit in inner folds."
        )
    if len(how.penalties) == 1 and how.method == "ridge":
        return f"The penalty was {how.penalties[0]:g} (relative)."
    what = "mixture of bands and penalty" if how.method == "banded_ridge" else "penalty"
    return (
        f"The {what} of each unit and fold was chosen in inner folds, the other folds."
    )


def over(job: Job) -> str:
    """Return what the interval generalizes over."""
    name = job.held.plan.unit_name
    if name != "trials":
        return job.held.what if name.startswith("groups") else name
    on = job.features.match.on
    return "trials" if on == "trial" else f"values of {on}"


def encode_figures(job: Job, estimate: xr.Dataset) -> list[FigureSpec]:
    """Return the figures."""
    name = str(estimate["estimate"].attrs["long_name"])
    by_layer = "feature_site" in estimate.dims
    table = "unit" if by_layer else "estimate"
    figures = [_layer_figure(name)] if by_layer else []
    figures.append(
        _ceiling_figure(name, table)
        if job.repeats is not None
        else _unit_figure(name, table)
    )
    if len(job.features.bands) > 1:
        figures.append(_band_figure())
    return figures


def _layer_figure(name: str) -> FigureSpec:
    return FigureSpec(
        "map",
        table="layer",
        x="site",
        y="feature_site",
        color_label=f"median {name}",
        x_label="site",
        y_label="feature site",
        caption=f"Median {name} over units, by feature site and site.",
        description=f"Heat map of the median {name} by feature site and site.",
    )


def _ceiling_figure(name: str, table: str) -> FigureSpec:
    return FigureSpec(
        "scatter",
        table=table,
        x="ceiling",
        y="estimate",
        x_label="noise ceiling",
        y_label=name,
        caption=f"{name.capitalize()} of each unit against its noise ceiling.",
        description=f"Scatter of the {name} against the noise ceiling by unit.",
    )


def _unit_figure(name: str, table: str) -> FigureSpec:
    return FigureSpec(
        "points",
        table=table,
        x="unit",
        reference=0.0,
        reference_label="training mean",
        x_label="unit",
        y_label=name,
        caption=f"{name.capitalize()} of each unit, 95 % interval.",
        description=f"Dots with intervals of the {name} by unit.",
    )


def _band_figure() -> FigureSpec:
    return FigureSpec(
        "points",
        table="band",
        x="band",
        group="site",
        reference=0.0,
        reference_label="nothing",
        x_label="band",
        y_label="unique variance (R²), median over units",
        caption="Variance that each band alone explains, median over units, "
        "95 % interval.",
        description="Dots with intervals of the unique variance by band.",
    )


def encode_notes(job: Job, estimate: xr.Dataset) -> list[Note]:
    """Return notes about units."""
    values = estimate["estimate"].values
    undefined = np.isnan(values).all(axis=0) if values.ndim == 2 else np.isnan(values)
    notes = []
    constant = estimate["unit"].values[undefined]
    if len(constant):
        shown = ", ".join(map(str, constant[:5])) + (
            " ..." if len(constant) > 5 else ""
        )
        text = f"{len(constant)} of {len(undefined)} units are constant and have no score: {shown}."
        notes.append(Note("constant_units", text, "They are left out of medians."))
    if "ceiled" in estimate:
        ratio = estimate["ceiled"].values
        lost = np.isnan(ratio).all(axis=0) if ratio.ndim == 2 else np.isnan(ratio)
        lost &= ~undefined
        if lost.any():
            text = (
                f"{int(lost.sum())} of {len(lost)} units do not repeat their responses to "
                "stimuli beyond chance, so that there is no ceiling to divide by."
            )
            notes.append(
                Note("unreliable_units", text, "Read their raw score, or add repeats.")
            )
    n_draws = len(job.held.plan.indices)
    if 0 < n_draws < 20:
        text = f"With {n_draws} shuffles p is at least {1 / (1 + n_draws):.2g}."
        notes.append(Note("few_shuffles", text, "Ask for more: n_permutations=200."))
    if job.features.frame.n_labels < 20:
        text = f"There are {job.features.frame.n_labels} rows to learn from and to test on."
        notes.append(Note("few_rows", text, "Scores of few rows vary much."))
    return notes
