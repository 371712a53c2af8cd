"""Numbers, words and figures of a finding on manifold capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.findings import FigureSpec
from marr.stats import max_statistic, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.representation._plan import Plan

__all__ = ["GROUPS", "MEASURES", "figures", "labelled", "methods_text", "summary"]

MEASURES = ("capacity", "independent_capacity", "simulated_capacity", "radius", "dimension")  # fmt: skip
TAILS = np.array([1.0, 1.0, 1.0, -1.0, -1.0])
"""Side on which manifolds lie that are easier to tell apart than shuffled labels."""
GROUPS = 10
"""Groups of trials left out in turn."""


def labelled(
    found: list[dict[str, npt.NDArray[np.float64]]],
    names: Sequence[str],
    plan: Plan,
    n_points: npt.NDArray[np.intp],
) -> xr.Dataset:
    """Return the measures of all sites with intervals and tests."""
    dims = ("site", "measure")
    kept = [i for i in range(len(MEASURES)) if np.isfinite([f["value"][i] for f in found]).any()]  # fmt: skip
    value = np.stack([f["value"] for f in found])[:, kept]
    reach = np.stack([f["reach"] for f in found])[:, kept]
    data: dict[str, Any] = {
        "estimate": (dims, value),
        "ci_low": (dims, np.maximum(value - reach, 0.0)),
        "ci_high": (dims, value + reach),
    }
    n = min(len(f["null"]) for f in found)
    if len(plan.indices) and n:
        null = np.stack([f["null"][:n] for f in found], axis=1)
        null[:, :, 2] = null[:, :, 0]  # the theory stands for its simulation
        null, side = null[:, :, kept], TAILS[kept]
        mean = null.mean(axis=0)
        data |= {
            "p_value": (dims, permutation_p(value * side, null * side, tail="greater")),
            "p_corrected": (dims, max_statistic(value * side, null * side, tail="greater")),
            "null_mean": (dims, mean),
            "excess": (dims, value - mean),
        }  # fmt: skip
    floor = np.full(value.shape, np.nan)
    few = 2.0 * len(n_points) / n_points.sum()
    floor[:, [j for j, i in enumerate(kept) if i < 3]] = few
    data["floor"] = (dims, floor)
    out = xr.Dataset(
        data, coords={"site": list(names), "measure": [MEASURES[i] for i in kept]}
    )
    out["estimate"].attrs.update(
        long_name="capacity (per dimension), radius or dimension",
        units="",
        better="higher",
    )
    return out


def summary(estimate: xr.Dataset, on: str, n: int, n_points: int) -> str:
    """Return the capacity of each site in one sentence."""
    parts = []
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site, measure="capacity")
        text = f"{site}: capacity {float(at['estimate']):.2f} [{float(at['ci_low']):.2f}, {float(at['ci_high']):.2f}] per dimension"  # fmt: skip
        if "null_mean" in at:
            text += f", {float(at['null_mean']):.2f} under shuffled labels"
            if "p_corrected" in at:
                text += f" (corrected p = {float(at['p_corrected']):.2g})"
        parts.append(text)
    return f"{'; '.join(parts)} ({n} values of {on}, n = {n_points} points)."


def methods_text(
    conditions: Conditions,
    n_points: npt.NDArray[np.intp],
    n_projections: int,
    n_simulated: int,
    plan: Plan,
) -> str:
    """Return how the numbers were made."""
    low, high = int(n_points.min()), int(n_points.max())
    points = f"{low}" if low == high else f"{low} to {high}"
    text = (
        f"Manifolds of {len(n_points)} conditions ({conditions.name}), {points} points "
        "each, of standardized units about their common mean. Capacity: manifolds over "
        "the dimensions at which half of all dichotomies are separable by a hyperplane "
        "with an offset (counted as half a dimension more), from the projections of "
        f"{2 * -(-n_projections // 2)} random directions, in opposite pairs, onto the "
        "cones of differences of random dichotomies, so that correlations between "
        "manifolds count. Independent capacity, radius and dimension: mean field, from "
        "the cone of each manifold alone and its anchor points."
    )
    if n_simulated:
        text += (
            f" Simulated capacity: {n_simulated} random dichotomies separated in "
            "nested random projections."
        )
    text += (
        f" Intervals (95 %): jackknife over {GROUPS} groups of {plan.unit_name}, and "
        "the error of the random directions."
    )
    if len(plan.indices):
        text += (
            f" Null: {len(plan.indices)} shuffles of the labels ({plan.scheme}), "
            "one-sided (capacity up; radius and dimension down), corrected over sites "
            "and measures by the maximum."
        )
    return text


def figures(on: str) -> list[FigureSpec]:
    """Return the figure: measures by site."""
    return [
        FigureSpec(
            "points",
            x="site",
            group="measure",
            caption=f"Capacity, radius and dimension of the manifolds of {on}, 95 % "
            "intervals.",
            x_label="site",
            y_label="per dimension; relative radius; dimensions",
            reference=2.0,
            reference_label="capacity of points",
            description="Dots with intervals: capacity, radius and dimension by site.",
        )
    ]
