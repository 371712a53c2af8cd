"""Numbers, words and figures of a finding on the overlap of subspaces."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.findings import FigureSpec
from marr.stats import max_statistic, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.representation._geometry._subspace_job import Overlap
    from marr.representation._geometry._subspace_views import Kind

__all__ = ["figures", "labelled", "methods_text", "question", "summary", "tables"]

AXES = {
    "variables": "variable",
    "times": "time",
    "windows": "window",
    "trials": "trials with",
    "sites": "site",
}
WORDS = {
    "variables": "directions that each variable adds in a joint regression",
    "times": "condition means at each time bin",
    "windows": "condition means in each window",
    "trials": "condition means of each set of trials",
    "sites": "condition means at each site",
}


def labelled(found: Sequence[Overlap], sites: Sequence[str], kind: Kind) -> xr.Dataset:
    """Return the overlaps of all sites with intervals and tests."""
    dims = ("site", "comparison")
    value = np.stack([f.value for f in found])
    reach = np.stack([f.reach for f in found])
    chance = np.stack([f.chance for f in found])
    corrected = np.stack([f.corrected for f in found])
    wide = np.stack([f.corrected_reach for f in found])
    data: dict[str, Any] = {
        "estimate": value,
        "ci_low": np.maximum(value - reach, 0.0),
        "ci_high": np.minimum(value + reach, 1.0),
        "ceiling": np.stack([f.ceiling for f in found]),
        "chance": chance,
        "corrected": corrected,
        "corrected_low": corrected - wide,
        "corrected_high": corrected + wide,
    }
    if len(found[0].null):
        null = np.stack([f.null for f in found], axis=1)
        data |= {
            "p_value": permutation_p(value, null, tail="two"),
            "p_corrected": max_statistic(value, null, tail="two"),
            "null_mean": null.mean(axis=0),
            "excess": value - null.mean(axis=0),
        }
    pairs = list(combinations(kind.labels, 2))
    out = xr.Dataset(
        {k: (dims, v) for k, v in data.items()},
        coords={
            "site": list(sites),
            "comparison": [f"{a} and {b}" for a, b in pairs],
            "first": ("comparison", [a for a, _ in pairs]),
            "second": ("comparison", [b for _, b in pairs]),
        },
    )
    out["estimate"].attrs.update(
        long_name="overlap of subspaces", units="", better="higher"
    )
    return out


def tables(
    found: Sequence[Overlap], sites: Sequence[str], kind: Kind
) -> dict[str, xr.Dataset]:
    """Return angles, the square of all overlaps, and the numbers of dimensions."""
    pairs = [f"{a} and {b}" for a, b in combinations(kind.labels, 2)]
    most = max(f.angles.shape[1] for f in found)
    angle = np.full((len(found), len(pairs), most), np.nan)
    for row, f in zip(angle, found, strict=True):
        row[:, : f.angles.shape[1]] = f.angles
    n = len(kind.labels)
    square = np.zeros((len(found), n, n))
    for matrix, f in zip(square, found, strict=True):
        rows, columns = np.triu_indices(n, k=1)
        matrix[rows, columns] = matrix[columns, rows] = f.value
        np.fill_diagonal(matrix, f.own)
    labels: Any = list(kind.labels)
    if kind.name == "times":
        labels = [float(v) for v in kind.labels]
    angles = xr.Dataset(
        {"estimate": (("site", "comparison", "direction"), angle)},
        coords={
            "site": list(sites),
            "comparison": pairs,
            "direction": np.arange(1, most + 1),
        },
    )
    angles["estimate"].attrs.update(
        long_name="principal angle", units="degrees", better="lower"
    )
    whole = xr.Dataset(
        {"estimate": (("site", "view_a", "view_b"), square)},
        coords={"site": list(sites), "view_a": labels, "view_b": labels},
        attrs={"reduction": "overlaps; on the diagonal those of two halves"},
    )
    whole["estimate"].attrs.update(long_name="overlap", units="", better="higher")
    sizes = xr.Dataset(
        {"n_dimensions": (("site", "view"), np.stack([f.dimensions for f in found]))},
        coords={"site": list(sites), "view": list(kind.labels)},
    )
    return {"angle": angles, "matrix": whole, "dimensions": sizes}


def question(kind: Kind, sites: Sequence[str]) -> str:
    """Return the question that the overlaps answer."""
    where = ", ".join(sites)
    if kind.name == "variables":
        named = " and ".join(kind.labels) if len(kind.labels) == 2 else ", ".join(kind.labels)  # fmt: skip
        return f"Are {named} coded in the same subspace at {where}?"
    on = kind.conditions.name if kind.conditions is not None else ""
    what = {"times": "over time", "windows": "across windows", "trials": "across sets of trials", "sites": "across sites"}  # fmt: skip
    return f"Is the subspace of {on} the same {what[kind.name]} at {where}?"


def summary(estimate: xr.Dataset, n_trials: int) -> str:
    """Return the overlaps in one sentence; of many only their range."""
    parts = []
    many = estimate.sizes["comparison"] > 3
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site)
        if many:
            value, top = at["estimate"].values, at["ceiling"].values
            text = f"{site}: overlaps {value.min():.2f} to {value.max():.2f}, ceilings {top.min():.2f} to {top.max():.2f}"  # fmt: skip
            if "p_corrected" in at:
                p = at["p_corrected"].values
                text += f", {int((p < 0.05).sum())} of {len(p)} apart from random subspaces (corrected)"
            parts.append(text)
            continue
        said = []
        for name in at["comparison"].values.tolist():
            cell = {k: float(v) for k, v in at.sel(comparison=name).data_vars.items()}
            text = f"{name} {cell['estimate']:.2f} [{cell['ci_low']:.2f}, {cell['ci_high']:.2f}]"
            text += f" of at most {cell['ceiling']:.2f}"
            if "null_mean" in cell:
                text += f", random {cell['null_mean']:.2f}"
                text += f" (corrected p = {cell['p_corrected']:.2g})"
            said.append(text)
        parts.append(f"{site}: {'; '.join(said)}")
    return f"Overlap of subspaces, {'; '.join(parts)} (n = {n_trials} trials)."


def methods_text(
    kind: Kind,
    found: Sequence[Overlap],
    n_splits: int,
    n_permutations: int,
    unit_name: str,
) -> str:
    """Return how the numbers were made."""
    sizes = sorted({int(d) for f in found for d in f.dimensions})
    shown = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    text = (
        f"Subspaces of {shown} dimensions of standardized units: {WORDS[kind.name]}"
        + (f" ({kind.conditions.name})" if kind.conditions is not None else "")
        + f". Overlap: mean squared cosine of the principal angles between subspaces "
        f"fitted to different random halves of the trials ({n_splits} splits); ceiling: "
        "the same of one subspace and itself (geometric mean of the two); corrected "
        "overlap: 0 at chance (dimensions over units), 1 at the ceiling. Interval "
        f"(95 %): jackknife over {unit_name}, in at most 20 groups."
    )
    if n_permutations:
        text += (
            f" Null: {len(found[0].null)} pairs of random subspaces that follow the "
            "covariance of the activity, two-sided, corrected over comparisons and sites "
            "by the maximum."
        )
    return text


def figures(kind: Kind) -> list[FigureSpec]:
    """Return the figures: overlaps by comparison, and the square of more than two."""
    specs = [
        FigureSpec(
            "points",
            x="comparison",
            group="site",
            caption="Overlap of each pair of subspaces, 95 % interval.",
            x_label="",
            y_label="overlap (1 same, 0 orthogonal)",
            reference=1.0,
            reference_label="same subspace",
            description="Dots with intervals: overlap of subspaces by comparison.",
        )
    ]
    if len(kind.labels) > 2:
        specs.insert(
            0,
            FigureSpec(
                "matrix",
                table="matrix",
                x="view_b",
                y="view_a",
                color_label="overlap",
                x_label=AXES[kind.name],
                y_label=AXES[kind.name],
                caption="Overlap of subspaces; on the diagonal, that of two halves of the "
                "trials, which is the ceiling.",
                description="Square map of the overlap of each pair of subspaces.",
            ),
        )
    return specs
