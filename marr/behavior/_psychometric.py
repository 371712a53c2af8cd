"""How does the choice depend on the stimulus: the psychometric function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import ContractError, OptionError, StatisticsError, check_option
from marr.findings import FigureSpec, Note
from marr.systems import System

from ._answers import Answers, clusters_of, conditions, numbers, read_answers
from ._condition_fit import ConditionFit, FitOptions, fit_condition
from ._curve_kernel import LINKS, make_prior
from ._posterior_kernel import LAPSES
from ._psychometric_tables import (
    contrast_table,
    curve_table,
    data_table,
    estimate_table,
    fit_table,
    nice_grid,
    stimulus_bins,
)
from ._psychometric_text import fit_notes, methods_text, summarizer

__all__ = ["psychometric"]

_FEWEST = 10  # trials without which nothing is fitted


@analysis(level="behavior", citations=("schutt2016", "wichmann2001", "elvira2019"))
def psychometric(
    system: System,
    *,
    stimulus: str,
    choice: str = "choice",
    by: str | None = None,
    positive: Any = None,
    link: str = "logistic",
    lapses: str = "free",
    lapse_rates: tuple[float, float] = (0.0, 0.0),
    overdispersion: bool | None = None,
    seed: int = 0,
) -> Draft:
    """Fit the probability of a choice as a function of the stimulus.

    ``P(x) = lapse_low + (1 - lapse_low - lapse_high) F(x; threshold, width)``

    with the whole posterior of its parameters. The same call fits an animal's choices
    and those of a network.

    Parameters
    ----------
    system : System or Cohort
        Single trials; they are counted by stimulus level inside.
    stimulus : str
        Numeric column of the trial table; signed where choices have two sides.
    choice : str
        Column with two values: {-1, 1}, {0, 1}, booleans, or two labels.
    by : str, optional
        Column whose levels are fitted by themselves and then compared.
    positive : object, optional
        The value of `choice` that is counted: the larger number by default, needed
        for labels.
    link : {"logistic", "gaussian", "weibull"}
        Shape F; "weibull" takes stimuli above 0 only.
    lapses : {"free", "equal", "fixed"}
        Two lapse rates, one shared by both sides, or those of `lapse_rates`.
    lapse_rates : (float, float)
        Lower and upper rate where `lapses` is "fixed".
    overdispersion : bool, optional
        Whether counts are beta-binomial. By default they are where trials come in
        sessions or sequences (counted by stimulus level and session).
    seed : int
        Seed of the posterior draws.

    Returns
    -------
    Finding
        `estimate` has dims (parameter) or (`by`, parameter): threshold (stimulus at
        which F is .5), width (from .05 to .95 of F), slope (dF/dx at the threshold,
        without lapses), bias (P at stimulus 0, where 0 was within the tested range),
        lapse_low, lapse_high, overdispersion. `estimate` is the posterior median; `mean`
        and `map` stand beside it. Tables: "curve", "data", "fit" (deviance,
        effective draws), and "contrast" (pair, parameter) with `by`.

    Raises
    ------
    OptionError
        Unknown column or option; labels without `positive`.
    ContractError
        A stimulus that is not numeric, more than two choices.
    EvidenceError
        Choices that are not this system's own.
    StatisticsError
        One stimulus level, one choice, fewer than ten trials.

    Notes
    -----
    Not for forced-choice proportions correct, which start at a guess rate of 1/m (fix
    `lapse_rates` at it), nor for response times. Lapses need trials at easy stimuli:
    without them they rest on their prior. The equal-tailed interval of a lapse rate
    never contains 0, so the shortest one is given.

    References
    ----------
    Schütt, Harmeling, Macke & Wichmann (2016), Vision Research 122, 105-123.

    Examples
    --------
    >>> import numpy as np, pandas as pd, marr
    >>> rng = np.random.default_rng(0)
    >>> x = rng.choice([-0.5, -0.2, 0.0, 0.2, 0.5], 500)
    >>> went_right = rng.random(500) < 1 / (1 + np.exp(-8 * (x - 0.1)))
    >>> table = pd.DataFrame({"contrast": x, "choice": np.where(went_right, 1, -1)})
    >>> mouse = marr.from_arrays({}, table, name="mouse")
    >>> finding = marr.behavior.psychometric(mouse, stimulus="contrast")
    >>> row = finding.estimate.sel(parameter="threshold")
    >>> bool(row.ci_low < 0.1 < row.ci_high)
    True
    """
    check_option("link", link, LINKS)
    check_option("lapses", lapses, LAPSES)
    rates = _checked_rates(lapses, lapse_rates)
    if by is not None and by in (stimulus, choice):
        msg = f"by must be another column than stimulus and choice; got {by!r}."
        raise OptionError(msg)
    trials = _read_trials(system, stimulus, choice, positive, by)
    _check_trials(trials, system.name, stimulus, link)
    clusters, cluster_column = clusters_of(system, by, stimulus)
    clusters = None if clusters is None else clusters[trials.kept]
    options = _options(trials, link, lapses, rates, overdispersion, clusters)
    x = np.log(trials.x) if link == "weibull" else trials.x
    bins, centers = stimulus_bins(trials.x)
    fits: list[ConditionFit | None] = []
    notes = _trial_notes(trials, stimulus, options)
    for code, level in enumerate(trials.levels):
        rows = trials.codes == code
        reason = _unfit(trials, rows)
        if reason:
            notes.append(Note(
                "not_fitted", f"{by} {level} was not fitted: {reason}.",
                "Its cells are empty (NaN).",
            ))  # fmt: skip
            fits.append(None)
            continue
        group = None if clusters is None else clusters[rows]
        fits.append(fit_condition(x[rows], trials.y[rows], bins[rows], group, options, seed))
    return _draft(system, trials, fits, notes, options, stimulus, by, cluster_column, seed,
                  bins, centers)


@dataclass(frozen=True)
class _Trials:
    """Trials with a stimulus, an answer and a condition; `kept` marks them."""

    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    levels: list[object]
    kept: np.ndarray
    answers: Answers

    @property
    def n_dropped(self) -> int:
        return int((~self.kept).sum())


def _checked_rates(lapses: str, rates: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(r) for r in rates)
    if lapses != "fixed" and (low, high) != (0.0, 0.0):
        msg = f"lapse_rates={rates} is used with lapses='fixed' only; got lapses={lapses!r}."
        raise OptionError(msg)
    if not (0 <= low < 1 and 0 <= high < 1 and low + high < 1):
        msg = f"lapse_rates must be two rates at or above 0 that sum to less than 1; got {rates}."
        raise OptionError(msg)
    return low, high


def _read_trials(
    system: System, stimulus: str, choice: str, positive: object, by: str | None
) -> _Trials:
    x = numbers(system, stimulus, argument="stimulus").to_numpy(dtype=float)
    answers = read_answers(system, choice, positive=positive)
    codes, levels = conditions(system, by, reserved=("parameter", "stimulus", "pair", "units"))
    kept = ~np.isnan(x) & ~np.isnan(answers.y) & (codes >= 0)
    return _Trials(
        x=x[kept], y=answers.y[kept], codes=codes[kept], levels=levels, kept=kept,
        answers=answers,
    )  # fmt: skip


def _check_trials(trials: _Trials, name: str, stimulus: str, link: str) -> None:
    n = len(trials.x)
    if n < _FEWEST:
        msg = (
            f"a psychometric function needs at least {_FEWEST} trials with stimulus and "
            f"choice; {name!r} has {n} of {len(trials.kept)}."
        )
        raise StatisticsError(msg)
    levels = np.unique(trials.x)
    if len(levels) < 2:
        msg = (
            f"stimulus: column {stimulus!r} of {name!r} has one level only "
            f"({levels[0]:g}); a psychometric function needs at least two. For a "
            "proportion use marr.behavior.accuracy."
        )
        raise StatisticsError(msg)
    if len(np.unique(trials.y)) < 2:
        only = trials.answers.positive if trials.y[0] else trials.answers.negative
        msg = (
            f"all {n} trials of {name!r} with a stimulus have choice {only}; one answer "
            "has no psychometric function."
        )
        raise StatisticsError(msg)
    if link == "weibull" and levels[0] <= 0:
        n_low = int((trials.x <= 0).sum())
        msg = (
            f"link='weibull' needs stimuli above 0; {n_low} trials of {stimulus!r} are not. "
            "Use link='logistic' for signed stimuli, or select the trials above 0."
        )
        raise ContractError(msg)


def _unfit(trials: _Trials, rows: np.ndarray) -> str:
    """Say why a condition cannot be fitted, or nothing."""
    if rows.sum() < _FEWEST:
        return f"{int(rows.sum())} trials, at least {_FEWEST} are needed"
    if len(np.unique(trials.x[rows])) < 2:
        return "one stimulus level"
    if len(np.unique(trials.y[rows])) < 2:
        return "one answer on all its trials"
    return ""


def _options(
    trials: _Trials,
    link: str,
    lapses: str,
    rates: tuple[float, float],
    overdispersion: bool | None,
    clusters: np.ndarray | None,
) -> FitOptions:
    levels = np.unique(trials.x)
    low, high = float(levels[0]), float(levels[-1])
    log = link == "weibull"
    if overdispersion is None:
        overdispersion = clusters is not None
    if log:
        powers = nice_grid(np.log10(low), np.log10(high), 100)
        grid = 10.0**powers
    else:
        grid = nice_grid(low, high, 100)
    trend = np.corrcoef(np.argsort(np.argsort(trials.x)), trials.y)[0, 1]
    return FitOptions(
        prior=make_prior(np.log(levels) if log else levels),
        link=link,
        lapses=lapses,
        rates=rates,
        overdispersed=overdispersion,
        falling=bool(trend * np.sqrt(len(trials.x)) < -4.0),
        at_zero=not log and low <= 0 <= high,
        grid=grid,
    )


def _trial_notes(trials: _Trials, stimulus: str, options: FitOptions) -> list[Note]:
    notes = []
    if trials.n_dropped:
        notes.append(Note(
            "missing",
            f"{trials.n_dropped} of {len(trials.kept)} trials lack a stimulus, a choice or a "
            "condition and were left out.",
            "If answers are missing more often at some stimuli, the curve is of the answered trials.",
        ))  # fmt: skip
    if options.falling:
        notes.append(Note(
            "falling",
            f"Choice {trials.answers.positive} gets rarer as {stimulus} grows: a falling curve "
            "was fitted and its slope is negative.",
            f"If that is not meant, count the other answer: positive={trials.answers.negative}.",
        ))  # fmt: skip
    return notes


def _draft(
    system: System,
    trials: _Trials,
    fits: list[ConditionFit | None],
    notes: list[Note],
    options: FitOptions,
    stimulus: str,
    by: str | None,
    cluster_column: str | None,
    seed: int,
    bins: np.ndarray,
    centers: np.ndarray,
) -> Draft:
    answer = f"probability of choice {trials.answers.positive}"
    unit = f"per unit of {'log ' if options.link == 'weibull' else ''}{stimulus}"
    units = dict.fromkeys(options.names, "probability")
    units |= {"threshold": stimulus, "slope": unit, "overdispersion": "eta"}
    units["width"] = f"{'log ' if options.link == 'weibull' else ''}{stimulus}"
    labels = {"stimulus": stimulus, "answer": answer}
    named = [
        ("" if by is None else f"{by} {level}", fit)
        for level, fit in zip(trials.levels, fits, strict=True)
        if fit is not None
    ]
    if not named:
        reasons = " ".join(note.text for note in notes)
        msg = f"no level of {by!r} can be fitted. {reasons}"
        raise StatisticsError(msg)
    contrast = None if by is None else contrast_table(fits, trials.levels, by, units)
    tables = {
        "curve": curve_table(fits, options.grid, by, trials.levels, labels),
        "data": data_table(trials.y, bins, trials.codes, centers, by, trials.levels, labels),
        "fit": fit_table(fits, by, trials.levels),
    }
    if contrast is not None:
        tables["contrast"] = contrast
    question = f"How does the choice depend on {stimulus}"
    return Draft(
        estimate=estimate_table(fits, options.names, units, by, trials.levels),
        summary=summarizer(stimulus, answer, by, contrast),
        question=f"{question}?" if by is None else f"{question}, and does that vary with {by}?",
        methods=methods_text(
            options, answer=answer, stimulus=stimulus, by=by,
            cluster_column=cluster_column, seed=seed,
        ),
        tables=tables,
        figures=(_figure(stimulus, answer, by, options),),
        notes=[*notes, *fit_notes(named, options, len(np.unique(trials.x)), cluster_column)],
        citations=("holm1979",) if by is not None else (),
        generalizes_over=(
            "trials" if cluster_column is None else f"trials of these {cluster_column}s"
        ),
    )  # fmt: skip


def _figure(stimulus: str, answer: str, by: str | None, options: FitOptions) -> FigureSpec:
    each = f", one color a level of {by}" if by else ""
    return FigureSpec(
        kind="curve",
        table="curve",
        data_table="data",
        x="stimulus",
        y="estimate",
        group=by,
        caption=(
            f"{answer[0].upper()}{answer[1:]} against {stimulus}{each}. Dots: observed "
            "proportions with 95 % Wilson intervals; lines: posterior median curve with 95 % band."
        ),
        x_label=stimulus,
        y_label=answer,
        reference=0.5 if options.at_zero else None,
        reference_label="no preference" if options.at_zero else "",
        description=(
            f"Psychometric curve{'s' if by else ''} of the {answer} over {stimulus}"
            f"{each}, with data points."
        ),
    )
