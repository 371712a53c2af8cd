"""How does the choice depend on the stimulus: the psychometric function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError, check_option
from marr.findings import FigureSpec, Note

from ._answers import sentence_case
from ._condition_fit import ConditionFit, FitOptions, fit_condition
from ._curve_kernel import LINKS, make_prior
from ._problem_kernel import LAPSES
from ._psychometric_tables import (
    contrast_table,
    curve_table,
    data_table,
    estimate_table,
    fit_table,
    headline_mark,
    nice_grid,
    stimulus_bins,
)
from ._psychometric_text import fit_notes, methods_text, summarizer
from ._psychometric_trials import (
    Trials,
    check_trials,
    read_trials,
    round_stimuli,
    why_not,
)

if TYPE_CHECKING:
    from marr.systems import System

__all__ = ["psychometric"]

_FALLING_Z = 4.0  # standardized trend from which a curve is taken to fall


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
    overdispersion: bool = False,
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
    overdispersion : bool
        Whether counts by stimulus level (and session) are beta-binomial: for answers
        that scatter more than independent trials would.
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
        effective draws), and "contrast" (comparison, parameter) with `by`.

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
    Where trials come in sessions or sequences, each posterior is stretched until it
    holds the spread over them (infinitesimal jackknife, Student's t over clusters).

    Not for forced-choice proportions correct, which start at a guess rate of 1/m (fix
    `lapse_rates` at it), nor for response times. Lapses need trials at easy stimuli:
    without them they rest on their prior. The equal-tailed interval of a lapse rate
    never contains 0, so the shortest one is given.

    References
    ----------
    Schütt, Harmeling, Macke & Wichmann (2016), Vision Research 122, 105-123.
    Giordano & Broderick (2023), arXiv:2305.06466.

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
    trials = read_trials(system, stimulus, choice, positive, by)
    check_trials(trials, link)
    trials = round_stimuli(trials, link)
    options = _options(trials, link, lapses, rates, overdispersion)
    bins, centers = stimulus_bins(trials.x)
    fits = _fit_all(trials, bins, options, seed)
    notes = _trial_notes(trials, fits, options)
    if all(fit is None for fit in fits):
        msg = f"no level of {by!r} can be fitted. {' '.join(n.text for n in notes)}"
        raise StatisticsError(msg)
    return _draft(trials, fits, notes, options, seed, bins, centers)


def _checked_rates(lapses: str, rates: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(r) for r in rates)
    except (TypeError, ValueError) as error:
        msg = f"lapse_rates must be two numbers, (low, high); got {rates!r:.60}."
        raise OptionError(msg) from error
    if lapses != "fixed" and (low, high) != (0.0, 0.0):
        msg = f"lapse_rates={rates} needs lapses='fixed'; got lapses={lapses!r}."
        raise OptionError(msg)
    if not (0 <= low < 1 and 0 <= high < 1 and low + high < 1):
        msg = (
            "lapse_rates must be two rates at or above 0 that sum to less than 1; got "
            f"{rates}."
        )
        raise OptionError(msg)
    return low, high


def _options(
    trials: Trials,
    link: str,
    lapses: str,
    rates: tuple[float, float],
    overdispersion: bool,
) -> FitOptions:
    levels = np.unique(trials.x)
    low, high = float(levels[0]), float(levels[-1])
    log = link == "weibull"
    grid = (
        10.0 ** nice_grid(np.log10(low), np.log10(high), 100)
        if log
        else nice_grid(low, high, 100)
    )
    trend = np.corrcoef(np.argsort(np.argsort(trials.x)), trials.y)[0, 1]
    return FitOptions(
        prior=make_prior(np.log(levels) if log else levels),
        link=link,
        lapses=lapses,
        rates=rates,
        overdispersed=overdispersion,
        falling=bool(trend * np.sqrt(len(trials.x)) < -_FALLING_Z),
        at_zero=not log and low <= 0 <= high,
        grid=grid,
        n_clusters=0 if trials.clusters is None else int(trials.clusters.max()) + 1,
    )


def _fit_all(
    trials: Trials, bins: np.ndarray, options: FitOptions, seed: int
) -> list[ConditionFit | None]:
    """Fit every condition that can be fitted."""
    x = np.log(trials.x) if options.link == "weibull" else trials.x
    fits: list[ConditionFit | None] = []
    for code in range(len(trials.levels)):
        rows = trials.codes == code
        if why_not(trials, rows):
            fits.append(None)
            continue
        clusters = None if trials.clusters is None else trials.clusters[rows]
        fits.append(
            fit_condition(x[rows], trials.y[rows], bins[rows], clusters, options, seed)
        )
    return fits


def _trial_notes(
    trials: Trials, fits: list[ConditionFit | None], options: FitOptions
) -> list[Note]:
    notes = []
    n_dropped = trials.n_all - len(trials.x)
    if n_dropped:
        notes.append(Note(
            "missing",
            f"{n_dropped} of {trials.n_all} trials lack a stimulus, a choice or a condition and "
            "were left out.",
            "If answers are missing more often at some stimuli, the curve is that of the "
            "answered trials.",
        ))  # fmt: skip
    if trials.rounded:
        log = "log " if options.link == "weibull" else ""
        notes.append(Note(
            "rounded",
            f"Stimuli have many levels; {log}{trials.stimulus} was rounded to steps of "
            f"{trials.rounded:.2g}.",
            "The width cannot be told below one such step.",
        ))  # fmt: skip
    if options.falling:
        notes.append(Note(
            "falling",
            f"Choice {trials.answers.positive} gets rarer as {trials.stimulus} grows: a falling "
            "curve was fitted and its slope is negative.",
            f"If that is not meant, count the other answer: positive={trials.answers.negative}.",
        ))  # fmt: skip
    for code, fit in enumerate(fits):
        if fit is None:
            reason = why_not(trials, trials.codes == code)
            notes.append(Note(
                "not_fitted",
                f"{trials.condition(code)} was not fitted: {reason}.",
                "Its cells are empty (NaN).",
            ))  # fmt: skip
    return notes


def _units(options: FitOptions, stimulus: str) -> dict[str, str]:
    log = "log " if options.link == "weibull" else ""
    units = dict.fromkeys(options.names, "probability")
    return units | {
        "threshold": stimulus,
        "width": f"{log}{stimulus}",
        "slope": f"per unit of {log}{stimulus}",
        "overdispersion": "eta",
    }


def _draft(
    trials: Trials,
    fits: list[ConditionFit | None],
    notes: list[Note],
    options: FitOptions,
    seed: int,
    bins: np.ndarray,
    centers: np.ndarray,
) -> Draft:
    by, levels, stimulus, answer = (
        trials.by, trials.levels, trials.stimulus, trials.answer
    )  # fmt: skip
    units = _units(options, stimulus)
    labels = {"stimulus": stimulus, "answer": answer}
    named = [(trials.condition(i), f) for i, f in enumerate(fits) if f is not None]
    counted = data_table(trials.y, bins, trials.codes, centers, by, levels, labels)
    tables = {
        "curve": curve_table(fits, options.grid, by, levels, labels),
        "data": counted,
        "fit": fit_table(fits, by, levels),
    }
    contrast = None if by is None else contrast_table(fits, levels, by, units)
    if contrast is not None:
        tables["contrast"] = contrast
    cluster = trials.cluster_column
    n_levels = len(np.unique(trials.x))
    question = f"How does the choice depend on {stimulus}"
    estimate = estimate_table(fits, options.names, units, by, levels)
    mark = headline_mark(contrast, stimulus, by)
    if mark:
        estimate.attrs["headline"] = mark
    return Draft(
        estimate=estimate,
        summary=summarizer(stimulus, answer, by, contrast),
        question=f"{question}?" if by is None else f"{question} and {by}?",
        methods=methods_text(trials, options, seed=seed),
        tables=tables,
        figures=(_figure(stimulus, answer, by, options),),
        notes=[*notes, *fit_notes(named, options, n_levels, cluster)],
        citations=(
            *(("holm1979",) if contrast is not None else ()),
            *(("giordano2023",) if cluster is not None else ()),
        ),
        generalizes_over=(
            "trials" if cluster is None else f"{cluster}s (n = {options.n_clusters})"
        ),
    )


def _figure(
    stimulus: str, answer: str, by: str | None, options: FitOptions
) -> FigureSpec:
    each = f", one color a level of {by}" if by else ""
    return FigureSpec(
        kind="curve",
        table="curve",
        data_table="data",
        x="stimulus",
        y="estimate",
        group=by,
        caption=(
            f"{sentence_case(answer)} against {stimulus}{each}. Dots: observed proportions "
            "with 95 % Wilson intervals; lines: posterior median curve with 95 % band."
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
