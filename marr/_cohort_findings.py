"""Combine findings of the members of a cohort into one."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import stats

from marr.errors import ContractError, EvidenceError
from marr.findings import FigureSpec, Finding, Note, provenance
from marr.findings._parts import RANDOM_BAND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marr.systems import Cohort

__all__ = ["combine_members"]

PER_MEMBER_AXES = ("unit", "pair", "trial")
"""Axes that members do not share: their labels get the member's name in front."""


def combine_members(
    cohort: Cohort, findings: Sequence[Finding], *, seconds: float
) -> Finding:
    """Return one finding that generalizes over the members of a cohort.

    Shared axes: mean over members, Student's t interval and t test over members
    against the null value of the estimate. Unit axes: members side by side.

    Parameters
    ----------
    cohort : Cohort
        Whose members were analyzed.
    findings : sequence of Finding
        One a member, in order.
    seconds : float
        Time taken by all of them.
    """
    first = findings[0]
    names = [m.name for m in cohort]
    _check_grades(cohort, findings)
    estimate = _combine([f.estimate for f in findings], names, first.analysis)
    tables = {
        key: _combine([f.tables[key] for f in findings], names, first.analysis)
        for key in first.tables
        if all(key in f.tables for f in findings)
    }
    per_member = bool(set(PER_MEMBER_AXES) & set(estimate["estimate"].dims))
    if not per_member:
        tables["member"] = _side_by_side([f.estimate for f in findings], names)
    summarize: Callable[..., str] | None = getattr(first, "_summarize", None)
    head = f"{len(names)} {cohort.member_kind}: "
    sentence = (
        head + _sentence(summarize, estimate, tables)
        if summarize is not None
        else head + _range_sentence(findings, estimate, per_member=per_member)
    )
    described = [s for f in findings for s in f.provenance["systems"]]
    digest = hashlib.sha256(
        "".join(f.provenance["data_hash"] for f in findings).encode()
    )
    return replace(
        first,
        system=cohort.name,
        summary=sentence,
        estimate=estimate,
        tables=tables,
        figures=tuple(_figure_for_cohort(s, per_member) for s in first.figures),
        methods=first.methods + _methods(len(names), cohort.member_kind, per_member),
        notes=_combined_notes(findings, names, per_member=per_member),
        generalizes_over=(
            f"trials within each of {len(names)} {cohort.member_kind}"
            if per_member
            else f"{cohort.member_kind} (n = {len(names)})"
        ),
        provenance=provenance(
            seed=first.provenance["seed"],
            systems=described,
            data_hash=digest.hexdigest(),
            seconds=seconds,
        ),
        trial_hashes=np.concatenate([f.trial_hashes for f in findings]),
    )


def _check_grades(cohort: Cohort, findings: Sequence[Finding]) -> None:
    """Refuse members whose answers rest on other evidence, e.g. mice and networks."""
    grades = {m.name: f.evidence for m, f in zip(cohort, findings, strict=True)}
    if len(set(grades.values())) > 1:
        msg = (
            f"{findings[0].analysis}: the members of {cohort.name!r} answer with other "
            f"grades of evidence ({grades}), so they have no common sentence. Make a "
            "cohort of the recordings and one of the models."
        )
        raise EvidenceError(msg)


def _combine(parts: list[xr.Dataset], names: list[str], analysis: str) -> xr.Dataset:
    axes = [a for a in PER_MEMBER_AXES if a in parts[0].dims]
    if axes:
        return _concat_units(parts, names, axes[0])
    try:
        stacked = xr.concat(
            parts,
            dim="member",
            join="inner",
            combine_attrs="override",
            data_vars="all",
            coords="minimal",
            compat="override",
        )
    except ValueError as error:
        msg = f"{analysis}: the members' results do not share their axes ({error})."
        raise ContractError(msg) from error
    empty = [str(d) for d in stacked.dims if stacked.sizes[d] == 0]
    if empty:
        msg = (
            f"{analysis}: the members share no label on axis {empty}; analyze them "
            "one by one."
        )
        raise ContractError(msg)
    return _over_members(stacked)


def _concat_units(parts: list[xr.Dataset], names: list[str], axis: str) -> xr.Dataset:
    labelled = []
    for name, part in zip(names, parts, strict=True):
        labels = np.array([f"{name}|{v}" for v in part[axis].values.tolist()])
        members = np.array([name] * part.sizes[axis])
        scalars = [str(n) for n, v in part.data_vars.items() if not v.dims]
        spread = part.assign(
            {n: (axis, np.full(len(labels), part[n])) for n in scalars}
        )
        labelled.append(
            spread.assign_coords({axis: (axis, labels), "member": (axis, members)})
        )
    return xr.concat(
        labelled,
        dim=axis,
        join="outer",
        combine_attrs="override",
        coords="minimal",
        compat="override",
        data_vars="minimal",
    )


