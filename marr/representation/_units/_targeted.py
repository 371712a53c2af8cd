"""Targeted dimensionality reduction: an axis for each variable that is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError
from marr.findings import FigureSpec, Note
from marr.representation._units._coding import variable_names
from marr.representation._units._targeted_job import (
    TargetedJob,
    estimate_table,
    run_targeted,
    targeted_tables,
)
from marr.representation._units._tensor import make_cells, trial_tensor
from marr.stats._checks import check_count
from marr.systems import is_circular, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["targeted_axes"]


@analysis(
    level="representation",
    citations=("mante2013", "phipson2010", "nichols2002"),
    needs="activity",
)
def targeted_axes(
    system: System,
    *,
    variables: str | Sequence[str],
    sites: str | Sequence[str] | None = None,
    time: tuple[float, float] | None = None,
    n_components: int = 12,
    n_folds: int = 5,
    n_permutations: int = 200,
    seed: int = 0,
) -> Draft:
    """Find one axis of activity for each variable (targeted dimensionality reduction).

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    variables : str or sequence of str
        Columns of the trial table that hold numbers or two classes. Their order is that
        of the orthogonalization: the first axis stays as it is.
    sites : str or sequence of str, optional
        Sites whose units are taken together; all by default.
    time : (float, float), optional
        Window of the activity, start included and end not.
    n_components : int
        Principal components of the condition averages onto which regression vectors are
        projected.
    n_folds : int
        Number of folds.
    n_permutations : int
        Shuffles of the variables over trials; 0 makes no test.
    seed : int
        Seed of folds, shuffles and resamples.

    Returns
    -------
    Finding
        Over variable: partial correlation of held-out activity along its axis with the
        variable, others held constant. `order_cosine` is the cosine of the axis with
        what it would be if it came first; `axis_time` the time it was taken from.
        Tables: "trajectory" (variable, condition, time: held-out averages along each
        axis), "angle" (cosines between regression vectors before orthogonalization),
        "weights" (variable, unit).

    Raises
    ------
    MarrError
        Unknown name, a variable of more than two classes, an angle, too few trials.

    Notes
    -----
    Axes after the first depend on the order of the variables: see `order_cosine`; where
    it is small, the variable shares its axis with an earlier one. `axis_time` is where
    the regression vector is longest, not an onset.

    References
    ----------
    Mante et al. (2013). Context-dependent computation by recurrent dynamics in
    prefrontal cortex.
    """
    names = variable_names(system, variables, 1)
    check_count("n_components", n_components, minimum=1)
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    design = np.column_stack([_column(system, n) for n in names])
    cells, keep = make_cells(system, names, None, least=0)
    tensor = trial_tensor(system, sites, time, keep)
    if not keep.all():
        system, design = system.select(keep), design[keep]
    job = run_targeted(
        system, tensor, cells, design, n_components, n_folds, n_permutations, seed
    )
    return Draft(
        estimate=estimate_table(job, seed),
        summary=_summary,
        question=f"Along which axes of {tensor.places} do {' and '.join(names)} vary?",
        methods=_methods(job, n_components),
        tables=targeted_tables(job),
        figures=_figures(job),
        notes=[*job.plan.notes, *tensor.notes, *_notes(job)],
        generalizes_over=job.plan.unit_name,
        parameters={"null": job.plan.scheme},
    )


def _column(system: System, name: str) -> FloatArray:
    """Return a variable as one standardized column."""
    array = target_values(system, name, argument="variables")
    raw = array.values
    if raw.ndim == 2 or is_circular(array):
        what = "changes within trials" if raw.ndim == 2 else "is an angle"
        msg = (
            f"variables: {name!r} {what}; an axis needs numbers or two classes, one value "
            "a trial. Give cosine and sine (or its value at one time) as columns."
        )
        raise OptionError(msg)
    if raw.dtype.kind in "fiu":
        column = raw.astype(float)
        if not np.isfinite(column).all():
            msg = (
                f"variables: {name!r} has values that are not finite. Drop these trials: "
                f"system.select(system.trials[{name!r}].notna())."
            )
            raise StatisticsError(msg)
    else:
        classes = sorted({str(v) for v in raw.tolist()})
        if len(classes) > 2:
            msg = (
                f"variables: {name!r} has {len(classes)} classes; an axis needs numbers or "
                "two classes. Code the others as columns of their own, or use demix."
            )
            raise OptionError(msg)
        column = np.array([float(str(v) == classes[-1]) for v in raw.tolist()])
    spread = column.std()
    if spread == 0:
        msg = f"variables: {name!r} is constant; there is no axis. Choose one that varies."
        raise StatisticsError(msg)
    return np.asarray((column - column.mean()) / spread)


def _summary(estimate: xr.Dataset) -> str:
    parts = [
        f"{name} r = {float(row['estimate']):.2f} [{float(row['ci_low']):.2f}, "
        f"{float(row['ci_high']):.2f}]"
        for name, row in (
            (str(n), estimate.sel(variable=n)) for n in estimate["variable"].values
        )
    ]
    text = f"Held-out activity along the axes: {', '.join(parts)}"
    if "p_corrected" not in estimate:
        return f"{text}; no test was made."
    p = estimate["p_corrected"].values
    good = estimate["variable"].values[p < 0.05].astype(str).tolist()
    return f"{text}; above shuffles (corrected p < 0.05): {', '.join(good) or 'none'}."


def _methods(job: TargetedJob, n_components: int) -> str:
    n, t, u = job.tensor.y.shape
    what = f"{u} units" + (" (components)" if job.tensor.basis is not None else "")
    text = (
        f"Each of {what} was regressed on {', '.join(job.names)} in {n} trials"
        f"{f' at each of {t} time bins' if t > 1 else ''}; regression vectors were "
        f"projected onto the {min(n_components, u)} leading principal components of the "
        "condition averages, taken at the time of greatest length, and orthogonalized in "
        "this order. Scores are partial correlations in trials of folds that the axes "
        f"were not fitted to ({job.plan.n_folds} folds). Interval: percentile bootstrap "
        f"(95 %) over {job.plan.unit_name}."
    )
    if len(job.null):
        text += (
            f" P-values: {len(job.null)} shuffles of all variables over trials "
            f"({job.plan.scheme}), everything fitted anew, one-sided, corrected by the "
            "permutation maximum."
        )
    return text


def _figures(job: TargetedJob) -> list[FigureSpec]:
    found = [
        FigureSpec(
            "points",
            x="variable",
            reference=0.0,
            reference_label="none",
            caption="Correlation of held-out activity along each axis with its variable, "
            "95 % interval.",
            x_label="variable",
            y_label="partial correlation",
            description="Dots with intervals: one correlation a variable.",
        )
    ]
    if job.tensor.times is not None and len(job.tensor.times) > 1:
        unit = job.tensor.time_unit
        found.append(
            FigureSpec(
                "line",
                table="trajectory",
                x="time",
                group="condition",
                caption="Condition averages of held-out trials along each axis.",
                x_label=f"time ({unit})" if unit else "time",
                y_label="activity along the axis",
                description="Lines over time, one a condition, one panel an axis.",
            )
        )
    return found


def _notes(job: TargetedJob) -> list[Note]:
    cosine = np.abs((job.whole.raw * job.whole.axes).sum(axis=1))
    turned = [n for n, c in zip(job.names, cosine, strict=True) if c < 0.8]
    if not turned:
        return []
    text = (
        f"The axis of {', '.join(turned)} was turned far from its regression vector by "
        "the variables before it."
    )
    return [Note("order_matters", text, "Try another order; compare order_cosine.")]
