"""Residuals within conditions, their nulls, and signal correlations free of noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from marr.representation._units._curve_kernel import bin_sums
from marr.representation._units._pairwise_kernel import pair_correlations

__all__ = [
    "permuted_correlations",
    "signal_correlations",
    "swapped_differences",
    "within_conditions",
]


def within_conditions(
    x: Float[ndarray, "rows units"],
    codes: Int[ndarray, " rows"],
    n_conditions: int,
    *,
    scale: bool,
) -> Float[ndarray, "rows units"]:
    """Take the mean of its condition from each row, and divide by its spread there.

    Units that do not vary in a condition are 0 there. Without `scale` by no spread.
    """
    count = np.maximum(np.bincount(codes, minlength=n_conditions), 1)[:, None]
    mean = bin_sums(codes, x, n_conditions) / count
    z = x - mean[codes]
    if not scale:
        return z
    sd = np.sqrt(bin_sums(codes, z**2, n_conditions) / count)
    size = np.maximum(np.abs(mean), 1e-300)
    flat = sd <= 1e-12 * size
    return np.where(flat[codes], 0.0, z / np.where(flat, 1.0, sd)[codes])


def permuted_correlations(
    z: Float[ndarray, "rows units"],
    codes: Int[ndarray, " rows"],
    n_draws: int,
    seed: int,
) -> Float[ndarray, "draws pairs"]:
    """Correlate after each unit's rows were exchanged within conditions by itself."""
    rng = np.random.default_rng(seed)
    order = np.argsort(codes, kind="stable")
    sorted_codes, at = codes[order].astype(float), z[order]
    out = np.empty((n_draws, z.shape[1] * (z.shape[1] - 1) // 2))
    for draw in range(n_draws):
        keys = rng.random(z.shape) + sorted_codes[:, None]
        moved = np.take_along_axis(at, np.argsort(keys, axis=0), axis=0)
        out[draw] = pair_correlations(moved)
    return out


def swapped_differences(
    a: Float[ndarray, "rows units"],
    b: Float[ndarray, "rows units"],
    unit_of: Int[ndarray, " rows"],
    n_draws: int,
    seed: int,
) -> Float[ndarray, "draws pairs"]:
    """Differences of correlations after a and b were exchanged in random trials."""
    rng = np.random.default_rng(seed)
    n_units = int(unit_of.max()) + 1
    a, b = _unit_variance(a), _unit_variance(b)
    out = np.empty((n_draws, a.shape[1] * (a.shape[1] - 1) // 2))
    for draw in range(n_draws):
        swap = (rng.random(n_units) < 0.5)[unit_of][:, None]
        first, second = np.where(swap, b, a), np.where(swap, a, b)
        out[draw] = pair_correlations(first) - pair_correlations(second)
    return out


def _unit_variance(z: ndarray) -> ndarray:
    sd = z.std(axis=0)
    return z / np.where(sd > 0, sd, 1.0)


def signal_correlations(
    x: Float[ndarray, "rows units"],
    codes: Int[ndarray, " rows"],
    half: Int[ndarray, " rows"],
    n_conditions: int,
) -> Float[ndarray, " pairs"]:
    """Correlate condition means of one half of the trials with those of the other.

    ``cov(a1, b2) / sqrt(cov(a1, a2) cov(b1, b2))``, both ways averaged: trial-to-trial
    noise, shared or not, does not enter. NaN where a unit's means do not repeat.
    """
    count = np.stack(
        [np.bincount(codes[half == h], minlength=n_conditions) for h in (0, 1)]
    )
    both = (count > 0).all(axis=0)
    i, j = np.triu_indices(x.shape[1], k=1)
    if both.sum() < 3:
        return np.full(len(i), np.nan)
    means = [
        bin_sums(codes[half == h], x[half == h], n_conditions)[both]
        / count[h][both][:, None]
        for h in (0, 1)
    ]
    first, second = (m - m.mean(axis=0) for m in means)
    cross = first.T @ second
    cross = (cross + cross.T) / 2
    own = np.diag(cross)
    bad = (own[i] <= 0) | (own[j] <= 0)
    scale = np.sqrt(np.where(bad, 1.0, own[i] * own[j]))
    return np.where(bad, np.nan, np.clip(cross[i, j] / scale, -1, 1))
