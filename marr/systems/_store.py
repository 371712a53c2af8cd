"""Saving recordings as zarr stores, and opening them again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from zarr.errors import BaseZarrError

from marr._option_types import checked
from marr.errors import ContractError, FileError
from marr.systems._recording import Recording
from marr.systems._store_files import (
    check_complete,
    is_store,
    move_into_place,
    open_group,
    reading,
)
from marr.systems._store_layout import read_recording, write_recording

__all__ = ["open_system", "save_system"]


@checked
def save_system(system: Any, path: str | os.PathLike[str]) -> Path:
    """Write a recording to a zarr store (a folder); nothing half-written stays.

    The store is written beside `path` under a temporary name and renamed when it is
    complete. A store of marr that is already there is replaced; anything else is not.

    Parameters
    ----------
    system : Recording
        What to save, not perturbed. A selection is saved as its whole root and the
        labels of the selected trials, so that halves, fingerprint and trial hashes
        stay the same; to make a smaller recording of its own, pass the selected
        activity to `marr.from_arrays` and save that.
    path : path
        Folder to write; its parent must exist.

    Returns
    -------
    Path
        Where the store is.

    Raises
    ------
    FileError
        If the place cannot be written or holds something else.
    ContractError
        If the system is not an unperturbed recording, or holds values without an
        exact form.

    Notes
    -----
    Activity is streamed in blocks of trials, so memory stays at one block.
    """
    _check_savable(system)
    target = Path(path)
    _check_target(target)
    temporary: Path | None = None
    try:
        temporary = Path(
            tempfile.mkdtemp(
                prefix=f".{target.name}.", suffix=".part", dir=target.parent
            )
        )
        write_recording(system, temporary / "store")
        move_into_place(temporary / "store", target, temporary / "replaced")
    except (OSError, BaseZarrError) as error:
        msg = (
            f"path: {str(target)!r} cannot be written: {error}. Nothing was left there; "
            "check free space and permissions, or choose another folder."
        )
        raise FileError(msg) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


@checked
def open_system(path: str | os.PathLike[str]) -> Recording:
    """Open a recording that was saved with ``system.save(path)``.

    Tables and labels are read now, activity when it is first looked at.

    Parameters
    ----------
    path : path
        Folder of the store.

    Returns
    -------
    Recording
        Equal to what was saved, dtypes and attributes included.

    Raises
    ------
    FileError
        If nothing is there, it is not a store of marr, it was written by a later
        version, or files of it are missing or cut short.
    """
    location = Path(path)
    with reading(location):
        group = open_group(location)
        header = dict(group.attrs)
        check_complete(location, header)
        return read_recording(group, location.resolve(), header)


def _check_savable(system: Any) -> None:
    if not isinstance(system, Recording):
        msg = (
            f"system: only a Recording can be saved; got {type(system).__name__}. Save "
            "the activity of a model with marr.from_arrays({site: system.activity(site)}"
            ", trials=system.trials), the members of a cohort one by one."
        )
        raise ContractError(msg)
    if system.derived:
        msg = (
            "system: features are not saved with a recording. Save the recording without "
            "them and the dictionary (Dictionary.save); after marr.open use "
            f"with_features again for {', '.join(map(repr, system.derived))}."
        )
        raise ContractError(msg)
    if system.perturbations:
        msg = (
            "system: a perturbed recording is not saved, since its store would look like "
            "recorded data. Save the intact recording and apply the perturbations after "
            "marr.open: " + ", ".join(str(p) for p in system.perturbations)
        )
        raise ContractError(msg)


def _check_target(target: Path) -> None:
    if not target.name or not target.parent.is_dir():
        msg = (
            f"path: there is no folder {str(target.parent)!r} to write in. Create it "
            "first, or choose another path."
        )
        raise FileError(msg)
    if os.path.lexists(target) and not is_store(target):
        msg = (
            f"path: {str(target)!r} exists and is not a store of marr, so it is not "
            "replaced. Choose another path or remove it yourself."
        )
        raise FileError(msg)
