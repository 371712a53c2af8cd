"""How many dimensions the activity of a site has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import OptionError, check_option
from marr.representation._geometry._cloud import check_time
from marr.representation._geometry._dimension_job import Dimensions, site_dimensions
from marr.representation._geometry._dimension_methods import DIMENSION_METHODS, Settings
from marr.representation._geometry._dimension_rows import make_source
from marr.representation._geometry._dimension_text import (
    drift_note,
    figures,
    methods_text,
    notes,
    summary,
    tables,
)
from marr.stats import max_statistic, permutation_p
from marr.stats._checks import check_count
from marr.systems import site_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marr.systems import System

__all__ = ["dimensionality"]

NOISE = ("raw", "cross_validated")
ROWS = ("auto", "sampled", "fixed")
NULLS = ("auto", "shuffle", "shift")


@analysis(level="representation", citations=("phipson2010",), needs="activity")
def dimensionality(
    system: System,
    *,
    sites: str | Sequence[str] | None = None,
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
    method: str | Sequence[str] = ("participation_ratio", "two_nn", "mle"),
    noise: str = "raw",
    rows: str = "auto",
    time: str | tuple[float, float] = "mean",
    neighbors: int = 20,
    discard: float = 0.1,
    variance: float = 0.9,
    null: str = "auto",
    n_permutations: int = 100,
    n_subsamples: int = 50,
    seed: int = 0,
) -> Draft:
    """Measure the dimension of the activity of each site.

    The participation ratio is (tr C)² / tr C², C the covariance of rows; its two parts
    are U-statistics, so that it does not grow with the number of rows.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    sites : str or sequence of str, optional
        Sites; all by default.
    on : str
        Rows: "trial", or the means of a column's, or a continuous variable's, conditions.
    bins : int or sequence of float, optional
        Cut numbers, as in `rdm`.
    method : str or sequence of str
        "participation_ratio", "population_participation_ratio" (units are a sample as
        well), "two_nn", "mle" (Levina and Bickel), "local_pca", "pca_threshold",
        "parallel_analysis".
    noise : {"raw", "cross_validated"}
        "cross_validated" takes products of different repeats only, so that what is
        measured is the dimension of the signal; for participation ratios of conditions.
    rows : {"auto", "sampled", "fixed"}
        Whether rows are a sample (of trials; of many stimuli) or all there is (a
        design's conditions). "auto": trials are sampled, conditions are fixed.
    time : "mean" or (float, float)
        Average over all valid bins, or those from start up to stop.
    neighbors : int
        Neighbors that "mle" and "local_pca" use.
    discard : float
        Share of the largest ratios that "two_nn" leaves out.
    variance : float
        Share of the variance that the components of "pca_threshold" hold.
    null : {"auto", "shuffle", "shift"}
        Rows of each unit are shuffled, or shifted around the circle of trials by a lag
        of its own: both keep what each unit does and break what units share. "auto":
        shifts where trials are autocorrelated.
    n_permutations : int
        Draws of the null; 0 makes no test.
    n_subsamples : int
        Random halves behind an interval that is not a jackknife.
    seed : int
        Seed of everything random.

    Returns
    -------
    Finding
        Over (site, measure): dimension, interval, null of independent units (mean,
        p-value, p-value corrected by the maximum) and the excess over it (below 0 where units
        share dimensions). Tables: "scale" (the same at fewer rows), "spectrum"
        (variance of the components with that of the null), "half", "size".

    Raises
    ------
    MarrError
        Unknown site, column or option; too few rows, repeats or units.

    Notes
    -----
    Not for comparing sites with other numbers of rows by their neighbor measures or
    numbers of components: these depend on rows and noise (table "scale"). Noise has as
    many dimensions as there are units, and neighbor measures see the smallest scale,
    where noise is; average repeats first (`on=`), or cross-validate. Shifts allow for
    slow fluctuation, not for a drift over the whole session: units that drift on their
    own seem to share it.

    References
    ----------
    Gao et al. (2017). A theory of multineuronal dimensionality, dynamics and
    measurement. Himeno and Yamada (2014). Estimations for some functions of covariance
    matrix in high dimension. Facco et al. (2017). Estimating the intrinsic dimension of
    datasets by a minimal neighborhood information. Levina and Bickel (2004). Maximum
    likelihood estimation of intrinsic dimension.
    """
    methods = _methods_asked(method)
    _check(noise, rows, null, methods, on)
    _check_numbers(neighbors, discard, variance, n_permutations, n_subsamples)
    check_time(time)
    names = site_list(system, sites)
    source = make_source(
        system, on=on, bins=bins, noise=noise, rows=rows, time=time, seed=seed
    )
    found: list[Dimensions] = []
    shifted: list[str] = []
    for stream, name in enumerate(names):
        points, serial = source.points(name)
        shift = null == "shift" or (null == "auto" and serial)
        settings = Settings(
            neighbors, discard, variance, n_permutations, n_subsamples, shift, seed
        )
        found.append(site_dimensions(points, methods, settings, stream=stream))
        shifted += [name] if shift else []
    estimate = _labelled(found, names, methods)
    return Draft(
        estimate=estimate,
        summary=partial(summary, n_rows=source.n_rows, what=source.what),
        question=f"How many dimensions does the activity of {', '.join(names)} have?",
        methods=methods_text(source, methods, settings, shifted, len(names)),
        tables=tables(found, names, methods, source),
        figures=figures(methods, found),
        notes=[
            *source.notes(),
            *notes(found, names, methods, source, settings),
            *(drift_note(shifted) if n_permutations else ()),
        ],
        citations=_citations(methods, noise, shifted if n_permutations else None),
        generalizes_over=source.over,
        parameters={"rows": source.kind, "null": "shift" if shifted else "shuffle"},
    )


def _citations(
    methods: tuple[str, ...], noise: str, shifted: list[str] | None
) -> list[str]:
    """Return what the measures rest on; `shifted` is None without a null."""
    keys = [c for m in methods for c in DIMENSION_METHODS[m].citations]
    keys += ["stringer2019"] if noise == "cross_validated" else []
    keys += [] if shifted is None else ["nichols2002"]
    return keys + (["harris2020"] if shifted else [])


def _methods_asked(method: str | Sequence[str]) -> tuple[str, ...]:
    methods = (method,) if isinstance(method, str) else tuple(method)
    if not methods:
        msg = f"method names no measure; choose among {', '.join(DIMENSION_METHODS)}."
        raise OptionError(msg)
    for m in methods:
        check_option("method", m, DIMENSION_METHODS)
    return tuple(dict.fromkeys(methods))


def _check(noise: str, rows: str, null: str, methods: tuple[str, ...], on: str) -> None:
    check_option("noise", noise, NOISE)
    check_option("rows", rows, ROWS)
    check_option("null", null, NULLS)
    if noise == "raw":
        return
    others = [m for m in methods if not DIMENSION_METHODS[m].ratio]
    if others:
        msg = (
            f"noise='cross_validated' takes products of repeats, which {others} do not "
            "have. Use method='participation_ratio', or noise='raw'."
        )
        raise OptionError(msg)
    if methods != ("participation_ratio",):
        msg = (
            "noise='cross_validated' is for method='participation_ratio' alone; got "
            f"{list(methods)}."
        )
        raise OptionError(msg)
    if on == "trial":
        msg = (
            "noise='cross_validated' needs repeats, and a trial is its own only repeat. "
            "Name the column that makes the conditions: on='condition'."
        )
        raise OptionError(msg)


def _check_numbers(
    neighbors: int, discard: float, variance: float, n_permutations: int, n_half: int
) -> None:
    check_count("neighbors", neighbors, minimum=3)
    check_count("n_permutations", n_permutations, minimum=0)
    check_count("n_subsamples", n_half, minimum=3)
    for name, value, low in (("discard", discard, 0.0), ("variance", variance, 1e-6)):
        if not low <= value < 1:
            msg = f"{name} must be a share of at least {low:g} and below 1; got {value!r}."
            raise OptionError(msg)


def _labelled(
    found: Sequence[Dimensions], names: Sequence[str], methods: tuple[str, ...]
) -> xr.Dataset:
    dims = ("site", "measure")
    data: dict[str, Any] = {
        k: (dims, np.stack([f.columns[k] for f in found])) for k in found[0].columns
    }
    if found[0].tested is not None:
        draws = np.stack([f.tested for f in found if f.tested is not None], axis=1)
        for name, test in (("p_value", permutation_p), ("p_corrected", max_statistic)):
            data[name] = (dims, test(draws[0], draws[1:], tail="greater"))
    out = xr.Dataset(data, coords={"site": list(names), "measure": list(methods)})
    out["estimate"].attrs.update(long_name="dimension", units="", better="lower")
    return out
