"""Geometry of the conditions at one site: every quantity with its draws."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._geometry import _dichotomy_kernel as kernel
from marr.representation._geometry._space import Space, make_space
from marr.representation._geometry._splits import Quantity, Splits, quantities

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from marr.representation._geometry._design import Design
    from marr.representation._geometry._space import Fold, Products
    from marr.representation._plan import Plan

    Source = Callable[[Fold, slice], Products]

__all__ = ["Job", "SiteGeometry", "site_geometry"]

WORK = 20_000_000_000
"""Multiplications that the weightings of the trials may take."""
FEWEST_DRAWS = 20
MOST_PAIRED = 8
"""With more conditions the parallelism of a nameless split is not searched for."""


@dataclass(frozen=True)
class SiteGeometry:
    """Numbers of one site.

    Attributes
    ----------
    value, spread, ceiling : array of shape (n_quantities,)
        `spread` is the standard deviation over weightings of the trials.
    null : array of shape (n_draws, n_quantities)
        Shuffled labels, or random arrangements of the conditions.
    splits : dict of array of shape (n_splits,)
        Accuracy, worst condition, CCGP and parallelism of each split.
    split_null : array of shape (n_draws, n_splits)
        Accuracy under shuffled labels.
    n_weightings : int
        Weightings behind `spread`: fewer where there are many units and trials.
    """

    value: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    ceiling: npt.NDArray[np.float64]
    null: npt.NDArray[np.float64]
    splits: dict[str, npt.NDArray[np.float64]]
    split_null: npt.NDArray[np.float64]
    n_weightings: int


@dataclass(frozen=True)
class Job:
    """Options of `site_geometry`."""

    design: Design
    splits: Splits
    plan: Plan
    held_out: str
    n_permutations: int
    n_resamples: int
    seed: int


def site_geometry(x: npt.NDArray[np.float64], job: Job, *, stream: int) -> SiteGeometry:
    """Compute every quantity of one site.

    Parameters
    ----------
    x : array of shape (n_trials, n_units)
        Units that vary.
    job : Job
        Design, folds and numbers of draws.
    stream : int
        Number of the site, for its own random numbers.
    """
    design, plan = job.design, job.plan
    space = make_space(x, design.codes, plan.folds, design.n_conditions)
    rng = np.random.default_rng([job.seed, stream])
    units = np.unique(plan.units, return_inverse=True)[1].reshape(-1)
    cost = plan.n_folds * space.x.size * space.x.shape[1]
    n_weightings = max(
        min(job.n_resamples, FEWEST_DRAWS), min(job.n_resamples, WORK // cost)
    )
    drawn = np.random.default_rng(job.seed).exponential(
        size=(n_weightings, int(units.max()) + 1)
    )
    weights = np.concatenate([np.ones((1, len(x))), drawn[:, units]])
    shuffled = design.codes[plan.indices[: job.n_permutations]]
    centroids = space.centroids(job.n_permutations, rng)

    def weighted(fold: Fold, part: slice) -> Products:
        return space.reweighted(fold, weights[part])

    def relabeled(fold: Fold, part: slice) -> Products:
        return space.relabeled(fold, shuffled[part])

    def moved(fold: Fold, part: slice) -> Products:
        return space.moved(fold, centroids[part])

    found = _all_values(space, job, weighted, weights, None, len(weights))
    null = _all_values(space, job, relabeled, None, None, len(shuffled))
    arranged = _all_values(space, job, moved, None, centroids, len(centroids))
    wanted = quantities(design, job.splits)
    merged = [(null if q.null == "labels" else arranged)[q.label] for q in wanted]
    n = min((len(m) for m in merged), default=0)
    draws = np.stack([found[q.label] for q in wanted], axis=1)
    return SiteGeometry(
        draws[0],
        draws[1:].std(axis=0, ddof=1),
        _ceilings(space, job, wanted, found),
        np.stack([m[:n] for m in merged], axis=1),
        _split_table(space, job, weighted, found),
        null["accuracy"],
        n_weightings,
    )


def _all_values(
    space: Space,
    job: Job,
    source: Source,
    weights: npt.NDArray[np.float64] | None,
    centroids: npt.NDArray[np.float64] | None,
    n_draws: int,
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the quantities of each draw, by label, that the kind of draw gives."""
    design, splits = job.design, job.splits
    found: dict[str, npt.NDArray[np.float64]] = {}
    if centroids is None:
        accuracy, worst = _accuracies(space, source, n_draws, splits.signs)
        found |= {"accuracy": accuracy, "worst": worst}
        at = {name: i for i, name in enumerate(splits.names) if name}
        for name, i in at.items():
            found[f"decoding: {name}"] = accuracy[:, i]
        counted = splits.counted
        found["decoding: mean of all"] = accuracy[:, counted].mean(axis=1)
        found["separable share"] = (worst[:, counted] > 0.5).mean(axis=1)
    if centroids is None and weights is None:
        return found
    if design.names and design.n_conditions >= 4:
        pairs = [_pairs(job, v) for v in range(len(design.names))]
        ccgp = _generalization(space, source, n_draws, design.signs, pairs)
        for v, name in enumerate(design.names):
            found[f"CCGP: {name}"] = ccgp[:, v]
    if design.crossed:
        gram = _grams(space, weights, centroids)
        for v, name in enumerate(design.names):
            vectors = np.array(design.contexts(v))
            found[f"parallelism: {name}"] = kernel.parallelism(gram, vectors)
    return found


