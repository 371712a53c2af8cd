"""Show the default of a parameter that has choices as the signature gives it.

griffe takes the first of ``{"a", "b"}`` for the default, whatever the signature says; as
``"a" or "b"`` the choices are only a type. Used by mkdocs.yml.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

CHOICES = re.compile(r"^(\s*\w[\w, *]* : )\{([^}]*)\}", re.MULTILINE)


def spelled_out(match: re.Match[str]) -> str:
    """Return a parameter's line with its choices joined by "or"."""
    return match.group(1) + " or ".join(match.group(2).split(", "))


class Choices(griffe.Extension):
    """Rewrite choices in docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one function, class or module."""
        if obj.docstring is not None:
            obj.docstring.value = CHOICES.sub(spelled_out, obj.docstring.value)
