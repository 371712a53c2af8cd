"""Representation topology divergence: how long the connections of two systems disagree.

Rows are points in both systems; w and v are their distances over the 0.9 quantile. The
complex of min(w, v) has every connection of either system; relative to the complex of w
it holds what only the other one connects. The divergence is the summed length of the
one-dimensional bars of that pair (Barannikov et al. 2022), averaged over directions. It
equals the H1 bars of the Vietoris-Rips complex of their auxiliary graph of 2n points, but
is computed on n points: an edge enters at min(w, v); triangles, and at w the edge itself,
close it. Reduction is cohomological, over the two-element field.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse.csgraph import minimum_spanning_tree

__all__ = ["divergence", "lite_divergence", "scaled_distances"]

Square = Float[ndarray, "rows rows"]


def scaled_distances(squared: Square, quantile: float) -> Square:
    """Distances over their quantile (the zeros of the diagonal counted, as published)."""
    distances = np.sqrt(squared)
    return distances / max(float(np.quantile(distances, quantile)), 1e-300)


def divergence(w: Square, v: Square) -> float:
    """Mean over both directions of the summed bars of one system in both."""
    both = np.minimum(w, v)
    return (_bars(both, w) + _bars(both, v)) / 2


def lite_divergence(w: Square, v: Square) -> float:
    """How much longer the spanning trees are than that of min(w, v), averaged.

    What the zero-dimensional part of the divergence amounts to (RTD-lite, Tulchinskii et
    al. 2025); never more than the divergence, and cheap.
    """
    both = _tree(np.minimum(w, v))
    return (_tree(w) - both + _tree(v) - both) / 2


def _tree(distances: ndarray) -> float:
    """Length of the shortest tree; distances of 0 are kept as edges."""
    tiny = 1e-12 * max(float(distances.max()), 1e-300)
    shifted = distances + tiny
    np.fill_diagonal(shifted, 0.0)
    return float(minimum_spanning_tree(shifted).sum()) - tiny * (len(distances) - 1)


class _Complex:
    """Triangles of a filtered complex as sortable keys, with their edges."""

    def __init__(self, enter: ndarray, close: ndarray) -> None:
        n = len(enter)
        self.n = n
        self.i, self.j = np.triu_indices(n, k=1)
        self.edge = np.zeros((n, n), np.int64)
        self.edge[self.i, self.j] = self.edge[self.j, self.i] = np.arange(len(self.i))
        both = np.concatenate([enter[self.i, self.j], close[self.i, self.j]])
        self.times, rank = np.unique(both, return_inverse=True)
        self.enter, self.close = rank[: len(self.i)], rank[len(self.i) :]
        self.rank = np.zeros((n, n), np.int64)
        self.rank[self.i, self.j] = self.rank[self.j, self.i] = self.enter
        self.size = len(self.i) + n**3

    def cofaces(self, edges: ndarray) -> ndarray:
        """Keys (time, then identity) of what closes each edge, shape (m, n - 1).

        The cone over the edge comes first among things of equal time.
        """
        i, j = self.i[edges], self.j[edges]
        third = np.arange(self.n)
        time = np.maximum(
            np.maximum(self.rank[i], self.rank[j]), self.enter[edges][:, None]
        )
        low, high = np.minimum(i, j)[:, None], np.maximum(i, j)[:, None]
        a, c = np.minimum(low, third), np.maximum(high, third)
        b = low + high + third - a - c
        keys = time * self.size + len(self.i) + (a * self.n + b) * self.n + c
        other = (third != i[:, None]) & (third != j[:, None])
        cone = self.close[edges] * self.size + edges
        return np.column_stack([cone, keys[other].reshape(len(edges), self.n - 2)])

    def last_edge(self, keys: ndarray) -> ndarray:
        """Edge of each triangle that enters last (the edge itself for a cone)."""
        identity = keys % self.size
        is_cone = identity < len(self.i)
        code = np.where(is_cone, 0, identity - len(self.i))
        c, rest = code % self.n, code // self.n
        b, a = rest % self.n, rest // self.n
        edges = np.stack([self.edge[a, b], self.edge[a, c], self.edge[b, c]])
        order = self.enter[edges] * len(self.i) + edges
        last = np.take_along_axis(edges, order.argmax(axis=0)[None], axis=0)[0]
        return np.where(is_cone, np.where(is_cone, identity, 0), last)


def _bars(enter: ndarray, close: ndarray) -> float:
    """Sum the lengths of bars: edges open them, cones and triangles end them."""
    cells = _Complex(enter, close)
    n_edges = len(cells.i)
    first = np.empty(n_edges, np.int64)
    step = max(1, 4_000_000 // cells.n)
    for start in range(0, n_edges, step):
        part = np.arange(start, min(start + step, n_edges))
        first[part] = cells.cofaces(part).min(axis=1)
    simple = cells.last_edge(first) == np.arange(n_edges)
    owner = dict(
        zip(first[simple].tolist(), np.flatnonzero(simple).tolist(), strict=True)
    )
    reduced: dict[int, ndarray] = {}
    end = first.copy()
    rest = np.flatnonzero(~simple)
    latest = np.lexsort((rest, cells.enter[rest]))[::-1]
    for e in rest[latest].tolist():
        column = np.sort(cells.cofaces(np.array([e]))[0])
        pivot = int(column[0])
        while True:
            if pivot in owner:
                other = cells.cofaces(np.array([owner[pivot]]))[0]
            elif pivot in reduced:
                other = reduced[pivot]
            else:
                break
            column = np.setxor1d(column, other, assume_unique=True)
            pivot = int(column[0])
        reduced[pivot] = column
        end[e] = pivot
    lengths = cells.times[end // cells.size] - cells.times[cells.enter]
    return float(lengths.sum())
