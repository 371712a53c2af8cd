"""Dissimilarity matrices of sites: distances, intervals, null, reliability."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import special

from marr.errors import StatisticsError
from marr.representation._rsa._geometry import (
    CROSS,
    WHITENED,
    Geometry,
    make_geometry,
)
from marr.representation._rsa._rdm_kernel import upper
from marr.representation._rsa._rdm_plan import plan_rdm
from marr.representation._rsa._row_blocks import SomeRows
from marr.stats import permutation_p, rank_correlation, spearman_brown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.representation._plan import Plan
    from marr.representation._rsa._rdm_rows import Rows

__all__ = ["Measure", "SiteRdm", "correct", "plan_rdm", "site_rdm"]

N_SPLITS = 20
"""Random splits behind a reliability."""
FEW_SPLITS = 5
"""Splits where each takes long."""
LARGE = 2_000_000
"""Rows times units above which a noise covariance takes long."""


@dataclass(frozen=True)
class Measure:
    """Which distance, and how it is whitened.

    Attributes
    ----------
    distance : str
        Key of `DISTANCES`.
    noise : {"folds", "diagonal", "identity"} or dict of site to array
        Noise covariance, given over all units of a site.
    intensity : float or None
        Shrinkage; estimated if None.
    """

    distance: str
    noise: str | dict[str, npt.NDArray[np.float64]]
    intensity: float | None

    @property
    def cross(self) -> bool:
        """Whether the distance is cross-validated."""
        return self.distance in CROSS

    @property
    def fitted(self) -> bool:
        """Whether a noise covariance is estimated from the data."""
        return self.distance in WHITENED and self.noise in ("folds", "diagonal")

    def geometry(
        self,
        site: str,
        rows: Rows,
        codes: npt.NDArray[np.intp],
        fold: npt.NDArray[np.intp],
        n_conditions: int,
    ) -> Geometry:
        """Prepare the distances of the rows of a site."""
        noise = self.noise if isinstance(self.noise, str) else self.noise[site]
        return make_geometry(
            rows.blocks,
            codes,
            fold,
            n_conditions,
            self.distance,
            noise=noise,
            intensity=self.intensity,
        )


class Null(NamedTuple):
    """A test of each pair, before it is corrected over pairs (and windows)."""

    standard: npt.NDArray[np.float64]  # of the data, over the spread of the null
    largest: npt.NDArray[np.float64]  # of each shuffle, over pairs


@dataclass(frozen=True)
class SiteRdm:
    """Numbers of one site (and window), square over conditions unless stated."""

    columns: dict[str, npt.NDArray[Any]]
    halves: npt.NDArray[np.float64]  # (2, n_conditions, n_conditions)
    mean: npt.NDArray[np.float64]  # of all distances, and its interval: (3,)
    split_half: float
    n_units: int
    null: Null | None = None
    shared_noise: bool = False

    @property
    def reliability(self) -> float:
        """Reliability of the whole; the split-half correlation itself if below 0."""
        whole = float(spearman_brown(self.split_half))
        return whole if self.split_half > 0 else self.split_half


def site_rdm(
    site: str,
    rows: Rows,
    conditions: Conditions,
    plan: Plan | None,
    halves: npt.NDArray[np.int8],
    measure: Measure,
    *,
    seed: int,
) -> SiteRdm:
    """Compute the distances of one site with all that belongs to them."""
    n = len(conditions.labels)
    codes = rows.pick(conditions.codes)
    fold = np.zeros(len(codes), np.intp) if plan is None else plan.folds[rows.trial]
    geometry = measure.geometry(site, rows, codes, fold, n)
    if plan is None:
        estimate = _clean(geometry.distances(codes))
        mean = np.array([_mean(estimate), np.nan, np.nan])
        nothing = np.full((2, n, n), np.nan)
        return SiteRdm({"estimate": estimate}, nothing, mean, np.nan, geometry.n_units)
    half = halves[rows.trial]
    large = measure.fitted and rows.blocks.n_rows * rows.blocks.n_units > LARGE
    splits = _splits(rows, codes, plan, seed, FEW_SPLITS if large else N_SPLITS)
    uses = [fold != k for k in np.unique(fold)]
    n_left = len(uses)
    uses += [half == h for h in (0, 1)]
    uses += [split == h for split in splits for h in (0, 1)]
    parts = [np.where(use, codes, -1) for use in uses]
    moved = [rows.pick(conditions.codes[i]) for i in plan.indices]
    shared = False
    if measure.fitted:
        found, shared = _refitted(site, rows, parts, fold, n, measure, geometry)
        observed = geometry.distances(codes)
        draws = []
        if moved:
            blind = measure.geometry(site, rows, np.minimum(codes, 0), fold, n)
            draws = blind.many([codes, *moved])
    else:
        observed, *rest = geometry.many([codes, *parts, *moved])
        found, draws = rest[: len(parts)], [observed, *rest[len(parts) :]]
    estimate, left = _clean(observed), np.stack(found[:n_left])
    reach = _reach(left)
    columns: dict[str, npt.NDArray[Any]] = {
        "estimate": estimate,
        "ci_low": estimate - reach,
        "ci_high": estimate + reach,
    }
    null = None
    if moved:
        shuffled = np.stack([upper(d) for d in draws[1:]])
        tested, null = _tested(upper(estimate), upper(_clean(draws[0])), shuffled)
        columns |= {k: _square(k, v, n) for k, v in tested.items()}
    return SiteRdm(
        columns,
        np.stack([_clean(d) for d in found[n_left : n_left + 2]]),
        _mean_interval(estimate, left),
        _split_half(found[n_left + 2 :]),
        geometry.n_units,
        null,
        shared,
    )


def _refitted(
    site: str,
    rows: Rows,
    parts: Sequence[npt.NDArray[np.intp]],
    fold: npt.NDArray[np.intp],
    n_conditions: int,
    measure: Measure,
    whole: Geometry,
) -> tuple[list[npt.NDArray[np.float64]], bool]:
    """Return distances of parts of the rows, each whitened by its own noise.

    Noise that parts share would make halves agree, and jackknife intervals too narrow.
    Parts without noise of their own are whitened by that of all rows.

    Returns
    -------
    distances : list of arrays
        One a part.
    shared : bool
        Whether some part was whitened by the noise of all rows.
    """
    found, shared = [], False
    for codes in parts:
        kept = np.flatnonzero(codes >= 0)
        some = replace(rows, blocks=SomeRows(rows.blocks, kept))
        folds = np.unique(fold[kept], return_inverse=True)[1].reshape(-1)
        try:
            part = measure.geometry(site, some, codes[kept], folds, n_conditions)
            found.append(part.distances(codes[kept]))
        except StatisticsError:
            found.append(whole.distances(codes))
            shared = True
    return found, shared


def _clean(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Make a distance matrix exactly symmetric with a zero diagonal."""
    clean = (distances + distances.T) / 2
    np.fill_diagonal(clean, 0.0)
    return clean


