"""Values of all measures over all pairs of sites, with nulls and leave-part-out values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from marr.stats import max_statistic, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._alignment._design import Design
    from marr.representation._alignment._measure import AlignmentMeasure
    from marr.representation._alignment._sample import Sample

__all__ = ["Sides", "interval", "measured", "refit_neighbors", "tested", "values"]

Array = Any


@dataclass(frozen=True)
class Sides:
    """Samples of both sides, by time bin and site; `b` may be the same list as `a`."""

    a: list[list[Sample]]
    b: list[list[Sample]]

    def keep(self, rows: npt.NDArray[np.intp]) -> Sides:
        """Return both sides with some of the rows."""
        a = [[s.keep(rows) for s in bin_] for bin_ in self.a]
        same = self.b is self.a
        return Sides(
            a, a if same else [[s.keep(rows) for s in bin_] for bin_ in self.b]
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of time bins and of sites on both sides."""
        return len(self.a), len(self.a[0]), len(self.b[0])


def values(
    measures: Sequence[AlignmentMeasure],
    sides: Sides,
    orders: npt.NDArray[np.intp] | None = None,
) -> npt.NDArray[np.float64]:
    """Return all values, shape ([n_orders,] n_measures, n_times, n_sites_a, n_sites_b)."""
    lead = () if orders is None else (len(orders),)
    out = np.empty((*lead, len(measures), *sides.shape))
    for m, measure in enumerate(measures):
        engine = measure.engine()
        for t, (a, b) in enumerate(zip(sides.a, sides.b, strict=True)):
            left = [engine.prepare(s) for s in a]
            right = left if b is a else [engine.prepare(s) for s in b]
            found = (
                engine.compare(left, right)
                if orders is None
                else engine.shuffled(left, right, orders)
            )
            out[..., m, t, :, :] = found
    return out


def left_out(
    measures: Sequence[AlignmentMeasure], sides: Sides, design: Design
) -> npt.NDArray[np.float64]:
    """Return values without each part of the rows, parts first."""
    kept = [np.flatnonzero(design.part != p) for p in range(design.n_parts)]
    return np.stack([values(measures, sides.keep(rows)) for rows in kept])


def interval(
    estimate: Array, replicates: Array, low: Array, high: Array
) -> tuple[Array, Array]:
    """Return estimate -+ t times the delete-group jackknife error, inside the range."""
    g = len(replicates)
    error = np.sqrt((g - 1) * replicates.var(axis=0))
    reach = special.stdtrit(g - 1, 0.975) * error
    return np.maximum(estimate - reach, low), np.minimum(estimate + reach, high)


def tested(
    measures: Sequence[AlignmentMeasure], estimate: Array, null: Array, own: Array
) -> dict[str, Array]:
    """Return p-values against shuffled rows, corrected over all cells.

    `own` marks cells that compare a site with itself: they are alike by construction, and
    take no part in the correction.
    """
    sign = np.array([m.sign for m in measures]).reshape(-1, 1, 1, 1)
    shown = np.where(own, np.nan, sign * estimate)
    columns = {
        "p_value": permutation_p(sign * estimate, sign * null, tail="greater"),
        "p_corrected": max_statistic(shown, sign * null, tail="greater"),
        "null_mean": null.mean(axis=0),
    }
    columns["p_corrected"] = np.where(own, columns["p_value"], columns["p_corrected"])
    perfect = (sign > 0).astype(float)
    span = perfect - columns["null_mean"]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (estimate - columns["null_mean"]) / span
    columns["relative"] = np.where(np.abs(span) > 1e-9, relative, 0.0)
    return columns


def measured(
    measures: Sequence[AlignmentMeasure], sides: Sides, design: Design, own: Array
) -> dict[str, Array]:
    """Return estimate, interval and test, each (n_measures, n_times, n_a, n_b)."""
    estimate = values(measures, sides)
    columns = {"estimate": estimate}
    if design.n_parts:
        low, high = (
            np.array([getattr(m, end) for m in measures]).reshape(-1, 1, 1, 1)
            for end in ("low", "high")
        )
        replicates = left_out(measures, sides, design)
        columns["ci_low"], columns["ci_high"] = interval(
            estimate, replicates, low, high
        )
    if len(design.orders):
        null = values(measures, sides, design.orders)
        columns |= tested(measures, estimate, null, own)
    return columns


def refit_neighbors(
    measures: Sequence[AlignmentMeasure], n_rows: int
) -> tuple[tuple[AlignmentMeasure, ...], list[str]]:
    """Lower the number of neighbors to a third of the rows where it would be most of them."""
    out, said = [], []
    for measure in measures:
        k = measure.options.get("k")
        most = max(1, n_rows // 3)
        if k is not None and k > most:
            measure = replace(measure, options={**measure.options, "k": most})  # noqa: PLW2901
            said.append(f"{measure.name}: {most} neighbors instead of {k:g}")
        out.append(measure)
    return tuple(out), said
