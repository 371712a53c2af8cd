"""Numbers, words and figures of a finding on the geometry of conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import special

from marr.findings import FigureSpec
from marr.stats import binomial_interval, max_statistic, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._geometry._design import Design
    from marr.representation._geometry._geometry_job import Job, SiteGeometry
    from marr.representation._geometry._splits import Quantity, Splits
    from marr.representation._plan import Plan

__all__ = [
    "figures",
    "labelled",
    "methods_text",
    "plane_table",
    "split_table",
    "summary",
]

TAILS = {"labels": "greater", "geometry": "two"}


def labelled(
    found: Sequence[SiteGeometry],
    sites: Sequence[str],
    wanted: Sequence[Quantity],
    plan: Plan,
) -> xr.Dataset:
    """Return the quantities of all sites with intervals and tests."""
    dims = ("site", "quantity")
    value = np.stack([f.value for f in found])
    reach = np.stack([_t(plan, f) * f.spread for f in found])
    floor = np.array([-1.0 if q.measure == "parallelism" else 0.0 for q in wanted])
    low, high = value - reach, value + reach
    counted = np.array([q.measure in ("decoding", "xor", "ccgp") for q in wanted])
    low, high = _no_narrower(value, low, high, counted, len(plan.units))
    data: dict[str, Any] = {
        "estimate": (dims, value),
        "ci_low": (dims, np.maximum(low, floor)),
        "ci_high": (dims, np.minimum(high, 1.0)),
    }
    if all(len(f.null) for f in found):
        null = np.stack([f.null for f in found], axis=1)
        data |= {k: (dims, v) for k, v in _tests(value, null, wanted).items()}
        data["null_mean"] = (dims, null.mean(axis=0))
    data["ceiling"] = (dims, np.stack([f.ceiling for f in found]))
    out = xr.Dataset(
        data,
        coords={
            "site": list(sites),
            "quantity": [q.label for q in wanted],
            "measure": ("quantity", [q.measure for q in wanted]),
            "variable": ("quantity", [q.variable for q in wanted]),
        },
    )
    out["estimate"].attrs.update(
        long_name="accuracy, cosine or share", units="", better="higher"
    )
    return out


def _t(plan: Plan, found: SiteGeometry) -> float:
    dof = min(len(np.unique(plan.units)), found.n_weightings) - 1
    return float(special.stdtrit(dof, 0.975))


def _no_narrower(
    value: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    counted: npt.NDArray[np.bool_],
    n: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Widen intervals of accuracies to Wilson's: near 0 and 1 weightings do not vary."""
    least, most = binomial_interval(value[:, counted] * n, n)
    low[:, counted] = np.minimum(low[:, counted], least)
    high[:, counted] = np.maximum(high[:, counted], most)
    return low, high


def _tests(
    value: npt.NDArray[np.float64],
    null: npt.NDArray[np.float64],
    wanted: Sequence[Quantity],
) -> dict[str, npt.NDArray[np.float64]]:
    """Test each family against its null, corrected over quantities, sites, families."""
    p, corrected = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    families = {k: [i for i, q in enumerate(wanted) if q.null == k] for k in TAILS}
    n_families = sum(bool(at) for at in families.values())
    for kind, at in families.items():
        if not at:
            continue
        seen, draws = value[:, at], null[:, :, at]
        p[:, at] = permutation_p(seen, draws, tail=TAILS[kind])
        most = max_statistic(seen, draws, tail=TAILS[kind])
        corrected[:, at] = np.minimum(1.0, n_families * most)
    return {"p_value": p, "p_corrected": corrected}


def split_table(
    found: Sequence[SiteGeometry], sites: Sequence[str], splits: Splits, plan: Plan
) -> xr.Dataset:
    """Return the table of dichotomies."""
    dims = ("site", "dichotomy")
    keys = [k for k in found[0].splits if k != "spread"]
    data: dict[str, Any] = {k: (dims, np.stack([f.splits[k] for f in found])) for k in keys}  # fmt: skip
    value = data["estimate"][1]
    reach = np.stack([_t(plan, f) * f.splits["spread"] for f in found])
    low, high = _no_narrower(
        value,
        value - reach,
        value + reach,
        np.ones(value.shape[1], bool),
        len(plan.units),
    )
    data["ci_low"] = (dims, np.maximum(low, 0.0))
    data["ci_high"] = (dims, np.minimum(high, 1.0))
    data["separable"] = (dims, data["worst"][1] > 0.5)
    if all(len(f.split_null) for f in found):
        null = np.stack([f.split_null for f in found], axis=1)
        data["p_value"] = (dims, permutation_p(value, null, tail="greater"))
        data["p_corrected"] = (dims, max_statistic(value, null, tail="greater"))
    sides = ["".join("+" if s > 0 else "-" for s in row) for row in splits.signs]
    kind = ["other" if not n else "xor" if " xor " in n else "variable" for n in splits.names]  # fmt: skip
    labels = [n or side for n, side in zip(splits.names, sides, strict=True)]
    table = xr.Dataset(
        data,
        coords={
            "site": list(sites),
            "dichotomy": labels,
            "name": ("dichotomy", list(splits.names)),
            "kind": ("dichotomy", kind),
            "sides": ("dichotomy", sides),
        },
        attrs={"reduction": "none; one row a dichotomy of the conditions"},
    )
    table["estimate"].attrs.update(
        long_name="accuracy", units="", better="higher", chance=0.5
    )
    if "ccgp" in table:
        table["ccgp"].attrs.update(long_name="CCGP", units="")
    return table


