"""Apply a perturbation to an array of activity, given its references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, check_known
from marr.systems._perturbations import Ablate, Patch, Perturbation, Steer

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "apply_to_array",
    "donor_trials",
    "mean_over_trials",
    "time_indices",
    "unit_indices",
]


def unit_indices(
    activity: xr.DataArray, perturbation: Perturbation
) -> NDArray[np.intp]:
    """Return the positions of the units that a perturbation acts on.

    Units are named by `unit_id` or by their label "site:unit_id".
    """
    n_units = activity.sizes["unit"]
    if perturbation.subspace is not None:
        rows = np.asarray(perturbation.subspace).shape[0]
        if rows != n_units:
            msg = (
                f"subspace must have one row a unit of {perturbation.site!r} "
                f"({n_units}); got {rows} rows."
            )
            raise ContractError(msg)
    if isinstance(perturbation, Steer) and len(np.asarray(perturbation.direction)) != (
        n_units
    ):
        msg = (
            f"direction must have one value a unit of {perturbation.site!r} "
            f"({n_units}); got {len(np.asarray(perturbation.direction))}."
        )
        raise ContractError(msg)
    if perturbation.units is None:
        return np.arange(n_units)
    labels = {str(u): i for i, u in enumerate(activity["unit"].values)}
    ids = {str(u): i for i, u in enumerate(activity["unit_id"].values)}
    found = []
    for unit in perturbation.units:
        name = str(unit)
        if name not in ids and name not in labels:
            check_known("units", name, ids, what=f"unit of site {perturbation.site!r}")
        found.append(ids[name] if name in ids else labels[name])
    return np.asarray(found, dtype=np.intp)


def time_indices(
    activity: xr.DataArray, perturbation: Perturbation
) -> NDArray[np.intp]:
    """Return the positions of the times that a perturbation acts on."""
    if "time" not in activity.dims:
        if perturbation.time is not None:
            msg = (
                f"time was given but site {perturbation.site!r} has no time axis; "
                "leave time out."
            )
            raise ContractError(msg)
        return np.zeros(1, dtype=np.intp)
    times = np.asarray(activity["time"].values)
    asked = perturbation.time
    if asked is None:
        return np.arange(len(times))
    ends = [asked.start, asked.stop] if isinstance(asked, slice) else [asked]
    if any(np.asarray(e).dtype.kind not in "fiu" for e in ends if e is not None):
        msg = (
            f"time must be numbers, or slice(start, stop) of numbers; got {asked!r:.60}. "
            f"Times of site {perturbation.site!r} run from {times[0]} to {times[-1]}."
        )
        raise ContractError(msg)
    if isinstance(asked, slice):
        low = -np.inf if asked.start is None else asked.start
        high = np.inf if asked.stop is None else asked.stop
        found = np.flatnonzero((times >= low) & (times <= high))
    else:
        wanted = np.atleast_1d(np.asarray(asked))
        tolerance = 1e-9 * max(1.0, float(np.abs(times).max(initial=0)))
        near = np.abs(times[None, :] - wanted[:, None]) <= tolerance
        if not near.any(axis=1).all():
            missing = wanted[~near.any(axis=1)].tolist()
            msg = (
                f"time: no coordinate {missing} at site {perturbation.site!r}; times "
                f"run from {times[0]} to {times[-1]}. Use slice(start, stop) for a range."
            )
            raise ContractError(msg)
        found = np.flatnonzero(near.any(axis=0))
    if len(found) == 0:
        msg = (
            f"time {asked!r} selects nothing at site {perturbation.site!r}; "
            f"times run from {times[0]} to {times[-1]}."
        )
        raise ContractError(msg)
    return found


def mean_over_trials(
    activity: NDArray[Any], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the mean over trials at each time, of shape (time, unit) or (unit,).

    Times at which no trial is valid get the mean over all valid times.
    """
    values = np.asarray(activity, dtype=float)
    if valid is None or values.ndim == 2:
        return values.mean(axis=0)
    weight = valid[..., None].astype(float)
    count = weight.sum(axis=0)
    total = np.where(weight > 0, values, 0.0).sum(axis=0)
    overall = total.sum(axis=0) / max(float(count.sum()), 1.0)
    return np.where(count > 0, total / np.maximum(count, 1.0), overall)


def donor_trials(trials: pd.DataFrame, seed: int) -> pd.Series:
    """Return for each trial the label of another trial, of the same condition if known.

    A trial that is alone in its condition is its own donor.
    """
    rng = np.random.default_rng(seed)
    groups = (
        trials["condition"].to_numpy()
        if "condition" in trials
        else np.zeros(len(trials), dtype=int)
    )
    donors = trials.index.to_numpy().copy()
    codes, _ = pd.factorize(groups, use_na_sentinel=False)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        order = rng.permutation(members)
        donors[order] = trials.index.to_numpy()[np.roll(order, 1)]
    return pd.Series(donors, index=trials.index)


def apply_to_array(
    perturbation: Perturbation,
    activity: NDArray[Any],
    *,
    units: NDArray[np.intp],
    times: NDArray[np.intp] | None,
    reference: NDArray[Any] | None,
) -> NDArray[np.float64]:
    """Return activity after a perturbation.

    Parameters
    ----------
    perturbation : Perturbation
        What to do.
    activity : array of shape (n_trials, n_times, n_units) or (n_trials, n_units)
        Activity before.
    units, times : arrays of int
        Positions to act on; `times` is None where there is no time axis.
    reference : array that broadcasts to `activity`, or None
        Replacement values ("mean": means; "resample" and Patch: other trials).

    Returns
    -------
    array of the shape of `activity`, float64
    """
    before = np.asarray(activity, dtype=float)
    after = before.copy()
    if isinstance(perturbation, Steer):
        amount = np.asarray(perturbation.amount, dtype=float)
        amount = amount.reshape(amount.shape + (1,) * (before.ndim - amount.ndim))
        target = before + amount * np.asarray(perturbation.direction)
    elif isinstance(perturbation, Ablate) and perturbation.mode == "zero":
        target = np.zeros_like(before)
    elif isinstance(perturbation, (Ablate, Patch)):
        if reference is None:
            msg = f"internal: {perturbation!r} was applied without its reference."
            raise ContractError(msg)
        target = np.broadcast_to(np.asarray(reference, dtype=float), before.shape)
    else:
        msg = f"internal: cannot apply a {type(perturbation).__name__}."
        raise ContractError(msg)
    if perturbation.subspace is not None:
        basis = np.asarray(perturbation.subspace)
        target = before + (target - before) @ basis @ basis.T
    where = np.zeros(before.shape[1:], dtype=bool)
    if times is None or before.ndim == 2:
        where[units] = True
    else:
        where[np.ix_(times, units)] = True
    after[:, where] = target[:, where]
    return after
