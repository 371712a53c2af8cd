"""When a variable can be read out: fractional-peak latency of decoding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.stats import t as student

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError
from marr.representation._readout._frame import (
    SCORES,
    Frame,
    held_out,
    make_frame,
    pooled_scores,
    row_scores,
)
from marr.representation._readout._latency_kernel import fractional_peak
from marr.representation._readout._latency_text import (
    figures_of,
    methods_text,
    notes_of,
    summary_text,
)
from marr.stats import permutation_p
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["latency"]


@analysis(
    level="representation",
    citations=("miller1998", "sassenhagen2019"),
    needs="activity with a time axis",
)
def latency(
    system: System,
    target: str,
    *,
    sites: str | Sequence[str] | None = None,
    fraction: float = 0.5,
    baseline: tuple[float, float] | None = None,
    smooth: int = 1,
    kind: str | None = None,
    probe: str | None = None,
    n_folds: int = 5,
    n_permutations: int = 200,
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Find when a variable becomes decodable at each site.

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model whose activity has a time axis.
    target : str
        What is read out.
    sites : str or sequence of str, optional
        Sites; all by default.
    fraction : float
        The latency is the time at which the score, on its last way up to the peak, passes
        this fraction of the way from baseline to peak, interpolated between bins.
    baseline : (float, float), optional
        Times (from start up to stop) whose mean score is the baseline; chance by default.
    smooth : int
        Width, in bins, of a moving average of the score over time (odd).
    kind : str, optional
        Kind of the target, as in `decode`.
    probe : str, optional
        Probe, as in `decode`.
    n_folds : int
        Folds of trials.
    n_permutations : int
        Shuffles of the target for the test that there is a peak at all.
    seed : int
        Seed of folds and shuffles.
    device : str, optional
        Where torch computes.

    Returns
    -------
    Finding
        Latency by site, in units of time, with jackknife interval; the p-value is that of
        the peak (against the highest peak of shuffles), not of a time. Without a peak the
        latency is missing. Tables: "site_pair" (differences of latencies, with interval
        and p-value), "time" (the scores).

    Raises
    ------
    MarrError
        No time axis; no time in the baseline; unknown names.

    Notes
    -----
    Borders of significant clusters do not date an onset, which is why they are not used.
    A fractional peak depends on the shape of the rise: compare sites, conditions or
    systems, and say the fraction. Sites of other signal-to-noise ratios reach a fixed
    threshold at other times even with equal onsets; a fraction of the own peak avoids
    this. Bins limit how fine a difference can be.

    References
    ----------
    Miller, Patterson & Ulrich (1998). Jackknife-based method for measuring LRP onset
    latency differences. Psychophysiology 35, 99.
    Sassenhagen & Draschkow (2019). Cluster-based permutation tests of MEG/EEG data do
    not establish significance of effect latency or location. Psychophysiology 56, e13335.
    """
    check_count("n_folds", n_folds, minimum=2)
    check_count("n_permutations", n_permutations, minimum=0)
    check_count("smooth", smooth, minimum=1)
    if not 0 < fraction < 1 or smooth % 2 == 0:
        msg = f"fraction must lie between 0 and 1 and smooth be odd; got {fraction!r}, {smooth!r}."
        raise OptionError(msg)
    frame = make_frame(
        system,
        target,
        sites=sites,
        over=("site", "time"),
        kind=kind,
        n_folds=n_folds,
        n_permutations=n_permutations,
        seed=seed,
    )
    times = _times(frame, system)
    base = _baseline(times, baseline)
    options = {"probe": probe, "seed": seed, "device": device}
    courses = [_course(frame, c.x, smooth, options) for c in frame.layout.cells]
    chance = frame.target.chance
    found = [_dated(c, times, base, fraction, chance) for c in courses]
    estimate, pairs = _tables(frame, found)
    estimate["estimate"].attrs.update(
        long_name=f"latency of {target} ({fraction:.0%} of peak)",
        units=frame.layout.time_unit,
        better="lower",
    )
    tables = {"time": _score_table(frame, courses, times, chance)}
    if pairs is not None:
        tables["site_pair"] = pairs
    return Draft(
        estimate=estimate,
        summary=partial(summary_text, target=target, unit=frame.layout.time_unit),
        question=f"When can {target} be read out?",
        methods=methods_text(frame, fraction, baseline, smooth, n_permutations),
        tables=tables,
        figures=figures_of(frame, target),
        notes=[*frame.plan.notes, *frame.layout.notes, *notes_of(estimate, times)],
        citations=["phipson2010"] if n_permutations else [],
        generalizes_over=frame.plan.unit_name,
        parameters={"kind": frame.target.kind},
    )


def _times(frame: Frame, system: System) -> npt.NDArray[np.float64]:
    if frame.layout.times is None:
        msg = (
            f"latency needs activity with a time axis; {system.name!r} has none there."
        )
        raise OptionError(msg)
    times = np.asarray(frame.layout.times, dtype=float)
    if len(times) < 4:
        msg = f"latency needs at least four time bins; there are {len(times)}."
        raise StatisticsError(msg)
    return times


def _baseline(
    times: npt.NDArray[np.float64], window: tuple[float, float] | None
) -> npt.NDArray[np.bool_] | None:
    if window is None:
        return None
    inside = (times >= window[0]) & (times < window[1])
    if not inside.any():
        msg = (
            f"baseline={window!r} holds no time bin; times run from {times[0]:g} to "
            f"{times[-1]:g}."
        )
        raise OptionError(msg)
    return inside


