"""Generalization of a probe to other conditions, or to another system."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import ContractError, OptionError, StatisticsError
from marr.findings import Note
from marr.representation._readout._frame import (
    SCORES,
    Frame,
    held_out,
    make_frame,
    pooled_scores,
    row_scores,
)
from marr.representation._readout._generalize_text import (
    chance_of,
    figures_of,
    methods_text,
    notes_of,
    summary_text,
)
from marr.representation._readout._joined import join_systems
from marr.stats import (
    bootstrap_weights,
    folds,
    max_statistic,
    percentile_interval,
    permutation_p,
)
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["generalize"]

MOST = 12
"""More values of `across` than this are refused."""

N_RESAMPLES = 1000


@analysis(
    level="representation", citations=("bernardi2020", "king2014"), needs="activity"
)
def generalize(
    system: System,
    target: str,
    *,
    across: str | System,
    sites: str | Sequence[str] | None = None,
    kind: str | None = None,
    probe: str | None = None,
    n_folds: int = 5,
    n_permutations: int = 200,
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Test a probe that was fitted in one condition in each other condition.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    target : str
        What is read out: a column of the trial table.
    across : str or System
        Column whose values are the conditions, e.g. "context", "session", "subject"; or
        another system with the same units (the same cells on another day, or systems
        that `bridge` has brought into a shared space) and its own trials.
    sites : str or sequence of str, optional
        Sites; all by default.
    kind : str, optional
        Kind of the target, as in `decode`.
    probe : str, optional
        Probe, as in `decode`.
    n_folds : int
        Folds, which keep dependent trials together also across conditions.
    n_permutations : int
        Shuffles of the target; 0 makes no test. Independent trials are exchanged within
        conditions; targets that follow each other are shifted, those constant within
        groups move with them, as in `decode`.
    seed : int
        Seed of folds, shuffles and resamples.
    device : str, optional
        Where torch computes.

    Returns
    -------
    Finding
        Score over (site, train, test): probes of one condition (rows) tested on held-out
        trials of another (columns); the diagonal is ordinary cross-validation. P-values
        are two-sided, since a code that turns over scores below chance. Table
        "transfer": the mean off the diagonal, that on it, and their difference.

    Raises
    ------
    MarrError
        Unknown names; fewer than two conditions; a condition without all classes.

    Notes
    -----
    Below chance is a finding (the code is reversed), not an error, and is not clipped.
    Good transfer shows that the directions agree, not that the code is abstract against
    every other change: see `geometry` for cross-condition generalization over all
    dichotomies. Conditions with fewer trials have worse probes, so compare a column with
    its own diagonal.

    References
    ----------
    Bernardi et al. (2020). The geometry of abstraction. Cell 183, 954.
    King & Dehaene (2014). Temporal generalization. Trends Cogn. Sci. 18, 203.
    """
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    others: tuple[System, ...] = ()
    if not isinstance(across, str):
        others, system = (across,), join_systems(system, across, target, sites)
        across = "system"
    frame = make_frame(
        system,
        target,
        sites=sites,
        over=("site",),
        kind=kind,
        n_folds=n_folds,
        n_permutations=n_permutations,
        seed=seed,
    )
    values, code = _conditions(system, target, across, frame)
    frame, fold_notes = _usable_folds(frame, code, n_folds, across, seed)
    moved = _shuffles(frame, code, system.groups(), n_permutations, seed)
    found = [
        _square(frame, cell.x, code, len(values), moved, probe, seed, device)
        for cell in frame.layout.cells
    ]
    weights = bootstrap_weights(frame.n_units, n_resamples=N_RESAMPLES, seed=seed)
    estimate, transfer = _tables(frame, found, values, weights)
    return Draft(
        estimate=estimate,
        summary=partial(summary_text, target=target, across=across),
        question=f"Does the code of {target} generalize over {across}?",
        methods=methods_text(frame, across, moved.shape[1] - 1),
        tables={"transfer": transfer},
        figures=figures_of(frame, across),
        notes=[*fold_notes, *frame.layout.notes, *notes_of(code, values, across)],
        citations=["phipson2010", "nichols2002"] if n_permutations else [],
        generalizes_over=frame.plan.unit_name,
        parameters={"kind": frame.target.kind, "across": across},
        others=others,
    )


