"""Noise correlations: what pairs of units share beyond the conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError, check_option
from marr.findings import Note
from marr.representation._units import _noise_text as words
from marr.representation._units._data import (
    UnitRows,
    constant_note,
    resampling_units,
    serial,
    unit_rows,
    variable_conditions,
)
from marr.representation._units._noise_kernel import (
    permuted_correlations,
    signal_correlations,
    within_conditions,
)
from marr.representation._units._noise_tables import (
    difference_table,
    null_table,
    pair_table,
    relation_table,
)
from marr.representation._units._pairwise_kernel import (
    pair_correlations,
    resampled_correlations,
    shifted_correlations,
)
from marr.stats import bootstrap_weights
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]

__all__ = ["noise_correlations"]

NULLS = ("auto", "within", "shift")
N_RESAMPLES = 500
ENOUGH = 5
"""Rows of a condition that give a spread to divide by."""


@dataclass(frozen=True)
class NoiseJob:
    """Correlations of the data, of resamples and of the null."""

    rows: UnitRows
    codes: npt.NDArray[np.intp]
    z: FloatArray
    observed: FloatArray
    drawn: FloatArray
    null: FloatArray
    signal: FloatArray
    scheme: str
    scaled: bool
    unit_of: npt.NDArray[np.intp]
    unit_name: str
    weights: FloatArray
    notes: tuple[Note, ...]


@analysis(
    level="representation",
    citations=("cohen2011", "phipson2010", "nichols2002"),
    needs="activity",
)
def noise_correlations(
    system: System,
    *,
    on: str,
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: tuple[float, float] | None = None,
    ongoing: tuple[float, float] | None = None,
    n_null: int = 200,
    null: str = "auto",
    seed: int = 0,
) -> Draft:
    """Correlate pairs of units from trial to trial, conditions held constant.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    on : str
        Column or continuous variable that makes the conditions whose means are taken
        out.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`; angles into 18 and numbers with more than ten values
        into 10 bins by default.
    sites : str or sequence of str, optional
        Sites, pairs across sites included; all by default.
    time : (float, float), optional
        Window of the activity, start included and end not.
    ongoing : (float, float), optional
        A second window (say, before the stimulus) to compare with: table "ongoing".
    n_null : int
        Draws of the null.
    null : {"auto", "within", "shift"}
        "within" exchanges rows of each unit within conditions; "shift" shifts each
        unit around the circle of rows by its own lag, which keeps slow drift of single
        units. "auto" shifts where neighboring rows resemble each other.
    seed : int
        Seed of null and resamples.

    Returns
    -------
    Finding
        Over pair: noise correlation, interval, two-sided p-value, corrected by the
        permutation maximum; `signal`, the correlation of the condition means between
        halves of the trials, so that noise does not enter; `activity`, the geometric
        mean activity. Tables: "relation" (mean over pairs, within and between sites;
        relation to signal correlation and to activity; largest), "null" (draw, pair),
        "ongoing" (pair: difference of the two windows).

    Raises
    ------
    MarrError
        Unknown name or option, fewer than two units that vary, conditions without
        repeats.

    Notes
    -----
    Not for wiring: slow changes of arousal or movement, and drift, correlate units as
    well. Weakly active units correlate weakly for the same input (`activity`). Pairs
    share units: the mean over pairs is tested as such, not as many independent pairs,
    and the largest of many pairs grows with their number (`null_mean` of "largest").

    References
    ----------
    Cohen and Kohn (2011). Measuring and interpreting neuronal correlations.
    """
    check_count("n_null", n_null, minimum=1)
    check_option("null", null, NULLS)
    conditions = variable_conditions(system, on, bins, argument="on")
    job = _job(system, conditions, sites, time, n_null, null, seed)
    estimate = pair_table(job)
    tables = {"relation": relation_table(job), "null": null_table(job)}
    if ongoing is not None:
        before = _ongoing(system, conditions, job, ongoing)
        tables["ongoing"] = difference_table(job, before, n_null, seed)
    places = ", ".join(dict.fromkeys(job.rows.sites.tolist()))
    return Draft(
        estimate=estimate,
        summary=words.summarize,
        question=f"Which units of {places} vary together from trial to trial?",
        methods=words.methods(job, conditions, ongoing),
        tables=tables,
        figures=words.figures(job, compared=ongoing is not None),
        notes=job.notes,
        citations=["harris2020"] if job.scheme == "shift" else [],
        generalizes_over=job.unit_name,
        parameters={"null": job.scheme},
    )


def _job(
    system: System,
    conditions: Conditions,
    sites: str | Sequence[str] | None,
    time: tuple[float, float] | None,
    n_null: int,
    null: str,
    seed: int,
) -> NoiseJob:
    rows, codes, notes = _kept(system, conditions, sites, time)
    n = len(conditions.labels)
    scaled = bool(np.bincount(codes, minlength=n)[np.unique(codes)].min() >= ENOUGH)
    z = within_conditions(rows.x, codes, n, scale=scaled)
    rows, z = _varying(rows, z)
    residual = _by_trial(rows, z)
    units, name, more = resampling_units(system, residual)
    shift = conditions.timed or serial(residual)
    scheme = ("shift" if shift else "within") if null == "auto" else null
    unit_of = units[rows.trial]
    _, unit_of = np.unique(unit_of, return_inverse=True)
    weights = bootstrap_weights(
        int(unit_of.max()) + 1, n_resamples=N_RESAMPLES, seed=seed
    )
    half = np.asarray(system.halves, dtype=np.intp)[rows.trial]
    return NoiseJob(
        rows,
        codes,
        z,
        pair_correlations(z),
        resampled_correlations(z, unit_of, weights),
        _null(z, codes, scheme, n_null, seed),
        signal_correlations(rows.x, codes, half, n),
        scheme,
        scaled,
        unit_of,
        name,
        weights,
        (*notes, *more, *_job_notes(scaled)),
    )


def _kept(
    system: System,
    conditions: Conditions,
    sites: str | Sequence[str] | None,
    time: tuple[float, float] | None,
) -> tuple[UnitRows, npt.NDArray[np.intp], list[Note]]:
    """Return rows of conditions that repeat, their condition, and notes."""
    known = conditions.codes >= 0
    rows = unit_rows(
        system, sites, time=time, known=known if conditions.timed else None
    )
    codes = rows.pick(conditions.codes)
    count = np.bincount(codes[codes >= 0], minlength=len(conditions.labels))
    keep = (codes >= 0) & (count[np.maximum(codes, 0)] >= 2)
    notes = constant_note(rows)
    lost = int((count == 1).sum())
    if lost:
        text = f"{lost} conditions of {conditions.name} have a single row: left out."
        notes.append(
            Note("single_conditions", text, "Repeat conditions, or use bins=.")
        )
    missing = int((~known).sum())
    if missing:
        text = (
            f"{missing} values of {conditions.name} are missing or outside: left out."
        )
        notes.append(Note("missing_variable", text))
    n_conditions = int((count >= 2).sum())
    if keep.sum() < n_conditions + 10:
        msg = (
            f"on={conditions.name!r} leaves {int(keep.sum())} rows in {n_conditions} "
            "conditions with repeats; noise correlations need at least ten more rows "
            "than conditions. Use fewer conditions (bins=), or more trials."
        )
        raise StatisticsError(msg)
    return rows.where(keep), codes[keep], notes


def _varying(rows: UnitRows, z: FloatArray) -> tuple[UnitRows, FloatArray]:
    spread = z.std(axis=0)
    keep = (spread > 1e-9 * max(float(spread.max()), 1e-300)) & ~rows.constant
    if keep.sum() < 2:
        msg = (
            f"{int(keep.sum())} units vary within conditions; a pair needs two. (A "
            "deterministic model does not vary when its input repeats.)"
        )
        raise StatisticsError(msg)
    return rows.units_where(keep), z[:, keep]


def _by_trial(rows: UnitRows, z: FloatArray) -> FloatArray:
    """Average residuals over the rows of each trial; 0 for trials without rows."""
    total = np.zeros((rows.n_trials, z.shape[1]))
    np.add.at(total, rows.trial, z)
    count = np.bincount(rows.trial, minlength=rows.n_trials)
    return total / np.maximum(count, 1)[:, None]


def _null(
    z: FloatArray, codes: npt.NDArray[np.intp], scheme: str, n_null: int, seed: int
) -> FloatArray:
    if scheme == "within":
        return permuted_correlations(z, codes, n_null, seed)
    rng = np.random.default_rng(seed)
    shifts = rng.integers(0, len(z), size=(n_null, z.shape[1]))
    return shifted_correlations(z, shifts)


def _job_notes(scaled: bool) -> list[Note]:
    if scaled:
        return []
    text = (
        f"Some condition has fewer than {ENOUGH} rows: its mean was taken out, but "
        "activity was not divided by its spread."
    )
    return [Note("few_repeats", text, "Conditions of large spread weigh more.")]


def _ongoing(
    system: System, conditions: Conditions, job: NoiseJob, window: tuple[float, float]
) -> FloatArray:
    """Return residuals of the same trials and units in a second window."""
    if conditions.timed:
        msg = (
            f"ongoing= compares windows of trials, but {conditions.name!r} changes "
            "within trials. Use conditions with one value a trial."
        )
        raise OptionError(msg)
    labels = job.rows.labels
    sites = list(dict.fromkeys(job.rows.sites.tolist()))
    rows = unit_rows(system, sites, time=window)
    at: dict[str, Any] = {label: i for i, label in enumerate(rows.labels)}
    x = rows.x[job.rows.trial][:, [at[label] for label in labels]]
    return within_conditions(x, job.codes, len(conditions.labels), scale=job.scaled)
