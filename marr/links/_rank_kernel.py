"""Correlations of (ranked) values with controls partialled out, batched over draws."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import rankdata

__all__ = ["bootstrap_statistics", "permuted_statistics", "rank_statistic"]


def _residuals(
    values: Float[ndarray, "ways n"],
    controls: Float[ndarray, "ways n k"],
    ranked: bool,
) -> Float[ndarray, "ways n"]:
    """Return centered (ranked) values, with the (ranked) controls regressed out."""
    shown = rankdata(values, axis=1) if ranked else values
    return _project_out(shown, _basis(controls, ranked))


def _basis(
    controls: Float[ndarray, "ways n k"], ranked: bool
) -> Float[ndarray, "ways n m"]:
    """Return an orthonormal basis of the intercept and the (ranked) controls."""
    ways, n, _ = controls.shape
    shown = rankdata(controls, axis=1) if ranked else controls
    design = np.concatenate([np.ones((ways, n, 1)), shown], axis=2)
    design[:, :, 1:] -= design[:, :, 1:].mean(axis=1, keepdims=True)
    scale = np.linalg.norm(design, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(
        design / np.where(scale > 0, scale, 1.0), full_matrices=False
    )
    return u * (s > 1e-9 * s[:, :1])[:, None, :]


def _project_out(
    values: Float[ndarray, "... n"], basis: Float[ndarray, "... n m"]
) -> Float[ndarray, "... n"]:
    """Return values without their part in the span of the basis."""
    inside = np.einsum("...nm,...n->...m", basis, values)
    return values - np.einsum("...nm,...m->...n", basis, inside)


def _correlation(
    x: Float[ndarray, "... n"], y: Float[ndarray, "... n"]
) -> Float[ndarray, " ..."]:
    """Return the cosine of centered vectors; 0 where either is constant."""
    scale = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.where(
        scale > 1e-9, (x * y).sum(axis=-1) / np.where(scale > 1e-9, scale, 1.0), 0.0
    )


def rank_statistic(
    x: Float[ndarray, "ways n"],
    y: Float[ndarray, "ways n"],
    controls: Float[ndarray, "ways n k"],
    *,
    ranked: bool = True,
) -> float:
    """Return the (partial) Spearman or Pearson correlation, averaged over ways."""
    rx, ry = _residuals(x, controls, ranked), _residuals(y, controls, ranked)
    return float(_correlation(rx, ry).mean())


def permuted_statistics(
    x: Float[ndarray, "ways n"],
    y: Float[ndarray, "ways n"],
    controls: Float[ndarray, "ways n k"],
    orders: Int[ndarray, "draws n"],
    *,
    ranked: bool = True,
) -> Float[ndarray, " draws"]:
    """Return the statistic under permutations of the residuals of x (Freedman-Lane).

    The residuals of x are permuted, the controls are regressed out again, and the
    result is correlated with the residuals of y. The same permutation is
    used in both ways, so that the dependence between halves is kept.
    """
    rx, ry = _residuals(x, controls, ranked), _residuals(y, controls, ranked)
    shuffled = rx[:, orders]  # (ways, draws, n)
    if controls.shape[2]:
        basis = _basis(controls, ranked)[:, None]
        shuffled = _project_out(shuffled, basis)
    return np.asarray(_correlation(shuffled, ry[:, None, :]).mean(axis=0))


def bootstrap_statistics(
    x: Float[ndarray, "ways n"],
    y: Float[ndarray, "ways n"],
    controls: Float[ndarray, "ways n k"],
    rows: Int[ndarray, "draws n"],
    *,
    ranked: bool = True,
) -> Float[ndarray, " draws"]:
    """Return the statistic of resampled members of the axis."""
    return np.array(
        [rank_statistic(x[:, r], y[:, r], controls[:, r], ranked=ranked) for r in rows]
    )
