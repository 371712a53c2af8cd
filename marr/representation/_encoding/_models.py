"""Maps from features to units that choose their strength inside the training folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from marr.errors import StatisticsError
from marr.representation._encoding._map_kernel import candidate_errors, predict_rest
from marr.representation._encoding._pls_kernel import (
    pls_errors,
    pls_predictions,
    pls_scores,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.representation._encoding._design import Design

__all__ = ["Fitted", "PlsMap", "RidgeMap", "mixtures_of"]


class Fitted(NamedTuple):
    """Held-out predictions of some columns.

    Attributes
    ----------
    deviation : tensor of shape (n_rows, n_columns)
        Prediction minus the mean of the training rows.
    base : tensor of shape (n_folds, n_columns)
        Mean of the training rows.
    choice : tensor of shape (n_folds, n_columns)
        Position of the chosen candidate (mixture and penalty; components).
    inner : tensor of shape (n_folds, n_columns)
        R² of the chosen candidate in the inner folds, NaN where none were run.
    """

    deviation: torch.Tensor
    base: torch.Tensor
    choice: torch.Tensor
    inner: torch.Tensor


@dataclass(frozen=True)
class RidgeMap:
    """Ridge regression, one penalty (and mixture of bands) for each column and fold.

    Attributes
    ----------
    design : Design
        Features; its training sets are those of `training_sets`.
    folds : tensor of shape (n_rows,)
        Fold of each row.
    pairs : list of (int, int)
        Folds left out together by the training sets after the first n_folds.
    penalties : tensor of shape (n_penalties,)
        Relative to the mean square of the features.
    mixtures : tuple of tuples of float
        Candidates of shares of the bands; ((),) for none.
    inner : bool
        Run inner folds even if there is nothing to choose.
    """

    design: Design
    folds: torch.Tensor
    pairs: list[tuple[int, int]]
    penalties: torch.Tensor
    mixtures: tuple[tuple[float, ...], ...] = ((),)
    inner: bool = False

    joint = False

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def fit(self, y: torch.Tensor) -> Fitted:
        """Predict columns of shape (n_rows, n_columns), each row from the other folds."""
        k, c = self.n_folds, y.shape[1]
        mean = y.mean(dim=0)
        y = y - mean  # large means would cost digits
        choice, inner = self._choose(y)
        deviation = torch.zeros_like(y)
        base = torch.stack([y[self.folds != f].mean(dim=0) for f in range(k)]) + mean
        n_penalties = len(self.penalties)
        for m, mixture in enumerate(self.mixtures):
            for f in range(k):
                mine = choice[f] // n_penalties == m
                if not bool(mine.any()):
                    continue
                train = self.folds != f
                basis = self.design.basis(f, mixture)
                scaled = self.penalties[choice[f] % n_penalties]
                if bool(mine.all()):
                    deviation[~train] = predict_rest(basis, y[train], scaled)
                    continue
                (at,) = torch.nonzero(mine, as_tuple=True)
                found = predict_rest(basis, y[train][:, at], scaled[at])
                rows = torch.nonzero(~train)
                deviation[rows, at] = found
        return Fitted(deviation, base, choice, inner.reshape(k, c))

    def _choose(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the candidate of each fold and column, and its inner R²."""
        k, c = self.n_folds, y.shape[1]
        choice = torch.zeros((k, c), dtype=torch.long, device=y.device)
        several = len(self.penalties) * len(self.mixtures) > 1
        if not (several or self.inner):
            return choice, y.new_full((k, c), torch.nan)
        if not self.pairs:
            raise StatisticsError(NO_INNER)
        best = y.new_full((k, c), torch.inf)
        plain = y.new_zeros((k, c))
        n = len(self.penalties)
        for m, mixture in enumerate(self.mixtures):
            error = y.new_zeros((k, n + 1, c))
            for i, (f, g) in enumerate(self.pairs):
                train = (self.folds != f) & (self.folds != g)
                second = self.folds[~train] == g
                basis = self.design.basis(k + i, mixture)
                found = candidate_errors(basis, y, train, second, self.penalties)
                error[g] += found[0]  # rows of fold f, without g as well
                error[f] += found[1]
            value, at = error[:, :-1].min(dim=1)
            better = value < best * (1.0 - TIE)
            choice = torch.where(better, at + m * n, choice)
            best = torch.where(better, value, best)
            plain = error[:, -1]
        return choice, 1.0 - best / plain

    def band_deviations(self, y: torch.Tensor, fitted: Fitted) -> list[torch.Tensor]:
        """Return what each band adds to the predictions, which are their sum."""
        n, n_bands = len(self.penalties), len(self.design.names)
        out = [torch.zeros_like(y) for _ in range(n_bands)]
        for m, mixture in enumerate(self.mixtures):
            for f in range(self.n_folds):
                (at,) = torch.nonzero(fitted.choice[f] // n == m, as_tuple=True)
                if not len(at):
                    continue
                train = self.folds != f
                basis = self.design.basis(f, mixture)
                inside = y[train][:, at]
                z = basis.left.mT @ (inside - inside.mean(dim=0))
                penalty = self.penalties[fitted.choice[f, at] % n]
                dual = z / (basis.values[:, None] + penalty)
                rows = torch.nonzero(~train)
                for band, right in enumerate(self.design.band_rights(f, mixture)):
                    out[band][rows, at] = right @ dual
        return out

    def strength(self, choice: torch.Tensor) -> npt.NDArray[np.float64]:
        """Return the chosen penalties."""
        found = self.penalties[choice % len(self.penalties)]
        return np.asarray(found.numpy(force=True))

    def shares(self, choice: torch.Tensor) -> npt.NDArray[np.float64]:
        """Return the chosen shares of the bands, shape (*choice.shape, n_bands)."""
        table = np.array(self.mixtures, dtype=float)
        return np.asarray(table[(choice // len(self.penalties)).numpy(force=True)])


TIE = 1e-9
"""A later mixture must be better by more than this share of the error."""
NO_INNER = (
    "choosing a penalty (or components, or a site) inside the training folds needs at "
    "least three folds. Use more groups or rows, or give one: penalties=[1.0], or "
    "n_components=5 for 'pls'."
)
"""Refusal where inner folds cannot be made."""


@dataclass(frozen=True)
class PlsMap:
    """Partial least squares of all columns together.

    Attributes
    ----------
    design, folds, pairs
        As in `RidgeMap`.
    n_components : int
        Components, at most.
    chosen : bool
        Choose their number for each column in the inner folds.
    inner : bool
        Run inner folds even if there is nothing to choose.
    """

    design: Design
    folds: torch.Tensor
    pairs: list[tuple[int, int]]
    n_components: int
    chosen: bool
    inner: bool = False

    joint = True

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    def fit(self, y: torch.Tensor) -> Fitted:
        """Predict columns of shape (n_rows, n_columns), each row from the other folds."""
        values, folds = y.numpy(force=True), self.folds.numpy(force=True)
        k, c, most = self.n_folds, y.shape[1], self.n_components
        number = np.full((k, c), most)
        inner = np.full((k, c), np.nan)
        if self.chosen or self.inner:
            errors = self._inner_errors(values, folds)
            if self.chosen:
                number = 1 + errors[:, 1:].argmin(axis=1)
            picked = np.take_along_axis(errors, number[:, None], axis=1)[:, 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                inner = 1.0 - picked / errors[:, 0]
        deviation = np.zeros_like(values)
        base = np.stack([values[folds != f].mean(axis=0) for f in range(k)])
        for f in range(k):
            train = folds != f
            gram = self.design.gram_of(f)
            scores = pls_scores(gram, train, values[train], most)
            deviation[~train] = pls_predictions(scores, values[train], number[f])
        arrays = (deviation, base, number - 1, inner)
        return Fitted(*(torch.from_numpy(np.ascontiguousarray(v)) for v in arrays))

    def _inner_errors(
        self, values: npt.NDArray[np.float64], folds: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Return squared inner errors of shape (n_folds, 1 + n_components, n_columns)."""
        if not self.pairs:
            raise StatisticsError(NO_INNER)
        k = self.n_folds
        errors = np.zeros((k, self.n_components + 1, values.shape[1]))
        for i, (f, g) in enumerate(self.pairs):
            train = (folds != f) & (folds != g)
            gram = self.design.gram_of(k + i)
            scores = pls_scores(gram, train, values[train], self.n_components)
            second = folds[~train] == g
            found = pls_errors(
                scores, values[train], values[~train], second, self.n_components
            )
            errors[g] += found[0]
            errors[f] += found[1]
        return errors

    def strength(self, choice: torch.Tensor) -> npt.NDArray[np.float64]:
        """Return the chosen numbers of components."""
        return np.asarray(choice.numpy(force=True) + 1.0)


def mixtures_of(
    n_bands: int, *, n_mixtures: int, seed: int
) -> tuple[tuple[float, ...], ...]:
    """Return candidate shares of bands.

    Two bands get an even grid on the log ratio, with both ends (a band left out). More
    get the corners, the edges' middles, the center, and draws from Dirichlet
    distributions of concentration 1 and 0.1 in turn (Dupré la Tour et al., 2022).
    """
    if n_bands == 1:
        return ((1.0,),)
    if n_bands == 2:
        inside = max(1, n_mixtures - 2)
        ratio = np.logspace(-3, 3, inside) if inside > 1 else np.ones(1)
        ratio = ratio[
            np.argsort(np.abs(np.log(ratio)), kind="stable")
        ]  # even ones first
        shares = [*((r / (1 + r), 1 / (1 + r)) for r in ratio), (0.0, 1.0), (1.0, 0.0)]
        return tuple((float(a), float(b)) for a, b in shares)
    eye = np.eye(n_bands)
    edges = [(eye[i] + eye[j]) / 2 for i in range(n_bands) for j in range(i)]
    fixed = [np.full(n_bands, 1 / n_bands), *eye, *edges][:n_mixtures]
    rng = np.random.default_rng(seed)
    drawn = [
        rng.dirichlet(np.full(n_bands, (1.0, 0.1)[i % 2]))
        for i in range(n_mixtures - len(fixed))
    ]
    cut = [np.where(m < 1e-6, 0.0, m) for m in (*fixed, *drawn)]
    return tuple(tuple(float(v) for v in m / m.sum()) for m in cut)
