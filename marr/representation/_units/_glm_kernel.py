"""Linear and Poisson regression of all units on one design, batched over units.

The design is shared, so weighted cross-products of all units are one matrix product of
their weights with the products of pairs of columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import xlogy

__all__ = [
    "Fit",
    "gaussian_loss",
    "gaussian_path",
    "partial_statistics",
    "poisson_fit",
    "poisson_loss",
    "poisson_path",
    "residual_maker",
    "score_statistics",
]

LOWEST = 1e-10
"""Smallest rate, in units of the mean, whose logarithm is taken."""

CHUNK = 4_000_000
"""Numbers held at once in products of columns."""


class Fit(NamedTuple):
    """Coefficients (the intercept first) of the penalty chosen for each unit.

    `edf` are effective degrees of freedom, `converged` tells where the solver arrived.
    """

    coef: Float[ndarray, "columns units"]
    penalty: Float[ndarray, " units"]
    edf: Float[ndarray, " units"]
    converged: Bool[ndarray, " units"]


def gaussian_loss(
    y: Float[ndarray, "rows units"], mean: Float[ndarray, "rows units"]
) -> Float[ndarray, "rows units"]:
    """Squared error."""
    return (y - mean) ** 2


def poisson_loss(
    y: Float[ndarray, "rows units"], mean: Float[ndarray, "rows units"]
) -> Float[ndarray, "rows units"]:
    """Poisson deviance, ``2 (y log(y / mean) - (y - mean))``."""
    mean = np.maximum(mean, 1e-300)
    return 2.0 * (xlogy(y, y / mean) - (y - mean))


def gaussian_path(
    x: Float[ndarray, "rows columns"],
    y: Float[ndarray, "rows units"],
    free: Bool[ndarray, " columns"],
    penalties: Float[ndarray, " penalties"],
) -> Fit:
    """Ridge regression; each unit takes the penalty of least generalized cross-validation.

    Parameters
    ----------
    x : array of shape (n_rows, n_columns)
        Design with a first column of ones.
    y : array of shape (n_rows, n_units)
        Activity.
    free : bool array of shape (n_columns,)
        Columns that are not penalized.
    penalties : array of shape (n_penalties,)
        Ridge penalties, times the number of rows.
    """
    n = len(x)
    gram, cross = x.T @ x, x.T @ y
    total = (y**2).sum(axis=0)
    best = None
    for penalty in penalties:
        ridge = np.diag(np.where(free, 1e-10 * n, n * penalty))
        solved = np.linalg.solve(gram + ridge, np.column_stack([cross, gram]))
        coef, hat = solved[:, : y.shape[1]], solved[:, y.shape[1] :]
        edf = float(np.trace(hat))
        residual = total - (coef * (2 * cross - gram @ coef)).sum(axis=0)
        residual = np.maximum(residual, 1e-14 * np.maximum(total, 1e-300))
        score = np.log(residual) - 2 * np.log(max(1 - edf / n, 1e-6))
        found = Fit(
            coef,
            np.full(y.shape[1], penalty),
            np.full(y.shape[1], edf),
            np.ones(y.shape[1], bool),
        )
        best = (score, found) if best is None else _better(best, score, found)
    assert best is not None
    return best[1]


def _better(
    best: tuple[ndarray, Fit], score: ndarray, found: Fit
) -> tuple[ndarray, Fit]:
    """Keep, unit by unit, the fit of lower score."""
    wins = score < best[0]
    merged = Fit(
        *(np.where(wins, new, old) for new, old in zip(found, best[1], strict=True))
    )
    return np.where(wins, score, best[0]), merged


def poisson_path(
    x: Float[ndarray, "rows columns"],
    y: Float[ndarray, "rows units"],
    free: Bool[ndarray, " columns"],
    penalties: Float[ndarray, " penalties"],
) -> Fit:
    """Poisson regression; each unit takes the penalty of least AIC.

    As `gaussian_path`; penalties go from large to small, each fit starting from the one
    before.
    """
    start, best = None, None
    for penalty in np.sort(penalties)[::-1]:
        found, deviance = poisson_fit(x, y, free, float(penalty), start=start)
        start = found.coef
        score = deviance + 2 * found.edf
        best = (score, found) if best is None else _better(best, score, found)
    assert best is not None
    return best[1]


def poisson_fit(
    x: Float[ndarray, "rows columns"],
    y: Float[ndarray, "rows units"],
    free: Bool[ndarray, " columns"],
    penalty: float,
    *,
    start: Float[ndarray, "columns units"] | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 50,
) -> tuple[Fit, Float[ndarray, " units"]]:
    """Fit all units at once by iteratively reweighted least squares.

    Maximizes ``sum(y eta - exp(eta)) - n penalty / 2 |coef|^2`` (the optimum of
    scikit-learn's PoissonRegressor at the same penalty). A step that does not lower the
    loss is halved; units that have arrived are left alone.

    Returns
    -------
    Fit, and the deviance of each unit
    """
    n, p = x.shape
    pull = np.where(free, 1e-10, penalty) * n
    counts = np.ascontiguousarray(y.T)
    coef = np.zeros((y.shape[1], p))
    coef[:, 0] = np.log(np.maximum(counts.mean(axis=1), LOWEST))
    if start is not None:
        coef = start.T.copy()
    products, where = _products(x)
    goal = counts @ x  # the part of the gradient and of the loss that stays
    rate = _rate(coef, x)
    loss = _penalized(rate, coef, goal, pull)
    active = np.ones(len(coef), bool)
    for _ in range(max_iterations):
        on = np.flatnonzero(active)
        at, held = coef[on], rate[on] if len(on) < len(coef) else rate
        hessian = _weighted(products, where, held, p) + np.diag(pull)
        gradient = goal[on] - held @ x - pull * at
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        coef[on], new, now = _line_search(x, goal[on], pull, at, held, loss[on], step)
        active[on] = loss[on] - now > tolerance * (np.abs(now) + 1.0)
        loss[on] = now
        if len(on) < len(coef):
            rate[on] = new
        else:
            rate = new
        if not active.any():
            break
    information = _weighted(products, where, rate, p)
    edf = np.trace(
        np.linalg.solve(information + np.diag(pull), information), axis1=1, axis2=2
    )
    deviance = poisson_loss(counts, rate).sum(axis=1)
    return Fit(coef.T.copy(), np.full(len(coef), penalty), edf, ~active), deviance


def _rate(coef: ndarray, x: ndarray) -> Float[ndarray, "units rows"]:
    eta = coef @ x.T
    np.clip(eta, -30.0, 30.0, out=eta)
    return np.exp(eta, out=eta)


def _line_search(
    x: ndarray,
    goal: ndarray,
    pull: ndarray,
    coef: ndarray,
    rate: ndarray,
    loss: ndarray,
    step: ndarray,
) -> tuple[ndarray, ndarray, ndarray]:
    """Take the step, halved for units whose loss it would not lower.

    Returns
    -------
    coefficients, rates and losses; those of before where no step helps
    """
    new = coef + step
    moved = _rate(new, x)
    now = _penalized(moved, new, goal, pull)
    size = 1.0
    for _ in range(12):
        bad = np.flatnonzero(~(now <= loss))
        if not len(bad):
            return new, moved, now
        size /= 2
        new[bad] = coef[bad] + size * step[bad]
        moved[bad] = _rate(new[bad], x)
        now[bad] = _penalized(moved[bad], new[bad], goal[bad], pull)
    bad = np.flatnonzero(~(now <= loss))
    new[bad], moved[bad], now[bad] = coef[bad], rate[bad], loss[bad]
    return new, moved, now


def _penalized(rate: ndarray, coef: ndarray, goal: ndarray, pull: ndarray) -> ndarray:
    """Negative log-likelihood with the penalty, by unit."""
    likelihood = rate.sum(axis=1) - (coef * goal).sum(axis=1)
    return likelihood + 0.5 * (pull * coef**2).sum(axis=1)


def _products(x: ndarray) -> tuple[ndarray | None, tuple[ndarray, ndarray]]:
    """Products of all pairs of columns; None where they would take too much memory."""
    where = np.triu_indices(x.shape[1])
    if len(x) * len(where[0]) > CHUNK * 4:
        return None, (x, where[0])
    return x[:, where[0]] * x[:, where[1]], where


def _weighted(
    products: ndarray | None, where: tuple[ndarray, ndarray], weight: ndarray, p: int
) -> Float[ndarray, "units columns columns"]:
    """Cross-products of the design, weighted by each unit's rate, (n_units, n_rows)."""
    i, j = np.triu_indices(p)
    if products is None:
        x = where[0]
        packed = np.zeros((len(weight), len(i)))
        step = max(1, CHUNK // len(i))
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            packed += weight[:, rows] @ (x[rows][:, i] * x[rows][:, j])
    else:
        packed = weight @ products
    out = np.empty((len(weight), p, p))
    out[:, i, j] = out[:, j, i] = packed
    return out


def residual_maker(
    z: Float[ndarray, "rows nuisances"],
) -> Float[ndarray, "rows rank"]:
    """Orthonormal columns that span the nuisances; ``a - q (q.T a)`` leaves them out."""
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    return u[:, s > 1e-10 * s[0]]


def partial_statistics(
    x: Float[ndarray, "rows columns"],
    q: Float[ndarray, "rows rank"],
    residual: Float[ndarray, "rows units"],
    scale: Float[ndarray, " units"],
) -> tuple[Float[ndarray, " units"], Float[ndarray, "columns units"]]:
    """How much of each unit's residual the target's columns explain beyond nuisances.

    Parameters
    ----------
    x : array of shape (n_rows, n_columns)
        Basis of the target.
    q : array of shape (n_rows, n_rank)
        Orthonormal basis of constant and nuisances; `residual` is orthogonal to it.
    residual : array of shape (n_rows, n_units)
        What the nuisances leave of activity.
    scale : array of shape (n_units,)
        Divides the explained sum of squares: the total sum of squares for a share, the
        rate for a score statistic.

    Returns
    -------
    statistic of shape (n_units,), and ``x.T @ residual``
    """
    cross = x.T @ residual
    inner = x.T @ q
    gram = x.T @ x - inner @ inner.T
    inverse = np.linalg.pinv(gram, rcond=1e-9, hermitian=True)
    explained = (cross * (inverse @ cross)).sum(axis=0)
    return explained / scale, cross


def score_statistics(
    x: Float[ndarray, "rows columns"],
    z: Float[ndarray, "rows nuisances"],
    residual: Float[ndarray, "rows units"],
    rate: Float[ndarray, "rows units"],
) -> Float[ndarray, " units"]:
    """Score test of the target's columns, each unit weighted by its own fitted rate.

    ``s' (x'Wx - x'Wz (z'Wz)^-1 z'Wx)^-1 s`` with ``s = x' residual``: unlike a common
    weight it keeps its distribution where nuisances change the rate and go with x.

    Parameters
    ----------
    x : array of shape (n_rows, n_columns)
        Basis of the target.
    z : array of shape (n_rows, n_nuisances)
        Nuisances, a constant among them, with which the rates were fitted.
    residual, rate : arrays of shape (n_rows, n_units)
        Counts minus fitted rate, and fitted rate.
    """
    p, k = x.shape[1], z.shape[1]
    both = np.column_stack([x, z])
    products, where = _products(both)
    information = _weighted(products, where, rate.T, p + k)
    ridge = 1e-9 * np.trace(information, axis1=1, axis2=2)[:, None, None]
    information = information + ridge * np.eye(p + k) / (p + k)
    cross, own = information[:, :p, p:], information[:, p:, p:]
    left = information[:, :p, :p] - cross @ np.linalg.solve(
        own, cross.transpose(0, 2, 1)
    )
    score = (x.T @ residual).T
    solved = np.linalg.solve(left, score[..., None])[..., 0]
    return (score * solved).sum(axis=1)
