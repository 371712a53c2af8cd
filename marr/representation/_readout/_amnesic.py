"""Amnesic check: take a variable out of the activity, then decode and behave again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import EvidenceError, OptionError, StatisticsError
from marr.representation._probes._fit_kernel import encode_targets
from marr.representation._readout._amnesic_kernel import (
    random_subspaces,
    variable_subspace,
    without_subspace,
)
from marr.representation._readout._amnesic_text import (
    figures_of,
    methods_text,
    notes_of,
    summary_text,
)
from marr.representation._readout._frame import (
    Frame,
    make_frame,
    row_scores,
)
from marr.stats import bootstrap_weights, percentile_interval, permutation_p
from marr.stats._checks import check_count
from marr.systems import Ablate, stack_units, target_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.measures import Measure
    from marr.systems import System

__all__ = ["amnesic"]

N_RESAMPLES = 1000


@analysis(
    level="representation", citations=("elazar2021", "ravfogel2020"), needs="activity"
)
def amnesic(
    system: System,
    target: str,
    *,
    sites: str | Sequence[str] | None = None,
    others: str | Sequence[str] = (),
    measure: Measure | None = None,
    kind: str | None = None,
    n_folds: int = 5,
    n_random: int = 40,
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Take a variable out of the activity, and see what is lost.

    All directions that covary with the target are projected out, which leaves nothing
    for a linear probe. What else is lost with them, in other variables and, for a model,
    in its behavior, is compared with taking out random directions of equal number.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    target : str
        Variable to be taken out.
    sites : str or sequence of str, optional
        Sites, one at a time; all by default.
    others : str or sequence of str
        Other variables, which should survive.
    measure : Measure, optional
        Behavior of a model (`marr.measures.accuracy()`, ...), measured again while the
        model runs without these directions.
    kind : str, optional
        Kind of the target, as in `decode`.
    n_folds : int
        Folds, at least 3: directions are found in one part of the training folds, new
        probes are fitted in the other, and tested on the held-out fold.
    n_random : int
        Random subspaces to compare with, at least 19.
    seed : int
        Seed of folds, random subspaces and resamples.
    device : str, optional
        Where torch computes.

    Returns
    -------
    Finding
        Loss over (site, quantity): the score before minus that of a new probe after, for
        the target, each other variable, and the measure; with interval over trials,
        `random_mean` and `random_high` (95 %) of random subspaces, and the p-value against
        them (more lost than by random directions). Table "score": before and after.

    Raises
    ------
    EvidenceError
        A behavioral measure of a recording: nobody saw it act without the directions.
    MarrError
        Unknown names; variables that vary within trials.

    Notes
    -----
    The target's own loss is a check of the method, not evidence of use. Behavior that
    survives says that linear directions at this site are not needed: copies elsewhere, or
    a nonlinear code, may still carry the variable. A variable that is correlated with the
    target over trials goes with it.

    References
    ----------
    Elazar et al. (2021). Amnesic probing. TACL 9, 160.
    Ravfogel et al. (2020). Null it out. ACL.
    """
    check_count("n_folds", n_folds, minimum=3)
    check_count("n_random", n_random, minimum=19)
    names = [others] if isinstance(others, str) else list(others)
    if target in names:
        msg = f"others holds the target {target!r} itself."
        raise OptionError(msg)
    for name in names:
        target_values(system, name, argument="others")
    if measure is not None and not system.runs:
        msg = (
            f"{system.name!r} is a recording: nobody saw it act without these directions, "
            f"so {measure.name} cannot be measured. Leave measure= out (its readouts are "
            "measured), or hook a model with marr.hook."
        )
        raise EvidenceError(msg)
    frames = [
        _frame(system, n, sites, kind if n == target else None, n_folds, seed)
        for n in (target, *names)
    ]
    options = {"seed": seed, "device": device}
    found = [_site(frames, i, n_random, options) for i in range(len(frames[0].labels))]
    if measure is not None:
        for label, f in zip(frames[0].labels, found, strict=True):
            f["behavior"] = _behave(system, label, frames[0], measure, n_random, seed)
    estimate, scores = _tables(frames, found, measure, seed)
    evidence = "causal" if measure is not None else "predictive"
    return Draft(
        estimate=estimate,
        summary=partial(
            summary_text, target=target, measure=measure, evidence=evidence
        ),
        question=f"What is lost when {target} is taken out of the activity?",
        methods=methods_text(frames, measure, n_random),
        evidence=evidence,
        tables={"score": scores},
        figures=figures_of(target),
        notes=[*frames[0].plan.notes, *frames[0].layout.notes, *notes_of(found)],
        generalizes_over=frames[0].plan.unit_name,
        parameters={"kind": frames[0].target.kind},
    )


