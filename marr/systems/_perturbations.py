"""What can be done to a system: ablate, patch, steer.

A perturbation only names what is to be done. References (intact means, donors,
patch sources) are looked up on the root system by whoever applies it, so that
selecting trials and perturbing commute.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError, check_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ABLATION_MODES", "Ablate", "Patch", "Perturbation", "Steer"]

ABLATION_MODES = ("zero", "mean", "resample")
"""Ablation values: 0; the intact mean over trials at each time; another trial's value."""


@dataclass(frozen=True, eq=False)
class Perturbation:
    """Base of what can be done to one site of a system.

    Parameters
    ----------
    site : str
        Name of the site.
    units : sequence of unit ids or labels, optional
        Which units; all when neither `units` nor `subspace` is given.
    subspace : array of shape (n_units, n_dims), optional
        Act on the span of these columns and leave the rest of the activity alone.
    time : scalar, slice or sequence, optional
        Time coordinates to act on (a slice is a closed range); all by default.
    """

    site: str
    units: Sequence[Any] | None = None
    subspace: ArrayLike | None = None
    time: Any = None

    def __post_init__(self) -> None:
        """Check what can be checked without a system."""
        if not isinstance(self.site, str):
            msg = f"site must be a string; got {self.site!r}."
            raise OptionError(msg)
        if self.units is not None and self.subspace is not None:
            msg = (
                f"{type(self).__name__}({self.site!r}): give units or subspace, not "
                "both. Use two perturbations to act on units and on a subspace."
            )
            raise OptionError(msg)
        if self.units is not None and (
            isinstance(self.units, (str, int, np.integer)) or len(self.units) == 0
        ):
            msg = f"units must be a non-empty list of unit ids; got {self.units!r}."
            raise OptionError(msg)
        if self.subspace is not None:
            object.__setattr__(self, "subspace", _orthonormal(self.subspace))

    def describe(self) -> dict[str, Any]:
        """Return the perturbation as plain values, for provenance and names."""
        shown: dict[str, Any] = {"kind": type(self).__name__}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            shown[field.name] = _plain(value)
        return shown

    def __repr__(self) -> str:
        """Show the class and what was set."""
        inside = ", ".join(
            f"{k}={v!r}" for k, v in self.describe().items() if k != "kind"
        )
        return f"{type(self).__name__}({inside})"


@dataclass(frozen=True, eq=False, repr=False)
class Ablate(Perturbation):
    """Replace activity by a value that carries no trial-wise information.

    Parameters
    ----------
    site, units, subspace, time
        See `Perturbation`.
    mode : {"mean", "zero", "resample"}
        "mean": the intact mean over trials, at each time; "zero": 0; "resample":
        the activity of another intact trial, of the same `condition` where the
        trial table has that column.
    seed : int
        Seed of the donors of mode "resample".

    Notes
    -----
    Zero is a value that many units never take: an effect of "zero" mixes the loss
    of information with the shock of an unusual input. Prefer "mean" or "resample".
    """

    mode: str = "mean"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the mode as well."""
        super().__post_init__()
        check_option("mode", self.mode, ABLATION_MODES)


@dataclass(frozen=True, eq=False, repr=False)
class Patch(Perturbation):
    """Put in the activity of another run.

    Parameters
    ----------
    site, units, subspace, time
        See `Perturbation`.
    source : System, array or sequence of trial labels
        A system with the same trials (its activity at `site` is taken), an array
        of the shape of the activity, or, for each trial, the label of the trial of
        the intact root system from which the activity comes.
    """

    source: Any = None

    def __post_init__(self) -> None:
        """Ask for a source."""
        super().__post_init__()
        if self.source is None:
            msg = (
                f"Patch({self.site!r}) needs source=: a system with the same trials, "
                "an array, or one donor trial label for each trial."
            )
            raise OptionError(msg)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Steer(Perturbation):
    """Add a direction to the activity.

    Parameters
    ----------
    site : str
        Name of the site.
    direction : array of shape (n_units,)
        Direction, used as it is (not normalized).
    amount : float or array of shape (n_trials,)
        How much of the direction is added.
    time
        See `Perturbation`.
    """

    direction: ArrayLike = ()
    amount: float | ArrayLike = 1.0

    def __init__(
        self,
        site: str,
        direction: ArrayLike,
        amount: float | ArrayLike = 1.0,
        *,
        time: Any = None,
    ) -> None:
        vector, size = _floats("direction", direction), _floats("amount", amount)
        if vector.ndim != 1 or not np.isfinite(vector).all():
            msg = (
                "direction must be a finite vector with one value a unit; "
                f"got shape {vector.shape}."
            )
            raise ContractError(msg)
        if not np.isfinite(size).all():
            msg = f"amount must be finite; got {amount!r}."
            raise ContractError(msg)
        object.__setattr__(self, "site", site)
        object.__setattr__(self, "units", None)
        object.__setattr__(self, "subspace", None)
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "direction", vector)
        object.__setattr__(self, "amount", amount)
        self.__post_init__()


def _floats(argument: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return an array of numbers, or raise with what was got."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"{argument} must hold numbers; got {value!r:.60}."
        raise ContractError(msg) from error


def _orthonormal(subspace: ArrayLike) -> NDArray[np.float64]:
    """Return an orthonormal basis of the columns, refusing a degenerate one."""
    basis = _floats("subspace", subspace)
    if basis.ndim == 1:
        basis = basis[:, None]
    if basis.ndim != 2 or not np.isfinite(basis).all():
        msg = (
            "subspace must be a finite array of shape (n_units, n_dims); "
            f"got shape {basis.shape}."
        )
        raise ContractError(msg)
    rank = int(np.linalg.matrix_rank(basis))
    if rank < basis.shape[1]:
        msg = (
            f"subspace has {basis.shape[1]} columns but rank {rank}; "
            "give linearly independent columns."
        )
        raise ContractError(msg)
    return np.linalg.qr(basis)[0]


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold and that names the original."""
    if isinstance(value, slice):
        return f"{value.start}:{value.stop}"
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return f"array of shape {value.shape}"
    if isinstance(value, (np.ndarray, list, tuple)):
        values = list(np.asarray(value, dtype=object).tolist())
        return values if len(values) <= 16 else f"{len(values)} values"
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return str(getattr(value, "name", type(value).__name__))
