"""Agreement of the behavior of two systems on the rows on which they are aligned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError, OptionError
from marr.representation._alignment._values import interval
from marr.stats import max_statistic, permutation_p
from marr.systems import target_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from marr.representation._alignment._design import Design
    from marr.representation._rows import RowMatch
    from marr.systems import System

__all__ = ["agreement_table", "chance_corrected"]

MOST_CLASSES = 20
"""Numbers with more values than this are correlated, not counted."""

LABELS = {
    "agreement": "same answer",
    "kappa": "same answer beyond chance (Cohen's kappa)",
    "error consistency": "right and wrong on the same rows beyond chance (kappa)",
    "same error": "same answer where both are wrong",
    "correlation": "correlation of reports over rows",
}
"""What each number is."""

Array = Any


def chance_corrected(a: Array, b: Array) -> float:
    """Cohen's kappa of two tables of class frequencies, rows by classes.

    With one answer a row this is the usual kappa; with repeats the answers of a row are
    drawn independently from both.
    """
    expected = float(a.mean(axis=0) @ b.mean(axis=0))
    observed = float((a * b).sum(axis=1).mean())
    return (observed - expected) / (1 - expected) if expected < 1 else 0.0


def _same_error(a: Array, b: Array) -> float:
    """Share of equal answers where both err; columns are wrong answers by class."""
    both = float((a.sum(axis=1) * b.sum(axis=1)).sum())
    return float((a * b).sum()) / both if both > 0 else 0.0


def _correlation(a: Array, b: Array) -> float:
    x, y = a[:, 0] - a[:, 0].mean(), b[:, 0] - b[:, 0].mean()
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float(x @ y) / size if size > 0 else 0.0


def agreement_table(
    systems: Sequence[System],
    behavior: str,
    match: RowMatch,
    rows: npt.NDArray[np.intp],
    design: Design,
) -> xr.Dataset:
    """Return agreement statistics with interval and test, from the rows of the alignment.

    Parameters
    ----------
    systems : two Systems
        Both must have the column.
    behavior : str
        Column, e.g. "choice". Error consistency is added where both have "correct".
    match, rows, design
        Rows of the alignment, those that were used, and their dependence.
    """
    if any(code.ndim == 2 for code in match.codes):
        msg = (
            f"behavior={behavior!r} is one value a trial, but rows are bins of the "
            f"variable {match.on!r}. Join by trial or by a column of the trial table."
        )
        raise OptionError(msg)
    statistics = _statistics(systems, behavior, match, rows)
    names = list(statistics)
    found = {
        name: _one(function, pair, design)
        for name, (function, pair) in statistics.items()
    }
    data = {
        key: ("behavior", np.array([found[n][key] for n in names]))
        for key in found[names[0]]
        if key != "null"
    }
    if len(design.orders):
        null = np.stack([found[n]["null"] for n in names], axis=1)
        observed = data["estimate"][1]
        data["p_value"] = ("behavior", permutation_p(observed, null, tail="greater"))
        data["p_corrected"] = (
            "behavior",
            max_statistic(observed, null, tail="greater"),
        )
        data["null_mean"] = ("behavior", null.mean(axis=0))
    table = xr.Dataset(data, coords={"behavior": names})
    table["estimate"].attrs = {"long_name": f"agreement of {behavior}", "units": ""}
    table.attrs["reduction"] = "; ".join(f"{n}: {LABELS[n]}" for n in names)
    return table


def _one(function: Callable[[Array, Array], float], pair: Any, design: Design) -> Any:
    a, b = pair
    estimate = np.array(function(a, b))
    out: dict[str, Any] = {"estimate": float(estimate)}
    if design.n_parts:
        keep = [design.part != p for p in range(design.n_parts)]
        left = np.array([function(a[k], b[k]) for k in keep])
        low, high = interval(estimate, left, -1.0, 1.0)
        out |= {"ci_low": float(low), "ci_high": float(high)}
    if len(design.orders):
        out["null"] = np.array([function(a, b[order]) for order in design.orders])
    return out


def _statistics(
    systems: Sequence[System],
    behavior: str,
    match: RowMatch,
    rows: npt.NDArray[np.intp],
) -> dict[str, tuple[Any, tuple[Array, Array]]]:
    series = [
        _values(s, behavior, code) for s, code in zip(systems, match.codes, strict=True)
    ]
    n = len(match.labels)
    everything = np.concatenate(series)
    classes = pd.unique(pd.Series(everything.tolist(), dtype=object))
    numeric = everything.dtype.kind in "fiu"
    if numeric and len(classes) > MOST_CLASSES:
        means = [
            _row_means(v[:, None].astype(float), code, n)[rows]
            for v, code in zip(series, match.codes, strict=True)
        ]
        return {"correlation": (_correlation, (means[0], means[1]))}
    index = pd.Index(classes)
    hot = [np.eye(len(classes))[index.get_indexer(pd.Index(v))] for v in series]
    codes = match.codes
    a, b = (_row_means(h, c, n)[rows] for h, c in zip(hot, codes, strict=True))
    out: dict[str, Any] = {
        "agreement": (lambda x, y: float((x * y).sum(axis=1).mean()), (a, b)),
        "kappa": (chance_corrected, (a, b)),
    }
    if behavior != "correct" and all("correct" in s.trials.columns for s in systems):
        right = [_values(s, "correct", c) for s, c in zip(systems, codes, strict=True)]
        right = [np.asarray(r, dtype=float) for r in right]
        pairs = [
            _row_means(np.column_stack([r, 1 - r]), c, n)[rows]
            for r, c in zip(right, codes, strict=True)
        ]
        out["error consistency"] = (chance_corrected, (pairs[0], pairs[1]))
        if len(classes) > 2:
            wrong = [
                _row_means(h * (1 - r)[:, None], c, n)[rows]
                for h, r, c in zip(hot, right, codes, strict=True)
            ]
            out["same error"] = (_same_error, (wrong[0], wrong[1]))
    return out


def _values(system: System, column: str, codes: npt.NDArray[np.intp]) -> Array:
    array = target_values(system, column, argument="behavior")
    if array.ndim != 1:
        msg = (
            f"behavior={column!r} varies within trials; give a column of the trial table "
            "with one value a trial."
        )
        raise OptionError(msg)
    values = array.values
    if pd.isna(values[codes >= 0]).any():
        msg = f"behavior={column!r} is missing on some rows of {system.name!r}; drop them."
        raise ContractError(msg)
    return values


def _row_means(values: Array, codes: npt.NDArray[np.intp], n: int) -> Array:
    total, count = np.zeros((n, values.shape[1])), np.zeros(n)
    used = codes >= 0
    np.add.at(total, codes[used], values[used])
    np.add.at(count, codes[used], 1.0)
    return total / np.maximum(count, 1.0)[:, None]
