"""Dimensions of point clouds: participation ratios without bias, neighbors, components.

Rows are points (trials, or conditions), columns are units. Moments of the covariance C
are U-statistics: (tr C)² and tr C² are estimated without bias at any number of rows, so
that the participation ratio (tr C)² / tr C² does not grow with the number of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "Moments",
    "fixed_moments",
    "fixed_signal_moments",
    "left_out_moments",
    "moments",
    "signal_moments",
]

Rows = Float[ndarray, "rows units"]
Views = Float[ndarray, "views rows units"]


class Moments(NamedTuple):
    """Estimates of (tr C)² and tr C², and of the part of both that units alone make."""

    trace_squared: float
    square_trace: float
    diagonal: float = 0.0

    def ratio(self, *, population: bool = False) -> float:
        """Return the participation ratio, NaN where tr C² has no positive estimate.

        `population` leaves out the pairs of a unit with itself, which estimates the
        ratio of the population that the units were sampled from.
        """
        own = self.diagonal if population else 0.0
        top, bottom = self.trace_squared - own, self.square_trace - own
        return top / bottom if bottom > 1e-12 * abs(self.trace_squared) else np.nan

    def inverse(self, *, population: bool = False) -> float:
        """Return tr C² / (tr C)², which is defined however small tr C² is."""
        own = self.diagonal if population else 0.0
        top, bottom = self.trace_squared - own, self.square_trace - own
        return bottom / top if top > 0 else np.nan


def _unbiased(tr: float, tr2: float, q: float, units: ndarray, n: int) -> Moments:
    """Combine biased moments (Himeno and Yamada 2014), n rows.

    `tr`, `tr2` are of the sample covariance, `q` is the sum of fourth powers of row
    lengths over n - 1, `units` the same three for each unit alone.
    """
    factor = (n - 1) / (n * (n - 2) * (n - 3))
    squared = factor * (2 * tr2 + (n * n - 3 * n + 1) * tr**2 - n * q)
    square = factor * ((n - 1) * (n - 2) * tr2 + tr**2 - n * q)
    variance, fourth = units
    own = factor * ((n * n - 3 * n + 3) * variance**2 - n * fourth)
    return Moments(float(squared), float(square), float(own.sum()))


def _unit_moments(sums: Float[ndarray, "4 units"], n: int) -> Float[ndarray, "2 units"]:
    """Variance and centered fourth moments (over n - 1) from sums of powers."""
    m1, m2, m3, m4 = sums / n
    second = m2 - m1**2
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return np.stack([second, fourth]) * n / (n - 1)


def _powers(x: Rows) -> Float[ndarray, "4 units"]:
    square = x**2
    return np.stack([x.sum(0), square.sum(0), (square * x).sum(0), (square**2).sum(0)])


def moments(x: Rows) -> Moments:
    """Moments of the covariance that rows were sampled from; at least four rows."""
    return left_out_moments(x, np.zeros(len(x), np.intp), whole=True)[0]


def left_out_moments(
    x: Rows, groups: Int[ndarray, " rows"], *, whole: bool = False
) -> list[Moments]:
    """Moments without each group of rows in turn (`whole`: with all of them).

    One inner-product matrix (of rows or of units, whichever is smaller) serves all
    groups.
    """
    x = x - x.mean(axis=0)
    n, p = x.shape
    by_rows = n <= p
    inner = x @ x.T if by_rows else x.T @ x
    length = (x**2).sum(axis=1)
    powers = _powers(x)
    found = []
    for g in [-1] if whole else range(int(groups.max()) + 1):
        keep = groups != g
        m = int(keep.sum())
        left = x[~keep]
        sums = powers - _powers(left) if len(left) else powers
        mean = sums[0] / m
        if by_rows:
            k = inner[np.ix_(keep, keep)] if len(left) else inner
            edge = k.mean(axis=1)
            k = k - edge[:, None] - edge + edge.mean()
            size = np.diag(k)
        else:
            k = inner - left.T @ left - m * np.outer(mean, mean)
            size = length[keep] - 2 * (x[keep] @ mean) + mean @ mean
        found.append(
            _unbiased(
                size.sum() / (m - 1),
                float((k**2).sum()) / (m - 1) ** 2,
                float((size**2).sum()) / (m - 1),
                _unit_moments(sums, m),
                m,
            )
        )
    return found


def _distinct(h: Float[ndarray, "rows rows"]) -> float:
    """Mean of h_ij h_kl over four different rows; h is symmetric with a zero diagonal."""
    n = len(h)
    total = h.sum() ** 2 - 4 * (h.sum(axis=1) ** 2).sum() + 2 * (h**2).sum()
    return float(total / (n * (n - 1) * (n - 2) * (n - 3)))


def _hsic(a: Float[ndarray, "rows rows"], b: Float[ndarray, "rows rows"]) -> float:
    """Unbiased product of two Gram matrices with zero diagonals (Song et al. 2012)."""
    n = len(a)
    edge_a, edge_b = a.sum(axis=1), b.sum(axis=1)
    value = (
        (a * b).sum()
        + edge_a.sum() * edge_b.sum() / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (edge_a @ edge_b)
    )
    return float(value / (n * (n - 3)))


def signal_moments(views: Views) -> Moments:
    """Moments of what repeats share; rows are a sample of all conditions.

    Products of one view with another only, so that noise adds nothing; noise must be
    independent between views and between rows.
    """
    f, n, _ = views.shape
    grams = views @ views.mT
    total = views.sum(axis=0)
    cross = (total @ total.T - grams.sum(axis=0)) / (f * (f - 1))
    own = np.diag(cross)
    h = (own[:, None] + own) / 2 - cross
    np.fill_diagonal(h, 0.0)
    grams[:, np.arange(n), np.arange(n)] = 0.0
    summed = grams.sum(axis=0)
    square = _hsic(summed, summed) - sum(_hsic(g, g) for g in grams)
    return Moments(_distinct(h), square / (f * (f - 1)))


def fixed_moments(x: Rows) -> Moments:
    """Moments of the covariance over the given rows, taken as they are."""
    x = x - x.mean(axis=0)
    k = x @ x.T if len(x) <= x.shape[1] else x.T @ x
    scale = (len(x) - 1) ** 2
    own = ((x**2).sum(axis=0) ** 2).sum() / scale
    return Moments(
        float(np.trace(k) ** 2) / scale, float((k**2).sum()) / scale, float(own)
    )


def fixed_signal_moments(views: Views) -> Moments:
    """Moments over the given rows of what repeats share; at least four views.

    Means over products of four different views: no noise enters twice.
    """
    views = views - views.mean(axis=1, keepdims=True)
    first, second = np.triu_indices(len(views), k=1)
    gram = views[first] @ views[second].mT
    gram = ((gram + gram.mT) / 2).reshape(len(first), -1)
    trace = np.einsum("ij,ij->i", views[first].reshape(len(first), -1),
                      views[second].reshape(len(first), -1))  # fmt: skip
    apart = (
        (first[:, None] != first)
        & (first[:, None] != second)
        & (second[:, None] != first)
        & (second[:, None] != second)
    )
    count = apart.sum() * (views.shape[1] - 1) ** 2
    squared = (np.outer(trace, trace) * apart).sum() / count
    square = ((gram @ gram.T) * apart).sum() / count
    return Moments(float(squared), float(square))
