"""Sentences and figures of an estimation-error finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note

from ._answers import sentence_case, short

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from ._report_pair import Pair

__all__ = ["figures", "methods_text", "pair_notes", "summarizer"]


def summarizer(
    estimate: str, target: str, units: str, by: str | None
) -> Callable[[xr.Dataset], str]:
    def one(table: xr.Dataset) -> str:
        row = table.sel(statistic="mean_absolute")
        text = (
            f"{float(row['estimate']):.3g} [{float(row['ci_low']):.3g}, "
            f"{float(row['ci_high']):.3g}]"
        )
        return f"{text} (shuffled {float(row['null_mean']):.3g})"

    def summary(table: xr.Dataset) -> str:
        if by is None:
            median = float(table["estimate"].sel(statistic="median_absolute"))
            bias = float(table["estimate"].sel(statistic="bias"))
            return (
                f"{sentence_case(estimate.replace('_', ' '))} is off {target} by {one(table)} {units} in absolute mean, "
                f"median {median:.3g}, bias {bias:.2g}."
            )
        rows = [
            f"{by} {short(level)}: {one(table.isel({by: i}))}"
            for i, level in enumerate(table[by].values.tolist())
            if np.isfinite(float(table["estimate"].isel({by: i, "statistic": 0})))
        ]
        return f"Mean absolute error of {estimate} ({units}): {'; '.join(rows)}."

    return summary


def methods_text(
    estimate: str,
    target: str,
    pair: Pair,
    resampled: str,
    n_permutations: int,
    null: str,
    seed: int,
) -> str:
    kind = (
        f"Errors are circular (period {pair.period:.4g})"
        if pair.period is not None
        else "Errors are differences"
    )
    shuffle = "freely" if null == "free" else "by circular shifts of the trials"
    return (
        f"Error of {estimate} against {target} ({pair.units}) over all trials and times. {kind}; "
        f"bias is the mean of estimate minus target. 95 % intervals by a bootstrap of {resampled} "
        f"(1,000 resamples, percentiles widened for their number). Chance: targets shuffled {shuffle} over trials "
        f"({n_permutations} times, whole time courses kept); one-sided p-values, smallest possible "
        f"{1 / (n_permutations + 1):.2g}; seed {seed}."
    )


def pair_notes(
    pair: Pair, rows: list[np.ndarray], levels: list[object], by: str | None
) -> list[Note]:
    notes = []
    if pair.units == "units not stated":
        notes.append(Note(
            "no_units", "The data do not state the units of report and truth.",
            "Give the variables attrs['units'].",
        ))  # fmt: skip
    few = [f"{by} {short(levels[i])}" for i, row in enumerate(rows) if row.sum() < 5]
    if few and by is not None:
        notes.append(Note(
            "not_scored", f"Fewer than 5 trials: {', '.join(few)}; not scored (NaN).",
            "Pool levels or record more trials.",
        ))  # fmt: skip
    if np.nanstd(pair.target) < 1e-12:
        notes.append(Note(
            "constant_target", "The true value is the same on all trials: chance equals the error.",
            "Vary the target.",
        ))  # fmt: skip
    return notes


def figures(
    estimate: str, target: str, pair: Pair, by: str | None
) -> tuple[FigureSpec, ...]:
    drawn = []
    if pair.time is not None:
        clock = f"time ({pair.time_unit})" if pair.time_unit else "time"
        drawn.append(FigureSpec(
            kind="line",
            table="time",
            x="time",
            caption=f"Mean absolute error of {estimate} against {target} over time, with 95 % band over trials.",
            x_label=clock,
            y_label=f"absolute error ({pair.units})",
            description="Line of the mean absolute error over time.",
        ))  # fmt: skip
    if by is not None:
        drawn.append(FigureSpec(
            kind="points",
            x=by,
            group="statistic",
            caption=f"Error of {estimate} by {by}, with 95 % intervals.",
            x_label=by,
            y_label=f"error ({pair.units})",
            description=f"Errors with intervals for each level of {by}.",
        ))  # fmt: skip
    return tuple(drawn)
