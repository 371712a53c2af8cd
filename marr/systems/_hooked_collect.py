"""From tensors of a batch back to arrays by trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from marr.errors import HookError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.systems._hooked_inputs import Inputs
    from marr.systems._hooked_layout import Batch

__all__ = ["Collector", "cut", "to_numpy"]


class Collector:
    """Puts the activity of batches together.

    Parameters
    ----------
    name : str
        Name of the site, for messages.
    trials : array of int
        Trials in the order in which they are wanted.
    inputs : Inputs
        For the number of trials and times.
    """

    def __init__(self, name: str, trials: NDArray[np.intp], inputs: Inputs) -> None:
        self.name, self.trials, self.inputs = name, trials, inputs
        self.slots = _slots(trials, inputs.n_trials)
        self._array: NDArray[Any] | None = None

    def add(self, trials: NDArray[np.intp], values: NDArray[Any]) -> None:
        """Take the values of some trials."""
        if self._array is None:
            shape = (len(self.trials), *values.shape[1:])
            self._array = np.empty(shape, dtype=values.dtype)
        if values.shape[1:] != self._array.shape[1:]:
            msg = (
                f"site {self.name!r} has shape {values.shape[1:]} on some trials and "
                f"{self._array.shape[1:]} on others; all trials must give one shape."
            )
            raise HookError(msg)
        self._array[self.slots[trials]] = values

    @property
    def array(self) -> NDArray[Any]:
        """All values, trials in the order in which they are wanted."""
        assert self._array is not None
        return self._array


def cut(
    name: str,
    tensor: Tensor,
    batch: Batch,
    trials: NDArray[np.intp],
    inputs: Inputs,
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the trials of a batch that are wanted, and their part of a tensor.

    Parameters
    ----------
    name : str
        Site, or "output".
    tensor : Tensor of shape (n_rows, ...)
        What the batch gave.
    batch : Batch
        Which trial is where.
    trials : array of int
        Trials that are wanted.
    inputs : Inputs
        For the longest trial and the attention mask.

    Returns
    -------
    trials : array of int of shape (n,)
    values : array of shape (n, ...), NaN after the end of short trials
    """
    values = to_numpy(tensor)
    place = batch.place
    if place is None:
        _check_nan(name, values)
        return batch.trials, _masked(values, batch.trials, inputs)
    n_rows, n_steps = place.trial.shape
    if values.shape[:2] != (n_rows, n_steps):
        if len(batch.trials) == n_rows and values.shape[0] == n_rows:
            _check_nan(name, values)
            return batch.trials, values
        msg = (
            f"{name!r} has shape {values.shape} where {n_rows} sequences of {n_steps} "
            "steps went in, so it cannot be cut into trials. It must have one value a "
            "step, (trial, time, unit)."
        )
        raise HookError(msg)
    wanted = batch.trials[_slots(trials, inputs.n_trials)[batch.trials] >= 0]
    slots = _slots(wanted, inputs.n_trials)
    found = np.full(
        (len(wanted), int(inputs.n_times or 0), *values.shape[2:]),
        np.nan,
        dtype=values.dtype,
    )
    keep = place.valid & (slots[place.trial] >= 0)
    kept = values[keep]
    _check_nan(name, kept)
    found[slots[place.trial[keep]], place.time[keep]] = kept
    return wanted, found


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """Return float32 or float64 numbers on the CPU."""
    tensor = tensor.detach()
    if tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()
    return np.asarray(tensor.cpu().numpy())


def _masked(
    values: NDArray[Any], trials: NDArray[np.intp], inputs: Inputs
) -> NDArray[Any]:
    """Put NaN where an attention mask hides a token."""
    if inputs.valid is None or values.shape[1:2] != inputs.valid.shape[1:]:
        return values
    valid = inputs.valid[trials]
    if valid.all():
        return values
    values = values.copy()
    values[~valid] = np.nan
    return values


def _check_nan(name: str, values: NDArray[Any]) -> None:
    if np.isnan(values).any():
        bad = np.argwhere(np.isnan(values))
        msg = (
            f"the model gave {len(bad)} NaN values at {name!r} (first at index "
            f"{tuple(bad[0].tolist())}). Check its weights, and the size of what a "
            "perturbation adds."
        )
        raise HookError(msg)


def _slots(trials: NDArray[np.intp], n_trials: int) -> NDArray[np.intp]:
    """Return the position of each trial among those wanted, -1 for the others."""
    slots = np.full(n_trials, -1, dtype=np.intp)
    slots[trials] = np.arange(len(trials))
    return slots
