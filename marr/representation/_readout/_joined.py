"""Two systems with the same units as one, so that a probe can go from one to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.errors import ContractError
from marr.systems import Recording, System, from_arrays, site_list, stack_units

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["join_systems"]

FEWEST = 2
"""Systems that share fewer units than this are refused."""


def join_systems(
    a: System, b: System, target: str, sites: str | Sequence[str] | None
) -> Recording:
    """Return the trials of two systems under one table, with a column "system".

    Units are joined by label (time means), and scaled within each system, so that a
    change of gain or baseline alone does not count as another code.

    Parameters
    ----------
    a, b : System
        Systems that share sites and units.
    target : str
        Column kept, besides groups of dependent trials.
    sites : str or sequence of str, optional
        Sites; all that both have by default.

    Raises
    ------
    ContractError
        If names are alike, or too few units are shared at a site.
    """
    if a.name == b.name:
        msg = f"both systems are called {a.name!r}; give them different names."
        raise ContractError(msg)
    wanted = [s for s in a.sites if s in b.sites] if sites is None else sites
    if not wanted:
        msg = (
            f"{a.name!r} and {b.name!r} share no site ({list(a.sites)}, {list(b.sites)}). "
            "A probe needs the same units: bring both into a shared space first, with "
            "marr.representation.bridge."
        )
        raise ContractError(msg)
    names = site_list(a, wanted)
    site_list(b, names)
    activity, units = {}, {}
    for site in names:
        both = [stack_units(s, site) for s in (a, b)]
        ids = [x["unit_id"].values.astype(str).tolist() for x in both]
        shared = [u for u in ids[0] if u in set(ids[1])]
        if len(shared) < FEWEST:
            msg = (
                f"{a.name!r} and {b.name!r} share {len(shared)} units at {site!r}. A probe "
                "needs the same units: bring both into a shared space first, with "
                "marr.representation.bridge."
            )
            raise ContractError(msg)
        parts = [
            _scaled(np.asarray(x.values)[:, [i.index(u) for u in shared]])
            for x, i in zip(both, ids, strict=True)
        ]
        activity[site], units[site] = np.concatenate(parts), shared
    tables = [_table(s, target) for s in (a, b)]
    table = pd.concat(tables, ignore_index=True)
    return from_arrays(activity, table, units=units, name=f"{a.name} and {b.name}")


def _table(system: System, target: str) -> pd.DataFrame:
    table = pd.DataFrame({target: system.column(target, argument="target").to_numpy()})
    groups = system.groups()
    if groups is not None:
        table["session"] = [f"{system.name} {g}" for g in groups]
    return table.assign(system=system.name)


def _scaled(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    flat = spread <= 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    return np.where(
        flat, 0.0, (values - values.mean(axis=0)) / np.where(flat, 1, spread)
    )
