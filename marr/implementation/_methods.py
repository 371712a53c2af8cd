"""Methods text of ablations, and notes on the readouts that they measure through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import Note
from marr.implementation._effects import N_RESAMPLES
from marr.implementation._effects_kernel import bootstrap_interval_of_means, collapse
from marr.measures._decoded import FittedDecoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marr.implementation._effects import Dependence, RandomSets
    from marr.implementation._members import Sweep
    from marr.implementation._words import Wording
    from marr.measures import FittedMeasure
    from marr.systems import System

__all__ = ["ablation_methods", "generalization", "readout_notes"]

VALUES = {
    "mean": "the intact mean over trials at each time",
    "zero": "zero",
    "resample": "the activity of another intact trial (of the same condition where "
    "conditions are known)",
}


def ablation_methods(
    sweep: Sweep,
    system: System,
    fitted: Sequence[FittedMeasure],
    random: RandomSets,
    dependent: Dependence,
    wording: Wording,
    *,
    joint: bool,
    n_permutations: int,
) -> str:
    """Return how it was done, for a methods section."""
    axis, n = sweep.axis.replace("_", " "), len(sweep.members)
    if wording.mode == "refit":
        done = f"Readouts were fitted anew without each {axis} (n = {n}; closed form)."
    else:
        where = "the model was run" if system.runs else "readouts were applied"
        done = (
            f"Each {axis} (n = {n}) was replaced by {VALUES[wording.mode]} and {where} "
            "again."
        )
    order = (
        "intact minus ablated" if wording.better == "higher" else "ablated minus intact"
    )
    loss = (
        f"Loss is {wording.measure} {order} (positive: {wording.positive}), "
        f"averaged over trials, with percentile bootstrap intervals ({N_RESAMPLES} "
        f"resamples of {dependent.noun}) and two-sided sign-flip p-values over "
        f"{dependent.noun} ({n_permutations} flips), corrected over {wording.noun} by the "
        "maximum t."
    )
    counts = "a need" if wording.evidence == "causal" else "dependence"
    if wording.margin is not None:
        judged = (
            f"A loss counts as {counts} beyond a stated margin of {wording.margin:g}."
        )
    elif random.n_run:
        judged = (
            f"A loss counts as {counts} beyond the 95 % quantile of {random.kind} of "
            f"equal size ({random.n_run} in all)."
        )
    else:
        judged = "No matched random sets were available."
    more = (
        " Joint ablations: ranked on one half of the trials, evaluated on the other."
        if joint
        else ""
    )
    return " ".join([done, *_readout_text(system, fitted), loss, judged]) + more


def _readout_text(system: System, fitted: Sequence[FittedMeasure]) -> list[str]:
    out = []
    for one in fitted:
        if not isinstance(one, FittedDecoded):
            continue
        sites = one.measure.sites or system.sites
        pooled = " pooled over all sites" if one.measure.sites is None else ""
        where = f" ({', '.join(sites)}{pooled})" if len(sites) > 1 or not pooled else ""
        out.append(
            f"The {one.kind} readout of {one.measure.target}{where} is a ridge regression "
            f"fitted on intact trials, {len(one.readouts.penalty)} folds, penalty chosen "
            "inside the training folds; each trial is scored by the readout that did not "
            "see it, and intervals hold for the fitted readouts."
        )
    return out


def readout_notes(
    sweep: Sweep, system: System, fitted: FittedMeasure, intact: NDArray[np.float64]
) -> list[Note]:
    """Return notes on a decoded measure."""
    if not isinstance(fitted, FittedDecoded):
        return []
    notes = []
    read = set(fitted.measure.sites or system.sites)
    ablated = {site for member in sweep.members for site in member.units}
    own, unread = sorted(read & ablated), sorted(ablated - read)
    if system.runs and own:
        text = f"The readout reads {own}, which are ablated themselves."
        advice = (
            "Part of the loss is the removed units' own signal. Read a site downstream "
            "(decoded(..., sites=[...])) or measure behavior."
        )
        notes.append(Note("own_readout", text, advice))
    if not system.runs and unread:
        text = f"The readout does not read {unread}; their loss is 0 by construction."
        notes.append(Note("unread_site", text, "Pool the sites: decoded(target)."))
    sums, counts = collapse(
        fitted.sign * (intact - fitted.chance)[None], np.arange(len(intact))
    )
    low, _ = bootstrap_interval_of_means(sums, counts)
    if not low[0] > 0:
        text = (
            f"The intact readout is not above chance ({np.nanmean(intact):.3g}, chance "
            f"{fitted.chance:.3g})."
        )
        advice = "Ablating what a readout reads says nothing if it reads nothing."
        notes.append(Note("readout_at_chance", text, advice))
    return notes


def generalization(dependent: Dependence, system: System) -> str:
    """Return over what the intervals generalize."""
    if dependent.noun != "trials":
        return f"{dependent.noun} (n = {dependent.n})"
    column = dependent.ignored
    if column:
        return f"trials of these {system.trials[column].nunique()} {column}s"
    return "trials"
