"""Overlaps at one site: estimate, ceiling, jackknife, random subspaces."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from marr.errors import OptionError
from marr.representation._geometry import _subspace_kernel as kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._geometry._subspace_views import View

__all__ = ["Overlap", "Settings", "site_overlap"]

SHARE = 0.9
"""Of the variance that two halves have in common, for the number of dimensions."""
MANY = 12
"""With more views, angles are left out and fewer random subspaces drawn."""
FEW_DRAWS = 50


@dataclass(frozen=True)
class Settings:
    """Options of `site_overlap`."""

    n_dimensions: int | None
    n_permutations: int
    seed: int
    stream: int


@dataclass(frozen=True)
class Overlap:
    """Numbers of one site; comparisons are pairs of views in order.

    Attributes
    ----------
    value, reach, ceiling, chance, corrected, corrected_reach : array (n_comparisons,)
    own : array of shape (n_views,)
        Overlap of the halves' subspaces of the same view.
    null : array of shape (n_draws, n_comparisons)
    angles : array of shape (n_comparisons, n_dimensions), NaN beyond the smaller one
    dimensions : int array of shape (n_views,)
    """

    value: npt.NDArray[np.float64]
    reach: npt.NDArray[np.float64]
    ceiling: npt.NDArray[np.float64]
    chance: npt.NDArray[np.float64]
    corrected: npt.NDArray[np.float64]
    corrected_reach: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    null: npt.NDArray[np.float64]
    angles: npt.NDArray[np.float64]
    dimensions: npt.NDArray[np.intp]


def site_overlap(
    views: Sequence[View],
    halves: npt.NDArray[np.bool_],
    group: npt.NDArray[np.intp],
    settings: Settings,
) -> Overlap:
    """Compute the overlaps of all pairs of views.

    Parameters
    ----------
    views : sequence of View
        What is compared.
    halves : bool array of shape (n_splits, n_trials)
        Random halves.
    group : int array of shape (n_trials,)
        Trials left out together.
    settings : Settings
        Options.
    """
    size = _dimensions(views, halves, settings.n_dimensions)
    n_units = views[0].x.shape[1]
    pairs = list(combinations(range(len(views)), 2))
    chance = np.array([max(size[a], size[b]) / n_units for a, b in pairs])
    alone = size / n_units
    cross, own, bases = _measured(views, halves, size, pairs)
    left = []
    for g in range(int(group.max()) + 1):
        kept = group != g
        left.append(_measured(views, halves, size, pairs, kept)[:2])
    crosses = np.array([c for c, _ in left])
    every = np.array(
        [_corrected(c, o, chance, alone, pairs) for c, o in [(cross, own), *left]]
    )
    ceiling = np.array([_ceiling(own[a], own[b]) for a, b in pairs])
    return Overlap(
        cross,
        _reach(crosses),
        ceiling,
        chance,
        every[0],
        _reach(every[1:]),
        own,
        _null(views, size, pairs, settings),
        _angles(bases, size, pairs),
        size,
    )


def _dimensions(
    views: Sequence[View], halves: npt.NDArray[np.bool_], asked: int | None
) -> npt.NDArray[np.intp]:
    rank = np.array([v.rank for v in views])
    if asked is not None:
        if asked > rank.min():
            at = views[int(rank.argmin())]
            msg = (
                f"n_dimensions={asked} is more than {at.label!r} has: {rank.min()} "
                "(conditions less one, classes less one, or units). Ask for fewer."
            )
            raise OptionError(msg)
        return np.full(len(views), asked)
    found = np.array(
        [
            kernel.reliable_components(v.x, v.design, v.profile, halves, v.use, SHARE)
            if v.rank > 1
            else 1
            for v in views
        ]
    )
    if all(v.profile is views[0].profile for v in views):  # means of one column
        found[:] = found.max()
    return np.minimum(found, rank)


def _measured(
    views: Sequence[View],
    halves: npt.NDArray[np.bool_],
    size: npt.NDArray[np.intp],
    pairs: list[tuple[int, int]],
    kept: npt.NDArray[np.bool_] | None = None,
) -> tuple[
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
    list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
]:
    """Return overlaps of pairs, of each view with itself, and the subspaces."""
    bases = []
    for v, d in zip(views, size.tolist(), strict=True):
        use = v.use if kept is None else v.use * kept
        one = kernel.subspaces(v.x, v.design, v.profile, halves * use, d)
        two = kernel.subspaces(v.x, v.design, v.profile, ~halves * use, d)
        bases.append((one, two))
    own = np.array([kernel.overlap(one, two).mean() for one, two in bases])
    cross = np.array(
        [
            (
                kernel.overlap(bases[a][0], bases[b][1]).mean()
                + kernel.overlap(bases[a][1], bases[b][0]).mean()
            )
            / 2
            for a, b in pairs
        ]
    )
    return cross, own, bases


def _ceiling(one: float, two: float) -> float:
    return float(np.sqrt(max(one, 0.0) * max(two, 0.0)))


def _corrected(
    cross: npt.NDArray[np.float64],
    own: npt.NDArray[np.float64],
    chance: npt.NDArray[np.float64],
    alone: npt.NDArray[np.float64],
    pairs: list[tuple[int, int]],
) -> npt.NDArray[np.float64]:
    """Overlap above chance over what the halves' own agreement leaves possible."""
    room = np.array([_ceiling(own[a] - alone[a], own[b] - alone[b]) for a, b in pairs])
    top = cross - chance
    return np.where(room > 1e-3, top / np.maximum(room, 1e-3), np.nan)


def _reach(left: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half width of the 95 % jackknife interval."""
    k = len(left)
    spread = np.sqrt((k - 1) * left.var(axis=0))
    return np.asarray(special.stdtrit(k - 1, 0.975) * spread)


def _null(
    views: Sequence[View],
    size: npt.NDArray[np.intp],
    pairs: list[tuple[int, int]],
    settings: Settings,
) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng([settings.seed, settings.stream])
    n = settings.n_permutations
    n = min(n, FEW_DRAWS) if len(views) > MANY else n
    seen = [v.x * v.use[:, None] for v in views]
    seen = [x - x.sum(axis=0) / v.use.sum() * v.use[:, None] for x, v in zip(seen, views, strict=True)]  # fmt: skip
    draws = [
        kernel.random_overlaps(seen[a], seen[b], (int(size[a]), int(size[b])), n, rng)
        for a, b in pairs
    ]
    return np.stack(draws, axis=1)


def _angles(
    bases: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    size: npt.NDArray[np.intp],
    pairs: list[tuple[int, int]],
) -> npt.NDArray[np.float64]:
    """Return mean principal angles of different halves."""
    out = np.full((len(pairs), int(size.max())), np.nan)
    for row, (a, b) in zip(out, pairs, strict=True):
        found = [kernel.angles(bases[a][h], bases[b][1 - h]) for h in (0, 1)]
        mean = np.concatenate(found).mean(axis=0)
        row[: len(mean)] = mean
    return out
