"""A continuous report and the truth that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from marr.errors import ContractError, OptionError

from ._continuous import Series, read_series

if TYPE_CHECKING:
    from marr.systems import System

__all__ = ["Pair", "read_pair"]

_DEGREES = ("deg", "degree", "degrees", "°")


@dataclass(frozen=True)
class Pair:
    """Report and truth on common trials and times.

    Attributes
    ----------
    estimate, target : arrays of shape (n_trials, n_times)
        One column where both have a value a trial.
    time : array of shape (n_times,), or None
    time_unit, units : str
    period : float or None
        Length of the circle; None where values are not angles.
    """

    estimate: np.ndarray
    target: np.ndarray
    time: np.ndarray | None
    time_unit: str
    units: str
    period: float | None


def read_pair(
    system: System,
    estimate: str,
    target: str,
    *,
    circular: bool,
    period: float | None,
    at: str | int,
) -> Pair:
    """Read report and truth, checked against each other.

    A report of one value a trial is compared with the truth at one time: the last one
    that is known, or the one at position `at`.

    Raises
    ------
    EvidenceError
        One of them was not measured.
    ContractError
        Their times differ.
    OptionError
        A period without a circle, or not above 0.
    """
    report = read_series(
        system,
        estimate,
        argument="estimate",
        own=True,
        lacking=f"a report of {target}",
    )
    truth = read_series(
        system,
        target,
        argument="target",
        own=False,
        lacking=f"the true value ({target})",
    )
    if not circular and period is not None:
        msg = f"period={period} is for circular=True only; leave it out."
        raise OptionError(msg)
    if period is not None and not period > 0:
        msg = f"period must be above 0; got {period!r}."
        raise OptionError(msg)
    if (
        report.time is not None
        and truth.time is not None
        and not _same_times(report, truth)
    ):
        msg = (
            f"estimate {estimate!r} and target {target!r} must share their times; got "
            f"{len(report.time)} and {len(truth.time)} ({report.time[:3]}..., {truth.time[:3]}...)."
        )
        raise ContractError(msg)
    if report.time is None and truth.time is not None:
        truth = replace(truth, values=_at(truth.values, at), time=None)
    shape = np.broadcast_shapes(report.values.shape, truth.values.shape)
    units = truth.units or report.units
    if circular and period is None:
        period = 360.0 if units.lower() in _DEGREES else 2 * np.pi
    if circular and not units:
        units = "rad" if np.isclose(period or 0, 2 * np.pi) else ""
    return Pair(
        estimate=np.broadcast_to(report.values, shape),
        target=np.broadcast_to(truth.values, shape),
        time=report.time,
        time_unit=report.time_unit,
        units=units or "units not stated",
        period=period if circular else None,
    )


def _at(values: np.ndarray, at: str | int) -> np.ndarray:
    """Return the values of one time, shape (n_trials, 1)."""
    if at == "last":
        known = ~np.isnan(values)
        last = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        return np.take_along_axis(values, last[:, None], axis=1)
    n = values.shape[1]
    if isinstance(at, str) or not -n <= at < n:
        msg = f"at must be 'last' or a time position from {-n} to {n - 1}; got {at!r}."
        raise OptionError(msg)
    return values[:, [at]]


def _same_times(a: Series, b: Series) -> bool:
    return (
        a.time is not None
        and b.time is not None
        and a.time.shape == b.time.shape
        and bool(np.allclose(a.time, b.time))
    )
