"""From values under ablation to losses with interval, p-value, random sets, verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.implementation._effects_kernel import (
    bootstrap_interval_of_means,
    collapse,
    mean_losses,
    sign_flip_floor,
    sign_flip_p,
)
from marr.implementation._members import (
    Member,
    Sweep,
    random_directions,
    random_sets,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marr.implementation._engines import Engine
    from marr.measures import FittedMeasure
    from marr.systems import System

__all__ = [
    "Dependence",
    "Losses",
    "RandomSets",
    "dependence",
    "estimate_of",
    "half_table",
    "losses_of",
    "random_losses",
]

N_RESAMPLES = 2000
MIN_GROUPS = 6
"""Fewest groups to resample: with five, no two-sided sign-flip p is below .05."""
ALPHA = 0.05


@dataclass(frozen=True)
class Dependence:
    """What is resampled and flipped together.

    Attributes
    ----------
    groups : array of int of shape (n_trials,)
        Unit of dependence of each trial.
    noun : str
        Its name in the plural ("trials", "sessions").
    n : int
        How many there are.
    ignored : str
        Name of a group column that has too few groups to resample, or "".
    """

    groups: NDArray[np.intp]
    noun: str
    n: int
    ignored: str = ""


@dataclass(frozen=True)
class Losses:
    """Losses of one measure: sign * (intact - ablated), (n_members, n_trials)."""

    trials: NDArray[np.float64]
    inert: NDArray[np.bool_]
    intact: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean loss of each member."""
        return mean_losses(self.trials)


@dataclass(frozen=True)
class RandomSets:
    """Mean losses of matched random sets, one array a member (empty where none)."""

    losses: list[NDArray[np.float64]]
    kind: str = "none"
    n_run: int = 0
    drawn: dict[str, Any] = field(default_factory=dict)


def dependence(system: System) -> Dependence:
    """Return the unit of dependence: groups of trials if there are enough, else trials."""
    n_trials = len(system.trial_index)
    column, codes = system.group_column, system.groups()
    if column is None or codes is None:
        return Dependence(np.arange(n_trials), "trials", n_trials)
    n_groups = len(np.unique(codes))
    if n_groups < MIN_GROUPS:
        return Dependence(np.arange(n_trials), "trials", n_trials, column)
    codes = np.asarray(pd.factorize(codes)[0], dtype=np.intp)
    return Dependence(codes, f"{column}s", n_groups)


def losses_of(
    engine: Engine,
    members: Sequence[Member],
    fitted: Sequence[FittedMeasure],
    intact: Sequence[NDArray[np.float64]],
    *,
    label: str,
) -> list[Losses]:
    """Return the losses of each measure under the ablation of each member."""
    found = engine.measure(members, label=label)
    return [
        Losses(
            _without_rounding(one.sign * (before - after), before), found.inert, before
        )
        for one, before, after in zip(fitted, intact, found.values, strict=True)
    ]


