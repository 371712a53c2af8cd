"""Dissimilarities of one system or of every member of a cohort, and of models, matched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, MarrError, OptionError, StatisticsError
from marr.findings import Finding, Note
from marr.representation._rsa._matched import complete_conditions
from marr.representation._rsa._models import label_keys
from marr.representation._rsa._rdm import rdm
from marr.systems import Cohort, System, site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._rsa._models import LabelledRdm, Model

__all__ = ["Matrices", "Request", "Rows", "match_models", "model_finding", "subjects"]

FEWEST = 6
"""With fewer shared conditions there is nothing to resample."""


@dataclass(frozen=True)
class Request:
    """How dissimilarities are computed; as in `rdm`."""

    on: str
    bins: Any
    distance: str
    time: str | tuple[float, float]
    seed: int


@dataclass(frozen=True)
class Matrices:
    """Dissimilarities of all subjects.

    Attributes
    ----------
    names : tuple of str
        Subjects.
    sites : tuple of str
    times : array of shape (n_times,) or None
    labels : array of shape (n_conditions,)
    values : array of shape (n_subjects, n_sites, n_times, n_conditions, n_conditions)
    halves : array of shape (2, n_subjects, ...)
        The same in two halves of the trials; NaN where there are none.
    notes : tuple of Note
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]
    times: npt.NDArray[np.float64] | None
    labels: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    halves: npt.NDArray[np.float64]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Rows:
    """Models and subjects over the same conditions.

    Attributes
    ----------
    labels : array of shape (n_conditions,)
    components : array of shape (n_components, n_conditions, n_conditions)
        Matrices of all models, one after the other.
    subjects : Matrices
    notes : tuple of Note
    """

    labels: npt.NDArray[Any]
    components: npt.NDArray[np.float64]
    subjects: Matrices
    notes: tuple[Note, ...]


def subjects(
    system: System | Cohort, sites: Any, over: str, request: Request
) -> Matrices:
    """Return the dissimilarities of a system, or of every member, by site and time."""
    members = system.members if isinstance(system, Cohort) else (system,)
    names = list(_sites(system, sites))
    windows, times = _windows(members, names, over, request)
    found = [
        [_member_rdm(system, m, names, request, w) for w in windows] for m in members
    ]
    labels = found[0][0].estimate["condition_a"].values
    notes: list[Note] = []
    labels = _shared_labels(members, [f[0] for f in found], labels, notes)
    values = np.stack([np.stack([_square(f, labels) for f in fs], 1) for fs in found])
    halves = np.stack(
        [np.stack([_halves(f, labels) for f in fs], 2) for fs in found], 1
    )
    notes += _member_notes([f[0] for f in found])
    return Matrices(
        tuple(m.name for m in members),
        tuple(names),
        times,
        labels,
        values,
        halves,
        tuple(notes),
    )


def _sites(system: System | Cohort, sites: Any) -> Sequence[str]:
    if not isinstance(system, Cohort):
        return site_list(system, sites)
    if sites is None:
        if not system.sites:
            msg = (
                f"the members of {system.name!r} share no site; name the sites alike, or "
                "compare members one by one."
            )
            raise ContractError(msg)
        return list(system.sites)
    return site_list(system.members[0], sites)


def _windows(
    members: Sequence[System], sites: Sequence[str], over: str, request: Request
) -> tuple[list[Any], npt.NDArray[np.float64] | None]:
    """Return the windows that are analyzed: one, or every time bin."""
    if over == "site":
        return [request.time], None
    first: npt.NDArray[np.float64] | None = None
    for member in members:
        for site in sites:
            array = member.activity(site)
            if "time" not in array.dims:
                msg = f"over='time' needs activity with a time axis; {site!r} of {member.name!r} has none."
                raise OptionError(msg)
            times = np.asarray(array["time"].values, dtype=float)
            if first is not None and not (
                times.shape == first.shape and np.allclose(times, first)
            ):
                msg = (
                    "over='time' needs the same time bins at all sites of all members; "
                    f"{site!r} of {member.name!r} differs from the first."
                )
                raise ContractError(msg)
            first = times if first is None else first
    assert first is not None
    if len(first) < 2:
        msg = f"over='time' needs at least two time bins; got {len(first)}. Use over='site'."
        raise OptionError(msg)
    ends = np.append(first[1:], 2 * first[-1] - first[-2])
    keep = np.ones(len(first), bool)
    if not isinstance(request.time, str):
        keep = (first >= request.time[0]) & (first < request.time[1])
        if not keep.any():
            msg = f"time={request.time!r} holds no time bin; they go from {first[0]:g} to {first[-1]:g}."
            raise OptionError(msg)
    windows = [(a, b) for a, b in zip(first[keep], ends[keep], strict=True)]
    return windows, first[keep]


def _member_rdm(
    whole: System | Cohort,
    member: System,
    sites: Sequence[str],
    request: Request,
    window: Any,
) -> Finding:
    try:
        return _compute(member, sites, request, request.distance, window)
    except MarrError as error:
        if not isinstance(whole, Cohort):
            raise
        msg = f"member {member.name!r} of {whole.name!r}: {error}"
        raise type(error)(msg) from error


def _compute(
    system: System, sites: Any, request: Request, distance: str, window: Any
) -> Finding:
    return rdm(
        system,
        on=request.on,
        bins=request.bins,
        sites=sites,
        distance=distance,
        time=window,
        n_permutations=0,
        seed=request.seed,
    )


