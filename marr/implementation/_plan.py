"""Which question a call to `ablate` asks, and whether the system can answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import (
    ContractError,
    EvidenceError,
    OptionError,
    StatisticsError,
    check_option,
)
from marr.implementation._engines import Engine, FixedReadout, RefitReadout, Running
from marr.measures._decoded import FittedDecoded
from marr.systems import ABLATION_MODES, System

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marr.measures import FittedMeasure, Measure

__all__ = [
    "check_answerable",
    "check_defined",
    "check_options",
    "engine_for",
    "is_contrast",
]

READOUTS = ("fixed", "refit")
COLUMN = "perturbation"
"""Column of the trial table that names real perturbations."""


def check_options(
    *, mode: str, readout: str, n_random: int, n_permutations: int, margin: float | None
) -> None:
    """Raise OptionError unless the options are possible."""
    check_option("mode", mode, ABLATION_MODES)
    check_option("readout", readout, READOUTS)
    for name, value, least in (
        ("n_random", n_random, 0),
        ("n_permutations", n_permutations, 19),
    ):
        if not isinstance(value, int) or value < least:
            msg = f"{name} must be an integer of at least {least}; got {value!r}."
            raise OptionError(msg)
    if margin is not None and not margin >= 0:
        msg = (
            "margin must be a loss of 0 or more, in the unit of the measure; "
            f"got {margin!r}."
        )
        raise OptionError(msg)


def is_contrast(system: System, over: Any, measure: Measure) -> bool:
    """Tell whether real perturbation trials are asked for."""
    if isinstance(over, str) and over == COLUMN:
        if COLUMN not in system.trials.columns:
            msg = (
                f"over='perturbation' needs a column {COLUMN!r} in the trial table of "
                f"{system.name!r} (labels of what was done, 'none' on control trials); "
                f"there is {list(system.trials.columns)}."
            )
            raise OptionError(msg)
        return True
    has_column = COLUMN in system.trials.columns
    return not system.runs and measure.kind == "behavior" and has_column


def check_answerable(
    system: System, measures: Sequence[Measure], *, over: Any, readout: str
) -> None:
    """Raise EvidenceError for questions that this system cannot answer."""
    behavior = [m for m in measures if m.kind == "behavior"]
    if not system.runs and behavior:
        what = over if isinstance(over, str) else "group"
        msg = (
            f"{behavior[0].name!r} is behavior, and nobody saw {system.name!r} act with a "
            f"{what} ablated: changing recorded activity changes no recorded choice. Ask "
            "for a readout (measure=marr.measures.decoded('choice')), give trials with a "
            "'perturbation' column and assignment=, or ablate a model of the system "
            "(marr.hook)."
        )
        raise EvidenceError(msg)
    if readout == "refit" and system.runs:
        msg = (
            "readout='refit' is for recordings; a system that runs is perturbed and its "
            "fixed readout applied to what follows. Leave readout='fixed'."
        )
        raise EvidenceError(msg)


def check_defined(
    system: System,
    fitted: Sequence[FittedMeasure],
    intact: Sequence[NDArray[np.float64]],
) -> None:
    """Raise StatisticsError for a measure that the intact system does not define."""
    for one, values in zip(fitted, intact, strict=True):
        if not np.isfinite(values).any():
            msg = (
                f"{one.measure.name!r} has no value on any of the {len(values)} trials of "
                f"{system.name!r}; check its where= and the column that it reads."
            )
            raise StatisticsError(msg)


def engine_for(
    system: System,
    fitted: Sequence[FittedMeasure],
    *,
    mode: str,
    readout: str,
    sites: Sequence[str],
    n_jobs: int,
    seed: int,
) -> Engine:
    """Return what measures the system under ablations of units of some sites."""
    decoders = [one for one in fitted if isinstance(one, FittedDecoded)]
    all_decoded = len(decoders) == len(fitted)
    if readout == "refit":
        if not all_decoded:
            msg = (
                "readout='refit' needs measures that are decoded (marr.measures.decoded); "
                f"got {[one.measure.name for one in fitted]}."
            )
            raise ContractError(msg)
        _check_own_sites(system, decoders, sites)
        return RefitReadout(system, decoders)
    if all_decoded and not system.runs and not system.derived:
        return FixedReadout(system, decoders, mode, seed)
    return Running(system, fitted, mode, seed, n_jobs)


def _check_own_sites(
    system: System, fitted: Sequence[FittedDecoded], ablated: Sequence[str]
) -> None:
    """Refuse to refit where taking units out of one site says nothing of another.

    Features and the site that they are made of hold the same activity: a readout of
    one does not do without it when units of the other are taken out.
    """
    for base in set(system.derived.values()):
        same = {base, *(f for f, b in system.derived.items() if b == base)}
        for one in fitted:
            involved = sorted(same & {*(one.measure.sites or system.sites), *ablated})
            if len(involved) > 1:
                msg = (
                    f"readout='refit': {involved} hold the same activity (features, and the "
                    "site they are made of), and are read and ablated together. Name one "
                    "of them in both: sites=... and marr.measures.decoded(..., sites=...)."
                )
                raise OptionError(msg)
