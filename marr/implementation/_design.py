"""How real perturbation trials were assigned: labels, units of assignment, strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from marr.errors import ContractError, OptionError, check_option
from marr.implementation._plan import COLUMN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marr.systems import System

__all__ = ["ASSIGNMENTS", "CONTROL_LABELS", "SHAM_PREFIXES", "Design", "design_of"]

ASSIGNMENTS = ("randomized", "blocked", "observed")
"""How trials came to be perturbed."""

CONTROL_LABELS = ("none", "control", "baseline", "off", "no", "false", "0", "")
"""Labels (any case) of trials on which nothing was done; missing labels count too."""

SHAM_PREFIXES = ("sham", "off_target", "off-target", "off target")
"""Labels that begin so are controls: the same, but not where or not what it should be."""


@dataclass(frozen=True)
class Design:
    """Labels of the trials and how they were assigned."""

    labels: NDArray[np.object_]
    control: NDArray[np.bool_]
    sham: NDArray[np.bool_]
    units: NDArray[np.intp]
    strata: NDArray[np.intp]
    assignment: str
    unit_noun: str
    strata_noun: str

    @property
    def reference(self) -> NDArray[np.bool_]:
        """Trials to compare with: control trials, or sham trials if there are none."""
        return self.control if self.control.any() else self.sham

    @property
    def treated(self) -> list[str]:
        """Labels of real perturbations, in order of appearance."""
        real = ~(self.control | self.sham)
        return list(dict.fromkeys(self.labels[real].tolist()))


def design_of(system: System, assignment: str | None) -> Design:
    if assignment is None:
        msg = (
            "assignment must say how perturbation trials were assigned: 'randomized' (by "
            "trial), 'blocked' (by whole blocks) or 'observed' (not by the experimenter); "
            "got None. The test permutes trials in the same way."
        )
        raise OptionError(msg)
    check_option("assignment", assignment, ASSIGNMENTS)
    table = system.trials
    raw = table[COLUMN]
    labels = np.array(
        [
            "none" if missing else str(v)
            for v, missing in zip(raw, raw.isna(), strict=True)
        ],
        dtype=object,
    )
    lower = np.array([v.strip().lower() for v in labels])
    control = np.isin(lower, CONTROL_LABELS)
    sham = np.array([v.startswith(SHAM_PREFIXES) for v in lower])
    if not (control | sham).any():
        msg = (
            f"there are no control trials: {COLUMN!r} holds {sorted(set(labels))[:6]}. "
            f"Label them 'none' (or one of {list(CONTROL_LABELS[1:4])}), or 'sham'."
        )
        raise ContractError(msg)
    if (control | sham).all():
        msg = f"there are no perturbed trials: {COLUMN!r} holds {sorted(set(labels))[:6]}."
        raise ContractError(msg)
    units, strata, nouns = _units(table, assignment)
    return Design(labels, control, sham, units, strata, assignment, *nouns)


def _units(
    table: pd.DataFrame, assignment: str
) -> tuple[NDArray[np.intp], NDArray[np.intp], tuple[str, str]]:
    """Return the unit of assignment of each trial and the stratum it moves within."""
    layers = [
        c for c in ("subject", "session") if c in table and table[c].nunique() > 1
    ]
    if assignment != "blocked":
        strata = _codes(table, layers)
        within = f" within each {layers[-1]}" if layers else ""
        return np.arange(len(table)), strata, ("trials", within)
    if "block" in table:
        noun = "blocks"
        units = _codes(table, [*layers, "block"])
    elif "session" in table:
        noun = "sessions"
        units = _codes(table, layers)
        layers = [c for c in layers if c != "session"]
    else:
        msg = (
            "assignment='blocked' needs a column 'block' (or 'session') that says which "
            f"trials were assigned together; there is {list(table.columns)}."
        )
        raise ContractError(msg)
    mixed = pd.Series(table[COLUMN].astype(str).to_numpy()).groupby(units).nunique() > 1
    if mixed.any():
        where = table.iloc[int(np.flatnonzero(mixed.to_numpy()[units])[0])]
        shown = {c: where[c] for c in (*layers, noun[:-1]) if c in table}
        msg = (
            f"assignment='blocked', but {COLUMN!r} changes within {shown}. Give each block "
            "of the experiment its own label in 'block', or say assignment='randomized'."
        )
        raise ContractError(msg)
    within = f" within each {layers[-1]}" if layers else ""
    return units, _codes(table, layers), (noun, within)


def _codes(table: pd.DataFrame, columns: list[str]) -> NDArray[np.intp]:
    if not columns:
        return np.zeros(len(table), dtype=np.intp)
    keys = table[columns].astype(str).agg("|".join, axis=1)
    return np.asarray(pd.factorize(keys)[0], dtype=np.intp)
