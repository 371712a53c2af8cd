"""Words and figures of the amnesic check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.findings import FigureSpec, Note, verb
from marr.representation._readout._frame import SCORES

if TYPE_CHECKING:
    import xarray as xr

    from marr.measures import Measure
    from marr.representation._readout._frame import Frame

__all__ = ["figures_of", "methods_text", "notes_of", "summary_text"]


def summary_text(
    estimate: xr.Dataset, target: str, measure: Measure | None, evidence: str
) -> str:
    parts = []
    for site in estimate["site"].values.tolist():
        words = [
            f"{name} loses {float(at['estimate']):.2f} [{float(at['ci_low']):.2f}, "
            f"{float(at['ci_high']):.2f}] (random {float(at['random_mean']):.2f})"
            for name in estimate["quantity"].values.tolist()
            for at in [estimate.sel(site=site, quantity=name)]
        ]
        parts.append(f"{site}: {', '.join(words)}")
    text = f"Without the linear subspace of {target}, {'; '.join(parts)}."
    if measure is not None:
        at = estimate.sel(quantity=measure.name)
        needed = [
            str(s)
            for s, p in zip(at["site"].values, at["p_corrected"].values, strict=True)
            if p < 0.05
        ]
        what = f"{measure.name} {verb(evidence, 'depends')} it at {', '.join(needed)}"
        text += (
            f" {what[0].upper() + what[1:]}."
            if needed
            else (
                f" {measure.name[0].upper() + measure.name[1:]} was not seen to need it."
            )
        )
    return text


def methods_text(frames: list[Frame], measure: Measure | None, n_random: int) -> str:
    first = frames[0]
    text = (
        f"All directions that covary with {first.target.name} over one part of the "
        "training folds were projected out (mean projection; the mean along them is "
        "kept); new probes were fitted in the other part, with and without them, and "
        f"tested on held-out trials ({first.plan.n_folds} folds; "
        f"{', '.join(f'{f.target.name}: {SCORES[f.target.kind]}' for f in frames)}). "
        f"Compared with {n_random} random subspaces of equal rank, drawn as the activity "
        f"varies. Intervals: bootstrap (95 %) over {first.plan.unit_name}; p-values: share "
        "of random subspaces that cost as much, corrected by Bonferroni."
    )
    if measure is not None:
        text += (
            f" {measure.name[0].upper() + measure.name[1:]} was measured while the model "
            "ran without the directions found in the other half of the trials."
        )
    return text


def figures_of(target: str) -> list[FigureSpec]:
    return [
        FigureSpec(
            "points",
            x="quantity",
            group="site",
            reference=0.0,
            reference_label="no loss",
            band_low=None,
            y_label="loss (before minus after)",
            x_label="what is measured",
            caption=(
                f"What is lost when the linear subspace of {target} is taken out, 95 % "
                "interval."
            ),
            description="Dots with intervals of the loss by what is measured and site.",
        )
    ]


def notes_of(found: list[dict[str, Any]]) -> list[Note]:
    rank = max(f["rank"] for f in found)
    text = f"Directions taken out: {rank}."
    return [
        Note("rank", text, "Classes minus one; one for a number, two for an angle.")
    ]
