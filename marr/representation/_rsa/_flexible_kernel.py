"""Fit models that are combinations of matrices, in closed form, for many samples.

Every fit maximizes the mean similarity with subjects of unit length, theta' g over
sqrt(theta' G theta), with G the inner products of the components and g their products
with the sum of the subjects. So it needs K x K and K numbers a sample, whatever the
number of pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

__all__ = [
    "FITS",
    "fit_interpolated",
    "fit_nonnegative",
    "fit_selected",
    "fit_weighted",
]

Inner = Float[ndarray, "samples components components"]
Towards = Float[ndarray, "samples components"]

RIDGE = 1e-12
"""Of the mean diagonal: keeps dependent components solvable, changes nothing else."""


def fit_weighted(inner: Inner, towards: Towards) -> Towards:
    """Return unconstrained weights: least squares on the pooled subjects."""
    return np.linalg.solve(_steady(inner), towards[..., None])[..., 0]


def fit_nonnegative(inner: Inner, towards: Towards) -> Towards:
    """Return weights of at least 0, by an active set over all samples at once.

    Zero where no component helps. Bro & de Jong (1997).
    """
    inner = _steady(inner)
    n, k = towards.shape
    weights, active = np.zeros((n, k)), np.zeros((n, k), bool)
    scale = np.abs(towards).max(axis=1, keepdims=True, initial=0.0)
    for _ in range(3 * k + 3):
        left = towards - np.einsum("nij,nj->ni", inner, weights)
        left = np.where(active, -np.inf, left)
        best = left.argmax(axis=1)
        grows = left[np.arange(n), best] > 1e-12 * scale[:, 0]
        if not grows.any():
            break
        active[grows, best[grows]] = True
        moved = _settle(inner[grows], towards[grows], weights[grows], active[grows])
        weights[grows], active[grows] = moved
    return weights


def _steady(inner: Inner) -> Inner:
    k = inner.shape[-1]
    size = np.trace(inner, axis1=1, axis2=2) / k
    return inner + RIDGE * np.maximum(size, 1e-300)[:, None, None] * np.eye(k)


def _settle(
    inner: Inner,
    towards: Towards,
    weights: Towards,
    active: Bool[ndarray, "samples components"],
) -> tuple[Towards, Bool[ndarray, "samples components"]]:
    """Solve on the active components; step back and drop those that would go below 0."""
    weights, active = weights.copy(), active.copy()
    for _ in range(inner.shape[-1] + 1):
        solved = _solve_active(inner, towards, active)
        bad = active & (solved <= 0)
        out = bad.any(axis=1)
        if not out.any():
            break
        gap = np.where(bad, weights - solved, 1.0)
        share = np.where(bad, weights / np.where(gap > 0, gap, 1.0), np.inf)
        step = np.where(out, share.min(axis=1), 1.0)
        weights = weights + np.minimum(step, 1.0)[:, None] * (solved - weights)
        dropped = bad & (share <= step[:, None] + 1e-15)
        active &= ~dropped
        weights[~active] = 0.0
    return np.where(active, np.maximum(solved, 0.0), 0.0), active


def _solve_active(
    inner: Inner, towards: Towards, active: Bool[ndarray, "samples components"]
) -> Towards:
    both = active[:, :, None] & active[:, None, :]
    k = inner.shape[-1]
    system = np.where(both, inner, np.where(active[:, :, None], 0.0, np.eye(k)))
    return np.linalg.solve(system, np.where(active, towards, 0.0)[..., None])[..., 0]


def fit_interpolated(inner: Inner, towards: Towards) -> Towards:
    """Return weights w and 1 - w on the best pair of neighboring components."""
    n, k = towards.shape
    best, found = np.full(n, -np.inf), np.zeros((n, k))
    for i in range(k - 1):
        a, b = towards[:, i + 1], towards[:, i] - towards[:, i + 1]
        c, cross = inner[:, i + 1, i + 1], inner[:, i, i + 1]
        d = 2.0 * (cross - c)
        e = inner[:, i, i] - 2.0 * cross + c
        low = b * d / 2.0 - a * e
        turn = np.where(low != 0, (a * d / 2.0 - b * c) / np.where(low != 0, low, 1), 0)
        for w in (np.zeros(n), np.ones(n), np.clip(turn, 0.0, 1.0)):
            size = np.sqrt(np.maximum(c + d * w + e * w**2, 1e-300))
            score = (a + b * w) / size
            better = score > best
            best = np.where(better, score, best)
            found[better] = 0.0
            found[better, i], found[better, i + 1] = w[better], 1.0 - w[better]
    return found


def fit_selected(inner: Inner, towards: Towards) -> Towards:
    """Return 1 for the component that is most similar to the subjects, else 0."""
    size = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
    return np.eye(inner.shape[-1])[(towards / size).argmax(axis=1)]


FITS: dict[str, Callable[[ndarray, ndarray], ndarray]] = {
    "weighted": fit_weighted,
    "nonnegative": fit_nonnegative,
    "interpolated": fit_interpolated,
    "selected": fit_selected,
}
"""Kinds of flexible models."""
