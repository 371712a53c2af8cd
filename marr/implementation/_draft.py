"""From a measured sweep to the draft of a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft
from marr.findings import Note
from marr.implementation._effects import (
    add_off_target,
    estimate_of,
    half_table,
    losses_of,
    random_losses,
)
from marr.implementation._joint import joint_lesions
from marr.implementation._methods import (
    ablation_methods,
    generalization,
    readout_notes,
)
from marr.implementation._words import ablation_figures, ablation_notes

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from marr.implementation._effects import Dependence, Losses, RandomSets
    from marr.implementation._engines import Engine
    from marr.implementation._joint import Redundancy
    from marr.implementation._members import Sweep
    from marr.implementation._words import Wording
    from marr.measures import FittedMeasure
    from marr.systems import System

__all__ = ["Run", "Settings", "ablation_draft"]

ONE_HALF = Note(
    "one_half",
    "All trials belong to one half of the whole system: there are no joint ablations, "
    "and a link cannot use disjoint trials.",
    "Select trials of both halves (system.halves).",
)


@dataclass(frozen=True)
class Run:
    """A system, what is ablated in it, and how it is measured.

    Attributes
    ----------
    fitted, intact : list
        Target measure and, if there is one, off-target measure, with the values of each
        on the intact system.
    """

    system: System
    sweep: Sweep
    engine: Engine
    fitted: list[FittedMeasure]
    intact: list[NDArray[np.float64]]
    dependent: Dependence


@dataclass(frozen=True)
class Settings:
    """Options of `ablate` that only the statistics see."""

    margin: float | None
    joint: bool
    n_random: int
    n_permutations: int
    seed: int


def ablation_draft(run: Run, wording: Wording, settings: Settings) -> Draft:
    """Ablate every member and say what was lost."""
    losses = losses_of(
        run.engine, run.sweep.members, run.fitted, run.intact, label="ablations"
    )
    random = random_losses(
        run.engine,
        run.sweep,
        run.fitted[0],
        run.intact[0],
        n_random=settings.n_random,
        seed=settings.seed,
    )
    data = _estimate(run, losses, random, wording, settings)
    tables, redundancy = _tables(run, losses, data, settings)
    joint = "joint" in tables
    notes = ablation_notes(
        data,
        wording,
        run.dependent,
        redundancy,
        has_control=len(losses) > 1,
        deterministic=run.system.runs,
        n_permutations=settings.n_permutations,
    )
    notes += readout_notes(run.sweep, run.system, run.fitted[0], run.intact[0])
    notes += [] if _both_halves(run.system) else [ONE_HALF]
    return Draft(
        estimate=data,
        summary=wording.summary,
        question=wording.question(),
        methods=ablation_methods(
            run.sweep,
            run.system,
            run.fitted,
            random,
            run.dependent,
            wording,
            joint=joint,
            n_permutations=settings.n_permutations,
        ),
        evidence=wording.evidence,
        tables=tables,
        figures=ablation_figures(wording, joint=joint, random=random.kind != "none"),
        notes=notes,
        citations=("cook1982",) if wording.mode == "refit" else (),
        generalizes_over=generalization(run.dependent, run.system),
        parameters=_parameters(run, wording),
    )


def _estimate(
    run: Run,
    losses: list[Losses],
    random: RandomSets,
    wording: Wording,
    settings: Settings,
) -> xr.Dataset:
    """Return the labelled losses, with the off-target ones if they were measured."""
    data = estimate_of(
        run.sweep,
        losses[0],
        random,
        run.dependent,
        margin=settings.margin,
        n_permutations=settings.n_permutations,
        seed=settings.seed,
    )
    data["estimate"].attrs = {
        "long_name": f"loss of {wording.measure}",
        "units": wording.units,
        "better": "lower",
        "null": 0.0,
        "measure": wording.measure,
    }
    if len(losses) > 1:
        target, off = run.fitted
        data = add_off_target(
            data,
            run.sweep.axis,
            losses[0],
            losses[1],
            run.dependent,
            same_units=_one_scale(target.value_units, off.value_units),
            seed=settings.seed,
        )
        data["off_target"].attrs["long_name"] = f"loss of {off.measure.name}"
    return data


def _both_halves(system: System) -> bool:
    return len(np.unique(system.halves)) == 2


def _tables(
    run: Run, losses: list[Losses], data: xr.Dataset, settings: Settings
) -> tuple[dict[str, xr.Dataset], Redundancy | None]:
    """Return halves, joint lesions and ranking, and the redundancy flag."""
    axis, halves = run.sweep.axis, run.system.halves
    tables: dict[str, xr.Dataset] = {}
    redundancy = None
    if axis == "unit":
        off = losses[1] if len(losses) > 1 else None
        tables["unit"] = half_table(data, axis, losses[0], off, halves)
    if settings.joint and _both_halves(run.system) and len(run.sweep.members) > 1:
        tables["joint"], redundancy = joint_lesions(
            run.engine,
            run.sweep,
            losses[0],
            run.fitted[0],
            run.dependent,
            halves,
            needed=data["needed"].values > 0.5,
            bar=_bar(data, settings.margin),
            n_random=settings.n_random,
            n_permutations=settings.n_permutations,
            seed=settings.seed,
        )
        tables["joint"]["estimate"].attrs = dict(data["estimate"].attrs)
    order = np.lexsort((data[axis].values, -data["estimate"].values))
    tables["ranked"] = data.isel({axis: order})
    return tables, redundancy


def _parameters(run: Run, wording: Wording) -> dict[str, Any]:
    """Return what links and readers ask of the call."""
    return {
        "measure": wording.measure,
        "measure_kind": run.fitted[0].measure.kind,
        "measure_settings": run.fitted[0].measure.describe(),
        "axis": run.sweep.axis,
        "estimand": wording.mode,
    }


def _one_scale(a: str, b: str) -> bool:
    """Tell whether two measures have one unit; proportions do, whatever of."""
    return a == b or (a.startswith("proportion") and b.startswith("proportion"))


def _bar(data: xr.Dataset, margin: float | None) -> float:
    """Return the loss under which a member counts as not needed."""
    if margin is not None:
        return margin
    high = data["random_high"].values
    return max(float(np.nanmax(high)), 0.0) if np.isfinite(high).any() else 0.0
