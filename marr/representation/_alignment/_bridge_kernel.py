"""Maps of several systems into a space that they share.

All functions take rows that correspond, each system less its training mean. A system of
more units than rows is first brought to as many coordinates as rows, by a rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

__all__ = ["METHODS", "components_for", "rotated", "smooth_map"]

PENALTIES = np.logspace(-4, 4, 17)
"""Relative to the mean squared singular value."""

ITERATIONS = 60
TOLERANCE = 1e-7
SHARE = 0.95
"""Share of variance that the default number of dimensions holds."""

Rows = Float[ndarray, "rows _"]
Map = Float[ndarray, "_ shared"]


def rotated(x: Rows) -> tuple[Rows, Float[ndarray, "_ _"]]:
    """Return coordinates of rows in their own span, and the basis they refer to."""
    if x.shape[1] <= len(x):
        return x, np.eye(x.shape[1])
    u, s, vt = _decomposed(x)
    return u * s, vt.T


def _decomposed(x: Rows) -> tuple[ndarray, ndarray, ndarray]:
    """Return the singular value decomposition of rows, without null directions."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    kept = s > 1e-10 * max(float(s[0]), 1e-300)
    return u[:, kept], s[kept], vt[kept]


def components_for(xs: Sequence[Rows]) -> int:
    """Return how many components hold 95 % of the variance in the simplest system.

    At least 2 (or the smallest number of units), at most a third of the rows.
    """
    needed = []
    for x in xs:
        power = np.linalg.svd(x, compute_uv=False) ** 2
        share = np.cumsum(power) / power.sum()
        needed.append(int(np.searchsorted(share, SHARE - 1e-12)) + 1)
    least = min(x.shape[1] for x in xs)
    return min(max(min(needed), 2), max(len(xs[0]) // 3, 2), least)


def smooth_map(x: Rows, y: Rows) -> Float[ndarray, "_ outputs"]:
    """Return ridge weights from x to y, the penalty by generalized cross-validation."""
    u, s, vt = _decomposed(x)
    best = _penalty(u, s, y)
    return np.asarray(vt.T @ (s[:, None] / (s[:, None] ** 2 + best) * (u.T @ y)))


def _start(xs: Sequence[Rows], k: int) -> Rows:
    """Return the first components of the system with most variance in them."""
    return max((_scores(x, k) for x in xs), key=lambda scores: (scores**2).sum())


def procrustes(xs: Sequence[Rows], k: int) -> list[Map]:
    """Generalized Procrustes analysis (hyperalignment): orthonormal maps to a mean.

    Each map has orthonormal columns; the mean is updated until its size changes by less than 1e-7.
    """
    mean = _start(xs, k)
    maps: list[Map] = []
    before = np.inf
    for _ in range(ITERATIONS):
        maps = [_orthonormal(x.T @ mean, k) for x in xs]
        mean = np.mean([x @ w for x, w in zip(xs, maps, strict=True)], axis=0)
        size = float((mean**2).sum())
        if abs(before - size) <= TOLERANCE * max(size, 1e-300):
            break
        before = size
    return maps


def _orthonormal(product: Float[ndarray, "_ shared"], k: int) -> Map:
    u, _, vt = np.linalg.svd(product, full_matrices=False)
    return np.asarray(u[:, :k] @ vt[:k])


def canonical(xs: Sequence[Rows], k: int) -> list[Map]:
    """Regularized generalized canonical correlation (MAXVAR).

    The shared space is spanned by the directions that all systems predict best by ridge;
    penalties are chosen once a system, by predicting the others' first components.
    """
    scores = [_scores(x, k) for x in xs]
    others = [
        np.mean([z for j, z in enumerate(scores) if j != i], axis=0)
        for i in range(len(xs))
    ]
    parts = []
    for x, y in zip(xs, others, strict=True):
        u, s, vt = _decomposed(x)
        parts.append((u, s, vt, _penalty(u, s, y)))
    total = sum((u * (s**2 / (s**2 + penalty))) @ u.T for u, s, vt, penalty in parts)
    _, vectors = np.linalg.eigh(total)
    shared = vectors[:, ::-1][:, :k] * np.sqrt(len(xs[0]))
    return [
        vt.T @ ((s / (s**2 + penalty))[:, None] * (u.T @ shared))
        for u, s, vt, penalty in parts
    ]


def _scores(x: Rows, k: int) -> Rows:
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u[:, :k] * s[:k]


def _penalty(u: ndarray, s: ndarray, y: Rows) -> float:
    """Return the ridge penalty of least generalized cross-validation error."""
    power, inside = s**2, ((u.T @ y) ** 2).sum(axis=1)
    penalties = PENALTIES * power.mean()
    shrink = power / (power + penalties[:, None])
    rest = (y**2).sum() - (2 * shrink - shrink**2) @ inside
    freedom = np.maximum(len(y) - 1 - shrink.sum(axis=1), 1e-9)
    return float(penalties[int((np.maximum(rest, 0.0) / freedom**2).argmin())])


def regression(xs: Sequence[Rows], k: int) -> list[Map]:
    """Map every system onto the components of the first one by ridge regression."""
    _, _, vt = np.linalg.svd(xs[0], full_matrices=False)
    first = vt[:k].T
    target = xs[0] @ first
    return [first, *(smooth_map(x, target) for x in xs[1:])]


METHODS: dict[str, Callable[[Sequence[Rows], int], list[Map]]] = {
    "procrustes": procrustes,
    "cca": canonical,
    "ridge": regression,
}
"""How maps into the shared space are found."""
