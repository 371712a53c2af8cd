"""What a measure is: fitted on the intact system, then one value a trial of any."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from marr._option_types import checked
from marr.errors import ContractError, check_option

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from marr.systems import System

__all__ = ["FittedMeasure", "Measure", "as_measure", "wrap"]

Values = NDArray[np.float64]

DIRECTIONS = ("higher", "lower")


@dataclass(frozen=True)
class Measure(ABC):
    """What is measured on a system, trial by trial.

    A measure has two phases, because what is measured on a perturbed system is defined
    on the intact one: ``measure.fit(intact)`` returns a function of a system that gives
    one value a trial.

    Attributes
    ----------
    name : str
        Words for sentences: "accuracy", "readout of choice".
    kind : {"behavior", "readout", "custom"}
        "behavior": what the system did; "readout": what a decoder gets out of its
        activity; "custom": a function of the user's.
    better : {"higher", "lower"}
        Direction in which the system does well; a loss is a move the other way.
    units : str
        Unit of the values.
    target : str or None
        Variable that is read out or followed.
    where : str or None
        Query on the trial table of the intact system; the measure is not defined (NaN)
        on other trials.
    """

    name: str
    kind: str
    better: str = "higher"
    units: str = ""
    target: str | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        """Check the direction."""
        check_option("better", self.better, DIRECTIONS)

    @abstractmethod
    def fit(self, intact: System) -> FittedMeasure:
        """Return the measure as it is defined on the intact system."""

    def describe(self) -> dict[str, Any]:
        """Return plain values for the parameters of a finding."""
        shown = {"name": self.name, "kind": self.kind, "better": self.better}
        return {**shown, **({"where": self.where} if self.where else {})}

    def __repr__(self) -> str:
        """Show name and kind."""
        return f"<measure {self.name!r} ({self.kind})>"


class FittedMeasure(ABC):
    """A measure as it is defined on one intact system: a function of a system.

    Attributes
    ----------
    measure : Measure
        What was fitted.
    """

    measure: Measure

    @abstractmethod
    def __call__(self, system: System) -> Values:
        """Return one value a trial of the system, NaN where not defined.

        Raises
        ------
        ContractError
            If the system has trials that the intact one had not.
        """

    @property
    def value_units(self) -> str:
        """Unit of the values."""
        return self.measure.units

    @property
    def sign(self) -> float:
        """1 where higher is better, -1 where lower is: a loss is sign * (intact - now)."""
        return 1.0 if self.measure.better == "higher" else -1.0


@dataclass(frozen=True, eq=False)
class FittedValues(FittedMeasure):
    """Values that a function reads off a system, on the trials where they are defined.

    Parameters
    ----------
    measure : Measure
        What was fitted.
    trials : pandas.Index
        Trials of the intact system.
    defined : array of bool of shape (n_trials,)
        Trials on which the measure is defined.
    values : callable
        From a system to its raw values, one a trial.
    """

    measure: Measure
    trials: pd.Index
    defined: NDArray[np.bool_]
    values: Callable[[System], Any]

    def __call__(self, system: System) -> Values:
        """Return one value a trial of the system, NaN where not defined."""
        rows = known_rows(self.trials, system, self.measure.name)
        out = one_a_trial(self.values(system), system, self.measure.name)
        out[~self.defined[rows]] = np.nan
        return out


@dataclass(frozen=True, repr=False)
class _Wrapped(Measure):
    """A function of a system."""

    function: Callable[[System], Any] = lambda system: np.zeros(len(system.trials))

    def fit(self, intact: System) -> FittedMeasure:
        """Bind the function to the trials of the intact system."""
        defined = defined_trials(intact, self.where)
        return FittedValues(self, intact.trial_index, defined, self._call)

    def _call(self, system: System) -> Any:
        try:
            return self.function(system)
        except KeyError as error:
            column = str(error.args[0]) if error.args else ""
            for prefix in ("intact", "reference"):
                if f"{prefix}_{column}" in system.trials.columns:
                    system.column(column, argument=self.name)  # raises with the reason
            raise


@checked
def wrap(
    function: Callable[[System], Any] | Any,
    *,
    name: str | None = None,
    kind: str = "custom",
    better: str = "higher",
    units: str = "",
    where: str | None = None,
) -> Measure:
    """Make a measure of a plain function of a system.

    Parameters
    ----------
    function : callable
        From a System to one number a trial (array of shape (n_trials,), in the order of
        ``system.trials``; NaN where not defined).
    name : str, optional
        Words for sentences; the function's name by default.
    kind : {"custom", "behavior"}
        "behavior" declares that the function looks at what the system did (its trial
        table or outputs) and not at its activity: links of kind "used" ask for it.
    better : {"higher", "lower"}
        Direction in which the system does well.
    units : str
        Unit of the values.
    where : str, optional
        Query on the intact trial table; other trials get NaN.

    Returns
    -------
    Measure
        A measure to hand to an analysis.

    Examples
    --------
    >>> import numpy as np, marr
    >>> system = marr.from_arrays({"V1": np.eye(4)})
    >>> total = wrap(lambda s: s.activity("V1").sum("unit"), name="total activity")
    >>> total.fit(system)(system)
    array([1., 1., 1., 1.])
    """
    if not callable(function):
        msg = (
            "measure must be one of marr.measures (accuracy(), decoded(...), ...) or a "
            f"function of a System; got {function!r}."
        )
        raise ContractError(msg)
    if getattr(function, "__module__", "").startswith("marr.measures"):
        made = getattr(function, "__name__", "accuracy")
        msg = f"measure: marr.measures.{made} makes a measure; call it, as in {made}(...)."
        raise ContractError(msg)
    words = name or getattr(function, "__name__", "custom measure").replace("_", " ")
    words = "custom measure" if words == "<lambda>" else words
    check_option("kind", kind, ("custom", "behavior"))
    return _Wrapped(words, kind, better, units, None, where, function)


def as_measure(measure: Measure | Callable[[System], Any]) -> Measure:
    """Return a measure as it is, and a plain function wrapped."""
    return measure if isinstance(measure, Measure) else wrap(measure)


def defined_trials(intact: System, where: str | None) -> NDArray[np.bool_]:
    """Return which trials of the intact system a query selects (all without one)."""
    if where is None:
        return np.ones(len(intact.trial_index), dtype=bool)
    chosen = intact.select(where).trial_index
    return np.asarray(intact.trial_index.isin(chosen))


def known_rows(trials: pd.Index, system: System, name: str) -> NDArray[np.intp]:
    """Return the position of each trial of a system among the fitted ones."""
    rows = np.asarray(trials.get_indexer(system.trial_index), dtype=np.intp)
    if (rows < 0).any():
        missing = system.trial_index[rows < 0][:3].tolist()
        msg = (
            f"{name} was fitted on other trials: {missing} are not among them. Fit it on "
            "the intact system that holds all trials, then call it on any part."
        )
        raise ContractError(msg)
    return rows


def one_a_trial(values: Any, system: System, name: str) -> Values:
    """Return values as floats, checked to be one a trial."""
    try:
        out = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must give numbers, one a trial; got {values!r:.80}."
        raise ContractError(msg) from error
    n_trials = len(system.trial_index)
    if out.shape != (n_trials,):
        msg = (
            f"{name} must give one value a trial, shape ({n_trials},); got shape "
            f"{out.shape}. Average over other axes, and leave the mean over trials to marr."
        )
        raise ContractError(msg)
    if np.isinf(out).any():
        msg = f"{name} gave infinite values; return NaN on trials where it is not defined."
        raise ContractError(msg)
    return out
