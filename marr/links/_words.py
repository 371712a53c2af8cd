"""Sentences of a link: question, answer, methods, caveats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marr.findings import Finding, Note
from marr.links._join import Joined, trial_overlap
from marr.links._link import MIN_SHARED

if TYPE_CHECKING:
    from marr.links._correlate import LinkTest
    from marr.links._request import Request

__all__ = ["caveats", "label_of", "methods_text", "question_text", "sentence"]

_QUESTIONS = {
    "covaries": "Do {a} and {b} rise and fall together over {along}s?",
    "used": "Are the {along}s that carry {target} also those that behavior needs?",
}


def label_of(finding: Finding, axis: str, variable: str) -> str:
    """Return what was taken from a finding, and of which system."""
    attrs = finding.per(axis).estimate[variable].attrs
    return f"{attrs.get('long_name', variable)} ({finding.system})"


def question_text(request: Request, a: Finding, b: Finding, axis: str) -> str:
    """Return the question that the link answers."""
    a_label = label_of(a, axis, request.variables[0])
    return _QUESTIONS[request.kind].format(
        a=a_label,
        b=label_of(b, axis, request.variables[1]),
        along=axis,
        target=f"{a.parameters.get('target', a_label)} in {a.system}",
    )


def sentence(request: Request, test: LinkTest, joined: Joined, axis: str) -> str:
    """Return the answer with its number, interval, n and minimum detectable effect."""
    if joined.n < MIN_SHARED or not test.per_member.size:
        return f"Only {joined.n} shared {axis}s: too few for a verdict."
    members = len(test.per_member)
    within = f" within each of {members} members" if members > 1 else ""
    reach = (
        "Over members, a mean of" if test.over_members else "With this null, a size of"
    )
    halves = ", across opposite halves of the trials" if joined.cross_fit else ""
    return (
        f"{request.statistic_name} = {test.statistic:.2f} "
        f"[{test.ci[0]:.2f}, {test.ci[1]:.2f}] over {joined.n} {axis}s{within}{halves}; "
        f"p = {test.p_value:.2g}{' in these members' if members > 1 else ''}. {reach} "
        f"{test.minimum_detectable:.2f} would have been found with power .8."
    )


def methods_text(request: Request, test: LinkTest, joined: Joined) -> str:
    """Return how the link was tested."""
    fit = (
        "computed across opposite halves of the trials, both ways, and averaged"
        if joined.cross_fit
        else "computed on the findings as they are"
    )
    partial = (
        f" {', '.join(request.control)} (ranked alike) were regressed out of both, and "
        "residuals permuted (Freedman and Lane)."
        if request.control
        else ""
    )
    several = joined.nulls is not None or joined.shuffled is not None
    draws = "" if several else f" ({request.n_permutations} draws)"
    return (
        f"{request.correlation}, {fit}; interval: {test.interval}; null: {test.null}"
        f"{draws}; two-sided p with one added to numerator and denominator.{partial}"
    )


def caveats(
    request: Request, a: Finding, b: Finding, joined: Joined
) -> tuple[Note, ...]:
    """Return what a reader of the link must know."""
    notes = []
    overlap = trial_overlap(a, b)
    if overlap > 0 and not joined.cross_fit:
        text = f"Both ends used the same trials ({overlap:.0%} of the smaller set)."
        advice = (
            "Shared noise can make the ends agree; compute them on disjoint trials."
        )
        notes.append(Note("overlapping_trials", text, advice))
    if joined.n < MIN_SHARED:
        text = f"Fewer than {MIN_SHARED} shared members."
        notes.append(Note("too_few", text, "No verdict is given."))
    if request.kind == "used" and joined.shuffled is None:
        text = "The readout was not compared with readouts of shuffled labels."
        advice = (
            "Units that follow what many units follow have large patterns for any "
            "labels, and cost more when they are removed."
        )
        notes.append(Note("no_shuffled_labels", text, advice))
    redundant = [n for n in b.notes if n.code == "redundancy"]
    if request.kind == "used" and redundant:
        text = "The effects hide redundancy: " + redundant[0].text
        advice = (
            "A weak correlation over single units does not mean that the code is idle."
        )
        notes.append(Note("redundancy", text, advice))
    return tuple(notes)
