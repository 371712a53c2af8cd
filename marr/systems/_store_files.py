"""Files of a store: opened with clear errors, counted, put in place at once."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

import zarr
from zarr.errors import BaseZarrError

from marr.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "VERSION",
    "check_complete",
    "inventory",
    "is_store",
    "move_into_place",
    "open_group",
    "reading",
]

VERSION = 1
"""Version of the layout; a store with a higher one is refused."""


def is_store(path: Path) -> bool:
    """Tell whether a folder is a store of marr."""
    try:
        return "marr_store" in zarr.open_group(path, mode="r").attrs
    except (OSError, ValueError, BaseZarrError):
        return False


def move_into_place(new: Path, target: Path, aside: Path) -> None:
    """Put the finished store in place; the old one comes back if that fails."""
    replaced = target.exists()
    if replaced:
        target.rename(aside)
    try:
        new.rename(target)
    except OSError:
        if replaced:
            aside.rename(target)
        raise


def inventory(path: Path) -> tuple[int, int, str]:
    """Return number, total size and digest of the files below the root metadata."""
    digest, count, size = hashlib.sha256(), 0, 0
    for file in _files(path):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(path).as_posix()}\n{len(content)}\n".encode())
        digest.update(content)
        count, size = count + 1, size + len(content)
    return count, size, digest.hexdigest()


def _files(path: Path) -> list[Path]:
    root = path / "zarr.json"
    return sorted(f for f in path.rglob("*") if f.is_file() and f != root)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn every fault of a store into a FileError."""
    try:
        yield
    except FileError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, BaseZarrError) as error:
        msg = (
            f"path: the store {str(path)!r} cannot be read ({type(error).__name__}: "
            f"{error}). It may be damaged; save it anew."
        )
        raise FileError(msg) from error


def open_group(path: Path) -> zarr.Group:
    """Open a store for reading, or raise FileError with the reason."""
    if not path.exists():
        msg = f"path: there is nothing at {str(path)!r}. Check the spelling."
        raise FileError(msg)
    if not is_store(path):
        msg = (
            f"path: {str(path)!r} is not a store of marr. marr.open opens what "
            "system.save(path) wrote; NWB files are read with marr.read_nwb."
        )
        raise FileError(msg)
    return zarr.open_group(path, mode="r")


def check_complete(path: Path, header: Mapping[str, Any]) -> None:
    """Raise FileError if the store is newer than this marr, or files are missing."""
    if header["marr_store"] > VERSION:
        msg = (
            f"path: {str(path)!r} was written by a later marr (layout "
            f"{header['marr_store']}, this one knows {VERSION}). Update marr-toolkit."
        )
        raise FileError(msg)
    files = _files(path)
    size = sum(file.stat().st_size for file in files)
    if (len(files), size) != (header["files"], header["bytes"]):
        msg = (
            f"path: the store {str(path)!r} is not complete: it has {len(files)} files "
            f"of {size} bytes, and was written with {header['files']} files of "
            f"{header['bytes']} bytes. Copy or save it anew."
        )
        raise FileError(msg)
