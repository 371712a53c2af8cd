"""Sentences, notes and figures of ablations; verbs come from the evidence grade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marr.findings import FigureSpec, Note, verb
from marr.findings._parts import RANDOM_BAND

if TYPE_CHECKING:
    import xarray as xr

    from marr.implementation._effects import Dependence
    from marr.implementation._joint import Redundancy

__all__ = ["Wording", "ablation_figures", "ablation_notes"]

FEW_TRIALS = 20
_COUNTED = ("unit", "site", "head", "group", "perturbation", "channel", "neuron")


@dataclass(frozen=True)
class Wording:
    """What the sentences of one ablation need to know.

    Attributes
    ----------
    measure, units : str
        Words and unit of the measure.
    axis : str
        What was ablated.
    evidence : str
        Grade.
    mode : str
        Ablation value, or "refit".
    margin : float or None
        Stated margin, if any.
    better : str
        Direction in which the system does well.
    """

    measure: str
    units: str
    axis: str
    evidence: str
    mode: str
    margin: float | None = None
    better: str = "higher"

    @property
    def noun(self) -> str:
        """Plural of the axis."""
        words = self.axis.replace("_", " ")
        return f"{words}s" if words in _COUNTED else f"groups ({words})"

    @property
    def _purpose(self) -> str:
        """For what, in brackets where the verb speaks of the readout already."""
        if self.evidence == "causal" and self.better == "lower":
            return f"to keep its {self.measure} low"
        if self.evidence == "causal":
            return f"for its {self.measure}"
        return f"({self.measure})"

    @property
    def positive(self) -> str:
        """What a loss above 0 means, in words of the grade."""
        return "needed" if self.evidence == "causal" else "the readout depends on it"

    def question(self) -> str:
        """Return the question that the call answers."""
        singular = self.axis.replace("_", " ")
        if self.evidence == "causal":
            return f"Which {self.noun} does the system need {self._purpose}?"
        refit = f", fitted anew without each {singular}" if self.mode == "refit" else ""
        return f"On which {self.noun} does the {self.measure} depend{refit}?"

    def summary(self, data: xr.Dataset) -> str:
        """Return the answer: how many members cost something, how many stand out."""
        mean = np.asarray(data["estimate"].values, dtype=float)
        stand_out = data["needed"].values > 0.5
        costly = (data["p_corrected"].values < 0.05) & (mean > 0)
        n, n_out, n_costly = mean.size, int(stand_out.sum()), int(costly.sum())
        among = stand_out if n_out else np.ones_like(stand_out)
        row = data.isel({self.axis: int(np.nanargmax(np.where(among, mean, -np.inf)))})
        does = verb(self.evidence, "depends")
        intact = float(np.asarray(data["intact"].values, dtype=float).mean())
        loss = (
            f"the largest loss is {self._loss(row)} from {_number(intact)} intact"
            f"{self._off_target(row)}"
        )
        if not n_costly:
            head = (
                f"No loss was shown for any of {n} {self.noun}, ablated one by one "
                f"{self._purpose}"
            )
            return f"{head}; {loss}."
        head = (
            f"Ablated one by one, {n_costly} of {n} {self.noun} cost something "
            f"{self._purpose} (corrected p < .05); {loss}."
        )
        return f"{head} {self._against(row, n_out, does)}"

    def _loss(self, row: xr.Dataset) -> str:
        low, high = _number(row["ci_low"]), _number(row["ci_high"])
        label = str(row[self.axis].values).replace("|", " ")
        values = f"{_number(row['estimate'])} {self.units}".strip()
        return f"{values} [{low}, {high}] ({label}),"

    def _off_target(self, row: xr.Dataset) -> str:
        if "off_target" not in row:
            return ""
        return f" (off target: {_number(row['off_target'])})"

    def _against(self, row: xr.Dataset, n_out: int, does: str) -> str:
        """Say how many losses lie beyond the matched sets or the stated margin."""
        high = float(row["random_high"]) if "random_high" in row else float("nan")
        if self.margin is not None:
            bar = f"the stated margin of {_number(self.margin)}"
        elif np.isnan(high):
            return "No matched random sets exist to compare them with."
        elif self.axis == "unit":
            bar = f"95 % of random directions ({_number(high)})"
        else:
            bar = f"95 % of matched random sets ({_number(high)})"
        if n_out:
            them = "this one" if n_out == 1 else "these"
            return (
                f"{n_out} cost more than {bar}: the system {does} {them} in particular."
            )
        return f"None costs more than {bar}, so none stands out."


def ablation_notes(
    data: xr.Dataset,
    wording: Wording,
    dependent: Dependence,
    redundancy: Redundancy | None,
    *,
    has_control: bool,
    deterministic: bool,
    n_permutations: int,
) -> list[Note]:
    """Return what a reader must know about the losses."""
    notes = [*_inert_notes(data, wording), *_trial_notes(data, dependent)]
    if redundancy is not None:
        notes.append(_redundancy_note(redundancy, wording))
    if not has_control:
        text = "No off-target measure was given, so a loss may be general damage."
        advice = "Pass control_measure=: what else changed under the same ablations?"
        notes.append(Note("no_off_target", text, advice))
    if "selectivity" in data and np.isnan(data["selectivity"].values).all():
        text = "Selectivity is undefined: a measure does not vary over intact trials."
        advice = "Compare the losses themselves, or use measures of one unit."
        notes.append(Note("no_selectivity", text, advice))
    if wording.margin is None and np.isnan(data["random_high"].values).all():
        text = "There are no matched random sets: too few other units, or n_random=0."
        advice = "State a margin= in the unit of the measure for the verdict."
        notes.append(Note("no_matched_sets", text, advice))
    if deterministic:
        text = (
            "The system is deterministic, so any difference is significant with enough "
            f"trials; p cannot fall below {data.attrs['p_floor']:.2g} with "
            f"{n_permutations} sign flips of {dependent.n} {dependent.noun}."
        )
        advice = (
            "Read the verdict, which asks that a loss exceed the matched random sets (or "
            "the stated margin), and show an untrained network as control."
        )
        notes.append(Note("deterministic", text, advice))
    elif data.attrs["p_floor"] > 0.01:
        text = (
            f"p cannot fall below {data.attrs['p_floor']:.2g} with {dependent.n} "
            f"{dependent.noun}."
        )
        notes.append(Note("p_floor", text, "Use more of them, or read the interval."))
    return notes


def _inert_notes(data: xr.Dataset, wording: Wording) -> list[Note]:
    inert = data["inert"].values.astype(bool)
    if not inert.any():
        return []
    names = data[wording.axis].values[inert]
    shown = ", ".join(map(str, names[:5])) + (" ..." if len(names) > 5 else "")
    if wording.mode == "refit":
        text = f"{len(names)} of {len(inert)} {wording.noun} are constant ({shown})."
        advice = "A constant unit carries nothing; its loss is 0 by construction."
        return [Note("constant_units", text, advice)]
    text = (
        f"{len(names)} of {len(inert)} {wording.noun} were at the ablation value already "
        f"({shown}): ablating them changed nothing."
    )
    advice = "Their loss of 0 says nothing about need; try another mode=."
    return [Note("inert_units", text, advice)]


def _trial_notes(data: xr.Dataset, dependent: Dependence) -> list[Note]:
    notes = []
    n_trials = int(data["n_trials"].max())
    if n_trials < FEW_TRIALS:
        text = f"Only {n_trials} trials have a value."
        advice = f"Intervals from fewer than {FEW_TRIALS} trials are not stable."
        notes.append(Note("few_trials", text, advice))
    if dependent.ignored:
        text = (
            f"Trials are grouped by {dependent.ignored!r}, but into fewer than six "
            "groups; single trials were resampled."
        )
        advice = (
            f"The interval holds for trials of these {dependent.ignored}s and is too "
            "narrow if trials within one resemble each other."
        )
        notes.append(Note("few_groups", text, advice))
    return notes


def _redundancy_note(found: Redundancy, wording: Wording) -> Note:
    # quiet ones may cost something each: less than random sets or the margin
    text = (
        f"{found.n_members} of the {found.n_quiet} {wording.noun} that do not stand out "
        "one by one cost "
        f"{_number(found.joint)} {wording.units} "
        f"[{_number(found.low)}, {_number(found.high)}] together; alone they add up to "
        f"{_number(found.singles)}."
    )
    advice = (
        "Single ablations miss redundancy: read the joint ones (finding.tables['joint']) "
        f"before calling {wording.noun} irrelevant."
    )
    return Note("redundancy", " ".join(text.split()), advice)


def ablation_figures(
    wording: Wording, *, joint: bool, random: bool
) -> tuple[FigureSpec, ...]:
    """Return the figures: members ranked by loss, and the dose curve."""
    what = f"loss of {wording.measure}"
    label = f"{what} ({wording.units})" if wording.units else what
    band = RANDOM_BAND if random else ""
    figures = [
        FigureSpec(
            "points",
            table="ranked",
            x=wording.axis,
            caption=f"Loss of {wording.measure} under ablation, ranked, with 95 % "
            f"intervals; above 0 means {wording.positive}.{band}",
            x_label=f"{wording.axis.replace('_', ' ')} (ranked)",
            y_label=label,
            reference=0.0,
            reference_label="no loss",
            band_low="random_low" if random else None,
            band_high="random_high" if random else None,
            description=f"{wording.noun.capitalize()} ranked by {what}.",
        )
    ]
    if joint:
        figures.append(
            FigureSpec(
                "line",
                table="joint",
                x="dose",
                group="set",
                caption=f"Joint ablations: {wording.noun} ranked on one half of the trials, "
                "ablated together, losses on the other half.",
                x_label=f"{wording.noun} ablated together",
                y_label=label,
                reference=0.0,
                reference_label="no loss",
                description=f"Dose curves of joint ablations: {what} by their number.",
            )
        )
    return tuple(figures)


def _number(value: object) -> str:
    number = float(np.asarray(value, dtype=float))
    return "0" if abs(number) < 1e-12 else f"{number:.3g}"
