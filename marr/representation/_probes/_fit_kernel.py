"""Probes on plain arrays: any training and test rows, many targets, many times at once.

The entry for analyses that are built on probes. Whatever is shared is computed once: the
sums over rows that no split tells apart, and one factorization for all targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num
from numpy import ndarray
from torch import Tensor

from marr.representation._probes._linear_kernel import Linear
from marr.representation._probes._moments_kernel import (
    Problem,
    Splits,
    center_targets,
)
from marr.representation._probes._probe_kernel import METHODS, across_times
from marr.representation._probes._probe_kernel import probe as run_probe
from marr.representation._probes._score_kernel import KINDS, midranks

__all__ = ["DEFAULT_PROBES", "Fit", "encode_targets", "fit_predict"]

Array: TypeAlias = Num[ndarray, "..."]

DEFAULT_PROBES = {
    "categorical": "lda",
    "ordinal": "ridge",
    "continuous": "ridge",
    "circular": "ridge",
}
"""The probe that a kind of target gets if none is named."""


class Fit(NamedTuple):
    """Probes of every split, time and target; all arrays are double precision.

    Attributes
    ----------
    score : array of shape (n_splits, n_times, n_targets)
        Score of the test rows of each split: balanced accuracy over the classes that the
        test rows hold, rank correlation, R² around the training mean, or mean cosine.
    pooled : array of shape (n_times, n_targets)
        Score of the test rows of all splits together (what `decode` reports).
    predicted : array of shape (n_splits, n_times, n_rows, n_targets, n_outputs) or None
        Outputs of each probe; NaN in rows that the split does not test. Categorical:
        one column a class, the largest wins (discriminants; log-odds of the logistic
        probe, whose softmax is a probability; margins of the support vector machine);
        minus infinity for a class that is missing in training. Continuous: the number.
        Ordinal: the rank, on the scale of `encode_targets`. Circular: cosine and sine.
    weights : array of shape (n_splits, n_times, n_units, n_targets, n_outputs) or None
        In units of `x`: ``predicted = x @ weights + intercept`` without `design`.
        None if the probe is not linear.
    intercept : array of shape (n_splits, n_times, n_targets, n_outputs) or None
        See `weights`.
    penalty : array of shape (n_splits, n_times, n_targets)
        Penalty used, relative to the number of training rows.
    settled : bool array of shape (n_splits, n_times, n_targets)
        Whether an iterative fit converged.
    across : array of shape (n_times, n_times, n_targets) or None
        Pooled score by training and test time.
    """

    score: Array
    pooled: Array
    predicted: Array | None
    weights: Array | None
    intercept: Array | None
    penalty: Array
    settled: Bool[ndarray, "splits times targets"]
    across: Array | None


def fit_predict(
    x: Num[ndarray, "times rows units"],
    y: Array,
    train: Bool[ndarray, "splits rows"],
    test: Bool[ndarray, "splits rows"],
    *,
    kind: str = "categorical",
    probe: str | None = None,
    penalties: Sequence[float] | None = None,
    inner: Int[ndarray, " rows"] | None = None,
    design: Num[ndarray, "one_or_times rows nuisances"] | None = None,
    targets_too: bool = False,
    across: bool = False,
    keep: bool = True,
    seed: int = 0,
    device: str | None = None,
) -> Fit:
    """Fit a probe on the training rows of each split and read out its test rows.

    Times, splits and targets run together. Units are standardized by the training rows
    of each split, and nothing else is learned outside them. Test rows may be any rows:
    of other conditions, of other trials, or training rows themselves.

    Parameters
    ----------
    x : array of shape (n_times, n_rows, n_units)
        Activity.
    y : array of shape (n_rows,), (n_rows, n_targets) or (n_times, n_rows, n_targets)
        Targets: codes 0, 1, ... of classes or of ordered categories, numbers, or angles
        in radians. Shuffled or control labels are further targets: nearly free.
    train, test : bool arrays of shape (n_splits, n_rows)
        Rows that each probe learns from, and rows that it is tested on.
    kind : {"categorical", "ordinal", "continuous", "circular"}
        Kind of all targets.
    probe : str, optional
        Key of `METHODS`; by default "lda" for classes, "ridge" for the rest. "logistic",
        "svm" and "mlp" are the others; "mlp" is slow and has one weight decay.
    penalties : sequence of float, optional
        By default those of the probe (`METHODS`). Relative to the number of training rows, on standardized units. Several are
        chosen from by predicting each `inner` fold of the training rows from the others,
        apart for every split, time and target; a single one is used as it is.
    inner : int array of shape (n_rows,), optional
        Folds inside the training rows; rows that depend on each other share one. Needed
        for several penalties unless the test sets are disjoint: then those are the folds.
    design : array of shape (1 or n_times, n_rows, n_nuisances), optional
        Nuisances, regressed out of activity by the training rows.
    targets_too : bool
        Regress nuisances out of the (not categorical) targets as well; predictions and
        scores are then about what is left.
    across : bool
        Also score the probes of each time at every other time.
    keep : bool
        Return predictions, weights and intercepts; False saves memory.
    seed : int
        Seed of probes that start at random ("mlp").
    device : str, optional
        Where torch computes, in double precision; the CPU by default.

    Returns
    -------
    Fit
        Scores, predictions, weights, penalties.

    Notes
    -----
    Not for inference: p-values need shuffles that respect how trials depend on each
    other, see `marr.representation._plan.make_plan`.
    """
    method = METHODS[probe or DEFAULT_PROBES[kind]]
    penalties = method.penalties if penalties is None else penalties
    data, shift, scale = _standardized(x)
    tensor = _to(device)
    problem = Problem(
        tensor(data),
        encode_targets(y, kind, tensor),
        None if design is None else tensor(design),
        targets_too,
    )
    splits = Splits(
        torch.from_numpy(train).to(problem.x.device),
        torch.from_numpy(test).to(problem.x.device),
        _inner(test, inner, several=len(penalties) > 1).to(problem.x.device),
        seed,
    )
    grid = tensor(np.asarray(penalties, dtype=float))
    found = run_probe(problem, splits, KINDS[kind], method, grid)
    square = None
    if across:
        pairs = across_times(problem, splits, KINDS[kind], found.models)
        square = pairs.numpy(force=True)
    outputs = _outputs(problem, splits, kind, found.models) if keep else None
    lines = _lines(problem, splits, kind, found.models, shift, scale) if keep else None
    return Fit(
        found.by_split.numpy(force=True),
        found.score.numpy(force=True),
        outputs,
        None if lines is None else lines[0],
        None if lines is None else lines[1],
        grid[found.choice].numpy(force=True),
        found.settled.numpy(force=True),
        square,
    )


def encode_targets(y: Array, kind: str, tensor: Any = None) -> Tensor:
    """Code targets as columns, shape (1 or times, rows, targets, outputs).

    Classes become one-hot columns, angles cosine and sine; ordered categories the mean
    rank of their rows, from -1/2 to 1/2.
    """
    tensor = tensor or _to(None)
    values = y[:, None] if y.ndim == 1 else y
    values = values[None] if values.ndim == 2 else values
    if kind == "categorical":
        codes = values.astype(int)
        return Tensor(tensor(np.eye(int(codes.max()) + 1)[codes]))
    if kind == "circular":
        return Tensor(tensor(np.stack([np.cos(values), np.sin(values)], axis=-1)))
    numbers = tensor(values)
    numbers = midranks(numbers) if kind == "ordinal" else numbers
    return Tensor(numbers[..., None])


def _to(device: str | None) -> Any:
    def tensor(values: Array) -> Tensor:
        array = np.ascontiguousarray(values, dtype=float)
        return torch.from_numpy(array).to(torch.device(device or "cpu"))

    return tensor


def _standardized(
    x: Num[ndarray, "times rows units"],
) -> tuple[Float[ndarray, "times rows units"], Array, Array]:
    """Give units zero mean and unit spread over all rows and times: conditioning only."""
    values = np.asarray(x, dtype=float)
    shift = values.mean(axis=(0, 1))
    centered = values - shift
    square = np.einsum("tnp,tnp->p", centered, centered)
    scale = np.sqrt(square / max(1, values.shape[0] * values.shape[1]))
    flat = scale <= 1e-12 * np.maximum(np.abs(shift), 1e-300)
    scale = np.where(flat, 1.0, scale)
    centered /= scale
    centered[..., flat] = 0.0
    return centered, shift, scale


def _inner(
    test: Bool[ndarray, "splits rows"],
    inner: Int[ndarray, " rows"] | None,
    *,
    several: bool,
) -> Tensor:
    if inner is not None:
        return torch.from_numpy(np.ascontiguousarray(inner))
    if several and (test.sum(axis=0) > 1).any():
        msg = "several penalties and overlapping test rows need inner= folds"
        raise ValueError(msg)
    return torch.from_numpy(test.argmax(axis=0))


def _outputs(problem: Problem, splits: Splits, kind: str, models: list[Any]) -> Array:
    n_times, n_rows = problem.x.shape[:2]
    shape = (len(models), n_times, n_rows, *problem.y.shape[2:])
    out = problem.x.new_full(shape, torch.nan)
    for k, model in enumerate(models):
        rows = splits.test[k]
        design = None if problem.design is None else problem.design[:, rows]
        found = model(problem.x[:, rows], design)
        out[k][:, rows] = found + _expected(problem, splits.train[k], kind)
    return np.asarray(out.numpy(force=True))


def _expected(problem: Problem, train: Tensor, kind: str) -> Tensor:
    """Return what is added to the outputs of a probe, (1 or times, 1, targets, outputs)."""
    if KINDS[kind].classes or problem.targets_too:
        return problem.x.new_zeros((1, 1, 1, 1))
    mean = center_targets(problem, train).mean
    return mean.reshape(len(mean), 1, *problem.y.shape[2:])


def _lines(
    problem: Problem,
    splits: Splits,
    kind: str,
    models: list[Any],
    shift: Array,
    scale: Array,
) -> tuple[Array, Array] | None:
    """Return weights and intercepts in units of the activity as it was given."""
    if not all(isinstance(m, Linear) for m in models):
        return None
    weights, intercepts = [], []
    for k, model in enumerate(models):
        bias = model.bias + _expected(problem, splits.train[k], kind)[:, 0]
        raw = model.weights.numpy(force=True) / scale[:, None, None]
        weights.append(raw)
        moved = np.einsum("p,tpdo->tdo", shift, raw)
        intercepts.append(bias.numpy(force=True) - moved)
    return np.stack(weights), np.stack(intercepts)
