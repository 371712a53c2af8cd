"""Real perturbation trials against control trials, permuted as they were assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._analysis import Draft
from marr.errors import StatisticsError
from marr.findings import FigureSpec
from marr.implementation._contrast_kernel import assignments, contrast, p_floor
from marr.implementation._contrast_words import (
    contrast_methods,
    contrast_notes,
    contrast_summary,
)
from marr.implementation._design import design_of
from marr.implementation._plan import COLUMN
from marr.measures._decoded import Decoded
from marr.stats import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.implementation._design import Design
    from marr.measures import FittedMeasure, Measure
    from marr.systems import System

__all__ = ["contrast_draft"]


def contrast_draft(
    system: System,
    measure: Measure,
    control_measure: Measure | None,
    assignment: str | None,
    *,
    n_permutations: int,
    seed: int,
) -> Draft:
    """Return the contrast of each perturbation with the control trials.

    Parameters
    ----------
    system : System
        Has a column "perturbation".
    measure, control_measure : Measure
        What may be lost, and what should not.
    assignment : {"randomized", "blocked", "observed"}
        How trials were assigned.
    n_permutations, seed : int
        For the redrawn assignments.
    """
    design = design_of(system, assignment)
    fitted = _fit(measure, system, design.reference)
    data, tables = _tables(design, fitted, fitted(system), n_permutations, seed)
    if control_measure is not None:
        off = _fit(control_measure, system, design.reference)
        found = _contrasts(
            design, off(system), off.sign, design.treated, n_permutations, seed
        )
        data["off_target"] = found["estimate"]
        data["off_target_low"], data["off_target_high"] = (
            found["ci_low"],
            found["ci_high"],
        )
    causal = design.assignment != "observed"
    evidence = "causal" if causal else "descriptive"
    units = fitted.value_units
    return Draft(
        estimate=data,
        summary=lambda found: contrast_summary(found, measure.name, units, evidence),
        question=(
            f"What do the perturbations do to the {measure.name}?"
            if causal
            else f"How does the {measure.name} differ on perturbed trials?"
        ),
        methods=contrast_methods(design, measure.name, n_permutations),
        evidence=evidence,
        tables=tables,
        figures=(_figure(measure.name, units),),
        notes=contrast_notes(design, data, has_control=control_measure is not None),
        citations=("holm1979", "ernst2004"),
        generalizes_over=f"{design.unit_noun}{design.strata_noun}",
        parameters={
            "measure": measure.name,
            "measure_kind": measure.kind,
            "measure_settings": measure.describe(),
            "axis": COLUMN,
            "estimand": "real perturbation",
        },
    )


def _fit(
    measure: Measure, system: System, reference: NDArray[np.bool_]
) -> FittedMeasure:
    """Fit on all trials; readouts learn from the control trials only."""
    if isinstance(measure, Decoded):
        return measure.fit(system, train=reference)
    return measure.fit(system)


def _tables(
    design: Design,
    fitted: FittedMeasure,
    values: NDArray[np.float64],
    n_permutations: int,
    seed: int,
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return the contrasts with the reference trials, and those of the shams."""
    data = _contrasts(design, values, fitted.sign, design.treated, n_permutations, seed)
    tables = {}
    if design.control.any() and design.sham.any():
        shams = list(dict.fromkeys(design.labels[design.sham].tolist()))
        tables["sham"] = _contrasts(
            design, values, fitted.sign, shams, n_permutations, seed
        ).rename({COLUMN: "sham"})
        data = data.merge(
            _beyond_sham(design, values, fitted.sign, n_permutations, seed)
        )
    data["intact"] = xr.DataArray(float(np.nanmean(values[design.reference])))
    data["estimate"].attrs = {
        "long_name": f"loss of {fitted.measure.name}",
        "units": fitted.value_units,
        "better": "lower",
        "null": 0.0,
        "measure": fitted.measure.name,
    }
    return data, tables


def _figure(measure: str, units: str) -> FigureSpec:
    return FigureSpec(
        "points",
        x=COLUMN,
        caption=f"Loss of {measure} on perturbation trials, against control trials, "
        "with 95 % intervals by inversion of the permutation test.",
        x_label="perturbation",
        y_label=f"loss of {measure}" + (f" ({units})" if units else ""),
        reference=0.0,
        reference_label="no loss",
        description=f"Loss of {measure} by perturbation.",
    )


def _contrasts(
    design: Design,
    values: NDArray[np.float64],
    sign: float,
    labels: list[str],
    n_permutations: int,
    seed: int,
    against: NDArray[np.bool_] | None = None,
) -> xr.Dataset:
    """Contrast each label with the reference trials."""
    reference = design.reference if against is None else against
    rows = []
    for i, label in enumerate(labels):
        chosen = reference | (design.labels == label)
        chosen &= np.isfinite(values)
        treated = (design.labels == label)[chosen]
        if treated.all() or not treated.any():
            msg = (
                f"perturbation {label!r}: the measure has a value on "
                f"{int(treated.sum())} perturbed and {int((~treated).sum())} control "
                "trials; both are needed."
            )
            raise StatisticsError(msg)
        shift = design.assignment == "observed"
        units, strata = design.units[chosen], design.strata[chosen]
        redrawn = assignments(
            treated,
            units,
            strata,
            shift=shift,
            n_permutations=n_permutations,
            seed=seed + i,
        )
        found = contrast(sign * values[chosen], treated, redrawn)
        floor = p_floor(
            treated, units, strata, shift=shift, n_permutations=n_permutations
        )
        n_units = len(np.unique(units[treated])), len(np.unique(units[~treated]))
        rows.append((*found, floor, int(treated.sum()), *n_units))
    names = [
        *("estimate", "ci_low", "ci_high", "p_value", "p_floor", "n_trials"),
        *("n_units_perturbed", "n_units_control"),
    ]
    columns = dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))
    unbounded = ~(np.isfinite(columns["ci_low"]) & np.isfinite(columns["ci_high"]))
    for side in ("ci_low", "ci_high"):
        columns[side] = np.where(unbounded, np.nan, columns[side])
    columns["p_corrected"] = holm(columns["p_value"])
    return xr.Dataset(
        {k: (COLUMN, v) for k, v in columns.items()},
        coords={COLUMN: np.array(labels, dtype=str)},
    )


def _beyond_sham(
    design: Design,
    values: NDArray[np.float64],
    sign: float,
    n_permutations: int,
    seed: int,
) -> xr.Dataset:
    """Contrast each perturbation with the sham trials."""
    found = _contrasts(
        design, values, sign, design.treated, n_permutations, seed, against=design.sham
    )
    names = {
        "estimate": "beyond_sham",
        "ci_low": "beyond_sham_low",
        "ci_high": "beyond_sham_high",
        "p_value": "p_beyond_sham",
    }
    return found[list(names)].rename(names)
