"""Whether two things are coded in the same directions of activity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError
from marr.findings import Note
from marr.representation._conditions import Conditions
from marr.representation._geometry._cloud import (
    check_time,
    constant_note,
    grouped_units,
)
from marr.representation._geometry._subspace_job import Settings, site_overlap
from marr.representation._geometry._subspace_text import (
    figures,
    labelled,
    methods_text,
    question,
    summary,
    tables,
)
from marr.representation._geometry._subspace_views import read_views, resolve_kind
from marr.representation._plan import make_plan
from marr.stats import random_halves
from marr.stats._checks import check_count
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._geometry._subspace_job import Overlap
    from marr.representation._geometry._subspace_views import Kind
    from marr.systems import System

__all__ = ["subspace_overlap"]

GROUPS = 20
"""Groups of trials left out in turn."""


@analysis(
    level="representation",
    citations=("bjorck1973", "elsayed2016", "phipson2010"),
    needs="activity",
)
def subspace_overlap(
    system: System,
    *,
    of: Any,
    on: str | None = None,
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: str | tuple[float, float] = "mean",
    n_dimensions: int | None = None,
    n_splits: int = 20,
    n_permutations: int = 200,
    seed: int = 0,
) -> Draft:
    """Measure the overlap of subspaces that code for two things or more.

    Overlap is the mean squared cosine of the principal angles: 1 for the same subspace,
    0 for orthogonal ones. Each subspace is fitted to another half of the trials than the
    one it is compared with, so that noise that both would share does not count.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    of : sequence of str, of (float, float) or of mappings, or "time"
        Names of variables (directions of a joint regression), windows of time, sets of
        trials (``{"context": 1}``), sites with the same units, or each time bin; the
        last four compare the condition means of `on`.
    on : str, optional
        Column whose condition means span the subspaces.
    bins : int or sequence of float, optional
        Cut the numbers of `on`, as in `rdm`.
    sites : str or sequence of str, optional
        Sites; all by default. Not where sites are compared.
    time : "mean" or (float, float)
        Average over all valid bins, or those of a window; not where times are compared.
    n_dimensions : int, optional
        Directions of each subspace. By default as many as hold 90 % of the coding
        variance that two halves of the trials have in common (for the means of one
        column the most that any of the things compared has).
    n_splits : int
        Random halves of the trials.
    n_permutations : int
        Random subspaces of the null; 0 makes no test.
    seed : int
        Seed of everything random.

    Returns
    -------
    Finding
        Over (site, comparison): overlap, jackknife interval over trials, `ceiling`
        (overlap of the halves' subspaces of the same thing), `chance` (d / units),
        random subspaces that follow the covariance of the activity (`null_mean`,
        two-sided p-values), and `corrected`: 0 at chance, 1 at the ceiling. Tables:
        "angle" (principal angles), "matrix" (all by all, ceilings on the diagonal),
        "dimensions".

    Raises
    ------
    MarrError
        Unknown names, sites with other units, variables that determine each other, too
        few trials, more dimensions than there are.

    Notes
    -----
    Overlap at the ceiling means that no difference is seen, not that there is none; a
    low ceiling leaves no room for either. Units are standardized. The test is
    conservative: noise pulls overlaps towards chance, random subspaces have none.

    References
    ----------
    Björck and Golub (1973). Numerical methods for computing angles between linear
    subspaces. Elsayed et al. (2016). Reorganization between preparatory and movement
    population responses in motor cortex.
    """
    check_time(time)
    check_count("n_splits", n_splits, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    if n_dimensions is not None:
        check_count("n_dimensions", n_dimensions, minimum=1)
    names = site_list(system, sites)
    kind = resolve_kind(system, of, on, bins)
    names = _checked_names(kind, names, sites, time)
    units, unit_name, notes = _units(system, kind, seed)
    halves = _halves(units, kind, n_splits, seed)
    group = grouped_units(units, GROUPS, seed=seed)
    found, constant = [], {}
    for stream, site in enumerate(names):
        views, constant[site] = read_views(system, kind, site, time)
        settings = Settings(n_dimensions, n_permutations, seed, stream)
        found.append(site_overlap(views, halves, group, settings))
    estimate = labelled(found, names, kind)
    return Draft(
        estimate=estimate,
        summary=partial(summary, n_trials=int((kind.strata >= 0).sum())),
        question=question(kind, names),
        methods=methods_text(kind, found, n_splits, n_permutations, unit_name),
        tables=tables(found, names, kind),
        figures=figures(kind),
        notes=[*notes, *_caveats(kind, found, names), *constant_note(constant)],
        citations=[
            *(["nichols2002"] if n_permutations else []),
            *(["stringer2019"] if n_dimensions is None else []),
        ],
        generalizes_over=unit_name,
        parameters={"n_dimensions": found[0].dimensions.tolist()},
    )  # fmt: skip


def _checked_names(
    kind: Kind,
    names: tuple[str, ...],
    sites: str | Sequence[str] | None,
    time: str | tuple[float, float],
) -> tuple[str, ...]:
    """Return the names of the rows of the result; refuse options without a place."""
    if kind.name in ("times", "windows") and time != "mean":
        msg = (
            f"time={time!r} has no place where of= compares {kind.name}; leave it out."
        )
        raise OptionError(msg)
    if kind.name != "sites":
        return names
    if sites is not None:
        msg = "of compares sites, so sites= says nothing; leave it out."
        raise OptionError(msg)
    return (" and ".join(kind.labels),)


def _caveats(kind: Kind, found: Sequence[Overlap], names: Sequence[str]) -> list[Note]:
    """Return notes on trials left out, and on halves that do not agree."""
    notes = []
    outside = int((kind.strata < 0).sum())
    if outside and kind.conditions is not None:
        text = (
            f"{outside} of {len(kind.strata)} trials have no value of "
            f"{kind.conditions.name} and were left out."
        )
        notes.append(Note("left_out", text, "Check that they are not special."))
    low = [n for n, f in zip(names, found, strict=True) if np.nanmin(f.ceiling) < 0.2]
    if low:
        text = (
            f"Halves of the trials hardly agree on some subspace at {', '.join(low)}."
        )
        notes.append(Note("low_ceiling", text, "More trials, or fewer n_dimensions."))
    return notes


def _units(
    system: System, kind: Kind, seed: int
) -> tuple[npt.NDArray[np.intp], str, list[Note]]:
    """Return the units of trials that are halved and left out."""
    filled = np.maximum(kind.strata, 0)
    labels = np.arange(int(filled.max()) + 1).astype(str)
    target = Conditions("trials", labels, filled, circular=False).as_target()
    plan = make_plan(
        system, target, n_folds=2, null="free", n_permutations=0, design=None, seed=seed
    )
    return plan.units, plan.unit_name, [n for n in plan.notes if n.code == "few_groups"]


def _halves(
    units: npt.NDArray[np.intp], kind: Kind, n_splits: int, seed: int
) -> npt.NDArray[np.bool_]:
    """Return random halves: of groups, or of trials within conditions."""
    n = len(units)
    if len(np.unique(units)) < n:
        return random_halves(n, n_splits=n_splits, seed=seed, groups=units)
    strata = np.unique(kind.strata, return_inverse=True)[1].reshape(-1)
    alone = np.bincount(strata)[strata] < 2
    if alone.any():
        strata = np.where(alone, strata[~alone][0] if (~alone).any() else 0, strata)
    return random_halves(n, n_splits=n_splits, seed=seed, within=strata)
