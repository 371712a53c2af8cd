"""Heterogeneity of units: how many kinds of tuning there are, noise taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError
from marr.findings import FigureSpec, Note
from marr.representation._units._data import (
    constant_note,
    filled_codes,
    unit_rows,
    variable_conditions,
)
from marr.representation._units._diversity_kernel import FLOOR, MEASURES
from marr.representation._units._heterogeneity_job import (
    HeterogeneityJob,
    run_heterogeneity,
)
from marr.stats import max_statistic, permutation_p
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["heterogeneity"]


@analysis(
    level="representation",
    citations=("leinster2012", "friedman2023", "phipson2010", "nichols2002"),
    needs="activity",
)
def heterogeneity(
    system: System,
    variable: str,
    *,
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: tuple[float, float] | None = None,
    n_splits: int = 10,
    n_null: int = 100,
    min_reliability: float = 0.1,
    seed: int = 0,
) -> Draft:
    """Count the kinds of units by how alike their tuning is, noise taken out.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    variable : str
        Column of the trial table or continuous variable whose tuning curves are
        compared.
    bins : int or sequence of float, optional
        Bins of the curves, as in `tuning`.
    sites : str or sequence of str, optional
        Sites; all by default.
    time : (float, float), optional
        Window of the activity, start included and end not.
    n_splits : int
        Random halves of the trials, whose curves are compared.
    n_null : int
        Homogeneous populations that are simulated.
    min_reliability : float
        Units whose curves correlate less than this between halves of the trials are
        left out; 0 keeps all.
    seed : int
        Seed of splits and simulations.

    Returns
    -------
    Finding
        Over (scope, measure), scopes being the sites and "all" of them: effective
        number of unit types from curves of opposite halves (see Notes), `raw` from the
        curves as they are; `null_mean`, `excess` and p-value against a homogeneous
        population of the same gains and noise; `shuffled`, the mean for shuffled labels.
        Measures: similarity-sensitive Hill numbers of order 0, 1 and 2, Vendi score,
        participation ratio of the curves. Tables: "partition" (level: alpha within
        sites, beta = gamma / alpha, gamma; measure), "similarity" (unit_a, unit_b),
        "reliability" (unit).

    Raises
    ------
    MarrError
        Unknown name, one condition, fewer than three groups of trials.

    Notes
    -----
    Noise makes alike units look different. Similarities are therefore correlations of
    curves of opposite halves of the trials, divided by the square roots of both
    reliabilities (floored at 0.05; the diagonal is 1), negative ones taken as 0 except
    for the participation ratio. Hill numbers are then nearly free of noise, the Vendi
    score is not: read its excess. Units without tuning are as similar to others as noise
    has it: those whose curves do not repeat are left out (table "reliability").

    Intervals are over trials for these units, not over units.

    References
    ----------
    Leinster and Cobbold (2012). Measuring diversity: the importance of species
    similarity.
    """
    check_count("n_splits", n_splits, minimum=1)
    check_count("n_null", n_null, minimum=1)
    if not 0 <= min_reliability < 1:
        msg = (
            f"min_reliability must be at least 0 and below 1; got {min_reliability!r}."
        )
        raise OptionError(msg)
    conditions = variable_conditions(system, variable, bins, argument="variable")
    known = conditions.codes >= 0
    rows = unit_rows(
        system, sites, time=time, known=known if conditions.timed else None
    )
    if not conditions.timed:
        rows = rows.where(known[rows.trial])
    notes = [*constant_note(rows), *_missing(known, variable)]
    rows = rows.varying()
    codes = np.asarray(rows.pick(conditions.codes), dtype=np.intp)
    n_bins = len(conditions.labels)
    if n_bins < 3 or np.bincount(codes, minlength=n_bins).min() < 2:
        msg = (
            f"variable={variable!r}: curves need at least three bins with two rows each; "
            f"got {n_bins} bins, the rarest with "
            f"{np.bincount(codes, minlength=n_bins).min()}. Choose other bins."
        )
        raise StatisticsError(msg)
    job = run_heterogeneity(
        system,
        variable,
        rows,
        codes,
        filled_codes(conditions.codes),
        n_bins,
        n_splits=n_splits,
        n_null=n_null,
        least=min_reliability,
        seed=seed,
    )
    return Draft(
        estimate=_estimate(job),
        summary=_summary,
        question=f"How many kinds of units are there by their tuning to {variable}?",
        methods=_methods(job, variable, n_splits),
        tables=_tables(job),
        figures=_figures(),
        notes=[*job.plan.notes, *notes, *_notes(job, min_reliability)],
        generalizes_over=job.plan.unit_name,
    )


def _missing(known: npt.NDArray[np.bool_], variable: str) -> list[Note]:
    if known.all():
        return []
    text = (
        f"{int((~known).sum())} values of {variable} are missing or outside: left out."
    )
    return [Note("missing_variable", text)]


def _estimate(job: HeterogeneityJob) -> xr.Dataset:
    n = [int(m.sum()) for m in job.scopes.members]
    n += [sum(n)] * (len(n) > 1)
    most = np.array(n, dtype=float)[:, None]
    null_mean = job.null.mean(axis=0)
    columns: dict[str, Any] = {
        "estimate": job.value,
        "ci_low": np.minimum(np.maximum(job.value - job.reach, 1.0), job.value),
        "ci_high": np.maximum(np.minimum(job.value + job.reach, most), job.value),
        "raw": job.raw,
        "null_mean": null_mean,
        "excess": job.value - null_mean,
        "p_value": permutation_p(job.value, job.null, tail="greater"),
        "p_corrected": max_statistic(job.value, job.null, tail="greater"),
        "shuffled": job.shuffled.mean(axis=0),
        "n_units": np.tile(most, (1, len(MEASURES))),
    }
    table = xr.Dataset(
        {k: (("scope", "measure"), v) for k, v in columns.items()},
        coords={"scope": job.scopes.names, "measure": list(MEASURES)},
    )
    table["estimate"].attrs.update(
        long_name="effective number of unit types", units="", better="higher"
    )
    return table


def _tables(job: HeterogeneityJob) -> dict[str, xr.Dataset]:
    labels = job.rows.labels
    similarity = xr.Dataset(
        {"estimate": (("unit_a", "unit_b"), job.similarity)},
        coords={"unit_a": labels, "unit_b": labels},
    )
    similarity["estimate"].attrs["long_name"] = "similarity of tuning, corrected"
    similarity.attrs["reduction"] = (
        "opposite halves, over the root of both reliabilities"
    )
    reliability = xr.Dataset(
        {"estimate": ("unit", job.reliability)}, coords={"unit": job.every_unit}
    )
    reliability["estimate"].attrs["long_name"] = (
        "correlation of the curves of two halves"
    )
    reliability.attrs["reduction"] = "mean over random halves of the trials"
    tables = {"reliability": reliability, "similarity": similarity}
    if job.parts is not None and job.parts_reach is not None:
        low, high = job.parts - job.parts_reach, job.parts + job.parts_reach
        tables["partition"] = xr.Dataset(
            {
                "estimate": (("level", "measure"), job.parts),
                "ci_low": (("level", "measure"), low),
                "ci_high": (("level", "measure"), high),
            },
            coords={"level": ["alpha", "beta", "gamma"], "measure": list(MEASURES)},
        )
        tables["partition"]["estimate"].attrs["long_name"] = "effective number"
        tables["partition"].attrs["reduction"] = "within, between and over all sites"
    return tables


def _summary(estimate: xr.Dataset) -> str:
    parts = []
    for scope in estimate["scope"].values.astype(str):
        at = estimate.sel(scope=scope, measure="hill q1")
        p = float(at["p_corrected"]) if "p_corrected" in at else np.nan
        more = "" if np.isnan(p) else f", p = {p:.2g}"
        parts.append(
            f"{scope} {float(at['estimate']):.2f} [{float(at['ci_low']):.2f}, "
            f"{float(at['ci_high']):.2f}] of {float(at['n_units']):g} units "
            f"(homogeneous {float(at['null_mean']):.2f}{more})"
        )
    return f"Effective number of unit types (Hill, q = 1): {'; '.join(parts)}."


def _methods(job: HeterogeneityJob, variable: str, n_splits: int) -> str:
    rows = "time bins" if job.rows.bins is not None else "trials"
    return (
        f"Tuning curves of {len(job.rows.labels)} units over {job.n_bins} bins of "
        f"{variable} ({len(job.rows.x)} {rows}). Similarity of two units: correlation "
        f"of curves of opposite halves of the trials (mean of {n_splits} random splits) "
        f"over the square roots of both reliabilities (floored at {FLOOR:g}), 1 with "
        "itself. Intervals: jackknife over "
        f"{min(10, len(np.unique(job.plan.units)))} groups of {job.plan.unit_name}. "
        f"P-values: {len(job.null)} homogeneous populations (one curve for all units, "
        "gain and residuals of each unit kept, residuals of whole trials or groups with "
        "random sign), one-sided, corrected by the maximum."
    )


def _figures() -> list[FigureSpec]:
    return [
        FigureSpec(
            "points",
            x="measure",
            group="scope",
            caption="Effective number of unit types by measure and site, noise taken "
            "out, 95 % interval.",
            x_label="measure",
            y_label="effective number of types",
            description="Dots with intervals: diversity by measure, one color a site.",
        ),
        FigureSpec(
            "matrix",
            table="similarity",
            x="unit_a",
            y="unit_b",
            diverging=True,
            caption="Similarity of tuning of each pair of units, noise taken out.",
            x_label="unit",
            y_label="unit",
            color_label="similarity",
            description="Matrix of similarities of tuning between units.",
        ),
    ]


def _notes(job: HeterogeneityJob, least: float) -> list[Note]:
    found = []
    lost = len(job.every_unit) - len(job.rows.labels)
    if lost:
        kept = set(job.rows.labels)
        names = [str(u) for u in job.every_unit.values if str(u) not in kept]
        shown = ", ".join(names[:5]) + (" ..." if lost > 5 else "")
        text = (
            f"{lost} of {len(job.reliability)} units have curves that do not repeat between "
            f"halves (reliability below {least:g}) and were left out: {shown}."
        )
        found.append(
            Note("unreliable_units", text, "More trials may show their tuning.")
        )
    low = int((job.reliability < FLOOR).sum())
    if low and not lost:
        text = (
            f"{low} units have reliabilities below {FLOOR:g}: similar as noise has it."
        )
        found.append(Note("floored_reliability", text, "Raise min_reliability."))
    return found
