"""The public call: link(a, b, kind=...)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr.errors import ContractError, check_option
from marr.findings import Finding, Note, provenance, weaker_grade
from marr.links._circular import effect_end, refuse_circular
from marr.links._correlate import LinkTest, correlate_along
from marr.links._join import Joined, choose_axis, join, trial_overlap
from marr.links._link import LINK_KINDS, MIN_SHARED, Link, verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["link"]

STATISTICS = {"spearman": "Spearman ρ", "pearson": "Pearson r"}

_QUESTIONS = {
    "covaries": "Do {a} and {b} rise and fall together over {along}s?",
    "used": "Are the {along}s that carry {target} also those that behavior needs?",
}


def link(
    a: Finding,
    b: Finding,
    *,
    along: str | None = None,
    kind: str = "covaries",
    control: Sequence[str] = (),
    variables: tuple[str, str] = ("estimate", "estimate"),
    statistic: str = "spearman",
    same_units: bool = False,
    n_permutations: int = 5000,
    seed: int = 0,
) -> Link:
    """Test whether two findings agree along an axis that they share.

    The statistic is a correlation, partial where `control` is given.
    Where both findings carry halves of the same trials it is computed across
    opposite halves, both ways, and averaged. In a cohort it is computed within each
    member and averaged on Fisher's z scale.

    Parameters
    ----------
    a, b : Finding
        The two ends; `finding.per("unit")` picks an axis.
    along : str, optional
        The shared axis; needed if there are several.
    kind : {"covaries", "used"}
        "covaries": do they rise and fall together; the grade is the weaker one of the
        ends. "used": is what can be read out also what behavior needs; takes a
        decoding and a *behavioral* effect of a perturbation.
    control : sequence of str
        Variables of either finding to partial out, e.g. ["spread"].
    variables : pair of str
        Which variable of each end, e.g. ("weight", "estimate").
    statistic : {"spearman", "pearson"}
        Rank correlation, or Pearson's for values on one scale (two sets of
        correlations).
    same_units : bool
        Equal unit ids of systems with other names are the same units.
    n_permutations : int
        Draws of the null (ignored where a finding brings its own surrogates).
    seed : int
        Seed.

    Returns
    -------
    Link

    Raises
    ------
    EvidenceError
        If the link would be circular, or the ends cannot answer the question.
    OptionError, ContractError
        If the findings share no axis or no labels.

    Notes
    -----
    A correlation over units says that the same units serve both; it does not say
    that the code itself is used (a unit may matter for another reason). Redundancy
    hides use: when single lesions are null, lesion units jointly first.
    """
    started = time.perf_counter()
    for end, name in ((a, "a"), (b, "b")):
        if not isinstance(end, Finding):
            msg = f"{name} must be a Finding; got {type(end).__name__}."
            raise ContractError(msg)
    check_option("kind", kind, LINK_KINDS)
    check_option("statistic", statistic, STATISTICS)
    refuse_circular(a, b)
    if kind == "used":
        readout, effect = effect_end(a, b)
        if readout is not a:
            variables = (variables[1], variables[0])
        a, b = readout, effect
    axis = choose_axis(a, b, along)
    joined = join(
        a, b, axis, variables=variables, control=control, same_units=same_units
    )
    parameters: dict[str, Any] = {
        "control": list(control),
        "variables": list(variables),
        "statistic": statistic,
        "n_permutations": n_permutations,
        "seed": seed,
    }
    test = _tested(joined, axis, n_permutations, seed, ranked=statistic == "spearman")
    parameters["over_members"] = test.over_members
    notes = _notes(a, b, joined, kind)
    if kind == "used":
        notes += _specificity(a, b, axis, variables, control, n_permutations, seed)
    verdict = _verdict(test, joined.n)
    a_label, b_label = _label(a, axis, variables[0]), _label(b, axis, variables[1])
    return Link(
        kind=kind,
        a=a.id,
        b=b.id,
        a_label=a_label,
        b_label=b_label,
        a_level=a.level,
        b_level=b.level,
        along=axis,
        statistic=test.statistic,
        statistic_name=_statistic_name(statistic, control),
        ci=test.ci,
        p_value=test.p_value,
        verdict=verdict,
        n=joined.n,
        null=test.null,
        minimum_detectable=test.minimum_detectable,
        evidence=(a.evidence, b.evidence),
        grade=b.evidence if kind == "used" else weaker_grade(a.evidence, b.evidence),
        sentence=_sentence(test, joined, axis, _statistic_name(statistic, control)),
        question=_QUESTIONS[kind].format(
            a=a_label,
            b=b_label,
            along=axis,
            target=f"{a.parameters.get('target', a_label)} in {a.system}",
        ),
        methods=_methods(joined, test, control, parameters),
        citations=("freedman1983", "phipson2010") if control else ("phipson2010",),
        notes=notes,
        points=_points(joined, axis, a_label, b_label),
        parameters=parameters,
        provenance=provenance(
            seed=seed,
            systems=[],
            data_hash=f"{a.id}{b.id}",
            seconds=time.perf_counter() - started,
        ),
    )


def _tested(
    joined: Joined, axis: str, n_permutations: int, seed: int, *, ranked: bool
) -> LinkTest:
    """Return the test, or one without a number where too few members are shared."""
    if joined.n >= 4:
        return correlate_along(
            joined,
            along=axis,
            n_permutations=n_permutations,
            seed=seed,
            ranked=ranked,
        )
    nan = float("nan")
    return LinkTest(nan, (nan, nan), nan, nan, "none: too few", np.array([]), "none")


def _verdict(test: LinkTest, n: int) -> str:
    ci = test.ci if test.over_members else None
    return verdict_of(test.statistic, test.p_value, n, ci)


def _label(finding: Finding, axis: str, variable: str) -> str:
    attrs = finding.per(axis).estimate[variable].attrs
    return f"{attrs.get('long_name', variable)} ({finding.system})"


def _statistic_name(statistic: str, control: Sequence[str]) -> str:
    if control:
        return f"partial {STATISTICS[statistic]} (given {', '.join(control)})"
    return STATISTICS[statistic]


def _sentence(test: LinkTest, joined: Joined, axis: str, name: str) -> str:
    if joined.n < MIN_SHARED:
        return f"Only {joined.n} shared {axis}s: too few for a verdict."
    members = len(test.per_member)
    within = f" within each of {members} members" if members > 1 else ""
    halves = ", across opposite halves of the trials" if joined.cross_fit else ""
    return (
        f"{name} = {test.statistic:.2f} "
        f"[{test.ci[0]:.2f}, {test.ci[1]:.2f}] over {joined.n} {axis}s{within}{halves}; "
        f"p = {test.p_value:.2g}. With this null, a size of {test.minimum_detectable:.2f} "
        "would have been found with power .8."
    )


def _methods(
    joined: Joined,
    test: LinkTest,
    control: Sequence[str],
    parameters: dict[str, Any],
) -> str:
    fit = (
        "computed across opposite halves of the trials, both ways, and averaged"
        if joined.cross_fit
        else "computed on the findings as they are"
    )
    partial = (
        f" {', '.join(control)} (ranked alike) were regressed out of both, and residuals "
        "permuted (Freedman and Lane)."
        if control
        else ""
    )
    draws = (
        "" if joined.nulls is not None else f" ({parameters['n_permutations']} draws)"
    )
    return (
        f"{STATISTICS[parameters['statistic']]}, {fit}; interval: {test.interval}; null: "
        f"{test.null}{draws}; two-sided p with one added to numerator and "
        f"denominator.{partial}"
    )


def _notes(a: Finding, b: Finding, joined: Joined, kind: str) -> tuple[Note, ...]:
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
    redundant = [n for n in b.notes if n.code == "redundancy"]
    if kind == "used" and redundant:
        text = "The effects hide redundancy: " + redundant[0].text
        advice = (
            "A weak correlation over single units does not mean that the code is idle."
        )
        notes.append(Note("redundancy", text, advice))
    return tuple(notes)


def _specificity(
    a: Finding,
    b: Finding,
    axis: str,
    variables: tuple[str, str],
    control: Sequence[str],
    n_permutations: int,
    seed: int,
) -> tuple[Note, ...]:
    """Say whether the relation remains once the off-target effect is partialled out."""
    table = b.per(axis).estimate
    if "off_target" not in table:
        text = "No off-target effect was measured."
        advice = "Pass control_measure= to ablate, to tell a specific need from damage."
        return (Note("no_off_target", text, advice),)
    given = [*control, "off_target"]
    joined = join(a, b, axis, variables=variables, control=given)
    if joined.n < MIN_SHARED:
        return ()
    test = correlate_along(joined, along=axis, n_permutations=n_permutations, seed=seed)
    text = (
        f"Given the off-target effect of each lesion, partial ρ = {test.statistic:.2f} "
        f"[{test.ci[0]:.2f}, {test.ci[1]:.2f}], p = {test.p_value:.2g}."
    )
    advice = (
        "The relation is specific to the target behavior."
        if _verdict(test, joined.n) == "supported"
        else "The relation is not shown to be specific: units may matter in general."
    )
    return (Note("specificity", text, advice),)


def _points(joined: Joined, axis: str, a_label: str, b_label: str) -> xr.Dataset:
    points = xr.Dataset(
        {
            "x": (axis, joined.x.mean(axis=0)),
            "y": (axis, joined.y.mean(axis=0)),
            "stratum": (axis, joined.strata),
            "member": (axis, joined.member),
        },
        coords={axis: joined.labels},
    )
    points["x"].attrs["long_name"] = a_label
    points["y"].attrs["long_name"] = b_label
    return points
