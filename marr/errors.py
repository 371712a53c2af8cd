"""Errors of marr: one base, few leaves, messages that hold the way out."""

from __future__ import annotations

import difflib
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ContractError",
    "EvidenceError",
    "FileError",
    "HookError",
    "MarrError",
    "OptionError",
    "StatisticsError",
    "check_known",
    "check_option",
    "nearest",
]


class MarrError(ValueError):
    """Base of every error that marr raises on purpose."""


class ContractError(MarrError):
    """Data that break the contract: shapes, labels, NaN, missing columns."""


class OptionError(MarrError):
    """An option, site, column or unit that does not exist."""


class HookError(MarrError):
    """A model or hook that does not do what was asked of it."""


class FileError(MarrError):
    """A file that cannot be read or written."""


class EvidenceError(MarrError):
    """A question that this system or this pair of findings cannot answer."""


class StatisticsError(MarrError):
    """Data that cannot support the statistic that was asked for."""


def nearest(name: object, known: Iterable[object]) -> str | None:
    """Return the known name closest in spelling to `name`, or None."""
    options = {str(k): str(k) for k in known} | {str(k).lower(): str(k) for k in known}
    found = difflib.get_close_matches(str(name).lower(), options, n=1, cutoff=0.5)
    return options[found[0]] if found else None


def _among(value: object, choices: list[object]) -> bool:
    """Tell whether a value is one of several, whatever it is (arrays do not compare)."""
    return isinstance(value, Hashable) and value in choices


def check_option(argument: str, value: object, allowed: Iterable[object]) -> None:
    """Raise OptionError unless `value` is one of `allowed`."""
    choices = list(allowed)
    if _among(value, choices):
        return
    hint = nearest(value, choices)
    suggestion = f" Did you mean {hint!r}?" if hint else ""
    listed = ", ".join(repr(choice) for choice in choices)
    msg = f"{argument} must be one of {listed}; got {value!r}.{suggestion}"
    raise OptionError(msg)


def check_known(
    argument: str, name: object, known: Iterable[object], *, what: str = "name"
) -> None:
    """Raise OptionError, with the nearest known name, unless `name` is known.

    Parameters
    ----------
    argument : str
        Name of the argument in the caller's signature.
    name : object
        What was got.
    known : iterable
        What exists.
    what : str
        What is being looked up ("site", "column", "unit"), for the message.
    """
    options = list(known)
    if _among(name, options):
        return
    hint = nearest(name, options)
    suggestion = f" Did you mean {hint!r}?" if hint else ""
    shown = ", ".join(repr(option) for option in options[:12])
    more = f", ... ({len(options)} in all)" if len(options) > 12 else ""
    noun, of, rest = what.partition(" of ")
    msg = (
        f"{argument}: no {noun} {name!r}{of}{rest}; there is "
        f"{shown or 'none'}{more}.{suggestion}"
    )
    raise OptionError(msg)
