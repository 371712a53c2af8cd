"""Bridge systems into a space that they share, scored on held-out stimuli."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import ContractError
from marr.representation._alignment._bridge_data import (
    BridgeData,
    bridge_data,
    bridged_systems,
)
from marr.representation._alignment._bridge_job import (
    SCORES,
    Fitted,
    fit_maps,
    held_out,
    score_rows,
)
from marr.representation._alignment._bridge_text import (
    figures_of,
    methods_text,
    notes_of,
    summary_text,
)
from marr.representation._alignment._design import make_design, row_groups
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
)
from marr.stats._checks import check_count
from marr.systems import Recording, from_arrays, stack_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.systems import Cohort, System

__all__ = ["Bridge", "bridge", "fit_bridge"]

N_RESAMPLES = 1000


@dataclass(frozen=True)
class Bridge:
    """Maps of systems into a space that they share.

    Attributes
    ----------
    names : tuple of str
        Names of the systems it was fitted on.
    sites : tuple of tuple of str
        Sites of each, whose units the maps take side by side.
    method : str
        How the maps were found.
    maps : list of array of shape (n_units, n_components)
        One a system, in the order of `names`.
    """

    names: tuple[str, ...]
    sites: tuple[tuple[str, ...], ...]
    method: str
    fitted: Fitted

    @property
    def maps(self) -> list[np.ndarray[Any, Any]]:
        """Maps, one a system."""
        return self.fitted.maps

    def project(self, system: System, *, like: str | None = None) -> Recording:
        """Return a system with one site "shared", whose units all bridged systems have.

        Parameters
        ----------
        system : System
            One of the systems, or other trials of one.
        like : str, optional
            Name of the system whose map is used; that of `system` by default.

        Raises
        ------
        ContractError
            If no map was fitted for it, or its units are others.
        """
        name = like or system.name
        if name not in self.names:
            msg = f"no map was fitted for {name!r}; there is {list(self.names)}. Use like=."
            raise ContractError(msg)
        i = self.names.index(name)
        parts = [stack_units(system, s, time="keep") for s in self.sites[i]]
        values = np.concatenate([np.asarray(p.values) for p in parts], axis=-1)
        if values.shape[-1] != len(self.maps[i]):
            msg = (
                f"{system.name!r} has {values.shape[-1]} units at {list(self.sites[i])}; "
                f"the map of {name!r} takes {len(self.maps[i])}."
            )
            raise ContractError(msg)
        timed = "time" in parts[0].dims
        return from_arrays(
            {"shared": self.fitted.project(i, values)},
            system.trials,
            time=parts[0]["time"].values if timed else None,
            time_unit=parts[0].attrs.get("time_unit") if timed else None,
            valid=parts[0]["valid"].values if "valid" in parts[0].coords else None,
            name=system.name,
        )


def fit_bridge(
    system: System | Cohort,
    b: System | Cohort | None = None,
    *,
    method: str = "procrustes",
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: str | tuple[float, float] = "mean",
    n_components: int | None = None,
) -> Bridge:
    """Fit maps into a shared space on all rows, to be used on other trials.

    Parameters
    ----------
    system : System or Cohort
        Systems to be brought together.
    b : System or Cohort, optional
        More of them.
    method : {"procrustes", "cca", "ridge"}
        As in `bridge`.
    on : str
        How rows correspond, as in `align`.
    bins : int or sequence of float, optional
        As in `rdm`.
    sites : str or sequence of str, optional
        Sites, of each system those that it has; all by default.
    time : "mean" or (float, float)
        Average over time, or over a window.
    n_components : int, optional
        Dimensions of the shared space.

    Returns
    -------
    Bridge
        Its `project(system)` gives a system with a site "shared".

    Raises
    ------
    MarrError
        As `bridge`.
    """
    data = bridge_data(
        bridged_systems(system, b),
        on=on,
        bins=bins,
        sites=sites,
        time=time,
        method=method,
        n_components=n_components,
    )
    fitted = fit_maps(data.xs, np.ones(len(data.rows), bool), method, n_components)
    return Bridge(tuple(data.names), data.sites, method, fitted)


@analysis(
    level="representation",
    citations=("haxby2011", "gower1975"),
    needs="activity of rows that systems share",
    whole_cohort=True,
)
def bridge(
    system: System | Cohort,
    b: System | Cohort | None = None,
    *,
    method: str = "procrustes",
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
    sites: str | Sequence[str] | None = None,
    time: str | tuple[float, float] = "mean",
    n_components: int | None = None,
    n_permutations: int = 100,
    seed: int = 0,
) -> Draft:
    """Bring systems into a space that they share, and score it on held-out rows.

    Parameters
    ----------
    system : System or Cohort
        Systems to be brought together.
    b : System or Cohort, optional
        More of them.
    method : {"procrustes", "cca", "ridge"}
        "procrustes": generalized Procrustes analysis, known as hyperalignment (rotations
        and projections only); "cca": regularized generalized canonical correlation;
        "ridge": regression onto the components of the first system.
    on : str
        How rows correspond: "trial", a condition, or another column or variable.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`.
    sites : str or sequence of str, optional
        Sites, of each system those that it has; all, side by side, by default.
    time : "mean" or (float, float)
        Average over time, or over a window.
    n_components : int, optional
        Dimensions of the shared space; by default as many as hold 95 % of the variance of
        the simplest system, at most a third of the training rows.
    n_permutations : int
        Reorderings of the rows of all systems but the first; 0 makes no test.
    seed : int
        Seed of folds, orders and resamples.

    Returns
    -------
    Finding
        Over (system, score), on rows that no map was fitted to: "correlation" (of a system
        and the mean of the others in the shared space), "r2" (of the activity of all units
        predicted from the others through the shared space), "identification" (share of
        rows that are nearest to themselves; variable `chance`). Interval over rows, with
        maps as they are.

    Raises
    ------
    MarrError
        Fewer than two systems or ten shared rows (missing ones are named); unknown names.

    Notes
    -----
    A high score says that the systems hold shared information in a linearly related form,
    not that they hold nothing else: see the variance that is not shared in "r2". The
    shared space belongs to these rows; new stimuli of another kind may need another.
    Methods that may stretch ("cca", "ridge") fit more than rotations do, so compare the
    held-out scores, never the fit. `fit_bridge` returns the maps.

    References
    ----------
    Haxby et al. (2011). A common, high-dimensional model of the representational space
    in human ventral temporal cortex. Neuron 72, 404.
    Gower (1975). Generalized Procrustes analysis. Psychometrika 40, 33.
    """
    n_permutations = check_count("n_permutations", n_permutations, minimum=0)
    systems = bridged_systems(system, b)
    data = bridge_data(
        systems,
        on=on,
        bins=bins,
        sites=sites,
        time=time,
        method=method,
        n_components=n_components,
    )
    design = _design(data, n_permutations, seed)
    estimate = _scores(data, design, method, n_components, seed)
    first = systems[: len(systems) if b is None else -_count(b)]
    return Draft(
        estimate=estimate,
        summary=partial(summary_text, n=len(data.rows)),
        question=f"Do {', '.join(data.names)} share a space?",
        methods=methods_text(data, design, method, n_components),
        figures=figures_of(),
        notes=[*data.notes, *design.notes, *notes_of(data, estimate)],
        citations=["phipson2010", "nichols2002"] if n_permutations else [],
        generalizes_over="rows (stimuli or trials)",
        parameters={"n_rows": len(data.rows), "null": design.scheme},
        others=systems[len(first) :],
    )


def _count(b: System | Cohort) -> int:
    return len(getattr(b, "members", (b,)))


def _design(data: BridgeData, n_permutations: int, seed: int) -> Any:
    groups, column = row_groups(data.systems[0], data.match, data.match.codes[0])
    if groups is not None:
        groups = np.unique(groups[data.rows], return_inverse=True)[1].reshape(-1)
    return make_design(
        len(data.rows),
        groups=groups,
        column=column,
        dependent=data.match.on == "trial" and _serial(data.xs),
        null="auto",
        n_permutations=n_permutations,
        n_parts=0,
        seed=seed,
    )


def _serial(xs: Sequence[np.ndarray[Any, Any]]) -> bool:
    """Tell whether neighboring rows of at least two systems are alike."""
    found = 0
    for x in xs:
        u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        first = u[:, :3] * s[:3]
        r = (first[1:] * first[:-1]).sum(0) / np.maximum((first**2).sum(0), 1e-300)
        found += bool((r > 2.5 / np.sqrt(len(x))).any())
    return found >= 2


def _scores(
    data: BridgeData, design: Any, method: str, n_components: int | None, seed: int
) -> xr.Dataset:
    rows = held_out(data.xs, design.fold, method, n_components)
    score = score_rows(rows)
    weights = bootstrap_weights(len(data.rows), n_resamples=N_RESAMPLES, seed=seed)
    interval = percentile_interval(score_rows(rows, weights))
    dims = ("system", "score")
    columns: dict[str, Any] = {
        "estimate": (dims, score),
        "ci_low": (dims, interval.low),
        "ci_high": (dims, interval.high),
        "chance": ("score", [0.0, 0.0, float(rows.guess.mean())]),
    }
    null = _null(data, design, method, n_components, seed)
    if len(null):
        columns["p_value"] = (dims, permutation_p(score, null, tail="greater"))
        columns["p_corrected"] = (dims, max_statistic(score, null, tail="greater"))
        columns["null_mean"] = (dims, null.mean(axis=0))
    coords = {"system": data.names, "score": list(SCORES)}
    estimate = xr.Dataset(columns, coords=coords)
    estimate["estimate"].attrs.update(
        long_name="held-out score in the shared space", units="", better="higher"
    )
    return estimate


def _null(
    data: BridgeData, design: Any, method: str, n_components: int | None, seed: int
) -> Any:
    """Score systems whose rows do not correspond, each but the first reordered."""
    rng = np.random.default_rng([seed, 5])
    n = len(design.orders)
    turns = [rng.permutation(n) for _ in data.xs[1:]]
    scores = []
    for k in range(n):
        moved = [
            x[design.orders[t[k]]] for x, t in zip(data.xs[1:], turns, strict=True)
        ]
        found = held_out([data.xs[0], *moved], design.fold, method, n_components)
        scores.append(score_rows(found))
    return np.array(scores)
