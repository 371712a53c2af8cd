"""Distances between Poisson rates: the symmetrized Kullback-Leibler divergence.

Rates are means of counts pulled towards a prior rate, (mean + weight * prior) /
(1 + weight). The divergence of two conditions is the sum over units of
(rate_i - rate_j) (log rate_i - log rate_j), divided by the number of units. In the
cross-validated form rates and logarithms come from different folds, and each fold is held
out once: the mean over folds is 0 in expectation for equal conditions.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from marr.representation._rsa._rdm_kernel import condition_means

__all__ = ["PRIOR_RATE", "PRIOR_WEIGHT", "poisson_cross_sums", "poisson_sums"]

PRIOR_RATE = 1.0
"""Rate towards which rates are pulled, as in rsatoolbox."""
PRIOR_WEIGHT = 0.1
"""Weight of the prior, in observations."""

Rows = Float[ndarray, "rows units"]
Codes = Int[ndarray, " rows"]
Sums = Float[ndarray, "conditions conditions"]


def rates(means: ndarray) -> ndarray:
    """Pull means towards the prior rate."""
    return np.asarray((means + PRIOR_RATE * PRIOR_WEIGHT) / (1.0 + PRIOR_WEIGHT))


def _differences(kernel: ndarray) -> ndarray:
    """Sum of (a_i - a_j)(b_i - b_j) from the products a_i b_j."""
    own = np.diagonal(kernel, axis1=-2, axis2=-1)
    return np.asarray(own[..., :, None] + own[..., None, :] - kernel - kernel.mT)


def poisson_sums(x: Rows, codes: Codes, n_conditions: int) -> Sums:
    """Sum of the divergence over units, NaN where a condition has no row."""
    rate = rates(condition_means(x, codes, n_conditions))
    return np.asarray(_differences(rate @ np.log(rate).T))


def poisson_cross_sums(
    x: Rows, codes: Codes, folds: Codes, n_conditions: int, n_folds: int
) -> Float[ndarray, "folds conditions conditions"]:
    """Sum of the cross-validated divergence over units, one a held-out fold.

    NaN where the fold, or all the others, lack one of the conditions.
    """
    cells = np.where(codes >= 0, folds * n_conditions + codes, -1)
    shape = (n_folds, n_conditions)
    count = np.bincount(cells[cells >= 0], minlength=n_folds * n_conditions)
    count = count.reshape(*shape, 1)
    held = condition_means(x, cells, n_folds * n_conditions).reshape(*shape, -1)
    total = np.nan_to_num(held) * count
    rest = count.sum(axis=0) - count
    others = (total.sum(axis=0) - total) / np.where(rest > 0, rest, np.nan)
    return np.asarray(_differences(rates(others) @ np.log(rates(held)).mT))
