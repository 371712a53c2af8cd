"""Choice probability: how a unit goes with the choice, the stimulus held constant."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import special

from marr._analysis import Draft, analysis
from marr.errors import ContractError, StatisticsError
from marr.findings import Note
from marr.representation._units import _choice_text as words
from marr.representation._units._choice_kernel import (
    area,
    balanced_scores,
    within_area,
)
from marr.representation._units._data import (
    UnitRows,
    constant_note,
    resampling_units,
    serial,
    unit_rows,
    variable_conditions,
)
from marr.stats import max_statistic, permutation_p
from marr.stats._checks import check_count
from marr.systems import target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.intp]
    BoolArray = npt.NDArray[np.bool_]

__all__ = ["choice_probability"]

FEWEST = 3
"""Trials of each choice that a stimulus needs."""

N_BLOCKS = 20
"""Groups of trials that the jackknife leaves out."""

N_RUNS = 10
"""Runs of neighboring trials within which slow choices are exchanged."""


@analysis(
    level="representation",
    citations=("britten1996", "kang2012", "phipson2010", "nichols2002"),
    needs="activity and choices",
)
def choice_probability(
    system: System,
    *,
    stimulus: str,
    choice: str = "choice",
    bins: int | None = None,
    sites: str | Sequence[str] | None = None,
    time: tuple[float, float] | None = None,
    n_permutations: int = 200,
    seed: int = 0,
) -> Draft:
    """Ask of each unit whether it goes with the choice while the stimulus stays the same.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    stimulus : str
        Column that says what was presented; trials are compared within its values.
    choice : str
        Column of two choices.
    bins : int, optional
        Cut the stimulus into this many bins; numbers with more than ten values are cut
        into 10 by default. Within wide bins the stimulus varies: keep them narrow.
    sites : str or sequence of str, optional
        Sites; all by default.
    time : (float, float), optional
        Window of the activity, start included and end not.
    n_permutations : int
        Shuffles of choices within stimuli; 0 makes no test.
    seed : int
        Seed of the shuffles.

    Returns
    -------
    Finding
        Over unit: the area under the ROC curve between the two choices, trials of all
        stimuli together after balanced z-scoring within each; above 0.5 for more
        activity before the second choice (in sorted order). `within`: the areas within
        stimuli, averaged by pairs of trials. Interval, two-sided p-value,
        corrected by the permutation maximum; table "unit" has halves as well.

    Raises
    ------
    MarrError
        Unknown name, other than two choices, no stimulus with at least three trials of
        each choice.

    Notes
    -----
    Not evidence that the choice comes from the unit: activity may follow the choice
    (feedback, movement), or share its noise with units that do. Stimuli without enough
    errors carry nothing and are left out.

    References
    ----------
    Britten et al. (1996). A relationship between behavioral choice and the visual
    responses of neurons in macaque MT.
    Kang and Maunsell (2012). Potential confounds in estimating trial-to-trial
    correlations.
    """
    check_count("n_permutations", n_permutations, minimum=0)
    chosen, names, found = _choices(system, choice)
    conditions = variable_conditions(system, stimulus, bins, argument="stimulus")
    if conditions.timed:
        msg = (
            f"stimulus={stimulus!r} changes within trials; name a column of the table."
        )
        raise ContractError(msg)
    whole = unit_rows(system, sites, time=time)
    keep, stim, notes = _usable(conditions.codes, chosen, found, stimulus)
    rows, picked = whole.where(keep), chosen[keep]
    z = balanced_scores(rows.x, stim, picked, int(stim.max()) + 1)
    z[:, rows.constant] = 0.0
    units, unit_name, more = resampling_units(system, whole.x)
    strata, scheme = _strata(system, stim, chosen, keep)
    estimate = _estimate(
        rows, z, stim, picked, units[keep], strata, n_permutations, seed
    )
    table = _unit_table(estimate, rows, stim, picked, system.halves[keep])
    return Draft(
        estimate=estimate,
        summary=partial(words.summarize, choice=choice),
        question=f"Which units go with {choice}, {stimulus} held constant?",
        methods=words.methods(
            rows, stim, picked, (choice, stimulus), (unit_name, scheme), n_permutations
        ),
        tables={"unit": table},
        figures=words.figures(choice, names),
        notes=[*notes, *more, *constant_note(rows)],
        generalizes_over=unit_name,
        parameters={"higher": names[1], "null": scheme},
    )


def _choices(system: System, name: str) -> tuple[BoolArray, list[str], BoolArray]:
    """Return which trials have the second choice, both names, and where it is known."""
    array = target_values(system, name, argument="choice")
    if array.ndim != 1:
        msg = f"choice={name!r} changes within trials; name a column of the table."
        raise ContractError(msg)
    raw = array.values.tolist()
    known = np.array([v == v and v is not None for v in raw])  # noqa: PLR0124
    seen = sorted(
        {v for v, k in zip(raw, known, strict=True) if k},
        key=lambda v: (str(type(v)), v),
    )
    if len(seen) != 2:
        msg = (
            f"choice={name!r} must hold two choices; got {len(seen)}: {seen[:5]}. Select "
            "trials of two of them."
        )
        raise StatisticsError(msg)
    return np.array([v == seen[1] for v in raw]), [str(v) for v in seen], known


def _usable(
    codes: IntArray, chosen: BoolArray, known: BoolArray, stimulus: str
) -> tuple[BoolArray, IntArray, list[Note]]:
    """Return trials of stimuli with enough of both choices, their stimulus, and notes."""
    inside = (codes >= 0) & known
    n = int(codes.max()) + 1
    table = np.stack(
        [np.bincount(codes[inside & (chosen == c)], minlength=n) for c in (False, True)]
    )
    good = table.min(axis=0) >= FEWEST
    if not good.any():
        msg = (
            f"no value of {stimulus!r} has at least {FEWEST} trials of each choice; the "
            f"most balanced has {int(table.min(axis=0).max())}. Use more trials, or bins="
            " to merge stimuli."
        )
        raise StatisticsError(msg)
    keep = inside & good[np.maximum(codes, 0)]
    notes = []
    if not good.all():
        text = (
            f"{int((~good).sum())} of {n} stimuli have fewer than {FEWEST} trials of one "
            f"choice; their {int(inside.sum() - keep.sum())} trials are left out."
        )
        notes.append(Note("one_sided_stimuli", text))
    stim = np.unique(codes[keep], return_inverse=True)[1].reshape(-1)
    return keep, np.asarray(stim, dtype=np.intp), notes


def _strata(
    system: System, stim: IntArray, chosen: BoolArray, keep: BoolArray
) -> tuple[IntArray, str]:
    """Return within what choices are exchanged: stimuli, and groups or runs of trials."""
    groups = system.groups()
    n = int(stim.max()) + 1
    if groups is not None and int(groups.max()) + 1 < len(groups):
        return groups[keep] * n + stim, f"stimuli and {system.group_column}"
    if serial(chosen[:, None].astype(float)):
        runs = np.arange(len(keep)) * N_RUNS // len(keep)
        return runs[keep] * n + stim, f"stimuli and {N_RUNS} runs of neighboring trials"
    return stim, "stimuli"


def _estimate(
    rows: UnitRows,
    z: FloatArray,
    stim: IntArray,
    chosen: BoolArray,
    units: IntArray,
    strata: IntArray,
    n_permutations: int,
    seed: int,
) -> xr.Dataset:
    value = area(z, chosen)
    left_out = _left_out(rows, stim, chosen, units)
    k = len(left_out)
    error = np.sqrt((k - 1) * left_out.var(axis=0))
    low, high = _logit_interval(value, error, k)
    columns: dict[str, Any] = {
        "estimate": value,
        "ci_low": low,
        "ci_high": high,
        "within": within_area(rows.x, stim, chosen),
    }
    if n_permutations:
        null = _null(rows.x, stim, chosen, strata, n_permutations, seed)
        null[:, rows.constant] = 0.5
        columns["p_value"] = permutation_p(value, null, tail="two")
        columns["p_corrected"] = max_statistic(value, null, tail="two")
        columns["null_mean"] = null.mean(axis=0)
    table = xr.Dataset(
        {name: ("unit", v) for name, v in columns.items()}, coords={"unit": rows.units}
    )
    table["estimate"].attrs.update(
        long_name="choice probability", units="probability", null=0.5
    )
    return table


def _left_out(
    rows: UnitRows, stim: IntArray, chosen: BoolArray, units: IntArray
) -> FloatArray:
    """Return areas without each of (at most) 20 groups of trials, scores made anew."""
    first, code = np.unique(units, return_index=True, return_inverse=True)[1:]
    code = code.reshape(-1)
    rank = np.empty(len(first), dtype=np.intp)
    cell = 2 * stim[first] + chosen[first]
    rank[np.argsort(cell, kind="stable")] = np.arange(len(first))
    block = rank[code] % min(N_BLOCKS, len(first))
    out = []
    for b in range(int(block.max()) + 1):
        keep = block != b
        table = np.zeros((int(stim.max()) + 1, 2))
        np.add.at(table, (stim[keep], chosen[keep].astype(int)), 1)
        keep &= (table.min(axis=1) > 0)[stim]
        if not keep.any():
            continue
        at = np.unique(stim[keep], return_inverse=True)[1].reshape(-1)
        z = balanced_scores(rows.x[keep], at, chosen[keep], int(at.max()) + 1)
        z[:, rows.constant] = 0.0
        out.append(area(z, chosen[keep]))
    return np.stack(out)


def _logit_interval(
    value: FloatArray, error: FloatArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """Return a t interval on the logit, which stays between 0 and 1."""
    inner = np.clip(value, 1e-6, 1 - 1e-6)
    reach = special.stdtrit(max(k - 1, 1), 0.975) * error / (inner * (1 - inner))
    low, high = (
        special.expit(special.logit(inner) - reach),
        special.expit(special.logit(inner) + reach),
    )
    return np.minimum(low, value), np.maximum(high, value)


def _null(
    x: FloatArray,
    stim: IntArray,
    chosen: BoolArray,
    strata: IntArray,
    n_permutations: int,
    seed: int,
) -> FloatArray:
    """Exchange choices within strata; scores are balanced anew each time."""
    rng = np.random.default_rng(seed)
    code = np.unique(strata, return_inverse=True)[1].reshape(-1)
    order = np.argsort(code, kind="stable")
    n_stimuli = int(stim.max()) + 1
    out = np.empty((n_permutations, x.shape[1]))
    for draw in range(n_permutations):
        moved = np.empty_like(chosen)
        moved[order] = chosen[np.argsort(rng.random(len(code)) + code)]
        out[draw] = area(balanced_scores(x, stim, moved, n_stimuli), moved)
    return out


def _unit_table(
    estimate: xr.Dataset,
    rows: UnitRows,
    stim: IntArray,
    chosen: BoolArray,
    halves: npt.NDArray[np.int8],
) -> xr.Dataset:
    """Add the same on each half of the trials."""
    both = []
    for h in (0, 1):
        part = halves == h
        table = np.zeros((int(stim.max()) + 1, 2))
        np.add.at(table, (stim[part], chosen[part].astype(int)), 1)
        good = part & (table.min(axis=1) >= 2)[stim]
        if not good.any():
            both.append(np.full(rows.x.shape[1], np.nan))
            continue
        code = np.unique(stim[good], return_inverse=True)[1].reshape(-1)
        z = balanced_scores(rows.x[good], code, chosen[good], int(code.max()) + 1)
        both.append(area(z, chosen[good]))
    table_ = estimate.assign_coords(half=[0, 1])
    table_["half_estimate"] = (("half", "unit"), np.stack(both))
    table_["half_estimate"].attrs = dict(estimate["estimate"].attrs)
    table_.attrs["reduction"] = "none"
    return table_
