"""Two findings of dissimilarities, brought to the same conditions in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, StatisticsError
from marr.findings import Finding, Note

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

__all__ = ["FEWEST", "Matched", "complete_conditions", "match_conditions"]

FEWEST = 5
"""With fewer conditions there is nothing to permute."""


@dataclass(frozen=True)
class Matched:
    """Dissimilarities of two findings over the same conditions.

    Attributes
    ----------
    a, b : array of shape (n_sites, n_conditions, n_conditions)
        Distances.
    halves_a, halves_b : array of shape (2, n_sites, n_conditions, n_conditions) or None
        Distances in two halves of the trials.
    reliability_a, reliability_b : array of shape (n_sites,) or None
        Reliability of the ranks of all distances, over many splits.
    labels : array of shape (n_conditions,)
        Conditions.
    kept : int array
        Positions of the conditions of `a` that were kept.
    """

    a: npt.NDArray[np.float64]
    b: npt.NDArray[np.float64]
    halves_a: npt.NDArray[np.float64] | None
    halves_b: npt.NDArray[np.float64] | None
    reliability_a: npt.NDArray[np.float64] | None
    reliability_b: npt.NDArray[np.float64] | None
    sites_a: tuple[str, ...]
    sites_b: tuple[str, ...]
    labels: npt.NDArray[Any]
    circular: bool
    kept: npt.NDArray[np.intp]
    notes: tuple[Note, ...]


def match_conditions(a: Finding, b: Finding) -> Matched:
    """Match conditions by label; refuse findings whose conditions differ."""
    for argument, finding in (("a", a), ("b", b)):
        if not isinstance(finding, Finding) or not {
            "condition_a",
            "condition_b",
        } <= set(finding.dims):
            got = (
                finding.analysis
                if isinstance(finding, Finding)
                else type(finding).__name__
            )
            msg = (
                f"{argument} must be a finding of marr.representation.rdm; got {got}. To "
                "compare systems or cohorts with models: "
                "marr.representation.rsa(system, models=...)."
            )
            raise OptionError(msg)
    labels_a, labels_b = (f.estimate["condition_a"].values for f in (a, b))
    order = _order(labels_a, labels_b)
    values_a, values_b = (
        _matrices(a.estimate["estimate"]),
        _matrices(b.estimate["estimate"]),
    )
    values_b = values_b[:, order][:, :, order]
    kept = complete_conditions(np.concatenate([values_a, values_b]))
    notes = []
    if len(kept) < len(labels_a):
        lost = labels_a[np.setdiff1d(np.arange(len(labels_a)), kept)].tolist()
        text = f"{len(lost)} conditions without a distance to some other were left out: {lost[:5]}."
        notes.append(Note("missing_conditions", text))
    if len(kept) < FEWEST:
        msg = (
            f"comparing matrices needs at least {FEWEST} shared conditions; got "
            f"{len(kept)}. Use finer conditions."
        )
        raise StatisticsError(msg)
    grid = np.ix_(kept, kept)
    circular = all(
        bool(f.estimate["condition_a"].attrs.get("circular", False)) for f in (a, b)
    )
    return Matched(
        values_a[:, grid[0], grid[1]],
        values_b[:, grid[0], grid[1]],
        _halves(a, np.arange(len(labels_a)), kept),
        _halves(b, order, kept),
        _reliability(a),
        _reliability(b),
        _sites(a),
        _sites(b),
        labels_a[kept],
        circular,
        kept,
        tuple(notes),
    )


def _order(
    labels_a: npt.NDArray[Any], labels_b: npt.NDArray[Any]
) -> npt.NDArray[np.intp]:
    """Return positions of the conditions of a among those of b."""
    numeric = all(v.dtype.kind in "fiu" for v in (labels_a, labels_b))
    keys_a, keys_b = (
        [round(float(v), 6) if numeric else str(v) for v in values]
        for values in (labels_a, labels_b)
    )
    if sorted(keys_a, key=str) != sorted(keys_b, key=str):
        only_a = [k for k in keys_a if k not in keys_b][:4]
        only_b = [k for k in keys_b if k not in keys_a][:4]
        msg = (
            f"a and b must have the same conditions; got {len(keys_a)} and {len(keys_b)}, "
            f"only in a {only_a}, only in b {only_b}. Use the same on= and bins= (edges, "
            "where the variable is not an angle) for both."
        )
        raise ContractError(msg)
    where = {k: i for i, k in enumerate(keys_b)}
    return np.array([where[k] for k in keys_a], dtype=np.intp)


def _matrices(array: xr.DataArray) -> npt.NDArray[np.float64]:
    if "site" not in array.dims:
        array = array.expand_dims("site")
    extra = set(map(str, array.dims)) - {"site", "condition_a", "condition_b"}
    if extra:
        msg = f"matrices must have a site and two conditions; got also {sorted(extra)}."
        raise ContractError(msg)
    ordered = array.transpose("site", "condition_a", "condition_b")
    return np.asarray(ordered.values, dtype=float)


def _sites(finding: Finding) -> tuple[str, ...]:
    if "site" not in finding.dims:
        return (finding.system,)
    return tuple(map(str, finding.estimate["site"].values))


def _reliability(finding: Finding) -> npt.NDArray[np.float64] | None:
    table = finding.tables.get("reliability")
    if table is None or "estimate" not in table:
        return None
    return np.atleast_1d(np.asarray(table["estimate"].values, dtype=float))


def _halves(
    finding: Finding, order: npt.NDArray[np.intp], kept: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64] | None:
    table = finding.tables.get("half")
    if table is None or "half_estimate" not in table:
        return None
    pick = order[kept]
    found = np.stack(
        [_matrices(table["half_estimate"].isel(half=h, drop=True)) for h in (0, 1)]
    )
    return found[:, :, pick][:, :, :, pick]


def complete_conditions(stack: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return conditions among which no distance is missing."""
    missing = np.asarray(np.isnan(stack).any(axis=0))
    np.fill_diagonal(missing, val=False)
    kept = np.arange(len(missing))
    while missing[np.ix_(kept, kept)].any():
        worst = int(missing[np.ix_(kept, kept)].sum(axis=0).argmax())
        kept = np.delete(kept, worst)
    return kept