def _course(
    frame: Frame, x: npt.NDArray[np.float64], smooth: int, options: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """Return scores (n_times,), those without each unit, and the peaks of shuffles."""
    fit = frame.fit(x, frame.y, **options)
    outputs = held_out(fit.predicted, frame.test)
    scores = row_scores(frame, outputs[:, :, 0])
    null = pooled_scores(frame.target.kind, outputs[:, :, 1:], frame.y[..., 1:])
    peaks = _smoothed(null.T, smooth).max(axis=1)
    return (
        _smoothed(scores.score()[None], smooth)[0],
        _smoothed(scores.without_each(), smooth),
        peaks,
    )


def _smoothed(scores: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """Average over `width` neighboring bins, fewer at the ends."""
    if width == 1:
        return scores
    kernel = np.ones(width)
    count = np.convolve(np.ones(scores.shape[1]), kernel, mode="same")
    return np.stack([np.convolve(s, kernel, mode="same") / count for s in scores])


def _dated(
    course: tuple[Any, Any, Any],
    times: npt.NDArray[np.float64],
    base: npt.NDArray[np.bool_] | None,
    fraction: float,
    chance: float,
) -> dict[str, Any]:
    """Return latency, its jackknife replicates and the p-value of the peak."""
    score, without, peaks = course
    level = chance if base is None else score[base].mean()
    levels = np.full(len(without), chance) if base is None else without[:, base].mean(1)
    p = float(permutation_p(score.max(), peaks, tail="greater")) if len(peaks) else None
    seen = score.max() > level and (p is None or p < 0.05)
    each = [
        fractional_peak(w, times, fraction, at)
        for w, at in zip(without, levels, strict=True)
    ]
    value = fractional_peak(score, times, fraction, level) if seen else np.nan
    return {
        "latency": value,
        "each": np.array(each) if seen else np.full(len(each), np.nan),
        "p": p,
        "peak": float(score.max()),
        "at": float(times[int(score.argmax())]),
    }


def _jackknife(each: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return standard error and degrees of freedom."""
    n = len(each)
    deviation = each - each.mean()
    return float(np.sqrt((n - 1) / n * (deviation**2).sum())), n - 1


def _tables(
    frame: Frame, found: list[dict[str, Any]]
) -> tuple[xr.Dataset, xr.Dataset | None]:
    labels = frame.labels
    rows = []
    for f in found:
        se, dof = _jackknife(f["each"])
        half = float(student.ppf(0.975, dof)) * se
        rows.append((f["latency"], f["latency"] - half, f["latency"] + half, se))
    columns = dict(
        zip(
            ("estimate", "ci_low", "ci_high", "se"),
            zip(*rows, strict=True),
            strict=True,
        )
    )
    data = {k: ("site", np.array(v, dtype=float)) for k, v in columns.items()}
    data["peak"] = ("site", np.array([f["peak"] for f in found]))
    data["peak_time"] = ("site", np.array([f["at"] for f in found]))
    if found[0]["p"] is not None:
        p = np.array([f["p"] for f in found])
        data["p_value"] = ("site", p)
        data["p_corrected"] = ("site", np.minimum(1.0, p * len(p)))
    estimate = xr.Dataset(data, coords={"site": labels})
    dated = [i for i, f in enumerate(found) if np.isfinite(f["latency"])]
    if len(dated) < 2:
        return estimate, None
    return estimate, _pairs(found, labels, dated)


def _pairs(
    found: list[dict[str, Any]], labels: list[str], dated: list[int]
) -> xr.Dataset:
    names, rows = [], []
    for k, i in enumerate(dated):
        for j in dated[k + 1 :]:
            difference = found[j]["latency"] - found[i]["latency"]
            se, dof = _jackknife(found[j]["each"] - found[i]["each"])
            half = float(student.ppf(0.975, dof)) * se
            t = abs(difference) / se if se > 0 else np.inf * np.sign(abs(difference))
            p = (
                2 * float(student.sf(t, dof))
                if np.isfinite(t) and t > 0
                else float(t == 0)
            )
            names.append(f"{labels[j]} after {labels[i]}")
            rows.append((difference, difference - half, difference + half, p))
    columns = np.array(rows).T
    p_corrected = np.minimum(1.0, columns[3] * len(names))
    table = xr.Dataset(
        {
            "estimate": ("site_pair", columns[0]),
            "ci_low": ("site_pair", columns[1]),
            "ci_high": ("site_pair", columns[2]),
            "p_value": ("site_pair", columns[3]),
            "p_corrected": ("site_pair", p_corrected),
        },
        coords={"site_pair": names},
    )
    table.attrs["reduction"] = "differences of latencies, jackknife over the same units"
    return table


def _score_table(
    frame: Frame, courses: Any, times: npt.NDArray[np.float64], chance: float
) -> xr.Dataset:
    low, high = [], []
    for score, without, _ in courses:
        n = len(without)
        se = np.sqrt((n - 1) / n * ((without - without.mean(0)) ** 2).sum(0))
        half = student.ppf(0.975, n - 1) * se
        low.append(score - half)
        high.append(score + half)
    table = xr.Dataset(
        {
            "estimate": (("site", "time"), np.stack([c[0] for c in courses])),
            "ci_low": (("site", "time"), np.stack(low)),
            "ci_high": (("site", "time"), np.stack(high)),
        },
        coords={"site": frame.labels, "time": times},
    )
    table["estimate"].attrs.update(
        long_name=SCORES[frame.target.kind], units="", chance=chance, better="higher"
    )
    return table
