"""Nuisances of an analysis (`control=`) as columns of a linear design."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError
from marr.systems import System, is_circular, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

__all__ = ["constant_controls", "control_names", "design_matrix"]


def control_names(
    control: str | Sequence[str], target: str | Sequence[str]
) -> tuple[str, ...]:
    """Return the names of the nuisances, none of them a target."""
    names = (control,) if isinstance(control, str) else tuple(control)
    for name in [target] if isinstance(target, str) else target:
        if name in names:
            msg = (
                f"control holds the target {name!r} itself; nothing would be left to "
                "decode. Name nuisances only."
            )
            raise OptionError(msg)
    return names


def constant_controls(system: System, names: Sequence[str]) -> tuple[str, ...]:
    """Return the nuisances that are the same on all trials: they take nothing out."""
    return tuple(
        name
        for name in names
        if len(
            pd.unique(target_values(system, name, argument="control").values.ravel())
        )
        == 1
    )


def design_matrix(
    system: System, names: Sequence[str], *, times: int | None
) -> npt.NDArray[np.float64] | None:
    """Return nuisances as standardized columns, or None without any.

    Classes become one column each but the first, angles their cosine and sine.

    Parameters
    ----------
    system : System
        Whose trial table and variables are read.
    names : sequence of str
        Columns or continuous variables.
    times : int or None
        Number of time bins, None for one row a trial (variables are averaged).

    Returns
    -------
    array of shape (n_trials, n_columns) or (n_trials, n_times, n_columns)
    """
    columns = []
    for name in names:
        array = target_values(system, name, argument="control")
        for column in _columns(array, name):
            if column.ndim == 1 and times is not None:
                columns.append(np.repeat(column[:, None], times, axis=1))
            elif column.ndim == 2 and times is None:
                columns.append(column.mean(axis=1))
            elif column.ndim == 2 and column.shape[1] != times:
                msg = (
                    f"control {name!r} has {column.shape[1]} time bins, the activity "
                    f"{times}. Bin both alike."
                )
                raise ContractError(msg)
            else:
                columns.append(column)
    if not columns:
        return None
    design = np.stack(columns, axis=-1)
    axes = tuple(range(design.ndim - 1))
    spread = design.std(axis=axes)
    varying = spread > 1e-12 * np.maximum(np.abs(design).max(axis=axes), 1e-300)
    if not varying.any():
        return None
    design = design[..., varying]
    return np.asarray((design - design.mean(axis=axes)) / spread[varying])


def _columns(array: xr.DataArray, name: str) -> list[npt.NDArray[np.float64]]:
    raw = array.values
    if pd.isna(raw).any():
        msg = (
            f"control {name!r} has {int(pd.isna(raw).sum())} missing values. Drop these "
            "trials with system.select(), or fill them."
        )
        raise ContractError(msg)
    if raw.dtype.kind in "OUSb":
        text = raw.astype(str)
        return [(text == c).astype(float) for c in np.unique(text)[1:]]
    numbers = raw.astype(float)
    if not np.isfinite(numbers).all():
        msg = (
            f"control {name!r} has {int((~np.isfinite(numbers)).sum())} infinite values. "
            "Drop these trials with system.select()."
        )
        raise ContractError(msg)
    if is_circular(array):
        return [np.cos(numbers), np.sin(numbers)]
    return [numbers]
