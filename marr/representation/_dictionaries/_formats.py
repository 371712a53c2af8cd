"""Read sparse autoencoders in the formats in which they are released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._option_types import checked
from marr.errors import ContractError, FileError, OptionError
from marr.representation._dictionaries._weights import (
    Part,
    from_encoder_rows,
    from_openai,
    from_plain,
    from_sae_lens,
)
from marr.systems import Dictionary
from marr.systems._dictionary_file import HEADER

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["load_dictionary"]

NAMES = (
    "sae_weights.safetensors",
    "sae.safetensors",
    "params.safetensors",
    "params.npz",
    "dictionary.safetensors",
)
"""Files that are looked for in a folder, in this order."""

SETTINGS = ("cfg.json", "config.json")


@checked
def load_dictionary(
    path: str | os.PathLike[str],
    *,
    site: str | None = None,
    scaling_factor: float | None = None,
) -> Dictionary:
    """Read a sparse autoencoder, or a dictionary of marr, from a local file or folder.

    Parameters
    ----------
    path : path
        A folder or a file in one of these formats:

        - SAELens: `cfg.json` and `sae_weights.safetensors` (architectures "standard",
          "topk", "jumprelu"; also the older `activation_fn_str`);
        - EleutherAI sparsify: `cfg.json` and `sae.safetensors` (TopK);
        - Gemma Scope: `params.npz`, or `params.safetensors` (JumpReLU);
        - OpenAI: a `.pt` state dict (TopK or ReLU);
        - marr: what `Dictionary.save` wrote.
    site : str, optional
        Site that it belongs to; it can also be named in `system.with_features`.
    scaling_factor : float, optional
        For autoencoders that were trained on activity brought to a mean norm
        ("expected_average_only_in"): what activity is multiplied by, sqrt(units) over its
        mean norm. It is folded into the weights.

    Returns
    -------
    Dictionary
        Without ids of units: positions count, as the model orders them.

    Raises
    ------
    FileError
        If files, tensors or settings are missing, shapes disagree, or the architecture
        is not one of the above (gated, transcoders with a skip connection, ...).
    OptionError
        If `scaling_factor` is needed and missing, or given and not needed.

    Notes
    -----
    Nothing is downloaded. Settings that change what features are (whether the decoder
    bias is taken off first, normalization of rows, scaling by decoder norms or by
    finetuned factors) are followed; unknown ones are refused rather than ignored.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from marr.representation import Dictionary, load_dictionary
    >>> d = Dictionary(kind="topk", k=1, encoder=np.eye(3), decoder=np.eye(3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_dictionary(d.save(folder + "/d.safetensors"))
    <Dictionary 'topk 3': topk, 3 features, 1 active of 3 units>
    """
    place = Path(path)
    weights, settings = _files(place)
    tensors, header = _tensors(weights)
    if header:
        found = Dictionary.load(weights)
        return found if site is None else _with(found, site=site)
    try:
        part = _part(tensors, settings, weights)
    except FileError as error:
        msg = f"path: {str(weights)!r}: {error}"
        raise FileError(msg) from error
    part = _scaled(part, scaling_factor)
    try:
        return Dictionary(
            **part.values,
            site=site or "",
            name=place.stem if place.is_file() else place.name,
            info={"format": part.format, **part.about},
        )
    except (ContractError, OptionError) as error:
        msg = f"path: {str(weights)!r} holds no dictionary: {error}"
        raise FileError(msg) from error


def _with(found: Dictionary, **changes: Any) -> Dictionary:
    from dataclasses import replace

    return replace(found, **changes)


def _files(place: Path) -> tuple[Path, Mapping[str, Any] | None]:
    """Return the file of weights, and the settings beside it."""
    if place.is_dir():
        there = [place / name for name in NAMES if (place / name).is_file()]
        if not there:
            listed = sorted(p.name for p in place.iterdir())[:8]
            msg = (
                f"path: folder {str(place)!r} holds none of {', '.join(NAMES)}; there is "
                f"{listed}. Name the folder of one layer, or the file itself."
            )
            raise FileError(msg)
        weights = there[0]
    elif place.is_file():
        weights = place
    else:
        msg = f"path: there is nothing at {str(place)!r}. Nothing is downloaded."
        raise FileError(msg)
    for name in SETTINGS:
        file = weights.parent / name
        if file.is_file() and weights.suffix == ".safetensors":
            return weights, _settings(file)
    return weights, None


def _settings(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"path: {str(file)!r} cannot be read as JSON: {error}."
        raise FileError(msg) from error
    if not isinstance(found, dict):
        msg = f"path: {str(file)!r} must hold an object; got {type(found).__name__}."
        raise FileError(msg)
    return found


def _tensors(file: Path) -> tuple[dict[str, Any], bool]:
    """Return the tensors of a file by name, and whether marr wrote it."""
    from safetensors import SafetensorError

    try:
        if file.suffix == ".safetensors":
            return _safetensors(file)
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as stored:
                return {k: stored[k] for k in stored.files}, False
        if file.suffix in (".pt", ".pth"):
            return _state_dict(file), False
    except FileError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError, EOFError) as error:
        msg = f"path: {str(file)!r} cannot be read: {error}. Copy it anew."
        raise FileError(msg) from error
    msg = (
        f"path: {str(file)!r} must be a .safetensors, .npz or .pt file, or a folder; got "
        f"suffix {file.suffix!r}."
    )
    raise FileError(msg)


def _safetensors(file: Path) -> tuple[dict[str, Any], bool]:
    from safetensors import safe_open

    with safe_open(str(file), framework="pt") as stored:
        if HEADER in (stored.metadata() or {}):
            return {}, True
        found = {k: _array(stored.get_tensor(k)) for k in stored.keys()}  # noqa: SIM118
    return found, False


def _array(tensor: Any) -> Any:
    """Return a numpy array; bfloat16, which numpy lacks, as float32."""
    import torch

    wide = (torch.float32, torch.float64, torch.int64, torch.int32)
    return (tensor if tensor.dtype in wide else tensor.float()).numpy()


def _state_dict(file: Path) -> dict[str, Any]:
    """Return a state dict; nothing but tensors and plain values is unpickled."""
    import pickle

    import torch

    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        msg = f"path: {str(file)!r} holds more than weights and is not unpickled: {error}."
        raise FileError(msg) from error
    if not isinstance(found, dict):
        msg = f"path: {str(file)!r} must hold a state dict; got {type(found).__name__}."
        raise FileError(msg)
    return {k: _array(v) if torch.is_tensor(v) else v for k, v in found.items()}


def _part(
    tensors: dict[str, Any], settings: Mapping[str, Any] | None, file: Path
) -> Part:
    if "pre_bias" in tensors:
        return from_openai(tensors)
    if "encoder.weight" in tensors:
        return from_encoder_rows(tensors, settings)
    if file.suffix == ".safetensors" and settings is not None and "W_enc" in tensors:
        return from_sae_lens(tensors, settings)
    return from_plain(tensors, settings)


def _scaled(part: Part, factor: float | None) -> Part:
    """Fold the factor that activity is multiplied by into the weights."""
    if part.needs_factor and factor is None:
        msg = (
            "scaling_factor: this autoencoder was trained on activity that was brought to a "
            "mean norm (normalize_activations='expected_average_only_in'), and the factor "
            "is not in its files. Give scaling_factor=sqrt(n_units) / mean norm."
        )
        raise OptionError(msg)
    if factor is None:
        return part
    if not part.needs_factor or not 0 < factor < np.inf:
        msg = f"scaling_factor: got {factor!r}, but " + (
            "it must be a positive number."
            if part.needs_factor
            else "this autoencoder asks for none."
        )
        raise OptionError(msg)
    values = dict(part.values)
    values["encoder"] = values["encoder"] * factor
    values["decoder"] = values["decoder"] / factor
    values["decoder_bias"] = values["decoder_bias"] / factor
    return Part(part.format, values, part.about)
