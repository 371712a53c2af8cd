"""From the outputs of a model to behavior columns: choice, confidence, heading, ...

A readout takes the outputs of a model (trials first) and its trial table, and returns
one value a trial for each column. It must treat each trial by itself, because it is
called batch by batch and on selections of trials. Options are set with
`functools.partial`::

    from functools import partial
    readout = partial(marr.readouts.choice, labels=["left", "right"], at="mean")
    net = marr.hook(model, inputs, trials, sites=["rnn"], readout=readout)

A readout that names an argument `variables` is given the continuous variables of the
trials, as a dict of arrays of shape (n_trials, n_times). A list of readouts makes the
columns of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marr.errors import ContractError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["choice", "confidence", "heading", "response_time", "value"]

Columns = dict[str, "NDArray[Any]"]


def choice(
    outputs: NDArray[Any],
    trials: pd.DataFrame,
    *,
    labels: Sequence[Any] | None = None,
    at: str | int = "last",
    target: str | None = "target",
) -> Columns:
    """Return the class with the largest output, as the choice of the model.

    Parameters
    ----------
    outputs : array of shape (n_trials, n_classes) or (n_trials, n_times, n_classes)
        Logits. A single one is taken as the log odds of the second of two classes.
    trials : DataFrame
        Trial table.
    labels : sequence of length n_classes, optional
        What the classes are called; 0, 1, 2, ... by default.
    at : {"last", "mean"} or int
        Logits of the last valid time, averaged over valid times, or of one time.
    target : str or None
        Column that holds the right choice, in the terms of `labels`. Trials where it
        is missing are neither right nor wrong (NaN).

    Returns
    -------
    dict with "choice", with two classes "choice_probability" (softmax of the second),
    and "correct" (1, 0 or NaN) if the table has the target column

    Raises
    ------
    ContractError
        If shapes or labels disagree.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> choice(np.array([[2.0, 0.0], [0.0, 1.0]]), pd.DataFrame({"target": [0, 0]}))
    {'choice': array([0, 1]), 'choice_probability': array([0.119..., 0.731...]), \
'correct': array([1., 0.])}
    """
    logits = _two_classes(_at(outputs, at))
    names = _labels(labels, logits.shape[1])
    chosen = names[logits.argmax(axis=1)]
    columns: Columns = {"choice": chosen}
    if logits.shape[1] == 2:
        columns["choice_probability"] = _softmax(logits)[:, 1]
    if target is not None and target in trials.columns:
        columns["correct"] = _correct(chosen, names, trials[target], target)
    return columns


def confidence(
    outputs: NDArray[Any], trials: pd.DataFrame, *, at: str | int = "last"
) -> Columns:
    """Return the largest softmax probability as a proxy of confidence.

    Parameters
    ----------
    outputs, at
        See `choice`.
    trials : DataFrame
        Trial table (not used).

    Returns
    -------
    dict with "confidence", in [1 / n_classes, 1]

    Notes
    -----
    Networks trained with cross-entropy are often overconfident: compare this with
    accuracy before reading it as a belief.
    """
    del trials
    probabilities = _softmax(_two_classes(_at(outputs, at)))
    return {"confidence": probabilities.max(axis=1)}


def response_time(
    outputs: NDArray[Any],
    trials: pd.DataFrame,
    *,
    threshold: float = 0.8,
    step: float = 1.0,
) -> Columns:
    """Return when the largest softmax probability first reaches a threshold.

    Parameters
    ----------
    outputs : array of shape (n_trials, n_times, n_classes)
        Logits at each time.
    trials : DataFrame
        Trial table (not used).
    threshold : float
        Probability that counts as a decision, in (0.5, 1).
    step : float
        Duration of one time step; response times are in its unit.

    Returns
    -------
    dict with "response_time": number of steps until the threshold times `step`, NaN on
    trials that never reach it

    Notes
    -----
    A proxy: a network has no response to time unless it was trained to give one. It
    grows with the threshold, so report a range of thresholds.
    """
    del trials
    if not 0 < threshold < 1:
        msg = f"threshold must be a probability between 0 and 1; got {threshold!r}."
        raise OptionError(msg)
    values = np.asarray(outputs, dtype=float)
    if values.ndim != 3:
        msg = (
            "response_time needs outputs over time, of shape (trial, time, class); got "
            f"{values.shape}. Let the model return its output at every step."
        )
        raise ContractError(msg)
    reached = _softmax(_two_classes(values)).max(axis=-1) >= threshold
    first = reached.argmax(axis=1) + 1.0
    return {"response_time": np.where(reached.any(axis=1), first * step, np.nan)}


def heading(
    outputs: NDArray[Any],
    trials: pd.DataFrame,
    variables: Mapping[str, NDArray[Any]] | None = None,
    *,
    target: str = "heading",
    at: str | int = "last",
) -> Columns:
    """Return the angle of (cosine, sine) outputs, and its error.

    Parameters
    ----------
    outputs : array of shape (n_trials, 2) or (n_trials, n_times, 2)
        Cosine and sine of the angle.
    trials : DataFrame
        Trial table; a column `target` (radians) is compared with the estimate.
    variables : mapping of str to array of shape (n_trials, n_times), optional
        If `target` is among them, the error is averaged over valid times.
    target : str
        Name of the true angle, radians.
    at : {"last", "mean"} or int
        Time of "heading_estimate" (and of the error, for a target of one value a
        trial).

    Returns
    -------
    dict with "heading_estimate" (radians, in (-pi, pi]) and, if the target is known,
    "heading_error" (absolute circular difference in radians, 0 to pi)
    """
    values = np.asarray(outputs, dtype=float)
    if values.shape[-1] != 2:
        msg = (
            "heading needs two outputs, cosine and sine of the angle; got shape "
            f"{values.shape}. Slice them out first."
        )
        raise ContractError(msg)
    columns = {"heading_estimate": _angle(_at(values, at))}
    if variables is not None and target in variables:
        truth = np.asarray(variables[target], dtype=float)
        if values.shape[:-1] != truth.shape:
            msg = (
                f"heading: outputs of shape {values.shape} must have the trials and times "
                f"of the variable {target!r}, {truth.shape}."
            )
            raise ContractError(msg)
        error = np.abs(_wrapped(_angle(values) - truth))
        columns["heading_error"] = np.nanmean(error, axis=1)
    elif target in trials.columns:
        truth = trials[target].to_numpy(dtype=float)
        error = np.abs(_wrapped(columns["heading_estimate"] - truth))
        columns["heading_error"] = error
    return columns


def value(
    outputs: NDArray[Any],
    trials: pd.DataFrame,
    *,
    index: int = 0,
    at: str | int = "last",
    name: str = "value",
) -> Columns:
    """Return one output as a number a trial (a value, an estimate, a prediction).

    Parameters
    ----------
    outputs : array of shape (n_trials, n_outputs) or (n_trials, n_times, n_outputs)
        Outputs.
    trials : DataFrame
        Trial table (not used).
    index : int
        Which output.
    at : {"last", "mean"} or int
        Which time, see `choice`.
    name : str
        Name of the column.
    """
    del trials
    final = _at(outputs, at)
    if not -final.shape[1] <= index < final.shape[1]:
        msg = f"index must name one of {final.shape[1]} outputs; got {index!r}."
        raise OptionError(msg)
    return {name: final[:, index]}


def _at(outputs: NDArray[Any], at: str | int) -> NDArray[Any]:
    """Return outputs of shape (n_trials, n_outputs) at one time."""
    values = np.asarray(outputs, dtype=float)
    if values.ndim == 1:
        return values[:, None]
    if values.ndim == 2:
        return values
    if values.ndim != 3:
        msg = (
            "outputs must have shape (trial, output) or (trial, time, output); got "
            f"{values.shape}. Write a readout for this model: a function (outputs, "
            "trials) -> dict of columns."
        )
        raise ContractError(msg)
    n_times = values.shape[1]
    if isinstance(at, (int, np.integer)) and not isinstance(at, bool):
        if not -n_times <= at < n_times:
            msg = f"at must be a time index below {n_times}; got {at}."
            raise OptionError(msg)
        return values[:, at]
    if at == "mean":
        return np.asarray(np.nanmean(values, axis=1))
    if at == "last":
        there = ~np.isnan(values).any(axis=-1)
        last = n_times - 1 - there[:, ::-1].argmax(axis=1)
        return np.asarray(values[np.arange(len(values)), last])
    msg = f"at must be 'last', 'mean' or the index of a time; got {at!r}."
    raise OptionError(msg)


def _two_classes(logits: NDArray[Any]) -> NDArray[Any]:
    """Turn a single log odds into logits of two classes."""
    if logits.shape[-1] > 1:
        return logits
    return np.concatenate([np.zeros_like(logits), logits], axis=-1)


def _labels(labels: Sequence[Any] | None, n_classes: int) -> NDArray[Any]:
    names = np.arange(n_classes) if labels is None else np.asarray(labels)
    if names.shape != (n_classes,):
        msg = (
            f"labels must name each of the {n_classes} outputs of the model; got "
            f"{list(labels or [])!r}."
        )
        raise ContractError(msg)
    return names


def _correct(
    chosen: NDArray[Any], names: NDArray[Any], target: pd.Series, column: str
) -> NDArray[np.float64]:
    """Return 1 where the choice is the target, 0 where not, NaN without a target."""
    missing = target.isna().to_numpy()
    known = target.isin(names.tolist()).to_numpy() | missing
    if not known.all():
        msg = (
            f"column {column!r} holds {target[~known].iloc[0]!r}, which is none of the "
            f"choices {names.tolist()}. Give labels= in the order of the outputs, or "
            "target=None."
        )
        raise ContractError(msg)
    right = np.array(
        [a == b for a, b in zip(chosen.tolist(), target.tolist(), strict=True)]
    )
    return np.where(missing, np.nan, right.astype(float))


def _softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _angle(pair: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.arctan2(pair[..., 1], pair[..., 0]))


def _wrapped(angle: NDArray[Any]) -> NDArray[np.float64]:
    """Return angles in (-pi, pi]."""
    return np.asarray(np.pi - (np.pi - angle) % (2 * np.pi))
