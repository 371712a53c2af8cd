"""Scores of the units of a site: data, resamples, shuffles, halves, ceilings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from marr.representation._encoding._design import as_tensor
from marr.representation._encoding._encode_score_kernel import (
    Parts,
    column_scores,
    pearson_of,
    r2_of,
    score_parts,
    summed,
)
from marr.representation._encoding._frame import expanded
from marr.representation._encoding._models import RidgeMap
from marr.representation._encoding._reader import averaged
from marr.stats import percentile_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._encoding._ceiling_kernel import CeilingParts
    from marr.representation._encoding._encode_job import Job, Model
    from marr.representation._encoding._models import Fitted

__all__ = [
    "SiteScores",
    "half_scores",
    "interval_of",
    "plain",
    "row_units",
    "run_site",
    "site_parts",
    "thinning",
]

BUDGET = 1_000_000
"""Numbers in the columns that are fitted at once."""
ALL = 1 << 60
RESAMPLED = 500
"""Units that are resampled at once."""
MOST = 5000
"""Resampled scores of more units of a site than this are not kept."""
Array = Any


@dataclass(frozen=True)
class SiteScores:
    """Scores of the units of a site.

    Attributes
    ----------
    units : DataArray
        Labels and coordinates of the units.
    r2, pearson, low, high : array of shape (n_units,)
        Scores, and the interval of the one that was asked for.
    null : array of shape (n_draws, n_units)
        Score of each shuffle.
    inner : array of shape (n_folds, n_units)
        R² in the inner folds.
    strength : array of shape (n_units,)
        Median over folds of the chosen penalty or number of components.
    shares : array of shape (n_units, n_bands) or None
        Mean over folds of the chosen shares of the bands.
    median : array of shape (n_resamples,)
        Median over units of each resample.
    ceilings : CeilingParts or None
        Ceilings of R².
    """

    units: xr.DataArray
    r2: Array
    pearson: Array
    low: Array
    high: Array
    null: Array
    inner: Array
    strength: Array
    shares: Array
    median: Array
    ceilings: CeilingParts | None = None


def run_site(
    job: Job,
    site: str,
    models: Sequence[Model],
    pick: npt.NDArray[np.intp],
    *,
    with_null: bool,
) -> SiteScores:
    """Predict and score the units of a site.

    Parameters
    ----------
    job : Job
        What is asked.
    site : str
        The site.
    models : sequence of Model
        Maps of all rows.
    pick : int array of shape (n_folds,)
        Which of them predicts each fold.
    with_null : bool
        Also score the shuffles.
    """
    found: dict[str, list[Any]] = {}
    draws: list[npt.NDArray[np.float64]] = []
    ceilings: list[CeilingParts] = []
    for trials, y in site_parts(job, site, joint=any(m.joint for m in models)):
        columns = as_tensor(y, job.settings.device)
        fitted = _picked([m.fit(columns) for m in models], models[0].folds, pick)
        units = row_units(job, columns.device)
        parts = summed(
            score_parts(columns, fitted.deviation, fitted.base, models[0].folds), units
        )
        low, high, drawn = resampled_interval(job, site, parts)
        draws.append(drawn)
        new = {
            "r2": plain(r2_of(parts)[0]),
            "pearson": plain(pearson_of(parts)[0]),
            "kept": plain(_score(job, parts)[0])[:: thinning(job, site)],
            "low": low,
            "high": high,
            "inner": plain(fitted.inner),
            "strength": np.median(models[0].strength(fitted.choice), axis=0),
        }
        if isinstance(models[0], RidgeMap) and models[0].mixtures != ((),):
            new["shares"] = models[0].shares(fitted.choice).mean(axis=0)
        if with_null:
            new["null"] = null_scores(job, models, pick, y)
        for key, value in new.items():
            found.setdefault(key, []).append(value)
        if job.repeats is not None:
            bins = job.features.frame.bin
            kept = None if bins is None else np.unique(bins)
            folds = job.held.plan.folds * int(job.settings.score == "pearson")
            ceilings.append(job.repeats.ceilings(trials, y, kept, folds))
    return _joined(job, site, found, draws, ceilings)


def interval_of(
    drawn: npt.NDArray[np.float64], n_units: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the percentile interval of each cell, NaN where the score is undefined.

    Parameters
    ----------
    drawn : array of shape (n_resamples, ...)
        Scores of resamples.
    n_units : int
        How many units were resampled.
    """
    flat = drawn.reshape(len(drawn), -1)
    bounds = np.full((2, flat.shape[1]), np.nan)
    known = np.isfinite(flat).any(axis=0)
    if known.any():
        bounds[:, known] = percentile_interval(flat[:, known], n_units=n_units)
    low, high = bounds.reshape(2, *drawn.shape[1:])
    return low, high