def _over_members(stacked: xr.Dataset) -> xr.Dataset:
    n = stacked.sizes["member"]
    result: dict[str, Any] = {}
    for name, variable in stacked.data_vars.items():
        if "member" not in variable.dims:
            result[str(name)] = variable
        elif variable.dtype.kind == "b":
            result[str(name)] = variable.any("member")
        elif variable.dtype.kind in "OU":
            result[str(name)] = variable.isel(member=0)
        elif str(name) in ("n", "n_trials"):
            result[str(name)] = variable.sum("member")
        else:
            result[str(name)] = variable.mean("member", keep_attrs=True)
    combined = xr.Dataset(result, attrs=stacked.attrs)
    if "estimate" not in combined:
        return combined
    values = stacked["estimate"].astype(float)
    spread = values.std("member", ddof=1) / np.sqrt(n)
    reach = float(stats.t.ppf(0.975, n - 1)) * spread
    combined["estimate"].attrs = dict(stacked["estimate"].attrs)
    combined["ci_low"] = combined["estimate"] - reach
    combined["ci_high"] = combined["estimate"] + reach
    if combined["estimate"].attrs.get("units") in ("probability", "proportion"):
        for end in ("ci_low", "ci_high"):
            combined[end] = combined[end].clip(0.0, 1.0)
    null = _null_value(combined)
    if null is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (combined["estimate"] - null) / spread
        p = _t_test_p(t, n, combined["estimate"].attrs)
        # members that agree exactly have no spread: nothing to test with
        combined["p_value"] = p.where(spread > 0)
        combined["p_corrected"] = (combined["p_value"] * p.count()).clip(max=1.0)
    else:
        combined = combined.drop_vars(["p_value", "p_corrected"], errors="ignore")
    return combined


def _t_test_p(t: xr.DataArray, n: int, attrs: dict[str, Any]) -> xr.DataArray:
    """Return p over members: one-sided for a score against chance, else two-sided."""
    if attrs.get("chance") is None:
        return xr.apply_ufunc(lambda x: 2 * stats.t.sf(np.abs(x), n - 1), t)
    sign = -1.0 if attrs.get("better") == "lower" else 1.0
    return xr.apply_ufunc(lambda x: stats.t.sf(sign * x, n - 1), t)


def _null_value(combined: xr.Dataset) -> Any:
    """Return what no effect would give; the harder of null mean and chance."""
    attrs = combined["estimate"].attrs
    chance = attrs.get("null", attrs.get("chance"))
    if "null_mean" not in combined:
        return chance
    if chance is None:
        return combined["null_mean"]
    harder = np.minimum if attrs.get("better") == "lower" else np.maximum
    return harder(combined["null_mean"], chance)


def _side_by_side(parts: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    table = xr.concat(
        parts,
        dim="member",
        join="inner",
        combine_attrs="override",
        data_vars="all",
        coords="minimal",
        compat="override",
    )
    table = table.assign_coords(member=np.array(names))
    table.attrs["reduction"] = "none; one row a member"
    return table


def _sentence(
    summarize: Callable[..., str], estimate: xr.Dataset, tables: dict[str, xr.Dataset]
) -> str:
    """Return the summary; a function of two arguments gets the tables as well."""
    positional = [
        p
        for p in inspect.signature(summarize).parameters.values()
        if p.kind is not p.KEYWORD_ONLY and p.default is p.empty
    ]
    if len(positional) > 1:
        return summarize(estimate, tables)
    return summarize(estimate)


def _range_sentence(
    findings: Sequence[Finding], estimate: xr.Dataset, *, per_member: bool
) -> str:
    name = estimate["estimate"].attrs.get("long_name", "estimate")
    if per_member:
        return (
            f"{findings[0].summary} ({findings[0].system}; the others: see the table.)"
        )
    values = np.atleast_1d(estimate["estimate"].values.astype(float))
    if values.size == 1:
        low, high = (float(estimate[k].values) for k in ("ci_low", "ci_high"))
        return f"{name} {values[0]:.3g} [{low:.3g}, {high:.3g}]."
    return f"{name} between {np.nanmin(values):.3g} and {np.nanmax(values):.3g}."


def _figure_for_cohort(spec: FigureSpec, per_member: bool) -> FigureSpec:
    if per_member:
        # members have their own bands, which would jump from unit to unit
        caption = spec.caption.replace(RANDOM_BAND, "")
        return replace(spec, caption=caption, band_low=None, band_high=None)
    return replace(
        spec, caption=f"{spec.caption} Mean over members; intervals are over members."
    )


def _methods(n: int, kind: str, per_member: bool) -> str:
    if per_member:
        return (
            f" Units are not shared between the {n} {kind}; each is analyzed by itself."
        )
    return (
        f" Each of the {n} {kind} was analyzed by itself; intervals are Student's t "
        f"over {kind}, p-values one-sample t tests over {kind} (Bonferroni over cells)."
    )


def _combined_notes(
    findings: Sequence[Finding], names: Sequence[str], *, per_member: bool
) -> tuple[Note, ...]:
    by_code: dict[str, list[tuple[str, Note]]] = {}
    for name, finding in zip(names, findings, strict=True):
        for note in finding.notes:
            by_code.setdefault(note.code, []).append((name, note))
    notes = [_note_of_cohort(said, len(names), per_member) for said in by_code.values()]
    if len(names) < 5:
        text = f"Only {len(names)} members: the interval over members is wide and rests on normality."
        notes.append(Note("few_members", text, "Add members (seeds, animals)."))
    return tuple(notes)


def _note_of_cohort(said: Sequence[tuple[str, Note]], n: int, per_member: bool) -> Note:
    """Return one note for those of members; other numbers than the first's are told."""
    name, first = said[0]
    where = f"({len(said)} of {n} members)"
    if len({note.text for _, note in said}) > 1:
        where = f"(said of {name!r}; {len(said)} of {n} members, with other numbers)"
    advice = first.advice
    if first.code == "coarse_null" and not per_member:
        advice = "So it is in each; p-values of the cohort are t tests over members."
    return Note(first.code, f"{first.text} {where}", advice)
