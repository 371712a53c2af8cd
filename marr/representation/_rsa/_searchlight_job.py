"""The numbers of a searchlight: balls, distances in them, and their inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from marr.errors import StatisticsError
from marr.representation._rsa._compare_kernel import condition_permutations
from marr.representation._rsa._noise_kernel import variance_floor
from marr.representation._rsa._noise_rows import check_noise, noise_rows
from marr.representation._rsa._rdm_kernel import condition_means
from marr.representation._rsa._searchlight_kernel import (
    Sums,
    ball_distances,
    ball_sums,
    cross_features,
    distinct_models,
    jackknifed_similarity,
    permute,
    scaled_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from scipy import sparse

    from marr.representation._rsa._row_blocks import RowBlocks

__all__ = ["Found", "Search", "ball_rdms", "grid_map", "infer"]

FEATURES = 4_000_000
"""Numbers of features of units held at once."""


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Attributes
    ----------
    within : sparse array of shape (n_centers, n_units)
        1 for units in the ball of a center.
    codes, fold : int array of shape (n_trials,)
        Condition (-1 for none) and fold of each trial.
    n_conditions : int
        Number of conditions.
    distance, noise, comparator : str
        As in `searchlight`.
    """

    within: sparse.csr_array
    codes: npt.NDArray[np.intp]
    fold: npt.NDArray[np.intp]
    n_conditions: int
    distance: str
    noise: str
    comparator: str

    @property
    def pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Pairs of conditions."""
        left, right = np.triu_indices(self.n_conditions, k=1)
        return np.asarray(left), np.asarray(right)


def ball_rdms(
    search: Search, blocks: RowBlocks, sets: Sequence[npt.NDArray[np.intp]]
) -> tuple[list[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Return distances of each ball for each set of codes, and units in each ball.

    Units are read in blocks; constant ones are in no ball.
    """
    columns = search.within.tocsc()
    sums: list[Sums | None] = [None] * len(sets)
    for units, x in blocks.blocks():
        near = columns[:, units].tocsr()
        whole: npt.NDArray[np.float64] | None = None
        for i, codes in enumerate(sets):
            precise = None
            if search.noise == "diagonal":
                precise = _precise(search, x, codes, whole)
                whole = precise if whole is None else whole
            more = (
                _cross_sums(search, near, x, codes, precise)
                if search.distance == "crossnobis"
                else ball_sums(
                    near, condition_means(x, codes, search.n_conditions), search.pairs
                )
            )
            before = sums[i]
            sums[i] = (
                more
                if before is None
                else Sums(*(a + b for a, b in zip(before, more, strict=True)))
            )
    found = [s for s in sums if s is not None]
    rdms = [ball_distances(s, search.pairs, search.distance) for s in found]
    return rdms, found[0].n_units


