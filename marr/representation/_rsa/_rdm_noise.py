"""The noise covariance that a user asks for, checked and in the order of the units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import OptionError, StatisticsError, check_option
from marr.representation._rsa._geometry import WHITENED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["NOISES", "resolve_intensity", "resolve_noise"]

NOISES = {
    "folds": "noise covariance of the other folds, shrunk towards its diagonal",
    "diagonal": "noise variances of the other folds, no covariances",
    "identity": "no noise normalization",
}
"""Noise by name, in words."""


def resolve_noise(
    noise: Any, distance: str, system: System, sites: Sequence[str]
) -> str | dict[str, npt.NDArray[np.float64]]:
    """Return the name of the noise, or a covariance over all units of each site.

    Parameters
    ----------
    noise : str, array, DataFrame, or dict of site to one of these
        As in `rdm`.
    distance : str
        Key of `DISTANCES`.
    system : System
        Whose units are meant.
    sites : sequence of str
        Sites analyzed.

    Raises
    ------
    OptionError
        If it does not go with the distance, or does not fit the units.
    StatisticsError
        If a covariance is not positive definite.
    """
    if isinstance(noise, str):
        check_option("noise", noise, NOISES)
        if noise != "folds" and distance not in WHITENED:
            raise OptionError(_other_distance("noise", distance))
        return noise
    if distance not in WHITENED:
        raise OptionError(_other_distance("noise", distance))
    given = noise if isinstance(noise, dict) else dict.fromkeys(sites, noise)
    if not isinstance(noise, dict) and len(sites) > 1:
        msg = (
            "noise is one covariance, but there are several sites; give one a site: "
            f"noise={{{sites[0]!r}: ..., {sites[1]!r}: ...}}."
        )
        raise OptionError(msg)
    missing = [s for s in sites if s not in given]
    if missing:
        msg = f"noise holds no covariance of site {missing[0]!r}; got {sorted(given)}."
        raise OptionError(msg)
    return {s: _covariance(given[s], system, s) for s in sites}


def resolve_intensity(
    shrinkage: str | float, noise: Any, distance: str
) -> float | None:
    """Return the shrinkage asked for, None to estimate it."""
    if isinstance(shrinkage, str):
        check_option("shrinkage", shrinkage, ("auto",))
        return None
    if distance not in WHITENED:
        raise OptionError(_other_distance("shrinkage", distance))
    if not isinstance(noise, str) or noise != "folds":
        msg = "shrinkage is of a covariance that is estimated; leave noise='folds'."
        raise OptionError(msg)
    if not 0 <= shrinkage <= 1:
        msg = f"shrinkage must be 'auto' or between 0 and 1; got {shrinkage!r}."
        raise OptionError(msg)
    return float(shrinkage)


def _covariance(given: Any, system: System, site: str) -> npt.NDArray[np.float64]:
    units = system.activity(site)["unit"]
    if isinstance(given, pd.DataFrame):
        given = _ordered(given, units, site)
    try:
        matrix = np.array(given, dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"noise of site {site!r} must be a name or a matrix of numbers: {error}."
        raise OptionError(msg) from error
    n = len(units)
    if matrix.shape != (n, n):
        msg = (
            f"noise of site {site!r} must be the covariance of its {n} units, shape "
            f"({n}, {n}); got {matrix.shape}."
        )
        raise OptionError(msg)
    scale = np.abs(matrix).max(initial=0.0)
    if not np.isfinite(matrix).all() or not np.allclose(
        matrix, matrix.T, atol=1e-8 * scale
    ):
        msg = f"noise of site {site!r} must be finite and symmetric (a covariance)."
        raise OptionError(msg)
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least <= 1e-12 * scale:
        msg = (
            f"noise of site {site!r} is not positive definite (least eigenvalue "
            f"{least:.3g}), so it has no inverse: fewer residuals than units, or a unit "
            "without noise. Shrink it towards its diagonal, (1 - k) * S + k * "
            "diag(diag(S)), drop such units with select(), or leave noise='folds'."
        )
        raise StatisticsError(msg)
    return matrix


def _ordered(table: pd.DataFrame, units: Any, site: str) -> npt.NDArray[np.float64]:
    """Return a labelled covariance in the order of the units."""
    labels = [str(u) for u in units.values]
    ids = [str(u) for u in units["unit_id"].values] if "unit_id" in units.coords else []
    names = [str(v) for v in table.index]
    if names != [str(v) for v in table.columns]:
        msg = f"noise of site {site!r}: rows and columns must have the same labels."
        raise OptionError(msg)
    wanted = labels if set(labels) <= set(names) else ids
    lacking = [v for v in wanted or labels if v not in set(names)]
    if not wanted or lacking:
        shown = ", ".join(repr(v) for v in lacking[:3])
        msg = (
            f"noise of site {site!r} lacks {len(lacking)} of its {len(labels)} units "
            f"(e.g. {shown}). Label rows and columns by unit_id."
        )
        raise OptionError(msg)
    where = {name: i for i, name in enumerate(names)}
    order = [where[v] for v in wanted]
    return np.asarray(table.to_numpy()[np.ix_(order, order)])


def _other_distance(option: str, distance: str) -> str:
    return (
        f"{option} goes with distance='crossnobis' or 'mahalanobis'; got {distance!r}, "
        "which is not whitened."
    )
