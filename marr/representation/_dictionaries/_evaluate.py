"""Score dictionaries on a site, part by part: variance explained, features, top trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from marr.representation._dictionaries._rows import Sample, chunks
from marr.representation._dictionaries._score_kernel import (
    group_jackknife,
    random_residual,
    silencing,
)
from marr.systems._dictionary_kernel import normalized

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._dictionaries._split import Split
    from marr.systems import Dictionary, System

__all__ = ["Features", "Totals", "components", "features_of", "random_scores", "score"]

NULL_ROWS = 2000
"""Rows on which random dictionaries are scored."""

Basis = tuple[np.ndarray, np.ndarray]
"""Mean of shape (n_units,) and orthonormal rows (rank, n_units) of a subspace."""


@dataclass(frozen=True)
class Totals:
    """Sums over the scored rows of each part.

    Attributes
    ----------
    residual : array of shape (n_parts, 2)
        Of ||x - x_hat||^2, for the dictionaries and for principal components.
    square, n, active : arrays of shape (n_parts,)
        Of ||x||^2, of rows, and of active features.
    total : array of shape (n_parts, n_units)
        Of x.
    """

    residual: npt.NDArray[np.float64]
    square: npt.NDArray[np.float64]
    n: npt.NDArray[np.float64]
    active: npt.NDArray[np.float64]
    total: npt.NDArray[np.float64]


def components(
    sample: Sample, fold: npt.NDArray[np.intp], rank: int, seed: int
) -> list[Basis]:
    """Return for each fold the leading principal components of the other trials."""
    from sklearn.decomposition import PCA

    solver = "covariance_eigh" if sample.x.shape[1] <= 2000 else "randomized"
    found = []
    for k in range(int(fold.max()) + 1):
        rows = sample.x[fold[sample.trial] != k].astype(float)
        kept = min(rank, *rows.shape)
        model = PCA(kept, svd_solver=solver, random_state=seed).fit(rows)
        found.append((np.asarray(model.mean_), np.asarray(model.components_)))
    return found


def score(
    system: System,
    site: str,
    split: Split,
    models: Sequence[Dictionary],
    bases: Sequence[Basis],
    *,
    units: list[str],
    device: str,
) -> Totals:
    """Score each trial by the dictionary (and components) that did not see it.

    Parameters
    ----------
    system, site
        Where the activity is.
    split : Split
        Fold and part of each trial.
    models, bases : sequences
        One a fold; units of the dictionaries in the order of `units`.
    units : list of str
        Order of the units.
    device : str
        Torch device.
    """
    n_parts = split.n_parts
    residual, total = np.zeros((n_parts, 2)), np.zeros((n_parts, len(units)))
    square, n, active = np.zeros(n_parts), np.zeros(n_parts), np.zeros(n_parts)
    wide = max(m.n_features for m in models)
    for trials, rows, trial, _ in chunks(system, site, units, wide):
        fold, part = split.fold[trials][trial], split.part[trials][trial]
        for k, (model, (mean, basis)) in enumerate(zip(models, bases, strict=True)):
            mine = fold == k
            if not mine.any():
                continue
            x, where = rows[mine].astype(float), part[mine]
            features = model.encode(x, device=device)
            left = x - model.decode(features, like=x, device=device)
            other = x - mean
            other = other - other @ basis.T @ basis
            np.add.at(residual[:, 0], where, (left**2).sum(axis=1))
            np.add.at(residual[:, 1], where, (other**2).sum(axis=1))
            np.add.at(square, where, (x**2).sum(axis=1))
            np.add.at(active, where, (features != 0).sum(axis=1).astype(float))
            np.add.at(total, where, x)
            np.add.at(n, where, 1.0)
    kept = n > 0
    return Totals(residual[kept], square[kept], n[kept], active[kept], total[kept])


def random_scores(
    sample: Sample, n_features: int, k: int, *, n_draws: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return the explained variance of random dictionaries of the same size.

    Directions are random combinations of the activity itself, so they have its
    covariance; each row uses the `k` that suit it best, fitted by least squares.
    """
    rng = np.random.default_rng(seed)
    x = _some(sample.x, NULL_ROWS, rng)
    x = x - x.mean(axis=0)
    variance = float((x**2).sum())
    scores = []
    for _ in range(n_draws):
        directions = random_directions(x, n_features, rng)
        scores.append(1 - random_residual(x, directions, k) / variance)
    return np.array(scores)


