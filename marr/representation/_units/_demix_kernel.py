"""Demixed principal components: marginal means, reduced-rank regressions, their variance.

Kobak et al. (2016): each marginalization of the condition averages is reconstructed
from activity by a decoder and an encoder of low rank.
"""

from __future__ import annotations

from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "Axes",
    "cell_means",
    "demixed_axes",
    "explained_variance",
    "marginalize",
    "nearest_mean_hits",
    "reconstruction_loss",
]


class Axes(NamedTuple):
    """Decoders and encoders of one marginalization, best first."""

    decoder: Float[ndarray, "components units"]
    encoder: Float[ndarray, "units components"]


def cell_means(
    y: Float[ndarray, "trials times units"],
    codes: Int[ndarray, " trials"],
    n_cells: int,
) -> tuple[Float[ndarray, "cells times units"], Float[ndarray, "units units"]]:
    """Average each condition; sum over conditions of the covariance of its trials.

    The covariance is a mean over times and unbiased, summed over conditions and times as
    the cross-products of the averages are; 0 from conditions of one trial.
    """
    t, u = y.shape[1:]
    means = np.empty((n_cells, t, u))
    noise = np.zeros((u, u))
    for c in range(n_cells):
        rows = y[codes == c]
        means[c] = rows.mean(axis=0)
        if len(rows) > 1:
            left = (rows - means[c]).reshape(-1, u)
            noise += left.T @ left / (len(rows) - 1)
    return means, noise


def marginalize(
    means: Float[ndarray, "cells times units"], levels: tuple[int, ...]
) -> dict[tuple[int, ...], Float[ndarray, "cells times units"]]:
    """Split condition averages into parts that depend on each subset of the variables.

    Key (0, 1) is the interaction of the first two variables, with and without time; key
    () is what depends on time alone. The parts are orthogonal and sum to the averages
    less their grand mean.
    """
    k = len(levels)
    x = means.reshape(*levels, *means.shape[1:])
    x = x - x.mean(axis=tuple(range(k + 1)), keepdims=True)
    subsets = list(chain.from_iterable(combinations(range(k), r) for r in range(k + 1)))
    parts: dict[tuple[int, ...], ndarray] = {}
    for subset in subsets:
        others = tuple(a for a in range(k) if a not in subset)
        part = x.mean(axis=others, keepdims=True)
        for smaller in subsets:
            if set(smaller) < set(subset):
                part = part - parts[smaller]
        parts[subset] = part
    return {
        s: np.broadcast_to(p, x.shape).reshape(means.shape) for s, p in parts.items()
    }


def demixed_axes(
    parts: dict[tuple[int, ...], Float[ndarray, "cells times units"]],
    noise: Float[ndarray, "units units"],
    penalty: float,
    sizes: dict[tuple[int, ...], int],
) -> dict[tuple[int, ...], Axes]:
    """Reconstruct each marginalization from activity by reduced-rank regression.

    Minimizes ``|X_m - F D X|^2`` over single trials plus ``penalty |F D|^2``, the
    penalty relative to the variance of a unit. For one marginalization::

        A = X_m X' (X X' + noise + mu I)^-1,  F = leading axes of A X,  D = F' A

    Parameters
    ----------
    parts : dict
        From `marginalize`.
    noise : array of shape (n_units, n_units)
        Summed trial-to-trial covariance, from `cell_means`.
    penalty : float
        Ridge penalty.
    sizes : dict of int
        Axes of each marginalization.
    """
    flat = {k: v.reshape(-1, v.shape[-1]) for k, v in parts.items()}
    x = np.sum(list(flat.values()), axis=0)
    total = x.T @ x + noise
    u = len(total)
    mu = penalty * np.trace(total) / u
    ridge = total + (mu + 1e-12 * np.trace(total)) * np.eye(u)
    out = {}
    for key, part in flat.items():
        cross = part.T @ x
        a = np.linalg.solve(ridge, cross.T).T
        reached = a @ cross.T
        _, vectors = np.linalg.eigh((reached + reached.T) / 2)
        f = vectors[:, ::-1][:, : sizes[key]]
        f = f * np.where(f[np.abs(f).argmax(axis=0), np.arange(f.shape[1])] < 0, -1, 1)
        out[key] = Axes(f.T @ a, f)
    return out


def reconstruction_loss(
    axes: dict[tuple[int, ...], Axes],
    train: dict[tuple[int, ...], ndarray],
    test: ndarray,
) -> float:
    """Error of the training marginalizations reconstructed from test averages, relative."""
    x = test.reshape(-1, test.shape[-1])
    x = x - x.mean(axis=0)
    error, total = 0.0, 0.0
    for key, (decoder, encoder) in axes.items():
        part = train[key].reshape(x.shape)
        error += float(((part - x @ decoder.T @ encoder.T) ** 2).sum())
        total += float((part**2).sum())
    return error / max(total, 1e-300)


def explained_variance(
    axes: dict[tuple[int, ...], Axes],
    parts: dict[tuple[int, ...], ndarray],
) -> dict[tuple[int, ...], Float[ndarray, "components parts"]]:
    """Share of the variance of all averages that each component explains, by part.

    ``(|X_m|^2 - |X_m - f d X_m|^2) / |X|^2`` for each marginalization m; the sum over m
    is the component's share of all.
    """
    flat = [v.reshape(-1, v.shape[-1]) for v in parts.values()]
    power = np.array([(x**2).sum() for x in flat])
    total = max(float(power.sum()), 1e-300)
    out = {}
    for key, (decoder, encoder) in axes.items():
        rows = []
        for d, f in zip(decoder, encoder.T, strict=True):
            seen = [x @ d for x in flat]
            fit = [
                float(2 * (s @ (x @ f)) - (s @ s) * (f @ f))
                for s, x in zip(seen, flat, strict=True)
            ]
            rows.append(fit)
        out[key] = np.array(rows).reshape(len(decoder), len(flat)) / total
    return out


def nearest_mean_hits(
    train: Float[ndarray, "classes times components"],
    test: Float[ndarray, "trials times components"],
    label: Int[ndarray, " trials"],
) -> Float[ndarray, "trials times components"]:
    """Tell, component by component, which trials lie nearest to the mean of their class."""
    distance = np.abs(test[:, None] - train[None])
    return (distance.argmin(axis=1) == label[:, None, None]).astype(float)
