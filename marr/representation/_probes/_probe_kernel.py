"""Fit the probe of each split, predict the rows that it has not seen, score them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from marr.representation._probes._linear_kernel import (
    PENALTIES,
    Fits,
    choose_penalties,
    fit_discriminants,
    fit_ridge,
    inner_sets,
)
from marr.representation._probes._margin_kernel import fit_margins
from marr.representation._probes._mlp_kernel import fit_networks
from marr.representation._probes._moments_kernel import (
    Problem,
    Splits,
    Targets,
    center_targets,
    held_out_targets,
    make_sources,
    train_set,
)
from marr.representation._probes._score_kernel import Kind

__all__ = [
    "METHODS",
    "Fits",
    "Kept",
    "Method",
    "ProbeResult",
    "across_times",
    "probe",
]


Fitter = Callable[..., Fits]
"""Fits all splits: (problem, splits, penalties, choice or None, *, classes)."""


class Method(NamedTuple):
    """A probe: how it is fitted, which kinds of target it reads, its usual settings."""

    fit: Fitter
    kinds: tuple[str, ...]
    penalties: tuple[float, ...]
    n_permutations: int


def _closed_form(
    problem: Problem,
    splits: Splits,
    penalties: Tensor,
    choice: Tensor | None,
    *,
    classes: bool,
) -> Fits:
    """Discriminants of classes, ridge regression of numbers."""
    masks = [*splits.train]
    if choice is None and len(penalties) > 1:
        for rows, tests in inner_sets(splits):
            masks += [rows, *(held for _, held in tests)]
    if not classes:  # a shift that probes do not see, but sums of squares do
        problem = problem._replace(y=problem.y - problem.y.mean(dim=1, keepdim=True))
    sources = make_sources(problem, torch.stack(masks))
    if choice is None:
        choice = choose_penalties(
            problem, splits, penalties, classes=classes, sources=sources
        )
    solve = fit_discriminants if classes else fit_ridge
    models = [
        solve(train_set(sources, rows), penalties[chosen])
        for rows, chosen in zip(splits.train, choice, strict=True)
    ]
    return Fits(models, choice, torch.ones_like(choice, dtype=torch.bool))


def _margins(loss: str) -> Fitter:
    def fit(
        problem: Problem,
        splits: Splits,
        penalties: Tensor,
        choice: Tensor | None,
        *,
        classes: bool,  # noqa: ARG001
    ) -> Fits:
        return fit_margins(problem, splits, penalties, choice, loss=loss)

    return fit


NUMBERS = ("ordinal", "continuous", "circular")
METHODS: dict[str, Method] = {
    "lda": Method(_closed_form, ("categorical",), PENALTIES, 200),
    "ridge": Method(_closed_form, NUMBERS, PENALTIES, 200),
    "logistic": Method(_margins("logistic"), ("categorical",), PENALTIES, 200),
    "svm": Method(_margins("hinge"), ("categorical",), PENALTIES, 200),
    "mlp": Method(fit_networks, ("categorical", *NUMBERS), (0.003,), 39),
}
"""Probes by name."""


class Kept(NamedTuple):
    """Rows of the first draws: what scores are ratios of, predictions and truth."""

    part: Tensor  # (times, rows, draws, strata)
    whole: Tensor  # (times, rows, draws, strata)
    predicted: Tensor  # (times, rows, draws, outputs)
    truth: Tensor  # (times, rows, draws, outputs)


class ProbeResult(NamedTuple):
    """Scores of all draws; rows of the data themselves."""

    score: Tensor  # (times, draws), the test rows of all splits together
    by_split: Tensor  # (splits, times, draws)
    kept: Kept
    choice: Tensor  # (splits, times, draws), index of the penalty
    settled: Tensor  # (splits, times, draws), whether the fit converged
    models: list[Any]


def probe(
    problem: Problem,
    splits: Splits,
    kind: Kind,
    method: Method,
    penalties: Float[Tensor, " penalties"],
    choice: Tensor | None = None,
    *,
    n_kept: int = 1,
) -> ProbeResult:
    """Decode every time and draw; each row by a probe that has not seen it.

    Parameters
    ----------
    problem, splits : Problem, Splits
        What is decoded, and which rows train and test.
    kind, method : Kind, Method
        How it is scored, and by which probe.
    penalties : tensor of shape (n_penalties,)
        Penalties to choose from, inside the training rows.
    choice : int tensor of shape (n_splits, n_times, n_draws), optional
        Penalties that were chosen before.
    n_kept : int
        Draws whose rows are kept.
    """
    fits = method.fit(problem, splits, penalties, choice, classes=kind.classes)
    n_times, n_rows = problem.x.shape[:2]
    sums: list[tuple[Tensor, Tensor]] = []
    kept: tuple[Tensor, ...] = ()
    for rows, predicted, truth in _held_out(problem, splits, kind, fits):
        part, whole = kind.parts(predicted, truth)
        sums.append((part.sum(dim=1), whole.sum(dim=1)))
        shown = (part, whole, predicted, truth.expand(n_times, *truth.shape[1:]))
        found = [v[:, :, :n_kept] for v in shown]
        if not kept:
            kept = tuple(v.new_zeros((n_times, n_rows, *v.shape[2:])) for v in found)
        for store, value in zip(kept, found, strict=True):
            store[:, rows] = value
    by_split = torch.stack([kind.combine(*s) for s in sums])
    part, whole = (torch.stack(v).sum(dim=0) for v in zip(*sums, strict=True))
    score = kind.combine(part, whole)
    return ProbeResult(
        score, by_split, Kept(*kept), fits.choice, fits.settled, fits.models
    )


def _held_out(
    problem: Problem, splits: Splits, kind: Kind, fits: Fits
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield test rows, predictions and truth of each split."""
    for train, rows, model in zip(splits.train, splits.test, fits.models, strict=True):
        design = None if problem.design is None else problem.design[:, rows]
        predicted = model(problem.x[:, rows], design)
        expected = center_targets(problem, train)
        yield rows, *_compared(problem, kind, rows, predicted, expected)