def _pairs(job: Job, variable: int) -> list[tuple[int, int]]:
    """Return the pairs of conditions that are held out for a variable."""
    if job.held_out == "contexts" and job.design.crossed:
        found = job.design.contexts(variable)
        return [(min(p), max(p)) for p in found]
    return job.design.pairs(job.design.signs[variable])


def _grams(
    space: Space,
    weights: npt.NDArray[np.float64] | None,
    centroids: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    """Inner products of the condition means of standardized units."""
    if centroids is None and weights is not None:
        codes = np.broadcast_to(space.codes, weights.shape)
        centroids, _ = kernel.draw_means(space.x, codes, weights, space.n_conditions)
    means = np.asarray(centroids)
    return means @ means.mT


def _accuracies(
    space: Space, source: Source, n_draws: int, signs: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return balanced accuracy, and that of the worst condition, (n_draws, n_splits)."""
    side = [(signs == s) / (signs == s).sum(axis=1, keepdims=True) for s in (1, -1)]
    share = (side[0] + side[1]).T / 2
    means, worsts = [], []
    for part in space.chunks(n_draws, len(signs) + space.x.shape[1]):
        total, rows = np.zeros(1), np.zeros(1)
        for fold in space.folds:
            right, count = kernel.fold_correct(*source(fold, part), signs)
            total, rows = total + right, rows + count
        known = rows[..., None] > 0
        accuracy = np.where(known, total / np.where(known, rows[..., None], 1.0), 0.5)
        means.append((accuracy * share).sum(axis=1))
        worsts.append(accuracy.min(axis=1))
    shape = (0, len(signs))
    return (
        np.concatenate(means) if means else np.zeros(shape),
        np.concatenate(worsts) if worsts else np.zeros(shape),
    )


def _generalization(
    space: Space,
    source: Source,
    n_draws: int,
    signs: npt.NDArray[np.float64],
    pairs: list[list[tuple[int, int]]],
) -> npt.NDArray[np.float64]:
    """Return the accuracy on held-out pairs of conditions, (n_draws, n_splits)."""
    every = sorted({p for of in pairs for p in of})
    used = np.array([[p in of for of in map(set, pairs)] for p in every], dtype=float)
    out = np.zeros((n_draws, len(signs)))
    for part in space.chunks(n_draws, space.x.shape[1] + len(signs)):
        held = [source(fold, part) for fold in space.folds]
        for pair, use in zip(every, used, strict=True):
            which = np.flatnonzero(use)
            total, rows = np.zeros(1), np.zeros(1)
            for products, gram, codes, weights in held:
                right, count = kernel.held_out_correct(
                    products, gram, codes[0], weights, signs[which], pair
                )
                total, rows = total + right, rows + count
            accuracy = (total / rows[..., None]).mean(axis=1)
            out[part, which] += accuracy
    return out / used.sum(axis=0)


def _ceilings(
    space: Space,
    job: Job,
    wanted: list[Quantity],
    found: dict[str, npt.NDArray[np.float64]],
) -> npt.NDArray[np.float64]:
    """Return what noise leaves possible: decoding for CCGP, reliability for parallelism."""
    ceiling = np.full(len(wanted), np.nan)
    names = list(job.design.names)
    for i, q in enumerate(wanted):
        if q.measure == "ccgp":
            ceiling[i] = found[f"decoding: {q.variable}"][0]
        elif q.measure == "parallelism":
            vectors = np.array(job.design.contexts(names.index(q.variable)))
            ceiling[i] = _reliability(space, vectors)
    return ceiling


def _reliability(space: Space, vectors: npt.NDArray[np.intp]) -> float:
    """Return the share of the squared length of coding vectors that is not noise."""
    means, count = kernel.draw_means(
        space.x, space.codes[None], None, space.n_conditions
    )
    residual = space.x - means[0][space.codes]
    noise = (residual**2).sum() / (len(space.x) - space.n_conditions)
    a, b = vectors.T
    length = ((means[0, a] - means[0, b]) ** 2).sum()
    added = noise * (1 / count[0, a] + 1 / count[0, b]).sum()
    return float(np.clip(1.0 - added / length, 0.0, 1.0)) if length > 0 else 0.0


def _split_table(
    space: Space,
    job: Job,
    source: Source,
    found: dict[str, npt.NDArray[np.float64]],
) -> dict[str, npt.NDArray[np.float64]]:
    """Return accuracy, worst condition, CCGP over all pairs, and best parallelism."""
    design, signs = job.design, job.splits.signs
    table = {
        "estimate": found["accuracy"][0],
        "spread": found["accuracy"][1:].std(axis=0, ddof=1),
        "worst": found["worst"][0],
    }
    if design.n_conditions >= 4:
        pairs = [design.pairs(s) for s in signs]
        table["ccgp"] = _generalization(space, source, 1, signs, pairs)[0]
    if 4 <= design.n_conditions <= MOST_PAIRED and design.n_conditions % 2 == 0:
        gram = _grams(space, np.ones((1, len(space.x))), None)
        table["parallelism"] = np.array([_best_pairing(gram, s) for s in signs])
    return table


def _best_pairing(
    gram: npt.NDArray[np.float64], signs: npt.NDArray[np.float64]
) -> float:
    """Return the largest parallelism over the ways to pair the two sides."""
    high, low = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    if len(high) != len(low):
        return float("nan")
    return max(
        float(kernel.parallelism(gram, np.stack([high, np.array(order)], axis=1))[0])
        for order in permutations(low.tolist())
    )
