"""Conditions that binary task variables make, and the splits that they name."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marr.errors import OptionError, StatisticsError
from marr.representation._conditions import Conditions, resolve_conditions
from marr.representation._geometry._cloud import known_column, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["Design", "crossed_design", "named_splits", "single_design"]

Pair = tuple[int, int]


@dataclass(frozen=True)
class Design:
    """Conditions, and the binary variables that split them.

    Attributes
    ----------
    labels : tuple of str
        Names of the conditions.
    codes : int array of shape (n_trials,)
        Condition of each trial, -1 for none.
    names : tuple of str
        Variables.
    signs : array of shape (n_variables, n_conditions)
        Side of each condition, 1 or -1.
    values : tuple of (str, str)
        Value of each variable on the side of -1 and of 1.
    crossed : bool
        Whether conditions are all combinations of the variables.
    source : str
        What made the conditions.
    """

    labels: tuple[str, ...]
    codes: npt.NDArray[np.intp]
    names: tuple[str, ...]
    signs: npt.NDArray[np.float64]
    values: tuple[tuple[str, str], ...]
    crossed: bool
    source: str

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.labels)

    def contexts(self, variable: int) -> list[Pair]:
        """Return pairs of conditions that differ in one variable alone."""
        bit = 1 << variable
        return [(k | bit, k) for k in range(self.n_conditions) if not k & bit]

    def pairs(self, signs: npt.NDArray[np.float64]) -> list[Pair]:
        """Return all pairs of conditions on different sides, lower number first."""
        found = combinations(range(self.n_conditions), 2)
        return [(a, b) for a, b in found if signs[a] * signs[b] < 0]

    def as_conditions(self) -> Conditions:
        """Return the conditions in the form that plans are made from."""
        return Conditions(
            self.source, np.array(self.labels), self.codes, circular=False
        )


def crossed_design(system: System, variables: Sequence[str]) -> Design:
    """Return all combinations of binary variables.

    Raises
    ------
    StatisticsError
        If a variable does not have two values, or a combination has no trial (named).
    """
    names = tuple(variables)
    columns = [_binary(system, name) for name in names]
    codes = sum((high << i for i, (high, _) in enumerate(columns)), np.zeros(1, int))
    values = tuple(v for _, v in columns)
    labels = tuple(
        ", ".join(f"{n}={values[i][(k >> i) & 1]}" for i, n in enumerate(names))
        for k in range(2 ** len(names))
    )
    counts = np.bincount(codes, minlength=len(labels))
    empty = [labels[k] for k in np.flatnonzero(counts == 0).tolist()]
    if empty:
        shown = "; ".join(empty[:4])
        more = f" and {len(empty) - 4} more" if len(empty) > 4 else ""
        msg = (
            f"variables {list(names)} are not crossed: no trial has {shown}{more}. Leave "
            "a variable out, or name a column that makes the conditions with on=."
        )
        raise StatisticsError(msg)
    bits = np.arange(len(labels))
    signs = np.array([2.0 * ((bits >> i) & 1) - 1 for i in range(len(names))])
    source = " x ".join(names)
    return Design(labels, codes.astype(np.intp), names, signs, values, True, source)


def single_design(
    system: System,
    on: str,
    bins: int | Sequence[float] | None,
    variables: Sequence[str],
) -> Design:
    """Return the conditions of one column; variables must be constant in each.

    Raises
    ------
    StatisticsError
        If a variable takes both of its values in one condition.
    """
    made = resolve_conditions(system, on, bins)
    if made.timed:
        msg = f"on={on!r} varies within trials; name a column with one value a trial."
        raise OptionError(msg)
    k = len(made.labels)
    labels = tuple(words(made.labels))
    signs, values = [], []
    for name in variables:
        high, shown = _binary(system, name)
        total = np.bincount(made.codes[made.codes >= 0], minlength=k)
        ones = np.bincount(made.codes[made.codes >= 0], high[made.codes >= 0], k)
        mixed = np.flatnonzero((ones > 0) & (ones < total)).tolist()
        if mixed:
            msg = (
                f"variables: {name!r} takes both values in condition {labels[mixed[0]]!r} "
                f"of {on!r}; conditions must lie on one side. Leave on= out to cross the "
                "variables."
            )
            raise StatisticsError(msg)
        signs.append(np.where(ones > 0, 1.0, -1.0))
        values.append(shown)
    table = np.array(signs) if signs else np.empty((0, k))
    return Design(labels, made.codes, tuple(variables), table, tuple(values), False, on)


def _binary(system: System, name: str) -> tuple[npt.NDArray[np.intp], tuple[str, str]]:
    """Return 1 for the second of two values (in order), and both as words."""
    column = known_column(system, name, "variables")
    seen: list[Any] = pd.unique(pd.Series(column, dtype=object)).tolist()
    if len(seen) != 2:
        shown = ", ".join(str(v) for v in seen[:4]) + (", ..." if len(seen) > 4 else "")
        msg = (
            f"variables: {name!r} has {len(seen)} values ({shown}); a task variable here "
            "has two. Select two of them, or add a binary column to the trial table."
        )
        raise StatisticsError(msg)
    try:
        low, high = sorted(seen)
    except TypeError:
        low, high = sorted(seen, key=str)
    return (column == high).astype(np.intp), (_word(low), _word(high))


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def named_splits(design: Design) -> dict[str, npt.NDArray[np.float64]]:
    """Return the splits that have a name: variables, and exclusive-ors of two or more."""
    named = dict(zip(design.names, design.signs, strict=True))
    if not design.crossed:
        return named
    for size in range(2, len(design.names) + 1):
        for members in combinations(range(len(design.names)), size):
            name = " xor ".join(design.names[i] for i in members)
            named[name] = -np.prod(-design.signs[list(members)], axis=0)
    return named