def _without_rounding(
    losses: NDArray[np.float64], intact: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Set to 0 what is rounding: a t statistic would blow it up."""
    scale = float(np.nanmax(np.abs(intact), initial=0.0))
    losses[np.abs(losses) <= 1e-12 * scale] = 0.0
    return losses


def random_losses(
    engine: Engine,
    sweep: Sweep,
    fitted: FittedMeasure,
    intact: NDArray[np.float64],
    *,
    n_random: int,
    seed: int,
) -> RandomSets:
    """Return mean losses of random sets that match each member in size and place.

    For single units: random directions, shared by all units. For larger members: random
    sets of other units, shared by members of a partition that agree in site and size.
    """
    none = RandomSets([np.zeros(0)] * len(sweep.members))
    if n_random == 0:
        return none
    rng = np.random.default_rng([seed, 1])
    keys, drawn = [], {}
    for member in sweep.members:
        key = _key(sweep, member)
        keys.append(key)
        if key in drawn:
            continue
        if sweep.axis == "unit":
            drawn[key] = random_directions(sweep, n_random, rng)
        else:
            drawn[key] = random_sets(sweep, member, n_random, rng)
    every = [m for members in drawn.values() for m in members]
    if not every:
        return none
    found = engine.measure(every, label="random sets")
    means = mean_losses(fitted.sign * (intact - found.values[0]))
    ends = np.cumsum([len(m) for m in drawn.values()])
    parts = dict(zip(drawn, np.split(means, ends[:-1]), strict=True))
    kind = "random directions" if sweep.axis == "unit" else "random sets of other units"
    return RandomSets([parts[key] for key in keys], kind, len(every))


def _key(sweep: Sweep, member: Member) -> Any:
    if sweep.axis == "unit":
        return "directions"
    if sweep.partition:
        return tuple((site, len(units)) for site, units in member.units.items())
    return member.label


def estimate_of(
    sweep: Sweep,
    target: Losses,
    random: RandomSets,
    dependent: Dependence,
    *,
    margin: float | None,
    n_permutations: int,
    seed: int,
) -> xr.Dataset:
    """Return the labelled losses of the members, with interval, p and verdict."""
    sums, counts = collapse(target.trials, dependent.groups)
    low, high = bootstrap_interval_of_means(
        sums, counts, n_resamples=N_RESAMPLES, seed=seed
    )
    p_value, p_corrected = sign_flip_p(sums, n_permutations=n_permutations, seed=seed)
    mean = target.mean
    spread = np.array(
        [_random_row(r, m) for r, m in zip(random.losses, mean, strict=True)]
    )
    bar = np.full(len(mean), margin) if margin is not None else spread[:, 2]
    bar = np.maximum(np.where(np.isnan(bar), 0.0, bar), 0.0)
    needed = (p_corrected < ALPHA) & (mean > bar)
    columns = {
        "estimate": mean,
        "ci_low": low,
        "ci_high": high,
        "p_value": p_value,
        "p_corrected": p_corrected,
        "random_mean": spread[:, 0],
        "random_low": spread[:, 1],
        "random_high": spread[:, 2],
        "p_random": spread[:, 3],
        "inert": target.inert,
        "needed": needed.astype(float),
        "n_trials": np.isfinite(target.trials).sum(axis=1),
    }
    axis = sweep.axis
    labels = np.array([m.label for m in sweep.members])
    coords = {axis: (axis, labels)} | {
        k: (axis, np.array(v)) for k, v in sweep.coords.items() if k != axis
    }
    data = xr.Dataset({k: (axis, v) for k, v in columns.items()}, coords=coords)
    data["intact"] = xr.DataArray(float(np.nanmean(target.intact)))
    floor = sign_flip_floor(dependent.n, n_permutations)
    data.attrs = {
        "p_floor": floor,
        "n_resampled": dependent.n,
        "resampled": dependent.noun,
        "random": random.kind,
    }
    return data


def _random_row(losses: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Return mean, 5 % and 95 % quantile of random losses, and the rank of a loss."""
    if not len(losses) or np.isnan(losses).all():
        return np.full(4, np.nan)
    low, high = np.nanquantile(losses, [0.05, 0.95])
    slack = 1e-12 * max(1.0, float(np.nanmax(np.abs(losses))))
    p = (1.0 + float((losses >= mean - slack).sum())) / (1.0 + len(losses))
    return np.array([np.nanmean(losses), low, high, p])


def add_off_target(
    data: xr.Dataset,
    axis: str,
    target: Losses,
    off: Losses,
    dependent: Dependence,
    *,
    same_units: bool,
    seed: int,
) -> xr.Dataset:
    """Add the off-target loss, and how much larger the loss of the target is.

    `selectivity` is target minus off-target loss on one scale: as they are if both
    measures have the same unit, else each over its standard deviation across intact
    trials.
    """
    sums, counts = collapse(off.trials, dependent.groups)
    low, high = bootstrap_interval_of_means(
        sums, counts, n_resamples=N_RESAMPLES, seed=seed
    )
    scales = np.ones(2)
    if not same_units:
        scales = np.array([np.nanstd(target.intact), np.nanstd(off.intact)])
        scales = np.where(scales > 0, scales, np.nan)
    means = np.stack([target.mean / scales[0], off.mean / scales[1]])
    out = data.assign(
        off_target=(axis, off.mean),
        off_target_low=(axis, low),
        off_target_high=(axis, high),
        selectivity=(axis, means[0] - means[1]),
    )
    out["off_target_intact"] = xr.DataArray(float(np.nanmean(off.intact)))
    out["selectivity"].attrs["units"] = "as measured" if same_units else "intact SD"
    return out


def half_table(
    data: xr.Dataset,
    axis: str,
    target: Losses,
    off: Losses | None,
    halves: NDArray[np.int8],
) -> xr.Dataset:
    """Return the estimate with the same losses on two disjoint halves of the trials."""
    out = data.assign_coords(half=[0, 1])
    for name, losses in (("half_estimate", target), ("half_off_target", off)):
        if losses is not None:
            rows = [mean_losses(losses.trials[:, halves == h]) for h in (0, 1)]
            out[name] = (("half", axis), np.stack(rows))
    out["half_estimate"].attrs = dict(data["estimate"].attrs)
    out.attrs["reduction"] = "none"
    return out