def _precise(
    search: Search,
    x: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    whole: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    """Inverse noise variance for each fold, from the other folds: (n_folds, n_units).

    Trials with too little noise of their own take that of `whole`, if given.
    """
    try:
        jobs = noise_rows(codes, search.fold, "the activity", cross=True)
    except StatisticsError:
        if whole is None:
            raise
        return whole
    centered = x - x.mean(axis=0)
    out = np.empty((int(search.fold.max()) + 1, x.shape[1]))
    for k, job in enumerate(jobs):
        part = centered[job.rows]
        power = (part**2).sum(axis=0)
        squares = ((part - job.basis @ (job.basis.T @ part)) ** 2).sum(axis=0)
        check_noise(squares, power, "the activity")
        out[k] = 1.0 / np.maximum(squares / job.dof, variance_floor(power, len(part)))
    return out


def _cross_sums(
    search: Search,
    near: sparse.csr_array,
    x: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    precise: npt.NDArray[np.float64] | None,
) -> Sums:
    n, n_folds = search.n_conditions, int(search.fold.max()) + 1
    cells = np.where(codes >= 0, search.fold * n + codes, -1)
    counts = np.bincount(cells[cells >= 0], minlength=n_folds * n).reshape(n_folds, n)
    means = condition_means(x, cells, n_folds * n).reshape(n_folds, n, -1)
    left, right = search.pairs
    step = max(1, FEATURES // (n_folds * x.shape[1]))
    parts = [
        near
        @ cross_features(
            means, counts, precise, (left[s : s + step], right[s : s + step])
        ).T
        for s in range(0, len(left), step)
    ]
    nothing = np.zeros((near.shape[0], 0))
    count = np.asarray(near.sum(axis=1), dtype=float)
    return Sums(np.concatenate(parts, axis=1), nothing, nothing, count)


class Found(NamedTuple):
    """Comparison of balls with models.

    Attributes
    ----------
    columns : dict of arrays of shape (n_models, n_centers)
        Including "half_estimate" of shape (2, n_models, n_centers).
    reliability : array of shape (n_centers,)
        Rank correlation of the distances of both halves of the trials.
    distinct : int array of shape (n_models,)
        Different arrangements of each model among the permutations.
    """

    columns: dict[str, npt.NDArray[Any]]
    reliability: npt.NDArray[np.float64]
    distinct: npt.NDArray[np.intp]


def infer(
    search: Search,
    rdms: Sequence[npt.NDArray[np.float64]],
    models: npt.NDArray[np.float64],
    *,
    n_permutations: int,
    seed: int,
) -> Found:
    """Compare balls with models; test, interval, and both halves.

    Parameters
    ----------
    rdms : sequence of arrays of shape (n_centers, n_pairs)
        Distances of all trials, and of both halves where there are some.
    models : array of shape (n_models, n_pairs)
        Dissimilarities.
    n_permutations, seed : int
        Permutations of conditions, and their seed.
    """
    values, n = rdms[0], search.n_conditions
    balls, rows = (scaled_rows(v, search.comparator) for v in (values, models))
    observed = balls @ rows.T
    left_out = jackknifed_similarity(values, models, n, search.comparator)
    error = np.sqrt((n - 1) * left_out.var(axis=0))
    reach = special.stdtrit(n - 1, 0.975) * error
    columns: dict[str, npt.NDArray[Any]] = {
        "estimate": observed,
        "ci_low": np.maximum(observed - reach, -1.0),
        "ci_high": np.minimum(observed + reach, 1.0),
    }
    distinct = np.full(len(models), np.iinfo(np.intp).max)
    if n_permutations:
        moves = condition_permutations(n, n_permutations, seed)
        null = permute(balls, rows, observed, moves)
        distinct = distinct_models(models, moves)
        largest, total = np.sort(null.largest), len(moves) + 1
        below = np.searchsorted(largest, observed - 1e-10, side="left")
        columns["p_value"] = (null.above + 1) / total
        columns["p_corrected"] = (len(largest) - below + 1) / total
        columns["null_mean"] = null.mean
    columns = {k: v.T for k, v in columns.items()}
    if len(rdms) < 3:
        return Found(columns, np.full(len(values), np.nan), distinct)
    columns["half_estimate"] = np.stack(
        [(scaled_rows(half, search.comparator) @ rows.T).T for half in rdms[1:]]
    )
    ranked = [scaled_rows(half, "spearman") for half in rdms[1:]]
    return Found(columns, np.einsum("rp,rp->r", *ranked), distinct)


def grid_map(
    values: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    names: Sequence[str],
    models: Sequence[str],
    most: int = 60,
) -> xr.Dataset:
    """Lay centers on a grid of their first two coordinates: the mean of each cell.

    Coordinates with up to `most` different values keep them; others are cut into that
    many bins.
    """
    cells, axes = [], []
    for place in places[:, :2].T:
        distinct = np.unique(np.round(place, 9))
        if len(distinct) > most:
            edges = np.linspace(place.min(), place.max(), most + 1)
            cell = np.clip(np.searchsorted(edges, place, side="right") - 1, 0, most - 1)
            distinct = (edges[1:] + edges[:-1]) / 2
        else:
            cell = np.searchsorted(distinct, np.round(place, 9))
        cells.append(cell)
        axes.append(distinct)
    total = np.zeros((len(values), len(axes[1]), len(axes[0])))
    count = np.zeros(total.shape[1:])
    np.add.at(count, (cells[1], cells[0]), 1.0)
    for out, row in zip(total, values, strict=True):
        np.add.at(out, (cells[1], cells[0]), row)
    mean = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    return xr.Dataset(
        {"estimate": (("model", names[1], names[0]), mean)},
        coords={"model": list(models), names[1]: axes[1], names[0]: axes[0]},
        attrs={"reduction": "mean over centers in a cell"},
    )
