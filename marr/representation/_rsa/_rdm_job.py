"""One dissimilarity matrix a site: distances, intervals, null, reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import special

from marr.errors import StatisticsError
from marr.representation._plan import make_plan
from marr.representation._rsa._geometry import Geometry, make_geometry
from marr.representation._rsa._rdm_kernel import upper
from marr.stats import max_statistic, permutation_p, rank_correlation, spearman_brown
from marr.systems import stack_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.representation._plan import Plan
    from marr.systems import System

__all__ = ["Rows", "SiteRdm", "labelled", "plan_rdm", "site_rdm", "site_rows"]

N_SPLITS = 20
"""Random splits behind a reliability."""


@dataclass(frozen=True)
class Rows:
    """Activity of a site as rows, with the trial and time bin of each.

    Attributes
    ----------
    x : array of shape (n_rows, n_units)
    trial : int array of shape (n_rows,)
    bins : int array of shape (n_rows,) or None
    n_constant : int
        Constant units, left out of `x`.
    """

    x: npt.NDArray[np.float64]
    trial: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp] | None
    n_constant: int

    def pick(self, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the condition of each row, from codes by trial (and bin)."""
        return codes[self.trial] if self.bins is None else codes[self.trial, self.bins]


@dataclass(frozen=True)
class SiteRdm:
    """Numbers of one site, each of shape (n_conditions, n_conditions) unless stated."""

    columns: dict[str, npt.NDArray[Any]]
    halves: npt.NDArray[np.float64]  # (2, n_conditions, n_conditions)
    reliability: float
    split_half: float
    n_constant: int
    n_units: int


def site_rows(
    system: System,
    site: str,
    conditions: Conditions,
    window: tuple[float, float] | None,
) -> Rows:
    """Return rows: time means of trials, or valid bins where conditions change."""
    keep = conditions.timed or window is not None
    array = stack_units(system, site, time="keep" if keep else "mean")
    values = np.asarray(array.values, dtype=float)
    trial, bins = np.arange(len(values)), None
    if keep:
        inside = np.ones(array.sizes["time"], bool)
        if window is not None:
            times = array["time"].values
            inside = (times >= window[0]) & (times < window[1])
        valid = np.broadcast_to(inside, values.shape[:2])
        if "valid" in array.coords:
            valid = valid & array["valid"].values.astype(bool)
        if not valid.any(axis=1).all():
            msg = (
                f"time={window!r}: some trials of site {site!r} have no valid bin there. "
                "Choose a wider window, or drop these trials with select()."
            )
            raise StatisticsError(msg)
        if conditions.timed:
            trial, bins = np.nonzero(valid)
            values = values[trial, bins]
        else:
            weight = valid[..., None]
            values = np.where(weight, values, 0.0).sum(axis=1) / weight.sum(axis=1)
    spread, size = values.std(axis=0), np.abs(values).max(axis=0)
    varying = spread > 1e-12 * np.maximum(size, 1e-300)
    if not varying.any():
        msg = f"every unit of site {site!r} is constant; there are no distances."
        raise StatisticsError(msg)
    return Rows(values[:, varying], trial, bins, int((~varying).sum()))


def plan_rdm(
    system: System,
    conditions: Conditions,
    *,
    n_folds: int | None,
    null: str,
    n_permutations: int,
    seed: int,
) -> Plan | None:
    """Return folds and shuffles, or None where conditions are not repeated."""
    target = conditions.as_target()
    n_trials = len(target.values)
    fewest = n_trials
    if not conditions.timed:
        fewest = int(np.bincount(conditions.codes[conditions.codes >= 0]).min())
        if fewest < 2:
            return None
    groups = system.groups()
    most = fewest if groups is None else min(fewest, int(groups.max()) + 1)
    return make_plan(
        system,
        target,
        n_folds=n_folds or max(2, min(10, most)),
        null=null,
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )


