"""How many conditions a population can keep apart for one readout, per dimension."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from marr._analysis import Draft, analysis
from marr.errors import OptionError
from marr.findings import Note
from marr.representation._conditions import resolve_conditions
from marr.representation._geometry import _capacity_kernel as kernel
from marr.representation._geometry._capacity_text import (
    GROUPS,
    MEASURES,
    figures,
    labelled,
    methods_text,
    summary,
)
from marr.representation._geometry._cloud import (
    check_time,
    condition_counts,
    constant_note,
    grouped_units,
    site_cloud,
    words,
)
from marr.representation._geometry._dichotomy_kernel import span_coordinates
from marr.representation._plan import make_plan
from marr.stats._checks import check_count
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.representation._conditions import Conditions
    from marr.representation._plan import Plan
    from marr.systems import System

__all__ = ["manifold_capacity"]

FEWEST_POINTS = 3
NULL_PROJECTIONS = 60
"""Random directions behind each shuffle."""


@dataclass(frozen=True)
class Draws:
    """Random directions and dichotomies, the same for data, subsets and shuffles."""

    n_projections: int
    n_simulated: int
    seed: int

    def measure(
        self,
        x: npt.NDArray[np.float64],
        labels: npt.NDArray[np.intp],
        *,
        simulate: bool = False,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the measures of centered points, and their Monte Carlo errors."""
        rng = np.random.default_rng(self.seed)
        n = int(labels.max()) + 1
        half = -(-self.n_projections // 2)
        direction = rng.normal(size=(half, x.shape[1]))
        direction = np.concatenate([direction, -direction])
        signs = np.tile(kernel.random_signs(half, n, rng), (2, 1))
        joint = kernel.joint_dimensions(x, labels, signs, direction)
        joint = joint.reshape(2, half).mean(axis=0)
        alone = kernel.independent(x, labels, direction)
        own = alone.dimensions.mean(axis=1).reshape(2, half).mean(axis=0)
        middle = np.array([joint.mean() + 0.5, own.mean() * n]) / n
        noise = np.array([joint.std(), own.std() * n]) / n / np.sqrt(half)
        values = np.full(len(MEASURES), np.nan)
        errors = np.zeros(len(MEASURES))
        values[:2], errors[:2] = 1 / middle, noise / middle**2
        values[3:] = np.nanmean(alone.radius), np.nanmean(alone.dimension)
        if simulate and self.n_simulated:
            found = kernel.smallest_separating(
                x, labels, kernel.random_signs(self.n_simulated, n, rng), rng
            )
            need = (found.mean() + 0.5) / n
            values[2] = 1 / need
            errors[2] = found.std() / n / np.sqrt(self.n_simulated) / need**2
        return values, errors


@analysis(
    level="representation",
    citations=("chung2018", "wakhloo2023", "amelunxen2014", "phipson2010"),
    needs="activity and conditions",
)
def manifold_capacity(
    system: System,
    *,
    on: str = "condition",
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: str | tuple[float, float] = "mean",
    max_points: int = 50,
    n_projections: int = 200,
    n_simulated: int = 40,
    null: str = "auto",
    n_permutations: int = 50,
    seed: int = 0,
) -> Draft:
    """Measure the capacity, radius and dimension of the manifolds of conditions.

    A manifold is the cloud of a condition's trials (or of a category's stimuli).
    Capacity is the number of manifolds over the number of dimensions at which half of
    all dichotomies of them can be separated by a hyperplane.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    on : str
        Column whose conditions are the manifolds.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`.
    sites : str or sequence of str, optional
        Sites; all by default.
    time : "mean" or (float, float)
        Average over all valid bins, or those from start up to stop.
    max_points : int
        Points of a manifold at most; a random subset where there are more.
    n_projections : int
        Random directions, and dichotomies, behind each number.
    n_simulated : int
        Dichotomies behind "simulated_capacity" (separated in random projections, as a
        check of the theory); 0 leaves it out.
    null : str
        As in `decode`, for the shuffles of the conditions.
    n_permutations : int
        Shuffles of the labels; 0 makes no test.
    seed : int
        Seed of everything random.

    Returns
    -------
    Finding
        Over (site, measure): "capacity" (all manifolds at once, so that correlations
        between them count), "independent_capacity" (mean field, each manifold on its
        own), "simulated_capacity", "radius" (relative to the distance of the centers
        from their mean) and "dimension"; interval, mean of shuffled labels, p-values
        and excess. `floor` is the capacity if every point were a manifold of its own.

    Raises
    ------
    MarrError
        Unknown site, column or option; conditions with too few trials; one condition.

    Notes
    -----
    Not for comparing sites with other numbers of points a manifold: capacity falls as
    points are added. Noise of single trials is part of a manifold. Points in general
    position have capacity 2.

    References
    ----------
    Chung, Lee and Sompolinsky (2018). Classification and geometry of general perceptual
    manifolds. Wakhloo, Sussman and Chung (2023). Linear classification of neural
    manifolds with correlated variability. Amelunxen et al. (2014). Living on the edge.
    """
    check_time(time)
    _check_counts(max_points, n_projections, n_simulated, n_permutations)
    names = site_list(system, sites)
    conditions, system, notes = _conditions(system, on, bins)
    labels = words(conditions.labels)
    condition_counts(
        conditions.codes, labels, least=FEWEST_POINTS, what="manifold_capacity"
    )
    kept = _at_most(conditions.codes, max_points, seed)
    if len(kept) < len(conditions.codes):
        text = f"{len(kept)} of {len(conditions.codes)} trials were drawn: at most {max_points} points a manifold."  # fmt: skip
        notes.append(Note("sampled_points", text, "max_points= takes more."))
    plan = make_plan(
        system,
        conditions.as_target(),
        n_folds=2,
        null=null,
        n_permutations=n_permutations,
        design=None,
        seed=seed,
    )
    draws = Draws(n_projections, n_simulated, seed)
    found, constant = [], {}
    for site in names:
        cloud = site_cloud(system, site, time)
        constant[site] = cloud.n_constant
        found.append(_site(cloud.x, conditions.codes, kept, plan, draws))
    n_points = np.bincount(conditions.codes[kept])
    estimate = labelled(found, names, plan, n_points)
    return Draft(
        estimate=estimate,
        summary=partial(summary, on=on, n=len(labels), n_points=len(kept)),
        question=f"How many values of {on} can one readout keep apart at {', '.join(names)}?",
        methods=methods_text(conditions, n_points, n_projections, n_simulated, plan),
        figures=figures(on),
        notes=[*notes, *constant_note(constant), *plan.notes],
        citations=["cover1965", *(["nichols2002"] if n_permutations else [])],
        generalizes_over=plan.unit_name,
        parameters={"null": plan.scheme},
    )


def _check_counts(
    max_points: int, n_projections: int, n_simulated: int, n_permutations: int
) -> None:
    check_count("max_points", max_points, minimum=FEWEST_POINTS)
    check_count("n_projections", n_projections, minimum=20)
    check_count("n_simulated", n_simulated, minimum=0)
    check_count("n_permutations", n_permutations, minimum=0)


def _conditions(
    system: System, on: str, bins: int | Sequence[float] | None
) -> tuple[Conditions, System, list[Note]]:
    conditions = resolve_conditions(system, on, bins)
    if conditions.timed:
        msg = f"on={on!r} varies within trials; name a column with one value a trial."
        raise OptionError(msg)
    known = conditions.codes >= 0
    if known.all():
        return conditions, system, []
    text = f"{int((~known).sum())} of {len(known)} trials have no value of {on} (missing or outside the bins) and were left out."  # fmt: skip
    system = system.select(known)
    note = Note("left_out", text, "Check that they are not special.")
    return resolve_conditions(system, on, bins), system, [note]


def _at_most(codes: npt.NDArray[np.intp], most: int, seed: int) -> npt.NDArray[np.intp]:
    """Return trials, at most so many of each condition, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(codes))
    taken = [order[codes[order] == k][:most] for k in range(int(codes.max()) + 1)]
    return np.sort(np.concatenate(taken))


def _site(
    x: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    kept: npt.NDArray[np.intp],
    plan: Plan,
    draws: Draws,
) -> dict[str, npt.NDArray[np.float64]]:
    """Return measures, half widths and null of one site."""
    x, labels = x[kept], codes[kept]
    x = span_coordinates((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-300))
    values, errors = draws.measure(x, labels, simulate=True)
    group = grouped_units(plan.units[kept], GROUPS, seed=draws.seed)
    left = []
    for g in range(int(group.max()) + 1):
        rows = group != g
        if len(np.unique(labels[rows])) == len(np.unique(labels)):
            centered = x[rows] - x[rows].mean(axis=0)
            left.append(draws.measure(centered, labels[rows])[0])
    k = len(left)
    spread = np.sqrt((k - 1) * np.var(left, axis=0) + errors**2)
    reach = float(special.stdtrit(max(k - 1, 1), 0.975)) * spread
    # what simulates the same number has its spread over trials, and its own error
    reach[2] = np.hypot(reach[0], 1.96 * errors[2])
    quick = replace(draws, n_projections=min(draws.n_projections, NULL_PROJECTIONS))
    null = [
        quick.measure(x, codes[index[kept]])[0]
        for index in plan.indices
        if len(np.unique(codes[index[kept]])) == len(np.unique(labels))
    ]
    return {"value": values, "reach": reach, "null": np.array(null)}
