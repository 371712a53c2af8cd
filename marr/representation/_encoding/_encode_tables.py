"""Numbers of an encoding analysis on labelled axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.representation._encoding._site_scores import interval_of
from marr.stats import fdr, max_statistic, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._encoding._encode_job import Job
    from marr.representation._encoding._site_scores import SiteScores

__all__ = ["attrs_of", "median_table", "p_columns", "unit_coords", "unit_table"]

NAMES = {"r2": "held-out R²", "pearson": "held-out correlation"}
ALPHA = 0.05


def attrs_of(score: str) -> dict[str, Any]:
    """Return what an axis of scores is called."""
    return {
        "long_name": NAMES[score],
        "units": "",
        "better": "higher",
        "chance": 0.0,
    }


def unit_coords(scores: Sequence[SiteScores]) -> dict[str, Any]:
    """Return the coordinates that the units of all sites have."""
    shared = set.intersection(
        *(
            {str(k) for k, v in s.units.coords.items() if v.dims == ("unit",)}
            for s in scores
        )
    )
    first = [str(k) for k in scores[0].units.coords if str(k) in shared]
    return {
        name: ("unit", np.concatenate([s.units[name].values for s in scores]))
        for name in dict.fromkeys(["unit", *first])
    }


def unit_table(
    job: Job,
    scores: Sequence[SiteScores],
    halves: npt.NDArray[np.float64],
) -> xr.Dataset:
    """Return scores over units, without p-values.

    Parameters
    ----------
    job : Job
        What was asked.
    scores : sequence of SiteScores
        One a site.
    halves : array of shape (2, n_units)
        Score on each half of the trials.
    """
    score = job.settings.score
    values = {
        name: np.concatenate([getattr(s, name) for s in scores])
        for name in ("r2", "pearson", "low", "high", "strength")
    }
    estimate = values[score]
    other = "pearson" if score == "r2" else "r2"
    strength = "n_components" if job.settings.method == "pls" else "penalty"
    data: dict[str, Any] = {
        "estimate": ("unit", estimate),
        "ci_low": ("unit", np.minimum(values["low"], estimate)),
        "ci_high": ("unit", np.maximum(values["high"], estimate)),
        other: ("unit", values[other]),
        strength: ("unit", values["strength"]),
        "half_estimate": (("half", "unit"), halves),
    }
    table = xr.Dataset(data, coords={**unit_coords(scores), "half": [0, 1]})
    if job.repeats is not None:
        table = table.assign(_ceilings(table, scores, score))
        table["ceiled"].attrs["long_name"] = (
            "R² / ceiling" if score == "r2" else "(correlation / ceiling)², signed"
        )
    table["estimate"].attrs.update(attrs_of(score))
    table[other].attrs.update(attrs_of(other))
    table[strength].attrs["long_name"] = {
        "penalty": "chosen penalty, relative (median over folds)",
        "n_components": "components (median over folds)",
    }[strength]
    return table


def _ceilings(
    table: xr.Dataset, scores: Sequence[SiteScores], score: str
) -> dict[str, Any]:
    """Return ceilings in the units of the score, and scores divided by them.

    A ratio is given where the ceiling differs from 0 (false discovery rate over units).
    """
    parts = [s.ceilings for s in scores if s.ceilings is not None]
    ceiling, low, high, p = (
        np.concatenate([getattr(c, name) for c in parts])
        for name in ("ceiling", "low", "high", "p_value")
    )
    reliable = fdr(p) < ALPHA
    divisor = np.where(reliable & (ceiling > 0), ceiling, np.nan)
    columns = {}
    for name, key in (
        ("ceiled", "estimate"),
        ("ceiled_low", "ci_low"),
        ("ceiled_high", "ci_high"),
    ):
        raw = table[key].values
        raw = raw if score == "r2" else np.sign(raw) * raw**2
        columns[name] = ("unit", raw / divisor)
    if score == "pearson":
        ceiling, low, high = np.sqrt(ceiling), np.sqrt(low), np.sqrt(high)
    return {
        "ceiling": ("unit", ceiling),
        "ceiling_low": ("unit", np.minimum(low, ceiling)),
        "ceiling_high": ("unit", np.maximum(high, ceiling)),
        "ceiling_p": ("unit", p),
        **columns,
    }


def p_columns(
    observed: npt.NDArray[np.float64], null: npt.NDArray[np.float64], correction: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return one-sided p-values, corrected over all cells, and the mean of the null."""
    p = permutation_p(observed, null, tail="greater")
    p = np.where(np.isfinite(observed), p, np.nan)
    corrected = (
        fdr(p)
        if correction == "fdr"
        else max_statistic(observed, null, tail="greater")
        if observed.size > 1
        else p
    )
    mean = np.where(np.isfinite(observed), null.mean(axis=0), np.nan)
    return {
        "p_value": p,
        "p_corrected": np.maximum(corrected, p),
        "null_mean": mean,
    }


def median_table(
    job: Job, scores: Sequence[Sequence[SiteScores]], correction: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return medians over units, arrays of shape (n_sets, n_sites).

    Parameters
    ----------
    job : Job
        What was asked.
    scores : sequence of sequences of SiteScores
        By set of features and site.
    correction : str
        How p-values are corrected over the cells.
    """
    n = int(job.held.plan.units.max()) + 1
    score = job.settings.score
    shape = (len(scores), len(scores[0]))
    out = {k: np.full(shape, np.nan) for k in ("estimate", "ci_low", "ci_high")}
    out["n_units"] = np.zeros(shape)
    n_draws = len(scores[0][0].null)
    null = np.full((n_draws, *shape), np.nan)
    for i, row in enumerate(scores):
        for j, site in enumerate(row):
            values = getattr(site, score)
            known = np.isfinite(values)
            out["n_units"][i, j] = known.sum()
            if not known.any():
                continue
            middle = float(np.median(values[known]))
            low, high = interval_of(site.median, n)
            out["estimate"][i, j] = middle
            out["ci_low"][i, j] = min(float(low), middle)
            out["ci_high"][i, j] = max(float(high), middle)
            if n_draws:
                null[:, i, j] = np.median(site.null[:, known], axis=1)
    if n_draws:
        out |= p_columns(out["estimate"], null, correction)
    return out
