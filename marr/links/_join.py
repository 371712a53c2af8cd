"""Join two findings along an axis: values by label, halves, strata, controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, EvidenceError, OptionError, check_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from marr.findings import Finding

__all__ = ["Joined", "choose_axis", "join", "trial_overlap"]

UNIT_AXES = ("unit", "pair")


@dataclass(frozen=True)
class Joined:
    """Two findings side by side.

    Attributes
    ----------
    labels : array of shape (n,)
        Labels that both have.
    x, y : arrays of shape (n_ways, n)
        Values of a and b: one way (all trials), or two (opposite halves of the
        trials).
    strata : int array of shape (n,)
        Members of one stratum may be exchanged (same system and site).
    member : int array of shape (n,)
        Which system of a cohort each belongs to, a position in `member_names`.
    member_names : array of str
        Names of these systems.
    controls : array of shape (n_ways, n, n_controls)
        What is partialled out; each way takes the half of its finding.
    nulls : array of shape (n_draws, n) or None
        Surrogates of b that came with it (pairs).
    shuffled : array of shape (n_draws, n_ways, n) or None
        Values of a for shuffled labels, that came with it (units); NaN where a member
        of a cohort has fewer draws.
    cross_fit : bool
        True if x and y come from opposite halves.
    """

    labels: NDArray[np.str_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    strata: NDArray[np.intp]
    member: NDArray[np.intp]
    member_names: NDArray[np.str_]
    controls: NDArray[np.float64]
    nulls: NDArray[np.float64] | None
    cross_fit: bool
    shuffled: NDArray[np.float64] | None = None

    @property
    def n(self) -> int:
        """Number of shared labels."""
        return len(self.labels)


def choose_axis(a: Finding, b: Finding, along: str | None) -> str:
    """Return the axis to join on: the one asked for, or the only one shared."""
    shared = [x for x in a.axes if x in b.axes and x not in ("member", "null")]
    shared += [d for d in a.dims if d in b.dims and d not in shared]
    if along is None:
        if len(shared) == 1:
            return shared[0]
        msg = (
            f"along: {a.analysis} has axes {list(a.axes)}, {b.analysis} has "
            f"{list(b.axes)}; "
            + ("choose one of " + str(shared) if shared else "they share none.")
        )
        raise OptionError(msg)
    for finding, name in ((a, "a"), (b, "b")):
        check_known(
            f"along ({name})", along, finding.axes, what=f"axis of {finding.analysis}"
        )
    return along


def join(
    a: Finding,
    b: Finding,
    along: str,
    *,
    variables: tuple[str, str] = ("estimate", "estimate"),
    control: Sequence[str] = (),
    same_units: bool = False,
) -> Joined:
    """Return the values that two findings have in common.

    Opposite halves of the trials are used where both findings carry them and were
    made from the same trials.
    """
    table_a, table_b = _table(a, along), _table(b, along)
    if along in UNIT_AXES and a.system != b.system and not same_units:
        msg = (
            f"{a.system!r} and {b.system!r} are other systems, and units are not shared "
            f"between systems. Pass same_units=True if equal ids name the same {along}s."
        )
        raise EvidenceError(msg)
    labels = _shared_labels(table_a, table_b, along)
    table_a, table_b = table_a.sel({along: labels}), table_b.sel({along: labels})
    halved = (
        _has_halves(table_a, f"half_{variables[0]}")
        and _has_halves(table_b, f"half_{variables[1]}")
        and trial_overlap(a, b) > 0
    )
    x = _values(table_a, variables[0], along, halved=halved)
    y = _values(table_b, variables[1], along, halved=halved)
    if halved:
        y = y[::-1]
    controls = _controls(control, (table_a, table_b), along, halved=halved)
    keep = (
        np.isfinite(x).all(0)
        & np.isfinite(y).all(0)
        & np.isfinite(controls).all((0, 2))
    )
    strata, member, names = _strata(table_a, along)
    nulls = b.tables["null"] if along == "pair" and "null" in b.tables else None
    drawn = None
    if nulls is not None:
        drawn = nulls["estimate"].sel({along: labels}).transpose("draw", along).values
        drawn = drawn[:, keep]
    shuffled = _shuffled(a, labels, along, variables[0], halved=halved)
    return Joined(
        labels=np.asarray(labels)[keep],
        x=x[:, keep],
        y=y[:, keep],
        strata=strata[keep],
        member=member[keep],
        member_names=names,
        controls=controls[:, keep],
        nulls=drawn,
        cross_fit=halved,
        shuffled=None if shuffled is None else shuffled[:, :, keep],
    )


def trial_overlap(a: Finding, b: Finding) -> float:
    """Return the share of the smaller finding's trials that the other used too."""
    smaller = min(len(a.trial_hashes), len(b.trial_hashes))
    if smaller == 0:
        return 0.0
    return len(np.intersect1d(a.trial_hashes, b.trial_hashes)) / smaller


