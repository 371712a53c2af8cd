"""Held-out variance of units by variable: what falls when a variable is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.representation._units._curve_kernel import bin_sums
from marr.representation._units._glm_kernel import gaussian_path
from marr.representation._units._mixed_kernel import lasso, lasso_penalties
from marr.representation._units._partial import with_one

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._units._coding import Coding

    FloatArray = npt.NDArray[np.float64]

__all__ = ["INTERACTION", "METHODS", "Explained", "explained_by_variable"]

INTERACTION = "interaction"
PENALTIES = (1e-8, 1e-4, 1e-2, 1e-1, 1.0)
N_LASSO = 30
METHODS = {
    "drop": "each variable is left out and the model is fitted anew",
    "lasso": "the variable's coefficients in a lasso are set to zero",
}
"""How the share of a variable is found."""


@dataclass(frozen=True)
class Explained:
    """Held-out squared errors, summed by what the bootstrap resamples.

    Attributes
    ----------
    losses : dict of str to array of shape (n_resampled, n_units)
        "mean", "main" (all variables), "all" (with interactions) and, for each
        variable, the error without it.
    """

    losses: dict[str, FloatArray]

    def shares(self, weights: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return total share, share of each variable and of their interaction.

        With `weights` of shape (n_draws, n_resampled) for each draw.
        """
        found = {
            k: v.sum(axis=0) if weights is None else weights @ v
            for k, v in self.losses.items()
        }
        total = np.where(found["mean"] > 0, found["mean"], 1.0)
        fixed = ("mean", "main", "all")
        out = {"total": (found["mean"] - found["all"]) / total}
        for name in (k for k in found if k not in fixed):
            out[name] = (found[name] - found["main"]) / total
        out[INTERACTION] = (found["main"] - found["all"]) / total
        return {k: np.where(found["mean"] > 0, v, 0.0) for k, v in out.items()}

    def noise(self) -> FloatArray:
        """Share of variance that the variables leave, interactions counted as noise."""
        total = self.losses["mean"].sum(axis=0)
        left = self.losses["main"].sum(axis=0)
        return np.where(total > 0, left / np.where(total > 0, total, 1.0), 1.0)


def explained_by_variable(
    coding: Coding,
    folds: list[npt.NDArray[np.intp]],
    resampled: npt.NDArray[np.intp],
    *,
    method: str,
    keep: npt.NDArray[np.bool_] | None = None,
) -> Explained | None:
    """Score all variables, all but one, and their interactions on held-out rows.

    Parameters
    ----------
    coding : Coding
        Variables and activity.
    folds : list of int array of shape (n_rows,)
        Assignments to folds; more than one repeats the cross-validation.
    resampled : int array of shape (n_rows,)
        What each row is resampled with.
    method : {"drop", "lasso"}
        See `METHODS`.
    keep : bool array of shape (n_rows,), optional
        Rows that take part.

    Returns
    -------
    Explained, or None where the rows fill fewer than two folds
    """
    y = coding.rows.x
    names = list(coding.blocks)
    parts = [coding.columns(n) for n in names]
    parts.append(np.asarray(coding.rows.pick(coding.products())))
    spread = parts[-1].std(axis=0)
    parts[-1] = parts[-1][:, spread > 1e-12] / spread[spread > 1e-12]
    x = np.concatenate(parts, axis=1)
    owner = np.repeat(np.arange(len(parts)), [p.shape[1] for p in parts])
    use = np.ones(len(y), bool) if keep is None else keep
    n_resampled = int(resampled.max()) + 1
    losses = {
        k: np.zeros((n_resampled, y.shape[1])) for k in ("mean", "main", "all", *names)
    }
    score = _drop if method == "drop" else _lasso
    for fold in folds:
        present = [k for k in np.unique(fold[use]) if (use & (fold != k)).sum() > 3]
        if len(present) < 2:
            return None
        for k in present:
            train, test = use & (fold != k), use & (fold == k)
            held, group = y[test], resampled[test]
            level = y[train].mean(axis=0)
            losses["mean"] += bin_sums(group, (held - level) ** 2, n_resampled)
            for name, mean in score(x, y, owner, names, train, test).items():
                losses[name] += bin_sums(group, (held - mean) ** 2, n_resampled)
    return Explained(losses)


def _without(owner: npt.NDArray[np.intp], n: int) -> list[npt.NDArray[np.bool_]]:
    """Return the columns of the models: main, all, and main without each variable."""
    main = owner < n
    return [main, np.ones_like(main), *(main & (owner != i) for i in range(n))]


def _drop(
    x: FloatArray,
    y: FloatArray,
    owner: npt.NDArray[np.intp],
    names: list[str],
    train: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
) -> dict[str, FloatArray]:
    out = {}
    penalties = np.asarray(PENALTIES)
    for name, columns in zip(
        ("main", "all", *names), _without(owner, len(names)), strict=True
    ):
        free = np.zeros(int(columns.sum()) + 1, bool)
        free[0] = True
        fit = gaussian_path(with_one(x[train][:, columns]), y[train], free, penalties)
        out[name] = with_one(x[test][:, columns]) @ fit.coef
    return out


def _lasso(
    x: FloatArray,
    y: FloatArray,
    owner: npt.NDArray[np.intp],
    names: list[str],
    train: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
) -> dict[str, FloatArray]:
    """Fit one lasso a unit; a variable's share is lost by zeroing its coefficients."""
    out = {}
    main, every, *without = _without(owner, len(names))
    center, level = x[train].mean(axis=0), y[train].mean(axis=0)
    for name, columns in (("main", main), ("all", every)):
        coef = lasso_cv(x[train][:, columns] - center[columns], y[train] - level)
        held = x[test][:, columns] - center[columns]
        out[name] = level + held @ coef
        if name == "main":
            for variable, kept in zip(names, without, strict=True):
                inside = kept[columns]
                out[variable] = level + held[:, inside] @ coef[inside]
    return out


def lasso_cv(
    x: FloatArray, y: FloatArray, *, n_folds: int = 5, n_penalties: int = N_LASSO
) -> FloatArray:
    """Fit a lasso to centered rows, the penalty of each unit by folds of neighbors.

    Returns
    -------
    array of shape (n_columns, n_units)
    """
    n = len(x)
    penalties = lasso_penalties(x.T @ y / n, n_penalties)
    inner = np.arange(n) * n_folds // n
    error = np.zeros_like(penalties)
    for k in range(min(n_folds, n)):
        a, b = inner != k, inner == k
        mx, my = x[a].mean(axis=0), y[a].mean(axis=0)
        path = _path(x[a] - mx, y[a] - my, penalties)
        error += _errors(x[b] - mx, y[b] - my, path)
    best = error.argmin(axis=0)
    chosen = penalties[best, np.arange(y.shape[1])]
    return np.asarray(lasso(x.T @ x / n, x.T @ y / n, chosen))


def _path(x: FloatArray, y: FloatArray, penalties: FloatArray) -> FloatArray:
    """Return the coefficients of all penalties, (n_penalties, n_columns, n_units)."""
    gram, cross = x.T @ x / len(x), x.T @ y / len(x)
    every = lasso(gram, np.tile(cross, (1, len(penalties))), penalties.ravel())
    split = every.reshape(len(cross), len(penalties), y.shape[1])
    return np.asarray(split.transpose(1, 0, 2))


def _errors(x: FloatArray, y: FloatArray, path: FloatArray) -> FloatArray:
    return np.stack([((y - x @ w) ** 2).sum(axis=0) for w in path])
