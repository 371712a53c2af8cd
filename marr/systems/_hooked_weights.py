"""Notice when the weights of a hooked model have changed."""

from __future__ import annotations

import hashlib
import zlib
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from marr.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Weights", "model_device", "model_dtype"]

SMALL = 16_000_000
"""Models of up to this many bytes are read in full also before cached results."""


class Weights:
    """Fingerprint of the parameters and buffers of a model.

    Before a run every byte is read (CRC-32, some 2 GB/s). Before cached activity is
    served, small models are read in full too; of larger ones the addresses and version
    counters of the tensors are compared, which sees every change but one through
    `tensor.data`.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.n_bytes = sum(t.numel() * t.element_size() for _, t in self._tensors())
        self.n_parameters = sum(p.numel() for p in nn.Module.parameters(model))
        self.checksum = self._crc()
        self.addresses = self._light()
        digest = hashlib.sha256()
        for name, tensor in self._tensors():
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(_bytes(tensor))
        self.digest = digest.hexdigest()

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from nn.Module.named_parameters(self.model)
        yield from nn.Module.named_buffers(self.model)

    def _crc(self) -> int:
        code = 0
        for _, tensor in self._tensors():
            code = zlib.crc32(_bytes(tensor), code)
        return code

    def _light(self) -> list[tuple[int, int]]:
        return [(t.data_ptr(), _version(t)) for _, t in self._tensors()]

    def changed(self) -> bool:
        """Read every byte and tell whether any differs."""
        return self._crc() != self.checksum

    def check(self, name: str, *, cached: bool) -> None:
        """Raise if the weights are not those that were hooked.

        Parameters
        ----------
        name : str
            Name of the system, for the message.
        cached : bool
            Whether nothing will run (see the class on what is compared then).
        """
        if cached and self.n_bytes > SMALL and self._light() == self.addresses:
            return
        if self.changed():
            msg = (
                f"the weights or buffers of {name!r} have changed since marr.hook, so its "
                "earlier activity would be stale. Hook the changed model again: "
                "marr.hook(model, ...); copy.deepcopy(model) first to keep both."
            )
            raise HookError(msg)
        self.addresses = self._light()


def model_device(model: nn.Module) -> torch.device:
    """Return the device of the first parameter or buffer, else the CPU."""
    tensors = chain(nn.Module.parameters(model), nn.Module.buffers(model))
    first = next(tensors, None)
    return torch.device("cpu") if first is None else first.device


def model_dtype(model: nn.Module) -> torch.dtype:
    """Return the dtype of the first real-valued parameter, else float32."""
    for tensor in nn.Module.parameters(model):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


def _bytes(tensor: Tensor) -> Any:
    """Return the bytes of a tensor, whatever its dtype and device."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return flat.numpy().data


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version