def _frame(
    system: System, name: str, sites: Any, kind: str | None, n_folds: int, seed: int
) -> Frame:
    frame = make_frame(
        system,
        name,
        sites=sites,
        over=("site",),
        kind=kind,
        n_folds=n_folds,
        n_permutations=0,
        seed=seed,
    )
    if frame.layout.row_bin is not None:
        msg = (
            f"amnesic takes variables with one value a trial; {name!r} varies within "
            "trials. Use a column of the trial table."
        )
        raise OptionError(msg)
    return frame


def _columns(frame: Frame) -> npt.NDArray[np.float64]:
    """Return the target as columns, (rows, outputs)."""
    return np.asarray(encode_targets(frame.y[..., :1], frame.target.kind)[0, :, 0])


def _site(
    frames: list[Frame], i: int, n_random: int, options: dict[str, Any]
) -> dict[str, Any]:
    """Return row scores before, after, and under random removals, for each variable.

    Directions are found in one part of the training folds, probes fitted in the other:
    in the rows that gave the directions there is nothing left by construction.
    """
    first = frames[0]
    x, z = first.layout.cells[i].x[0], _columns(first)
    n_folds, rank = len(first.test), 0
    outputs = [np.empty((2 + n_random, *_columns(f).shape)) for f in frames]
    for k, test in enumerate(first.test):
        rest = [f for f in range(n_folds) if f != k]
        find, fit = np.isin(first.fold, rest[::2]), np.isin(first.fold, rest[1::2])
        basis = variable_subspace(x[find], z[find])
        rank = max(rank, basis.shape[1])
        if basis.shape[1] >= x.shape[1]:
            msg = (
                f"{first.labels[i]!r} has {x.shape[1]} units and the variable covaries "
                f"with {basis.shape[1]} directions: nothing would be left. Pool sites, or "
                "use fewer classes."
            )
            raise StatisticsError(msg)
        mean = x[find].mean(axis=0)
        bases = [basis, *random_subspaces(x[find], basis.shape[1], n_random, seed=k)]
        cut = np.stack([x, *(without_subspace(x, b, mean) for b in bases)])
        for frame, held in zip(frames, outputs, strict=True):
            probes = frame.fit(  # the "times" of a fit are the removals
                cut, frame.y[0, :, :1], train=fit[None], test=test[None], **options
            )
            held[:, test] = probes.predicted[0][:, test, 0]  # type: ignore[index]
    scored = [
        {
            "before": row_scores(f, o[:1]),
            "after": row_scores(f, o[1:2]),
            "random": row_scores(f, o[2:]).score(),
        }
        for f, o in zip(frames, outputs, strict=True)
    ]
    return {"variables": scored, "rank": rank}


