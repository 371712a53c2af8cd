"""A dictionary on torch tensors: encode, decode, and what a change of features adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from marr.errors import ContractError, OptionError
from marr.systems._dictionary_kernel import (
    jump,
    nonnegative_codes,
    normalized,
    step_size,
    top_k,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from marr.systems._dictionary import Dictionary

__all__ = ["Codec", "change_array", "decode_array", "encode_array"]

NUMBERS = 4_000_000
"""Numbers that are encoded at once."""


@dataclass(frozen=True)
class Codec:
    """Encoder and decoder of a `Dictionary`, on one device and in one precision."""

    kind: str
    k: int
    center: bool
    normalize: str
    encoder: Tensor
    encoder_bias: Tensor
    decoder: Tensor
    decoder_bias: Tensor
    threshold: Tensor
    step: float

    @classmethod
    def of(cls, dictionary: Dictionary, device: Any, dtype: Any) -> Codec:
        """Return the codec of a dictionary."""
        dtype = dtype or torch.float64

        def tensor(value: Any) -> Tensor:
            found = torch.empty(0) if value is None else torch.as_tensor(value)
            return found.to(device=device, dtype=dtype)

        decoder = tensor(dictionary.decoder)
        return cls(
            kind=dictionary.kind,
            k=dictionary.k or 0,
            center=dictionary.center,
            normalize=dictionary.normalize,
            encoder=tensor(dictionary.encoder),
            encoder_bias=tensor(dictionary.encoder_bias),
            decoder=decoder,
            decoder_bias=tensor(dictionary.decoder_bias),
            threshold=tensor(dictionary.threshold),
            step=step_size(decoder) if dictionary.kind == "nmf" else 0.0,
        )

    def encode(self, x: Tensor) -> Tensor:
        """Return features (rows, features) of activity (rows, units)."""
        rows, _, _ = normalized(x, self.normalize)
        return self._codes(rows)

    def _codes(self, rows: Tensor) -> Tensor:
        given = rows - self.decoder_bias if self.center else rows
        if self.kind == "nmf":
            return nonnegative_codes(given, self.decoder, self.step)
        pre = given @ self.encoder + self.encoder_bias
        if self.kind == "topk":
            return top_k(pre, self.k)
        if self.kind == "jumprelu":
            return jump(pre, self.threshold)
        return pre.clamp_min(0) if self.kind == "relu" else pre

    def decode(self, features: Tensor, like: Tensor | None = None) -> Tensor:
        """Return activity (rows, units); rows get the mean and scale of `like`."""
        out = features @ self.decoder + self.decoder_bias
        if like is None or self.normalize == "none":
            return out
        _, shift, scale = normalized(like, self.normalize)
        return out * scale + shift

    def change(self, delta: Tensor, x: Tensor) -> Tensor:
        """Return what a change of features adds to the activity x: (rows, units).

        The decoder is linear, so this is ``decode(f + delta) - decode(f)``; what the
        dictionary does not explain of x stays as it is.
        """
        added = delta @ self.decoder
        if self.normalize == "none":
            return added
        return added * normalized(x, self.normalize)[2]


def encode_array(dictionary: Dictionary, x: ArrayLike, device: str) -> NDArray[Any]:
    """Return features (..., n_features) of activity; NaN rows have NaN features."""
    rows, lead = _rows("x", x, dictionary.n_units)
    out = np.empty((len(rows), dictionary.n_features), rows.dtype)
    for part, tensor, codec in _parts(dictionary, rows, device):
        out[part] = codec.encode(tensor).cpu().numpy()
    out[np.isnan(rows).any(axis=1)] = np.nan
    return out.reshape(*lead, dictionary.n_features)


def decode_array(
    dictionary: Dictionary, features: ArrayLike, like: ArrayLike | None, device: str
) -> NDArray[Any]:
    """Return the activity that features stand for."""
    rows, lead = _rows("features", features, dictionary.n_features)
    if like is None and dictionary.normalize != "none":
        msg = (
            f"decode of {dictionary.name!r} needs like=, the activity whose mean and "
            "scale the rows shall have, because it normalizes rows "
            f"({dictionary.normalize})."
        )
        raise OptionError(msg)
    base = None if like is None else _rows("like", like, dictionary.n_units)[0]
    out = np.empty((len(rows), dictionary.n_units), rows.dtype)
    for part, tensor, codec in _parts(dictionary, rows, device):
        beside = None if base is None else torch.from_numpy(base[part]).to(tensor)
        out[part] = codec.decode(tensor, beside).cpu().numpy()
    return out.reshape(*lead, dictionary.n_units)


def change_array(
    dictionary: Dictionary, delta: ArrayLike, like: ArrayLike, device: str
) -> NDArray[Any]:
    """Return what a change of features adds to the activity `like`."""
    rows, lead = _rows("delta", delta, dictionary.n_features)
    base, _ = _rows("like", like, dictionary.n_units)
    out = np.empty((len(rows), dictionary.n_units), rows.dtype)
    for part, tensor, codec in _parts(dictionary, rows, device):
        beside = torch.from_numpy(base[part]).to(tensor)
        out[part] = codec.change(tensor, beside).cpu().numpy()
    return out.reshape(*lead, dictionary.n_units)


def _parts(
    dictionary: Dictionary, rows: NDArray[Any], device: str
) -> Iterator[tuple[slice, Tensor, Codec]]:
    """Yield slices of rows with their tensor and the codec of their precision."""
    size = max(1, NUMBERS // max(dictionary.n_features, dictionary.n_units))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        tensor = torch.from_numpy(rows[part]).to(device)
        yield part, tensor, dictionary.codec(device, tensor.dtype)


def _rows(what: str, values: ArrayLike, n: int) -> tuple[NDArray[Any], Any]:
    array = np.asarray(values)
    if array.ndim == 0 or array.shape[-1] != n:
        msg = f"{what} must have {n} values on its last axis; got {array.shape}."
        raise ContractError(msg)
    kept = array if array.dtype == np.float32 else array.astype(np.float64)
    return np.ascontiguousarray(kept.reshape(-1, n)), array.shape[:-1]
