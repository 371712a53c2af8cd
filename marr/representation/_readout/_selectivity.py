"""Selectivity of a probe: what it reads out beyond what it could memorize."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError
from marr.findings import FigureSpec, Note
from marr.representation._readout._frame import (
    SCORES,
    Frame,
    held_out,
    make_frame,
    pooled_scores,
    row_scores,
)
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
)
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["selectivity"]

N_RESAMPLES = 1000


@analysis(level="representation", citations=("hewitt2019",), needs="activity")
def selectivity(
    system: System,
    target: str,
    *,
    on: str = "condition",
    sites: str | Sequence[str] | None = None,
    kind: str | None = None,
    probe: str | None = None,
    n_folds: int = 5,
    n_controls: int = 100,
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Compare a probe with the same probe on a control task of random labels.

    The control task gives each stimulus (each value of `on`) the label of another
    stimulus at random: only a probe that memorizes stimuli can solve it. A probe that is
    as good at it says nothing about the target.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    target : str
        What is read out; must be the same on all trials of a stimulus.
    on : str
        Column that names the stimuli, several trials each.
    sites : str or sequence of str, optional
        Sites; all by default.
    kind : str, optional
        Kind of the target, as in `decode`.
    probe : str, optional
        As in `decode`; a flexible probe ("mlp") memorizes more.
    n_folds : int
        Folds of trials, within stimuli: every stimulus is trained and tested.
    n_controls : int
        Number of control tasks.
    seed : int
        Seed of folds, control tasks and resamples.
    device : str, optional
        Where torch computes.

    Returns
    -------
    Finding
        Over (site, quantity): "target" and "control task" (scores), "selectivity" (target
        minus mean control), with intervals over trials, and for selectivity the p-value
        against the control tasks; and "new stimuli", the score on stimuli that were not
        trained.

    Raises
    ------
    MarrError
        Unknown names; a target that varies within stimuli; stimuli without repeats.

    Notes
    -----
    Control tasks permute the labels of stimuli, so p-values are those of "the target's
    labels are no better than any other labels of the same stimuli"; with few stimuli few
    labelings exist and many resemble the target. The score on new stimuli is the stricter
    question, where stimuli are a sample.

    References
    ----------
    Hewitt & Liang (2019). Designing and interpreting probes with control tasks. EMNLP.
    """
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_controls", n_controls, minimum=19)
    frame = make_frame(
        system,
        target,
        sites=sites,
        over=("site",),
        kind=kind,
        n_folds=n_folds,
        n_permutations=0,
        seed=seed,
    )
    types, labels = _stimuli(system, on, frame, target)
    fold = _folds_within(types, n_folds, seed)
    tasks, n_distinct = _tasks(frame.y[0, :, 0], types, n_controls, seed)
    options = {"probe": probe, "seed": seed, "device": device}
    found = [_cell(frame, c.x, tasks, fold, types, options) for c in frame.layout.cells]
    estimate = _table(frame, found, seed)
    return Draft(
        estimate=estimate,
        summary=partial(_summary, target=target),
        question=f"Does the readout of {target} go beyond memorizing stimuli?",
        methods=_methods(frame, on, len(labels), n_controls, n_folds),
        figures=_figures(frame, target),
        notes=[*frame.layout.notes, *_notes(estimate, frame, n_distinct, len(labels))],
        citations=["phipson2010", "nichols2002"],
        generalizes_over="trials (of these stimuli)",
        parameters={"kind": frame.target.kind},
    )


