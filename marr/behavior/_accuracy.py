"""How often is the answer right, and is that more than a shortcut would reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import ContractError, OptionError, StatisticsError
from marr.findings import FigureSpec, Note
from marr.stats import holm

from ._answers import clusters_of, conditions, own_column, short
from ._baseline import Baselines, baselines
from ._proportion_kernel import against, proportion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marr.systems import System

__all__ = ["accuracy"]


@analysis(level="behavior", citations=("wilson1927", "phipson2010"))
def accuracy(
    system: System,
    *,
    by: str | None = None,
    column: str = "correct",
    chance: float | None = None,
    choice: str = "choice",
    answer: str | None = None,
    shortcuts: Sequence[str] = (),
    seed: int = 0,
) -> Draft:
    """Proportion of correct answers, against chance and the best shortcut.

    Chance is not one over the number of answers: whoever always gives the commoner
    answer, or looks at one cue only, may score higher. The best such shortcut is the
    bar, unless `chance` sets it.

    Parameters
    ----------
    system : System or Cohort
        Single trials.
    by : str, optional
        Column whose levels are scored by themselves.
    column : str
        Column of 0 and 1 (or booleans); missing where there was no answer.
    chance : float, optional
        A fixed bar, instead of the best shortcut.
    choice : str
        Column of the answers, for the shortcuts; not needed with `chance`.
    answer : str, optional
        Column of the right answers. With two answers they follow from `choice` and
        `column`.
    shortcuts : sequence of str
        Columns that are a part of the task: each makes the shortcut that knows only
        this column, scored on trials (or clusters) that its rule did not see.
    seed : int
        Seed of resampling and sign flips.

    Returns
    -------
    Finding
        `estimate` is a number, or has dims (`by`). `null_mean` is the bar. Table
        "baseline" holds every shortcut: equal guessing, the commonest answer, the
        previous right answer, and each of `shortcuts`.

    Raises
    ------
    ContractError
        A column that is not 0 and 1.
    EvidenceError
        Behavior that is not this system's own.
    StatisticsError
        No scored trial.

    Notes
    -----
    Intervals are Wilson's; where trials come in sessions or sequences, these are
    resampled as wholes and the wider of the two intervals is given.

    Examples
    --------
    >>> import pandas as pd, marr
    >>> table = pd.DataFrame({"correct": [1, 1, 0, 1] * 25, "choice": [0, 1] * 50})
    >>> finding = marr.behavior.accuracy(marr.from_arrays({}, table))
    >>> float(finding.estimate.estimate)
    0.75
    """
    if chance is not None and not 0 <= chance <= 1:
        msg = f"chance must be a proportion between 0 and 1; got {chance!r}."
        raise OptionError(msg)
    if by is not None and by == column:
        msg = f"by must be another column than the scored one; got {by!r} twice."
        raise OptionError(msg)
    correct = _scores(system, column)
    codes, levels = conditions(system, by, reserved=("baseline", "member"))
    kept = ~np.isnan(correct) & (codes >= 0)
    if not kept.any():
        msg = f"column {column!r} of {system.name!r} is missing on every trial; nothing to score."
        raise StatisticsError(msg)
    clusters, cluster_column = clusters_of(system, by, column)
    bars = (
        None
        if chance is not None
        else baselines(
            system, correct, kept, choice=choice, answer=answer, shortcuts=shortcuts,
            clusters=clusters,
        )
    )  # fmt: skip
    rows = [kept & (codes == code) for code in range(len(levels))]
    estimate, best = _score_levels(correct, rows, clusters, chance, bars, seed)
    table = _labelled(estimate, by, levels)
    bar = "the given chance" if chance is not None else "the best shortcut"
    n_clusters = 0 if clusters is None else len(np.unique(clusters[kept]))
    notes = _notes(table, kept, by, best, bars, cluster_column, n_clusters)
    tables = (
        {} if bars is None else {"baseline": _baseline_table(bars, rows, by, levels)}
    )
    return Draft(
        estimate=table,
        summary=_summarizer(by, bar, best[0] if best else ""),
        question="How often is the answer right, and is that more than a shortcut reaches?",
        methods=_methods(bar, cluster_column, by),
        tables=tables,
        figures=() if by is None else (_figure(by, chance, table),),
        notes=notes,
        generalizes_over=(
            "trials" if cluster_column is None else f"trials of these {cluster_column}s"
        ),
    )


def _scores(system: System, column: str) -> np.ndarray:
    series = own_column(system, column, argument="column")
    try:
        values = series.astype(float).to_numpy()
    except (TypeError, ValueError):
        values = np.array([2.0])
    known = values[~np.isnan(values)]
    if not np.isin(known, (0.0, 1.0)).all():
        example = series.dropna().unique()[:4].tolist()
        msg = (
            f"column: {column!r} must hold 0 and 1 (or booleans); got {example}. For a graded "
            "report use marr.behavior.estimation_error."
        )
        raise ContractError(msg)
    return values


def _score_levels(
    correct: np.ndarray,
    rows: list[np.ndarray],
    clusters: np.ndarray | None,
    chance: float | None,
    bars: Baselines | None,
    seed: int,
) -> tuple[np.ndarray, list[str]]:
    """Return (n_levels, 6): estimate, low, high, p, bar, n; and the best shortcuts."""
    out = np.full((len(rows), 6), np.nan)
    best: list[str] = []
    for i, row in enumerate(rows):
        n = int(row.sum())
        out[i, 5] = n
        if n == 0:
            best.append("")
            continue
        group = None if clusters is None else clusters[row]
        out[i, :3] = proportion(correct[row], group, seed)
        name, scores = ("", None) if bars is None else bars.best(row)
        best.append(name)
        if scores is not None:
            out[i, 3] = against(correct[row], scores, group, seed)
            out[i, 4] = scores.mean()
        elif chance is not None:
            out[i, 3] = against(correct[row], np.full(n, chance), group, seed)
            out[i, 4] = chance
    return out, best


def _labelled(values: np.ndarray, by: str | None, levels: list[object]) -> xr.Dataset:
    dims = () if by is None else (by,)
    columns = ("estimate", "ci_low", "ci_high", "p_value", "null_mean", "n")
    table = xr.Dataset(
        {
            k: (dims, values[0, i] if by is None else values[:, i])
            for i, k in enumerate(columns)
        },
        coords={} if by is None else {by: np.array(levels)},
    )
    table["p_corrected"] = (dims, holm(table["p_value"].values))
    table["n"] = table["n"].astype(np.int64)
    table["estimate"].attrs.update(
        long_name="proportion correct", units="proportion", better="higher"
    )
    return table


def _baseline_table(
    bars: Baselines, rows: list[np.ndarray], by: str | None, levels: list[object]
) -> xr.Dataset:
    values = np.array([[bars.scores[n][row].mean() if row.any() else np.nan for n in bars.scores]
                       for row in rows])  # fmt: skip
    dims = ("baseline",) if by is None else (by, "baseline")
    coords: dict[str, object] = {"baseline": list(bars.scores)}
    if by is not None:
        coords[by] = np.array(levels)
    table = xr.Dataset(
        {"estimate": (dims, values[0] if by is None else values)}, coords=coords
    )
    table["estimate"].attrs.update(
        long_name="proportion correct of a shortcut", units="proportion"
    )
    return table


def _summarizer(by: str | None, bar: str, best: str) -> Callable[[xr.Dataset], str]:
    def one(row: xr.Dataset) -> str:
        low, high = float(row["ci_low"]), float(row["ci_high"])
        return f"{float(row['estimate']):.3g} [{low:.3g}, {high:.3g}]"

    def against_bar(row: xr.Dataset) -> str:
        value = float(row["null_mean"])
        if not np.isfinite(value):
            return "no bar known"
        p = float(row["p_corrected"]) if "p_corrected" in row else np.nan
        return f"{value:.3g}" + (f", p = {p:.2g}" if np.isfinite(p) else "")

    def summary(estimate: xr.Dataset) -> str:
        if by is None:
            name = f"{bar}, {best}" if best else bar
            shown = against_bar(estimate)
            return f"Correct on {one(estimate)} of trials, against {shown} ({name})."
        rows = [
            f"{by} {short(level)}: {one(row)} (against {against_bar(row)})"
            for i, level in enumerate(estimate[by].values.tolist())
            if np.isfinite(float((row := estimate.isel({by: i}))["estimate"]))
        ]
        return f"Proportion correct is {'; '.join(rows)}; the bar is {bar}."

    return summary


def _methods(bar: str, cluster_column: str | None, by: str | None) -> str:
    interval = (
        "95 % intervals are Wilson's"
        if cluster_column is None
        else (
            f"95 % intervals are the wider of Wilson's and a bootstrap of whole {cluster_column}s"
        )
    )
    test = (
        "a binomial test (a sign test on paired trials against a shortcut)"
        if cluster_column is None
        else f"sign flips of whole {cluster_column}s"
    )
    text = f"Proportion correct; {interval}. p-values against {bar} are two-sided, from {test}"
    return text + (", corrected over levels by Holm's method." if by else ".")


def _notes(
    table: xr.Dataset,
    kept: np.ndarray,
    by: str | None,
    best: list[str],
    bars: Baselines | None,
    cluster_column: str | None,
    n_clusters: int,
) -> list[Note]:
    notes = []
    n_dropped = int((~kept).sum())
    if n_dropped:
        notes.append(Note(
            "missing", f"{n_dropped} of {len(kept)} trials were not scored and were left out.",
            "Say whether a missing answer counts as wrong.",
        ))  # fmt: skip
    if bars is not None and bars.problem:
        notes.append(
            Note("no_shortcuts", bars.problem, "Give chance=, choice= or answer=.")
        )
    low, bar = (
        np.atleast_1d(table["ci_low"].values),
        np.atleast_1d(table["null_mean"].values),
    )
    short_of = [i for i in range(len(low)) if low[i] <= bar[i]]
    if short_of:
        names = (
            ""
            if by is None
            else f" ({', '.join(short(table[by].values.tolist()[i]) for i in short_of)})"
        )
        shortcut = f" ({best[short_of[0]]})" if best[short_of[0]] else ""
        notes.append(Note(
            "not_above_bar",
            f"Accuracy is not shown to exceed the bar{shortcut}{names}.",
            "Internal analyses of a system that fails its task describe a failing system.",
        ))  # fmt: skip
    n = np.atleast_1d(table["n"].values)
    if (n < 20).any():
        notes.append(Note(
            "too_few_trials", f"As few as {int(n.min())} scored trials in a cell.",
            "Pool levels or record more trials.",
        ))  # fmt: skip
    if cluster_column is not None:
        notes.append(Note(
            "clustered", f"Trials come in {cluster_column}s, which were resampled as wholes.",
            f"The interval holds for such {cluster_column}s of this system. With {n_clusters} of them "
            f"no p-value is under {2.0 ** (1 - min(n_clusters, 13)):.2g}.",
        ))  # fmt: skip
    return notes


def _figure(by: str, chance: float | None, table: xr.Dataset) -> FigureSpec:
    bar = table["null_mean"].values
    flat = bool(np.isfinite(bar).all()) and float(np.ptp(bar)) < 1e-12
    return FigureSpec(
        kind="points",
        x=by,
        caption=f"Proportion correct by {by}, with 95 % intervals.",
        x_label=by,
        y_label="proportion correct",
        reference=float(bar[0]) if flat else chance,
        reference_label="bar" if flat else "",
        description=f"Proportion correct with interval for each level of {by}.",
    )
