"""Words and figures of mixed selectivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from marr.representation._units._mixed_tables import MixedJob

__all__ = ["figures", "methods", "notes", "summarize"]


def summarize(estimate: xr.Dataset) -> str:
    """Return the correlation and the verdict against independent tuning."""
    p = estimate["p_corrected"].values
    best = int(np.nanargmin(p)) if np.isfinite(p).any() else 0
    at = estimate.isel(pairing=best)
    r, null = float(at["estimate"]), float(at["null_mean"])
    shown = (
        f"r = {r:.2f} [{float(at['ci_low']):.2f}, {float(at['ci_high']):.2f}], "
        f"{null:.2f} in matched populations of independent tuning"
    )
    pair = str(at["pairing"].item())
    if not p[best] < 0.05:
        verdict = f"Explained variances of {pair} correlate as independent tuning does"
    elif r > null:
        verdict = f"The same units follow {pair} more than independent tuning has it"
    else:
        verdict = f"Units follow {pair} apart, more than independent tuning has it"
    p_text = f", p = {p[best]:.2g}" if np.isfinite(p[best]) else ""
    return (
        f"{verdict}: {shown}{p_text}; mean total share {float(at['total_share']):.2f}, "
        f"raw variances r = {float(at['raw_r']):.2f}."
    )


def methods(job: MixedJob) -> str:
    """Return how it was done."""
    rows = "time bins" if job.coding.timed else "trials"
    fit = (
        f"ridge regression in {job.plan.n_folds} folds, each variable left out and the "
        "model fitted anew"
        if job.method == "drop"
        else "a lasso (penalty by 5 folds within training, 3 folds, 2 repeats), the "
        "coefficients of each variable set to zero in turn"
    )
    text = (
        f"Activity of {len(job.coding.rows.units)} units in {len(job.coding.rows.x)} "
        f"{rows} was explained by {', '.join(job.names)} with {fit}; the share of a "
        "variable is the fall in held-out explained variance. The interaction is the "
        "further rise by products of the variables. Over units, shares (negative ones "
        "taken as 0) were correlated and compared with 2,000 matched populations, in "
        "which each variable's signal over the noise of its unit went to another unit. "
        "Interval: percentile bootstrap (95 %) over units; p-values two-sided, "
        "Bonferroni over pairs of variables."
    )
    if job.p:
        text += (
            f" Categories: {len(job.plan.indices)} shuffles of each variable after the "
            "others were regressed out, at a false discovery rate of 5 %."
        )
    return text


def figures(names: Sequence[str]) -> list[FigureSpec]:
    """Return r against the matched band, and units by the shares of two variables."""
    a, b = names[0], names[1]
    return [
        FigureSpec(
            "points",
            x="pairing",
            band_low="null_low",
            band_high="null_high",
            reference=0.0,
            caption="Correlation over units of explained variances, 95 % interval; "
            "gray: 95 % of matched populations of independent tuning.",
            x_label="variables",
            y_label="correlation of explained variances",
            description="Dots with intervals: one correlation a pair of variables, "
            "beside the range of matched populations.",
        ),
        FigureSpec(
            "scatter",
            table="unit",
            x=f"share_{a}",
            y=f"share_{b}",
            group="category",
            caption=f"Held-out variance that {a} and {b} explain, one dot a unit.",
            x_label=f"share of {a}",
            y_label=f"share of {b}",
            description=f"Scatter of units by the shares of {a} and {b}.",
        ),
    ]


def notes(estimate: xr.Dataset, n_units: int) -> list[Note]:
    """Return caveats of the correlation."""
    found = []
    total = float(estimate["total_share"].values[0])
    if total > 0.9:
        text = (
            f"The variables explain {total:.2f} of the variance: shares that sum to "
            "nearly one correlate by about -1 for two variables, whatever the tuning."
        )
        found.append(Note("shares_compete", text, "Read raw_r, or add noise trials."))
    if total < 0.05:
        text = f"The variables explain {total:.2f} of the variance: shares are mostly noise."
        found.append(Note("little_explained", text, "Use more trials."))
    if n_units < 8:
        text = f"{n_units} units are too few for a verdict on a correlation over units."
        found.append(Note("few_units", text, "Record more units."))
    if np.isnan(estimate["estimate"].values).any():
        text = "A variable explains nothing of any unit; its correlation is undefined."
        found.append(Note("undefined_correlation", text))
    return found
