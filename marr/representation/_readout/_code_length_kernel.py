"""Code lengths of classes under probes, and the stages of an online code."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

__all__ = ["Stages", "log_loss_bits", "stages"]

FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Ends of the parts of an online code, of all units."""


class Stages(NamedTuple):
    """Training and test rows of each stage of each order.

    Attributes
    ----------
    train, test : bool arrays of shape (n_orders * n_stages, n_rows)
    first : array of shape (n_rows, 1)
        In how many orders a row lies in the first part, which nothing was learned for.
    """

    train: Bool[ndarray, "stages rows"]
    test: Bool[ndarray, "stages rows"]
    first: Float[ndarray, "rows one"]
    n_orders: int
    fractions: tuple[float, ...]


def stages(unit: Int[ndarray, " rows"], *, n_orders: int, seed: int) -> Stages:
    """Order units at random and cut them into parts that about double.

    Parameters
    ----------
    unit : int array of shape (n_rows,)
        Unit of each row (rows of one unit stay together), numbered from 0.
    n_orders : int
        Number of orders.
    seed : int
        Seed of the orders.
    """
    n = int(unit.max()) + 1
    rng = np.random.default_rng([seed, 23])
    ends = sorted({max(2, round(f * n)) for f in FRACTIONS})
    train, test, first = [], [], np.zeros((len(unit), 1))
    for _ in range(n_orders):
        place = np.empty(n, dtype=int)
        place[rng.permutation(n)] = np.arange(n)
        at = place[unit]
        first[:, 0] += at < ends[0]
        for low, high in itertools.pairwise(ends):
            train.append(at < low)
            test.append((at >= low) & (at < high))
    return Stages(np.array(train), np.array(test), first, n_orders, FRACTIONS)


def log_loss_bits(
    log_odds: Float[ndarray, "rows targets classes"],
    y: Float[ndarray, "rows targets"],
    *,
    n_train: int,
) -> Float[ndarray, "rows targets"]:
    """Return the bits of each label under softmax(log_odds), mixed with a uniform code.

    The uniform code has the weight of one in `n_train` + 1 trials; a class that training
    lacked (log-odds minus infinity) costs finitely many bits by it.
    """
    top = log_odds.max(axis=-1, keepdims=True)
    odds = np.exp(log_odds - top)
    p = odds / odds.sum(axis=-1, keepdims=True)
    own = np.take_along_axis(p, y.astype(int)[..., None], axis=-1)[..., 0]
    share = 1.0 / (n_train + 1.0)
    return np.asarray(-np.log2((1 - share) * own + share / log_odds.shape[-1]))
