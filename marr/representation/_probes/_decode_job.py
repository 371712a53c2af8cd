"""One decoding: what is asked, and the numbers that answer it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._draws import Draws, make_draws
from marr.representation._layout import Layout, build_layout
from marr.representation._plan import Plan, make_plan
from marr.representation._probes._core import Settings, run_cell
from marr.representation._probes._decode_text import score_attrs
from marr.representation._probes._linear_kernel import PENALTIES
from marr.representation._probes._maps import (
    estimate_table,
    make_map,
    map_table,
    square_table,
)
from marr.representation._probes._unit_null import unit_null
from marr.representation._probes._unit_table import unit_table
from marr.representation._targets import Target, design_matrix, resolve_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.findings import Note
    from marr.representation._probes._core import CellResult
    from marr.systems import System

__all__ = ["Job", "prepare", "score_tables", "unit_tables"]


@dataclass(frozen=True)
class Job:
    """A decoding that is ready to run."""

    system: System
    target: Target
    layout: Layout
    plan: Plan
    draws: Draws
    design: npt.NDArray[np.float64] | None
    control: tuple[str, ...]
    sites: str | Sequence[str] | None
    settings: Settings
    seed: int

    @property
    def n_shuffles(self) -> int:
        """Number of shuffles."""
        return len(self.draws) - 1

    def run(self, *, across: bool = False) -> list[CellResult]:
        """Decode every cell."""
        folds = self.plan.folds[self.layout.row_trial]
        return [
            run_cell(
                cell.x,
                self.layout,
                self.draws,
                folds,
                self.design,
                self.settings,
                across=across,
            )
            for cell in self.layout.cells
        ]


def prepare(
    system: System,
    target: str,
    *,
    sites: str | Sequence[str] | None,
    over: Sequence[str],
    kind: str | None,
    control: tuple[str, ...],
    n_folds: int,
    penalty: float | None,
    n_permutations: int,
    null: str,
    seed: int,
    device: str | None,
) -> Job:
    """Resolve names, arrange rows, and decide on folds and shuffles."""
    what = resolve_target(system, target, kind=kind)
    layout = build_layout(system, what, sites=sites, over=over)
    design = _design(system, control, layout)
    targets_too = design is not None and what.kind != "categorical"
    what = replace(what, residual=targets_too)
    plan = make_plan(
        system,
        what,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        design=design,
        seed=seed,
    )
    draws = make_draws(
        what,
        plan,
        design,
        n_permutations=n_permutations,
        groups=system.groups(),
        seed=seed,
    )
    settings = Settings(
        what.kind,
        PENALTIES if penalty is None else (float(penalty),),
        targets_too=targets_too,
        device=device,
    )
    return Job(
        system, what, layout, plan, draws, design, control, sites, settings, seed
    )


def _design(
    system: System, control: Sequence[str], layout: Layout
) -> npt.NDArray[np.float64] | None:
    timed = any(name in system.variables for name in control)
    pooled = layout.row_bin is not None
    times = layout.n_bins if pooled or (timed and layout.times is not None) else None
    return design_matrix(system, control, times=times)


def score_tables(
    job: Job, correction: str, *, cross_temporal: bool
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return the map, and its averages and generalization over time."""
    layout, attrs = job.layout, score_attrs(job.target)
    results = job.run(across=cross_temporal)
    scores = make_map(results, layout, job.plan, job.target, seed=job.seed)
    estimate = map_table(estimate_table(scores, correction), layout, attrs)
    tables: dict[str, xr.Dataset] = {}
    if layout.by_site and layout.times is not None:
        for axis, kept, lost in ((1, "site", "time"), (0, "time", "site")):
            columns = estimate_table(scores.mean(axis), correction)
            tables[kept] = map_table(columns, layout, attrs, drop=[lost])
            tables[kept].attrs["reduction"] = f"mean over {lost}s"
    if cross_temporal:
        tables["time_time"] = square_table(results, layout, correction, attrs)
    return estimate, tables


def unit_tables(job: Job) -> tuple[dict[str, xr.Dataset], list[Note]]:
    """Return the table of units and the baselines, both without a time axis."""
    over = ("site",) if job.layout.by_site else ()
    layout = build_layout(job.system, job.target, sites=job.sites, over=over)
    design = _design(job.system, job.control, layout)
    only_data = Draws(job.target.values, job.target.values, job.draws.indices[:0])
    plain = Job(
        job.system,
        job.target,
        layout,
        job.plan,
        only_data,
        design,
        job.control,
        job.sites,
        job.settings,
        job.seed,
    )
    table, notes = unit_table(
        layout,
        plain.run(),
        job.target,
        design,
        job.plan.folds,
        job.system.halves,
        job.settings,
    )
    tables, baseline = {"unit": table}, _baseline(plain)
    if baseline is not None:
        tables["baseline"] = baseline
    if job.n_shuffles:
        tables["null"] = unit_null(
            layout, job.draws, design, job.plan.folds, job.system.halves, job.settings
        )
    return tables, notes


def _baseline(job: Job) -> xr.Dataset | None:
    """Score what predicts the target without activity: a shortcut shows here."""
    features: dict[str, npt.NDArray[np.float64]] = {}
    if not job.target.timed:
        features["previous trial"] = _previous(job.target.values, job.system.groups())[
            None
        ]
    if job.design is not None:
        features["nuisances"] = _rows(job.design, job.layout)
    if not features:
        return None
    settings = replace(job.settings, targets_too=False)
    constant = replace(job.target, residual=False).chance
    folds = job.plan.folds[job.layout.row_trial]
    scores = [
        float(run_cell(x, job.layout, job.draws, folds, None, settings).score[0, 0])
        for x in features.values()
    ]
    table = xr.Dataset(
        {"estimate": ("baseline", [constant, *scores])},
        coords={"baseline": ["constant", *features]},
    )
    table["estimate"].attrs.update(score_attrs(job.target))
    table.attrs["reduction"] = "the same folds and probe, without activity"
    return table


def _previous(
    values: npt.NDArray[np.float64], groups: npt.NDArray[np.intp] | None
) -> npt.NDArray[np.float64]:
    """Target of the trial before (of the same group; the mean where there is none)."""
    scaled = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-300)
    before = np.zeros_like(scaled)
    before[1:] = scaled[:-1]
    if groups is not None:
        before[1:][groups[1:] != groups[:-1]] = 0.0
    return before


def _rows(design: npt.NDArray[Any], layout: Layout) -> npt.NDArray[np.float64]:
    if design.ndim == 2:
        return design[None]
    rows: npt.NDArray[np.float64] = design[layout.row_trial, layout.row_bin][None]
    return rows
