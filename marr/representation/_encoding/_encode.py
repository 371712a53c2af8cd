"""Encoding models: the activity of each unit predicted from features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError, check_option
from marr.stats._checks import check_count
from marr.systems import System, site_list

if TYPE_CHECKING:
    from marr.representation._encoding._encode_job import Settings

__all__ = ["encode"]

ENCODING_METHODS = ("auto", "ridge", "banded_ridge", "pls")
SCORES = ("r2", "pearson")
CORRECTIONS = ("max", "fdr")
PENALTIES = tuple(float(p) for p in np.logspace(-3, 5, 10))
"""Default penalties, relative to the mean square of the features."""


@analysis(level="representation", citations=("naselaris2011",), needs="activity")
def encode(
    system: System,
    features: Any,
    *,
    sites: str | Sequence[str] | None = None,
    on: str = "trial",
    bins: int | Sequence[float] | None = None,
    method: str = "auto",
    score: str = "r2",
    time: str | tuple[float, float] = "mean",
    delays: Sequence[float] = (0,),
    stimulus: str | None = None,
    hold_out: str = "auto",
    n_folds: int = 5,
    penalties: Sequence[float] | float | None = None,
    n_components: int | None = None,
    n_mixtures: int = 25,
    standardize: bool = True,
    n_permutations: int = 200,
    null: str = "auto",
    correction: str = "max",
    ceiling: str = "auto",
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Predict the activity of each unit from features, on stimuli never seen.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model whose units are predicted.
    features : str, sequence of str, DataFrame, array, System, or dict of these
        Columns or variables of the system's own table (classes become one column each,
        angles cosine and sine); a table whose index holds the labels of the rows; an
        array with one row a label, in order; or another system, each of whose sites is
        a model of its own. A dict names *bands*, whose unique and shared variance is
        told apart.
    sites : str or sequence of str, optional
        Sites to predict; all by default.
    on : str
        "trial", or the column (or variable) whose values are the rows, e.g.
        "stimulus": repeats are averaged.
    bins : int or sequence of float, optional
        Cut numbers in `on`, as in `rdm`.
    method : {"auto", "ridge", "banded_ridge", "pls"}
        Ridge with one penalty a unit; one penalty for each band and unit ("auto" for
        bands); or partial least squares of all units of a site together.
    score : {"r2", "pearson"}
        What `estimate` is; the other one is in the table as well.
    time : {"mean", "keep"} or (float, float)
        Average over time (of a window), or predict every time bin by one model.
    delays : sequence of float
        With ``time="keep"``: features that vary in time also enter as they were this
        long before (in units of the time axis), a finite impulse response.
    stimulus : str, optional
        Column that names the stimulus of a trial, for ``on="trial"``; by default
        trials with equal features have one stimulus.
    hold_out : {"auto", "stimulus", "trial"}
        What is never split between training and test: all repeats of a stimulus, or
        trials (groups of dependent trials where there are any). "auto" holds out
        stimuli, but trials if all features are classes.
    n_folds : int
        Number of folds; fewer where there are fewer groups.
    penalties : float or sequence of float, optional
        Candidates, relative to the mean square of the features in training; chosen for
        each unit in inner folds. By default ten from 1e-3 to 1e5.
    n_components : int, optional
        Components of PLS; by default up to 25, chosen for each unit in inner folds.
    n_mixtures : int
        Candidate mixtures of bands for banded ridge.
    standardize : bool
        Scale each feature by its spread in training.
    n_permutations : int
        Shuffles; 0 makes no test.
    null : {"auto", "free", "within", "block", "shift"}
        How features are shuffled over rows; see `decode`.
    correction : {"max", "fdr"}
        How p-values are corrected over units (and feature sites).
    ceiling : {"auto", "repeats", "none"}
        Noise ceiling from repeats of stimuli, where there are any.
    seed : int
        Seed of folds, shuffles, resamples and mixtures.
    device : str, optional
        Where torch computes; the CPU by default.

    Returns
    -------
    Finding
        Over unit, or (feature_site, unit) for features of another system: held-out
        score, interval, p-value, ceiling and `ceiled`, score on each half of the
        trials. Tables: "site" (median over units; the feature site chosen on other
        folds), "layer" (feature_site, site), "unit" (each unit from the chosen feature
        site), "partition" (band, unit) and "band" (band, site): unique variance, each
        band alone, what they share.

    Raises
    ------
    MarrError
        Unknown name or option; fewer than four shared rows (missing labels are named);
        missing values; too few stimuli or groups to hold out.

    Notes
    -----
    The ceiling of R² is the variance of a unit's responses that repeats over the
    variance of the rows: SNR / (1 + SNR). `ceiled` is R² / ceiling, and for correlations
    (r / ceiling)² with the sign of r, as shares of explainable variance both; it is left
    out where the ceiling does not differ from 0. Its interval takes the ceiling as known.

    The interval is over rows, given the fitted maps; it does not cover how maps would
    differ if fitted to other stimuli. All penalties, components and feature sites are
    chosen inside the training folds, for shuffles anew.

    To predict the features from the units instead (reverse mapping), swap the two
    systems, or see `decode`. Features that predict a unit need not be what it computes:
    features that are correlated with them predict it as well.

    References
    ----------
    Naselaris et al. (2011). Encoding and decoding in fMRI.
    Dupré la Tour et al. (2022). Feature-space selection with banded ridge regression.
    Schoppe et al. (2016). Measuring the performance of neural models.
    """
    _check(n_folds, n_permutations, n_components, n_mixtures, time)
    for argument, value, allowed in (
        ("method", method, ENCODING_METHODS),
        ("score", score, SCORES),
        ("correction", correction, CORRECTIONS),
    ):
        check_option(argument, value, allowed)
    from marr.representation._encoding._draft import drafted, prepare

    bands = isinstance(features, Mapping) and len(features) > 1
    settings = _settings(
        ("banded_ridge" if bands else "ridge") if method == "auto" else method,
        score,
        penalties,
        n_components,
        n_mixtures,
        standardize,
        seed,
        device,
    )
    job, notes = prepare(
        system,
        features,
        settings,
        sites=site_list(system, sites),
        on=on,
        bins=bins,
        time=time,
        delays=delays,
        stimulus=stimulus,
        hold_out=hold_out,
        n_folds=n_folds,
        null=null,
        n_permutations=n_permutations,
        ceiling=ceiling,
    )
    return drafted(job, notes, correction)


