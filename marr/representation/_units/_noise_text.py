"""Words and figures of noise correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec

if TYPE_CHECKING:
    import xarray as xr

    from marr.representation._conditions import Conditions
    from marr.representation._units._noise import NoiseJob

__all__ = ["figures", "methods", "summarize"]

NULL_WORDS = {
    "within": "each unit's rows were exchanged within conditions",
    "shift": "each unit was shifted around the circle of rows by its own lag",
}


def summarize(estimate: xr.Dataset) -> str:
    """Return how many pairs are correlated, and the mean."""
    values, p = estimate["estimate"].values, estimate["p_corrected"].values
    return (
        f"{int((p < 0.05).sum())} of {len(values)} pairs have a noise correlation "
        f"(corrected p < 0.05); mean {np.nanmean(values):.3f}, from "
        f"{np.nanmin(values):.2f} to {np.nanmax(values):.2f}."
    )


def methods(
    job: NoiseJob, conditions: Conditions, ongoing: tuple[float, float] | None
) -> str:
    """Return how it was done."""
    rows = "time bins" if job.rows.bins is not None else "trials"
    used = len(np.unique(job.codes))
    scaled = " and divided by their spread" if job.scaled else ""
    text = (
        f"Activity of {len(job.rows.labels)} units in {len(job.z)} {rows} was taken "
        f"from the means of {used} conditions of {conditions.name}{scaled} there, and "
        "all pairs were correlated. Interval: percentile bootstrap (95 %) over "
        f"{job.unit_name}, widened for the means that were estimated. P-values: "
        f"{len(job.null)} draws in which {NULL_WORDS[job.scheme]}, two-sided, corrected "
        "over pairs by the permutation maximum. Signal correlations compare condition "
        "means of one half of the trials with those of the other, over the square root "
        "of their reliabilities."
    )
    if ongoing is not None:
        text += (
            f" The window from {ongoing[0]:g} to {ongoing[1]:g} was treated alike; "
            "differences are tested by exchanging the two windows in random trials."
        )
    return text


def figures(job: NoiseJob, *, compared: bool) -> list[FigureSpec]:
    """Return pairs with intervals, and noise against signal correlations."""
    found = [
        FigureSpec(
            "points",
            x="pair",
            reference=0.0,
            reference_label="independent",
            caption="Noise correlation of each pair of units, 95 % interval.",
            x_label="pair",
            y_label="noise correlation",
            description="Dots with intervals: noise correlation of each pair.",
        )
    ]
    if np.isfinite(job.signal).any():
        found.append(
            FigureSpec(
                "scatter",
                x="signal",
                y="estimate",
                caption="Noise correlation of each pair against its signal correlation "
                "(between halves of the trials).",
                x_label="signal correlation",
                y_label="noise correlation",
                description="Scatter of pairs: signal correlation and noise correlation.",
            )
        )
    if compared:
        found.append(
            FigureSpec(
                "points",
                table="ongoing",
                x="pair",
                reference=0.0,
                reference_label="no difference",
                caption="Noise correlation minus that of ongoing activity, 95 % interval.",
                x_label="pair",
                y_label="difference",
                description="Dots with intervals: difference of two windows by pair.",
            )
        )
    return found
