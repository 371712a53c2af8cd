"""Joint lesions: what single lesions miss (redundancy) and count twice (synergy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr.implementation._effects_kernel import (
    bootstrap_interval_of_means,
    collapse,
    mean_losses,
    sign_flip_p,
)
from marr.implementation._members import union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marr.implementation._effects import Dependence, Losses
    from marr.implementation._engines import Engine
    from marr.implementation._members import Sweep
    from marr.measures import FittedMeasure

__all__ = ["SETS", "Redundancy", "doses_up_to", "joint_lesions"]

SETS = ("largest loss", "random", "smallest loss")
"""Which members are ablated together at a dose."""

_N_RANDOM = 5


@dataclass(frozen=True)
class Redundancy:
    """Members that no single lesion needs, but that are needed together.

    Attributes
    ----------
    n_members : int
        Size of the smallest such set that was tried.
    joint, singles : float
        Its loss together, and the sum of its members' losses alone.
    low, high : float
        Interval of the joint loss.
    n_quiet : int
        Members that are not needed one by one.
    """

    n_members: int
    joint: float
    singles: float
    low: float
    high: float
    n_quiet: int


def doses_up_to(n_members: int) -> list[int]:
    """Return 1, 2, 4, ... and all members."""
    doses = [2**k for k in range(n_members.bit_length()) if 2**k < n_members]
    return [*doses, n_members]


def joint_lesions(
    engine: Engine,
    sweep: Sweep,
    target: Losses,
    fitted: FittedMeasure,
    dependent: Dependence,
    halves: NDArray[np.int8],
    *,
    needed: NDArray[np.bool_],
    bar: float,
    n_random: int,
    n_permutations: int,
    seed: int,
) -> tuple[xr.Dataset, Redundancy | None]:
    """Ablate growing sets of members together.

    Members are ranked by their loss on the first half of the trials; joint losses are
    evaluated on the second. Random sets are drawn from all members.

    Parameters
    ----------
    engine : Engine
        Measures the system under a lesion.
    sweep, target : Sweep, Losses
        Members and their losses one by one.
    fitted : FittedMeasure
        The measure.
    dependent : Dependence
        What is resampled.
    halves : array of 0 and 1 of shape (n_trials,)
        Half of each trial.
    needed : array of bool of shape (n_members,)
        Verdict on single lesions.
    bar : float
        Loss under which a member counts as not needed.
    n_random : int
        Random sets a dose, at most five.
    n_permutations, seed : int
        For p-values and draws.

    Returns
    -------
    table : Dataset with dims (set, dose)
        `estimate`, `ci_low`, `ci_high` (over trials; for random sets their range) and
        `sum_of_singles`, what independent members would add up to.
    redundancy : Redundancy or None
        The T7 flag: null one by one, large together.
    """
    first, second = halves == 0, halves == 1
    singles = target.trials[:, second]
    labels = np.array([member.label for member in sweep.members])
    rank = np.lexsort((labels, -mean_losses(target.trials[:, first])))
    n = len(sweep.members)
    doses = doses_up_to(n)
    rng = np.random.default_rng([seed, 2])
    n_draws = min(_N_RANDOM, n_random)
    orders = [
        rank,
        rank[::-1],
        *(rng.permutation(np.argsort(labels)) for _ in range(n_draws)),
    ]
    quiet = ~needed & _quiet(
        target.trials[:, first], dependent.groups[first], bar, n_permutations
    )
    picks = [order[:k] for order in orders for k in doses if k < n]
    picks += [rank, rank[quiet[rank]] if quiet.sum() > 1 else rank]
    sets = [
        union(f"joint {i}", [sweep.members[j] for j in p]) for i, p in enumerate(picks)
    ]
    values = engine.measure(sets, label="joint lesions").values[0]
    joint = (fitted.sign * (target.intact - values))[:, second]
    groups = np.unique(dependent.groups[second], return_inverse=True)[1]
    curve = _Curves(joint, singles, picks, groups, len(doses), seed)
    table = curve.table(doses, n_draws)
    return table, _redundancy(curve, quiet, bar)


@dataclass(frozen=True)
class _Curves:
    """Losses of joint lesions: orders times doses below all; all; the quiet ones."""

    joint: NDArray[np.float64]
    singles: NDArray[np.float64]
    picks: Sequence[NDArray[np.intp]]
    groups: NDArray[np.intp]
    n_doses: int
    seed: int

    def rows(self, order: int) -> NDArray[np.intp]:
        """Return the rows of one order of members, the last being all members."""
        start = order * (self.n_doses - 1)
        everything = len(self.picks) - 2
        return np.append(np.arange(start, start + self.n_doses - 1), everything)

    def interval(self, losses: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return mean and interval of losses (rows, trials)."""
        sums, counts = collapse(losses, self.groups)
        low, high = bootstrap_interval_of_means(sums, counts, seed=self.seed)
        return mean_losses(losses), low, high

    def added(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the summed single losses of each row's members (rows, trials)."""
        return np.stack([self.singles[self.picks[r]].sum(axis=0) for r in rows])

    def table(self, doses: Sequence[int], n_draws: int) -> xr.Dataset:
        """Return the dose curves."""
        shape = (len(SETS), len(doses))
        out = {
            name: np.full(shape, np.nan)
            for name in ("estimate", "ci_low", "ci_high", "sum_of_singles")
        }
        for place, order in ((0, 0), (2, 1)):
            rows = self.rows(order)
            found = self.interval(self.joint[rows])
            for name, values in zip(out, (*found, mean_losses(self.added(rows)))):  # noqa: B905
                out[name][place] = values
        if n_draws:
            rows = np.stack([self.rows(2 + i) for i in range(n_draws)])
            means = mean_losses(self.joint)[rows]
            out["estimate"][1] = means.mean(axis=0)
            out["ci_low"][1], out["ci_high"][1] = means.min(axis=0), means.max(axis=0)
            added = [mean_losses(self.added(r)) for r in rows]
            out["sum_of_singles"][1] = np.mean(added, axis=0)
        data = xr.Dataset(
            {name: (("set", "dose"), values) for name, values in out.items()},
            coords={"set": list(SETS), "dose": list(doses)},
        )
        data.attrs["reduction"] = (
            "members ranked on the first half of the trials, losses on the second; "
            "interval of random sets: their range"
        )
        return data


def _quiet(
    losses: NDArray[np.float64],
    groups: NDArray[np.intp],
    bar: float,
    n_permutations: int,
) -> NDArray[np.bool_]:
    """Return which members are not needed one by one, judged on the first half."""
    groups = np.unique(groups, return_inverse=True)[1]
    sums, _ = collapse(losses, groups)
    _, corrected = sign_flip_p(sums, n_permutations=n_permutations, seed=0)
    means = np.nan_to_num(mean_losses(losses))
    return ~((corrected < 0.05) & (means > bar))


def _redundancy(
    curve: _Curves, quiet: NDArray[np.bool_], bar: float
) -> Redundancy | None:
    """Return the smallest set of quiet members that matters together, if any."""
    rows = np.append(curve.rows(1), len(curve.picks) - 1)
    mean, low, high = curve.interval(curve.joint[rows])
    added = curve.added(rows)
    _, excess_low, _ = curve.interval(curve.joint[rows] - added)
    for i, row in enumerate(rows):
        chosen = curve.picks[row]
        if len(chosen) < 2 or not quiet[chosen].all():
            continue
        if low[i] > 0 and excess_low[i] > 0 and mean[i] > bar:
            return Redundancy(
                n_members=len(chosen),
                joint=float(mean[i]),
                singles=float(mean_losses(added)[i]),
                low=float(low[i]),
                high=float(high[i]),
                n_quiet=int(quiet.sum()),
            )
    return None