def _table(finding: Finding, along: str) -> xr.Dataset:
    table = finding.per(along).estimate
    if set(table["estimate"].dims) != {along}:
        msg = (
            f"{finding.analysis}: the estimate over {along!r} also runs over "
            f"{[d for d in table['estimate'].dims if d != along]}; reduce it first."
        )
        raise ContractError(msg)
    return table


def _has_halves(table: xr.Dataset, name: str) -> bool:
    """Tell whether both halves were measured; trials selected from one half have one."""
    if name not in table:
        return False
    known = np.isfinite(table[name].transpose("half", ...).values)
    return bool(known.any(axis=1).all())


def _shared_labels(a: xr.Dataset, b: xr.Dataset, along: str) -> NDArray[np.str_]:
    left, right = a[along].to_index(), b[along].to_index()
    shared = left[left.isin(right)]
    if len(shared) == 0:
        msg = (
            f"the findings share no label along {along!r}: {left[:3].tolist()} ... "
            f"against {right[:3].tolist()} ..."
        )
        raise ContractError(msg)
    return np.asarray(shared)


def _values(
    table: xr.Dataset, variable: str, along: str, *, halved: bool
) -> NDArray[np.float64]:
    name = f"half_{variable}" if halved else variable
    check_known("variables", name, list(table.data_vars), what="variable of the table")
    array = table[name]
    if halved:
        return np.asarray(array.transpose("half", along).values, dtype=float)
    return np.asarray(array.values, dtype=float)[None, :]


def _shuffled(
    a: Finding, labels: NDArray[np.str_], along: str, variable: str, *, halved: bool
) -> NDArray[np.float64] | None:
    """Return the values of a decoding of shuffled labels, (draws, ways, n), or None."""
    name = f"half_{variable}" if halved else variable
    if along != "unit" or name not in a.tables.get("null", ()):
        return None
    table = a.tables["null"][name].sel({along: labels})
    if not halved:
        return np.asarray(table.transpose("draw", along).values, dtype=float)[:, None]
    return np.asarray(table.transpose("draw", "half", along).values, dtype=float)


def _controls(
    names: Sequence[str],
    tables: tuple[xr.Dataset, xr.Dataset],
    along: str,
    *,
    halved: bool,
) -> NDArray[np.float64]:
    """Return what is partialled out; by half of its own finding where it has halves."""
    n_ways, n = (2 if halved else 1), tables[0].sizes[along]
    columns = np.empty((n_ways, n, len(names)))
    for k, name in enumerate(names):
        owner = next((i for i, t in enumerate(tables) if name in t), None)
        if owner is None:
            known = [str(v) for t in tables for v in t.data_vars]
            check_known("control", name, known, what="variable of either finding")
            continue
        if halved and f"half_{name}" in tables[owner]:
            values = _values(tables[owner], name, along, halved=True)
            columns[:, :, k] = values[::-1] if owner == 1 else values
        else:
            columns[:, :, k] = np.asarray(tables[owner][name].values, dtype=float)
    return columns


def _strata(
    table: xr.Dataset, along: str
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.str_]]:
    """Return stratum and member of each label, and the members' names."""
    n = table.sizes[along]

    def codes(name: str) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
        if name not in table.coords or table[name].dims != (along,):
            return np.array([""]), np.zeros(n, dtype=np.intp)
        names, code = np.unique(table[name].values.astype(str), return_inverse=True)
        return names, np.asarray(code, dtype=np.intp)

    names, member = codes("member")
    _, site = codes("site")
    return member * (site.max(initial=0) + 1) + site, member, names
