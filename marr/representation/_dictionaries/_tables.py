"""Estimate and tables of a dictionary finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.stats import t as student

from marr.representation._dictionaries._score_kernel import (
    explained_variance,
    jackknife_ends,
)
from marr.stats import permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._dictionaries._dictionary import Found
    from marr.systems import Dictionary, System

__all__ = [
    "baseline_table",
    "estimate_of",
    "feature_table",
    "seed_table",
    "top_table",
]

MOST_LISTED = 200
"""Features whose top trials are listed."""

Scores = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Explained variance by the dictionary and by components, and the ends of its interval."""


def estimate_of(found: Found) -> tuple[xr.Dataset, Scores]:
    """Return the explained variance with all that belongs to it."""
    sums = found.totals
    n_parts = len(sums.n)
    parts = (sums.residual, sums.square, sums.total, sums.n)
    value = explained_variance(*parts, np.ones((1, n_parts)))[0]
    left_out = explained_variance(*parts, 1.0 - np.eye(n_parts))
    value = np.append(value, value[0] - value[1])
    left_out = np.column_stack([left_out, left_out[:, 0] - left_out[:, 1]])
    low, high, error = jackknife_ends(value, left_out)
    null, p = _null(found, float(value[0]), float(error[0]))
    numbers: dict[str, Any] = {
        "estimate": value[0],
        "ci_low": low[0],
        "ci_high": high[0],
        "p_value": p,
        "p_corrected": p,
        "null_mean": null,
        "excess": value[0] - null,
        "random": found.random.mean(),
        "pca": value[1],
        "rank": found.rank,
        "gain": value[2],
        "gain_low": low[2],
        "gain_high": high[2],
        "l0": sums.active.sum() / sums.n.sum(),
        "dead": (found.features.density == 0).mean(),
        "n_features": found.dictionary.n_features,
    }
    if found.stability is not None:
        numbers["stability"] = found.stability.matched.mean()
        numbers["stability_random"] = found.stability.null.mean()
        again = None if found.surrogate is None else found.surrogate.matched
        if again is not None:
            numbers["stability_null"] = again.mean()
    estimate = xr.Dataset({k: float(v) for k, v in numbers.items()})
    estimate["n"] = len(found.split.fold)
    estimate["estimate"].attrs.update(
        long_name="explained variance on held-out trials"
        if found.split.held_out
        else "explained variance",
        units="proportion",
        better="higher",
    )
    return estimate, (value[:2], low[:2], high[:2])


def _null(found: Found, value: float, error: float) -> tuple[float, float]:
    """Return what the null explains, and a one-sided p-value.

    With Gaussian activity the p-value asks whether the value could be one more draw of
    the null: Student's t of its distance, of which the variance is that of a new draw and
    of the trials (`error`), with the degrees of freedom of Welch and Satterthwaite.
    """
    if found.surrogate is None:
        null = found.random
        return float(null.mean()), float(permutation_p(value, null, tail="greater"))
    scores = found.surrogate.scores
    n, n_parts = len(scores), len(found.totals.n)
    drawn = max(float(scores.var(ddof=1)) * (1 + 1 / n), 1e-24)
    both = drawn + error**2
    freedom = both**2 / (drawn**2 / (n - 1) + error**4 / (n_parts - 1))
    p = student.sf((value - scores.mean()) / np.sqrt(both), freedom)
    return float(scores.mean()), float(np.clip(p, 1e-12, 1.0))


def baseline_table(found: Found, scores: Scores) -> xr.Dataset:
    """Return the dictionary beside principal components and random directions."""
    value, lows, highs = scores
    names = [found.dictionary.kind, "principal components", "random directions"]
    nulls = [found.random]
    if found.surrogate is not None:
        names.append(f"{found.dictionary.kind} of Gaussian activity")
        nulls.append(found.surrogate.scores)
    means = [*value.tolist(), *(float(s.mean()) for s in nulls)]
    table = xr.Dataset(
        {
            "estimate": ("dictionary", means),
            "ci_low": ("dictionary", [*lows, *(float(s.min()) for s in nulls)]),
            "ci_high": ("dictionary", [*highs, *(float(s.max()) for s in nulls)]),
        },
        coords={"dictionary": np.array(names)},
        attrs={
            "reduction": "none; of random directions and Gaussian activity the range"
        },
    )
    table["estimate"].attrs.update(
        long_name="explained variance", units="proportion", better="higher"
    )
    return table


def _labels(site: str, positions: npt.NDArray[Any]) -> dict[str, Any]:
    """Return coordinates of features, as units of the site that `with_features` makes."""
    name = f"{site}.features"
    ids = np.array([str(i) for i in positions])
    return {
        "unit": np.array([f"{name}:{i}" for i in ids]),
        "site": ("unit", np.array([name] * len(ids))),
        "unit_id": ("unit", ids),
    }


def feature_table(site: str, found: Found) -> xr.Dataset:
    """Return one row a feature: what is lost without it, when it is active."""
    f = found.features
    columns: dict[str, Any] = {
        "estimate": f.share,
        "ci_low": f.low,
        "ci_high": f.high,
        "density": f.density,
        "mean_active": f.mean,
        "dead": f.density == 0,
    }
    if found.stability is not None:
        s = found.stability
        columns["stability"] = s.feature
        columns["most_similar"] = s.largest.mean(axis=0)
        again = None if found.surrogate is None else found.surrogate.matched
        null = s.null if again is None else again
        columns["stable"] = s.feature > np.quantile(null, 0.95)
    table = xr.Dataset(
        {k: ("unit", v) for k, v in columns.items()},
        coords=_labels(site, np.arange(len(f.share))),
        attrs={
            "reduction": "none; the dictionary trained on all trials, on all trials"
        },
    )
    table["half_estimate"] = (("half", "unit"), f.halves)
    table["estimate"].attrs.update(
        long_name="explained variance lost without the feature",
        units="proportion",
        better="higher",
    )
    return table


def top_table(system: System, site: str, found: Found) -> xr.Dataset:
    """Return the trials on which each feature is largest; of many, the features that matter."""
    f = found.features
    most = np.argsort(-f.share, kind="stable")[:MOST_LISTED]
    listed = np.sort(most)
    trial, active = f.top_trial[listed], f.top_trial[listed] >= 0
    names = np.array([str(t) for t in system.trial_index])
    labels = np.where(active, names[np.maximum(trial, 0)], "")
    columns: dict[str, Any] = {
        "estimate": np.where(active, f.top[listed], np.nan),
        "trial_label": labels,
    }
    array = system.activity(site)
    if "time" in array.dims:
        times = array["time"].values.astype(float)
        at = times[np.maximum(f.top_time[listed], 0)]
        columns["at_time"] = np.where(active, at, np.nan)
    table = xr.Dataset(
        {k: (("unit", "rank"), v) for k, v in columns.items()},
        coords={**_labels(site, listed), "rank": np.arange(1, labels.shape[1] + 1)},
        attrs={"reduction": "largest value within each trial"},
    )
    table["estimate"].attrs.update(long_name="feature", units="")
    return table


def seed_table(found: Found, others: Sequence[Dictionary]) -> xr.Dataset:
    """Return one row a dictionary that was trained with another seed."""
    assert found.stability is not None
    return xr.Dataset(
        {
            "estimate": ("seed", found.stability.matched.mean(axis=1)),
            "most_similar": ("seed", found.stability.largest.mean(axis=1)),
        },
        coords={"seed": np.arange(1, len(others) + 1)},
        attrs={"reduction": "mean over features of the dictionary of all trials"},
    )