def thinning(job: Job, site: str) -> int:
    """Return of every how many units resampled scores are kept."""
    return -(-int(job.system.activity(site).sizes["unit"]) // MOST)


def _joined(
    job: Job,
    site: str,
    found: dict[str, list[Any]],
    draws: list[npt.NDArray[np.float64]],
    ceilings: list[CeilingParts],
) -> SiteScores:
    arrays = {
        key: np.concatenate(values, axis=0 if key == "shares" else -1)
        for key, values in found.items()
    }
    n_units, kept = len(arrays["r2"]), arrays.pop("kept")
    arrays.setdefault("null", np.empty((0, n_units)))
    arrays.setdefault("shares", np.empty((n_units, 0)))
    whole = np.concatenate(draws, axis=1)
    known = np.isfinite(whole).any(axis=0)
    median = (
        np.nanmedian(whole[:, known], axis=1)
        if known.any()
        else np.full(len(whole), np.nan)
    )
    if whole.shape[1] < n_units and known.any():  # of a part: centered on that of all
        median += np.nanmedian(arrays[job.settings.score]) - np.nanmedian(kept)
    joined = (
        type(ceilings[0])(*(np.concatenate(v) for v in zip(*ceilings, strict=True)))
        if ceilings
        else None
    )
    units = job.system.activity(site)["unit"]
    return SiteScores(units=units, **arrays, median=median, ceilings=joined)


def site_parts(
    job: Job, site: str, *, joint: bool
) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Yield activity of some units by trial, and as rows; all units if `joint`."""
    reader, frame = job.reader(site), job.features.frame
    matrix, _ = reader.averager(frame.n_labels)
    timed = reader.codes.ndim == 2
    size = {"floats": ALL} if joint else {}
    for _, trials in reader.parts(**size):
        labels = averaged(matrix, trials, bins=timed)
        yield trials, expanded(labels, frame, delayed=False)


def half_scores(
    job: Job, site: str, models: Sequence[Model | None], half: int
) -> npt.NDArray[np.float64]:
    """Return scores of the units, (n_models, 2, n_units): score and inner R² of a half.

    NaN where a half does not allow a model.
    """
    reader, frame = job.reader(site), job.features.frame
    use, rows, _ = job.half(half)
    found = []
    joint = any(m is not None and m.joint for m in models)
    matrix, _ = reader.averager(frame.n_labels, use)
    for _, trials in reader.parts(**({"floats": ALL} if joint else {})):
        labels = averaged(matrix, trials, bins=reader.codes.ndim == 2)
        y = as_tensor(expanded(labels, frame, delayed=False)[rows], job.settings.device)
        new = np.full((len(models), 2, y.shape[1]), np.nan)
        for i, model in enumerate(models):
            if model is None:
                continue
            fitted = model.fit(y)
            parts = score_parts(y, fitted.deviation, fitted.base, model.folds)
            new[i, 0] = plain(_score(job, parts)[0])
            new[i, 1] = plain(fitted.inner.mean(dim=0))
        found.append(new)
    return np.concatenate(found, axis=2)


def _score(job: Job, parts: Parts, weights: torch.Tensor | None = None) -> torch.Tensor:
    of = r2_of if job.settings.score == "r2" else pearson_of
    return of(parts, weights)


def resampled_interval(
    job: Job, site: str, parts: Parts
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return bounds of each unit, and the resampled scores that are kept."""
    weights = as_tensor(job.weights, job.settings.device)
    n_units, n = parts.error.shape
    bounds, kept = np.empty((2, n)), []
    step = thinning(job, site)
    for start in range(0, n, RESAMPLED):
        block = slice(start, start + RESAMPLED)
        drawn = plain(_score(job, Parts(*(v[:, block] for v in parts)), weights))
        bounds[:, block] = interval_of(drawn, n_units)
        kept.append(drawn[:, -start % step :: step])
    return bounds[0], bounds[1], np.concatenate(kept, axis=1)


def row_units(job: Job, device: torch.device) -> torch.Tensor:
    """Return the resampled unit of each row."""
    units = job.held.plan.units[job.features.frame.label]
    return torch.from_numpy(np.ascontiguousarray(units)).to(device)


def plain(values: torch.Tensor) -> npt.NDArray[np.float64]:
    """Return a tensor as an array."""
    return np.asarray(values.numpy(force=True))


def _picked(
    fitted: list[Fitted], folds: torch.Tensor, pick: npt.NDArray[np.intp]
) -> Fitted:
    """Return predictions of each fold from the map picked for it."""
    if len(fitted) == 1:
        return fitted[0]
    deviation, choice = fitted[0].deviation.clone(), fitted[0].choice.clone()
    inner = fitted[0].inner.clone()
    for f, which in enumerate(pick):
        rows = folds == f
        deviation[rows] = fitted[which].deviation[rows]
        choice[f], inner[f] = fitted[which].choice[f], fitted[which].inner[f]
    return fitted[0]._replace(deviation=deviation, choice=choice, inner=inner)


def null_scores(
    job: Job,
    models: Sequence[Model],
    pick: npt.NDArray[np.intp],
    y: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the score of each shuffle of the rows against their features."""
    indices, frame = job.held.plan.indices, job.features.frame
    n_bins = len(y) // frame.n_labels
    room = BUDGET if all(m.design.cheap for m in models) else 32 * BUDGET
    step = 1 if models[0].joint else max(1, room // y.size)
    out = np.empty((len(indices), y.shape[1]))
    for start in range(0, len(indices), step):
        moved = indices[start : start + step][:, frame.label] * n_bins
        moved += np.arange(len(y)) % n_bins
        block = np.moveaxis(y[moved], 0, 1).reshape(len(y), -1)
        columns = as_tensor(block, job.settings.device)
        fitted = _picked([m.fit(columns) for m in models], models[0].folds, pick)
        scores = plain(
            column_scores(
                columns,
                fitted.deviation,
                fitted.base,
                models[0].folds,
                job.settings.score == "pearson",
            )
        )
        out[start : start + step] = scores.reshape(len(moved), -1)
    return out
