"""Inputs of a model, one a trial: arrays, ragged lists, several arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from marr.errors import ContractError, HookError
from marr.systems._validate import describe_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Inputs", "checked_inputs"]

Key = int | str


@dataclass(frozen=True)
class Inputs:
    """Arguments of a model for every trial.

    Parameters
    ----------
    arrays : dict
        Tensors whose first axis is trials, by position or name of the argument.
        Ragged ones hold all trials end to end along time instead.
    n_trials : int
        Number of trials.
    lengths : array of int of shape (n_trials,), optional
        Times of each trial, where the inputs have a time axis of their own.
    ragged : bool
        Whether trials differ in length, so that `arrays` lie end to end.
    valid : bool array of shape (n_trials, n_times), optional
        False where an attention mask hides a token.
    labels : Index, optional
        Trial labels that came with the inputs.
    """

    arrays: dict[Key, Tensor]
    n_trials: int
    lengths: NDArray[np.intp] | None = None
    ragged: bool = False
    valid: NDArray[np.bool_] | None = None
    labels: pd.Index | None = field(default=None, compare=False)

    @property
    def n_times(self) -> int | None:
        """Longest trial, None without a time axis."""
        return None if self.lengths is None else int(self.lengths.max())

    def end_to_end(self) -> dict[Key, Tensor]:
        """Return all trials one after the other along time, (sum of times, ...)."""
        if self.ragged:
            return self.arrays
        return {k: a.flatten(0, 1) for k, a in self.arrays.items()}

    def digest(self) -> bytes:
        """Return a hash of the numbers."""
        found = hashlib.sha256()
        for key, array in self.arrays.items():
            found.update(f"{key}{tuple(array.shape)}{array.dtype}".encode())
            found.update(array.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        if self.lengths is not None:
            found.update(self.lengths.tobytes())
        return found.digest()

    def to(self, dtype: torch.dtype) -> Inputs:
        """Return the inputs with real numbers in the dtype of the model."""
        arrays = {
            k: a.to(dtype) if a.is_floating_point() else a
            for k, a in self.arrays.items()
        }
        return Inputs(
            arrays, self.n_trials, self.lengths, self.ragged, self.valid, self.labels
        )


def checked_inputs(inputs: Any, model: Any) -> Inputs:
    """Return inputs in one form, or raise with what is wrong.

    Parameters
    ----------
    inputs : array, tuple of arrays, dict of arrays, list of arrays or list of str
        See `marr.hook`.
    model : Module
        The model; its `to_tokens` turns strings into tokens.
    """
    if isinstance(inputs, list) and inputs and all(isinstance(i, str) for i in inputs):
        inputs = _tokens(inputs, model)
    if isinstance(inputs, list) and inputs and np.ndim(_peek(inputs[0])) >= 1:
        return _ragged(inputs)
    if isinstance(inputs, Mapping):
        named: dict[Key, Any] = {str(k): v for k, v in inputs.items()}
    elif isinstance(inputs, tuple):
        named = dict(enumerate(inputs))
    else:
        named = {0: inputs}
    if not named:
        msg = "inputs is empty; give one array with a row a trial."
        raise ContractError(msg)
    arrays = {k: _tensor(k, v) for k, v in named.items()}
    sizes = {k: a.shape[0] for k, a in arrays.items()}
    if len(set(sizes.values())) > 1:
        msg = f"inputs must have the same trials in every argument; got {sizes} rows."
        raise ContractError(msg)
    n_trials = next(iter(sizes.values()))
    if n_trials == 0:
        msg = "inputs has no rows; at least one trial is needed."
        raise ContractError(msg)
    mask = arrays.get("attention_mask")
    return Inputs(
        arrays,
        n_trials,
        lengths=_lengths(arrays, n_trials),
        valid=None if mask is None else mask.numpy().astype(bool),
        labels=_labels(named),
    )


def _lengths(arrays: Mapping[Key, Tensor], n_trials: int) -> NDArray[np.intp] | None:
    """Return the times of each trial if the inputs look like (trial, time[, feature])."""
    times = {
        a.shape[1]
        for a in arrays.values()
        if a.ndim == 3 or (a.ndim == 2 and not a.is_floating_point())
    }
    if len(times) != 1 or any(a.ndim > 3 for a in arrays.values()):
        return None
    return np.full(n_trials, times.pop(), dtype=np.intp)


def _tensor(key: Key, value: Any) -> Tensor:
    """Return a finite CPU tensor with trials first."""
    where = "inputs" if key == 0 else f"inputs[{key!r}]"
    if isinstance(value, xr.DataArray):
        if value.dims and value.dims[0] != "trial":
            msg = f"{where} must have dim 'trial' first; got {value.dims}."
            raise ContractError(msg)
        value = value.values
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    if not isinstance(value, Tensor):
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            msg = (
                f"{where} must hold numbers, one row a trial; got dtype {array.dtype}. "
                "Turn stimuli into arrays (or strings into tokens) first."
            )
            raise ContractError(msg)
        value = torch.from_numpy(array.copy())
    tensor = value.detach().cpu().clone()
    if tensor.ndim == 0:
        msg = f"{where} must have one row a trial; got a single number."
        raise ContractError(msg)
    if tensor.dtype in (torch.int32, torch.int16, torch.int8, torch.uint8):
        tensor = tensor.long()
    if tensor.is_floating_point():
        _check_finite(where, tensor)
    return tensor


def _check_finite(where: str, tensor: Tensor) -> None:
    bad = ~torch.isfinite(tensor)
    if bool(bad.any()):
        first = tuple(int(i) for i in bad.nonzero()[0])
        msg = (
            f"{where} holds {int(bad.sum())} NaN or infinite values, first at index "
            f"{first} (trial {first[0]}). Drop these trials or fill the values first."
        )
        raise ContractError(msg)


def _ragged(inputs: Sequence[Any]) -> Inputs:
    """Return inputs of trials that may differ in length."""
    tensors = [_tensor(f"trial {i}", value) for i, value in enumerate(inputs)]
    tails = {t.shape[1:] for t in tensors}
    if len(tails) > 1 or any(len(t) == 0 for t in tensors):
        msg = (
            "inputs: the trials of a list may differ in length only, and none may be "
            f"empty; got shapes {[tuple(t.shape) for t in tensors[:4]]} ..."
        )
        raise ContractError(msg)
    dtypes = {t.dtype for t in tensors}
    if len(dtypes) > 1:
        msg = f"inputs: all trials must have one dtype; got {sorted(map(str, dtypes))}."
        raise ContractError(msg)
    lengths = np.array([len(t) for t in tensors], dtype=np.intp)
    if len(set(lengths.tolist())) == 1:
        return Inputs({0: torch.stack(tensors)}, len(tensors), lengths)
    return Inputs({0: torch.cat(tensors)}, len(tensors), lengths, ragged=True)


def _tokens(texts: Sequence[str], model: Any) -> list[Tensor]:
    to_tokens = getattr(model, "to_tokens", None)
    if to_tokens is None:
        msg = (
            f"inputs are strings, but a {type(model).__name__} has no to_tokens. Give "
            "arrays of token ids."
        )
        raise HookError(msg)
    return [to_tokens(text)[0].detach().cpu() for text in texts]


def _labels(named: Mapping[Key, Any]) -> pd.Index | None:
    """Return trial labels of the inputs, if they carry any."""
    found: pd.Index | None = None
    for key, value in named.items():
        if not isinstance(value, xr.DataArray) or "trial" not in value.coords:
            continue
        labels = value["trial"].to_index()
        if found is not None and not labels.equals(found):
            msg = (
                f"inputs[{key!r}] has other trial labels than the others: "
                f"{describe_difference(labels, found)}."
            )
            raise ContractError(msg)
        found = labels
    return found


def _peek(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else value
