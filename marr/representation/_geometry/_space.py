"""Held-out answers about conditions for many draws: labels, weights or centroids change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from marr.representation._geometry import _dichotomy_kernel as kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["Fold", "Products", "Space", "make_space"]

Array = "npt.NDArray[np.float64]"
CHUNK = 3_000_000
"""Numbers held at once."""


class Products(NamedTuple):
    """What a fold knows of its draws.

    Attributes
    ----------
    products : array of shape (n_draws, n_test, n_conditions)
        Inner products of the held-out rows with the means, whitened by noise.
    gram : array of shape (n_draws, n_conditions, n_conditions)
        Those of the means.
    codes : int array of shape (n_draws, n_test)
    weights : array of shape (n_draws, n_test) or None
    """

    products: npt.NDArray[np.float64]
    gram: npt.NDArray[np.float64]
    codes: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64] | None


@dataclass(frozen=True)
class Fold:
    """Rows of a site as one fold sees them.

    Attributes
    ----------
    test : bool array of shape (n_rows,)
    z : array of shape (n_rows, r)
        Whitened by all variance of the training rows.
    center : array of shape (r,)
    root : array of shape (r, r)
        Lower factor of the covariance that conditions leave.
    weight : float
        Share of one row in the covariance behind `z`.
    mix : float
        Share of the identity in it.
    """

    test: npt.NDArray[np.bool_]
    z: npt.NDArray[np.float64]
    center: npt.NDArray[np.float64]
    root: npt.NDArray[np.float64]
    weight: float
    mix: float


@dataclass(frozen=True)
class Space:
    """A site: rows by coordinates, their conditions, and the folds."""

    x: npt.NDArray[np.float64]
    codes: npt.NDArray[np.intp]
    n_conditions: int
    folds: tuple[Fold, ...]

    def chunks(self, n_draws: int, width: int) -> Iterator[slice]:
        """Yield parts of the draws that fit in memory, `width` numbers a row each."""
        step = max(1, CHUNK // max(1, len(self.x) * width))
        for start in range(0, n_draws, step):
            yield slice(start, min(start + step, n_draws))

    def relabeled(self, fold: Fold, codes: npt.NDArray[np.intp]) -> Products:
        """Return products under other labels, codes of shape (n_draws, n_rows)."""
        train = ~fold.test
        means, count = kernel.draw_means(
            fold.z[train], codes[:, train], None, self.n_conditions
        )
        products, gram = kernel.whiten_within(
            fold.z[fold.test] @ means.mT, means @ means.mT, count, fold.weight
        )
        return Products(products, gram, codes[:, fold.test], None)

    def reweighted(self, fold: Fold, weights: npt.NDArray[np.float64]) -> Products:
        """Return products under weights of the rows, of shape (n_draws, n_rows).

        Means and noise covariance are those of the weighted training rows: with the
        noise of the data kept, intervals would be too narrow where codes are strong.
        """
        train, k = ~fold.test, self.n_conditions
        x, seen = self.x[train] - fold.center, self.x[fold.test] - fold.center
        codes = self.codes[train]
        products = np.empty((len(weights), len(seen), k))
        gram = np.empty((len(weights), k, k))
        for i, weight in enumerate(weights[:, train]):
            means, _ = kernel.draw_means(x, codes[None], weight[None], k)
            inverse = cho_solve(
                (kernel.noise_root(x, codes, means[0], weight, fold.mix), True),
                means[0].T,
            )
            products[i], gram[i] = seen @ inverse, means[0] @ inverse
        many = np.broadcast_to(self.codes[fold.test], (len(weights), len(seen)))
        return Products(products, gram, many, weights[:, fold.test])

    def moved(self, fold: Fold, centroids: npt.NDArray[np.float64]) -> Products:
        """Return products with condition means put elsewhere; noise stays.

        `centroids` has shape (n_draws, n_conditions, r).
        """
        means, _ = kernel.draw_means(self.x, self.codes[None], None, self.n_conditions)
        noise = _whiten(fold.root, self.x - means[0][self.codes])
        train = ~fold.test
        shift, _ = kernel.draw_means(
            noise[train], self.codes[None, train], None, self.n_conditions
        )
        shape = centroids.shape
        flat = _whiten(fold.root, centroids.reshape(-1, shape[-1]) - fold.center)
        at = flat.reshape(shape)
        trained = at + shift
        codes = self.codes[fold.test]
        products = (at @ trained.mT)[:, codes] + noise[fold.test] @ trained.mT
        many = np.broadcast_to(codes, (len(at), len(codes)))
        return Products(products, trained @ trained.mT, many, None)

    def centroids(
        self, n_draws: int, rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Draw condition means in random directions, as far from the middle as they are.

        Length is measured in units of noise, so that conditions stay as discriminable
        from the middle as they are, while their arrangement is random.
        """
        means, _ = kernel.draw_means(self.x, self.codes[None], None, self.n_conditions)
        _, mix = kernel.shrunk_covariance(self.x)
        even = np.ones(len(self.x))
        root = kernel.noise_root(self.x, self.codes, means[0], even, mix)
        middle = means[0].mean(axis=0)
        length = np.sqrt((_whiten(root, means[0] - middle) ** 2).sum(axis=1))
        drawn = rng.normal(size=(n_draws, self.n_conditions, self.x.shape[1]))
        drawn -= drawn.mean(axis=1, keepdims=True)  # directions from a common middle
        drawn *= (length / np.sqrt((drawn**2).sum(axis=-1)))[..., None]
        return drawn @ root.T + middle


def make_space(
    x: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    fold: npt.NDArray[np.intp],
    n_conditions: int,
) -> Space:
    """Standardize units, reduce to the span of the rows, whiten by each fold.

    Parameters
    ----------
    x : array of shape (n_rows, n_units)
        Units that vary.
    codes : int array of shape (n_rows,)
        Condition of each row.
    fold : int array of shape (n_rows,)
        Fold of each row.
    n_conditions : int
        Number of conditions.
    """
    x = kernel.span_coordinates((x - x.mean(axis=0)) / x.std(axis=0))
    folds = []
    for f in range(int(fold.max()) + 1):
        test = fold == f
        center = x[~test].mean(axis=0)
        seen = x[~test] - center
        covariance, mix = kernel.shrunk_covariance(seen)
        z = _whiten(np.linalg.cholesky(covariance), x - center)
        even = np.ones(len(seen))
        means, _ = kernel.draw_means(seen, codes[None, ~test], None, n_conditions)
        root = kernel.noise_root(seen, codes[~test], means[0], even, mix)
        folds.append(Fold(test, z, center, root, (1 - mix) / len(seen), mix))
    return Space(x, codes, n_conditions, tuple(folds))


def _whiten(
    root: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.ascontiguousarray(solve_triangular(root, rows.T, lower=True).T)