def plane_table(splits: xr.Dataset) -> xr.Dataset:
    """Return accuracy against CCGP, one point a site and dichotomy, for the figure."""
    sites, labels = splits["site"].values.tolist(), splits["dichotomy"].values.tolist()
    kinds = splits["kind"].values.tolist()
    one = len(sites) == 1
    table = xr.Dataset(
        {k: ("point", splits[k].values.ravel()) for k in ("estimate", "ccgp")},
        coords={
            "point": [d if one else f"{s}: {d}" for s in sites for d in labels],
            "group": (
                "point",
                [k if one else f"{s}, {k}" for s in sites for k in kinds],
            ),
        },
        attrs={"reduction": "none; the table of dichotomies as points of a plane"},
    )
    table["estimate"].attrs.update(long_name="decoding accuracy", units="")
    table["ccgp"].attrs.update(long_name="accuracy on held-out conditions", units="")
    return table


def summary(estimate: xr.Dataset, n_trials: int, total: int) -> str:
    """Return the geometry of each site in one sentence."""
    measure = estimate["measure"].values
    names = estimate["variable"].values.tolist()
    short = estimate.sizes["site"] > 2
    parts = []
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site)
        said = [
            f"{name} {_number(at, i, short=short)}"
            for i, name in enumerate(names)
            if measure[i] == "ccgp"
        ]
        share = float(at["estimate"].values[measure == "shattering"][0])
        text = f"{site}: CCGP of {', '.join(said)}; " if said else f"{site}: "
        parts.append(f"{text}{share:.0%} of dichotomies separable")
    starred = "; * corrected p < 0.05" if short and "*" in "".join(parts) else ""
    return (
        f"{'; '.join(parts)} ({total:,} balanced dichotomies, n = {n_trials} trials"
        f"{starred})."
    )


def _number(at: xr.Dataset, i: int, *, short: bool) -> str:
    value, low, high = (float(at[k].values[i]) for k in ("estimate", "ci_low", "ci_high"))  # fmt: skip
    p = float(at["p_corrected"].values[i]) if "p_corrected" in at else np.nan
    if short:
        return f"{value:.2f}{'*' if p < 0.05 else ''}"
    tested = f" (corrected p = {p:.2g})" if np.isfinite(p) else ""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]{tested}"


def methods_text(
    job: Job, counts: npt.NDArray[np.intp], found: Sequence[SiteGeometry]
) -> str:
    """Return how the numbers were made."""
    design, splits, plan = job.design, job.splits, job.plan
    shown = f"{int(splits.counted.sum())} of {splits.total:,}" if splits.sampled else f"all {splits.total:,}"  # fmt: skip
    text = (
        f"{design.n_conditions} conditions ({design.source}; {int(counts.min())} to "
        f"{int(counts.max())} trials each) and {shown} balanced dichotomies. Linear "
        "discriminant analysis with one shrunk noise covariance (Ledoit and Wolf), equal "
        f"weight to conditions, {plan.n_folds} folds; a dichotomy is separable where "
        "held-out trials of every condition are classified above chance."
    )
    if design.names and design.n_conditions >= 4:
        held = (
            "each combination of the other variables in turn"
            if job.held_out == "contexts" and design.crossed
            else "every pair of conditions on different sides"
        )
        text += (
            f" CCGP of a variable holds out {held}, fitted and tested on trials of "
            "different folds; that of a dichotomy every such pair."
        )
    if design.crossed:
        text += (
            " Parallelism: mean cosine of the coding vectors of standardized units, one a "
            "combination of the other variables; its ceiling is the share of their squared "
            "length that is not noise."
        )
    text += (
        f" Intervals (95 %): spread over {min(f.n_weightings for f in found)} random "
        f"weightings of {plan.unit_name} (means and noise fitted anew), for accuracies no "
        "narrower than Wilson's."
    )
    if job.n_permutations:
        text += (
            f" Null of decoding and shattering: {len(plan.indices)} shuffles of the "
            f"conditions ({plan.scheme}), one-sided."
        )
        if design.names:
            text += (
                f" Null of CCGP and parallelism: {job.n_permutations} random arrangements "
                "(each condition as far from the middle as it is, in units of noise, but "
                "in a random direction, with its own noise), two-sided."
            )
        text += " Corrected over quantities and sites by the maximum."
    return text


def figures(design: Design) -> list[FigureSpec]:
    """Return the figures: quantities by site, and the dichotomies."""
    named = bool(design.names)
    specs = [
        FigureSpec(
            "points",
            x="quantity",
            group="site",
            reference=0.5,
            reference_label="chance of decoding and CCGP",
            caption="Decoding, generalization to held-out conditions (CCGP), parallelism "
            "and share of separable dichotomies, 95 % intervals."
            if named
            else "Mean decoding and share of separable dichotomies, 95 % intervals.",
            x_label="",
            y_label="accuracy, cosine or share",
            description="Dots with intervals: each quantity of each site.",
        )
    ]
    if design.n_conditions >= 4:
        specs.append(
            FigureSpec(
                "scatter",
                table="plane",
                x="estimate",
                y="ccgp",
                group="group",
                caption="Each balanced dichotomy: how well it can be decoded, and how well "
                "the decoder does on conditions that it never saw.",
                x_label="decoding accuracy",
                y_label="accuracy on held-out conditions (CCGP)",
                description="Dots: dichotomies by decoding accuracy and CCGP, colored by "
                "whether they are a variable, an exclusive-or or neither.",
            )
        )
    return specs