def site_rdm(
    rows: Rows,
    conditions: Conditions,
    plan: Plan | None,
    halves: npt.NDArray[np.int8],
    distance: str,
    *,
    seed: int,
) -> SiteRdm:
    """Compute the distances of one site with all that belongs to them."""
    n_conditions = len(conditions.labels)
    codes = rows.pick(conditions.codes)
    fold = np.zeros(len(codes), np.intp) if plan is None else plan.folds[rows.trial]
    geometry = make_geometry(rows.x, codes, fold, n_conditions, distance)
    estimate = _clean(geometry.distances(codes))
    columns: dict[str, npt.NDArray[Any]] = {"estimate": estimate}
    n_units = rows.x.shape[1]
    if plan is None:
        nothing = np.full((2, n_conditions, n_conditions), np.nan)
        return SiteRdm(columns, nothing, np.nan, np.nan, rows.n_constant, n_units)
    reach = _reach(geometry.left_out(codes))
    columns |= {"ci_low": estimate - reach, "ci_high": estimate + reach}
    if len(plan.indices):
        columns |= _tested(rows, conditions, plan, geometry, fold, distance)
    half = halves[rows.trial]
    pair = [geometry.distances(np.where(half == h, codes, -1)) for h in (0, 1)]
    split = _split_half(geometry, codes, plan, rows, seed=seed)
    return SiteRdm(
        columns,
        np.stack(pair),
        float(spearman_brown(split)),
        split,
        rows.n_constant,
        n_units,
    )


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


def _tested(
    rows: Rows,
    conditions: Conditions,
    plan: Plan,
    geometry: Geometry,
    fold: npt.NDArray[np.intp],
    distance: str,
) -> dict[str, npt.NDArray[np.float64]]:
    """Test each pair against shuffled conditions, corrected over pairs.

    For crossnobis data and shuffles are whitened alike by what varies within folds,
    whatever the conditions: a covariance that knows the conditions of the data would
    favor them over every shuffle (10 % false positives where 5 % are due).
    """
    codes, n = rows.pick(conditions.codes), len(conditions.labels)
    blind = geometry
    if distance == "crossnobis":
        blind = make_geometry(rows.x, np.minimum(codes, 0), fold, n, distance)
    observed = upper(blind.distances(codes))
    draws = np.stack(
        [upper(blind.distances(rows.pick(conditions.codes[i]))) for i in plan.indices]
    )
    mean = draws.mean(axis=0)
    columns = {
        "p_value": permutation_p(observed, draws, tail="greater"),
        "p_corrected": max_statistic(observed, draws, tail="greater"),
        "null_mean": mean,
        "excess": upper(geometry.distances(codes)) - mean,
    }
    where = np.triu_indices(n, k=1)
    out = {}
    for name, values in columns.items():
        square = np.ones((n, n)) if name.startswith("p_") else np.zeros((n, n))
        square[where] = square.T[where] = values
        out[name] = square
    return out


def _split_half(
    geometry: Geometry,
    codes: npt.NDArray[np.intp],
    plan: Plan,
    rows: Rows,
    *,
    seed: int,
) -> float:
    """Mean rank correlation of the distances of random halves of the trials.

    Whole groups where there are groups; else trials, balanced within conditions where
    conditions do not change within trials.
    """
    rng = np.random.default_rng(seed)
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)
    found = []
    for _ in range(N_SPLITS):
        half = _random_half(units, rows, codes, rng)
        pair = [
            upper(geometry.distances(np.where(half == h, codes, -1))) for h in (0, 1)
        ]
        known = np.isfinite(pair[0]) & np.isfinite(pair[1])
        if known.sum() >= 3:
            found.append(float(rank_correlation(pair[0][known], pair[1][known])))
    return float(np.nanmean(found)) if found else float("nan")


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


def labelled(
    found: Sequence[SiteRdm], sites: Sequence[str], conditions: Conditions
) -> xr.Dataset:
    """Return the matrices of all sites with labels."""
    dims = ["site", "condition_a", "condition_b"]
    attrs: dict[str, Any] = {"long_name": conditions.name}
    if conditions.circular:
        attrs |= {"units": "rad", "circular": True}
    coords: dict[str, Any] = {d: (d, conditions.labels, attrs) for d in dims[1:]}
    coords["site"] = list(sites)
    names = found[0].columns
    data = {k: (dims, np.stack([f.columns[k] for f in found])) for k in names}
    return xr.Dataset(data, coords=coords)
