"""Write a report's text so that nothing half-written stays; read its data back."""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from marr.errors import FileError

__all__ = ["read_report_text", "write_text"]

_BLOCK = re.compile(
    r'<script type="application/json" id="marr-report">(.*?)</script>', re.DOTALL
)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write UTF-8 text through a temporary file beside the target.

    Raises
    ------
    FileError
        If the folder is missing or not writable, or the target is no regular file.
    """
    target = Path(path)
    temporary = ""
    try:
        place = Path(os.path.realpath(target))  # a link stays a link to what is written
        _check_regular(place)
        handle, temporary = tempfile.mkstemp(
            dir=place.parent, prefix=f".{place.name}.", suffix=".part"
        )
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(place)
        temporary = ""
    except OSError as error:
        msg = (
            f"path: cannot write {str(path)!r} ({error.strerror}). Choose a folder that "
            "exists and can be written to."
        )
        raise FileError(msg) from error
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        msg = (
            f"path: {str(path)!r} was not written, since the text holds {character!r}, "
            "which no file can hold. Remove it from names and texts."
        )
        raise FileError(msg) from error
    finally:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
    return target


def _check_regular(place: Path) -> None:
    """Raise OSError for a folder, pipe or device: moving a file there removes it."""
    if place.exists() and not place.is_file():
        raise OSError(None, "it is not a regular file")


def read_report_text(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the report's data from its page or JSON file.

    Raises
    ------
    FileError
        If the file cannot be read, or holds no (whole) report.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        msg = (
            f"path: cannot read {str(path)!r} ({reason}). Give a page or JSON of marr."
        )
        raise FileError(msg) from error
    if not text.lstrip().startswith(("{", "[")):
        block = _BLOCK.search(text)
        if block is None:
            msg = (
                f"path: {str(path)!r} holds no report (no block id=marr-report). Give a "
                "page written by Report.save, or its JSON."
            )
            raise FileError(msg)
        text = block.group(1)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"path: the JSON in {str(path)!r} is cut short or broken ({error})."
        raise FileError(msg) from error
    return found if isinstance(found, dict) else {"findings": found}
