"""Sentences of a psychometric finding: question, summary, methods, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marr.findings import Note, verb

from ._answers import sentence_case, short

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from ._condition_fit import ConditionFit, FitOptions
    from ._psychometric_trials import Trials

__all__ = ["fit_notes", "methods_text", "summarizer"]

_LINK_WORDS = {
    "logistic": "logistic function",
    "gaussian": "cumulative Gaussian",
    "weibull": "Weibull function (a Gumbel function of the log stimulus)",
}
_LAPSE_WORDS = {
    "free": "two free lapse rates",
    "equal": "one lapse rate shared by both sides",
    "fixed": "lapse rates fixed at {0:g} and {1:g}",
}


def summarizer(
    stimulus: str, answer: str, by: str | None, contrast: xr.Dataset | None
) -> Callable[..., str]:
    """Return the function that writes the summary of an estimate.

    Parameters
    ----------
    stimulus, answer : str
        Column of the stimulus, and what was counted in words.
    by : str or None
        Column of the conditions.
    contrast : Dataset or None
        Differences between conditions, used where the caller hands no tables.
    """

    def summary(estimate: xr.Dataset, *tables: dict[str, xr.Dataset]) -> str:
        if by is None:
            return _single(estimate, stimulus, answer)
        differences = tables[0].get("contrast") if tables else contrast
        return _compared(estimate, differences, stimulus, answer, by)

    return summary


def _number(table: xr.Dataset) -> str:
    value, low, high = (float(table[k]) for k in ("estimate", "ci_low", "ci_high"))
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def _p(value: float) -> str:
    return f"p < {max(value, 0.001):.1g}" if value <= 0.001 else f"p = {value:.2g}"


def _single(estimate: xr.Dataset, stimulus: str, answer: str) -> str:
    at = {n: estimate.sel(parameter=n) for n in estimate["parameter"].values.tolist()}
    text = (
        f"{sentence_case(answer)}: threshold at {stimulus} {_number(at['threshold'])}"
    )
    text += f", slope {_number(at['slope'])}"
    if "bias" in at:
        text += f"; {_number(at['bias'])} at {stimulus} 0"
        p = float(at["bias"]["p_value"]) if "p_value" in at["bias"] else np.nan
        text += f" ({_p(p)} against .5)" if np.isfinite(p) else ""
    text += (
        f"; lapses {_number(at['lapse_low'])} low, {_number(at['lapse_high'])} high."
    )
    return text


def _compared(
    estimate: xr.Dataset,
    contrast: xr.Dataset | None,
    stimulus: str,
    answer: str,
    by: str,
) -> str:
    name = "bias" if "bias" in estimate["parameter"].values else "threshold"
    what = f"{answer} at {stimulus} 0" if name == "bias" else f"threshold in {stimulus}"
    levels = estimate[by].values.tolist()
    rows = [estimate.sel({"parameter": name}).isel({by: i}) for i in range(len(levels))]
    shown = "; ".join(
        f"{by} {short(level)}: {_number(row)}"
        for level, row in zip(levels, rows, strict=True)
        if np.isfinite(float(row["estimate"]))
    )
    text = f"{sentence_case(what)} is {shown}."
    if contrast is None or "p_corrected" not in contrast:
        return text
    table = contrast.sel(parameter=name)
    top = int(np.nanargmax(np.abs(table["estimate"].values)))
    row = table.isel(comparison=top)
    p = float(row["p_corrected"])
    relation = "depends" if p < 0.05 else "independent"
    word = verb("descriptive", relation)
    if relation == "independent":
        word = "is not shown to vary with"
    text += (
        f" It {word} {by}: {str(row['comparison'].item()).replace(' - ', ' minus ')} is {_number(row)} ({_p(p)}, corrected over "
        "pairs and parameters)."
    )
    return text


def methods_text(trials: Trials, options: FitOptions, *, seed: int) -> str:
    """Return the methods sentences of a psychometric fit."""
    answer, stimulus, by = trials.answer, trials.stimulus, trials.by
    cluster_column = trials.cluster_column
    prior = options.prior
    unit = "log " if options.link == "weibull" else ""
    lapses = _LAPSE_WORDS[options.lapses].format(*options.rates)
    text = (
        f"The {answer} was fitted as a function of {stimulus} by a "
        f"{_LINK_WORDS[options.link]} with {lapses}. Threshold: stimulus at which the "
        "function without its lapses is .5; width: distance between its .05 and .95 points; slope: "
        "its derivative at the threshold, without lapses"
        f"{' (width and slope per unit of natural log stimulus)' if unit else ''}. "
    )
    text += _prior_text(options, unit, prior.low, prior.high, prior.step)
    if options.overdispersed:
        text += (
            " Trials were counted by stimulus level"
            f"{f' and {cluster_column}' if cluster_column else ''}, and counts taken as "
            "beta-binomial (overdispersion eta, nu = 1 / eta^2 - 1, prior Beta(1, 10))."
        )
    else:
        text += " Counts by stimulus level were taken as binomial."
    text += (
        " The posterior was sampled by adaptive multiple importance sampling (multivariate "
        f"t proposals in unbounded coordinates, balance-heuristic weights; seed {seed}). "
        "Estimates are posterior medians; intervals hold 95 % of the posterior, equal-tailed, "
        "shortest for lapses and overdispersion since these are bounded at 0. p-values are twice the "
        "posterior mass beyond the null value (bias .5, threshold 0), with one effective draw "
        "counted against (smallest possible value about 2 / effective draws). Fit was judged by the posterior-predictive p of the deviance."
    )
    if cluster_column is not None:
        text += (
            f" Trials of one {cluster_column} depend on each other: each posterior was stretched about its "
            f"median until its spread was the standard error over {options.n_clusters} {cluster_column}s "
            "(infinitesimal jackknife: posterior covariance of the quantity with the log-likelihood of each "
            f"{cluster_column}) times Student's t over the normal quantile, never narrowed; p-values are not "
            f"below those of a t test over {cluster_column}s."
        )
    if by is not None:
        text += (
            f" Each level of {by} was fitted by itself under the same prior; contrasts are differences "
            "of posterior draws"
            f"{f', with the moves of each {cluster_column} paired' if cluster_column else ''}; "
            "p-values corrected by Holm's method."
        )
    return text


def _prior_text(
    options: FitOptions, unit: str, low: float, high: float, step: float
) -> str:
    reach = (high - low) / 2
    text = (
        f"Priors: threshold flat over the tested {unit}range [{low:.3g}, {high:.3g}], falling "
        f"as a cosine to 0 at {low - reach:.3g} and {high + reach:.3g}; width flat from {2 * step:.3g} to "
        f"{2 * reach:.3g}, falling to 0 at {step:.3g} and {6 * reach:.3g}"
    )
    return text + (
        "." if options.lapses == "fixed" else "; lapses Beta(1, 10) below .5."
    )


def fit_notes(
    fits: list[tuple[str, ConditionFit]],
    options: FitOptions,
    n_levels: int,
    cluster_column: str | None,
) -> list[Note]:
    """Return what a reader must know of the fits.

    Parameters
    ----------
    fits : list of (str, ConditionFit)
        Name of each condition ("" for one only), and its fit.
    options : FitOptions
    n_levels : int
        Distinct stimulus levels.
    cluster_column : str or None
        Column of the clusters (sessions, sequences).
    """
    notes = [*_shape_notes(fits, options, n_levels), *_quality_notes(fits)]
    notes += _cluster_notes(fits, options, cluster_column)
    at_zero = _where(
        fits,
        lambda f: (
            any(f.rows[n]["map"] == 0 for n in ("lapse_low", "lapse_high"))
            and options.lapses != "fixed"
        ),
    )
    if at_zero:
        notes.append(Note(
            "boundary",
            f"The most probable lapse rate is 0{at_zero}: the estimate lies at its bound.",
            "Posterior medians stay above 0 by construction; read the interval, which "
            "starts at 0 there.",
        ))  # fmt: skip
    return notes


def _where(
    fits: list[tuple[str, ConditionFit]], test: Callable[[ConditionFit], object]
) -> str:
    """Return " (names)" of the conditions that pass, "" for none."""
    names = [name or "all trials" for name, fit in fits if test(fit)]
    return f" ({', '.join(names)})" if names else ""


def _shape_notes(
    fits: list[tuple[str, ConditionFit]], options: FitOptions, n_levels: int
) -> list[Note]:
    prior, notes = options.prior, []
    log = options.link == "weibull"
    low, high = (
        (np.exp(prior.low), np.exp(prior.high)) if log else (prior.low, prior.high)
    )
    outside = _where(
        fits,
        lambda f: (
            np.mean((f.draws["threshold"] < low) | (f.draws["threshold"] > high)) > 0.5
        ),
    )
    if outside:
        notes.append(Note(
            "threshold_outside",
            f"The threshold lies outside the tested stimuli{outside}; its value rests on the prior.",
            "Read the bias, or test stronger stimuli on that side.",
        ))  # fmt: skip
    flat = _where(fits, lambda f: np.quantile(f.draws["rise"], 0.05) < 0.1)
    if flat:
        notes.append(Note(
            "flat",
            f"The answer is not shown to follow the stimulus over the tested range{flat}; "
            "threshold and slope rest on the prior.",
            "Look at the data; chance-level behavior has no threshold.",
        ))  # fmt: skip
    steep = _where(fits, lambda f: np.mean(f.draws["width"] < 2 * prior.step) > 0.5)
    if steep:
        notes.append(Note(
            "steep",
            f"The curve rises within two of the smallest stimulus steps{steep}; its slope is bounded "
            "from below only.",
            "Test stimuli closer to the threshold.",
        ))  # fmt: skip
    if n_levels < 4 and options.lapses != "fixed":
        notes.append(Note(
            "few_levels",
            f"Only {n_levels} stimulus levels: lapses and width cannot be told apart by the data.",
            "Test more levels, or fix the lapses (lapses='fixed').",
        ))  # fmt: skip
    return notes


def _quality_notes(fits: list[tuple[str, ConditionFit]]) -> list[Note]:
    notes = []
    few = _where(fits, lambda f: f.n_trials < 100)
    if few:
        least = min(f.n_trials for _, f in fits)
        notes.append(Note(
            "too_few_trials",
            f"Only {least} trials in a fit{few}: the priors weigh heavily.",
            "Pool conditions or record more trials.",
        ))  # fmt: skip
    poor = _where(fits, lambda f: f.effective < 1000)
    if poor:
        least_effective = min(f.effective for _, f in fits)
        notes.append(Note(
            "low_effective_draws",
            f"Only {least_effective:.0f} effective posterior draws after all rounds{poor}; "
            "interval ends are noisy.",
            "Compare a few seeds; fix the lapses if the data cannot hold them.",
        ))  # fmt: skip
    misfit = _where(fits, lambda f: f.check.deviance_p < 0.01)
    if misfit:
        worst = min(f.check.deviance_p for _, f in fits)
        notes.append(Note(
            "misfit",
            f"The data deviate from the fitted curve more than chance allows (deviance, smallest "
            f"posterior-predictive p = {worst:.2g}){misfit}.",
            "Try another link, free lapses, or overdispersion=True; do not read the intervals "
            "as they stand.",
        ))  # fmt: skip
    stuck = _where(fits, lambda f: not f.converged)
    if stuck:
        notes.append(Note(
            "mode_not_converged", f"The search for the posterior mode did not converge{stuck}.",
            "Medians and intervals do not depend on it.",
        ))  # fmt: skip
    return notes


def _cluster_notes(
    fits: list[tuple[str, ConditionFit]], options: FitOptions, column: str | None
) -> list[Note]:
    if column is None:
        return []
    n = options.n_clusters
    widest = max(
        max(f.spread.factors.values()) for _, f in fits if f.spread is not None
    )
    variance = max(f.check.spread for _, f in fits)
    notes = [Note(
        "clustered",
        f"Trials come in {n} {column}s, whose totals vary about the curve up to {variance:.2g} times as much "
        f"as independent trials would: intervals were widened, by up to {widest:.2g} times.",
        f"They hold for other {column}s of this system, not for other systems.",
    )]  # fmt: skip
    few = [
        (int(f.spread.there.sum()), name)
        for name, f in fits
        if f.spread is not None and f.spread.there.sum() < 5
    ]
    if few:
        least, name = min(few)
        where = f" in {name}" if name else ""
        many = "one: its spread cannot be seen" if least == 1 else (
            f"{least}: the spread over them is poorly known"
        )  # fmt: skip
        notes.append(Note(
            "few_clusters",
            f"Too few {column}s{where}, {many}.",
            f"Record more {column}s.",
        ))  # fmt: skip
    return notes