def _stimuli(
    system: System, on: str, frame: Frame, target: str
) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """Return the stimulus of each row, checked against the target."""
    if frame.layout.row_bin is not None:
        msg = f"selectivity needs a target with one value a trial; {target!r} varies within."
        raise OptionError(msg)
    column = system.column(on, argument="on")
    names, codes = np.unique(column.astype(str).to_numpy(), return_inverse=True)
    counts = np.bincount(codes)
    if len(names) < 4 or counts.min() < 2 or column.isna().any():
        msg = (
            f"on={on!r} must name at least four stimuli with two trials each; got "
            f"{len(names)} stimuli, the rarest on {int(counts.min())} trials, "
            f"{int(column.isna().sum())} missing."
        )
        raise StatisticsError(msg)
    y = frame.y[0, :, 0]
    first = np.unique(codes, return_index=True)[1]
    varies = np.unique(codes[~np.isclose(y, y[first][codes])])
    if len(varies):
        msg = (
            f"target {target!r} varies within stimuli of {on!r} (e.g. "
            f"{names[varies[0]]!r}); a control task needs one label a stimulus. Choose "
            "another on=, or another target."
        )
        raise StatisticsError(msg)
    return codes.reshape(-1).astype(np.intp), names.tolist()


def _folds_within(
    types: npt.NDArray[np.intp], n_folds: int, seed: int
) -> npt.NDArray[np.intp]:
    """Spread the trials of each stimulus over the folds."""
    rng = np.random.default_rng([seed, 31])
    fold = np.empty(len(types), dtype=np.intp)
    k = min(n_folds, int(np.bincount(types).min()))
    for value in range(int(types.max()) + 1):
        rows = rng.permutation(np.flatnonzero(types == value))
        fold[rows] = (np.arange(len(rows)) + value) % k
    return fold


def _tasks(
    y: npt.NDArray[np.float64], types: npt.NDArray[np.intp], n: int, seed: int
) -> tuple[npt.NDArray[np.float64], int]:
    """Return the target and control labels, (rows, 1 + n), and how many differ."""
    rng = np.random.default_rng([seed, 37])
    first = np.unique(types, return_index=True)[1]
    own = y[first]
    labels = np.stack([own, *(own[rng.permutation(len(own))] for _ in range(n))])
    return np.asarray(labels[:, types].T), len(np.unique(labels[1:], axis=0))


def _cell(
    frame: Frame,
    x: npt.NDArray[np.float64],
    tasks: npt.NDArray[np.float64],
    fold: npt.NDArray[np.intp],
    types: npt.NDArray[np.intp],
    options: dict[str, Any],
) -> dict[str, Any]:
    test = np.arange(int(fold.max()) + 1)[:, None] == fold
    fit = frame.fit(x, tasks, train=~test, test=test, inner=fold, **options)
    outputs = held_out(fit.predicted, test)
    control = pooled_scores(frame.target.kind, outputs[:, :, 1:], tasks[None, :, 1:])
    return {
        "scores": row_scores(frame, outputs[:, :, 0]),
        "control": control[0],
        "new": _new_stimuli(frame, x, tasks[:, :1], types, options),
    }


def _new_stimuli(
    frame: Frame,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    types: npt.NDArray[np.intp],
    options: dict[str, Any],
) -> Any:
    """Score stimuli that were not trained; None if a class has a single stimulus."""
    first = np.unique(types, return_index=True)[1]
    own = y[first, 0]
    classes = frame.target.kind == "categorical"
    groups = (
        [np.flatnonzero(own == c) for c in np.unique(own)]
        if classes
        else [np.argsort(own, kind="stable")]
    )
    k = min(5, *(len(g) for g in groups))
    if k < 2:
        return None
    part = np.empty(len(own), dtype=np.intp)
    for group in groups:
        part[group] = np.arange(len(group)) % k
    fold = part[types]
    test = np.arange(k)[:, None] == fold
    fit = frame.fit(x, y, train=~test, test=test, inner=fold, **options)
    return row_scores(frame, held_out(fit.predicted, test)[:, :, 0])


QUANTITIES = ("target", "control task", "selectivity", "new stimuli")


