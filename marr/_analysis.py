"""What turns a function on a System into an analysis that returns a Finding."""

from __future__ import annotations

import functools
import hashlib
import inspect
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from marr._cohort_findings import combine_members
from marr._option_types import check_types
from marr.errors import ContractError, MarrError, StatisticsError, nearest
from marr.findings import FigureSpec, Finding, Note, provenance
from marr.systems import Cohort, System, trial_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

__all__ = ["ANALYSES", "Analysis", "Draft", "analysis", "finding_from_draft"]

P = ParamSpec("P")


@dataclass(frozen=True)
class Analysis:
    """A registered analysis: its name, level, function and declared exemptions."""

    name: str
    level: str
    function: Callable[..., Finding]
    citations: tuple[str, ...]
    needs: str = ""
    whole_cohort: bool = False


ANALYSES: dict[str, Analysis] = {}
"""Every analysis on a system, by name; contract tests run over it."""


@dataclass(frozen=True)
class Draft:
    """What the body of an analysis knows; the decorator adds the rest.

    `summary` may be a function of the estimate, so that a cohort's combined estimate
    gets a sentence of its own. `others` are systems besides the first whose data went
    in: the finding names and hashes them too.
    """

    estimate: xr.Dataset
    summary: str | Callable[[xr.Dataset], str]
    question: str
    methods: str
    evidence: str = "descriptive"
    tables: dict[str, xr.Dataset] = field(default_factory=dict)
    figures: Sequence[FigureSpec] = ()
    notes: Sequence[Note] = ()
    citations: Sequence[str] = ()
    generalizes_over: str = "trials"
    level: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    others: Sequence[System] = ()


def analysis(
    *,
    level: str,
    citations: Sequence[str] = (),
    needs: str = "",
    whole_cohort: bool = False,
) -> Callable[
    [Callable[Concatenate[Any, P], Draft]], Callable[Concatenate[Any, P], Finding]
]:
    """Register a function `(system, *, ...) -> Draft` as an analysis.

    The returned function gives a `Finding` with provenance, takes a `Cohort` as well
    as a `System`, and checks its first argument.

    Parameters
    ----------
    level : str
        Marr's level.
    citations : sequence of str
        Keys of the method's references.
    needs : str
        What the analysis needs that not every system has, in words; "" if nothing.
    whole_cohort : bool
        Hand a cohort to the function as it is, because members are compared with each
        other, or resampled together; else members are analyzed one by one and combined.
    """

    def register(
        function: Callable[Concatenate[Any, P], Draft],
    ) -> Callable[Concatenate[Any, P], Finding]:
        module = function.__module__.split(".")
        name = f"{module[1]}.{function.__name__}" if len(module) > 1 else module[0]
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(system: Any, /, *args: P.args, **kwargs: P.kwargs) -> Finding:
            started = time.perf_counter()
            bound = _bound(name, signature, system, *args, **kwargs)
            bound.apply_defaults()
            parameters = dict(list(bound.arguments.items())[1:])
            check_types(name, signature, parameters)
            if isinstance(system, Cohort) and not whole_cohort:
                findings = [_of_member(system, m, run, args, kwargs) for m in system]
                return combine_members(
                    system, findings, seconds=time.perf_counter() - started
                )
            if not isinstance(system, (System, Cohort)):
                msg = (
                    f"{name}: the first argument must be a System or a Cohort; got "
                    f"{type(system).__name__}. Make one with marr.from_arrays, "
                    "marr.read_nwb or marr.hook."
                )
                raise ContractError(msg)
            draft = function(system, *args, **kwargs)
            return finding_from_draft(
                draft,
                name=name,
                level=level,
                systems=(*_members(system), *draft.others),
                name_of_first=system.name,
                citations=citations,
                parameters=parameters,
                seconds=time.perf_counter() - started,
            )

        run.__annotations__ = {**function.__annotations__, "return": "Finding"}
        ANALYSES[name] = Analysis(
            name, level, run, tuple(citations), needs, whole_cohort
        )
        return run

    return register


