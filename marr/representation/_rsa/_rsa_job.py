"""The numbers of an analysis of representational similarity: cells, tests, tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from marr.errors import StatisticsError
from marr.representation._rsa._bootstrap_kernel import contrast_variance, max_t, t_tail
from marr.representation._rsa._crossval_kernel import Part
from marr.representation._rsa._inference import Cell, Plan, infer
from marr.representation._rsa._permutation_kernel import permuted_similarity
from marr.representation._rsa._rdm_kernel import upper
from marr.stats import fdr, max_statistic, permutation_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._rsa._models import Model
    from marr.representation._rsa._subjects import Rows

__all__ = [
    "Family",
    "Job",
    "Tested",
    "analyze",
    "model_parts",
    "permuted",
    "tested_family",
]

ALIKE = 1e-9
"""Models whose standardized distances differ by less are the same."""


@dataclass(frozen=True)
class Job:
    """Everything that was computed.

    Attributes
    ----------
    models : list of Model
    parts : list of Part
        Their rows.
    plan : Plan
    rows : Rows
    cells : list of Cell
        By site, then time.
    shape : tuple of int
        Number of sites and times.
    scales : array of shape (n_components,)
        What each component was divided by.
    identical : list of (str, str)
        Pairs of models with the same distances.
    """

    models: list[Model]
    parts: list[Part]
    plan: Plan
    rows: Rows
    cells: list[Cell]
    shape: tuple[int, int]
    scales: npt.NDArray[np.float64]
    identical: list[tuple[str, str]]


@dataclass(frozen=True)
class Family:
    """A family of contrasts of outcomes, tested together."""

    contrasts: npt.NDArray[np.float64]  # (n_contrasts, n_outcomes)
    two_sided: bool


@dataclass(frozen=True)
class Tested:
    """Contrasts of all cells, each array of shape (n_cells, n_contrasts)."""

    estimate: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    corrected: npt.NDArray[np.float64]


def model_parts(models: Sequence[Model]) -> list[Part]:
    """Return which rows belong to which model."""
    stops = np.cumsum([len(m.rdms) for m in models])
    return [
        Part(m.kind, int(stop) - len(m.rdms), int(stop))
        for m, stop in zip(models, stops, strict=True)
    ]


def _standardized(
    values: npt.NDArray[np.float64], names: Sequence[str], comparator: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return rows of unit root mean square, centered for correlations, and their scale.

    Raises
    ------
    StatisticsError
        If a row has no length: a correlation with it does not exist.
    """
    size = np.abs(values).max(axis=1, keepdims=True)
    about = values
    if comparator not in ("cosine", "whitened_cosine"):
        about = values - values.mean(axis=1, keepdims=True)
    scale = np.sqrt((about**2).mean(axis=1, keepdims=True))
    flat = (scale <= 1e-12 * np.maximum(size, 1e-300))[:, 0]
    if flat.any():
        which = [n for n, f in zip(names, flat, strict=True) if f][:4]
        what = "are all 0" if about is values else "are all equal"
        msg = (
            f"the dissimilarities of {', '.join(map(repr, which))} {what}, so that their "
            f"{comparator} with anything is undefined. Leave these out, or check the data."
        )
        raise StatisticsError(msg)
    return about / scale, scale[:, 0]


def analyze(models: list[Model], rows: Rows, plan: Plan) -> Job:
    """Compute every site and time with the same resamples."""
    parts = model_parts(models)
    names = [
        f"{m.name}: {r.name}" if m.kind != "fixed" else m.name
        for m in models
        for r in m.rdms
    ]
    components, scales = _standardized(upper(rows.components), names, plan.comparator)
    data = rows.subjects
    n_sites, n_times = data.values.shape[1:3]
    cells = []
    for site, at in np.ndindex(n_sites, n_times):
        who = [_where(rows, s, site, at) for s in range(len(data.names))]
        subjects, _ = _standardized(
            upper(data.values[:, site, at]), who, plan.comparator
        )
        halves = data.halves[:, 0, site, at] if len(data.names) == 1 else None
        cells.append(infer(np.concatenate([components, subjects]), halves, parts, plan))
    same = _identical(models, parts, components)
    return Job(models, parts, plan, rows, cells, (n_sites, n_times), scales, same)


