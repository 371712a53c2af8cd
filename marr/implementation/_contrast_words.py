"""Sentences and notes of contrasts with real perturbation trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import Note, verb
from marr.implementation._plan import COLUMN

if TYPE_CHECKING:
    import xarray as xr

    from marr.implementation._design import Design

__all__ = ["contrast_methods", "contrast_notes", "contrast_summary"]


def contrast_summary(found: xr.Dataset, measure: str, units: str, evidence: str) -> str:
    parts = []
    for label in found[COLUMN].values:
        row = found.sel({COLUMN: label})
        loss, low, high = (float(row[k]) for k in ("estimate", "ci_low", "ci_high"))
        p = float(row["p_corrected"]) if "p_corrected" in row else np.nan
        between = f"[{low:.3g}, {high:.3g}]" if np.isfinite(low) else "(no interval)"
        size = f"{loss:.3g} {units} {between}, corrected p = {p:.2g}"
        if not p < 0.05:
            head = f"no loss of {measure} under {label} is shown"
        elif evidence == "causal":
            what = "a loss of" if loss > 0 else "a gain in (negative loss of)"
            head = f"{label} {verb(evidence, 'acts')} {what} {measure}"
        else:
            head = f"{measure} {verb(evidence, 'depends')} {label}"
        parts.append(f"{head} ({' '.join(size.split())})")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. Control trials: {float(found['intact']):.3g}."


def contrast_methods(design: Design, measure: str, n_permutations: int) -> str:
    how = {
        "randomized": "labels were permuted over trials",
        "blocked": f"labels were permuted over whole {design.unit_noun}",
        "observed": "the sequence of labels was shifted in a circle (nobody assigned it)",
    }[design.assignment]
    return (
        f"{measure[0].upper()}{measure[1:]} on control trials minus perturbed trials "
        f"(assignment: {design.assignment}). For the null {how}{design.strata_noun} "
        f"({n_permutations} times); two-sided p-values, Holm's correction over "
        "perturbations; the 95 % interval holds the constant losses that the same test "
        "does not reject."
    )


def contrast_notes(
    design: Design, data: xr.Dataset, *, has_control: bool
) -> list[Note]:
    notes = []
    if design.assignment == "observed":
        text = "Nobody assigned the perturbed trials, so they may differ in other ways."
        advice = "Read this as a description; randomize, or match and control."
        notes.append(Note("observed", text, advice))
    if not design.sham.any():
        text = "There are no sham or off-target trials: light, heat or sound alone is not ruled out."
        advice = "Label such control trials 'sham' or 'off_target'."
        notes.append(Note("no_sham", text, advice))
    if not has_control:
        text = "No off-target measure was given, so a loss may be general damage."
        advice = "Pass control_measure=: what else changed on the same trials?"
        notes.append(Note("no_off_target", text, advice))
    floor = float(data["p_floor"].max())
    if floor > 0.01:
        n = int((data["n_units_perturbed"] + data["n_units_control"]).min())
        text = f"p cannot fall below {floor:.2g} with {n} {design.unit_noun}."
        advice = "More of them are needed for a finer test."
        notes.append(Note("p_floor", text, advice))
    if data["ci_low"].isnull().any():
        text = (
            f"The {design.unit_noun} are too few to bound the loss at 95 %: there is no "
            "interval."
        )
        notes.append(Note("no_interval", text, "Use more of them."))
    return notes
