"""The number that stands for a finding in the summary, and its picture in a line."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from marr.report._text import format_estimate, plain_number

if TYPE_CHECKING:
    import xarray as xr

    from marr.findings import Finding

__all__ = ["Headline", "grade_icon", "headline", "interval_glyph"]

UNRANKED = {"parameter", "statistic", "pair", "condition_a", "condition_b"}
"""Axes over which a largest value would mean nothing."""

WIDTH, HEIGHT, PAD = 240, 22, 4
MAX_TICKS = 400


@dataclass(frozen=True)
class Headline:
    """The value shown for a finding: the only one, or the most extreme of several.

    Attributes
    ----------
    value, interval : str
        As shown; `interval` may be empty.
    quantity : str
        What it is, with its unit, and of how many it is the extreme.
    numbers : tuple of float
        Value, low, high.
    others : tuple of float
        All values that it was chosen from, for the strip of ticks.
    chance : float or None
        Where chance or no effect lies.
    """

    value: str
    interval: str
    quantity: str
    numbers: tuple[float, float, float]
    others: tuple[float, ...]
    chance: float | None


def headline(finding: Finding) -> Headline | None:
    """Return the number to show first, or None if no single number would be honest.

    A finding over several sites, times or units shows its most extreme value and says
    of how many; a finding over parameters, pairs or conditions shows none.
    """
    finding, marked = _marked(finding)
    value = finding.estimate["estimate"]
    if set(map(str, value.dims)) & UNRANKED or value.dtype.kind not in "fiu":
        return None
    flat = np.asarray(value.values, dtype=float).ravel()
    known = np.flatnonzero(np.isfinite(flat))
    if known.size == 0:
        return None
    chance = _reference(finding, value) if marked else _chance(finding, value)
    at = int(known[_most_extreme(flat[known], chance, value.attrs.get("better"))])
    numbers = tuple(
        float(np.asarray(finding.estimate[key].values, dtype=float).ravel()[at])
        if key in finding.estimate and finding.estimate[key].dims == value.dims
        else math.nan
        for key in ("estimate", "ci_low", "ci_high")
    )
    shown, interval = format_estimate(*numbers)
    quantity = marked or _quantity(value, at, chance)
    return Headline(
        shown, interval, quantity + _p_words(finding, at),
        (numbers[0], numbers[1], numbers[2]), tuple(flat[known][:MAX_TICKS].tolist()), chance,
    )  # fmt: skip


def _reference(finding: Finding, value: xr.DataArray) -> float | None:
    """Return the value of no effect that came with a marked cell, if any."""
    found = finding.estimate.attrs.get("reference", value.attrs.get("chance"))
    return None if found is None else float(found)


def _marked(finding: Finding) -> tuple[Finding, str]:
    """Return the one cell that the analysis marked as its headline, and what it is.

    An analysis marks it in ``estimate.attrs["headline"]``: the `table` ("estimate" or a
    name), what to `select` there, and the `quantity` in words.
    """
    mark = finding.estimate.attrs.get("headline")
    if not isinstance(mark, dict):
        return finding, ""
    table = finding.estimate
    if mark["table"] != "estimate":
        table = finding.tables[mark["table"]]
    cell = table.sel(mark["select"]).assign_attrs(reference=mark.get("reference"))
    return replace(finding, estimate=cell), str(mark["quantity"])


def _p_words(finding: Finding, at: int) -> str:
    """Return "; p = ..." of the value shown, corrected where that exists."""
    for key, words in (("p_corrected", " corrected"), ("p_value", "")):
        if (
            key in finding.estimate
            and finding.estimate[key].dims == finding.estimate["estimate"].dims
        ):
            p = float(np.asarray(finding.estimate[key].values, dtype=float).ravel()[at])
            if math.isfinite(p):
                shown = "< .001" if p < 0.001 else f"= {p:.2g}"
                return f"; p {shown}{words if finding.estimate[key].size > 1 else ''}"
    return ""


def _most_extreme(values: np.ndarray, chance: float | None, better: object) -> int:
    """Return the place of the value farthest from chance, or the best without chance."""
    if chance is not None:
        return int(np.argmax(np.abs(values - chance)))
    return int(np.argmin(values) if better == "lower" else np.argmax(values))


def _chance(finding: Finding, value: xr.DataArray) -> float | None:
    chance = value.attrs.get("chance")
    if chance is None:
        drawn = [s for s in finding.figures if s.table in {"estimate", "ranked"}]
        chance = next((s.reference for s in drawn if s.reference is not None), None)
    return None if chance is None else float(chance)


def _quantity(value: xr.DataArray, at: int, chance: float | None) -> str:
    lower = float(value.values.ravel()[at]) < float(np.nanmax(value.values))
    n, mark = value.size, "chance" if "chance" in value.attrs else "reference"
    name = str(value.attrs.get("long_name", "estimate"))
    unit = value.attrs.get("units")
    name = f"{name} ({unit})" if unit else name
    if n == 1:
        return name if chance is None else f"{name}; {mark} {plain_number(chance)}"
    places = np.unravel_index(at, value.shape)
    where = []
    for dim, i in zip(value.dims, places, strict=True):
        label = value[dim].values[i] if dim in value.coords else i
        shown = (
            plain_number(float(label))
            if isinstance(label, (int, float, np.number))
            else label
        )
        unit_of = value[dim].attrs.get("units") if dim in value.coords else None
        where.append(
            f"{str(dim).replace('_', ' ')} {shown}{f' {unit_of}' if unit_of else ''}"
        )
    compared = (
        "" if chance is None or not chance else f"; {mark} {plain_number(chance)}"
    )
    return f"{name}: {'smallest' if lower else 'largest'} of {n:,} ({', '.join(where)}){compared}"


def interval_glyph(shown: Headline) -> Markup:
    """Return a headline as a line drawing: interval, dot, chance, and the other values.

    It repeats what is written beside it, so it is hidden from screen readers.
    """
    value, low, high = shown.numbers
    marks = [
        v for v in (value, low, high, shown.chance, *shown.others) if v is not None
    ]
    finite = [v for v in marks if math.isfinite(v)]
    start, stop = min(finite), max(finite)
    span = (stop - start) or 1.0

    def x(v: float) -> str:
        return f"{PAD + (v - start) / span * (WIDTH - 2 * PAD):.1f}"

    middle = 9
    parts = [f'<line class="axis" x1="0" x2="{WIDTH}" y1="{middle}" y2="{middle}"/>']
    if len(shown.others) > 1:
        parts += [
            f'<line class="tick" x1="{x(v)}" x2="{x(v)}" y1="{middle - 4}" y2="{middle + 4}"/>'
            for v in sorted({round(v, 9) for v in shown.others})
        ]
    if shown.chance is not None:
        parts.append(
            f'<line class="chance" x1="{x(shown.chance)}" x2="{x(shown.chance)}" y1="1" y2="17"/>'
        )
    if math.isfinite(low) and math.isfinite(high):
        parts.append(
            f'<line class="span" x1="{x(low)}" x2="{x(high)}" y1="{middle}" y2="{middle}"/>'
        )
    parts.append(f'<circle class="dot" cx="{x(value)}" cy="{middle}" r="4.5"/>')
    box = f'class="glyph" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false"'
    return Markup(f"<svg {box}>{''.join(parts)}</svg>")


_SHARES = {
    "causal": 4,
    "approximate": 3,
    "surrogate": 2,
    "predictive": 1,
    "descriptive": 0,
}


def _tells(shown: Headline) -> bool:
    """Tell whether there is anything to compare the value with."""
    return shown.chance is not None or len(shown.others) > 1


def grade_icon(grade: str) -> Markup:
    """Return a disk filled by the strength of the evidence; the word stands beside it."""
    quarters = _SHARES[grade]
    ring = '<circle cx="8" cy="8" r="6.6" fill="none" stroke-width="1.6"/>'
    fill = ""
    if quarters == 4:
        fill = '<circle class="fill" cx="8" cy="8" r="6.6"/>'
    elif quarters:
        angle = math.pi / 2 * quarters
        x, y = 8 + 6.6 * math.sin(angle), 8 - 6.6 * math.cos(angle)
        large = int(quarters > 2)
        fill = f'<path class="fill" d="M8 8V1.4A6.6 6.6 0 {large} 1 {x:.2f} {y:.2f}Z"/>'
    return Markup(f'<svg viewBox="0 0 16 16" aria-hidden="true">{ring}{fill}</svg>')


def entry_of(finding: Finding) -> dict[str, Any]:
    """Return the parts of a finding's headline for a template."""
    shown = headline(finding)
    if shown is None:
        return {"value": "", "interval": "", "quantity": "", "glyph": ""}
    return {
        "value": shown.value, "interval": shown.interval, "quantity": shown.quantity,
        "glyph": interval_glyph(shown) if _tells(shown) else "",
    }  # fmt: skip
