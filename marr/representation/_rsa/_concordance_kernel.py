"""Kendall's tau-a of weighted pairs, for many rows at once.

Inversions are counted while runs are merged, level by level, with the weights of what
they pass; all rows go through a level together.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["tau_a"]

Rows = Float[ndarray, "rows values"]
ROW_CHUNK = 400_000


def tau_a(x: Rows, y: Rows, weights: Float[ndarray, " values"]) -> ndarray:
    """Concordant less discordant pairs over all pairs, row by row.

    Parameters
    ----------
    x, y : array of shape (n_rows, n_values)
        Compared row by row.
    weights : array of shape (n_values,)
        How often each value occurs (whole numbers); copies are tied in both.

    Returns
    -------
    array of shape (n_rows,)
        Ties count as neither; they stay in the denominator.
    """
    n_rows, n = x.shape
    step = max(1, ROW_CHUNK // n)
    parts = [
        _tau(x[i : i + step], y[i : i + step], weights) for i in range(0, n_rows, step)
    ]
    return np.concatenate(parts)


def _tau(x: Rows, y: Rows, weights: Float[ndarray, " values"]) -> ndarray:
    total = weights.sum()
    everything = total * (total - 1.0) / 2.0
    code_x, code_y = _codes(x), _codes(y)
    both = code_x * (code_y.max() + 1) + code_y
    order = np.argsort(both, axis=1)
    weight = weights[order]
    tied = _ties(code_x, weights) + _ties(code_y, weights) - _ties(both, weights)
    discordant = _inversions(np.take_along_axis(code_y, order, axis=1), weight)
    return np.asarray((everything - tied - 2.0 * discordant) / everything)


def _codes(values: Rows) -> Int[ndarray, "rows values"]:
    """Return the rank of each value among the distinct ones of its row."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    step = np.zeros(values.shape, np.int64)
    step[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    out = np.empty(values.shape, np.int64)
    np.put_along_axis(out, order, np.cumsum(step, axis=1), axis=1)
    return out


def _ties(
    codes: Int[ndarray, "rows values"], weights: Float[ndarray, " values"]
) -> Float[ndarray, " rows"]:
    """Return the number of tied pairs of each row, copies included."""
    order = np.argsort(codes, axis=1)
    ordered = np.take_along_axis(codes, order, axis=1)
    after = np.cumsum(weights[order], axis=1)
    ends = np.ones(codes.shape, bool)
    ends[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    out = np.empty(len(codes))
    for i, (upto, end) in enumerate(zip(after, ends, strict=True)):
        size = np.diff(upto[end], prepend=0.0)
        out[i] = (size * (size - 1.0)).sum() / 2.0
    return out


def _inversions(
    codes: Int[ndarray, "rows values"], weights: Float[ndarray, "rows values"]
) -> Float[ndarray, " rows"]:
    """Sum of the products of weights of values that stand behind smaller-than-before ones."""
    n_rows, n = codes.shape
    place = np.arange(n)
    bits = max(1, int(n - 1).bit_length())
    mask = (1 << bits) - 1
    keys = (codes << bits) | place
    top = int(codes.max(initial=0)).bit_length() + bits
    out = np.zeros(n_rows)
    for level in range(bits):
        block = place >> (level + 1)
        ordered = np.sort(keys | (block << top), axis=1)
        at = ordered & mask
        weight = np.take_along_axis(weights, at, axis=1)
        first = ((at >> level) & 1) == 0
        passed = np.cumsum(np.where(first, weight, 0.0), axis=1)
        ends = np.minimum(((block + 1) << (level + 1)) - 1, n - 1)
        behind = np.where(first, 0.0, weight) * (passed[:, ends] - passed)
        out += behind.sum(axis=1)
    return out
