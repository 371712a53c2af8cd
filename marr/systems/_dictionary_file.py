"""One safetensors file a dictionary, written at once or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from marr.errors import ContractError, FileError, OptionError
from marr.systems._dictionary import Dictionary

__all__ = ["HEADER", "read_dictionary", "write_dictionary"]

HEADER = "marr_dictionary"
"""Key of the file's metadata that holds the settings."""

VERSION = 1


def write_dictionary(dictionary: Dictionary, path: str | os.PathLike[str]) -> Path:
    """Write a dictionary; a file that is there is replaced once the new one is whole."""
    from safetensors.numpy import save

    target = Path(path)
    if not target.parent.is_dir() or target.is_dir():
        msg = (
            f"path: {str(target)!r} must name a file in a folder that exists, e.g. "
            "'dictionary.safetensors'."
        )
        raise FileError(msg)
    arrays = {k: np.ascontiguousarray(v) for k, v in dictionary.arrays().items()}
    if dictionary.trained_on is not None:
        arrays["trained_on"] = np.ascontiguousarray(dictionary.trained_on)
    content = save(arrays, metadata={HEADER: _settings(dictionary)})
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(target)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        msg = (
            f"path: {str(target)!r} cannot be written: {error}. Nothing was left there; "
            "check free space and permissions."
        )
        raise FileError(msg) from error
    return target


def _settings(dictionary: Dictionary) -> str:
    record = {
        "version": VERSION,
        "kind": dictionary.kind,
        "k": dictionary.k,
        "center": dictionary.center,
        "normalize": dictionary.normalize,
        "units": None if dictionary.units is None else list(dictionary.units),
        "site": dictionary.site,
        "name": dictionary.name,
        "info": dict(dictionary.info),
        "digest": dictionary.digest,
    }
    try:
        return json.dumps(record)
    except TypeError as error:
        msg = f"info of dictionary {dictionary.name!r} must be plain values: {error}."
        raise ContractError(msg) from error


def read_dictionary(path: str | os.PathLike[str]) -> Dictionary:
    """Read a dictionary that `Dictionary.save` wrote."""
    from safetensors import SafetensorError, safe_open

    file = Path(path)
    if not file.is_file():
        msg = f"path: there is no file {str(file)!r}. Check the spelling."
        raise FileError(msg)
    try:
        with safe_open(str(file), framework="numpy") as stored:
            header = (stored.metadata() or {}).get(HEADER)
            arrays: dict[str, Any] = {k: stored.get_tensor(k) for k in stored.keys()}  # noqa: SIM118
        record = None if header is None else json.loads(header)
    except (SafetensorError, OSError, ValueError) as error:
        msg = f"path: {str(file)!r} cannot be read ({error}). Save or copy it anew."
        raise FileError(msg) from error
    if record is None:
        msg = (
            f"path: {str(file)!r} was not written by Dictionary.save. Released "
            "dictionaries are read with marr.representation.load_dictionary."
        )
        raise FileError(msg)
    if record["version"] > VERSION:
        msg = f"path: {str(file)!r} was written by a later marr. Update marr-toolkit."
        raise FileError(msg)
    settings = {k: v for k, v in record.items() if k not in ("version", "digest")}
    try:
        found = Dictionary(**{**settings, **arrays})
    except (ContractError, OptionError, TypeError) as error:
        msg = f"path: {str(file)!r} is damaged: {error}"
        raise FileError(msg) from error
    if found.digest != record["digest"]:
        msg = f"path: {str(file)!r} is damaged: its numbers are not those saved."
        raise FileError(msg)
    return found
