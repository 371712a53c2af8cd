"""Words and figures of bridges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.findings import FigureSpec, Note

if TYPE_CHECKING:
    import xarray as xr

    from marr.representation._alignment._bridge_data import BridgeData

__all__ = ["figures_of", "methods_text", "notes_of", "summary_text"]

METHOD_WORDS = {
    "procrustes": (
        "generalized Procrustes analysis (hyperalignment): orthonormal maps to a common "
        "mean"
    ),
    "cca": "regularized generalized canonical correlation (MAXVAR)",
    "ridge": "ridge regression onto the components of the first system",
}


def summary_text(estimate: xr.Dataset, n: int) -> str:
    correlation = estimate["estimate"].sel(score="correlation").values
    hit = estimate["estimate"].sel(score="identification").values
    chance = float(estimate["chance"].sel(score="identification"))
    low = estimate["ci_low"].sel(score="correlation").values
    text = (
        f"On held-out rows ({n} in all) systems agree with the others in the shared space "
        f"by r = {correlation.min():.2f} to {correlation.max():.2f} (lowest end of an "
        f"interval {low.min():.2f}); {hit.mean():.0%} of rows are identified, chance "
        f"{chance:.0%}"
    )
    if "p_corrected" in estimate:
        p = estimate["p_corrected"].sel(score="correlation").values
        text += f"; {int((p < 0.05).sum())} of {len(p)} systems above unrelated rows"
    return text + "."


def methods_text(
    data: BridgeData, design: Any, method: str, n_components: int | None
) -> str:
    size = (
        "as many dimensions as hold 95 % of the variance of the simplest system, at most a "
        "third of the training rows"
        if n_components is None
        else f"{n_components} dimensions"
    )
    text = (
        f"Systems of unit variance were brought into a shared space by "
        f"{METHOD_WORDS[method]}, {size}, on the training part of {len(data.rows)} shared "
        f"rows ({data.match.on}), and scored on the rest ({int(design.fold.max()) + 1} "
        "folds). Activity was predicted from the mean of the others by ridge regression "
        "fitted on training rows. Intervals: bootstrap (95 %) over rows, with maps as they "
        "are."
    )
    if len(design.orders):
        text += (
            f" P-values: {len(design.orders)} reorderings of the rows of all systems but "
            f"the first ({design.scheme}), maps fitted anew; one-sided, corrected over the "
            "table by the permutation maximum."
        )
    return text


def figures_of() -> list[FigureSpec]:
    return [
        FigureSpec(
            "points",
            x="system",
            group="score",
            reference=0.0,
            reference_label="nothing shared",
            y_label="held-out score",
            x_label="system",
            caption="How well each system agrees with the others in the shared space.",
            description="Dots with intervals of three held-out scores by system.",
        )
    ]


def notes_of(data: BridgeData, estimate: xr.Dataset) -> list[Note]:
    notes = []
    r2 = estimate["estimate"].sel(score="r2").values
    high = estimate["estimate"].sel(score="correlation").values
    odd = [
        n for n, a, c in zip(data.names, r2, high, strict=True) if a < 0.1 and c > 0.3
    ]
    if odd:
        text = f"Little of the activity of {', '.join(odd)} lies in the shared space."
        advice = (
            "What is shared is alike, but most of this system is its own (or noise)."
        )
        notes.append(Note("small_share", text, advice))
    return notes
