"""Types of options, checked by their annotations before anything runs."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from marr.errors import OptionError

__all__ = ["check_types", "checked"]

P = ParamSpec("P")
R = TypeVar("R")


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_int(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not _is_bool(value)


def _is_number(value: Any) -> bool:
    return _is_int(value) or isinstance(value, (float, np.floating))


def _items(value: Any) -> list[Any] | None:
    """Return the items of a list-like value (sets have no order), else None."""
    if isinstance(value, np.ndarray) or hasattr(value, "tolist"):
        return list(np.atleast_1d(value).tolist())
    listed = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    return list(value) if listed else None


def _are_strings(value: Any) -> bool:
    items = _items(value)
    return items is not None and all(isinstance(i, str) for i in items)


def _are_numbers(value: Any) -> bool:
    items = _items(value)
    return items is not None and all(_is_number(i) for i in items)


def _is_pair(value: Any) -> bool:
    return _are_numbers(value) and len(_items(value) or []) == 2


KNOWN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "None": ("None", lambda value: value is None),
    "bool": ("True or False", _is_bool),
    "float": ("a number", _is_number),
    "int": ("a whole number", _is_int),
    "str": ("a string", lambda value: isinstance(value, str)),
    "os.PathLike[str]": ("a path", lambda value: isinstance(value, os.PathLike)),
    "PathLike[str]": ("a path", lambda value: isinstance(value, os.PathLike)),
    "Sequence[str]": ("a list of strings", _are_strings),
    "Sequence[float]": ("a list of numbers", _are_numbers),
    "tuple[float, float]": ("two numbers", _is_pair),
    "tuple[str, str]": ("two strings", lambda v: _are_strings(v) and len(v) == 2),
    "Mapping[str, Any]": ("a mapping", lambda value: isinstance(value, Mapping)),
}
"""Annotations that are checked: in words, and as a test of a value."""


def check_types(
    name: str, signature: inspect.Signature, parameters: Mapping[str, Any]
) -> None:
    """Raise OptionError where an option does not fit its annotation.

    Annotations with parts that `KNOWN` does not hold are left to the analysis.

    Parameters
    ----------
    name : str
        Name of the analysis.
    signature : Signature
        Its annotations, as strings.
    parameters : mapping
        Options by name.
    """
    for option, value in parameters.items():
        words = str(signature.parameters[option].annotation).split(" | ")
        if not set(words) <= set(KNOWN):
            continue
        if not any(KNOWN[word][1](value) for word in words):
            allowed = " or ".join(KNOWN[word][0] for word in words)
            msg = f"{name}: {option} must be {allowed}; got {value!r:.60}."
            raise OptionError(msg)
    if _is_int(parameters.get("seed")) and parameters["seed"] < 0:
        msg = f"{name}: seed must be 0 or more; got {parameters['seed']}."
        raise OptionError(msg)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check the types of a function's arguments when it is called; see `check_types`."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        check_types(function.__name__, signature, bound.arguments)
        return function(*args, **kwargs)

    return run
