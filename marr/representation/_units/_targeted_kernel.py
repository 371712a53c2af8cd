"""Targeted dimensionality reduction: regression, denoising, orthogonal axes (Mante et al. 2013)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["TargetedAxes", "principal_axes", "targeted_axes_of"]


class TargetedAxes(NamedTuple):
    """Axes of the variables, in their order.

    `raw` are unit vectors before, `axes` after orthogonalization; `time` is the bin in
    which each variable's regression vector is longest.
    """

    raw: Float[ndarray, "variables units"]
    axes: Float[ndarray, "variables units"]
    time: Int[ndarray, " variables"]


def principal_axes(
    x: Float[ndarray, "rows units"], n: int
) -> Float[ndarray, "units components"]:
    """Return the leading principal axes of centered rows."""
    x = x - x.mean(axis=0)
    if len(x) >= x.shape[1]:
        _, vectors = np.linalg.eigh(x.T @ x)
        return vectors[:, ::-1][:, :n]
    values, vectors = np.linalg.eigh(x @ x.T)
    keep = [i for i in range(len(x) - 1, -1, -1) if values[i] > 1e-12 * values[-1]][:n]
    return x.T @ vectors[:, keep] / np.sqrt(values[keep])


def targeted_axes_of(
    y: Float[ndarray, "trials times units"],
    design: Float[ndarray, "trials variables"],
    codes: Int[ndarray, " trials"],
    n_components: int,
) -> TargetedAxes:
    """Find one axis a variable.

    Each unit is regressed on all variables at each time; the regression vectors are
    projected onto the leading principal components of the condition averages; each
    variable takes the vector of the time at which it is longest; the vectors are
    orthogonalized in their order (QR).
    """
    n, t, u = y.shape
    x = np.column_stack([np.ones(n), design - design.mean(axis=0)])
    beta = np.linalg.pinv(x) @ y.reshape(n, -1)
    beta = beta[1:].reshape(-1, t, u)
    present = np.unique(codes)
    means = np.stack([y[codes == c].mean(axis=0) for c in present])
    p = principal_axes(means.reshape(-1, u), n_components)
    beta = beta @ p @ p.T
    length = np.linalg.norm(beta, axis=2)
    at = length.argmax(axis=1)
    rows = np.arange(len(beta))
    best = beta[rows, at]
    raw = best / np.maximum(length[rows, at], 1e-300)[:, None]
    q, r = np.linalg.qr(best.T)
    sign = np.where(np.diag(r) < 0, -1.0, 1.0)
    return TargetedAxes(raw, (q * sign).T, at)
