"""Recorded activity and behavior as a system."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError
from marr.systems._apply import (
    apply_to_array,
    donor_trials,
    mean_over_trials,
    time_indices,
    unit_indices,
)
from marr.systems._features import (
    FeatureView,
    perturbed_activity,
    recording_with_view,
)
from marr.systems._perturbations import Ablate, Patch, Perturbation, Steer
from marr.systems._system import System, renamed_behavior
from marr.systems._validate import checked_activity, checked_trials, checked_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Recording"]

PART = 4_000_000
"""Numbers of a lazy array that are read at once."""


class Recording(System):
    """Trials and recorded activity.

    Parameters
    ----------
    trials : DataFrame or None
        One row a trial.
    activity : mapping of site to DataArray
        Dims (trial, time, unit) or (trial, unit); may be lazily loaded. An empty
        mapping makes a behavior-only system.
    variables : mapping of name to array of shape (trial, time), optional
        Continuous variables.
    name : str
        Name shown in findings.
    info : mapping, optional
        Source, subject, license and so on; kept in provenance.

    Notes
    -----
    Perturbing a recording changes the recorded activity only. Nobody saw the animal
    behave under it, so behavior columns are renamed `intact_*`.
    """

    runs = False

    def __init__(
        self,
        trials: pd.DataFrame | None,
        activity: Mapping[str, xr.DataArray],
        *,
        variables: Mapping[str, Any] | None = None,
        name: str = "recording",
        info: Mapping[str, Any] | None = None,
    ) -> None:
        n_trials = None
        if activity:
            first = next(iter(activity.values()))
            n_trials = int(
                first.sizes.get("trial", first.shape[0] if first.ndim else 0)
            )
        self.name = name
        self._trials = checked_trials(trials, n_trials)
        self._activity = {
            str(site): checked_activity(str(site), array, self._trials)
            for site, array in activity.items()
        }
        self.variables = checked_variables(variables, self._trials)
        self.info = dict(info or {})
        self._views: dict[str, FeatureView] = {}
        self._root: Recording | None = None
        self._parent: Recording | None = None

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""
        return tuple(self._activity)

    @property
    def trials(self) -> pd.DataFrame:
        """Trial table; behavior is renamed `intact_*` once activity is perturbed."""
        if self.perturbations:
            return renamed_behavior(self._trials, "intact")
        return self._trials.copy()

    @property
    def root(self) -> Recording:
        """The recording before any selection and perturbation."""
        return self if self._root is None else self._root

    @property
    def parent(self) -> Recording | None:
        """The recording that was perturbed, if any."""
        return self._parent

    @cached_property
    def trial_index(self) -> pd.Index:
        """Labels of the trials."""
        return self._trials.index

    @property
    def views(self) -> dict[str, FeatureView]:
        """Sites made of features."""
        return self._views

    def _with_view(self, view: FeatureView) -> Recording:
        return recording_with_view(self, view)

    def activity(self, site: str) -> xr.DataArray:
        """Return activity of a site, dims (trial, time, unit) or (trial, unit)."""
        self.check_site(site)
        if self._views:
            return perturbed_activity(self, site)
        array = self._activity[site]
        for perturbation in self.perturbations:
            if perturbation.site == site:
                array = self._applied(perturbation, array)
        return array

    def _applied(self, perturbation: Perturbation, array: xr.DataArray) -> xr.DataArray:
        units = unit_indices(array, perturbation)
        times = time_indices(array, perturbation) if "time" in array.dims else None
        values = apply_to_array(
            _on_trials(perturbation, self),
            array.values,
            units=units,
            times=times,
            reference=self._reference(perturbation),
        )
        return array.copy(data=values)

    def _reference(self, perturbation: Perturbation) -> NDArray[Any] | None:
        """Return replacement values, computed on the intact root."""
        intact = self.root._activity[perturbation.site]
        if isinstance(perturbation, Patch):
            return self._patch_source(perturbation, intact)
        if isinstance(perturbation, Ablate) and perturbation.mode == "mean":
            valid = intact["valid"].values if "valid" in intact.coords else None
            return mean_over_trials(intact.values, valid)
        if isinstance(perturbation, Ablate) and perturbation.mode == "resample":
            donors = donor_trials(self.root._trials, perturbation.seed)
            return self._rows_of_root(intact, donors.loc[self.trial_index])
        return None

    def _rows_of_root(self, intact: xr.DataArray, labels: Any) -> NDArray[Any]:
        rows = self.root.trial_index.get_indexer(pd.Index(np.asarray(labels)))
        if (rows < 0).any():
            missing = np.asarray(labels)[rows < 0][:3].tolist()
            msg = f"source: no trial {missing} in {self.root.name!r}."
            raise ContractError(msg)
        return np.asarray(intact.values)[rows]

    def _patch_source(self, perturbation: Patch, intact: xr.DataArray) -> NDArray[Any]:
        source = perturbation.source
        if isinstance(source, System):
            donor = source.activity(perturbation.site)
            rows = source.trial_index.get_indexer(self.trial_index)
            if (rows < 0).any():
                msg = (
                    f"source: {source.name!r} lacks trials of {self.name!r}, e.g. "
                    f"{self.trial_index[rows < 0][:3].tolist()}."
                )
                raise ContractError(msg)
            return np.asarray(donor.values)[rows]
        values = (
            source.values if isinstance(source, xr.DataArray) else np.asarray(source)
        )
        if values.ndim <= 1:
            donors = pd.Series(values, index=self.root.trial_index)
            return self._rows_of_root(intact, donors.loc[self.trial_index])
        rows = self.root.trial_index.get_indexer(self.trial_index)
        if values.shape != intact.shape:
            msg = (
                f"source must have the shape of the activity of {perturbation.site!r}, "
                f"{intact.shape}; got {values.shape}."
            )
            raise ContractError(msg)
        return values[rows]

    def perturb(self, *perturbations: Perturbation) -> Recording:
        """Return the recording with perturbed activity; names are checked now."""
        for perturbation in perturbations:
            if not isinstance(perturbation, Perturbation):
                msg = (
                    "perturb takes marr.Ablate, marr.Patch or marr.Steer; got "
                    f"{perturbation!r}."
                )
                raise ContractError(msg)
            self.check_site(perturbation.site)
            array = self._activity[perturbation.site]
            unit_indices(array, perturbation)
            if "time" in array.dims:
                time_indices(array, perturbation)
            if isinstance(perturbation, Patch):
                self._patch_source(perturbation, self.root._activity[perturbation.site])
        child = self._copy(self._trials, self._activity, self.variables)
        child.perturbations = (*self.perturbations, *perturbations)
        child._parent = self
        return child

    def _selected(self, rows: NDArray[np.intp]) -> Recording:
        activity = {k: v.isel(trial=rows) for k, v in self._activity.items()}
        variables = {k: v.isel(trial=rows) for k, v in self.variables.items()}
        child = self._copy(self._trials.iloc[rows], activity, variables)
        child.perturbations = self.perturbations
        child._parent = None if self._parent is None else self._parent._selected(rows)
        return child

    def _copy(
        self,
        trials: pd.DataFrame,
        activity: dict[str, xr.DataArray],
        variables: dict[str, xr.DataArray],
    ) -> Recording:
        child = object.__new__(type(self))
        child.name = self.name
        child._trials = trials
        child._activity = activity
        child.variables = variables
        child.info = self.info
        child._views = self._views
        child._root = self.root
        child._parent = None
        return child

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        digest.update(_table_bytes(self._trials))
        digest.update("|".join(map(str, self._trials.columns)).encode())
        named: Sequence[tuple[str, xr.DataArray]] = [
            *sorted((k, v) for k, v in self._activity.items() if k not in self._views),
            *sorted(self.variables.items()),
        ]
        for name, array in named:
            digest.update(f"{name}{array.dims}{array.shape}{array.dtype}".encode())
            for part in _parts(array):
                digest.update(np.ascontiguousarray(part.values).tobytes())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """Return a SHA-256 of trials, activity and variables (features follow from it)."""
        return self._fingerprint

    def describe(self) -> dict[str, Any]:
        """Return what provenance says about this recording."""
        return {
            "kind": "recording",
            "name": self.name,
            "n_trials": len(self._trials),
            "sites": {
                site: {str(d): int(n) for d, n in array.sizes.items()}
                for site, array in self._activity.items()
            },
            **(
                {"features": {k: v.describe() for k, v in self._views.items()}}
                if self._views
                else {}
            ),
            "perturbations": [p.describe() for p in self.perturbations],
            "data_hash": self.root.fingerprint(),
            **({"info": self.info} if self.info else {}),
        }


def _parts(array: xr.DataArray) -> Iterator[xr.DataArray]:
    """Yield a lazy array in runs of trials, none of which is kept."""
    step = max(1, PART * len(array) // max(1, array.size))
    for start in range(0, max(1, len(array)), step):
        yield array[start : start + step]


def _table_bytes(table: pd.DataFrame) -> bytes:
    """Return bytes that tell tables apart, whatever their cells hold."""
    plain = table.copy()
    for column in plain.columns:
        if plain[column].dtype == object:
            plain[column] = plain[column].map(repr)
    return bytes(pd.util.hash_pandas_object(plain).to_numpy().tobytes())


def _on_trials(perturbation: Perturbation, system: Recording) -> Perturbation:
    """Return the perturbation with a per-trial amount cut to the system's trials."""
    if not isinstance(perturbation, Steer) or np.ndim(perturbation.amount) == 0:
        return perturbation
    amount = np.asarray(perturbation.amount)
    n_root = len(system.root.trial_index)
    if amount.shape != (n_root,):
        msg = (
            f"amount must be a number or one value a trial ({n_root}); got shape "
            f"{amount.shape}."
        )
        raise ContractError(msg)
    rows = system.root.trial_index.get_indexer(system.trial_index)
    return Steer(
        perturbation.site, perturbation.direction, amount[rows], time=perturbation.time
    )
