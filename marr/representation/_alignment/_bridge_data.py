"""What a bridge is built from: systems, their shared rows, their activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError, check_option
from marr.representation._alignment._bridge_kernel import METHODS
from marr.representation._rows import match_rows, site_patterns
from marr.systems import Cohort, System, site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.findings import Note
    from marr.representation._rows import RowMatch

__all__ = ["BridgeData", "bridge_data", "bridged_systems", "site_names"]

FEWEST_ROWS = 10


@dataclass(frozen=True)
class BridgeData:
    """Activity of rows that all systems share.

    Attributes
    ----------
    systems : tuple of System
    sites : tuple of tuple of str
        Sites of each system, side by side in `xs`.
    match : RowMatch
    rows : int array of shape (n_rows,)
        Position in `match.labels` of each row that every system measured.
    xs : list of array of shape (n_rows, n_units)
    """

    systems: tuple[System, ...]
    sites: tuple[tuple[str, ...], ...]
    match: RowMatch
    rows: npt.NDArray[np.intp]
    xs: list[npt.NDArray[np.float64]]
    notes: tuple[Note, ...]

    @property
    def names(self) -> list[str]:
        """Names of the systems."""
        return [s.name for s in self.systems]


def bridged_systems(
    system: System | Cohort, b: System | Cohort | None
) -> tuple[System, ...]:
    """Return the systems that are to be brought together, checked."""
    given: list[System] = []
    for one in (system, b):
        if isinstance(one, Cohort):
            given += list(one.members)
        elif isinstance(one, System):
            given.append(one)
        elif one is not None:
            msg = f"b must be a System or a Cohort; got {type(one).__name__}."
            raise OptionError(msg)
    if len(given) < 2:
        msg = (
            "a bridge needs at least two systems: give b=, or a Cohort as the first "
            "argument."
        )
        raise ContractError(msg)
    names = [s.name for s in given]
    if len(set(names)) < len(names):
        msg = f"systems must have different names; got {names}."
        raise ContractError(msg)
    return tuple(given)


def site_names(system: System, sites: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the sites of one system, those of `sites` that it has if it has any."""
    if sites is None:
        return site_list(system, None)
    wanted = [sites] if isinstance(sites, str) else list(sites)
    own = [s for s in wanted if s in system.sites]
    if not own:
        system.check_site(wanted[0], argument="sites")
    return site_list(system, own)


def bridge_data(
    systems: Sequence[System],
    *,
    on: str,
    bins: Any,
    sites: str | Sequence[str] | None,
    time: str | tuple[float, float],
    method: str,
    n_components: int | None,
) -> BridgeData:
    """Read the shared rows of all systems."""
    check_option("method", method, METHODS)
    names = tuple(site_names(s, sites) for s in systems)
    match = match_rows(systems, on=on, bins=bins)
    n = len(match.labels)
    full = [
        np.concatenate(
            [site_patterns(s, site, code, n, time=time) for site in own], axis=1
        )
        for s, own, code in zip(systems, names, match.codes, strict=True)
    ]
    known = np.logical_and.reduce([np.isfinite(x).all(axis=1) for x in full])
    rows = np.flatnonzero(known)
    if len(rows) < FEWEST_ROWS:
        msg = (
            f"on={on!r}: {len(rows)} shared rows; a bridge that is scored on held-out rows "
            f"needs at least {FEWEST_ROWS}. Use a finer on=, or more stimuli."
        )
        raise StatisticsError(msg)
    xs = [x[rows] for x in full]
    for s, x in zip(systems, xs, strict=True):
        if not (np.ptp(x, axis=0) > 0).any():
            msg = f"{s.name!r}: every unit is the same in all shared rows."
            raise StatisticsError(msg)
    _check_components(n_components, xs)
    return BridgeData(tuple(systems), names, match, rows, xs, match.notes)


def _check_components(n: int | None, xs: Sequence[npt.NDArray[np.float64]]) -> None:
    if n is None:
        return
    most = min(min(x.shape) for x in xs) - 1
    if isinstance(n, bool) or int(n) != n or not 1 <= n <= max(most, 1):
        msg = (
            f"n_components must be a whole number of 1 to {most} (rows and units of the "
            f"smallest system, less one); got {n!r}."
        )
        raise OptionError(msg)