def _table(frame: Frame, found: list[dict[str, Any]], seed: int) -> xr.Dataset:
    weights = bootstrap_weights(frame.n_units, n_resamples=N_RESAMPLES, seed=seed)
    n = len(found)
    value, low, high = (np.full((n, 4), np.nan) for _ in range(3))
    p = np.full((n, 4), np.nan)
    for i, f in enumerate(found):
        score, drawn = f["scores"].score()[0], f["scores"].score(weights)[:, 0]
        interval = percentile_interval(drawn)
        mean = f["control"].mean()
        spread = np.quantile(f["control"], [0.025, 0.975])
        value[i, :3] = score, mean, score - mean
        low[i, :3] = interval.low, spread[0], interval.low - mean
        high[i, :3] = interval.high, spread[1], interval.high - mean
        p[i, 2] = permutation_p(score, f["control"], tail="greater")
        if f["new"] is not None:
            interval = percentile_interval(f["new"].score(weights)[:, 0])
            value[i, 3] = f["new"].score()[0]
            low[i, 3], high[i, 3] = interval.low, interval.high
    corrected = np.full((n, 4), np.nan)
    null = np.stack([f["control"] for f in found], axis=1)
    observed = np.array([f["scores"].score()[0] for f in found])
    corrected[:, 2] = max_statistic(observed, null, tail="greater")
    dims = ("site", "quantity")
    table = xr.Dataset(
        {
            "estimate": (dims, value),
            "ci_low": (dims, low),
            "ci_high": (dims, high),
            "p_value": (dims, p),
            "p_corrected": (dims, corrected),
        },
        coords={"site": frame.labels, "quantity": list(QUANTITIES)},
    )
    table["estimate"].attrs.update(
        long_name=f"{SCORES[frame.target.kind]} of {frame.target.name}",
        units="",
        chance=frame.target.chance,
        better="higher",
    )
    return table


def _summary(estimate: xr.Dataset, target: str) -> str:
    parts = []
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site, quantity="selectivity")
        control = float(estimate["estimate"].sel(site=site, quantity="control task"))
        parts.append(
            f"{site} {float(at['estimate']):.2f} [{float(at['ci_low']):.2f}, "
            f"{float(at['ci_high']):.2f}] above the {control:.2f} of control tasks "
            f"(p = {float(at['p_corrected']):.2g} corrected)"
        )
    return f"Selectivity of the readout of {target}: {'; '.join(parts)}."


def _methods(frame: Frame, on: str, n_types: int, n_controls: int, k: int) -> str:
    return (
        f"{frame.target.name} was read out with up to {k} folds within each of {n_types} "
        f"stimuli ({on}), and so were {n_controls} control tasks that exchange the labels "
        f"of whole stimuli; selectivity is the difference, scored by "
        f"{SCORES[frame.target.kind]}. Interval: bootstrap (95 %) over "
        f"{frame.plan.unit_name}, with probes and the control mean as they are; of the "
        "control task: 95 % of tasks. P-value: share of control tasks that score as high, "
        "corrected over sites by the maximum. New stimuli: folds of whole stimuli."
    )


def _figures(frame: Frame, target: str) -> list[FigureSpec]:
    return [
        FigureSpec(
            "points",
            x="site",
            group="quantity",
            reference=frame.target.chance,
            y_label=SCORES[frame.target.kind],
            x_label="site",
            caption=(
                f"Readout of {target}, of control tasks with random labels of the same "
                "stimuli, their difference, and on stimuli that were not trained."
            ),
            description="Dots with intervals of four scores by site.",
        )
    ]


def _notes(
    estimate: xr.Dataset, frame: Frame, n_distinct: int, n_types: int
) -> list[Note]:
    notes = []
    if n_distinct < 50:
        text = (
            f"{n_types} stimuli allow few labelings ({n_distinct} among the controls)."
        )
        notes.append(Note("few_labelings", text, "Use more stimuli a class."))
    if bool(np.isnan(estimate["estimate"].sel(quantity="new stimuli")).all()):
        text = "A class has a single stimulus: there is no score on new stimuli."
        notes.append(Note("no_new_stimuli", text))
    if frame.plan.group_column is not None:
        text = (
            f"Trials of one {frame.plan.group_column} are in training and test, or a "
            "control task could not be learned; the difference compares like with like."
        )
        notes.append(Note("split_within_groups", text))
    return notes
