"""All two-way splits of conditions read out at once, in closed form.

The classifier is linear discriminant analysis with one noise covariance for all
conditions: within a fold everything that it can do with conditions lies in the K × K
inner products of their whitened means, so that one factorization of noise serves all
dichotomies, all held-out conditions and all draws.

Notation: K conditions, D dichotomies (rows of signs, 0 for a condition left out), B
draws, r coordinates of the activity.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = [
    "balanced_dichotomies",
    "draw_means",
    "fold_correct",
    "held_out_correct",
    "noise_root",
    "parallelism",
    "shrunk_covariance",
    "span_coordinates",
    "whiten_within",
]

Rows = Float[ndarray, "rows r"]
Gram = Float[ndarray, "draws conditions conditions"]
Products = Float[ndarray, "draws rows conditions"]
Signs = Float[ndarray, "dichotomies conditions"]


def balanced_dichotomies(
    n_conditions: int, most: int, seed: int
) -> tuple[Float[ndarray, "dichotomies conditions"], int]:
    """Return splits of conditions into halves, and how many there are.

    All of them, or `most` drawn at random without repetition. The last condition is
    always on the negative side (of an odd number, sides differ by one and both ways of
    giving the larger side are counted once each).
    """
    k = n_conditions
    sizes = {k // 2, k - k // 2}
    every = [
        c for size in sorted(sizes) for c in combinations(range(k - 1), size)
    ] if k <= 16 else None  # fmt: skip
    if every is not None:
        total = len(every)
        chosen = every
        if total > most:
            at = np.random.default_rng(seed).choice(total, most, replace=False)
            chosen = [every[i] for i in np.sort(at)]
        signs = -np.ones((len(chosen), k))
        for row, positive in zip(signs, chosen, strict=True):
            row[list(positive)] = 1.0
        return signs, total
    from math import comb

    total = sum(comb(k - 1, size) for size in sizes)
    rng = np.random.default_rng(seed)
    base = np.where(np.arange(k) < k // 2, 1.0, -1.0)
    signs = rng.permuted(np.tile(base, (2 * most, 1)), axis=1)
    signs = -signs * signs[:, -1:]
    return np.unique(signs, axis=0)[:most], total


def span_coordinates(x: Rows) -> Float[ndarray, "rows s"]:
    """Center rows; where units outnumber rows, rotate them into the span of the rows."""
    x = x - x.mean(axis=0)
    if x.shape[1] <= len(x):
        return x
    values, vectors = np.linalg.eigh(x @ x.T)
    kept = values > 1e-12 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def shrunk_covariance(x: Rows) -> tuple[Float[ndarray, "r r"], float]:
    """Covariance of centered rows, shrunk to a multiple of the identity.

    The intensity, which is returned as well, is that of Ledoit and Wolf (2004).
    """
    n, p = x.shape
    scatter = x.T @ x
    mean = float(np.trace(scatter)) / (n * p)
    square = float((scatter**2).sum()) / n**2
    spread = square / p - mean**2
    fourth = float(((x**2).sum(axis=1) ** 2).sum()) / n
    noise = (fourth - square) / (n * p)
    mix = float(np.clip(noise / spread, 1e-3, 1.0)) if spread > 0 else 1.0
    covariance = (1.0 - mix) / n * scatter
    covariance[np.diag_indices(p)] += mix * mean
    return covariance, mix


def noise_root(
    x: Rows,
    codes: Int[ndarray, " rows"],
    means: Float[ndarray, "conditions r"],
    weights: Float[ndarray, " rows"],
    mix: float,
) -> Float[ndarray, "r r"]:
    """Lower factor of the covariance within conditions, shrunk by a given intensity.

    The identity is scaled by all variance, as in `shrunk_covariance`, so that the two
    differ by the condition means alone.
    """
    total = weights.sum()
    left = x - means[codes]
    covariance = (1.0 - mix) / total * ((left * weights[:, None]).T @ left)
    middle = weights @ x / total
    size = (weights @ (x**2)).sum() / total - middle @ middle
    covariance[np.diag_indices(len(covariance))] += mix * size / x.shape[1]
    return np.linalg.cholesky(covariance)


def draw_means(
    z: Rows,
    codes: Int[ndarray, "draws rows"],
    weights: Float[ndarray, "draws rows"] | None,
    n_conditions: int,
) -> tuple[Float[ndarray, "draws conditions r"], Float[ndarray, "draws conditions"]]:
    """Means of the rows of each condition by draw, and their (weighted) numbers."""
    hot = codes[..., None] == np.arange(n_conditions)
    mix = hot.astype(float) if weights is None else hot * weights[..., None]
    count = mix.sum(axis=1)
    sums = mix.mT @ z
    return sums / np.maximum(count, 1e-300)[..., None], count


def whiten_within(
    products: Products,
    gram: Gram,
    counts: Float[ndarray, "draws conditions"],
    weight: float,
) -> tuple[Products, Gram]:
    """Turn products whitened by all variance into products whitened by noise alone.

    Noise is all variance less that of the means of `counts` rows each; by Woodbury's
    identity only a K × K matrix is inverted, so that the conditions of each draw have
    the noise that is theirs.
    """
    k = gram.shape[-1]
    inner = np.eye(k) - weight * counts[:, :, None] * gram
    turn = np.linalg.inv(inner)
    gram = gram @ turn
    return products @ turn, (gram + gram.mT) / 2


def _directions(gram: Gram, signs: Signs) -> tuple[ndarray, ndarray]:
    """Weights of the condition means, and the offset, for each draw and dichotomy.

    Ridge regression of the signs on the means with one unit of noise a condition, which
    is discriminant analysis of single trials; the offset lies midway between the sides.
    """
    k = gram.shape[-1]
    edge = gram.mean(axis=-1, keepdims=True)
    centered = gram - edge - edge.mT + edge.mean(axis=-2, keepdims=True)
    target = (signs - signs.mean(axis=1, keepdims=True)).T
    solved = np.linalg.solve(centered + k * np.eye(k), target)
    sides = [(signs == side).astype(float) for side in (1.0, -1.0)]
    middle = sum(s / s.sum(axis=1, keepdims=True) for s in sides).T / 2
    return solved, ((gram @ solved) * middle).sum(axis=1, keepdims=True)


def fold_correct(
    products: Products,
    gram: Gram,
    codes: Int[ndarray, "draws rows"],
    weights: Float[ndarray, "draws rows"] | None,
    signs: Signs,
) -> tuple[
    Float[ndarray, "draws conditions dichotomies"], Float[ndarray, "draws conditions"]
]:
    """Sum right answers of held-out rows by condition; return rows summed as well."""
    k = gram.shape[-1]
    solved, offset = _directions(gram, signs)
    decision = products @ solved - offset
    right = decision * signs.T[codes]
    score = (right > 0) + 0.5 * (right == 0)
    mix = (codes[..., None] == np.arange(k)).astype(float)
    if weights is not None:
        mix = mix * weights[..., None]
    return mix.mT @ score, mix.sum(axis=1)


def held_out_correct(
    products: Products,
    gram: Gram,
    codes: Int[ndarray, " rows"],
    weights: Float[ndarray, "draws rows"] | None,
    signs: Signs,
    pair: tuple[int, int],
) -> tuple[Float[ndarray, "draws 2 dichotomies"], Float[ndarray, "draws 2"]]:
    """Sum right answers on two conditions whose rows took no part in the fit."""
    k = gram.shape[-1]
    train = np.setdiff1d(np.arange(k), pair)
    rows = np.flatnonzero(np.isin(codes, pair))
    part = signs[:, train]
    solved, offset = _directions(gram[:, train[:, None], train], part)
    decision = products[:, rows[:, None], train] @ solved - offset
    right = decision * signs.T[codes[rows]]
    score = (right > 0) + 0.5 * (right == 0)
    mix = (codes[rows][:, None] == np.array(pair)).astype(float)
    mix = np.broadcast_to(mix, (len(gram), *mix.shape))
    if weights is not None:
        mix = mix * weights[:, rows, None]
    return mix.mT @ score, mix.sum(axis=1)


def parallelism(
    gram: Gram, pairs: Int[ndarray, "vectors 2"]
) -> Float[ndarray, " draws"]:
    """Mean cosine of coding vectors, each from one condition of a pair to the other.

    `gram` holds inner products of the condition means (Bernardi et al. 2020).
    """
    a, b = pairs.T
    inner = (
        gram[:, a[:, None], a]
        - gram[:, a[:, None], b]
        - gram[:, b[:, None], a]
        + gram[:, b[:, None], b]
    )
    length = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
    cosine = inner / (length[:, :, None] * length[:, None])
    m = len(pairs)
    return (cosine.sum(axis=(1, 2)) - m) / (m * (m - 1))
