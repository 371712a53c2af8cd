"""Systems under study: recordings, hooked models, cohorts, and what is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr.systems._arrays import from_arrays
from marr.systems._cohort import Cohort
from marr.systems._dictionary import DICTIONARY_KINDS, Dictionary
from marr.systems._perturbations import (
    ABLATION_MODES,
    Ablate,
    Patch,
    Perturbation,
    Steer,
)
from marr.systems._recording import Recording
from marr.systems._stack import is_circular, site_list, stack_units, target_values
from marr.systems._system import System, group_column, trial_hashes

if TYPE_CHECKING:
    from marr.systems._hooked import HookedModel, hook
    from marr.systems._nwb import read_nwb
    from marr.systems._store import open_system, save_system

__all__ = [
    "ABLATION_MODES",
    "DICTIONARY_KINDS",
    "Ablate",
    "Cohort",
    "Dictionary",
    "HookedModel",
    "Patch",
    "Perturbation",
    "Recording",
    "Steer",
    "System",
    "from_arrays",
    "group_column",
    "hook",
    "is_circular",
    "open_system",
    "read_nwb",
    "save_system",
    "site_list",
    "stack_units",
    "target_values",
    "trial_hashes",
]

_LAZY = {
    "HookedModel": "marr.systems._hooked",
    "hook": "marr.systems._hooked",
    "open_system": "marr.systems._store",
    "read_nwb": "marr.systems._nwb",
    "save_system": "marr.systems._store",
}


def __getattr__(name: str) -> Any:
    """Load what needs torch, h5py or zarr when it is asked for."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
