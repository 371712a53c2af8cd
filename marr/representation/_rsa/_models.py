"""Models of dissimilarities: given, computed from a system, or combined and fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from marr.errors import ContractError, OptionError
from marr.findings import Finding
from marr.systems import System

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "Interpolated",
    "LabelledRdm",
    "Model",
    "Selected",
    "Weighted",
    "label_keys",
    "resolve_models",
]


@dataclass(frozen=True)
class Weighted:
    """A weighted sum of dissimilarity matrices, fitted to other conditions and subjects.

    Parameters
    ----------
    components : mapping of str to matrix, sequence of matrices, System or Finding
        What is summed; every site of a system or finding is a component.
    nonnegative : bool
        Weights of at least 0, as squared distances of independent features have.

    Examples
    --------
    >>> Weighted({"shape": shape, "color": color})  # doctest: +SKIP
    """

    components: Any
    nonnegative: bool = True

    @property
    def kind(self) -> str:
        """Return the key of the fit."""
        return "nonnegative" if self.nonnegative else "weighted"


@dataclass(frozen=True)
class Interpolated:
    """A mixture of two neighbors in an ordered list of dissimilarity matrices.

    Parameters
    ----------
    components : mapping of str to matrix, sequence of matrices, System or Finding
        In order, e.g. layers, or widths of a tuning curve.
    """

    components: Any
    kind = "interpolated"


@dataclass(frozen=True)
class Selected:
    """The best of several dissimilarity matrices, chosen on other conditions and subjects.

    Parameters
    ----------
    components : mapping of str to matrix, sequence of matrices, System or Finding
        Candidates, e.g. layers.
    """

    components: Any
    kind = "selected"


FLEXIBLE = (Weighted, Interpolated, Selected)


class LabelledRdm(NamedTuple):
    """A dissimilarity matrix with the labels of its conditions."""

    name: str
    labels: npt.NDArray[Any]
    matrix: npt.NDArray[np.float64]


class Model(NamedTuple):
    """A model: its name, how its matrices combine, and the matrices."""

    name: str
    kind: str
    rdms: tuple[LabelledRdm, ...]


def label_keys(labels: npt.ArrayLike) -> list[Any]:
    """Return labels as keys that match between sources: numbers rounded, else strings."""
    array = np.asarray(labels)
    if array.dtype.kind in "fiu":
        return [round(float(v), 6) for v in array]
    numbers = [v for v in array.tolist() if isinstance(v, (int, float))]
    if len(numbers) == len(array) and not any(isinstance(v, bool) for v in numbers):
        return [round(float(v), 6) for v in numbers]
    return [str(v) for v in array.tolist()]


def resolve_models(
    models: Any, compute: Callable[[System], Finding]
) -> tuple[list[Model], list[System]]:
    """Return models with their matrices, and the systems that these came from.

    Parameters
    ----------
    models : mapping of str to matrix, Finding, System or flexible model
        As given to `rsa`.
    compute : callable
        From a system to its finding of `rdm`.

    Raises
    ------
    OptionError, ContractError
        Not a mapping, no labels, not a square symmetric matrix.
    """
    if not isinstance(models, Mapping) or not models:
        msg = (
            "models must be a mapping of names to dissimilarity matrices, findings of "
            f"rdm, systems or flexible models; got {type(models).__name__}"
            f"{' without entries' if isinstance(models, Mapping) else ''}. "
            "For one model: models={'name': matrix}."
        )
        raise OptionError(msg)
    found: list[Model] = []
    systems: list[System] = []
    for key, value in models.items():
        name = str(key)
        if isinstance(value, FLEXIBLE):
            rdms = _components(name, value.components, compute, systems)
            if len(rdms) < 2:
                msg = f"model {name!r} needs at least two components; got {len(rdms)}."
                raise OptionError(msg)
            found.append(Model(name, value.kind, tuple(rdms)))
        else:
            found += [
                Model(r.name, "fixed", (r,))
                for r in _matrices(name, value, compute, systems)
            ]
    twice = sorted({m.name for m in found if [n.name for n in found].count(m.name) > 1})
    if twice:
        msg = f"models must have different names; got {twice} more than once."
        raise OptionError(msg)
    return found, systems


def _components(
    name: str,
    components: Any,
    compute: Callable[[System], Finding],
    systems: list[System],
) -> list[LabelledRdm]:
    if isinstance(components, (System, Finding)):
        rdms = _matrices(name, components, compute, systems)
        return [r._replace(name=r.name.removeprefix(f"{name}: ")) for r in rdms]
    if isinstance(components, Mapping):
        parts = [(str(k), v) for k, v in components.items()]
    elif isinstance(components, Sequence) and not isinstance(components, str):
        parts = [(f"component {i + 1}", v) for i, v in enumerate(components)]
    else:
        msg = (
            f"components of model {name!r} must be a mapping or a list of matrices, or a "
            f"system; got {type(components).__name__}."
        )
        raise OptionError(msg)
    return [r for k, v in parts for r in _matrices(k, v, compute, systems)]


def _matrices(
    name: str, value: Any, compute: Callable[[System], Finding], systems: list[System]
) -> list[LabelledRdm]:
    """Return one matrix, or one a site."""
    if isinstance(value, System):
        systems.append(value)
        value = compute(value)
    if isinstance(value, Finding):
        return _of_finding(name, value)
    if isinstance(value, pd.DataFrame):
        return [_checked(name, value.index, value.columns, value.to_numpy())]
    if isinstance(value, xr.DataArray) and value.ndim == 2:
        rows, columns = (value.coords.get(d) for d in value.dims)
        if rows is not None and columns is not None:
            return [_checked(name, rows.values, columns.values, value.values)]
    if isinstance(value, tuple) and len(value) == 2:
        array, labels = value
        return [_checked(name, labels, labels, np.asarray(array))]
    msg = (
        f"model {name!r} must have labels, since conditions are matched by label and never "
        f"by position; got {type(value).__name__}. Give pandas.DataFrame(matrix, labels, "
        "labels), (matrix, labels), a finding of rdm, a system, or Weighted, Interpolated "
        "or Selected."
    )
    raise OptionError(msg)


def _of_finding(name: str, finding: Finding) -> list[LabelledRdm]:
    array = finding.estimate.get("estimate")
    dims = set() if array is None else set(map(str, array.dims))
    if array is None or not {"condition_a", "condition_b"} <= dims:
        msg = f"model {name!r} must be a finding of marr.representation.rdm; got {finding.analysis}."
        raise OptionError(msg)
    extra = dims - {"condition_a", "condition_b", "site"}
    if extra:
        msg = (
            f"model {name!r} must be one matrix a site; its finding also has "
            f"{sorted(extra)}. Select one: give .estimate['estimate'].sel(...)."
        )
        raise ContractError(msg)
    labels = array["condition_a"].values
    if "site" not in dims:
        values = array.transpose("condition_a", "condition_b").values
        return [_checked(name, labels, labels, values)]
    values = array.transpose("site", "condition_a", "condition_b").values
    sites = [str(s) for s in array["site"].values]
    names = [name] if len(sites) == 1 else [f"{name}: {s}" for s in sites]
    return [_checked(n, labels, labels, v) for n, v in zip(names, values, strict=True)]


def _checked(name: str, rows: Any, columns: Any, values: Any) -> LabelledRdm:
    """Return a symmetric matrix with a zero diagonal, columns in the order of rows."""
    labels, keys = np.asarray(rows), label_keys(rows)
    others = label_keys(columns)
    matrix = np.asarray(values)
    square = matrix.shape == (len(keys), len(others))
    if not square or set(keys) != set(others) or len(keys) != len(others):
        only = sorted(map(str, set(keys) ^ set(others)))[:4]
        what = (
            f"labels that are not on both sides: {only}"
            if only
            else f"shape {matrix.shape}"
        )
        msg = f"model {name!r} must be a square matrix with the same labels on both sides; got {what}."
        raise ContractError(msg)
    if len(set(keys)) < len(keys):
        twice = sorted({str(k) for k in keys if keys.count(k) > 1})[:4]
        msg = f"model {name!r} has conditions more than once: {twice}. Average them first."
        raise ContractError(msg)
    if matrix.dtype.kind not in "fiub":
        msg = f"model {name!r} must hold numbers; got {matrix.dtype}."
        raise ContractError(msg)
    where = {k: i for i, k in enumerate(others)}
    matrix = matrix[:, [where[k] for k in keys]].astype(float)
    _check_values(name, matrix)
    return LabelledRdm(name, labels, (matrix + matrix.T) / 2)


def _check_values(name: str, matrix: npt.NDArray[np.float64]) -> None:
    if np.isinf(matrix).any():
        msg = f"model {name!r} holds infinite dissimilarities."
        raise ContractError(msg)
    size = np.nanmax(np.abs(matrix), initial=0.0)
    if not np.allclose(matrix, matrix.T, atol=1e-6 * max(size, 1e-300), equal_nan=True):
        msg = (
            f"model {name!r} must be symmetric; its two triangles differ. Give the mean of "
            "the matrix and its transpose, if that is meant."
        )
        raise ContractError(msg)
    if size > 0 and np.nanmax(np.abs(np.diag(matrix)), initial=0.0) > 1e-6 * size:
        msg = (
            f"model {name!r} must hold dissimilarities, with 0 on the diagonal; its diagonal "
            "is not 0. For similarities give 1 - similarity."
        )
        raise ContractError(msg)
