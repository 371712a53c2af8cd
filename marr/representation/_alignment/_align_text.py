"""Sentences, figures and notes of an alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.findings import Note
from marr.representation._alignment._design import NULLS
from marr.systems import trial_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from marr.representation._alignment._align_job import Job
    from marr.representation._alignment._measure import AlignmentMeasure

__all__ = [
    "align_headline",
    "align_notes",
    "measure_notes",
    "methods_of_measures",
    "methods_text",
    "null_words",
    "question_text",
    "row_words",
    "shown",
    "summarizer",
]

CLOSE = 0.05
MOST_SAID = 3
"""More measures than this are summed up."""


def question_text(job: Job) -> str:
    """Return what was asked."""
    if job.same:
        return f"How alike are the sites of {job.systems[0].name}?"
    return f"How alike are {job.systems[0].name} and {job.systems[1].name}?"


def row_words(on: str, n: int) -> str:
    """Return what rows are."""
    return f"{n} trials" if on == "trial" else f"{n} rows ({on})"


def summarizer(
    job: Job, own: xr.Dataset, behavior: xr.Dataset | None
) -> Callable[[xr.Dataset], str]:
    """Return what says the answer of an estimate: this one, or that of a cohort."""
    words = {m.name: m.long_name for m in job.measures}
    rows = row_words(job.match.on, job.n)
    names = (job.systems[0].name, job.systems[-1].name)

    def summary(estimate: xr.Dataset) -> str:
        mine = estimate is own
        who = names if mine or job.same else ("each member", names[1])
        return _summary(estimate, rows, who, words) + _behavior(
            behavior if mine else None
        )

    return summary


def _summary(
    estimate: xr.Dataset, rows: str, names: tuple[str, str], words: dict[str, str]
) -> str:
    """Return the answer: the most alike pair, its interval, and what chance gives."""
    if "measure" not in estimate.dims:
        return _one(estimate, names, next(iter(words.values())), rows)
    if estimate.sizes["measure"] > MOST_SAID and "relative" in estimate:
        return _many(estimate, rows, names, words)
    said = [
        _short(estimate.sel(measure=m), names, words[str(m)])
        for m in estimate["measure"].values.tolist()
    ]
    return f"Over {rows}: {'; '.join(said)}." + _disagreement(estimate)


def _many(
    estimate: xr.Dataset, rows: str, names: tuple[str, str], words: dict[str, str]
) -> str:
    """Return how far many measures agree, in one sentence."""
    labels = estimate["measure"].values.tolist()
    cells = [
        estimate.isel(measure=i).isel(best_cell(estimate.isel(measure=i)))
        for i in range(len(labels))
    ]
    relative = np.array([float(c["relative"]) for c in cells])
    seen = sum(float(c["p_corrected"]) < CLOSE for c in cells)
    low, high = int(relative.argmin()), int(relative.argmax())
    single = estimate.isel(measure=0)["estimate"].size == 1
    ends = [
        f"{shown(relative[i])} ({words[str(labels[i])]}"
        + ("" if single else f", {_where(cells[i], names)}")
        + ")"
        for i in (low, high)
    ]
    return (
        f"Over {rows}, {seen} of {len(labels)} measures see an alignment; of the way from "
        f"independent (0) to identical (1), it is {ends[0]} to {ends[1]}."
        + _disagreement(estimate)
    )


def best_cell(estimate: xr.Dataset) -> dict[str, int]:
    """Return the place of the pair most unlike what chance gives, sites with themselves out."""
    value = estimate["relative"] if "relative" in estimate else estimate["estimate"]
    array = np.asarray(value.values, dtype=float).copy()
    if (
        "relative" not in estimate
        and estimate["estimate"].attrs.get("better") == "lower"
    ):
        array = -array
    same = _same(estimate)
    if not same.all():
        array[same] = -np.inf
    array = np.where(np.isfinite(array), array, -np.inf)
    place = np.unravel_index(int(array.argmax()), array.shape)
    return {str(d): int(i) for d, i in zip(value.dims, place, strict=True)}


def _same(estimate: xr.Dataset) -> Any:
    """Return cells that compare a site with itself."""
    value = estimate["estimate"]
    if not bool(estimate.attrs.get("one_system", False)):
        return np.zeros(value.shape, bool)
    same = value["site_a"].astype(str) == value["site_b"].astype(str)
    return np.asarray(same.broadcast_like(value).transpose(*value.dims).values)


def _where(cell: xr.Dataset, names: tuple[str, str]) -> str:
    a, b = (str(cell[f"site_{k}"].item()) for k in "ab")
    owner = [f" of {n}" if names[0] != names[1] else "" for n in names]
    text = f"{a}{owner[0]} and {b}{owner[1]}"
    if "time" in cell.coords:
        text += f" at {float(cell['time']):g}"
    return text


def shown(value: object) -> str:
    """Return a number with two decimals, without a sign before 0."""
    text = f"{float(value):.2f}"  # type: ignore[arg-type]
    return "0.00" if text == "-0.00" else text


def _number(cell: xr.Dataset) -> str:
    text = shown(cell["estimate"])
    if "ci_low" in cell and np.isfinite(float(cell["ci_low"])):
        text += f" [{shown(cell['ci_low'])}, {shown(cell['ci_high'])}]"
    return text


def _null(cell: xr.Dataset) -> str:
    if "null_mean" not in cell:
        return ""
    return f"independent data of this size give {shown(cell['null_mean'])}"


def _p(cell: xr.Dataset) -> str:
    key = next((k for k in ("p_corrected", "p_value") if k in cell), None)
    if key is None or not np.isfinite(float(cell[key])):
        return ""
    return f"p = {float(cell[key]):.2g}"


def _one(estimate: xr.Dataset, names: tuple[str, str], words: str, rows: str) -> str:
    cell = estimate.isel(best_cell(estimate))
    single = estimate["estimate"].size == 1
    most = "" if single else "most alike are "
    parts = [f"{most}{_where(cell, names)}: {words} {_number(cell)} over {rows}"]
    parts += [part for part in (_null(cell), _p(cell)) if part]
    if "ceiling" in cell and np.isfinite(float(cell["ceiling"])):
        parts.append(f"noise in the repeats allows about {float(cell['ceiling']):.2f}")
    if "floor" in cell and np.isfinite(float(cell["floor"])):
        low = float(cell["excess_low"]) if "excess_low" in cell else float("nan")
        more = (
            f" [{shown(low)}, {shown(cell['excess_high'])}]" if np.isfinite(low) else ""
        )
        parts.append(f"{shown(cell['excess'])}{more} beyond what noise alone leaves")
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:] if not single else text


def _short(estimate: xr.Dataset, names: tuple[str, str], words: str) -> str:
    cell = estimate.isel(best_cell(estimate))
    null = f" (independent {shown(cell['null_mean'])})" if "null_mean" in cell else ""
    where = "" if estimate["estimate"].size == 1 else f", {_where(cell, names)}"
    return f"{words} {_number(cell)}{null}{where}"


def _disagreement(estimate: xr.Dataset) -> str:
    """Say where measures name other pairs, or where one sees what another does not."""
    cells = [
        tuple(sorted(best_cell(estimate.isel(measure=i)).items()))
        for i in range(estimate.sizes["measure"])
    ]
    if len(set(cells)) > 1:
        return " Which pair is most alike depends on the measure."
    if "p_corrected" not in estimate:
        return ""
    seen = [
        bool((estimate["p_corrected"].isel(measure=i).isel(dict(c)) < CLOSE).item())
        for i, c in enumerate(cells)
    ]
    return "" if all(seen) or not any(seen) else " Not every measure sees an alignment."


def _behavior(table: xr.Dataset | None) -> str:
    if table is None:
        return ""
    said = [
        f"{name} {shown(table['estimate'].sel(behavior=name))}"
        for name in table["behavior"].values.tolist()
    ]
    return f" Behavior: {', '.join(said)}."


def align_headline(estimate: xr.Dataset, words: dict[str, str]) -> dict[str, Any]:
    """Return the mark of the cell that stands for the finding."""
    first = estimate.isel(measure=0) if "measure" in estimate.dims else estimate
    place = best_cell(first)
    cell = first.isel(place)
    select = {d: cell[d].item() for d in place}
    if "measure" in estimate.dims:
        select["measure"] = estimate["measure"].values[0].item()
    name = next(iter(words.values()))
    return {"table": "estimate", "select": select, "quantity": name}


def null_words(scheme: str, n: int, fewer: str = "") -> str:
    """Return how p-values were made."""
    if not n:
        return ""
    return (
        f" P-values: {n} orders of the rows ({NULLS[scheme]}), one-sided, corrected over "
        f"all cells{fewer} by the permutation maximum; their mean is what independent "
        "data of this size give."
    )


def methods_of_measures(measures: Sequence[AlignmentMeasure]) -> str:
    """Return each measure with its estimator and conventions."""
    return "; ".join(f"{m.long_name} ({m.estimator}; {m.convention})" for m in measures)


def methods_text(job: Job) -> str:
    """Return how it was done."""
    rows = row_words(job.match.on, job.n)
    text = f"Patterns of {rows} were compared by {methods_of_measures(job.measures)}."
    if any(m.cross_validated for m in job.measures):
        text += " Whatever is fitted was fitted on four fifths of the rows in turn."
    if job.design.n_parts:
        text += (
            f" Interval: delete-group jackknife (95 %, {job.design.n_parts} parts: "
            f"{job.design.part_name}), so no row enters twice; it does not hold the bias "
            "of biased measures."
        )
    text += null_words(job.design.scheme, len(job.design.orders))
    return text


def measure_notes(
    measures: Sequence[AlignmentMeasure], n: int, widths: Sequence[int]
) -> list[Note]:
    """Return notes on biased measures with fewer rows than units, and on padding."""
    notes = []
    wide = max(widths)
    biased = [
        m for m in measures if m.biased and m.independent is not None and n < wide
    ]
    if biased:
        offer = sorted({m.alternative for m in biased if m.alternative})
        text = (
            f"{n} rows and up to {wide} units: {', '.join(m.name for m in biased)} "
            "make independent data look alike."
        )
        advice = f"Read them against null_mean, or use {' or '.join(map(repr, offer))}."
        notes.append(Note("biased_measure", text, advice))
    padded = [m.name for m in measures if m.name.startswith("shape_permutation")]
    if padded and len(set(widths)) > 1:
        text = f"{', '.join(padded)}: the smaller system was padded with silent units."
        notes.append(Note("padded_units", text, "Unmatched units count as distance."))
    return notes


def align_notes(job: Job) -> list[Note]:
    """Return what a reader must know."""
    flat = [s for side in (job.sides.a[0], job.sides.b[0]) for s in side]
    notes = measure_notes(job.measures, job.n, [s.n_units for s in flat])
    labels = job.match.labels
    ordered = job.match.circular or labels.dtype.kind == "f"
    if job.match.on != "trial" and ordered and job.design.scheme != "rotation":
        text = (
            f"Rows are ordered ({job.match.on}) and neighbors are alike; exchanging them "
            "asks whether order matters at all, so any two smooth codes pass."
        )
        advice = "Compare with other sites or systems"
        advice += "; or null='rotation'." if job.match.circular else "."
        notes.append(Note("ordered_rows", text, advice))
    if job.same or _shared(job):
        text = "Both sides were measured on the same trials; noise they share counts as alignment."
        advice = "With repeated rows see 'halves', which come from other trials."
        notes.append(Note("shared_trials", text, advice))
    if job.n < 10:
        text = f"With {job.n} rows intervals are approximate and p-values coarse."
        notes.append(Note("few_rows", text, "Use more stimuli or finer conditions."))
    return notes


def _shared(job: Job) -> bool:
    """Tell whether two systems hold some of the same trials (one selected or perturbed)."""
    a, b = (trial_hashes(s) for s in (job.systems[0], job.systems[-1]))
    return bool(np.isin(a, b).any())
