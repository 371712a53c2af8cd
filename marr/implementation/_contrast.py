"""Real perturbation trials against control trials, permuted as they were assigned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from marr._analysis import Draft
from marr.errors import ContractError, OptionError, StatisticsError, check_option
from marr.findings import FigureSpec, Note, verb
from marr.implementation._contrast_kernel import assignments, contrast, p_floor
from marr.implementation._plan import COLUMN
from marr.measures._decoded import Decoded
from marr.stats import holm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.measures import FittedMeasure, Measure
    from marr.systems import System

__all__ = ["ASSIGNMENTS", "CONTROL_LABELS", "contrast_draft"]

ASSIGNMENTS = ("randomized", "blocked", "observed")
"""How trials came to be perturbed."""

CONTROL_LABELS = ("none", "control", "baseline", "off", "no", "false", "0", "")
"""Labels (any case) of trials on which nothing was done; missing labels count too."""

SHAM_PREFIXES = ("sham", "off_target", "off-target", "off target")
"""Labels that begin so are controls: the same, but not where or not what it should be."""


@dataclass(frozen=True)
class _Design:
    """Labels of the trials and how they were assigned."""

    labels: NDArray[np.object_]
    control: NDArray[np.bool_]
    sham: NDArray[np.bool_]
    units: NDArray[np.intp]
    strata: NDArray[np.intp]
    assignment: str
    unit_noun: str
    strata_noun: str

    @property
    def treated(self) -> list[str]:
        """Labels of real perturbations, in order of appearance."""
        real = ~(self.control | self.sham)
        return list(dict.fromkeys(self.labels[real].tolist()))


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
    design = _design(system, assignment)
    reference = design.control if design.control.any() else design.sham
    fitted = _fit(measure, system, reference)
    values = fitted(system)
    data = _contrasts(design, values, fitted.sign, design.treated, n_permutations, seed)
    data["intact"] = xr.DataArray(float(np.nanmean(values[reference])))
    units = fitted.value_units
    data["estimate"].attrs = {
        "long_name": f"loss of {measure.name}",
        "units": units,
        "better": "lower",
        "null": 0.0,
        "measure": measure.name,
    }
    tables = {}
    if design.control.any() and design.sham.any():
        shams = list(dict.fromkeys(design.labels[design.sham].tolist()))
        tables["sham"] = _contrasts(
            design, values, fitted.sign, shams, n_permutations, seed
        ).rename({COLUMN: "sham"})
        data = data.merge(
            _beyond_sham(design, values, fitted.sign, n_permutations, seed)
        )
    if control_measure is not None:
        off = _fit(control_measure, system, reference)
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
    label = f"loss of {measure.name}" + (f" ({units})" if units else "")
    return Draft(
        estimate=data,
        summary=lambda found: _summary(found, measure.name, units, evidence),
        question=(
            f"What do the perturbations do to the {measure.name}?"
            if causal
            else f"How does the {measure.name} differ on perturbed trials?"
        ),
        methods=_methods(design, measure.name, n_permutations),
        evidence=evidence,
        tables=tables,
        figures=(
            FigureSpec(
                "points",
                x=COLUMN,
                caption=f"Loss of {measure.name} on perturbation trials, against control "
                "trials, with 95 % intervals by inversion of the permutation test.",
                x_label="perturbation",
                y_label=label,
                reference=0.0,
                reference_label="no loss",
                description=f"Loss of {measure.name} by perturbation.",
            ),
        ),
        notes=_notes(design, data, has_control=control_measure is not None),
        citations=("phipson2010", "holm1979", "ernst2004"),
        generalizes_over=f"{design.unit_noun}{design.strata_noun}",
        parameters={
            "measure": measure.name,
            "measure_kind": measure.kind,
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


def _design(system: System, assignment: str | None) -> _Design:
    if assignment is None:
        msg = (
            "assignment must say how perturbation trials were assigned: 'randomized' (by "
            "trial), 'blocked' (by whole blocks) or 'observed' (not by the experimenter); "
            "got None. The test permutes trials in the same way."
        )
        raise OptionError(msg)
    check_option("assignment", assignment, ASSIGNMENTS)
    table = system.trials
    raw = table[COLUMN]
    labels = np.array(
        [
            "none" if missing else str(v)
            for v, missing in zip(raw, raw.isna(), strict=True)
        ],
        dtype=object,
    )
    lower = np.array([v.strip().lower() for v in labels])
    control = np.isin(lower, CONTROL_LABELS)
    sham = np.array([v.startswith(SHAM_PREFIXES) for v in lower])
    if not (control | sham).any():
        msg = (
            f"there are no control trials: {COLUMN!r} holds {sorted(set(labels))[:6]}. "
            f"Label them 'none' (or one of {list(CONTROL_LABELS[1:4])}), or 'sham'."
        )
        raise ContractError(msg)
    if (control | sham).all():
        msg = f"there are no perturbed trials: {COLUMN!r} holds {sorted(set(labels))[:6]}."
        raise ContractError(msg)
    units, strata, nouns = _units(table, assignment)
    return _Design(labels, control, sham, units, strata, assignment, *nouns)


def _units(
    table: pd.DataFrame, assignment: str
) -> tuple[NDArray[np.intp], NDArray[np.intp], tuple[str, str]]:
    """Return the unit of assignment of each trial and the stratum it moves within."""
    layers = [
        c for c in ("subject", "session") if c in table and table[c].nunique() > 1
    ]
    if assignment != "blocked":
        strata = _codes(table, layers)
        within = f" within each {layers[-1]}" if layers else ""
        return np.arange(len(table)), strata, ("trials", within)
    if "block" in table:
        noun = "blocks"
        units = _codes(table, [*layers, "block"])
    elif "session" in table:
        noun = "sessions"
        units = _codes(table, layers)
        layers = [c for c in layers if c != "session"]
    else:
        msg = (
            "assignment='blocked' needs a column 'block' (or 'session') that says which "
            f"trials were assigned together; there is {list(table.columns)}."
        )
        raise ContractError(msg)
    mixed = pd.Series(table[COLUMN].astype(str).to_numpy()).groupby(units).nunique() > 1
    if mixed.any():
        where = table.iloc[int(np.flatnonzero(mixed.to_numpy()[units])[0])]
        shown = {c: where[c] for c in (*layers, noun[:-1]) if c in table}
        msg = (
            f"assignment='blocked', but {COLUMN!r} changes within {shown}. Give each block "
            "of the experiment its own label in 'block', or say assignment='randomized'."
        )
        raise ContractError(msg)
    within = f" within each {layers[-1]}" if layers else ""
    return units, _codes(table, layers), (noun, within)


def _codes(table: pd.DataFrame, columns: list[str]) -> NDArray[np.intp]:
    if not columns:
        return np.zeros(len(table), dtype=np.intp)
    keys = table[columns].astype(str).agg("|".join, axis=1)
    return np.asarray(pd.factorize(keys)[0], dtype=np.intp)


def _contrasts(
    design: _Design,
    values: NDArray[np.float64],
    sign: float,
    labels: list[str],
    n_permutations: int,
    seed: int,
    against: NDArray[np.bool_] | None = None,
) -> xr.Dataset:
    """Contrast each label with the reference trials."""
    reference = against
    if reference is None:
        reference = design.control if design.control.any() else design.sham
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
    design: _Design,
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


def _summary(found: xr.Dataset, measure: str, units: str, evidence: str) -> str:
    parts = []
    for label in found[COLUMN].values:
        row = found.sel({COLUMN: label})
        loss, low, high = (float(row[k]) for k in ("estimate", "ci_low", "ci_high"))
        p = float(row["p_corrected"]) if "p_corrected" in row else np.nan
        size = f"{loss:.3g} {units} [{low:.3g}, {high:.3g}], corrected p = {p:.2g}"
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


def _methods(design: _Design, measure: str, n_permutations: int) -> str:
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


def _notes(design: _Design, data: xr.Dataset, *, has_control: bool) -> list[Note]:
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