def random_directions(
    x: npt.NDArray[np.float64], n: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return n directions with the covariance of centered activity."""
    return np.asarray(rng.normal(size=(n, len(x))) @ x)


def _some(
    x: npt.NDArray[np.floating], most: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    if len(x) > most:
        x = x[np.sort(rng.choice(len(x), most, replace=False))]
    return x.astype(float)


@dataclass(frozen=True)
class Features:
    """What each feature of one dictionary does.

    Attributes
    ----------
    share, low, high : arrays of shape (n_features,)
        Share of the variance that is lost if the feature is silenced, with interval.
    halves : array of shape (2, n_features)
        The share in each half of the trials; NaN where a half has no trial.
    density, mean : arrays of shape (n_features,)
        Share of rows on which it is active, and its mean value there.
    top, top_trial, top_time : arrays of shape (n_features, n_top)
        Largest values by trial, and where they are; trial -1 where it is not active.
    """

    share: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    halves: npt.NDArray[np.float64]
    density: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    top: npt.NDArray[np.float64]
    top_trial: npt.NDArray[np.intp]
    top_time: npt.NDArray[np.intp]


def features_of(
    system: System,
    site: str,
    dictionary: Dictionary,
    split: Split,
    *,
    units: list[str],
    n_top: int,
    device: str,
) -> Features:
    """Describe the features of a dictionary on all trials of a system."""
    n, n_parts, halves = dictionary.n_features, split.n_parts, system.halves
    lost, lost_half = np.zeros((n_parts, n)), np.zeros((2, n))
    square, rows_of = np.zeros(n_parts), np.zeros(n_parts)
    total = np.zeros((n_parts, len(units)))
    square_half, n_half = np.zeros(2), np.zeros(2)
    total_half = np.zeros((2, len(units)))
    count, amount = np.zeros(n), np.zeros(n)
    top = _Top(n, n_top)
    decoder = np.asarray(dictionary.decoder, dtype=float)
    for trials, rows, trial, time in chunks(system, site, units, n):
        x = rows.astype(float)
        part, half = split.part[trials][trial], halves[trials][trial]
        features = dictionary.encode(x, device=device)
        error = x - dictionary.decode(features, like=x, device=device)
        grown = silencing(features, error, decoder, _scale(dictionary, x))
        count += (features != 0).sum(axis=0)
        amount += features.sum(axis=0)
        power = (x**2).sum(axis=1)
        for i in np.unique(part):
            lost[i] += grown[part == i].sum(axis=0)
            square[i] += power[part == i].sum()
            total[i] += x[part == i].sum(axis=0)
            rows_of[i] += (part == i).sum()
        for h in (0, 1):
            lost_half[h] += grown[half == h].sum(axis=0)
            square_half[h] += power[half == h].sum()
            total_half[h] += x[half == h].sum(axis=0)
            n_half[h] += (half == h).sum()
        top.add(features, trial, time, trials.start)
    mean = total.sum(axis=0) / rows_of.sum()
    whole = square - 2 * total @ mean + rows_of * (mean**2).sum()
    kept = rows_of > 0
    share, low, high = group_jackknife(lost[kept], whole[kept])
    with np.errstate(invalid="ignore", divide="ignore"):
        about = square_half - (total_half**2).sum(axis=1) / n_half
        by_half = lost_half / about[:, None]
    return Features(
        share,
        low,
        high,
        by_half,
        count / rows_of.sum(),
        amount / np.maximum(count, 1),
        top.value,
        top.trial,
        top.time,
    )


def _scale(
    dictionary: Dictionary, x: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the scale that decoding gives to each row."""
    return normalized(torch.from_numpy(x), dictionary.normalize)[2].numpy()


class _Top:
    """The trials on which each feature is largest, kept while parts go by."""

    def __init__(self, n_features: int, n_top: int) -> None:
        self.value = np.zeros((n_features, n_top))
        self.trial = np.full((n_features, n_top), -1, dtype=np.intp)
        self.time = np.full((n_features, n_top), -1, dtype=np.intp)

    def add(
        self,
        features: npt.NDArray[np.floating],
        trial: npt.NDArray[np.intp],
        time: npt.NDArray[np.intp],
        start: int,
    ) -> None:
        """Take the rows of some trials (which are in order)."""
        numbers, first = np.unique(trial, return_index=True)
        ends = [*first[1:], len(trial)]
        best = np.stack([features[a:b].argmax(axis=0) + a for a, b in zip(first, ends)])  # noqa: B905
        value = np.take_along_axis(features, best, axis=0).T
        every = np.concatenate([self.value, value], axis=1)
        here = np.broadcast_to(numbers + start, value.shape)
        trials = np.concatenate([self.trial, here], axis=1)
        times = np.concatenate([self.time, time[best].T], axis=1)
        order = np.argsort(-every, axis=1, kind="stable")[:, : self.value.shape[1]]
        self.value = np.take_along_axis(every, order, axis=1)
        active = self.value > 0
        self.trial = np.where(active, np.take_along_axis(trials, order, axis=1), -1)
        self.time = np.where(active, np.take_along_axis(times, order, axis=1), -1)
