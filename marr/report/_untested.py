"""The missing experiments: links that the findings would allow and nobody asked for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from marr.errors import MarrError
from marr.links import MIN_SHARED
from marr.links._circular import effect_end, refuse_circular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.findings import Finding

__all__ = ["untested_links"]

OWN_AXES = ("unit", "pair")
"""Axes whose labels mean something inside one system only."""

INNER_AXES = ("member", "parameter", "draw", "half")
"""Axes of bookkeeping, over which a relation would mean nothing."""


def untested_links(
    findings: Sequence[Finding], linked: set[frozenset[int]]
) -> list[dict[str, Any]]:
    """Return the links between levels that share an axis and were not tested.

    Parameters
    ----------
    findings : sequence of Finding
        Findings of a report.
    linked : set of frozenset of int
        Pairs of positions that are linked already.

    Returns
    -------
    list of dict
        `used` before `covaries`, longer axes first; see `Report.untested`.
    """
    found = []
    for i, j in itertools.combinations(range(len(findings)), 2):
        a, b = findings[i], findings[j]
        if frozenset((i, j)) in linked or set(a.level.split("+")) & set(
            b.level.split("+")
        ):
            continue
        for axis in _shared_axes(a, b):
            kind = _kind(a, b, axis)
            if kind:
                found.append(_record((i, a), (j, b), axis, kind))
    return sorted(
        found, key=lambda r: (r["kind"] != "used", -r["n_shared"], r["a"], r["b"])
    )


def _shared_axes(a: Finding, b: Finding) -> list[str]:
    axes = [axis for axis in a.axes if axis in b.axes and axis not in INNER_AXES]
    return [
        axis
        for axis in axes
        if (axis not in OWN_AXES or a.system == b.system)
        and _n_shared(a, b, axis) >= MIN_SHARED
    ]


def _n_shared(a: Finding, b: Finding, axis: str) -> int:
    labels = []
    for finding in (a, b):
        table = finding.tables.get(axis, finding.estimate)
        if "estimate" not in table or table["estimate"].dims != (axis,):
            return 0
        labels.append(table[axis].to_index())
    return int(labels[0].isin(labels[1]).sum())


def _kind(a: Finding, b: Finding, axis: str) -> str:
    """Return the strongest kind that is not circular, "" if there is none."""
    ends = a.per(axis), b.per(axis)
    try:
        refuse_circular(*ends)
    except MarrError:
        return ""
    try:
        effect_end(*ends)
    except MarrError:
        return "covaries"
    return "used"


def _record(
    first: tuple[int, Finding], second: tuple[int, Finding], axis: str, kind: str
) -> dict[str, Any]:
    (i, a), (j, b) = first, second
    asked = {
        "used": f"Are the {axis}s from which it can be read also those that behavior needs?",
        "covaries": f"Do the two rise and fall together over {axis}s?",
    }
    call = (
        f'report.link(report.findings[{i}].per("{axis}"), '
        f'report.findings[{j}].per("{axis}"), kind="{kind}")'
    )
    return {
        "a": i, "b": j, "along": axis, "kind": kind, "n_shared": _n_shared(a, b, axis),
        "question": asked[kind], "call": call,
    }  # fmt: skip
