"""How measures are computed for many systems, and for many orders of rows, at once.

An engine prepares each system once and compares prepared systems. `order` says which row
of b stands beside each row of a; shuffles hand in another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.representation._alignment import _factor_kernel as factors
from marr.representation._alignment import _gram_kernel as grams
from marr.representation._alignment._predict_kernel import fold_fits, held_out_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from marr.representation._alignment._sample import Sample

__all__ = ["Engine", "FactorEngine", "LinearKernel", "Matrices", "Pairs", "Predict"]

Values = Any
MEMORY = 1_000_000_000
"""Bytes that inner products of all systems may take before unit products are used."""


class Engine(ABC):
    """Prepares systems and compares them."""

    @abstractmethod
    def prepare(self, sample: Sample) -> Any:
        """Return what a comparison needs of one system."""

    @abstractmethod
    def compare(
        self,
        a: Sequence[Any],
        b: Sequence[Any],
        order: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return values of shape (len(a), len(b)), rows of b in the given order."""

    def shuffled(
        self, a: Sequence[Any], b: Sequence[Any], orders: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Return values of shape (n_orders, len(a), len(b))."""
        return np.stack([self.compare(a, b, order) for order in orders])


class Matrices(Engine):
    """Systems as n x n matrices of length one; the value is their inner product."""

    def __init__(
        self,
        embed: Callable[[Sample], npt.NDArray[np.float64]],
        link: Callable[[Values], Values] | None = None,
    ) -> None:
        self.embed, self.link = embed, link

    def prepare(self, sample: Sample) -> npt.NDArray[np.float64]:
        """Return the matrix."""
        return self.embed(sample)

    def compare(
        self,
        a: Sequence[Any],
        b: Sequence[Any],
        order: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return inner products, by one matrix product."""
        return self._values(np.stack(a), np.stack(b), order)

    def shuffled(
        self, a: Sequence[Any], b: Sequence[Any], orders: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Permute the matrices of b."""
        x, y = np.stack(a), np.stack(b)
        return np.stack([self._values(x, y, order) for order in orders])

    def _values(
        self, x: Values, y: Values, order: npt.NDArray[np.intp] | None
    ) -> npt.NDArray[np.float64]:
        y = y if order is None else grams.permuted(y, order)
        found = grams.inner_products(x, np.ascontiguousarray(y))
        return found if self.link is None else self.link(found)


class LinearKernel(Engine):
    """CKA of the linear kernel, by inner products of rows or of units.

    With u the squared lengths of centered rows, the unbiased HSIC is, up to a factor,
    ``|X'Y|^2 - n/(n - 2) u.v + sum(u) sum(v) / ((n - 1)(n - 2))``.
    """

    def __init__(
        self, *, debiased: bool, link: Callable[[Values], Values] | None = None
    ) -> None:
        self.debiased, self.link = debiased, link

    def prepare(self, sample: Sample) -> tuple[Sample, Any]:
        """Return the sample and the squared lengths of its rows."""
        if sample.raw is None:
            return sample, np.diag(sample.gram).copy()
        x = sample.raw - sample.raw.mean(axis=0)
        return sample, np.einsum("ij,ij->i", x, x)

    def compare(
        self,
        a: Sequence[Any],
        b: Sequence[Any],
        order: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return values, whichever way is cheaper."""
        orders = None if order is None else order[None]
        return self._all(a, b, orders)[0]

    def shuffled(
        self, a: Sequence[Any], b: Sequence[Any], orders: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Permute rows; lengths of both sides stay."""
        return self._all(a, b, orders)

    def _all(
        self, a: Sequence[Any], b: Sequence[Any], orders: npt.NDArray[np.intp] | None
    ) -> npt.NDArray[np.float64]:
        u = np.stack([length for _, length in a])
        v = np.stack([length for _, length in b])
        by_rows = self._by_rows(a, b)
        x: Any
        y: Any
        if by_rows:
            x = _grams(a)
            y = x if b is a else _grams(b)
            own_x, own_y = (np.einsum("kij,kij->k", k, k) for k in (x, y))
        else:
            x, y = ([s.raw - s.raw.mean(axis=0) for s, _ in side] for side in (a, b))
            own_x, own_y = ([_square(k, k) for k in side] for side in (x, y))
        size = np.sqrt(np.outer(self._own(own_x, u), self._own(own_y, v)))
        out = []
        for order in [None] if orders is None else orders:
            if by_rows:
                moved = y if order is None else grams.permuted(y, order)
                cross = grams.inner_products(x, np.ascontiguousarray(moved))
            else:
                cross = np.array([[_square(k, _moved(m, order)) for m in y] for k in x])
            out.append(self._hsic(cross, u, _moved(v.T, order).T) / size)
        found = np.stack(out)
        return found if self.link is None else self.link(found)

    def _by_rows(self, a: Sequence[Any], b: Sequence[Any]) -> bool:
        """Choose inner products of rows unless those of units cost less."""
        if any(s.raw is None or s.raw.shape[1] >= len(s) for s, _ in (*a, *b)):
            return True
        n, k = len(a[0][0]), len(a) + len(b)
        widths = [[s.raw.shape[1] for s, _ in side] for side in (a, b)]
        units = n * float(np.sum(widths[0])) * float(np.sum(widths[1]))
        rows = n * n * (float(np.sum(widths[0]) + np.sum(widths[1])) + len(a) * len(b))
        return rows <= units and k * n * n * 8 <= MEMORY

    def _hsic(self, cross: Values, u: Values, v: Values) -> npt.NDArray[np.float64]:
        if not self.debiased:
            return np.asarray(cross)
        n = u.shape[1]
        total = np.outer(u.sum(axis=1), v.sum(axis=1)) / ((n - 1) * (n - 2))
        return np.asarray(cross - n / (n - 2) * (u @ v.T) + total)

    def _own(self, own: Values, u: Values) -> npt.NDArray[np.float64]:
        out = np.asarray(own, dtype=float)
        if self.debiased:
            n = u.shape[1]
            out = out - n / (n - 2) * (u**2).sum(axis=1)
            out = out + u.sum(axis=1) ** 2 / ((n - 1) * (n - 2))
        return np.where(out > 0, out, np.nan)


def _grams(side: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return the inner products of all samples in one array, which they keep."""
    n = len(side[0][0])
    out = np.empty((len(side), n, n))
    for place, (sample, _) in zip(out, side, strict=True):
        sample.gram_into(place)
    return out


def _square(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    return float(((x.T @ y) ** 2).sum())


def _moved(x: Values, order: npt.NDArray[np.intp] | None) -> Values:
    return x if order is None else x[order]


class FactorEngine(Engine):
    """Systems as coordinates; the value comes from a nuclear norm.

    `finish(norm, size_a, size_b, rank_a, rank_b)` gets Frobenius norms and dimensions.
    """

    def __init__(
        self,
        coordinates: Callable[[Sample], npt.NDArray[np.float64]],
        finish: Callable[[float, float, float, int, int], float],
    ) -> None:
        self.coordinates, self.finish = coordinates, finish

    def prepare(self, sample: Sample) -> tuple[npt.NDArray[np.float64], float]:
        """Return coordinates and their norm."""
        found = self.coordinates(sample)
        return found, float(np.linalg.norm(found))

    def compare(
        self,
        a: Sequence[Any],
        b: Sequence[Any],
        order: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return one singular value problem a pair; singular vectors are not needed."""
        out = np.empty((len(a), len(b)))
        ends = np.cumsum([y.shape[1] for y, _ in b])
        every = _moved(np.concatenate([y for y, _ in b], axis=1), order)
        for i, (x, size_x) in enumerate(a):
            products = np.split(x.T @ every, ends[:-1], axis=1)
            for j, (product, (y, size_y)) in enumerate(zip(products, b, strict=True)):
                norm = factors.nuclear_norm(product)
                out[i, j] = self.finish(norm, size_x, size_y, x.shape[1], y.shape[1])
        return out


class Pairs(Engine):
    """Anything else: `value(prepared_a, prepared_b, order)`, pair by pair."""

    def __init__(
        self, ready: Callable[[Sample], Any], value: Callable[[Any, Any, Any], float]
    ) -> None:
        self.ready, self.value = ready, value

    def prepare(self, sample: Sample) -> Any:
        """Return what the function needs."""
        return self.ready(sample)

    def compare(
        self,
        a: Sequence[Any],
        b: Sequence[Any],
        order: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return one value a pair."""
        return np.array([[self.value(x, y, order) for y in b] for x in a])


class Predict(Engine):
    """Held-out predictions of units; shuffles are further targets."""

    def __init__(self, *, score: str, reverse: bool) -> None:
        self.score, self.reverse = score, reverse

    def prepare(self, sample: Sample) -> tuple[Any, npt.NDArray[np.float64]]:
        """Return the decomposed training rows and the units as targets."""
        y = sample.units
        varies = np.ptp(y, axis=0) > 0
        return fold_fits(sample.rows, sample.fold), y[:, varies]

    def compare(
        self,
        a: Sequence[Any],
        b: Sequence[Any],
        order: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return the median over predicted units."""
        n = len(a[0][1])
        orders = np.arange(n)[None] if order is None else order[None]
        return self.shuffled(a, b, orders)[0]

    def shuffled(
        self, a: Sequence[Any], b: Sequence[Any], orders: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Predict all shuffles of the units in a few matrix products."""
        if self.reverse:  # a moves instead, the other way round
            back = np.argsort(orders, axis=1)
            return self._all(b, a, back).transpose(0, 2, 1)
        return self._all(a, b, orders)

    def _all(
        self, source: Sequence[Any], target: Sequence[Any], orders: Any
    ) -> npt.NDArray[np.float64]:
        out = np.empty((len(orders), len(source), len(target)))
        for j, (_, y) in enumerate(target):
            step = max(1, 2_000_000 // max(y.size, 1))
            for start in range(0, len(orders), step):
                part = orders[start : start + step]
                moved = y[part].transpose(1, 0, 2).reshape(len(y), -1)
                for i, (fits, _) in enumerate(source):
                    scores = held_out_scores(fits, moved, self.score)
                    out[start : start + step, i, j] = np.median(
                        scores.reshape(len(part), -1), axis=1
                    )
        return out
