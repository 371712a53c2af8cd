"""Effective numbers of unit types: data, jackknife, a homogeneous population, shuffles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from marr.errors import StatisticsError
from marr.representation._plan import Plan, make_plan
from marr.representation._targets import resolve_target
from marr.representation._units._curve_kernel import bin_sums
from marr.representation._units._diversity_kernel import (
    ORDERS,
    corrected_similarity,
    cross_half,
    diversities,
    plain_similarity,
    power_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._units._data import UnitRows
    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.intp]

__all__ = ["HeterogeneityJob", "Scopes", "run_heterogeneity"]

N_BLOCKS = 10
"""Groups of trials that the jackknife leaves out."""

N_SHUFFLED = 20
"""Label shuffles behind the mean of populations without tuning."""


@dataclass(frozen=True)
class Scopes:
    """Which units belong to which site, and how values of sites combine."""

    sites: list[str]
    members: list[npt.NDArray[np.bool_]]

    @property
    def names(self) -> list[str]:
        """Sites, and "all" where there are several."""
        return self.sites + ["all"] * (len(self.sites) > 1)

    def of(self, similarity: FloatArray) -> FloatArray:
        """Return diversities, (n_scopes, n_measures)."""
        rows = [diversities(similarity[np.ix_(m, m)]) for m in self.members]
        if len(self.sites) > 1:
            rows.append(diversities(similarity))
        return np.stack(rows)

    def parts(self, values: FloatArray) -> FloatArray:
        """Return mean within sites, ratio and total, (3, n_measures)."""
        weights = np.array([m.sum() for m in self.members], dtype=float)
        weights = weights / weights.sum()
        alpha = np.array(
            [power_mean(values[:-1, i], weights, q) for i, q in enumerate(ORDERS)]
        )
        return np.stack([alpha, values[-1] / alpha, values[-1]])


@dataclass(frozen=True)
class HeterogeneityJob:
    """Diversities of shape (n_scopes, n_measures), with draws in front."""

    rows: UnitRows
    plan: Plan
    scopes: Scopes
    value: FloatArray
    raw: FloatArray
    reach: FloatArray
    parts: FloatArray | None  # (3, n_measures)
    parts_reach: FloatArray | None
    null: FloatArray
    shuffled: FloatArray
    reliability: FloatArray  # of every unit that varies
    every_unit: xr.DataArray
    similarity: FloatArray
    n_bins: int


def run_heterogeneity(
    system: System,
    variable: str,
    rows: UnitRows,
    codes: npt.NDArray[np.intp],
    filled: npt.NDArray[np.intp],
    n_bins: int,
    *,
    n_splits: int,
    n_null: int,
    least: float,
    seed: int,
) -> HeterogeneityJob:
    """Estimate, leave out, simulate, shuffle.

    Units whose curves correlate between halves by less than `least` take no part.
    """
    plan = make_plan(
        system,
        resolve_target(system, variable),
        n_folds=2,
        null="auto",
        n_permutations=N_SHUFFLED,
        design=None,
        seed=seed,
    )
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)[rows.trial]
    rng = np.random.default_rng(seed)
    halves = _halves(codes, units, rows, n_splits, rng)
    cross, shared = cross_half(rows.x, codes, halves, n_bins)
    reliability, units_ = np.diag(cross).copy(), rows.units
    rows, keep = _reliable(rows, reliability, least)
    cross, shared = cross[np.ix_(keep, keep)], shared[keep]
    scopes = _scopes(rows)
    value = scopes.of(corrected_similarity(cross))
    full = _curves(rows.x, codes, n_bins)
    left_out = _left_out(rows.x, codes, units, halves, n_bins, scopes)
    several = len(scopes.sites) > 1
    null = np.empty((n_null, *value.shape))
    for draw, x in enumerate(
        _homogeneous(rows.x, codes, units, full, shared, n_null, rng)
    ):
        null[draw] = scopes.of(
            corrected_similarity(cross_half(x, codes, halves, n_bins)[0])
        )
    shuffled = [
        _estimate(rows.x, np.asarray(rows.pick(filled[i])), halves, n_bins, scopes)
        for i in plan.indices
    ]
    return HeterogeneityJob(
        rows,
        plan,
        scopes,
        value,
        scopes.of(plain_similarity(full)),
        _reach(left_out),
        scopes.parts(value) if several else None,
        _reach(np.stack([scopes.parts(v) for v in left_out])) if several else None,
        null,
        np.array(shuffled),
        reliability,
        units_,
        corrected_similarity(cross),
        n_bins,
    )


def _reliable(
    rows: UnitRows, reliability: FloatArray, least: float
) -> tuple[UnitRows, npt.NDArray[np.bool_]]:
    keep = np.asarray(reliability >= least)
    if least <= 0:
        keep = np.ones_like(keep)
    if keep.sum() < 2:
        msg = (
            f"{int(keep.sum())} of {len(keep)} units have curves that repeat between "
            f"halves of the trials (reliability of at least {least:g}); two are needed. "
            "Use more trials, other bins, or a lower min_reliability."
        )
        raise StatisticsError(msg)
    return rows.units_where(keep), keep


def _scopes(rows: UnitRows) -> Scopes:
    sites = list(dict.fromkeys(rows.sites.tolist()))
    return Scopes(sites, [rows.sites == s for s in sites])


def _curves(x: FloatArray, codes: IntArray, n_bins: int) -> FloatArray:
    count = np.bincount(codes, minlength=n_bins)[:, None]
    return np.asarray((bin_sums(codes, x, n_bins) / np.maximum(count, 1)).T)


def _estimate(
    x: FloatArray, codes: IntArray, halves: IntArray, n_bins: int, scopes: Scopes
) -> FloatArray:
    cross, _ = cross_half(x, codes, halves, n_bins)
    return scopes.of(corrected_similarity(cross))


def _halves(
    codes: IntArray,
    units: IntArray,
    rows: UnitRows,
    n_splits: int,
    rng: np.random.Generator,
) -> IntArray:
    """Split rows at random: whole groups, or trials balanced within bins."""
    n_units = int(units.max()) + 1
    out = np.empty((n_splits, len(codes)), dtype=np.intp)
    for split in range(n_splits):
        if n_units < rows.n_trials or rows.bins is not None:
            half = np.empty(n_units, dtype=np.intp)
            half[rng.permutation(n_units)] = np.arange(n_units) % 2
            out[split] = half[units]
        else:
            order = rng.permutation(len(codes))
            order = order[np.argsort(codes[order], kind="stable")]
            out[split, order] = (np.arange(len(codes)) + split) % 2
    return out


def _left_out(
    x: FloatArray,
    codes: IntArray,
    units: IntArray,
    halves: IntArray,
    n_bins: int,
    scopes: Scopes,
) -> FloatArray:
    """Return estimates without each of ten groups of what is resampled."""
    n_units = int(units.max()) + 1
    k = min(N_BLOCKS, n_units)
    if k < 3:
        msg = f"{n_units} groups of trials are too few to leave out; at least 3 are needed."
        raise StatisticsError(msg)
    rank = np.empty(n_units, dtype=np.intp)
    first = np.array([codes[units == u][0] for u in range(n_units)])
    rank[np.argsort(first, kind="stable")] = np.arange(n_units)
    block = rank[units] % k
    parts = [
        _estimate(x[keep], codes[keep], halves[:, keep], n_bins, scopes)
        for keep in (block != b for b in range(k))
    ]
    return np.stack(parts)


def _reach(left_out: FloatArray) -> FloatArray:
    k = len(left_out)
    error = np.sqrt((k - 1) * left_out.var(axis=0))
    return np.asarray(special.stdtrit(k - 1, 0.975) * error)


def _homogeneous(
    x: FloatArray,
    codes: IntArray,
    units: IntArray,
    curves: FloatArray,
    shared: FloatArray,
    n_draws: int,
    rng: np.random.Generator,
) -> Iterator[FloatArray]:
    """Yield populations in which all units share one curve and keep gain and noise.

    The curve is the leading component of the standardized curves; gains are the
    reliable spread of each unit; the residuals of whole groups of rows change sign at
    random, which keeps their correlations over time and units.
    """
    center = curves.mean(axis=1, keepdims=True)
    deviation = curves - center
    length = np.sqrt((deviation**2).sum(axis=1, keepdims=True))
    z = deviation / np.where(length > 0, length, 1.0)
    _, _, vt = np.linalg.svd(
        z * np.sqrt(np.maximum(shared, 0))[:, None], full_matrices=False
    )
    common = vt[0] / max(float(vt[0].std()), 1e-300)
    gain = np.sqrt(np.maximum(shared, 0.0))
    signal = center[:, 0] + common[codes][:, None] * gain
    n_bins = curves.shape[1]
    count = np.bincount(codes, minlength=n_bins).astype(float)
    wider = np.sqrt(count / np.maximum(count - 1, 1))[codes][:, None]
    noise = (x - curves.T[codes]) * wider
    n_units = int(units.max()) + 1
    for _ in range(n_draws):
        sign = rng.choice([-1.0, 1.0], n_units)[units][:, None]
        yield signal + noise * sign
