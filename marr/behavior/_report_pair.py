"""A continuous report and the truth that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
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
    system: System, estimate: str, target: str, *, circular: bool, period: float | None
) -> Pair:
    """Read report and truth, checked against each other.

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
    longer = report if report.time is not None else truth
    shape = np.broadcast_shapes(report.values.shape, truth.values.shape)
    units = truth.units or report.units
    if circular and period is None:
        period = 360.0 if units.lower() in _DEGREES else 2 * np.pi
    if circular and not units:
        units = "rad" if np.isclose(period or 0, 2 * np.pi) else ""
    return Pair(
        estimate=np.broadcast_to(report.values, shape),
        target=np.broadcast_to(truth.values, shape),
        time=longer.time,
        time_unit=longer.time_unit,
        units=units or "units not stated",
        period=period if circular else None,
    )


def _same_times(a: Series, b: Series) -> bool:
    return (
        a.time is not None
        and b.time is not None
        and a.time.shape == b.time.shape
        and bool(np.allclose(a.time, b.time))
    )
