"""Permutations of the units that pairs are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["pair_permutations"]


def pair_permutations(
    labels: Sequence[str], *, n_permutations: int, seed: int
) -> NDArray[np.intp]:
    """Permute pairs as exchanging their units does (Mantel 1967).

    Pairs that share a unit go together: a unit that follows all others makes all of its
    pairs high. Exchanging single pairs, or comparing with units that have no structure
    at all, takes this for agreement.

    Parameters
    ----------
    labels : sequence of str of length n_pairs
        "unit|unit" (in a cohort "member|unit|unit"), one member. Pairs may be missing: a
        pair that would move to a missing one gets the next of those left over.
    n_permutations, seed : int
        Number of draws and their seed.

    Returns
    -------
    int array of shape (n_permutations, n_pairs)

    Raises
    ------
    ContractError
        If a label does not name two units.

    References
    ----------
    Mantel (1967). The detection of disease clustering. Cancer Research 27, 209-220.
    """
    parts = [label.rsplit("|", 2)[-2:] for label in labels]
    if any(len(p) != 2 for p in parts):
        msg = f"labels of pairs must look like 'unit|unit'; got {list(labels)[:3]}."
        raise ContractError(msg)
    names, code = np.unique(np.array(parts).reshape(-1), return_inverse=True)
    ends, n = code.reshape(-1, 2), len(names)
    place = np.full((n, n), -1, dtype=np.intp)
    place[ends[:, 0], ends[:, 1]] = place[ends[:, 1], ends[:, 0]] = np.arange(len(ends))
    rng = np.random.default_rng(seed)
    moved = rng.permuted(np.tile(np.arange(n), (n_permutations, 1)), axis=1)
    orders = place[moved[:, ends[:, 0]], moved[:, ends[:, 1]]]
    for row in np.flatnonzero((orders < 0).any(axis=1)):
        left = np.setdiff1d(np.arange(len(ends)), orders[row])
        orders[row, orders[row] < 0] = left
    return orders
