"""Words and figures of choice probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from marr.representation._units._data import UnitRows

    IntArray = npt.NDArray[np.intp]
    BoolArray = npt.NDArray[np.bool_]

__all__ = ["figures", "methods", "summarize"]


def summarize(estimate: xr.Dataset, choice: str) -> str:
    value = estimate["estimate"].values
    best = int(np.abs(value - 0.5).argmax())
    at = estimate.isel(unit=best)
    shown = (
        f"mean {value.mean():.3f}; farthest from 0.5: {value[best]:.2f} "
        f"[{float(at['ci_low']):.2f}, {float(at['ci_high']):.2f}], unit "
        f"{at['unit'].item()}"
    )
    if "p_corrected" not in estimate:
        return f"Choice probability of {len(value)} units: {shown}; no test was made."
    n = int((estimate["p_corrected"].values < 0.05).sum())
    return (
        f"{n} of {len(value)} units go with {choice} within stimuli (corrected p < "
        f"0.05); {shown}."
    )


def methods(
    rows: UnitRows,
    stim: IntArray,
    chosen: BoolArray,
    names: tuple[str, str],
    how: tuple[str, str],
    n_permutations: int,
) -> str:
    choice, stimulus = names
    unit_name, scheme = how
    text = (
        f"Choice probability of {len(rows.units)} units: area under the ROC curve between "
        f"the two values of {choice} ({int((~chosen).sum())} and {int(chosen.sum())} "
        f"trials) after balanced z-scoring within each of {int(stim.max()) + 1} values of "
        f"{stimulus}. Interval: jackknife over 20 (or fewer) groups of {unit_name}, scores "
        "made anew, t on the logit."
    )
    if n_permutations:
        text += (
            f" P-values: {n_permutations} exchanges of {choice} within {scheme}, "
            "two-sided, corrected over units by the permutation maximum."
        )
    return text


def figures(choice: str, names: list[str]) -> list[FigureSpec]:
    return [
        FigureSpec(
            "points",
            x="unit",
            reference=0.5,
            reference_label="independent of the choice",
            caption=f"Choice probability of each unit, 95 % interval; above 0.5: more "
            f"activity with {choice} {names[1]}.",
            x_label="unit",
            y_label="choice probability",
            description="Dots with intervals: choice probability of each unit.",
        )
    ]
