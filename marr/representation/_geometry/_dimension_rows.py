"""Rows whose dimension is measured: trials, or means of conditions with their repeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr.errors import OptionError, StatisticsError
from marr.findings import Note
from marr.representation._conditions import Conditions, resolve_conditions
from marr.representation._geometry._cloud import (
    constant_note,
    grouped_units,
    site_cloud,
    varying,
    words,
)
from marr.representation._geometry._dimension_folds import repeat_folds
from marr.representation._geometry._dimension_methods import FEWEST_ROWS, Points
from marr.representation._geometry._neighbor_kernel import spectrum
from marr.representation._plan import autocorrelated
from marr.representation._rows import site_patterns
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._plan import Plan
    from marr.systems import System

__all__ = ["Source", "make_source"]

MOST_GROUPS = 50
"""Rows are left out in at most this many groups."""


@dataclass
class Source:
    """Gives the rows of each site, and says what they are.

    Attributes
    ----------
    kind : str
        "sampled" or "fixed".
    crossed : bool
        Whether repeats are multiplied with each other.
    conditions : Conditions or None
        None where rows are trials.
    plan : Plan or None
        Folds of trials, where conditions are repeated.
    """

    system: System
    time: str | tuple[float, float]
    kind: str
    crossed: bool
    seed: int
    conditions: Conditions | None = None
    plan: Plan | None = None
    constant: dict[str, int] = field(default_factory=dict)
    n_units: dict[str, int] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        if self.conditions is None:
            return len(self.system.trial_index)
        return len(self.conditions.labels)

    @property
    def n_views(self) -> int:
        """Number of folds whose products are taken."""
        return self.plan.n_folds if self.plan is not None else 1

    @property
    def what(self) -> str:
        """Name of the rows."""
        return "trials" if self.conditions is None else "conditions"

    @property
    def words(self) -> str:
        """Rows in words."""
        if self.conditions is None:
            return "trials"
        kind = (
            "a sample of conditions" if self.kind == "sampled" else "fixed conditions"
        )
        return f"means of {self.conditions.name}, {kind}"

    @property
    def over(self) -> str:
        """Name what the interval generalizes over."""
        if self.kind == "sampled":
            column = self.system.group_column if self.conditions is None else None
            return f"groups of trials ({column})" if column else self.what
        if self.plan is None:
            return "the trials given"
        return f"{self.plan.n_folds} folds of trials"

    @property
    def interval_words(self) -> str:
        """How the interval of a participation ratio is made."""
        if self.kind == "fixed" and self.plan is None:
            return "none, since conditions are not repeated"
        return f"jackknife of the logarithm over {self.over}"

    def points(self, site: str) -> tuple[Points, bool]:
        """Return the rows of a site, and whether its trials are autocorrelated."""
        made = self._trials(site) if self.conditions is None else self._means(site)
        x = made.views[0]
        self.n_units[site] = x.shape[1]
        if x.shape[1] < 2:
            msg = f"site {site!r} has {x.shape[1]} units that vary; a dimension needs two."
            raise StatisticsError(msg)
        serial = False
        if self.conditions is None:
            top = _leading(x)
            serial = autocorrelated(top, self.system.groups())
        return made, serial

    def _trials(self, site: str) -> Points:
        cloud = site_cloud(self.system, site, self.time, fewest=2)
        self.constant[site] = cloud.n_constant
        groups = self.system.groups()
        n = len(cloud.x)
        single = groups is None or int(groups.max()) + 1 < 6
        units = np.arange(n) if single or groups is None else groups
        group = grouped_units(units, min(MOST_GROUPS, n), seed=self.seed)
        half = self.system.halves
        parts = tuple(cloud.x[half == h] for h in (0, 1))
        usable = min(len(p) for p in parts) >= FEWEST_ROWS
        return Points(cloud.x[None], group, halves=parts if usable else ())

    def _means(self, site: str) -> Points:
        conditions = self.conditions
        if conditions is None:
            msg = "no conditions"
            raise AssertionError(msg)
        order = np.argsort(
            self.system.activity(site_list(self.system, site)[0])["unit"].values.astype(str),
            kind="stable",
        )  # fmt: skip

        def mean(use: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.float64]:
            found = site_patterns(
                self.system,
                site,
                conditions.codes,
                self.n_rows,
                time=self.time,
                use=use,
            )
            return found[:, order]

        whole = mean(None)
        kept = varying(whole)
        self.constant[site] = int((~kept).sum())
        groups = None
        if self.kind == "sampled":
            groups = np.arange(self.n_rows) % min(MOST_GROUPS, self.n_rows)
        plan = self.plan
        without: tuple[npt.NDArray[np.float64], ...] = ()
        if self.crossed and plan is not None:
            views = np.stack([mean(plan.folds == f) for f in range(plan.n_folds)])
            views = _complete(views[..., kept], conditions, plan)
            if groups is None and plan.n_folds > 4:
                without = tuple(
                    np.delete(views, f, axis=0) for f in range(plan.n_folds)
                )
            return Points(views, groups, without)
        if groups is None and plan is not None:
            left = (mean(plan.folds != f)[:, kept] for f in range(plan.n_folds))
            without = tuple(v[None] for v in left if np.isfinite(v).all())
        half = self.system.halves
        parts = tuple(mean(half == h)[:, kept] for h in (0, 1))
        known = all(np.isfinite(p).all() for p in parts)
        return Points(whole[:, kept][None], groups, without, parts if known else ())

    def sizes(self, names: Sequence[str]) -> xr.Dataset:
        """Return numbers of units and rows of each site."""
        return xr.Dataset(
            {
                "n_units": ("site", [self.n_units[n] for n in names]),
                "n_rows": ("site", [self.n_rows] * len(names)),
            },
            coords={"site": list(names)},
        )

    def notes(self) -> list[Note]:
        """Return what a reader must know of the rows."""
        notes = constant_note(self.constant)
        c = self.conditions
        if c is None:
            return notes
        outside = int((c.codes < 0).sum())
        if outside:
            text = (
                f"{outside} of {c.codes.size} values of {c.name} are missing or outside "
                "the bins and were left out."
            )
            notes.append(Note("left_out", text, "Check that they are not special."))
        if self.kind == "fixed":
            text = (
                f"{self.n_rows} conditions bound the dimension by {self.n_rows - 1}, "
                "whatever the site does."
            )
            notes.append(Note("bounded", text))
        if self.kind == "fixed" and not self.crossed and self.plan is not None:
            text = "Noise of the condition means adds dimensions."
            notes.append(Note("noise", text, "noise='cross_validated' leaves it out."))
        if self.crossed and self.plan is not None and self.kind == "fixed" and self.plan.n_folds == 4:  # fmt: skip
            text = "Four repeats give an estimate but no interval."
            notes.append(Note("no_interval", text, "Five or more give one."))
        return [*notes, *(self.plan.notes if self.plan is not None else ())]


def make_source(
    system: System,
    *,
    on: str,
    bins: int | Sequence[float] | None,
    noise: str,
    rows: str,
    time: str | tuple[float, float],
    seed: int,
) -> Source:
    """Decide what the rows are.

    Raises
    ------
    StatisticsError
        If there are too few rows, or too few repeats for what was asked.
    """
    crossed = noise == "cross_validated"
    if on == "trial":
        if bins is not None or rows == "fixed":
            msg = "on='trial' takes no bins and no rows='fixed': trials are a sample."
            raise OptionError(msg)
        source = Source(system, time, "sampled", crossed=False, seed=seed)
        _check_rows(source.n_rows, "trials")
        return source
    conditions = resolve_conditions(system, on, bins)
    kind = "fixed" if rows == "auto" else rows
    least = 4 if kind == "fixed" else 2
    plan = repeat_folds(system, conditions, least if crossed else 0, seed)
    if crossed and (plan is None or plan.n_folds < least):
        got = 1 if plan is None else plan.n_folds
        msg = (
            f"noise='cross_validated' of {kind} conditions needs {least} repeats of each "
            f"of {on!r}; there are {got}. "
            + (
                "With rows='sampled' (conditions are a sample of many) two are enough; "
                if kind == "fixed"
                else ""
            )
            + "else use noise='raw'."
        )
        raise StatisticsError(msg)
    source = Source(
        system, time, kind, crossed=crossed, seed=seed, conditions=conditions, plan=plan
    )
    if kind == "sampled":
        _check_rows(source.n_rows, f"conditions of {on!r}")
    return source


def _check_rows(n: int, what: str) -> None:
    if n < FEWEST_ROWS:
        msg = f"{n} {what} are too few for a dimension; at least {FEWEST_ROWS} are needed."
        raise StatisticsError(msg)


def _leading(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return rows by their three leading principal components."""
    x = x - x.mean(axis=0)
    n, p = x.shape
    k = min(3, len(spectrum(x)))
    if n <= p:
        values, vectors = np.linalg.eigh(x @ x.T)
        return vectors[:, -k:] * np.sqrt(np.maximum(values[-k:], 0.0))
    return x @ np.linalg.eigh(x.T @ x)[1][:, -k:]


def _complete(
    views: npt.NDArray[np.float64], conditions: Conditions, plan: Plan
) -> npt.NDArray[np.float64]:
    """Refuse folds that lack a condition, by name."""
    lost = np.isnan(views).any(axis=(0, 2))
    if lost.any():
        names = words(conditions.labels[lost][:5])
        msg = (
            f"noise='cross_validated': {', '.join(names)} of {conditions.name!r} "
            f"{'is' if len(names) == 1 else 'are'} missing in some of the {plan.n_folds} "
            "folds of whole trials or groups. Use noise='raw', or drop these conditions."
        )
        raise StatisticsError(msg)
    return views
