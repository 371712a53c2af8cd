"""From members to values: run a model, or perturb what a readout reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from marr.implementation._removal_kernel import remove_subspaces, remove_units
from marr.measures._score_kernel import score_rows
from marr.systems import Ablate, System

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marr.implementation._members import Member
    from marr.measures import FittedMeasure
    from marr.measures._decoded import FittedDecoded

__all__ = ["Engine", "FixedReadout", "RefitReadout", "Running", "Values"]


@dataclass(frozen=True)
class Values:
    """What was measured under each ablation.

    Attributes
    ----------
    values : list of array of shape (n_members, n_trials)
        One array a measure.
    inert : array of bool of shape (n_members,)
        The ablation changed nothing: the activity was at the ablation value already.
    """

    values: list[NDArray[np.float64]]
    inert: NDArray[np.bool_]


class Engine(Protocol):
    """Measures a system under the ablation of each member."""

    def measure(self, members: Sequence[Member], *, label: str) -> Values:
        """Return one row of values a member."""


@dataclass(frozen=True, eq=False)
class Running:
    """Perturb the system itself, one member at a time, and measure it."""

    system: System
    fitted: Sequence[FittedMeasure]
    mode: str
    seed: int
    n_jobs: int = 1

    @cached_property
    def _intact(self) -> list[NDArray[np.float64]]:
        return [one(self.system) for one in self.fitted]

    def measure(self, members: Sequence[Member], *, label: str) -> Values:
        """Return values of the perturbed systems."""
        from joblib import Parallel, delayed
        from tqdm import tqdm

        shape = (len(members), len(self.system.trial_index))
        values = [np.empty(shape) for _ in self._intact]
        inert = np.zeros(len(members), dtype=bool)
        progress = tqdm(members, desc=label, delay=2, leave=False, disable=None)
        if self.n_jobs == 1 or len(members) < 2:
            rows = [self._one(member) for member in progress]
        else:
            rows = Parallel(n_jobs=self.n_jobs)(
                delayed(self._one)(member) for member in progress
            )
        for i, (measured, still) in enumerate(rows):
            inert[i] = still
            for array, row in zip(values, measured, strict=True):
                array[i] = row
        return Values(values, inert)

    def _one(self, member: Member) -> tuple[list[NDArray[np.float64]], bool]:
        perturbed = self.system.perturb(*member.perturbations(self.mode, self.seed))
        measured: list[Any] = [None] * len(self.fitted)
        for i in self._order:
            measured[i] = self.fitted[i](perturbed)
        changed = any(map(_differ, measured, self._intact))  # then it was not inert
        return measured, not changed and _is_inert(self.system, perturbed, member)

    @property
    def _order(self) -> list[int]:
        """Order of measuring: a run that reads activity gives behavior as well."""
        kinds = [one.measure.kind == "behavior" for one in self.fitted]
        return sorted(range(len(kinds)), key=kinds.__getitem__)


def _differ(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return not np.array_equal(a, b, equal_nan=True)


def _is_inert(system: System, perturbed: System, member: Member) -> bool:
    """Tell whether every unit of the member was at the ablation value already."""
    known = getattr(perturbed, "inert", None)
    if known is not None:
        return all(
            bool(np.all(known[p]))
            for p in perturbed.perturbations[-len(member.units) :]
        )
    for site, units in member.units.items():
        before, after = system.activity(site), perturbed.activity(site)
        if member.subspace is None and len(units) < before.sizes["unit"]:
            where = {"unit": list(units)}
            before, after = before.sel(where), after.sel(where)
        if not np.array_equal(before.values, after.values, equal_nan=True):
            return False
    return True


class FixedReadout:
    """Ablate recorded activity under readouts that were fitted on intact trials.

    An ablation replaces the activity of each unit by a reference, so one full ablation
    of a site holds the change of every part of it; a readout is linear, so the change of
    its prediction is the sum of its parts. The numbers equal those of perturbing the
    recording and applying the readout, at a fraction of the cost.
    """

    def __init__(
        self, system: System, fitted: Sequence[FittedDecoded], mode: str, seed: int
    ) -> None:
        self.parts = [_ReadoutChange(system, one, mode, seed) for one in fitted]

    def measure(self, members: Sequence[Member], *, label: str) -> Values:  # noqa: ARG002
        """Return scores of the readouts under each ablation."""
        results = [[part.score(member) for member in members] for part in self.parts]
        values = [np.stack([scores for scores, _ in rows]) for rows in results]
        inert = np.all([[still for _, still in rows] for rows in results], axis=0)
        return Values(values, inert)


class _ReadoutChange:
    """Predictions of one fitted readout, and how full ablation of a site changes them."""

    def __init__(
        self, system: System, fitted: FittedDecoded, mode: str, seed: int
    ) -> None:
        self.fitted, self.system = fitted, system
        self.used = system.select(system.trial_index.isin(fitted.trials))
        self.mode, self.seed = mode, seed
        self.x = fitted.rows.take(fitted.features(self.used))
        self.fold = fitted.row_fold
        self.order = [np.flatnonzero(self.fold == f) for f in np.unique(self.fold)]
        readouts = fitted.readouts
        self.coef = readouts.coef / readouts.scale[:, :, None]  # in units of activity
        shift = np.einsum("fu,fuo->fo", readouts.mean, self.coef)
        self.base = (readouts.intercept - shift)[self.fold] + self._through(
            self.x, slice(None)
        )
        self.position = {str(u): i for i, u in enumerate(fitted.units)}
        self.change: dict[str, NDArray[np.float64]] = {}

    def _through(self, x: NDArray[np.float64], columns: Any) -> NDArray[np.float64]:
        """Pass activity of some units (rows, columns) through the readout of each row."""
        out = np.empty((len(x), self.coef.shape[2]))
        for rows in self.order:
            out[rows] = x[rows] @ self.coef[self.fold[rows[0]]][columns]
        return out

    def _full_change(self, site: str) -> NDArray[np.float64]:
        if site not in self.change:
            ablated = self.used.perturb(Ablate(site, mode=self.mode, seed=self.seed))
            now = self.fitted.rows.take(self.fitted.features(ablated))
            self.change[site] = now - self.x
        return self.change[site]

    def score(self, member: Member) -> tuple[NDArray[np.float64], bool]:
        """Return the score of each trial, and whether no activity changed."""
        predicted, still = self.base.copy(), True
        for site, units in member.units.items():
            columns = [self.position[u] for u in units if u in self.position]
            if not columns:
                continue  # the readout does not read this site
            change = self._full_change(site)[:, columns]
            still = still and not change.any()
            if member.subspace is None:
                predicted += self._through(change, columns)
            else:
                basis = np.linalg.qr(member.subspace)[0]
                predicted += self._through((change @ basis) @ basis.T, columns)
        truth = self.fitted.target.values
        return self.fitted.spread(
            score_rows(self.fitted.score, predicted, truth)
        ), still


class RefitReadout:
    """Fit readouts anew without the units, in closed form."""

    def __init__(self, system: System, fitted: Sequence[FittedDecoded]) -> None:
        self.fitted = list(fitted)
        self.x = [
            one.rows.take(
                one.features(system.select(system.trial_index.isin(one.trials)))
            )
            for one in fitted
        ]

    def measure(self, members: Sequence[Member], *, label: str) -> Values:  # noqa: ARG002
        """Return scores of the refitted readouts."""
        values, inert = [], np.ones(len(members), dtype=bool)
        for fitted, x in zip(self.fitted, self.x, strict=True):
            position = {str(u): i for i, u in enumerate(fitted.units)}
            columns = [
                [
                    position[u]
                    for units in m.units.values()
                    for u in units
                    if u in position
                ]
                for m in members
            ]
            inert &= [not np.ptp(x[:, c], axis=0).any() if c else True for c in columns]
            values.append(fitted.spread(_refitted(fitted, x, members, columns)))
        return Values(values, inert)


def _refitted(
    fitted: FittedDecoded,
    x: NDArray[np.float64],
    members: Sequence[Member],
    columns: Sequence[Sequence[int]],
) -> NDArray[np.float64]:
    """Return scores (n_members, n_rows) without each member."""

    def score(predicted: Any, rows: Any) -> Any:
        return score_rows(fitted.score, predicted, fitted.target.values[rows])

    given = (x, fitted.row_fold, fitted.moments, fitted.readouts)
    single = all(
        len(c) == 1 and m.subspace is None
        for c, m in zip(columns, members, strict=True)
    )
    if single and len(members) > x.shape[1] // 4:
        return remove_units(*given, score)[[c[0] for c in columns]]
    bases = []
    for member, chosen in zip(members, columns, strict=True):
        basis = np.zeros((x.shape[1], len(chosen)))
        basis[chosen, np.arange(len(chosen))] = 1.0
        if member.subspace is not None and chosen:
            basis = basis @ member.subspace
        bases.append(basis)
    return remove_subspaces(*given, bases, score)
