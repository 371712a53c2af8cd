"""How many bits activity saves in stating a variable: usable information, code length."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from marr._analysis import Draft, analysis
from marr.errors import OptionError, StatisticsError
from marr.findings import FigureSpec, Note
from marr.representation._readout._code_length_kernel import log_loss_bits, stages
from marr.representation._readout._frame import Frame, make_frame
from marr.stats import (
    bootstrap_weights,
    max_statistic,
    percentile_interval,
    permutation_p,
)
from marr.stats._checks import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from marr.systems import System

__all__ = ["description_length"]

QUANTITIES = ("usable information", "online saving")
N_RESAMPLES = 1000
PENALTIES = (0.01, 0.1, 1.0)
"""Relative to the number of training trials; chosen inside them."""


@analysis(level="representation", citations=("voita2020", "xu2020"), needs="activity")
def description_length(
    system: System,
    target: str,
    *,
    sites: str | Sequence[str] | None = None,
    n_folds: int = 5,
    n_orders: int = 4,
    n_permutations: int = 40,
    seed: int = 0,
    device: str | None = None,
) -> Draft:
    """Measure how many bits a trial activity saves in stating a variable.

    Accuracy says whether a variable can be read out, not how easily. Two measures with a
    logistic probe do: the information that the probe can use (V-information), and the
    saving of a code that learns online, trial block after trial block, which also pays
    for the data that learning takes (minimum description length).

    Parameters
    ----------
    system : System or Cohort
        Recording or hooked model.
    target : str
        Column with two or more classes.
    sites : str or sequence of str, optional
        Sites; all by default.
    n_folds : int
        Folds of the usable information.
    n_orders : int
        Random orders of trials (of groups of dependent trials) of the online code.
    n_permutations : int
        Shuffles of the target; 0 makes no test.
    seed : int
        Seed of folds, orders, shuffles and resamples.
    device : str, optional
        Where torch computes.

    Returns
    -------
    Finding
        Bits a trial over (site, quantity): "usable information" (entropy of the classes
        minus out-of-fold loss of the probe) and "online saving" (uniform code minus online
        code). Higher is better; 0 and below mean that nothing is saved. Table "code":
        total lengths in bits, and the compression (uniform over online length).

    Raises
    ------
    MarrError
        Unknown names; a target that is not categorical; too few trials.

    Notes
    -----
    A usable information below 0 means a probe that is worse than knowing how frequent the
    classes are, as happens with few trials: it is reported, not clipped. Both depend on
    the family of probes (here linear, L2-penalized): nonlinear codes count as little as
    none. Not for comparing targets with other numbers of classes by their bits.

    References
    ----------
    Voita & Titov (2020). Information-theoretic probing with minimum description length.
    Xu et al. (2020). A theory of usable information under computational constraints.
    """
    for name, value, least in (
        ("n_folds", n_folds, 2),
        ("n_orders", n_orders, 1),
        ("n_permutations", n_permutations, 0),
    ):
        check_count(name, value, minimum=least)
    frame = make_frame(
        system,
        target,
        sites=sites,
        over=("site",),
        kind=None,
        n_folds=n_folds,
        n_permutations=n_permutations,
        seed=seed,
    )
    _check_classes(frame, target)
    steps = stages(frame.unit, n_orders=n_orders, seed=seed)
    options = {"seed": seed, "device": device}
    found = [_cell(frame, c.x, steps, options) for c in frame.layout.cells]
    estimate, code = _tables(frame, found, n_orders, seed)
    return Draft(
        estimate=estimate,
        summary=partial(_summary, target=target),
        question=f"How many bits does activity save in stating {target}?",
        methods=_methods(frame, len(steps.fractions), n_orders, n_permutations),
        tables={"code": code},
        figures=_figures(target),
        notes=[*frame.plan.notes, *frame.layout.notes, *_notes(frame)],
        citations=["phipson2010", "nichols2002"] if n_permutations else [],
        generalizes_over=frame.plan.unit_name,
    )


def _check_classes(frame: Frame, target: str) -> None:
    if frame.target.kind != "categorical":
        msg = (
            f"description_length states classes; {target!r} is {frame.target.kind}. Cut "
            "it into classes, or use decode, whose R² says how much is explained."
        )
        raise OptionError(msg)
    if frame.n_units < 10:
        msg = (
            f"there are {frame.n_units} independent {frame.plan.unit_name}; an online "
            "code needs at least 10 to be learned from."
        )
        raise StatisticsError(msg)


def _cell(
    frame: Frame, x: npt.NDArray[np.float64], steps: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """Return bits of each row under each code, of the data and of shuffles."""
    y, n_classes = frame.y[0], len(frame.target.classes)
    fit = frame.fit(x, y, probe="logistic", penalties=PENALTIES, **options)
    n_train = frame.train.sum(axis=1)
    held = np.empty(y.shape)
    for k, rows in enumerate(frame.test):
        held[rows] = log_loss_bits(
            fit.predicted[k][0, rows],  # type: ignore[index]
            y[rows],
            n_train=int(n_train[k]),
        )
    online = np.zeros(y.shape)
    uniform = np.log2(n_classes)
    learned = frame.fit(
        x,
        y,
        probe="logistic",
        penalties=PENALTIES,
        train=steps.train,
        test=steps.test,
        **options,
    )
    for k, rows in enumerate(steps.test):
        online[rows] += log_loss_bits(
            learned.predicted[k][0, rows],  # type: ignore[index]
            y[rows],
            n_train=int(steps.train[k].sum()),
        )
    online += uniform * steps.first
    return {"held": held, "online": online / steps.n_orders}


def _tables(
    frame: Frame, found: list[dict[str, Any]], n_orders: int, seed: int
) -> tuple[xr.Dataset, xr.Dataset]:
    y = frame.y[0, :, 0].astype(int)
    n_classes, n_rows = len(frame.target.classes), len(y)
    share = np.bincount(y, minlength=n_classes) / n_rows
    entropy = float(-(share[share > 0] * np.log2(share[share > 0])).sum())
    uniform = float(np.log2(n_classes))
    start = np.array([entropy, uniform])
    bits = np.stack(
        [np.stack([f["held"], f["online"]]) for f in found]
    )  # site, quantity, row, draw
    saved = start[:, None] - bits.mean(axis=2)
    weights = bootstrap_weights(frame.n_units, n_resamples=N_RESAMPLES, seed=seed)
    sums = np.zeros((frame.n_units, *bits.shape[:2]))
    np.add.at(sums, frame.unit, np.moveaxis(bits[..., 0], 2, 0))
    counts = np.bincount(frame.unit, minlength=frame.n_units)
    drawn = (
        start
        - np.tensordot(weights, sums, axes=(1, 0)) / ((weights @ counts)[:, None, None])
    )
    interval = percentile_interval(drawn)
    dims = ("site", "quantity")
    data = {
        "estimate": (dims, saved[..., 0]),
        "ci_low": (dims, interval.low),
        "ci_high": (dims, interval.high),
    }
    null = np.moveaxis(saved[..., 1:], -1, 0)
    if len(null):
        data["p_value"] = (dims, permutation_p(saved[..., 0], null, tail="greater"))
        data["p_corrected"] = (
            dims,
            max_statistic(saved[..., 0], null, tail="greater"),
        )
        data["null_mean"] = (dims, null.mean(axis=0))
    estimate = xr.Dataset(
        data, coords={"site": frame.labels, "quantity": list(QUANTITIES)}
    )
    estimate["estimate"].attrs.update(
        long_name=f"bits a trial saved about {frame.target.name}",
        units="bit",
        chance=0.0,
        better="higher",
    )
    online = bits[:, 1, :, 0].sum(axis=1)
    code = xr.Dataset(
        {
            "uniform_length": ("site", np.full(len(found), uniform * n_rows)),
            "online_length": ("site", online),
            "compression": ("site", uniform * n_rows / online),
            "entropy": ("site", np.full(len(found), entropy)),
        },
        coords={"site": frame.labels},
        attrs={"reduction": f"total bits, mean over {n_orders} orders of trials"},
    )
    return estimate, code


def _summary(estimate: xr.Dataset, target: str) -> str:
    parts = []
    for site in estimate["site"].values.tolist():
        at = estimate.sel(site=site, quantity=QUANTITIES[0])
        text = (
            f"{site} {float(at['estimate']):.2f} [{float(at['ci_low']):.2f}, "
            f"{float(at['ci_high']):.2f}] bits a trial"
        )
        if "p_corrected" in estimate:
            text += f" (p = {float(at['p_corrected']):.2g} corrected)"
        parts.append(text)
    return (
        f"Information about {target} that a linear probe can use: {'; '.join(parts)}."
    )


def _methods(frame: Frame, n_stages: int, n_orders: int, n_permutations: int) -> str:
    text = (
        "Logistic probes (L2 penalty chosen inside the training trials). Usable "
        "information: entropy of the classes minus the mean out-of-fold log loss "
        f"({frame.plan.n_folds} folds). Online code: the first part of the trials is sent "
        f"with a uniform code, each of {n_stages - 1} further parts, about doubling, with "
        f"the probe of all before; mean over {n_orders} random orders. Probabilities are "
        "mixed with one uniform pseudo-trial, so that no trial costs infinitely many "
        f"bits. Intervals: bootstrap (95 %) over {frame.plan.unit_name}, with probes as "
        "they are."
    )
    if n_permutations:
        text += (
            f" P-values: {n_permutations} shuffles of the labels, one-sided, corrected "
            "over the table by the permutation maximum."
        )
    return text


def _figures(target: str) -> list[FigureSpec]:
    return [
        FigureSpec(
            "points",
            x="site",
            group="quantity",
            reference=0.0,
            reference_label="nothing saved",
            y_label="bits a trial",
            x_label="site",
            caption=f"Bits a trial that activity saves in stating {target}, 95 % interval.",
            description="Dots with intervals of the bits saved by site and measure.",
        )
    ]


def _notes(frame: Frame) -> list[Note]:
    if frame.n_units >= 40:
        return []
    text = (
        f"{frame.n_units} {frame.plan.unit_name} are few: an online code hardly learns."
    )
    return [Note("few_trials", text, "Compare sites rather than reading the bits.")]