def _check(
    n_folds: int,
    n_permutations: int,
    n_components: int | None,
    n_mixtures: int,
    time: str | tuple[float, float],
) -> None:
    for argument, value, least in (
        ("n_folds", n_folds, 2),
        ("n_permutations", n_permutations, 0),
        ("n_components", 1 if n_components is None else n_components, 1),
        ("n_mixtures", n_mixtures, 1),
    ):
        check_count(argument, value, minimum=least)
    if isinstance(time, str):
        check_option("time", time, ("mean", "keep"))
    elif len(time) != 2 or not time[0] < time[1]:
        msg = f"time must be 'mean', 'keep' or a window (start, end); got {time!r}."
        raise OptionError(msg)


def _settings(
    method: str,
    score: str,
    penalties: Sequence[float] | float | None,
    n_components: int | None,
    n_mixtures: int,
    standardize: bool,
    seed: int,
    device: str | None,
) -> Settings:
    from marr.representation._encoding._encode_job import Settings

    grid = np.atleast_1d(
        np.asarray(PENALTIES if penalties is None else penalties, float)
    )
    if not grid.size or not (np.isfinite(grid) & (grid > 0)).all():
        msg = f"penalties must be positive numbers; got {penalties!r:.60}."
        raise OptionError(msg)
    return Settings(
        method,
        score,
        tuple(float(p) for p in grid),
        25 if n_components is None else int(n_components),
        n_components is None,
        n_mixtures,
        standardize,
        seed,
        device,
    )
