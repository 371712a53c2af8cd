"""Dissimilarity of conditions in the activity of a site."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError, check_option
from marr.representation._conditions import resolve_conditions
from marr.representation._layout import check_over
from marr.representation._rsa import _rdm_text as text
from marr.representation._rsa._geometry import DISTANCES, WHITENED
from marr.representation._rsa._rdm_job import Measure, correct, site_rdm
from marr.representation._rsa._rdm_noise import resolve_intensity, resolve_noise
from marr.representation._rsa._rdm_notes import notes as grid_notes
from marr.representation._rsa._rdm_plan import plan_distances
from marr.representation._rsa._rdm_rows import (
    check_window,
    make_windows,
    site_rows,
    window_rows,
)
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marr.representation._conditions import Conditions
    from marr.representation._rsa._rdm_rows import Rows, Windows
    from marr.systems import System

__all__ = ["rdm"]


@analysis(
    level="representation",
    citations=("kriegeskorte2008", "walther2016"),
    needs="activity and conditions",
)
def rdm(
    system: System,
    *,
    on: str = "condition",
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    distance: str = "crossnobis",
    noise: Any = "folds",
    shrinkage: str | float = "auto",
    over: str | Sequence[str] = "site",
    time: str | tuple[float, float] = "mean",
    window: float | None = None,
    n_folds: int | None = None,
    n_permutations: int = 200,
    null: str = "auto",
    seed: int = 0,
) -> Draft:
    """Compute the dissimilarity of each pair of conditions at each site.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    on : str
        Column of the trial table, or continuous variable, that makes the conditions.
    bins : int or sequence of float, optional
        Cut numbers into equal bins, or at these edges; angles around the whole circle.
        Conditions are then labelled by the centers.
    sites : str or sequence of str, optional
        Sites; all by default.
    distance : str
        "crossnobis" and "poisson_cv" are cross-validated and free of the noise that
        pushes "euclidean", "mahalanobis", "correlation", "cosine" and "poisson" up.
    noise : str, array of shape (n_units, n_units), DataFrame, or dict of site to these
        Noise covariance of crossnobis and mahalanobis: "folds" (of the other folds),
        "diagonal" (their variances only), "identity" (none), or a given one.
    shrinkage : "auto" or float
        How much of the noise correlation "folds" shrinks away; estimated by default.
    over : "site" or ("site", "time")
        With "time" there is one matrix a time bin, or a window.
    time : "mean" or (float, float)
        Average over all valid bins, or those from start up to stop; with `over` time,
        the span. Where conditions change within trials every bin is a row of its own.
    window : float, optional
        Width of the windows of `over` time; every bin is one by default.
    n_folds : int, optional
        Folds of whole trials, whole groups. By default each group (run, session, block)
        is one, up to twenty; else as many as conditions are repeated, up to ten.
    n_permutations : int
        Shuffles of the conditions; 0 makes no test.
    null : str
        As in `decode`; "free" also says that the order of trials means nothing.
    seed : int
        Seed of folds, shuffles and splits.

    Returns
    -------
    Finding
        Over (site, [time,] condition_a, condition_b): distance, jackknife interval over
        folds, p-values against shuffled conditions, the mean of those (the floor,
        `null_mean`) and the excess over it. Tables: "half" (the same distances on two
        halves of the trials), "reliability" (split-half, of the whole by
        Spearman-Brown), "mean" (over pairs, with interval), "counts".

    Raises
    ------
    MarrError
        Unknown site, column or option; one condition; a cross-validated distance without
        repeats, or of conditions that are one run each; a covariance without an inverse.

    Notes
    -----
    Not for comparing distances between sites with other numbers of units or noise:
    compare the pattern of distances (`compare_rdms`). Where units outnumber rows,
    activity is read in blocks of units: memory follows the number of rows.

    Folds with unequal numbers of trials are weighted by the precision of their means.

    References
    ----------
    Kriegeskorte et al. (2008). Representational similarity analysis.
    Walther et al. (2016). Reliability of dissimilarity measures.
    Schaefer & Strimmer (2005). A shrinkage approach to large-scale covariances.
    """
    check_option("distance", distance, DISTANCES)
    by_time = "time" in _check_over(over)
    _check_options(time, n_folds, n_permutations)
    check_window(window, by_time=by_time)
    names = site_list(system, sites)
    conditions = resolve_conditions(system, on, bins)
    measure = Measure(
        distance,
        resolve_noise(noise, distance, system, names),
        resolve_intensity(shrinkage, noise, distance),
    )
    plan, notes = plan_distances(
        system,
        conditions,
        cross=measure.cross,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        seed=seed,
    )
    span = None if isinstance(time, str) else (float(time[0]), float(time[1]))
    windows = _windows(system, names, conditions, span, window) if by_time else None
    found = []
    for name in names:
        each = [
            site_rdm(name, rows, conditions, plan, system.halves, measure, seed=seed)
            for rows in _rows(system, name, conditions, span, windows)
        ]
        correct(each)
        found.append(each)
    axis = None
    if windows is not None:
        axis = xr.Variable("time", windows.centers, windows.attrs)
        notes.extend(windows.notes)
    n_units = [system.activity(s).sizes["unit"] for s in names]
    grid = text.Grid(found, names, conditions, axis, n_units)
    shown = "" if windows is None else f" in {len(windows.centers)} windows of time"
    return Draft(
        estimate=_estimate(grid, on, measure),
        summary=partial(text.summary, on=on, distance=distance),
        question=f"How different are {text.of(on)} in the activity of {', '.join(names)}?",
        methods=text.methods(measure, conditions, plan, n_permutations, shown),
        tables=text.tables(grid),
        figures=text.figures(
            on, distance, "rad" if conditions.circular else "", timed=by_time
        ),
        notes=[*notes, *grid_notes(grid, plan)],
        citations=["schafer2005"] if _shrunk(measure) else [],
        generalizes_over="the trials given"
        if plan is None
        else f"{plan.n_folds} folds of {plan.group_column or 'trial'}s",
        parameters={"null": None if plan is None else plan.scheme, **_given(noise)},
    )


def _estimate(grid: text.Grid, on: str, measure: Measure) -> xr.Dataset:
    """Return the matrices with labels, checked."""
    estimate = grid.estimate()
    _check_defined(estimate, measure.distance)
    estimate["estimate"].attrs.update(
        long_name=f"dissimilarity of {on} ({measure.distance})",
        units=text.unit_words(measure),
        better="higher",
        null=0.0,
    )
    return estimate


def _shrunk(measure: Measure) -> bool:
    return measure.distance in WHITENED and measure.noise == "folds"


def _given(noise: Any) -> dict[str, Any]:
    """Return a given covariance so that it is hashed, whatever holds it."""
    if isinstance(noise, str):
        return {}
    if isinstance(noise, dict):
        return {"noise": {k: np.asarray(v) for k, v in noise.items()}}
    return {"noise": np.asarray(noise)}


def _check_over(over: str | Sequence[str]) -> tuple[str, ...]:
    axes = check_over(over)
    if "site" not in axes:
        msg = (
            f"over must hold 'site' (matrices of pooled sites are not made); got {over!r}."
            " Use over='site' or over=('site', 'time')."
        )
        raise OptionError(msg)
    return axes


def _windows(
    system: System,
    sites: Sequence[str],
    conditions: Conditions,
    span: tuple[float, float] | None,
    width: float | None,
) -> Windows:
    if conditions.timed:
        msg = (
            f"on={conditions.name!r} varies within trials, so its bins are rows already; "
            "leave 'time' out of over=, or use a column with one value a trial."
        )
        raise OptionError(msg)
    return make_windows(system, sites, span, width)


def _rows(
    system: System,
    site: str,
    conditions: Conditions,
    span: tuple[float, float] | None,
    windows: Windows | None,
) -> Iterable[Rows]:
    if windows is None:
        return [site_rows(system, site, conditions, span)]
    return window_rows(system.activity(site), windows, f"site {site!r}")


def _check_options(
    time: str | tuple[float, float], n_folds: int | None, n_permutations: int
) -> None:
    fits = time == "mean" if isinstance(time, str) else time[0] < time[1]
    if not fits:
        msg = f"time must be 'mean' or (start, stop) with start < stop; got {time!r}."
        raise OptionError(msg)
    if n_folds is not None and (int(n_folds) != n_folds or n_folds < 2):
        msg = f"n_folds must be a whole number of at least 2 or None; got {n_folds!r}."
        raise OptionError(msg)
    if int(n_permutations) != n_permutations or n_permutations < 0:
        msg = f"n_permutations must be 0 or more; got {n_permutations!r}."
        raise OptionError(msg)


def _check_defined(estimate: xr.Dataset, distance: str) -> None:
    """Refuse a site at which no two conditions have a distance."""
    rows, columns = np.triu_indices(estimate.sizes["condition_a"], k=1)
    for site in estimate["site"].values.tolist():
        values = estimate["estimate"].sel(site=site).values[..., rows, columns]
        if np.isnan(values).all():
            msg = (
                f"no two conditions have a {distance} distance at site {site!r}: its "
                "mean patterns do not vary over units, or conditions share fewer than "
                "two folds. Use distance='euclidean', other sites=, coarser conditions, "
                "or null='free' where the order of trials means nothing."
            )
            raise StatisticsError(msg)
