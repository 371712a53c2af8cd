"""How rows depend on each other: folds, parts that are left out, and orders of a null."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import EvidenceError, check_option
from marr.findings import Note
from marr.representation._alignment._measure import N_FOLDS
from marr.stats import folds, permutations

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._alignment._sample import Sample
    from marr.representation._rows import RowMatch
    from marr.systems import System

__all__ = ["NULLS", "Design", "make_design", "row_groups", "serial"]

NULLS = {
    "auto": "chosen by how the rows depend on each other",
    "free": "rows of b are exchanged",
    "within": "rows of b are exchanged within groups of trials",
    "block": "whole groups of rows of b are exchanged",
    "shift": "rows of b are shifted around the circle of trials",
    "rotation": "rows of b are turned around their circle, and mirrored",
}
"""How the null is made."""

FEWEST_GROUPS = 6
"""With fewer groups of trials, parts that are left out cut through them."""


@dataclass(frozen=True)
class Design:
    """Folds, parts and orders of the rows.

    Attributes
    ----------
    fold, part : int arrays of shape (n_rows,)
        Cross-validation fold, and the part that is left out together, of each row.
    part_name : str
        What the parts are.
    scheme : str
        Key of `NULLS`.
    orders : int array of shape (n_permutations, n_rows)
        Row of b beside each row of a.
    """

    fold: npt.NDArray[np.intp]
    part: npt.NDArray[np.intp]
    part_name: str
    scheme: str
    orders: npt.NDArray[np.intp]
    notes: tuple[Note, ...] = field(default=())

    @property
    def n_parts(self) -> int:
        """Number of parts; 0 where nothing is left out."""
        return int(self.part.max()) + 1


def serial(sample: Sample) -> bool:
    """Tell whether neighboring rows are more alike than chance has it.

    The lag-one autocorrelation of all units, against two of its standard errors under
    exchange of rows, which shrink with the dimension of the activity.
    """
    wide = sample.raw is None or sample.raw.shape[1] > len(sample)
    if wide:
        k = sample.gram
        lagged, total, square = np.trace(k, 1), np.trace(k), (k**2).sum()
    else:
        x = sample.units - sample.units.mean(axis=0)
        lagged, total = (x[1:] * x[:-1]).sum(), (x**2).sum()
        square = ((x.T @ x) ** 2).sum()
    n = len(sample)
    error = np.sqrt(square / n) / total
    return bool(lagged / total + 1 / n > 2 * error)


def row_groups(
    system: System, match: RowMatch, codes: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp] | None, str | None]:
    """Return the group of dependent trials that each row belongs to, where rows are trials."""
    groups = system.groups() if match.on == "trial" else None
    if groups is None:
        return None, None
    of_row = np.full(len(match.labels), -1, dtype=np.intp)
    of_row[codes[codes >= 0]] = groups[codes >= 0]
    found = np.unique(of_row, return_inverse=True)[1].reshape(-1)
    if int(found.max()) + 1 in (1, len(found)):
        return None, None
    return np.asarray(found, dtype=np.intp), system.group_column


def make_design(
    n: int,
    *,
    groups: npt.NDArray[np.intp] | None,
    column: str | None,
    dependent: bool,
    null: str,
    n_permutations: int,
    n_parts: int,
    seed: int,
    circular: bool = False,
) -> Design:
    """Decide on folds, parts and the null of n rows.

    Parameters
    ----------
    n : int
        Number of rows.
    groups, column : int array of shape (n,) or None, str or None
        Groups of dependent trials and the column that names them.
    dependent : bool
        Whether rows are trials in order of time and both sides are autocorrelated.
    null : str
        Key of `NULLS`. "auto" shifts dependent rows, exchanges others within groups,
        or freely without groups.
    n_permutations, n_parts : int
        Orders, and parts that are left out in turn; 0 for none.
    seed : int
        Seed.
    circular : bool
        Whether the rows are all bins of a circle, in order.
    """
    check_option("null", null, NULLS)
    if null == "rotation" and not circular:
        msg = (
            "null='rotation' needs rows that are all bins of an angle: on= a circular "
            "variable, with bins=, and every bin visited. Use null='auto'."
        )
        raise EvidenceError(msg)
    if null in ("within", "block") and groups is None:
        msg = (
            f"null={null!r} needs rows that are trials in groups: on='trial' and a column "
            "'sequence', 'session' or 'block' with several values. Use null='auto'."
        )
        raise EvidenceError(msg)
    scheme = null
    if null == "auto":
        grouped = groups is not None and int(np.bincount(groups).max()) > 1
        scheme = "shift" if dependent else "within" if grouped else "free"
    ordered = scheme == "shift"
    notes: list[Note] = []
    fold = folds(
        n,
        n_folds=min(N_FOLDS, n),
        groups=groups if _many(groups, N_FOLDS) else None,
        seed=seed,
        contiguous=ordered and not _many(groups, N_FOLDS),
    )
    part, name = _parts(n, groups, column, ordered, n_parts, seed)
    orders = _orders(n, groups, column, scheme, n_permutations, seed)
    if len(orders):
        distinct = len(np.unique(orders, axis=0))
        if distinct < 0.9 * min(n_permutations, 100):
            text = (
                f"Only {distinct} different orders of rows exist under null={scheme!r}, "
                f"so p-values are at least about {1 / (distinct + 1):.2g}."
            )
            notes.append(Note("coarse_null", text, "More rows allow smaller p-values."))
    return Design(np.asarray(fold, np.intp), part, name, scheme, orders, tuple(notes))


def _many(groups: npt.NDArray[np.intp] | None, least: int) -> bool:
    return groups is not None and int(groups.max()) + 1 >= least


def _parts(
    n: int,
    groups: npt.NDArray[np.intp] | None,
    column: str | None,
    ordered: bool,
    n_parts: int,
    seed: int,
) -> tuple[npt.NDArray[np.intp], str]:
    """Return the part of each row, -1 everywhere for none, and what parts are."""
    if n_parts == 0:
        return np.full(n, -1, dtype=np.intp), ""
    rng = np.random.default_rng(seed)
    if groups is not None and _many(groups, FEWEST_GROUPS):
        k = int(groups.max()) + 1
        merged = rng.permutation(k) * min(k, n_parts) // k
        return np.asarray(merged[groups], dtype=np.intp), f"groups of trials ({column})"
    m = min(n, n_parts)
    place = np.arange(n) if ordered else rng.permutation(n)
    name = "runs of neighboring trials" if ordered else "rows"
    return np.asarray(place * m // n, dtype=np.intp), name


def _orders(
    n: int,
    groups: npt.NDArray[np.intp] | None,
    column: str | None,
    scheme: str,
    n_permutations: int,
    seed: int,
) -> npt.NDArray[np.intp]:
    if n_permutations == 0:
        return np.empty((0, n), dtype=np.intp)
    if scheme == "rotation":
        turned = (np.arange(n) + np.arange(n)[:, None]) % n
        return np.concatenate([turned[1:], turned[:, ::-1]]).astype(np.intp)
    within = groups
    if scheme == "shift":
        # blocks of one session may drift together: shift across them
        separate = groups is not None and int(np.bincount(groups).min()) >= 4
        within = groups if separate and column != "block" else None
        n_permutations = (
            n_permutations if within is not None else min(n_permutations, n - 1)
        )
    drawn = permutations(
        n,
        n_permutations=n_permutations,
        seed=seed,
        within=within if scheme in ("within", "shift") else None,
        blocks=groups if scheme == "block" else None,
        scheme=scheme,
    )
    return np.asarray(drawn, dtype=np.intp)


def any_serial(sides: Sequence[Sequence[Sample]]) -> bool:
    """Tell whether at least two sides have autocorrelated rows."""
    return sum(any(serial(s) for s in side) for side in sides) >= min(2, len(sides))
