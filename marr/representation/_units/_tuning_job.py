"""One tuning analysis: what is asked, and the tables that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import special

from marr.representation._plan import Plan, make_plan
from marr.representation._targets import resolve_target
from marr.representation._units._curve_kernel import (
    bin_sums,
    circular_distance,
    first_harmonic,
    fit_bump,
    information,
    selectivity,
)
from marr.representation._units._tuning_fit import (
    Family,
    HeldOut,
    Tests,
    empirical,
    explained,
    full_curve,
    held_out,
    shuffle_tests,
)
from marr.stats import (
    bootstrap_weights,
    fdr,
    max_statistic,
    percentile_interval,
    permutation_p,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._units._tuning_design import TuningDesign
    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["TuningJob", "estimate_table", "run_job", "tuning_tables"]

N_RESAMPLES = 1000


@dataclass(frozen=True)
class TuningJob:
    """Everything that was fitted."""

    design: TuningDesign
    family: Family
    plan: Plan
    found: HeldOut
    halves: tuple[HeldOut | None, HeldOut | None]
    tests: Tests | None
    fitted: FloatArray  # (n_units, n_bins)
    correction: str
    seed: int

    @property
    def resampled(self) -> npt.NDArray[np.intp]:
        """What each row is resampled with."""
        return _resampled(self.plan, self.design)


def _resampled(plan: Plan, design: TuningDesign) -> npt.NDArray[np.intp]:
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)
    return np.asarray(units[design.rows.trial], dtype=np.intp)


def run_job(
    system: System,
    variable: str,
    design: TuningDesign,
    family: Family,
    *,
    n_folds: int,
    n_permutations: int,
    null: str,
    correction: str,
    seed: int,
) -> TuningJob:
    """Fit, score and test."""
    plan = make_plan(
        system,
        resolve_target(system, variable),
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    folds, resampled = plan.folds[design.rows.trial], _resampled(plan, design)
    found = held_out(design, family, folds, resampled)
    if found is None:
        msg = "the rows fill fewer than two folds"
        raise AssertionError(msg)
    half = system.halves[design.rows.trial]
    pair = [held_out(design, family, folds, resampled, half == h) for h in (0, 1)]
    tests = shuffle_tests(design, family, plan.indices) if len(plan.indices) else None
    return TuningJob(
        design,
        family,
        plan,
        found,
        (pair[0], pair[1]),
        tests,
        full_curve(design, family),
        correction,
        seed,
    )


def estimate_table(job: TuningJob) -> xr.Dataset:
    """Return what the variable explains of each unit, held out."""
    weights = bootstrap_weights(
        len(job.found.losses["full"]), n_resamples=N_RESAMPLES, seed=job.seed
    )
    columns = _scored(job.found.losses, "without", weights)
    if job.tests is not None:
        columns |= _p_values(job)
    return xr.Dataset(
        {k: ("unit", v) for k, v in columns.items()},
        coords={"unit": job.design.rows.units},
    )


def _scored(
    losses: dict[str, FloatArray], name: str, weights: FloatArray
) -> dict[str, FloatArray]:
    """Return the share explained and its interval, predictions as they are."""
    total = weights @ losses["mean"]
    fall = weights @ (losses[name] - losses["full"])
    drawn = np.where(total > 0, fall / np.where(total > 0, total, 1.0), 0.0)
    low, high = percentile_interval(drawn, n_units=weights.shape[1])
    value = explained(losses, name)
    return {
        "estimate": value,
        "ci_low": np.minimum(low, value),
        "ci_high": np.maximum(high, value),
    }


def _p_values(job: TuningJob) -> dict[str, FloatArray]:
    assert job.tests is not None
    tests, flat = job.tests, job.design.rows.constant
    p = permutation_p(tests.observed, tests.null, tail="greater")
    p = np.where(flat, 1.0, p)
    if job.correction == "fdr":
        corrected = fdr(p)
    else:
        corrected = max_statistic(
            np.where(flat, np.nan, tests.observed), tests.null, tail="greater"
        )
        corrected = np.where(flat, 1.0, corrected)
    return {"p_value": p, "p_corrected": corrected}


def tuning_tables(job: TuningJob, estimate: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the tables "unit", "curve" and, with nuisances, "unique"."""
    tables = {"unit": _unit_table(job, estimate)}
    tables["curve"] = _curve_table(job, tables["unit"])
    if job.design.nuisances:
        tables["unique"] = _unique_table(job)
    return tables


def _unit_table(job: TuningJob, estimate: xr.Dataset) -> xr.Dataset:
    design, found = job.design, job.found
    nothing = np.full(len(design.rows.units), np.nan)
    both = [nothing if h is None else h.explained() for h in job.halves]
    columns: dict[str, Any] = {
        "explained": 1 - _ratio(found.losses["full"], found.losses["mean"]),
        "penalty": found.penalty,
        "converged": found.converged,
        **_preferred(job),
        **_rate_columns(job),
    }
    table = estimate.assign({k: ("unit", v) for k, v in columns.items()})
    table = table.assign_coords(half=[0, 1])
    table["half_estimate"] = (("half", "unit"), np.stack(both))
    table["half_estimate"].attrs = dict(estimate["estimate"].attrs)
    table["explained"].attrs["long_name"] = "share explained by variable and nuisances"
    table.attrs["reduction"] = "none"
    return table


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    total = b.sum(axis=0)
    return np.where(total > 0, a.sum(axis=0) / np.where(total > 0, total, 1.0), 1.0)


