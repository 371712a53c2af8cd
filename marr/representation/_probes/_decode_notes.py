"""What a reader of a decoding must know besides its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom

from marr.findings import Note
from marr.representation._nuisances import constant_controls
from marr.stats import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from marr.representation._probes._decode_job import Job
    from marr.representation._targets import Target
    from marr.systems import System

__all__ = ["gate_notes", "map_notes", "option_notes", "unsettled_notes"]


def option_notes(job: Job, n_permutations: int | None) -> list[Note]:
    """Say what options did not do."""
    notes = []
    constant = constant_controls(job.system, job.control)
    if constant:
        text = f"control {', '.join(constant)} is the same on all trials: it takes nothing out."
        advice = "Leave it out, or use trials on which it varies."
        notes.append(Note("constant_control", text, advice))
    if job.probe == "mlp" and n_permutations is None:
        text = (
            f"{job.n_shuffles} shuffles, since networks are trained anew for each: "
            f"p-values are at least {1 / (job.n_shuffles + 1):.2g}."
        )
        advice = "Ask for more by n_permutations=, on fewer sites or times."
        notes.append(Note("few_shuffles", text, advice))
    return notes


def unsettled_notes(settled: float) -> list[Note]:
    """Say so if fits did not converge."""
    if settled == 1.0:
        return []
    text = f"{1 - settled:.1%} of the fits of the data did not converge."
    return [Note("not_converged", text, "Use a larger penalty=.")]


def gate_notes(system: System) -> list[Note]:
    """Say so if the behavior is at chance: a code of a failing system explains little."""
    table = system.trials
    if "correct" not in table or table["correct"].isna().all():
        return []
    correct = table["correct"].dropna().astype(float)
    n_choices = table["choice"].nunique() if "choice" in table else 2
    chance = 1.0 / max(n_choices, 2)
    low = float(binomial_interval(correct.sum(), len(correct)).low)
    if low > chance:
        return []
    text = (
        f"{system.name} is right on {correct.mean():.2f} of its trials, not clearly above "
        f"chance ({chance:.2g})."
    )
    advice = "What a failing system encodes says little about how the task is solved."
    return [Note("gate", text, advice)]


def map_notes(
    estimate: xr.Dataset, targets: Sequence[Target], baseline: xr.Dataset | None
) -> list[Note]:
    """Return what a reader must know about the scores."""
    notes: list[Note] = []
    for target in targets:
        at = {"target": target.name} if "target" in estimate.dims else {}
        shortcuts = None if baseline is None else baseline.sel(at)
        notes += _notes_of(estimate.sel(at), target, shortcuts, several=bool(at))
    return notes


def _notes_of(
    estimate: xr.Dataset, target: Target, baseline: xr.Dataset | None, *, several: bool
) -> list[Note]:
    notes = []
    values, high = estimate["estimate"].values, estimate["ci_high"].values
    below = int((high < target.chance).sum()) if target.kind == "categorical" else 0
    if below > binom.ppf(0.975, values.size, 0.025):  # more than luck has it
        text = (
            f"{below} of {values.size} scores{f' of {target.name}' * several} are below "
            f"chance ({target.chance:.2g})."
        )
        advice = (
            "Below-chance decoding comes from folds that lack a class or from blocks whose "
            "drift is confounded with the target; it is not information."
        )
        notes.append(Note("below_chance", text, advice))
    if baseline is not None:
        best = baseline.isel(baseline=int(np.nanargmax(baseline["estimate"].values)))
        if float(best["estimate"]) >= np.nanmax(values):
            text = (
                f"{target.name} is predicted as well without activity, from the "
                f"{best['baseline'].item()} ({float(best['estimate']):.2f})."
            )
            advice = "A shortcut could explain the decoding; name it in control=[...]."
            notes.append(Note("shortcut", text, advice))
    return notes
