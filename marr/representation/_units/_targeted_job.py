"""Axes of variables: fitted in folds, scored on held-out trials, shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.errors import StatisticsError
from marr.representation._plan import Plan, make_plan
from marr.representation._targets import Target
from marr.representation._units._pairwise_kernel import resampled_correlations
from marr.representation._units._targeted_kernel import TargetedAxes, targeted_axes_of
from marr.representation._units._tensor import Cells, Tensor, joint_null
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["TargetedJob", "estimate_table", "run_targeted", "targeted_tables"]

N_RESAMPLES = 500


@dataclass(frozen=True)
class TargetedJob:
    """Axes, and what they tell about held-out trials."""

    tensor: Tensor
    cells: Cells
    design: FloatArray
    plan: Plan
    whole: TargetedAxes
    projected: FloatArray  # (n_trials, n_times, n_variables), held out
    at: FloatArray  # (n_trials, n_variables), at the time of the axis
    null: FloatArray  # (n_draws, n_variables)

    @property
    def names(self) -> list[str]:
        """Names of the variables."""
        return list(self.cells.names)


def run_targeted(
    system: System,
    tensor: Tensor,
    cells: Cells,
    design: FloatArray,
    n_components: int,
    n_folds: int,
    n_permutations: int,
    seed: int,
) -> TargetedJob:
    if len(design) < 2 * design.shape[1] + 8:
        msg = (
            f"{len(design)} trials are too few for {design.shape[1]} variables; use at "
            f"least {2 * design.shape[1] + 8}."
        )
        raise StatisticsError(msg)
    known = np.ones(len(design), bool)
    plan = make_plan(
        system,
        Target("the variables", "continuous", design, known),
        n_folds=n_folds,
        null=joint_null(system, design),
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    y = tensor.y
    projected, at = _held_out(y, design, cells.codes, plan.folds, n_components)
    null = [
        _partial(
            _held_out(y, design[i], cells.codes[i], plan.folds, n_components)[1],
            design[i],
        )
        for i in plan.indices
    ]
    return TargetedJob(
        tensor,
        cells,
        design,
        plan,
        targeted_axes_of(y, design, cells.codes, n_components),
        projected,
        at,
        np.array(null).reshape(-1, design.shape[1]),
    )


def _held_out(
    y: FloatArray,
    design: FloatArray,
    codes: npt.NDArray[np.intp],
    folds: npt.NDArray[np.intp],
    n_components: int,
) -> tuple[FloatArray, FloatArray]:
    """Project each trial onto the axes of the other folds; all times, and that of the axis."""
    n, t, _ = y.shape
    projected = np.empty((n, t, design.shape[1]))
    at = np.empty((n, design.shape[1]))
    for k in range(int(folds.max()) + 1):
        train, test = folds != k, folds == k
        found = targeted_axes_of(y[train], design[train], codes[train], n_components)
        projected[test] = y[test] @ found.axes.T
        for v, bin_ in enumerate(found.time):
            at[test, v] = projected[test][:, bin_, v]
    return projected, at


def _residuals(at: FloatArray, design: FloatArray, v: int) -> FloatArray:
    """Return projection and variable, the other variables regressed out of both."""
    others = np.column_stack([np.ones(len(design)), np.delete(design, v, axis=1)])
    both = np.column_stack([at[:, v], design[:, v]])
    return np.asarray(both - others @ np.linalg.lstsq(others, both, rcond=None)[0])


def _partial(at: FloatArray, design: FloatArray) -> FloatArray:
    """Return the partial correlation of each projection with its variable."""
    out = np.zeros(design.shape[1])
    for v in range(design.shape[1]):
        a, b = _residuals(at, design, v).T
        size = np.sqrt((a @ a) * (b @ b))
        out[v] = a @ b / size if size > 1e-12 else 0.0
    return out


def estimate_table(job: TargetedJob, seed: int) -> xr.Dataset:
    value = _partial(job.at, job.design)
    units = np.unique(job.plan.units, return_inverse=True)[1].reshape(-1)
    n_units = int(units.max()) + 1
    weights = bootstrap_weights(n_units, n_resamples=N_RESAMPLES, seed=seed)
    drawn = np.column_stack(
        [
            resampled_correlations(_residuals(job.at, job.design, v), units, weights)
            for v in range(len(value))
        ]
    )
    low, high = percentile_interval(drawn, n_units=n_units)
    columns: dict[str, Any] = {
        "estimate": value,
        "ci_low": np.clip(np.minimum(low, value), -1, 1),
        "ci_high": np.clip(np.maximum(high, value), -1, 1),
        "order_cosine": np.abs((job.whole.raw * job.whole.axes).sum(axis=1)),
    }
    if job.tensor.times is not None:
        columns["axis_time"] = job.tensor.times[job.whole.time].astype(float)
    if len(job.null):
        columns["p_value"] = permutation_p(value, job.null, tail="greater")
        columns["p_corrected"] = max_statistic(value, job.null, tail="greater")
        columns["null_mean"] = job.null.mean(axis=0)
    table = xr.Dataset(
        {k: ("variable", v) for k, v in columns.items()}, coords={"variable": job.names}
    )
    table["estimate"].attrs.update(
        long_name="held-out correlation along the axis",
        units="",
        better="higher",
        chance=0.0,
    )
    return table


def targeted_tables(job: TargetedJob) -> dict[str, xr.Dataset]:
    present = np.unique(job.cells.codes)
    means = np.stack(
        [job.projected[job.cells.codes == c].mean(axis=0) for c in present]
    )
    coords: dict[str, Any] = {
        "variable": job.names,
        "condition": [job.cells.labels[c] for c in present],
    }
    seen, dims = means.transpose(2, 0, 1), ["variable", "condition", "time"]
    if job.tensor.times is None:
        seen, dims = seen[..., 0], dims[:2]
    else:
        coords["time"] = ("time", job.tensor.times, {"units": job.tensor.time_unit})
    trajectory = xr.Dataset({"estimate": (dims, seen)}, coords=coords)
    trajectory["estimate"].attrs["long_name"] = "held-out activity along the axis"
    trajectory.attrs["reduction"] = "averages of trials along axes of other trials"
    angle = xr.Dataset(
        {"estimate": (("variable_a", "variable_b"), job.whole.raw @ job.whole.raw.T)},
        coords={"variable_a": job.names, "variable_b": job.names},
    )
    angle["estimate"].attrs["long_name"] = "cosine before orthogonalization"
    angle.attrs["reduction"] = "regression vectors of all trials"
    weights = xr.Dataset(
        {
            "axis": (("variable", "unit"), job.tensor.by_unit(job.whole.axes)),
            "raw": (("variable", "unit"), job.tensor.by_unit(job.whole.raw)),
        },
        coords={"variable": job.names, "unit": job.tensor.units},
    )
    weights.attrs["reduction"] = "per standard deviation of the unit"
    return {"trajectory": trajectory, "angle": angle, "weights": weights}
