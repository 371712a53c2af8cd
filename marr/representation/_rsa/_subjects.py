"""Dissimilarities of one system or of every member of a cohort, and of models, matched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, MarrError, StatisticsError
from marr.findings import Finding, Note
from marr.representation._rsa._matched import complete_conditions
from marr.representation._rsa._models import label_keys
from marr.representation._rsa._rdm import rdm
from marr.systems import Cohort, System, site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._rsa._models import LabelledRdm, Model

__all__ = ["Matrices", "Request", "Rows", "match_models", "model_finding", "subjects"]

FEWEST = 6
"""With fewer shared conditions there is nothing to resample."""
OF_INTERVALS = ("coarse_null", "fewer_folds", "few_groups", "folds")
"""Notes of `rdm` on intervals and tests that are not used here."""
NOISELESS = {
    "crossnobis": "euclidean",
    "mahalanobis": "euclidean",
    "poisson_cv": "poisson",
}
"""Distances that need noise, and what they are without."""


@dataclass(frozen=True)
class Request:
    """How dissimilarities are computed; as in `rdm`."""

    on: str
    bins: Any
    distance: str
    noise: Any
    over: tuple[str, ...]
    time: str | tuple[float, float]
    window: float | None
    seed: int


@dataclass(frozen=True)
class Matrices:
    """Dissimilarities of all subjects.

    Attributes
    ----------
    names : tuple of str
        Subjects.
    sites : tuple of str
    times : DataArray of shape (n_times,) or None
    labels : array of shape (n_conditions,)
    values : array of shape (n_subjects, n_sites, n_times, n_conditions, n_conditions)
    halves : array of shape (2, n_subjects, ...)
        The same in two halves of the trials; NaN where there are none.
    notes : tuple of Note
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]
    times: xr.DataArray | None
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


def subjects(system: System | Cohort, sites: Any, request: Request) -> Matrices:
    """Return the dissimilarities of a system, or of every member, by site and time."""
    members = system.members if isinstance(system, Cohort) else (system,)
    names = list(_sites(system, sites))
    found = [_member_rdm(system, m, names, request) for m in members]
    notes: list[Note] = []
    labels = _shared_labels(members, found, notes)
    values = [_squares(f.estimate["estimate"], labels) for f in found]
    halves = [_squares(f.tables["half"]["half_estimate"], labels) for f in found]
    notes += _member_notes(found)
    return Matrices(
        tuple(m.name for m in members),
        tuple(names),
        _times(members, found),
        labels,
        np.stack(values),
        np.stack(halves, axis=1),
        tuple(notes),
    )


def _times(members: Sequence[System], found: Sequence[Finding]) -> xr.DataArray | None:
    """Return the times that all members have; refuse others."""
    if "time" not in found[0].dims:
        return None
    times = [f.estimate["time"] for f in found]
    for member, other in zip(members, times, strict=True):
        if other.shape != times[0].shape or not np.allclose(other, times[0]):
            msg = (
                "over time all members must have the same time bins; those of "
                f"{member.name!r} differ from those of {members[0].name!r}. Use "
                "over='site', or a window= that gives the same."
            )
            raise ContractError(msg)
    return times[0]


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


def _member_rdm(
    whole: System | Cohort,
    member: System,
    sites: Sequence[str],
    request: Request,
) -> Finding:
    try:
        return _compute(member, sites, request)
    except MarrError as error:
        if not isinstance(whole, Cohort):
            raise
        msg = f"member {member.name!r} of {whole.name!r}: {error}"
        raise type(error)(msg) from error


def _compute(system: System, sites: Any, request: Request) -> Finding:
    return rdm(
        system,
        on=request.on,
        bins=request.bins,
        sites=sites,
        distance=request.distance,
        noise=request.noise,
        over=request.over,
        time=request.time,
        window=request.window,
        n_permutations=0,
        seed=request.seed,
    )


def model_finding(system: System, request: Request, notes: list[Note]) -> Finding:
    """Return the dissimilarities of a system that is a model.

    A deterministic model, or one with single trials, has no noise to cross-validate: its
    distances without cross-validation are what the others estimate.
    """
    averaged = replace(request, over=("site",), time="mean", window=None)
    try:
        return _compute(system, None, averaged)
    except StatisticsError:
        if request.distance not in NOISELESS:
            raise
    instead = NOISELESS[request.distance]
    text = f"{system.name!r} has no noise to cross-validate by; its distances are {instead}."
    advice = "Nothing to do for deterministic models."
    notes.append(Note("model_distance", text, advice))
    return _compute(system, None, replace(averaged, distance=instead, noise="folds"))


def _shared_labels(
    members: Sequence[System],
    found: Sequence[Finding],
    notes: list[Note],
) -> npt.NDArray[Any]:
    labels: npt.NDArray[Any] = found[0].estimate["condition_a"].values
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


def _squares(array: xr.DataArray, labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return matrices of shape ([2,] n_sites, n_times, n_conditions, n_conditions)."""
    if "time" not in array.dims:
        array = array.expand_dims("time")
    lead = ["half"] if "half" in array.dims else []
    ordered = array.transpose(*lead, "site", "time", "condition_a", "condition_b")
    at = _positions(array["condition_a"].values, labels)
    return np.asarray(ordered.values, dtype=float)[..., at, :][..., at]


def _member_notes(found: Sequence[Finding]) -> list[Note]:
    """Return what `rdm` had to say, once for all members."""
    by_code: dict[str, list[Note]] = {}
    for finding in found:
        for note in finding.notes:
            if note.code in OF_INTERVALS:
                continue
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
