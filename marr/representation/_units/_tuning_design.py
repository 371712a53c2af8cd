"""Regressors of a tuning model: a basis of the variable, and nuisances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError
from marr.findings import Note
from marr.representation._targets import design_matrix
from marr.representation._units._basis_kernel import BASES
from marr.representation._units._data import (
    UnitRows,
    filled_codes,
    unit_rows,
    variable_conditions,
)
from marr.systems import target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.systems import System

__all__ = ["TuningDesign", "make_design"]

MAX_BINS = 500


@dataclass(frozen=True)
class TuningDesign:
    """What activity is explained with.

    Attributes
    ----------
    rows : UnitRows
        Activity where the variable is known.
    conditions : Conditions
        Bins (or classes) of the variable.
    basis : array of shape (n_trials, [n_times,] n_columns)
        Basis of the variable in every trial (and bin); gaps filled by neighbors.
    grid : array of shape (n_bins, n_columns)
        The basis at the centers of the bins.
    nuisances : dict of str to array of shape (n_rows, n_columns)
        Standardized.
    smooth : bool
        Whether the basis is smooth, not one column a bin.
    """

    rows: UnitRows
    conditions: Conditions
    basis: npt.NDArray[np.float64]
    filled: npt.NDArray[np.intp]
    grid: npt.NDArray[np.float64]
    nuisances: dict[str, npt.NDArray[np.float64]]
    smooth: bool
    notes: tuple[Note, ...]

    @property
    def codes(self) -> npt.NDArray[np.intp]:
        """Bin of each row."""
        return np.asarray(self.rows.pick(self.conditions.codes), dtype=np.intp)

    @property
    def ordered(self) -> bool:
        """Whether bins are numbers in order, enough of them for a bump."""
        numeric = self.conditions.labels.dtype.kind == "f"
        return numeric and len(self.conditions.labels) >= 5

    @property
    def nuisance_columns(self) -> npt.NDArray[np.float64]:
        """All nuisances side by side, shape (n_rows, n_columns)."""
        parts = list(self.nuisances.values())
        return (
            np.concatenate(parts, axis=1) if parts else np.empty((len(self.codes), 0))
        )


def make_design(
    system: System,
    variable: str,
    *,
    bins: int | Sequence[float] | None,
    sites: str | Sequence[str] | None,
    time: tuple[float, float] | None,
    model: str,
    control: Sequence[str],
    basis: str,
    n_basis: int,
) -> TuningDesign:
    """Resolve names into regressors and rows."""
    conditions = variable_conditions(system, variable, bins, argument="variable")
    if len(conditions.labels) > MAX_BINS:
        msg = (
            f"variable={variable!r} makes {len(conditions.labels)} bins; at most "
            f"{MAX_BINS} are possible. Cut it: bins=12."
        )
        raise OptionError(msg)
    known = conditions.codes >= 0
    if conditions.timed:
        rows = unit_rows(system, sites, time=time, known=known)
    else:
        rows = unit_rows(system, sites, time=time)
        rows = rows.where(known[rows.trial])
    if len(rows.x) < 10:
        msg = f"only {len(rows.x)} rows hold {variable!r}; tuning needs at least 10."
        raise ContractError(msg)
    filled = filled_codes(conditions.codes)
    numeric = conditions.labels.dtype.kind == "f"
    smooth = model != "curve" and numeric and len(conditions.labels) >= 5
    if smooth:
        made, grid = _smooth(system, variable, conditions, basis, n_basis)
    else:
        grid = np.eye(len(conditions.labels))
        made = grid[filled]
    nuisances = {}
    for name in control:
        columns = _nuisance(system, name, rows)
        if columns is not None:
            nuisances[name] = columns
    notes = _missing_note(system, variable, conditions, known)
    return TuningDesign(
        rows, conditions, made, filled, grid, nuisances, smooth, tuple(notes)
    )


def _smooth(
    system: System, variable: str, conditions: Conditions, basis: str, n_basis: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    labels = conditions.labels.astype(float)
    values = target_values(system, variable, argument="variable").values.astype(float)
    gaps = conditions.codes < 0
    values = np.where(gaps, labels[filled_codes(conditions.codes)], values)
    reach = (float(values.min()), float(values.max()))
    make = BASES[basis]
    made = make(values.ravel(), n_basis, reach, circular=conditions.circular)
    grid = make(labels, n_basis, reach, circular=conditions.circular)
    return made.reshape(*values.shape, -1), grid


def _nuisance(
    system: System, name: str, rows: UnitRows
) -> npt.NDArray[np.float64] | None:
    timed = rows.bins is not None
    array = target_values(system, name, argument="control")
    times = array.shape[1] if timed and array.ndim == 2 else None
    columns = design_matrix(system, [name], times=times)
    if columns is None:
        return None
    if columns.ndim == 3 and rows.bins is not None:
        if rows.bins.max() >= columns.shape[1]:
            msg = f"control {name!r} has fewer time bins than the activity. Bin both alike."
            raise ContractError(msg)
        picked: npt.NDArray[Any] = columns[rows.trial, rows.bins]
    else:
        picked = columns[rows.trial]
    spread = picked.std(axis=0)
    if not (spread > 0).any():
        return None
    return np.asarray(picked[:, spread > 0])


def _missing_note(
    system: System,
    variable: str,
    conditions: Conditions,
    known: npt.NDArray[np.bool_],
) -> list[Note]:
    if known.all():
        return []
    values = target_values(system, variable, argument="variable").values
    missing = int(pd.isna(values).sum())
    what = "time bins" if conditions.timed else "trials"
    outside = int((~known).sum()) - missing
    parts = [f"{missing} of {known.size} {what} lack {variable}"] * (missing > 0)
    parts += [f"{outside} {what} lie outside its bins"] * (outside > 0)
    text = f"{' and '.join(parts)}; they are left out."
    return [Note("missing_variable", text)]
