"""Ablate parts of a system and measure what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marr._analysis import Draft, analysis
from marr.errors import check_option
from marr.implementation._contrast import contrast_draft
from marr.implementation._design import ASSIGNMENTS
from marr.implementation._draft import Run, Settings, ablation_draft
from marr.implementation._effects import dependence
from marr.implementation._members import sweep_over
from marr.implementation._plan import (
    check_answerable,
    check_defined,
    check_options,
    engine_for,
    is_contrast,
)
from marr.implementation._words import Wording
from marr.measures import Measure, as_measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from marr.systems import System

__all__ = ["ablate"]


@analysis(
    level="implementation",
    citations=("meyes2019", "morcos2018", "nichols2002", "phipson2010"),
)
def ablate(
    system: System,
    *,
    measure: Measure | Callable[[System], Any],
    over: str | Mapping[str, Any] = "unit",
    mode: str = "mean",
    sites: str | Sequence[str] | None = None,
    readout: str = "fixed",
    control_measure: Measure | Callable[[System], Any] | None = None,
    margin: float | None = None,
    joint: bool = True,
    n_random: int = 50,
    n_permutations: int = 1000,
    assignment: str | None = None,
    n_jobs: int = 1,
    seed: int = 0,
) -> Draft:
    """Ablate units, sites, heads or groups, and measure what is lost.

    On a system that runs (a hooked model) each ablation is a run of the perturbed model:
    `causal`. On a recording nobody saw the animal act under it, so what is perturbed is a
    readout of the recorded activity: `predictive`, in the words "readout depends on".
    Trials on which a real perturbation was applied are contrasted with control trials as
    they were assigned: `causal` if assignment was randomized.

    Parameters
    ----------
    system : System or Cohort
        What is studied. Already perturbed, it is compared with itself as it is.
    measure : Measure or callable
        One of `marr.measures`, or a function of a System that gives one value a trial.
    over : {"unit", "site", "perturbation"}, unit coordinate, or mapping
        What is ablated, one at a time: each unit, each site, all units that share a
        coordinate ("head", "cell_type"), or named groups ``{name: {site: units}}``.
        "perturbation" contrasts real perturbation trials, by the labels of that column.
    mode : {"mean", "zero", "resample"}
        Ablation value; see `marr.Ablate`.
    sites : str or sequence of str, optional
        Ablate only at these sites.
    readout : {"fixed", "refit"}
        For a decoded measure of a recording, two estimands: "fixed" keeps the readout
        fitted on intact activity and ablates what it reads; "refit" fits it anew without
        the units (closed form), so that other units may stand in.
    control_measure : Measure or callable, optional
        What should not change: its loss is the off-target effect.
    margin : float, optional
        Loss, in the unit of the measure, that a member must exceed to be called needed;
        by default the 95 % quantile of its matched random sets.
    joint : bool
        Ablate growing sets together as well (redundancy).
    n_random : int
        Matched random sets: random directions of the sites for single units, random sets
        of other units for larger members. Each is one more run of a model.
    n_permutations : int
        Sign flips (or redrawn assignments).
    assignment : {"randomized", "blocked", "observed"}, optional
        How real perturbation trials were assigned: by trial, by whole blocks (column
        "block", else "session"), or not by the experimenter.
    n_jobs : int
        Processes for the runs, through joblib.
    seed : int
        Seed of all draws.

    Returns
    -------
    Finding
        `estimate` over the axis of `over`: loss (intact minus ablated where higher is
        better; positive means needed), `ci_low`, `ci_high`, `p_value`, `p_corrected`,
        `random_mean`, `random_low`, `random_high`, `p_random`, `inert`, `needed`;
        with a control measure `off_target` and `selectivity`. Tables: "unit" with
        `half_estimate` (for ``over="unit"``), "joint" (dose curves), "ranked".

    Raises
    ------
    EvidenceError
        A behavioral measure of a recording without perturbation trials.
    OptionError
        Unknown mode, site, unit, coordinate; perturbation trials without `assignment`.

    Notes
    -----
    The verdict `needed` asks for corrected p < .05 (max-t sign flips over the members)
    and a loss beyond the matched random sets or the margin, since any difference between
    runs of a deterministic system is "significant". A unit that is not needed alone may
    be needed with others: see the table "joint" and the note "redundancy". Not good
    for: what a unit would do if the network were trained without it.

    References
    ----------
    Meyes et al. (2019), arXiv:1901.08644; Morcos et al. (2018), ICLR; Nichols & Holmes
    (2002), Human Brain Mapping 15, 1-25.

    Examples
    --------
    >>> import numpy as np, pandas as pd, marr
    >>> side = np.tile(["left", "right"], 40)
    >>> x = np.random.default_rng(0).normal(size=(80, 4))
    >>> x[:, 0] += np.where(side == "left", 2, -2)
    >>> recording = marr.from_arrays({"M2": x}, trials=pd.DataFrame({"side": side}))
    >>> finding = ablate(recording, measure=marr.measures.decoded("side"))
    >>> finding.evidence, finding.estimate["estimate"].idxmax("unit").item()
    ('predictive', 'M2:0')
    """
    target = as_measure(measure)
    control = None if control_measure is None else as_measure(control_measure)
    check_options(
        mode=mode,
        readout=readout,
        n_random=n_random,
        n_permutations=n_permutations,
        margin=margin,
    )
    if assignment is not None:
        check_option("assignment", assignment, ASSIGNMENTS)
    if is_contrast(system, over, target):
        return contrast_draft(
            system,
            target,
            control,
            assignment,
            n_permutations=n_permutations,
            seed=seed,
        )
    measures = [m for m in (target, control) if m is not None]
    check_answerable(system, measures, over=over, readout=readout)
    sweep = sweep_over(system, over, sites)
    fitted = [m.fit(system) for m in measures]
    intact = [one(system) for one in fitted]
    check_defined(system, fitted, intact)
    engine = engine_for(
        system,
        fitted,
        mode=mode,
        readout=readout,
        sites=list(sweep.pool),
        n_jobs=n_jobs,
        seed=seed,
    )
    run = Run(system, sweep, engine, fitted, intact, dependence(system))
    wording = Wording(
        target.name,
        fitted[0].value_units,
        sweep.axis,
        "causal" if system.runs else "predictive",
        "refit" if readout == "refit" else mode,
        margin,
        target.better,
    )
    settings = Settings(margin, joint, n_random, n_permutations, seed)
    return ablation_draft(run, wording, settings)
