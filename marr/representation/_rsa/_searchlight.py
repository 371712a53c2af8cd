"""Which places hold the geometry of a model: one comparison around each unit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError, check_option
from marr.findings import Note
from marr.representation._conditions import resolve_conditions
from marr.representation._rsa import _searchlight_text as text
from marr.representation._rsa._rdm import rdm
from marr.representation._rsa._rdm_plan import plan_distances
from marr.representation._rsa._rdm_rows import site_rows
from marr.representation._rsa._searchlight_job import (
    Search,
    ball_rdms,
    infer,
)
from marr.representation._rsa._searchlight_kernel import COMPARATORS, balls
from marr.representation._rsa._searchlight_setup import model_rows, unit_places
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from marr.representation._conditions import Conditions
    from marr.representation._rsa._searchlight_setup import Places
    from marr.systems import System

__all__ = ["searchlight"]

DISTANCES = ("crossnobis", "euclidean", "correlation", "cosine")
NOISES = ("diagonal", "identity")


@analysis(
    level="representation",
    citations=("kriegeskorte2006", "nili2014"),
    needs="activity, conditions, and places of units",
)
def searchlight(
    system: System,
    *,
    radius: float,
    models: Mapping[str, Any] | None = None,
    target: str | None = None,
    site: str | None = None,
    on: str = "condition",
    bins: int | Sequence[float] | None = None,
    distance: str = "crossnobis",
    noise: str = "diagonal",
    comparator: str = "spearman",
    coordinates: Sequence[str] | pd.DataFrame | None = None,
    min_units: int = 3,
    time: str | tuple[float, float] = "mean",
    n_folds: int | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
) -> Draft:
    """Compare models with the geometry of conditions in a ball around each unit.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model whose units have places.
    radius : float
        Units up to this far from a center are in its ball, in the units of the
        coordinates.
    models : mapping of str to model, optional
        Fixed models as in `rsa`: labelled matrices, findings of `rdm`, systems.
    target : str, optional
        Instead of models: a column whose differences between conditions (absolute,
        angular, or same against different) are the model.
    site : str, optional
        The site; may be left out where there is one.
    on : str
        Column that makes the conditions.
    bins : int or sequence of float, optional
        As in `rdm`.
    distance : {"crossnobis", "euclidean", "correlation", "cosine"}
        Distance within a ball.
    noise : {"diagonal", "identity"}
        Scale units by the noise variance of the other folds, or not (crossnobis).
    comparator : {"spearman", "correlation", "cosine", "rho-a"}
        How distances are compared with a model.
    coordinates : sequence of str, or DataFrame, optional
        Names of unit coordinates (x, y, z by default), or a table with one row a
        unit_id.
    min_units : int
        Centers with fewer (varying) units in their ball are left out.
    time : "mean" or (float, float)
        Average over all valid bins, or those from start up to stop.
    n_folds : int, optional
        As in `rdm`.
    n_permutations : int
        Permutations of the conditions; 0 makes no test.
    seed : int
        Seed of folds and permutations.

    Returns
    -------
    Finding
        Over "unit" (the center), or (model, unit) for several models: similarity,
        jackknife interval over conditions, p-values against permuted conditions
        (one-sided; corrected over centers and models by the maximum), `n_units` of the
        ball, `half_estimate` of two halves of the trials, the `reliability` of the
        distances, and the coordinates. Table "map": centers on a grid.

    Raises
    ------
    MarrError
        No coordinates; fewer than five conditions; models without some condition; no
        ball with enough units.

    Notes
    -----
    Not for saying that a *single unit* carries something: a center speaks for its ball,
    and neighbors share most of theirs. Noise covariances within balls are not used.

    References
    ----------
    Kriegeskorte, Goebel & Bandettini (2006). Information-based functional brain mapping.
    Nili et al. (2014). A toolbox for representational similarity analysis.
    """
    _check_options(distance, noise, comparator, radius, min_units, n_permutations)
    name = _one_site(system, site)
    conditions = _conditions(system, on, bins)
    given = model_rows(
        system,
        conditions,
        models=models,
        target=target,
        compute=lambda s: rdm(s, on=on, bins=bins, distance=distance, n_permutations=0),
    )
    plan, notes = plan_distances(
        system,
        conditions,
        cross=distance == "crossnobis",
        n_folds=n_folds,
        null="auto",
        n_permutations=0,
        seed=seed,
    )
    places, more = unit_places(system, name, coordinates)
    search = Search(
        _within(places, radius),
        conditions.codes,
        np.zeros(len(conditions.codes), np.intp) if plan is None else plan.folds,
        len(conditions.labels),
        distance,
        noise if distance == "crossnobis" else "identity",
        comparator,
    )
    window = None if isinstance(time, str) else (float(time[0]), float(time[1]))
    blocks = site_rows(system, name, conditions, window).blocks
    halves = [np.where(system.halves == h, conditions.codes, -1) for h in (0, 1)]
    rdms, count = ball_rdms(search, blocks, [conditions.codes, *halves])
    kept = _kept(rdms[0], count, min_units, places, radius, notes)
    rdms = [r[kept] for r in rdms]
    repeated = all(np.isfinite(r).all(axis=1).any() for r in rdms[1:])
    found = infer(
        search,
        rdms if repeated else rdms[:1],
        given.values,
        n_permutations=n_permutations,
        seed=seed,
    )
    unit = system.activity(name)["unit"].isel(unit=kept)
    estimate = text.labelled(
        found,
        unit,
        places.values[kept],
        places.names,
        count[kept],
        given,
    )
    words = text.COMPARATOR_WORDS[comparator]
    estimate["estimate"].attrs.update(
        long_name=f"{words} with the model", units="", better="higher", null=0.0
    )
    maps = text.map_table(found.columns["estimate"], places, kept, given)
    return Draft(
        estimate=estimate,
        summary=partial(text.summary, radius=radius),
        question=text.question(given, name, on),
        methods=text.methods(search, conditions, radius, n_permutations, given),
        tables=maps,
        figures=text.figures(words, places, radius),
        notes=[*notes, *more, *text.notes(found, given, conditions)],
        citations=["walther2016"] if distance == "crossnobis" else [],
        generalizes_over=f"conditions (n = {len(conditions.labels)})",
        others=given.systems,
    )


def _one_site(system: System, site: str | None) -> str:
    names = site_list(system, site)
    if len(names) > 1:
        msg = f"site must be one site; {system.name!r} has {list(names)}."
        raise OptionError(msg)
    return names[0]


def _conditions(
    system: System, on: str, bins: int | Sequence[float] | None
) -> Conditions:
    conditions = resolve_conditions(system, on, bins)
    if conditions.timed:
        msg = f"on={on!r} varies within trials; a searchlight needs one value a trial."
        raise OptionError(msg)
    return conditions


def _check_options(
    distance: str,
    noise: str,
    comparator: str,
    radius: float,
    min_units: int,
    n_permutations: int,
) -> None:
    check_option("distance", distance, DISTANCES)
    check_option("noise", noise, NOISES)
    check_option("comparator", comparator, COMPARATORS)
    if not (np.isfinite(radius) and radius > 0):
        msg = f"radius must be a number above 0; got {radius!r}."
        raise OptionError(msg)
    if min_units < 1 or n_permutations < 0:
        msg = (
            "min_units must be at least 1 and n_permutations at least 0; got "
            f"{min_units} and {n_permutations}."
        )
        raise OptionError(msg)


def _within(places: Places, radius: float) -> Any:
    """Return balls over all units; those without a place are in none."""
    placed = np.flatnonzero(np.isfinite(places.values).all(axis=1))
    inner = balls(places.values[placed], radius).tocoo()
    n = len(places.values)
    return sparse.csr_array(
        (inner.data, (placed[inner.row], placed[inner.col])), shape=(n, n)
    )


def _kept(
    rdms: npt.NDArray[np.float64],
    count: npt.NDArray[np.float64],
    min_units: int,
    places: Places,
    radius: float,
    notes: list[Note],
) -> npt.NDArray[np.intp]:
    """Return centers with enough units and all distances; say which were left out."""
    placed = np.isfinite(places.values).all(axis=1)
    small = placed & (count < min_units)
    defined = np.isfinite(rdms).all(axis=1) & (np.ptp(rdms, axis=1) > 0)
    kept = np.flatnonzero(placed & ~small & defined)
    if not len(kept):
        msg = (
            f"no ball of radius {radius:g} has {min_units} varying units and a distance "
            f"for every pair of conditions (the largest holds {int(count.max())} units). "
            "Use a larger radius (in the units of the coordinates), a smaller min_units, "
            "or distance='euclidean'."
        )
        raise StatisticsError(msg)
    if small.any():
        text = (
            f"{int(small.sum())} of {int(placed.sum())} centers have fewer than "
            f"{min_units} varying units in their ball and were left out."
        )
        notes.append(Note("small_balls", text, "Use a larger radius."))
    undefined = int((placed & ~small & ~defined).sum())
    if undefined:
        text = (
            f"{undefined} centers lack the distance of some pair of conditions (a pattern "
            "without spread, or conditions that share fewer than two folds)."
        )
        notes.append(Note("missing_pairs", text, "They were left out."))
    return kept
