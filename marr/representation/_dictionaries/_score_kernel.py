"""How good a dictionary is: explained variance, shares of features, stability.

There is one definition of explained variance, for every kind of dictionary and of system::

    1 - sum ||x - x_hat||^2 / (sum ||x||^2 - n ||mean x||^2)

over all rows in question: about the mean, and a ratio of sums rather than a mean of ratios.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from scipy.stats import t as student

__all__ = [
    "explained_variance",
    "group_jackknife",
    "jackknife_ends",
    "matched_cosine",
    "random_residual",
    "silencing",
]


def explained_variance(
    residual: Float[ndarray, "parts ..."],
    square: Float[ndarray, " parts"],
    total: Float[ndarray, "parts units"],
    n: Float[ndarray, " parts"],
    weights: Float[ndarray, "draws parts"],
) -> Float[ndarray, "draws ..."]:
    """Return the explained variance under weights of the parts of the data.

    Parameters
    ----------
    residual : array of shape (n_parts, ...)
        Sum of ||x - x_hat||^2 over the rows of each part (for several dictionaries).
    square, n : arrays of shape (n_parts,)
        Sum of ||x||^2, and number of rows.
    total : array of shape (n_parts, n_units)
        Sum of x.
    weights : array of shape (n_draws, n_parts)
        How often each part counts; ones for the data.
    """
    rows = weights @ n
    mean = (weights @ total) / rows[:, None]
    variance = weights @ square - rows * (mean**2).sum(axis=1)
    left = np.tensordot(weights, residual, axes=1)
    shape = (-1, *[1] * (left.ndim - 1))
    return np.asarray(1 - left / variance.reshape(shape))


def jackknife_ends(
    estimate: Float[ndarray, " k"], left_out: Float[ndarray, "parts k"]
) -> tuple[Float[ndarray, " k"], Float[ndarray, " k"], Float[ndarray, " k"]]:
    """Return the ends of a 95 % jackknife interval, and the standard error.

    The variance about an estimated mean is too small, so explained variance is biased down
    where parts are few; a percentile bootstrap goes down once more (it covered .72 with 10
    groups). The interval is centered on the estimate less its bias, and holds the estimate.
    """
    n = len(left_out)
    middle = left_out.mean(axis=0)
    center = estimate - (n - 1) * (middle - estimate)
    error = np.sqrt((n - 1) / n * ((left_out - middle) ** 2).sum(axis=0))
    reach = student.ppf(0.975, n - 1) * error
    return (
        np.minimum(center - reach, estimate),
        np.maximum(center + reach, estimate),
        error,
    )


def silencing(
    features: Float[ndarray, "rows features"],
    error: Float[ndarray, "rows units"],
    decoder: Float[ndarray, "features units"],
    scale: Float[ndarray, "rows 1"],
) -> Float[ndarray, "rows features"]:
    """Return how much ||x - x_hat||^2 grows if one feature is silenced, for each row.

    With the feature's part p = f scale d of x_hat this is ``||e + p||^2 - ||e||^2``.
    """
    part = features * scale
    along = error @ decoder.T
    return 2 * part * along + part**2 * (decoder**2).sum(axis=1)


def group_jackknife(
    part: Float[ndarray, "groups features"], whole: Float[ndarray, " groups"]
) -> tuple[
    Float[ndarray, " features"],
    Float[ndarray, " features"],
    Float[ndarray, " features"],
]:
    """Return the ratio sum(part) / sum(whole) and its 95 % interval over groups."""
    n = len(whole)
    top, bottom = part.sum(axis=0), whole.sum()
    left_out = (top - part) / (bottom - whole)[:, None]
    spread = (n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    reach = student.ppf(0.975, n - 1) * np.sqrt(spread)
    ratio = top / bottom
    return ratio, ratio - reach, ratio + reach


def matched_cosine(
    a: Float[ndarray, "features units"],
    b: Float[ndarray, "others units"],
    *,
    signed: bool,
) -> tuple[Float[ndarray, " features"], Float[ndarray, " features"]]:
    """Return for each row of `a` the cosine of its partner in `b`, and the largest one.

    Partners are assigned one to one so that their cosines sum to the most (Hungarian
    method). A row without a partner (fewer rows in `b`), or of length 0, has 0.
    """
    cosine = _unit(a) @ _unit(b).T
    cosine = cosine if signed else np.abs(cosine)
    rows, columns = linear_sum_assignment(cosine, maximize=True)
    matched = np.zeros(len(a))
    matched[rows] = cosine[rows, columns]
    return matched, np.asarray(cosine.max(axis=1))


def _unit(x: Float[ndarray, "rows units"]) -> Float[ndarray, "rows units"]:
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)


def random_residual(
    x: Float[ndarray, "rows units"],
    directions: Float[ndarray, "features units"],
    k: int,
) -> float:
    """Return the sum of ||x - x_hat||^2 with random directions, k of them a row.

    Each row takes the k directions on which it projects most, with coefficients of
    either sign by least squares: more than an encoder could do with them.
    """
    d = torch.from_numpy(_unit(directions))
    rows = torch.from_numpy(x)
    if k >= len(d):
        basis = torch.linalg.svd(d, full_matrices=False)
        kept = basis.Vh[1e-10 * basis.S[0] < basis.S]
        return float((rows - rows @ kept.T @ kept).pow(2).sum())
    projected = rows @ d.T
    index = projected.abs().topk(k, dim=1).indices
    gram = d @ d.T
    block = gram[index[:, :, None], index[:, None, :]]
    block = block + 1e-9 * torch.eye(k, dtype=block.dtype)
    target = projected.gather(1, index)
    codes = torch.linalg.solve(block, target)
    explained = (codes * target).sum(dim=1)
    return float((rows.pow(2).sum(dim=1) - explained).clamp_min(0).sum())
