"""marr: multilevel interpretability of brains and networks, by Marr's levels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from marr import (
        behavior,
        datasets,
        implementation,
        measures,
        readouts,
        representation,
        stats,
        zoo,
    )
    from marr.errors import MarrError
    from marr.findings import Finding
    from marr.links import Link, link
    from marr.report import Report
    from marr.systems import (
        Ablate,
        Cohort,
        HookedModel,
        Patch,
        Recording,
        Steer,
        System,
        from_arrays,
        hook,
        read_nwb,
    )
    from marr.systems import open_system as open

_WHERE = {
    "Ablate": "marr.systems",
    "Cohort": "marr.systems",
    "Finding": "marr.findings",
    "HookedModel": "marr.systems",
    "Link": "marr.links",
    "MarrError": "marr.errors",
    "Patch": "marr.systems",
    "Recording": "marr.systems",
    "Report": "marr.report",
    "Steer": "marr.systems",
    "System": "marr.systems",
    "from_arrays": "marr.systems",
    "hook": "marr.systems",
    "link": "marr.links",
    "open": "marr.systems",
    "read_nwb": "marr.systems",
}
_RENAMED = {"open": "open_system"}
_MODULES = (
    "behavior",
    "datasets",
    "errors",
    "findings",
    "implementation",
    "links",
    "measures",
    "readouts",
    "report",
    "representation",
    "stats",
    "systems",
    "zoo",
)

__all__ = [
    "Ablate",
    "Cohort",
    "Finding",
    "HookedModel",
    "Link",
    "MarrError",
    "Patch",
    "Recording",
    "Report",
    "Steer",
    "System",
    "behavior",
    "datasets",
    "from_arrays",
    "hook",
    "implementation",
    "link",
    "measures",
    "open",
    "read_nwb",
    "readouts",
    "representation",
    "stats",
    "zoo",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for, so that importing marr is quick."""
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), _RENAMED.get(name, name))
    elif name in _MODULES:
        value = import_module(f"marr.{name}")
    else:
        msg = f"module 'marr' has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