def _reach(left_out: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half width of the 95 % jackknife interval over folds."""
    k = len(left_out)
    error = np.sqrt((k - 1) * left_out.var(axis=0))
    reach = special.stdtrit(k - 1, 0.975) * (error + error.T) / 2
    np.fill_diagonal(reach, 0.0)
    return np.asarray(reach)


def _mean(square: npt.NDArray[np.float64]) -> float:
    values = upper(square)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _mean_interval(
    estimate: npt.NDArray[np.float64], left_out: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Mean over pairs, with its jackknife interval over folds."""
    means = np.array([_mean(d) for d in left_out])
    k, mean = len(means), _mean(estimate)
    reach = special.stdtrit(k - 1, 0.975) * np.sqrt((k - 1) * means.var())
    return np.array([mean, mean - reach, mean + reach])


def _square(
    name: str, values: npt.NDArray[np.float64], n: int
) -> npt.NDArray[np.float64]:
    where = np.triu_indices(n, k=1)
    out = np.ones((n, n)) if name.startswith("p_") else np.zeros((n, n))
    out[where] = out.T[where] = values
    return out


def _tested(
    estimate: npt.NDArray[np.float64],
    observed: npt.NDArray[np.float64],
    draws: npt.NDArray[np.float64],
) -> tuple[dict[str, npt.NDArray[np.float64]], Null]:
    """Test each pair against shuffled conditions.

    Where noise is estimated, data and shuffles are whitened alike by what varies within
    folds, whatever the conditions: a covariance that knows the conditions of the data
    would favor them over every shuffle (10 % false positives where 5 % are due).
    """
    mean = _column_mean(draws)
    columns = {
        "p_value": permutation_p(observed, draws, tail="greater"),
        "null_mean": mean,
        "excess": estimate - mean,
    }
    stack = np.concatenate([observed[None], draws])
    center, spread = _column_mean(stack), np.zeros(stack.shape[1])
    seen = np.isfinite(observed)
    spread[seen] = np.nanstd(stack[:, seen], axis=0)
    flat = spread <= 1e-12 * np.abs(center)
    standard = (stack - center) / np.where(flat, 1.0, spread)
    standard[:, flat] = 0.0
    missing = np.isnan(standard[1:])  # a shuffle without this distance counts as large
    largest = np.where(missing & seen, np.inf, np.where(seen, standard[1:], -np.inf))
    return columns, Null(np.where(seen, standard[0], np.nan), largest.max(axis=1))


def _column_mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def correct(found: Sequence[SiteRdm]) -> None:
    """Correct p-values over the pairs (and windows) of a site, by the maximum."""
    nulls = [f.null for f in found if f.null is not None]
    if len(nulls) < len(found):
        return
    largest = np.sort(np.max([n.largest for n in nulls], axis=0))
    for one, null in zip(found, nulls, strict=True):
        slack = 1e-9 * np.maximum(1.0, np.abs(null.standard))
        below = np.searchsorted(largest, null.standard - slack, side="left")
        p = (1.0 + len(largest) - below) / (1.0 + len(largest))
        p = np.where(np.isnan(null.standard), np.nan, p)
        p = np.maximum(p, upper(one.columns["p_value"]))
        one.columns["p_corrected"] = _square("p_", p, len(one.halves[0]))


def _splits(
    rows: Rows,
    codes: npt.NDArray[np.intp],
    plan: Plan,
    seed: int,
    n_splits: int,
) -> list[npt.NDArray[np.intp]]:
    """Random halves: whole groups where there are groups; else balanced trials."""
    rng = np.random.default_rng(seed)
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)
    return [_random_half(units, rows, codes, rng) for _ in range(n_splits)]


def _random_half(
    units: npt.NDArray[np.intp],
    rows: Rows,
    codes: npt.NDArray[np.intp],
    rng: np.random.Generator,
) -> npt.NDArray[np.intp]:
    n_units = int(units.max()) + 1
    if n_units < len(units) or rows.bins is not None:
        order = rng.permutation(n_units)
        half = np.empty(n_units, np.intp)
        half[order] = np.arange(n_units) % 2
        return np.asarray(half[units[rows.trial]])
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    half = np.empty(len(codes), np.intp)
    half[order] = np.arange(len(codes)) % 2
    return half


def _split_half(found: Sequence[npt.NDArray[np.float64]]) -> float:
    """Mean rank correlation of the distances of random halves of the trials."""
    values = []
    for first, second in zip(found[::2], found[1::2], strict=True):
        pair = upper(first), upper(second)
        known = np.isfinite(pair[0]) & np.isfinite(pair[1])
        if known.sum() >= 3:
            values.append(float(rank_correlation(pair[0][known], pair[1][known])))
    values = [v for v in values if np.isfinite(v)]
    return float(np.mean(values)) if values else float("nan")
