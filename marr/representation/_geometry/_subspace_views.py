"""What the subspaces of an overlap are of: variables, epochs, times, trials or sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.representation._conditions import Conditions, resolve_conditions
from marr.representation._geometry._cloud import (
    check_time,
    condition_counts,
    known_column,
    site_cloud,
    varying,
    words,
)
from marr.representation._rows import site_patterns
from marr.representation._targets import resolve_target
from marr.systems import site_list

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.systems import System

__all__ = ["Kind", "View", "read_views", "resolve_kind"]

MOST_VIEWS = 100


@dataclass(frozen=True)
class View:
    """One thing that has a subspace.

    Attributes
    ----------
    label : str
    x : array of shape (n_trials, n_units)
        Activity, units standardized alike in all views.
    design : array of shape (n_trials, n_columns)
    profile : array of shape (n_profiles, n_columns)
        See `subspaces`.
    use : array of shape (n_trials,)
        1 for the trials that count.
    rank : int
        Most directions it can have.
    """

    label: str
    x: npt.NDArray[np.float64]
    design: npt.NDArray[np.float64]
    profile: npt.NDArray[np.float64]
    use: npt.NDArray[np.float64]
    rank: int


@dataclass(frozen=True)
class Kind:
    """How `of` was read.

    Attributes
    ----------
    name : str
        "variables", "times", "windows", "trials" or "sites".
    labels : tuple of str
    items : tuple
        The parts of `of`.
    conditions : Conditions or None
        Whose means span the subspaces; None where variables do.
    strata : int array of shape (n_trials,)
        Trials are halved within these.
    """

    name: str
    labels: tuple[str, ...]
    items: tuple[Any, ...]
    conditions: Conditions | None
    strata: npt.NDArray[np.intp]


def resolve_kind(
    system: System, of: Any, on: str | None, bins: int | Sequence[float] | None
) -> Kind:
    """Read what the subspaces are of.

    Raises
    ------
    OptionError
        If `of` is none of the known forms, or `on` is missing where it is due.
    """
    name, labels, items = _read(system, of)
    n = len(system.trial_index)
    if name == "variables":
        if on is not None or bins is not None:
            msg = (
                "on= and bins= make the conditions of epochs, sites or trial sets; "
                "variables in of= have subspaces of their own. Leave them out."
            )
            raise OptionError(msg)
        return Kind(name, labels, items, None, _joint_codes(system, labels, n))
    if on is None:
        msg = (
            f"of={of!r} compares {name}; say whose condition means span the subspaces: "
            "on='condition'."
        )
        raise OptionError(msg)
    conditions = resolve_conditions(system, on, bins)
    if conditions.timed:
        msg = f"on={on!r} varies within trials; name a column with one value a trial."
        raise OptionError(msg)
    strata = conditions.codes
    if name == "trials":
        masks = [_mask(system, item) for item in items]
        for label, mask in zip(labels, masks, strict=True):
            _enough(np.where(mask, strata, -1), conditions, f"of {label}")
        chosen = sum(m.astype(int) << i for i, m in enumerate(masks))
        strata = np.where(strata < 0, -1, strata * 2 ** len(masks) + chosen)
    else:
        _enough(strata, conditions, "subspace_overlap")
    return Kind(name, labels, items, conditions, strata)


def _enough(codes: npt.NDArray[np.intp], conditions: Conditions, what: str) -> None:
    condition_counts(codes, words(conditions.labels), least=4, what=what)


def _read(system: System, of: Any) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    if isinstance(of, str) and of == "time":
        name = system.sites[0] if system.sites else ""
        array = system.activity(site_list(system, name or None)[0])
        if "time" not in array.dims:
            msg = f"of='time' needs a time axis; {system.name!r} has none."
            raise OptionError(msg)
        times = array["time"].values
        if len(times) > MOST_VIEWS:
            msg = (
                f"of='time' would compare {len(times)} bins; at most {MOST_VIEWS}. Give "
                "windows: of=[(start, stop), ...]."
            )
            raise OptionError(msg)
        return "times", tuple(f"{t:g}" for t in times), tuple(range(len(times)))
    items = tuple(of) if isinstance(of, Sequence) and not isinstance(of, str) else ()
    for item in items:
        if isinstance(item, str) and item not in system.sites:
            known_column(system, item, "of")
    if not 2 <= len(items) <= MOST_VIEWS:
        msg = (
            "of must hold two or more things of one kind: names of variables, of sites, "
            "windows (start, stop), or mappings of a column to a value; or be 'time'. "
            f"Got {of!r:.80}."
        )
        raise OptionError(msg)
    if all(isinstance(i, str) for i in items):
        return _read_names(system, items)
    if all(isinstance(i, Mapping) for i in items):
        labels = tuple(", ".join(f"{k}={v}" for k, v in i.items()) for i in items)
        return "trials", labels, items
    for item in items:
        if isinstance(item, (str, Mapping)):
            msg = f"of mixes kinds: {of!r:.80}. Give things of one kind."
            raise OptionError(msg)
        check_time(item, argument="of")
    labels = tuple(f"{float(a):g} to {float(b):g}" for a, b in items)
    return "windows", labels, items


def _read_names(
    system: System, items: tuple[str, ...]
) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    if len(set(items)) < len(items):
        msg = f"of names one twice: {list(items)}."
        raise OptionError(msg)
    columns = [i in system.trials.columns or i in system.variables for i in items]
    sites = [i in system.sites for i in items]
    if all(sites) and all(columns):
        msg = f"of={list(items)} are sites and columns alike. Rename the columns."
        raise OptionError(msg)
    if all(sites):
        return "sites", items, items
    if any(sites) and not all(columns):
        shown = [i for i, site in zip(items, sites, strict=True) if not site]
        msg = f"of mixes sites with {shown}. Give two sites, or two variables."
        raise OptionError(msg)
    return "variables", items, items


def _mask(system: System, item: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    mask = np.ones(len(system.trial_index), bool)
    for name, value in item.items():
        column = known_column(system, name, "of")
        mask &= np.array([bool(v == value) for v in column])
        if not mask.any():
            seen = ", ".join(sorted({str(v) for v in column})[:8])
            msg = f"of: no trial has {dict(item)}; {name!r} takes {seen}."
            raise StatisticsError(msg)
    return mask


def _columns(
    system: System, name: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
    """Return design columns of a variable, profiles in them, and its rank."""
    known_column(system, name, "of")
    target = resolve_target(system, name)
    if target.kind == "categorical":
        n = len(target.classes)
        profile = np.eye(n)[:, 1:]
        return target.values[:, 1:], profile - profile.mean(axis=0), n - 1
    values = target.values - target.values.mean(axis=0)
    values = values / values.std(axis=0)
    return values, np.eye(values.shape[1]), values.shape[1]


def _joint_codes(system: System, names: Sequence[str], n: int) -> npt.NDArray[np.intp]:
    """Return the classes that trials are halved within; numbers make none."""
    codes = np.zeros(n, np.intp)
    for name in names:
        known_column(system, name, "of")
        target = resolve_target(system, name)
        if target.kind == "categorical":
            codes = codes * len(target.classes) + target.codes
    codes = np.unique(codes, return_inverse=True)[1].reshape(-1)
    alone = np.bincount(codes)[codes] < 2
    if alone.any():  # what occurs once is halved with the others
        codes = np.where(alone, codes.max() + 1, codes)
        if alone.sum() == 1:
            codes[alone] = codes[~alone][0]
    return np.asarray(np.unique(codes, return_inverse=True)[1].reshape(-1), np.intp)


def read_views(
    system: System, kind: Kind, site: str, time: str | tuple[float, float]
) -> tuple[list[View], int]:
    """Return the views of one site (of all, where sites are compared).

    Returns
    -------
    views : list of View
    n_constant : int
        Units that do not vary in any view, left out.
    """
    clouds = _clouds(system, kind, site, time)
    pooled = np.concatenate(clouds)
    kept = varying(pooled)
    if kept.sum() < 2:
        msg = f"{int(kept.sum())} units of site {site!r} vary; a subspace needs two."
        raise StatisticsError(msg)
    center, scale = pooled[:, kept].mean(axis=0), pooled[:, kept].std(axis=0)
    clouds = [(c[:, kept] - center) / scale for c in clouds]
    n = len(clouds[0])
    use = [np.ones(n)] * len(clouds)
    if kind.conditions is None:
        parts = [_columns(system, name) for name in kind.labels]
        design = np.column_stack([np.ones(n), *(p[0] for p in parts)])
        _check_full(design, kind.labels)
        ends = np.cumsum([1, *(p[0].shape[1] for p in parts)])
        tables = []
        for (_, profile, rank), start in zip(parts, ends[:-1], strict=True):
            wide = np.zeros((len(profile), design.shape[1]))
            wide[:, start : start + profile.shape[1]] = profile
            tables.append((design, wide, rank))
    else:
        codes = kind.conditions.codes
        k = len(kind.conditions.labels)
        design = (codes[:, None] == np.arange(k)).astype(float)
        tables = [(design, np.eye(k) - 1 / k, k - 1)] * len(clouds)
        use = [(codes >= 0).astype(float)] * len(clouds)
        if kind.name == "trials":
            use = [u * _mask(system, i) for u, i in zip(use, kind.items, strict=True)]
    most = int(kept.sum())
    views = [
        View(label, x, design, profile, u, min(rank, most))
        for label, x, (design, profile, rank), u in zip(
            kind.labels, clouds, tables, use, strict=True
        )
    ]
    return views, int((~kept).sum())


def _check_full(design: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    if np.linalg.matrix_rank(design) < design.shape[1]:
        msg = (
            f"variables {list(names)} determine each other, so their effects cannot be "
            "told apart. Choose variables that vary against each other."
        )
        raise StatisticsError(msg)


def _clouds(
    system: System, kind: Kind, site: str, time: str | tuple[float, float]
) -> list[npt.NDArray[np.float64]]:
    """Return activity of each view, units of all alike and in the order of labels."""
    n = len(system.trial_index)
    if kind.name == "times":
        array = system.activity(site_list(system, site)[0])
        order = np.argsort(array["unit"].values.astype(str), kind="stable")
        x = site_patterns(system, site, np.arange(n), n, time="keep")[..., order]
        if np.isnan(x).any():
            msg = (
                f"of='time': some bins of site {site!r} are not valid on some trials. "
                "Give windows that all trials have: of=[(start, stop), ...]."
            )
            raise StatisticsError(msg)
        return list(np.moveaxis(x, 1, 0))
    if kind.name == "windows":
        return [_whole(system, site, window)[0] for window in kind.items]
    if kind.name == "sites":
        found = [_whole(system, name, time) for name in kind.items]
        for name, (_, ids) in zip(kind.items[1:], found[1:], strict=True):
            if ids != found[0][1]:
                lost = sorted(set(found[0][1]) ^ set(ids))[:4]
                msg = (
                    f"sites {kind.items[0]!r} and {name!r} must have the same units to "
                    f"share a space; {lost} are in one only. Compare them with align()."
                )
                raise ContractError(msg)
        return [x for x, _ in found]
    return [site_cloud(system, site, time, fewest=2).x] * len(kind.labels)


def _whole(
    system: System, site: str, time: str | tuple[float, float]
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return activity with all units, sorted by id, and the ids."""
    n = len(system.trial_index)
    unit = system.activity(site_list(system, site)[0])["unit"]
    ids = (unit["unit_id"] if "unit_id" in unit.coords else unit).values.astype(str)
    order = np.argsort(ids, kind="stable")
    x = site_patterns(system, site, np.arange(n), n, time=time)
    return x[:, order], ids[order].tolist()
