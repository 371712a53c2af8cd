"""Where units are, and the models that a searchlight compares balls with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from marr.errors import EvidenceError, OptionError, StatisticsError
from marr.findings import Note
from marr.representation._rsa._models import Model, label_keys, resolve_models
from marr.representation._rsa._rdm_kernel import upper
from marr.systems import is_circular, target_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from marr.findings import Finding
    from marr.representation._conditions import Conditions
    from marr.systems import System

__all__ = ["ModelRows", "Places", "model_rows", "unit_places"]

AXES = ("x", "y", "z")
FEWEST = 5
"""With fewer conditions there are too few permutations."""


class Places(NamedTuple):
    """Coordinates of units.

    Attributes
    ----------
    values : array of shape (n_units, n_axes)
        NaN for units without a place.
    names : tuple of str
        Names of the coordinates.
    """

    values: npt.NDArray[np.float64]
    names: tuple[str, ...]


class ModelRows(NamedTuple):
    """Models over the conditions of the data.

    Attributes
    ----------
    names : tuple of str
        Names of models.
    values : array of shape (n_models, n_pairs)
        Dissimilarities.
    systems : tuple of System
        Systems that models came from.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    systems: tuple[System, ...]


def unit_places(
    system: System, site: str, coordinates: Sequence[str] | pd.DataFrame | None
) -> tuple[Places, list[Note]]:
    """Return the coordinates of the units of a site.

    Raises
    ------
    EvidenceError
        If units have none.
    """
    unit = system.activity(site)["unit"]
    if isinstance(coordinates, pd.DataFrame):
        ids = [str(u) for u in unit["unit_id"].values]
        labels = [str(u) for u in unit.values]
        table = coordinates.set_axis(coordinates.index.astype(str))
        known = labels if set(labels) & set(table.index) else ids
        if table.index.has_duplicates:
            twice = table.index[table.index.duplicated()][:3].tolist()
            msg = f"coordinates has units more than once: {twice}."
            raise OptionError(msg)
        places = Places(
            table.reindex(known).to_numpy(dtype=float), tuple(map(str, table.columns))
        )
    else:
        names = (
            tuple(a for a in AXES if a in unit.coords)
            if coordinates is None
            else tuple(coordinates)
        )
        missing = [a for a in names if a not in unit.coords]
        if missing or not names:
            has = sorted(map(str, set(unit.coords) - {"unit", "unit_id", "site"}))
            msg = (
                f"a searchlight needs the places of units; site {site!r} has "
                f"{'no coordinate ' + repr(missing[0]) if missing else 'no x, y or z'} "
                f"(there is {', '.join(has) or 'none'}). Give columns x and y in the "
                "units= of marr.from_arrays, or coordinates=, a table with one row a "
                "unit_id."
            )
            raise EvidenceError(msg)
        columns = [np.asarray(unit[a].values, dtype=float) for a in names]
        places = Places(np.stack(columns, axis=1), names)
    lost = int((~np.isfinite(places.values).all(axis=1)).sum())
    if lost == len(places.values):
        msg = (
            f"no unit of site {site!r} has a place in coordinates; label its rows by "
            "unit_id."
        )
        raise EvidenceError(msg)
    notes: list[Note] = []
    if lost:
        text = f"{lost} of {len(places.values)} units have no place and were left out."
        notes = [Note("no_place", text)]
    return places, notes


def model_rows(
    system: System,
    conditions: Conditions,
    *,
    models: Any,
    target: str | None,
    compute: Callable[[System], Finding],
) -> ModelRows:
    """Return the dissimilarities of models over all pairs of conditions.

    Raises
    ------
    OptionError
        Neither models nor target; a flexible model; a model without some condition.
    """
    if (models is None) == (target is None):
        msg = (
            "give either models= (labelled dissimilarity matrices, findings of rdm, or "
            "systems) or target= (a column whose differences are the model)."
        )
        raise OptionError(msg)
    if len(conditions.labels) < FEWEST:
        msg = (
            f"a searchlight needs at least {FEWEST} conditions to permute; on="
            f"{conditions.name!r} has {len(conditions.labels)}."
        )
        raise StatisticsError(msg)
    if target is not None:
        row = upper(_differences(system, conditions, target))
        return ModelRows((target,), _varying((target,), row[None]), ())
    found, systems = resolve_models(models, compute)
    names = tuple(m.name for m in found)
    rows = np.stack([_model_row(m, conditions) for m in found])
    return ModelRows(names, _varying(names, rows), tuple(systems))


def _model_row(model: Model, conditions: Conditions) -> npt.NDArray[np.float64]:
    if model.kind != "fixed":
        msg = (
            f"model {model.name!r} is fitted ({model.kind}); a searchlight compares with "
            "fixed models. Give its components as models of their own, or use rsa."
        )
        raise OptionError(msg)
    given = model.rdms[0]
    where = {k: i for i, k in enumerate(label_keys(given.labels))}
    wanted = label_keys(conditions.labels)
    missing = [k for k in wanted if k not in where]
    if missing:
        msg = (
            f"model {model.name!r} lacks {len(missing)} of the {len(wanted)} conditions "
            f"of {conditions.name!r}: {missing[:4]}. Add them, or drop their trials with "
            "select()."
        )
        raise OptionError(msg)
    order = [where[k] for k in wanted]
    row = upper(given.matrix[np.ix_(order, order)])
    if not np.isfinite(row).all():
        msg = f"model {model.name!r} has missing dissimilarities; fill or drop them."
        raise OptionError(msg)
    return np.asarray(row, dtype=float)


def _varying(
    names: Sequence[str], rows: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    flat = np.ptp(rows, axis=1) <= 1e-12 * np.abs(rows).max(axis=1)
    if flat.any():
        msg = (
            f"model {names[int(flat.argmax())]!r} has the same dissimilarity for all "
            "pairs of conditions, so there is nothing to compare."
        )
        raise OptionError(msg)
    return rows


def _differences(
    system: System, conditions: Conditions, target: str
) -> npt.NDArray[np.float64]:
    """Return differences of a column between conditions: absolute, angular, or 0/1."""
    array = target_values(system, target)
    if array.ndim != 1:
        msg = f"target={target!r} varies within trials; give one value a trial, or models=."
        raise OptionError(msg)
    codes, n = conditions.codes, len(conditions.labels)
    if array.dtype.kind in "fiu":
        values = array.values.astype(float)
        sums = [values[codes == c] for c in range(n)]
        if is_circular(array):
            mean = np.array([np.angle(np.exp(1j * v).mean()) for v in sums])
            return np.abs(np.angle(np.exp(1j * (mean[:, None] - mean))))
        mean = np.array([v.mean() for v in sums])
        return np.abs(mean[:, None] - mean)
    kinds = []
    for c in range(n):
        held = pd.unique(pd.Series(array.values[codes == c].tolist(), dtype=object))
        if len(held) > 1:
            msg = (
                f"target={target!r} must be the same on all trials of a condition; "
                f"{conditions.labels[c]!r} has {held[:3].tolist()}."
            )
            raise OptionError(msg)
        kinds.append(held[0])
    return np.array([[float(a != b) for b in kinds] for a in kinds])
