"""Test a joined pair: statistic, null, interval, minimum detectable effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats as scipy_stats

from marr.links._rank_kernel import (
    bootstrap_statistics,
    permuted_statistics,
    rank_statistic,
)
from marr.stats import permutation_p, permutations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.links._join import Joined

__all__ = ["LinkTest", "correlate_along"]

N_BOOTSTRAP = 1000
_LIMIT = 0.999999


@dataclass(frozen=True)
class LinkTest:
    """Outcome of a test along one axis."""

    statistic: float
    ci: tuple[float, float]
    p_value: float
    minimum_detectable: float
    null: str
    per_member: NDArray[np.float64]
    interval: str
    over_members: bool = False


def correlate_along(
    joined: Joined,
    *,
    along: str,
    n_permutations: int,
    seed: int,
    ranked: bool = True,
) -> LinkTest:
    """Return the correlation of two findings with its null and interval.

    In a cohort the correlation is taken within each member, averaged on Fisher's z
    scale, and permuted within members.

    Parameters
    ----------
    joined : Joined
        Values of both findings.
    along : str
        Axis; decides how it may be permuted.
    n_permutations : int
        Draws of the null.
    seed : int
        Seed of null and bootstrap.
    ranked : bool
        Spearman's rank correlation; False gives Pearson's.
    """
    members = [np.flatnonzero(joined.member == m) for m in np.unique(joined.member)]
    members = [rows for rows in members if len(rows) >= 4]
    per_member = np.array(
        [rank_statistic(*_part(joined, rows), ranked=ranked) for rows in members],
        dtype=float,
    )
    null = np.stack(
        [
            _null(joined, rows, along, (n_permutations, seed + k), ranked=ranked)
            for k, rows in enumerate(members)
        ]
    )
    statistic = _mean_z(per_member[:, None])[0]
    null_mean = _mean_z(null)
    p = float(permutation_p(np.array(statistic), null_mean, tail="two"))
    spread = float(np.arctanh(np.clip(null_mean, -_LIMIT, _LIMIT)).std())
    reach = scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(0.8)
    ci, interval = _interval(joined, members, per_member, seed, ranked=ranked)
    return LinkTest(
        statistic=statistic,
        ci=ci,
        p_value=p,
        minimum_detectable=float(np.tanh(reach * spread)),
        null=_null_words(joined, along, len(members)),
        per_member=per_member,
        interval=interval,
        over_members=len(members) >= 3,
    )


def _part(
    joined: Joined, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return joined.x[:, rows], joined.y[:, rows], joined.controls[:, rows]


def _null(
    joined: Joined,
    rows: NDArray[np.intp],
    along: str,
    draws_and_seed: tuple[int, int],
    *,
    ranked: bool,
) -> NDArray[np.float64]:
    """Return draws of the statistic of one member under no relation."""
    x, y, controls = _part(joined, rows)
    if joined.nulls is not None:
        draws = joined.nulls[:, rows]
        return np.array(
            [rank_statistic(x, d[None], controls, ranked=ranked) for d in draws]
        )
    scheme = "shift" if along == "time" else "within"
    strata = None if scheme == "shift" else joined.strata[rows]
    orders = permutations(
        len(rows),
        n_permutations=draws_and_seed[0],
        seed=draws_and_seed[1],
        within=strata,
        scheme=scheme,
    )
    return permuted_statistics(x, y, controls, orders, ranked=ranked)


def _mean_z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return correlations averaged over the first axis on Fisher's z scale."""
    return np.tanh(np.arctanh(np.clip(values, -_LIMIT, _LIMIT)).mean(axis=0))


def _interval(
    joined: Joined,
    members: list[NDArray[np.intp]],
    per_member: NDArray[np.float64],
    seed: int,
    *,
    ranked: bool,
) -> tuple[tuple[float, float], str]:
    """Return an interval over members (three or more) or over the axis."""
    if len(members) >= 3:
        z = np.arctanh(np.clip(per_member, -_LIMIT, _LIMIT))
        reach = scipy_stats.t.ppf(0.975, len(z) - 1) * z.std(ddof=1) / np.sqrt(len(z))
        low, high = np.tanh([z.mean() - reach, z.mean() + reach])
        return (float(low), float(high)), f"Student's t over {len(z)} members"
    rng = np.random.default_rng(seed)
    draws = [
        bootstrap_statistics(
            *_part(joined, rows),
            rows=rng.integers(0, len(rows), (N_BOOTSTRAP, len(rows))),
            ranked=ranked,
        )
        for rows in members
    ]
    # duplicated members shrink rank correlations a little: basic interval on z
    center = np.arctanh(np.clip(_mean_z(per_member[:, None])[0], -_LIMIT, _LIMIT))
    z = np.arctanh(np.clip(_mean_z(np.stack(draws)), -_LIMIT, _LIMIT))
    reach = 1.959964 * float(z.std(ddof=1))
    low, high = np.tanh([center - reach, center + reach])
    return (float(low), float(high)), "bootstrap over the axis, normal on Fisher's z"


def _null_words(joined: Joined, along: str, n_members: int) -> str:
    if joined.nulls is not None:
        return (
            f"{len(joined.nulls)} surrogates that came with the finding (each unit's "
            "activity shifted in time by itself)"
        )
    if along == "time":
        return "circular shift of one finding against the other"
    many = len(np.unique(joined.strata)) > n_members
    inside = "site" if many else "system"
    where = f"within {inside}" + (" of each member" if n_members > 1 else "")
    return f"permutation of {along}s {where}"
