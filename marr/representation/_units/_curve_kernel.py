"""What a tuning curve says: its peak, its width, its depth, its information."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse

__all__ = [
    "Bump",
    "bin_sums",
    "circular_distance",
    "first_harmonic",
    "fit_bump",
    "information",
    "selectivity",
]

ROUNDS = 7
"""Times that the grid around the best bump is narrowed, each by half."""


class Bump(NamedTuple):
    """Bump fitted to each curve: ``trough + (peak - trough) * shape``.

    `width` is the full width at half height.
    """

    center: Float[ndarray, " units"]
    width: Float[ndarray, " units"]
    peak: Float[ndarray, " units"]
    trough: Float[ndarray, " units"]
    r2: Float[ndarray, " units"]


def bin_sums(
    codes: Int[ndarray, " rows"], y: Float[ndarray, "rows units"], n_bins: int
) -> Float[ndarray, "bins units"]:
    """Sum activity by bin."""
    rows = np.arange(len(codes))
    ones = np.ones(len(codes))
    pick = sparse.csr_array((ones, (codes, rows)), shape=(n_bins, len(codes)))
    return np.asarray(pick @ y)


def circular_distance(
    a: Float[ndarray, ...], b: Float[ndarray, ...]
) -> Float[ndarray, ...]:
    """Return a - b as an angle between -pi and pi."""
    return (a - b + np.pi) % (2 * np.pi) - np.pi


def first_harmonic(
    curves: Float[ndarray, "units bins"], angles: Float[ndarray, " bins"]
) -> tuple[Float[ndarray, " units"], Float[ndarray, " units"]]:
    """Direction and length of the mean vector, activity taken as weights.

    Bins must be even around the circle. Length is NaN where activity sums to zero or is
    negative somewhere.
    """
    total = curves.sum(axis=1)
    vector = curves @ np.exp(1j * angles)
    bad = (curves < 0).any(axis=1) | (total <= 0)
    length = np.where(bad, np.nan, np.abs(vector) / np.where(bad, 1.0, total))
    return np.angle(vector) % (2 * np.pi), length


def information(
    curves: Float[ndarray, "... bins"], occupancy: Float[ndarray, "... bins"]
) -> Float[ndarray, ...]:
    """Information about the variable, in bits a spike (Skaggs et al. 1993).

    ``sum_i p_i (r_i / r) log2(r_i / r)`` with occupancy p and mean rate r; 0 for units
    without activity.
    """
    p = occupancy / occupancy.sum(axis=-1, keepdims=True)
    mean = (p * curves).sum(axis=-1, keepdims=True)
    ratio = curves / np.where(mean > 0, mean, 1.0)
    logs = np.log2(np.where(ratio > 0, ratio, 1.0))
    return np.where(mean[..., 0] > 0, (p * ratio * logs).sum(axis=-1), 0.0)


def selectivity(curves: Float[ndarray, "units bins"]) -> Float[ndarray, " units"]:
    """Sparseness of a nonnegative curve: 0 for equal activity, 1 for one bin only.

    ``(1 - mean(r)^2 / mean(r^2)) / (1 - 1 / n)`` (Rolls and Tovee 1995).
    """
    n = curves.shape[1]
    square, mean = (curves**2).mean(axis=1), curves.mean(axis=1)
    flat = square <= 0
    share = np.where(flat, 1.0, mean**2 / np.where(flat, 1.0, square))
    return (1 - share) / (1 - 1 / n)


def fit_bump(
    curves: Float[ndarray, "units bins"],
    weights: Float[ndarray, " bins"],
    at: Float[ndarray, " bins"],
    *,
    circular: bool,
) -> Bump:
    """Fit a von Mises bump around the circle, or a Gaussian one on a line.

    Least squares weighted by occupancy. Height and base follow in closed form, so that
    center and width are searched on a grid, which is then narrowed around the best.
    Centers stay among the bins, widths between half a bin and the whole range.
    """
    step = float(np.diff(at).min())
    if circular:
        reach = (0.5 * step, 2 * np.pi)
        centers = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    else:
        reach = (0.5 * step, 2 * float(np.ptp(at)))
        centers = np.linspace(at[0], at[-1], 49)
    widths = np.geomspace(*reach, 24)
    grid = np.stack(np.meshgrid(centers, widths, indexing="ij"), -1).reshape(-1, 2)
    w = weights / weights.sum()
    center = (curves @ w)[:, None]
    spread = ((curves - center) ** 2) @ w
    shapes = _shapes(grid[:, 0], grid[:, 1], at, circular=circular)
    best = grid[_gain(curves, shapes[None], w)[0].argmax(axis=1)]
    size = np.array([centers[1] - centers[0], np.log(widths[1] / widths[0])])
    for _ in range(ROUNDS):
        best = _narrow(curves, best, size, (w, at), reach, circular=circular)
        size = size / 2
    shape = _shapes(best[:, 0], best[:, 1], at, circular=circular)
    gain, slope, mean = _gain(curves, shape[:, None], w)
    slope, gain = slope[:, 0], gain[:, 0]
    base = center[:, 0] - slope * mean[:, 0]
    r2 = np.where(spread > 0, gain / np.where(spread > 0, spread, 1.0), 0.0)
    mu = best[:, 0] % (2 * np.pi) if circular else best[:, 0]
    low = _lowest(best[:, 1]) if circular else np.zeros(len(best))
    return Bump(mu, best[:, 1], base + slope, base + slope * low, r2)


def _shapes(
    center: ndarray, width: ndarray, at: ndarray, *, circular: bool
) -> Float[ndarray, "shapes bins"]:
    """Bumps of height 1 by center and full width at half height."""
    if circular:
        kappa = _kappa(width)
        distance = circular_distance(at, center[:, None])
        return np.exp(kappa[:, None] * (np.cos(distance) - 1))
    return np.exp(-np.log(16) * ((at - center[:, None]) / width[:, None]) ** 2)


def _kappa(width: ndarray) -> ndarray:
    """Concentration of a von Mises bump; at 2 pi it falls to one half opposite its peak."""
    return np.log(2) / (1 - np.cos(np.minimum(width, 2 * np.pi) / 2))


def _lowest(width: ndarray) -> ndarray:
    return np.exp(-2 * _kappa(width))


def _gain(
    curves: ndarray, shapes: ndarray, w: ndarray
) -> tuple[ndarray, ndarray, ndarray]:
    """Fall in weighted squares by a bump of positive height, its height, its mean.

    `shapes` of shape (1 or n_units, n_shapes, n_bins); results (n_units, n_shapes).
    """
    mean = shapes @ w
    deviation = shapes - mean[..., None]
    variance = (deviation**2) @ w
    weighted = deviation * w
    if len(shapes) == 1:
        covariance = curves @ weighted[0].T
    else:
        covariance = (weighted @ curves[:, :, None])[..., 0]
    variance = np.maximum(np.broadcast_to(variance, covariance.shape), 1e-300)
    slope = np.maximum(covariance, 0.0) / variance
    return slope**2 * variance, slope, np.broadcast_to(mean, covariance.shape)


def _narrow(
    curves: ndarray,
    best: ndarray,
    size: ndarray,
    data: tuple[ndarray, ndarray],
    reach: tuple[float, float],
    *,
    circular: bool,
) -> ndarray:
    """Look around the best bump of each curve, a grid step to each side in five steps."""
    w, at = data
    offset = np.linspace(-1, 1, 5)
    shift = np.stack(np.meshgrid(offset, offset, indexing="ij"), -1).reshape(-1, 2)
    center = best[:, :1] + size[0] * shift[:, 0]
    width = np.clip(best[:, 1:] * np.exp(size[1] * shift[:, 1]), *reach)
    if not circular:
        center = np.clip(center, at[0], at[-1])
    flat = _shapes(center.ravel(), width.ravel(), at, circular=circular)
    shapes = flat.reshape(len(best), len(shift), len(at))
    chosen = _gain(curves, shapes, w)[0].argmax(axis=1)
    row = np.arange(len(best))
    return np.stack([center[row, chosen], width[row, chosen]], axis=1)
