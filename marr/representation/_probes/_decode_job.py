"""One decoding: what is asked, and the numbers that answer it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import OptionError, StatisticsError, check_option
from marr.representation._draws import Draws, make_draws
from marr.representation._layout import Layout, build_layout
from marr.representation._nuisances import design_matrix
from marr.representation._plan import Plan, make_plan
from marr.representation._probes._core import Settings, run_cell, run_targets
from marr.representation._probes._decode_notes import unsettled_notes
from marr.representation._probes._decode_text import score_attrs
from marr.representation._probes._fit_kernel import DEFAULT_PROBES
from marr.representation._probes._maps import (
    estimate_table,
    make_map,
    map_table,
    square_table,
)
from marr.representation._probes._probe_kernel import METHODS
from marr.representation._probes._unit_null import unit_null
from marr.representation._probes._unit_table import unit_table
from marr.representation._targets import Target, join_targets, resolve_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.findings import Note
    from marr.representation._probes._core import CellResult
    from marr.systems import System

__all__ = ["Job", "choose_probe", "prepare", "score_tables"]


@dataclass(frozen=True)
class Job:
    """A decoding that is ready to run.

    `target` is what rows, folds and shuffles are made for: the target, or all of them
    joined. `together` says whether several may be decoded, which gives them an axis.
    """

    system: System
    target: Target
    targets: tuple[Target, ...]
    layout: Layout
    plan: Plan
    draws: tuple[Draws, ...]
    design: npt.NDArray[np.float64] | None
    control: tuple[str, ...]
    sites: str | Sequence[str] | None
    settings: Settings
    seed: int
    together: bool
    probe: str

    @property
    def n_shuffles(self) -> int:
        """Number of shuffles."""
        return len(self.draws[0]) - 1

    @property
    def names(self) -> list[str] | None:
        """Labels of the axis of targets, if there is one."""
        return [t.name for t in self.targets] if self.together else None

    def run(self, *, across: bool = False) -> list[list[CellResult]]:
        """Decode every target from every cell; by target."""
        folds = self.plan.folds[self.layout.row_trial]
        by_cell = [
            run_targets(
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
        return [list(results) for results in zip(*by_cell, strict=True)]


def prepare(
    system: System,
    target: str | Sequence[str],
    *,
    probe: str | None,
    sites: str | Sequence[str] | None,
    over: Sequence[str],
    kind: str | None,
    control: tuple[str, ...],
    n_folds: int,
    penalty: float | None,
    n_permutations: int | None,
    null: str,
    seed: int,
    device: str | None,
) -> Job:
    """Resolve names, arrange rows, and decide on folds and shuffles."""
    targets = resolve_targets(system, target, kind=kind)
    name = choose_probe(probe, targets[0].kind)
    method = METHODS[name]
    shuffles = method.n_permutations if n_permutations is None else n_permutations
    design_of = join_targets(targets, n_folds=n_folds)
    layout = build_layout(system, design_of, sites=sites, over=over)
    design = _design(system, control, layout)
    targets_too = design is not None and design_of.kind != "categorical"
    targets = tuple(replace(t, residual=targets_too) for t in targets)
    joined = join_targets(targets, n_folds=n_folds)
    plan = make_plan(
        system,
        joined,
        n_folds=n_folds,
        null=null,
        n_permutations=shuffles,
        design=design,
        seed=seed,
    )
    _check_folds(joined, plan)
    given: dict[str, Any] = {
        "n_permutations": shuffles,
        "groups": system.groups(),
        "seed": seed,
    }
    settings = Settings(
        joined.kind,
        method.penalties if penalty is None else (float(penalty),),
        targets_too=targets_too,
        device=device,
        probe=name,
        seed=seed,
    )
    return Job(
        system=system,
        target=joined,
        targets=targets,
        layout=layout,
        plan=plan,
        draws=tuple(make_draws(t, plan, design, **given) for t in targets),
        design=design,
        control=control,
        sites=sites,
        settings=settings,
        seed=seed,
        together=not isinstance(target, str),
        probe=name,
    )


def _check_folds(target: Target, plan: Plan) -> None:
    """Refuse to rank within folds that hold next to nothing."""
    smallest = int(np.bincount(plan.folds).min())
    if target.kind == "ordinal" and smallest < 3:
        msg = (
            f"ordered categories are ranked within each held-out fold, and with "
            f"n_folds={plan.n_folds} one holds {smallest} trials. Use fewer folds, or "
            "kind='continuous'."
        )
        raise StatisticsError(msg)


def choose_probe(probe: str | None, kind: str) -> str:
    """Return the name of a probe that reads this kind of target."""
    if probe is None:
        return DEFAULT_PROBES[kind]
    check_option("probe", probe, METHODS)
    if kind not in METHODS[probe].kinds:
        fitting = [name for name, m in METHODS.items() if kind in m.kinds]
        msg = (
            f"probe={probe!r} reads {' or '.join(METHODS[probe].kinds)} targets; got a "
            f"{kind} one. Use probe={' or '.join(map(repr, fitting))}, or say kind=."
        )
        raise OptionError(msg)
    return probe


def _design(
    system: System, control: Sequence[str], layout: Layout
) -> npt.NDArray[np.float64] | None:
    timed = any(name in system.variables for name in control)
    pooled = layout.row_bin is not None
    times = layout.n_bins if pooled or (timed and layout.times is not None) else None
    return design_matrix(system, control, times=times)


def score_tables(
    job: Job, correction: str, *, cross_temporal: bool, interval: str
) -> tuple[xr.Dataset, dict[str, xr.Dataset], list[Note]]:
    """Return the map; its averages, generalization over time, units; notes."""
    layout, names, attrs = job.layout, job.names, score_attrs(job.targets)
    results = job.run(across=cross_temporal)
    scores = make_map(
        results,
        layout,
        job.plan,
        job.targets,
        seed=job.seed,
        training=interval == "training",
    )
    columns = estimate_table(scores, correction)
    estimate = map_table(columns, layout, attrs, names=names)
    if "chance" not in attrs:  # targets with other numbers of classes
        estimate["chance"] = ("target", [t.chance for t in job.targets])
    tables: dict[str, xr.Dataset] = {}
    if layout.by_site and layout.times is not None:
        for axis, kept, lost in ((2, "site", "time"), (1, "time", "site")):
            means = estimate_table(scores.mean(axis), correction)
            tables[kept] = map_table(means, layout, attrs, names=names, drop=[lost])
            tables[kept].attrs["reduction"] = f"mean over {lost}s"
    if cross_temporal:
        tables["time_time"] = square_table(
            results, layout, correction, attrs, names=names
        )
    settled = float(np.mean([r.settled for cells in results for r in cells]))
    unit_tables, notes = _unit_tables(job, results)
    return estimate, tables | unit_tables, [*unsettled_notes(settled), *notes]


def _unit_tables(
    job: Job, results: list[list[CellResult]]
) -> tuple[dict[str, xr.Dataset], list[Note]]:
    """Return the table of units and the baselines, both without a time axis.

    A map without a time axis was made from the same rows: its results serve.
    """
    same = job.layout.times is None
    over = ("site",) if job.layout.by_site else ()
    layout = build_layout(job.system, job.target, sites=job.sites, over=over)
    design = _design(job.system, job.control, layout)
    only_data = tuple(
        Draws(t.values, t.values, d.indices[:0])
        for t, d in zip(job.targets, job.draws, strict=True)
    )
    plain = replace(job, layout=layout, draws=only_data, design=design)
    sets = (job.plan.folds, job.system.halves)
    fits = results if same else plain.run()
    found = [
        unit_table(layout, cells, target, design, *sets, job.settings)
        for target, cells in zip(job.targets, fits, strict=True)
    ]
    tables = {"unit": _by_target([table for table, _ in found], job)}
    baselines = [b for t in job.targets if (b := _baseline(plain, t)) is not None]
    if baselines:
        tables["baseline"] = _by_target(baselines, job)
    if job.n_shuffles:
        nulls = [
            unit_null(layout, d, design, *sets, job.settings, results=r if same else ())
            for d, r in zip(job.draws, results, strict=True)
        ]
        tables["null"] = _by_target(nulls, job)
    return tables, found[0][1]


def _by_target(tables: list[xr.Dataset], job: Job) -> xr.Dataset:
    """Put tables of the targets side by side; a single one stands as it is."""
    if job.names is None:
        return tables[0]
    together = xr.concat(
        tables,
        dim=pd.Index(job.names, name="target"),
        data_vars="all",
        coords="minimal",
        compat="override",
        combine_attrs="override",
        join="exact",
    )
    order = [d for d in ("draw", "half", "target") if d in together.dims]
    return together.transpose(*order, ...)


def _baseline(job: Job, target: Target) -> xr.Dataset | None:
    """Score what predicts the target without activity: a shortcut shows here."""
    features: dict[str, npt.NDArray[np.float64]] = {}
    if not target.timed:
        features["previous trial"] = _previous(target.values, job.system.groups())[None]
    if job.design is not None:
        features["nuisances"] = _rows(job.design, job.layout)
    if not features:
        return None
    settings = replace(job.settings, targets_too=False)
    constant = replace(target, residual=False).chance
    folds = job.plan.folds[job.layout.row_trial]
    draws = Draws(target.values, target.values, job.draws[0].indices[:0])
    scores = [
        float(run_cell(x, job.layout, draws, folds, None, settings).score[0, 0])
        for x in features.values()
    ]
    table = xr.Dataset(
        {"estimate": ("baseline", [constant, *scores])},
        coords={"baseline": ["constant", *features]},
    )
    table["estimate"].attrs.update(score_attrs([target]))
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