def _where(rows: Rows, subject: int, site: int, at: int) -> str:
    data = rows.subjects
    text = f"{data.names[subject]} at {data.sites[site]}"
    return text if data.times is None else f"{text}, time {float(data.times[at]):g}"


def _identical(
    models: Sequence[Model], parts: Sequence[Part], components: npt.NDArray[np.float64]
) -> list[tuple[str, str]]:
    found = []
    fixed = [
        (m.name, p.start)
        for m, p in zip(models, parts, strict=True)
        if m.kind == "fixed"
    ]
    for i, (a, first) in enumerate(fixed):
        for b, second in fixed[i + 1 :]:
            if np.abs(components[first] - components[second]).max() < ALIKE:
                found.append((a, b))
    return found


def tested_family(
    job: Job, family: Family, correction: str, *, bounded: bool
) -> Tested:
    """Test contrasts in every cell, corrected over contrasts, sites and times.

    Parameters
    ----------
    job : Job
    family : Family
    correction : {"max", "fdr"}
    bounded : bool
        Cut intervals at -1 and 1.
    """
    plan, contrasts = job.plan, family.contrasts
    used = contrasts != 0

    def of(outcomes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum outcomes; one that is missing spoils only the contrasts that use it."""
        total = np.nan_to_num(outcomes) @ contrasts.T
        lost = (~np.isfinite(outcomes)).astype(float) @ used.T.astype(float) > 0
        return np.where(lost, np.nan, total)

    estimate = np.stack([of(c.estimate) for c in job.cells])
    variance = []
    for cell in job.cells:
        spread = type(cell.spread)(
            *(None if v is None else np.nan_to_num(v) for v in cell.spread)
        )
        variance.append(
            contrast_variance(spread, contrasts, plan.n_subjects, plan.n_conditions)
            + np.einsum(
                "ki,ij,kj->k", contrasts, np.nan_to_num(cell.fold_noise), contrasts
            )
        )
    error = np.sqrt(np.stack(variance))
    error = np.where(np.isnan(estimate), np.nan, error)
    tiny = error <= 1e-12
    t = np.where(tiny, np.nan, estimate / np.where(tiny, 1.0, error))
    reach = special.stdtrit(plan.dof, 0.975) * error
    p = t_tail(t, plan.dof, two_sided=family.two_sided)
    if correction == "fdr":
        corrected = fdr(p)
    else:
        draws = np.concatenate([of(c.draws) for c in job.cells], axis=1)
        good = np.isfinite(draws).all(axis=1) | ~np.isfinite(draws).any(axis=1)
        corrected = max_t(
            t.ravel(),
            np.nan_to_num(draws[good]),
            plan.dof,
            two_sided=family.two_sided,
            seed=plan.seed,
        ).reshape(t.shape)
    same = tiny & np.isfinite(
        estimate
    )  # no difference at all: nothing against the null
    p, corrected = np.where(same, 1.0, p), np.where(same, 1.0, corrected)
    low, high = estimate - reach, estimate + reach
    if bounded:
        low, high = np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)
    return Tested(estimate, error, low, high, p, corrected)


def permuted(job: Job, n_permutations: int) -> dict[str, npt.NDArray[Any]]:
    """Test models against permuted conditions; arrays of shape (n_cells, n_models)."""
    rng = np.random.default_rng([job.plan.seed, 3])
    n = job.plan.n_conditions
    moves = rng.permuted(np.tile(np.arange(n), (n_permutations, 1)), axis=1)
    components = upper(job.rows.components)
    data = job.rows.subjects.values
    null = []
    for site, at in np.ndindex(*job.shape):
        subjects = upper(data[:, site, at])
        null.append(
            permuted_similarity(components, subjects, moves, job.plan.comparator)
        )
    draws = np.stack(null, axis=1)
    observed = np.stack([c.estimate[: len(job.models)] for c in job.cells])
    corrected = (
        max_statistic(observed, draws, tail="greater")
        if observed.size > 1
        else permutation_p(observed, draws, tail="greater")
    )
    return {
        "p_value": permutation_p(observed, draws, tail="greater"),
        "p_corrected": corrected,
        "null_mean": draws.mean(axis=0),
    }