def _compared(
    problem: Problem, kind: Kind, rows: Tensor, predicted: Tensor, expected: Targets
) -> tuple[Tensor, Tensor]:
    """Predictions and truth on one scale, (times, rows, draws, outputs)."""
    shape = problem.y.shape[2:]
    if kind.centered or problem.targets_too:
        truth = held_out_targets(problem, rows, expected)
        return predicted, truth.reshape(*truth.shape[:2], *shape)
    if not kind.classes:
        predicted = predicted + expected.mean.reshape(-1, 1, *shape)
    return predicted, problem.y[:, rows]


def across_times(
    problem: Problem, splits: Splits, kind: Kind, models: list[Any]
) -> Float[Tensor, "train_times test_times draws"]:
    """Score probes of each time at every other time, splits shared by all pairs."""
    n_times, n_draws = problem.x.shape[0], problem.y.shape[2]
    out = problem.x.new_zeros((n_times, n_times, n_draws))
    step = max(1, CELLS // (problem.x.shape[0] * problem.x.shape[1] * n_draws))
    for low in range(0, n_times, step):
        at = slice(low, min(low + step, n_times))
        part = whole = problem.x.new_zeros(1)
        for train, rows, model in zip(splits.train, splits.test, models, strict=True):
            new = _square(problem, kind, train, rows, model, at)
            part, whole = part + new[0].sum(dim=1), whole + new[1].sum(dim=1)
        scores = kind.combine(part, whole)  # (test times, training times * draws)
        out[at] = scores.reshape(n_times, -1, n_draws).movedim(1, 0)
    return out


CELLS = 4_000_000
"""Predictions of a block of training times."""


def _square(
    problem: Problem,
    kind: Kind,
    train: Tensor,
    rows: Tensor,
    model: Any,
    at: slice,
) -> tuple[Tensor, Tensor]:
    """Parts and wholes (test times, rows, training times * draws, strata)."""
    design = None if problem.design is None else problem.design[:, rows]
    predicted = model.across(problem.x[:, rows], design, at)
    n_train, n_draws, n_outputs = predicted.shape[2:]
    expected = center_targets(problem, train)
    if not (kind.centered or problem.targets_too or kind.classes):
        mean = expected.mean.reshape(-1, n_draws, n_outputs)
        predicted = predicted + (mean if len(mean) == 1 else mean[at])
    flat = predicted.reshape(*predicted.shape[:2], n_train * n_draws, n_outputs)
    if kind.centered or problem.targets_too:
        truth = held_out_targets(problem, rows, expected)
        truth = truth.reshape(*truth.shape[:2], n_draws, n_outputs)
    else:
        truth = problem.y[:, rows]
    return kind.parts(flat, truth.repeat(1, 1, n_train, 1))