def _behave(
    system: System, site: str, frame: Frame, measure: Measure, n_random: int, seed: int
) -> dict[str, Any]:
    """Measure behavior without directions that the other half of the trials gave."""
    intact = measure.fit(system)
    before = intact.sign * intact(system)
    x = np.asarray(stack_units(system, site).values)
    z, half = _columns(frame), system.halves
    after = np.empty_like(before)
    random = np.empty((n_random, len(before)))
    for h in (0, 1):
        basis = variable_subspace(x[half == h], z[half == h])
        bases = random_subspaces(x[half == h], basis.shape[1], n_random, seed=seed + h)
        rest = np.flatnonzero(half != h)
        part = system.select(half != h)
        after[rest] = intact.sign * intact(part.perturb(Ablate(site, subspace=basis)))
        for j, b in enumerate(bases):
            random[j, rest] = intact.sign * intact(
                part.perturb(Ablate(site, subspace=b))
            )
    return {"before": before, "after": after, "random": random}


def _tables(
    frames: list[Frame], found: list[dict[str, Any]], measure: Measure | None, seed: int
) -> tuple[xr.Dataset, xr.Dataset]:
    names = [f.target.name for f in frames] + ([measure.name] if measure else [])
    weights = bootstrap_weights(frames[0].n_units, n_resamples=N_RESAMPLES, seed=seed)
    cells = [
        [
            *(_loss(v, weights) for v in f["variables"]),
            *_loss_of_behavior(f, frames[0], weights),
        ]
        for f in found
    ]
    dims = ("site", "quantity")
    coords = {"site": frames[0].labels, "quantity": names}
    columns = {
        key: (dims, np.array([[c[key] for c in row] for row in cells]))
        for key in (
            "estimate",
            "ci_low",
            "ci_high",
            "random_mean",
            "random_high",
            "p_value",
        )
    }
    estimate = xr.Dataset(columns, coords=coords)
    p = estimate["p_value"].values
    estimate["p_corrected"] = (dims, np.minimum(1.0, p * p.size))
    estimate["estimate"].attrs.update(
        long_name="loss without the subspace of " + frames[0].target.name,
        units="",
        chance=0.0,
        better="lower",
    )
    scores = xr.Dataset(
        {
            key: (dims, np.array([[c[key] for c in row] for row in cells]))
            for key in ("before", "after")
        },
        coords=coords,
        attrs={"reduction": "scores before and after the removal"},
    )
    chances = [f.target.chance for f in frames] + ([np.nan] if measure else [])
    scores["chance"] = ("quantity", np.array(chances))
    return estimate, scores


def _loss(scored: dict[str, Any], weights: npt.NDArray[Any]) -> dict[str, float]:
    before, after = (scored[k].score()[0] for k in ("before", "after"))
    drawn = (scored["before"].score(weights) - scored["after"].score(weights))[:, 0]
    interval = percentile_interval(drawn)
    return _cell(before, after, interval, before - scored["random"])


def _loss_of_behavior(
    found: dict[str, Any], frame: Frame, weights: npt.NDArray[Any]
) -> list[dict[str, float]]:
    if "behavior" not in found:
        return []
    values = found["behavior"]
    known = np.isfinite(values["before"]) & np.isfinite(values["after"])
    n = frame.n_units

    def sums(v: npt.NDArray[np.float64]) -> Any:
        return np.bincount(frame.unit[known], weights=v[known], minlength=n)

    count = np.bincount(frame.unit[known], minlength=n)
    drawn = (
        weights
        @ sums(values["before"] - values["after"])
        / np.maximum(weights @ count, 1e-300)
    )
    before, after = values["before"][known].mean(), values["after"][known].mean()
    random = before - values["random"][:, known].mean(axis=1)
    return [_cell(before, after, percentile_interval(drawn), random)]


def _cell(before: float, after: float, interval: Any, random: Any) -> dict[str, float]:
    return {
        "before": float(before),
        "after": float(after),
        "estimate": float(before - after),
        "ci_low": float(interval.low),
        "ci_high": float(interval.high),
        "random_mean": float(random.mean()),
        "random_high": float(np.quantile(random, 0.95)),
        "p_value": float(permutation_p(before - after, random, tail="greater")),
    }
