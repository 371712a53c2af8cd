"""Tables, figures, notes and sentences of dissimilarity matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.findings import FigureSpec
from marr.representation._rsa._geometry import DISTANCES, WHITENED
from marr.representation._rsa._rdm_noise import NOISES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.representation._plan import Plan
    from marr.representation._rsa._rdm_job import Measure, SiteRdm

__all__ = [
    "Grid",
    "figures",
    "members",
    "methods",
    "summary",
    "tables",
    "unit_words",
]


class Grid:
    """Findings of all sites (and windows), as arrays with leading axes.

    Parameters
    ----------
    found : sequence of sequence of SiteRdm
        One list a site, one member a window.
    sites : sequence of str
        Sites.
    conditions : Conditions
        Labels.
    time : DataArray or None
        Centers of windows; None without a time axis.
    n_units : sequence of int
        Units of each site, constant ones included.
    """

    def __init__(
        self,
        found: Sequence[Sequence[SiteRdm]],
        sites: Sequence[str],
        conditions: Conditions,
        time: xr.Variable | None,
        n_units: Sequence[int],
    ) -> None:
        self.found, self.sites, self.conditions = found, list(sites), conditions
        self.lead = ["site"] if time is None else ["site", "time"]
        self.n_units = n_units
        attrs: dict[str, Any] = {"long_name": conditions.name}
        if conditions.circular:
            attrs |= {"units": "rad", "circular": True}
        square = {
            d: (d, conditions.labels, attrs) for d in ("condition_a", "condition_b")
        }
        self.coords: dict[str, Any] = {"site": self.sites}
        if time is not None:
            self.coords["time"] = time
        self.square = {**square, **self.coords}

    def stack(self, values: Any) -> npt.NDArray[Any]:
        """Return one value of each matrix, with leading axes."""
        array = np.array([[values(f) for f in row] for row in self.found])
        return array if "time" in self.lead else array[:, 0]

    def estimate(self) -> xr.Dataset:
        """Return the matrices with labels."""
        dims = [*self.lead, "condition_a", "condition_b"]
        names = self.found[0][0].columns
        data = {k: (dims, self.stack(lambda f, k=k: f.columns[k])) for k in names}
        return xr.Dataset(data, coords=self.square)

    def text(self, site: int, count: Any) -> str:
        """Return a site with a count in parentheses."""
        return f"{self.sites[site]} {count}"


def members(on: str) -> str:
    """Return what the members of a column are called: "conditions", or its name."""
    return "conditions" if on == "condition" else on


def of(on: str) -> str:
    """Return "the conditions", or the conditions of a column."""
    return "the conditions" if on == "condition" else f"the conditions of {on}"


def unit_words(measure: Measure) -> str:
    """Return the units of a distance."""
    noise = measure.noise
    if measure.distance in WHITENED and noise != "identity":
        return "squared noise standard deviations a unit"
    squared = measure.distance in ("euclidean", *WHITENED)
    return "squared activity a unit" if squared else ""


def summary(estimate: xr.Dataset, on: str, distance: str) -> str:
    """Say what was found, a sentence a site."""
    n = estimate.sizes["condition_a"]
    rows, columns = np.triu_indices(n, k=1)
    parts = []
    for site in estimate["site"].values:
        at, when = estimate.sel(site=site), ""
        if "time" in at.dims:
            course = np.nanmedian(at["estimate"].values[:, rows, columns], axis=1)
            best = int(np.nanargmax(course))
            unit = at["time"].attrs.get("units", "")
            when = f" at its peak, {float(at['time'][best]):.3g}{unit and ' '}{unit}"
            at = at.isel(time=best)
        values = at["estimate"].values[rows, columns]
        text = f"{site}: median {distance} distance {np.nanmedian(values):.3g}{when}"
        if "p_corrected" in at:
            p = at["p_corrected"].values[rows, columns]
            text += (
                f", {int((p < 0.05).sum())} of {len(p)} pairs of {members(on)} apart "
                "(corrected)"
            )
        parts.append(text)
    return "; ".join(parts) + "."


def methods(
    measure: Measure,
    conditions: Conditions,
    plan: Plan | None,
    n_permutations: int,
    window: str,
) -> str:
    """Say how distances, intervals and p-values were made."""
    rows = "time bins" if conditions.timed else "trials"
    text = (
        f"Dissimilarity of {len(conditions.labels)} conditions ({conditions.name}) from "
        f"means over {rows}{window}: {DISTANCES[measure.distance]}"
    )
    if measure.distance in WHITENED:
        text += f"; {_noise_words(measure)}"
    text += "."
    if plan is None:
        return text + " There are no folds, so there is no interval and no test."
    text += (
        f" Intervals: jackknife (95 %) over {plan.n_folds} folds of whole "
        f"{plan.group_column or 'trial'}s. Reliability: rank correlation of random halves "
        "of the trials, Spearman-Brown corrected where it is above 0."
    )
    if n_permutations:
        over = "pairs and times" if window.startswith(" in") else "pairs"
        text += (
            f" P-values: {len(plan.indices)} shuffles of the conditions ({plan.scheme}), "
            f"one-sided, corrected over {over} by the permutation maximum; their mean is "
            "the floor of a distance without any difference."
        )
        if measure.fitted:
            text += " For the test, noise is what varies within folds in all."
    return text


def _noise_words(measure: Measure) -> str:
    if not isinstance(measure.noise, str):
        return "noise covariance as given"
    words = NOISES[measure.noise]
    if measure.distance == "mahalanobis":
        words = words.replace("of the other folds", "within conditions of all trials")
    if measure.noise == "folds":
        words += (
            " (intensity by Schaefer and Strimmer"
            if measure.intensity is None
            else f" (intensity {measure.intensity:g}"
        ) + "; degrees of freedom: rows less conditions and folds)"
    return words


def tables(grid: Grid) -> dict[str, xr.Dataset]:
    """Return halves, reliability, counts and the mean over pairs."""
    dims = [*grid.lead, "condition_a", "condition_b"]
    halves = np.stack([grid.stack(lambda f, h=h: f.halves[h]) for h in (0, 1)])
    codes = grid.conditions.codes
    counts = np.bincount(codes[codes >= 0], minlength=len(grid.conditions.labels))
    reliability = xr.Dataset(
        {
            "estimate": (grid.lead, grid.stack(lambda f: f.reliability)),
            "split_half": (grid.lead, grid.stack(lambda f: f.split_half)),
        },
        coords=grid.coords,
        attrs={"reduction": "rank correlation of distances of random halves of trials"},
    )
    reliability["estimate"].attrs.update(
        long_name="split-half reliability (Spearman-Brown)", units="", better="higher"
    )
    mean = grid.stack(lambda f: f.mean)
    names = ("estimate", "ci_low", "ci_high")
    course = xr.Dataset(
        {k: (grid.lead, mean[..., i]) for i, k in enumerate(names)},
        coords=grid.coords,
        attrs={"reduction": "mean over pairs of conditions"},
    )
    return {
        "half": xr.Dataset(
            {"half_estimate": (["half", *dims], halves)},
            coords={"half": [0, 1], **grid.square},
        ),
        "reliability": reliability,
        "counts": xr.Dataset(
            {"n_rows": ("condition", counts)},
            coords={"condition": grid.conditions.labels},
        ),
        "mean": course,
    }


def figures(on: str, distance: str, units: str, *, timed: bool) -> list[FigureSpec]:
    """Draw one matrix a site, or the mean distance over time."""
    label = f"{on} ({units})" if units else on
    if timed:
        return [
            FigureSpec(
                "line",
                table="mean",
                x="time",
                group="site",
                reference=0.0,
                y_label=f"mean {distance} distance",
                caption=(
                    f"Mean {distance} distance of pairs of {members(on)} over time, with 95 % "
                    "jackknife interval over folds."
                ),
                description=f"Lines of the mean distance of {on} over time, one a site.",
            )
        ]
    return [
        FigureSpec(
            "matrix",
            x="condition_b",
            y="condition_a",
            color_label=f"{distance} distance",
            caption=f"Dissimilarity of {members(on)} ({distance}), one matrix a site.",
            x_label=label,
            y_label=label,
            description=f"Square map of the {distance} distance of each pair of {on}.",
        )
    ]
