"""Test a joined pair: statistic, null, interval, minimum detectable effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats as scipy_stats

from marr.errors import ContractError
from marr.links._pairs import pair_permutations
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
    nulls = [
        _nulls(joined, rows, along, (n_permutations, seed + k), ranked=ranked)
        for k, rows in enumerate(members)
    ]
    statistic = _mean_z(per_member[:, None])[0]
    drawn = [
        _mean_z(np.stack([draws[: min(map(len, kind))] for draws in kind]))
        for kind in zip(*nulls, strict=True)
    ]
    p = max(_two_sided(statistic, draws) for draws in drawn)
    detectable = (
        _detectable_over_members(per_member)
        if len(members) >= 3
        else max(map(_detectable, drawn))
    )
    if joined.shuffled is not None:
        beyond, draws = _beyond_shuffles(joined, members, ranked=ranked)
        p = max(p, _two_sided(beyond, draws, positive=statistic > 0))
        detectable = max(detectable, _detectable(draws))
    ci, interval = _interval(joined, members, per_member, seed, ranked=ranked)
    return LinkTest(
        statistic=statistic,
        ci=ci,
        p_value=p,
        minimum_detectable=detectable,
        null=_null_words(joined, along, len(members), n_permutations),
        per_member=per_member,
        interval=interval,
        over_members=len(members) >= 3,
    )


def _detectable_over_members(per_member: NDArray[np.float64]) -> float:
    """Return the mean correlation that an interval over members would tell from 0."""
    z = np.arctanh(np.clip(per_member, -_LIMIT, _LIMIT))
    n = len(z)
    reach = scipy_stats.t.ppf(0.975, n - 1) + scipy_stats.t.ppf(0.8, n - 1)
    return float(np.tanh(reach * z.std(ddof=1) / np.sqrt(n)))


def _part(
    joined: Joined, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return joined.x[:, rows], joined.y[:, rows], joined.controls[:, rows]


def _nulls(
    joined: Joined,
    rows: NDArray[np.intp],
    along: str,
    draws_and_seed: tuple[int, int],
    *,
    ranked: bool,
) -> list[NDArray[np.float64]]:
    """Return draws of the statistic of one member, for each null that it must beat.

    Members of the axis (or the units that pairs are made of) are exchanged. Surrogates
    that came with a finding are a null of their own: exchange alone does not know that
    autocorrelated units correlate by chance.
    """
    x, y, controls = _part(joined, rows)
    found = []
    if joined.nulls is not None:
        draws = joined.nulls[:, rows]
        found.append(
            np.array(
                [rank_statistic(x, d[None], controls, ranked=ranked) for d in draws]
            )
        )
    n_permutations, seed = draws_and_seed
    if along == "pair":
        orders = pair_permutations(
            joined.labels[rows].tolist(), n_permutations=n_permutations, seed=seed
        )
    else:
        scheme = "shift" if along == "time" else "within"
        orders = permutations(
            len(rows),
            n_permutations=n_permutations,
            seed=seed,
            within=None if scheme == "shift" else joined.strata[rows],
            scheme=scheme,
        )
    found.append(permuted_statistics(x, y, controls, orders, ranked=ranked))
    return [draws for draws in found if len(draws)]


def _beyond_shuffles(
    joined: Joined, members: list[NDArray[np.intp]], *, ranked: bool
) -> tuple[float, NDArray[np.float64]]:
    """Return the statistic of readouts less what shuffled labels give, and its null.

    Exchange does not know that units that follow what many follow have large patterns
    for any labels, and cost more when they are removed. What each unit gives on
    average (over the shuffles and the data, which are alike under no relation) is
    taken off, and the data compared with the shuffles.
    """
    if joined.shuffled is None:
        msg = "internal: there are no shuffled labels to compare with."
        raise ContractError(msg)
    parts = []
    for rows in members:
        x, y, controls = _part(joined, rows)
        draws = joined.shuffled[:, :, rows]
        draws = draws[np.isfinite(draws).all(axis=(1, 2))]
        every = np.concatenate([x[None], draws])
        every = every - every.mean(axis=0)
        parts.append([rank_statistic(e, y, controls, ranked=ranked) for e in every])
    shortest = min(map(len, parts))
    found = _mean_z(np.array([part[:shortest] for part in parts]))
    return float(found[0]), found[1:]


def _two_sided(
    statistic: float, draws: NDArray[np.float64], *, positive: bool | None = None
) -> float:
    """Return twice the tail on the side of the sign of the statistic (or as told).

    A null need not be centered on zero: a positive correlation that is smaller than those
    of the null is not evidence for one, nor against.
    """
    tail = "greater" if (statistic > 0 if positive is None else positive) else "less"
    return min(1.0, 2.0 * float(permutation_p(np.array(statistic), draws, tail=tail)))


def _detectable(draws: NDArray[np.float64]) -> float:
    """Return the correlation that would be found with power .8."""
    z = np.arctanh(np.clip(draws, -_LIMIT, _LIMIT))
    reach = scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(0.8)
    return float(np.tanh(abs(z.mean()) + reach * z.std()))


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


def _null_words(joined: Joined, along: str, n_members: int, n_permutations: int) -> str:
    exchange = _exchange_words(joined, along, n_members)
    others = []
    if joined.nulls is not None:
        others.append(
            f"{len(joined.nulls)} surrogates that came with the finding (each unit's "
            "activity shifted in time by itself)"
        )
    if joined.shuffled is not None:
        others.append(
            f"{len(joined.shuffled)} decodings of shuffled labels (readouts less what "
            "they give on average)"
        )
    if not others:
        return exchange
    drawn = f"{exchange} ({n_permutations} draws)"
    return f"the harder of {drawn} and {others[0]}"


def _exchange_words(joined: Joined, along: str, n_members: int) -> str:
    if along == "time":
        return "circular shift of one finding against the other"
    where = " of each member" if n_members > 1 else ""
    if along == "pair":
        return f"exchange of the units that pairs are made of{where}"
    many = len(np.unique(joined.strata)) > n_members
    return f"permutation of {along}s within {'site' if many else 'system'}{where}"
