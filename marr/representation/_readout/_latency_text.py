"""Words and figures of latencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note
from marr.representation._readout._frame import SCORES

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from marr.representation._readout._frame import Frame

__all__ = ["figures_of", "methods_text", "notes_of", "summary_text"]


def summary_text(estimate: xr.Dataset, target: str, unit: str) -> str:
    parts = []
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site)
        if np.isfinite(float(at["estimate"])):
            parts.append(
                f"{site} {float(at['estimate']):.3g} [{float(at['ci_low']):.3g}, "
                f"{float(at['ci_high']):.3g}] {unit}".rstrip()
            )
        else:
            parts.append(f"{site} no peak above shuffled labels")
    return f"Latency of {target}: {'; '.join(parts)}."


def methods_text(
    frame: Frame,
    fraction: float,
    baseline: tuple[float, float] | None,
    smooth: int,
    n_permutations: int,
) -> str:
    start = (
        "chance"
        if baseline is None
        else f"the mean of {baseline[0]:g} to {baseline[1]:g}"
    )
    text = (
        f"{frame.target.name} was decoded at each time ({frame.plan.n_folds} folds, "
        f"{SCORES[frame.target.kind]}). Latency: when the score, on its last way up to the "
        f"peak, passed {fraction:.0%} of the way from {start}, interpolated linearly. "
        f"Intervals and differences: jackknife (95 %, Student's t) over "
        f"{frame.plan.unit_name}, with probes as they are; differences and peaks are "
        "corrected by Bonferroni over sites."
    )
    if smooth > 1:
        text += f" Scores were averaged over {smooth} neighboring bins."
    if n_permutations:
        text += f" Peaks were tested against the peaks of {n_permutations} shuffles."
    return text


def figures_of(frame: Frame, target: str) -> list[FigureSpec]:
    unit = frame.layout.time_unit
    return [
        FigureSpec(
            "points",
            x="site",
            y_label=f"latency ({unit})" if unit else "latency",
            x_label="site",
            caption=f"When {target} can be read out at each site, 95 % interval.",
            description="Dots with intervals of the latency by site.",
        ),
        FigureSpec(
            "line",
            table="time",
            x="time",
            group="site",
            reference=frame.target.chance,
            y_label=SCORES[frame.target.kind],
            x_label=f"time ({unit})" if unit else "time",
            caption=f"Readout of {target} over time, 95 % band.",
            description="Lines of the score over time, one a site.",
        ),
    ]


def notes_of(estimate: xr.Dataset, times: npt.NDArray[np.float64]) -> list[Note]:
    notes = []
    silent = [
        str(s)
        for s, v in zip(
            estimate["site"].values, estimate["estimate"].values, strict=True
        )
        if np.isnan(v)
    ]
    if silent:
        text = f"No peak above that of shuffled labels at {', '.join(silent)}."
        notes.append(Note("no_peak", text, "Decode first; or record more trials."))
    early = [
        str(s)
        for s, v in zip(
            estimate["site"].values, estimate["estimate"].values, strict=True
        )
        if v <= times[0]
    ]
    if early:
        text = (
            f"At {', '.join(early)} the score is above the fraction in the first bin."
        )
        notes.append(Note("starts_above", text, "Start the window earlier."))
    return notes