def _conditions(
    system: System, target: str, across: str, frame: Frame
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return names of the conditions and the condition of each row."""
    if across == target:
        msg = f"across must differ from the target {target!r}."
        raise OptionError(msg)
    column = system.column(across, argument="across")
    if column.isna().any():
        msg = (
            f"across: column {across!r} has {int(column.isna().sum())} missing values. "
            f"Drop them: system.select(system.trials[{across!r}].notna())."
        )
        raise ContractError(msg)
    names = sorted(column.unique().tolist(), key=str)
    if not 2 <= len(names) <= MOST:
        msg = (
            f"across={across!r} must have 2 to {MOST} values; got {len(names)}. Choose "
            "another column, or select trials."
        )
        raise StatisticsError(msg)
    place = {name: i for i, name in enumerate(names)}
    code = np.array([place[v] for v in column.tolist()])[frame.layout.row_trial]
    if frame.target.kind == "categorical":
        for i, name in enumerate(names):
            here = np.unique(frame.y[0, code == i, 0])
            if len(here) < len(frame.target.classes):
                missing = set(range(len(frame.target.classes))) - set(here.astype(int))
                lost = [frame.target.classes[k] for k in sorted(missing)]
                msg = (
                    f"across={across!r}: the condition {name!r} has no trial of "
                    f"{target} {lost}; every condition must hold every class. Select "
                    "conditions that do."
                )
                raise StatisticsError(msg)
    return [str(n) for n in names], code


def _usable_folds(
    frame: Frame, code: npt.NDArray[np.intp], n_folds: int, across: str, seed: int
) -> tuple[Frame, list[Note]]:
    """Split trials within conditions where groups of trials do not cross them."""
    n = int(frame.fold.max()) + 1
    cells = np.bincount(code * n + frame.fold, minlength=n * (int(code.max()) + 1))
    if (cells > 0).all():
        return frame, list(frame.plan.notes)
    fold = np.empty_like(frame.fold)
    labels = frame.y[0, :, 0] if frame.target.kind == "categorical" else None
    for value in range(int(code.max()) + 1):
        rows = np.flatnonzero(code == value)
        fold[rows] = folds(
            len(rows),
            n_folds=n_folds,
            labels=None if labels is None else labels[rows].astype(int),
            seed=seed,
        )
    text = (
        f"Groups of dependent trials lie within one value of {across}, so trials were "
        "split within them: the diagonal may hold dependent trials on both sides."
    )
    note = Note("split_within", text, "Transfers off the diagonal are not affected.")
    unit, name = np.arange(len(fold)), "trials"
    plan = replace(frame.plan, folds=fold, units=unit, unit_name=name)
    return replace(frame, fold=fold, unit=unit, plan=plan), [note]


def _shuffles(
    frame: Frame,
    code: npt.NDArray[np.intp],
    groups: npt.NDArray[np.intp] | None,
    n: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Return the target and its shuffles, (rows, 1 + n).

    Independent trials are exchanged within fold and condition (and group); targets that
    follow each other, or are constant within groups, move as `decode` moves them.
    """
    if frame.plan.scheme in ("shift", "block"):
        return frame.y[0]
    rng = np.random.default_rng([seed, 17])
    y = frame.y[0, :, 0]
    moved = np.repeat(y[:, None], 1 + n, axis=1)
    cell = code * (int(frame.fold.max()) + 1) + frame.fold
    if frame.plan.scheme == "within" and groups is not None:
        cell = cell * (int(groups.max()) + 1) + groups[frame.layout.row_trial]
    for value in np.unique(cell):
        rows = np.flatnonzero(cell == value)
        for k in range(1, 1 + n):
            moved[rows, k] = y[rng.permutation(rows)]
    return moved


def _square(
    frame: Frame,
    x: npt.NDArray[np.float64],
    code: npt.NDArray[np.intp],
    n: int,
    moved: npt.NDArray[np.float64],
    probe: str | None,
    seed: int,
    device: str | None,
) -> tuple[Any, npt.NDArray[np.float64]]:
    """Return row scores and null scores by training and test condition."""
    scores: list[list[Any]] = [[None] * n for _ in range(n)]
    null = np.empty((moved.shape[1] - 1, n, n))
    for a in range(n):
        train = frame.train & (code == a)
        fit = frame.fit(x, moved, train=train, probe=probe, seed=seed, device=device)
        outputs = held_out(fit.predicted, frame.test)
        for b in range(n):
            rows = code == b
            scores[a][b] = row_scores(frame, outputs[..., 0, :], rows=rows)
            null[:, a, b] = pooled_scores(
                frame.target.kind, outputs[:, rows, 1:], moved[None, rows, 1:]
            )[0]
    return scores, null


def _tables(
    frame: Frame,
    found: Sequence[tuple[Any, npt.NDArray[np.float64]]],
    values: list[str],
    weights: npt.NDArray[Any],
) -> tuple[xr.Dataset, xr.Dataset]:
    n, chance = len(values), chance_of(frame)
    score = np.array([[[s.score()[0] for s in row] for row in f[0]] for f in found])
    drawn = np.array(
        [[[s.score(weights)[:, 0] for s in row] for row in f[0]] for f in found]
    )
    null = np.stack([f[1] for f in found], axis=1)
    dims = ("site", "train", "test")
    coords = {"site": frame.labels, "train": values, "test": values}
    estimate = _dataset(score, np.moveaxis(drawn, -1, 0), null, dims, coords, chance)
    estimate["estimate"].attrs.update(
        long_name=f"{SCORES[frame.target.kind]} of {frame.target.name}",
        units="",
        chance=chance,
        better="higher",
    )
    off = ~np.eye(n, dtype=bool)

    def means(v: Any) -> Any:
        across, inside = v[..., off].mean(-1), v[..., ~off].mean(-1)
        return np.stack([across, inside, across - inside], axis=-1)

    names = ["across conditions", "within conditions", "difference"]
    transfer = _dataset(
        means(score),
        means(np.moveaxis(drawn, -1, 0)),
        means(null),
        ("site", "quantity"),
        {"site": frame.labels, "quantity": names},
        chance,
    )
    transfer["estimate"].attrs.update(estimate["estimate"].attrs)
    transfer.attrs["reduction"] = "means over pairs of conditions"
    return estimate, transfer


def _dataset(
    score: Any, drawn: Any, null: Any, dims: Any, coords: Any, chance: float
) -> xr.Dataset:
    interval = percentile_interval(drawn)
    columns = {"estimate": score, "ci_low": interval.low, "ci_high": interval.high}
    if len(null):
        columns["p_value"] = permutation_p(score - chance, null - chance)
        columns["p_corrected"] = max_statistic(score - chance, null - chance)
        columns["null_mean"] = null.mean(axis=0)
    return xr.Dataset({k: (dims, v) for k, v in columns.items()}, coords=coords)