def _preferred(job: TuningJob) -> dict[str, Any]:
    """Return preferred value and width with jackknife intervals over folds."""
    design, flat = job.design, job.design.rows.constant
    labels = design.conditions.labels
    if not design.ordered:
        best = labels[job.fitted.argmax(axis=1)]
        return {"preferred": np.where(flat, "", best.astype(str))}
    occupancy = np.bincount(design.codes, minlength=len(labels)).astype(float)
    circular = design.conditions.circular
    at = labels.astype(float)
    bump = fit_bump(job.fitted, occupancy, at, circular=circular)
    left_out = [fit_bump(c, occupancy, at, circular=circular) for c in job.found.curves]
    centers = np.stack([b.center for b in left_out])
    away = centers - bump.center
    if circular:
        away = circular_distance(centers, bump.center)
    reach = _reach(away)
    width = _reach(np.log(np.stack([b.width for b in left_out]) / bump.width))
    columns = {
        "preferred": bump.center,
        "preferred_low": bump.center - reach,
        "preferred_high": bump.center + reach,
        "width": bump.width,
        "width_low": bump.width * np.exp(-width),
        "width_high": bump.width * np.exp(width),
        "peak": bump.peak,
        "trough": bump.trough,
        "bump_r2": bump.r2,
    }
    return {k: np.where(flat, np.nan, v) for k, v in columns.items()}


def _reach(deviations: FloatArray) -> FloatArray:
    """Half width of the 95 % jackknife interval over folds."""
    k = len(deviations)
    error = np.sqrt((k - 1) * deviations.var(axis=0))
    return np.asarray(special.stdtrit(k - 1, 0.975) * error)


def _rate_columns(job: TuningJob) -> dict[str, FloatArray]:
    """Return what needs activity that is never negative: depth, information, ..."""
    design = job.design
    curves, occupancy = empirical(design.codes, design.rows.x, design)
    columns: dict[str, FloatArray] = {}
    if design.conditions.circular and _even(design):
        direction, length = first_harmonic(
            curves, design.conditions.labels.astype(float)
        )
        columns["mean_direction"] = np.where(design.rows.constant, np.nan, direction)
        if (design.rows.x >= 0).all():
            columns["vector_length"] = np.nan_to_num(length)
    if not (design.rows.x >= 0).all():
        return columns
    high, low = job.fitted.max(axis=1), np.maximum(job.fitted.min(axis=1), 0.0)
    silent = high + low <= 0
    columns["depth"] = np.where(
        silent, 0.0, (high - low) / np.where(silent, 1.0, high + low)
    )
    columns["selectivity"] = selectivity(curves)
    columns["information"] = information(curves, occupancy)
    if job.tests is not None and job.tests.information is not None:
        floor = job.tests.information.mean(axis=0)
        columns["information_null"] = floor
        columns["information_excess"] = columns["information"] - floor
    return columns


def _even(design: TuningDesign) -> bool:
    labels = design.conditions.labels.astype(float)
    n = len(labels)
    return bool(np.allclose(np.diff(labels), 2 * np.pi / n))


def _curve_table(job: TuningJob, units: xr.Dataset) -> xr.Dataset:
    """Return mean activity by bin with intervals, units in the order of what they prefer."""
    design, resampled = job.design, job.resampled
    labels, codes, y = design.conditions.labels, design.codes, design.rows.x
    n_bins, n_resampled = len(labels), int(resampled.max()) + 1
    joint = resampled * n_bins + codes
    counts = np.bincount(joint, minlength=n_resampled * n_bins).reshape(-1, n_bins)
    weights = bootstrap_weights(
        n_resampled, n_resamples=N_RESAMPLES // 2, seed=job.seed
    )
    total = weights @ counts
    curves, occupancy = empirical(codes, y, design)
    low, high = np.empty_like(curves), np.empty_like(curves)
    for u in range(y.shape[1]):
        sums = bin_sums(joint, y[:, u : u + 1], n_resampled * n_bins)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (weights @ sums.reshape(-1, n_bins)) / total
        low[u], high[u] = percentile_interval(drawn, n_units=n_resampled)
    order = np.arange(len(curves))
    if design.ordered:
        order = np.lexsort((units["preferred"].values, design.rows.sites))
    scale = np.abs(job.fitted).max(axis=1, keepdims=True)
    columns = {
        "estimate": curves,
        "ci_low": np.minimum(low, curves),
        "ci_high": np.maximum(high, curves),
        "fitted": job.fitted,
        "relative": job.fitted / np.where(scale > 0, scale, 1.0),
    }
    attrs: dict[str, Any] = {"long_name": design.conditions.name}
    if design.conditions.circular:
        attrs |= {"units": "rad", "circular": True}
    table = xr.Dataset(
        {k: (("unit", "bin"), v[order]) for k, v in columns.items()},
        coords={"unit": design.rows.units[order], "bin": ("bin", labels, attrs)},
    )
    n = np.broadcast_to(occupancy, curves.shape).copy()
    table["n"] = (("unit", "bin"), n)
    table["estimate"].attrs["long_name"] = "mean activity"
    table.attrs["reduction"] = "none"
    return table


def _unique_table(job: TuningJob) -> xr.Dataset:
    """Return what each regressor explains that the others do not."""
    losses, name = job.found.losses, job.design.conditions.name
    weights = bootstrap_weights(
        len(losses["full"]), n_resamples=N_RESAMPLES, seed=job.seed
    )
    names = {name: "without", **{k: k for k in job.design.nuisances}}
    parts = [_scored(losses, key, weights) for key in names.values()]
    table = xr.Dataset(
        {k: (("regressor", "unit"), np.stack([p[k] for p in parts])) for k in parts[0]},
        coords={"regressor": list(names), "unit": job.design.rows.units},
    )
    table["estimate"].attrs.update(long_name="share explained by it alone", units="")
    table.attrs["reduction"] = "none; loss without it minus loss with it, held out"
    return table
