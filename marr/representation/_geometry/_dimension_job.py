"""Dimensions of one site: estimate, interval, matched null, dependence on rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from marr.representation._geometry import _neighbor_kernel as near
from marr.representation._geometry._dimension_methods import (
    DIMENSION_METHODS,
    FEWEST_ROWS,
    Points,
    Settings,
)
from marr.stats import subsample_indices

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["FRACTIONS", "Dimensions", "site_dimensions"]

Array = Any
FRACTIONS = (1.0, 0.5, 0.25, 0.125)
"""Shares of the rows at which the dependence on their number is shown."""
REPEATS = 10
"""Random subsets behind each share."""


@dataclass(frozen=True)
class Dimensions:
    """Numbers of one site, one a measure."""

    columns: dict[str, npt.NDArray[np.float64]]
    halves: npt.NDArray[np.float64]  # (2, n_measures)
    scale: npt.NDArray[np.float64]  # (n_fractions, n_measures)
    tested: npt.NDArray[np.float64] | None  # (1 + n_draws, n_measures), high is far
    spectrum: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    n_copies: int = 0


def site_dimensions(
    points: Points, methods: tuple[str, ...], settings: Settings, *, stream: int
) -> Dimensions:
    """Compute every measure of one site with its interval and null.

    Parameters
    ----------
    points : Points
        Rows of the site.
    methods : tuple of str
        Keys of `DIMENSION_METHODS`.
    settings : Settings
        Options.
    stream : int
        Number of the site, for its own random numbers.
    """
    rng = np.random.default_rng([settings.seed, stream])
    shuffled = [_moved(points, settings, rng) for _ in range(settings.n_permutations)]
    spectra, bars = _spectra(points, shuffled)
    values = _values(points, methods, settings, bars)
    reach = np.stack(
        [_reach(points, m, settings, bars, v) for m, v in zip(methods, values.tolist(), strict=True)]
    )  # fmt: skip
    columns = {"estimate": values, "ci_low": reach[:, 0], "ci_high": reach[:, 1]}
    tested = None
    if shuffled:
        everyone = [
            _values(s, methods, settings, bars, raw=True) for s in (points, *shuffled)
        ]
        tested = np.array(everyone)
        mean = _mean(tested[1:])
        ratio = np.array([DIMENSION_METHODS[m].ratio for m in methods])
        bounded = np.where(mean > 0, 1 / np.where(mean > 0, mean, 1.0), np.nan)
        mean = np.where(ratio, bounded, mean)
        columns |= {"null_mean": mean, "excess": values - mean}
        lower = np.array([DIMENSION_METHODS[m].tail == "less" for m in methods])
        tested = np.where(lower & ~ratio, -tested, tested)
    halves = np.full((2, len(methods)), np.nan)
    for h, rows in enumerate(points.halves):
        part = replace(points, views=rows[None], without=(), halves=())
        halves[h] = _values(part, methods, settings, None)
    scale = _scale(points, methods, settings, bars)
    return Dimensions(columns, halves, scale, tested, spectra, _copies(points))


def _moved(points: Points, settings: Settings, rng: np.random.Generator) -> Points:
    """Give each unit rows of its own: shuffled, or shifted around the circle."""
    _, n, p = points.views.shape
    if settings.shift:
        least = max(1, n // 20)
        lag = rng.integers(least, n - least + 1, size=p)
        order = (np.arange(n)[:, None] + lag) % n
    else:
        order = rng.random((n, p)).argsort(axis=0)
    views = np.take_along_axis(points.views, order[None], axis=1)
    return replace(points, views=views, without=(), halves=())


def _spectra(
    points: Points, shuffled: list[Points]
) -> tuple[dict[str, Array], Array | None]:
    """Variance of the components, of data and null, and the bar of the null."""
    if points.crossed:
        return {}, None
    found = {"variance": near.spectrum(points.views[0])}
    if not shuffled:
        return found, None
    null = np.stack([near.spectrum(s.views[0]) for s in shuffled])
    bar = np.quantile(null, 0.95, axis=0)
    found |= {
        "null_mean": null.mean(axis=0),
        "null_low": np.quantile(null, 0.05, axis=0),
        "null_high": bar,
    }
    return found, bar


def _values(
    points: Points,
    methods: tuple[str, ...],
    settings: Settings,
    bar: Array | None,
    *,
    raw: bool = False,
) -> npt.NDArray[np.float64]:
    """Return each measure of the rows; what they share is computed once.

    `raw` inverts participation ratios, so that all draws of a null are defined.
    """
    x, found = points.views[0], {}
    asked = set(methods)
    if any(DIMENSION_METHODS[m].ratio for m in methods):
        moments = points.moments()
        of = moments.inverse if raw else moments.ratio
        found["participation_ratio"] = of()
        found["population_participation_ratio"] = of(population=True)
    if {"two_nn", "mle", "local_pca"} & asked:
        k = min(settings.neighbors, len(x) - 1)
        distances, neighbors = near.neighbor_distances(x, max(k, 2))
        found["two_nn"] = near.two_nn(distances, settings.discard)
        found["mle"] = near.levina_bickel(distances[:, :k])
        if "local_pca" in asked:
            found["local_pca"] = near.local_components(x, neighbors[:, :k], 0.05)
    if {"pca_threshold", "parallel_analysis"} & asked:
        values = near.spectrum(x)
        found["pca_threshold"] = near.components_for(values, settings.variance)
        found["parallel_analysis"] = _above(values, bar)
    return np.array([found[m] for m in methods])


def _above(values: Array, bar: Array | None) -> float:
    if bar is None:
        return float("nan")
    n = min(len(values), len(bar))
    return near.above_null(values[:n], bar[:n])


def _mean(draws: Array) -> npt.NDArray[np.float64]:
    """Mean over draws that are defined."""
    known = np.isfinite(draws)
    total = np.where(known, draws, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _reach(
    points: Points, method: str, settings: Settings, bar: Array | None, value: float
) -> npt.NDArray[np.float64]:
    """Return a 95 % interval around a value.

    Participation ratios: jackknife of the logarithm. Others: the spread over random
    halves of the rows, which is that of the whole.
    """
    if DIMENSION_METHODS[method].ratio:
        wide = method.startswith("population")
        left = np.array([m.ratio(population=wide) for m in points.left_out()])
        if len(left) < 3 or not (np.isfinite(left) & (left > 0)).all() or not value > 0:
            return np.full(2, np.nan)
        k, log = len(left), np.log(left)
        error = np.sqrt((k - 1) * log.var())
        step = special.stdtrit(k - 1, 0.975) * error
        return value * np.exp([-step, step])
    if points.groups is None:
        return np.full(2, np.nan)
    drawn = _subsampled(points, (method,), settings, bar, 0.5, settings.n_subsamples)
    known = drawn[np.isfinite(drawn)]
    if len(known) < 3:
        return np.full(2, np.nan)
    n = int(points.groups.max()) + 1
    step = special.stdtrit(n - 1, 0.975) * known.std(ddof=1)
    return np.array([max(value - step, 0.0), value + step])


def _subsampled(
    points: Points,
    methods: tuple[str, ...],
    settings: Settings,
    bar: Array | None,
    fraction: float,
    n_draws: int,
) -> npt.NDArray[np.float64]:
    """Return the measures of random subsets of the rows, (n_draws, n_measures).

    The bar of parallel analysis is that of a subset, since it rises as rows fall.
    """
    rows = subsample_indices(
        points.views.shape[1],
        n_resamples=n_draws,
        seed=settings.seed,
        fraction=fraction,
        groups=points.groups,
    )
    parts = [
        replace(
            points,
            views=points.views[:, i],
            groups=None if points.groups is None else points.groups[i],
            without=(),
            halves=(),
        )
        for i in rows
    ]
    if bar is not None and "parallel_analysis" in methods:
        rng = np.random.default_rng(settings.seed)
        moved = [_moved(parts[0], settings, rng) for _ in range(2 * REPEATS)]
        bar = _spectra(parts[0], moved)[1]
    return np.array([_values(p, methods, settings, bar) for p in parts])


def _scale(
    points: Points, methods: tuple[str, ...], settings: Settings, bar: Array | None
) -> npt.NDArray[np.float64]:
    """Return each measure at shares of the rows, NaN where too few are left."""
    out = np.full((len(FRACTIONS), len(methods)), np.nan)
    out[0] = _values(points, methods, settings, bar)
    n = points.views.shape[1]
    units = n if points.groups is None else int(points.groups.max()) + 1
    for i, fraction in enumerate(FRACTIONS[1:], start=1):
        enough = fraction * n >= max(FEWEST_ROWS, settings.neighbors + 2)
        if points.fixed or not enough or round(fraction * units) < 2:
            continue
        drawn = _subsampled(points, methods, settings, bar, fraction, REPEATS)
        out[i] = _mean(drawn)
    return out


def _copies(points: Points) -> int:
    """Count rows that are the same as an earlier one."""
    x = points.views[0]
    return int(len(x) - len(np.unique(x, axis=0)))
