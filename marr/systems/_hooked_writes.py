"""Perturbations of a hooked model with their references looked up on its root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from marr.errors import ContractError, check_known
from marr.systems._adapter_visit import Op
from marr.systems._apply import (
    donor_trials,
    time_indices,
    unit_indices,
)
from marr.systems._perturbations import Ablate, Patch, Perturbation, Steer
from marr.systems._system import System

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from marr.systems._hooked_layout import Batch
    from marr.systems._hooked_model import HookedModel
    from marr.systems._hooked_probe import SiteInfo

__all__ = ["Write", "check_perturbation", "inert_units", "write_of"]

ALREADY = 1e-6
"""A unit is inert if it is this close to its ablation value, relative to the larger."""


@dataclass(frozen=True)
class Write:
    """One perturbation with its reference, for all trials of the root system.

    Parameters
    ----------
    value : array of shape (n_sources or 1, n_times or 1, k), or (n_sources or 1, k)
        What is put in (or added), for k units or subspace dimensions.
    units : array of int or None
        Units that are set; None for all.
    basis : array of shape (n_units, k) or None
        Orthonormal basis of the subspace that is set.
    add : bool
        Add the value instead.
    source : array of int of shape (n_trials,) or None
        Row of `value` for each trial of the root; None if all share one.
    times : bool array of shape (n_times,) or None
        Times to act on; None for all, or without a time axis.
    """

    value: NDArray[Any]
    units: NDArray[np.intp] | None = None
    basis: NDArray[Any] | None = None
    add: bool = False
    source: NDArray[np.intp] | None = None
    times: NDArray[np.bool_] | None = None

    @property
    def timed(self) -> bool:
        """Whether the site has a time axis."""
        return self.value.ndim == 3

    def op(self, batch: Batch, info: SiteInfo) -> Op:
        """Return what is done to one batch."""
        place = batch.place
        mask = self.times
        self._check_source(batch)
        if place is not None and self.timed:
            rows = (
                np.zeros(1, np.intp)
                if self.source is None
                else self.source[place.trial]
            )
            steps = place.time if self.value.shape[1] > 1 else np.zeros(1, np.intp)
            value = self.value[rows, steps]
            value = value[None] if value.ndim == 2 else value
            mask = None if mask is None else mask[place.time]
        else:
            value = (
                self.value
                if self.source is None
                else self.value[self.source[batch.trials]]
            )

        def tensor(array: NDArray[Any]) -> Tensor:
            filled = np.nan_to_num(np.ascontiguousarray(array, dtype=float))
            return torch.from_numpy(filled).to(info.device, info.dtype)

        return Op(
            tensor(value),
            units=None if self.units is None else _index(self.units, info),
            basis=None if self.basis is None else tensor(self.basis),
            add=self.add,
            mask=None if mask is None else torch.from_numpy(mask).to(info.device),
            timed=self.timed,
        )

    def _check_source(self, batch: Batch) -> None:
        """Raise where a trial that runs has no source (-1), or a shorter one (NaN)."""
        if self.source is None:
            return
        rows = self.source[batch.trials]
        if (rows < 0).any():
            msg = (
                "source: some trials that run in the same sequence as those asked for "
                "are missing in it. Give a source with all trials of the sequences."
            )
            raise ContractError(msg)
        valid, place = batch.valid, batch.place
        if valid is None or not self.timed:
            return
        lacks = np.isnan(self.value).any(axis=-1)
        if place is None:
            lacks = lacks[rows]
        else:
            lacks = lacks[self.source[place.trial], place.time % lacks.shape[1]]
        if (lacks & valid).any():
            msg = (
                "source: some trials are longer than the trials they are patched from. "
                "Choose donors of the same length, or times that all have (time=)."
            )
            raise ContractError(msg)

    def inert(
        self,
        before: NDArray[Any],
        valid: NDArray[np.bool_] | None,
        trials: NDArray[np.intp],
    ) -> NDArray[np.bool_]:
        """Return for each unit (or subspace dimension) whether nothing will change.

        Parameters
        ----------
        before : array of shape (n_trials, n_times, n_units) or (n_trials, n_units)
            Activity of the parent on `trials`.
        valid : bool array of shape (n_trials, n_times) or None
            Times that exist; None for all.
        trials : array of int
            Positions on the root system.
        """
        if self.add:
            return np.asarray(
                (self.value == 0).reshape(-1, self.value.shape[-1]).all(0)
            )
        found = before if self.units is None else before[..., self.units]
        found = found if self.basis is None else found @ self.basis
        value = self.value if self.source is None else self.value[self.source[trials]]
        scale = np.maximum(np.abs(found), np.abs(value))
        same = np.abs(found - value) <= ALREADY * scale
        if self.timed:
            if valid is not None:
                same |= ~valid[..., None]
            if self.times is not None:
                same = same[:, self.times]
        return np.asarray(same.reshape(-1, same.shape[-1]).all(axis=0))


def inert_units(system: HookedModel) -> dict[Perturbation, NDArray[np.bool_]]:
    """Return which units each perturbation found at the value that it gives them."""
    parent = system.parent
    if parent is None:
        return {}
    found = dict(parent.inert)
    for perturbation in system.perturbations[len(parent.perturbations) :]:
        before, valid = parent._values(perturbation.site)
        write = system._write(perturbation)
        found[perturbation] = write.inert(before, valid, system._rows)
    return found


def _index(units: NDArray[np.intp], info: SiteInfo) -> Tensor:
    return torch.from_numpy(units).to(info.device)


def write_of(
    perturbation: Perturbation, root: HookedModel, template: xr.DataArray
) -> Write:
    """Return a perturbation with its reference, computed on the intact root.

    Parameters
    ----------
    perturbation : Perturbation
        What is to be done.
    root : System
        The intact system; its activity at the site gives means and donors.
    template : DataArray
        Units and times of the site.
    """
    timed = "time" in template.dims
    units = unit_indices(template, perturbation)
    times = None
    if timed and perturbation.time is not None:
        times = np.zeros(template.sizes["time"], dtype=bool)
        times[time_indices(template, perturbation)] = True
    if isinstance(perturbation, Steer):
        return _steer(perturbation, len(root.trial_index), times, timed=timed)
    values, source = _reference(perturbation, root, template)
    if timed and values.ndim == 2:
        values = values[:, None]
    if perturbation.subspace is not None:
        basis = np.asarray(perturbation.subspace)
        return Write(values @ basis, basis=basis, source=source, times=times)
    if perturbation.units is None:
        return Write(values, source=source, times=times)
    return Write(values[..., units], units=units, source=source, times=times)


def _steer(
    perturbation: Steer, n_trials: int, times: NDArray[np.bool_] | None, *, timed: bool
) -> Write:
    amount = np.asarray(perturbation.amount, dtype=float)
    if amount.ndim and amount.shape != (n_trials,):
        msg = (
            f"amount must be a number or one value a trial ({n_trials}); got shape "
            f"{amount.shape}."
        )
        raise ContractError(msg)
    value = np.atleast_1d(amount)[:, None] * np.asarray(perturbation.direction)
    return Write(
        value[:, None] if timed else value,
        add=True,
        source=np.arange(n_trials) if amount.ndim else None,
        times=times,
    )


def _reference(
    perturbation: Perturbation, root: HookedModel, template: xr.DataArray
) -> tuple[NDArray[Any], NDArray[np.intp] | None]:
    """Return replacement values and, if they differ, which row each trial takes."""
    n_units = template.sizes["unit"]
    if isinstance(perturbation, Patch):
        return _patched(perturbation, root)
    assert isinstance(perturbation, Ablate)
    if perturbation.mode == "zero":
        return np.zeros((1, n_units)), None
    mean = root.intact_mean(perturbation.site)
    if perturbation.mode == "mean":
        return mean[None], None
    intact = root.activity(perturbation.site)
    donors = donor_trials(root.task, perturbation.seed)
    rows = root.trial_index.get_indexer(pd.Index(donors.to_numpy()))
    values = intact.values
    if "valid" in intact.coords:
        values = np.where(intact["valid"].values[..., None], values, mean)
    return values, np.asarray(rows, dtype=np.intp)


def _patched(
    perturbation: Patch, root: HookedModel
) -> tuple[NDArray[Any], NDArray[np.intp] | None]:
    """Return the source of a patch; -1 marks trials that the source lacks."""
    source, site = perturbation.source, perturbation.site
    index = root.trial_index
    if isinstance(source, System):
        donor = source.activity(site)
        rows = source.trial_index.get_indexer(index)
        return donor.values, np.asarray(rows, dtype=np.intp)
    values = source.values if isinstance(source, xr.DataArray) else np.asarray(source)
    if values.ndim <= 1:
        rows = index.get_indexer(pd.Index(values))
        return root.activity(site).values, np.asarray(rows, dtype=np.intp)
    return np.asarray(values, dtype=float), np.arange(len(index))


def check_perturbation(
    perturbation: Any,
    root: HookedModel,
    trials: pd.Index,
    template: xr.DataArray | None,
) -> None:
    """Check what can be checked without running the model.

    Parameters
    ----------
    perturbation : object
        What was given to `perturb`.
    root : System
        The intact system.
    trials : Index
        Trials of the system to be perturbed.
    template : DataArray or None
        Units and times of the site; None if they are not known.
    """
    if template is not None:
        unit_indices(template, perturbation)
        time_indices(template, perturbation)
    if isinstance(perturbation, Steer):
        _steer(perturbation, len(root.trial_index), None, timed=False)
    if not isinstance(perturbation, Patch):
        return
    source, site = perturbation.source, perturbation.site
    if isinstance(source, System):
        check_known("source", site, source.sites, what=f"site of {source.name!r}")
        missing = trials.difference(source.trial_index)
        if len(missing):
            msg = f"source: {source.name!r} lacks trials, e.g. {missing[:3].tolist()}."
            raise ContractError(msg)
        return
    if np.ndim(source) <= 1:
        _check_donors(np.asarray(source), root)
        return
    shape = tuple(np.shape(source))
    if template is not None:
        expected = (len(root.trial_index), *template.shape[1:])
        if shape != expected:
            msg = (
                f"source must have the shape of the activity of {site!r}, {expected}; "
                f"got {shape}."
            )
            raise ContractError(msg)
    if not np.isfinite(np.asarray(source, dtype=float)).all():
        msg = f"source of the patch of {site!r} holds NaN or infinite values."
        raise ContractError(msg)


def _check_donors(donors: NDArray[Any], root: HookedModel) -> None:
    n_trials = len(root.trial_index)
    if donors.shape != (n_trials,):
        msg = (
            f"source must name one donor trial for each of the {n_trials} trials of "
            f"{root.name!r}; got shape {donors.shape}."
        )
        raise ContractError(msg)
    rows = root.trial_index.get_indexer(pd.Index(donors))
    if (rows < 0).any():
        msg = f"source: no trial {donors[rows < 0][:3].tolist()} in {root.name!r}."
        raise ContractError(msg)