def _bound(
    name: str, signature: inspect.Signature, /, *args: Any, **kwargs: Any
) -> inspect.BoundArguments:
    """Bind a call; an unknown or missing argument says of which analysis."""
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        known = list(signature.parameters)[1:]
        unknown = [k for k in kwargs if k not in signature.parameters]
        hint = nearest(unknown[0], known) if unknown else None
        suggestion = f" Did you mean {hint!r}?" if hint else ""
        msg = f"{name}: {error}. Its options: {', '.join(known)}.{suggestion}"
        raise TypeError(msg) from None


def _members(system: System | Cohort) -> tuple[System, ...]:
    return system.members if isinstance(system, Cohort) else (system,)


def _of_member(
    cohort: Cohort, member: System, run: Callable[..., Finding], args: Any, kwargs: Any
) -> Finding:
    """Return the finding of one member; an error says which one it was."""
    try:
        return run(member, *args, **kwargs)
    except MarrError as error:
        msg = f"member {member.name!r} of {cohort.name!r}: {error}"
        raise type(error)(msg) from error


def finding_from_draft(
    draft: Draft,
    *,
    name: str,
    level: str,
    systems: Sequence[System],
    citations: Sequence[str] = (),
    parameters: dict[str, Any],
    seconds: float,
    name_of_first: str | None = None,
) -> Finding:
    """Return the finding of a draft: labels, provenance, trial hashes.

    `name_of_first` is the name of the cohort whose members come first in `systems`.
    """
    _refuse_empty(draft, f"{name} of {(name_of_first or systems[0].name)!r}")
    summary = (
        draft.summary(draft.estimate) if callable(draft.summary) else draft.summary
    )
    shown = {
        k: plain_parameter(v) for k, v in {**parameters, **draft.parameters}.items()
    }
    digest = hashlib.sha256("".join(s.fingerprint() for s in systems).encode())
    first = [] if name_of_first is None else [name_of_first]
    named = [*first, *(s.name for s in (draft.others if first else systems))]
    finding = Finding(
        analysis=name,
        level=draft.level or level,
        evidence=draft.evidence,
        system=" and ".join(dict.fromkeys(named)),
        question=draft.question,
        summary=summary,
        estimate=draft.estimate,
        tables=dict(draft.tables),
        figures=tuple(draft.figures),
        methods=draft.methods,
        citations=tuple(dict.fromkeys([*citations, *draft.citations])),
        notes=tuple(draft.notes),
        generalizes_over=draft.generalizes_over,
        parameters=shown,
        provenance=provenance(
            seed=parameters.get("seed"),
            systems=[s.describe() for s in systems],
            data_hash=digest.hexdigest(),
            seconds=seconds,
        ),
        trial_hashes=np.concatenate([trial_hashes(s) for s in systems]),
    )
    if callable(draft.summary):
        object.__setattr__(finding, "_summarize", draft.summary)
    return finding


def _refuse_empty(draft: Draft, what: str) -> None:
    """Refuse an estimate that is NaN everywhere: that is no result."""
    if "estimate" not in draft.estimate:
        return
    values = draft.estimate["estimate"].values
    if values.dtype.kind == "f" and values.size and np.isnan(values).all():
        reasons = " ".join(n.text for n in draft.notes)
        msg = (
            f"{what} has no number to give: the estimate is undefined everywhere. "
            f"{reasons}"
        )
        raise StatisticsError(msg)


def plain_parameter(value: Any) -> Any:
    """Return a parameter as a value that JSON can hold and a reader can read."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(k): plain_parameter(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_parameter(v) for v in value]
    if isinstance(value, np.ndarray):
        if value.size <= 32:
            return value.tolist()
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:12]
        return f"array {value.shape} {digest}"
    if isinstance(value, Finding):
        return f"finding {value.id}"
    for attribute in ("label", "name", "__name__"):
        if isinstance(getattr(value, attribute, None), str):
            return getattr(value, attribute)
    return type(value).__name__
