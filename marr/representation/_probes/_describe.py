"""Further descriptions of a decoding, beside its score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.representation._draws import arrange
from marr.stats import percentile_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._layout import Layout
    from marr.representation._probes._core import CellResult
    from marr.representation._targets import Target

__all__ = ["describe"]


def describe(
    result: CellResult,
    target: Target,
    layout: Layout,
    weights: npt.NDArray[np.float64],
    row_unit: npt.NDArray[np.intp],
) -> dict[str, npt.NDArray[np.float64]]:
    """Describe the data by further numbers, each of shape (n_times,).

    Accuracy of classes; mean absolute error of ordered categories; correlation of
    numbers; median error of angles with its interval.
    """
    if target.kind == "circular":
        error = np.degrees(np.arccos(np.clip(result.part[..., 0], -1.0, 1.0)))
        found = [_median_interval(e, weights, row_unit) for e in error]
        names = ("median_error", "median_error_low", "median_error_high")
        return dict(zip(names, np.array(found).T, strict=True))
    if target.kind == "ordinal":
        return {"category_error": _category_error(result, target, layout)}
    if target.kind == "continuous":
        pairs = zip(result.predicted[..., 0], result.truth[..., 0], strict=True)
        return {"correlation": np.array([_correlation(a, b) for a, b in pairs])}
    hits, rows = result.part.sum(axis=(1, 2)), result.whole.sum(axis=(1, 2))
    return {"accuracy": hits / rows}


def _category_error(
    result: CellResult, target: Target, layout: Layout
) -> npt.NDArray[np.float64]:
    """Take the category whose rank is nearest to the prediction."""
    value = arrange(target.values[None], layout)[:, :, 0, 0]
    expected = value - result.truth[..., 0]  # by the training rows
    levels = np.unique(target.values[target.known])
    middle = (levels[1:] + levels[:-1]) / 2
    guess = np.searchsorted(middle, expected + result.predicted[..., 0])
    code = np.searchsorted(levels, value)
    return np.asarray(np.abs(guess - code).mean(axis=1))


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length > 0 else 0.0


def _median_interval(
    error: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    row_unit: npt.NDArray[np.intp],
) -> tuple[float, float, float]:
    order = np.argsort(error)
    medians = np.empty(len(weights))
    for i, weight in enumerate(weights):
        cumulative = weight[row_unit[order]].cumsum()
        medians[i] = error[order[np.searchsorted(cumulative, cumulative[-1] / 2)]]
    low, high = percentile_interval(medians, n_units=weights.shape[1])
    return float(np.median(error)), float(low), float(high)
