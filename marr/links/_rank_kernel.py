"""Rank correlations within members of a cohort, batched over permutations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import rankdata

__all__ = ["bootstrap_statistics", "permuted_statistics", "rank_statistic"]


def _residual_ranks(
    values: Float[ndarray, "ways n"], controls: Float[ndarray, "ways n k"]
) -> Float[ndarray, "ways n"]:
    """Return centered ranks, with the ranks of the controls regressed out."""
    ranks = rankdata(values, axis=1)
    return _project_out(ranks, _basis(controls))


def _basis(controls: Float[ndarray, "ways n k"]) -> Float[ndarray, "ways n m"]:
    """Return an orthonormal basis of the intercept and the ranked controls."""
    ways, n, _ = controls.shape
    design = np.concatenate([np.ones((ways, n, 1)), rankdata(controls, axis=1)], axis=2)
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
) -> float:
    """Return the (partial) Spearman correlation, averaged over ways."""
    rx, ry = _residual_ranks(x, controls), _residual_ranks(y, controls)
    return float(_correlation(rx, ry).mean())


def permuted_statistics(
    x: Float[ndarray, "ways n"],
    y: Float[ndarray, "ways n"],
    controls: Float[ndarray, "ways n k"],
    orders: Int[ndarray, "draws n"],
) -> Float[ndarray, " draws"]:
    """Return the statistic under permutations of the residuals of x (Freedman-Lane).

    The residual ranks of x are permuted, the controls are regressed out again, and
    the result is correlated with the residual ranks of y. The same permutation is
    used in both ways, so that the dependence between halves is kept.
    """
    rx, ry = _residual_ranks(x, controls), _residual_ranks(y, controls)
    shuffled = rx[:, orders]  # (ways, draws, n)
    if controls.shape[2]:
        basis = _basis(controls)[:, None]
        shuffled = _project_out(shuffled, basis)
    return np.asarray(_correlation(shuffled, ry[:, None, :]).mean(axis=0))


def bootstrap_statistics(
    x: Float[ndarray, "ways n"],
    y: Float[ndarray, "ways n"],
    controls: Float[ndarray, "ways n k"],
    rows: Int[ndarray, "draws n"],
) -> Float[ndarray, " draws"]:
    """Return the statistic of resampled members of the axis."""
    return np.array([rank_statistic(x[:, r], y[:, r], controls[:, r]) for r in rows])
