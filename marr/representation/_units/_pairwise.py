"""Correlations of pairs of units: what cells do together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import StatisticsError
from marr.findings import FigureSpec, Note
from marr.representation._units._data import pair_coords, resampling_units
from marr.representation._units._pairwise_kernel import (
    pair_correlations,
    resampled_correlations,
    shifted_correlations,
)
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
)
from marr.stats._checks import check_count
from marr.systems import stack_units

if TYPE_CHECKING:
    import numpy.typing as npt

    from marr.systems import System

__all__ = ["pairwise_correlations"]

N_RESAMPLES = 500


@analysis(level="representation", citations=("harris2020",), needs="activity")
def pairwise_correlations(
    system: System, *, site: str, n_null: int = 200, seed: int = 0
) -> Draft:
    """Correlate the activity of all pairs of units of a site.

    Time bins of all trials are put end to end; without a time axis rows are trials.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    site : str
        The site.
    n_null : int
        Draws of the null: each unit is shifted around the circle of rows by its own lag,
        which keeps autocorrelation and breaks what units share.
    seed : int
        Seed of shifts and resamples.

    Returns
    -------
    Finding
        Over pair (labels "unit|unit", with coordinates unit_a, unit_b): correlation,
        interval by bootstrap over trials (over groups of trials, or runs of neighbors
        that resemble each other), two-sided p-value, corrected over pairs by the
        permutation maximum. Table "null" (draw, pair): the correlations of each draw, for
        links that compare the structure of two sessions.

    Raises
    ------
    MarrError
        Unknown site, fewer than two units that vary, too few rows to shift.

    Notes
    -----
    Units that follow one stimulus correlate without any connection between them. Pairs
    share units and are not independent: compare structures by the null draws.

    References
    ----------
    Harris (2020). Nonsense correlations in neuroscience.
    """
    check_count("n_null", n_null)
    system.check_site(site)
    x, trial, units, n_constant = _rows(system, site)
    n_rows, n_trials = len(x), len(system.trial_index)
    least = max(1, n_rows // 20)
    if n_rows < 20 or n_trials < 3:
        msg = (
            f"{n_rows} time bins of {n_trials} trials of site {site!r} are too few for "
            "shifts and resamples; at least 20 bins and 3 trials are needed."
        )
        raise StatisticsError(msg)
    by_trial = stack_units(system, site, time="mean").values.astype(float)
    resampled, unit_name, notes = resampling_units(system, by_trial)
    estimate, draws = _correlations(x, resampled[trial], units, (n_null, least), seed)
    if n_constant:
        text = f"{n_constant} constant units of {site} were left out."
        notes.append(Note("constant_units", text))
    return Draft(
        estimate=estimate,
        summary=partial(_summary, site=site),
        question=f"Which units of {site} are active together?",
        methods=(
            f"Correlations of all pairs of units of {site} over {n_rows} "
            f"{'time bins of ' if n_rows > n_trials else ''}{n_trials} trials. Interval: "
            f"percentile bootstrap (95 %) over {unit_name}. P-values: "
            f"{n_null} draws in which each unit was shifted around the circle by its own "
            f"lag (at least {least} rows), two-sided, corrected over pairs by the "
            "permutation maximum."
        ),
        tables={"null": draws},
        figures=[
            FigureSpec(
                "points",
                x="pair",
                reference=0.0,
                reference_label="independent",
                caption=f"Correlation of each pair of units of {site}, 95 % interval.",
                x_label="pair",
                y_label="correlation",
                description="Dots with intervals: correlation of each pair of units.",
            )
        ],
        notes=notes,
        generalizes_over=unit_name,
    )


def _correlations(
    x: npt.NDArray[np.float64],
    unit_of: npt.NDArray[np.intp],
    units: list[str],
    shift: tuple[int, int],
    seed: int,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the estimate and the null draws over pairs.

    `unit_of` is what each row is resampled with, `shift` (draws, least lag).
    """
    n_null, least = shift
    n_units = int(unit_of.max()) + 1
    rng = np.random.default_rng(seed)
    shifts = rng.integers(least, len(x) - least + 1, size=(n_null, x.shape[1]))
    observed, null = pair_correlations(x), shifted_correlations(x, shifts)
    weights = bootstrap_weights(n_units, n_resamples=N_RESAMPLES, seed=seed)
    drawn = resampled_correlations(x, unit_of, weights)
    low, high = percentile_interval(drawn, n_units=n_units)
    columns = {
        "estimate": observed,
        "ci_low": low,
        "ci_high": high,
        "p_value": permutation_p(observed, null, tail="two"),
        "p_corrected": max_statistic(observed, null, tail="two"),
        "null_mean": null.mean(axis=0),
    }
    coords = pair_coords(units)
    estimate = xr.Dataset({k: ("pair", v) for k, v in columns.items()}, coords=coords)
    attrs = {"long_name": "correlation of the pair", "units": "", "better": "higher"}
    estimate["estimate"].attrs.update(**attrs, chance=0.0)
    draws = xr.Dataset(
        {"estimate": (("draw", "pair"), null)},
        coords={"draw": np.arange(n_null), **coords},
        attrs={
            "reduction": "none; correlations after each unit was shifted by its own lag"
        },
    )
    draws["estimate"].attrs.update(attrs)
    return estimate, draws


def _rows(
    system: System, site: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp], list[str], int]:
    """Return rows by units that vary, the trial of each row, and the units' labels.

    Units are sorted by label, so that a pair has one name in whatever order they came.
    """
    array = stack_units(system, site, time="keep")
    values = np.asarray(array.values, dtype=float)
    if values.ndim == 2:
        x, trial = values, np.arange(len(values))
    else:
        valid = np.ones(values.shape[:2], bool)
        if "valid" in array.coords:
            valid = np.asarray(array["valid"].values, dtype=bool)
        trial, _ = np.nonzero(valid)
        x = values[valid]
    spread, size = x.std(axis=0), np.abs(x).max(axis=0)
    varying = spread > 1e-12 * np.maximum(size, 1e-300)
    if varying.sum() < 2:
        msg = (
            f"site {site!r} has {int(varying.sum())} units that vary; a pair needs two."
        )
        raise StatisticsError(msg)
    labels = array["unit"].values.astype(str)
    kept = np.flatnonzero(varying)
    kept = kept[np.argsort(labels[kept], kind="stable")]
    return x[:, kept], trial, labels[kept].tolist(), int((~varying).sum())


def _summary(estimate: xr.Dataset, site: str) -> str:
    values, p = estimate["estimate"].values, estimate["p_corrected"].values
    return (
        f"{int((p < 0.05).sum())} of {len(values)} pairs of {site} are correlated "
        f"(corrected); correlations from {values.min():.2f} to {values.max():.2f}."
    )
