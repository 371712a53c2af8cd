"""What is ablated: units, sites, heads or groups, and random sets to match them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, check_known
from marr.systems import Ablate, System, site_list

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Member", "Sweep", "random_directions", "random_sets", "sweep_over", "union"]


@dataclass(frozen=True, eq=False)
class Member:
    """One thing to ablate.

    Attributes
    ----------
    label : str
        Its label on the axis of the finding.
    units : dict of str to tuple of str
        Labels ("site:unit_id") of its units by site.
    subspace : array of shape (n_units of the site, k) or None
        A subspace of the one site in `units` instead of units.
    """

    label: str
    units: dict[str, tuple[str, ...]]
    subspace: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        """Number of units, or dimensions of the subspace."""
        if self.subspace is not None:
            return int(self.subspace.shape[1])
        return sum(map(len, self.units.values()))

    def perturbations(self, mode: str, seed: int) -> tuple[Ablate, ...]:
        """Return one ablation a site."""
        if self.subspace is not None:
            (site,) = self.units
            return (Ablate(site, subspace=self.subspace, mode=mode, seed=seed),)
        return tuple(
            Ablate(site, units=list(units), mode=mode, seed=seed)
            for site, units in self.units.items()
        )


@dataclass(frozen=True, eq=False)
class Sweep:
    """Members along one axis, and the units they were drawn from.

    Attributes
    ----------
    axis : str
        "unit", "site", "group" or the name of a unit coordinate.
    members : list of Member
        What is ablated, one by one.
    pool : dict of str to tuple of str
        Labels of all units at each site in question.
    coords : dict of str to list
        Further labels of the members.
    partition : bool
        Members are made by a coordinate, so that many are of one size.
    """

    axis: str
    members: list[Member]
    pool: dict[str, tuple[str, ...]]
    coords: dict[str, list[Any]] = field(default_factory=dict)
    partition: bool = False


def sweep_over(
    system: System, over: Any, sites: str | Sequence[str] | None = None
) -> Sweep:
    """Return what to ablate.

    Parameters
    ----------
    system : System
        Where units are looked up.
    over : str or mapping
        "unit", "site", a unit coordinate ("head", "cell_type"), or named groups:
        {name: {site: units}} or {name: units}.
    sites : str or sequence of str, optional
        Restrict to these sites.
    """
    names = site_list(system, sites)
    tables = {site: system.unit_table(site) for site in names}
    pool = {site: tuple(map(str, table.index)) for site, table in tables.items()}
    if isinstance(over, Mapping):
        members = [_group(str(k), v, pool, tables) for k, v in over.items()]
        if not members:
            msg = "over: no groups given; got an empty mapping."
            raise OptionError(msg)
        return Sweep("group", members, pool, _sizes(members))
    if not isinstance(over, str):
        msg = (
            "over must be 'unit', 'site', a unit coordinate such as 'head', or a mapping "
            f"of group name to {{site: units}}; got {over!r}."
        )
        raise OptionError(msg)
    if over == "unit":
        return _units(tables, pool)
    if over == "site":
        members = [Member(site, {site: units}) for site, units in pool.items()]
        return Sweep("site", members, pool, _sizes(members))
    return _coordinate(over, tables, pool)


def _units(tables: dict[str, pd.DataFrame], pool: dict[str, tuple[str, ...]]) -> Sweep:
    members = [Member(u, {site: (u,)}) for site, units in pool.items() for u in units]
    table = pd.concat(tables.values())
    coords = {
        str(name): table[name].tolist()
        for name in table.columns
        if table[name].notna().all()
    }
    return Sweep("unit", members, pool, coords)


def _coordinate(
    over: str, tables: dict[str, pd.DataFrame], pool: dict[str, tuple[str, ...]]
) -> Sweep:
    columns = [str(c) for t in tables.values() for c in t.columns if c != "unit_id"]
    known = dict.fromkeys(["unit", "site", *columns])
    check_known("over", over, known, what="unit coordinate")
    members = []
    for site, table in tables.items():
        if over not in table.columns:
            continue
        for value, part in table[table[over].notna()].groupby(over, sort=False):
            members.append(
                Member(f"{site}:{value}", {site: tuple(map(str, part.index))})
            )
    coords = _sizes(members)
    return Sweep(over, members, pool, coords, partition=True)


def _sizes(members: Sequence[Member]) -> dict[str, list[Any]]:
    return {
        "n_units": [m.size for m in members],
        "sites": [", ".join(m.units) for m in members],
    }


def _group(
    name: str,
    units: Any,
    pool: dict[str, tuple[str, ...]],
    tables: dict[str, pd.DataFrame],
) -> Member:
    """Return a named group, its units looked up by label or, in one site, by id."""
    if isinstance(units, str) or not isinstance(units, (Mapping, Sequence, np.ndarray)):
        msg = (
            f"over[{name!r}] must be {{site: units}} or a list of unit labels; "
            f"got {units!r}."
        )
        raise OptionError(msg)
    if isinstance(units, Mapping):
        for site in units:
            check_known(f"over[{name!r}]", site, pool, what="site")
        found = {str(s): _labels(name, v, tables[s]) for s, v in units.items()}
    elif len(pool) == 1:
        (site,) = pool
        found = {site: _labels(name, units, tables[site])}
    else:
        found = {}
        where = {u: site for site, labels in pool.items() for u in labels}
        for unit in units:
            check_known(f"over[{name!r}]", str(unit), where, what="unit label")
            found.setdefault(where[str(unit)], []).append(str(unit))
    kept = {
        site: tuple(dict.fromkeys(labels)) for site, labels in found.items() if labels
    }
    if not kept:
        msg = f"over[{name!r}] holds no unit; leave it out or name its units."
        raise OptionError(msg)
    return Member(name, kept)


def _labels(name: str, units: Any, table: pd.DataFrame) -> list[str]:
    ids = {str(u): str(label) for label, u in table["unit_id"].items()}
    labels = set(ids.values())
    out = []
    for unit in units:
        if str(unit) not in labels:
            check_known(f"over[{name!r}]", str(unit), ids, what="unit")
        out.append(str(unit) if str(unit) in labels else ids[str(unit)])
    return out


def union(label: str, members: Sequence[Member]) -> Member:
    """Return all units of several members as one."""
    units: dict[str, dict[str, None]] = {}
    for member in members:
        if member.subspace is not None:
            msg = "internal: subspaces have no union."
            raise ContractError(msg)
        for site, labels in member.units.items():
            units.setdefault(site, {}).update(dict.fromkeys(labels))
    return Member(label, {site: tuple(labels) for site, labels in units.items()})


def random_directions(sweep: Sweep, n: int, rng: np.random.Generator) -> list[Member]:
    """Return random unit-norm directions (one dimension, as one unit is).

    Sites are drawn in proportion to their units, so that a direction is an arbitrary part
    of the system of the size of a unit. Sites with a single unit have none.
    """
    sites = sorted(site for site, units in sweep.pool.items() if len(units) > 1)
    sizes = {site: len(sweep.pool[site]) for site in sites}
    if not sizes:
        return []
    share = np.array(list(sizes.values())) / sum(sizes.values())
    drawn = []
    for i, which in enumerate(rng.choice(len(sizes), size=n, p=share)):
        site = list(sizes)[which]
        direction = np.empty((sizes[site], 1))
        direction[np.argsort(sweep.pool[site])] = rng.normal(size=(sizes[site], 1))
        drawn.append(
            Member(f"random {i}", {site: sweep.pool[site]}, subspace=direction)
        )
    return drawn


def random_sets(
    sweep: Sweep, member: Member, n: int, rng: np.random.Generator
) -> list[Member]:
    """Return random sets with as many units as a member has, outside it.

    Units come from the member's own sites; for a whole site, from the other sites; for a
    member of a partition, from the whole site, so that members of one size share them.
    Empty when there are too few other units.
    """
    if sweep.axis == "site":
        own = set(member.units)
        others = sorted(
            (s, u) for s, us in sweep.pool.items() if s not in own for u in us
        )
        if len(others) <= member.size:
            return []
        picks = [rng.choice(len(others), member.size, replace=False) for _ in range(n)]
        return [_picked(i, [others[k] for k in p]) for i, p in enumerate(picks)]
    drawn: list[list[tuple[str, str]]] = [[] for _ in range(n)]
    for site, units in member.units.items():
        inside = set() if sweep.partition else set(units)
        others = [(site, u) for u in sorted(sweep.pool[site]) if u not in inside]
        if len(others) < len(units) + sweep.partition:
            return []
        for chosen in drawn:
            order = rng.choice(len(others), len(units), replace=False)
            chosen.extend(others[k] for k in order)
    return [_picked(i, chosen) for i, chosen in enumerate(drawn)]


def _picked(i: int, chosen: Sequence[tuple[str, str]]) -> Member:
    units: dict[str, list[str]] = {}
    for site, unit in chosen:
        units.setdefault(site, []).append(unit)
    return Member(f"random {i}", {site: tuple(v) for site, v in units.items()})
