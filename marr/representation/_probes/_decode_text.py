"""Words of decoding findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.findings import verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from marr.representation._layout import Layout
    from marr.representation._probes._decode_job import Job
    from marr.representation._targets import Target

__all__ = [
    "SCORE_NAMES",
    "methods_text",
    "names_of",
    "question_text",
    "score_attrs",
    "summarize",
]

SCORE_NAMES = {
    "categorical": "balanced accuracy",
    "ordinal": "rank correlation (out of fold)",
    "continuous": "R² (out of fold)",
    "circular": "mean cosine of the angular error",
}
PROBES = {
    "lda": (
        "linear discriminant analysis (ridge-regularized within-class covariance, equal "
        "priors)"
    ),
    "ridge": "ridge regression",
    "logistic": (
        "logistic regression (squared penalty; classes weighted alike; multinomial for "
        "more than two)"
    ),
    "svm": (
        "a linear support vector machine (squared hinge loss, squared penalty; classes "
        "weighted alike; one against the rest for more than two)"
    ),
    "mlp": (
        "a network with one hidden layer of 16 rectified units (Adam, weight "
        "decay, stopped early by one fold of the training trials)"
    ),
}
CODES = {
    "categorical": "",
    "ordinal": " of the mean rank of each category",
    "continuous": "",
    "circular": " of cosine and sine",
}
SCORES = {
    "categorical": "balanced accuracy",
    "ordinal": (
        "the Spearman correlation of prediction and category within the held-out folds"
    ),
    "continuous": "R² around the mean of the training folds",
    "circular": "the mean cosine of the angular error",
}
INTERVALS = {
    "probes": (
        ": the interval is that of the score of these probes, and leaves out how probes "
        "trained on other trials would differ"
    ),
    "training": (
        "; then the interval is widened for what training on other trials would change "
        "(the correction of Nadeau and Bengio for folds that share training trials)"
    ),
}
JOINT_WORDS = (
    "shifting what the nuisances leave of the activity around the circle of trials, "
    "against target and nuisances together"
)
NULL_WORDS = {
    "free": "shuffling targets over the trials of each fold",
    "within": "shuffling targets over the trials of each group",
    "block": "exchanging the targets of whole groups",
    "shift": "shifting targets around the circle of trials",
    "conditional": "drawing targets from a logistic model of the nuisances",
}

CORRECTION_WORDS = {
    "max": "corrected over the map by the permutation maximum (family-wise error)",
    "cluster": (
        "corrected by cluster mass along time (family-wise error; the borders of a "
        "cluster are not tested)"
    ),
    "fdr": "corrected by the Benjamini-Hochberg false discovery rate",
}


def names_of(targets: Sequence[Target]) -> str:
    """Return the names of targets as words."""
    names = [t.name for t in targets]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def score_attrs(targets: Sequence[Target]) -> dict[str, Any]:
    """Return what the estimate is; its chance, if targets share one."""
    chances = {t.chance for t in targets}
    shared = {"chance": chances.pop()} if len(chances) == 1 else {}
    return {
        "long_name": f"{SCORE_NAMES[targets[0].kind]} of {names_of(targets)}",
        "units": "",
        **shared,
        "better": "higher",
    }


def summarize(estimate: xr.Dataset, targets: Sequence[Target], unit: str) -> str:
    """Return the answer in one or two sentences."""
    flat = estimate if not estimate["estimate"].dims else estimate.stack(cell=[...])
    values = np.atleast_1d(flat["estimate"].values)
    chance = _chances(flat, targets)
    best = int(np.nanargmax(values - chance))
    at = flat.isel(cell=best) if "cell" in flat.dims else flat
    where = _where(at, unit)
    name = str(at["target"].item()) if "target" in at.coords else targets[0].name
    number = (
        f"{SCORE_NAMES[targets[0].kind]} {values[best]:.2f} [{float(at['ci_low']):.2f}, "
        f"{float(at['ci_high']):.2f}], chance {chance[best]:.2g}"
    )
    if "median_error" in estimate:
        number += (
            f"; median error {float(at['median_error']):.0f}° "
            f"[{float(at['median_error_low']):.0f}, {float(at['median_error_high']):.0f}]"
        )
    if "category_error" in estimate:
        number += f"; mean error {float(at['category_error']):.2g} categories"
    if "p_corrected" not in estimate:
        of = f" of {name}" if len(targets) > 1 else ""
        return f"{where[0].upper() + where[1:]}: {number}{of}; no test was made."
    p = np.atleast_1d(flat["p_corrected"].values)
    p_text = f"p = {p[best]:.2g}" + (" corrected" if len(p) > 1 else "")
    if np.isnan(p[best]):  # members of a cohort that agree exactly
        p_text = "p undefined"
    above = (p < 0.05) & (values > chance)
    if len(targets) > 1 and above.any():
        best = int(np.argmax(np.where(above, values - chance, -np.inf)))
        return _of_several(flat.isel(cell=above), flat.isel(cell=best), targets, unit)
    if not p[best] < 0.05:
        who = name if len(targets) == 1 else f"None of {names_of(targets)}"
        was = "was not decodable" if len(targets) == 1 else "was decodable"
        return f"{who} {was} above chance; best {where}: {number}, {p_text}."
    more = ""
    if len(p) > 1:
        more = f" Above chance in {int(above.sum())} of {len(p)} cells."
    carries = verb("descriptive", "acts")
    return f"Activity {where} {carries} {name}: {number}, {p_text}.{more}"


def _chances(flat: xr.Dataset, targets: Sequence[Target]) -> npt.NDArray[np.float64]:
    """Return the chance of each cell."""
    n = np.atleast_1d(flat["estimate"].values).size
    if "target" not in flat.coords:
        return np.full(n, targets[0].chance)
    by_name = {t.name: t.chance for t in targets}
    return np.array([by_name[str(v)] for v in flat["target"].values])


def _of_several(
    above: xr.Dataset, best: xr.Dataset, targets: Sequence[Target], unit: str
) -> str:
    """Say which of several targets can be read out."""
    found = [t for t in targets if t.name in set(above["target"].values.tolist())]
    rest = [t for t in targets if t not in found]
    carries = verb("descriptive", "acts")
    text = (
        f"Activity {carries} {names_of(found)} ({len(found)} of {len(targets)} targets); "
        f"best {best['target'].item()} {_where(best, unit)}: "
        f"{SCORE_NAMES[targets[0].kind]} {float(best['estimate']):.2f} "
        f"[{float(best['ci_low']):.2f}, {float(best['ci_high']):.2f}], "
        f"p = {float(best['p_corrected']):.2g} corrected."
    )
    return text + (f" Not above chance: {names_of(rest)}." if rest else "")


def _where(at: xr.Dataset, unit: str) -> str:
    words = []
    if "site" in at.coords:
        words.append(f"of {at['site'].item()}")
    if "time" in at.coords:
        time = f"{at['time'].item():g}"
        counted = unit in ("step", "token")
        words.append(f"at {unit} {time}" if counted else f"at {time} {unit}".rstrip())
    return " ".join(words) or "of all sites together"


def question_text(targets: Sequence[Target], layout: Layout) -> str:
    """Return the question in plain words."""
    name = names_of(targets)
    where = "where" if layout.by_site and len(layout.cells) > 1 else ""
    when = "when" if layout.times is not None else ""
    words = " and ".join(w for w in (where, when) if w)
    place = ", ".join(c.label for c in layout.cells) if layout.by_site else "all sites"
    if words:
        return f"{words.capitalize()} can {name} be read out of activity ({place})?"
    return f"Can {name} be read out of the activity of {place}, and how well?"


def _penalty_text(job: Job) -> str:
    """Say how the penalty was chosen."""
    tried = job.settings.penalties
    if job.probe == "mlp":
        return f"the weight decay was {tried[0]:g}"
    if len(tried) == 1:
        return f"the penalty was set to {tried[0]:g} times the number of training rows"
    by = "loss" if job.probe in ("logistic", "svm") else "squared error"
    return (
        "the penalty was chosen inside them, by held-out "
        f"{by} (from {min(tried):g} to {max(tried):g} times the number of training "
        "rows)"
    )


def methods_text(job: Job, correction: str, interval: str) -> str:
    """Return how it was done."""
    target, plan, layout = job.target, job.plan, job.layout
    rows = (
        "time bins pooled over trials"
        if layout.row_bin is not None
        else "activity at each time"
        if layout.times is not None
        else "the time mean of each trial"
        if layout.n_bins is not None
        else "the activity of each trial"
    )
    together = (
        f", whole groups ({plan.group_column}) together" if plan.group_column else ""
    )
    text = (
        f"{names_of(job.targets)} {'were' if len(job.targets) > 1 else 'was'} decoded "
        f"from {rows} by {PROBES[job.probe]}{CODES[target.kind]}, scored by "
        f"{SCORES[target.kind]}, in {plan.n_folds}-fold cross-validation by trial"
        f"{together}. Units were standardized inside the training folds; "
        f"{_penalty_text(job)}."
    )
    if job.together and len(job.targets) > 1:
        text += (
            " All targets share their folds and shuffles, and the correction covers all "
            "of them."
        )
    if job.control:
        both = "activity and target" if job.settings.targets_too else "activity"
        text += (
            f" Nuisances ({', '.join(job.control)}) were regressed out of {both} by the "
            "training folds: the estimand is what activity tells linearly beyond them. What they explain nonlinearly stays in."
        )
    text += (
        f" Intervals: percentile bootstrap (95 %) over {plan.unit_name}. Folds and fitted "
        f"probes are held as they are{INTERVALS[interval]}."
    )
    if job.n_shuffles:
        text += (
            f" P-values: {job.n_shuffles} draws of a null made by "
            f"{JOINT_WORDS if job.draws[0].joint else NULL_WORDS[plan.scheme]}, each decoded in the same way; one-sided, "
            f"{CORRECTION_WORDS[correction]}."
        )
    return text + (
        " Per unit: pattern (correlation of the unit with the probe's output; the "
        "estimate) and weight, also on two halves of the trials apart; interval by "
        "jackknife over folds."
    )
