"""Words and figures of generalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note
from marr.representation._readout._frame import SCORES

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from marr.representation._readout._frame import Frame

__all__ = ["chance_of", "figures_of", "methods_text", "notes_of", "summary_text"]


def chance_of(frame: Frame) -> float:
    if frame.target.kind == "categorical":
        return 1.0 / len(frame.target.classes)
    return 0.0


def summary_text(estimate: xr.Dataset, target: str, across: str) -> str:
    chance = estimate["estimate"].attrs["chance"]
    values = estimate["estimate"].values
    n = values.shape[-1]
    off = ~np.eye(n, dtype=bool)
    parts = []
    for i, site in enumerate(estimate["site"].values.tolist()):
        text = (
            f"{site}: {values[i][off].mean():.2f} on other values of {across}, "
            f"{values[i][~off].mean():.2f} on the same"
        )
        if "p_corrected" in estimate:
            p = estimate["p_corrected"].values[i][off]
            sign = values[i][off] > chance
            text += (
                f"; above chance ({chance:.2g}) in {int(((p < 0.05) & sign).sum())}, "
                f"below in {int(((p < 0.05) & ~sign).sum())} of {off.sum()} transfers"
            )
        parts.append(text)
    return f"Readout of {target} - " + "; ".join(parts) + "."


def methods_text(frame: Frame, across: str, n_shuffles: int) -> str:
    text = (
        f"Probes of {frame.target.name} were fitted on the training folds of one value of "
        f"{across} and tested on the held-out fold of every value ({frame.plan.n_folds} "
        f"folds, shared by all), scored by {SCORES[frame.target.kind]}. Intervals: "
        f"bootstrap (95 %) over {frame.plan.unit_name}, with probes as they are."
    )
    if n_shuffles:
        how = {
            "shift": "shifted around the circle of trials",
            "block": "exchanged with their groups",
        }.get(frame.plan.scheme, "exchanged within fold and condition")
        text += (
            f" P-values: {n_shuffles} shuffles of the target ({how}), two-sided, "
            "corrected over the map by the permutation maximum."
        )
    return text


def figures_of(frame: Frame, across: str) -> list[FigureSpec]:
    name = SCORES[frame.target.kind]
    return [
        FigureSpec(
            "matrix",
            x="test",
            y="train",
            color_label=name,
            diverging=True,
            reference=chance_of(frame),
            caption=(
                f"Readout of {frame.target.name}, fitted on one value of {across} (rows) "
                "and tested on another (columns); one matrix a site."
            ),
            x_label=f"tested on ({across})",
            y_label=f"fitted on ({across})",
            description=f"Square map of {name} by training and test {across}.",
        )
    ]


def notes_of(code: npt.NDArray[np.intp], values: list[str], across: str) -> list[Note]:
    counts = np.bincount(code)
    if counts.min() * 3 >= counts.max():
        return []
    few, many = values[int(counts.argmin())], values[int(counts.argmax())]
    text = (
        f"{across} {few!r} has {counts.min()} trials, {many!r} {counts.max()}: probes of "
        "small conditions are worse whatever the code."
    )
    return [Note("unequal_conditions", text, "Compare each column with its diagonal.")]
