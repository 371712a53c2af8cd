"""The public call: link(a, b, kind=...)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from marr._option_types import checked
from marr.errors import ContractError
from marr.findings import Finding, Note, provenance, weaker_grade
from marr.links._circular import effect_end, refuse_circular
from marr.links._correlate import LinkTest, correlate_along
from marr.links._join import Joined, choose_axis, join
from marr.links._link import MIN_SHARED, Link, verdict_of
from marr.links._request import Request
from marr.links._words import (
    caveats,
    label_of,
    methods_text,
    question_text,
    sentence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["link"]


@checked
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
    request = Request(
        kind, tuple(control), variables, statistic, same_units, n_permutations, seed
    )
    refuse_circular(a, b)
    if kind == "used":
        readout, effect = effect_end(a, b)
        if readout is not a:
            request = replace(request, variables=(variables[1], variables[0]))
        a, b = readout, effect
    axis = choose_axis(a, b, along)
    joined = _joined(a, b, axis, request)
    test = _tested(joined, axis, request)
    notes = caveats(request, a, b, joined)
    if kind == "used":
        notes += _specificity(a, b, axis, request)
    return _assembled(
        (a, b), axis, joined, test, request, notes, time.perf_counter() - started
    )


def _joined(a: Finding, b: Finding, axis: str, request: Request) -> Joined:
    joined = join(
        a,
        b,
        axis,
        variables=request.variables,
        control=request.control,
        same_units=request.same_units,
    )
    return joined if request.kind == "used" else replace(joined, shuffled=None)


def _tested(joined: Joined, axis: str, request: Request) -> LinkTest:
    """Return the test, or one without a number where too few members are shared."""
    if joined.n and np.bincount(joined.member).max() >= 4:
        return correlate_along(
            joined,
            along=axis,
            n_permutations=request.n_permutations,
            seed=request.seed,
            ranked=request.ranked,
        )
    nan = float("nan")
    return LinkTest(nan, (nan, nan), nan, nan, "none: too few", np.array([]), "none")


def _verdict(test: LinkTest, n: int) -> str:
    ci = test.ci if test.over_members else None
    return verdict_of(
        test.statistic, test.p_value, n if test.per_member.size else 0, ci
    )


def _specificity(
    a: Finding, b: Finding, axis: str, request: Request
) -> tuple[Note, ...]:
    """Say whether the relation remains once the off-target effect is partialled out."""
    table = b.per(axis).estimate
    if "off_target" not in table:
        text = "No off-target effect was measured."
        advice = "Pass control_measure= to ablate, to tell a specific need from damage."
        return (Note("no_off_target", text, advice),)
    given = replace(request, control=(*request.control, "off_target"))
    joined = _joined(a, b, axis, given)
    if joined.n < MIN_SHARED:
        return ()
    test = _tested(joined, axis, given)
    text = (
        f"Given the off-target effect of each lesion, {given.statistic_name} = "
        f"{test.statistic:.2f} [{test.ci[0]:.2f}, {test.ci[1]:.2f}], "
        f"p = {test.p_value:.2g}."
    )
    advice = (
        "The relation is specific to the target behavior."
        if _verdict(test, joined.n) == "supported"
        else "The relation is not shown to be specific: units may matter in general."
    )
    return (Note("specificity", text, advice),)


def _assembled(
    ends: tuple[Finding, Finding],
    axis: str,
    joined: Joined,
    test: LinkTest,
    request: Request,
    notes: tuple[Note, ...],
    seconds: float,
) -> Link:
    a, b = ends
    grades = (a.evidence, b.evidence)
    labels = [
        label_of(f, axis, v) for f, v in zip(ends, request.variables, strict=True)
    ]
    return Link(
        kind=request.kind,
        a=a.id,
        b=b.id,
        a_label=labels[0],
        b_label=labels[1],
        a_level=a.level,
        b_level=b.level,
        along=axis,
        statistic=test.statistic,
        statistic_name=request.statistic_name,
        ci=test.ci,
        p_value=test.p_value,
        verdict=_verdict(test, joined.n),
        n=joined.n,
        null=test.null,
        minimum_detectable=test.minimum_detectable,
        evidence=grades,
        grade=b.evidence if request.kind == "used" else weaker_grade(*grades),
        sentence=sentence(request, test, joined, axis),
        question=question_text(request, a, b, axis),
        methods=methods_text(request, test, joined),
        citations=(*(("freedman1983",) if request.control else ()), "phipson2010"),
        notes=notes,
        points=_points(joined, axis, labels),
        parameters={**request.parameters(), "over_members": test.over_members},
        provenance=provenance(
            seed=request.seed,
            systems=[],
            data_hash=f"{a.id}{b.id}",
            seconds=seconds,
        ),
    )


def _points(joined: Joined, axis: str, labels: Sequence[str]) -> xr.Dataset:
    points = xr.Dataset(
        {
            "x": (axis, joined.x.mean(axis=0)),
            "y": (axis, joined.y.mean(axis=0)),
            "stratum": (axis, joined.strata),
            "member": (axis, joined.member_names[joined.member]),
        },
        coords={axis: joined.labels},
    )
    points["x"].attrs["long_name"], points["y"].attrs["long_name"] = labels
    return points
