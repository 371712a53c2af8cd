"""Tables, figures, notes and sentences of a searchlight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.findings import FigureSpec, Note
from marr.representation._rsa._searchlight_job import grid_map

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.representation._rsa._searchlight_job import Found, Search
    from marr.representation._rsa._searchlight_setup import ModelRows, Places

__all__ = [
    "COMPARATOR_WORDS",
    "figures",
    "labelled",
    "map_table",
    "methods",
    "notes",
    "question",
    "summary",
]

COMPARATOR_WORDS = {
    "cosine": "cosine similarity",
    "correlation": "correlation",
    "spearman": "rank correlation",
    "rho-a": "rank correlation (rho-a)",
}
"""Comparators in words."""
FEWEST_ARRANGEMENTS = 100
UNRELIABLE = 0.1
FEW = 12
"""With fewer conditions the interval is only approximate."""


def labelled(
    found: Found,
    unit: xr.DataArray,
    values: npt.NDArray[np.float64],
    axes: tuple[str, ...],
    count: npt.NDArray[np.float64],
    given: ModelRows,
) -> xr.Dataset:
    """Return the estimate with labels, halves and reliability."""
    columns = found.columns
    coords: dict[str, Any] = {
        "unit": unit.values,
        "site": ("unit", [str(u) for u in unit["site"].values]),
        "unit_id": ("unit", [str(u) for u in unit["unit_id"].values]),
        "model": list(given.names),
    }
    for i, name in enumerate(axes):
        coords[name] = ("unit", values[:, i])
    dims = ("model", "unit")
    data: dict[str, Any] = {
        k: (dims, v) for k, v in columns.items() if k != "half_estimate"
    }
    data["n_units"] = ("unit", count.astype(int))
    data["reliability"] = ("unit", found.reliability)
    if "half_estimate" in columns:
        data["half_estimate"] = (("half", *dims), columns["half_estimate"])
    estimate = xr.Dataset(data, coords=coords)
    return estimate.isel(model=0) if len(given.names) == 1 else estimate


def map_table(
    values: npt.NDArray[np.float64],
    places: Places,
    kept: npt.NDArray[np.intp],
    given: ModelRows,
) -> dict[str, xr.Dataset]:
    """Return the map of the first two coordinates, where there are two."""
    if len(places.names) < 2:
        return {}
    return {"map": grid_map(values, places.values[kept], places.names, given.names)}


def question(given: ModelRows, site: str, on: str) -> str:
    """Return what is asked."""
    names = ", ".join(given.names)
    what = "conditions" if on == "condition" else f"conditions of {on}"
    return f"Where in {site} do {what} have the geometry of {names}?"


def summary(estimate: xr.Dataset, radius: float) -> str:
    """Say where each model fits best, and how many balls follow it."""
    several = "model" in estimate["estimate"].dims
    parts = []
    for i in range(estimate.sizes["model"] if several else 1):
        at = estimate.isel(model=i) if several else estimate
        best = at.isel(unit=int(np.nanargmax(at["estimate"].values)))
        name = f"{at['model'].item()}: " if "model" in at.coords else ""
        text = f"{name}best at {best['unit'].item()} with {float(best['estimate']):.2f}"
        low, high = float(best["ci_low"]), float(best["ci_high"])
        if np.isfinite(low):
            text += f" [{low:.2f}, {high:.2f}]"
        if "p_corrected" in at:
            found = int((at["p_corrected"] < 0.05).sum())
            text += (
                f", corrected p = {float(best['p_corrected']):.2g}; {found} of "
                f"{at.sizes['unit']} balls of radius {radius:g} follow the model"
            )
        parts.append(text)
    return "; ".join(parts) + "."


def methods(
    search: Search,
    conditions: Conditions,
    radius: float,
    n_permutations: int,
    given: ModelRows,
) -> str:
    """Say how balls were compared with models."""
    scaled = {
        "diagonal": ", units scaled by the noise variance of the other folds",
        "identity": "",
    }[search.noise]
    text = (
        f"In a ball of radius {radius:g} around each unit, {search.distance} distances of "
        f"{len(conditions.labels)} conditions ({conditions.name}){scaled} were compared "
        f"with {', '.join(given.names)} by {COMPARATOR_WORDS[search.comparator]} over pairs of "
        "conditions. Intervals: jackknife (95 %) over conditions."
    )
    if n_permutations:
        text += (
            f" P-values: {n_permutations} permutations of the conditions of the model "
            "(rows and columns together), one-sided, corrected over centers and models "
            "by the permutation maximum."
        )
    return text


def figures(measure: str, places: Places, radius: float) -> list[FigureSpec]:
    """Draw a map of the places, or the similarity along one coordinate."""
    if len(places.names) < 2:
        return [
            FigureSpec(
                "scatter",
                x=places.names[0],
                y="estimate",
                x_label=places.names[0],
                y_label=measure,
                caption=f"{measure.capitalize()} with the model along the units.",
                description="Scatter of the similarity of each ball against its place.",
            )
        ]
    across = "" if len(places.names) == 2 else f", averaged over {places.names[2]}"
    return [
        FigureSpec(
            "map",
            table="map",
            x=places.names[0],
            y=places.names[1],
            diverging=True,
            reference=0.0,
            x_label=places.names[0],
            y_label=places.names[1],
            color_label=measure,
            caption=(
                f"{measure.capitalize()} of the geometry in a ball of radius {radius:g} "
                f"around each unit with the model{across}."
            ),
            description="Map of the similarity with the model over the places of units.",
        )
    ]


def notes(found: Found, given: ModelRows, conditions: Conditions) -> list[Note]:
    """Say what limits tests, intervals and reliability."""
    out = []
    coarse = [
        f"{name} ({n})"
        for name, n in zip(given.names, found.distinct, strict=True)
        if n < FEWEST_ARRANGEMENTS
    ]
    if coarse:
        text = (
            "Permuted conditions give few different arrangements of some models: "
            f"{', '.join(coarse)}; no p-value can be below one over that number."
        )
        advice = (
            "A model that sets one condition apart needs more conditions to be tested."
        )
        out.append(Note("coarse_null", text, advice))
    lost = [
        name
        for name, low in zip(given.names, found.columns["ci_low"], strict=True)
        if np.isnan(low).any()
    ]
    if lost:
        text = (
            f"No interval at some centers for {', '.join(lost)}: without one of the "
            "conditions the model, or the ball, has the same distance for all pairs."
        )
        out.append(Note("no_interval", text, "Use a model that grades conditions."))
    n = len(conditions.labels)
    if n < FEW:
        text = f"With {n} conditions the interval over conditions is approximate."
        out.append(Note("few_conditions", text, "Use more conditions if there are."))
    known = found.reliability[np.isfinite(found.reliability)]
    if not len(known):
        text = "The two halves of the trials lack some conditions: no reliability."
        out.append(Note("no_halves", text, "More repeats of each condition help."))
    elif np.median(known) < UNRELIABLE:
        text = (
            "Distances in half of the balls hardly repeat between halves of the trials "
            f"(median rank correlation {np.median(known):.2f})."
        )
        out.append(Note("unreliable", text, "A larger radius or more trials help."))
    return out