def model_finding(system: System, request: Request, notes: list[Note]) -> Finding:
    """Return the dissimilarities of a system that is a model.

    A deterministic model, or one with single trials, has no noise to cross-validate: its
    squared Euclidean distances are what crossnobis estimates.
    """
    try:
        return _compute(system, None, request, request.distance, "mean")
    except StatisticsError:
        if request.distance != "crossnobis":
            raise
    text = (
        f"{system.name!r} has no noise within conditions, so its distances are squared "
        "Euclidean."
    )
    notes.append(
        Note("model_distance", text, "Nothing to do for deterministic models.")
    )
    return _compute(system, None, request, "euclidean", "mean")


def _shared_labels(
    members: Sequence[System],
    found: Sequence[Finding],
    labels: npt.NDArray[Any],
    notes: list[Note],
) -> npt.NDArray[Any]:
    sets = [set(label_keys(f.estimate["condition_a"].values)) for f in found]
    shared = set.intersection(*sets)
    kept = np.array([k in shared for k in label_keys(labels)])
    lost = {
        m.name: s - shared for m, s in zip(members, sets, strict=True) if s - shared
    }
    if lost:
        notes.append(_lost_note(lost))
    if kept.sum() < FEWEST:
        msg = _too_few(int(kept.sum()), lost)
        raise StatisticsError(msg)
    return labels[kept]


def _named(lost: dict[str, set[Any]]) -> str:
    return "; ".join(
        f"only in {name!r}: {', '.join(repr(v) for v in sorted(keys, key=str)[:4])}"
        + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
        for name, keys in lost.items()
    )


def _lost_note(lost: dict[str, set[Any]]) -> Note:
    text = f"Conditions that not all have were left out ({_named(lost)})."
    return Note("unshared_conditions", text, "Check that the labels mean the same.")


def _too_few(n: int, lost: dict[str, set[Any]]) -> str:
    which = f" ({_named(lost)})" if lost else ""
    return (
        f"inference over conditions needs at least {FEWEST} that all share; got {n}{which}. "
        "Use more or finer conditions, with the same labels everywhere."
    )


def _positions(have: npt.NDArray[Any], want: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    where = {k: i for i, k in enumerate(label_keys(have))}
    return np.array([where[k] for k in label_keys(want)], dtype=np.intp)


def _square(finding: Finding, labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    array = finding.estimate["estimate"].transpose("site", "condition_a", "condition_b")
    at = _positions(array["condition_a"].values, labels)
    return np.asarray(array.values, dtype=float)[:, at][:, :, at]


def _halves(finding: Finding, labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return shape (2, n_sites, n_conditions, n_conditions)."""
    table = finding.tables["half"]["half_estimate"]
    array = table.transpose("half", "site", "condition_a", "condition_b")
    at = _positions(array["condition_a"].values, labels)
    return np.asarray(array.values, dtype=float)[:, :, at][:, :, :, at]


def _member_notes(found: Sequence[Finding]) -> list[Note]:
    """Return what `rdm` had to say, once for all members."""
    by_code: dict[str, list[Note]] = {}
    for finding in found:
        for note in finding.notes:
            by_code.setdefault(note.code, []).append(note)
    of = len(found)
    return [
        said[0]
        if of == 1
        else Note(
            said[0].code,
            f"{said[0].text} ({len(said)} of {of} members)",
            said[0].advice,
        )
        for said in by_code.values()
    ]


def match_models(models: Sequence[Model], data: Matrices) -> Rows:
    """Bring models and subjects to the same conditions, by label.

    Conditions that a model or the data lack are left out and named, and so are
    conditions with missing distances.
    """
    rdms = [r for m in models for r in m.rdms]
    shared = set(label_keys(data.labels)).intersection(
        *(label_keys(r.labels) for r in rdms)
    )
    sides: list[tuple[str, Any]] = [("the data", data.labels)]
    sides += [(r.name, r.labels) for r in rdms]
    lost = {n: set(label_keys(v)) - shared for n, v in sides}
    lost = {n: v for n, v in lost.items() if v}
    notes = [_lost_note(lost)] if lost else []
    kept = np.array([k in shared for k in label_keys(data.labels)], dtype=bool)
    if kept.sum() < FEWEST:
        raise StatisticsError(_too_few(int(kept.sum()), lost))
    labels = data.labels[kept]
    components = np.stack([_picked(r, labels) for r in rdms])
    values = data.values[..., kept, :][..., kept]
    halves = data.halves[..., kept, :][..., kept]
    n = len(labels)
    whole = complete_conditions(np.concatenate([components, values.reshape(-1, n, n)]))
    if len(whole) < n:
        gone = labels[np.setdiff1d(np.arange(n), whole)].tolist()
        text = f"{len(gone)} of {n} conditions lack a distance to some other and were left out: {gone[:4]}."
        notes.append(
            Note("missing_conditions", text, "Look for too few or constant trials.")
        )
        if len(whole) < FEWEST:
            raise StatisticsError(f"{text} {_too_few(len(whole), {})}")
    cut = np.ix_(whole, whole)
    left = Matrices(
        data.names,
        data.sites,
        data.times,
        labels[whole],
        values[..., cut[0], cut[1]],
        halves[..., cut[0], cut[1]],
        data.notes,
    )
    return Rows(labels[whole], components[:, cut[0], cut[1]], left, tuple(notes))


def _picked(given: LabelledRdm, labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    at = _positions(given.labels, labels)
    matrix = given.matrix[np.ix_(at, at)].copy()
    np.fill_diagonal(matrix, 0.0)
    return matrix
