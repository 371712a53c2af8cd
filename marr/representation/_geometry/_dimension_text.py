"""Words, tables and figures of a finding on dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.findings import FigureSpec, Note
from marr.representation._geometry._dimension_job import FRACTIONS, Dimensions
from marr.representation._geometry._dimension_methods import DIMENSION_METHODS, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._geometry._dimension_rows import Source

__all__ = ["drift_note", "figures", "methods_text", "notes", "summary", "tables"]

MOST_COMPONENTS = 50


def tables(
    found: Sequence[Dimensions],
    names: Sequence[str],
    methods: tuple[str, ...],
    source: Source,
) -> dict[str, xr.Dataset]:
    """Return the tables: scale, size, halves and spectrum."""
    coords = {"site": list(names), "measure": list(methods)}
    dims = ("site", "measure")
    scale = xr.Dataset(
        {"estimate": ((*dims, "fraction"), np.stack([f.scale.T for f in found]))},
        coords={**coords, "fraction": list(FRACTIONS)},
        attrs={"reduction": "mean over random subsets of the rows"},
    )
    scale["estimate"].attrs.update(long_name="dimension", units="", better="lower")
    made = {"scale": scale, "size": source.sizes(names)}
    if all(np.isfinite(f.halves).any() for f in found):
        halves = np.stack([f.halves for f in found], axis=1)
        made["half"] = xr.Dataset(
            {"half_estimate": (("half", *dims), halves)},
            coords={"half": [0, 1], **coords},
        )
    if found[0].spectrum:
        made["spectrum"] = _spectrum(found, names)
    return made


def _spectrum(found: Sequence[Dimensions], names: Sequence[str]) -> xr.Dataset:
    n = min(max(len(f.spectrum["variance"]) for f in found), MOST_COMPONENTS)
    data: dict[str, Any] = {}
    for key in found[0].spectrum:
        rows = np.full((len(found), n), np.nan)
        for row, f in zip(rows, found, strict=True):
            share = f.spectrum[key] / f.spectrum["variance"].sum()
            row[: min(n, len(share))] = share[:n]
        data["estimate" if key == "variance" else key] = (("site", "component"), rows)
    table = xr.Dataset(
        data, coords={"site": list(names), "component": np.arange(1, n + 1)}
    )
    table["estimate"].attrs.update(
        long_name="share of variance", units="", better="higher"
    )
    return table


def summary(estimate: xr.Dataset, n_rows: int, what: str) -> str:
    """Return the first measure of each site in one sentence."""
    parts = []
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site, measure=estimate["measure"].values[0])
        value, low, high = (float(at[k]) for k in ("estimate", "ci_low", "ci_high"))
        if not np.isfinite(value):
            parts.append(f"{site}: more dimensions than the {what} can tell")
            continue
        text = f"{site}: {value:.1f} dimensions"
        if np.isfinite(low):
            text += f" [{low:.1f}, {high:.1f}]"
        if "null_mean" in at and np.isfinite(at["null_mean"]):
            text += f", {float(at['null_mean']):.1f} if units were independent"
            if "p_corrected" in at and np.isfinite(at["p_corrected"]):
                p = float(at["p_corrected"])
                text += f" (corrected p = {p:.2g})"
        parts.append(text)
    name = str(estimate["measure"].values[0]).replace("_", " ")
    return f"{'; '.join(parts)} ({name}, n = {n_rows} {what})."


def methods_text(
    source: Source,
    methods: tuple[str, ...],
    settings: Settings,
    shifted: Sequence[str],
    n_sites: int,
) -> str:
    """Return how the numbers were made."""
    named = "; ".join(DIMENSION_METHODS[m].words for m in methods)
    text = f"Dimension of {source.n_rows} rows ({source.words}): {named}."
    if {"mle", "local_pca"} & set(methods):
        text += f" {settings.neighbors} neighbors."
    if "two_nn" in methods:
        text += f" TwoNN leaves out {settings.discard:.0%} of the largest ratios."
    if "pca_threshold" in methods:
        text += f" Share of variance: {settings.variance:.0%}."
    if source.crossed:
        text += (
            f" Only products of different folds of trials ({source.n_views}) enter, so "
            "that noise has no part in it."
        )
    text += f" Intervals (95 %): {source.interval_words}"
    if (
        any(not DIMENSION_METHODS[m].ratio for m in methods)
        and source.kind == "sampled"
    ):
        text += (
            "; for measures other than participation ratios the spread over "
            f"{settings.n_subsamples} random halves"
        )
    text += "."
    if settings.n_permutations:
        moved = "shuffled"
        if shifted:
            moved = "shifted around the circle by a lag of its own"
            moved += (
                f" ({', '.join(shifted)}; else shuffled)"
                if len(shifted) < n_sites
                else ""
            )
        text += (
            f" Null: {settings.n_permutations} draws in which the rows of each unit were "
            f"{moved}, one-sided, corrected over sites and measures by the maximum."
        )
    return text


def figures(methods: tuple[str, ...], found: Sequence[Dimensions]) -> list[FigureSpec]:
    """Return the figures: dimension by site, spectrum, dependence on rows."""
    found_figures = [
        FigureSpec(
            "points",
            x="site",
            group="measure",
            caption="Dimension of each site by each measure, 95 % interval.",
            x_label="site",
            y_label="dimensions",
            description="Dots with intervals: dimension of each site, a color a measure.",
        )
    ]
    if found[0].spectrum:
        banded = "null_low" in found[0].spectrum
        found_figures.append(
            FigureSpec(
                "line",
                table="spectrum",
                x="component",
                group="site",
                band_low="null_low" if banded else None,
                band_high="null_high" if banded else None,
                caption="Share of variance of each principal component"
                + ("; gray: units made independent, 5 to 95 %." if banded else "."),
                x_label="principal component",
                y_label="share of variance",
                description="Falling lines: share of variance by component, one a site.",
            )
        )
    if np.isfinite(found[0].scale[1:]).any():
        found_figures.append(
            FigureSpec(
                "line",
                table="scale",
                x="fraction",
                group="measure",
                caption="Dimension at fewer rows: a measure that still rises at the right "
                "end is a lower bound.",
                x_label="share of the rows",
                y_label="dimensions",
                description=f"Lines: {', '.join(methods)} by the share of rows used.",
            )
        )
    return found_figures


def notes(
    found: Sequence[Dimensions],
    names: Sequence[str],
    methods: tuple[str, ...],
    source: Source,
    settings: Settings,
) -> list[Note]:
    """Return what a reader must know of the numbers."""
    said = []
    lost = [n for n, f in zip(names, found, strict=True) if not np.isfinite(f.columns["estimate"]).all()]  # fmt: skip
    if lost:
        text = (
            f"At {', '.join(lost)} some measure is undefined: tr C² is not told apart "
            f"from 0 by {source.n_rows} rows, or all rows are copies."
        )
        said.append(Note("undefined", text, "More rows bound the dimension."))
    if any(np.isnan(f.columns.get("null_mean", np.zeros(1))).any() for f in found):
        text = "Independent units would have more dimensions than the rows can tell."
        said.append(Note("unbounded_null", text, "The test does not suffer from it."))
    copies = {n: f.n_copies for n, f in zip(names, found, strict=True) if f.n_copies}
    if copies and {"two_nn", "mle"} & set(methods):
        shown = ", ".join(f"{k} {v}" for k, v in copies.items())
        text = f"Rows that equal another were left out of neighbor measures: {shown}."
        said.append(Note("copies", text, "Counts of few spikes make copies."))
    if settings.neighbors >= source.n_rows - 1 and {"mle", "local_pca"} & set(methods):
        text = f"{settings.neighbors} neighbors of {source.n_rows} rows are all others."
        said.append(Note("few_rows", text, "Lower neighbors=; local it is not."))
    return said


def drift_note(shifted: Sequence[str]) -> list[Note]:
    """Return what shifts cannot allow for, where they were used."""
    if not shifted:
        return []
    text = (
        f"Trials follow each other at {', '.join(shifted)}: shifts allow for slow "
        "fluctuation, not for a drift over the whole session."
    )
    return [Note("slow_trials", text, "Take drift out first if units may drift alone.")]
